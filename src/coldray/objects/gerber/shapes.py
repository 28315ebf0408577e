"""Plane geometry of Gerber drawings: arcs, discs, strokes and swept apertures as polygons [mm]."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ARC_ERROR_MM = 0.002

Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """A polygon [mm] and whether it adds or removes; `parts` groups an aperture that has its own holes."""

    outline: NDArray[np.float64]
    dark: bool
    parts: tuple[Shape, ...] = ()


def arc_points(start: Point, end: Point, centre: Point, clockwise: bool) -> list[Point]:
    """Points along a circular arc, start excluded and end included [mm]; a full circle where both are one."""
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


def disc(x: float, y: float, diameter: float) -> NDArray[np.float64]:
    """Outline of a disc [mm]; empty without a diameter."""
    return capsule(x, y, x, y, diameter) if diameter > 0 else np.zeros((0, 2))


def swept(outline: NDArray[np.float64], start: Point, end: Point) -> NDArray[np.float64]:
    """What a convex aperture covers on its way along a straight line [mm].

    Parameters
    ----------
    outline : ndarray, shape (n, 2)
        Convex aperture about the origin, either way round.
    start, end : tuple of float
        Where it begins and ends.

    Returns
    -------
    ndarray, shape (n + 2, 2) or (n, 2)
        Convex hull of the aperture at both ends.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    if math.hypot(dx, dy) < 1e-9:
        return outline + start
    after = np.roll(outline, -1, axis=0)
    if np.sum(outline[:, 0] * after[:, 1] - outline[:, 1] * after[:, 0]) < 0:
        outline = outline[::-1]
    across = outline[:, 1] * dx - outline[:, 0] * dy
    right = int(np.argmin(across))
    ring = np.roll(outline, -right, axis=0)
    left = int(np.argmax(np.roll(across, -right)))
    return np.concatenate([ring[: left + 1] + end, ring[left:] + start, ring[:1] + start])


def bounds_of(shapes: Sequence[Shape]) -> tuple[float, float, float, float] | None:
    """Smallest box (x0, y0, x1, y1) [mm] around the dark shapes; None if there are none."""
    return box_of(s.outline for s in shapes if s.dark and len(s.outline))


def box_of(outlines: Iterable[NDArray[np.float64]]) -> tuple[float, float, float, float] | None:
    """Smallest box (x0, y0, x1, y1) [mm] around outlines; None if there are none."""
    kept = list(outlines)
    if not kept:
        return None
    low = np.min([o.min(axis=0) for o in kept], axis=0)
    high = np.max([o.max(axis=0) for o in kept], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
