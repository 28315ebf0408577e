"""Scenes beyond boards: a canvas in millimetres with random surfaces, strokes and profiles, and depths set by signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.document import Json
from coldray.objects._visibility import depth_for
from coldray.objects.canvas import Canvas, Frame, Map, sphere
from coldray.objects.stroke import add_stroke, ellipsoid_chord
from coldray.physics.grids import dct_axes

Ranges = Mapping[str, tuple[float, float]]

REFERENCE_MM = 24.6
"""Field that the lateral sizes of all tables are meant for [mm]: 512 pixels of 48 um."""
DARKEST, DARK_SHARE = 0.02, 0.005
"""Thickness is scaled down until all but this share of a scene lets this fraction of the open beam through."""
_FINE = 8
_SPLINE_SD = 151 / 315
"""Standard deviation of a surface of cubic B-splines whose weights have variance 1: the mean square of the kernel, once
per direction."""


class Scene(Canvas):
    """A canvas with its random state, the ranges it draws sizes from, and drawing in millimetres.

    Parameters
    ----------
    shape : (rows, cols)
    pitch_mm : float
        Grid step [mm].
    rng : numpy.random.Generator
    ranges : mapping of str to (low, high)
        What may be drawn; names that end in `_mm` are lateral sizes for a field of `REFERENCE_MM` and grow with the
        square root of the field.
    """

    def __init__(self, shape: tuple[int, int], pitch_mm: float, rng: np.random.Generator, ranges: Ranges) -> None:
        super().__init__(shape, pitch_mm)
        self.rng = rng
        self.ranges = ranges
        self.extent = max(self.width, self.height)
        self.zoom = float(np.sqrt(self.extent / REFERENCE_MM))
        self.crowd = 1.0
        self.labels: dict[str, Json] = {}
        self.y = ((np.arange(shape[0], dtype=np.float32) + np.float32(0.5)) * np.float32(pitch_mm))[:, None]
        self.x = ((np.arange(shape[1], dtype=np.float32) + np.float32(0.5)) * np.float32(pitch_mm))[None, :]

    # what is drawn from the tables
    def flat(self, name: str) -> float:
        """A value, uniform over its range."""
        return self._sized(name, float(self.rng.uniform(*self.ranges[name])))

    def log(self, name: str) -> float:
        """A value, log-uniform over its range."""
        low, high = self.ranges[name]
        return self._sized(name, float(np.exp(self.rng.uniform(np.log(low), np.log(high)))))

    def count(self, name: str) -> int:
        """A whole number, log-uniform over its range: a few more often than many."""
        low, high = self.ranges[name]
        return int(np.floor(np.exp(self.rng.uniform(np.log(low), np.log(high + 1)))))

    def many(self, name: str) -> int:
        """A count of what fills the field, fewer where parts are shown larger."""
        return max(1, round(self.count(name) * self.crowd))

    def magnify(self, times: float) -> None:
        """Show all parts larger, and fewer of them."""
        self.zoom *= times
        self.crowd /= times**2

    def _sized(self, name: str, value: float) -> float:
        return value * self.zoom if name.endswith("_mm") else value

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def one_of(self, items: Sequence[str]) -> str:
        """One of some names."""
        return str(items[int(self.rng.integers(len(items)))])

    def angle(self) -> float:
        """Any direction [rad]; one time in four within 5 degrees of an axis."""
        if self.chance(0.25):
            return float(self.rng.integers(4) * np.pi / 2 + np.radians(self.rng.uniform(-5, 5)))
        return float(self.rng.uniform(0, 2 * np.pi))

    def spot(self, margin: float = 0.05) -> tuple[float, float]:
        """A place (x, y) in the field [mm]."""
        u, v = self.rng.uniform(margin, 1 - margin, 2)
        return float(u * self.width), float(v * self.height)

    def grid(self, side: int, step: float, staggered: bool = False) -> tuple[NDArray[np.float64], float]:
        """Places of a square or staggered grid about (0, 0), shape (side * side, 2) [mm], and their distance."""
        rows, cols = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
        middle = (side - 1) / 2
        shift = 0.5 * (rows % 2) if staggered else 0.0
        return np.asarray(np.stack([cols + shift - middle, rows - middle], -1).reshape(-1, 2) * step, np.float64), step

    def turned(self, places: NDArray[np.floating], angle: float, middle: tuple[float, float]) -> NDArray[np.float64]:
        """Places turned about (0, 0) and moved to a middle, shape (n, 2) [mm]."""
        c, s = np.cos(angle), np.sin(angle)
        return np.asarray(places @ np.array([[c, s], [-s, c]]) + np.array(middle))

    def note_broken(self, was: bool) -> None:
        """Remember whether any regular part of the scene is irregular."""
        self.labels["broken"] = self.labels.get("broken", False) or was

    def step_for(self, material: str, signal: float, contrast: float) -> float:
        """Thickness [mm] that changes a signal by a relative contrast, thicker if positive."""
        return depth_for(material, signal * (1 - contrast)) - depth_for(material, signal)

    # coordinates and profiles
    def across(self, angle: float, centre: tuple[float, float] | None = None) -> Map:
        """Distance of every cell from a line through a place (the middle by default) along the line's normal [mm]."""
        x, y = (self.width / 2, self.height / 2) if centre is None else centre
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return np.asarray((self.x - np.float32(x)) * c + (self.y - np.float32(y)) * s)

    def half(self, angle: float, centre: tuple[float, float]) -> Map:
        """Share of every cell on the far side of a line."""
        return np.asarray(np.clip(self.across(angle, centre) / np.float32(self.pitch) + np.float32(0.5), 0, 1))

    def profile(self, distance: Map, values: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Map:
        """A function of a distance [mm], each cell showing its mean over one cell's width."""
        fine = self.pitch / _FINE
        low = float(distance.min()) - 2 * self.pitch
        count = int(np.ceil((float(distance.max()) + 2 * self.pitch - low) / fine))
        total = np.concatenate(
            [[0.0], np.cumsum(values(np.asarray(low + (np.arange(count) + 0.5) * fine, np.float64)))]
        )
        mean = ((total[_FINE:] - total[:-_FINE]) / _FINE).astype(np.float32)
        # entry k covers cells k to k + 8: its middle is at (k + 4) fine steps
        index = (distance - np.float32(low)) * np.float32(1 / fine)
        index -= np.float32(_FINE / 2 - 0.5)
        return mean[index.astype(np.int32)]

    def surface(self, grain_mm: float) -> Map:
        """Smooth random surface of mean 0 and standard deviation 1; the same at any grid step."""
        grain = max(grain_mm, 1e-3)
        nodes = [int(np.floor(round(length / grain, 6))) + 5 for length in (self.height, self.width)]
        weights = self.rng.standard_normal((nodes[0], nodes[1]), dtype=np.float32)
        shift = self.rng.random(2)
        rows = _splines(self.shape[0], self.pitch, grain, float(shift[0]), nodes[0])
        cols = _splines(self.shape[1], self.pitch, grain, float(shift[1]), nodes[1])
        return np.asarray((cols @ (rows @ weights).T).T / np.float32(_SPLINE_SD), dtype=np.float32, order="C")

    def curve(self, length_mm: float, grain_mm: float) -> Callable[[NDArray[np.number]], NDArray[np.float64]]:
        """Smooth random function of a distance from 0 to a length, standard deviation about 1."""
        places = np.arange(-2, np.ceil(length_mm / grain_mm) + 3) * grain_mm
        values = self.rng.standard_normal(places.size)
        from scipy.interpolate import CubicSpline

        spline = CubicSpline(places, values)
        return lambda s: np.asarray(spline(np.clip(s, places[0], places[-1])))

    # bodies: each gives what it adds to a window, so that it can be added or taken away
    def cut(self, material: str, window: tuple[slice, slice], removed: Map) -> None:
        """Take matter away, never more than there is."""
        part = self.map(material)[window]
        np.maximum(part - removed, 0, out=part)

    def ellipsoid(
        self, x: float, y: float, axes: tuple[float, float, float], angle: float = 0.0
    ) -> tuple[tuple[slice, slice], Map] | None:
        """Window and chord [mm] of an ellipsoid: diameters along its direction, across it, and along the beam."""
        reach = 0.5 * max(axes[:2]) + self.pitch
        window = self.box(x, y, reach, reach)
        return None if window is None else (window, ellipsoid_chord(window, self.pitch, (x, y), axes, angle))

    def pore(self, material: str, x: float, y: float, diameter: float) -> None:
        """Take a sphere out of a material."""
        self.hollow(material, x, y, (diameter, diameter, diameter))

    def hollow(self, material: str, x: float, y: float, axes: tuple[float, float, float], angle: float = 0.0) -> None:
        """Take an ellipsoid out of a material."""
        found = self.ellipsoid(x, y, axes, angle)
        if found is not None:
            self.cut(material, *found)

    def grain(self, material: str, x: float, y: float, axes: tuple[float, float, float], angle: float = 0.0) -> None:
        """Add an ellipsoid of a material."""
        found = self.ellipsoid(x, y, axes, angle)
        if found is not None:
            self.map(material)[found[0]] += found[1]

    def balls(self, material: str, x: float, y: float, diameter: float) -> None:
        """Add a sphere; equal ones share their stamps."""
        self.radial(material, x, y, ("ball", diameter / 2, None), diameter / 2, sphere(diameter / 2))

    def around(self, x: float, y: float, reach: float) -> tuple[tuple[slice, slice], Map] | None:
        """Window within a reach of a place, and the distance of its cells from it [mm]; None off the grid."""
        window = self.box(x, y, reach, reach)
        if window is None:
            return None
        return window, np.hypot(self.x[:, window[1]] - np.float32(x), self.y[window[0]] - np.float32(y))

    def sheet(
        self, x: float, y: float, size: tuple[float, float], turn: float = 0.0, corner: float = 0.0
    ) -> tuple[tuple[slice, slice], Map] | None:
        """Window and covered share of a rectangle, width and height [mm], turned [rad], corners rounded by a radius."""
        return self.plate_cover(Frame(x, y, float(np.degrees(turn))), *size, corner)

    def add_sheet(
        self,
        material: str,
        x: float,
        y: float,
        size: tuple[float, float],
        turn: float,
        thick: float,
        corner: float = 0.0,
    ) -> None:
        """Add a rectangle of a material."""
        found = self.sheet(x, y, size, turn, corner)
        if found is not None:
            self.map(material)[found[0]] += np.float32(thick) * found[1]

    def stroke(
        self,
        points: NDArray[np.float64],
        width: NDArray[np.float64] | float,
        deep: NDArray[np.float64] | float,
        target: Map,
        *,
        round_wire: bool = False,
    ) -> None:
        """Add a strip or a round wire along a path to a map of the field, see `add_stroke`."""
        add_stroke(target, self.pitch, points, width, deep, round_wire=round_wire)

    def soften(self, sigma_mm: float) -> None:
        """Blur every map with a Gaussian: edges out of focus, or round in the part itself."""
        v, u = dct_axes(self.shape, self.pitch)
        for material, thickness in self.maps.items():
            spectrum = scipy.fft.dctn(thickness, norm="ortho", overwrite_x=True)
            for axis in (v, u):
                spectrum *= np.exp(-2 * (np.pi * sigma_mm * axis) ** 2).astype(np.float32)
            self.maps[material] = np.maximum(scipy.fft.idctn(spectrum, norm="ortho", overwrite_x=True), 0)

    def finished(self) -> dict[str, Map]:
        """The maps, non-negative and thin enough for the beam; air where nothing was drawn."""
        kept = {m: np.maximum(t, 0, dtype=np.float32) for m, t in self.maps.items() if t.any()}
        share = np.float32(self._share_of_depth(kept))
        return {m: t * share for m, t in kept.items()} or {"Al": np.zeros(self.shape, np.float32)}

    def _share_of_depth(self, maps: Mapping[str, Map]) -> float:
        """What all thickness is multiplied with, 1 at most, to let enough of the beam through (adding up materials)."""
        stride = tuple(slice(None, None, max(1, n // 128)) for n in self.shape)
        if not maps:
            return 1.0
        depth = sum(t[stride] * np.float32(1 / depth_for(m, DARKEST)) for m, t in maps.items())
        return 1.0 / max(1.0, float(np.quantile(np.asarray(depth), 1 - DARK_SHARE)))


def _splines(cells: int, pitch: float, grain: float, shift: float, nodes: int) -> Any:
    """Cubic B-splines at the middles of cells, sparse, shape (cells, nodes)."""
    from scipy.sparse import csr_matrix

    at = (np.arange(cells) + 0.5) * pitch / grain + 1 + shift
    first = np.floor(at).astype(int)
    t = at - first
    kernel = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    cols = first[:, None] + np.arange(-1, 3)[None, :]
    rows = np.repeat(np.arange(cells), 4)
    return csr_matrix((kernel.ravel().astype(np.float32), (rows, cols.ravel())), shape=(cells, nodes))


def broken(places: NDArray[np.floating], step: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """Every second regular set of places loses, moves and doubles some.

    Parameters
    ----------
    places : ndarray, shape (n,) or (n, 2)
        Regular places [mm].
    step : float
        Distance of neighbours [mm].
    rng : numpy.random.Generator

    Returns
    -------
    places : ndarray, shape (m,) or (m, 2)
    broken : bool
        Whether anything was done; shares of 2 to 15 % each are missing, displaced and doubled (assumed).
    """
    if rng.random() < 0.5 or len(places) < 3:
        return np.asarray(places, dtype=np.float64), False
    fates = rng.random(len(places))
    missing, moved, doubled = np.cumsum(rng.uniform(0.02, 0.15, 3))
    sign = rng.choice([-1.0, 1.0], places.shape)
    away = places + sign * rng.uniform(0.1, 0.5, places.shape) * step
    is_moved = ((fates >= missing) & (fates < moved)).reshape(-1, *[1] * (places.ndim - 1))
    out = np.where(is_moved, away, places)[fates >= missing]
    return np.concatenate([out, away[(fates >= moved) & (fates < doubled)]]), True
