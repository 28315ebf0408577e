"""`adapt`: one's own measured pairs → a model adapted to them, if it is shown to be better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from coldray.app import console
from coldray.errors import MissingExtraError

EXAMPLE = """
Example: coldray adapt pairs/ -o plant.onnx
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("adapt", epilog=EXAMPLE)(adapt)


def adapt(
    pairs: Annotated[
        Path,
        typer.Argument(metavar="PAIRS", help="Data folder of 6 boards or more: BOARD/hr, BOARD/lr, BOARD/pair.json."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="MODEL.onnx", help="Model to write; card, weights and report beside it."),
    ],
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="Model to begin with: name or file; the shipped one by default.")
    ] = None,
    keep_apart: Annotated[
        int | None,
        typer.Option(
            "--keep-apart", min=3, help="Boards that only prove the gain; a third of them, 3 at least, by default."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Updates of the weights; 1500 by default.", show_default=False),
    ] = None,
    random_state: Annotated[int, typer.Option(min=0, help="Of the windows that are learnt from.")] = 0,
    states: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep states of the training here, so that the same command goes on; none are kept without it.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Adapt the model to your own measured pairs, and prove the gain on boards kept apart; without a gain nothing is written.

    Leaves with 3 and one line where no gain is shown, as for anything else that leaves no model.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "train", "adapting a model") from None
    from coldray.adaptation.run import WRITTEN
    from coldray.adaptation.run import adapt as make
    from coldray.adaptation.tune import TuneSettings
    from coldray.app.commands._inputs import check_outputs

    check_outputs([(out.with_suffix(suffix), (suffix,)) for suffix in WRITTEN], [], overwrite)
    how = TuneSettings(random_state=random_state)
    found = make(
        pairs, out, model, how if steps is None else replace(how, steps=steps), keep_apart=keep_apart, states=states,
        stages=lambda title, unit: console.progress(title, None, quiet=as_json, unit=unit),
    )  # fmt: skip
    for warning in found.warnings:
        console.say(f"warning: {warning}")
    if as_json:
        console.emit(found.to_dict())
    if not found.written:
        console.say(f"coldray: {found.finding()}")
        return console.CANNOT_RUN
    if not as_json:
        console.tell(f"{out}: {found.finding()}; report in {out.with_suffix('.html').name}")
    return console.OK
