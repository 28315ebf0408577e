"""Changed or not changed: figures of new occasions against those of a baseline, at a stated rate of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from coldray.document import Json
from coldray.errors import MeasurementError

FEWEST = 3
"""Occasions of a baseline whose scatter is used; of fewer the bands of the measurements stand in, where they are known."""
FEWEST_FOR_DRIFT, FEWEST_NEW_FOR_DRIFT = 6, 2
"""Occasions in all, and new ones, from which on a straight line through all of them is tested."""
ROUNDING = 1e-9
"""Relative scatter below which values count as equal."""


Float = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """Values of one figure.

    Parameters
    ----------
    key, name, unit : str
    baseline : tuple of float
        One for each occasion of the baseline; of an archive one for each image.
    baseline_sd : tuple of (float or None)
        Standard uncertainty of each by its own band; None where there is no band.
    new : tuple of tuple of float
        For each new occasion its value, or those of its images; empty where it has none.
    new_sd : tuple of (float or None)
        For each new occasion.
    tolerance : tuple of (float or None)
        The user's own limits, lowest and highest.
    images : bool
        Whether the values belong to images of an archive, not to occasions.
    """

    key: str
    name: str
    unit: str
    baseline: tuple[float, ...]
    baseline_sd: tuple[float | None, ...]
    new: tuple[tuple[float, ...], ...]
    new_sd: tuple[float | None, ...]
    tolerance: tuple[float | None, float | None] = (None, None)
    images: bool = False

    @property
    def means(self) -> tuple[float | None, ...]:
        """Value of each new occasion; of an archive the mean of its images."""
        return tuple(float(np.mean(values)) if values else None for values in self.new)

    @property
    def latest(self) -> float | None:
        """Value of the last new occasion that has one."""
        return next((v for v in reversed(self.means) if v is not None), None)

    @property
    def baseline_mean(self) -> float:
        """Mean of the baseline."""
        return float(np.mean(self.baseline))

    @property
    def baseline_scatter(self) -> float | None:
        """Standard deviation of the baseline; None of a single value."""
        return float(np.std(self.baseline, ddof=1)) if len(self.baseline) > 1 else None

    @property
    def drifts(self) -> bool:
        """Whether there are enough occasions to test a drift."""
        known = sum(bool(values) for values in self.new)
        return not self.images and known >= FEWEST_NEW_FOR_DRIFT and known + len(self.baseline) >= FEWEST_FOR_DRIFT


@dataclass(frozen=True)
class Verdict:
    """What is said of one figure.

    Parameters
    ----------
    history : History
    limit : tuple of float, or None
        Between these an unchanged figure lies, but for false alarms; None where no such limits follow.
    p_value : tuple of (float or None)
        For each new occasion the chance of a value as far off without a change; None where it cannot be told.
    drift, drift_sd : float or None
        Change per occasion of a straight line through all occasions, and its standard uncertainty.
    drift_p_value : float or None
    level : float
        What a p-value must be below.
    note : str
        Why nothing can be told, or on what the limits rest.
    """

    history: History
    limit: tuple[float, float] | None
    p_value: tuple[float | None, ...]
    drift: float | None
    drift_sd: float | None
    drift_p_value: float | None
    level: float
    note: str

    @property
    def changed_on(self) -> tuple[int, ...]:
        """Numbers of the new occasions, from 0, that differ from the baseline."""
        return tuple(k for k, p in enumerate(self.p_value) if p is not None and p < self.level)

    @property
    def drifting(self) -> bool:
        """Whether all occasions in a row rise or fall."""
        return self.drift_p_value is not None and self.drift_p_value < self.level

    @property
    def changed(self) -> bool | None:
        """None where no occasion can be told."""
        if self.changed_on or self.drifting:
            return True
        return None if all(p is None for p in self.p_value) and self.drift_p_value is None else False

    @property
    def beyond_tolerance(self) -> tuple[int, ...]:
        """Numbers of the new occasions, from 0, beyond the user's own limits."""
        low, high = self.history.tolerance
        return tuple(
            k
            for k, value in enumerate(self.history.means)
            if value is not None and ((low is not None and value < low) or (high is not None and value > high))
        )

    def to_json(self) -> dict[str, Json]:
        """JSON-able form with the keys of `coldray stability`."""
        own = self.history
        return {
            "key": own.key,
            "name": own.name,
            "unit": own.unit,
            "value": own.latest,
            "limit": None if self.limit is None else list(self.limit),
            "changed": self.changed,
            "values": list(own.means),
            "changed_on": list(self.changed_on),
            "p_values": list(self.p_value),
            "drift_per_occasion": self.drift,
            "drift_sd_per_occasion": self.drift_sd,
            "drift_p_value": self.drift_p_value,
            "baseline_mean": own.baseline_mean,
            "baseline_sd": own.baseline_scatter,
            "baseline_count": len(own.baseline),
            "tolerance": list(own.tolerance),
            "beyond_tolerance": list(self.beyond_tolerance),
            "note": self.note,
        }


def judge(histories: Sequence[History], false_alarms: float = 0.01) -> tuple[Verdict, ...]:
    """Tell which figures have changed.

    Parameters
    ----------
    histories : sequence of History
        All figures that are judged together.
    false_alarms : float
        Chance, 0 to 0.5, that anything at all is called changed though nothing has: of all figures and occasions together.

    Returns
    -------
    tuple of Verdict
        In the order of the figures.

    Raises
    ------
    MeasurementError
        If there is no figure, or `false_alarms` is impossible.

    Notes
    -----
    A value of an occasion is compared with the prediction interval of the baseline, mean ± t s √(1 + 1/n) by Student's
    distribution (ISO 16269-8), so the scatter from set-up to set-up counts as it was. Two archives are compared by the
    rank sums of their images, shares of images by Fisher's exact test; both hold whatever the distribution. The level of
    each test is `false_alarms` over their number (Bonferroni), which holds whatever figures have in common. Occasions and
    images are taken to be independent of each other, and values of occasions to scatter like Gaussian ones.
    """
    if not 0 < false_alarms <= 0.5:
        raise MeasurementError(f"`false_alarms` is {false_alarms}; it must be above 0 and at most 0.5")
    tests = sum(sum(bool(v) for v in one.new) + one.drifts for one in histories)
    if not tests:
        raise MeasurementError("no figure of the baseline is among those of the new occasions")
    level = false_alarms / tests
    return tuple(_of_images(one, level) if one.images else _of_occasions(one, level) for one in histories)


def _of_occasions(one: History, level: float) -> Verdict:
    """Against the prediction interval of the baseline, or what the bands allow."""
    count, mean, scatter = len(one.baseline), one.baseline_mean, one.baseline_scatter or 0.0
    drift = _drift(one) if one.drifts else (None, None, None)
    if count >= FEWEST and scatter > ROUNDING * abs(mean):
        wide, free = scatter * sqrt(1 + 1 / count), count - 1
        half = float(stats.t.isf(level / 2, free)) * wide
        p = tuple(None if v is None else float(2 * stats.t.sf(abs(v - mean) / wide, free)) for v in one.means)
        return Verdict(one, (mean - half, mean + half), p, *drift, level, "")
    known = [sd for sd in one.baseline_sd if sd is not None]
    fresh = [sd for sd in one.new_sd if sd is not None]
    if len(known) < count or not fresh:
        note = (
            "the values of the baseline are all equal" if count >= FEWEST else f"the baseline has {count} occasion(s)"
        )
        return Verdict(one, None, (None,) * len(one.new), *drift, level, f"{note} and no band: nothing can be told")
    of_mean = float(np.mean(np.square(known))) / count
    wides = [None if sd is None else sqrt(sd**2 + of_mean) for sd in one.new_sd]
    p = tuple(
        None if v is None or not w else float(2 * stats.norm.sf(abs(v - mean) / w))
        for v, w in zip(one.means, wides, strict=True)
    )
    half = float(stats.norm.isf(level / 2)) * max(w for w in wides if w is not None)
    note = "limits from the bands of the measurements alone: what setting up anew changes is not in them"
    return Verdict(one, (mean - half, mean + half), p, *drift, level, note)


def _drift(one: History) -> tuple[float | None, float | None, float | None]:
    """Slope through all occasions, its standard uncertainty, and the chance of it without a drift."""
    value = np.array([*one.baseline, *(np.nan if v is None else v for v in one.means)])
    at = np.flatnonzero(np.isfinite(value))
    fit = stats.linregress(at.astype(np.float64), value[at])
    if not fit.stderr > ROUNDING * abs(float(value[at].mean())):
        return float(fit.slope), float(fit.stderr), None
    return float(fit.slope), float(fit.stderr), float(fit.pvalue)


def _of_images(one: History, level: float) -> Verdict:
    """Images of new archives against those of the baseline."""
    before = np.array(one.baseline)
    shares = all(v in (0.0, 1.0) for v in (*one.baseline, *(v for values in one.new for v in values)))
    found: list[float | None] = []
    few = False
    for values in one.new:
        if not values:
            found.append(None)
        elif 2 / comb(before.size + len(values), len(values)) >= level:
            few = True
            found.append(None)
        else:
            found.append(_fisher(before, np.array(values)) if shares else _rank_sum(before, np.array(values)))
    note = f"{before.size} images in the baseline and those of an occasion are too few to tell" if few else ""
    return Verdict(one, None, tuple(found), None, None, None, level, note)


def _fisher(before: Float, after: Float) -> float:
    """Chance of shares as far apart without a change."""
    table = [[int(before.sum()), int(before.size - before.sum())], [int(after.sum()), int(after.size - after.sum())]]
    return float(stats.fisher_exact(table).pvalue)


def _rank_sum(before: Float, after: Float) -> float:
    """Chance of rank sums as far apart without a change; 1 where all values are equal."""
    if np.ptp(np.concatenate([before, after])) == 0:
        return 1.0
    return float(stats.mannwhitneyu(before, after).pvalue)
