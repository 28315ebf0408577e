"""The tests behind the certificate: tails of chi-square sums, many at once, and what they can find."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.compiled import special

Float = NDArray[np.float64]


def tail(energy: ArrayLike, degrees: ArrayLike, allowed: ArrayLike = 0.0) -> Float:
    """Chance that noise and an allowed bias give at least this energy.

    Parameters
    ----------
    energy : array_like
        Sum of squares in units of the noise power.
    degrees : array_like
        Degrees of freedom.
    allowed : array_like
        Energy of the bias that is no contradiction (noncentrality).

    Returns
    -------
    ndarray
        Upper tail of the noncentral chi-square.

    Notes
    -----
    Pearson's approximation by a shifted and scaled chi-square with the same three first moments; exact for
    `allowed` = 0. Elsewhere it never understates the tail, and overstates it by a factor of 2.4 at most down to 1e-8
    (4 to 900 degrees of freedom; a test compares).

    References
    ----------
    E. S. Pearson, Biometrika 46 (1959) 364.
    """
    degrees, allowed = np.asarray(degrees, dtype=np.float64), np.asarray(allowed, dtype=np.float64)
    two, three = degrees + 2 * allowed, degrees + 3 * allowed
    shape = two**3 / three**2
    at = (np.asarray(energy, dtype=np.float64) + allowed**2 / three) * two / three
    return np.asarray(special("gammaincc")(shape / 2, np.maximum(at, 0.0) / 2))


def threshold(level: ArrayLike, degrees: ArrayLike, allowed: ArrayLike = 0.0) -> Float:
    """Energy that noise and an allowed bias reach with chance `level`; inverse of `tail`."""
    degrees, allowed = np.asarray(degrees, dtype=np.float64), np.asarray(allowed, dtype=np.float64)
    two, three = degrees + 2 * allowed, degrees + 3 * allowed
    shape = two**3 / three**2
    quantile = 2 * special("gammainccinv")(shape / 2, np.asarray(level, dtype=np.float64))
    return np.asarray(quantile * three / two - allowed**2 / three)


def power(contradiction: ArrayLike, degrees: ArrayLike, limit: ArrayLike, share: ArrayLike) -> Float:
    """Chance that a contradiction is found.

    Parameters
    ----------
    contradiction : array_like
        Energy that the contradiction adds, in units of the noise power.
    degrees, limit : array_like
        Degrees of freedom of the test, and the energy from which it is a mark, see `threshold`.
    share : array_like
        Share of the noise power that the method leaves where nothing is wrong.

    Returns
    -------
    ndarray
    """
    share = np.maximum(np.asarray(share, dtype=np.float64), 1e-3)
    return tail(np.asarray(limit) / share, degrees, np.asarray(contradiction) / share)


def adjusted(chances: Float, tests: int) -> Float:
    """Benjamini-Hochberg adjusted p-values of the smallest of many tests.

    Parameters
    ----------
    chances : ndarray, 1-D
        p-values of the candidates; every test that is left out has a larger one.
    tests : int
        Number of all tests.

    Returns
    -------
    ndarray
        Marking those at most q keeps the expected share of false marks under q; if nothing is contradicted, the chance of any
        mark at all is at most q.

    References
    ----------
    Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995) 289; valid for positively dependent tests, Benjamini and
    Yekutieli, Ann. Stat. 29 (2001) 1165.
    """
    if chances.size == 0:
        return np.zeros(0)
    order = np.argsort(chances, kind="stable")
    stepped = chances[order] * tests / np.arange(1, chances.size + 1)
    stepped = np.minimum.accumulate(stepped[::-1])[::-1]
    out = np.empty_like(stepped)
    out[order] = np.minimum(stepped, 1.0)
    return out
