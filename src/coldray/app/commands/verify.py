"""`verify`: a restored file against its record, and the record against a repeated restoration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from coldray.app import console
from coldray.app.options import with_settings
from coldray.declaration import SOURCES
from coldray.document import Json, as_table

EXAMPLE = """
Example: coldray verify restored.tif

Example: coldray verify restored/board_07.tif --input archive/ --json

Example: coldray verify restored/ --key inspector.key.pub
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify", epilog=EXAMPLE)(
        with_settings(verify, lambda _, said: said.kind in SOURCES, "Where the recorded one is now.")
    )


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="Image that coldray restore wrote, or a whole folder of them.")
    ],
    stated: dict[str, Json],
    source: Annotated[
        Path | None, typer.Option("--input", help="The original, or a folder in which it is found by its hash.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PUB",
            help="Public key that must have signed the record; of several, one of them. Without it no signature is asked for.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Recompute the hashes of a restored file, restore its input again as recorded, and compare.

    The same build, machine and thread count give the same bytes; elsewhere pixels may differ by one step of 16 bits,
    which is reported. With --key the record must be signed by that key, and not changed since. A folder is audited through
    its ledger: results that are missing are found too. Exit code 0 if all agrees, 1 if not, 3 if the restoration cannot be
    repeated.
    """
    from coldray.app.signature import read_public
    from coldray.app.verify import Sources, audit
    from coldray.app.verify import verify as check
    from coldray.compiled import load_alone

    load_alone()
    given = Sources(source, stated, tuple(read_public(place) for place in key or ()))
    if file.is_dir():
        found = audit(file, given, (lambda _: None) if as_json else _tell_one)
        if as_json:
            console.emit(found)
        else:
            console.say("verify: " + ", ".join(f"{n} {kind}" for kind, n in as_table(found["counts"]).items()))
        return console.OK if found["matches"] else console.SOME_FAILED
    result = check(file, given)
    if as_json:
        console.emit(result)
    else:
        _tell(result)
    return console.OK if result["matches"] else console.SOME_FAILED


def _tell_one(result: Mapping[str, Any]) -> None:
    """One line for each file of a folder, and its problems."""
    typer.echo(f"{console.printable(result['file'])}: {'matches' if result['matches'] else 'DOES NOT MATCH'}")
    for problem in result["problems"]:
        console.say(f"coldray: {problem}")


SIGNED = {
    "signed": "signed by {key}",
    "unsigned": "not signed",
    "unchecked": "not checked, for no --key is given; it names {key}",
    "other key": "signed by another key: {key}",
    "wrong": "SIGNATURE WRONG",
}


def _tell(result: dict[str, Any]) -> None:
    name = console.printable(result["file"])
    typer.echo(f"{name}: {'matches' if result['matches'] else 'DOES NOT MATCH'}")
    typer.echo(f"  sha256    {result['sha256_out']}")
    typer.echo(f"  signature {SIGNED[result['signature']['state']].format(key=result['signature']['key'])}")
    if (repeated := result.get("repeated")) is not None:
        how = "the same bytes"
        if not repeated["same_bytes"]:
            lsb = repeated["largest_difference_lsb16"]
            how = "another shape or type" if lsb is None else f"other bytes, pixels within {lsb:.3g} LSB of 16 bits"
        typer.echo(f"  repeated  {how}")
        for what, (before, now) in repeated["environment_differs"].items():
            typer.echo(f"  {what:9s} {'not recorded' if before is None else before} then, {now} now")
    for problem in result["problems"]:
        console.say(f"coldray: {problem}")
