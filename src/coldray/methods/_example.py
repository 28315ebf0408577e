"""Training pairs and examples, shared by the methods that learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.methods import _channels
from coldray.methods._frame import Frame


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """A noisy blurred frame with its noise-free truth.

    Parameters
    ----------
    frame : Frame
        The blurred measurement H x_0 + n.
    sharp : ndarray, float32, shape (rows, cols)
        x_0, the target.
    blurred : ndarray, float32, shape (rows, cols)
        H x_0 without noise.
    """

    frame: Frame
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Example:
    """What the network is shown and what it should answer.

    Parameters
    ----------
    channels : ndarray, float32, shape (channels, rows, cols)
    conditions : ndarray, float32, shape (conditions,)
    target : ndarray, float32, shape (rows, cols)
    """

    channels: NDArray[np.float32]
    conditions: NDArray[np.float32]
    target: NDArray[np.float32]


def blend_example(pair: TrainingPair, degradation: Any, strength: float) -> Example:
    """Show the state of the given strength with the frame's full noise in it.

    Notes
    -----
    State = D_t(x_0) + n: along the sampler's path the noise of the measurement is not attenuated, so
    every strength is trained with all of it.
    """
    frame = pair.frame
    state = frame.blurred + np.float32(1.0 - strength) * (pair.sharp - pair.blurred)
    linear, sharper = _channels.linear_estimates(frame, degradation)
    conditions = _channels.conditions(frame, degradation)
    conditions[0] = strength
    return Example(np.stack([state, linear, sharper]).astype(np.float32), conditions, pair.sharp)
