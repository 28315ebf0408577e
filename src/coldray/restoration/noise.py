"""Noise of the frame at hand: from the image itself, checked against its exposure or flat fields where these are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.noise import NoiseModel
from coldray.restoration.noise_blocks import quiet_blocks
from coldray.restoration.noise_fit import NoiseFamily, fit_noise

OCTAVES = ((1 / 16, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2))
"""Bands in which stated and found noise are compared [cycles/pixel]; structure matters least in the last."""
DISAGREEMENT = 2.0
"""Ratio of found to stated noise power within which what is stated is believed."""
SURE = 3.0
"""A disagreement counts from this many standard uncertainties of the noise that was found."""


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
        If the flats are too small, or equal each other.

    Notes
    -----
    Of several frames the differences of neighbours are measured: a fixed pattern, a heel or a gain map that the image was
    corrected for is in every frame alike and is no noise of it. One frame cannot tell them apart; its trend is removed.
    """
    from coldray.metrology.noise import flat_nnps

    stack = np.asarray(flats if flats.ndim == 3 else flats[None])
    if len(stack) > 1:
        scaled = stack / stack.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        stack = 1.0 + (scaled[1:] - scaled[:-1]) / np.sqrt(2)
    curve = flat_nnps(stack, detector.pixel_pitch_mm).radial
    electronic = 0.0
    if detector.electronic_fraction:
        electronic = float(curve.value.mean()) * detector.electronic_fraction
    frequency = np.concatenate([[0.0], curve.frequency_lp_mm, [np.sqrt(2) * detector.nyquist_lp_mm]])
    value = np.concatenate([curve.value[:1], curve.value, curve.value[-1:]])
    keep = np.concatenate([[True], np.diff(frequency) > 0])
    quantum = np.maximum(value[keep] - electronic, 0.0)
    return NoiseModel(FrequencyCurve(frequency[keep], quantum), electronic, detector.pixel_pitch_mm, "flats")


def noise_of_image(image: NDArray[np.floating], detector: Detector) -> NoiseModel:
    """Noise model of one image, from the image alone.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam, at least 64 x 64.
    detector : Detector
        Its NNPS gives the colour where it has one, else its MTF the family of colours.

    Returns
    -------
    NoiseModel
        With its uncertainty over frequency.

    Raises
    ------
    MeasurementError
        If the image is too small, or holds no signal or no noise.

    Notes
    -----
    See ``docs/theory/noise_of_an_image.md``.
    """
    if detector.nnps is None:
        family = NoiseFamily.of_mtf(detector)
    else:
        family = NoiseFamily.of_model(reference_noise(detector), detector)
    return fit_noise(quiet_blocks(image), family, detector.pixel_pitch_mm).model


def noise_factor(image: NDArray[np.floating], model: NoiseModel) -> float:
    """Estimate how much more noise power an image holds than a model says.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam.
    model : NoiseModel
        Reference; only its colour is used to find the noise.

    Returns
    -------
    float
        Ratio of power in the octave below Nyquist at the mean signal; 1 if the model is right.

    Raises
    ------
    MeasurementError
        If the image is too small or has no signal.
    """
    family = NoiseFamily.of_model(model)
    found = fit_noise(quiet_blocks(image), family, model.pixel_pitch_mm).model
    return float(octave_ratios(found, model, max(float(image.mean()), 1e-3))[-1])


def octave_ratios(found: NoiseModel, stated: NoiseModel, signal: float) -> NDArray[np.float64]:
    """Power of one model over that of another at a signal, area-weighted in each of `OCTAVES`."""
    out = []
    for low, high in OCTAVES:
        f = np.linspace(low, high, 33) / found.pixel_pitch_mm
        out.append(np.average(found.power(f, signal), weights=f) / np.average(stated.power(f, signal), weights=f))
    return np.array(out)


def contradiction(found: NoiseModel, stated: NoiseModel, signal: float) -> float | None:
    """Ratio of found to stated power in the octave that contradicts most; None if they agree.

    Notes
    -----
    Structure only adds, and at low frequency it cannot always be told from noise: too little noise contradicts in any octave,
    too much in the last one only.
    """
    ratio = np.log(octave_ratios(found, stated, signal))
    middle = np.sqrt([low * high for low, high in OCTAVES]) / found.pixel_pitch_mm
    sure = np.maximum(np.log(DISAGREEMENT), SURE * found.error(middle))
    too_little = ratio < -sure
    if too_little.any():
        return float(np.exp(ratio.min()))
    return float(np.exp(ratio[-1])) if ratio[-1] > sure[-1] else None


def choose_noise(
    image: NDArray[np.floating],
    detector: Detector,
    exposure_s: float | None = None,
    flats: NDArray[np.floating] | None = None,
    frames: int = 1,
) -> tuple[NoiseModel, list[str]]:
    """Noise of an image: as stated by flats or exposure if the image agrees, else as found in the image.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam.
    detector : Detector
    exposure_s : float, optional
        Exposure of one frame [s].
    flats : ndarray, optional
        Flat fields like one frame of the image.
    frames : int
        Frames that the image is the mean of.

    Returns
    -------
    NoiseModel
    warnings : list of str
        Says when statement and image disagree, and which of them was used.

    Raises
    ------
    DetectorError
        If an exposure is given for a detector without NNPS.
    """
    stated = None
    if flats is not None:
        stated = noise_of_flats(flats, detector).scaled(1 / frames)
    elif exposure_s is not None:
        stated = NoiseModel.of_detector(detector, exposure_s).scaled(1 / frames)
    try:
        found = noise_of_image(image, detector)
    except MeasurementError as problem:
        if stated is not None:
            return stated, []
        model = reference_noise(detector).scaled(1 / frames)
        return replace(model, source="assumed"), [f"{problem}; the detector's reference exposure is assumed"]
    if stated is None:
        return found, []
    ratio = contradiction(found, stated, max(float(image.mean()), 1e-3))
    if ratio is None:
        return stated, []
    text = (
        f"the image holds {ratio:.2g} times the noise power that the {stated.source} state; the noise found in the image is "
        "used: check the open-beam level, the exposure, the number of averaged frames, or whether the image was filtered"
    )
    if stated.source == "flats" and ratio < 1 and (flats is None or flats.ndim == 2 or len(flats) == 1):
        text += (
            "; one flat field cannot tell noise from a fixed pattern that the image was corrected for: give two or more"
        )
    return found, [text]
