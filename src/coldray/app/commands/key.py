"""`key`: keys that sign records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldray.app import console
from coldray.app.help import SentencesHelp
from coldray.document import Json

keys = typer.Typer(
    help="Keys that sign the records of restorations: new, show.",
    epilog="Example: coldray key new inspector.key",
    no_args_is_help=True,
    cls=SentencesHelp,
)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(keys, name="key")


@keys.command("new", epilog="Example: coldray key new inspector.key")
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Gets the private key; FILE.pub gets the public one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Make a key pair (Ed25519). FILE is for its owner alone (permissions 0600); FILE.pub is for those who verify.

    Neither replaces a file that exists.
    """
    from coldray.app.signature import new_key, public_path

    made = new_key(file)
    found = {"private": str(file), "public": str(public_path(file)), "fingerprint": made.fingerprint}
    if as_json:
        console.emit(found)
    else:
        typer.echo(f"{console.printable(str(file))}: private key; keep it to yourself")
        typer.echo(f"{console.printable(found['public'])}: public key; hand it to those who verify")
        typer.echo(f"fingerprint {made.fingerprint}")
    return console.OK


@keys.command("show", epilog="Example: coldray key show inspector.key.pub")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Private or public key.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Print the fingerprint and the public half of a key; never the private one."""
    from coldray.app.signature import ALGORITHM, read_public

    key = read_public(file, private_too=True)
    found: dict[str, Json] = {
        "file": str(file),
        "algorithm": ALGORITHM,
        "fingerprint": key.fingerprint,
        "public_key": key.pem,
    }
    if as_json:
        console.emit(found)
    else:
        typer.echo(f"fingerprint {key.fingerprint}")
        typer.echo(key.pem, nl=False)
    return console.OK
