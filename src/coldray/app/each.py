"""One piece of work per input file: progress, one-line failures, JSON, exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import typer

from coldray.app import console
from coldray.app.files import Pairing
from coldray.errors import ColdrayError


@dataclass(frozen=True)
class _Try:
    """Work whose expected failures are values, so that they cross process borders."""

    work: Callable[[int, Pairing], dict[str, Any]]

    def __call__(self, number: int, pair: Pairing) -> dict[str, Any] | ColdrayError:
        try:
            return self.work(number, pair)
        except ColdrayError as problem:
            return problem


@contextmanager
def _pool(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    if workers <= 1:
        yield map
        return
    # fresh interpreters: threads of numerical libraries do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool.map


def run_each(
    verb: str,
    pairs: list[Pairing],
    work: Callable[[int, Pairing], dict[str, Any]],
    line: Callable[[dict[str, Any]], str],
    as_json: bool,
    workers: int = 1,
) -> int:
    """Do `work` on every pairing; one bad input costs one input.

    Parameters
    ----------
    verb : str
        Name of the command, for the progress bar and the summary.
    pairs : list of Pairing
    work : callable
        ``work(number, pair)`` returns the entry of one input, with "input" and "warnings"; it must be picklable
        if there are several workers.
    line : callable
        One line of prose for a finished entry.
    as_json : bool
        Print all entries as one JSON object instead.
    workers : int
        Processes; results and messages keep the order of the inputs.

    Returns
    -------
    int
        0 if all inputs are done, 1 if some failed; leaves with 2 or 3 if none is done.
    """
    entries: list[dict[str, Any]] = []
    last: ColdrayError | None = None
    tries = _Try(work)
    with console.progress(verb, len(pairs), quiet=as_json) as advance, _pool(workers) as mapped:
        for number, outcome in enumerate(mapped(tries, range(len(pairs)), pairs)):
            if isinstance(outcome, ColdrayError):
                last = outcome
                entries.append({"input": str(pairs[number].source), "error": console.one_line(outcome)})
                if len(pairs) > 1:
                    console.say(f"coldray: {console.one_line(outcome)}")
            else:
                entries.append(outcome)
            advance(number + 1, note=pairs[number].source.name)
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
