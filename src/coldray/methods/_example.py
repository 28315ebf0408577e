"""Examples of the kinds that several learning methods share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.errors import SettingsError
from coldray.frame import Example, TrainingPair
from coldray.plugins import Degradation


def blend_example(pair: TrainingPair, degradation: Degradation, strength: float) -> Example:
    """Show the state of the given strength with the frame's full noise in it.

    Notes
    -----
    State = D_t(x_0) + n: along the sampler's path the noise of the measurement is not attenuated, so
    every strength is trained with all of it.
    """
    state = pair.frame.blurred + np.float32(1.0 - strength) * (pair.sharp - pair.blurred)
    return state_example(pair, degradation, state, strength)


def state_example(
    pair: TrainingPair, degradation: Degradation, state: NDArray[np.floating], strength: float
) -> Example:
    """Show a state of the given strength beside the frame's linear estimates; the answer is the sharp image."""
    linear, sharper = channels.linear_estimates(pair.frame, degradation)
    conditions = channels.conditions(pair.frame, degradation)
    conditions[0] = strength
    return Example(np.stack([state, linear, sharper]).astype(np.float32), conditions, pair.sharp)


def draw_strength(rng: np.random.Generator, full_strength_share: float, levels: int | None) -> float:
    """Draw a strength: 1 with the given share, else uniform in (0, 1) or on the grid 1/levels ... 1.

    Raises
    ------
    SettingsError
        If the share is outside [0, 1] or there are no levels.
    """
    if not 0 <= full_strength_share <= 1 or (levels is not None and levels < 1):
        raise SettingsError(
            f"full_strength_share={full_strength_share}, levels={levels}; needed are a share in [0, 1] and levels >= 1"
        )
    if rng.random() < full_strength_share:
        return 1.0
    return float(rng.uniform(0.0, 1.0)) if levels is None else int(rng.integers(1, levels + 1)) / levels
