"""A board's fabrication data as masks on one grid, read from files once and then from a cache."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json, read_object
from coldray.errors import ImageReadError, ImageWriteError, PhysicsError
from coldray.files import whole_folder, write_atomically, write_text
from coldray.objects.gerber.draw import draw_layers
from coldray.objects.gerber.drills import Hole
from coldray.objects.gerber.files import digest, layer_table, read_members
from coldray.objects.gerber.placements import Placement
from coldray.objects.gerber.roles import FileUse

_CACHE_FORMAT = 5


@dataclass(frozen=True, eq=False)
class RasterBoard:
    """Masks and lists of one board, all in one frame.

    Parameters
    ----------
    name : str
        Stem of the archive.
    grid_pitch_mm : float
        Cell side [mm].
    origin_mm : tuple of float
        x of the left and y of the top edge of cell (0, 0) [mm]; y grows upwards, rows downwards.
    copper : tuple of ndarray of uint8, each of shape (rows, cols)
        Covered share of each cell, 0 to 255; top layer first.
    paste_top, paste_bottom : ndarray of uint8, shape (rows, cols)
        Stencil openings.
    plated_holes, unplated_holes : ndarray of uint8, shape (rows, cols)
        Drilled area at finished size.
    holes : tuple of Hole
        The same as a list.
    outline : ndarray of uint8, shape (rows, cols)
        Where there is laminate (holes not taken out).
    placements : tuple of Placement
        Parts, if a pick-and-place file was found and fits.
    pads_top, pads_bottom : ndarray of float64, shape (pads, 6)
        Stencil openings as x, y, length, width [mm], angle of the length [rad], area share of the bounding box.
    files : tuple of FileUse
        What became of every file of the archive, and why.
    notes : tuple of str
        What was assumed, closed or met twice.
    """

    name: str
    grid_pitch_mm: float
    origin_mm: tuple[float, float]
    copper: tuple[NDArray[np.uint8], ...]
    paste_top: NDArray[np.uint8]
    paste_bottom: NDArray[np.uint8]
    plated_holes: NDArray[np.uint8]
    unplated_holes: NDArray[np.uint8]
    holes: tuple[Hole, ...]
    outline: NDArray[np.uint8]
    placements: tuple[Placement, ...]
    pads_top: NDArray[np.float64]
    pads_bottom: NDArray[np.float64]
    files: tuple[FileUse, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Grid shape (rows, cols)."""
        rows, cols = self.outline.shape
        return rows, cols

    def account(self) -> dict[str, Json]:
        """What was made of which file, as JSON holds it: layers, holes, size, every file and every assumption.

        Returns
        -------
        dict
            board, copper_layers, holes, plated_holes, size_mm (width, height), files (file, role, layer, why), notes.
        """
        rows, cols = np.nonzero(self.outline.any(axis=1))[0], np.nonzero(self.outline.any(axis=0))[0]
        size = [(int(i[-1]) - int(i[0]) + 1) * self.grid_pitch_mm if len(i) else 0.0 for i in (cols, rows)]
        return {
            "board": self.name,
            "copper_layers": len(self.copper),
            "holes": len(self.holes),
            "plated_holes": sum(h.plated for h in self.holes),
            "size_mm": [round(v, 2) for v in size],
            "files": [{"file": f.name, "role": f.role, "layer": f.layer, "why": f.why} for f in self.files],
            "notes": list(self.notes),
        }


def read_board(
    path: str | Path,
    grid_pitch_mm: float = 0.012,
    layers: Mapping[str, Any] | None = None,
    cache: Path | None = None,
    board: str | None = None,
) -> RasterBoard:
    """Rasterise the Gerber and Excellon files of a board.

    Parameters
    ----------
    path : str or Path
        A zip archive, or a folder with its sub-folders.
    grid_pitch_mm : float
        Cell side [mm], 0.002 to 1.
    layers : mapping, optional
        File names per role: copper (top to bottom), paste, mask, drill, placement, outline, negative (those drawn
        as negatives; all lists) and board_mm (x0, y0, x1, y1). Without it, the entry of this archive in a
        `layers.json` beside it; roles given by neither are found from content, attributes and names.
    cache : Path, optional
        Folder for the masks; a second reading of the same files at the same pitch maps them from there.

    board : str, optional
        Which board to draw, where folders or names tell several apart; by default, several are refused with a list.

    Returns
    -------
    RasterBoard
        Masks; memory-mapped and read-only if `cache` is given.

    Raises
    ------
    ImageReadError
        If files are missing, damaged, unsafe, empty or not Gerber, hold statements that are not carried out or more
        objects than are drawn, leave the outline open, or belong to several boards.
    PhysicsError
        If the pitch is out of range, or layers do not lie over each other.
    """
    path = Path(path)
    if not (math.isfinite(grid_pitch_mm) and 0.002 <= grid_pitch_mm <= 1):
        raise PhysicsError(f"grid pitch is {grid_pitch_mm} mm; boards are drawn at 0.002 to 1 mm")
    members = read_members(path)
    table = layer_table(path, members, layers, board)
    if cache is None:
        masks, facts = draw_layers(path, members, table, grid_pitch_mm)
    else:
        folder = Path(cache) / f"{path.stem}-{digest(members, _CACHE_FORMAT, table, f'{grid_pitch_mm:.6f}')}"
        if not (folder / "board.json").is_file():
            _store(folder, *draw_layers(path, members, table, grid_pitch_mm))
        masks, facts = _load(folder)
    n = len(table["copper"])
    return RasterBoard(
        name=path.stem,
        grid_pitch_mm=grid_pitch_mm,
        origin_mm=tuple(facts["origin_mm"]),
        copper=tuple(masks[:n]),
        paste_top=masks[n],
        paste_bottom=masks[n + 1],
        plated_holes=masks[n + 2],
        unplated_holes=masks[n + 3],
        holes=tuple(Hole(**h) for h in facts["holes"]),
        outline=masks[n + 4],
        placements=tuple(Placement(**p) for p in facts["placements"]),
        pads_top=np.asarray(facts["pads_top"], dtype=np.float64).reshape(-1, 6),
        pads_bottom=np.asarray(facts["pads_bottom"], dtype=np.float64).reshape(-1, 6),
        files=tuple(FileUse(**f) for f in facts["files"]),
        notes=tuple(facts["notes"]),
    )


def _store(folder: Path, masks: NDArray[np.uint8], facts: Mapping[str, Json]) -> None:
    """Write masks and lists so that a reader never sees half of them."""
    try:
        with whole_folder(folder) as made:
            write_atomically(made / "masks.npy", lambda file: np.save(file, masks, allow_pickle=False))
            write_text(made / "board.json", json.dumps(facts))
    except ImageWriteError:  # another process was first
        if not (folder / "board.json").is_file():
            raise


def _load(folder: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Masks and lists from the cache."""
    try:
        masks = np.load(folder / "masks.npy", mmap_mode="r", allow_pickle=False)
        facts = read_object(folder / "board.json", ImageReadError)
    except (OSError, ValueError, EOFError) as error:
        raise ImageReadError(f"{folder}: the cached board is damaged ({error}); remove that folder") from error
    if masks.ndim != 3 or masks.dtype != np.uint8:
        raise ImageReadError(f"{folder}: the cached masks have a wrong shape; remove that folder")
    return masks, facts
