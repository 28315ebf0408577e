"""Restore one radiograph: check, scale, sample, unscale, record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.channels import conditions
from coldray.errors import DetectorError, SettingsError
from coldray.frame import Frame
from coldray.images.scale import scale_of
from coldray.physics.detector import PITCH_TOLERANCE, DetectorPair, load_detector
from coldray.physics.prior import ObjectPrior
from coldray.plugins import check_options, options_of, plugin, plugin_names
from coldray.radiograph import Radiograph, Step
from coldray.restoration.certificate.certify import Certificate, certify
from coldray.restoration.certificate.words import summary
from coldray.restoration.gain import Gain, consistency_gain, residual_gain, share_of
from coldray.restoration.model import Model
from coldray.restoration.noise import choose_noise
from coldray.restoration.provenance import provenance_layers, wiener_record

DEFAULT_METHOD = "cold"
SATURATION_REACH_PX = 4
"""How far around a saturated pixel the re-blurred result is not compared with the measurement."""


@dataclass(frozen=True, eq=False)
class Job:
    """What to do to every image of a restoration.

    Parameters
    ----------
    method : str
        Name of the method.
    model : Model, optional
        Needed by methods that learn.
    steps : int, optional
        Steps of methods that go step by step; the method's own number by default.
    blurred, sharp : str
        Detectors: name, model or file.
    degradation : str
        Name of the degradation.
    gain : {"calibrated", "detail", "paper"}
        How the measurement corrects the prediction of the cold sampler.
    exposure_s : float, optional
        Exposure of one frame [s].
    flats : ndarray, optional
        Flat fields of the same exposure.
    open_beam : float, optional
        Stored value of the open beam.
    pixel_pitch_mm : float, optional
        Pitch [mm], overriding the file.
    provenance : bool
        Whether to compute the three layers.
    keep_certificate : bool
        Whether to keep the certificate's images, for its map and for a report.
    options : dict
        Further options of the method by name, see `plugins.options_of`.
    random_state : int
        Of methods that draw; every frame of a stack has its own stream.
    """

    method: str = DEFAULT_METHOD
    model: Model | None = None
    steps: int | None = None
    blurred: str = "gos135"
    sharp: str = "gos34"
    degradation: str = "mtf_blend"
    gain: str = "calibrated"
    exposure_s: float | None = None
    flats: NDArray[Any] | None = None
    open_beam: float | None = None
    pixel_pitch_mm: float | None = None
    provenance: bool = False
    keep_certificate: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    random_state: int = 0


@dataclass(frozen=True, eq=False)
class Restoration:
    """A restored radiograph and what is to be said about it.

    Parameters
    ----------
    image : Radiograph
        In the input's units, dtype and shape, with one more history step.
    layers : ndarray, float32, shape (3, rows, cols), optional
        Measured y, linear part (W - I) y, prior part out - W y, as fractions of the open beam.
    wiener : dict, optional
        Radial gain of the filter W behind the layers.
    clipped_pixels : int
        Pixels that left the range of the dtype.
    steps : int
        Network evaluations per frame.
    seconds : float
        Wall time, with the certificate.
    certificate_seconds : float
        Wall time of the certificate alone.
    consistency : dict
        The certificate as data and in words, see `certificate.words.summary`; of a stack that of the frame with
        the largest marked share, with its number as ``frame``.
    warnings : tuple of str
    certificate : Certificate, optional
        The same with its images, if the job keeps it.
    """

    image: Radiograph
    layers: NDArray[np.float32] | None
    wiener: dict[str, list[float]] | None
    clipped_pixels: int
    steps: int
    seconds: float
    certificate_seconds: float
    consistency: dict[str, Any]
    warnings: tuple[str, ...] = field(default_factory=tuple)
    certificate: Certificate | None = field(default=None, repr=False)


def pixel_pitch(image: Radiograph, stated_mm: float | None, needed_mm: float | None) -> tuple[float, list[str]]:
    """Decide the pixel pitch of an image.

    Parameters
    ----------
    image : Radiograph
    stated_mm : float, optional
        What the user says; overrides the file with a warning if they differ.
    needed_mm : float, optional
        Pitch of the detectors, taken with a warning if nobody else knows.

    Raises
    ------
    DetectorError
        If nothing states a pitch.
    """
    from_file = image.acquisition.pixel_pitch_mm
    if stated_mm is not None:
        if from_file is not None and abs(from_file / stated_mm - 1) > PITCH_TOLERANCE:
            return stated_mm, [
                f"--pitch-um {stated_mm * 1e3:.4g} is used, although the file says {from_file * 1e3:.4g} um"
            ]
        return stated_mm, []
    if from_file is not None:
        return from_file, []
    if needed_mm is None:
        raise DetectorError("the image states no pixel pitch and neither do the detectors; give --pitch-um")
    return needed_mm, [
        f"the image states no pixel pitch; the detectors' {needed_mm * 1e3:.4g} um is assumed (--pitch-um)"
    ]


def detectors_of(image: Radiograph, job: Job) -> tuple[DetectorPair, list[str]]:
    """Load both detectors and check their pitch against the image's.

    Raises
    ------
    DetectorError
        If the pitches of image and detectors differ by more than 1 %.
    """
    known = None
    for source in (job.blurred, job.sharp):
        try:
            known = load_detector(source).pixel_pitch_mm
            break
        except DetectorError as problem:
            if "pixel pitch" not in str(problem):
                raise
    pitch, warnings = pixel_pitch(image, job.pixel_pitch_mm, known)
    blurred = load_detector(job.blurred, pixel_pitch_mm=pitch)
    sharp = load_detector(job.sharp, pixel_pitch_mm=pitch)
    pair = DetectorPair(blurred, sharp)
    if abs(pair.pixel_pitch_mm / pitch - 1) > PITCH_TOLERANCE:
        raise DetectorError(
            f"pixel pitch is {pitch * 1e3:.4g} um for the image and {pair.pixel_pitch_mm * 1e3:.4g} um for the detectors "
            f"{blurred.name!r} and {sharp.name!r}; choose the image's own detectors (--blurred, --sharp) or correct --pitch-um"
        )
    return pair, [*warnings, *pair.notes()]


def restore(image: Radiograph, job: Job) -> Restoration:
    """Restore a radiograph or every frame of a stack.

    Parameters
    ----------
    image : Radiograph
        Linear data; floats are fractions of the open beam, integers are divided by their open-beam level.
    job : Job

    Returns
    -------
    Restoration

    Raises
    ------
    ImageError
        If the image is log-scaled or holds NaN.
    DetectorError
        If pitch and detectors do not fit.
    SettingsError
        If the method needs a model and there is none, or an option does not fit the method.
    CheckpointError
        If the model was trained for another method.
    """
    began = time.perf_counter()
    scale, warnings = scale_of(image, job.open_beam)
    pair, more = detectors_of(image, job)
    warnings += more
    degradation, judged_by = (plugin("degradation", job.degradation).Degradation(p) for p in (pair, pair.as_restored()))
    method = plugin("method", job.method)
    chosen = check_job(job)
    stack = image.pixels if image.pixels.ndim == 3 else image.pixels[None]
    out = np.empty_like(stack)
    layers, wiener, clipped, steps = None, None, 0, 0
    worst: tuple[int, Certificate] | None = None
    testing = 0.0
    for number, stored in enumerate(stack):
        measured = scale.to_fraction(stored)
        noise, more = choose_noise(measured, pair.blurred, job.exposure_s, job.flats)
        warnings += [w for w in more if w not in warnings]
        prior = job.model.prior if job.model is not None else ObjectPrior()
        frame = Frame(measured, pair, noise, prior)
        if job.model is not None and method.LEARNS:
            warnings += [w for w in job.model.warnings_for(conditions(frame, degradation)) if w not in warnings]
        restored, steps = run_method(frame, degradation, job, number)
        out[number], lost = scale.to_stored(restored)
        clipped += lost
        started = time.perf_counter()
        judged = frame.as_restored()
        found = certify(
            judged,
            judged_by,
            restored,
            gain=_residual_gain(judged, judged_by, job),
            excluded=saturated(stored),
        )
        if worst is None or found.marked_share > worst[1].marked_share:
            worst = (number, found)
        testing += time.perf_counter() - started
        if job.provenance and stack.shape[0] == 1:
            layers, wiener = provenance_layers(judged, judged_by, restored), wiener_record(judged, judged_by)
    if job.provenance and layers is None:
        warnings.append("provenance layers are written for single frames only; this image is a stack")
    if clipped:
        warnings.append(f"{clipped} pixels left the range of {image.dtype} and were clipped")
    assert worst is not None
    started = time.perf_counter()
    consistency = summary(worst[1]) | ({"frame": worst[0]} if stack.shape[0] > 1 else {})
    testing += time.perf_counter() - started
    details = {
        "coldray": __version__,
        "method": job.method,
        "options": {**{k: v for k, v in options_of(method.restore).items() if k != "consistency"}, **chosen},
        "steps": steps,
        "degradation": job.degradation,
        "blurred": pair.blurred.name,
        "sharp": pair.sharp.name,
        "pixel_pitch_mm": pair.pixel_pitch_mm,
        "open_beam": scale.open_beam,
        "noise": noise.source,
        "noise_relative_sd": noise.relative_sd(),
    }
    if job.model is not None and method.LEARNS:
        details |= {"model": job.model.name, "model_sha256": job.model.sha256, "gain": job.gain}
    if is_stochastic(method):
        details["random_state"] = job.random_state
    restored_image = image.with_pixels(out.reshape(image.shape), Step("restore", details)).with_acquisition(
        pixel_pitch_mm=image.acquisition.pixel_pitch_mm or pair.pixel_pitch_mm
    )
    return Restoration(
        image=restored_image,
        layers=layers,
        wiener=wiener,
        clipped_pixels=clipped,
        steps=steps,
        seconds=time.perf_counter() - began,
        certificate_seconds=testing,
        consistency=consistency,
        warnings=tuple(warnings),
        certificate=worst[1] if job.keep_certificate else None,
    )


def saturated(stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Pixels at the top of an integer type and their neighbours; None if there are none."""
    if stored.dtype.kind not in "ui":
        return None
    full = stored == np.iinfo(stored.dtype).max
    if not full.any():
        return None
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(full, np.ones((3, 3), dtype=bool), iterations=SATURATION_REACH_PX))


def _has_consistency_step(job: Job) -> bool:
    """Whether the method ends with a data-consistency step; the naive sampler of `cold` forgets the measurement."""
    step = "consistency" in options_of(plugin("method", job.method).restore)
    return step and not job.options.get("naive", False)


def _residual_gain(frame: Frame, degradation: Any, job: Job) -> Gain | None:
    """What the method's own data-consistency step leaves of a wrong prediction; None for methods without one."""
    if not _has_consistency_step(job):
        return None
    if job.model is None:
        return residual_gain(frame, degradation, None)
    share = share_of(job.gain, job.model.consistency_share)
    return residual_gain(job.model.familiar(frame, degradation), degradation, share)


def is_stochastic(method: Any) -> bool:
    """Whether a method draws random numbers."""
    return bool(getattr(method, "STOCHASTIC", False))


def check_job(job: Job) -> dict[str, Any]:
    """Check that method, model and options fit; nothing is read or computed.

    Returns
    -------
    dict
        Options for the method, without the data-consistency gain.

    Raises
    ------
    SettingsError
        If the method needs a model and there is none, or has no such option.
    CheckpointError
        If the model was trained for another method.
    """
    method = plugin("method", job.method)
    if method.LEARNS:
        if job.model is None:
            raise SettingsError(f"the method {job.method!r} needs a model; give -m MODEL")
        job.model.check_fits(method, job.method)
    check_options(method.restore, job.options, f"the method {job.method!r}")
    options = dict(job.options)
    if "steps" in options_of(method.restore):
        if job.steps is not None:
            options["steps"] = job.steps
    elif job.steps not in (None, 1):
        stepping = [n for n in plugin_names("method") if "steps" in options_of(plugin("method", n).restore)]
        raise SettingsError(f"the method {job.method!r} takes one step; --steps belongs to {', '.join(stepping)}")
    return options


def run_method(frame: Frame, degradation: Any, job: Job, number: int = 0) -> tuple[NDArray[np.float32], int]:
    """Run the job's method on one frame.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    job : Job
    number : int
        Of the frame in its stack; part of the random state.

    Returns
    -------
    restored : ndarray, float32, shape (rows, cols)
    evaluations : int
        Of the network.
    """
    options = check_job(job)
    method = plugin("method", job.method)
    predictor = None
    if method.LEARNS:
        assert job.model is not None
        predictor = job.model.predictor()
        frame = job.model.familiar(frame, degradation)
        if _has_consistency_step(job) and "consistency" not in options:
            share = share_of(job.gain, job.model.consistency_share)
            options["consistency"] = consistency_gain(frame, degradation, share)
    rng = np.random.default_rng([job.random_state, number]) if is_stochastic(method) else None
    restored = frame.towards_aim(method.restore(frame, degradation, predictor, rng, **options))
    return np.asarray(restored, dtype=np.float32), 0 if predictor is None else predictor.evaluations
