"""Image files in and out: one plug-in per format, found by file name.

A new format is one new file beside this one that offers `suffixes`,
`read(path) -> Radiograph` and `write(path, radiograph) -> None`. Every failure to
read is an `ImageReadError` and every failure to write an `ImageWriteError`, with
one line of text: file name, cause, remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import iter_modules

from coldray.document import as_texts
from coldray.errors import ColdrayError, PluginError
from coldray.formats._kinds import is_a, kinds_of
from coldray.formats.raw import RawGeometry
from coldray.formats.raw import read as _read_raw
from coldray.plugins import ImageFormat, plugin, plugin_names
from coldray.radiograph import Radiograph
from coldray.reading import MAX_PIXELS, Location, check_finite, opened, quiet, refuse, refuse_writing, shown

__all__ = [
    "MAX_PIXELS",
    "ImageFormat",
    "RawGeometry",
    "check_finite",
    "format_for",
    "is_image",
    "known_formats",
    "named_tags",
    "noting",
    "read_image",
    "reading_notes",
    "suffixes",
    "tag_text",
    "writable_suffixes",
    "write_image",
]


OURS = tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def known_formats() -> Iterator[ImageFormat]:
    """All formats, ours first: a suffix of ours cannot be taken by another, nor waits for what is installed."""
    for name in OURS:
        yield plugin("format", name)
    for name in plugin_names("format"):
        if name not in OURS:
            yield plugin("format", name)


def suffixes() -> tuple[str, ...]:
    """File name endings that can be read, in lower case, sorted."""
    return tuple(sorted({suffix for plug_in in known_formats() for suffix in plug_in.suffixes}))


def is_image(path: Location) -> bool:
    """Whether a file name ends as an image's that can be read; installed packages are only asked if it is none of ours."""
    suffix = Path(path).suffix.lower()
    return any(suffix in plug_in.suffixes for plug_in in known_formats())


def writable_suffixes() -> tuple[str, ...]:
    """File name endings that can be written, in lower case, sorted."""
    return tuple(
        sorted(
            {s for plug_in in known_formats() for s in plug_in.suffixes if s not in getattr(plug_in, "read_only", ())}
        )
    )


def format_for(path: Location) -> ImageFormat:
    """Find the plug-in that answers to a file name.

    Parameters
    ----------
    path : path-like
        Only its suffix matters, in either case.

    Returns
    -------
    ImageFormat
        The plug-in module.

    Raises
    ------
    PluginError
        If no plug-in has that suffix; the message lists those that exist.

    Examples
    --------
    >>> from coldray.formats import format_for
    >>> format_for("board.tiff").__name__
    'coldray.formats.tiff'
    """
    suffix = Path(path).suffix.lower()
    for plug_in in known_formats():
        if suffix in plug_in.suffixes:
            return plug_in
    known = " ".join(suffixes())
    raise PluginError(f"{shown(path)} has no suffix of an image format; use one of {known}")


def read_image(path: Location, *, raw: RawGeometry | None = None) -> Radiograph:
    """Read one radiograph from any known format.

    Parameters
    ----------
    path : path-like
        Image file. Its content must be what its suffix says; a DICOM file may
        have any other suffix or none.
    raw : RawGeometry, optional
        Read the file as raw pixels of this geometry, whatever its name.

    Returns
    -------
    Radiograph
        Stored values in native byte order, with what the file says of its
        acquisition, history, and a last step "read" if something was remarkable.

    Raises
    ------
    ImageReadError
        One line: file name, cause, remedy.
    """
    if raw is not None:
        return _read_raw(path, raw)
    try:
        plug_in = format_for(path)
    except PluginError as error:
        with opened(path) as (file, _):
            found = kinds_of(file)
        if "DICOM" in found:
            return plugin("format", "dicom").read(path)
        for kind, remedy in found.items():
            raise refuse(path, is_a(kind), remedy) from error
        known = " ".join(suffixes())
        raise refuse(path, "is of no known image format", f"use one of {known}, or state a raw geometry") from error
    return plug_in.read(path)


def write_image(path: Location, radiograph: Radiograph) -> None:
    """Write one radiograph in the format that the file name asks for, whole or not at all.

    Parameters
    ----------
    path : path-like
        Final name; an older file there is replaced only when the new one is on disk.
    radiograph : Radiograph
        Written with its own pixel type, never rescaled or clipped.

    Raises
    ------
    ImageWriteError
        If the format is unknown, cannot hold these pixels, or the disk does not
        take the file. Nothing is left behind.
    """
    try:
        plug_in = format_for(path)
    except PluginError as error:
        known = " ".join(writable_suffixes())
        raise refuse_writing(path, "has no suffix of an image format", f"use one of {known}") from error
    with quiet():
        plug_in.write(path, radiograph)


def reading_notes(radiograph: Radiograph) -> tuple[str, ...]:
    """What the reader found remarkable about a file, for a user to see.

    Parameters
    ----------
    radiograph : Radiograph
        As `read_image` gave it.

    Returns
    -------
    tuple of str
        Empty if there was nothing to say.
    """
    if not radiograph.history or radiograph.history[-1].verb != "read":
        return ()
    return tuple(as_texts(radiograph.history[-1].details.get("notes", ())))


@contextmanager
def noting(*images: tuple[Location, Radiograph]) -> Iterator[None]:
    """Let an error that follows say what was noted when the images were read: it is often the cause.

    Parameters
    ----------
    images : (path, Radiograph)
        Where each came from, and what `read_image` gave.

    Yields
    ------
    None
        `ColdrayError` passes through with the notes added (`BaseException.add_note`).
    """
    try:
        yield
    except ColdrayError as problem:
        for path, image in images:
            for note in reading_notes(image):
                problem.add_note(f"{shown(path)}: {note}")
        raise


def named_tags(radiograph: Radiograph) -> dict[str, str]:
    """What the file says of its object and its making, for a user to see.

    Parameters
    ----------
    radiograph : Radiograph
        As `read_image` gave it.

    Returns
    -------
    dict of str to str
        DICONDE names for DICOM, texts of TIFF tags; empty for formats that say nothing. Values are foreign text.
    """
    tags = getattr(radiograph.carrier, "tags", None)
    return dict(tags()) if callable(tags) else {}


def tag_text(radiograph: Radiograph, keyword: str) -> str | None:
    """Text of one DICOM element, for rules.

    Parameters
    ----------
    radiograph : Radiograph
        As `read_image` gave it.
    keyword : str
        Such as ``DetectorID``. What is read of other formats too (``KVP``; ``Manufacturer`` and ``ManufacturerModelName`` of
        TIFF's Make and Model) is given for those.

    Returns
    -------
    str or None
        None if the file does not say. Foreign text.
    """
    element = getattr(getattr(radiograph.carrier, "dataset", None), keyword, None)
    if element is not None and not hasattr(element, "walk"):
        return str(element)
    if keyword == "KVP" and radiograph.acquisition.tube_voltage_kv is not None:
        return f"{radiograph.acquisition.tube_voltage_kv:g}"
    alike = {"Manufacturer": "make", "ManufacturerModelName": "model"}
    return named_tags(radiograph).get(alike[keyword]) if keyword in alike else None
