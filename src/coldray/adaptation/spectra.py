"""Cross powers of images by radial frequency: what two images with independent noise share."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

Float = NDArray[np.float64]
Spectrum = NDArray[np.complexfloating]


class Spectra:
    """Hann-tapered Fourier transforms of images of one shape.

    Parameters
    ----------
    shape : (rows, cols)
    step : float
        Width of the bins of radial frequency [cycles/pixel].
    """

    def __init__(self, shape: tuple[int, int], step: float) -> None:
        rows, cols = shape
        self._taper = np.hanning(rows)[:, None] * np.hanning(cols)[None, :]
        radial = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None, :])
        self._place = (radial / step).astype(np.intp).ravel()
        # all columns but the first and, of an even number, the last stand for two
        twice = np.full(cols // 2 + 1, 2.0)
        twice[0] = 1.0
        if cols % 2 == 0:
            twice[-1] = 1.0
        self._weight = np.broadcast_to(twice, radial.shape) / (float(np.sum(self._taper**2)) * rows * cols)

    def of(self, image: NDArray[np.floating]) -> Spectrum:
        """Transform of an image less its mean."""
        return np.asarray(scipy.fft.rfft2((image - image.mean(dtype=np.float64)) * self._taper))

    def cross(self, one: Spectrum, other: Spectrum) -> Float:
        """Variance that two images share, per bin from 0 to the diagonal Nyquist frequency."""
        product = np.real(one * np.conj(other)) * self._weight
        return np.asarray(np.bincount(self._place, product.ravel()), dtype=np.float64)
