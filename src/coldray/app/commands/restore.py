"""`restore`: the main job."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from coldray.errors import ColdrayError

EXAMPLE = """
Example: coldray restore board_thick.tif -o restored.tif --exposure-s 0.25
Example: coldray restore scans/ -o restored/ --blurred thick.json --sharp thin.json --noise flats/
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("restore", epilog=EXAMPLE)(restore)


def restore(
    inputs: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder; or one image file for one input.")],
    model: Annotated[str | None, typer.Option("-m", "--model", help="Shipped model or model file.")] = None,
    method: Annotated[str, typer.Option(help="Method: cold, direct, wiener or any other plug-in.")] = "cold",
    steps: Annotated[int | None, typer.Option(min=1, max=1000, help="Steps of methods that go step by step.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Option of the method, e.g. samples=8.")
    ] = None,
    random_state: Annotated[int, typer.Option(min=0, help="Random state of methods that draw.")] = 0,
    gain: Annotated[str, typer.Option(help="Data consistency of cold: calibrated, or paper (K = 1).")] = "calibrated",
    blurred: Annotated[str, typer.Option(metavar="DET", help="Detector that took the image.")] = "gos135",
    sharp: Annotated[str, typer.Option(metavar="DET", help="Detector to restore towards.")] = "gos34",
    exposure_s: Annotated[float | None, typer.Option(help="Exposure of one frame [s].")] = None,
    noise: Annotated[list[Path] | None, typer.Option(metavar="FLATS", help="Flat fields of the same exposure.")] = None,
    pitch_um: Annotated[float | None, typer.Option(help="Pixel pitch [um], overriding the file.")] = None,
    open_beam: Annotated[float | None, typer.Option(help="Pixel value of the open beam [DN].")] = None,
    provenance: Annotated[bool, typer.Option("--provenance", help="Also write the three provenance layers.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes for many images.")] = 1,
    raw: Annotated[str | None, typer.Option(help="Geometry of raw files, e.g. 2048x2048:u2:offset=512.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> int:
    """Restore radiographs to the sharpness of another detector."""
    import numpy as np

    from coldray.app.each import run_each
    from coldray.app.files import expand, pair_outputs
    from coldray.contracts import plugin
    from coldray.data.formats import read_image
    from coldray.data.formats.raw import RawGeometry
    from coldray.errors import SettingsError
    from coldray.restore.model import load_model
    from coldray.restore.pipeline import Job, check_job

    if gain not in ("calibrated", "paper"):
        raise SettingsError(f"--gain {gain!r}: choose calibrated or paper")
    for name, value in (("--exposure-s", exposure_s), ("--pitch-um", pitch_um), ("--open-beam", open_beam)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} {value}: must be positive")
    learned = plugin("method", method).LEARNS
    geometry = None if raw is None else RawGeometry.parse(raw)
    flats = None
    if noise:
        frames = [read_image(path, raw=geometry).pixels for path, _ in expand(noise)]
        flats = np.concatenate([f if f.ndim == 3 else f[None] for f in frames])
    pairs = pair_outputs(inputs, out, overwrite=overwrite, ledger=True)
    job = Job(
        method=method,
        model=load_model(model) if learned else None,
        steps=steps,
        gain=gain,
        blurred=blurred,
        sharp=sharp,
        exposure_s=exposure_s,
        flats=flats,
        open_beam=open_beam,
        pixel_pitch_mm=None if pitch_um is None else pitch_um * 1e-3,
        provenance=provenance,
        options=_options(changes or []),
        random_state=random_state,
    )
    check_job(job)
    work = _Work(job, geometry, None if pairs[0].is_file or overwrite else out, _settings(job, noise or []))
    return run_each("restore", pairs, work, _line, as_json, workers)


def _options(changes: list[str]) -> dict[str, Any]:
    """Options of the method from NAME=VALUE; values are TOML, plain words count as text."""
    import tomllib

    from coldray.errors import SettingsError

    out: dict[str, Any] = {}
    for change in changes:
        name, mark, text = change.partition("=")
        if not mark:
            raise SettingsError(f"--set {change!r}: write NAME=VALUE")
        try:
            out[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            out[name.strip()] = text
    return out


def _line(entry: dict[str, Any]) -> str:
    done = "already there" if entry.get("skipped") else f"{entry['steps']} steps, {entry['seconds']:.1f} s"
    return f"{entry['output']}  ({entry['method']}, {done})"


def _settings(job: Any, noise: list[Path]) -> dict[str, Any]:
    """Everything but the input that decides an output; files count by content."""
    from coldray import __version__
    from coldray.app.files import expand
    from coldray.checkpoint import file_sha256

    def content(source: str) -> str:
        return file_sha256(Path(source)) if Path(source).is_file() else source

    plain = ("method", "steps", "gain", "degradation", "exposure_s", "open_beam", "pixel_pitch_mm", "provenance")
    plain += ("options", "random_state")
    return {name: getattr(job, name) for name in plain} | {
        "coldray": __version__,
        "model": None if job.model is None else job.model.sha256,
        "blurred": content(job.blurred),
        "sharp": content(job.sharp),
        "noise": [file_sha256(path) for path, _ in expand(noise)],
    }


@dataclass(frozen=True)
class _Work:
    """Restore one file, unless the ledger of its folder says that it is done."""

    job: Any
    geometry: Any
    folder: Path | None
    settings: dict[str, Any]

    def __call__(self, _number: int, pair: Any) -> dict[str, Any]:
        if self.folder is None:
            return _one(pair.source, pair.target, pair.is_file, self.job, self.geometry)
        from coldray.app.ledger import Ledger
        from coldray.checkpoint import file_sha256

        ledger = Ledger(self.folder, self.settings)
        name = pair.target.relative_to(self.folder).as_posix()
        known = ledger.finished(pair.source, pair.target, name)
        if known is not None:
            return known | {"skipped": True}
        if pair.source.is_file():
            ledger.start(file_sha256(pair.source), name)
        entry = _one(pair.source, pair.target, False, self.job, self.geometry)
        ledger.finish(name, entry)
        return entry


def _one(source: Path, target: Path, is_file: bool, job: Any, geometry: Any) -> dict[str, Any]:
    from coldray.checkpoint import file_sha256
    from coldray.data.formats import format_for, read_image, write_image
    from coldray.restore.pipeline import PROVENANCE_LAYERS
    from coldray.restore.pipeline import restore as restore_image

    format_for(target)
    image = read_image(source, raw=geometry)
    digest = file_sha256(source)
    result = restore_image(image, job)
    details = dict(result.image.history[-1].details) | {"sha256_in": digest}
    history = (*result.image.history[:-1], replace(result.image.history[-1], details=details))
    target.parent.mkdir(parents=True, exist_ok=True)
    layers_path = target.with_name(f"{target.stem}.provenance.tif")
    if result.layers is not None:
        from coldray.radiograph import Radiograph

        known = replace(result.image.acquisition, open_beam=1.0)
        step = replace(history[-1], details=details | {"layers": list(PROVENANCE_LAYERS), "wiener": result.wiener})
        write_image(layers_path, Radiograph(result.layers, known, (*history[:-1], step)))
    try:
        write_image(target, replace(result.image, history=history))
    except ColdrayError:
        layers_path.unlink(missing_ok=True)
        raise
    entry = {
        "input": str(source),
        "output": str(target),
        "sha256_in": digest,
        "sha256_out": file_sha256(target),
        "method": job.method,
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
        "clipped_pixels": result.clipped_pixels,
        "consistency": result.consistency,
        "warnings": list(result.warnings),
    }
    if result.layers is not None:
        entry["provenance"] = str(layers_path)
    if is_file:
        from coldray.data.formats._safe import write_atomically

        record = json.dumps(entry | {"settings": details}, indent=1)
        write_atomically(target.with_name(target.name + ".json"), lambda f: f.write(record.encode()))
    return entry
