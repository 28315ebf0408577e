"""What a Gerber file puts on the film: flashes, strokes and regions, and what they are as polygons, lines and holes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coldray.objects.gerber.apertures import Aperture, GerberError, Part
from coldray.objects.gerber.shapes import Point, Shape, capsule, swept

Matrix = tuple[float, float, float, float]
"""Mirroring, rotation and scaling of an aperture as a, b, c, d: (x, y) becomes (a x + b y, c x + d y)."""

UPRIGHT: Matrix = (1.0, 0.0, 0.0, 1.0)

MAX_OBJECTS = 1_000_000
MAX_VERTICES = 10_000_000
"""Of all layers of a board together; a 14-layer board of 190 x 111 mm has 140 000 objects and 4.2 million corners."""

MAX_STATEMENTS = 5_000_000
"""Of all files of a board together; the same board has a tenth."""


class Mark(NamedTuple):
    """One object of the image [mm].

    Parameters
    ----------
    points : tuple of point
        One for a flash, the path for a stroke, the contour for a region; arcs are chords already.
    aperture : Aperture or None
        None for a region.
    matrix : tuple of float
        How the aperture is mirrored, turned and scaled.
    dark : bool
        Whether it adds.
    """

    points: tuple[Point, ...]
    aperture: Aperture | None
    matrix: Matrix
    dark: bool


@dataclass
class Budget:
    """What may still be drawn, so that a small file cannot ask for more than a machine has.

    Parameters
    ----------
    objects, vertices, statements : int
        Flashes, strokes and regions, corners of their polygons, and statements that are left.
    """

    objects: int = MAX_OBJECTS
    vertices: int = MAX_VERTICES
    statements: int = MAX_STATEMENTS

    def spend(self, objects: int, vertices: int = 0, statements: int = 0) -> None:
        """Take from what is left.

        Raises
        ------
        GerberError
            If that is more than is left.
        """
        self.objects -= objects
        self.vertices -= vertices
        self.statements -= statements
        if self.statements < 0:
            raise GerberError(f"holds more than the {MAX_STATEMENTS} statements that are read for one board")
        if self.objects < 0 or self.vertices < 0:
            raise GerberError(
                f"holds more than the {MAX_OBJECTS} objects or {MAX_VERTICES} corners that are drawn for one board"
            )


@dataclass
class Drawing:
    """A read Gerber file.

    Parameters
    ----------
    marks : list of Mark
        In drawing order.
    negative : bool
        Whether the image shows where nothing is (`%IPNEG`).
    notes : list of str
        What was met and is not drawn.
    """

    marks: list[Mark] = field(default_factory=list)
    negative: bool = False
    notes: list[str] = field(default_factory=list)


def times(first: Matrix, second: Matrix) -> Matrix:
    """Matrix that does `second`, then `first`."""
    a, b, c, d = first
    e, f, g, h = second
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


def moved(points: Iterable[Point], matrix: Matrix, shift: Point) -> tuple[Point, ...]:
    """Points mirrored, turned and scaled about the origin, then shifted."""
    a, b, c, d = matrix
    dx, dy = shift
    return tuple((a * x + b * y + dx, c * x + d * y + dy) for x, y in points)


def shapes_of(marks: Sequence[Mark], budget: Budget | None = None) -> list[Shape]:
    """Polygons of a drawing, in its order.

    Parameters
    ----------
    marks : sequence of Mark
        From `read_gerber`.
    budget : Budget, optional
        Takes the number of corners.

    Raises
    ------
    GerberError
        If a stroke is drawn with an aperture that has holes or notches, or the budget is spent.
    """
    budget = Budget() if budget is None else budget
    shapes: list[Shape] = []
    known: dict[tuple[int, Matrix], tuple[Part, ...]] = {}
    for mark in marks:
        if mark.aperture is None:
            budget.spend(0, len(mark.points))
            shapes.append(Shape(np.array(mark.points, dtype=np.float64), mark.dark))
            continue
        if not mark.aperture.parts:
            continue
        key = (id(mark.aperture), mark.matrix)
        if key not in known:
            known[key] = tuple(_transformed(p, mark.matrix) for p in mark.aperture.parts)
        if len(mark.points) == 1:
            new = _flash(known[key], mark.points[0], mark.dark)
        else:
            new = _stroke(mark, known[key])
        budget.spend(0, sum(len(s.outline) for s in new))
        shapes += new
    return shapes


def _transformed(part: Part, matrix: Matrix) -> Part:
    """Part of an aperture after mirroring, rotation and scaling."""
    if matrix == UPRIGHT:
        return part
    a, b, c, d = matrix
    return Part(part.outline @ np.array([[a, c], [b, d]]), part.dark, part.convex)


def _flash(parts: Sequence[Part], at: Point, dark: bool) -> list[Shape]:
    """An aperture at a place; its own holes show what lies below, they do not erase it."""
    if all(p.dark for p in parts):
        return [Shape(p.outline + at, dark) for p in parts]
    local = tuple(Shape(p.outline + at, p.dark) for p in parts)
    return [Shape(np.concatenate([p.outline for p in local]), dark, local)]


def _stroke(mark: Mark, parts: Sequence[Part]) -> list[Shape]:
    """An aperture along a path."""
    aperture = mark.aperture
    assert aperture is not None
    pairs = list(itertools.pairwise(mark.points))
    if not math.isnan(aperture.diameter_mm):
        width = aperture.diameter_mm * scale_of(mark.matrix)
        return [Shape(capsule(*start, *end, width), mark.dark) for start, end in pairs]
    if all(math.dist(start, end) < 1e-9 for start, end in pairs):
        return _flash(parts, mark.points[0], mark.dark)
    if not aperture.sweeps:
        raise GerberError("draws a line with an aperture that has a hole or a notch; only flashes of it are drawn")
    return [Shape(swept(p.outline, start, end), mark.dark) for start, end in pairs for p in parts]


def scale_of(matrix: Matrix) -> float:
    """Length of a unit step after mirroring, rotation and scaling."""
    return math.hypot(matrix[0], matrix[2])


def centre_lines(marks: Sequence[Mark]) -> list[NDArray[np.float64]]:
    """Strokes without their width, and contours of regions, as polylines [mm]; clear ones are left out."""
    lines = []
    for mark in marks:
        if not mark.dark or len(mark.points) < 2:
            continue
        points = np.array(mark.points, dtype=np.float64)
        lines.append(points if mark.aperture is not None else np.concatenate([points, points[:1]]))
    return lines


def drilled(marks: Sequence[Mark]) -> list[tuple[float, float, float, float, float, str]]:
    """Holes of a drill file in Gerber form.

    Returns
    -------
    list of tuple
        x, y, end x, end y, diameter [mm], and the X2 aperture function, for every hole or slot.

    Raises
    ------
    GerberError
        If a hole is neither round nor a slot.
    """
    holes = []
    for mark in marks:
        aperture = mark.aperture
        if aperture is None or not mark.dark:
            raise GerberError("holds regions or clear objects, which no drill makes")
        if not math.isnan(aperture.diameter_mm):
            diameter = aperture.diameter_mm * scale_of(mark.matrix)
            points = mark.points if len(mark.points) > 1 else mark.points * 2
            holes += [(*start, *end, diameter, aperture.function) for start, end in itertools.pairwise(points)]
        elif aperture.slot_mm is not None and len(mark.points) == 1:
            width, height = aperture.slot_mm
            reach = (max(0.0, width - height) / 2, max(0.0, height - width) / 2)
            ends = moved([(-reach[0], -reach[1]), reach], mark.matrix, mark.points[0])
            size = min(width, height) * scale_of(mark.matrix)
            holes.append((*ends[0], *ends[1], size, aperture.function))
        else:
            raise GerberError("holds an aperture that no drill makes")
    return holes
