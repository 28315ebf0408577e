"""A signal that changes along an edge: every row is brought to the mean levels of the two sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.metrology.edge.line import EdgeLine

Float = NDArray[np.float64]

DEGREE = 2
GROUP_ROWS = 16
"""Rows of which one mean is taken, so that what is left over tells the noise of a level."""
FEWEST_GROUPS = 6
STANDS_OUT, LEAST = 5.0, 0.01
"""A change along the edge is taken off from so many standard deviations, and so much of the step, on."""
AT_THE_ENDS = 0.3
"""Of the change: by no more do the ends differ from what the rows between them tell, else they hold another structure."""
NEAR_PX, NEAR_WIDTHS = 3.0, 4.0
"""Pixels nearer to the edge than this do not tell the level of a side."""


def levelled(values: Float, line: EdgeLine, width_px: float, half_px: float) -> tuple[Float, float]:
    """The image with the same two levels in all rows.

    Parameters
    ----------
    values : ndarray, shape (rows, cols)
        Rising to the right, bad pixels filled.
    line : EdgeLine
    width_px, half_px : float
        25-75 % width of the edge, and the distance from it that every row holds [px].

    Returns
    -------
    values : ndarray, shape (rows, cols)
        As they were where the levels do not change along the edge.
    change : float
        Largest change that was taken off, over the step; 0 for none.

    Notes
    -----
    A field that falls along the edge gives every row a contrast of its own. Rows of unlike contrast draw the fitted line
    to one side, and a bin that few of them fill differs from the next: the response ripples. The level of either side is a
    polynomial along the rows, and every row is carried over to the mean of both.
    """
    near = max(NEAR_PX, NEAR_WIDTHS * width_px)
    rows = values.shape[0]
    groups = rows // GROUP_ROWS
    if groups < FEWEST_GROUPS or half_px < near + 2:
        return values, 0.0
    row = np.arange(rows, dtype=np.float64)
    column = np.rint(line.column(row)).astype(np.intp)[:, None]
    offset = np.arange(int(np.ceil(near)), int(half_px) + 1)
    sides = [
        values[row.astype(np.intp)[:, None], np.clip(column + sign * offset, 0, values.shape[1] - 1)].mean(axis=1)
        for sign in (-1, 1)
    ]
    low, high = (float(side.mean()) for side in sides)
    curves = [_along(side, groups, (high - low) * LEAST) for side in sides]
    change = max((float(np.ptp(curve)) for curve in curves if curve is not None), default=0.0)
    if not change:
        return values, 0.0
    dark, bright = (mean if curve is None else curve for mean, curve in zip((low, high), curves, strict=True))
    dark, bright = np.broadcast_to(dark, rows)[:, None], np.broadcast_to(bright, rows)[:, None]
    flat = low + (values - dark) * ((high - low) / (bright - dark))
    return flat.astype(np.float64, copy=False), change / (high - low)


def _along(level: Float, groups: int, least: float) -> Float | None:
    """Polynomial through the level of one side along the rows, if it stands out of its noise and tells its own ends."""
    whole = groups * GROUP_ROWS
    means = level[:whole].reshape(groups, GROUP_ROWS).mean(axis=1)
    place = np.linspace(-1, 1, level.size)
    at = place[:whole].reshape(groups, GROUP_ROWS).mean(axis=1)
    found, left = _fitted(at, means)
    curve = np.polynomial.legendre.legval(place, found)
    change = float(np.ptp(curve))
    noise = float(left @ left) / (groups - DEGREE - 1)
    if change < least or float(np.var(means - left)) * groups < STANDS_OUT**2 * noise:
        return None
    told = np.polynomial.legendre.legval(at[[0, -1]], _fitted(at[1:-1], means[1:-1])[0])
    return np.asarray(curve) if np.abs(told - means[[0, -1]]).max() < AT_THE_ENDS * change else None


def _fitted(at: Float, means: Float) -> tuple[Float, Float]:
    """Coefficients of the polynomial, and what it leaves over."""
    design = np.polynomial.legendre.legvander(at, DEGREE)
    found = np.asarray(np.linalg.lstsq(design, means, rcond=None)[0], dtype=np.float64)
    return found, means - design @ found
