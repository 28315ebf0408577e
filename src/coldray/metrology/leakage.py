"""Noise power under a Hann window: free of what leaks from strong low frequencies into weak high ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.metrology.spectra import Corner, Lines, independent_regions, whole_plane
from coldray.physics.trend import Detrend

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

HANN = 1.94
"""Squared mean of the fourth power of a Hann window over the square of that of its square: what it costs in samples."""
OVERLAP = 1 / 36
"""Correlation of the power of two such windows that overlap by half."""
FEWEST = 100
"""Regions at first, if there are frames enough: the second estimate is to be no coarser than it must."""
SMOOTHED = 6.0
"""Frequency bins over which two estimates are compared."""
TOLD, SEEN, STILL_EQUAL = 1.1, 1.02, 1.01
"""Ratio of the estimates that is told, that from which the second is taken, and that below which they are equal."""
LOWEST, HIGHEST = 1.5, 4.5
"""Rings [1 / (size pitch)] in which structure is looked for, without those that the trend takes."""


@dataclass(frozen=True)
class Windowed:
    """Lines of the noise power under a Hann window, and what they say about those without.

    Parameters
    ----------
    horizontal, vertical : ndarray, shape (n,)
        Lines beside the u axis and beside the v axis, as those of `spectra.Lines`.
    relative_sd : ndarray, shape (n,)
        Statistical relative standard deviation of each point.
    above_lp_mm : float or None
        Frequency from which the lines without a window are seen to be above these; None if nowhere.
    ratio : float
        Largest ratio there.
    told : bool
        Whether it is worth a word.
    structure : float
        Power of the strongest region at low frequencies over that of the median region.
    """

    horizontal: Float
    vertical: Float
    relative_sd: Float
    above_lp_mm: float | None
    ratio: float
    told: bool
    structure: float


@dataclass(frozen=True)
class _Look:
    """Mean |DFT|^2 / n^2 of windowed regions, unshifted; strength of structure; independent regions, all frames."""

    power: Float
    structure: float
    independent: float


def windowed(
    frames: Sequence[NDArray[np.number]],
    means: Float,
    places: Sequence[Corner],
    mask: Mask | None,
    lines: Lines,
    plain: Float,
    spread: float,
) -> Windowed:
    """Measure under a Hann window what `plain`, the horizontal lines of all regions, gives without.

    `spread` is the variance of a power estimate of all frames over that of one. Part of the regions is looked at first;
    all of them, in all frames, where leakage is seen, since the result is then read from here.
    """
    size = lines.size
    plain_sd = np.sqrt(spread / (lines.count * independent_regions(places, size)))
    for thorough in (False, True):
        look = _look(frames, means, places, mask, size, thorough=thorough)
        first = lines.average(look.power * lines.pitch_mm**2, horizontal=True)
        sd = np.sqrt(HANN * max(spread, 1 / len(frames)) * len(frames) / (lines.count * look.independent))
        limit = 3 * float(np.median(np.hypot(sd * np.sqrt(HANN), plain_sd))) / np.sqrt(2 * np.sqrt(np.pi) * SMOOTHED)
        start, ratio = _leakage(plain, first, SEEN + limit)
        if start is None:
            break
    second = lines.average(look.power * lines.pitch_mm**2, horizontal=False)
    above = None if start is None else float(lines.frequency[start])
    return Windowed(first, second, sd, above, ratio, ratio > TOLD + limit, look.structure)


def _look(
    frames: Sequence[NDArray[np.number]],
    means: Float,
    places: Sequence[Corner],
    mask: Mask | None,
    size: int,
    *,
    thorough: bool,
) -> _Look:
    """Power spectra under a Hann window: of all regions and frames, or of half of the regions in some frames.

    Regions that end abruptly let strong low frequencies leak into weak high ones, by the squared sinc of their length;
    a Hann window falls off by six more powers of two per octave.
    """
    detrend = Detrend(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    taper = np.outer(window, window) / float((window**2).mean())
    v, u = np.fft.fftfreq(size, 1 / size)[:, None], np.fft.rfftfreq(size, 1 / size)
    low = (np.hypot(v, u) > LOWEST) & (np.hypot(v, u) < HIGHEST) & (v != 0) & (u > 0)
    half = size // 2
    used, repeats = list(places), len(frames)
    if not thorough:
        used = [(y, x) for y, x in places if (y // half + x // half) % 2 == 0] or used
        repeats = min(len(frames), -(-FEWEST // len(used)))
    total, lowest = np.zeros((size, half + 1)), np.zeros(len(used))
    for number, (y, x) in enumerate(used):
        place = np.s_[y : y + size, x : x + size]
        hidden = None if mask is None or not mask[place].any() else mask[place]
        for repeat in range(repeats):
            chosen = (number + repeat) % len(frames)
            region = frames[chosen][place] / means[chosen]
            residual = detrend(region) if hidden is None else detrend.masked(region, hidden)
            transform = scipy.fft.rfft2(residual * taper)
            power = (transform.real**2 + transform.imag**2) / (1.0 if hidden is None else 1.0 - hidden.mean())
            lowest[number] += float(power[low].sum())
            total += power
    typical = float(np.median(lowest))
    structure = float(lowest.max()) / typical if lowest.size > 3 and typical > 0 else 1.0
    known = set(used)
    beside = sum(
        (y + dy, x + dx) in known for y, x in used for dy, dx in ((half, 0), (-half, 0), (0, half), (0, -half))
    )
    independent = len(used) ** 2 / (len(used) + OVERLAP * beside) * repeats
    return _Look(whole_plane(total / (len(used) * repeats * size**2), size), structure, independent)


def _leakage(first: Float, second: Float, limit: float) -> tuple[int | None, float]:
    """Bin from which the first of two curves is above the second by more than a ratio, and the largest ratio."""
    smooth = [scipy.ndimage.gaussian_filter1d(curve, SMOOTHED, mode="nearest") for curve in (first, second)]
    ratio = smooth[0] / np.maximum(smooth[1], 1e-300)
    above = np.flatnonzero(ratio > limit)
    above = above[above > HIGHEST]
    if above.size == 0:
        return None, 1.0
    equal = np.flatnonzero(ratio[: above[0]] < STILL_EQUAL)
    return (int(equal[-1]) + 1 if equal.size else 0), float(ratio[above].max())
