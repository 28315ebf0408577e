"""Intervals over boards, paired differences and what they mean in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.document import Json
from coldray.errors import MeasurementError

LEVEL = 0.95
FEWEST_BOARDS = 5


@dataclass(frozen=True)
class Interval:
    """Mean over boards with its 95 % interval (Student's t).

    Parameters
    ----------
    mean, low, high : float
    count : int
        Of what was averaged: boards, or sites.
    """

    mean: float
    low: float
    high: float
    count: int

    def to_json(self) -> dict[str, float | int]:
        """JSON-able form."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "count": self.count}


def interval(values: ArrayLike) -> Interval:
    """Mean of one value per board and its interval; with one board there is no interval (NaN)."""
    from scipy.stats import t

    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size == 0 or not np.all(np.isfinite(x)):
        raise MeasurementError(f"an interval needs one finite value per board; found {x.size} values")
    if x.size == 1:
        return Interval(float(x[0]), float("nan"), float("nan"), 1)
    half = float(t.ppf(0.5 + LEVEL / 2, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, int(x.size))


def verdict(difference: Interval, one: str, other: str, what: str, unit: str = "") -> str:
    """Say in words what a paired difference shows.

    Parameters
    ----------
    difference : Interval
        Of one minus other, a board each.
    one, other : str
        What is compared.
    what, unit : str
        Quantity where more is better, and its unit.
    """
    numbers = f"{difference.mean:+.3g} {unit}".rstrip()
    if difference.count < 2:
        return f"{one} against {other}: {numbers} in {what} on one board; no interval."
    band = f"95 % interval {difference.low:+.3g} to {difference.high:+.3g} over {difference.count} boards"
    if difference.low > 0:
        found = f"{one} beats {other}"
    elif difference.high < 0:
        found = f"{one} loses to {other}"
    else:
        found = f"no difference between {one} and {other} is shown"
    few = "" if difference.count >= FEWEST_BOARDS else f"; fewer than {FEWEST_BOARDS} boards, a guide only"
    return f"{found} in {what} ({numbers}, {band}{few})."


def auc(present: ArrayLike, absent: ArrayLike) -> float:
    """Share of pairs ranked rightly; ties count half.

    Examples
    --------
    >>> from coldray.benchmark.statistics import auc
    >>> auc([3, 4, 5], [1, 2, 3])
    0.9444444444444445
    """
    return float(_placements(np.asarray(present, dtype=np.float64), np.asarray(absent, dtype=np.float64))[0].mean())


def _placements(yes: NDArray[np.float64], no: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the other class on the right side of every image's score."""

    def share(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        ordered = np.sort(others)
        rank = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        return rank / (2 * others.size)

    return share(yes, no), 1 - share(no, yes)


@dataclass(frozen=True)
class AucDifference:
    """AUC of two readings of the same images, and their difference with its 95 % interval.

    Parameters
    ----------
    auc, other_auc : float
    difference, low, high : float
        First minus second.
    images : int
        Of the smaller class.
    """

    auc: float
    other_auc: float
    difference: float
    low: float
    high: float
    images: int

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def auc_difference(
    scores: tuple[Sequence[float] | NDArray[np.float64], Sequence[float] | NDArray[np.float64]],
    other: tuple[Sequence[float] | NDArray[np.float64], Sequence[float] | NDArray[np.float64]],
) -> AucDifference:
    """Compare two observers, or one observer on two restorations, on the same images.

    Parameters
    ----------
    scores, other : (present, absent)
        Scores of the same images in the same order.

    Raises
    ------
    MeasurementError
        If the two do not come from the same images.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837.
    """
    pairs = [tuple(np.asarray(part, dtype=np.float64) for part in who) for who in (scores, other)]
    if any(a.shape != b.shape or a.ndim != 1 or a.size < 2 for a, b in zip(*pairs, strict=True)):
        raise MeasurementError("both readings must score the same images, two or more of each class")
    places = [_placements(yes, no) for yes, no in pairs]
    first, second = (float(p[0].mean()) for p in places)
    variance = sum(np.var(places[0][i] - places[1][i], ddof=1) / places[0][i].size for i in range(2))
    half = 1.96 * float(np.sqrt(variance))
    count = int(min(p.size for p in pairs[0]))
    return AucDifference(first, second, first - second, first - second - half, first - second + half, count)
