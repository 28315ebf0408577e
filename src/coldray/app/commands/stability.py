"""`stability`: changed or not changed against a baseline, at a stated rate of false alarms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coldray.app import console
from coldray.app.commands._inputs import (
    CSV_SUFFIXES,
    PLOT_SUFFIXES,
    REPORT_SUFFIXES,
    AsJson,
    Csv,
    Overwrite,
    Plot,
    Report,
    check_outputs,
    of_bytes,
    write_files,
)
from coldray.document import Json, as_text, as_texts
from coldray.errors import ColdrayError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coldray.app.stability import Occasion
    from coldray.metrology.stability import Verdict

EXAMPLE = """
Example: coldray stability baseline.json --init 2026-01/ 2026-02/ 2026-03/ 2026-04/

Example: coldray stability baseline.json 2026-05/ --report may.html

Example: coldray stability archive.json restored/ --json
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("stability", epilog=EXAMPLE)(stability)


def stability(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="Baseline file, as --init writes it.")],
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR...",
            help="Occasions in their order: JSON of a measure or sheet, a folder of such, or a folder of restored images.",
        ),
    ],
    init: Annotated[bool, typer.Option("--init", help="Write BASELINE from these occasions, and stop.")] = False,
    false_alarms_percent: Annotated[
        float,
        typer.Option(help="Chance that anything is called changed though nothing has, of all figures together [%]."),
    ] = 1.0,
    plot: Plot = None,
    report: Report = None,
    csv: Csv = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Tell what has changed since a baseline: figures of a detector, or an archive of restorations."""
    if not 0 < false_alarms_percent <= 50:
        raise SettingsError(f"--false-alarms-percent {false_alarms_percent:g}: must be above 0 and at most 50")
    if init:
        if plot or report or csv:
            raise SettingsError("--init writes the baseline alone; leave --plot, --report and --csv")
        return _init(baseline, files, overwrite, as_json)
    suffixes = (PLOT_SUFFIXES, REPORT_SUFFIXES, CSV_SUFFIXES)
    check_outputs(zip((plot, report, csv), suffixes, strict=True), [baseline, *files], overwrite)
    return _judge(baseline, files, false_alarms_percent / 100, (plot, report, csv), as_json)


def _read(files: Sequence[Path]) -> tuple[list[Occasion], list[Path], list[str]]:
    """Occasions that can be read, where they are, and one line for each that cannot."""
    from coldray.app.stability import read_occasion

    found, places, problems, last = [], [], [], None
    for path in files:
        try:
            found.append(read_occasion(path))
            places.append(path)
        except ColdrayError as problem:
            problems.append(f"left out: {console.one_line(problem)}")
            last = problem
    if last is not None and not found:
        raise last
    return found, places, problems


def _init(baseline: Path, files: Sequence[Path], overwrite: bool, as_json: bool) -> int:
    """Write the baseline."""
    from coldray.app.stability import MEASUREMENTS, make_baseline
    from coldray.metrology.stability import FEWEST

    check_outputs([(baseline, (".json",))], files, overwrite)
    occasions, _, problems = _read(files)
    made = make_baseline(occasions)
    warnings = list(problems)
    if made.kind == MEASUREMENTS and len(occasions) < FEWEST:
        warnings.append(
            f"{len(occasions)} occasion(s): their scatter is not known, so limits will rest on the bands of the measurements alone; "
            "10 or more, each set up anew, make limits that hold and are narrow"
        )
    write_files({baseline: of_bytes((json.dumps(made.model_dump(mode="json"), indent=1) + "\n").encode())})
    result: dict[str, Json] = {
        "baseline": str(baseline),
        "kind": made.kind,
        "occasions": list(made.occasions),
        "figures": [{"key": one.key, "name": one.name, "count": len(one.values)} for one in made.figures],
        "warnings": warnings,
    }
    if as_json:
        console.emit(result)
    else:
        for warning in warnings:
            console.say(f"warning: {warning}")
        console.tell(
            f"{baseline}: baseline of {len(made.figures)} figures; fill in `tolerance` where you have limits of your own"
        )
    return console.SOME_FAILED if problems else console.OK


def _judge(
    baseline: Path,
    files: Sequence[Path],
    rate: float,
    outputs: tuple[Path | None, Path | None, Path | None],
    as_json: bool,
) -> int:
    """Compare, write what was asked for, and tell."""
    from coldray.app.stability import histories, read_baseline
    from coldray.checkpoint import file_sha256
    from coldray.metrology.stability import judge
    from coldray.reports.figures import render
    from coldray.reports.html import rendered
    from coldray.reports.stability import overall, stability_report, statement, trend_figure

    known = read_baseline(baseline)
    occasions, places, problems = _read(files)
    found, remarks = histories(known, occasions)
    verdicts = judge(found, rate)
    names = [one.name for one in occasions]
    warnings = [*problems, *remarks]
    warnings += [
        f"{one.history.name}: beyond its tolerance on {', '.join(names[k] for k in one.beyond_tolerance)}"
        for one in verdicts
        if one.beyond_tolerance
    ]
    result: dict[str, Json] = {
        "changed": overall(verdicts),
        "false_alarms": rate,
        "statement": statement(verdicts, rate),
        "figures": [one.to_json() for one in verdicts],
        "occasions": names,
        "baseline": {"file": str(baseline), "occasions": list(known.occasions)},
        "warnings": warnings,
        "files": [str(path) for path in places],
    }
    plot, report, csv = outputs
    contents = {}
    if plot is not None:
        contents[plot] = of_bytes(render(trend_figure(verdicts), plot.suffix[1:].lower()))
    if report is not None:
        inputs = [(path.name, file_sha256(path)) for path in (baseline, *places) if path.is_file()]
        page = stability_report(verdicts, names, known.occasions, rate, inputs, warnings)
        contents[report] = of_bytes(rendered(page, report))
    if csv is not None:
        contents[csv] = of_bytes(_table(verdicts, (*known.occasions, *names)).encode())
    write_files(contents)
    if as_json:
        console.emit(result)
    else:
        _tell(verdicts, result, names)
    return console.SOME_FAILED if problems else console.OK


def _table(verdicts: Sequence[Verdict], occasions: Sequence[str]) -> str:
    """One line for each figure and value, the baseline first."""
    from coldray.physics.tables import write_table

    columns: dict[str, list[str | float | None]] = {
        name: [] for name in ("key", "unit", "part", "place", "value", "low", "high")
    }
    for one in verdicts:
        own = one.history
        low, high = one.limit or (None, None)
        parts = [("baseline", v) for v in own.baseline] + [("new", v) for values in own.new for v in values]
        for place, (part, value) in enumerate(parts, start=1):
            row = (own.key, own.unit, part, place, value, low, high)
            for column, cell in zip(columns.values(), row, strict=True):
                column.append(cell)
    return write_table(columns, None, [f"occasions: {', '.join(occasions)}"])


def _tell(verdicts: Sequence[Verdict], result: Mapping[str, Json], names: Sequence[str]) -> None:
    from coldray.reports.stability import WORDS

    for warning in as_texts(result["warnings"]):
        console.say(f"warning: {warning}")
    width = max(len(one.history.name) for one in verdicts)
    for one in verdicts:
        value = next((v for v in reversed(one.history.means) if v is not None), None)
        shown = "–" if value is None else f"{value:.4g} {one.history.unit}".rstrip()
        limits = "" if one.limit is None else f", limits {one.limit[0]:.4g} to {one.limit[1]:.4g}"
        when = [names[k] for k in one.changed_on] + ["drift"] * one.drifting
        since = f" ({', '.join(when)})" if when else f" ({one.note})" if one.note else ""
        console.tell(f"{one.history.name:{width}s}  {WORDS[one.changed]}: {shown}{limits}{since}")
    console.tell(as_text(result["statement"]))
