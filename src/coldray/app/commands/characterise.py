"""`characterise`: edges, flats and bars in, one detector file out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from coldray import __version__
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
from coldray.document import plain_table

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
    beam_quality: Annotated[
        str | None, typer.Option("--beam", metavar="NAME", help="Beam quality: RQA3, RQA5, RQA7, RQA9 or W70kV.")
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
    from coldray.api.detector import characterise as measure
    from coldray.physics.detector import Detector
    from coldray.reports.measurements import detector_protocol

    region = None if roi is None else parse_roi(roi)
    for option, value in (
        ("--pitch-um", pitch_um),
        ("--exposure-s", exposure_s),
        ("--air-kerma-ugy", air_kerma_ugy),
        ("--loading-mg-cm2", loading_mg_cm2),
    ):
        positive(option, value)
    edges, flats = read_inputs(edge, "edge", raw), read_inputs(flat, "flat", raw)
    patterns = read_inputs(bars, "bar", raw) if bars else Inputs("bar")
    mask = read_mask(bad_pixels)
    edges, flats, patterns = groups = tuple(group.masked(mask) for group in (edges, flats, patterns))
    sources = [path for group in groups for path in group.files]
    check_outputs([(out, (".json",)), (plot, PLOT_SUFFIXES), (report, REPORT_SUFFIXES)], sources, overwrite)
    images = [image for group in groups for image in group.images]
    pitch, warnings = pitch_of(images, pitch_um)
    warnings += [w for group in groups for w in group.warnings()]

    records = [record for group in groups for record in group.records()]
    counted = {role: sum(record["role"] == role for record in records) for role in ("edge", "flat")}
    found = measure(
        edges.images,
        flats.images,
        pitch,
        name=name,
        bars=patterns.images or None,
        roi=region,
        exposure_s=exposure_s,
        air_kerma_ugy=air_kerma_ugy,
        beam_quality=beam_quality,
        edition=edition,
        loading_mg_cm2=loading_mg_cm2,
        description=f"measured from {counted['edge']} edge and {counted['flat']} flat file(s) by coldray {__version__}",
    )
    warnings = list(dict.fromkeys([*warnings, *found.measured.warnings]))
    measurement = found.measured.to_json() | {"inputs": records, "warnings": warnings}
    document = plain_table(found.to_dict() | {"measurement": measurement})
    Detector.from_dict(document)  # what cannot be read back is not written
    protocol = detector_protocol(found.measured).of(records, warnings)
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
