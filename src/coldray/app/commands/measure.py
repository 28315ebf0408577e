"""`measure edge | flat | bars | duplex | snr`, and the verbs of `_first_page`: images in, curves and numbers out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldray.app.commands import _first_page
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
from coldray.app.help import SentencesHelp
from coldray.errors import SettingsError

SeveralRois = Annotated[list[str] | None, typer.Option("--roi", metavar="X,Y,W,H", help="Region [px]; repeats.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(
        name="measure",
        help="Measure MTF, NNPS, CTF, resolution, SNR, linearity, uniformity, wire indicators and TTF.",
        epilog="Example: coldray measure edge edge.tif --pitch-um 48 --csv mtf.csv",
        no_args_is_help=True,
        cls=SentencesHelp,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    group.command("edge", epilog="Example: coldray measure edge edge.tif --pitch-um 48 --csv mtf.csv --plot mtf.pdf")(
        edge
    )
    group.command("flat", epilog="Example: coldray measure flat flats/ --pitch-um 48 --report noise.html")(flat)
    group.command("bars", epilog="Example: coldray measure bars bars.tif --pitch-um 48 --plot ctf.pdf --json")(bars)
    group.command("duplex", epilog="Example: coldray measure duplex wires.tif --pitch-um 48 --roi 100,40,900,200")(
        duplex
    )
    group.command("snr", epilog="Example: coldray measure snr weld.tif --roi 10,10,60,60 --roi 200,10,60,60")(snr)
    _first_page.register(group)
    app.add_typer(group)


def edge(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Images of slanted edges, linear.")],
    pitch_um: PitchUm = None,
    roi: OneRoi = None,
    half_length_mm: Annotated[float | None, typer.Option(help="Largest distance from the edge to use [mm].")] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the presampled MTF from slanted edges, with its k = 2 band."""
    from coldray.api.measure import edge_mtf

    region = None if roi is None else parse_roi(roi)
    positive("--half-length-mm", half_length_mm)
    found, pitch, notes = prepare(files, "edge", pitch_um, (plot, report, csv), raw, overwrite)
    measured = edge_mtf(found.frames, pitch, region, mask=read_mask(bad_pixels), half_length_mm=half_length_mm)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def flat(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Flat fields of one exposure, or folders.")],
    pitch_um: PitchUm = None,
    roi: OneRoi = None,
    roi_size: Annotated[int, typer.Option(min=64, max=4096, help="Side of the analysed squares [px].")] = 256,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the NNPS of flat fields; temporal and fixed-pattern parts from several frames."""
    from coldray.api.measure import flat_nnps

    region = None if roi is None else parse_roi(roi)
    if roi_size % 2:
        raise SettingsError(f"--roi-size {roi_size}: must be even")
    found, pitch, notes = prepare(files, "flat", pitch_um, (plot, report, csv), raw, overwrite)
    measured = flat_nnps(found.frames, pitch, roi_size, roi=region, mask=read_mask(bad_pixels))
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def bars(
    file: OneFile,
    pitch_um: PitchUm = None,
    roi: SeveralRois = None,
    plateau: Annotated[
        str | None, typer.Option(metavar="A,B", help="Pixel values of a wide bar and a wide space.")
    ] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the CTF of every bar group, and the MTF behind it (Coltman)."""
    from coldray.api.measure import bars_ctf

    regions = [parse_roi(text) for text in roi or []]
    levels = None if plateau is None else _two_numbers("--plateau", plateau)
    found, pitch, notes = prepare([file], "bar", pitch_um, (plot, report, csv), raw, overwrite)
    image = found.masked(read_mask(bad_pixels)).images[0]
    measured = bars_ctf(image, pitch, regions or None, plateau=levels)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def duplex(
    file: OneFile,
    pitch_um: PitchUm = None,
    roi: OneRoi = None,
    first_element: Annotated[
        int | None, typer.Option(min=1, max=15, help="Number of the coarsest pair in the region.")
    ] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure the dips of a duplex-wire indicator, SRb and iSRb."""
    from coldray.api.measure import duplex_isrb

    region = None if roi is None else parse_roi(roi)
    found, pitch, notes = prepare([file], "duplex-wire", pitch_um, (plot, report, csv), raw, overwrite)
    image = found.masked(read_mask(bad_pixels)).images[0]
    measured = duplex_isrb(image, pitch, region, first_element=first_element)
    return written(measured, found, notes, (plot, report, csv), as_json, pitch)


def snr(
    file: OneFile,
    roi: SeveralRois = None,
    srb_um: Annotated[float | None, typer.Option(help="Basic spatial resolution [um], for SNR_N.")] = None,
    recess_percent: Annotated[
        float | None, typer.Option(help="Depth of the recess in the first region, percent of the thickness around it.")
    ] = None,
    bad_pixels: BadPixels = None,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    raw: Raw = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure SNR, SNR_N and CNR: the first region is the signal, the second the background."""
    from coldray.api.measure import snr as measure

    regions = [parse_roi(text) for text in roi or []]
    if len(regions) > 2:
        raise SettingsError(f"{len(regions)} regions were given; the first is the signal, the second the background")
    positive("--srb-um", srb_um)
    positive("--recess-percent", recess_percent)
    if recess_percent is not None and len(regions) < 2:
        raise SettingsError("--recess-percent needs two regions: --roi of the recess, then --roi of its surroundings")
    found = read_inputs([file], "SNR", raw)
    check((plot, report, csv), found, overwrite)
    signal, background = (*regions, None, None)[:2]
    image = found.masked(read_mask(bad_pixels)).images[0]
    measured = measure(image, signal, background, srb_um=srb_um, recess_percent=recess_percent)
    return written(measured, found, found.warnings(), (plot, report, csv), as_json)


def _two_numbers(name: str, text: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"{name} {text!r}: give two numbers A,B") from None
    return first, second
