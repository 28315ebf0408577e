"""Thickness maps drawn body by body, each with its right volume whatever the grid step.

Every object is drawn here: procedural boards, boards from fabrication data, battery cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Window = tuple[slice, slice]
Point = tuple[float, float]
Profile = Callable[[NDArray], NDArray]

PHASES = 4
"""Round bodies are placed to a quarter of a cell, so that equal ones are worked out once."""
_SMALL_RADIUS_CELLS = 24.0
RANDOM_STATE_VERSION = 2
"""How a random state becomes a board; goes into every draw and every record, so that a seed of an older version, which
drew another board, is told apart."""


@dataclass(frozen=True)
class Frame:
    """Place and direction of a part: its local (u, v) axes on the board [mm, deg from x towards y]."""

    x: float
    y: float
    angle_deg: float = 0.0

    def at(self, u: float, v: float) -> Point:
        """Board position of a local point [mm]."""
        a = math.radians(self.angle_deg)
        c, s = math.cos(a), math.sin(a)
        return self.x + c * u - s * v, self.y + s * u + c * v

    def local(self, x: float, y: float) -> Point:
        """Inverse of `at` [mm]."""
        a = math.radians(self.angle_deg)
        c, s = math.cos(a), math.sin(a)
        return c * (x - self.x) + s * (y - self.y), c * (y - self.y) - s * (x - self.x)

    def moved(self, u: float, v: float, turn_deg: float = 0.0) -> Frame:
        """Frame at a local point, turned."""
        x, y = self.at(u, v)
        return Frame(x, y, self.angle_deg + turn_deg)

    def corners(self, u: float, v: float, width: float, height: float) -> list[Point]:
        """Corners of a local rectangle centred at (u, v) [mm]."""
        w, h = width / 2, height / 2
        return [self.at(u + a * w, v + b * h) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def strip_cover(distance: NDArray[np.floating], width: float, pitch: float) -> Map:
    """Share of a cell at `distance` from the middle of a strip that the strip covers; integrates to `width`."""
    cover = np.clip((width + pitch) / 2 - np.abs(distance), 0.0, min(width, pitch)) / pitch
    return np.asarray(cover, dtype=np.float32)


def turned_cover(distance: NDArray[np.floating], width: float, pitch: float, angle_deg: float) -> Map:
    """`strip_cover` of a strip that is turned against the grid: a cell's shadow on its normal is then a trapezoid."""
    a = math.radians(angle_deg)
    narrow, wide = sorted((pitch * abs(math.cos(a)), pitch * abs(math.sin(a))))
    if narrow < 0.02 * wide:
        return strip_cover(distance, width, pitch)
    half, flat = (wide + narrow) / 2, (wide - narrow) / 2

    def below(x: NDArray[np.floating]) -> NDArray[np.floating]:
        x = np.clip(x, -half, half)
        total = (x + half) ** 2 - np.maximum(x + flat, 0) ** 2 - np.maximum(x - flat, 0) ** 2
        return np.asarray(total / (2 * wide * narrow))

    return np.asarray(below(distance + width / 2) - below(distance - width / 2), dtype=np.float32)


def rounded_cover(u: Map, v: Map, width: float, height: float, corner: float, pitch: float) -> Map:
    """Share of cells that a rectangle with rounded corners covers, by the distance to its rim."""
    r = min(corner, 0.5 * min(width, height))
    du, dv = np.abs(u) - np.float32(width / 2 - r), np.abs(v) - np.float32(height / 2 - r)
    outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0) - np.float32(r)
    return np.asarray(np.clip(np.float32(0.5) - outside / np.float32(pitch), 0, 1), dtype=np.float32)


def sphere(radius: float, height: float | None = None) -> Profile:
    """Chord through a sphere [mm], cut flat at `height` when the joint has collapsed."""

    def profile(r: NDArray) -> NDArray:
        chord = 2 * np.sqrt(np.maximum(radius * radius - r * r, 0.0))
        return chord if height is None else np.minimum(chord, height)

    return profile


def drawing_seed(rng: np.random.Generator | int) -> int:
    """Seed of a drawing, by one number from a generator: what the drawing takes moves no later draw of the caller."""
    taken = int(np.random.default_rng(rng).integers(2**63))
    return int(np.random.default_rng([RANDOM_STATE_VERSION, taken]).integers(2**63))


class Canvas:
    """Named thickness maps [mm] on one window of a grid; every drawing call touches a few cells of it.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the window.
    pitch_mm : float
        Cell side [mm].
    corner_mm : (float, float)
        x and y of the outer corner of the grid's cell (0, 0) [mm].
    first_cell : (int, int)
        Row and column of the grid at which the window begins; equal bodies get equal cells in every window.
    y_up : bool
        Whether y grows towards row 0, as in fabrication data.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pitch_mm: float,
        corner_mm: Point = (0.0, 0.0),
        first_cell: tuple[int, int] = (0, 0),
        *,
        y_up: bool = False,
    ) -> None:
        self.shape = shape
        self.pitch = pitch_mm
        self.corner, self.first = corner_mm, first_cell
        self.width = shape[1] * pitch_mm
        self.height = shape[0] * pitch_mm
        self.maps: dict[str, Map] = {}
        self._down = -1.0 if y_up else 1.0
        self._stamps: dict[tuple, Map] = {}

    def map(self, material: str) -> Map:
        """The map of a material, made when first used."""
        found = self.maps.get(material)
        if found is None:
            found = self.maps[material] = np.zeros(self.shape, np.float32)
        return found

    def cell_of(self, x: float, y: float) -> Point:
        """Row and column of a point in the window (fractional; 0 is the centre of the first cell)."""
        row = self._down * (y - self.corner[1]) / self.pitch - 0.5 - self.first[0]
        return row, (x - self.corner[0]) / self.pitch - 0.5 - self.first[1]

    def outside(self, x: float, y: float, reach: float) -> bool:
        """True if nothing within `reach` [mm] of a point falls on the window."""
        row, col = self.cell_of(x, y)
        far = reach / self.pitch + 0.5
        return row < -far or col < -far or row > self.shape[0] - 1 + far or col > self.shape[1] - 1 + far

    def box(self, x: float, y: float, half_x: float, half_y: float) -> Window | None:
        """Cells within half a cell of a box round a point; None if they are all outside."""
        row, col = self.cell_of(x, y)
        dr, dc = half_y / self.pitch + 1, half_x / self.pitch + 1
        i0, i1 = max(0, math.ceil(row - dr)), min(self.shape[0], math.floor(row + dr) + 1)
        j0, j1 = max(0, math.ceil(col - dc)), min(self.shape[1], math.floor(col + dc) + 1)
        return (slice(i0, i1), slice(j0, j1)) if i1 > i0 and j1 > j0 else None

    def offsets(self, window: Window, x: float, y: float) -> tuple[Map, Map]:
        """Distances along x (a row) and y (a column) of cell centres from a point [mm]."""
        rows = np.arange(window[0].start, window[0].stop) + (self.first[0] + 0.5)
        cols = np.arange(window[1].start, window[1].stop) + (self.first[1] + 0.5)
        dx, dy = cols * self.pitch + (self.corner[0] - x), rows * (self._down * self.pitch) + (self.corner[1] - y)
        return dx.astype(np.float32)[None, :], dy.astype(np.float32)[:, None]

    def locals(self, window: Window, frame: Frame) -> tuple[Map, Map]:
        """Local (u, v) of cell centres [mm]; a row and a column where the frame lies along the grid."""
        x, y = self.offsets(window, frame.x, frame.y)
        a = math.radians(frame.angle_deg)
        c, s = math.cos(a), math.sin(a)
        if abs(s) < 1e-9:
            return x * np.float32(c), y * np.float32(c)
        if abs(c) < 1e-9:
            return y * np.float32(s), x * np.float32(-s)
        return x * np.float32(c) + y * np.float32(s), y * np.float32(c) - x * np.float32(s)

    # Round bodies -----------------------------------------------------------------------------------------------

    def _locate(self, x: float, y: float) -> tuple[int, int, int, int]:
        """Cell and quarter-cell phase nearest to a point, counted on the grid so that windows agree."""
        qx = round(((x - self.corner[0]) / self.pitch - 0.5) * PHASES)
        qy = round((self._down * (y - self.corner[1]) / self.pitch - 0.5) * PHASES)
        return qy // PHASES - self.first[0], qx // PHASES - self.first[1], qy % PHASES, qx % PHASES

    def _averaged(self, radius: float, profile: Profile, fy: int, fx: int, finer: int) -> Map:
        """Cell means of a radial profile, centre displaced by (fy, fx) quarter cells."""
        n = math.ceil(radius / self.pitch) + 1
        side = 2 * n + 1
        fine = ((np.arange(side * finer) + 0.5) / finer - n - 0.5).astype(np.float32)
        y, x = ((fine - f / PHASES) * np.float32(self.pitch) for f in (fy, fx))
        values = profile(np.sqrt(y[:, None] ** 2 + x[None, :] ** 2)).astype(np.float32)
        return values.reshape(side, finer, side, finer).mean((1, 3)) if finer > 1 else values

    def _stamp(self, key: tuple, radius: float, profile: Profile, fy: int, fx: int) -> Map:
        """`_averaged`, kept for the next body with this key."""
        found = self._stamps.get((*key, fy, fx))
        if found is None:
            cells = radius / self.pitch
            finer = 4 if cells < _SMALL_RADIUS_CELLS else 2 if cells < 10 * _SMALL_RADIUS_CELLS else 1
            found = self._stamps[(*key, fy, fx)] = self._averaged(radius, profile, fy, fx, finer)
        return found

    def _laid(self, stamp: Map, i: int, j: int) -> tuple[Window, Map] | None:
        """Window, and the part of a stamp that falls on it, when its middle lies at cell (i, j)."""
        return _overlap(self.shape, stamp, i - stamp.shape[0] // 2, j - stamp.shape[1] // 2)

    def _disc_stamp(self, radius: float, fy: int, fx: int) -> Map:
        """Share of cells that a disc covers, 0 to 1.

        A rim one cell wide adds pitch^2/12 to the squared radius, which is taken off before; discs smaller than
        that allows are scaled to their area.
        """
        key = ("disc", radius, fy, fx)
        found = self._stamps.get(key)
        if found is None:
            p = self.pitch
            if radius >= 1.5 * p:
                rim = math.sqrt(radius * radius - p * p / 12)
                found = self._averaged(radius, lambda d: np.clip((rim - d) / np.float32(p) + 0.5, 0, 1), fy, fx, 1)
            else:
                found = self._averaged(radius, lambda d: d <= max(radius, p / 5), fy, fx, 4)
                found = np.minimum(found * np.float32(math.pi * (radius / p) ** 2 / max(float(found.sum()), 1e-9)), 1)
            self._stamps[key] = found
        return found

    def disc_cover(self, x: float, y: float, diameter: float) -> tuple[Window, Map] | None:
        """Cells near a disc and the share of each that it covers; None off the window."""
        i, j, fy, fx = self._locate(x, y)
        return self._laid(self._disc_stamp(diameter / 2, fy, fx), i, j)

    def slot_cover(self, start: Point, end: Point, width: float) -> tuple[Window, Map] | None:
        """Cells near a round-ended slot and the share of each that it covers; None off the window."""
        length = math.hypot(end[0] - start[0], end[1] - start[1])
        if length < 1e-9:
            return self.disc_cover(*start, width)
        c, s = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        window = self.box(*middle, abs(c) * length / 2 + width / 2, abs(s) * length / 2 + width / 2)
        if window is None:
            return None
        x, y = self.offsets(window, *middle)
        beyond = np.maximum(np.abs(x * c + y * s) - np.float32(length / 2), 0)
        return window, strip_cover(np.hypot(beyond, y * c - x * s), width, self.pitch)

    def radial(self, material: str, x: float, y: float, key: tuple, radius: float, profile: Profile) -> None:
        """Add a radially symmetric body; equal keys must mean equal radius and profile [mm]."""
        if not self.outside(x, y, radius):
            self._add(material, self.radial_cover(x, y, key, radius, profile))

    def radial_cover(
        self, x: float, y: float, key: tuple, radius: float, profile: Profile
    ) -> tuple[Window, Map] | None:
        """Cells near a radially symmetric body and its mean in each; None off the window."""
        i, j, fy, fx = self._locate(x, y)
        return self._laid(self._stamp(key, radius, profile, fy, fx), i, j)

    def _add(self, material: str, found: tuple[Window, Map] | None, thickness: float = 1.0) -> None:
        if found is not None:
            self.map(material)[found[0]] += found[1] if thickness == 1.0 else found[1] * np.float32(thickness)

    def disc(self, material: str, x: float, y: float, diameter: float, thickness: float) -> None:
        """Add a flat disc."""
        if not self.outside(x, y, diameter / 2):
            self._add(material, self.disc_cover(x, y, diameter), thickness)

    def ring(self, material: str, x: float, y: float, outer: float, inner: float, thickness: float) -> None:
        """Add a flat annulus given by its two diameters."""
        if not self.outside(x, y, outer / 2):
            found = self.ring_cover(x, y, outer, inner)
            self._add(material, found, thickness)

    def ring_cover(self, x: float, y: float, outer: float, inner: float) -> tuple[Window, Map] | None:
        """Cells near an annulus and the share of each that it covers; None off the window."""
        i, j, fy, fx = self._locate(x, y)
        key = ("ring", outer, inner, fy, fx)
        found = self._stamps.get(key)
        if found is None:
            found = self._disc_stamp(outer / 2, fy, fx)
            if inner > 0:
                hole, found = self._disc_stamp(inner / 2, fy, fx), found.copy()
                edge = (found.shape[0] - hole.shape[0]) // 2
                inside = slice(edge, edge + hole.shape[0])
                found[inside, inside] = np.maximum(found[inside, inside] - hole, 0)
            self._stamps[key] = found
        return self._laid(found, i, j)

    def ball(
        self,
        material: str,
        x: float,
        y: float,
        diameter: float,
        height: float | None = None,
        voids: list[tuple[float, float, float]] | None = None,
    ) -> None:
        """Add a solder ball; `voids` are (dx, dy, diameter) bubbles inside it."""
        r = diameter / 2
        if self.outside(x, y, r):
            return
        i, j, fy, fx = self._locate(x, y)
        body = self._stamp(("ball", r, height), r, sphere(r, height), fy, fx)
        if voids:
            body = body.copy()
            n = body.shape[0] // 2
            for dx, dy, size in voids:
                qx = fx + round(dx / self.pitch * PHASES)
                qy = fy + round(self._down * dy / self.pitch * PHASES)
                bubble = self._averaged(size / 2, sphere(size / 2), qy % PHASES, qx % PHASES, 4)
                m = bubble.shape[0] // 2
                found = _overlap(body.shape, bubble, n + qy // PHASES - m, n + qx // PHASES - m)
                if found is not None:
                    body[found[0]] -= found[1]
            np.maximum(body, 0.0, out=body)
        self._add(material, self._laid(body, i, j))

    # Plates and wires -------------------------------------------------------------------------------------------

    def plate_cover(self, frame: Frame, width: float, height: float, corner: float = 0.0) -> tuple[Window, Map] | None:
        """Cells near a rectangle about a frame and the share of each that it covers; None off the window."""
        window = None if width <= 0 or height <= 0 else self.box(frame.x, frame.y, *_half(frame, width, height))
        if window is None:
            return None
        u, v = self.locals(window, frame)
        if corner > 0 and min(width, height) > self.pitch:
            return window, rounded_cover(u, v, width, height, corner, self.pitch)
        covers = [turned_cover(*along, self.pitch, frame.angle_deg) for along in ((u, width), (v, height))]
        return window, np.maximum(covers[0] * covers[1], 0)

    def rect(
        self,
        material: str,
        frame: Frame,
        u: float,
        v: float,
        width: float,
        height: float,
        thickness: float,
        shape: Callable[[NDArray, NDArray], NDArray] | None = None,
    ) -> None:
        """Add a block at local (u, v); `shape` of (u/width, v/height) in -0.5..0.5 scales its thickness."""
        at = frame.moved(u, v)
        found = self.plate_cover(at, width, height)
        if found is None:
            return
        window, cover = found
        if shape is not None:
            uu, vv = self.locals(window, at)
            cover = cover * shape(np.clip(uu / width, -0.5, 0.5), np.clip(vv / height, -0.5, 0.5))
        self.map(material)[window] += np.float32(thickness) * cover

    def wire(self, material: str, points: list[Point], diameter: float) -> None:
        """Add a round wire along a polyline; each cell gets the mean chord, so the volume is right."""
        r, p = diameter / 2, self.pitch

        def area_left_of(s: NDArray) -> NDArray:
            s = np.clip(s, -r, r)
            return s * np.sqrt(np.maximum(r * r - s * s, 0)) + r * r * np.arcsin(s / r)

        for (x0, y0), (x1, y1) in pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0)
            if length < 1e-6:
                continue
            for k in range(pieces := max(1, math.ceil(length / (40 * p)))):
                xa, xb = (x0 + (x1 - x0) * t / pieces for t in (k, k + 1))
                ya, yb = (y0 + (y1 - y0) * t / pieces for t in (k, k + 1))
                xm, ym = (xa + xb) / 2, (ya + yb) / 2
                c, s = (xb - xa) * pieces / length, (yb - ya) * pieces / length
                window = self.box(xm, ym, abs(xb - xa) / 2 + r + p, abs(yb - ya) / 2 + r + p)
                if window is None:
                    continue
                x, y = self.offsets(window, xm, ym)
                across = c * y - s * x
                along = strip_cover(c * x + s * y, length / pieces, p)
                chord = (area_left_of(across + p / 2) - area_left_of(across - p / 2)) / p
                self.map(material)[window] += np.maximum(chord * along, 0).astype(np.float32)


def _half(frame: Frame, width: float, height: float) -> Point:
    """Half extent along x and y of a turned rectangle [mm]."""
    a = math.radians(frame.angle_deg)
    c, s = abs(math.cos(a)), abs(math.sin(a))
    return c * width / 2 + s * height / 2, s * width / 2 + c * height / 2


def _overlap(shape: tuple[int, ...], stamp: Map, i0: int, j0: int) -> tuple[Window, Map] | None:
    """Window of an array, and the part of a stamp that falls on it, when the stamp's corner lies at (i0, j0)."""
    i1, j1 = min(i0 + stamp.shape[0], shape[0]), min(j0 + stamp.shape[1], shape[1])
    a, b = max(i0, 0), max(j0, 0)
    if i1 <= a or j1 <= b:
        return None
    return (slice(a, i1), slice(b, j1)), stamp[a - i0 : i1 - i0, b - j0 : j1 - j0]
