"""Gain over frequency of the one linear filter that even ground gets (decision 0016)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.plugins import Degradation
from coldray.restoration.gate_constants import EvenConstants

Float = NDArray[np.float64]


def even_gain(
    degradation: Degradation, constants: EvenConstants, pixel_pitch_mm: float, frequency_lp_mm: Float
) -> Float:
    """Gain L of the linear filter on even ground.

    Parameters
    ----------
    degradation : object
        Offers ``transfer(frequency, strength)``.
    constants : EvenConstants
    pixel_pitch_mm : float
    frequency_lp_mm : ndarray
        Radial frequency [cycles/mm].

    Returns
    -------
    ndarray, same shape
        min(contrast * min(1/H, most_gain) * exp(-(u / roll_off)^4), largest), u in cycles/pixel.
    """
    transfer = np.maximum(degradation.transfer(frequency_lp_mm, 1.0), 1e-3)
    u = frequency_lp_mm * pixel_pitch_mm
    sharpening = np.minimum(1.0 / transfer, constants.most_gain) * np.exp(-((u / constants.roll_off) ** 4))
    return np.asarray(np.minimum(constants.contrast * sharpening, constants.largest))


def fixed_gain(
    degradation: Degradation, constants: EvenConstants, pixel_pitch_mm: float, frequency_lp_mm: Float
) -> Float:
    """Gain G + L (1 - H G) of the one filter that ground far from structure gets, over frequency [cycles/mm].

    Parameters
    ----------
    degradation : object
        Offers ``transfer(frequency, strength)``.
    constants : EvenConstants
    pixel_pitch_mm : float
        Pixel pitch [mm].
    frequency_lp_mm : ndarray
        Frequency [cycles/mm].

    Returns
    -------
    ndarray
        Of the shape of the frequencies.
    """
    u = frequency_lp_mm * pixel_pitch_mm
    base = sum(part.share * np.exp(-2.0 * (np.pi * part.sigma_px * u) ** 2) for part in constants.bases)
    gain = even_gain(degradation, constants, pixel_pitch_mm, frequency_lp_mm)
    return np.asarray(base + gain * (1.0 - degradation.transfer(frequency_lp_mm, 1.0) * base))
