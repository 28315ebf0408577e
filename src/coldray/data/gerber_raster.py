"""Gerber and Excellon primitives drawn as coverage masks.

Shapes are drawn on a grid `OVERSAMPLE` times finer than the one asked for, in strips so that memory stays
small, and averaged: a mask cell holds the covered share of its area, 0 to 255.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

OVERSAMPLE = 3
_STRIP_CELLS = 12_000_000
_ARC_ERROR_MM = 0.002
_SHRUNK_VERTICES = 400


@dataclass(frozen=True)
class Grid:
    """Cells of a mask: row 0 is the top edge, y grows upwards as in the fabrication data.

    Parameters
    ----------
    left_mm, top_mm : float
        Outer corner of cell (0, 0) [mm, board coordinates].
    pitch_mm : float
        Cell side [mm].
    rows, cols : int
        Number of cells.
    """

    left_mm: float
    top_mm: float
    pitch_mm: float
    rows: int
    cols: int


@dataclass(frozen=True)
class Shape:
    """A polygon [mm] and whether it adds or removes; `parts` groups an aperture that has its own holes."""

    outline: NDArray[np.float64]
    dark: bool
    parts: tuple[Shape, ...] = ()


def arc_points(
    start: tuple[float, float], end: tuple[float, float], centre: tuple[float, float], clockwise: bool
) -> list[tuple[float, float]]:
    """Points along a circular arc, start excluded and end included [mm]."""
    cx, cy = centre
    radius = 0.5 * (math.dist(start, centre) + math.dist(end, centre))
    first = math.atan2(start[1] - cy, start[0] - cx)
    last = math.atan2(end[1] - cy, end[0] - cx)
    sweep = last - first
    if clockwise:
        sweep = -((-sweep) % (2 * math.pi)) or -2 * math.pi
    else:
        sweep = sweep % (2 * math.pi) or 2 * math.pi
    if math.dist(start, end) < 1e-6:
        sweep = math.copysign(2 * math.pi, sweep)
    steps = _arc_steps(radius, sweep)
    angles = first + sweep * np.arange(1, steps) / steps
    points = [(cx + radius * math.cos(a), cy + radius * math.sin(a)) for a in angles]
    return [*points, end]


def _arc_steps(radius_mm: float, sweep: float) -> int:
    """Chords needed so that none leaves the arc by more than `_ARC_ERROR_MM`."""
    if radius_mm <= _ARC_ERROR_MM:
        return 4
    step = 2 * math.acos(max(0.0, 1 - _ARC_ERROR_MM / radius_mm))
    return max(4, math.ceil(abs(sweep) / step))


def polygon_of(outline: Sequence[Any], arc_centres: Sequence[Any] | None) -> NDArray[np.float64]:
    """Outline with straight and circular sides as plain vertices, shape (n, 2) [mm]."""
    points = [(float(x), float(y)) for x, y in outline]
    if not arc_centres or not any(arc_centres):
        return np.asarray(points, dtype=np.float64).reshape(-1, 2)
    result = [points[0]]
    for i, start in enumerate(points):
        end = points[(i + 1) % len(points)]
        arc = arc_centres[i] if i < len(arc_centres) else None
        if arc:
            clockwise, (cx, cy) = arc
            result.extend(arc_points(start, end, (float(cx), float(cy)), bool(clockwise)))
        else:
            result.append(end)
    return np.asarray(result, dtype=np.float64)


@functools.lru_cache(maxsize=256)
def _fan(half: int) -> NDArray[np.float64]:
    """Unit vectors from -90 to 90 degrees, scaled so that the polygon has the area of the disc."""
    angles = np.linspace(-math.pi / 2, math.pi / 2, half + 1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * math.sqrt(math.pi / half / math.sin(math.pi / half))


def capsule(x1: float, y1: float, x2: float, y2: float, width: float) -> NDArray[np.float64]:
    """Outline of a round-ended stroke [mm]; a disc where both ends are one point."""
    half = max(2, math.ceil(_arc_steps(width / 2, 2 * math.pi) / 2))
    along = math.hypot(x2 - x1, y2 - y1)
    if along < 1e-9:
        c, s = 1.0, 0.0
    else:
        c, s = (x2 - x1) / along, (y2 - y1) / along
    front = _fan(half) @ np.array([[c, s], [-s, c]]) * (width / 2)
    if along < 1e-9:
        return np.concatenate([front[:-1], -front[:-1]]) + np.array([x1, y1])
    return np.concatenate([front + np.array([x2, y2]), np.array([x1, y1]) - front])


def _outlines(primitive: Any) -> Iterable[NDArray[np.float64]]:
    """Polygons of one gerbonara primitive [mm]; nothing for strokes of no width."""
    kind = type(primitive).__name__
    if kind == "Circle":
        if primitive.r > 0:
            x, y = float(primitive.x), float(primitive.y)
            yield capsule(x, y, x, y, 2 * float(primitive.r))
    elif kind == "Line":
        if primitive.width > 0:
            x1, y1, x2, y2 = (float(v) for v in (primitive.x1, primitive.y1, primitive.x2, primitive.y2))
            yield capsule(x1, y1, x2, y2, float(primitive.width))
    elif kind == "Arc":
        if primitive.width > 0:
            start = (float(primitive.x1), float(primitive.y1))
            end = (float(primitive.x2), float(primitive.y2))
            points = [
                start,
                *arc_points(start, end, (float(primitive.cx), float(primitive.cy)), bool(primitive.clockwise)),
            ]
            for (x1, y1), (x2, y2) in itertools.pairwise(points):
                yield capsule(x1, y1, x2, y2, float(primitive.width))
    elif kind == "Rectangle":
        w, h, angle = float(primitive.w), float(primitive.h), float(primitive.rotation)
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        yield corners @ turn + (float(primitive.x), float(primitive.y))
    elif kind == "ArcPoly":
        if len(primitive.outline) > 2:
            yield polygon_of(primitive.outline, primitive.arc_centers)
    else:
        raise TypeError(f"unknown Gerber primitive {kind}")


def shapes_of(gerber: Any, unit: Any) -> list[Shape]:
    """All shapes of a parsed Gerber or Excellon file, in drawing order.

    Parameters
    ----------
    gerber : gerbonara GerberFile or ExcellonFile
        Parsed layer.
    unit : gerbonara LengthUnit
        The millimetre of gerbonara; inch files are converted with it.

    Returns
    -------
    list
        Polygons [mm] with their polarity.
    """
    shapes: list[Shape] = []
    for thing in gerber.objects:
        primitives = list(thing.to_primitives(unit=unit))
        parts = tuple(Shape(o, bool(p.polarity_dark)) for p in primitives for o in _outlines(p) if len(o))
        if len({p.dark for p in parts}) < 2:
            shapes.extend(parts)
            continue
        # An aperture's own hole shows what lies below; it does not erase it.
        if thing.polarity_dark:
            local = parts
        else:
            local = tuple(Shape(p.outline, not p.dark) for p in parts)
        shapes.append(Shape(np.concatenate([p.outline for p in parts]), bool(thing.polarity_dark), local))
    return shapes


def centre_lines(gerber: Any, unit: Any) -> list[NDArray[np.float64]]:
    """Strokes of a parsed Gerber file without their width, and region outlines, as polylines [mm]."""
    lines = []
    for thing in gerber.objects:
        for p in thing.to_primitives(unit=unit):
            kind = type(p).__name__
            if kind == "Line":
                lines.append(np.array([[p.x1, p.y1], [p.x2, p.y2]], dtype=np.float64))
            elif kind == "Arc":
                start, end = (float(p.x1), float(p.y1)), (float(p.x2), float(p.y2))
                points = arc_points(start, end, (float(p.cx), float(p.cy)), bool(p.clockwise))
                lines.append(np.array([start, *points]))
            elif kind == "ArcPoly" and len(p.outline) > 2:
                outline = polygon_of(p.outline, p.arc_centers)
                lines.append(np.concatenate([outline, outline[:1]]))
    return lines


def bounds_of(shapes: Sequence[Shape]) -> tuple[float, float, float, float] | None:
    """Smallest box (x0, y0, x1, y1) [mm] around the dark shapes; None if there are none."""
    dark = [s.outline for s in shapes if s.dark and len(s.outline)]
    if not dark:
        return None
    low = np.min([o.min(axis=0) for o in dark], axis=0)
    high = np.max([o.max(axis=0) for o in dark], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def rasterise(shapes: Sequence[Shape], grid: Grid) -> NDArray[np.uint8]:
    """Draw shapes as covered area share.

    Parameters
    ----------
    shapes : list
        From `shapes_of`, in drawing order; clear shapes erase what was drawn before them.
    grid : Grid
        Where to draw; shapes outside are cut.

    Returns
    -------
    ndarray of uint8, shape (rows, cols)
        0 = bare, 255 = fully covered.

    Raises
    ------
    MissingExtraError
        If Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise MissingExtraError("Pillow", "gerber", "drawing Gerber layers") from error
    fine = OVERSAMPLE
    scale = fine / grid.pitch_mm
    mask = np.zeros((grid.rows, grid.cols), dtype=np.uint8)
    pixels = _to_pixels([s.outline for s in shapes], grid, scale)
    tops = np.array([p[:, 1].min() for p in pixels], dtype=np.int64)
    bottoms = np.array([p[:, 1].max() for p in pixels], dtype=np.int64)
    strip = max(8, min(grid.rows, _STRIP_CELLS // max(1, grid.cols)))
    for row0 in range(0, grid.rows, strip):
        rows = min(strip, grid.rows - row0)
        top, bottom = row0 * fine, (row0 + rows) * fine
        touched = np.flatnonzero((bottoms >= top) & (tops < bottom))
        if len(touched) == 0:
            continue
        image = Image.new("L", (grid.cols * fine, rows * fine), 0)
        pen = ImageDraw.Draw(image)
        for i in touched.tolist():
            shape = shapes[i]
            if shape.parts:
                _stamp(image, shape, _to_pixels([p.outline for p in shape.parts], grid, scale), top)
            else:
                pen.polygon((pixels[i] - (0, top)).ravel().tolist(), fill=255 if shape.dark else 0)
        fine_mask = np.asarray(image)
        # Summing nine cells of 0 or 1 keeps the averaging in bytes.
        total = np.zeros((rows, grid.cols), dtype=np.uint8)
        for dy in range(fine):
            for dx in range(fine):
                total += fine_mask[dy::fine, dx::fine] & 1
        mask[row0 : row0 + rows] = np.round(np.arange(fine * fine + 1) * (255 / (fine * fine))).astype(np.uint8)[total]
    return mask


def _to_pixels(outlines: Sequence[NDArray[np.float64]], grid: Grid, scale: float) -> list[NDArray[np.int64]]:
    """Vertices as fine pixels (column, row); outlines with equally many vertices are turned together."""
    result: list[NDArray[np.int64]] = [np.zeros((0, 2), dtype=np.int64)] * len(outlines)
    alike: dict[int, list[int]] = {}
    for i, outline in enumerate(outlines):
        alike.setdefault(len(outline), []).append(i)
    for count, members in alike.items():
        points = np.stack([outlines[i] for i in members])
        x = (points[:, :, 0] - grid.left_mm) * scale
        y = (grid.top_mm - points[:, :, 1]) * scale
        if 2 < count <= _SHRUNK_VERTICES:
            x, y = _moved_in(x, y)
        pixels = np.stack([np.floor(x), np.floor(y)], axis=2).astype(np.int64)
        for i, p in zip(members, pixels, strict=True):
            result[i] = p
    return result


def _moved_in(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outlines (one a row) less the half pixel that Pillow, painting every pixel an edge passes, adds all round."""
    x1, y1 = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    turn = np.sign(np.sum(x1 * np.roll(y1, -1, axis=1) - y1 * np.roll(x1, -1, axis=1), axis=1, keepdims=True))
    ex, ey = np.roll(x1, -1, axis=1) - x1, np.roll(y1, -1, axis=1) - y1
    size = np.maximum(np.hypot(ex, ey), 1e-9)
    nx, ny = -turn * ey / size, turn * ex / size
    depth = 0.5 * np.maximum(np.abs(nx), np.abs(ny))
    px, py, pd = np.roll(nx, 1, axis=1), np.roll(ny, 1, axis=1), np.roll(depth, 1, axis=1)
    # Corner of the two neighbouring edges moved in; where they are nearly parallel, along their normal.
    cross = px * ny - py * nx
    flat = np.abs(cross) < 0.05
    safe = np.where(flat, 1.0, cross)
    dx = np.where(flat, depth * nx, (pd * ny - depth * py) / safe)
    dy = np.where(flat, depth * ny, (depth * px - pd * nx) / safe)
    return x + np.clip(dx, -0.75, 0.75), y + np.clip(dy, -0.75, 0.75)


def _stamp(image: Image.Image, shape: Shape, pixels: Sequence[NDArray[np.int64]], top: int) -> None:
    """Draw an aperture with its own holes on a small sheet, then lay that sheet on the strip."""
    from PIL import Image, ImageDraw

    every = np.concatenate(pixels) - (0, top)
    x0, y0 = every.min(axis=0)
    x1, y1 = every.max(axis=0) + 1
    sheet = Image.new("L", (int(x1 - x0), int(y1 - y0)), 0)
    pen = ImageDraw.Draw(sheet)
    for part, outline in zip(shape.parts, pixels, strict=True):
        pen.polygon((outline - (x0, y0 + top)).ravel().tolist(), fill=255 if part.dark else 0)
    image.paste(255 if shape.dark else 0, (int(x0), int(y0)), sheet)
