"""Periodograms of overlapping, detrended regions, and the lines and rings read from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.physics.trend import Detrend

LINES_REACH = 7 / 256
"""Largest distance of a line from its axis [cycles/pixel]: 7 lines each side of a 256-pixel ROI."""
MOST_MASKED = 0.25
"""Largest masked share of a region that still counts."""
STRUCTURE_SD = 3.0
"""A region noisier than this many times the quiet ones holds an object."""
STRUCTURE_MEAN = 0.25
"""Largest relative distance of a region's mean from the common level."""
DARK = 0.2
"""A region darker than this share of the brightest one was not in the beam."""
SMALLEST_ROI = 64
SMALLEST_SHARE = 0.02

Float = NDArray[np.float64]
Corner = tuple[int, int]


@dataclass(frozen=True)
class Power:
    """Mean |DFT|^2 / n^2 over regions and frames of data divided by their mean.

    `total` and `temporal` have the shape (n, n), unshifted; the mean of `total` is `variance`.
    """

    total: Float
    temporal: Float | None
    variance: float
    valid: float


def corners(shape: tuple[int, int], size: int) -> list[Corner]:
    """Upper left corners (y, x) of regions overlapping by half, centred in the image."""

    def starts(length: int) -> range:
        return range((length - size) % (size // 2) // 2, length - size + 1, size // 2)

    return [(y, x) for y in starts(shape[0]) for x in starts(shape[1])]


def usable(frame: NDArray[np.number], size: int, mask: NDArray[np.bool_] | None) -> tuple[list[Corner], int]:
    """Corners of exposed regions without objects, collimator or too many masked pixels; and how many were left out.

    What is quiet is learnt on small regions, of which some fit inside any open field.
    """
    if mask is not None and mask.mean() > 1 - SMALLEST_SHARE:
        raise MeasurementError("nearly every pixel is masked; give another flat or a better mask")
    _, mean, sd = _levels(frame, min(size, SMALLEST_ROI), mask)
    exposed = mean > DARK * mean.max(initial=0.0)
    if not exposed.any():
        raise MeasurementError("no region has a positive mean; NNPS needs linear, offset-corrected data")
    limit = STRUCTURE_SD * float(np.quantile(sd[exposed], 0.2))
    level = float(np.median(mean[exposed & (sd <= limit)]))
    places, mean, sd = _levels(frame, size, mask)
    keep = (sd <= limit) & (np.abs(mean / level - 1) <= STRUCTURE_MEAN)
    kept = [place for place, good in zip(places, keep, strict=True) if good]
    return kept, len(corners((frame.shape[0], frame.shape[1]), size)) - len(kept)


def _levels(frame: NDArray[np.number], size: int, mask: NDArray[np.bool_] | None) -> tuple[list[Corner], Float, Float]:
    """Corners, mean and detrended relative deviation of the regions with enough unmasked pixels."""
    detrend = Detrend(size // 2)
    places, mean, sd = [], [], []
    for y, x in corners((frame.shape[0], frame.shape[1]), size):
        if mask is not None and mask[y : y + size, x : x + size].mean() > MOST_MASKED:
            continue
        window = np.s_[y : y + size : 2, x : x + size : 2]
        region = frame[window].astype(np.float64)
        hidden = None if mask is None or not mask[window].any() else mask[window]
        level = float(region.mean() if hidden is None else region[~hidden].mean())
        residual = detrend(region) if hidden is None else detrend.masked(region, hidden)
        places.append((y, x))
        mean.append(level)
        sd.append(float(residual.std()) / level if level > 0 else np.inf)
    return places, np.array(mean), np.array(sd)


def accumulate(
    frames: Sequence[NDArray[np.number]],
    means: Float,
    places: Sequence[Corner],
    mask: NDArray[np.bool_] | None,
    size: int,
) -> Power:
    """Sum the periodograms of all regions and frames, the frames' coherent sum apart."""
    detrend = Detrend(size)
    half = size // 2 + 1
    power, coherent = np.zeros((size, half)), np.zeros((size, half))
    variance, valid = 0.0, 0.0
    several = len(frames) > 1
    for y, x in places:
        window = np.s_[y : y + size, x : x + size]
        hidden = None if mask is None or not mask[window].any() else mask[window]
        valid += 1.0 if hidden is None else 1.0 - hidden.mean()
        together = np.zeros((size, half), dtype=np.complex128)
        for frame, mean in zip(frames, means, strict=True):
            region = frame[window] / mean
            residual = detrend(region) if hidden is None else detrend.masked(region, hidden)
            variance += float(np.vdot(residual, residual))
            transform = scipy.fft.rfft2(residual)
            power += transform.real**2
            power += transform.imag**2
            if several:
                together += transform
        if several:
            coherent += together.real**2 + together.imag**2
    count, n = len(places), len(frames)
    total = power / (count * n * size**2)
    temporal = None
    if several:
        mean_squared = coherent / (n**2 * count * size**2)
        temporal = whole_plane((total - mean_squared) * n / (n - 1), size)
    return Power(whole_plane(total, size), temporal, variance / (count * n * size**2), valid / count)


def whole_plane(half: Float, size: int) -> Float:
    """Complete a half-plane power spectrum by P(-v, -u) = P(v, u)."""
    mirrored = half[(-np.arange(size)) % size][:, 1 : (size + 1) // 2][:, ::-1]
    return np.concatenate([half, mirrored], axis=1)


class Lines:
    """The lines beside an axis, binned by true radial frequency in steps of 1 / (n pitch)."""

    def __init__(self, size: int, pitch_mm: float) -> None:
        self.size, self.pitch_mm = size, pitch_mm
        self.reach = max(1, round(LINES_REACH * size))
        beside = np.r_[1 : self.reach + 1, -self.reach : 0]
        along = np.arange(1, size // 2)
        self.rows, self.cols = np.meshgrid(beside, along, indexing="ij")
        radius = np.hypot(self.rows, self.cols).ravel()
        self._bin = np.rint(radius).astype(np.intp)
        self._bin[self._bin >= size // 2] = 0  # incomplete last bin; 0 itself never occurs
        count = np.bincount(self._bin)
        self._filled = np.flatnonzero(count[1:]) + 1
        self.count = count[self._filled].astype(np.float64)
        place = np.bincount(self._bin, weights=radius)[self._filled]
        self.frequency: Float = place / self.count / (size * pitch_mm)

    def average(self, plane: Float, *, horizontal: bool) -> Float:
        """Mean over the lines of an unshifted (n, n) spectrum."""
        values = plane[self.rows, self.cols] if horizontal else plane[self.cols, self.rows]
        return np.asarray(np.bincount(self._bin, weights=values.ravel())[self._filled] / self.count)


def independent_regions(places: Sequence[Corner], size: int) -> float:
    """Independent regions that give the lines of overlapping ones their variance (white noise).

    Periodograms of regions shifted by half their side correlate by 1/4 at one frequency and by
    1/(pi m)^2 at lines m apart, m odd; both lower the gain of overlapping.
    """
    reach = max(1, round(LINES_REACH * size))
    beside = np.r_[1 : reach + 1, -reach:0]
    apart = np.abs(beside[:, None] - beside[None, :])
    shared = np.where(apart == 0, 0.25, np.where(apart % 2 == 1, 1 / (np.pi * np.maximum(apart, 1)) ** 2, 0.0))
    lines = {0: 1 / beside.size, 1: float(shared.mean())}
    known = set(places)
    step = size // 2
    total = 0.0
    for y, x in places:
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (y + dy * step, x + dx * step) in known:
                    total += lines[abs(dy)] * (0.25 if dx else 1.0)
    return len(places) ** 2 / (beside.size * total)


def covered_pixels(places: Sequence[Corner], size: int) -> int:
    """Number of different pixels inside the regions."""
    step = size // 2
    blocks = {(y + i, x + j) for y, x in places for i in (0, step) for j in (0, step)}
    return len(blocks) * step**2
