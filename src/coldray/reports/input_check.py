"""What a report says about the input: whether it is what a restoration may be given."""

from __future__ import annotations

import numpy as np

from coldray.channels import conditions
from coldray.errors import MeasurementError
from coldray.images.scale import scale_of
from coldray.radiograph import Radiograph
from coldray.reports.blocks import Block, Facts, Note
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.noise import noise_factor
from coldray.restoration.pipeline import Job, Restoration


def input_check(image: Radiograph, result: Restoration, job: Job, certificate: Certificate) -> tuple[Block, ...]:
    """Facts and warnings about the input: size, pitch, open beam, linearity, saturation, noise, domain of the model."""
    known, frame = image.acquisition, certificate.frame
    scale = scale_of(image, job.open_beam, plateau=job.safeguards)[0]
    rows, cols = frame.shape
    pitch = frame.pair.pixel_pitch_mm
    frames = image.pixels.shape[0] if image.pixels.ndim == 3 else 1
    where = {
        "fraction": "floating point: 1 is the open beam",
        "option": "stated by the user",
        "file": "stated in the file",
        "image": "not stated: the brightest even part of the image",
    }
    linear = {True: "stated linear in the file", None: "not stated in the file; taken as linear"}
    y = np.asarray(frame.blurred)
    checks = [
        (
            "Size",
            f"{cols} × {rows} pixels, {cols * pitch:.4g} mm × {rows * pitch:.4g} mm, {frames} frame{'s' if frames > 1 else ''}",
        ),
        ("Pixel type", str(image.dtype)),
        (
            "Pixel pitch",
            f"{1e3 * pitch:.4g} µm ({'stated in the file' if known.pixel_pitch_mm else 'from the user or the detectors'})",
        ),
        ("Open beam", f"{scale.open_beam:g} DN ({where.get(scale.source, 'unknown: full scale taken')})"),
        ("Linearity", known.not_proportional or linear[known.linear]),
        (
            "Signal",
            f"mean {100 * float(y.mean()):.3g} %, range {100 * float(y.min()):.3g} % to {100 * float(y.max()):.3g} % of the open beam",
        ),
        ("Saturation", _saturation(image)),
        ("Noise", _noise(certificate)),
        ("Acquisition", _acquisition(image)),
        ("In the model's domain", _domain(result, job, certificate)),
    ]
    blocks: list[Block] = [Facts(tuple(checks))]
    if result.warnings:
        blocks += [Note("Warnings:"), *(Note(f"• {w}") for w in result.warnings)]
    else:
        blocks.append(Note("No warnings."))
    return tuple(blocks)


def _saturation(image: Radiograph) -> str:
    if image.dtype.kind not in "ui":
        return "not known for floating-point pixels"
    full = int(np.iinfo(image.dtype.str).max)
    count = int(np.count_nonzero(image.pixels == full))
    return f"{count} pixels at {full} DN, {100 * count / image.pixels.size:.3g} % of the image"


def _noise(certificate: Certificate) -> str:
    noise, frame = certificate.frame.noise, certificate.frame
    source = {
        "exposure": "from the exposure",
        "flats": "from flat fields",
        "estimated": "estimated from the image",
        "assumed": "assumed",
    }
    text = (
        f"{100 * noise.relative_sd(1.0):.3g} % of the open beam per pixel at the open beam, {100 * noise.relative_sd(frame.mean_signal):.3g} % "
        f"at the mean signal ({source.get(noise.source, noise.source)})"
    )
    try:
        factor = noise_factor(np.asarray(frame.blurred), noise)
    except MeasurementError:
        return text
    return f"{text}; the image holds {factor:.3g} times the stated noise power near the Nyquist frequency"


def _acquisition(image: Radiograph) -> str:
    known = image.acquisition
    facts = [
        None if known.tube_voltage_kv is None else f"{known.tube_voltage_kv:g} kV",
        None if known.exposure_s is None else f"{known.exposure_s:g} s per frame",
        None if known.air_kerma_ugy is None else f"{known.air_kerma_ugy:g} µGy per frame",
        None if known.frames <= 1 else f"mean of {known.frames} frames",
        None if known.magnification == 1 else f"magnification {known.magnification:g} (no unit)",
        known.detector,
    ]
    return ", ".join(f for f in facts if f) or "not stated in the file"


def _domain(result: Restoration, job: Job, certificate: Certificate) -> str:
    if job.model is None or "model" not in result.image.history[-1].details:
        return "not asked: the method uses no trained model"
    outside = job.model.warnings_for(conditions(certificate.frame, certificate.degradation))
    if outside:
        return "no: " + "; ".join(outside)
    return "yes: MTF ratio and noise lie within the family the model was trained over (the object itself is not judged)"
