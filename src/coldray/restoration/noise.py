"""Noise of the frame at hand: from the image itself, checked against its exposure or flat fields where these are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.frame import Frame
from coldray.images.repeats import ChangingPower
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.noise import NoiseModel
from coldray.restoration.fixed_pattern import shared_pattern
from coldray.restoration.noise_blocks import quiet_blocks
from coldray.restoration.noise_fit import NoiseFamily, fit_noise
from coldray.words import percent

OCTAVES = ((1 / 16, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2))
"""Bands in which stated and found noise are compared [cycles/pixel]; structure matters least in the last."""
DISAGREEMENT = 2.0
"""Ratio of found to stated noise power within which what is stated is believed."""
ONE_FLAT = 1.25
"""The same for too much power stated by a single flat field, which may hold a fixed pattern."""
SURE = 3.0
"""A disagreement counts from this many standard uncertainties of the noise that was found."""
REPEATS_ERROR = 0.05
"""Relative standard uncertainty of noise from repeated frames at best: blocks smear its colour, and the lowest octave reads 4 to
10 % low."""
PATTERN = (
    "{share} of the finest variation of the image is a fixed pattern that the flat fields show too: it was not corrected for "
    "the gain of its pixels, and a pattern that noise does not explain counts as structure; the noise found in the image, "
    "pattern included, is used: correct image and flat fields first (`coldray correct --flat`)"
)
HELD_SPREADS = 5.0
"""Blocks within this many robust standard deviations of the fit count as noise of repeated frames."""


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


def noise_of_flats(flats: NDArray[np.number], detector: Detector) -> NoiseModel:
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
    return noise_of_nnps(flat_nnps(stack, detector.pixel_pitch_mm).radial, detector)


def noise_of_nnps(curve: FrequencyCurve, detector: Detector) -> NoiseModel:
    """Noise model from an NNPS that was measured on flats.

    Parameters
    ----------
    curve : FrequencyCurve
        NNPS [mm2] over frequency [cycles/mm].
    detector : Detector
        States the pitch and, if it knows, the share of electronic noise.

    Returns
    -------
    NoiseModel
    """
    electronic = 0.0
    if detector.electronic_fraction:
        electronic = float(curve.value.mean()) * detector.electronic_fraction
    frequency = np.concatenate([[0.0], curve.frequency_lp_mm, [np.sqrt(2) * detector.nyquist_lp_mm]])
    value = np.concatenate([curve.value[:1], curve.value, curve.value[-1:]])
    keep = np.concatenate([[True], np.diff(frequency) > 0])
    quantum = np.maximum(value[keep] - electronic, 0.0)
    return NoiseModel(FrequencyCurve(frequency[keep], quantum), electronic, detector.pixel_pitch_mm, "flats")


def noise_of_repeats(changing: ChangingPower, detector: Detector, open_beam: float = 1.0) -> NoiseModel:
    """Noise of one frame from what changes between repeated frames: the best source there is.

    Parameters
    ----------
    changing : ChangingPower
    detector : Detector
        States the pitch.
    open_beam : float
        Stored value of the open beam.

    Returns
    -------
    NoiseModel
        With its uncertainty over frequency.

    Raises
    ------
    MeasurementError
        If the frames equal each other.

    Notes
    -----
    The power of a block is s q + e: q and e follow from blocks of different signal by weighted least squares, neither
    below zero; blocks that hold much more (something moved, a hit) are left out. The colour is the mean over blocks.
    """
    from scipy.optimize import nnls

    pitch = detector.pixel_pitch_mm
    signal = np.maximum(changing.signal / open_beam, 1e-3)
    power = changing.power / open_beam**2
    size = power.shape[-1]
    index = np.arange(size)
    radius = np.hypot(index[:, None], index) / (2 * size)
    counted = (index[:, None] > 0) & (index > 0)
    level = power[:, counted].mean(axis=1)
    if not np.median(level) > 0:
        raise MeasurementError("the frames equal each other; give frames that were taken one after the other")
    kept = np.ones(level.size, dtype=bool)
    fitted = np.full(level.size, float(np.median(level)))
    for _ in range(3):
        design = np.stack([signal, np.ones_like(signal)], axis=1) / fitted[:, None]
        q, e = nnls(design[kept], (level / fitted)[kept])[0]
        fitted = np.maximum(q * signal + e, 1e-30)
        ratio = level / fitted
        middle = float(np.median(ratio))
        spread = 1.4826 * float(np.median(np.abs(ratio - middle)))
        kept = np.abs(ratio - middle) <= HELD_SPREADS * spread
        kept |= ~kept.any()
    edges = np.linspace(0, np.sqrt(0.5), size + 1)
    ring = np.clip(np.digitize(radius[counted], edges) - 1, 0, size - 1)
    number = np.bincount(ring, minlength=size)
    some = number > 0
    mean = np.bincount(ring, power[kept][:, counted].mean(axis=0), minlength=size)[some] / number[some]
    middles = np.bincount(ring, radius[counted], minlength=size)[some] / number[some]
    quantum = np.maximum(mean - e, 0.0) / float(signal[kept].mean())
    independent = np.count_nonzero(kept) * number[some] * max(changing.frames / 2, 1.0)
    error = np.sqrt(REPEATS_ERROR**2 + 2 / independent)
    frequency = np.concatenate([[0.0], middles, [max(np.sqrt(0.5), middles[-1] + 1e-3)]]) / pitch
    quantum, error = (np.concatenate([values[:1], values, values[-1:]]) for values in (quantum, error))
    return NoiseModel(
        FrequencyCurve(frequency, quantum * pitch**2),
        float(e) * pitch**2,
        pitch,
        "frames",
        FrequencyCurve(frequency, error),
    )


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


def power_found(frame: Frame) -> float:
    """Noise power that a frame shows over that stated, see `noise_factor`; for `Frame.once`."""
    return noise_factor(np.asanyarray(frame.blurred), frame.noise)


def octave_ratios(found: NoiseModel, stated: NoiseModel, signal: float) -> NDArray[np.float64]:
    """Power of one model over that of another at a signal, area-weighted in each of `OCTAVES`."""
    out = []
    for low, high in OCTAVES:
        f = np.linspace(low, high, 33) / found.pixel_pitch_mm
        out.append(np.average(found.power(f, signal), weights=f) / np.average(stated.power(f, signal), weights=f))
    return np.array(out)


def contradiction(
    found: NoiseModel, stated: NoiseModel, signal: float, too_little: float = DISAGREEMENT
) -> float | None:
    """Ratio of found to stated power in the octave that contradicts most; None if they agree.

    Parameters
    ----------
    found, stated : NoiseModel
    signal : float
        Fraction of the open beam.
    too_little : float
        Factor by which less may be found than is stated.

    Notes
    -----
    Structure only adds, and at low frequency it cannot always be told from noise: too little noise contradicts in any octave,
    too much in the last one only.
    """
    ratio = np.log(octave_ratios(found, stated, signal))
    middle = np.sqrt([low * high for low, high in OCTAVES]) / found.pixel_pitch_mm
    doubt = SURE * found.error(middle)
    if (ratio < -np.maximum(np.log(too_little), doubt)).any():
        return float(np.exp(ratio.min()))
    return float(np.exp(ratio[-1])) if ratio[-1] > max(np.log(DISAGREEMENT), doubt[-1]) else None


def choose_noise(
    image: NDArray[np.floating],
    detector: Detector,
    exposure_s: float | None = None,
    flats: NDArray[np.number] | None = None,
    frames: float = 1,
    changing: ChangingPower | None = None,
    open_beam: float = 1.0,
    rounding: float = 0.0,
) -> tuple[NoiseModel, list[str]]:
    """Noise of an image: as its frames differ; as stated by flats or exposure if the image agrees; else as found in the image.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam.
    detector : Detector
    exposure_s : float, optional
        Exposure of one frame [s].
    flats : ndarray, optional
        Flat fields like one frame of the image.
    frames : float
        Independent frames that the image is the mean of.
    changing : ChangingPower, optional
        What changes between the frames that were averaged; decides where it is given.
    open_beam : float
        Stored value of the open beam in `changing` and `rounding`.
    rounding : float
        Variance that storing the image added to that of a mean of `frames` [stored values squared].

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
        stated = noise_of_flats(flats, detector)
    elif exposure_s is not None:
        stated = NoiseModel.of_detector(detector, exposure_s)
    if stated is not None:
        stated = _rounded(stated.scaled(1 / frames), rounding, detector, open_beam)
    if changing is not None:
        return _of_mean(changing, detector, open_beam, stated, max(float(image.mean()), 1e-3))
    try:
        found = noise_of_image(image, detector)
    except MeasurementError as problem:
        if stated is not None:
            return stated, []
        model = reference_noise(detector).scaled(1 / frames)
        return replace(model, source="assumed"), [f"{problem}; the detector's reference exposure is assumed"]
    if stated is None:
        return found, []
    if flats is not None and (share := shared_pattern(image, flats)) is not None:
        return found, [PATTERN.format(share=percent(share))]
    single = flats is not None and (flats.ndim == 2 or len(flats) == 1)
    ratio = contradiction(
        found, stated, max(float(image.mean()), 1e-3), too_little=ONE_FLAT if single else DISAGREEMENT
    )
    if ratio is None:
        return stated, []
    text = (
        f"the image holds {ratio:.2g} times the noise power that the {stated.source} state; the noise found in the image is "
        "used: check the open-beam level, the exposure, the number of averaged frames, or whether the image was filtered"
    )
    if single and ratio < 1:
        text += (
            "; one flat field cannot tell noise from a fixed pattern that the image was corrected for: give two or more"
        )
    return found, [text]


def _rounded(noise: NoiseModel, variance: float, detector: Detector, open_beam: float) -> NoiseModel:
    """Noise with a variance more that rounding adds [stored values squared]; it is white."""
    more = variance * (detector.pixel_pitch_mm / open_beam) ** 2
    return replace(noise, electronic_mm2=noise.electronic_mm2 + more)


def _of_mean(
    changing: ChangingPower, detector: Detector, open_beam: float, stated: NoiseModel | None, signal: float
) -> tuple[NoiseModel, list[str]]:
    """Noise of a mean of frames as they differ, and whether something else was stated."""
    one = noise_of_repeats(changing, detector, open_beam)
    found = one.scaled(1 / changing.frames)
    found = _rounded(found, changing.rounding, detector, open_beam)
    ratio = None if stated is None else contradiction(found, stated, signal)
    if stated is None or ratio is None:
        return found, []
    return found, [
        f"the frames differ by {ratio:.2g} times the noise power that the {stated.source} state; what they differ by is "
        "used: check the open-beam level, the exposure, or whether the frames were filtered"
    ]
