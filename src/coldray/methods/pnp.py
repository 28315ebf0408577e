"""Plug-and-play: half-quadratic splitting between an NPS-whitened data term and the network as a denoiser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods import cold
from coldray.methods.tv import filtered_noise_sd
from coldray.physics.transfer import TransferOperator
from coldray.plugins import Degradation, Predictor

LEARNS = True
CHANNELS = channels.CHANNELS
CONDITIONS = channels.CONDITIONS
example = cold.example
"""The denoiser is the cold network at strength 0, so its examples are cold's."""
STEPS, TRUST = 4, 0.3
"""Rounds, and weight of the denoised image against the measurement."""
LAST_LEVEL = 0.5
"""Noise the denoiser removes in the last step, over the frame's own (as a standard deviation)."""


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = STEPS,
    trust: float = TRUST,
) -> NDArray[np.floating]:
    """Alternate between fitting the measurement and denoising.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor : callable
        ``predictor(channels, conditions)`` for the whole frame; the denoiser.
    rng : ignored
        The method does not draw.
    steps : int
        Rounds of one data step and one denoising, at least 1.
    trust : float
        Weight of the denoised image against the measurement; larger relies more on the denoiser.

    Returns
    -------
    ndarray, shape (rows, cols)
        The last denoised image, with the measurement's mean.

    Raises
    ------
    SettingsError
        If `steps` or `trust` is not positive.

    Notes
    -----
    Data step: min_x |(y - H x) / sqrt(N)|^2 + |x - z|^2 / s^2 weighs every frequency by its noise power N(u)
    and is solved by x = (H y / N + rho z) / (H^2 / N + rho) with rho = trust / s^2, one gain per DCT coefficient.
    The assumed noise level s falls geometrically from that of the first linear estimate to `LAST_LEVEL` times the
    frame's.

    The network as a denoiser: it is trained on D_t(x_0) + n with all of the noise n at every strength, so at
    strength 0 it takes x_0 + n to x_0. It is shown the data step's x as that state, strength 0, and noise
    powers scaled so that one pixel has standard deviation s; the linear estimates stay those of the frame.

    References
    ----------
    Zhang et al., Plug-and-play image restoration with deep denoiser prior (DPIR), arXiv:2008.13751.
    """
    linear = channels.linear_estimates(frame, degradation)
    conditions = channels.conditions(frame, degradation)
    own = filtered_noise_sd(frame, np.ones(frame.shape))

    def denoise(x: NDArray[np.floating], level: float) -> NDArray[np.floating]:
        at = conditions.copy()
        at[0] = 0.0
        at[-2:] = conditions[-2:] + 2 * np.log10(level / own) / channels.LEVEL_DECADES
        return channels.needed(predictor)((x, *linear), at)

    return half_quadratic(frame, degradation, linear[0], denoise, steps, trust)


def half_quadratic(
    frame: Frame,
    degradation: Degradation,
    start: NDArray[np.floating],
    denoise: Callable[[NDArray[np.floating], float], NDArray[np.floating]],
    steps: int,
    trust: float,
) -> NDArray[np.floating]:
    """Alternate between the data step and any denoiser.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    start : ndarray, shape (rows, cols)
        First linear estimate.
    denoise : callable
        ``denoise(image, level)``, with the standard deviation of the noise to remove [fraction of open beam].
    steps : int
    trust : float

    Returns
    -------
    ndarray, shape (rows, cols)
        The last denoised image, with the measurement's mean.

    Raises
    ------
    SettingsError
        If `steps` or `trust` is not positive.
    """
    if steps < 1 or trust <= 0:
        raise SettingsError(f"steps={steps}, trust={trust}; both must be positive")
    y = frame.blurred
    own = filtered_noise_sd(frame, np.ones(frame.shape))
    filtered = filtered_noise_sd(frame, frame.wiener_operator(degradation).transfer)
    z = start
    for level in np.geomspace(max(filtered, own), LAST_LEVEL * own, steps):
        fit, keep = data_step(frame, degradation, trust / level**2)
        z = denoise(fit(y) + keep(z), level)
    return z + (y.mean() - z.mean())


def data_step(frame: Frame, degradation: Degradation, rho: float) -> tuple[TransferOperator, TransferOperator]:
    """Closed form of the data step as gains on the measurement and on the denoised image.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    rho : float
        Weight of the denoised image [1 / fraction of open beam squared, per pixel].

    Returns
    -------
    fit, keep : TransferOperator
        x = fit(y) + keep(z); H fit + keep = 1.
    """
    f = frame.frequency_lp_mm
    transfer = degradation.transfer(f, 1.0)
    ratio = rho * frame.noise.power(f, frame.mean_signal) / frame.pair.pixel_pitch_mm**2
    below = transfer**2 + ratio
    return TransferOperator(transfer / below), TransferOperator(ratio / below)
