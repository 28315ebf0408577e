"""The layers of a board drawn on one grid: copper, stencil, holes and edge."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.data.gerber_files import closed_loops, is_gerber, read_placements
from coldray.data.gerber_pads import find_pads, register
from coldray.data.gerber_raster import Grid, Shape, bounds_of, capsule, centre_lines, rasterise, shapes_of
from coldray.errors import ImageReadError, MissingExtraError, PhysicsError

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


def draw_layers(
    path: Path, members: Mapping[str, bytes], table: Mapping[str, Any], pitch_mm: float
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Rasterise all layers of a board.

    Parameters
    ----------
    path : Path
        The archive, named in messages.
    members : mapping of str to bytes
        Content of the files in the table.
    table : mapping
        File names per role, as of `gerber_files.layer_table`.
    pitch_mm : float
        Cell side [mm].

    Returns
    -------
    masks : ndarray of uint8, shape (layers + 5, rows, cols)
        Copper from the top down, paste of both sides, plated and unplated holes, laminate; share covered, 0 to 255.
    facts : dict
        origin_mm, holes, placements, pads_top and pads_bottom, as JSON holds them.

    Raises
    ------
    ImageReadError
        If a file is damaged, empty or not Gerber.
    PhysicsError
        If layers do not lie over each other, or the grid is too fine for the board.
    MissingExtraError
        If gerbonara is not installed.
    """
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
        "placements": [asdict(p) for p in register(placements, pads)],
        **pads,
    }
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
