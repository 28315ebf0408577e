"""From the command line's paths to lists of inputs and their outputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coldray.errors import ImageReadError, ImageWriteError, SettingsError
from coldray.files import shown
from coldray.formats import SUFFIXES

UNWRITABLE = (".jpg", ".jpeg")
LEDGER = ".coldray-ledger.sqlite"
"""A folder with one holds results of `restore`."""
BESIDE = ".provenance.tif"
"""Ending of what `restore` leaves beside its results; never an input found in a folder."""
CERTIFICATE = ".certificate.tif"
"""The same for the map of the consistency certificate."""
REPORTS = (".report.html", ".report.pdf")
"""Endings of the reports beside a result."""


@dataclass(frozen=True)
class Pairing:
    """One input, its output, whether the user named the output file itself, and the folder it was found in."""

    source: Path
    target: Path
    is_file: bool
    root: Path | None = None

    def check(self) -> None:
        """Refuse what was found in a folder but lies elsewhere.

        Raises
        ------
        ImageReadError
            If the input is a link that leads out of the folder the user named, or nowhere.
        """
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
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as problem:
        raise ImageReadError(f"{shown(folder)}: the folder cannot be read ({problem.strerror}); check it") from None
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if path.suffix.lower() in SUFFIXES and not entry.name.lower().endswith((BESIDE, CERTIFICATE)):
            yield path
        if entry.is_dir(follow_symlinks=False):
            ours = (path / LEDGER).exists() or (leave_out is not None and path.resolve() == leave_out)
            if not ours:
                yield from walk(path, leave_out)


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
                    f"{path.name}: the folder holds no image; known suffixes are {' '.join(sorted(SUFFIXES))}"
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
    With `beside`, every output also has a file `NAME.provenance.tif`.

    Raises
    ------
    SettingsError
        If several inputs are to become one file, or two inputs would write the same file.
    ImageWriteError
        If an output exists and `overwrite` is not set, is one of the inputs, or cannot be written where it should.
    """
    files = _expand(paths, out.resolve())
    single = len(files) == 1 and not paths[0].is_dir() and out.suffix.lower() in SUFFIXES
    if not single and out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise SettingsError(f"{out.name}: {len(files)} inputs cannot become one image; give a folder as OUT")
    check_folder(out.parent if single else out)
    pairs = [Pairing(f, out if single else target_of(relative, out), single, root) for f, relative, root in files]
    targets = [p.target for p in pairs]
    if len(set(targets)) < len(pairs):
        raise SettingsError("two inputs have the same relative name; restore them into different folders")
    if beside:
        targets += [t.with_name(t.stem + BESIDE) for t in targets]
        if len(set(targets)) < 2 * len(pairs):
            raise SettingsError("two inputs differ only in their suffix; restore them into different folders")
    # realpath, unlike Path.resolve, is not stopped by a link to itself
    inputs = {os.path.realpath(p.source) for p in pairs}
    for target in targets:
        if os.path.realpath(target) in inputs:
            raise ImageWriteError(f"{target.name}: the output would replace an input; choose another OUT")
    for pair in pairs:
        if pair.target.exists() and not overwrite and not (ledger and not single):
            raise ImageWriteError(f"{pair.target.name}: exists already; give --overwrite or another OUT")
    return pairs


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
