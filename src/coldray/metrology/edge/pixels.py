"""Pixels that must not count in an edge measurement: known ones, lines that are dead or copied, single outliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

SAMPLED = 96
"""Triples of rows in which a line's noise is compared with its neighbours'."""
QUIET = 0.2
"""A replaced line differs from the mean of its neighbours, or from one of them, by less than this part of the usual."""
QUANTILE = 0.75
"""Of a line's differences, which stands for its noise: half of a line may lie on a side without any."""
WIDEST_LINE = 3
"""Lines of so many columns are found."""
FEWEST_ROWS = 32
"""Below this the noise of a line is too uncertain."""
STANDS_OUT, LEAST_LINE = 4.0, 0.05
"""A dead line differs from its surroundings by more than so many times nine tenths of them, and part of the contrast."""
OUTLIER = 8.0
"""Robust standard deviations of the noise beyond which a pixel is an outlier."""
ALONG_THE_EDGE = 0.5
"""Of the difference of the pixels above and below, which the tilt of the edge explains."""
MOST_OUTLIERS = 5e-3
"""A larger share of outliers is the shape of the noise."""
NEAR_PX = 8
"""Nearer to the edge than this the larger noise of both sides counts."""
FAINTEST = 1e-4
"""Noise below this part of the contrast tells no outliers."""


def bad_columns(image: NDArray[np.number]) -> Mask:
    """Columns that differ from what is beside them, or repeat it.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)

    Returns
    -------
    ndarray of bool, shape (cols,)

    Notes
    -----
    A dead column lies, in the mean over all rows, beyond the medians of what is left and right of it; a slanted edge,
    which rises or falls over many columns, lies between them. A column that was copied or interpolated has lost its own noise: its second
    difference along the rows equals that of a neighbour, or the mean of both.
    """
    few = image[:: max(1, image.shape[0] // SAMPLED), :: max(1, image.shape[1] // SAMPLED)]
    contrast = float(np.subtract(*np.quantile(few, [0.98, 0.02])))
    bad = _standing_out(np.asarray(image.mean(axis=0, dtype=np.float64)), contrast)
    if image.shape[0] < FEWEST_ROWS:
        return bad
    rows = np.linspace(0, image.shape[0] - 3, min(SAMPLED, image.shape[0] - 2)).astype(np.intp)
    upper, middle, lower = (image[rows + k].astype(np.float64) for k in range(3))
    noise = upper - 2 * middle + lower
    place = round(QUANTILE * (rows.size - 1))
    copied = np.partition(np.abs(np.diff(noise, axis=1)), place, axis=0)[place]
    between = np.partition(np.abs(noise[:, 1:-1] - (noise[:, :-2] + noise[:, 2:]) / 2), place, axis=0)[place]
    if np.median(copied) > FAINTEST * contrast:
        bad[1:] |= _quiet(copied)
        bad[1:-1] |= _quiet(between)
    return bad


def _standing_out(profile: Float, contrast: float) -> Mask:
    """Narrow peaks and dips of a profile: what lies beyond the medians of both sides."""
    side = 2 * WIDEST_LINE - 1
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(profile, side, mode="edge"), side)
    median = np.sort(windows, axis=1)[:, side // 2]
    left, right = median[: profile.size], median[-profile.size :]
    off = np.maximum(np.minimum(left, right) - profile, profile - np.maximum(left, right))
    off = np.maximum(off, 0.0)
    usual = float(np.quantile(off, 0.9))
    return np.asarray(off > max(STANDS_OUT * usual, LEAST_LINE * contrast))


def _quiet(noise: Float) -> Mask:
    """Short runs far below what lies on both sides of them."""
    around = ndimage.minimum_filter1d(noise, 2, origin=0, mode="nearest")
    left, right = np.roll(around, WIDEST_LINE + 1), np.roll(around, -WIDEST_LINE)
    left[: WIDEST_LINE + 1], right[-WIDEST_LINE:] = 0.0, 0.0
    return np.asarray(noise < QUIET * np.minimum(left, right))


def outliers(value: Float, column: Float) -> Mask:
    """Single pixels far outside the noise, in an image whose edge runs down the rows.

    Parameters
    ----------
    value : ndarray, shape (rows, cols)
    column : ndarray, shape (rows,)
        Place of the edge.

    Returns
    -------
    ndarray of bool, shape (rows, cols)
    """
    around = np.concatenate([value[:1], value, value[-1:]])
    change = np.abs(value - (around[2:] + around[:-2]) / 2)
    middle = int(np.clip(np.median(column), 1, value.shape[1] - 1))
    sides = (np.s_[::6, :middle], np.s_[::6, middle:])
    contrast = abs(float(np.median(value[sides[1]]) - np.median(value[sides[0]])))
    left, right = (OUTLIER * max(1.4826 * float(np.median(change[side])), FAINTEST * contrast) for side in sides)
    found = change > min(left, right)
    rows, cols = np.nonzero(found)
    if rows.size == 0:
        return found
    away = cols - column[rows]
    limit = np.where(away < -NEAR_PX, left, np.where(away > NEAR_PX, right, max(left, right)))
    # Where rows of the edge are displaced the signal still lies between those of the columns beside.
    beside = value[rows, np.maximum(cols - 2, 0)], value[rows, np.minimum(cols + 2, value.shape[1] - 1)]
    beyond = np.maximum(value[rows, cols] - np.maximum(*beside), np.minimum(*beside) - value[rows, cols])
    slanted = ALONG_THE_EDGE * np.abs(around[rows + 2, cols] - around[rows, cols])
    kept = np.minimum(beyond, change[rows, cols] - slanted) > limit
    found[rows[~kept], cols[~kept]] = False
    return found if found.mean() < MOST_OUTLIERS else np.zeros(value.shape, dtype=bool)


def filled(image: NDArray[np.number], mask: Mask) -> NDArray[np.number]:
    """The image with masked pixels given the value of the nearest good one."""
    nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    return np.asarray(image[tuple(nearest)])
