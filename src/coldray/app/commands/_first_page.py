"""`measure linearity | uniformity | iqi | ttf | blur | source`: the first page of a sheet, and blur without a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldray.app.commands._inputs import (
    AsJson,
    BadPixels,
    Csv,
    OneFile,
    OneRoi,
    Overwrite,
    PitchUm,
    Plot,
    Raw,
    Report,
    parse_roi,
    positive,
    read_inputs,
    read_mask,
)
from coldray.app.commands._measured import check, prepare, written
from coldray.errors import MetadataError, SettingsError


def register(group: typer.Typer) -> None:
    """Add the verbs to `measure`."""
    group.command(
        "linearity",
        epilog="Example: coldray measure linearity f1.tif f2.tif f4.tif --exposure 1 --exposure 2 --exposure 4",
    )(linearity)
    group.command("uniformity", epilog="Example: coldray measure uniformity flats/ --pitch-um 48 --plot map.png")(
        uniformity
    )
    group.command(
        "iqi", epilog="Example: coldray measure iqi weld.tif --pitch-um 48 --first-wire 10 --roi 40,40,700,300"
    )(iqi)
    group.command("ttf", epilog="Example: coldray measure ttf restored/ --contrast 0.05 --pitch-um 48 --csv ttf.csv")(
        ttf
    )
    group.command("blur", epilog="Example: coldray measure blur flats/ --pitch-um 48 --stated gos135")(blur)
    group.command(
        "source",
        epilog="Example: coldray measure source near.tif far.tif --magnification 1.05 --magnification 2 --pitch-um 48",
    )(source)


def linearity(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Flats, one file for each exposure.")],
    exposure: Annotated[
        list[float] | None,
        typer.Option(
            help="Exposure of each file in its order: air kerma, charge or time; repeats. Else the files' own."
        ),
    ] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure how straight the signal follows the exposure: slope, R², largest deviation."""
    from coldray.api.first_page import linearity as measure

    found = read_inputs(files, "flat", raw)
    check((plot, report, csv), found, overwrite)
    given = exposure
    if not given:
        given = []
        for image, path in zip(found.images, found.files, strict=True):
            own = image.acquisition.air_kerma_ugy or image.acquisition.exposure_s
            if own is None:
                raise MetadataError(f"{path.name}: states no exposure; give --exposure for each file, in their order")
            given.append(own)
    if len(given) != len(found.images):
        raise SettingsError(f"{len(found.images)} files and {len(given)} values of --exposure; give one for each file")
    measured = measure(found.masked(read_mask(bad_pixels)).images, given)
    return written(measured, found, found.warnings(), (plot, report, csv), as_json)


def uniformity(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Flat fields of one exposure, or folders.")],
    pitch_um: PitchUm = None,
    tile_mm: Annotated[float, typer.Option(help="Side of the tiles [mm].")] = 10.0,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Map signal and SNR over the panel, and how far they vary from tile to tile."""
    from coldray.api.first_page import uniformity as measure

    positive("--tile-mm", tile_mm)
    found, pitch, notes = prepare(files, "flat", pitch_um, (plot, report, csv), raw, overwrite)
    measured = measure(found.frames, pitch, tile_mm=tile_mm, mask=read_mask(bad_pixels))
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def iqi(
    file: OneFile,
    first_wire: Annotated[int, typer.Option(metavar="1|6|10|13", help="Number of the coarsest wire of the indicator.")],
    pitch_um: PitchUm = None,
    roi: OneRoi = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the CNR of every wire of a wire indicator, and the finest that is visible."""
    from coldray.api.first_page import wire_iqi

    if first_wire not in (1, 6, 10, 13):
        raise SettingsError(f"--first-wire {first_wire}: indicators begin with wire 1, 6, 10 or 13")
    region = None if roi is None else parse_roi(roi)
    found, pitch, notes = prepare([file], "wire", pitch_um, (plot, report, csv), raw, overwrite)
    image = found.masked(read_mask(bad_pixels)).images[0]
    measured = wire_iqi(image, pitch, region, first_wire=first_wire)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def ttf(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Repeats of one edge, restored, or folders.")],
    contrast: Annotated[float, typer.Option(help="(bright - dark) / bright of the edge before the detector, 0 to 1.")],
    pitch_um: PitchUm = None,
    roi: OneRoi = None,
    air_kerma_ugy: Annotated[float | None, typer.Option(help="Air kerma of one image [uGy].")] = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the task transfer of a restorer: what an edge of this contrast and dose becomes, over repeats."""
    from coldray.api.first_page import task_transfer

    if not 0 < contrast <= 1:
        raise SettingsError(f"--contrast {contrast}: must be above 0 and at most 1")
    positive("--air-kerma-ugy", air_kerma_ugy)
    region = None if roi is None else parse_roi(roi)
    found, pitch, notes = prepare(files, "edge", pitch_um, (plot, report, csv), raw, overwrite)
    measured = task_transfer(found.frames, pitch, region, contrast=contrast, air_kerma_ugy=air_kerma_ugy)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def blur(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Repeated flats of one or several exposures.")],
    pitch_um: PitchUm = None,
    stated: Annotated[
        str | None, typer.Option(metavar="DET", help="Detector whose table is compared with the flats.")
    ] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the blur of a detector without a target, from the correlation of the noise in repeated flats."""
    from coldray.api.first_page import noise_mtf
    from coldray.physics.detector import load_detector

    found, pitch, notes = prepare(files, "flat", pitch_um, (plot, report, csv), raw, overwrite)
    table = None if stated is None else load_detector(stated, pixel_pitch_mm=pitch).mtf
    measured = noise_mtf(found.masked(read_mask(bad_pixels)).frames, pitch, stated=table)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def source(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Edges, one file for each distance.")],
    magnification: Annotated[
        list[float],
        typer.Option(help="Source-detector over source-edge distance of each file, in their order; repeats."),
    ],
    pitch_um: PitchUm = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Tell the blur of the focal spot from that of the detector, by edges at two or more distances."""
    from coldray.api.first_page import separate_blurs

    found, pitch, notes = prepare(files, "edge", pitch_um, (plot, report, csv), raw, overwrite)
    if len(found.images) != len(magnification):
        raise SettingsError(
            f"{len(found.images)} files and {len(magnification)} values of --magnification; give one for each file"
        )
    measured = separate_blurs(found.masked(read_mask(bad_pixels)).images, magnification, pitch)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)
