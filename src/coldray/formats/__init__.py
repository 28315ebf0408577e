"""Image files in and out: one plug-in per format, found by file name.

A new format is one new file beside this one that offers `suffixes`,
`read(path) -> Radiograph` and `write(path, radiograph) -> None`. Every failure to
read is an `ImageReadError` and every failure to write an `ImageWriteError`, with
one line of text: file name, cause, remedy.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from coldray.errors import ColdrayError, PluginError
from coldray.formats._kinds import is_a, kinds_of
from coldray.formats.raw import RawGeometry
from coldray.formats.raw import read as _read_raw
from coldray.radiograph import Radiograph
from coldray.reading import MAX_PIXELS, Location, check_finite, opened, quiet, refuse, refuse_writing, shown

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "WRITABLE_SUFFIXES",
    "ImageFormat",
    "RawGeometry",
    "check_finite",
    "format_for",
    "named_tags",
    "noting",
    "read_image",
    "reading_notes",
    "write_image",
]


class ImageFormat(Protocol):
    """What a plug-in module of this folder offers.

    It may also offer `read_only`, the suffixes among `suffixes` that it does not
    write, `carries`, what a written file gives back when read (of "pitch",
    "acquisition", "history", "mask"), and `needs_geometry`, true for files that do not
    say their own size.
    """

    suffixes: tuple[str, ...]

    def read(self, path: Location) -> Radiograph:
        """Read one file."""
        ...

    def write(self, path: Location, radiograph: Radiograph) -> None:
        """Write one file whole or not at all."""
        ...


def _plug_ins() -> dict[str, ImageFormat]:
    """Every module of this folder whose name does not begin with an underscore."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return {name: cast(ImageFormat, importlib.import_module(f"{__name__}.{name}")) for name in names}


FORMATS: dict[str, ImageFormat] = _plug_ins()
"""Plug-ins by name."""

SUFFIXES: tuple[str, ...] = tuple(sorted({suffix for plug_in in FORMATS.values() for suffix in plug_in.suffixes}))
"""File name endings that can be read, in lower case."""

WRITABLE_SUFFIXES: tuple[str, ...] = tuple(
    sorted({s for plug_in in FORMATS.values() for s in plug_in.suffixes if s not in getattr(plug_in, "read_only", ())})
)
"""File name endings that can be written, in lower case."""


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
    """
    suffix = Path(path).suffix.lower()
    for plug_in in FORMATS.values():
        if suffix in plug_in.suffixes:
            return plug_in
    known = " ".join(SUFFIXES)
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
            return FORMATS["dicom"].read(path)
        for kind, remedy in found.items():
            raise refuse(path, is_a(kind), remedy) from error
        known = " ".join(SUFFIXES)
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
        known = " ".join(WRITABLE_SUFFIXES)
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
    return tuple(str(note) for note in radiograph.history[-1].details.get("notes", ()))


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
