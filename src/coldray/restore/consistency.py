"""Re-blur and compare with the input; the gain with which the measurement corrects the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.degradations._operator import TransferOperator
from coldray.methods._frame import Frame
from coldray.physics.curves import FrequencyCurve


def unshared_gain(frame: Frame, degradation: Any, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain of the data-consistency step for a prediction whose error is a Wiener filter's, blind to the noise.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    frequency_lp_mm : ndarray
        Radial frequency [cycles/mm].

    Returns
    -------
    ndarray, same shape
        K_0 = H P_e / (H^2 P_e + N) with P_e = S N / (H^2 S + N); 1 at zero frequency.
    """
    transfer = degradation.transfer(frequency_lp_mm, 1.0)
    noise = frame.noise.power(frequency_lp_mm, frame.mean_signal)
    contrast = frame.contrast_power(frequency_lp_mm)
    error = contrast * noise / (transfer**2 * contrast + noise)
    return np.where(frequency_lp_mm == 0, 1.0, transfer * error / (transfer**2 * error + noise))


def consistency_gain(frame: Frame, degradation: Any, share: FrequencyCurve | None) -> TransferOperator | None:
    """Gain K(u) with which the measurement corrects the prediction.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    share : FrequencyCurve, optional
        Share of `unshared_gain` that lowers the error on calibration boards, over frequency in cycles/pixel;
        stored with the model. None gives None, the paper's K = 1.

    Returns
    -------
    TransferOperator or None
        K = share * K_0, 1 at zero frequency.

    Notes
    -----
    The linear minimum-mean-square-error gain is S_er / S_rr with e = x_0 - xbar and r = y - H xbar. A good network
    has used y already: what is left in r tells it little, and the share falls towards 0.
    """
    if share is None:
        return None
    pitch = frame.pair.pixel_pitch_mm

    def gain(f: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(f == 0, 1.0, unshared_gain(frame, degradation, f) * share(f * pitch))

    return frame.radial_operator(gain)


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
