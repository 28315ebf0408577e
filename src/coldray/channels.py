"""What the network is shown: image channels and the vector of conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.errors import CheckpointError, SettingsError
from coldray.frame import Frame
from coldray.plugins import Degradation, Predictor

RATIO_FREQUENCIES = tuple(k / 16 for k in range(1, 9))
"""Where the MTF ratio is told to the network [cycles/pixel]."""
SHARP_REGULARISATION = 0.1
"""Noise factor of the second, sharper linear estimate."""
LEVEL_DECADES = 1.5
"""Decades of noise power per unit of a noise condition."""
CHANNELS = ("state", "linear estimate", "sharper linear estimate")
CORRECTED = "linear estimate"
"""The channel that the network corrects: its answer without any evidence."""
NOISE_FREQUENCIES = {"1/32": 1 / 32, "1/2": 1 / 2, "1/8": 1 / 8, "1/4": 1 / 4}
"""Where the noise power is told [cycles/pixel]; the first two came first, and models that know only these go on."""
NOISE_CENTRES = np.array([3.0, 4.3, 3.3, 3.7])
"""Minus the logarithm of the power [pixel^2] that is told as zero, one for each of `NOISE_FREQUENCIES`."""
NOISE_CONDITION = "log10 noise power at "
CONDITIONS = (
    "strength",
    *(f"MTF ratio at {f:.4g} cycles/pixel" for f in RATIO_FREQUENCIES),
    *(f"{NOISE_CONDITION}{f} cycles/pixel" for f in NOISE_FREQUENCIES),
    "share of the noise power at 1/2 cycles/pixel that does not depend on the signal",
)
"""All that a network may be told; a model is told those that its header names, see `places`."""
FIRST_CONDITIONS = 11
"""How many of them a network is told whose header names none."""


def conditions(frame: Frame, degradation: Degradation) -> NDArray[np.float32]:
    """All `CONDITIONS` at full strength; entry 0 is the strength and is set by the caller.

    Notes
    -----
    Frequencies are in cycles/pixel and noise power is at the open beam in pixel^2, so detectors of
    any pitch with equal curves per pixel look equal. Logarithms are centred and scaled to about +-1.
    """
    pitch = frame.pair.pixel_pitch_mm
    ratio = degradation.transfer(np.array(RATIO_FREQUENCIES) / pitch, 1.0)
    frequency = np.array(list(NOISE_FREQUENCIES.values())) / pitch
    power = np.maximum(frame.noise.power(frequency, 1.0) / pitch**2, 1e-12)
    level = (np.log10(power) + NOISE_CENTRES) / LEVEL_DECADES
    unchanging = min(frame.noise.electronic_mm2 / pitch**2 / power[1], 1.0)
    return np.concatenate([[1.0], 2 * ratio - 1, level, [unchanging]]).astype(np.float32)


def places(told: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where the conditions that a network knows stand in what a method tells.

    Parameters
    ----------
    told : sequence of str
        Names of all that the method tells, as its ``CONDITIONS``.
    names : sequence of str
        Names that the network was trained with.

    Raises
    ------
    CheckpointError
        If the method does not tell one of them.
    """
    missing = [name for name in names if name not in told]
    if missing:
        raise CheckpointError(f"the network needs to be told {missing[0]!r}, which the method does not tell")
    return [list(told).index(name) for name in names]


def needed(predictor: Predictor | None) -> Predictor:
    """The network of a method that cannot do without.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if predictor is None:
        raise SettingsError("the method needs a network; give a `predictor`, or a model")
    return predictor


def linear_estimates(frame: Frame, degradation: Degradation) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the Wiener estimate and a sharper one, both of the frame's shape."""
    return (
        frame.wiener_estimate(degradation),
        frame.filtered(frame.wiener_operator(degradation, regularisation=SHARP_REGULARISATION)),
    )
