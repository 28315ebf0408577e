"""Thickness maps drawn in small windows with the right area, whatever the grid step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

PHASES = 4  # stamps are placed to a quarter of a cell
_SMALL_RADIUS_CELLS = 24.0


@dataclass(frozen=True)
class Frame:
    """Place and direction of a part: its local (u, v) axes on the board (x along columns, y along rows) [mm]."""

    x: float
    y: float
    angle_deg: float = 0.0

    def at(self, u: float, v: float) -> tuple[float, float]:
        """Board position of a local point [mm]."""
        a = math.radians(self.angle_deg)
        c, s = math.cos(a), math.sin(a)
        return self.x + c * u - s * v, self.y + s * u + c * v

    def moved(self, u: float, v: float, turn_deg: float = 0.0) -> Frame:
        """Frame at a local point, turned."""
        x, y = self.at(u, v)
        return Frame(x, y, self.angle_deg + turn_deg)

    def corners(self, u: float, v: float, width: float, height: float) -> list[tuple[float, float]]:
        """Corners of a local rectangle centred at (u, v) [mm]."""
        w, h = width / 2, height / 2
        return [self.at(u + a * w, v + b * h) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def _overlap(distance: NDArray[np.float32], width: float, pitch: float) -> NDArray[np.float32]:
    """Fraction of a cell at `distance` from the middle of a strip that the strip covers; integrates to `width`."""
    cover = np.clip((width + pitch) / 2 - np.abs(distance), 0.0, min(width, pitch)) / pitch
    return cover.astype(np.float32)


def sphere(radius: float, height: float | None = None) -> Callable[[NDArray], NDArray]:
    """Chord through a sphere [mm], cut flat at `height` when the joint has collapsed."""

    def profile(r: NDArray) -> NDArray:
        chord = 2 * np.sqrt(np.maximum(radius * radius - r * r, 0.0))
        return chord if height is None else np.minimum(chord, height)

    return profile


class Canvas:
    """Named thickness maps [mm] on one grid; every drawing call touches one small window."""

    def __init__(self, shape: tuple[int, int], pitch_mm: float) -> None:
        self.shape = shape
        self.pitch = pitch_mm
        self.width = shape[1] * pitch_mm
        self.height = shape[0] * pitch_mm
        self.maps: dict[str, NDArray[np.float32]] = {}
        self._stamps: dict[tuple, NDArray[np.float32]] = {}

    def map(self, material: str) -> NDArray[np.float32]:
        """The map of a material, made when first used."""
        found = self.maps.get(material)
        if found is None:
            found = self.maps[material] = np.zeros(self.shape, np.float32)
        return found

    def outside(self, x: float, y: float, reach: float) -> bool:
        """True if nothing within `reach` of a point falls on the grid."""
        return x < -reach or y < -reach or x > self.width + reach or y > self.height + reach

    def _window(self, x: float, y: float, rx: float, ry: float) -> tuple[slice, slice] | None:
        p = self.pitch
        j0, j1 = max(0, math.floor((x - rx) / p)), min(self.shape[1], math.ceil((x + rx) / p))
        i0, i1 = max(0, math.floor((y - ry) / p)), min(self.shape[0], math.ceil((y + ry) / p))
        return (slice(i0, i1), slice(j0, j1)) if i1 > i0 and j1 > j0 else None

    def stamp(self, key: tuple, radius: float, profile: Callable[[NDArray], NDArray], fy: int, fx: int) -> NDArray:
        """Cell-averaged radial profile, centre displaced by (fy, fx) quarter cells; cached."""
        full = (*key, fy, fx)
        found = self._stamps.get(full)
        if found is None:
            n = math.ceil(radius / self.pitch) + 1
            cells = radius / self.pitch
            q = 4 if cells < _SMALL_RADIUS_CELLS else 2 if cells < 10 * _SMALL_RADIUS_CELLS else 1
            fine = ((np.arange(2 * n * q + q) + 0.5) / q - n - 0.5).astype(np.float32)
            yy = (fine[:, None] - fy / PHASES) * self.pitch
            xx = (fine[None, :] - fx / PHASES) * self.pitch
            values = profile(np.sqrt(yy * yy + xx * xx)).astype(np.float32)
            side = 2 * n + 1
            found = self._stamps[full] = values.reshape(side, q, side, q).mean((1, 3))
        return found

    def locate(self, x: float, y: float) -> tuple[int, int, int, int]:
        """Cell and quarter-cell phase nearest to a point."""
        qx = round((x / self.pitch - 0.5) * PHASES)
        qy = round((y / self.pitch - 0.5) * PHASES)
        return qy // PHASES, qx // PHASES, qy % PHASES, qx % PHASES

    def place(
        self,
        target: NDArray[np.float32],
        x: float,
        y: float,
        key: tuple,
        radius: float,
        profile: Callable[[NDArray], NDArray],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Views of `target` and of the stamp that meet at a point, or None off the grid."""
        i, j, fy, fx = self.locate(x, y)
        stamp = self.stamp(key, radius, profile, fy, fx)
        return overlap_views(target, stamp, i - stamp.shape[0] // 2, j - stamp.shape[1] // 2)

    def radial(self, material: str, x: float, y: float, key: tuple, radius: float, profile: Callable) -> None:
        """Add a radially symmetric body."""
        if not self.outside(x, y, radius):
            views = self.place(self.map(material), x, y, key, radius, profile)
            if views:
                views[0][...] += views[1]

    def disc(self, material: str, x: float, y: float, diameter: float, thickness: float) -> None:
        """Add a flat disc."""
        r = diameter / 2
        self.radial(material, x, y, ("disc", r, thickness), r, lambda d: thickness * (d <= r))

    def ring(self, material: str, x: float, y: float, outer: float, inner: float, thickness: float) -> None:
        """Add a flat annulus given by its two diameters; its volume is exact."""
        area = math.pi * (outer * outer - inner * inner) / 4
        views = None
        if not self.outside(x, y, outer):
            key = ("ring", outer, inner)
            views = self.place(self.map(material), x, y, key, outer / 2, ring_profile(outer, inner))
        if views:
            _, _, fy, fx = self.locate(x, y)
            total = float(self._stamps[(*key, fy, fx)].sum()) * self.pitch**2
            views[0][...] += views[1] * np.float32(thickness * area / max(total, 1e-12))

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
        key, profile = ("ball", r, height), sphere(r, height)
        if not voids:
            self.radial(material, x, y, key, r, profile)
            return
        i, j, fy, fx = self.locate(x, y)
        body = self.stamp(key, r, profile, fy, fx).copy()
        n = body.shape[0] // 2
        for dx, dy, size in voids:
            qx, qy = fx + round(dx / self.pitch * PHASES), fy + round(dy / self.pitch * PHASES)
            bubble = self.stamp(("ball", size / 2, None), size / 2, sphere(size / 2), qy % PHASES, qx % PHASES)
            m = bubble.shape[0] // 2
            views = overlap_views(body, bubble, n + qy // PHASES - m, n + qx // PHASES - m)
            if views:
                views[0][...] -= views[1]
        np.maximum(body, 0.0, out=body)
        views = overlap_views(self.map(material), body, i - n, j - n)
        if views:
            views[0][...] += views[1]

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
        x, y = frame.at(u, v)
        a = math.radians(frame.angle_deg)
        c, s = math.cos(a), math.sin(a)
        pad = self.pitch
        rx = abs(c) * width / 2 + abs(s) * height / 2 + pad
        ry = abs(s) * width / 2 + abs(c) * height / 2 + pad
        window = self._window(x, y, rx, ry)
        if window is None or width <= 0 or height <= 0:
            return
        p = self.pitch
        xx = ((np.arange(window[1].start, window[1].stop) + 0.5) * p - x).astype(np.float32)[None, :]
        yy = ((np.arange(window[0].start, window[0].stop) + 0.5) * p - y).astype(np.float32)[:, None]
        if abs(s) < 1e-9:
            uu, vv = xx * c, yy * c
        elif abs(c) < 1e-9:
            uu, vv = yy * s, -xx * s
        else:
            uu, vv = c * xx + s * yy, c * yy - s * xx
        cover = _overlap(uu, width, p) * _overlap(vv, height, p)
        if shape is not None:
            cover = cover * shape(np.clip(uu / width, -0.5, 0.5), np.clip(vv / height, -0.5, 0.5))
        self.map(material)[window] += np.float32(thickness) * cover

    def wire(self, material: str, points: list[tuple[float, float]], diameter: float) -> None:
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
                window = self._window(xm, ym, abs(xb - xa) / 2 + r + 2 * p, abs(yb - ya) / 2 + r + 2 * p)
                if window is None:
                    continue
                xx = ((np.arange(window[1].start, window[1].stop) + 0.5) * p - xm).astype(np.float32)[None, :]
                yy = ((np.arange(window[0].start, window[0].stop) + 0.5) * p - ym).astype(np.float32)[:, None]
                across = c * yy - s * xx
                along = _overlap(c * xx + s * yy, length / pieces, p)
                chord = (area_left_of(across + p / 2) - area_left_of(across - p / 2)) / p
                self.map(material)[window] += (chord * along).astype(np.float32)


def ring_profile(outer: float, inner: float) -> Callable[[NDArray], NDArray]:
    """1 between two diameters, 0 elsewhere."""
    return lambda d: ((d <= outer / 2) & (d > inner / 2)).astype(np.float32)


def overlap_views(target: NDArray, stamp: NDArray, i0: int, j0: int) -> tuple[NDArray, NDArray] | None:
    """The parts of `target` and `stamp` that coincide when the stamp's corner lies at (i0, j0)."""
    i1, j1 = min(i0 + stamp.shape[0], target.shape[0]), min(j0 + stamp.shape[1], target.shape[1])
    a, b = max(i0, 0), max(j0, 0)
    if i1 <= a or j1 <= b:
        return None
    return target[a:i1, b:j1], stamp[a - i0 : i1 - i0, b - j0 : j1 - j0]
