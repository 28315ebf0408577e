"""`restore`: the main job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app.options import with_settings
from coldray.document import Json, as_table

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

Example: coldray restore incoming/ -o restored/ --profile plant.toml
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("restore", epilog=EXAMPLE)(with_settings(restore))


def restore(
    inputs: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder; or one image file for one input.")],
    stated: Mapping[str, Json],
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> int:
    """Restore radiographs to the sharpness of another detector."""
    from coldray.app.each import Verb, run_each
    from coldray.app.files import pair_outputs
    from coldray.app.one import Restoring, line_of
    from coldray.app.options import recipe_of
    from coldray.app.watch import Watcher, watched
    from coldray.compiled import load_alone
    from coldray.errors import SettingsError
    from coldray.leftovers import clear_leftovers

    load_alone()
    recipe = recipe_of(stated)
    if recipe.sign is not None and scheduler is not None:
        raise SettingsError(
            "--sign does not hand the private key to a cluster; leave out --scheduler, or restore unsigned"
        )
    if recipe.average:
        if watch or scheduler is not None:
            raise SettingsError("--average makes one image here and now; leave out --watch and --scheduler")
        return _average(inputs, out, recipe, overwrite, as_json, debug)
    verb = Verb("restore", Restoring(recipe), line_of, as_json, debug)
    if watch:
        folders = watched(inputs, out)
        if overwrite:
            raise SettingsError("--watch goes on with what is there; --overwrite would not know when to stop")
        return _into_folder(verb, recipe, out, Watcher(folders, out, settle_s, idle_s), None, workers, scheduler)
    pairs = pair_outputs(inputs, out, overwrite=overwrite, ledger=True, beside=recipe.leaves_more)
    if pairs[0].is_file:
        clear_leftovers(out.parent, deep=False)
        return run_each(verb, pairs, 1)
    return _into_folder(verb, recipe, out, pairs, len(pairs), workers, scheduler, fresh=overwrite)


def _average(inputs: list[Path], out: Path, recipe: Recipe, overwrite: bool, as_json: bool, debug: bool) -> int:
    """Restore the average of all inputs into one file."""
    from coldray.app.each import Verb, run_each
    from coldray.app.files import gather
    from coldray.app.one import Restoring, line_of
    from coldray.leftovers import clear_leftovers

    sources, pair = gather(inputs, out, overwrite=overwrite, beside=recipe.leaves_more)
    clear_leftovers(out.parent, deep=False)
    return run_each(Verb("restore", Restoring(recipe, tuple(sources)), line_of, as_json, debug), [pair], 1)


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
    from coldray.leftovers import clear_leftovers

    check_folder(out)
    if recipe.report:
        verb = replace(verb, after=partial(_batch_report, out, recipe))
    record = recipe_record(recipe, workers=workers)
    if scheduler is not None:
        record["environment"] = {**as_table(record["environment"]), "machine": "Dask cluster"}
    with Ledger(out, recipe.settings() | _signer(recipe), record, fresh=fresh) as ledger:
        clear_leftovers(out)
        try:
            return run_each(
                verb, pairs, total, workers=workers, scheduler=scheduler, ledger=ledger, watching=total is None
            )
        finally:
            clear_leftovers(out)


def _signer(recipe: Recipe) -> dict[str, str]:
    """What tells signed work from unsigned: a result without this signature is not taken as done."""
    if recipe.sign is None:
        return {}
    from coldray.app.signature import signer_of

    return {"signed_by": signer_of(Path(recipe.sign))}


def _batch_report(out: Path, recipe: Recipe, entries: list[Mapping[str, Json]]) -> None:
    """Report over all images of this run."""
    from coldray.app.reports import write_batch_report

    write_batch_report(out, entries, recipe)
