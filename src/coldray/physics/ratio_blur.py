"""Eq. 1 on a whole image: the MTF ratio of a detector pair with half-sample symmetric borders."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.physics.grids import dct_radial_frequency
from coldray.physics.pair import DetectorPair


def ratio_blur(image: NDArray[np.number], pair: DetectorPair) -> NDArray[np.float32]:
    """Blur a sharp image as the pair's thick screen would.

    Parameters
    ----------
    image : ndarray, shape (..., rows, cols)
        Sharp detector's image, fraction of the open beam.
    pair : DetectorPair

    Returns
    -------
    ndarray of float32, shape of `image`
        The mean is kept; nothing wraps from one border to the other.

    References
    ----------
    Oh et al., diffusion-inspired deblur model for X-ray detectors, eq. 1.
    """
    rows, cols = image.shape[-2:]
    gain = pair.ratio(dct_radial_frequency((rows, cols), pair.pixel_pitch_mm)).astype(np.float32)
    spectrum = scipy.fft.dctn(np.asarray(image, dtype=np.float32), axes=(-2, -1), norm="ortho")
    return np.asarray(scipy.fft.idctn(spectrum * gain, axes=(-2, -1), norm="ortho"), dtype=np.float32)
