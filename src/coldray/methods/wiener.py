"""Wiener filter with the measured noise at the local dose, or with one scalar noise-to-signal ratio."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import SettingsError
from coldray.frame import Frame, Gain
from coldray.physics.transfer import TransferOperator
from coldray.plugins import Degradation, Predictor
from coldray.scratch import nearby

LEARNS = False
SIGNAL_LEVELS = (0.03, 0.1, 0.3, 1.0)
"""Local signal levels [fraction of open beam] between which the dose-dependent filters are blended."""
SIGNAL_SIGMA_PX = 4.0
SIGNAL_REACH_PX = 16
"""Where the Gaussian that tells the local signal is cut off."""
PRIOR_NODES = 256
"""Frequencies per direction, evenly spaced, over which the power of the object prior is summed."""


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    noise: str = "local",
    regularisation: float = 1.0,
) -> NDArray[np.floating]:
    """Linear restoration.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor, rng : ignored
        The method neither learns nor draws.
    noise : {"local", "mean", "scalar"}
        Measured noise power at the local signal; at the mean signal (one linear filter); or one white
        noise-to-signal ratio for all frequencies, as most papers use, the same for every image of one detector and exposure.
    regularisation : float
        Factor on the noise power; 1 is the filter of least squared error if noise and prior are right.

    Returns
    -------
    ndarray, shape (rows, cols)

    Raises
    ------
    SettingsError
        If `noise` is none of the three, or `regularisation` is not positive.
    """
    if not regularisation > 0:
        raise SettingsError(f"regularisation={regularisation}; it must be positive")
    if noise == "mean":
        return frame.wiener_operator(degradation, regularisation=regularisation)(frame.blurred)
    if noise == "scalar":
        return scalar_operator(frame, degradation, regularisation)(frame.blurred)
    if noise != "local":
        raise SettingsError(f"noise={noise!r}; choose local, mean or scalar")
    blurred = np.asanyarray(frame.blurred)
    place = nearby(_place, SIGNAL_REACH_PX, blurred)
    out = np.zeros_like(blurred)
    for number, level in enumerate(SIGNAL_LEVELS):
        share = nearby(partial(_share, number), 0, place)
        if share.any():
            filtered = frame.wiener_operator(degradation, signal=level, regularisation=regularisation)
            share *= frame.filtered(filtered)
            out += share
        del share
    del place
    return out + (blurred.mean() - out.mean())


def _place(blurred: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logarithm of the local signal, within that of the levels."""
    truncate = SIGNAL_REACH_PX / SIGNAL_SIGMA_PX
    local = scipy.ndimage.gaussian_filter(blurred, SIGNAL_SIGMA_PX, mode="reflect", truncate=truncate)
    return np.asarray(np.log(np.clip(local, SIGNAL_LEVELS[0], SIGNAL_LEVELS[-1])))


def _share(number: int, place: NDArray[np.floating]) -> NDArray[np.floating]:
    """Share of one level's filter at a logarithm of the local signal, in its type."""
    levels = np.log(SIGNAL_LEVELS)
    return np.asarray(np.interp(place, levels, np.eye(len(levels))[number]), dtype=place.dtype)


def scalar_operator(frame: Frame, degradation: Degradation, regularisation: float = 1.0) -> TransferOperator:
    """Plain Wiener filter H / (H^2 + NSR) with NSR = noise variance over signal variance, times `regularisation`.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    regularisation : float
        Factor on the ratio of noise to signal.

    Returns
    -------
    TransferOperator

    Notes
    -----
    Noise is that of the detector at the open beam, where flats are taken; the variance of the signal is that of the
    object prior as the sharp detector shows it up to Nyquist. Neither looks at the image, so an edge, a flat and a board
    of one exposure see one linear filter, whose MTF and NNPS belong together.
    """
    ratio = frame.noise.relative_sd(1.0) ** 2 / _expected_variance(frame)

    def gain_of(_: Frame, blur: Degradation) -> Gain:
        def gain(f: NDArray[np.float64]) -> NDArray[np.float64]:
            transfer = blur.transfer(f, 1.0)
            return np.where(f == 0, 1.0, transfer / (transfer**2 + regularisation * ratio))

        return gain

    return frame.directional_operator(gain_of, degradation)


def _expected_variance(frame: Frame) -> float:
    """Variance of one pixel of the sharp image by the object prior: its power over the square of frequencies up to Nyquist."""
    axis = (np.arange(PRIOR_NODES) + 0.5) / PRIOR_NODES / (2 * frame.pair.pixel_pitch_mm)
    return float(frame.contrast_power(np.hypot(axis[:, None], axis)).mean()) / frame.pair.pixel_pitch_mm**2
