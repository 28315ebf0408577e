"""InDI: inversion by direct iteration, small steps from the measurement towards the prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.errors import SettingsError
from coldray.frame import Example, Frame, TrainingPair
from coldray.methods._example import draw_strength, state_example
from coldray.plugins import Degradation, Predictor

LEARNS = True
CHANNELS = channels.CHANNELS
CONDITIONS = channels.CONDITIONS
FULL_STRENGTH_SHARE = 0.5
"""Share of training examples at strength 1, the state every run starts from."""


def example(
    pair: TrainingPair,
    degradation: Degradation,
    rng: np.random.Generator,
    *,
    full_strength_share: float = FULL_STRENGTH_SHARE,
    levels: int | None = None,
) -> Example:
    """Show (1 - t) x_0 + t y: the noise of the measurement fades along the path together with the blur.

    Parameters
    ----------
    pair : TrainingPair
    degradation : object
        Offers ``transfer(frequency, strength)``.
    rng : numpy.random.Generator
    full_strength_share : float
        Share of examples at strength 1.
    levels : int, optional
        Strengths are 1/levels ... 1; continuous by default.

    Notes
    -----
    Weights trained for `cold` fit too: they are shown the same channels, with all of the noise at every
    strength, and agree with these at strength 1.
    """
    strength = draw_strength(rng, full_strength_share, levels)
    state = pair.sharp + np.float32(strength) * (pair.frame.blurred - pair.sharp)
    return state_example(pair, degradation, state, strength)


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = 4,
) -> NDArray[np.floating]:
    """Restore by the InDI step.

    Parameters
    ----------
    frame : Frame
        The blurred frame y and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor : callable
        ``predictor(channels, conditions)`` for the whole frame, an estimate of x_0.
    rng : ignored
        The sampler has no randomness.
    steps : int
        Network evaluations, at least 1; one step is plain regression.

    Returns
    -------
    ndarray, shape (rows, cols)
        The last prediction; its mean error, if any, is removed exactly.

    Raises
    ------
    SettingsError
        If `steps` is not positive.

    Notes
    -----
    x_{t-d} = (d/t) R(x_t, t) + (1 - d/t) x_t with d = 1/T: the end-point estimate is what the state itself
    says, (x_t - (1 - t) R) / t, so noise fades along the path. For an exact conditional mean and T to
    infinity the gain tends to sqrt(P / (H^2 P + N)).

    References
    ----------
    Delbracio and Milanfar, Inversion by Direct Iteration, arXiv:2303.11435.
    """
    if steps < 1:
        raise SettingsError(f"{steps} sampling steps; at least 1 is needed")
    linear = channels.linear_estimates(frame, degradation)
    conditions = channels.conditions(frame, degradation)
    state = frame.blurred
    for step in range(steps, 0, -1):
        at = conditions.copy()
        at[0] = step / steps
        state = state + (channels.needed(predictor)((state, *linear), at) - state) / step
    return state + (frame.blurred.mean() - state.mean())
