"""Wiener filter that estimates its own scalar noise and signal levels by Gibbs sampling (scikit-image)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods._psf import inner, mirrored, point_spread
from coldray.physics.grids import dft_axes
from coldray.plugins import Degradation, Predictor

LEARNS = False
STOCHASTIC = True


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    iterations: int = 60,
) -> NDArray[np.floating]:
    """Restore without being told the noise.

    Parameters
    ----------
    frame : Frame
        The blurred frame; of its noise the method uses nothing.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor : ignored
        The method does not learn.
    rng : numpy.random.Generator
        Of the Gibbs sampler.
    iterations : int
        Gibbs samples at most, more than 31; the first 15 are not counted.

    Returns
    -------
    ndarray, shape (rows, cols)

    Raises
    ------
    SettingsError
        If there is no `rng` or too few iterations.

    Notes
    -----
    White noise and a Laplacian prior, both of unknown level. Data range 1 (the open beam), nothing
    clipped. The transfer function is used as it is, on the frame mirrored by twice the radius of the
    point-spread function, so the wrap of the transform stays outside.

    References
    ----------
    Orieux, Giovannelli and Rodet 2010, doi:10.1364/JOSAA.27.001593.
    """
    from skimage.restoration import unsupervised_wiener

    if rng is None:
        raise SettingsError("the unsupervised Wiener filter draws samples; give a random state")
    if iterations < 32:
        raise SettingsError(f"{iterations} iterations; at least 32 are needed")
    image = np.asarray(frame.blurred)
    margin = point_spread(frame, degradation).shape[0] - 1
    wide = mirrored(image, margin)
    v, u = dft_axes((wide.shape[0], wide.shape[1]), frame.pair.pixel_pitch_mm)
    transfer = degradation.transfer(np.hypot(v, u[:, : wide.shape[1] // 2 + 1]), 1.0)
    restored, _ = unsupervised_wiener(wide, transfer, clip=False, rng=rng, user_params={"max_num_iter": iterations})
    out = inner(restored, margin)
    return np.asarray(out + (image.mean() - out.mean()))
