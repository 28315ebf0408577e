"""`simulate`: radiographs with known truth, registered across detectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from coldray.app import console
from coldray.errors import SettingsError

OPEN_BEAM_DN = 50000.0
EXAMPLE = """
Example: coldray simulate board -o pairs --family handheld --exposure-s 0.25 --random-state 3
Example: coldray simulate edge --ideal -o targets --detector gos135 --noise 0.01
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate", epilog=EXAMPLE)(simulate)


def simulate(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="board|battery|flat|edge|bars|duplex", help="What to radiograph; the last three with --ideal."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Data folder to write.")],
    gerber: Annotated[Path | None, typer.Option(help="Gerber zip or folder of a real board.")] = None,
    family: Annotated[
        str | None, typer.Option(help="Family of procedural boards, or pouch or cylindrical; drawn if not given.")
    ] = None,
    sharp_mg_cm2: Annotated[float, typer.Option(help="Loading of the thin screen [mg/cm2].")] = 33.91,
    blurred_mg_cm2: Annotated[float, typer.Option(help="Loading of the thick screen [mg/cm2].")] = 134.55,
    pitch_um: Annotated[float, typer.Option(help="Pixel pitch [um].")] = 48.0,
    size_px: Annotated[int, typer.Option(min=64, max=4096, help="Rows and columns.")] = 512,
    frames: Annotated[int, typer.Option(min=1, max=1000, help="Frames of each detector.")] = 1,
    exposure_s: Annotated[float, typer.Option(help="Exposure of one frame [s].")] = 1.0,
    random_state: Annotated[int, typer.Option(min=0, help="Board and noise.")] = 0,
    defects: Annotated[int, typer.Option(min=0, max=10000, help="Known defects to put into a board or battery.")] = 0,
    magnification: Annotated[float, typer.Option(help="Source-detector over source-object distance.")] = 1.0,
    focal_spot_um: Annotated[float, typer.Option(help="Focal spot, full width at half maximum [um].")] = 50.0,
    scatter_to_primary: Annotated[
        float, typer.Option(help="Scatter over primary: 0.005-0.03 for a board, 0.05-0.2 for a cell.")
    ] = 0.0,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="Analytic target with a truth JSON: edge, bars, flat or duplex.")
    ] = False,
    detector: Annotated[str | None, typer.Option(metavar="DET", help="Detector of an ideal target.")] = None,
    sigma_px: Annotated[float, typer.Option(help="Gaussian blur of an ideal target without a detector [px].")] = 0.6,
    angle_deg: Annotated[float, typer.Option(help="Tilt of an ideal target [deg].")] = 3.0,
    noise: Annotated[
        float | None,
        typer.Option(help="Relative pixel noise of an ideal target at the open beam; 0.01 for flats, else 0."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into an existing folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Simulate a board, battery or flat field with a thin and a thick screen, or an ideal target; truth included."""
    if ideal:
        return _ideal_target(
            kind, out, detector, sigma_px, angle_deg, noise, pitch_um, size_px, frames, random_state, overwrite, as_json
        )
    if kind in ("edge", "bars", "duplex"):
        raise SettingsError(f"{kind} is simulated with --ideal only")
    import numpy as np

    from coldray.data.formats import write_image
    from coldray.errors import ImageWriteError
    from coldray.physics.acquire import acquire_pair
    from coldray.physics.batteries import CELL_FORMS, battery
    from coldray.physics.boards import FAMILIES, procedural_board
    from coldray.physics.geometry import Geometry
    from coldray.physics.objects import ThicknessMaps
    from coldray.physics.simulate import ScreenDetector
    from coldray.radiograph import Acquisition, Radiograph, Step

    if not exposure_s > 0 or not 5 <= pitch_um <= 1000:
        raise SettingsError(f"exposure {exposure_s} s must be positive and the pitch {pitch_um} um within 5 to 1000")
    rng = np.random.default_rng([random_state, 1])
    pitch = pitch_um * 1e-3
    oversampling = 4
    cells = size_px * oversampling
    geometry = Geometry(magnification, focal_spot_um, scatter_to_primary=scatter_to_primary)
    object_step = geometry.object_grid_mm(pitch, oversampling)
    if kind == "flat":
        if defects:
            raise SettingsError("a flat field has no place for defects; choose board or battery")
        board = ThicknessMaps({"FR4": np.zeros((cells, cells), dtype=np.float32)}, object_step, "flat")
    elif kind == "board" and gerber is not None:
        from coldray.data.gerber import BoardBuild, build_object, read_board

        console.say(f"rasterising {gerber.name}")
        raster = read_board(gerber, object_step)
        rows, cols = raster.copper[0].shape
        first = ((rows - cells) // 2, (cols - cells) // 2)
        board = build_object(raster, BoardBuild(), rng, window=(*first, cells, cells))
    elif kind == "board":
        name = str(rng.choice(sorted(FAMILIES))) if family is None else family
        board = procedural_board(name, (cells, cells), object_step, rng)
    elif kind == "battery":
        form = str(rng.choice(CELL_FORMS)) if family is None else family
        board = battery(form, (cells, cells), object_step, rng)
    else:
        raise SettingsError(f"{kind!r} cannot be simulated; choose board, battery or flat")
    folder = out / (board.name if kind == "flat" else f"{board.name}-{random_state}")
    if folder.exists() and not overwrite:
        raise ImageWriteError(f"{folder.name}: exists already; give --overwrite or another folder")
    sharp, blurred = (ScreenDetector.gos(loading, pitch) for loading in (sharp_mg_cm2, blurred_mg_cm2))
    found: tuple[Any, ...] = ()
    if defects:
        from coldray.physics.defects import add_defects

        board, found = add_defects(
            board, defects, rng, detector=sharp, exposure_s=exposure_s, magnification=magnification
        )
    written, truth = [], {}
    step = Step("simulate", {"board": board.name, "random_state": random_state, "kind": "simulated"})
    common: dict[str, Any] = {
        "pixel_pitch_mm": pitch,
        "tube_voltage_kv": 70.0,
        "open_beam": OPEN_BEAM_DN,
        "linear": True,
        "magnification": magnification,
    }
    with console.progress("simulate", frames, quiet=as_json) as advance:
        for number in range(frames):
            seen = acquire_pair(
                board,
                sharp,
                blurred,
                oversampling,
                rng,
                exposure_s=exposure_s,
                sharp_exposure_s=exposure_s,
                sharp_frames=1,
                geometry=geometry,
            )
            for role, image, loading in (("hr", seen.sharp, sharp_mg_cm2), ("lr", seen.blurred, blurred_mg_cm2)):
                path = folder / role / f"{number:03d}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                stored = np.clip(np.rint(image * OPEN_BEAM_DN), 0, 65535).astype(np.uint16)
                known = Acquisition(**common, exposure_s=exposure_s, detector=f"phosphor:{loading:g}")
                write_image(path, Radiograph(stored, known, (step,)))
                written.append(str(path))
            advance(number + 1)
    for role, image in (("hr", seen.sharp_truth), ("lr", seen.blurred_truth), ("target", seen.target)):
        path = folder / "truth" / f"{role}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, Radiograph(image, Acquisition(**(common | {"open_beam": 1.0})), (step,)))
        truth[role] = str(path)
    if found:
        from coldray.physics.defects import defect_labels

        path = folder / "truth" / "defects.tif"
        mask = defect_labels(found, board.shape, oversampling)
        write_image(path, Radiograph(mask, Acquisition(pixel_pitch_mm=pitch), (step,)))
        truth["defects"] = str(path)
    note = {
        "board": board.name,
        "kind": "simulated",
        "pixel_pitch_mm": pitch,
        "sharp": f"phosphor:{sharp_mg_cm2:g}",
        "blurred": f"phosphor:{blurred_mg_cm2:g}",
        "tube_voltage_kv": 70.0,
        "exposure_s": exposure_s,
        "frames": frames,
        "registration": "identity",
        "random_state": random_state,
        "magnification": magnification,
        "focal_spot_um": focal_spot_um,
        "scatter_to_primary": scatter_to_primary,
        "defects": [one.to_dict(board.grid_pitch_mm) for one in found],
    }
    (folder / "pair.json").write_text(json.dumps(note, indent=1), encoding="utf-8")
    if as_json:
        console.emit({"files": written, "truth": truth, "pair": str(folder / "pair.json")})
    else:
        typer.echo(f"{folder}: {frames} frame(s) of each detector, truth beside them")
    return console.OK


def _ideal_target(
    kind: str,
    out: Path,
    detector: str | None,
    sigma_px: float,
    angle_deg: float,
    noise: float | None,
    pitch_um: float,
    size_px: int,
    frames: int,
    random_state: int,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Write an analytic target and say where."""
    from coldray.app.commands._ideal import ideal, ideal_blur

    relative = (0.01 if kind == "flat" else 0.0) if noise is None else noise
    if not 5 <= pitch_um <= 1000 or not 0 <= sigma_px <= 50 or not 0 <= relative < 1 or not 0 <= abs(angle_deg) <= 45:
        raise SettingsError(
            f"pitch {pitch_um} um, blur {sigma_px} px, noise {relative} and angle {angle_deg} deg must lie within "
            "5 to 1000, 0 to 50, 0 to 1 and -45 to 45"
        )
    blur, note = ideal_blur(detector, sigma_px, pitch_um * 1e-3)
    written = ideal(
        kind,
        out,
        blur=blur,
        blur_note=note,
        pitch_mm=pitch_um * 1e-3,
        size_px=size_px,
        frames=frames,
        angle_deg=angle_deg,
        noise=relative,
        random_state=random_state,
        overwrite=overwrite,
    )
    if as_json:
        console.emit(written)
    else:
        typer.echo(f"{out / kind}: {frames} ideal frame(s), truth in {Path(written['truth'][kind]).name}")
    return console.OK
