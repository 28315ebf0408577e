"""`characterise`: edges, flats and bars in, one detector file out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coldray.app import console
from coldray.app.commands._inputs import (
    PLOT_SUFFIXES,
    REPORT_SUFFIXES,
    AsJson,
    BadPixels,
    Inputs,
    OneRoi,
    Overwrite,
    PitchUm,
    Plot,
    Raw,
    Report,
    by_level,
    check_outputs,
    finish,
    of_bytes,
    parse_roi,
    pitch_of,
    positive,
    read_inputs,
    read_mask,
    sheets,
    write_files,
)
from coldray.errors import MeasurementError, SettingsError

if TYPE_CHECKING:
    from coldray.metrology.bars.ctf import BarsMeasurement
    from coldray.metrology.budget import NoiseBudget
    from coldray.metrology.dqe import Beam
    from coldray.metrology.edge.mtf import EdgeMeasurement
    from coldray.metrology.noise import NoiseMeasurement
    from coldray.physics.curves import FrequencyCurve
    from coldray.radiograph import Radiograph

FEWEST_LEVELS = 3
BARS_AGREE = 0.03
"""Largest difference between the MTF of bars and edge that is not worth a warning."""
DETRENDED_RINGS = 2
"""Lowest radial bins of an NNPS that lack what the trend took."""

EXAMPLE = """
Example: coldray characterise --name thick --edge edges/ --flat flats/ --pitch-um 48 --exposure-s 0.25 -o thick.json

Example: coldray characterise --name csi --edge e.tif --flat f.tif --pitch-um 100 --beam RQA5 --air-kerma-ugy 8 -o csi.json
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("characterise", epilog=EXAMPLE)(characterise)


def characterise(
    name: Annotated[str, typer.Option(help="Name of the detector.")],
    edge: Annotated[list[Path], typer.Option(metavar="FILE", help="Corrected images of slanted edges; repeats.")],
    flat: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Corrected flat fields, of 3 or more exposures if at hand; repeats."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DET.json", help="Detector file to write.")],
    bars: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Corrected bar patterns; repeats.")] = None,
    pitch_um: PitchUm = None,
    roi: OneRoi = None,
    exposure_s: Annotated[
        float | None, typer.Option(help="Exposure of one (of the brightest) flat frame [s]; else from the file.")
    ] = None,
    air_kerma_ugy: Annotated[
        float | None, typer.Option(help="Air kerma at the detector per (brightest) flat frame [uGy], for the DQE.")
    ] = None,
    beam: Annotated[
        str | None, typer.Option(metavar="NAME", help="Beam quality: RQA3, RQA5, RQA7, RQA9 or W70kV.")
    ] = None,
    edition: Annotated[str, typer.Option(help="Edition of the RQA table: 2003 or 2015.")] = "2015",
    loading_mg_cm2: Annotated[float | None, typer.Option(help="Phosphor loading [mg/cm2], for the record.")] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure MTF, NNPS and NEQ (DQE) from images and write them as one detector file.

    The file goes straight into `restore --blurred DET.json` or `--sharp DET.json`. --roi holds the edge.
    """
    from coldray.metrology.bars.ctf import bars_ctf
    from coldray.metrology.dqe import neq_dqe
    from coldray.metrology.edge.directions import by_direction, mean_curve
    from coldray.metrology.edge.mtf import edge_mtf
    from coldray.metrology.noise import flat_nnps
    from coldray.reports.measurements import detector_protocol

    region = None if roi is None else parse_roi(roi)
    for option, value in (
        ("--pitch-um", pitch_um),
        ("--exposure-s", exposure_s),
        ("--air-kerma-ugy", air_kerma_ugy),
        ("--loading-mg-cm2", loading_mg_cm2),
    ):
        positive(option, value)
    if not name.strip() or not name.isprintable():
        raise SettingsError("--name must be a printable text")
    quality = _beam(beam, edition)
    edges, flats = read_inputs(edge, "edge", raw), read_inputs(flat, "flat", raw)
    patterns = read_inputs(bars, "bar", raw) if bars else Inputs("bar")
    mask = read_mask(bad_pixels)
    edges, flats, patterns = groups = tuple(group.masked(mask) for group in (edges, flats, patterns))
    sources = [path for group in groups for path in group.files]
    check_outputs([(out, (".json",)), (plot, PLOT_SUFFIXES), (report, REPORT_SUFFIXES)], sources, overwrite)
    images = [image for group in groups for image in group.images]
    pitch, warnings = pitch_of(images, pitch_um)
    warnings += [w for group in groups for w in group.warnings()]

    measured_edge = edge_mtf(edges.frames, pitch, region)
    directions = by_direction(edges.frames, lambda images: edge_mtf(images, pitch, region))
    if directions is not None:
        radial = mean_curve(*(one.mtf for one in directions))
        half, fifth, tenth = (radial.frequency_at(level) for level in (0.5, 0.2, 0.1))
        measured_edge = replace(measured_edge, mtf=radial, mtf50_lp_mm=half, mtf20_lp_mm=fifth, mtf10_lp_mm=tenth)
    levels = [(flat_nnps(group, pitch), group) for group in by_level(flats.frames)]
    reference, reference_frames = levels[-1]
    measured_bars = [bars_ctf(image, pitch) for image in patterns.images]
    kerma, more = _air_kerma(air_kerma_ugy, quality, reference_frames)
    history = [step for image in images for step in image.history]
    neq = neq_dqe(measured_edge.mtf, reference, air_kerma_ugy=kerma, beam_quality=quality, history=history)
    budget, electronic, even_more = _electronic([m for m, _ in levels])
    exposure, still_more = _exposure(exposure_s, reference_frames)
    found = [*measured_edge.warnings, *neq.warnings, *(w for m in measured_bars for w in m.warnings)]
    warnings = list(
        dict.fromkeys([*warnings, *more, *even_more, *still_more, *found, *_disagreement(measured_edge, measured_bars)])
    )
    parts = {
        "edge": measured_edge.to_json(),
        "edge_directions": None if directions is None else [one.to_json() for one in directions],
        "flat": reference.to_json() | {"levels": [_level(m, g) for m, g in levels]},
        "bars": [m.to_json() for m in measured_bars],
        "dqe": neq.to_json(),
        "noise_budget": None if budget is None else budget.to_json(),
    }
    records = [record for group in groups for record in group.records()]
    document = _document(
        name,
        pitch,
        measured_edge.mtf,
        directions,
        reference.radial,
        exposure,
        electronic,
        loading_mg_cm2,
        parts,
        records,
        warnings,
    )
    protocol = detector_protocol(
        name, pitch, measured_edge, reference, neq, (*measured_bars, None)[0], records, warnings
    )
    text = json.dumps(document, indent=1, allow_nan=False)
    write_files({out: of_bytes(text.encode())} | sheets(plot, report, protocol))
    code = max(group.code for group in groups)
    if as_json:
        console.emit(document)
        return code
    finish({"warnings": warnings}, protocol.rows, code, False)
    typer.echo(f"{out}")
    console.say(f"next: coldray restore IMAGE -o OUT --blurred {out} --sharp DET   (or --sharp {out}, for a sharp one)")
    return code


def _beam(name: str | None, edition: str) -> Beam | None:
    """Beam quality of the option; an unknown one is a bad option."""
    from coldray.metrology.dqe import beam

    if name is None:
        return None
    try:
        return beam(name, edition)
    except MeasurementError as problem:
        raise SettingsError(f"--beam: {problem}") from None


def _air_kerma(option: float | None, quality: Beam | None, frames: list[Radiograph]) -> tuple[float | None, list[str]]:
    """Air kerma of what one reference image holds [uGy], where a DQE is wanted."""
    averaged = {f.acquisition.frames for f in frames}
    if quality is None:
        if option is not None:
            raise SettingsError("--air-kerma-ugy needs --beam NAME: RQA3, RQA5, RQA7, RQA9 or W70kV")
        return None, []
    known = {f.acquisition.air_kerma_ugy for f in frames} - {None}
    if option is None and len(known) != 1:
        raise SettingsError("--beam needs --air-kerma-ugy: the flats do not state one air kerma")
    each = option if option is not None else known.pop()
    assert each is not None
    if len(averaged) > 1:
        raise MeasurementError("the flats are means of unlike numbers of frames; a DQE needs equal exposures")
    count = averaged.pop()
    return each * count, [] if count == 1 else [
        f"each flat is the mean of {count} frames: the air kerma counts {count} times"
    ]


def _exposure(option: float | None, frames: list[Radiograph]) -> tuple[float, list[str]]:
    """Exposure that the NNPS belongs to [s]: that of one frame times the frames averaged in a file."""
    averaged = {f.acquisition.frames for f in frames}
    count = max(averaged)
    notes = [] if len(averaged) == 1 else ["the flats are means of unlike numbers of frames"]
    known = {f.acquisition.exposure_s for f in frames if f.acquisition.exposure_s is not None}
    stated = known.pop() if len(known) == 1 else None
    if option is not None:
        if stated is not None and abs(stated / option - 1) > 1e-3:
            notes.append(f"the flats state {stated:g} s; {option:g} s by --exposure-s is used")
        return option * count, notes
    if stated is not None:
        return stated * count, notes
    return float(count), [*notes, "the exposure of the flats is not known: 1 s is assumed; give --exposure-s"]


def _electronic(levels: list[NoiseMeasurement]) -> tuple[NoiseBudget | None, float, list[str]]:
    """Share of the brightest level's noise that does not depend on the signal; 0 without an exposure series."""
    from coldray.metrology.budget import exposure_series

    if len(levels) == 1:
        return None, 0.0, []
    if len(levels) < FEWEST_LEVELS:
        return (
            None,
            0.0,
            [
                f"{len(levels)} exposures do not tell electronic from quantum noise, {FEWEST_LEVELS} do; "
                "the brightest flats are used, and electronic noise counts as 0"
            ],
        )
    budget = exposure_series(levels)
    share = budget.electronic / budget.variance(levels[-1].mean_signal)
    return budget, float(min(max(share, 0.0), 1.0)), list(budget.warnings)


def _level(measured: NoiseMeasurement, frames: list[Radiograph]) -> dict[str, Any]:
    """One exposure of the series."""
    known = {f.acquisition.exposure_s for f in frames} - {None}
    return {
        "mean_signal": measured.mean_signal,
        "pixel_variance": measured.pixel_variance,
        "frames": measured.frames,
        "exposure_s": known.pop() if len(known) == 1 else None,
    }


def _disagreement(edge: EdgeMeasurement, bars: list[BarsMeasurement]) -> list[str]:
    """Bars and edge measure the same MTF; say where they do not."""
    apart = [
        (abs(g.mtf - float(edge.mtf(g.frequency_lp_mm))), g.frequency_lp_mm)
        for measured in bars
        for g in measured.groups
        if g.frequency_lp_mm <= edge.mtf.last_frequency_lp_mm
    ]
    worst, place = max(apart, default=(0.0, 0.0))
    if worst <= BARS_AGREE:
        return []
    return [
        f"bars and edge differ by {worst:.2f} in MTF at {place:.3g} lp/mm: check magnification, focus and the plateaus of the bars"
    ]


def _radial_from_zero(radial: FrequencyCurve) -> FrequencyCurve:
    """Radial NNPS from zero frequency on; the rings that the trend was taken from hold the next one's value."""
    import numpy as np

    from coldray.physics.curves import FrequencyCurve

    frequency = np.concatenate([[0.0], radial.frequency_lp_mm[DETRENDED_RINGS:]])
    value = np.concatenate([radial.value[DETRENDED_RINGS : DETRENDED_RINGS + 1], radial.value[DETRENDED_RINGS:]])
    return FrequencyCurve(frequency, value)


def _document(
    name: str,
    pitch: float,
    mtf: FrequencyCurve,
    directions: tuple[EdgeMeasurement, EdgeMeasurement] | None,
    radial: FrequencyCurve,
    exposure_s: float,
    electronic: float,
    loading_mg_cm2: float | None,
    parts: dict[str, Any],
    records: list[dict[str, Any]],
    warnings: list[str],
) -> dict[str, Any]:
    """Content of the detector file, read back once before it is written."""
    from coldray import __version__
    from coldray.physics.detector import ANISOTROPY_TOLD, Detector

    edges, flats = (sum(record["role"] == role for record in records) for role in ("edge", "flat"))
    detector = Detector(
        name,
        pitch,
        mtf,
        _radial_from_zero(radial),
        exposure_s,
        electronic,
        loading_mg_cm2,
        f"measured from {edges} edge and {flats} flat file(s) by coldray {__version__}",
        None if directions is None else (directions[0].mtf, directions[1].mtf),
    )
    if detector.anisotropy > ANISOTROPY_TOLD:
        warnings.append(
            f"MTF50 differs by {100 * detector.anisotropy:.2g} % between the directions; both are in the file"
        )
    measurement = {"coldray": __version__, **parts, "inputs": records, "warnings": warnings}
    document: dict[str, Any] = console.plain(detector.to_dict() | {"measurement": measurement})
    Detector.from_dict(document)
    return document
