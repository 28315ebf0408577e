"""What does not belong into flat fields: pixels that are no noise, coarse grey levels, structure at low frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.metrology.inputs import filled
from coldray.metrology.leakage import Windowed

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
        found |= _in_frame(frame, mask)
    if mask is not None:
        found &= ~mask
    share = float(found.mean())
    if share > MOST_OUTLIERS:
        raise MeasurementError(
            f"{100 * share:.1f} % of the pixels lie far outside the noise of their neighbours; NNPS needs a flat field "
            "of good pixels: correct the frames, or give a mask"
        )
    return found if share else None


def _in_frame(frame: NDArray[np.number], mask: Mask | None) -> Mask:
    """Outliers of one frame, grown onto neighbours that differ as well: clusters are found from their corners inwards."""
    value = frame.astype(np.float32)
    if mask is not None:
        value = filled(frame.astype(np.float64), mask).astype(np.float32)
    across, down = _differences(value)
    spread = [_local_spread(d, mask) for d in (across, down)]
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


def _local_spread(difference: NDArray[np.float32], mask: Mask | None) -> NDArray[np.float32]:
    """Robust standard deviation of what is not masked, in blocks; infinite where there is no noise."""
    rows, cols = difference.shape
    size = np.abs(difference[::2, ::2])
    if mask is not None:
        size[mask[::2, ::2]] = np.nan
    tops, lefts = range(0, rows, BLOCK), range(0, cols, BLOCK)
    half = BLOCK // 2
    spread = [[_median(size[y // 2 : y // 2 + half, x // 2 : x // 2 + half]) for x in lefts] for y in tops]
    known = 1.4826 * np.array(spread, dtype=np.float32)
    known[known <= 0] = np.inf
    return np.asarray(known.repeat(BLOCK, axis=0)[:rows].repeat(BLOCK, axis=1)[:, :cols])


def _median(size: NDArray[np.float32]) -> float:
    """Median of what is a number; 0 if nothing is."""
    known = size[np.isfinite(size)]
    return float(np.median(known)) if known.size else 0.0


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


def words(look: Windowed, levels: float) -> list[str]:
    """Sentences on leakage, on structure at low frequencies, and on noise of few grey `levels`."""
    found = []
    if look.told:
        found.append(
            f"above {look.above_lp_mm:.3g} lp/mm the NNPS is up to {look.ratio:.3g} times that under a Hann window: strong "
            "low frequencies leak into weak high ones at the rims of the regions; read nnps_windowed_mm2 there"
        )
    if look.structure > STRUCTURE:
        found.append(
            f"a region holds {look.structure:.1f} times the usual power at the lowest frequencies: structure or an uneven "
            "field, not noise; the NNPS there is too high"
        )
    return found + of_levels(levels)


def of_levels(levels: float) -> list[str]:
    """One sentence where the noise is smaller than the distance of the grey levels."""
    if levels >= FINE:
        return []
    return [
        f"the noise is only {levels:.2f} grey levels: rounding changes its power by tens of per cent; store finer levels"
    ]
