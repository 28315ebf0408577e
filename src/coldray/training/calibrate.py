"""How far the measurement should still correct a trained network: the calibrated data-consistency gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray import channels
from coldray.frame import Frame, TrainingPair
from coldray.physics.curves import FrequencyCurve
from coldray.plugins import Degradation, Predictor

BIN_EDGES = np.array([0.0, 0.03, 0.08, 0.15, 0.25, 0.35, 0.5, 0.72])
"""Bins of radial frequency [cycles/pixel]; the last one reaches the diagonal Nyquist."""
UnsharedGain = Callable[[Frame, Degradation, NDArray[np.float64]], NDArray[np.float64]]


class CalibrationPairs(Protocol):
    """Fields whose truth is known, drawn with fresh noise; training's `PairSource` is one."""

    def __len__(self) -> int:
        """How many fields there are."""

    def looks(self) -> dict[str, float | None]:
        """Exposures [s] at which a field is drawn, by name; None where it was measured at its own."""

    def pair(self, number: int, rng: np.random.Generator, exposure_s: float | None) -> tuple[TrainingPair, Degradation]:
        """Draw the pair of field `number` at an exposure [s], with its degradation."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The gain that lowers the error on calibration fields, and by how much.

    Parameters
    ----------
    share : FrequencyCurve, optional
        Share of `unshared_gain` within [0, 1] over cycles/pixel; None where K = 1 everywhere does better.
    relative_error : dict
        Mean squared error over that of the network alone, mean over the frames, for the gains "calibrated",
        "network" (K = 0, but 1 at zero frequency) and "paper" (K = 1).
    """

    share: FrequencyCurve | None
    relative_error: dict[str, float]


def calibrate_consistency(predictor: Predictor, unshared_gain: UnsharedGain, source: CalibrationPairs) -> Calibration:
    """Fit the share of the data-consistency gain on calibration fields.

    Parameters
    ----------
    predictor : callable
        ``predictor(channels, conditions)`` for whole frames.
    unshared_gain : callable
        ``unshared_gain(frame, degradation, frequency)``, the gain K_0.
    source : CalibrationPairs
        Calibration fields, of boards never trained on, or with references never trained on; all its exposures count alike.

    Notes
    -----
    Least squares per bin of frequency: the share g that minimises sum |e - g K_0 r|^2 with e = x_0 - xbar and
    r = y - H xbar is sum K_0 e r / sum K_0^2 r^2; every frame is weighted by the inverse of its error power. The share
    is then shrunk by its own uncertainty over the frames, g max(0, 1 - var/g^2), so that chance does not set a gain.
    The calibrated error is compared with those of K = 0 and of K = 1, and the best of the three is returned.
    """
    bins = len(BIN_EDGES) - 1
    tops, bottoms, powers, papers = [], [], [], []
    for exposure in source.looks().values():
        for number in range(len(source)):
            pair, degradation = source.pair(number, np.random.default_rng([13, number]), exposure)
            frame: Frame = pair.frame
            linear = channels.linear_estimates(frame, degradation)
            estimate = predictor((frame.blurred, *linear), channels.conditions(frame, degradation))
            error = scipy.fft.dctn(pair.sharp - estimate, norm="ortho")
            rest = scipy.fft.dctn(frame.blurred - frame.operator(degradation)(estimate), norm="ortho")
            # every gain is 1 at zero frequency: the mean is the measurement's
            error[0, 0] -= rest[0, 0]
            rest[0, 0] = 0.0
            papers.append(((error - rest) ** 2).sum())
            rest *= unshared_gain(frame, degradation, frame.frequency_lp_mm)
            place = np.digitize(frame.frequency_lp_mm * frame.pair.pixel_pitch_mm, BIN_EDGES[1:-1]).ravel()
            powers.append(np.maximum(np.bincount(place, (error**2).ravel(), bins), 1e-30))
            tops.append(np.bincount(place, (error * rest).ravel(), bins))
            bottoms.append(np.bincount(place, (rest**2).ravel(), bins))
    power, top, bottom = np.array(powers), np.array(tops), np.array(bottoms)
    share = _least_squares_share(top / power, bottom / power)
    whole = power.sum(axis=1)
    errors = {
        "calibrated": float(np.mean((power - 2 * share * top + share**2 * bottom).sum(axis=1) / whole)),
        "network": 1.0,
        "paper": float(np.mean(np.array(papers) / whole)),
    }
    if errors["calibrated"] > errors["network"]:
        share, errors["calibrated"] = np.zeros(bins), 1.0
    curve = FrequencyCurve(0.5 * (BIN_EDGES[1:] + BIN_EDGES[:-1]), share)
    if errors["paper"] < errors["calibrated"]:
        return Calibration(None, errors | {"calibrated": errors["paper"]})
    return Calibration(curve, errors)


def _least_squares_share(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share per bin from the products (frames, bins), shrunk by its uncertainty over the frames."""
    below = np.maximum(bottom.sum(axis=0), 1e-30)
    share = top.sum(axis=0) / below
    variance = ((top - share * bottom) ** 2).sum(axis=0) / below**2
    shrunk = np.where(share > 0, share * np.maximum(0.0, 1 - variance / np.maximum(share, 1e-12) ** 2), 0.0)
    return np.clip(shrunk, 0.0, 1.0)
