"""`prepare`: frames of both detectors → corrected, registered, response-matched patches, split by board."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from coldray.app import console
from coldray.document import Json, as_entries, as_number, as_table, as_tables, as_texts
from coldray.errors import SettingsError
from coldray.threads import core_count

EXAMPLE = """
Example: coldray prepare simulated:train:120 simulated:validation:6 simulated:test:40 -o dataset

Example: coldray prepare boards/ --test other_boards/ --calibration wedge/ -o dataset

Example: coldray prepare --init boards/ --boards 8
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("prepare", epilog=EXAMPLE)(prepare)


def prepare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Data folders (BOARD/hr, BOARD/lr, BOARD/pair.json) or simulated:FAMILY|ROLE:COUNT.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DATASET", help="Dataset folder to write; needed but with --init."),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="FOLDER",
            help="Only write empty board folders with a pair.json to fill in, for your own frames.",
        ),
    ] = None,
    boards: Annotated[int, typer.Option("--boards", min=1, max=999, help="With --init: how many.")] = 6,
    patches: Annotated[int, typer.Option(min=1, help="Training patches.")] = 15000,
    test_patches: Annotated[int, typer.Option(min=0, help="Test patches; 0 for none.")] = 600,
    validation_patches: Annotated[int, typer.Option(min=0, help="Validation patches; 0 for none.")] = 64,
    patch_px: Annotated[int, typer.Option(min=32, help="Side of a patch [px].")] = 128,
    context_px: Annotated[int, typer.Option(min=0, help="Image kept around a patch, for training margins [px].")] = 16,
    variants: Annotated[int, typer.Option(min=1, max=8, help="Most flips and rotations of one base patch.")] = 8,
    kind: Annotated[
        str, typer.Option(metavar="acquired|synthetic", help="Measured pairs, or Eq. 1 on HR.")
    ] = "acquired",
    test: Annotated[list[str] | None, typer.Option("--test", metavar="SOURCE", help="Source kept for testing.")] = None,
    validation: Annotated[
        list[str] | None, typer.Option("--validation", metavar="SOURCE", help="Source kept for validation.")
    ] = None,
    calibration: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Step wedge or boards, in data folders, to fit the response on."),
    ] = None,
    response: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Response file instead of --calibration.")
    ] = None,
    split_by: Annotated[
        str, typer.Option(metavar="family|board", help="What training and test may not share.")
    ] = "family",
    measure_registration: Annotated[
        bool, typer.Option("--register", help="Measure the registration even where pair.json states it.")
    ] = False,
    size_px: Annotated[int, typer.Option(min=64, max=4096, help="Rows and columns of simulated boards.")] = 512,
    pitch_um: Annotated[float, typer.Option(help="Pixel pitch of simulated boards [um].")] = 48.0,
    exposure_s: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="Exposure of simulated blurred frames [s]; one value or a range.")
    ] = "0.05:1",
    random_state: Annotated[int, typer.Option(min=0, help="Simulated boards and choice of patches.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another dataset.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Make patches for training and testing; the same command finishes a run that was cut."""
    if init is not None:
        return _init(init, boards, bool(sources) or out is not None, as_json)
    if not sources or out is None:
        raise SettingsError("give SOURCE... and -o DATASET, or --init FOLDER for empty board folders")
    from coldray.dataset.prepare import Cut, PrepareSettings, Sources
    from coldray.dataset.prepare import prepare as make
    from coldray.dataset.simulated import BoardRecipe

    if not 5 <= pitch_um <= 1000:
        raise SettingsError(f"the pitch {pitch_um} um must lie within 5 to 1000")
    recipe = BoardRecipe(
        "any", 0, random_state=random_state, size_px=size_px, pitch_mm=pitch_um * 1e-3, exposure_s=_range(exposure_s)
    )
    settings = PrepareSettings(
        cut=Cut(kind, patch_px, context_px, measure_registration),  # type: ignore[arg-type]
        patches=patches,
        validation_patches=validation_patches,
        test_patches=test_patches,
        variants=variants,
        split_by=split_by,  # type: ignore[arg-type]
        simulated=recipe,
    )
    given = Sources(tuple(sources), tuple(validation or ()), tuple(test or ()), tuple(calibration or ()), response)
    began = time.perf_counter()
    with console.progress("boards", 1, quiet=as_json) as advance:
        manifest, problems = make(
            out, given, settings, workers=workers or core_count(), overwrite=overwrite, progress=advance
        )
    seconds = time.perf_counter() - began
    for problem in problems:
        console.say(f"coldray: {problem}")
    result = _result(out, manifest, seconds)
    if as_json:
        console.emit(result)
    else:
        for warning in as_texts(result["warnings"]):
            console.say(f"warning: {warning}")
        for split, held in as_table(manifest["splits"]).items():
            found = as_table(held)
            typer.echo(
                f"{split:10s} {found['patches']} patches: {found['distinct_base_patches']} distinct of "
                f"{len(as_entries(found['boards']))} boards, overlap at most {100 * as_number(found['largest_overlap']):.0f} %"
            )
        typer.echo(f"next: coldray train CONFIG.toml --set data.dataset=folder --set data.folder={out}")
    return console.SOME_FAILED if problems else console.OK


def _init(folder: Path, boards: int, more: bool, as_json: bool) -> int:
    """Write empty board folders and say what to do with them."""
    from coldray.dataset.template import write_template

    if more:
        raise SettingsError("--init only writes empty board folders; leave out SOURCE and -o")
    notes = write_template(folder, boards)
    if as_json:
        console.emit({"folder": str(folder), "boards": [str(note.parent) for note in notes]})
    else:
        typer.echo(f"{folder}: {len(notes)} board folders; README.txt says what goes where")
        typer.echo(f"next: coldray adapt {folder} -o MODEL.onnx, or coldray prepare {folder} -o DATASET")
    return console.OK


def _result(out: Path, manifest: Mapping[str, Json], seconds: float) -> dict[str, Json]:
    """What --json prints."""
    splits = {name: as_table(split) for name, split in as_table(manifest["splits"]).items()}
    total = sum(as_number(s["patches"]) for s in splits.values())
    shown = (
        "board",
        "family",
        "split",
        "base_patches",
        "empty_patches",
        "registration",
        "exposure_s",
        "response_matched",
    )
    return {
        "dataset": str(out),
        "boards": [{k: b[k] for k in shown} for b in as_tables(manifest["boards"])],
        **{s: splits[s]["patches"] if s in splits else 0 for s in ("train", "validation", "test")},
        "base_patches": {s: v["base_patches"] for s, v in splits.items()},
        "distinct_base_patches": {s: v["distinct_base_patches"] for s, v in splits.items()},
        "largest_overlap": max(as_number(s["largest_overlap"]) for s in splits.values()),
        "kind": manifest["kind"],
        "layers": manifest["layers"],
        "response": manifest["response"],
        "leakage": manifest["leakage"],
        "seconds": seconds,
        "patches_per_s": total / max(seconds, 1e-9),
        "failed": manifest["problems"],
        "warnings": manifest["warnings"],
    }


def _range(text: str) -> tuple[float, float]:
    """Read LOW:HIGH, or one value for both."""
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise SettingsError(f"exposure {text!r} is not understood; write 0.25 or 0.05:1 [s]") from None
