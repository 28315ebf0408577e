"""Re-blur and compare with the input; the gain with which the measurement corrects the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.degradations._operator import TransferOperator
from coldray.methods._frame import Frame
from coldray.physics.curves import FrequencyCurve


def consistency_gain(frame: Frame, degradation: Any, error_ratio: FrequencyCurve | None) -> TransferOperator | None:
    """Gain K(u) of the data-consistency step, from the expected error of the prediction.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    error_ratio : FrequencyCurve, optional
        Error power of the prediction relative to the error power S N / (H^2 S + N) of a Wiener filter, as a function
        of frequency in cycles/pixel; measured on calibration boards and stored with the model.

    Returns
    -------
    TransferOperator or None
        K = H P_e / (H^2 P_e + N), 1 at zero frequency; None (the paper's K = 1) without calibration.

    Notes
    -----
    With uncorrelated prediction error e and noise n this K minimises the error of xbar + K (y - H xbar).
    """
    if error_ratio is None:
        return None
    f = frame.frequency_lp_mm
    transfer = degradation.transfer(f, 1.0)
    noise = frame.noise.power(f, frame.mean_signal)
    contrast = frame.prior(f) * np.maximum(frame.pair.sharp.mtf(f), frame.pair.floor) ** 2
    error = contrast * noise / (transfer**2 * contrast + noise) * error_ratio(f * frame.pair.pixel_pitch_mm)
    gain = transfer * error / (transfer**2 * error + noise)
    gain[0, 0] = 1.0
    return TransferOperator(gain)


def reblur_residual(frame: Frame, degradation: Any, restored: NDArray[np.floating]) -> dict[str, float]:
    """Compare the re-blurred result with the measurement.

    Returns
    -------
    dict
        ``residual_over_noise``: rms of y - H out over the rms of the noise at the local signal; 1 for a
        noise-free truth, below 1 where noise was kept, well above 1 where the result contradicts the data.
        ``mean_shift``: mean of out minus mean of y, fraction of the open beam.
    """
    y = np.asarray(frame.blurred)
    residual = y - frame.operator(degradation)(np.asarray(restored, dtype=np.float32))
    noise = np.sqrt(
        frame.noise.relative_sd(1.0) ** 2 * np.clip(y, 0.0, None) + frame.noise.relative_sd(0.0) ** 2 + 1e-12
    )
    return {
        "residual_over_noise": float(np.sqrt(np.mean((residual / noise) ** 2, dtype=np.float64))),
        "mean_shift": float(np.mean(restored, dtype=np.float64) - np.mean(y, dtype=np.float64)),
    }
