"""The report of one restored image: verdict, what was done, input check, images, layers, curves, metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.document import Json, as_number, as_text
from coldray.errors import ImageError, SettingsError
from coldray.images.scale import scale_of
from coldray.metrology.inspection import Inspection
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.radiograph import Radiograph
from coldray.reports.blocks import Block, Note, Picture, Report, Section, Table
from coldray.reports.done import detectors, model, part, what_was_done
from coldray.reports.input_check import input_check
from coldray.reports.inspection import inspected, inspection_section
from coldray.reports.pictures import (
    bands_picture,
    certificate_picture,
    curves_picture,
    detail_picture,
    images_picture,
    layers_picture,
)
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.words import CONSISTENT, CONTRADICTED, LINEAR, LOCAL, UNTESTABLE
from coldray.restoration.pipeline import Job, Restoration
from coldray.restoration.provenance import Provenance

TONE_OF = {CONSISTENT: "good", LOCAL: "doubtful", CONTRADICTED: "bad", UNTESTABLE: "unknown", LINEAR: "good"}
VERDICT_WORDS = {
    CONSISTENT: "Consistent with the measurement",
    LOCAL: "Contradicted by the measurement in places",
    CONTRADICTED: "Contradicted by the measurement",
    UNTESTABLE: "Not testable",
    LINEAR: "A linear filter of the measurement: nothing to certify",
}
NOT_CLAIMED = (
    "The original image is the record; the restored one is derived from it. Nothing here claims conformity with ISO 17636-2, "
    "ASTM E2737 or any other standard: SNR, basic spatial resolution and contrast sensitivity for compliance are measured on the "
    "original image. The certificate tests agreement with the measurement; it does not prove a detail true."
)


@dataclass(frozen=True, eq=False)
class Source:
    """What a report says about files.

    Parameters
    ----------
    name : str
        Of the input, as shown.
    record : mapping
        ``sha256_in``, ``sha256_out``, ``output`` and other entries of the command's JSON, where they exist.
    reference : ndarray, shape (rows, cols), optional
        Image of the same object by a sharper detector, fraction of its open beam.
    reference_name : str
    tags : mapping of str to str
        What the input says of its object and its making, see `coldray.formats.named_tags`.
    notes : Inspection, optional
        What an inspector noted on the input.
    about : mapping of str to str
        What was stated of part and inspection, by the names of `coldray.settings.ABOUT`.
    """

    name: str
    record: Mapping[str, Json]
    reference: NDArray[np.number] | None = None
    reference_name: str = "reference"
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: Inspection | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def restoration_report(image: Radiograph, result: Restoration, job: Job, source: Source) -> Report:
    """Put a restoration into a report.

    Parameters
    ----------
    image : Radiograph
        The input, one frame.
    result : Restoration
        Of a job with `keep_certificate`.
    job : Job
    source : Source

    Returns
    -------
    Report

    Raises
    ------
    SettingsError
        If the restoration kept no certificate.
    ImageError
        If the reference differs in shape.
    """
    certificate = result.certificate
    if certificate is None:
        raise SettingsError("a report needs the certificate's images; restore with keep_certificate=True")
    shape = certificate.frame.shape
    if source.reference is not None and source.reference.shape != shape:
        raise ImageError(f"the reference has {source.reference.shape} pixels, the restored image {shape}")
    stack = result.image.pixels.reshape(-1, *shape)
    frame_number = int(as_number(result.consistency.get("frame", 0)))
    restored = np.asarray(scale_of(image, job.open_beam, plateau=job.safeguards)[0].to_fraction(stack[frame_number]))
    found = result.consistency
    verdict, limits = _sentences(as_text(found["statement"]))
    assert result.parts is not None
    sections = [
        Section("Images", _images(certificate, restored, found, source)),
        *(inspection_section(inspected(image, result.image, source.notes)) if source.notes else ()),
        *part(source.tags, source.about),
        Section("What was done", (what_was_done(result, job, source.name, source.record), detectors(certificate))),
        *model(job, result),
        Section("Input check", input_check(image, result, job, certificate)),
        Section("Consistency certificate", (*_certificate(certificate, found), *limits)),
        Section("Measured, linear and prior part", _layers(certificate, result.parts, found)),
        Section("Detectors and noise", (Picture(curves_picture(certificate), _curves_caption(certificate)),)),
    ]
    if source.reference is not None:
        sections.append(Section("Metrics against the reference", _metrics(certificate, restored, source)))
    sections.append(Section("What is not claimed", (Note(NOT_CLAIMED),)))
    number = f", frame {frame_number + 1} of {len(stack)}, the one most contradicted" if len(stack) > 1 else ""
    return Report(
        title=f"Restoration report: {source.name}",
        subtitle=f"coldray {__version__}, method {job.method}{number}",
        verdict=VERDICT_WORDS[as_text(found["verdict"])],
        tone=TONE_OF[as_text(found["verdict"])],
        statement=verdict,
        sections=tuple(sections),
    )


def _sentences(statement: str) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """The verdict in its first two sentences, and what limits it as a note for the certificate's section."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", statement)
    rest = " ".join(sentences[2:])
    return tuple(sentences[:2]), (Note(rest),) if rest else ()


def _images(
    certificate: Certificate, restored: NDArray[np.floating], found: Mapping[str, Any], source: Source
) -> tuple[Block, ...]:
    low, high = (100 * v for v in np.quantile(restored[::4, ::4], [0.002, 0.998]))
    places = found["places"]
    framed = " Red frames: places that the measurement contradicts." if places else ""
    blocks = [
        Picture(
            images_picture(certificate, restored, places, source.reference),
            f"Original and restored image on one grey scale, {low:.3g} % to {high:.3g} % of the open beam; axes in mm.{framed}",
        ),
        Picture(
            detail_picture(certificate, restored, None, source.reference),
            "The part with most fine structure, pixel by pixel. Right: residual y − H·out in standard deviations of its noise.",
        ),
    ]
    if places:
        first = places[0]
        centre = (first["y_px"] + first["height_px"] // 2, first["x_px"] + first["width_px"] // 2)
        text = f"The most contradicted place, at x = {first['x_mm']:g} mm, y = {first['y_mm']:g} mm: {_excess(first)}."
        blocks.append(Picture(detail_picture(certificate, restored, centre, source.reference), text))
    return tuple(blocks)


def _excess(place: Mapping[str, Any]) -> str:
    band = "–".join(f"{f:.3g}" for f in place["band_lp_mm"])
    words = {"brighter": "the measurement is brighter", "darker": "the measurement is darker"}
    side = words.get(place["measurement"], "they differ in detail")
    return f"residual energy {place['energy_over_expected']:.3g} times the expected at {band} lp/mm; {side}"


def _certificate(certificate: Certificate, found: Mapping[str, Any]) -> tuple[Block, ...]:
    rows = [
        (
            f"{b['low_lp_mm']:.3g}–{b['high_lp_mm']:.3g}", b["status"], _plain(b["found_over_noise"]), _plain(b["allowed_over_noise"]),
            _plain(b["linear_estimate_over_noise"]), str(b["marked_tiles"]),
        )
        for b in found["bands"]
    ]  # fmt: skip
    blocks: list[Block] = [
        Note(
            f"The restored image was blurred again with the stated detectors and compared with the measurement in tiles of "
            f"{found['tile_mm']:.3g} mm and six bands: {found['tests']} tests, controlled so that an image without fault gets a mark "
            f"with a chance of at most {100 * found['false_alarm_chance']:.3g} %. Over the whole image the residual is "
            f"{found['residual_over_noise']:.3g} times the noise (rms)."
        ),
        Picture(
            certificate_picture(certificate),
            "Left: what the result leaves unexplained. Right: where it is more than noise.",
        ),
        Table(
            (
                "band [lp/mm]",
                "status",
                "residual / noise [energy]",
                "allowed [energy]",
                "linear estimate [energy]",
                "marked [tiles]",
            ),
            tuple(rows),
            "Energies in units of the noise that a true result leaves. Below 1: the result kept noise. Above what is allowed: the data contradict it.",
        ),
        Picture(bands_picture(found["bands"]), "Residual energy per band in units of the noise."),
    ]
    limits = [
        (
            f"{d['diameter_mm']:.3g}",
            "none" if d["contrast"] is None else f"{100 * d['contrast']:.3g}",
            _plain(d["cnr"]),
            f"{100 * d['power']:.0f}",
        )
        for d in found["detectable"]
    ]
    if limits:
        blocks.append(
            Table(
                ("disc, diameter [mm]", "least contrast [% of open beam]", "CNR [no unit]", "found with chance [%]"),
                tuple(limits),
                "The faintest false or missing disc that would have been found, at the mean signal.",
            )
        )
    if found["places"]:
        more = found["place_count"] - len(found["places"])
        blocks.append(_places(found["places"], more))
    return tuple(blocks)


def _places(places: list[dict[str, Any]], more: int) -> Table:
    rows = tuple(
        (
            f"{p['x_mm']:g}", f"{p['y_mm']:g}", f"{p['width_mm']:g} × {p['height_mm']:g}", "–".join(f"{f:.3g}" for f in p["band_lp_mm"]),
            f"{p['energy_over_expected']:.3g}", f"{p['chance']:.1g}", p["measurement"],
        )
        for p in places
    )  # fmt: skip
    note = f"{more} further places are not listed." if more > 0 else ""
    columns = ("x [mm]", "y [mm]", "size [mm]", "band [lp/mm]", "energy [× expected]", "p [no unit]", "measurement is")
    return Table(columns, rows, note)


def _layers(certificate: Certificate, parts: Provenance, found: Mapping[str, Any]) -> tuple[Block, ...]:
    limit = certificate.residual.verifiable_lp_mm
    return (
        Picture(
            layers_picture(certificate, parts),
            _layers_caption(parts),
        ),
        Note(
            f"The prior part holds {100 * found['prior_share']:.3g} % of the result's contrast energy; {100 * found['unverifiable_share_of_prior']:.3g} % "
            f"of it lies above {limit:.3g} lp/mm, where the noise outweighs the contrast of ordinary objects and this measurement can confirm little."
        ),
    )


def _layers_caption(parts: Provenance) -> str:
    if len(parts.layers) == 3:
        return (
            "The restored image is exactly the sum of these three: the measurement, what a committed Wiener filter W adds, and what only "
            "the method's prior claims."
        )
    share = float(np.mean(parts.layers[3] == 0))
    return (
        "The restored image is exactly the sum of the first three: the measurement, what a linear filter of it adds, and what only the network "
        f"claims. The fourth is the network's share g: in {100 * share:.3g} % of the picture it is 0, and the claim is exactly 0 there."
    )


def _curves_caption(certificate: Certificate) -> str:
    return (
        "Left: MTF of both detectors and their ratio. Right: NNPS of this frame, and the contrast of ordinary objects through the blur. Grey: "
        f"above {certificate.residual.verifiable_lp_mm:.3g} lp/mm content is prior rather than measured."
    )


def _metrics(certificate: Certificate, restored: NDArray[np.floating], source: Source) -> tuple[Block, ...]:
    assert source.reference is not None
    convention = Convention()
    rows = []
    for name, image in (("original", np.asarray(certificate.frame.blurred)), ("restored", restored)):
        try:
            psnr, similarity = psnr_db(image, source.reference, convention), ssim(image, source.reference, convention)
        except ImageError as problem:
            return (Note(f"No metrics: {problem}."),)
        rows.append((name, f"{psnr:.2f}", f"{similarity:.4f}"))
    return (
        Table(
            ("image", "PSNR [dB]", "SSIM [no unit]"),
            tuple(rows),
            f"Against {source.reference_name}; data range = open beam, {convention.border_px} pixels of border left out, one gain matched by "
            "least squares; SSIM after Wang 2004. The reference has noise and an energy response of its own, which count as error.",
        ),
    )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
