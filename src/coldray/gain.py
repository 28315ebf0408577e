"""The gain with which the measurement corrects the prediction, and what that leaves of a wrong one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import SettingsError
from coldray.frame import Frame, Gain
from coldray.physics.curves import FrequencyCurve
from coldray.physics.transfer import TransferOperator
from coldray.plugins import Degradation
from coldray.settings import GAINS

DETAIL_SHARE = 0.4
"""Share of `unshared_gain` at which a linear observer loses little of what it finds in the raw frame (decision 0013)."""


def share_of(
    gain: str, calibrated: FrequencyCurve | None, least: FrequencyCurve | None = None
) -> FrequencyCurve | None:
    """Share of `unshared_gain` for a choice of K; None for K = 1.

    Parameters
    ----------
    gain : {"calibrated", "detail", "paper", "network"}
        "detail" puts back at least `DETAIL_SHARE` of what the network leaves unexplained: in even areas a good network
        answers with next to nothing but its mean, and what it took for noise is lost to every observer.
    calibrated : FrequencyCurve, optional
        The model's own share, over cycles/pixel; None if K = 1 was best, or nothing was calibrated.
    least : FrequencyCurve, optional
        Least share of "calibrated" and "detail" over cycles/pixel: under the gate the network is corrected where it rules.

    Raises
    ------
    SettingsError
        If there is no such choice.

    Examples
    --------
    >>> from coldray.gain import share_of
    >>> share_of("paper", None) is None, float(share_of("network", None)(0.3))
    (True, 0.0)
    """
    if gain not in GAINS:
        raise SettingsError(f"gain {gain!r}: choose one of {', '.join(GAINS)}")
    if gain == "network":
        return FrequencyCurve(np.array([0.0, 1.0]), np.zeros(2))
    if gain == "paper" or calibrated is None:
        return None
    floor = DETAIL_SHARE if gain == "detail" else 0.0
    if least is None and floor == 0:
        return calibrated
    points = [calibrated.frequency_lp_mm, *(() if least is None else (least.frequency_lp_mm,))]
    u = np.unique(np.concatenate(points))
    lowest = np.full(u.shape, floor) if least is None else np.maximum(least(u), floor)
    return FrequencyCurve(u, np.maximum(calibrated(u), lowest))


def unshared_gain(frame: Frame, degradation: Degradation, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
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


def consistency_curve(frame: Frame, degradation: Degradation, share: FrequencyCurve) -> Gain:
    """Gain K over frequency [cycles/mm] with which the measurement corrects the prediction; 1 at zero.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    share : FrequencyCurve
        Share of the full gain over cycles/pixel, as it was calibrated with the model.

    Returns
    -------
    callable
        Gain of a frequency [cycles/mm].
    """
    pitch = frame.pair.pixel_pitch_mm

    def gain(f: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(f == 0, 1.0, unshared_gain(frame, degradation, f) * share(f * pitch))

    return gain


def consistency_gain(frame: Frame, degradation: Degradation, share: FrequencyCurve | None) -> TransferOperator | None:
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
    return frame.directional_operator(lambda part, blur: consistency_curve(part, blur, share), degradation)


def residual_gain(frame: Frame, degradation: Degradation, share: FrequencyCurve | None) -> Gain:
    """Share of a wrong prediction that the data-consistency step leaves, over frequency [cycles/mm].

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    share : FrequencyCurve, optional
        As for `consistency_gain`; None for the paper's K = 1.

    Returns
    -------
    callable
        1 - H K: with out = xbar + K (y - H xbar), y - H out = (1 - H K) (y - H xbar).
    """
    kept = np.ones_like if share is None else consistency_curve(frame, degradation, share)

    def gain(f: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1.0 - degradation.transfer(f, 1.0) * kept(f))

    return gain
