"""Regression: one evaluation of the network on the blurred image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.frame import Example, Frame, TrainingPair
from coldray.methods._example import blend_example
from coldray.plugins import Degradation, Predictor

LEARNS = True
CHANNELS = channels.CHANNELS
CONDITIONS = channels.CONDITIONS


def example(pair: TrainingPair, degradation: Degradation, rng: np.random.Generator) -> Example:
    """Show the blurred frame itself (strength 1).

    Parameters
    ----------
    pair : TrainingPair
    degradation : object
        Offers ``transfer(frequency, strength)``.
    rng : numpy.random.Generator
        Not used: nothing is drawn.

    Returns
    -------
    Example
    """
    return blend_example(pair, degradation, 1.0)


def restore(
    frame: Frame, degradation: Degradation, predictor: Predictor | None = None, rng: np.random.Generator | None = None
) -> NDArray[np.floating]:
    """Return the network's estimate of the sharp image.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor : callable
        ``predictor(channels, conditions)`` for the whole frame.
    rng : ignored
        The method is deterministic.

    Returns
    -------
    ndarray, shape (rows, cols)
        Mean kept: the network's mean error, if any, is removed exactly.
    """
    linear = channels.linear_estimates(frame, degradation)
    estimate = channels.needed(predictor)((frame.blurred, *linear), channels.conditions(frame, degradation))
    return estimate + (frame.blurred.mean() - estimate.mean())
