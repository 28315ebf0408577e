"""Cold sampling: walk from the blurred to the sharp image in small deterministic steps (TACoS)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.errors import SettingsError
from coldray.frame import Example, Frame, TrainingPair
from coldray.gain import consistency_gain, residual_gain
from coldray.methods._example import blend_example, draw_strength
from coldray.physics.transfer import TransferOperator
from coldray.plugins import Degradation, Predictor

LEARNS = True
CHANNELS = channels.CHANNELS
CONDITIONS = channels.CONDITIONS
FULL_STRENGTH_SHARE = 0.5
"""Share of training examples at strength 1, the state every run starts from."""
gain = consistency_gain
"""The gain K with which the measurement corrects the prediction; `restore` takes it as `consistency`."""
left = residual_gain
"""What that leaves of a wrong prediction, 1 - H K, for the certificate."""


def example(
    pair: TrainingPair,
    degradation: Degradation,
    rng: np.random.Generator,
    *,
    full_strength_share: float = FULL_STRENGTH_SHARE,
    levels: int | None = None,
) -> Example:
    """Show a blend of random strength, or the blurred frame itself.

    Parameters
    ----------
    pair : TrainingPair
    degradation : object
        Offers ``transfer(frequency, strength)``.
    rng : numpy.random.Generator
    full_strength_share : float
        Share of examples at strength 1; 0 for the paper's uniform t.
    levels : int, optional
        The paper's T: strengths are 1/T ... 1. Continuous by default.
    """
    return blend_example(pair, degradation, draw_strength(rng, full_strength_share, levels))


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = 1,
    consistency: TransferOperator | None = None,
) -> NDArray[np.floating]:
    """Restore by cold sampling.

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
    consistency : TransferOperator, optional
        The gain K(u) with which the measurement corrects the prediction; 1 everywhere by default,
        which is the paper's sampler.

    Returns
    -------
    ndarray or tensor, shape (rows, cols)
        xbar + K (y - H xbar), xbar the mean prediction along the path.

    Raises
    ------
    SettingsError
        If `steps` is not positive.

    Notes
    -----
    TACoS, x_{t-1} = x_t - D_t(xhat) + D_{t-1}(xhat), with D_t = (1 - t/T) I + (t/T) H is
    x_{t-1} = x_t + (I - H) xhat / T. Hence x_t = y + (I - H) s_t with s_t the running sum of predictions
    over T, and x_0 = y + (I - H) xbar = xbar + (y - H xbar): the mean prediction and exactly one
    data-consistency step. K < 1 where noise outweighs what the measurement can still say.

    References
    ----------
    Bansal et al., Cold Diffusion, arXiv:2208.09392, algorithm 2; Oh et al., eqs 1-2.
    """
    if steps < 1:
        raise SettingsError(f"{steps} sampling steps; at least 1 is needed")
    y = frame.blurred
    blur = frame.operator(degradation)
    linear = channels.linear_estimates(frame, degradation)
    conditions = channels.conditions(frame, degradation)
    remainder = TransferOperator(1.0 - blur.transfer) if steps > 1 or consistency is None else None
    total = None
    for step in range(steps, 0, -1):
        state = y if remainder is None or total is None else y + remainder(total)
        at = conditions.copy()
        at[0] = step / steps
        answer = channels.needed(predictor)((state, *linear), at)
        share = answer if steps == 1 else answer / steps
        total = share if total is None else total + share
    del linear, state, answer, share
    assert total is not None
    if consistency is not None:
        return frame.corrected(total, blur, consistency)
    assert remainder is not None
    return y + remainder(total)
