"""From the command line's paths to lists of inputs and their outputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coldray.errors import ImageReadError, ImageWriteError, SettingsError
from coldray.files import shown
from coldray.formats import is_image, suffixes

UNWRITABLE = (".jpg", ".jpeg")
LEDGER = ".coldray-ledger.sqlite"
"""A folder with one holds results of `restore`."""
PROVENANCE = ".provenance.tif"
"""Ending of the provenance layers that `restore` leaves beside a result; never an input found in a folder."""
CERTIFICATE = ".certificate.tif"
"""The same for the map of the consistency certificate."""
INTERVAL = ".interval.tif"
"""The same for the lower and the upper image."""
SIDE_IMAGES = (PROVENANCE, CERTIFICATE, INTERVAL)
REPORTS = (".report.html", ".report.pdf")
"""Endings of the reports beside a result."""
DEEPEST = 100
"""Levels of folders that are searched; deeper ones are a mistake or an attack."""
LONGEST_NAME = 255
"""Longest file name where the file system does not say [bytes]."""


@dataclass(frozen=True)
class Pairing:
    """One input and its output; whether the user named that; where the input was found; who else would write there."""

    source: Path
    target: Path
    is_file: bool
    root: Path | None = None
    rival: Path | None = None

    @property
    def name(self) -> str:
        """Path of the input within the folder that the user named; its own name if that was the file itself."""
        if self.root is None or not self.source.is_relative_to(self.root):
            return self.source.name
        return self.source.relative_to(self.root).as_posix()

    def check(self) -> None:
        """Refuse what was found in a folder but lies elsewhere, or would replace the result of another input.

        Raises
        ------
        ImageReadError
            If the input is a link that leads out of the folder the user named, or nowhere.
        ImageWriteError
            If another input has the same output.
        """
        if self.rival is not None:
            raise ImageWriteError(
                f"{shown(self.source)} and {shown(self.rival)} would both become {shown(self.target)}; rename one of them"
            )
        if self.root is None or not self.source.is_symlink():
            return
        try:
            inside = self.source.resolve(strict=True).is_relative_to(self.root.resolve())
        except (OSError, RuntimeError):
            inside = False
        if not inside:
            raise ImageReadError(
                f"{shown(self.source)} is a link out of its folder or to nothing; name the file itself"
            )


def walk(folder: Path, leave_out: Path | None = None) -> Iterator[Path]:
    """Find entries with an image suffix through all levels, sorted within each folder.

    Parameters
    ----------
    folder : Path
    leave_out : Path, optional
        A folder below it that is not searched: our own output.

    Yields
    ------
    Path
        Files, and whatever else carries such a name: the reader refuses it. Dot names, results' side files, and
        folders below that hold a ledger of `restore` are left out. Links to folders are not entered.
    """
    ours = None if leave_out is None or not leave_out.exists() else os.stat(leave_out)
    waiting, known = [_entries(folder)], set(suffixes())
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
            continue
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if path.suffix.lower() in known and not entry.name.lower().endswith(SIDE_IMAGES):
            yield path
        if not entry.is_dir(follow_symlinks=False) or (path / LEDGER).exists():
            continue
        if ours is not None and os.path.samestat(entry.stat(), ours):
            continue
        if len(waiting) == DEEPEST:
            raise ImageReadError(
                f"{shown(folder)}: folders are nested more than {DEEPEST} deep below it, down to {shown(path)}; give the "
                "folders that hold the images"
            )
        waiting.append(_entries(path))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of one folder, sorted."""
    try:
        return iter(sorted(os.scandir(folder), key=lambda entry: entry.name))
    except OSError as problem:
        raise ImageReadError(f"{shown(folder)}: the folder cannot be read ({problem.strerror}); check it") from None


def expand(paths: Iterable[Path], leave_out: Path | None = None) -> list[tuple[Path, Path]]:
    """List image files as (file, path relative to where the user pointed), sorted within folders.

    Raises
    ------
    ImageReadError
        If a path does not exist or a folder holds no image.
    """
    return [(file, relative) for file, relative, _ in _expand(paths, leave_out)]


def _expand(paths: Iterable[Path], leave_out: Path | None = None) -> list[tuple[Path, Path, Path | None]]:
    found: list[tuple[Path, Path, Path | None]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(walk(path, leave_out))
            if not inside:
                raise ImageReadError(
                    f"{path.name}: the folder holds no image; known suffixes are {' '.join(suffixes())}"
                )
            found += [(p, p.relative_to(path), path) for p in inside]
        else:
            found.append((path, Path(path.name), None))
    return found


def target_of(relative: Path, out: Path) -> Path:
    """Output of a file found at `relative`: the same place under `out`, JPEG as TIFF."""
    target = out / relative
    return target.with_suffix(".tif") if target.suffix.lower() in UNWRITABLE else target


def pair_outputs(
    paths: list[Path], out: Path, *, overwrite: bool, ledger: bool = False, beside: bool = False
) -> list[Pairing]:
    """Decide where each input goes; nothing is written.

    With a ledger, an output folder may hold results already: the ledger decides which are this work's own.
    With `beside`, every output may have files beside it, such as `NAME.provenance.tif`.

    Raises
    ------
    SettingsError
        If several inputs are to become one file, or two inputs would write the same file.
    ImageWriteError
        If an output exists and `overwrite` is not set, is one of the inputs, or cannot be written where it should.
    """
    files = _expand(paths, out.resolve())
    image = is_image(out)
    single = len(files) == 1 and not paths[0].is_dir() and image
    if not single and image and not out.is_dir():
        raise SettingsError(f"{out.name}: {len(files)} inputs cannot become one image; give a folder as OUT")
    check_folder(out.parent if single else out)
    pairs = [Pairing(f, out if single else target_of(relative, out), single, root) for f, relative, root in files]
    targets = [p.target for p in pairs]
    if len(set(targets)) < len(pairs):
        raise SettingsError("two inputs have the same relative name; restore them into different folders")
    if beside:
        every = [one for target in targets for one in (target, *side_images(target))]
        if len(set(every)) < len(every):
            raise SettingsError("two inputs differ only in their suffix; restore them into different folders")
        targets = every
    _keep_inputs(targets, (p.source for p in pairs))
    for pair in pairs:
        if pair.target.exists() and not overwrite and not (ledger and not single):
            raise ImageWriteError(f"{pair.target.name}: exists already; give --overwrite or another OUT")
    return pairs


def side_images(target: Path) -> list[Path]:
    """Images that `restore` may leave beside an output."""
    return [target.with_name(target.stem + ending) for ending in SIDE_IMAGES]


def _keep_inputs(targets: Iterable[Path], sources: Iterable[Path]) -> None:
    """Refuse what would replace an input."""
    # realpath, unlike Path.resolve, is not stopped by a link to itself
    inputs = {os.path.realpath(source) for source in sources}
    for target in targets:
        if os.path.realpath(target) in inputs:
            raise ImageWriteError(f"{target.name}: the output would replace an input; choose another OUT")


def gather(paths: list[Path], out: Path, *, overwrite: bool, beside: bool = False) -> tuple[list[Path], Pairing]:
    """Decide what goes into one average and where that goes; nothing is written. `beside` as for `pair_outputs`.

    Returns
    -------
    sources : list of Path
    pair : Pairing
        Of the first one.

    Raises
    ------
    SettingsError
        If the output is no image file, or an input is named twice.
    ImageReadError
        If an input does not exist or is a link out of its folder.
    ImageWriteError
        If the output exists and `overwrite` is not set, is one of the inputs, or cannot be written where it should.
    """
    if not is_image(out) or out.suffix.lower() in UNWRITABLE or out.is_dir():
        raise SettingsError(f"{out.name}: --average writes one image; give the name of an image file, such as mean.tif")
    check_folder(out.parent)
    pairs = [Pairing(file, out, True, root) for file, _, root in _expand(paths)]
    for pair in pairs:
        pair.check()
    sources = [pair.source for pair in pairs]
    _keep_inputs([out, *side_images(out)] if beside else [out], sources)
    if len({os.path.realpath(source) for source in sources}) < len(sources):
        raise SettingsError("an input is named twice; every frame counts once in an average")
    if out.exists() and not overwrite:
        raise ImageWriteError(f"{out.name}: exists already; give --overwrite or another OUT")
    return sources, pairs[0]


def check_names(paths: Iterable[Path]) -> None:
    """Refuse, before anything is computed, outputs whose names the file system cannot hold.

    Raises
    ------
    ImageWriteError
        Naming the first that is too long, with its length.
    """
    for path in paths:
        length = len(os.fsencode(path.name))
        there = next((p for p in path.absolute().parents if os.path.lexists(p)), path)
        try:
            longest = os.pathconf(there, "PC_NAME_MAX")
        except (AttributeError, ValueError, OSError):
            longest = LONGEST_NAME
        if length > longest:
            raise ImageWriteError(
                f"{shown(path)}: the name is too long for a file ({length} bytes, {longest} are the most); give the "
                "image a shorter name, or leave out what is written beside it"
            )


def check_folder(folder: Path) -> None:
    """Refuse, before anything is computed, a folder that is a file or cannot be written.

    Raises
    ------
    ImageWriteError
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise ImageWriteError(f"{shown(there)}: is a file, not a folder; choose another OUT")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ImageWriteError(
            f"{shown(there)}: the folder cannot be written; choose another OUT or change its permissions"
        )
