"""Training fields: noise-free sharp images of boards, each with the detector pair it belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.dataset.family import PairDraw, draw_pitch
from coldray.document import Json, as_table, read_object
from coldray.errors import SettingsError
from coldray.files import write_atomically, write_text
from coldray.objects.boards import ROLES, procedural_board
from coldray.objects.defects import KINDS_IN_BOARDS, add_defects, defect_labels
from coldray.objects.kinds import KINDS, draw_kind
from coldray.processes import Crew
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import PITCH_MM
from coldray.simulation.thickness import ThicknessMaps

REAL_GRID_MM = 0.012
SOFT_PX = (0.1, 0.7)
"""Standard deviation of the blur of soft fields [pixels]: focal spot and magnification."""
DEFECTS = (10, 250)
"""Defects in a board that has any, log-uniform: so dense that a network does not take lines, rows and grids for granted."""
AROUND_PX = 2
"""How far round a defect a pixel counts as its own: about as far as the sharp screen spreads it."""
BREAKS, BREAKS_WEIGHT = ("ball_missing", "ball_offset", "wire_missing", "wire_broken", "trace_open", "trace_crack"), 4
"""Kinds that break what looks as if it went on, and how many times as often as others they are tried besides."""


@dataclass(frozen=True)
class FieldRecipe:
    """Everything that decides one field; equal recipes give equal bytes.

    Parameters
    ----------
    role : str
        "train", "validation" or "test": which boards may be used.
    index : int
        Number of the field.
    random_state : int
        Random state of the whole set.
    size : int
        Rows and columns [pixels].
    real_share : float
        Share of fields taken from real boards, if any are given.
    paper_share : float
        Share of fields with exactly the paper's pair at 48 um.
    object_share : float
        Share of fields of other objects than boards, see `coldray.objects.kinds`.
    other_share : float
        Of the pairs that are not the paper's: share of screens of other physics than the phosphors'.
    soft_share : float
        Share of fields that focal spot and magnification have blurred before the screen.
    defect_share : float
        Share of the boards with defects of all kinds that boards and any material have; other objects have theirs anyway.
    """

    role: str
    index: int
    random_state: int = 0
    size: int = 512
    real_share: float = 0.4
    paper_share: float = 0.5
    object_share: float = 0.0
    other_share: float = 0.0
    soft_share: float = 0.0
    defect_share: float = 0.0


class Field(NamedTuple):
    """One field.

    Parameters
    ----------
    sharp : ndarray, float32, shape (size, size)
        Sharp detector's image of the object, weighted with the blurred detector's energy response: the
        blurred image is then exactly the MTF ratio times this one, up to aliasing.
    description : dict
        Board, pair and recipe, JSON-able.
    defects : ndarray, uint16, shape (size, size)
        0, or the number (from 1) of the defect that a pixel shows or lies beside.
    """

    sharp: NDArray[np.float32]
    description: dict[str, Json]
    defects: NDArray[np.uint16]


def make_field(recipe: FieldRecipe, real_boards: tuple[str, ...] = (), cache: Path | None = None) -> Field:
    """Make one noise-free sharp field in the blurred detector's response.

    Parameters
    ----------
    recipe : FieldRecipe
    real_boards : tuple of str
        Gerber archives allowed for this role.
    cache : Path, optional
        Where rasterised real boards are kept.

    Returns
    -------
    Field
    """
    state = [recipe.random_state, {"train": 0, "validation": 1, "test": 2}[recipe.role], recipe.index]
    rng = np.random.default_rng(state)
    kind, is_paper = "board", rng.random() < recipe.paper_share
    is_object = rng.random() < recipe.object_share
    is_real = bool(real_boards) and not is_object and rng.random() < recipe.real_share
    if is_real:
        oversampling = 4 if is_paper else int(rng.choice([3, 4, 5, 6]))
        pitch = oversampling * REAL_GRID_MM
        cells = recipe.size * oversampling
        maps = _real_window(str(rng.choice(real_boards)), cells, rng, cache)
    else:
        oversampling = 3
        pitch = PITCH_MM if is_paper or rng.random() < 0.3 else draw_pitch(rng)
        cells = recipe.size * oversampling
        if is_object:
            kind = str(rng.choice(KINDS))
            maps = draw_kind(kind, (cells, cells), pitch / oversampling, rng, recipe.role)
        else:
            family = str(rng.choice(sorted(name for name, role in ROLES.items() if role == recipe.role)))
            maps = procedural_board(family, (cells, cells), pitch / oversampling, rng)
    if not is_object:
        maps = _with_defects(maps, recipe.defect_share, np.random.default_rng([*state, 1]))
    draw = PairDraw() if is_paper else PairDraw.draw(rng, pitch, recipe.other_share)
    fine = ScreenDetector.gos(draw.blurred_loading_mg_cm2, pitch).transmission(maps)
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    fine = np.rot90(fine[:, ::-1] if flip else fine, turns)
    soft_px = float(rng.uniform(*SOFT_PX)) if rng.random() < recipe.soft_share else 0.0
    sharp = draw.sharp_image(fine, oversampling, soft_px * pitch)
    found = maps.labels.get("defects", ())
    labels = defect_labels(found, maps.shape, oversampling)
    labels = scipy.ndimage.maximum_filter(np.rot90(labels[:, ::-1] if flip else labels, turns), 2 * AROUND_PX + 1)
    seen: dict[str, Json] = {"object": kind, "board": maps.name, "real": is_real, "soft_px": soft_px}
    note: dict[str, Json] = {"recipe": asdict(recipe), "pair": asdict(draw), **seen, "defects": len(found)}
    return Field(sharp, note, labels)


def _with_defects(maps: ThicknessMaps, share: float, rng: np.random.Generator) -> ThicknessMaps:
    """A board, in its share of the draws with as many defects as find a place."""
    if rng.random() >= share:
        return maps
    count = int(np.exp(rng.uniform(*np.log(DEFECTS))))
    return add_defects(maps, count, rng, kinds=(*KINDS_IN_BOARDS, *BREAKS_WEIGHT * BREAKS), fewer=True)[0]


def _real_window(archive: str, cells: int, rng: np.random.Generator, cache: Path | None) -> ThicknessMaps:
    from coldray.objects.gerber.board import read_board
    from coldray.objects.gerber.build import BoardBuild
    from coldray.objects.gerber.object import build_object

    board = read_board(archive, REAL_GRID_MM, cache=cache)
    rows, cols = board.copper[0].shape
    first = [int(rng.integers(0, n - cells + 1)) if n > cells else (n - cells) // 2 for n in (rows, cols)]
    return build_object(board, BoardBuild.draw(rng), rng, window=(first[0], first[1], cells, cells))


@dataclass(frozen=True)
class FieldSet:
    """A folder of fields.

    Parameters
    ----------
    folder : Path
        Holds NNNNN.npy and NNNNN.json, one of each per field, and NNNNN.defects.npy of those with defects.
    count : int, optional
        Only fields with a number below it: a folder may hold more, made for a larger recipe. All of them if not given.
    """

    folder: Path
    count: int | None = None

    def _notes(self) -> list[Path]:
        found = sorted(self.folder.glob("*.json"))
        return found if self.count is None else [path for path in found if int(path.stem) < self.count]

    def __len__(self) -> int:
        return len(self._notes())

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], dict[str, Json]]]:
        for path in self._notes():
            yield np.load(path.with_suffix(".npy"), allow_pickle=False), read_object(path, SettingsError)

    def defects(self, description: Mapping[str, Json]) -> NDArray[np.uint16] | None:
        """Defects of the field that a description of the set belongs to, as in `Field`; None if there are none.

        Raises
        ------
        SettingsError
            If the field was made before its defects were kept.
        """
        name = f"{as_table(description['recipe'])['index']:05d}"
        if "defects" not in description:
            raise SettingsError(
                f"{self.folder.name}/{name}.json does not say what defects there are; delete {self.folder}"
            )
        path = self.folder / f"{name}.defects.npy"
        return np.asarray(np.load(path, allow_pickle=False)) if path.exists() else None

    def digest(self) -> str:
        """sha256 over all fields of the set, in order."""
        total = hashlib.sha256()
        for path in self._notes():
            total.update(path.with_suffix(".npy").read_bytes())
        return total.hexdigest()


def build_fields(
    folder: Path,
    recipes: list[FieldRecipe],
    real_boards: tuple[str, ...] = (),
    cache: Path | None = None,
    workers: int = 1,
    progress: Any = None,
) -> FieldSet:
    """Make the missing fields of a set, in parallel; what exists is kept.

    Parameters
    ----------
    folder : Path
        Where to write.
    recipes : list of FieldRecipe
        One per field; the index names the file.
    real_boards : tuple of str
        Gerber archives.
    cache : Path, optional
        Cache of rasterised boards.
    workers : int
        Processes.
    progress : callable, optional
        Called as progress(done, total).

    Raises
    ------
    SettingsError
        If the folder holds fields of other recipes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for recipe in recipes:
        note = folder / f"{recipe.index:05d}.json"
        if not note.exists():
            missing.append(recipe)
        elif _told(read_object(note, SettingsError)) != asdict(recipe):
            raise SettingsError(
                f"{folder / note.name} was made by another recipe; choose a folder of its own with --set data.folder=FOLDER, "
                f"or delete {folder}"
            )
    done = len(recipes) - len(missing)
    with Crew(workers) as crew:
        for _ in crew.map(partial(_write_field, folder, real_boards, cache), missing):
            done += 1
            if progress is not None:
                progress(done, len(recipes))
    return FieldSet(folder, max((recipe.index for recipe in recipes), default=-1) + 1)


def _told(note: dict[str, Json]) -> dict[str, Json]:
    """Recipe that a field was made by; settings that its note does not name yet were at their defaults then."""
    found = note.get("recipe")
    return {**asdict(FieldRecipe("", -1)), **found} if isinstance(found, dict) else {}


def _write_field(folder: Path, real_boards: tuple[str, ...], cache: Path | None, recipe: FieldRecipe) -> None:
    made = make_field(recipe, real_boards, cache)
    stem = folder / f"{recipe.index:05d}"
    write_atomically(stem.with_suffix(".npy"), lambda file: np.save(file, made.sharp, allow_pickle=False))
    if made.defects.any():
        write_atomically(stem.with_suffix(".defects.npy"), lambda file: np.save(file, made.defects, allow_pickle=False))
    # last, for a field is there if its description is
    write_text(stem.with_suffix(".json"), json.dumps(made.description))
