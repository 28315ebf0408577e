"""Richardson-Lucy deconvolution with the blur's point-spread function (scikit-image)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods._psf import inner, mirrored, point_spread
from coldray.plugins import Degradation, Predictor

LEARNS = False
SMALLEST = 1e-4
"""Re-blurred signal under which a ratio is not trusted [fraction of open beam]."""


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = 10,
) -> NDArray[np.floating]:
    """Deconvolve by multiplicative updates.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor, rng : ignored
        The method neither learns nor draws.
    steps : int
        Iterations: more are sharper and noisier; stopping early is the only regularisation.

    Returns
    -------
    ndarray, shape (rows, cols)
        Non-negative up to a shift that keeps the mean.

    Raises
    ------
    SettingsError
        If `steps` is not positive.

    Notes
    -----
    Data range 1 (the open beam), nothing clipped. The frame is mirrored by twice the radius of the
    point-spread function, whose negative ripples are set to 0. The model, white Poisson noise, is wrong
    for a phosphor, whose noise is spread with its light; the method stands here as what people use.

    References
    ----------
    Richardson 1972, doi:10.1364/JOSA.62.000055; Lucy 1974, doi:10.1086/111605.
    """
    from skimage.restoration import richardson_lucy

    if steps < 1:
        raise SettingsError(f"{steps} iterations; at least 1 is needed")
    image = np.asarray(frame.blurred)
    psf = point_spread(frame, degradation)
    margin = psf.shape[0] - 1
    wide = richardson_lucy(mirrored(image, margin), psf, num_iter=steps, clip=False, filter_epsilon=SMALLEST)
    out = inner(wide, margin)
    return np.asarray(out + (image.mean() - out.mean()))
