"""`panel`: the characterisation sheet of a flat panel from one folder of named acquisitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from coldray.app import console
from coldray.document import Json, plain
from coldray.errors import ImageWriteError, SettingsError
from coldray.files import write_text

EXAMPLE = """
Example: coldray panel acquisitions --init

Example: coldray panel acquisitions -o sheet.html
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("panel", epilog=EXAMPLE)(panel)


def panel(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder with panel.toml, or with a folder for each of several panels."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="SHEET.html", help="Page to write; .pdf, .json and .csv beside it."),
    ] = None,
    init: Annotated[bool, typer.Option("--init", help="Write a panel.toml to fill in, and stop.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Characterise a flat panel after ASTM E2597, as its public preview and literature describe it.

    No conformity is claimed. Several panels give their mean and spread.
    """
    from coldray.app.panel import FILE, TEMPLATE

    if init:
        if out is not None:
            raise SettingsError("--init writes panel.toml into FOLDER; leave -o out")
        path = folder / FILE
        if path.exists() and not overwrite:
            raise ImageWriteError(f"{FILE}: exists already; give --overwrite or another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, TEMPLATE)
        if as_json:
            console.emit({"template": str(path)})
        else:
            console.tell(f"{path}: fill in the names of your files, then run coldray panel {folder} -o sheet.html")
        return console.OK
    return _sheet(folder, out, overwrite, as_json)


def _sheet(folder: Path, out: Path | None, overwrite: bool, as_json: bool) -> int:
    """Measure every panel of the folder and write the sheet."""
    from coldray.app.commands._inputs import PAGE_SUFFIXES, check_outputs, of_bytes, write_files
    from coldray.app.panel import panels_in, read_panel
    from coldray.checkpoint import file_sha256
    from coldray.metrology.panel.sheet import measure_panel
    from coldray.reports.html import to_html
    from coldray.reports.panel import headline, panel_csv, panel_report
    from coldray.reports.pdf import to_pdf

    if out is None:
        raise SettingsError("give the page to write: -o SHEET.html")
    beside = {suffix: out.with_suffix(suffix) for suffix in (".pdf", ".json", ".csv")}
    check_outputs([(out, PAGE_SUFFIXES), *((path, (suffix,)) for suffix, path in beside.items())], [], overwrite)
    places = panels_in(folder)
    measured, inputs, warnings = [], [], []
    with console.progress("panel", len(places), quiet=as_json) as advance:
        for place in places:
            read = read_panel(place)
            measured.append(measure_panel(read.name, read.given, read.limits))
            base = folder if len(places) > 1 else place
            inputs += [
                {"role": read.name, "file": path.relative_to(base).as_posix(), "sha256": file_sha256(path)}
                for path in read.files
            ]
            warnings += [f"{read.name}: {warning}" if len(places) > 1 else warning for warning in read.warnings]
            advance(len(measured))
    report = panel_report(measured, inputs, warnings)
    told = [*warnings, *(w for one in measured for w in one.warnings)]
    result: dict[str, Json] = {
        "panels": [one.to_json() for one in measured],
        "warnings": told,
        "inputs": inputs,
    }
    text = json.dumps(plain(result), indent=1, allow_nan=False)
    write_files(
        {
            out: of_bytes(to_html(report).encode("utf-8", "backslashreplace")),
            beside[".pdf"]: of_bytes(to_pdf(report)),
            beside[".json"]: of_bytes(text.encode()),
            beside[".csv"]: of_bytes(panel_csv(measured).encode()),
        }
    )
    if as_json:
        console.emit(result)
        return console.OK
    for warning in told:
        console.say(f"warning: {warning}")
    for one in measured:
        for figure in headline(one.figures):
            value = "–" if figure.value is None else f"{figure.value:.4g}"
            console.tell(f"{one.name}  {figure.name}: {value} {figure.unit}".rstrip())
    console.tell(f"{out}: sheet of {len(measured)} panel(s), with .pdf, .json and .csv beside it")
    return console.OK
