"""Wiener filter followed by total-variation denoising whose weight is the measured noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.plugins import Degradation, Predictor

LEARNS = False
REGULARISATION = 0.3
"""Noise factor of the filter before: sharper than the best linear filter, as the second step removes noise."""
WEIGHT = 1.0
"""Weight of the total variation per standard deviation of the filtered noise."""
ITERATIONS = 60


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    weight: float = WEIGHT,
    regularisation: float = REGULARISATION,
) -> NDArray[np.floating]:
    """Sharpen linearly, then flatten what noise remains.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor, rng : ignored
        The method neither learns nor draws.
    weight : float
        Weight of the total variation in standard deviations of the noise behind the filter.
    regularisation : float
        Factor on the noise power in the filter; below 1 leaves more detail and more noise.

    Returns
    -------
    ndarray, shape (rows, cols)

    Raises
    ------
    SettingsError
        If an option is not positive.

    References
    ----------
    Chambolle 2004, doi:10.1023/B:JMIV.0000011325.36760.1e (scikit-image's solver).
    """
    from skimage.restoration import denoise_tv_chambolle

    if weight < 0 or regularisation <= 0:
        raise SettingsError(f"weight={weight}, regularisation={regularisation}; both must be positive")
    image = np.asarray(frame.blurred)
    filtered = frame.wiener_operator(degradation, regularisation=regularisation)
    sharpened = filtered(image)
    sd = filtered_noise_sd(frame, filtered.transfer)
    if weight * sd == 0:
        return np.asarray(sharpened)
    out = denoise_tv_chambolle(sharpened, weight=weight * sd, max_num_iter=ITERATIONS)
    return np.asarray(out + (image.mean() - out.mean()))


def filtered_noise_sd(frame: Frame, gain: NDArray[np.floating]) -> float:
    """Standard deviation of one pixel's noise at the mean signal behind a filter [fraction of open beam]."""
    power = frame.noise.power(frame.frequency_lp_mm, frame.mean_signal) * np.square(gain)
    return float(np.sqrt(power.mean()) / frame.pair.pixel_pitch_mm)
