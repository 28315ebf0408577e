"""Signal response: how strong the reading of each defect is over its size, a-hat against a, with censored readings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from coldray.errors import MeasurementError
from coldray.metrology.pod.curve import PodCurve, at_one_mm, checked

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]
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
        _fitted(_on_scale(x, y, low, high, (least, largest), kind), threshold)
        for kind in kinds
        if kind == "additive" or usable
    ]
    return max(fits, key=lambda fit: fit.log_likelihood)


@dataclass(frozen=True, eq=False)
class _Readings:
    """Readings over ln size on the scale on which their scatter is even: their logarithms where it is proportional.

    Parameters
    ----------
    x, z : ndarray, shape (defects,)
        ln size, and readings on the scale.
    low, high : ndarray of bool, shape (defects,)
        Censored.
    ends : tuple of (float or None)
        Where readings are censored, on the scale.
    jacobian : float
        By how much the log-likelihood of the readings themselves is below that on the scale.
    proportional : bool
    """

    x: Float
    z: Float
    low: Mask
    high: Mask
    ends: tuple[float | None, float | None]
    jacobian: float
    proportional: bool

    @property
    def seen(self) -> Mask:
        """Those that are not censored."""
        return ~(self.low | self.high)

    def mean(self, p: Float, log_size: Float | float) -> Float:
        """Expected reading on the scale."""
        line = p[0] + p[1] * np.asarray(log_size)
        return np.asarray(line if self.proportional else np.exp(np.minimum(line, 700)))

    def line(self, mean: float) -> float:
        """Height of the straight line at which a mean is expected; NaN where there is none."""
        if self.proportional:
            return mean
        return float(np.log(mean)) if mean > 0 else float("nan")

    def log_likelihood(self, p: Float, at: float) -> float:
        """Of intercept (at that logarithm of size), slope and logarithm of the deviation."""
        expected, deviation, seen = self.mean(p, self.x - at), np.exp(p[2]), self.seen
        off = (self.z[seen] - expected[seen]) / deviation
        total = -float(np.sum(0.5 * off**2 + p[2] + _HALF_LOG_TAU)) - self.jacobian
        least, largest = self.ends
        if least is not None:
            total += float(log_ndtr((least - expected[self.low]) / deviation).sum())
        if largest is not None:
            total += float(log_ndtr((expected[self.high] - largest) / deviation).sum())
        return total

    def start(self, centre: float) -> list[float]:
        """Where the search begins: a straight line through what is not censored."""
        x, z = self.x[self.seen] - centre, self.z[self.seen]
        values = z if self.proportional else np.log(np.maximum(z, 0.1 * max(float(z.max()), 1e-12)))
        slope, first = np.polyfit(x, values, 1)
        rest = z - self.mean(np.array([first, slope]), x)
        return [float(first), max(float(slope), 0.1), float(np.log(max(float(rest.std()), 1e-9)))]


def _on_scale(
    x: Float, y: Float, low: Mask, high: Mask, limits: tuple[float | None, float | None], scatter: Scatter
) -> _Readings:
    """Readings and the limits of what is censored, on the scale of their scatter."""
    if scatter == "additive":
        return _Readings(x, y, low, high, limits, 0.0, proportional=False)
    seen = ~(low | high)
    z = np.log(np.where(seen, y, 1.0))
    least, largest = (None if limit is None else float(np.log(limit)) for limit in limits)
    return _Readings(x, z, low, high, (least, largest), float(z[seen].sum()), proportional=True)


def _fitted(readings: _Readings, threshold: float) -> PodCurve:
    from scipy.optimize import minimize

    centre, likelihood = float(readings.x.mean()), readings.log_likelihood
    cut = float(np.log(threshold)) if readings.proportional else threshold
    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 8000, "maxfev": 8000}
    best = minimize(lambda p: -likelihood(p, centre), readings.start(centre), method="Nelder-Mead", options=options)
    slope = float(best.x[1])
    if not best.success or not slope > 0:
        raise MeasurementError("readings do not grow with size; choose larger defects or a higher contrast")
    parameters, covariance = at_one_mm(lambda p: likelihood(p, centre), np.asarray(best.x), centre)

    def probability(p: Float, log_size: Float) -> Float:
        return np.asarray(ndtr((readings.mean(p, log_size) - cut) / np.exp(p[2])))

    def level(log_deviation: float, wanted: float) -> float:
        """Height of the line at which the POD is what is wanted."""
        return readings.line(cut + float(ndtri(wanted)) * float(np.exp(log_deviation)))

    def log_size_at(p: Float, wanted: float) -> float:
        return float((level(p[2], wanted) - p[0]) / p[1])

    def profile(log_size: float, wanted: float) -> float:
        def of(q: Float) -> float:
            first = level(q[1], wanted)
            return -likelihood(np.array([first, q[0], q[1]]), log_size) if np.isfinite(first) else np.inf

        inner = minimize(of, [slope, best.x[2]], method="Nelder-Mead", options=options)
        return -float(inner.fun)

    words = "ln a-hat" if readings.proportional else "a-hat, growing as a power of size with additive scatter,"
    return PodCurve(
        parameters, covariance, -float(best.fun), probability, log_size_at, profile, f"{words} against ln size"
    )
