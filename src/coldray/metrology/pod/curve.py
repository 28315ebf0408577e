"""A POD curve: its two parameters, the size found with a given probability, and one-sided bounds on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from coldray.errors import MeasurementError

Float = NDArray[np.float64]

DETECTION, CONFIDENCE = 0.9, 0.95
"""The 90 and the 95 of a90/95."""
FARTHEST = 4.0
"""A bound is sought to this many natural logarithms of size from the estimate; beyond it there is none."""


@dataclass(frozen=True)
class Size:
    """Size found with a given probability, and upper bounds on it.

    Parameters
    ----------
    estimate_mm : float or None
        a90 where the probability is 0.9; None if the data show none.
    wald_mm, likelihood_mm : float or None
        One-sided upper bounds of the confidence level, a90/95: from the covariance of the parameters, and from the profile
        of the likelihood; None if there is none.
    """

    estimate_mm: float | None
    wald_mm: float | None
    likelihood_mm: float | None


@dataclass(frozen=True, eq=False)
class PodCurve:
    """Fitted POD over size.

    Parameters
    ----------
    parameters : ndarray, shape (2,) or (3,)
        Intercept and slope over ln size [mm], and of a signal response the logarithm of the residual deviation.
    covariance : ndarray, square
        Of the parameters: inverse of the observed information.
    log_likelihood : float
    probability : callable
        ``probability(parameters, log_size)``.
    log_size_at : callable
        ``log_size_at(parameters, probability)``, its inverse; NaN where there is none.
    profile : callable
        ``profile(log_size, probability)``: largest log-likelihood of all curves through that point.
    model : str
        What was fitted, in words.
    """

    parameters: Float
    covariance: Float
    log_likelihood: float
    probability: Callable[[Float, Float], Float]
    log_size_at: Callable[[Float, float], float]
    profile: Callable[[float, float], float]
    model: str

    def __call__(self, size_mm: ArrayLike) -> Float:
        """Probability of detection at sizes [mm]."""
        return self.probability(self.parameters, np.log(np.asarray(size_mm, dtype=np.float64)))

    def size(self, probability: float = DETECTION, confidence: float = CONFIDENCE) -> Size:
        """Size found with a probability, with one-sided upper bounds.

        Parameters
        ----------
        probability : float
        confidence : float

        Returns
        -------
        Size

        Notes
        -----
        Wald: ln a + z SE(ln a), with the delta method. Likelihood ratio: the largest ln a with
        2 (l_max - l_profile(ln a)) <= the quantile of chi-squared with one degree of freedom at 2 confidence - 1.

        References
        ----------
        MIL-HDBK-1823A (2009), appendix G; Cheng and Iles, Technometrics 25 (1983) 77.
        """
        if not (0 < probability < 1 and 0.5 < confidence < 1):
            raise MeasurementError(
                f"probability is {probability} and confidence {confidence}; they must lie in (0, 1) and (0.5, 1)"
            )
        x = self.log_size_at(self.parameters, probability)
        if not np.isfinite(x) or self.parameters[1] <= 0:
            return Size(None, None, None)
        return Size(
            float(np.exp(x)), self._wald(x, probability, confidence), self._likelihood(x, probability, confidence)
        )

    def _wald(self, x: float, probability: float, confidence: float) -> float | None:
        gradient = np.empty(self.parameters.size)
        for k in range(gradient.size):
            step = np.zeros(gradient.size)
            step[k] = 1e-5 * max(1.0, abs(float(self.parameters[k])))
            ends = [self.log_size_at(self.parameters + sign * step, probability) for sign in (1, -1)]
            gradient[k] = (ends[0] - ends[1]) / (2 * step[k])
        variance = float(gradient @ self.covariance @ gradient)
        if not (np.isfinite(variance) and variance >= 0):
            return None
        return float(np.exp(x + ndtri(confidence) * np.sqrt(variance)))

    def _likelihood(self, x: float, probability: float, confidence: float) -> float | None:
        from scipy.optimize import brentq

        # chi-squared with one degree of freedom is the square of a normal deviate
        allowed = 0.5 * float(ndtri(confidence)) ** 2

        def excess(at: float) -> float:
            return self.log_likelihood - self.profile(at, probability) - allowed

        near = x
        for far in x + FARTHEST / 2.0 ** np.arange(8, -1, -1):
            if excess(far) > 0:
                return float(np.exp(brentq(excess, near, far, xtol=1e-6)))
            near = far
        return None


def checked(size_mm: ArrayLike, answer: Any, name: str) -> tuple[Float, Any]:
    """Logarithms of sizes, and what was found at each; MeasurementError unless both are of one length and usable.

    Parameters
    ----------
    size_mm : array_like
        Sizes of the defects [mm].
    answer : array_like of one length with it
        What was found: hits, or signals.
    name : str
        What the answers are, for messages.

    Returns
    -------
    log_size, answer : ndarray
    """
    size, found = np.asarray(size_mm, dtype=np.float64), np.asarray(answer)
    if size.ndim != 1 or size.shape != found.shape or size.size < 4:
        raise MeasurementError(
            f"sizes have shape {size.shape} and {name} {found.shape}; four or more of each, one list each, are needed"
        )
    if not (np.all(np.isfinite(size)) and np.all(size > 0)):
        raise MeasurementError("sizes must be positive and finite [mm]")
    if np.unique(size).size < 2:
        raise MeasurementError("all defects have one size; a curve over size needs two sizes or more")
    return np.log(size), found


def at_one_mm(log_likelihood: Callable[[Float], float], best: Float, centre: float) -> tuple[Float, Float]:
    """Parameters with the intercept at ln size 0, and their covariance, of those fitted with the intercept at `centre`.

    Parameters
    ----------
    log_likelihood : callable
        Of the fitted parameters.
    best : ndarray
        Where it is largest: intercept, slope, and others that do not move.
    centre : float
        Logarithm of size.
    """
    moved = np.eye(best.size)
    moved[0, 1] = -centre
    return moved @ best, moved @ _inverse_information(log_likelihood, best) @ moved.T


def _inverse_information(log_likelihood: Callable[[Float], float], at: Float) -> Float:
    """Covariance of parameters: inverse of the observed information, by central differences; NaN if it is not positive."""
    count = at.size
    step = 1e-4 * np.maximum(1.0, np.abs(at))
    hessian = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            total = 0.0
            for si, sj in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                moved = at.copy()
                moved[i] += si * step[i]
                moved[j] += sj * step[j]
                total += si * sj * log_likelihood(moved)
            hessian[i, j] = hessian[j, i] = total / (4 * step[i] * step[j])
    if np.any(np.linalg.eigvalsh(-hessian) <= 0):
        return np.full((count, count), np.nan)
    return np.asarray(np.linalg.inv(-hessian))
