"""Scores of a restored image in the right energy response: its own, after one monotone curve, and the sharp detector's.

A thick screen weighs the energies of the beam otherwise than a thin one, so that even a perfect restoration of its frame is not
the thin screen's image: the two differ by beam hardening, which no restoration can know. A score against the thin
screen's own image mixes both; the three scores here keep them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from coldray.metrology.metrics import Convention, inner_pair, psnr_db, ssim

ROOTS = 65
"""Places of the slope's double root that are tried where the best cubic of all would not be monotone."""

Float = NDArray[np.float64]
Scores = dict[str, float]
"""``psnr_db`` and ``ssim``."""


@dataclass(frozen=True, eq=False)
class MonotoneCubic:
    """A polynomial of third order that nowhere falls between the ends of what it was fitted on.

    Parameters
    ----------
    coefficients : ndarray, shape (4,)
        Of 1, t, t^2 and t^3 with t = (x - low) / span.
    low, span : float
        First value, and distance of the last from it.
    """

    coefficients: Float
    low: float
    span: float

    def __call__(self, signal: NDArray[np.number]) -> Float:
        """Return the curve at every value of an array; straight on beyond its ends."""
        t = (np.asarray(signal, dtype=np.float64) - self.low) / self.span
        a, b, c, d = self.coefficients
        inside = np.clip(t, 0, 1)
        slope = b + (2 * c + 3 * d * inside) * inside
        return np.asarray(a + (b + (c + d * inside) * inside) * inside + slope * (t - inside))


def monotone_cubic(signal: NDArray[np.number], wanted: NDArray[np.number]) -> MonotoneCubic:
    """Cubic that comes nearest to `wanted` in the least squares of all that do not fall.

    Parameters
    ----------
    signal, wanted : ndarray
        Of one shape.

    Returns
    -------
    MonotoneCubic
        A constant where `signal` is one.

    Notes
    -----
    Its slope is a parabola that is nowhere negative on 0 <= t <= 1, hence a sum of t (1 - t) and of (t - r)^2 with weights
    that are not negative (Lukacs; Szegoe, Orthogonal Polynomials, theorem 1.21.1). If the cubic without that demand
    has no such slope, the weights are found by non-negative least squares, r in steps of 1/64.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.metrology.response import monotone_cubic
    >>> x = np.linspace(0, 1, 50)
    >>> curve = monotone_cubic(x, x**3)
    >>> bool(np.allclose(curve(x), x**3))
    True
    """
    x, y = (np.asarray(part, dtype=np.float64).ravel() for part in (signal, wanted))
    low, span = float(x.min()), float(np.ptp(x))
    if span == 0:
        return MonotoneCubic(np.array([y.mean(), 0.0, 0.0, 0.0]), low, 1.0)
    t = (x - low) / span
    # four columns and the wanted values, reduced to their triangle: the sum of squares stays the same
    triangle: Float = np.asarray(np.linalg.qr(np.stack([np.ones_like(t), t, t**2, t**3, y], axis=1), mode="r"))
    columns, values = triangle[:, :4], triangle[:, 4]
    free: Float = np.asarray(np.linalg.lstsq(columns, values, rcond=None)[0], dtype=np.float64)
    at = np.linspace(0, 1, 4 * ROOTS)
    if np.all(free[1] + 2 * free[2] * at + 3 * free[3] * at**2 >= 0):
        return MonotoneCubic(free, low, span)
    r = np.linspace(0, 1, ROOTS)
    rises = np.stack([np.zeros(ROOTS), r**2, -r, np.full(ROOTS, 1 / 3)])
    parts = np.column_stack([[1, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0.5, -1 / 3], rises])
    weights, _ = scipy.optimize.nnls(columns @ parts, values)
    return MonotoneCubic(parts @ weights, low, span)


def response_scores(
    result: NDArray[np.number],
    truth: NDArray[np.number],
    own: NDArray[np.number] | None = None,
    convention: Convention | None = None,
) -> dict[str, Scores]:
    """Scores of a restored image in its own response, after the best monotone cubic, and in the sharp detector's response.

    Parameters
    ----------
    result : ndarray, shape (rows, cols)
        Restored image.
    truth : ndarray, shape (rows, cols)
        Image of the sharp detector, in its own energy response.
    own : ndarray, shape (rows, cols), optional
        The same sharpness in the blurred detector's energy response, where it is known.
    convention : Convention, optional

    Returns
    -------
    dict of str to dict
        ``own`` (only if it is known), ``curve`` and ``thin``, each with ``psnr_db`` and ``ssim``. The curve is the one that brings
        this image nearest to the truth: the most that any curve of the detector pair can do for it.
    """
    how = convention or Convention()
    found = {} if own is None else {"own": _scores(result, own, how)}
    return found | {"curve": _after_curve(result, truth, how), "thin": _scores(result, truth, how)}


def response_ceiling(
    own: NDArray[np.number], truth: NDArray[np.number], convention: Convention | None = None
) -> Scores:
    """Scores that a perfect restoration would have after the best monotone cubic: what beam hardening leaves.

    Parameters
    ----------
    own : ndarray, shape (rows, cols)
        Noise-free image of the sharp detector's sharpness in the blurred detector's energy response.
    truth : ndarray, shape (rows, cols)
        The same in the sharp detector's own response.
    convention : Convention, optional

    Returns
    -------
    dict
        ``psnr_db``, infinite where one curve maps one response onto the other, and ``ssim``.
    """
    return _after_curve(own, truth, convention or Convention())


def _after_curve(result: NDArray[np.number], truth: NDArray[np.number], how: Convention) -> Scores:
    """Scores after the best curve, which holds a gain already."""
    plain = replace(how, match_gain=False)
    return _scores(monotone_cubic(*inner_pair(result, truth, plain))(result), truth, plain)


def _scores(result: NDArray[np.number], truth: NDArray[np.number], how: Convention) -> Scores:
    return {"psnr_db": psnr_db(result, truth, how), "ssim": ssim(result, truth, how)}
