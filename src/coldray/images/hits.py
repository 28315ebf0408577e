"""Direct hits and dead pixels in frames of an object: pixels sharper than the detector's MTF allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel

Float = NDArray[np.float64]

REACH_PX = 3
"""A pixel is predicted from the neighbours up to this distance beyond the hole around it."""
CLUSTER_HOLES_PX = (1, 2)
"""Half-sides of the squares left out around a pixel when bright clusters are looked for, up to 5 x 5 pixels."""
PART_SHARE = 0.5
"""Share of the threshold beyond which a pixel beside the largest deviation of a cluster belongs to it."""
GRID_PX = 64
"""Side of the frequency grid on which covariances are computed."""
THRESHOLD = 6.0
"""Deviation from the prediction that is no measurement, in standard deviations of what noise and object may differ by."""
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
SAMPLED = 2**15
LARGEST_PASSES = 40
FILLING_PASSES = 10
"""Times that the replaced pixels are predicted from each other, so that a cluster is filled from its rim inwards."""
SIGNAL_LEVELS = np.geomspace(0.01, 1.5, 8)
OBJECT_LEVELS = np.concatenate([[0.0], np.geomspace(3e-4, 2.0, 18)])
"""Of the object's standard deviation, fraction of the open beam."""
CHUNK = 2**17


@dataclass(frozen=True, eq=False)
class Hits:
    """Pixels that are no measurement of the image falling on the detector.

    Parameters
    ----------
    bright : ndarray of bool, shape (rows, cols)
        Pixels above what noise and blur allow: direct hits, hot pixels.
    dark : ndarray of bool, shape (rows, cols)
        Pixels below: dead and cold pixels.
    filled : ndarray, float32, shape (rows, cols)
        The image with both replaced by their prediction from the neighbours.
    """

    bright: NDArray[np.bool_]
    dark: NDArray[np.bool_]
    filled: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Either kind."""
        return self.bright | self.dark


def find_hits(
    image: NDArray[np.floating], mtf: FrequencyCurve, noise: NoiseModel, *, threshold: float = THRESHOLD
) -> Hits:
    """Find pixels that stand out from their neighbours more than blur and noise let any object do.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam, corrected for offset and gain.
    mtf : FrequencyCurve
        Presampled MTF of the detector that took the image; the upper end of its band is used.
    noise : NoiseModel
        Noise of this frame; its level is corrected by what the image shows, its colour and its dependence on the signal
        are taken as stated.
    threshold : float
        In standard deviations; about one pixel in 10^8 of Gaussian noise exceeds the default.

    Returns
    -------
    Hits

    Raises
    ------
    ImageError
        If the image is not two-dimensional, not finite, or smaller than 16 x 16 pixels.

    Notes
    -----
    Blur spreads whatever falls on the screen over its neighbours, so a pixel is predictable from them. The prediction is
    that of least squared error (kriging with an unknown mean) for noise of the stated spectrum plus an object of
    independent points blurred by the MTF, the sharpest there is; how strong it may be is told by the neighbours and by what
    contrast is possible at all. Deviations are divided by their own standard deviation; the largest of every neighbourhood
    is replaced by its prediction first, then the rest is looked at again, so neighbours of a hit are not marked for it.
    Bright clusters are found by leaving out 3 x 3 and 5 x 5 pixels, and grow to what stands out half as much. Dark ones are
    not looked for: a small ball looks like them.

    A hit weaker than the contrast that a point of the object could have here is not found: on a fine board that is the more
    of them the sharper the detector is for its pixels.

    References
    ----------
    Cressie, Statistics for Spatial Data (1993), ordinary kriging.
    """
    pixels = np.asarray(image, dtype=np.float64)
    if pixels.ndim != 2 or min(pixels.shape) < 16:
        raise ImageError(f"hits are looked for in one frame of at least 16 x 16 pixels; found shape {pixels.shape}")
    if not np.all(np.isfinite(pixels)):
        raise ImageError("the image holds NaN or infinite pixels; replace them first")
    noise = noise.scaled(_Predictor(mtf, noise, 0).noise_factor(pixels))
    filled = pixels.copy()
    marked = np.zeros(pixels.shape, dtype=np.int8)
    single = _Predictor(mtf, noise, 0)
    _peel(filled, marked, single, threshold)
    spread = _fill(filled, marked, single)
    # what was marked beside a hit before that was replaced, and agrees with what stands there now
    right = (marked != 0) & (np.abs(pixels - filled) < PART_SHARE * threshold * spread)
    filled[right], marked[right] = pixels[right], 0
    for hole in CLUSTER_HOLES_PX:
        _peel(filled, marked, _Predictor(mtf, noise, hole), threshold)
    _fill(filled, marked, single)
    return Hits(marked > 0, marked < 0, filled.astype(np.float32))


def _fill(filled: Float, marked: NDArray[np.int8], single: _Predictor) -> Float:
    """Predict the marked pixels from each other and the rest, in place; returns the standard deviation of that."""
    rows, cols = np.nonzero(marked)
    spread = np.zeros(filled.shape)
    for _ in range(FILLING_PASSES):
        filled[rows, cols], spread[rows, cols] = single(filled, rows, cols)
    return spread


def _peel(filled: Float, marked: NDArray[np.int8], predictor: _Predictor, threshold: float) -> None:
    """Mark and replace, in place, what stands out; the largest of every neighbourhood first."""
    excess = filled - _ring_mean(filled, predictor.hole)
    look = (np.abs(excess) if predictor.hole == 0 else excess) > 0.5 * threshold * predictor.least_deviation(filled)
    square = np.ones((2 * predictor.reach + 1,) * 2, dtype=bool)
    own = np.zeros(filled.shape, dtype=bool)
    for _ in range(LARGEST_PASSES):
        rows, cols = np.nonzero(look)
        guess, spread = predictor(filled, rows, cols)
        deviation = (filled[rows, cols] - guess) / spread
        score, expected = np.zeros(filled.shape), filled.copy()
        score[rows, cols], expected[rows, cols] = deviation if predictor.hole == 0 else np.maximum(deviation, 0), guess
        size = np.abs(score)
        found = (size > threshold) & (size == scipy.ndimage.maximum_filter(size, square.shape))
        if predictor.hole:
            found |= scipy.ndimage.binary_dilation(own, np.ones((3, 3), dtype=bool)) & (score > PART_SHARE * threshold)
        found &= ~own
        if not found.any():
            return
        own |= found
        marked[found] = np.sign(score[found])
        filled[found] = expected[found]
        look = scipy.ndimage.binary_dilation(found, square)


def _ring_mean(image: Float, hole: int) -> Float:
    """Mean of the pixels that adjoin a square of this half-side around every pixel."""
    inner, outer = 2 * hole + 1, 2 * hole + 3
    sums = [side**2 * scipy.ndimage.uniform_filter(image, side, mode="reflect") for side in (inner, outer)]
    return np.asarray((sums[1] - sums[0]) / (outer**2 - inner**2))


class _Predictor:
    """Pixels from their neighbours, for a table of signal and object levels."""

    def __init__(self, mtf: FrequencyCurve, noise: NoiseModel, hole: int) -> None:
        self.hole, self.reach = hole, hole + REACH_PX
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

    @cached_property
    def tables(self) -> tuple[Float, Float]:
        """Weights of the neighbours and standard deviation of the deviation, for every signal and object level."""
        rows, cols = np.append(self.down, 0), np.append(self.across, 0)
        lag = rows[:, None] - rows, cols[:, None] - cols
        quantum, electronic, scene = (c[lag] for c in (self.quantum, self.electronic, self.object))
        n = self.down.size
        weights = np.zeros((SIGNAL_LEVELS.size, OBJECT_LEVELS.size, n))
        deviation = np.zeros(weights.shape[:2])
        for i, signal in enumerate(SIGNAL_LEVELS):
            for j, strength in enumerate(OBJECT_LEVELS):
                covariance = signal * quantum + electronic + strength**2 * scene
                covariance += np.eye(n + 1) * (1e-9 * covariance[n, n] + 1e-30)
                system = np.ones((n + 1, n + 1))
                system[:n, :n] = covariance[:n, :n]
                system[n, n] = 0.0
                w = np.linalg.solve(system, np.append(covariance[:n, n], 1.0))[:n]
                weights[i, j] = w
                variance = covariance[n, n] - 2 * w @ covariance[:n, n] + w @ covariance[:n, :n] @ w
                deviation[i, j] = np.sqrt(max(variance, 1e-30))
        return weights, deviation

    def least_deviation(self, signal: Float) -> Float:
        """Standard deviation of the deviation where there is nothing but noise."""
        return np.asarray(np.interp(signal, SIGNAL_LEVELS, self.tables[1][:, 0]))

    def __call__(self, image: Float, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[Float, Float]:
        """Prediction of pixels from the others, and the standard deviation of what they may differ from it by."""
        padded = np.pad(image, self.reach, mode="reflect")
        guess, spread = np.empty(rows.size), np.empty(rows.size)
        for first in range(0, rows.size, CHUNK):
            part = slice(first, first + CHUNK)
            row, col = rows[part] + self.reach, cols[part] + self.reach
            near = padded[row[:, None] + self.down, col[:, None] + self.across]
            signal = np.median(near, axis=1)
            at = _nearest(SIGNAL_LEVELS, signal)
            possible = np.where(padded[row, col] > signal, np.maximum(1.0 - signal, 0.0), np.maximum(signal, 0.0))
            shown = self._strength(near, signal, self.tables[1][at, 0])
            level = _nearest(OBJECT_LEVELS, np.hypot(shown, POINT_SHARE[self.hole] * possible))
            guess[part], spread[part] = self._weighted(near, at, level), self.tables[1][at, level]
        return guess, spread

    def _weighted(self, near: Float, at: NDArray[np.intp], level: NDArray[np.intp]) -> Float:
        """Sum of the neighbours by the weights of each pixel's own levels, level by level."""
        out = np.empty(at.size)
        key = at * OBJECT_LEVELS.size + level
        order = np.argsort(key, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if group.size:
                out[group] = near[group] @ self.tables[0][at[group[0]], level[group[0]]]
        return out

    def noise_factor(self, image: Float) -> float:
        """Power of the noise in the quieter half of an image over the stated one."""
        padded = np.pad(image, self.reach, mode="reflect")
        some = np.random.default_rng(0).integers(0, image.size, min(image.size, SAMPLED))
        row, col = (place + self.reach for place in np.divmod(some, image.shape[1]))
        near = padded[row[:, None] + self.down, col[:, None] + self.across]
        signal = np.median(near, axis=1)
        at = _nearest(SIGNAL_LEVELS, signal)
        weights, spread = self.tables
        deviation = (padded[row, col] - np.einsum("ij,ij->i", near, weights[at, 0])) / spread[at, 0]
        active = self._strength(near, signal, 0.0 * signal) / spread[at, 0]
        return max(1.4826 * float(np.median(np.abs(deviation[active <= np.median(active)]))), 1e-6) ** 2

    def _strength(self, near: Float, signal: Float, noise: Float) -> Float:
        """Standard deviation that an object may have around a pixel, by what its neighbours show."""
        ring = np.sort(near[:, self.adjacent], axis=1)
        wide = np.sort(near, axis=1)
        adjacent = np.maximum(ring[:, -1 - OUTLIERS] - signal, signal - ring[:, OUTLIERS])
        spanned = wide[:, -1 - 2 * OUTLIERS] - wide[:, 2 * OUTLIERS]
        found = np.maximum(NEAR_SHARE * adjacent, OBJECT_SHARE * spanned)
        return np.sqrt(np.maximum(found**2 - (RANGE_OF_NOISE * noise) ** 2, 0.0))


def _covariance(power_px: Float) -> Float:
    """Covariance at lags (down, across), negative ones by wrapping, of a power spectrum on the DFT grid [per pixel]."""
    return np.asarray(np.fft.ifft2(power_px).real)


def _beyond(mtf: FrequencyCurve, frequency_lp_mm: Float) -> Float:
    """Upper end of the band of an MTF, falling with the square of frequency beyond its table."""
    upper = mtf if mtf.high is None else FrequencyCurve(mtf.frequency_lp_mm, mtf.high)
    last = mtf.last_frequency_lp_mm
    return np.maximum(upper(frequency_lp_mm), 0.0) * (last / np.maximum(frequency_lp_mm, last)) ** 2


def _nearest(levels: Float, values: Float) -> NDArray[np.intp]:
    """Index of the smallest level that is not below each value, the last one at most."""
    return np.minimum(np.searchsorted(levels, values), levels.size - 1)
