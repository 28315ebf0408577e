"""Figures of merit of one reader in one arm: a table of comparisons of every control with every defective case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import MeasurementError

Float = NDArray[np.float64]

UNMARKED = -np.inf
"""Rating of what was not marked: below every rating."""
FEWEST_OF_EACH = 2
"""Controls, and cases with defects, below which nothing can be left out."""


def auc_comparisons(controls: ArrayLike, defective: ArrayLike) -> Float:
    """Whether each defective case was rated above each control: 1, 0, and one half where both are rated alike.

    Parameters
    ----------
    controls : array-like, shape (controls,)
        Ratings of the cases without defects, higher where a defect is held to be likelier.
    defective : array-like, shape (defective,)
        Ratings of the cases with defects.

    Returns
    -------
    ndarray, shape (controls, defective)
        Its mean is the Wilcoxon statistic, the area below the trapezoidal ROC curve.

    Raises
    ------
    MeasurementError
        If there are fewer than two of either.

    References
    ----------
    Bamber, J. Math. Psych. 12 (1975) 387.
    """
    return located_comparisons(controls, [[one] for one in np.asarray(defective, dtype=np.float64)])


def located_comparisons(false_marks: ArrayLike, defects: Sequence[ArrayLike]) -> Float:
    """Share of the defects of each case that were rated above the likeliest false mark of each control.

    Parameters
    ----------
    false_marks : array-like, shape (controls,)
        Highest rating of a mark on each case without defects, `UNMARKED` where there is none.
    defects : sequence of array-like
        For each case with defects the rating of each of them: the highest mark that lies on it, or `UNMARKED`.

    Returns
    -------
    ndarray, shape (controls, defective)
        Every case counts alike, however many defects it has. Its mean is the weighted AFROC figure of merit: what is not
        marked on either side counts one half. Marks beside the defects of defective cases do not enter.

    Raises
    ------
    MeasurementError
        If there are fewer than two of either, or a case that should have defects has none.

    References
    ----------
    Chakraborty and Zhai, Med. Phys. 43 (2016) 2548: weighted AFROC.
    """
    marks = np.asarray(false_marks, dtype=np.float64)
    if marks.ndim != 1 or len(marks) < FEWEST_OF_EACH or len(defects) < FEWEST_OF_EACH:
        raise MeasurementError(
            f"{marks.size} cases without and {len(defects)} with defects; at least {FEWEST_OF_EACH} of each are needed"
        )
    columns = []
    for found in defects:
        ratings = np.atleast_1d(np.asarray(found, dtype=np.float64))
        if ratings.size == 0:
            raise MeasurementError("a case with defects lists none; it belongs to the controls")
        above, alike = ratings > marks[:, None], ratings == marks[:, None]
        columns.append((above + 0.5 * alike).mean(axis=1))
    table = np.stack(columns, axis=1)
    if np.isnan(marks).any() or any(np.isnan(np.asarray(one, dtype=np.float64)).any() for one in defects):
        raise MeasurementError("a rating is missing (NaN); every case needs one from every reader in every arm")
    return table


def left_out(comparisons: Float) -> Float:
    """Figure of merit with each case left out, controls first.

    Parameters
    ----------
    comparisons : ndarray, shape (..., controls, defective)

    Returns
    -------
    ndarray, shape (..., controls + defective)
    """
    controls, defective = comparisons.shape[-2:]
    whole = comparisons.sum(axis=(-2, -1))[..., None]
    without_control = (whole - comparisons.sum(axis=-1)) / ((controls - 1) * defective)
    without_defective = (whole - comparisons.sum(axis=-2)) / (controls * (defective - 1))
    return np.concatenate([without_control, without_defective], axis=-1)


def jackknife_covariance(comparisons: Float) -> Float:
    """Covariance of figures of merit that readings of the same cases give, by leaving out one case at a time.

    Parameters
    ----------
    comparisons : ndarray, shape (arms, readers, controls, defective)

    Returns
    -------
    ndarray, shape (arms, readers, arms, readers)

    References
    ----------
    Obuchowski and Rockette, Commun. Stat. Simul. 24 (1995) 285; Efron and Tibshirani, An Introduction to the Bootstrap (1993),
    chapter 11.
    """
    without = left_out(comparisons)
    arms, readers, cases = without.shape
    centred = (without - without.mean(axis=-1, keepdims=True)).reshape(arms * readers, cases)
    covariance = (cases - 1) / cases * centred @ centred.T
    return np.asarray(covariance.reshape(arms, readers, arms, readers))
