"""The blur as a point-spread function and borders that reach beyond it, for tools that know neither DCT nor MTF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.frame import Frame
from coldray.physics.grids import dft_axes
from coldray.plugins import Degradation

GRID_SIDE = 255
"""Grid on which the point-spread function is computed [pixels]."""
TAIL = 0.01
"""Share of the point-spread function that may lie outside its window; the rest is renormalised to 1."""


def point_spread(frame: Frame, degradation: Degradation) -> NDArray[np.float64]:
    """Point-spread function of the full blur, odd square, non-negative, sum 1.

    Notes
    -----
    Inverse transform of H on a 255-pixel grid. H does not vanish at Nyquist, so its band limit leaves
    ripples of both signs; negative ones (0.3 % of the sum for the built-in pair) are set to 0, as
    Richardson-Lucy needs a distribution.
    """
    pitch = frame.pair.pixel_pitch_mm
    v, u = dft_axes((GRID_SIDE, GRID_SIDE), pitch)
    psf = np.fft.fftshift(np.fft.ifft2(degradation.transfer(np.hypot(v, u), 1.0)).real)
    psf = np.maximum(psf, 0.0)
    half = GRID_SIDE // 2
    axis = np.abs(np.arange(GRID_SIDE) - half)
    distance = np.maximum(axis[:, None], axis)
    inside = np.cumsum(np.bincount(distance.ravel(), psf.ravel()))
    radius = int(np.searchsorted(inside, (1 - TAIL) * inside[-1]))
    psf = psf[half - radius : half + radius + 1, half - radius : half + radius + 1]
    return psf / psf.sum()


def mirrored(image: NDArray[np.number], margin: int) -> NDArray[np.number]:
    """Half-sample symmetric extension by `margin` pixels on every side, any distance out."""
    return np.pad(image, margin, mode="symmetric")


def inner(image: NDArray[np.number], margin: int) -> NDArray[np.number]:
    """Take back the extension."""
    return image[margin:-margin, margin:-margin] if margin else image
