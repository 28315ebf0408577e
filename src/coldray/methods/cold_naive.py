"""Naive cold sampling, Algorithm 1 of cold diffusion: every state is the last prediction, blurred again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods import cold
from coldray.physics.transfer import TransferOperator
from coldray.plugins import Degradation, Predictor

LEARNS = True
CHANNELS = channels.CHANNELS
CONDITIONS = channels.CONDITIONS
example = cold.example
"""The network is the one of cold sampling."""


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = 1,
) -> NDArray[np.floating]:
    """Restore by naive cold sampling, to compare with `coldray.methods.cold`.

    Parameters
    ----------
    frame : Frame
        The blurred frame y and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)`` with the blur H at strength 1.
    predictor : callable
        ``predictor(channels, conditions)`` for the whole frame, an estimate of x_0.
    rng : ignored
        The sampler has no randomness.
    steps : int
        Network evaluations, at least 1.

    Returns
    -------
    ndarray or tensor, shape (rows, cols)
        The last prediction, with the measurement's mean.

    Raises
    ------
    SettingsError
        If `steps` is not positive.

    Notes
    -----
    x_{t-1} = D_{t-1}(xhat): the measurement counts in the first step only, so there is no data-consistency gain.

    References
    ----------
    Bansal et al., Cold Diffusion, arXiv:2208.09392, algorithm 1.
    """
    if steps < 1:
        raise SettingsError(f"{steps} sampling steps; at least 1 is needed")
    y = frame.blurred
    remainder = TransferOperator(1.0 - frame.operator(degradation).transfer)
    linear = channels.linear_estimates(frame, degradation)
    conditions = channels.conditions(frame, degradation)
    state = y
    for step in range(steps, 0, -1):
        at = conditions.copy()
        at[0] = step / steps
        sharp = channels.needed(predictor)((state, *linear), at)
        state = sharp - (step - 1) / steps * remainder(sharp)
    return state + (y.mean() - state.mean())
