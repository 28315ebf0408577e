"""How beam hardening ties two screens' signals together, and a monotone fit that follows it where data are few."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldray.physics.response import hardened

STIFFNESS = 0.03
"""How much the slope may leave the law [fraction of the open beam, rms]; chosen on the validation families."""
_START, _LOW, _HIGH = (0.15, 0.7), (-0.5, 0.05), (0.5, 3.0)

Float = NDArray[np.float64]


def fit_hardening(seen: Callable[[Callable[[Float], Float]], Float], wanted: Float) -> tuple[float, float]:
    """Fit the law.

    Parameters
    ----------
    seen : callable
        Gives the pixels that `wanted` lists, for any curve put on the sharp signal.
    wanted : ndarray, shape (pixels,)
        Measured by the second screen.

    Returns
    -------
    a, c : float
    """
    from scipy.optimize import least_squares

    found = least_squares(
        lambda p: seen(lambda signal: hardened(signal, *p)) - wanted, _START, bounds=(_LOW, _HIGH), diff_step=1e-4
    ).x
    return float(found[0]), float(found[1])


def ramp_images(signal: Float, knots: Float) -> NDArray[np.float32]:
    """One image per interval of the knots: how far the signal has crossed it, 0 to 1, the last one without an end."""
    thin = np.maximum(signal, 0.0).astype(np.float32)
    edges = knots.astype(np.float32)
    return np.stack([np.clip((thin - a) / (b - a), 0, 1 if b < edges[-1] else None) for a, b in pairwise(edges)])


def fit_rises(ramps: Float, wanted: Float, widths: Float, law_rises: Float, *, least_slope: float) -> Float:
    """Non-negative weights of ramps: the rise of a monotone curve over every interval.

    Parameters
    ----------
    ramps : ndarray, shape (pixels, intervals)
    wanted : ndarray, shape (pixels,)
    widths, law_rises : ndarray, shape (intervals,)
        Width of the intervals, and the rise of the law over them.
    least_slope : float

    Returns
    -------
    ndarray, shape (intervals,)
        Sums to 1: the open beam is 1 in both detectors.

    Notes
    -----
    Minimises mean |A r - y|^2 + s^2 sum |(r - law) / width|^2 with s = `STIFFNESS`: intervals that no pixel
    speaks for take the law's slope.
    """
    from scipy.optimize import nnls

    weight = np.sqrt(len(wanted))
    stiff = np.diag(STIFFNESS * weight / widths)
    # as heavy as a thousand times all pixels: the open beam is not up to the fit
    anchor = np.full((1, len(widths)), 1e3 * weight)
    system = np.concatenate(
        [
            np.column_stack([ramps, wanted]),
            np.column_stack([stiff, stiff @ law_rises]),
            np.append(anchor, 1e3 * weight)[None],
        ]
    )
    triangle: Float = np.asarray(np.linalg.qr(system, mode="r"), dtype=np.float64)
    matrix, target = triangle[:-1, :-1], triangle[:-1, -1]
    least = least_slope * widths
    return np.asarray(least + nnls(matrix, target - matrix @ least)[0])
