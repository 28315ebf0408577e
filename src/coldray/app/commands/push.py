"""`push`: send DICOM objects to another node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.app.pacs.node import OWN_AET
from coldray.document import Json
from coldray.errors import ColdrayError, ImageReadError, SettingsError

if TYPE_CHECKING:
    from coldray.app.pacs.node import Node
    from coldray.app.pacs.send import Parcel

EXAMPLE = """
Example: coldray push restored/ --to ARCHIVE@pacs.example:104

Example: coldray push --echo --to ARCHIVE@pacs.example:104
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("push", epilog=EXAMPLE)(push)


def push(
    to: Annotated[str, typer.Option(metavar="AET@HOST:PORT", help="DICOM node that is to store them.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE|DIR...]", help="DICOM files, or folders of images.")
    ] = None,
    aet: Annotated[str, typer.Option(metavar="AET", help="Application entity title of this machine.")] = OWN_AET,
    echo: Annotated[
        bool, typer.Option("--echo", help="Ask with C-ECHO whether the node listens; send nothing.")
    ] = False,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=3600, help="Longest wait for an answer [s].")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Send DICOM files to an archive or another node (C-STORE)."""
    from coldray.app.pacs.node import Node, checked_aet
    from coldray.app.pacs.send import echo as ask

    node, own = Node.parse(to), checked_aet(aet, "aet")
    if echo == bool(inputs):
        raise SettingsError("give FILEs to send, or `echo` alone to ask whether the node listens")
    if echo:
        took_s = ask(node, own, timeout_s)
        if as_json:
            console.emit({"to": str(node), "echo_s": took_s, "sent": [], "refused": []})
        else:
            console.tell(f"{node} answers (C-ECHO, {1000 * took_s:.0f} ms)")
        return console.OK
    return _send(inputs or [], node, own, timeout_s, as_json)


def _send(inputs: list[Path], node: Node, own: str, timeout_s: float, as_json: bool) -> int:
    """Send what can be sent, and tell what was not."""
    from coldray.app.pacs.send import send

    parcels, refused = _parcels(inputs)
    last: ColdrayError | None = None
    sent: list[dict[str, str]] = []
    total = len(parcels) + len(refused)
    with console.progress("push", total, quiet=as_json, unit="objects") as advance:
        for answer in send(parcels, node, own, timeout_s) if parcels else ():
            one = answer.parcel
            if answer.problem is None:
                sent.append({"file": str(one.path), "sop_instance_uid": one.instance})
            else:
                last = answer.problem
                refused.append({"file": str(one.path), "error": console.one_line(last)})
            advance(len(sent) + len(refused), note=one.path.name)
    result: dict[str, Json] = {"to": str(node), "sent": sent, "refused": refused}
    for message in dict.fromkeys(entry["error"] for entry in refused) if sent or total > 1 else ():
        count = sum(entry["error"] == message for entry in refused)
        console.say(f"coldray: {message}" + (f" ({count} files)" if count > 1 else ""))
    if not sent:
        many = f"push: none of {total} files was stored"
        console.fail(refused[0]["error"] if total == 1 else many, console.CANNOT_RUN, as_json, result)
    if as_json:
        console.emit(result)
    console.say(f"push: {len(sent)} of {total} stored by {node}" + (f"; {len(refused)} refused" if refused else ""))
    return console.SOME_FAILED if refused else console.OK


def _parcels(inputs: list[Path]) -> tuple[list[Parcel], list[dict[str, str]]]:
    """Objects to send, and what cannot be sent; of folders only the DICOM files are meant.

    Raises
    ------
    ImageReadError
        If a folder holds none.
    """
    from coldray.app.files import walk
    from coldray.app.pacs.send import parcel
    from coldray.formats import dicom

    files: list[Path] = []
    for path in inputs:
        found = sorted(p for p in walk(path) if p.suffix.lower() in dicom.suffixes) if path.is_dir() else [path]
        if not found:
            raise ImageReadError(f"{path.name}: the folder holds no DICOM file ({' '.join(dicom.suffixes)})")
        files += found
    parcels, refused = [], []
    for file in files:
        try:
            parcels.append(parcel(file))
        except ImageReadError as problem:
            refused.append({"file": str(file), "error": console.one_line(problem)})
    return parcels, refused
