"""Gd2O2S:Tb screen of any loading on square pixels: ``phosphor:LOADING_MG_CM2``."""

from __future__ import annotations

import numpy as np

from coldray.errors import DetectorError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.screen import gos_screen, open_beam_nnps
from coldray.physics.source import AIR_KERMA_RATE_UGY_S


def detector(argument: str, pixel_pitch_mm: float) -> Detector:
    """Build the detector of a screen model.

    Parameters
    ----------
    argument : str
        Phosphor loading [mg/cm2] as text.
    pixel_pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    Detector
        Screen MTF times pixel aperture, and the closed-form NNPS of a 1 s frame at 42.56 uGy/s.

    Raises
    ------
    DetectorError
        If the argument is not a number, or the pitch not positive and finite.
    """
    try:
        loading = float(argument)
    except ValueError:
        raise DetectorError(f"phosphor loading {argument!r} is not a number of mg/cm2") from None
    if not 0 < pixel_pitch_mm < np.inf:
        raise DetectorError(f"pixel pitch is {pixel_pitch_mm} mm; it must be positive and finite")
    screen = gos_screen(loading)
    last = np.sqrt(0.5) / pixel_pitch_mm
    frequency = np.linspace(0, last, 181)
    mtf = screen.mtf(frequency) * np.sinc(pixel_pitch_mm * frequency)
    # the NNPS of a square pixel is not quite radial; the 14-line convention looks near the axis
    quantum, electronic = open_beam_nnps(screen, pixel_pitch_mm, AIR_KERMA_RATE_UGY_S, frequency, 0.0)
    total = quantum + electronic
    inside = frequency <= 0.5 / pixel_pitch_mm
    mean_total = float((total * frequency)[inside].sum() / frequency[inside].sum())
    return Detector(
        name=f"gos{loading:.0f}",
        pixel_pitch_mm=pixel_pitch_mm,
        mtf=FrequencyCurve(frequency, mtf),
        nnps=FrequencyCurve(frequency, total),
        nnps_exposure_s=1.0,
        electronic_fraction=float(electronic[0]) / mean_total,
        loading_mg_cm2=loading,
        description="Swank model of a Gd2O2S:Tb screen at 70 kV (2.5 mm Al), 42.56 uGy/s; simulated, not measured",
    )
