"""Noise of a frame as version 0.1 found it, so that its records can be repeated: level from one band, colour stated."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.physics.detector import Detector
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.noise import NoiseModel
from coldray.restoration.noise import noise_of_nnps, reference_noise

HIGH_BAND = (0.36, 0.5)
"""Band where the level was taken from [cycles/pixel]."""


def noise_as_in_0_1(
    image: NDArray[np.floating],
    detector: Detector,
    exposure_s: float | None = None,
    flats: NDArray[np.number] | None = None,
) -> NoiseModel:
    """Noise that version 0.1 took for an image.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam.
    detector : Detector
    exposure_s : float, optional
        Exposure of one frame [s]; believed.
    flats : ndarray, optional
        Flat fields; believed.

    Returns
    -------
    NoiseModel
    """
    if flats is not None:
        return _noise_of_flats(flats, detector)
    if exposure_s is not None:
        return NoiseModel.of_detector(detector, exposure_s)
    reference = reference_noise(detector)
    try:
        factor = float(np.clip(_noise_factor(image, reference), 1e-4, 1e4))
    except MeasurementError:
        return reference
    scaled = reference.scaled(factor)
    return NoiseModel(scaled.quantum, scaled.electronic_mm2, scaled.pixel_pitch_mm, "estimated")


def _noise_of_flats(flats: NDArray[np.number], detector: Detector) -> NoiseModel:
    """Noise of flats with everything that they show, a fixed pattern too."""
    from coldray.metrology.noise import flat_nnps

    stack = flats if flats.ndim == 3 else flats[None]
    return noise_of_nnps(flat_nnps(stack, detector.pixel_pitch_mm).radial, detector)


def _noise_factor(image: NDArray[np.floating], model: NoiseModel) -> float:
    """Lower quartile of block variances just below Nyquist over those of a model."""
    block = 16
    rows, cols = (n // block * block for n in image.shape)
    if rows < 4 * block or cols < 4 * block:
        raise MeasurementError(
            f"the image is {image.shape[0]}x{image.shape[1]} pixels; noise needs at least 64x64 to be estimated"
        )
    part = np.asarray(image[:rows, :cols], dtype=np.float32)
    frequency = dct_radial_frequency(part.shape, 1.0)
    band = ((frequency >= HIGH_BAND[0]) & (frequency < HIGH_BAND[1])).astype(np.float32)
    high = scipy.fft.idctn(scipy.fft.dctn(part, norm="ortho", workers=-1) * band, norm="ortho", workers=-1)

    def blocks(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return values.reshape(rows // block, block, cols // block, block).mean(axis=(1, 3), dtype=np.float64)

    signal = blocks(part)
    variance = blocks(high**2)
    share = float(band.mean())
    pitch = model.pixel_pitch_mm
    inside = np.linspace(*HIGH_BAND, 16) / pitch
    quantum = float(np.average(model.quantum(inside), weights=inside)) * share / pitch**2
    electronic = model.electronic_mm2 * share / pitch**2
    bright = signal > 0.02 * max(float(signal.max()), 1e-9)
    if not bright.any() or signal.max() <= 0:
        raise MeasurementError("the image has no signal; noise cannot be estimated")
    ratio = variance[bright] / (quantum * signal[bright] + electronic)
    degrees = block * block * share
    # lower quartile of a chi-square with many degrees, relative to its mean
    expected = 1 - 0.6745 * np.sqrt(2 / degrees)
    return float(np.quantile(ratio, 0.25) / expected)
