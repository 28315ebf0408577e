"""How far the measurement should still correct a trained network: the calibrated consistency share."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft

from coldray.methods import _channels
from coldray.methods._frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.training.pairs import PairSource

BIN_EDGES = np.array([0.0, 0.03, 0.08, 0.15, 0.25, 0.35, 0.5, 0.72])
"""Bins of radial frequency [cycles/pixel]; the last one reaches the diagonal Nyquist."""


def consistency_share(
    predictor: Any, unshared_gain: Any, source: PairSource, exposures_s: tuple[float, ...] = (1.0, 0.25, 0.05)
) -> FrequencyCurve:
    """Fit the share of the data-consistency gain on calibration fields.

    Parameters
    ----------
    predictor : callable
        ``predictor(channels, conditions)`` for whole frames.
    unshared_gain : callable
        ``unshared_gain(frame, degradation, frequency)``, the gain K_0.
    source : PairSource
        Calibration fields, of boards never trained on.
    exposures_s : tuple of float
        Exposures that count alike [s].

    Returns
    -------
    FrequencyCurve
        Share within [0, 1] over cycles/pixel.

    Notes
    -----
    Least squares per bin of frequency: the share g that minimises sum |e - g K_0 r|^2 with e = x_0 - xbar and
    r = y - H xbar is sum K_0 e r / sum K_0^2 r^2; every frame is weighted by the inverse of its error power. The share
    is then shrunk by its own uncertainty over the frames, g max(0, 1 - var/g^2), so that chance does not set a gain.
    """
    bins = len(BIN_EDGES) - 1
    tops, bottoms = [], []
    for exposure in exposures_s:
        for number in range(len(source)):
            pair, degradation = source.pair(number, np.random.default_rng([13, number]), exposure)
            frame: Frame = pair.frame
            linear = _channels.linear_estimates(frame, degradation)
            estimate = predictor((frame.blurred, *linear), _channels.conditions(frame, degradation))
            error = scipy.fft.dctn(pair.sharp - estimate, norm="ortho")
            rest = scipy.fft.dctn(frame.blurred - frame.operator(degradation)(estimate), norm="ortho")
            rest *= unshared_gain(frame, degradation, frame.frequency_lp_mm)
            place = np.digitize(frame.frequency_lp_mm * frame.pair.pixel_pitch_mm, BIN_EDGES[1:-1]).ravel()
            power = np.maximum(np.bincount(place, (error**2).ravel(), bins), 1e-30)
            tops.append(np.bincount(place, (error * rest).ravel(), bins) / power)
            bottoms.append(np.bincount(place, (rest**2).ravel(), bins) / power)
    top, bottom = np.array(tops), np.array(bottoms)
    share = top.sum(axis=0) / np.maximum(bottom.sum(axis=0), 1e-30)
    variance = ((top - share * bottom) ** 2).sum(axis=0) / np.maximum(bottom.sum(axis=0), 1e-30) ** 2
    share = np.where(share > 0, share * np.maximum(0.0, 1 - variance / np.maximum(share, 1e-12) ** 2), 0.0)
    return FrequencyCurve(0.5 * (BIN_EDGES[1:] + BIN_EDGES[:-1]), np.clip(share, 0.0, 1.0))
