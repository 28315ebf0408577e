"""A second look at flat fields: pixels that are no noise, grey levels, leakage, structure at low frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.metrology.spectra import Corner, Lines, whole_plane
from coldray.physics.trend import Detrend

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

FAR = 5.5
"""Robust standard deviations by which a pixel differs from both pairs of neighbours: 1e-9 and less for Gauss noise."""
BESIDE = 3.5
"""The same for pixels next to one that is far: light of a hit spreads."""
AROUND, WIDEST_CLUSTER = 5, 12
"""Half-side of the square whose median stands for an outlier [pixels], and layers that a cluster is grown by, at most."""
MOST_OUTLIERS = 0.02
"""A larger share is refused: what is left is no longer a flat field."""
BLOCK = 64
"""Side of the squares in which noise is taken as even [pixels]."""
LATTICE = 1e-2
"""Distance from a whole number of grey levels that rounding of floats may leave."""
FINE = 1.0
"""Noise over the grey level below which rounding changes its power by more than 8 %."""
FEWEST_WINDOWED = 100
"""Regions under a Hann window, if there are frames enough: the second estimate is to be no coarser than it must."""
SMOOTHED = 6.0
"""Frequency bins over which two estimates are compared."""
LEAKED, STILL_EQUAL = 1.1, 1.02
"""Ratio of the estimates that is told, and that below which they are equal."""
LOWEST, HIGHEST = 1.5, 4.5
"""Rings [1 / (size pitch)] in which structure is looked for, without those that the trend takes."""
STRUCTURE = 3.0
"""Power of a region in these rings over that of the median region; noise alone reaches 2."""


def without_outliers(frames: Sequence[NDArray[np.number]], mask: Mask | None, warnings: list[str]) -> Mask | None:
    """The mask with what `outliers` finds, and a sentence on it."""
    found = outliers(frames, mask)
    if found is None:
        return mask
    warnings.append(
        f"bad pixels or direct hits: {np.count_nonzero(found)} pixels lie far outside the noise of their neighbours and "
        "were left out"
    )
    return found if mask is None else found | mask


def outliers(frames: Sequence[NDArray[np.number]], mask: Mask | None) -> Mask | None:
    """Pixels of any frame that differ from their neighbours by far more than noise: bad ones, and direct hits.

    Parameters
    ----------
    frames : sequence of ndarray, each (rows, cols)
    mask : ndarray of bool, shape (rows, cols), optional
        Pixels known to be bad.

    Returns
    -------
    ndarray of bool, shape (rows, cols), or None
        Without the known ones; None if there is none.

    Raises
    ------
    MeasurementError
        If so many are found that the image is no flat field with noise.

    Notes
    -----
    A pixel counts if it differs from the mean of its left and right neighbours and from that of its upper and lower
    ones, both by `FAR` robust standard deviations of such differences. Lines and edges differ in one direction only.
    """
    found = np.zeros(frames[0].shape, dtype=bool)
    for frame in frames:
        found |= _in_frame(frame)
    if mask is not None:
        found &= ~mask
    share = float(found.mean())
    if share > MOST_OUTLIERS:
        raise MeasurementError(
            f"{100 * share:.1f} % of the pixels lie far outside the noise of their neighbours; NNPS needs a flat field "
            "of good pixels: correct the frames, or give a mask"
        )
    return found if share else None


def _in_frame(frame: NDArray[np.number]) -> Mask:
    """Outliers of one frame, grown onto neighbours that differ as well: clusters are found from their corners inwards."""
    value = frame.astype(np.float32)
    across, down = _differences(value)
    spread = [_local_spread(d) for d in (across, down)]
    far = (np.abs(across) > FAR * spread[0]) & (np.abs(down) > FAR * spread[1])
    new = far
    for _ in range(WIDEST_CLUSTER):
        if not new.any():
            break
        value[new] = _medians(value, *np.nonzero(new))
        across, down = _differences(value)
        near = scipy.ndimage.binary_dilation(far, np.ones((3, 3))) & ~far
        new = near & (np.abs(across) > BESIDE * spread[0]) & (np.abs(down) > BESIDE * spread[1])
        far = far | new
    return far


def _local_spread(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Robust standard deviation in blocks; infinite where there is no noise."""
    rows, cols = difference.shape
    size = np.abs(difference[::2, ::2])
    tops, lefts = range(0, rows, BLOCK), range(0, cols, BLOCK)
    half = BLOCK // 2
    spread = [[np.median(size[y // 2 : y // 2 + half, x // 2 : x // 2 + half]) for x in lefts] for y in tops]
    known = 1.4826 * np.array(spread, dtype=np.float32)
    known[known <= 0] = np.inf
    return np.asarray(known.repeat(BLOCK, axis=0)[:rows].repeat(BLOCK, axis=1)[:, :cols])


def _differences(value: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixel less the mean of its neighbours in the row, and of those in the column."""
    padded = np.pad(value, 1, mode="reflect")
    across = value - (padded[1:-1, 2:] + padded[1:-1, :-2]) / 2
    down = value - (padded[2:, 1:-1] + padded[:-2, 1:-1]) / 2
    return across.astype(np.float32, copy=False), down.astype(np.float32, copy=False)


def _medians(value: NDArray[np.float32], rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
    """Median of the square of pixels around some places, most of which a cluster does not fill."""
    step = np.arange(-AROUND, AROUND + 1)
    r = np.clip(rows[:, None, None] + step[:, None], 0, value.shape[0] - 1)
    c = np.clip(cols[:, None, None] + step, 0, value.shape[1] - 1)
    return np.asarray(np.median(value[r, c], axis=(1, 2)))


def grey_level(frame: NDArray[np.number]) -> float:
    """Distance of the grey levels; 0 where values are no whole numbers of such a distance, infinite for one level.

    The type does not tell: an image of whole numbers is often stored as floats.
    """
    gaps = np.diff(np.unique(frame[:: max(1, frame.shape[0] // 64)]).astype(np.float64))
    level = float(gaps.min(initial=np.inf))
    if frame.dtype.kind in "ui" or not gaps.size:
        return level
    return level if np.all(np.abs(gaps / level - np.rint(gaps / level)) < LATTICE) else 0.0


@dataclass(frozen=True)
class SecondLook:
    """Noise power with a Hann window, and what it says about the first estimate.

    Parameters
    ----------
    power : ndarray, shape (n, n)
        Mean |DFT|^2 / n^2 of windowed regions, unshifted, normalised as without a window.
    structure : float
        Power of the strongest region at low frequencies over that of the median region.
    repeats : int
        Frames that each of its regions was taken from.
    """

    power: Float
    structure: float
    repeats: int


def second_look(
    frames: Sequence[NDArray[np.number]], means: Float, places: Sequence[Corner], mask: Mask | None, size: int
) -> SecondLook:
    """Power spectra of half of the regions, each of one frame in turn or of several, under a Hann window.

    Regions that end abruptly let strong low frequencies leak into weak high ones, by the squared sinc of their length;
    a Hann window falls off by six more powers of two per octave.
    """
    detrend = Detrend(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    taper = np.outer(window, window) / float((window**2).mean())
    v, u = np.fft.fftfreq(size, 1 / size)[:, None], np.fft.rfftfreq(size, 1 / size)
    low = (np.hypot(v, u) > LOWEST) & (np.hypot(v, u) < HIGHEST) & (v != 0) & (u > 0)
    half = size // 2
    used = [(y, x) for y, x in places if (y // half + x // half) % 2 == 0] or list(places)
    repeats = min(len(frames), -(-FEWEST_WINDOWED // len(used)))
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
    return SecondLook(whole_plane(total / (len(used) * repeats * size**2), size), structure, repeats)


def words(look: SecondLook, leaked: tuple[float, float] | None, levels: float) -> list[str]:
    """Sentences on leakage, on structure at low frequencies, and on noise of few grey `levels`."""
    found = []
    if leaked is not None:
        found.append(
            f"above {leaked[0]:.3g} lp/mm the NNPS is up to {leaked[1]:.3g} times that under a Hann window: strong low "
            "frequencies leak into weak high ones at the rims of the regions; read nnps_windowed_mm2 there"
        )
    if look.structure > STRUCTURE:
        found.append(
            f"a region holds {look.structure:.1f} times the usual power at the lowest frequencies: structure or an uneven "
            "field, not noise; the NNPS there is too high"
        )
    if levels < FINE:
        found.append(
            f"the noise is only {levels:.2f} grey levels: rounding changes its power by tens of per cent; store finer levels"
        )
    return found


def leakage(lines: Lines, first: Float, second: Float, relative_sd: float) -> tuple[float, float] | None:
    """Frequency [1/mm] from which the first of two curves is above the second, and the largest ratio; None if nowhere.

    `relative_sd` is that of the ratio of the two at one frequency.
    """
    smooth = [scipy.ndimage.gaussian_filter1d(curve, SMOOTHED, mode="nearest") for curve in (first, second)]
    ratio = smooth[0] / np.maximum(smooth[1], 1e-300)
    above = np.flatnonzero(ratio > LEAKED + 3 * relative_sd / np.sqrt(3.5 * SMOOTHED))
    above = above[above > HIGHEST]
    if above.size == 0:
        return None
    equal = np.flatnonzero(ratio[: above[0]] < STILL_EQUAL)
    start = int(equal[-1]) + 1 if equal.size else 0
    return float(lines.frequency[start]), float(ratio[above].max())
