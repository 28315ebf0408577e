"""The layers of a board drawn on one grid: copper, stencil, holes and edge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.document import Json
from coldray.errors import ImageReadError, PhysicsError
from coldray.objects.gerber.apertures import GerberError
from coldray.objects.gerber.drills import Copper, Hole, read_holes
from coldray.objects.gerber.marks import Budget, Drawing, centre_lines, shapes_of
from coldray.objects.gerber.outline import Content, Edge, box_edge, edge_of, joined
from coldray.objects.gerber.pads import find_pads, register
from coldray.objects.gerber.placements import read_placements
from coldray.objects.gerber.raster import Grid, rasterise
from coldray.objects.gerber.roles import FileUse, is_gerber
from coldray.objects.gerber.rs274x import read_gerber
from coldray.objects.gerber.shapes import Shape, bounds_of, capsule

_MARGIN_MM = 0.6
_MAX_CELLS = 300_000_000
_MECHANICAL, _SHEET = 6.0, 1.6
"""How much larger than its copper a board may be that a mechanical layer, or a drawing, shows."""
_PLAIN_STROKES = 100
"""Drawings of no more strokes show little beside an outline."""
_APART_MM = 0.1
"""Two outlines whose boxes differ by more show different boards."""
_CORNERS = 8
"""Corners of a shape that are asked whether they lie on the board."""


@dataclass
class _Layer:
    """A copper layer as shapes."""

    name: str
    shapes: list[Shape]
    negative: bool


def draw_layers(
    path: Path, members: Mapping[str, bytes], table: Mapping[str, Any], pitch_mm: float
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Rasterise all layers of a board.

    Parameters
    ----------
    path : Path
        The archive, named in messages.
    members : mapping of str to bytes
        Content of its files.
    table : mapping
        Files per role, as of `layer_table`.
    pitch_mm : float
        Cell side [mm].

    Returns
    -------
    masks : ndarray of uint8, shape (layers + 5, rows, cols)
        Copper from the top down, paste of both sides, plated and unplated holes, laminate; share covered, 0 to 255.
    facts : dict
        origin_mm, holes, placements, pads_top and pads_bottom, files and notes, as JSON holds them.

    Raises
    ------
    ImageReadError
        If a file is damaged, empty, not Gerber, or holds a statement that is not carried out; or an outline is open.
    PhysicsError
        If layers do not lie over each other, or the grid is too fine for the board.
    """
    budget, notes = Budget(), list(table["notes"])
    copper, pads = _copper(path, members, table, budget, notes)
    try:
        holes, told, more = read_holes(members, table["drill"], pads, budget)
    except GerberError as error:
        raise ImageReadError(f"{path}: {error}") from error
    notes += more if table["drill"] else ["no drill file: the board has no holes"]
    edge, used = _edge(path, members, table, copper, holes, budget, notes)
    lost = [d for d in table["drawings"] if d not in table["outline"] and d != used]
    notes += [f"{d}: left out, its name says no layer; if it is copper, name it in a layers.json" for d in lost]
    _check_overlap(path, copper, holes, edge)
    low, high = edge.low - _MARGIN_MM, edge.high + _MARGIN_MM
    rows, cols = (math.ceil(float(s) / pitch_mm) for s in (high - low)[::-1])
    if rows * cols > _MAX_CELLS:
        raise PhysicsError(
            f"{path}: {rows} x {cols} cells at {pitch_mm} mm are too many; use a grid of at least "
            f"{pitch_mm * math.sqrt(rows * cols / _MAX_CELLS):.3f} mm"
        )
    grid = Grid(float(low[0]), float(high[1]), pitch_mm, rows, cols)
    n = len(copper)
    masks = np.zeros((n + 5, rows, cols), dtype=np.uint8)
    masks[n + 4] = rasterise([*(Shape(b, True) for b in edge.boards), *(Shape(c, False) for c in edge.cutouts)], grid)
    for i, layer in enumerate(copper):
        masks[i] = rasterise(layer.shapes, grid)
        if layer.negative:
            masks[i] = np.minimum(255 - masks[i], masks[n + 4])
        layer.shapes = []
    openings: dict[str, Any] = {"pads_top": [], "pads_bottom": []}
    for name in table["paste"]:
        bottom = name in table["bottom"]
        drawn = rasterise(_shapes(path, name, members[name], budget, notes)[1], grid)
        _drop_frame(drawn, grid)
        masks[n + int(bottom)] = np.maximum(masks[n + int(bottom)], drawn)
        openings["pads_bottom" if bottom else "pads_top"] += find_pads(drawn, grid).tolist()
    for i, plated in ((2, True), (3, False)):
        masks[n + i] = rasterise([_hole_shape(h) for h in holes if h.plated == plated], grid)
    placements = [p for name in table["placement"] for p in read_placements(name, members[name])]
    facts = {
        "origin_mm": [grid.left_mm, grid.top_mm],
        "holes": [asdict(h) for h in holes],
        "placements": [asdict(p) for p in register(placements, openings)],
        "files": [asdict(_told(f, told, table, used)) for f in table["files"]],
        "notes": notes,
        **openings,
    }
    return masks, facts


def _told(use: FileUse, told: Mapping[str, str], table: Mapping[str, Json], used: str | None) -> FileUse:
    """Use of a file with what reading it showed."""
    if use.role == "drill":
        return replace(use, why=f"{told[use.name]} ({use.why})")
    if use.name == used:
        return replace(use, role="outline")
    if use.role == "outline":
        return replace(use, role="left out", why=f"{use.why}: shows no loop round the copper, or another file is used")
    if use.role == "mask":
        return replace(use, role="left out", why=f"solder mask by {use.why}: not metal")
    return use


def _drawing(path: Path, name: str, content: bytes, budget: Budget) -> Drawing:
    """One Gerber file, read."""
    if not is_gerber(content):
        raise ImageReadError(f"{path}: {name} is not a Gerber file (RS-274X); export this layer again")
    try:
        return read_gerber(content.decode("latin-1"), budget)
    except GerberError as error:
        raise ImageReadError(f"{path}: {name} cannot be parsed ({error}); export this layer again") from error


def _shapes(path: Path, name: str, content: bytes, budget: Budget, notes: list[str]) -> tuple[Drawing, list[Shape]]:
    """One Gerber file and its polygons."""
    drawing = _drawing(path, name, content, budget)
    notes += [f"{name}: {note}" for note in drawing.notes]
    try:
        return drawing, shapes_of(drawing.marks, budget)
    except GerberError as error:
        raise ImageReadError(f"{path}: {name} cannot be drawn (it {error}); export this layer again") from error


def _copper(
    path: Path, members: Mapping[str, bytes], table: Mapping[str, Any], budget: Budget, notes: list[str]
) -> tuple[list[_Layer], Copper]:
    """Copper layers, and where their copper and their pads are."""
    layers: list[_Layer] = []
    pads: list[tuple[float, float]] = []
    boxes = []
    for name in table["copper"]:
        drawing, shapes = _shapes(path, name, members[name], budget, notes)
        negative = drawing.negative or name in table["negative"]
        notes += [f"{name}: drawn as a negative"] if negative else []
        box = bounds_of(shapes)
        if box is None and not negative:
            raise ImageReadError(f"{path}: copper layer {name} is empty; export it again or leave it out")
        if box is not None:
            boxes.append(box)
        pads += [m.points[0] for m in drawing.marks if m.dark and len(m.points) == 1]
        layers.append(_Layer(name, shapes, negative))
    if not boxes:
        raise ImageReadError(f"{path}: all copper layers are empty; export them again")
    corners = np.array(boxes)
    return layers, Copper(corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0), np.array(pads).reshape(-1, 2))


def _drop_frame(paste: NDArray[np.uint8], grid: Grid) -> None:
    """Erase the board edge where a layer was exported with it: openings nearly as large as the board."""
    step = max(1, round(0.024 / grid.pitch_mm))
    labels, _ = ndimage.label(paste[::step, ::step] > 0, structure=np.ones((3, 3)))
    for i, box in enumerate(ndimage.find_objects(labels)):
        if all(b.stop - b.start > 0.6 * n for b, n in zip(box, labels.shape, strict=True)):
            frame = ndimage.binary_dilation(labels == i + 1, np.ones((3, 3))).repeat(step, 0).repeat(step, 1)
            paste[frame[: paste.shape[0], : paste.shape[1]]] = 0


def _hole_shape(hole: Hole) -> Shape:
    """Outline of a hole or slot."""
    return Shape(capsule(hole.x_mm, hole.y_mm, hole.end_x_mm, hole.end_y_mm, hole.diameter_mm), True)


def _edge(
    path: Path,
    members: Mapping[str, bytes],
    table: Mapping[str, Any],
    copper: Sequence[_Layer],
    holes: Sequence[Hole],
    budget: Budget,
    notes: list[str],
) -> tuple[Edge, str | None]:
    """Board edge and the file that shows it: from the layer table, an outline, a drawing, or the box of the copper."""
    if "board_mm" in table:
        return box_edge(*table["board_mm"]), None
    shown = [
        s.outline[:: max(1, len(s.outline) // _CORNERS)] for c in copper if not c.negative for s in c.shapes if s.dark
    ]
    content = Content(
        np.array([[h.x_mm, h.y_mm] for h in holes]).reshape(-1, 2), np.concatenate(shown or [np.zeros((0, 2))])
    )
    refused = ""
    names = [*table["outline"], *(d for d in table["drawings"] if d not in table["outline"])]
    for name in names:
        try:
            strokes = centre_lines(_drawing(path, name, members[name], budget).marks)
        except ImageReadError:
            if name in table["drawings"] or name in table["mechanical"]:
                continue
            raise
        edge, note = edge_of(strokes, content, _roomiest(name, strokes, table)) if strokes else (None, "")
        if edge is not None:
            notes += [f"{name}: {note}"] if note else []
            rest = {n: members[n] for n in names[names.index(name) + 1 :] if n not in table["drawings"]}
            notes += _other_edges(path, name, edge, rest, content, replace(budget))
            return edge, name
        if name not in table["drawings"] and not refused:
            if note:
                refused = f"outline {name} is open: {note}"
            elif strokes and name not in table["mechanical"]:
                for loop in joined(strokes)[0][:1]:  # a layer that lies elsewhere is the likelier fault
                    _check_overlap(path, copper, holes, Edge([loop], []))
                refused = f"outline {name} has no loop round the copper and the holes"
    if refused:
        raise ImageReadError(f"{path}: {refused}; close it, or give board_mm in a layers.json")
    boxes = np.array([b for b in (bounds_of(c.shapes) for c in copper if not c.negative) if b is not None])
    if len(boxes) == 0:
        raise ImageReadError(f"{path}: no outline and no positive copper layer; add the outline or give board_mm")
    notes.append("no outline: the board is taken as the box of its copper")
    _check_overlap(path, copper, (), box_edge(*np.median(boxes[:, :2], axis=0), *np.median(boxes[:, 2:], axis=0)))
    return box_edge(*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)), None


def _roomiest(name: str, strokes: Sequence[NDArray[np.float64]], table: Mapping[str, Any]) -> float:
    """How much larger than its copper a board may be that a file shows."""
    if name in table["drawings"] and len(strokes) > _PLAIN_STROKES:
        return _SHEET
    return _MECHANICAL if name in table["mechanical"] or name in table["drawings"] else math.inf


def _other_edges(
    path: Path, used: str, edge: Edge, rest: Mapping[str, bytes], content: Content, budget: Budget
) -> list[str]:
    """Outlines that were not used and show another board, as far as the budget of all of them reaches."""
    told = []
    for name, held in rest.items():
        try:
            strokes = centre_lines(_drawing(path, name, held, budget).marks)
        except ImageReadError:
            continue
        other = edge_of(strokes, content, _MECHANICAL)[0] if 0 < len(strokes) <= _PLAIN_STROKES else None
        if other is not None and np.max(np.abs([*(other.low - edge.low), *(other.high - edge.high)])) > _APART_MM:
            width, height = other.high - other.low
            told.append(
                f"{name}: shows another outline, {width:.1f} x {height:.1f} mm, which is not used; if {used} is not the "
                "board's edge, name this one in a layers.json"
            )
    return told


def _check_overlap(path: Path, copper: Sequence[_Layer], holes: Sequence[Hole], edge: Edge) -> None:
    """All layers must lie on the board, or one of them is in other units or of another board."""
    low, high = edge.low, edge.high
    for layer in copper:
        box = bounds_of(layer.shapes)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        if min(x1, high[0]) <= max(x0, low[0]) or min(y1, high[1]) <= max(y0, low[1]):
            raise PhysicsError(
                f"{path}: layer {layer.name} covers x {x0:.2f} to {x1:.2f}, y {y0:.2f} to {y1:.2f} mm, outside the "
                f"board (x {low[0]:.2f} to {high[0]:.2f}, y {low[1]:.2f} to {high[1]:.2f} mm); use files of one export"
            )
    if holes:
        points = np.array([[h.x_mm, h.y_mm] for h in holes])
        share = float(np.mean(np.all((points >= low) & (points <= high), axis=1)))
        if share < 0.5:
            raise PhysicsError(
                f"{path}: only {share:.0%} of {len(holes)} holes lie on the board; check the units of the drill file"
            )
