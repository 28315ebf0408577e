"""Hit/miss: each defect was found or not, and the probability of that over the logarithm of its size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_ndtr, logit, ndtr, ndtri

from coldray.errors import MeasurementError
from coldray.metrology.pod.curve import PodCurve, at_one_mm, checked

Float = NDArray[np.float64]
Link = Literal["logit", "probit", "cloglog"]
STEEPEST = 1e3
"""Slopes beyond this [per natural logarithm of size] are no estimate: hits and misses do not overlap."""


@dataclass(frozen=True)
class _Shape:
    """Cumulative distribution F, the logarithms of F and 1 - F, and the inverse of F."""

    share: Callable[[Float], Float]
    log_share: Callable[[Float], Float]
    log_rest: Callable[[Float], Float]
    inverse: Callable[[float], float]


def _log_cloglog(eta: Float) -> Float:
    return np.asarray(np.log(-np.expm1(-np.exp(np.clip(eta, -700, 3.6)))))


SHAPES = {
    "logit": _Shape(expit, log_expit, lambda eta: log_expit(-eta), lambda p: float(logit(p))),
    "probit": _Shape(ndtr, log_ndtr, lambda eta: log_ndtr(-eta), lambda p: float(ndtri(p))),
    "cloglog": _Shape(
        lambda eta: np.exp(_log_cloglog(eta)),
        _log_cloglog,
        lambda eta: -np.exp(np.minimum(eta, 700)),
        lambda p: float(np.log(-np.log1p(-p))),
    ),
}


def hit_miss(
    size_mm: ArrayLike, found: ArrayLike, *, link: Link | None = None, false_call_rate: float = 0.0
) -> PodCurve:
    """Fit the probability of detection to hits and misses by maximum likelihood.

    Parameters
    ----------
    size_mm : array_like, shape (defects,)
        Size of every defect [mm].
    found : array_like of bool, same shape
        Whether it was found.
    link : {"logit", "probit", "cloglog"}, optional
        Shape of the curve over ln size; the one with the largest likelihood by default.
    false_call_rate : float
        Probability of a call where there is no defect, known; the curve falls to it, not to 0, as sizes do.

    Returns
    -------
    PodCurve

    Raises
    ------
    MeasurementError
        If sizes and answers do not fit, all or none were found, or every size above a limit was found and none below it.

    Notes
    -----
    POD(a) = r + (1 - r) F(b0 + b1 ln a), r the false-call rate. The profile for the bound holds the curve through
    (a, POD) and maximises over b1.

    References
    ----------
    MIL-HDBK-1823A (2009), appendix G.3; Finney, Probit analysis (1971), for r.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.metrology.pod.hit_miss import hit_miss
    >>> size = np.repeat([0.1, 0.2, 0.3, 0.4], 25)
    >>> found = np.tile(np.arange(25), 4) < np.repeat([2, 10, 20, 24], 25)
    >>> round(hit_miss(size, found, link="logit").size().estimate_mm, 3)
    0.365
    """
    x, hits = checked(size_mm, found, "answers")
    if not np.all(np.isin(hits, (0, 1))):
        raise MeasurementError("answers must be hits and misses, True and False")
    if not 0 <= false_call_rate < 0.5:
        raise MeasurementError(f"the false-call rate is {false_call_rate}; it must lie in [0, 0.5)")
    hit = hits.astype(bool)
    if hit.all() or not hit.any():
        which = "all" if hit.all() else "none"
        raise MeasurementError(
            f"{which} of {hit.size} defects were found; choose {'smaller' if hit.all() else 'larger'} sizes"
        )
    # equal sizes count together: the likelihood is the same, and short
    sizes, number = np.unique(x, return_inverse=True)
    counts = np.bincount(number, hit).astype(np.float64), np.bincount(number, ~hit).astype(np.float64)
    if link is not None:
        if link not in get_args(Link):
            raise MeasurementError(f"link {link!r} is unknown; choose one of {', '.join(get_args(Link))}")
        return _fitted(sizes, counts, link, false_call_rate)
    fits = [_fitted(sizes, counts, each, false_call_rate) for each in get_args(Link)]
    return max(fits, key=lambda fit: fit.log_likelihood)


def _fitted(x: Float, counts: tuple[Float, Float], link: Link, rate: float) -> PodCurve:
    from scipy.optimize import minimize, minimize_scalar

    shape = SHAPES[link]
    centre = float(np.average(x, weights=counts[0] + counts[1]))

    def likelihood(parameters: Float, at: float = 0.0) -> float:
        """Log-likelihood of intercept (at that logarithm of size) and slope."""
        eta = parameters[0] + parameters[1] * (x - at)
        log_rest = shape.log_rest(eta) + np.log1p(-rate)
        log_found = np.logaddexp(np.log(rate), np.log1p(-rate) + shape.log_share(eta)) if rate else shape.log_share(eta)
        return float(np.sum(counts[0][counts[0] > 0] * log_found[counts[0] > 0])
                     + np.sum(counts[1][counts[1] > 0] * log_rest[counts[1] > 0]))  # fmt: skip

    best = minimize(
        lambda p: -likelihood(p, centre), [0.5, 2.0], method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000, "maxfev": 4000},
    )  # fmt: skip
    slope = float(best.x[1])
    if not best.success or abs(slope) > STEEPEST:
        raise MeasurementError(
            "every defect above one size was found and none below it: the curve is a step that these sizes do not resolve; "
            "add sizes between"
        )
    parameters, covariance = at_one_mm(lambda p: likelihood(p, centre), np.asarray(best.x), centre)

    def probability(p: Float, log_size: Float) -> Float:
        return np.asarray(rate + (1 - rate) * shape.share(p[0] + p[1] * log_size))

    def eta_of(wanted: float) -> float:
        return shape.inverse((wanted - rate) / (1 - rate)) if wanted > rate else float("nan")

    def profile(log_size: float, wanted: float) -> float:
        eta = eta_of(wanted)
        steepest = 4 * max(slope, 1.0)
        inner = minimize_scalar(
            lambda b: -likelihood(np.array([eta, b]), log_size), bounds=(0.0, steepest), method="bounded",
            options={"xatol": 1e-8 * steepest},
        )  # fmt: skip
        return -float(inner.fun)

    return PodCurve(
        parameters, covariance, -float(best.fun), probability,
        lambda p, wanted: float((eta_of(wanted) - p[0]) / p[1]), profile,
        f"hit/miss, {link} in ln size" + (f", false-call rate {rate:g}" if rate else ""),
    )  # fmt: skip
