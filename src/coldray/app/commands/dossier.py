"""`dossier`: the qualification file for one detector pair, model and procedure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.app.options import recipe_of, with_settings
from coldray.document import Json, as_entries, as_tables, plain_table
from coldray.errors import MetadataError, SettingsError

if TYPE_CHECKING:
    from coldray.reports.dossier import Evidence

EXAMPLE = """
Example: coldray dossier -o qualification.html --blurred thick.json --sharp thin.json

Example: coldray dossier -o qualification.pdf --profile plant.toml --evidence pod=pod.json --evidence metrology=sheet.json
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("dossier", epilog=EXAMPLE)(
        with_settings(
            dossier, lambda name, said: said.command and not said.beside and name not in ("average", "raw", "flats")
        )
    )


def dossier(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="Page to write, .html or .pdf; .json beside it.")
    ],
    stated: dict[str, Json],
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="What was measured: metrology, stability, trust, efficiency, pod, interval, pairs, trial (JSON) or anomalies (text). Repeats.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Gather what exists for a certifying body: settings, model, domain, evidence, by twenty questions; name what is missing.

    Nothing is measured and nothing is judged: files that were measured before are shown as they are, with their hashes.
    """
    from coldray.app.commands._inputs import REPORT_SUFFIXES, check_outputs, of_bytes, write_files
    from coldray.reports.dossier import Dossier, dossier_report
    from coldray.reports.html import rendered

    given = [_read(text) for text in evidence or ()]
    beside = out.with_suffix(".json")
    check_outputs([(out, REPORT_SUFFIXES), (beside, (".json",))], [Path(one.file) for one in given], overwrite)
    recipe = recipe_of(stated)
    model = recipe.job().model
    known = ({}, "", "") if model is None else (model.header, model.sha256, model.settings_sha256)
    found = Dossier(recipe.settings(), *known, tuple(given))
    told = plain_table(found.to_dict() | {"report": str(out)})
    write_files(
        {
            out: of_bytes(rendered(dossier_report(found), out)),
            beside: of_bytes(json.dumps(told, indent=1, allow_nan=False).encode()),
        }
    )
    if as_json:
        console.emit(told)
        return console.OK
    gaps, questions = as_tables(told["gaps"]), as_entries(told["questions"])
    for gap in gaps:
        console.tell(f"gap {gap['number']}: {gap['question']} ({gap['missing']}: {gap['made_by']})")
    console.tell(
        f"{out}: {len(questions) - len(gaps)} of {len(questions)} questions have a section, with .json beside it"
    )
    return console.OK


def _read(text: str) -> Evidence:
    """Evidence from NAME=FILE."""
    import hashlib

    from coldray.document import LARGEST_BYTES, content_of, parse_object
    from coldray.reports.dossier import Evidence

    name, mark, file = text.partition("=")
    if not mark or not file:
        raise SettingsError(f"--evidence {text!r}: write NAME=FILE")
    path = Path(file)
    raw = content_of(path, MetadataError, LARGEST_BYTES)
    content: Json
    if path.suffix.lower() == ".json":
        content = parse_object(raw, path.name, MetadataError)
    elif len(raw) > LARGEST_BYTES:
        raise MetadataError(
            f"{path.name}: larger than {LARGEST_BYTES >> 20} MiB, the most that is read; give its summary"
        )
    else:
        content = raw.decode("utf-8", "replace")
    return Evidence(name, file, hashlib.sha256(raw).hexdigest(), content)
