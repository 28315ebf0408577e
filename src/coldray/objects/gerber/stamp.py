"""Simple bodies added to thickness maps, with edges shared between cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Where = tuple[slice, slice]


@dataclass(frozen=True)
class Canvas:
    """Thickness maps being filled, on one window of the board.

    Parameters
    ----------
    left_mm, top_mm : float
        Outer corner of cell (0, 0) [mm, board coordinates; y upwards].
    pitch_mm : float
        Cell side [mm].
    rows, cols : int
        Number of cells.
    maps : dict of str to ndarray, each of shape (rows, cols)
        Thickness per material [mm]; grows as materials are added.
    """

    left_mm: float
    top_mm: float
    pitch_mm: float
    rows: int
    cols: int
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def sees(self, x_mm: float, y_mm: float, reach_mm: float) -> bool:
        """Whether anything within `reach_mm` of a point lies in the window."""
        return (
            self.left_mm - reach_mm < x_mm < self.left_mm + self.cols * self.pitch_mm + reach_mm
            and self.top_mm + reach_mm > y_mm > self.top_mm - self.rows * self.pitch_mm - reach_mm
        )

    def cell_of(self, x_mm: float, y_mm: float) -> tuple[float, float]:
        """Row and column (fractional; 0 is the centre of the first cell)."""
        return (self.top_mm - y_mm) / self.pitch_mm - 0.5, (x_mm - self.left_mm) / self.pitch_mm - 0.5

    def box(self, x_mm: float, y_mm: float, half_x_mm: float, half_y_mm: float) -> Where | None:
        """Cells around a point; None if they are all outside."""
        row, col = self.cell_of(x_mm, y_mm)
        dr, dc = half_y_mm / self.pitch_mm + 1, half_x_mm / self.pitch_mm + 1
        r0, r1 = max(0, math.floor(row - dr)), min(self.rows, math.ceil(row + dr) + 1)
        c0, c1 = max(0, math.floor(col - dc)), min(self.cols, math.ceil(col + dc) + 1)
        return (slice(r0, r1), slice(c0, c1)) if r1 > r0 and c1 > c0 else None

    def offsets(self, where: Where, x_mm: float, y_mm: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distances along x (a row) and y (a column) of cell centres from a point [mm]."""
        cols = np.arange(where[1].start, where[1].stop, dtype=np.float32)
        rows = np.arange(where[0].start, where[0].stop, dtype=np.float32)
        dx = (cols + np.float32(0.5)) * np.float32(self.pitch_mm) + np.float32(self.left_mm - x_mm)
        dy = np.float32(self.top_mm - y_mm) - (rows + np.float32(0.5)) * np.float32(self.pitch_mm)
        return dx[None, :], dy[:, None]

    def add(self, material: str, where: Where, thickness_mm: NDArray[np.float32]) -> None:
        """Add thickness to one material."""
        if material not in self.maps:
            self.maps[material] = np.zeros((self.rows, self.cols), dtype=np.float32)
        self.maps[material][where] += thickness_mm

    def stroke(
        self, x1: float, y1: float, x2: float, y2: float, width_mm: float, where: Where | None = None
    ) -> tuple[Where, NDArray[np.float32]] | None:
        """Covered share of cells by a round-ended stroke; None if it is out of view."""
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        if where is None:
            where = self.box(cx, cy, abs(x2 - x1) / 2 + width_mm / 2, abs(y2 - y1) / 2 + width_mm / 2)
        if where is None:
            return None
        dx, dy = self.offsets(where, x1, y1)
        along = math.hypot(x2 - x1, y2 - y1)
        if along > 1e-9:
            ux, uy = (x2 - x1) / along, (y2 - y1) / along
            t = np.clip(dx * ux + dy * uy, 0, along)
            dx, dy = (dx - t * ux).astype(np.float32), (dy - t * uy).astype(np.float32)
        distance = np.sqrt(dx * dx + dy * dy)
        share = np.clip((width_mm / 2 - distance) / self.pitch_mm + 0.5, 0, 1)
        # A stroke thinner than a cell covers no cell fully.
        return where, (share * min(1.0, width_mm / self.pitch_mm)).astype(np.float32)

    def add_stroke(
        self, material: str, x1: float, y1: float, x2: float, y2: float, width_mm: float, thickness_mm: float
    ) -> None:
        """A straight lead or wire."""
        found = self.stroke(x1, y1, x2, y2, width_mm)
        if found is not None:
            self.add(material, found[0], found[1] * np.float32(thickness_mm))

    def add_box(
        self,
        material: str,
        x_mm: float,
        y_mm: float,
        length_mm: float,
        width_mm: float,
        angle_rad: float,
        thickness_mm: float,
    ) -> None:
        """A plate, turned about its centre."""
        found = self._plate(x_mm, y_mm, length_mm, width_mm, angle_rad)
        if found is not None:
            where, share, _ = found
            self.add(material, where, share * np.float32(thickness_mm))

    def add_fillet(
        self,
        material: str,
        x_mm: float,
        y_mm: float,
        reach_mm: float,
        width_mm: float,
        angle_rad: float,
        height_mm: float,
    ) -> None:
        """A concave wedge from full height at a point to nothing after `reach_mm` (its sign is the side)."""
        cx = x_mm + reach_mm / 2 * math.cos(angle_rad)
        cy = y_mm + reach_mm / 2 * math.sin(angle_rad)
        found = self._plate(cx, cy, abs(reach_mm), width_mm, angle_rad)
        if found is not None:
            where, share, along = found
            rest = np.clip(0.5 - np.sign(reach_mm) * along / abs(reach_mm), 0, 1)
            self.add(material, where, share * np.float32(height_mm) * rest.astype(np.float32) ** 2)

    def _plate(
        self, x_mm: float, y_mm: float, length_mm: float, width_mm: float, angle_rad: float
    ) -> tuple[Where, NDArray[np.float32], NDArray[np.float32]] | None:
        """Covered share of cells by a turned rectangle, and the distance along its length [mm]."""
        c, s = math.cos(angle_rad), math.sin(angle_rad)
        half_x = abs(c) * length_mm / 2 + abs(s) * width_mm / 2
        half_y = abs(s) * length_mm / 2 + abs(c) * width_mm / 2
        where = self.box(x_mm, y_mm, half_x, half_y)
        if where is None or length_mm <= 0 or width_mm <= 0:
            return None
        dx, dy = self.offsets(where, x_mm, y_mm)
        along, across = dx * np.float32(c) + dy * np.float32(s), dy * np.float32(c) - dx * np.float32(s)
        share = np.clip((length_mm / 2 - np.abs(along)) / self.pitch_mm + 0.5, 0, 1)
        share = share * np.clip((width_mm / 2 - np.abs(across)) / self.pitch_mm + 0.5, 0, 1)
        return where, share.astype(np.float32), along

    def add_sphere(self, material: str, x_mm: float, y_mm: float, diameter_mm: float, sign: float = 1.0) -> None:
        """A ball, or with sign -1 a spherical void in what is there."""
        where = self.box(x_mm, y_mm, diameter_mm / 2, diameter_mm / 2)
        if where is None:
            return
        dx, dy = self.offsets(where, x_mm, y_mm)
        chord = 2 * np.sqrt(np.maximum(np.float32(diameter_mm / 2) ** 2 - dx * dx - dy * dy, 0))
        if sign < 0:
            chord = np.minimum(chord, self.maps[material][where])
        self.add(material, where, np.float32(sign) * chord)
