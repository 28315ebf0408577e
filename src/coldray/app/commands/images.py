"""`info` and `degrade`: look at images, and blur sharp ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.document import Json, as_table, as_texts
from coldray.errors import ColdrayError

if TYPE_CHECKING:
    from coldray.radiograph import Radiograph

    pass


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("info", epilog="Example: coldray info scan.dcm flat.tif --json")(info)
    app.command(
        "degrade",
        epilog="Example: coldray degrade sharp.tif -o blurred.tif --blurred gos135 --sharp gos34 --exposure-s 0.25",
    )(degrade)


def info(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Images.")],
    raw: Annotated[str | None, typer.Option(help="Geometry of raw files, e.g. 2048x2048:u2:offset=512.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Say what files are, and what is missing in them."""
    from coldray.app.described import in_words
    from coldray.app.files import expand
    from coldray.formats import read_image
    from coldray.formats.raw import RawGeometry

    geometry = None if raw is None else RawGeometry.parse(raw)
    entries: list[dict[str, Json]] = []
    for path, _ in expand(files):
        try:
            entries.append(_describe(path, read_image(path, raw=geometry)))
        except ColdrayError as problem:
            entries.append({"path": str(path), "error": console.one_line(problem)})
    failed = [e for e in entries if "error" in e]
    if as_json:
        console.emit({"files": entries})
    for entry in entries:
        if "error" in entry:
            console.say(f"coldray: {entry['error']}")
        elif not as_json:
            typer.echo(console.printable(entry["path"]))
            for name, text in (*in_words(entry), *as_table(entry["tags"]).items()):
                typer.echo(f"  {name:20s} {console.printable(text)}")
            for note in (*as_texts(entry["notes"]), *(f"missing: {m}" for m in as_texts(entry["missing"]))):
                typer.echo(f"  {note}")
    if len(failed) == len(entries):
        return console.CANNOT_RUN
    return console.SOME_FAILED if failed else console.OK


def _describe(path: Path, image: Radiograph) -> dict[str, Json]:
    import numpy as np

    from coldray.formats import named_tags, reading_notes

    pixels, known = image.pixels, image.acquisition
    top = np.iinfo(pixels.dtype.str).max if pixels.dtype.kind in "ui" else float(pixels.max())
    at_top = float(np.mean(pixels >= top)) if pixels.dtype.kind in "ui" else 0.0
    missing = []
    if known.pixel_pitch_mm is None:
        missing.append("pixel pitch (--pitch-um)")
    if known.open_beam is None and pixels.dtype.kind in "ui":
        missing.append("open-beam level (--open-beam)")
    if known.exposure_s is None:
        missing.append("exposure (--exposure-s), or flats for the noise")
    return {
        "path": str(path),
        "shape": list(image.shape),
        "dtype": str(image.dtype),
        "pixel_pitch_mm": known.pixel_pitch_mm,
        "tube_voltage_kv": known.tube_voltage_kv,
        "exposure_s": known.exposure_s,
        "air_kerma_ugy": known.air_kerma_ugy,
        "frames": known.frames,
        "magnification": known.magnification,
        "open_beam": known.open_beam,
        "detector": known.detector,
        "linear": known.linear,
        "inverted": known.inverted,
        "minimum": float(pixels.min()),
        "maximum": float(pixels.max()),
        "mean": float(pixels.mean(dtype=np.float64)),
        "saturated_fraction": at_top,
        "tags": named_tags(image),
        "history": [{"verb": step.verb, "details": dict(step.details)} for step in image.history],
        "notes": list(reading_notes(image)),
        "missing": missing,
    }


def degrade(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Sharp images.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder; or one image file for one input.")],
    blurred: Annotated[str, typer.Option(metavar="DET", help="Detector to imitate.")] = "gos135",
    sharp: Annotated[str, typer.Option(metavar="DET", help="Detector that took the images.")] = "gos34",
    strength: Annotated[float, typer.Option(help="The paper's t/T, 0 to 1.")] = 1.0,
    exposure_s: Annotated[float | None, typer.Option(help="Add noise of one frame of this exposure [s].")] = None,
    degradation: Annotated[
        str, typer.Option(help="mtf_blend (the paper's), mtf_power, focal_spot:UM,MAGNIFICATION or any other.")
    ] = "mtf_blend",
    pitch_um: Annotated[float | None, typer.Option(help="Pixel pitch [um], overriding the file.")] = None,
    open_beam: Annotated[float | None, typer.Option(help="Pixel value of the open beam [DN].")] = None,
    random_state: Annotated[int, typer.Option(min=0, help="Random state of the noise.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Blur sharp images with the MTF ratio of two detectors (eqs 1-2), and add noise."""
    import coldray
    from coldray.app.each import Verb, run_each
    from coldray.app.files import Pairing, pair_outputs
    from coldray.compiled import load_alone
    from coldray.formats import read_image, write_image
    from coldray.plugins import degradation_of

    load_alone()
    degradation_of(degradation)  # an unknown one is a bad option, not a bad file
    pairs = pair_outputs(files, out, overwrite=overwrite)

    def work(number: int, pair: Pairing) -> dict[str, Json]:
        result = coldray.degrade(
            read_image(pair.source),
            blurred,
            sharp,
            strength=strength,
            exposure_s=exposure_s,
            degradation=degradation,
            pixel_pitch_mm=None if pitch_um is None else pitch_um * 1e-3,
            open_beam=open_beam,
            # one stream per image: neither order nor number of inputs changes it
            random_state=[random_state, number],
        )
        pair.target.parent.mkdir(parents=True, exist_ok=True)
        write_image(pair.target, result)
        done = result.history[-1].details
        entry = {"input": str(pair.source), "output": str(pair.target), "clipped_pixels": done["clipped_pixels"]}
        return entry | {"warnings": as_texts(done["warnings"])}

    return run_each(Verb("degrade", work, lambda e: str(e["output"]), as_json), pairs, len(pairs))
