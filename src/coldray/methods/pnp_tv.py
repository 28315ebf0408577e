"""Plug-and-play with total variation as the denoiser: no network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.frame import Frame
from coldray.methods.pnp import STEPS, TRUST, half_quadratic
from coldray.plugins import Degradation, Predictor

LEARNS = False
TV_WEIGHT = 1.0
"""Weight of the denoiser per standard deviation of the noise it is to remove."""
ITERATIONS = 60


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = STEPS,
    trust: float = TRUST,
) -> NDArray[np.floating]:
    """Alternate between fitting the measurement and flattening.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor, rng : ignored
        The method has no network and does not draw.
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
    The data step is that of `coldray.methods.pnp`.
    """
    from skimage.restoration import denoise_tv_chambolle

    def flatten(image: NDArray[np.floating], level: float) -> NDArray[np.floating]:
        return denoise_tv_chambolle(np.asarray(image), weight=TV_WEIGHT * level, max_num_iter=ITERATIONS)

    start = frame.wiener_operator(degradation)(frame.blurred)
    return half_quadratic(frame, degradation, start, flatten, steps, trust)
