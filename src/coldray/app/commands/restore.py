"""`restore`: the main job."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from coldray.app.recipe import Recipe

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
    from coldray.app.recipe import Recipe
    from coldray.errors import SettingsError

    if gain not in ("calibrated", "paper"):
        raise SettingsError(f"--gain {gain!r}: choose calibrated or paper")
    for name, value in (("--exposure-s", exposure_s), ("--pitch-um", pitch_um), ("--open-beam", open_beam)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} {value}: must be positive")
    recipe = Recipe(
        method=method,
        model=model,
        steps=steps,
        gain=gain,
        blurred=blurred,
        sharp=sharp,
        exposure_s=exposure_s,
        noise=tuple(str(path) for path, _ in expand(noise or [])),
        open_beam=open_beam,
        pixel_pitch_mm=None if pitch_um is None else pitch_um * 1e-3,
        provenance=provenance,
        options_json=json.dumps(_options(changes or []), sort_keys=True, default=str),
        random_state=random_state,
        raw=raw,
    )
    recipe.job()
    pairs = pair_outputs(inputs, out, overwrite=overwrite, ledger=True)
    work = _Work(recipe, None if pairs[0].is_file or overwrite else out)
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


@dataclass(frozen=True)
class _Work:
    """Restore one file, unless the ledger of its folder says that it is done."""

    recipe: Recipe
    folder: Path | None

    def __call__(self, _number: int, pair: Any) -> dict[str, Any]:
        from coldray.app.ledger import Ledger
        from coldray.app.one import restore_file
        from coldray.checkpoint import file_sha256

        if self.folder is None:
            return restore_file(pair.source, pair.target, self.recipe, record=pair.is_file)
        ledger = Ledger(self.folder, self.recipe.settings())
        name = pair.target.relative_to(self.folder).as_posix()
        known = ledger.finished(pair.source, pair.target, name)
        if known is not None:
            return known | {"skipped": True}
        if pair.source.is_file():
            ledger.start(file_sha256(pair.source), name)
        entry = restore_file(pair.source, pair.target, self.recipe)
        ledger.finish(name, entry)
        return entry
