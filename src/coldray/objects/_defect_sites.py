"""Places where defects can be: balls, traces, barrels, wires and joints found from thickness maps alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.simulation.thickness import ThicknessMaps

SOLDERS = ("SAC305", "Sn63Pb37")
WIRE_METALS = ("Au", "Ag")
_NEIGHBOURHOOD_MM = 0.30
Mask = NDArray[np.bool_]
Map = NDArray[np.float32]
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Blob:
    """A connected piece of one material: where it is, its own cells inside that window, how far it was grown."""

    material: str
    window: Window
    cells: Mask
    grown: int = 0

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of mass (row, col) on the whole grid."""
        rows, cols = np.nonzero(self.cells)
        return self.window[0].start + float(rows.mean()), self.window[1].start + float(cols.mean())

    @property
    def size(self) -> tuple[int, int]:
        """Extent before growing (rows, cols)."""
        rows, cols = self.cells.shape
        return rows - 2 * self.grown, cols - 2 * self.grown

    def grow(self, cells: int, shape: tuple[int, int]) -> Blob:
        """The same piece with its thin rim; itself at the border of the grid."""
        low = [s.start - cells for s in self.window]
        high = [s.stop + cells for s in self.window]
        if min(low) < 0 or high[0] > shape[0] or high[1] > shape[1]:
            return self
        wider = scipy.ndimage.binary_dilation(np.pad(self.cells, cells), iterations=cells, structure=np.ones((3, 3)))
        return Blob(self.material, (slice(low[0], high[0]), slice(low[1], high[1])), wider, self.grown + cells)


@dataclass(frozen=True)
class TracePoint:
    """A straight stretch of copper trace: middle (row, col), direction (row, col), width and foil [mm]."""

    row: int
    col: int
    along: tuple[float, float]
    width_mm: float
    foil_mm: float


@dataclass(frozen=True, eq=False)
class Sites:
    """Lazy searches over one object; each is done once."""

    maps: ThicknessMaps

    @property
    def pitch(self) -> float:
        """Grid step [mm]."""
        return self.maps.grid_pitch_mm

    def _blobs(self, material: str, floor_mm: float) -> list[Blob]:
        thickness = self.maps.thickness_mm.get(material)
        if thickness is None:
            return []
        labels, _ = scipy.ndimage.label(thickness > floor_mm)
        return [
            Blob(material, window, labels[window] == number)
            for number, window in enumerate(scipy.ndimage.find_objects(labels), start=1)
            if window is not None and self._inside(window)
        ]

    def _inside(self, window: Window) -> bool:
        return all(s.start > 0 and s.stop < n for s, n in zip(window, self.maps.shape, strict=True))

    @cached_property
    def balls(self) -> list[Blob]:
        """Round solder joints, 0.15 to 1.2 mm across and about as tall as wide."""
        found = []
        for material in SOLDERS:
            for blob in self._blobs(material, 0.10):
                h, w = blob.size
                diameter = 0.5 * (h + w) * self.pitch
                if not 0.15 <= diameter <= 1.2 or abs(h - w) > max(2, 0.12 * max(h, w)):
                    continue
                fill = blob.cells.sum() / (np.pi / 4 * h * w)
                peak = float(self.maps.thickness_mm[material][blob.window].max())
                if 0.85 <= fill <= 1.15 and 0.35 * diameter <= peak <= 1.8 * diameter:
                    # the rim of a sphere is thinner than the floor
                    found.append(blob.grow(max(1, round(0.03 * diameter / self.pitch)), self.maps.shape))
        return found

    @cached_property
    def barrels(self) -> list[Blob]:
        """Plated holes, 0.1 to 0.8 mm across: tall copper rings with a hollow."""
        found = []
        copper = self.maps.thickness_mm.get("Cu")
        for blob in self._blobs("Cu", 0.3):
            h, w = blob.size
            if not 0.1 <= 0.5 * (h + w) * self.pitch <= 0.8 or abs(h - w) > max(2, 0.2 * max(h, w)) or min(h, w) < 5:
                continue
            assert copper is not None
            inside = copper[blob.window]
            middle = inside[h // 2 - h // 10 : h // 2 + h // 10 + 1, w // 2 - w // 10 : w // 2 + w // 10 + 1]
            if float(middle.mean()) < 0.5 * float(inside.max()) and _is_round(blob.cells):
                found.append(blob)
        return found

    @cached_property
    def wires(self) -> list[Blob]:
        """Bond wires of a dense metal, longer than 0.3 mm and thinner than 60 um."""
        found = []
        for material in WIRE_METALS:
            for blob in self._blobs(material, 0.002):
                rows, cols = np.nonzero(blob.cells)
                length = float(np.hypot(np.ptp(rows), np.ptp(cols))) * self.pitch
                width = rows.size * self.pitch**2 / max(length, 1e-9)
                if length > 0.3 and width < 0.06 + self.pitch:
                    found.append(blob)
        return found

    @cached_property
    def joints(self) -> dict[str, NDArray[np.float32]]:
        """Distance to the rim [mm] inside wide, flat joints (die attach, thermal pads), by material."""
        found = {}
        for material in (*SOLDERS, "Ag"):
            thickness = self.maps.thickness_mm.get(material)
            if thickness is None:
                continue
            depth = scipy.ndimage.distance_transform_edt((thickness > 0.012) & (thickness < 0.25)) * self.pitch
            if depth.max() > 0.25:
                found[material] = depth.astype(np.float32)
        return found

    @cached_property
    def foil_excess(self) -> Map:
        """Copper above its surroundings [mm]: narrow features stand out, planes vanish."""
        copper = self.maps.thickness_mm.get("Cu")
        if copper is None:
            return np.zeros(self.maps.shape, dtype=np.float32)
        cells = 2 * int(_NEIGHBOURHOOD_MM / self.pitch / 2) + 3
        opened = scipy.ndimage.grey_opening(copper, size=(cells, cells))
        return np.asarray(copper - opened, dtype=np.float32)

    @cached_property
    def _ridges(self) -> tuple[Mask, Map, NDArray[np.int64]]:
        excess = self.foil_excess
        mask = (excess > 0.006) & (excess < 0.12)
        depth = scipy.ndimage.distance_transform_edt(mask).astype(np.float32)
        ridge = (depth == scipy.ndimage.maximum_filter(depth, size=3)) & (depth > 1.5)
        tall = (
            scipy.ndimage.binary_dilation(self.maps.thickness_mm["Cu"] > 0.25, iterations=4) if ridge.any() else ridge
        )
        return mask, depth, np.argwhere(ridge & ~tall)

    @property
    def trace_mask(self) -> Mask:
        """Cells of narrow copper."""
        return self._ridges[0]

    def trace(self, rng: np.random.Generator, attempts: int = 60) -> TracePoint | None:
        """A random straight stretch of trace, 50 to 300 um wide; None if there is none."""
        mask, depth, points = self._ridges
        rows, cols = mask.shape
        for _ in range(attempts if len(points) else 0):
            row, col = (int(x) for x in points[int(rng.integers(len(points)))])
            half = float(depth[row, col])
            reach = max(8, int(7 * half))
            if not (0.05 <= 2 * half * self.pitch <= 0.3 and reach < row < rows - reach and reach < col < cols - reach):
                continue
            window = (slice(row - reach, row + reach + 1), slice(col - reach, col + reach + 1))
            labels, _ = scipy.ndimage.label(mask[window])
            own = labels == labels[reach, reach]
            y, x = np.nonzero(own)
            spread = np.cov(np.stack([y - reach, x - reach]).astype(float))
            size, axes = np.linalg.eigh(spread)
            if size[0] <= 0 or size[1] < 20 * size[0] or np.hypot(*np.mean([y - reach, x - reach], axis=1)) > half:
                continue
            foil = float(np.median(self.foil_excess[window][own & (depth[window] > 0.6 * half)]))
            if 0.008 <= foil <= 0.11 and self._bare_sides(row, col, axes[:, 1], half + 2.5, 0.3 * foil):
                return TracePoint(row, col, (float(axes[0, 1]), float(axes[1, 1])), 2 * half * self.pitch, foil)
        return None

    def _bare_sides(self, row: int, col: int, along: NDArray[np.float64], away: float, most_mm: float) -> bool:
        """True if there is little copper on both sides of a trace, here and a little further on."""
        for step in (-2 * away, 0.0, 2 * away):
            for side in (-away, away):
                i = round(row + along[0] * step + along[1] * side)
                j = round(col + along[1] * step - along[0] * side)
                if not (0 <= i < self.maps.shape[0] and 0 <= j < self.maps.shape[1]):
                    return False
                if self.foil_excess[i, j] > most_mm:
                    return False
        return True


def _is_round(cells: Mask) -> bool:
    """True if next to nothing lies outside the circle that a bounding box holds: leads and pads have corners."""
    h, w = cells.shape
    y, x = np.nonzero(cells)
    radius = np.hypot((y + 0.5 - h / 2) / (h / 2), (x + 0.5 - w / 2) / (w / 2))
    return bool(np.mean(radius > 1.1) < 0.02)
