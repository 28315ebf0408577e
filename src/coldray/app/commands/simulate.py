"""`simulate`: radiographs with known truth, registered across detectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.document import as_entries, as_text
from coldray.errors import SettingsError
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_MG_CM2

if TYPE_CHECKING:
    from coldray.objects.ideal import IdealTarget

EXAMPLE = """
Example: coldray simulate board -o pairs --family handheld --exposure-s 0.25 --random-state 3

Example: coldray simulate wedge -o wedge --raw --frames 20

Example: coldray simulate panel -o panels --random-state 1

Example: coldray simulate edge --ideal -o targets --detector gos135 --noise 0.01
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate", epilog=EXAMPLE)(simulate)


def simulate(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="board|battery|plate|casting|weld|wire|texture|edge|bars|flat|duplex|wedge|panel",
            help="What to radiograph.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Data folder to write.")],
    gerber: Annotated[Path | None, typer.Option(help="Gerber zip or folder of a real board.")] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which board of --gerber; without it, several are refused.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Family of boards, form of cell, or variant of another kind; drawn if not given.")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(metavar="DET", help="One detector instead of two: built in, phosphor:LOADING or a file."),
    ] = None,
    sharp_mg_cm2: Annotated[float, typer.Option(help="Loading of the thin screen [mg/cm2].")] = SHARP_MG_CM2,
    blurred_mg_cm2: Annotated[float, typer.Option(help="Loading of the thick screen [mg/cm2].")] = BLURRED_MG_CM2,
    pitch_um: Annotated[float, typer.Option(help="Pixel pitch [um].")] = 1e3 * PITCH_MM,
    size_px: Annotated[
        int, typer.Option(min=64, max=4096, help="Rows, and columns where the target does not set them.")
    ] = 512,
    frames: Annotated[int, typer.Option(min=1, max=1000, help="Frames of each detector.")] = 1,
    exposure_s: Annotated[float, typer.Option(help="Exposure of one frame [s].")] = 1.0,
    random_state: Annotated[int, typer.Option(min=0, help="Object and noise.")] = 0,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Raw frames: gain pattern, offset, bad pixels, lag; darks and flats beside them."),
    ] = False,
    calibration_frames: Annotated[int, typer.Option(min=2, max=1000, help="Darks and flats with --raw.")] = 20,
    direct_hits_s: Annotated[
        float, typer.Option(help="With --raw: direct hits in the sensor per pixel and second of the open beam.")
    ] = 0.0,
    stitch_step: Annotated[
        float, typer.Option(help="With --raw: relative step left by correction between two sensor tiles.")
    ] = 0.0,
    defects: Annotated[
        int, typer.Option(min=0, max=10000, help="Known defects to put into the object; targets have none.")
    ] = 0,
    magnification: Annotated[float, typer.Option(help="Source-detector over source-object distance.")] = 1.0,
    focal_spot_um: Annotated[float, typer.Option(help="Focal spot, full width at half maximum [um].")] = 50.0,
    scatter_to_primary: Annotated[
        float, typer.Option(help="Scatter over primary: 0.005-0.03 for a board, 0.05-0.2 for a cell.")
    ] = 0.0,
    view_deg: Annotated[float, typer.Option(help="Angle between the rays and the board's normal [deg].")] = 0.0,
    angle_deg: Annotated[float, typer.Option(help="Tilt of edge, bars or wires in the image [deg].")] = 3.0,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="Analytic target with a truth JSON: edge, bars, flat or duplex.")
    ] = False,
    sigma_px: Annotated[float, typer.Option(help="Gaussian blur of an ideal target without a detector [px].")] = 0.6,
    noise: Annotated[
        float | None,
        typer.Option(help="Relative pixel noise of an ideal target at the open beam; 0.01 for flats, else 0."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into an existing folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Simulate an object or target with a thin and a thick screen, or an ideal target; truth included."""
    if kind == "panel":
        return _panel(out, random_state, overwrite, as_json)
    if ideal:
        from coldray.objects.ideal import IdealTarget

        asked = IdealTarget(kind, detector, sigma_px, angle_deg, noise, pitch_um, size_px, frames, random_state)
        return _ideal(asked, out, overwrite, as_json)
    if noise is not None:
        raise SettingsError("--noise belongs to --ideal targets; the noise of a detector follows from --exposure-s")
    from coldray.app.commands._acquisition import Exposure
    from coldray.app.commands._drawn import Drawn, write_drawn
    from coldray.objects.request import ObjectRequest
    from coldray.simulation.geometry import Geometry

    if not 5 <= pitch_um <= 1000:
        raise SettingsError(f"the pitch {pitch_um} um must lie within 5 to 1000")
    pitch = pitch_um * 1e-3
    names = {"hr": f"phosphor:{sharp_mg_cm2:g}", "lr": f"phosphor:{blurred_mg_cm2:g}"}
    drawn = Drawn(
        ObjectRequest(kind, size_px, OVERSAMPLING, pitch, magnification, gerber, family, angle_deg, board),
        Geometry(magnification, focal_spot_um, scatter_to_primary=scatter_to_primary),
        Exposure(frames, exposure_s, random_state, raw, calibration_frames, direct_hits_s, stitch_step),
        names if detector is None else {"frames": detector},
        defects,
        view_deg,
    )
    folder, written = write_drawn(drawn, out, overwrite=overwrite, quiet=as_json)
    if as_json:
        console.emit(written)
    else:
        console.tell(f"{folder}: {frames} frame(s) of {' and '.join(drawn.screens.values())}, truth beside them")
    return console.OK


def _panel(out: Path, random_state: int, overwrite: bool, as_json: bool) -> int:
    """Write the acquisitions of a simulated panel and say where."""
    from coldray.app.commands._panel import simulate_panel

    written = simulate_panel(out, random_state, overwrite)
    if as_json:
        console.emit(written)
    else:
        console.tell(
            f"{Path(as_text(written['panel'])).parent}: {len(as_entries(written['files']))} acquisitions, panel.toml and truth.json"
        )
    return console.OK


def _ideal(asked: IdealTarget, out: Path, overwrite: bool, as_json: bool) -> int:
    """Write an analytic target and say where."""
    from coldray.app.commands._ideal import write_ideal

    files, truth = write_ideal(asked, out, overwrite=overwrite)
    if as_json:
        console.emit({"files": files, "truth": {asked.kind: truth}})
    else:
        typer.echo(f"{out / asked.kind}: {len(files)} ideal frame(s), truth in {Path(truth).name}")
    return console.OK
