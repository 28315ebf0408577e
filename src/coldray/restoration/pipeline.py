"""Restore one radiograph: check, scale, sample, judge what is written, unscale, record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.contracts import settings_of
from coldray.document import Json
from coldray.frame import Frame
from coldray.images.repeats import ChangingPower
from coldray.images.scale import Scale, scale_of
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation, degradation_of, plugin
from coldray.radiograph import Radiograph, Step
from coldray.restoration.answer import NETWORK_CONTRADICTED, NETWORK_CORRECTED, Answer, answer
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.words import CONTRADICTED, NOT_JUDGED, NOT_JUDGED_SUMMARY, summary, verdict_of
from coldray.restoration.estimate import estimate, run_method
from coldray.restoration.even import GatedResult
from coldray.restoration.guard import refuse, saturated
from coldray.restoration.interval import Interval, interval_of
from coldray.restoration.job import DEFAULT_METHOD, Job, changed_settings, check_job, even_constants, is_stochastic
from coldray.restoration.judge import Judge
from coldray.restoration.noise_as_recorded import noise_as_in_0_1
from coldray.restoration.pair import detectors_of
from coldray.restoration.provenance import Provenance, provenance_of
from coldray.restoration.response import brought, notes_of, recorded, with_response
from coldray.restoration.unmeasured import Measured, counted, measured_of
from coldray.scratch import empty, zeros

__all__ = ["DEFAULT_METHOD", "Job", "Restoration", "check_job", "restore", "run_method"]

CONTRADICTED_EVERYWHERE = (
    "the measurement contradicts this result in much of the image: check detectors, noise, exposure and open beam"
)


@dataclass(frozen=True, eq=False)
class Restoration:
    """A restored radiograph and what is to be said about it.

    Parameters
    ----------
    image : Radiograph
        In the input's units, dtype and shape, with one more history step.
    provenance : Provenance, optional
        The layers of a single frame as fractions of the open beam, if the job asks for them.
    interval : Interval, optional
        Lower and upper image of a single frame, if the job asks for them.
    clipped_pixels : int
        Pixels that left the range of the dtype.
    evaluations : int
        Of the network, per frame.
    hits : dict
        How many pixels were replaced by their prediction, since they are no measurement: ``bright`` (direct hits) and
        ``dark`` (dead pixels), of all frames of a stack, and ``masked`` (pixels of the input's own mask).
    network_share : float
        How much the network counts, 0 to 1: less than 1 where detectors and noise lie outside its training; of a stack
        the least. 0 for methods without a network.
    replaced_share, corrected_share : float
        Share of the pixels where the linear filter stands in for a network that the measurement contradicts, and where the
        measurement corrects it; of a stack the largest.
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
    replaced, corrected : ndarray, float32, shape (rows, cols), optional
        Weight of the linear filter where it stands in for the network, and of the measurement's correction where it
        corrects the network's result; of the certificate's frame.
    parts : Provenance, optional
        The layers of the certificate's frame, with the certificate.
    """

    image: Radiograph
    provenance: Provenance | None
    interval: Interval | None
    clipped_pixels: int
    evaluations: int
    seconds: float
    certificate_seconds: float
    consistency: dict[str, Json]
    hits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("bright", "dark", "masked"), 0))
    network_share: float = 0.0
    replaced_share: float = 0.0
    corrected_share: float = 0.0
    warnings: tuple[str, ...] = field(default_factory=tuple)
    certificate: Certificate | None = field(default=None, repr=False)
    replaced: NDArray[np.float32] | None = field(default=None, repr=False)
    corrected: NDArray[np.float32] | None = field(default=None, repr=False)
    parts: Provenance | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """What all frames of one image share."""

    job: Job
    scale: Scale
    pair: DetectorPair
    degradation: Degradation
    judged_by: Degradation
    method: Any
    averaged: float
    mask: NDArray[np.bool_] | None
    changing: ChangingPower | None


@dataclass(frozen=True, eq=False)
class _FrameNote:
    """What is kept of every frame of a stack."""

    noise: NoiseModel
    bright: int
    dark: int
    clipped: int
    evaluations: int
    network_share: float
    replaced_share: float
    corrected_share: float
    linear_share: float
    certificate_seconds: float
    leading: list[str]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class _FrameResult:
    """One restored frame with its images."""

    note: _FrameNote
    judged: Frame
    pixels: NDArray[np.number]
    fraction: NDArray[np.float32]
    certificate: Certificate | None
    answered: Answer
    gated: GatedResult | None
    hit: NDArray[np.bool_] | None

    @property
    def marked_share(self) -> float:
        """Share of the image that the measurement contradicts; -1 where nobody asked it."""
        return -1.0 if self.certificate is None else self.certificate.marked_share


def restore(
    image: Radiograph, job: Job, changing: ChangingPower | None = None, frames: float | None = None
) -> Restoration:
    """Restore a radiograph or every frame of a stack.

    Parameters
    ----------
    image : Radiograph
        Linear data; floats are fractions of the open beam, integers are divided by their open-beam level.
    job : Job
    changing : ChangingPower, optional
        For a mean of frames: what changes between them, from `coldray.images.repeats`; the noise is taken from it.
    frames : float, optional
        Independent frames whose mean has the noise of this image; as many as its acquisition counts by default.

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
        If the model was trained for another method, or answers with NaN.
    RefusalError
        If the result would be clipped or shifted (`coldray.restoration.guard`), or contradicted and the job says to refuse it.
    """
    began = time.perf_counter()
    scale, warnings = scale_of(image, job.open_beam, plateau=job.safeguards)
    pair, more = detectors_of(image, job)
    more = [*more, *notes_of(job.response, pair)]
    chosen = check_job(job)
    build = degradation_of(job.degradation)
    both = build(pair), build(pair.as_restored())
    averaged = image.acquisition.frames if frames is None else frames
    prepared = _Prepared(job, scale, pair, *both, plugin("method", job.method), averaged, image.mask, changing)
    stack = image.pixels if image.pixels.ndim == 3 else image.pixels[None]
    out = empty(stack.shape, stack.dtype)
    notes: list[_FrameNote] = []
    hit = zeros(stack.shape[1:], np.bool_)
    worst, number_of_worst = None, 0
    for number, stored in enumerate(stack):
        found = _restore_frame(prepared, stored, number)
        out[number] = found.pixels
        notes.append(found.note)
        if found.hit is not None:
            hit |= found.hit
        if worst is None or found.marked_share > worst.marked_share:
            worst, number_of_worst = found, number
    assert worst is not None
    leads = (CONTRADICTED_EVERYWHERE, NETWORK_CONTRADICTED, NETWORK_CORRECTED)
    leading = [w for w in leads if any(w in n.leading for n in notes)]
    warnings = list(dict.fromkeys([*leading, *warnings, *more, *(w for n in notes for w in n.warnings)]))
    parts, interval, limits = _beside(prepared, worst, len(notes))
    warnings += limits
    clipped = sum(n.clipped for n in notes)
    if clipped:
        warnings.append(f"{clipped} pixels left the range of {image.dtype} and were clipped")
    started = time.perf_counter()
    consistency = with_response(_consistency(worst, number_of_worst if len(notes) > 1 else None), job.response)
    testing = sum(n.certificate_seconds for n in notes) + time.perf_counter() - started
    hits = _hits(prepared, notes)
    if (sentence := counted(**hits)) is not None:
        warnings.append(sentence)
    details = _details(prepared, chosen, notes) | ({"hits": hits} if job.safeguards else {})
    whole = image.with_pixels(out.reshape(image.shape), Step("restore", details)).with_mask(hit if hit.any() else None)
    restored_image = whole.with_acquisition(pixel_pitch_mm=image.acquisition.pixel_pitch_mm or pair.pixel_pitch_mm)
    return Restoration(
        image=restored_image,
        provenance=parts if job.provenance and len(notes) == 1 else None,
        interval=interval,
        clipped_pixels=clipped,
        evaluations=notes[-1].evaluations,
        seconds=time.perf_counter() - began,
        certificate_seconds=testing,
        consistency=consistency,
        hits=hits,
        network_share=min(n.network_share for n in notes),
        replaced_share=max(n.replaced_share for n in notes),
        corrected_share=max(n.corrected_share for n in notes),
        warnings=tuple(warnings),
        certificate=worst.certificate if job.keep_certificate else None,
        replaced=worst.answered.replaced if job.keep_certificate else None,
        corrected=worst.answered.corrected if job.keep_certificate else None,
        parts=parts if job.keep_certificate else None,
    )


def _beside(
    prepared: _Prepared, found: _FrameResult, frames: int
) -> tuple[Provenance | None, Interval | None, list[str]]:
    """Layers and interval that the job asks for, of one frame, and what limits them."""
    job, answered, limits = prepared.job, found.answered, []
    known = found.judged, prepared.judged_by
    parts, interval = None, None
    if job.provenance or job.keep_certificate:
        parts = provenance_of(*known, found.fraction, found.gated, even_constants(job))
    if job.provenance and frames > 1:
        limits.append("provenance layers are written for single frames only; this image is a stack")
    if job.interval:
        interval, more = interval_of(
            *known,
            found.gated,
            found.fraction,
            even_constants(job),
            job.model,
            frames=frames,
            network_share=found.note.network_share,
            answered_share=float(np.mean((answered.replaced > 0) | (answered.corrected > 0))),
            changed=changed_settings(job),
        )
        limits += more
    return parts, interval, limits


def _consistency(found: _FrameResult, number: int | None) -> dict[str, Json]:
    """Certificate of a frame as data and in words; of a stack with the frame's number."""
    said = dict(NOT_JUDGED_SUMMARY) if found.certificate is None else summary(found.certificate)
    if found.answered.network is not None:
        said["network"] = found.answered.network
    return said if number is None else said | {"frame": number}


def _hits(prepared: _Prepared, notes: list[_FrameNote]) -> dict[str, int]:
    """How many pixels were replaced, of all frames."""
    masked = 0 if prepared.mask is None or not prepared.job.safeguards else int(np.count_nonzero(prepared.mask))
    return {"bright": sum(n.bright for n in notes), "dark": sum(n.dark for n in notes), "masked": masked}


def _details(prepared: _Prepared, chosen: Mapping[str, Json], notes: list[_FrameNote]) -> dict[str, Json]:
    """What the history says of a restoration; of a stack the noise of every frame."""
    job, method, pair = prepared.job, prepared.method, prepared.pair
    deviations = [n.noise.relative_sd() for n in notes]
    details: dict[str, Json] = {
        "coldray": __version__,
        "method": job.method,
        "options": {**settings_of(method), **chosen},
        "steps": notes[-1].evaluations,
        "degradation": job.degradation,
        "blurred": pair.blurred.name,
        "sharp": pair.sharp.name,
        "pixel_pitch_mm": pair.pixel_pitch_mm,
        "open_beam": prepared.scale.open_beam,
        "noise": notes[-1].noise.source,
        "noise_relative_sd": deviations[0] if len(set(deviations)) == 1 else deviations,
    }
    if hasattr(prepared.degradation, "told"):
        details["geometry"] = prepared.degradation.told()
    if job.model is not None and method.LEARNS:
        model = job.model
        details |= {"model": model.name, "model_sha256": model.sha256, "model_settings_sha256": model.settings_sha256}
        details["gain"] = job.gain
        if even_constants(job) is not None:
            details["even"] = job.even
            details["linear_share"] = round(float(np.mean([n.linear_share for n in notes])), 4)
        if job.safeguards:
            details |= {
                "on_contradiction": job.on_contradiction,
                "network_share": round(min(n.network_share for n in notes), 4),
                "replaced_share": round(max(n.replaced_share for n in notes), 4),
            }
            if job.on_contradiction == "correct":
                details["corrected_share"] = round(max(n.corrected_share for n in notes), 4)
    if is_stochastic(method):
        details["random_state"] = job.random_state
    if job.filter_signal is not None:
        details["filter_signal"] = job.filter_signal
    if not job.judged:
        details["judged"] = False
    return details | recorded(job.response)


def _restore_frame(prepared: _Prepared, stored: NDArray[np.number], number: int) -> _FrameResult:
    """Restore one frame, judge what is written of it, and put the linear filter where the network is contradicted."""
    job, scale, degradation = prepared.job, prepared.scale, prepared.degradation
    detector = prepared.pair.blurred
    if job.safeguards:
        seen = measured_of(stored, prepared.mask, scale, detector, job, prepared.averaged, prepared.changing)
    else:
        fraction = scale.to_fraction(stored)
        seen = Measured(stored, fraction, noise_as_in_0_1(fraction, detector, job.exposure_s, job.flats))
    prior = job.model.prior if job.model is not None else ObjectPrior()
    frame = Frame(seen.fraction, prepared.pair, seen.noise, prior, job.filter_signal, job.operators)
    found = estimate(frame, degradation, job, number)
    judged = frame.as_restored()
    linear = None if found.gated is None else found.gated.gate == 0
    judge = Judge(
        judged,
        prepared.judged_by,
        _excluded(seen),
        scale,
        seen.stored,
        job.safeguards,
        linear,
        seen.predicted,
        job.judged,
    )
    answered = answer(frame, degradation, job, found, judge)
    found, verdict = answered.found, answered.verdict
    leading = list(answered.leading)
    if job.safeguards and verdict.written.fault is not None:
        raise refuse(verdict.written.fault)
    if job.safeguards and _said(verdict.certificate) == CONTRADICTED:
        leading.append(CONTRADICTED_EVERYWHERE)
    pixels, clipped = brought(found.image, verdict.written, job.response, scale)
    note = _FrameNote(
        noise=seen.noise,
        bright=0 if seen.hits is None else int(np.count_nonzero(seen.hits.bright)),
        dark=0 if seen.hits is None else int(np.count_nonzero(seen.hits.dark)),
        clipped=clipped,
        evaluations=found.evaluations,
        network_share=found.share,
        replaced_share=float(np.mean(answered.replaced > 0)),
        corrected_share=float(np.mean(answered.corrected > 0)),
        linear_share=0.0 if found.gated is None else found.gated.linear_share,
        certificate_seconds=judge.seconds,
        leading=leading,
        warnings=[*seen.warnings, *found.warnings, *answered.warnings],
    )
    if seen.padding is not None:
        pixels = np.where(seen.padding, stored, pixels)
    hit = None if seen.hits is None else seen.hits.mask
    fraction = verdict.written.fraction
    return _FrameResult(note, judged, pixels, fraction, verdict.certificate, answered, found.gated, hit)


def _excluded(seen: Measured) -> NDArray[np.bool_] | None:
    """Where a result is not compared with the measurement: around saturation and padding; None if there is neither."""
    full, padding = saturated(seen.stored), seen.excluded
    return full if padding is None else padding if full is None else full | padding


def _said(certificate: Certificate | None) -> str:
    return NOT_JUDGED if certificate is None else verdict_of(certificate)
