"""`pod`: how likely known defects are found in one's own image, raw, linear and restored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from coldray.app import console
from coldray.app.options import with_settings
from coldray.document import plain_table

EXAMPLE = """
Example: coldray pod board.tif -o pod.html --exposure-s 0.25

Example: coldray pod board.tif -o pod.html --kind void --contrast-per-mm 0.8 --roi 400,400,300,300 --roi 900,200,300,300
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("pod", epilog=EXAMPLE)(
        with_settings(pod, lambda name, said: said.command and not said.beside and name not in ("average", "response"))
    )


def pod(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="One linear image into which defects are put.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="REPORT.html", help="Page to write; .json and .csv beside it.")
    ],
    stated: dict[str, Any],
    kind: Annotated[list[str] | None, typer.Option(help="void, crack or inclusion; all by default. Repeats.")] = None,
    size_mm: Annotated[
        list[float] | None,
        typer.Option("--size-mm", help="Size of defects [mm]; eight from hardly visible to plain by default. Repeats."),
    ] = None,
    contrast: Annotated[
        float, typer.Option(help="Relative change of the signal by a defect before any blur, 0 to 1.")
    ] = 0.1,
    contrast_per_mm: Annotated[
        float | None,
        typer.Option("--contrast-per-mm", help="Contrast per size instead, for defects as deep as wide [1/mm]."),
    ] = None,
    roi: Annotated[
        list[str] | None,
        typer.Option("--roi", metavar="X,Y,W,H", help="Where defects are put [px]; anywhere without it. Repeats."),
    ] = None,
    defects: Annotated[int, typer.Option(min=8, max=10000, help="Defects of each kind and size, at least.")] = 60,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Put known defects into an image and measure how likely they are found: raw, after a Wiener filter, and restored.

    The defects are simulated, the image is yours. POD curves with a90 and a90/95 after MIL-HDBK-1823A.
    """
    from coldray.api.pod import pod as measure
    from coldray.app.commands._inputs import PAGE_SUFFIXES, check_outputs, of_bytes, parse_roi, read_inputs, write_files
    from coldray.benchmark.pod.report import pod_report
    from coldray.benchmark.pod.results import readings_csv
    from coldray.reports.html import to_html

    raw = stated.pop("raw", None)
    beside = {suffix: out.with_suffix(suffix) for suffix in (".json", ".csv")}
    found = read_inputs([image], "image", raw)
    check_outputs(
        [(out, PAGE_SUFFIXES), *((path, (suffix,)) for suffix, path in beside.items())], found.files, overwrite
    )
    asked = {} if not kind else {"kinds": tuple(kind)}
    with console.progress("pod", None, quiet=as_json) as advance:
        result = measure(
            found.images[0],
            sizes_mm=size_mm or None,
            contrast=contrast,
            contrast_per_mm=contrast_per_mm,
            regions=tuple(parse_roi(text) for text in roi or ()),
            defects=defects,
            progress=advance,
            **asked,
            **stated,
        )
    told = plain_table(result.to_dict() | {"inputs": found.records(), "report": str(out)})
    write_files(
        {
            out: of_bytes(to_html(pod_report(result.study, found.records())).encode("utf-8", "backslashreplace")),
            beside[".json"]: of_bytes(json.dumps(told, indent=1, allow_nan=False).encode()),
            beside[".csv"]: of_bytes(readings_csv(result.study).encode()),
        }
    )
    if as_json:
        console.emit(told)
        return console.OK
    for warning in result.warnings:
        console.say(f"warning: {warning}")
    for name, value in result.facts():
        console.tell(f"{name}: {value}")
    console.tell(f"{out}: curves, maps and method, with .json and .csv beside it")
    return console.OK
