"""Noise of the frame at hand: from its exposure, from flat fields, or from the image itself."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldray.errors import DetectorError, MeasurementError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.noise import NoiseModel

HIGH_BAND = (0.36, 0.5)
"""Band where a thick screen passes next to nothing but noise [cycles/pixel]."""
DISAGREEMENT = 2.0
"""Ratio of stated to estimated noise power beyond which the user is warned."""


def white_noise(detector: Detector, relative_sd: float = 0.01) -> NoiseModel:
    """Noise model of unknown colour: quantum noise as sharp as the detector's MTF allows is not assumed."""
    frequency = np.array([0.0, np.sqrt(2) * detector.nyquist_lp_mm])
    power = (relative_sd * detector.pixel_pitch_mm) ** 2
    return NoiseModel(FrequencyCurve(frequency, np.full(2, power)), 0.0, detector.pixel_pitch_mm, "estimated")


def reference_noise(detector: Detector) -> NoiseModel:
    """Noise of the detector's reference exposure, or white noise of 1 % if it has no NNPS."""
    if detector.nnps is None:
        return white_noise(detector)
    return NoiseModel.of_detector(detector, detector.nnps_exposure_s)


def noise_of_flats(flats: NDArray[np.floating], detector: Detector) -> NoiseModel:
    """Noise model from flat fields of the same exposure as the image.

    Parameters
    ----------
    flats : ndarray, shape (frames, rows, cols) or (rows, cols)
        Open-beam frames, any linear scale.
    detector : Detector
        States the pitch and, if it knows, the share of electronic noise.

    Returns
    -------
    NoiseModel

    Raises
    ------
    MeasurementError
        If the flats are too small.
    """
    from coldray.metrology.noise import flat_nnps

    stack = flats if flats.ndim == 3 else flats[None]
    measured = flat_nnps(stack, detector.pixel_pitch_mm)
    # several frames tell the temporal part apart; a fixed pattern is not noise of this frame alone
    curve = measured.radial
    electronic = 0.0
    if detector.electronic_fraction:
        electronic = float(curve.value.mean()) * detector.electronic_fraction
    frequency = np.concatenate([[0.0], curve.frequency_lp_mm, [np.sqrt(2) * detector.nyquist_lp_mm]])
    value = np.concatenate([curve.value[:1], curve.value, curve.value[-1:]])
    keep = np.concatenate([[True], np.diff(frequency) > 0])
    quantum = np.maximum(value[keep] - electronic, 0.0)
    return NoiseModel(FrequencyCurve(frequency[keep], quantum), electronic, detector.pixel_pitch_mm, "flats")


def noise_factor(image: NDArray[np.floating], model: NoiseModel) -> float:
    """Estimate how much more noise power an image holds than a model says.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam.
    model : NoiseModel
        Reference.

    Returns
    -------
    float
        Robust ratio of power in the band just below Nyquist; 1 if the model is right.

    Raises
    ------
    MeasurementError
        If the image is too small or has no signal.

    Notes
    -----
    The image is high-passed to `HIGH_BAND`; in each 16x16 block the variance is compared with what
    the model says at the block's mean signal. Edges only ever add power, so the lower quartile of the
    block ratios is used, scaled by the chi-square law of a block.
    """
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


def noise_of_image(image: NDArray[np.floating], detector: Detector) -> NoiseModel:
    """Noise model with the detector's colour and the level found in the image."""
    reference = reference_noise(detector)
    factor = float(np.clip(noise_factor(image, reference), 1e-4, 1e4))
    scaled = reference.scaled(factor)
    return NoiseModel(scaled.quantum, scaled.electronic_mm2, scaled.pixel_pitch_mm, "estimated")


def choose_noise(
    image: NDArray[np.floating],
    detector: Detector,
    exposure_s: float | None = None,
    flats: NDArray[np.floating] | None = None,
) -> tuple[NoiseModel, list[str]]:
    """Noise from the exposure, from flats, or estimated; warns when they disagree.

    Raises
    ------
    DetectorError
        If an exposure is given for a detector without NNPS.
    """
    if flats is not None:
        model = noise_of_flats(flats, detector)
    elif exposure_s is not None:
        model = NoiseModel.of_detector(detector, exposure_s)
    else:
        try:
            return noise_of_image(image, detector), []
        except MeasurementError as problem:
            return reference_noise(detector), [f"{problem}; the detector's reference exposure is assumed"]
    try:
        factor = noise_factor(image, model)
    except (MeasurementError, DetectorError):
        return model, []
    if factor > DISAGREEMENT or factor < 1 / DISAGREEMENT:
        return model, [
            f"the image holds {factor:.2g} times the noise power that the {model.source} state; "
            "check the open-beam level, the exposure, or whether the image was filtered"
        ]
    return model, []
