"""Signal response: how strong the reading of each defect is over its size, a-hat against a, with censored readings."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from coldray.errors import MeasurementError
from coldray.metrology.pod.curve import PodCurve, checked
from coldray.metrology.pod.hit_miss import inverse_information

Float = NDArray[np.float64]
Scatter = Literal["additive", "proportional"]
_HALF_LOG_TAU = 0.5 * float(np.log(2 * np.pi))


def signal_response(
    size_mm: ArrayLike,
    reading: ArrayLike,
    threshold: float,
    *,
    scatter: Scatter | None = None,
    least: float | None = None,
    largest: float | None = None,
) -> PodCurve:
    """Fit readings over size by maximum likelihood, and the POD that follows for a decision threshold.

    Parameters
    ----------
    size_mm : array_like, shape (defects,)
        Size of every defect [mm].
    reading : array_like, same shape
        Reading a-hat of every defect, in any unit in which it is 0 where there is none.
    threshold : float
        Readings above it are calls, same unit.
    scatter : {"additive", "proportional"}, optional
        Whether the deviation of a reading is the same at all sizes, as that of noise is: a-hat = exp(b0 + b1 ln a) + d z; or
        grows with it: ln a-hat = b0 + b1 ln a + d z, the handbook's. The one with the larger likelihood by default.
    least, largest : float, optional
        Readings at or below `least` (of noise) and at or above `largest` (saturated) are censored: only that they lie there
        counts. "proportional" needs `least` where readings are not positive.

    Returns
    -------
    PodCurve
        Parameters b0, b1 and ln d.

    Raises
    ------
    MeasurementError
        If sizes and readings do not fit, too few are not censored, or readings do not grow with size.

    References
    ----------
    MIL-HDBK-1823A (2009), appendix G.2; Tobin, Econometrica 26 (1958) 24.
    """
    x, values = checked(size_mm, reading, "readings")
    y = values.astype(np.float64)
    if not np.all(np.isfinite(y)):
        raise MeasurementError("readings must be finite")
    if scatter is not None and scatter not in get_args(Scatter):
        raise MeasurementError(f"scatter {scatter!r} is unknown; choose one of {', '.join(get_args(Scatter))}")
    low = np.zeros(y.shape, dtype=bool) if least is None else y <= least
    high = np.zeros(y.shape, dtype=bool) if largest is None else y >= largest
    if np.count_nonzero(~(low | high)) < 4 or np.unique(x[~(low | high)]).size < 2:
        raise MeasurementError("fewer than four readings of two sizes are not censored; choose larger defects")
    kinds = get_args(Scatter) if scatter is None else (scatter,)
    usable = bool(np.all(y[~low] > 0)) and threshold > 0 and (least is None or least > 0)
    if scatter == "proportional" and not usable:
        raise MeasurementError("readings that are not positive have no logarithm; state `least` above 0 to censor them")
    fits = [
        _fitted(x, y, low, high, (least, largest), threshold, kind) for kind in kinds if kind == "additive" or usable
    ]
    return max(fits, key=lambda fit: fit.log_likelihood)


def _fitted(
    x: Float,
    y: Float,
    low: NDArray[np.bool_],
    high: NDArray[np.bool_],
    limits: tuple[float | None, float | None],
    threshold: float,
    scatter: Scatter,
) -> PodCurve:
    from scipy.optimize import minimize

    seen = ~(low | high)
    proportional = scatter == "proportional"
    centre = float(x.mean())

    def scaled(value: float) -> float:
        return float(np.log(value)) if proportional else value

    z, cut = (np.log(np.where(seen, y, 1.0)) if proportional else y), scaled(threshold)
    ends = tuple(None if limit is None else scaled(limit) for limit in limits)
    jacobian = float(np.log(y[seen]).sum()) if proportional else 0.0

    def mean(p: Float, log_size: Float | float) -> Float:
        line = p[0] + p[1] * np.asarray(log_size)
        return np.asarray(line if proportional else np.exp(np.minimum(line, 700)))

    def likelihood(p: Float, at: float) -> float:
        expected, deviation = mean(p, x - at), np.exp(p[2])
        total = -float(np.sum(0.5 * ((z[seen] - expected[seen]) / deviation) ** 2 + p[2] + _HALF_LOG_TAU)) - jacobian
        if ends[0] is not None:
            total += float(log_ndtr((ends[0] - expected[low]) / deviation).sum())
        if ends[1] is not None:
            total += float(log_ndtr((expected[high] - ends[1]) / deviation).sum())
        return total

    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 8000, "maxfev": 8000}
    best = minimize(
        lambda p: -likelihood(p, centre), _start(x - centre, z, seen, proportional), method="Nelder-Mead", options=options
    )  # fmt: skip
    slope = float(best.x[1])
    if not best.success or not slope > 0:
        raise MeasurementError("readings do not grow with size; choose larger defects or a higher contrast")
    moved = np.array([[1.0, -centre, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    covariance = moved @ inverse_information(lambda p: likelihood(p, centre), np.asarray(best.x)) @ moved.T

    def probability(p: Float, log_size: Float) -> Float:
        return np.asarray(ndtr((mean(p, log_size) - cut) / np.exp(p[2])))

    def level(deviation: float, wanted: float) -> float:
        """Mean reading on the scale of the line at which the POD is what is wanted."""
        needed = cut + float(ndtri(wanted)) * deviation
        if proportional:
            return needed
        return float(np.log(needed)) if needed > 0 else float("nan")

    def log_size_at(p: Float, wanted: float) -> float:
        return float((level(float(np.exp(p[2])), wanted) - p[0]) / p[1])

    def profile(log_size: float, wanted: float) -> float:
        def of(q: Float) -> float:
            first = level(float(np.exp(q[1])), wanted)
            return -likelihood(np.array([first, q[0], q[1]]), log_size) if np.isfinite(first) else np.inf

        inner = minimize(of, [slope, best.x[2]], method="Nelder-Mead", options=options)
        return -float(inner.fun)

    words = "ln a-hat" if proportional else "a-hat, growing as a power of size with additive scatter,"
    return PodCurve(
        np.array([best.x[0] - slope * centre, slope, best.x[2]]),
        covariance,
        -float(best.fun),
        probability,
        log_size_at,
        profile,
        f"{words} against ln size",
    )


def _start(x: Float, z: Float, seen: NDArray[np.bool_], proportional: bool) -> list[float]:
    """Where the search begins: a straight line through what is not censored."""
    values = z[seen] if proportional else np.log(np.maximum(z[seen], 0.1 * max(float(z[seen].max()), 1e-12)))
    slope, first = np.polyfit(x[seen], values, 1)
    rest = z[seen] - (first + slope * x[seen] if proportional else np.exp(first + slope * x[seen]))
    return [float(first), max(float(slope), 0.1), float(np.log(max(float(rest.std()), 1e-9)))]
