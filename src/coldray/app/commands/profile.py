"""`profile`: settings of a plant in one file, by rules on tags, folder and pitch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coldray.app import console
from coldray.app.help import SentencesHelp
from coldray.document import Json
from coldray.errors import ImageWriteError

profile = typer.Typer(
    help="Settings of a plant in one file: init, check.",
    epilog="Example: coldray profile init plant.toml\n\nExample: coldray profile check plant.toml incoming/",
    no_args_is_help=True,
    cls=SentencesHelp,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(profile, name="profile")


@profile.command("init", epilog="Example: coldray profile init plant.toml")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="Profile to write, with comments to fill in.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write a profile to fill in."""
    from coldray.files import write_text
    from coldray.restoration.profile import TEMPLATE

    if file.exists() and not overwrite:
        raise ImageWriteError(f"{file.name}: exists already; give --overwrite or another name")
    if file.parent != Path() and not file.parent.is_dir():
        raise ImageWriteError(f"{file.name}: its folder {file.parent} does not exist; make it first")
    write_text(file, TEMPLATE)
    if as_json:
        console.emit({"profile": str(file)})
    else:
        console.tell(f"{file}: fill in your detectors, then run coldray profile check {file} IMAGE...")
    return console.OK


@profile.command("check", epilog="Example: coldray profile check plant.toml incoming/")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="Profile to check.")],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE...", help="Images, or folders, to say which rule fits them.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check a profile, load all that it names, and say which rule fits which image."""
    from coldray.app.commands._inputs import read_inputs
    from coldray.app.options import recipe_of
    from coldray.errors import MetadataError, SettingsError
    from coldray.restoration.pair import detectors_of
    from coldray.restoration.profile import read_profile

    recipe = recipe_of({"profile": str(file)})
    found = read_profile(file)
    told: list[dict[str, Json]] = []
    problems = 0
    inputs = read_inputs(images, "profile") if images else None
    for path, image in zip(inputs.files, inputs.images, strict=True) if inputs is not None else ():
        entry: dict[str, Json] = {"input": str(path), "rule": None}
        try:
            one, led = recipe.for_image(path, image)
            entry["rule"] = None if led is None else led["rule"]
            pair, _ = detectors_of(image, one.job())
            entry |= {"blurred": pair.blurred.name, "sharp": pair.sharp.name}
        except (MetadataError, SettingsError, ValueError) as problem:
            entry["error"] = console.one_line(problem)
            problems += 1
        told.append(entry)
    failed = problems or (inputs is not None and inputs.problems)
    rules = [rule.name for rule in found.rules]
    result: dict[str, Json] = {
        "profile": str(file),
        "sha256": found.sha256,
        "rules": rules,
        "refuses": found.refuses,
        "files": told,
    }
    if as_json:
        console.emit(result)
    else:
        console.tell(f"{file}: {len(rules)} rules ({', '.join(rules) or 'none'}), all that they name is there")
        for entry in told:
            what = (
                entry.get("error")
                or f"{entry['rule'] or 'no rule: [settings]'}, {entry['blurred']} to {entry['sharp']}"
            )
            console.tell(f"{console.printable(entry['input'])}: {what}")
        for line in [] if inputs is None else inputs.problems:
            console.say(f"coldray: {line}")
    return console.SOME_FAILED if failed else console.OK
