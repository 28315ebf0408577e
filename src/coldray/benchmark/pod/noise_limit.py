"""What noise alone would allow: the probability of detection on even ground, in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from coldray.benchmark.pod.defects import Stamp
from coldray.benchmark.pod.reading import FALSE_CALLS
from coldray.metrology.pod.curve import DETECTION
from coldray.physics.grids import dft_axes
from coldray.physics.noise import NoiseModel

Float = NDArray[np.float64]


def pod_on_even_ground(one: Stamp, noise: NoiseModel, level: float) -> float:
    """Probability that the reader finds a defect in the raw frame where the ground is even and the noise is known.

    Parameters
    ----------
    one : Stamp
    noise : NoiseModel
    level : float
        Signal of the ground, fraction of the open beam.

    Returns
    -------
    float

    Notes
    -----
    Channel outputs are normal: covariance K of the noise at `level`, mean dv of the defect, and for voids the further
    covariance of the quanta that they let through. With w = K^-1 dv the threshold lies where Phi(-t / sqrt(w K w)) is the
    false-call rate.
    """
    side, count = one.side, len(one.channels)
    wide = 4 * side
    v, u = dft_axes((wide, wide), noise.pixel_pitch_mm)
    frequency = np.hypot(v, u)
    channels = one.channels.reshape(count, side, side).astype(np.float64)
    spectra = np.fft.fft2(channels, s=(wide, wide)).reshape(count, -1)
    power = noise.power(frequency, level).ravel() / noise.pixel_pitch_mm**2
    covariance = (spectra.conj() * power @ spectra.T).real / wide**2
    shown = level * one.channels @ one.image.ravel()
    # what hotelling_template learns from images, from their covariance itself
    template = np.linalg.pinv(covariance, hermitian=True) @ shown
    amplitude = np.sqrt(noise.quantum(frequency)) / noise.pixel_pitch_mm
    seen = np.fft.ifft2(spectra.reshape(count, wide, wide) * amplitude).real
    # the colouring reaches beyond the patch: the quanta lie where the defect is
    quanta = np.maximum(level * one.image, 0.0)
    more = np.einsum("ixy,jxy,xy->ij", seen[:, :side, :side], seen[:, :side, :side], quanta)
    sd = float(np.sqrt(template @ covariance @ template))
    threshold = float(ndtri(1 - FALSE_CALLS)) * sd
    spread = float(np.sqrt(template @ (covariance + more) @ template))
    return float(ndtr((template @ shown - threshold) / spread))


def a90_on_even_ground(
    of: Callable[[float], Stamp], sizes_mm: tuple[float, float], noise: NoiseModel, level: float
) -> float | None:
    """Size [mm] found with 90 % probability on even ground; None if it lies outside of a range of sizes."""
    from scipy.optimize import brentq

    def excess(log_size: float) -> float:
        return pod_on_even_ground(of(float(np.exp(log_size))), noise, level) - DETECTION

    low, high = np.log(sizes_mm)
    if excess(low) > 0 or excess(high) < 0:
        return None
    return float(np.exp(brentq(excess, low, high, xtol=1e-4)))
