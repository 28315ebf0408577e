"""A board's fabrication data, drawn once as masks on one grid."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from coldray.data.gerber_files import (
    Placement,
    closed_loops,
    digest,
    is_gerber,
    layer_table,
    read_members,
    read_placements,
)
from coldray.data.gerber_raster import Grid, Shape, bounds_of, capsule, centre_lines, rasterise, shapes_of
from coldray.errors import ImageReadError, MissingExtraError, PhysicsError

_CACHE_FORMAT = 4
_SIDES = ("top", "bottom")
_TWO_ENDED = re.compile(r"(C|R|L|D|FB|FR)\D*\d")
_MARGIN_MM = 0.6
_MAX_CELLS = 300_000_000


@dataclass(frozen=True)
class Hole:
    """A drilled hole or routed slot, finished size.

    Parameters
    ----------
    x_mm, y_mm : float
        Centre of the hole, or of one end of the slot [mm].
    diameter_mm : float
        Finished diameter, or slot width [mm].
    plated : bool
        Whether its wall carries copper.
    end_x_mm, end_y_mm : float
        Other end of a slot [mm]; the same point for a round hole.
    """

    x_mm: float
    y_mm: float
    diameter_mm: float
    plated: bool
    end_x_mm: float
    end_y_mm: float

    @property
    def is_round(self) -> bool:
        """Whether this is a hole rather than a slot."""
        return math.dist((self.x_mm, self.y_mm), (self.end_x_mm, self.end_y_mm)) < 1e-6


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

    @property
    def shape(self) -> tuple[int, int]:
        """Grid shape (rows, cols)."""
        rows, cols = self.outline.shape
        return rows, cols


def read_board(
    path: str | Path,
    grid_pitch_mm: float = 0.012,
    layers: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> RasterBoard:
    """Rasterise the Gerber and Excellon files of a board.

    Parameters
    ----------
    path : str or Path
        A zip archive or a folder.
    grid_pitch_mm : float
        Cell side [mm], 0.002 to 1.
    layers : mapping, optional
        File names per role: copper (top to bottom), paste, mask, drill, placement, outline (lists) and board_mm
        (x0, y0, x1, y1). Without it, the entry of this archive in a `layers.json` beside it; roles given by
        neither are found from file attributes and names.
    cache : Path, optional
        Folder for the masks; a second reading of the same files at the same pitch maps them from there.

    Returns
    -------
    RasterBoard
        Masks; memory-mapped and read-only if `cache` is given.

    Raises
    ------
    ImageReadError
        If files are missing, damaged, unsafe, empty or not Gerber.
    PhysicsError
        If the pitch is out of range, or layers do not lie over each other.
    MissingExtraError
        If gerbonara is not installed and the board is not in the cache.
    """
    path = Path(path)
    if not (math.isfinite(grid_pitch_mm) and 0.002 <= grid_pitch_mm <= 1):
        raise PhysicsError(f"grid pitch is {grid_pitch_mm} mm; boards are drawn at 0.002 to 1 mm")
    members = read_members(path)
    table = layer_table(path, members, layers)
    used = {f: members[f] for role in ("copper", "paste", "drill", "placement", "outline") for f in table[role]}
    if cache is None:
        masks, facts = _draw(path, used, table, grid_pitch_mm)
    else:
        folder = Path(cache) / f"{path.stem}-{digest(used, _CACHE_FORMAT, table, f'{grid_pitch_mm:.6f}')}"
        if not (folder / "board.json").is_file():
            _store(folder, *_draw(path, used, table, grid_pitch_mm))
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
    )


def _store(folder: Path, masks: NDArray[np.uint8], facts: dict[str, Any]) -> None:
    """Write masks and lists so that a reader never sees half of them."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        np.save(scratch / "masks.npy", masks, allow_pickle=False)
        (scratch / "board.json").write_text(json.dumps(facts), encoding="utf-8")
        scratch.chmod(0o755)
        try:
            os.replace(scratch, folder)
        except OSError:  # another process was first, or left a broken one
            if not (folder / "board.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _load(folder: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Masks and lists from the cache."""
    try:
        masks = np.load(folder / "masks.npy", mmap_mode="r", allow_pickle=False)
        facts = json.loads((folder / "board.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, EOFError) as error:
        raise ImageReadError(f"{folder}: the cached board is damaged ({error}); remove that folder") from error
    if masks.ndim != 3 or masks.dtype != np.uint8:
        raise ImageReadError(f"{folder}: the cached masks have a wrong shape; remove that folder")
    return masks, facts


def _parse(path: Path, name: str, content: bytes, drill: bool) -> Any:
    """One file through gerbonara."""
    try:
        from gerbonara import ExcellonFile, GerberFile
    except ImportError as error:
        raise MissingExtraError("gerbonara", "gerber", "reading Gerber files") from error
    if not drill and not is_gerber(content):
        raise ImageReadError(f"{path}: {name} is not a Gerber file (RS-274X); export this layer again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (ExcellonFile if drill else GerberFile).from_string(content.decode("utf-8", "replace"))
    except Exception as error:  # gerbonara raises whatever its parser meets
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageReadError(f"{path}: {name} cannot be parsed ({line}); export this layer again") from error


def _shapes(path: Path, name: str, content: bytes, drill: bool = False) -> list[Shape]:
    """All shapes of one file."""
    parsed = _parse(path, name, content, drill)
    from gerbonara.utils import MM

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return shapes_of(parsed, MM)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ImageReadError(f"{path}: {name} cannot be drawn ({error}); export this layer again") from error


def _draw(
    path: Path, members: Mapping[str, bytes], table: Mapping[str, Any], pitch_mm: float
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Rasterise all layers of a board."""
    copper = []
    for name in table["copper"]:
        shapes = _shapes(path, name, members[name])
        if bounds_of(shapes) is None:
            raise ImageReadError(f"{path}: copper layer {name} is empty; export it again or leave it out")
        copper.append(shapes)
    holes = [h for name in table["drill"] for h in _holes(path, name, members[name])]
    edges = _edges(path, members, table, copper, holes)
    _check_overlap(path, table["copper"], copper, holes, edges)
    low, high = edges[0].min(axis=0) - _MARGIN_MM, edges[0].max(axis=0) + _MARGIN_MM
    rows, cols = (math.ceil(float(s) / pitch_mm) for s in (high - low)[::-1])
    if rows * cols > _MAX_CELLS:
        raise PhysicsError(
            f"{path}: {rows} x {cols} cells at {pitch_mm} mm are too many; use a grid of at least "
            f"{pitch_mm * math.sqrt(rows * cols / _MAX_CELLS):.3f} mm"
        )
    grid = Grid(float(low[0]), float(high[1]), pitch_mm, rows, cols)
    n = len(copper)
    masks = np.zeros((n + 5, rows, cols), dtype=np.uint8)
    for i in range(n):
        masks[i] = rasterise(copper[i], grid)
        copper[i] = []
    pads: dict[str, Any] = {"pads_top": [], "pads_bottom": []}
    for i, name in enumerate(table["paste"][:2]):
        bottom = i == 1 or (len(table["paste"]) == 1 and _is_bottom(name, members[name]))
        layer = masks[n + int(bottom)]
        layer[:] = rasterise(_shapes(path, name, members[name]), grid)
        _drop_frame(layer, grid)
        pads["pads_bottom" if bottom else "pads_top"] = find_pads(layer, grid).tolist()
    for i, plated in ((2, True), (3, False)):
        masks[n + i] = rasterise([_hole_shape(h) for h in holes if h.plated == plated], grid)
    masks[n + 4] = rasterise([Shape(edges[0], True), *(Shape(e, False) for e in edges[1:])], grid)
    placements = [p for name in table["placement"] for p in read_placements(name, members[name])]
    facts = {
        "origin_mm": [grid.left_mm, grid.top_mm],
        "holes": [asdict(h) for h in holes],
        "placements": [asdict(p) for p in _register(placements, pads)],
        **pads,
    }
    return masks, facts


def _drop_frame(paste: NDArray[np.uint8], grid: Grid) -> None:
    """Erase the board edge where a layer was exported with it: openings nearly as large as the board."""
    step = max(1, round(0.024 / grid.pitch_mm))
    labels, _ = ndimage.label(paste[::step, ::step] > 0, structure=np.ones((3, 3)))
    for i, box in enumerate(ndimage.find_objects(labels)):
        if all(b.stop - b.start > 0.6 * n for b, n in zip(box, labels.shape, strict=True)):
            frame = ndimage.binary_dilation(labels == i + 1, np.ones((3, 3))).repeat(step, 0).repeat(step, 1)
            paste[frame[: paste.shape[0], : paste.shape[1]]] = 0


def _is_bottom(name: str, content: bytes) -> bool:
    """Whether a lone stencil belongs to the bottom side."""
    return name.lower().endswith("gbp") or b"Paste,Bot" in content[:3000] or "b_paste" in name.lower()


def _hole_shape(hole: Hole) -> Shape:
    """Outline of a hole or slot."""
    return Shape(capsule(hole.x_mm, hole.y_mm, hole.end_x_mm, hole.end_y_mm, hole.diameter_mm), True)


def _holes(path: Path, name: str, content: bytes) -> list[Hole]:
    """Holes of one drill file; the file's own word on plating first, then its name."""
    parsed = _parse(path, name, content, drill=True)
    from gerbonara.utils import MM

    head = content[:3000].decode("latin-1").lower()
    low = name.lower()
    said = re.search(r"filefunction,(nonplated|plated)", head)
    if said:
        default = said.group(1) == "plated"
    else:
        default = not re.search(r"npth|non.?plated|unplated", low)
    tools_differ = ";type=plated" in head and ";type=non_plated" in head
    holes = []
    for thing in parsed.objects:
        plated = bool(thing.aperture.plated) if tools_differ and thing.aperture.plated is not None else default
        for p in thing.to_primitives(unit=MM):
            if type(p).__name__ == "Circle":
                holes.append(Hole(float(p.x), float(p.y), 2 * float(p.r), plated, float(p.x), float(p.y)))
            elif type(p).__name__ == "Line":
                holes.append(Hole(float(p.x1), float(p.y1), float(p.width), plated, float(p.x2), float(p.y2)))
    return [h for h in holes if h.diameter_mm > 0]


def _edges(
    path: Path,
    members: Mapping[str, bytes],
    table: Mapping[str, Any],
    copper: Sequence[Sequence[Shape]],
    holes: Sequence[Hole],
) -> list[NDArray[np.float64]]:
    """Board edge, then cut-outs: from the layer table, an outline file, or the box of the copper."""
    if "board_mm" in table:
        x0, y0, x1, y1 = table["board_mm"]
        return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]
    drilled = np.array([[h.x_mm, h.y_mm] for h in holes]).reshape(-1, 2)
    for name in table["outline"]:
        parsed = _parse(path, name, members[name], drill=False)
        from gerbonara.utils import MM

        loops = closed_loops(centre_lines(parsed, MM))
        holding = [loop for loop in loops if len(drilled) == 0 or np.mean(_inside_box(drilled, loop)) > 0.98]
        if not holding:
            continue
        board = holding[-1] if len(loops) > 100 else holding[0]
        low, high = board.min(axis=0), board.max(axis=0)
        # A drawing with hundreds of loops is no board edge alone; its inner loops are parts, not cut-outs.
        inside = [loop for loop in loops if np.all(loop.min(axis=0) > low) and np.all(loop.max(axis=0) < high)]
        return [board, *(inside if len(loops) <= 100 else [])]
    boxes = np.array([bounds_of(s) for s in copper])
    x0, y0 = np.median(boxes[:, :2], axis=0)
    x1, y1 = np.median(boxes[:, 2:], axis=0)
    return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]


def _inside_box(points: NDArray[np.float64], loop: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in the bounding box of a loop."""
    return np.all((points >= loop.min(axis=0)) & (points <= loop.max(axis=0)), axis=1)


def _check_overlap(
    path: Path,
    names: Sequence[str],
    copper: Sequence[Sequence[Shape]],
    holes: Sequence[Hole],
    edges: Sequence[NDArray[np.float64]],
) -> None:
    """All layers must lie on the board, or one of them is in other units or of another board."""
    low, high = edges[0].min(axis=0), edges[0].max(axis=0)
    for name, shapes in zip(names, copper, strict=True):
        box = bounds_of(shapes)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        if min(x1, high[0]) <= max(x0, low[0]) or min(y1, high[1]) <= max(y0, low[1]):
            raise PhysicsError(
                f"{path}: layer {name} covers x {x0:.2f} to {x1:.2f}, y {y0:.2f} to {y1:.2f} mm, outside the board "
                f"(x {low[0]:.2f} to {high[0]:.2f}, y {low[1]:.2f} to {high[1]:.2f} mm); use files of one export"
            )
    if holes:
        points = np.array([[h.x_mm, h.y_mm] for h in holes])
        share = float(np.mean(_inside_box(points, edges[0])))
        if share < 0.5:
            raise PhysicsError(
                f"{path}: only {share:.0%} of {len(holes)} holes lie on the board; check the units of the drill file"
            )


def find_pads(paste: NDArray[np.uint8], grid: Grid) -> NDArray[np.float64]:
    """Stencil openings as rectangles.

    Parameters
    ----------
    paste : ndarray of uint8, shape (rows, cols)
        Stencil mask.
    grid : Grid
        Its grid.

    Returns
    -------
    ndarray, shape (pads, 6)
        x, y, length, width [mm], angle of the length [rad], area share of the upright bounding box.
    """
    step = max(1, round(0.024 / grid.pitch_mm))
    cell = step * grid.pitch_mm
    solid = paste[step // 2 :: step, step // 2 :: step] > 127
    labels, count = ndimage.label(solid)
    boxes = ndimage.find_objects(labels)
    pads = np.zeros((count, 6))
    for i, box in enumerate(boxes):
        rows, cols = np.nonzero(labels[box] == i + 1)
        spread = np.array([[cols.var(), -np.cov(cols, rows, bias=True)[0, 1]], [0, rows.var()]]) + np.eye(2) / 12
        values, vectors = np.linalg.eigh(spread, UPLO="U")
        length, width = np.sqrt(12 * values[::-1]) * cell
        x = grid.left_mm + ((cols.mean() + box[1].start) * step + step // 2 + 0.5) * grid.pitch_mm
        y = grid.top_mm - ((rows.mean() + box[0].start) * step + step // 2 + 0.5) * grid.pitch_mm
        fill = len(rows) / ((box[0].stop - box[0].start) * (box[1].stop - box[1].start))
        pads[i] = x, y, length, width, math.atan2(vectors[1, 1], vectors[0, 1]) % math.pi, fill
    return pads


def _register(placements: Sequence[Placement], pads: Mapping[str, Any]) -> list[Placement]:
    """Move placements into the frame of the copper: files differ in origin and in the sign of x below.

    The shift is the most frequent difference between a part's centre and the midpoint of two equal pads; with
    fewer than three parts in agreement, placements are not used.
    """
    middles = {s: _pair_middles(np.asarray(pads[f"pads_{s}"], dtype=np.float64).reshape(-1, 6)) for s in _SIDES}
    small = {
        s: np.array([[p.x_mm, p.y_mm] for p in placements if p.side == s and _TWO_ENDED.match(p.designator)])
        for s in _SIDES
    }
    best = (0, 1.0, np.zeros(2))
    for sign in (1.0, -1.0):
        gaps = np.concatenate(
            [
                (middles[s][:, None, :] - small[s].reshape(-1, 2) * (sign if s == "bottom" else 1.0, 1.0)).reshape(
                    -1, 2
                )
                for s in _SIDES
            ]
        )
        if len(gaps) == 0:
            continue
        low = gaps.min(axis=0) - 0.05
        cells = ((gaps - low) / 0.1).astype(np.int64)
        width = int(cells[:, 1].max()) + 1
        counts = np.bincount(cells[:, 0] * width + cells[:, 1])
        top = int(counts.argmax())
        centre = low + (np.array(divmod(top, width)) + 0.5) * 0.1
        near = np.all(np.abs(gaps - centre) < 0.1, axis=1)
        if counts[top] > best[0]:
            best = (int(counts[top]), sign, np.median(gaps[near], axis=0))
    votes, sign, (shift_x, shift_y) = best
    if votes < max(3, 0.2 * sum(map(len, small.values()))):
        return []
    return [
        replace(
            p,
            x_mm=(sign if p.side == "bottom" else 1.0) * p.x_mm + float(shift_x),
            y_mm=p.y_mm + float(shift_y),
        )
        for p in placements
    ]


def _pair_middles(pads: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midpoints of each pad and its nearest equals, up to 4 mm apart [mm]."""
    if len(pads) < 2:
        return np.zeros((0, 2))
    neighbours = min(6, len(pads))
    gaps, near = cKDTree(pads[:, :2]).query(pads[:, :2], k=neighbours, distance_upper_bound=4.0)
    pairs = np.stack([np.repeat(np.arange(len(pads)), neighbours), near.ravel()], axis=1)
    pairs = pairs[np.isfinite(gaps.ravel()) & (pairs[:, 0] < pairs[:, 1])]
    if len(pairs) == 0:
        return np.zeros((0, 2))
    first, second = pads[pairs[:, 0]], pads[pairs[:, 1]]
    equal = np.all(np.abs(first[:, 2:4] / second[:, 2:4] - 1) < 0.12, axis=1)
    return 0.5 * (first[equal, :2] + second[equal, :2])
