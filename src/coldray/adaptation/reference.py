"""How wrong a measured reference is, noise apart: what of it no noise-free blurred frame could give through any linear filter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.adaptation.checks import seen_of
from coldray.dataset.frames import BoardImages

STEP = 0.01
"""Width of the bins of radial frequency [cycles/pixel]: the blur hardly changes within one."""

Float = NDArray[np.float64]


def reference_error(images: BoardImages) -> float:
    """Mean squared error that both halves of a board's sharp frames share.

    Parameters
    ----------
    images : BoardImages
        Registered, references in the blurred detector's response, with two blurred frames or more.

    Returns
    -------
    float
        [fraction of the open beam, squared]; not below 0.

    Notes
    -----
    sum over frequency of P_AB (1 - g^2), g^2 = P_YA^2 / (P_YY P_AB) the coherence of blurred frames Y and halves A, B of the sharp
    ones, every power the cross power of two images with independent noise. A reference that is the sharp image of the same
    scene in the same response has coherence 1 whatever the blur; registration, interpolation, aliasing, fixed pattern and a
    response that differs between materials lower it. A scale in common (response) is not seen.
    """
    assert images.frames is not None and images.halves is not None and len(images.frames) > 1
    window = seen_of(images)
    halves = [half[window] for half in images.halves]
    blurred = [images.frames[first::2].mean(axis=0)[window] for first in range(2)]
    spectra = Spectra([*halves, *blurred])
    sharp, thick = spectra.cross(0, 1), spectra.cross(2, 3)
    between = 0.25 * sum(spectra.cross(y, a) for y in (2, 3) for a in (0, 1))
    # where the blurred frames show nothing, nothing speaks for the reference
    explained = np.where(thick > 0, between**2 / np.maximum(thick, 1e-30), 0.0)
    return max(float(np.sum(sharp - explained)), 0.0)


class Spectra:
    """Windowed Fourier transforms of images of one shape, and their cross powers.

    Parameters
    ----------
    images : sequence of ndarray, shape (rows, cols)
    """

    def __init__(self, images: Sequence[NDArray[np.floating]]) -> None:
        rows, cols = images[0].shape
        window = np.hanning(rows)[:, None] * np.hanning(cols)[None, :]
        self._transforms = [scipy.fft.fft2((image - image.mean()) * window) for image in images]
        radial = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(cols)[None, :])
        self._place = (radial / STEP).astype(np.intp).ravel()
        self._power = float(np.sum(window**2)) * rows * cols

    def cross(self, one: int, other: int) -> Float:
        """Variance that two images share, per bin of radial frequency."""
        product = np.real(self._transforms[one] * np.conj(self._transforms[other])).ravel()
        return np.asarray(np.bincount(self._place, product) / self._power)
