"""What the network is shown: image channels and the vector of conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.frame import Frame
from coldray.plugins import Degradation

RATIO_FREQUENCIES = tuple(k / 16 for k in range(1, 9))
"""Where the MTF ratio is told to the network [cycles/pixel]."""
SHARP_REGULARISATION = 0.1
"""Noise factor of the second, sharper linear estimate."""
LEVEL_DECADES = 1.5
"""Decades of noise power per unit of the two noise conditions."""
CHANNELS = ("state", "linear estimate", "sharper linear estimate")
CORRECTED = "linear estimate"
"""The channel that the network corrects: its answer without any evidence."""
CONDITIONS = (
    "strength",
    *(f"MTF ratio at {f:.4g} cycles/pixel" for f in RATIO_FREQUENCIES),
    "log10 noise power at 1/32 cycles/pixel",
    "log10 noise power at 1/2 cycles/pixel",
)


def conditions(frame: Frame, degradation: Degradation) -> NDArray[np.float32]:
    """Conditions at full strength, shape (11,); entry 0 is the strength and is set by the caller.

    Notes
    -----
    Frequencies are in cycles/pixel and noise power is at the open beam in pixel^2, so detectors of
    any pitch with equal curves per pixel look equal. Logarithms are centred and scaled to about +-1.
    """
    pitch = frame.pair.pixel_pitch_mm
    ratio = degradation.transfer(np.array(RATIO_FREQUENCIES) / pitch, 1.0)
    power = frame.noise.power(np.array([1 / 32, 1 / 2]) / pitch, 1.0) / pitch**2
    level = (np.log10(np.maximum(power, 1e-12)) + np.array([3.0, 4.3])) / LEVEL_DECADES
    return np.concatenate([[1.0], 2 * ratio - 1, level]).astype(np.float32)


def linear_estimates(frame: Frame, degradation: Degradation) -> tuple[Any, Any]:
    """Return the Wiener estimate and a sharper one, both of the frame's shape."""
    return (
        frame.filtered(frame.wiener_operator(degradation)),
        frame.filtered(frame.wiener_operator(degradation, regularisation=SHARP_REGULARISATION)),
    )
