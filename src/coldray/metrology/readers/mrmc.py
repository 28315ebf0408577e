"""Multi-reader multi-case analysis after Obuchowski and Rockette, with the degrees of freedom of Hillis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import MeasurementError

Float = NDArray[np.float64]

LEVEL = 0.95
ROUNDING = 1e-12
"""Variance below which figures of merit do not scatter."""


@dataclass(frozen=True)
class Band:
    """An estimate with its band.

    Parameters
    ----------
    value : float
    standard_error : float
    degrees_of_freedom : float
        Infinite where a normal distribution is taken.
    low, high : float or None
        Ends of the 95 % band; None where nothing scattered, so that no band can be given.
    p : float or None
        Two-sided, of no difference; None for what is no difference.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float
    low: float | None
    high: float | None
    p: float | None = None


@dataclass(frozen=True)
class Components:
    """Variance components of the Obuchowski-Rockette model; estimates of variances may be negative.

    Parameters
    ----------
    reader, arm_by_reader, error : float
    cov1, cov2, cov3 : float
        Covariance of figures by the same reader in different arms, by different readers in the same arm, and by
        different readers in different arms.
    """

    reader: float
    arm_by_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True, eq=False)
class Mrmc:
    """What the readings of several arms say.

    Parameters
    ----------
    readers_are_fixed : bool
        Whether the bands speak of these readers alone, and of all cases; else of all readers and all cases.
    arms : tuple of Band
        Mean over readers, arm by arm.
    differences : dict of (int, int) to Band
        First arm minus second.
    f, p, degrees_of_freedom : float
        Test of no difference between any arms, and the degrees of freedom of its denominator; NaN where nothing scatters.
    components : Components or None
        None with a single reader.
    """

    readers_are_fixed: bool
    arms: tuple[Band, ...]
    differences: dict[tuple[int, int], Band]
    f: float
    p: float
    degrees_of_freedom: float
    components: Components | None


def obuchowski_rockette(merits: ArrayLike, covariance: ArrayLike, *, readers_are_fixed: bool = False) -> Mrmc:
    """Compare arms that the same readers read on the same cases.

    Parameters
    ----------
    merits : array-like, shape (arms, readers)
        Figures of merit.
    covariance : array-like, shape (arms, readers, arms, readers)
        Of their errors, which the cases bring in.
    readers_are_fixed : bool
        Take the readers as they are instead of as a sample of all readers.

    Returns
    -------
    Mrmc

    Raises
    ------
    MeasurementError
        If there are fewer than two arms, or a single reader who is not taken as fixed.

    Notes
    -----
    With MS(T), MS(TR) the mean squares of arms and of arms by readers, r readers and t arms: error term of random readers
    MS(TR) + r max(Cov2 - Cov3, 0), its degrees of freedom the square of that over MS(TR)^2 / ((t - 1)(r - 1)); of fixed
    readers Var - Cov1 + (r - 1) max(Cov2 - Cov3, 0), infinite. Bands of single arms use the readings of that arm alone.

    References
    ----------
    Obuchowski and Rockette, Commun. Stat. Simul. 24 (1995) 285; Hillis, Stat. Med. 26 (2007) 596; Hillis, Berbaum and Metz,
    Acad. Radiol. 15 (2008) 647.
    """
    from scipy.stats import f as f_distribution

    values, errors = np.asarray(merits, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    arms, readers = values.shape
    if arms < 2:
        raise MeasurementError("one arm alone is compared with nothing; two or more are needed")
    if readers < 2 and not readers_are_fixed:
        raise MeasurementError(
            "one reader says nothing of other readers; let two or more read, better five, or take the reader as fixed"
        )
    same_reader, same_arm = _blocks(errors)
    within_arm = np.array([_off_diagonal_mean(block) for block in same_arm])
    cov1 = float(np.mean([_off_diagonal_mean(block) for block in same_reader]))
    cov2, cov3 = float(within_arm.mean()), _others_mean(errors)
    error_by_arm = np.einsum("ijij->ij", errors).mean(axis=1)
    error, shared = float(error_by_arm.mean()), max(cov2 - cov3, 0.0)
    ms_arm, ms_reader, ms_both = _mean_squares(values)
    ms_reader_of_arm = values.var(axis=1, ddof=1) if readers > 1 else np.zeros(arms)
    if readers_are_fixed:
        denominator, freedom = max(error - cov1 + (readers - 1) * shared, 0.0), np.inf
        own = error_by_arm + (readers - 1) * np.maximum(within_arm, 0.0)
        own_freedom = np.full(arms, np.inf)
    else:
        denominator = ms_both + readers * shared
        freedom = _freedom(denominator, ms_both, (arms - 1) * (readers - 1))
        own = ms_reader_of_arm + readers * np.maximum(within_arm, 0.0)
        own_freedom = np.array(
            [_freedom(total, part, readers - 1) for total, part in zip(own, ms_reader_of_arm, strict=True)]
        )
    scatters = denominator > ROUNDING
    ratio = ms_arm / denominator if scatters else np.nan
    chance = float(f_distribution.sf(ratio, arms - 1, min(freedom, 1e12))) if scatters else np.nan
    mean = values.mean(axis=1)
    return Mrmc(
        readers_are_fixed,
        tuple(_band(mean[i], float(np.sqrt(own[i] / readers)), float(own_freedom[i])) for i in range(arms)),
        {
            (i, j): _band(mean[i] - mean[j], float(np.sqrt(2 * denominator / readers)), freedom, is_difference=True)
            for i in range(arms)
            for j in range(i)
        },
        float(ratio),
        chance,
        float(freedom),
        None if readers < 2 else _components(ms_reader, ms_both, arms, error, cov1, cov2, cov3),
    )


def _components(
    ms_reader: float, ms_both: float, arms: int, error: float, cov1: float, cov2: float, cov3: float
) -> Components:
    """Variance components from mean squares and covariances (Hillis 2007, table 1)."""
    both = ms_both - error + cov1 + max(cov2 - cov3, 0.0)
    reader = (ms_reader - ms_both) / arms - cov1 + cov3
    return Components(reader, both, error, cov1, cov2, cov3)


def _blocks(errors: Float) -> tuple[list[Float], list[Float]]:
    """Covariances between arms of each reader, and between readers of each arm."""
    arms, readers = errors.shape[:2]
    return [errors[:, j, :, j] for j in range(readers)], [errors[i, :, i, :] for i in range(arms)]


def _off_diagonal_mean(block: Float) -> float:
    size = len(block)
    return float((block.sum() - np.trace(block)) / (size * (size - 1))) if size > 1 else 0.0


def _others_mean(errors: Float) -> float:
    """Mean covariance where both arm and reader differ."""
    arms, readers = errors.shape[:2]
    if readers < 2:
        return 0.0
    different = ~np.eye(arms, dtype=bool)[:, None, :, None] & ~np.eye(readers, dtype=bool)[None, :, None, :]
    return float(errors[different].mean())


def _mean_squares(values: Float) -> tuple[float, float, float]:
    """Mean squares of arms, readers, and arms by readers; those of a single reader are 0."""
    arms, readers = values.shape
    by_arm, by_reader, whole = values.mean(axis=1), values.mean(axis=0), values.mean()
    ms_arm = readers * float(np.sum((by_arm - whole) ** 2)) / (arms - 1)
    if readers < 2:
        return ms_arm, 0.0, 0.0
    ms_reader = arms * float(np.sum((by_reader - whole) ** 2)) / (readers - 1)
    rest = values - by_arm[:, None] - by_reader + whole
    return ms_arm, ms_reader, float(np.sum(rest**2)) / ((arms - 1) * (readers - 1))


def _freedom(whole: float, part: float, known: int) -> float:
    """Degrees of freedom of a sum of which only one part scatters; infinite where that part vanishes."""
    return float(known * (whole / part) ** 2) if part > ROUNDING else np.inf


def _band(value: float, standard_error: float, freedom: float, *, is_difference: bool = False) -> Band:
    """Estimate with its band by Student's t."""
    from scipy.stats import norm, t

    if standard_error**2 <= ROUNDING:
        return Band(float(value), standard_error, freedom, None, None)
    known = t(freedom) if np.isfinite(freedom) else norm()
    half = float(known.ppf(0.5 + LEVEL / 2)) * standard_error
    chance = float(2 * known.sf(abs(value) / standard_error)) if is_difference else None
    return Band(float(value), standard_error, freedom, float(value) - half, float(value) + half, chance)
