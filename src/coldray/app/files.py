"""From the command line's paths to lists of inputs and their outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coldray.data.formats import SUFFIXES
from coldray.errors import ImageReadError, ImageWriteError, SettingsError

UNWRITABLE = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Pairing:
    """One input, its output, and whether the user named the output file itself."""

    source: Path
    target: Path
    is_file: bool


def expand(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """List image files as (file, path relative to where the user pointed), sorted within folders.

    Raises
    ------
    ImageReadError
        If a path does not exist or a folder holds no image.
    """
    found: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            if not inside:
                raise ImageReadError(
                    f"{path.name}: the folder holds no image; known suffixes are {' '.join(sorted(SUFFIXES))}"
                )
            found += [(p, p.relative_to(path)) for p in inside]
        else:
            found.append((path, Path(path.name)))
    return found


def pair_outputs(paths: list[Path], out: Path, *, overwrite: bool, ledger: bool = False) -> list[Pairing]:
    """Decide where each input goes.

    With a ledger, an output folder may hold results already: the ledger decides which are this work's own.

    Raises
    ------
    SettingsError
        If several inputs are to become one file, or two inputs would write the same file.
    ImageWriteError
        If an output exists and `overwrite` is not set, or is one of the inputs.
    """
    files = expand(paths)
    single = len(files) == 1 and not paths[0].is_dir() and out.suffix.lower() in SUFFIXES
    if not single and out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise SettingsError(f"{out.name}: {len(files)} inputs cannot become one image; give a folder as OUT")
    pairs = []
    for source, relative in files:
        target = out if single else out / relative
        if target.suffix.lower() in UNWRITABLE and not single:
            target = target.with_suffix(".tif")
        pairs.append(Pairing(source, target, single))
    if len({p.target for p in pairs}) < len(pairs):
        raise SettingsError("two inputs have the same relative name; restore them into different folders")
    inputs = {p.source.resolve() for p in pairs}
    for pair in pairs:
        if pair.target.resolve() in inputs:
            raise ImageWriteError(f"{pair.target.name}: the output would replace an input; choose another OUT")
        if pair.target.exists() and not overwrite and not (ledger and not single):
            raise ImageWriteError(f"{pair.target.name}: exists already; give --overwrite or another OUT")
    return pairs
