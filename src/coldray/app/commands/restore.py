"""`restore`: the main job."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coldray.app.each import Verb
    from coldray.app.files import Pairing
    from coldray.app.recipe import Recipe

EXAMPLE = """
Example: coldray restore board_thick.tif -o restored.tif --exposure-s 0.25

Example: coldray restore scans/ -o restored/ --blurred thick.json --sharp thin.json --noise flats/ --workers 4

Example: coldray restore frames/ -o mean_restored.tif --average

Example: coldray restore incoming/ -o restored/ --watch
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
    degradation: Annotated[
        str, typer.Option(help="Physics of the blur: mtf_blend (the paper's), mtf_power or any other plug-in.")
    ] = "mtf_blend",
    random_state: Annotated[int, typer.Option(min=0, help="Random state of methods that draw.")] = 0,
    gain: Annotated[
        str, typer.Option(help="Data consistency of cold: calibrated, detail, paper (K = 1) or network (K = 0).")
    ] = "calibrated",
    on_contradiction: Annotated[
        str,
        typer.Option(
            metavar="linear|keep|refuse",
            help="Where the measurement contradicts the network: the linear filter's result (default), the network's as it "
            "is, or no result.",
        ),
    ] = "linear",
    even: Annotated[
        str,
        typer.Option(
            metavar="linear|network",
            help="What ground without structure beyond noise gets: one linear filter, which keeps faint details (default), or "
            "whatever the network makes of it.",
        ),
    ] = "linear",
    even_contrast: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Contrast that faint details keep there, 0.1 to 1: more is clearer and noisier. The model's own, 0.48, by default.",
        ),
    ] = None,
    blurred: Annotated[str, typer.Option(metavar="DET", help="Detector that took the image.")] = "gos135",
    sharp: Annotated[str, typer.Option(metavar="DET", help="Detector to restore towards.")] = "gos34",
    exposure_s: Annotated[float | None, typer.Option(help="Exposure of one frame [s].")] = None,
    noise: Annotated[list[Path] | None, typer.Option(metavar="FLATS", help="Flat fields of the same exposure.")] = None,
    pitch_um: Annotated[float | None, typer.Option(help="Pixel pitch [um], overriding the file.")] = None,
    open_beam: Annotated[float | None, typer.Option(help="Pixel value of the open beam [DN].")] = None,
    average: Annotated[
        bool,
        typer.Option(
            "--average",
            help="Average all frames of all inputs, registered if they moved, and restore that ONE image; its noise is taken "
            "from how the frames differ. Without it every file, and every frame of a stack, is restored by itself.",
        ),
    ] = False,
    provenance: Annotated[bool, typer.Option("--provenance", help="Also write the three provenance layers.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write reports as HTML and PDF.")] = False,
    certificate_map: Annotated[
        bool, typer.Option("--map", help="Also write the map of the consistency certificate.")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="With --report: sharper image to compare with, or a folder.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes for many images.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler that does the work, e.g. tcp://host:8786.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on restoring what appears in the folders.")] = False,
    settle_s: Annotated[
        float, typer.Option(min=0, help="With --watch: a file is whole when unchanged this long [s].")
    ] = 3.0,
    idle_s: Annotated[
        float | None, typer.Option(min=0, help="With --watch: end after this long without a new file [s].")
    ] = None,
    raw: Annotated[str | None, typer.Option(help="Geometry of raw files, e.g. 2048x2048:u2:offset=512.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> int:
    """Restore radiographs to the sharpness of another detector."""
    import numpy as np

    from coldray.app.each import Verb, run_each
    from coldray.app.files import expand, pair_outputs
    from coldray.app.recipe import Recipe
    from coldray.app.watch import Watcher
    from coldray.errors import SettingsError
    from coldray.files import clear_leftovers
    from coldray.gain import GAINS
    from coldray.restoration.even import EVENS
    from coldray.restoration.guard import CONTRADICTIONS

    if gain not in GAINS:
        raise SettingsError(f"--gain {gain!r}: choose {', '.join(GAINS[:-1])} or {GAINS[-1]}")
    if even not in EVENS:
        raise SettingsError(f"--even {even!r}: choose {', '.join(EVENS)}")
    if on_contradiction not in CONTRADICTIONS:
        raise SettingsError(f"--on-contradiction {on_contradiction!r}: choose {', '.join(CONTRADICTIONS)}")
    for name, value in (("--exposure-s", exposure_s), ("--pitch-um", pitch_um), ("--open-beam", open_beam)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise SettingsError(f"{name} {value}: must be positive")
    if reference is not None and not report:
        raise SettingsError("--reference is compared with in reports; give --report too")
    recipe = Recipe(
        method=method,
        model=model,
        steps=steps,
        gain=gain,
        degradation=degradation,
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
        on_contradiction=on_contradiction,
        even=even,
        even_contrast=even_contrast,
        report=report,
        certificate_map=certificate_map,
        reference=None if reference is None else str(reference),
        average=average,
    )
    recipe.job()
    if average:
        if watch or scheduler is not None:
            raise SettingsError("--average makes one image here and now; leave out --watch and --scheduler")
        return _average(inputs, out, recipe, overwrite, as_json, debug)
    verb = Verb("restore", _Work(recipe), _line, as_json, debug)
    if watch:
        folders = _watched(inputs, out)
        if overwrite:
            raise SettingsError("--watch goes on with what is there; --overwrite would not know when to stop")
        return _into_folder(verb, recipe, out, Watcher(folders, out, settle_s, idle_s), None, workers, scheduler)
    pairs = pair_outputs(inputs, out, overwrite=overwrite, ledger=True, beside=provenance or report or certificate_map)
    if pairs[0].is_file:
        clear_leftovers(out.parent, deep=False)
        return run_each(verb, pairs, 1)
    return _into_folder(verb, recipe, out, pairs, len(pairs), workers, scheduler, fresh=overwrite)


def _average(inputs: list[Path], out: Path, recipe: Recipe, overwrite: bool, as_json: bool, debug: bool) -> int:
    """Restore the average of all inputs into one file."""
    from coldray.app.each import Verb, run_each
    from coldray.app.files import gather
    from coldray.files import clear_leftovers

    sources, pair = gather(inputs, out, overwrite=overwrite)
    clear_leftovers(out.parent, deep=False)
    return run_each(Verb("restore", _Work(recipe, tuple(sources)), _line, as_json, debug), [pair], 1)


def _into_folder(
    verb: Verb,
    recipe: Recipe,
    out: Path,
    pairs: Iterable[Pairing | None],
    total: int | None,
    workers: int,
    scheduler: str | None,
    fresh: bool = False,
) -> int:
    """Restore into a folder, whose ledger and lock are ours meanwhile."""
    from coldray.app.each import run_each
    from coldray.app.files import check_folder
    from coldray.app.ledger import Ledger
    from coldray.app.one import recipe_record
    from coldray.files import clear_leftovers

    check_folder(out)
    if recipe.report:
        verb = replace(verb, after=partial(_batch_report, out, recipe))
    record = recipe_record(recipe, workers=workers)
    if scheduler is not None:
        record["environment"]["machine"] = "Dask cluster"
    with Ledger(out, recipe.settings(), record, fresh=fresh) as ledger:
        clear_leftovers(out)
        try:
            return run_each(
                verb, pairs, total, workers=workers, scheduler=scheduler, ledger=ledger, watching=total is None
            )
        finally:
            clear_leftovers(out)


def _watched(inputs: list[Path], out: Path) -> list[Path]:
    """Folders to watch; SettingsError if an input is none, or the output would be an input."""
    from coldray.errors import ImageReadError, SettingsError

    for path in inputs:
        if not path.exists():
            raise ImageReadError(f"{path.name} does not exist; make the folder before it is watched")
        if not path.is_dir():
            raise SettingsError(f"{path.name}: --watch takes folders")
        if out.resolve() == path.resolve():
            raise SettingsError(f"{out.name}: results cannot go into the folder that is watched; choose another OUT")
    return inputs


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


def _batch_report(out: Path, recipe: Recipe, entries: list[dict[str, Any]]) -> None:
    """Report over all images of this run."""
    from coldray.app.reports import write_batch_report

    write_batch_report(out, entries, recipe)


def _line(entry: dict[str, Any]) -> str:
    averaged = [f"mean of {entry['average']['frames']} frames"] if "average" in entry else []
    parts = [*averaged, str(entry["method"])]
    if entry.get("skipped"):
        parts.append("already there")
    else:
        count = entry["steps"]
        parts += [f"{count} network evaluation{'s' if count > 1 else ''}"] if count else []
        parts.append(f"{entry['seconds']:.1f} s")
    return f"{entry['output']}  ({', '.join(parts)}; {entry['consistency']['verdict']})"


@dataclass(frozen=True)
class _Work:
    """Restore one file, or the average of several."""

    recipe: Recipe
    sources: tuple[Path, ...] = ()

    def __call__(self, _number: int, pair: Any) -> dict[str, Any]:
        from coldray.app.one import restore_file, restore_files

        if self.sources:
            return restore_files(self.sources, pair.target, self.recipe, record=True)
        return restore_file(pair.source, pair.target, self.recipe, record=pair.is_file)
