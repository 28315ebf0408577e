"""Pixels predicted from their neighbours: least squared error for noise of one spectrum and the sharpest object there is."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel

Float = NDArray[np.float64]

REACH_PX = 3
"""A pixel is predicted from the neighbours up to this distance beyond the hole around it."""
GRID_PX = 64
"""Side of the frequency grid on which covariances are computed."""
OUTLIERS = 2
"""Neighbours among the adjacent eight that may be hits themselves."""
OBJECT_SHARE = 0.35
"""Standard deviation of an object of points, blurred by the MTF, per range of the neighbours."""
NEAR_SHARE = 1.0
"""The same per excess of the adjacent neighbours."""
POINT_SHARE = (0.04, 0.08, 0.12)
"""The same per contrast from what surrounds a pixel to opaque, or to the open beam: for an object of the size of the hole
around it, of half-side 0, 1 or 2; sized so that no disc of any size and contrast is marked."""
RANGE_OF_NOISE = 1.0
"""What noise alone gives both, in standard deviations of the deviation from the prediction."""
SCREEN_LEVELS = 256
"""Signal levels from 0 to `SCREEN_TOP` of the screen's limits."""
SAMPLED = 2**13
SCREEN_TOP = 2.0
SIGNAL_LEVELS = np.geomspace(0.01, 1.5, 8)
OBJECT_LEVELS = np.concatenate([[0.0], np.geomspace(3e-4, 2.0, 18)])
"""Of the object's standard deviation, fraction of the open beam."""
CHUNK = 2**17


class Predictor:
    """Pixels from their neighbours, for a table of signal and object levels."""

    def __init__(self, mtf: FrequencyCurve, noise: NoiseModel, hole: int, shape: tuple[int, ...]) -> None:
        self.hole, self.reach = hole, hole + REACH_PX
        # rows and columns beyond the border are those mirrored at it
        self.rows, self.cols = (np.pad(np.arange(n), self.reach, mode="reflect") for n in shape)
        pitch = noise.pixel_pitch_mm
        axis = np.fft.fftfreq(GRID_PX)
        frequency = np.hypot(axis[:, None], axis) / pitch
        ones = np.ones_like(frequency)
        self.quantum = _covariance(noise.quantum(frequency) / pitch**2)
        self.electronic = _covariance(ones * noise.electronic_mm2 / pitch**2)
        folded = np.zeros_like(frequency)
        for v in (-1, 0, 1):
            for u in (-1, 0, 1):
                folded += _beyond(mtf, np.hypot(axis[:, None] + v, axis + u) / pitch) ** 2
        self.object = _covariance(folded / folded.mean())
        offsets = np.arange(-self.reach, self.reach + 1)
        down, across = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
        distance = np.maximum(np.abs(down), np.abs(across))
        self.down, self.across = down[distance > hole], across[distance > hole]
        self.adjacent = np.flatnonzero(distance[distance > hole] == hole + 1)
        levels = (SIGNAL_LEVELS.size, OBJECT_LEVELS.size)
        self._weights, self._deviation = np.zeros((*levels, self.down.size)), np.zeros(levels)
        self._solved = np.zeros(levels, dtype=bool)

    @cached_property
    def _parts(self) -> tuple[Float, Float, Float]:
        """Covariances of the neighbours and the pixel itself, the last: of quanta, electronics and objects."""
        rows, cols = np.append(self.down, 0), np.append(self.across, 0)
        lag = rows[:, None] - rows, cols[:, None] - cols
        return self.quantum[lag], self.electronic[lag], self.object[lag]

    def _weights_and_deviation(self, signal: float, strength: float) -> tuple[Float, float]:
        """Weights of the neighbours, and the standard deviation of the deviation, at a signal and an object's strength."""
        quantum, electronic, scene = self._parts
        n = self.down.size
        covariance = signal * quantum + electronic + strength**2 * scene
        covariance += np.eye(n + 1) * (1e-9 * covariance[n, n] + 1e-30)
        system = np.ones((n + 1, n + 1))
        system[:n, :n] = covariance[:n, :n]
        system[n, n] = 0.0
        w = np.linalg.solve(system, np.append(covariance[:n, n], 1.0))[:n]
        variance = covariance[n, n] - 2 * w @ covariance[:n, n] + w @ covariance[:n, :n] @ w
        return w, float(np.sqrt(max(variance, 1e-30)))

    def _solve(self, signal: NDArray[np.intp], strength: NDArray[np.intp] | int = 0) -> None:
        """Fill the tables at these levels, where they are not filled yet."""
        asked = np.zeros_like(self._solved)
        asked[signal, strength] = True
        for i, j in np.argwhere(asked & ~self._solved):
            self._weights[i, j], self._deviation[i, j] = self._weights_and_deviation(SIGNAL_LEVELS[i], OBJECT_LEVELS[j])
        self._solved |= asked

    def deviation(self, signal: NDArray[np.intp], strength: NDArray[np.intp] | int = 0) -> Float:
        """Standard deviation of the deviation at levels of signal and object, 0 for no object."""
        self._solve(signal, strength)
        return np.asarray(self._deviation[signal, strength])

    @cached_property
    def least_deviations(self) -> Float:
        """Standard deviation of the deviation of bright and of dark pixels, where neighbours show no object, by signal."""
        signal = np.asarray((np.arange(SCREEN_LEVELS) + 0.5) * (SCREEN_TOP / SCREEN_LEVELS), dtype=np.float64)
        at = _nearest(SIGNAL_LEVELS, signal)
        sides = (np.maximum(1.0 - signal, 0.0), signal)
        share = POINT_SHARE[self.hole]
        return np.stack([self.deviation(at, _nearest(OBJECT_LEVELS, share * np.asarray(side))) for side in sides])

    def least_spread(self, image: Float, where: NDArray[np.intp]) -> Float:
        """The least that a pixel's standard deviation can be, by the pixels alone that adjoin the hole around it."""
        flat, out = image.ravel(), np.empty(where.size)
        for first in range(0, where.size, CHUNK):
            part = slice(first, first + CHUNK)
            ring = np.sort(
                flat[self._around(where[part], self.down[self.adjacent], self.across[self.adjacent])], axis=1
            )
            signal = _middle(ring)
            at = _nearest(SIGNAL_LEVELS, signal)
            possible = np.where(flat[where[part]] > signal, np.maximum(1.0 - signal, 0.0), np.maximum(signal, 0.0))
            shown = 0.5 * NEAR_SHARE * (ring[:, -1 - OUTLIERS] - ring[:, OUTLIERS])
            shown = np.sqrt(np.maximum(shown**2 - (RANGE_OF_NOISE * self.deviation(at)) ** 2, 0.0))
            level = _nearest(OBJECT_LEVELS, np.hypot(shown, POINT_SHARE[self.hole] * possible))
            out[part] = self.deviation(at, level)
        return out

    def stands_out(self, image: Float, where: NDArray[np.intp], share: float) -> NDArray[np.bool_]:
        """Whether pixels are above the median of their neighbours by this share of the least deviation."""
        flat = image.ravel()
        signal = _middle(np.sort(flat[self._around(where, self.down, self.across)], axis=1))
        at = np.clip(signal * (SCREEN_LEVELS / SCREEN_TOP), 0, SCREEN_LEVELS - 1).astype(np.intp)
        return np.asarray(flat[where] - signal > share * self.least_deviations[0][at])

    def square(self, where: NDArray[np.intp], reach: int | None = None) -> NDArray[np.intp]:
        """Pixels of the square around pixels, that of the neighbours by default; all are places in the flat image."""
        offsets = np.arange(-reach, reach + 1) if reach is not None else np.arange(-self.reach, self.reach + 1)
        down, across = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
        return self._around(where, down, across)

    def _around(self, where: NDArray[np.intp], down: NDArray[Any], across: NDArray[Any]) -> NDArray[np.intp]:
        width = self.cols.size - 2 * self.reach
        row, col = np.divmod(where[:, None], width)
        return np.asarray(self.rows[row + down + self.reach] * width + self.cols[col + across + self.reach])

    def __call__(self, image: Float, where: NDArray[np.intp]) -> tuple[Float, Float]:
        """Prediction of pixels from the others, and the standard deviation of what they may differ from it by."""
        guess, spread = np.empty(where.size), np.empty(where.size)
        flat = image.ravel()
        for first in range(0, where.size, CHUNK):
            part = slice(first, first + CHUNK)
            near = flat[self._around(where[part], self.down, self.across)]
            ordered = np.sort(near, axis=1)
            signal = _middle(ordered)
            at = _nearest(SIGNAL_LEVELS, signal)
            possible = np.where(flat[where[part]] > signal, np.maximum(1.0 - signal, 0.0), np.maximum(signal, 0.0))
            shown = self._strength(near, ordered, self.deviation(at))
            level = _nearest(OBJECT_LEVELS, np.hypot(shown, POINT_SHARE[self.hole] * possible))
            spread[part] = self.deviation(at, level)
            guess[part] = self._weighted(near, at, level)
        return guess, spread

    def _weighted(self, near: Float, at: NDArray[np.intp], level: NDArray[np.intp]) -> Float:
        """Sum of the neighbours by the weights of each pixel's own levels, level by level; all of them solved."""
        out = np.empty(at.size)
        key = at * OBJECT_LEVELS.size + level
        order = np.argsort(key, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if group.size:
                out[group] = near[group] @ self._weights[at[group[0]], level[group[0]]]
        return out

    def noise_factor(self, image: Float) -> float:
        """Power of the noise in the quieter half of an image over the stated one."""
        some = np.random.default_rng(0).integers(0, image.size, min(image.size, SAMPLED))
        near = image.ravel()[self._around(some, self.down, self.across)]
        ordered = np.sort(near, axis=1)
        at = _nearest(SIGNAL_LEVELS, _middle(ordered))
        spread = self.deviation(at)
        deviation = (image.ravel()[some] - np.einsum("ij,ij->i", near, self._weights[at, 0])) / spread
        active = self._strength(near, ordered, np.zeros(at.size)) / spread
        return max(1.4826 * float(np.median(np.abs(deviation[active <= np.median(active)]))), 1e-6) ** 2

    def _strength(self, near: Float, ordered: Float, noise: Float) -> Float:
        """Standard deviation that an object may have around a pixel, by what its neighbours show."""
        signal = _middle(ordered)
        ring = np.sort(near[:, self.adjacent], axis=1)
        adjacent = np.maximum(ring[:, -1 - OUTLIERS] - signal, signal - ring[:, OUTLIERS])
        spanned = ordered[:, -1 - 2 * OUTLIERS] - ordered[:, 2 * OUTLIERS]
        found = np.maximum(NEAR_SHARE * adjacent, OBJECT_SHARE * spanned)
        return np.sqrt(np.maximum(found**2 - (RANGE_OF_NOISE * noise) ** 2, 0.0))


def _covariance(power_px: Float) -> Float:
    """Covariance at lags (down, across), negative ones by wrapping, of a power spectrum on the DFT grid [per pixel]."""
    return np.asarray(np.fft.ifft2(power_px).real)


def _beyond(mtf: FrequencyCurve, frequency_lp_mm: Float) -> Float:
    """Upper end of the band of an MTF, falling with the square of frequency beyond where it is lost in its band, or ends."""
    if mtf.high is None:
        upper, last = mtf, mtf.last_frequency_lp_mm
    else:
        upper = FrequencyCurve(mtf.frequency_lp_mm, mtf.high)
        lost = np.flatnonzero(mtf.value <= mtf.high - mtf.value)
        last = float(mtf.frequency_lp_mm[lost[0]]) if lost.size else mtf.last_frequency_lp_mm
    inside = np.minimum(frequency_lp_mm, last)
    return np.asarray(np.maximum(upper(inside), 0.0) * (last / np.maximum(frequency_lp_mm, last)) ** 2)


def _middle(ordered: Float) -> Float:
    """Median of rows of an even number of values in order."""
    half = ordered.shape[1] // 2
    return np.asarray(0.5 * (ordered[:, half - 1] + ordered[:, half]))


def _nearest(levels: Float, values: Float) -> NDArray[np.intp]:
    """Index of the smallest level that is not below each value, the last one at most."""
    return np.minimum(np.searchsorted(levels, values), levels.size - 1)
