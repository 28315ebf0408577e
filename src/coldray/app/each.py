"""One piece of work per input file: progress, one-line failures, JSON, exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from coldray.app import console
from coldray.app.files import Pairing
from coldray.errors import ColdrayError


def run_each(
    verb: str,
    pairs: list[Pairing],
    work: Callable[[int, Pairing], dict[str, Any]],
    line: Callable[[dict[str, Any]], str],
    as_json: bool,
) -> int:
    """Do `work` on every pairing; one bad input costs one input.

    Parameters
    ----------
    verb : str
        Name of the command, for the progress bar and the summary.
    pairs : list of Pairing
    work : callable
        ``work(number, pair)`` returns the entry of one input, with "input" and "warnings".
    line : callable
        One line of prose for a finished entry.
    as_json : bool
        Print all entries as one JSON object instead.

    Returns
    -------
    int
        0 if all inputs are done, 1 if some failed; leaves with 2 or 3 if none is done.
    """
    entries: list[dict[str, Any]] = []
    last: ColdrayError | None = None
    with console.progress(verb, len(pairs), quiet=as_json) as advance:
        for number, pair in enumerate(pairs):
            try:
                entries.append(work(number, pair))
            except ColdrayError as problem:
                last = problem
                entries.append({"input": str(pair.source), "error": console.one_line(problem)})
                if len(pairs) > 1:
                    console.say(f"coldray: {console.one_line(problem)}")
            advance(number + 1, note=pair.source.name)
    good = [e for e in entries if "error" not in e]
    if not good:
        assert last is not None
        message = console.one_line(last) if len(pairs) == 1 else f"{verb}: none of {len(pairs)} inputs could be done"
        console.fail(message, console.exit_code(last), as_json)
    if as_json:
        console.emit({"files": entries})
    else:
        for entry in good:
            for warning in entry["warnings"]:
                console.say(f"warning: {Path(entry['input']).name}: {warning}")
            typer.echo(line(entry))
    return console.OK if len(good) == len(entries) else console.SOME_FAILED
