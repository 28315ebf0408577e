"""Where a model was trained: conditions kept inside, and how much the network may count outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coldray.channels import CONDITIONS, NOISE_CONDITION, RATIO_FREQUENCIES
from coldray.document import Json, as_numbers, as_table
from coldray.errors import CheckpointError
from coldray.plugins import Predictor
from coldray.words import percent

BOX_REACH = 0.05
"""How far conditions may leave the trained span of a model whose header holds no cloud; conditions span about +-1."""
LOW_END, HIGH_END = (CONDITIONS.index(f"{NOISE_CONDITION}{f} cycles/pixel") for f in ("1/32", "1/2"))
NEAR, FADE = 0.05, 0.1
"""Distance beyond the trained reach up to which the network counts fully, and over which its share then falls to 0.

Measured with the first shipped model, whose cloud reaches 0.083 (`benchmarks/domain.py`): at 0.12 to 0.17 (frames of 20 ms
or 5 s, white noise of 3 %) the network is 0.2 to 2.4 dB better than the linear filter, at 0.24 (white noise of 10 %) 1.6 dB
worse, at 0.29 (frames of 5 ms) 2.1 dB worse, and from there on it collapses.
"""
WHITENESS = 4.0
"""Distance per unit by which noise is whiter than any that was trained.

Redder noise a network takes in its stride; white noise it takes for structure. Of the 36 cells of `benchmarks/domain.py` with white
noise, all 0.14 whiter than the first shipped model was trained on, the network beats the linear filter by more than 0.3 dB in
two, and is 0.3 to 13 dB worse in 28, however near the other conditions are.
"""

DEPTH, LEAST_RATIO = 1.0, 1e-3
"""Distance per decade by which the MTF ratio lies below any that was trained, and the least ratio that counts.

A ratio of 0.02 where 0.07 was trained is near it in numbers, but blurs three times as much: of Gaussian blurs of 100 um on 48 um
pixels (0.34 decades) the network of decision 0021 is up to 1.6 dB worse than the linear filter, of 50 um (0.11 decades) 0.8 to
2.4 dB better.
"""
NOTHING_TO_RESTORE, ALL_TO_RESTORE = 0.05, 0.3
"""Largest loss of the blur up to Nyquist up to which a network does not count, and from which it counts fully.

On **real** frames whose detectors differ by 13 % the result of the network of decision 0021 was 3.6 % farther from the sharper frame
than the linear filter's.
"""


def smooth_step(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, between them a cubic without a kink."""
    part = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return part**2 * (3 - 2 * part)


def asked_for(conditions: NDArray[np.floating]) -> float:
    """How far detectors ask for a restoration: 0 if both are equally sharp, 1 from a blur of `ALL_TO_RESTORE` on.

    Parameters
    ----------
    conditions : ndarray, shape (conditions,)
        What a network is told, strength first and then the MTF ratio.

    Notes
    -----
    Where nothing is to be restored a network can only denoise, and changes more than the linear filter does.
    """
    ratio = (np.asarray(conditions[1 : 1 + len(RATIO_FREQUENCIES)], dtype=np.float64) + 1) / 2
    return smooth_step(float(np.max(np.abs(1 - ratio))), NOTHING_TO_RESTORE, ALL_TO_RESTORE)


def noise_in_training(family: Mapping[str, Json], end: int) -> str:
    """End of the noise in training, in words: 0 the weakest, 1 the strongest."""
    units = as_table(family.get("in_units", {}))
    if "noise_relative_sd" in units:
        return f"{percent(as_numbers(units['noise_relative_sd'])[end])} of the open beam in one pixel"
    return f"frames of {as_numbers(family['exposure_s'])[1 - end]:g} s"


@dataclass(frozen=True, eq=False)
class Domain:
    """Conditions that training drew from, as a cloud of points.

    Parameters
    ----------
    low, high : ndarray, shape (conditions - 1,)
        Least and largest value of every condition but the strength.
    points : ndarray, shape (points, conditions - 1)
        The cloud, thinned; empty for models that know only the span of every condition by itself.
    reach : float
        Largest distance of what training draws from the cloud.
    places : ndarray of int, shape (conditions - 1,), optional
        Where they stand in the vector that a method tells, strength first; one after the other by default.
    ends : (int, int), optional
        Which of them are the noise power at the lowest and at the highest frequency: their difference is the noise's colour.

    Notes
    -----
    Distances are root mean squares over the conditions. Every condition can lie inside its own span while the vector is
    far from all that was trained, for instance an MTF ratio that falls and rises again: only a joint distance tells.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    points: NDArray[np.float64]
    reach: float
    places: NDArray[np.intp] | None = None
    ends: tuple[int, int] | None = None

    @classmethod
    def of_header(cls, header: Mapping[str, Any], places: Sequence[int]) -> Domain | None:
        """Read it from a model's header; None if the model was trained over no family, or for other conditions.

        Parameters
        ----------
        header : mapping
        places : sequence of int
            Where the model's conditions stand in the vector that a method tells; the strength first.

        Raises
        ------
        CheckpointError
            If the header's numbers are not finite, or of the wrong shape.
        """
        conditions = len(places)
        family = header.get("family", {})
        low, high = (np.array(family.get(key, []), dtype=np.float64) for key in ("conditions_low", "conditions_high"))
        if low.size != conditions or high.size != conditions:
            return None
        cloud = family.get("cloud")
        points = np.empty((0, conditions - 1)) if cloud is None else np.array(cloud["points"], dtype=np.float64)
        reach = BOX_REACH if cloud is None else float(cloud["reach"])
        if points.shape[1:] != (conditions - 1,) or not (np.isfinite(points).all() and 0 < reach < np.inf):
            raise CheckpointError("the header's cloud of conditions is damaged; load the model file as it was written")
        known = list(places[1:])
        ends = (known.index(LOW_END), known.index(HIGH_END)) if {LOW_END, HIGH_END} <= set(known) else None
        return cls(low[1:], high[1:], points, reach, np.array(known, dtype=np.intp), ends)

    def anchor(self, conditions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Trained conditions next to given ones; continuous in them.

        Parameters
        ----------
        conditions : ndarray, shape (conditions - 1,)

        Returns
        -------
        ndarray, same shape
            Mean of the points, weighted by a Gaussian of their distance; without points, the nearest of the span.
        """
        if self.points.shape[0] == 0:
            return np.clip(conditions, self.low, self.high)
        square = np.mean((self.points - conditions) ** 2, axis=1)
        weight = np.exp(-2 * (square - square.min()) / self.reach**2)
        return np.asarray(weight @ self.points / weight.sum())

    def distance(self, conditions: NDArray[np.floating]) -> float:
        """Distance of the vector told, strength first, from what was trained."""
        return self.distance_of(self.chosen(conditions))

    def distance_of(self, given: NDArray[np.floating]) -> float:
        """Distance of what `chosen` gives."""
        apart = float(np.sqrt(np.mean((given - self.anchor(given)) ** 2)))
        return max(apart, WHITENESS * self.whiter(given), DEPTH * self.deeper(given))

    def whiter(self, given: NDArray[np.floating]) -> float:
        """By how much noise is whiter than any that was trained, root mean square over both ends; 0 if no cloud tells.

        Parameters
        ----------
        given : ndarray, shape (conditions - 1,)
            As of `chosen`.
        """
        if self.ends is None or self.points.shape[0] == 0:
            return 0.0
        low, high = self.ends
        redness = float(np.min(self.points[:, low] - self.points[:, high]))
        return max(0.5 * (redness - float(given[low] - given[high])), 0.0)

    def deeper(self, given: NDArray[np.floating]) -> float:
        """By how many decades the MTF ratio lies below any that was trained, root mean square over its frequencies.

        Parameters
        ----------
        given : ndarray, shape (conditions - 1,)
            As of `chosen`.
        """
        places = 1 + np.arange(given.size) if self.places is None else self.places
        ratio = np.flatnonzero((places >= 1) & (places <= len(RATIO_FREQUENCIES)))
        if ratio.size == 0 or self.points.shape[0] == 0:
            return 0.0
        trained, stated = (np.maximum((end[ratio] + 1) / 2, LEAST_RATIO) for end in (self.low, given))
        return float(np.sqrt(np.mean(np.maximum(np.log10(trained / stated), 0.0) ** 2)))

    def chosen(self, conditions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Those of a vector that the model knows, without the strength."""
        known = conditions[1:] if self.places is None else conditions[self.places]
        return np.asarray(known, dtype=np.float64)

    def kept(self, conditions: NDArray[np.floating]) -> NDArray[np.float32]:
        """The vector as the network may be told it: as it is up to `NEAR` beyond `reach`, else drawn to the cloud."""
        given = self.chosen(conditions)
        anchor = self.anchor(given)
        distance = float(np.sqrt(np.mean((given - anchor) ** 2)))
        most = self.reach + NEAR
        if distance > most:
            given = anchor + (given - anchor) * (most / distance)
        out = np.array(conditions, dtype=np.float32)
        out[1 + np.arange(given.size) if self.places is None else self.places] = given
        return out

    def share(self, distance: float) -> float:
        """How much the network counts at a distance: 1 up to `NEAR` beyond `reach`, smoothly 0 within another `FADE`."""
        near = self.reach + NEAR
        return 1.0 - smooth_step(distance, near, near + FADE) if np.isfinite(distance) else 0.0


class CountingPredictor(Predictor, Protocol):
    """A predictor that counts its evaluations."""

    @property
    def evaluations(self) -> int:
        """Evaluations so far."""
        ...


@dataclass(frozen=True, eq=False)
class KeptInside:
    """A predictor that is never told conditions outside its domain.

    Parameters
    ----------
    predictor : callable
        ``predictor(channels, conditions)`` for whole frames, counting its ``evaluations``.
    domain : Domain
    """

    predictor: CountingPredictor
    domain: Domain

    @property
    def evaluations(self) -> int:
        """Evaluations so far."""
        return int(self.predictor.evaluations)

    def __call__(
        self, channels: tuple[NDArray[np.floating], ...], conditions: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Predict a frame."""
        return self.predictor(channels, self.domain.kept(conditions))


def thinned(
    draw: Callable[[np.random.Generator], NDArray[np.floating]], points: int, rng: np.random.Generator, candidates: int
) -> tuple[NDArray[np.float64], float]:
    """Thin what training draws to a cloud, and find its reach.

    Parameters
    ----------
    draw : callable
        ``draw(rng)`` gives one vector of conditions, strength first.
    points, candidates : int
        Points kept, and drawn to choose from.
    rng : numpy.random.Generator

    Returns
    -------
    points : ndarray, shape (points, conditions - 1)
        Farthest-point sample: each next one is the candidate farthest from those before.
    reach : float
        Largest distance of as many further draws as there are points.
    """
    drawn = np.array([draw(rng)[1:] for _ in range(candidates)], dtype=np.float64).round(3)
    chosen = [int(np.argmin(np.sum((drawn - drawn.mean(axis=0)) ** 2, axis=1)))]
    nearest = np.sum((drawn - drawn[chosen[0]]) ** 2, axis=1)
    while len(chosen) < min(points, candidates):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.sum((drawn - drawn[chosen[-1]]) ** 2, axis=1))
    cloud = drawn[chosen]
    # anchors depend on the reach: start from the covering radius
    reach = float(np.sqrt(nearest.max() / cloud.shape[1]))
    trial = Domain(cloud.min(axis=0), cloud.max(axis=0), cloud, max(reach, 1e-3))
    return cloud, max(float(max(trial.distance(draw(rng)) for _ in range(points))), trial.reach)
