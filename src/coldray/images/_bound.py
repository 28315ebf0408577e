"""What no object can do before a detector of a known MTF: the most that one pixel may exceed its prediction by."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.physics.curves import FrequencyCurve

Float = NDArray[np.float64]

OVERSAMPLING, REACH_PX = 4, 16
"""Cells per pixel, and half the side of the field [pixels], on which objects are made up."""
_NEAR_ENDS = 0.5 ** np.arange(6, 11)
BOUND_LEVELS = np.unique(np.concatenate([np.linspace(0.0, 1.0, 33), _NEAR_ENDS, 1.0 - _NEAR_ENDS]))
"""Predictions at which the bound is tabulated, in units of the brightest that an object may be; close where it falls to 0."""
NOTHING = 1e-6
"""Cells that count for less than this are left out."""


def beyond(mtf: FrequencyCurve, frequency_lp_mm: Float) -> Float:
    """Upper end of the band of an MTF, falling with the square of frequency beyond where it is lost in its band, or ends."""
    if mtf.high is None:
        upper, last = mtf, mtf.last_frequency_lp_mm
    else:
        upper = FrequencyCurve(mtf.frequency_lp_mm, mtf.high)
        lost = np.flatnonzero(mtf.value <= mtf.high - mtf.value)
        last = float(mtf.frequency_lp_mm[lost[0]]) if lost.size else mtf.last_frequency_lp_mm
    inside = np.minimum(frequency_lp_mm, last)
    return np.asarray(np.maximum(upper(inside), 0.0) * (last / np.maximum(frequency_lp_mm, last)) ** 2)


def largest_excess(
    mtf: FrequencyCurve, pixel_pitch_mm: float, down: NDArray[np.intp], across: NDArray[np.intp], weights: Float
) -> Float:
    """Largest excess of a pixel over its prediction from neighbours, of all objects between 0 and 1.

    Parameters
    ----------
    mtf : FrequencyCurve
        Presampled MTF; the upper end of its band is used.
    pixel_pitch_mm : float
    down, across : ndarray of int, shape (n,)
        Where the neighbours are [pixels].
    weights : ndarray, shape (n,)
        Of the neighbours in the prediction; their sum is 1.

    Returns
    -------
    ndarray, shape (levels,)
        At every prediction of `BOUND_LEVELS`.

    Notes
    -----
    The excess d of a pixel over its prediction m is linear in the object x, d = sum g x with g = PSF - w * PSF, and so is
    m = sum (w * PSF) x. The largest d for a given m over all 0 <= x <= 1 is a linear programme with one constraint: x is
    1 where g > lambda (w * PSF). The value of its dual, sum max(g - lambda (w * PSF), 0) + lambda m, is an upper bound
    for every lambda and the least of it is exact. It is never below 0, the excess of an even object.
    """
    spread, side = _point_spread(mtf, pixel_pitch_mm), 2 * REACH_PX * OVERSAMPLING
    # twice in a row down and across: what is moved around its ends is a part of it
    wide, predicted = np.tile(spread, (2, 2)), np.zeros_like(spread)
    for row, col, weight in zip(down, across, weights, strict=True):
        top, left = (-int(n) * OVERSAMPLING % side for n in (row, col))
        predicted += weight * wide[top : top + side, left : left + side]
    gain = spread - predicted
    seen = np.maximum(np.abs(gain), np.abs(predicted)) > NOTHING
    gain, predicted = gain[seen], predicted[seen]
    return np.maximum(_dual(gain, predicted), 0.0)


@lru_cache(maxsize=8)
def _point_spread(mtf: FrequencyCurve, pixel_pitch_mm: float) -> Float:
    """What a cell of light gives, on a field of cells that goes on beyond its ends; not to be written to."""
    axis = np.fft.fftfreq(2 * REACH_PX * OVERSAMPLING, pixel_pitch_mm / OVERSAMPLING)
    spread = np.fft.ifft2(beyond(mtf, np.hypot(axis[:, None], axis))).real
    spread.flags.writeable = False
    return np.asarray(spread)


def _dual(gain: Float, predicted: Float) -> Float:
    """Least of sum max(gain - p predicted, 0) + p m over the price p, at every m of `BOUND_LEVELS`.

    Notes
    -----
    It is convex and piecewise linear in p: a cell changes sides at p = gain / predicted, so the least lies where the sum of
    `predicted` over the cells that count, which falls with p, passes m. Both sums are cumulative in the order of those prices.
    """
    acts = np.abs(predicted) > 1e-12 * np.abs(predicted).max()
    never = float(np.maximum(gain[~acts], 0.0).sum())
    gain, predicted = gain[acts], predicted[acts]
    price = gain / predicted
    order = np.argsort(price)
    price, gain, predicted = price[order], gain[order], predicted[order]
    up = predicted > 0
    # at the price of a cell: those after it count where predicted is positive, those before it where it is negative
    reached, worth = (
        np.cumsum(np.where(up, 0.0, part)) + np.sum(part[up]) - np.cumsum(np.where(up, part, 0.0))
        for part in (predicted, gain)
    )
    at = np.minimum(np.searchsorted(-reached, -BOUND_LEVELS), price.size - 1)
    return np.asarray(worth[at] - price[at] * (reached[at] - BOUND_LEVELS) + never)
