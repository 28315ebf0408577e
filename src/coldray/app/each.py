"""One piece of work per input file: ledger, progress, one-line failures, JSON, exit code."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from coldray.app import console
from coldray.app.engines import Outcome, Task, Tasks, Try, run_here, run_in_processes
from coldray.app.files import Pairing
from coldray.app.ledger import Ledger
from coldray.app.options import flagged
from coldray.app.stopping import Stopped, code_of
from coldray.document import Json, as_table, as_text, as_texts, plain_table
from coldray.errors import ColdrayError, WorkerError
from coldray.words import without_numbers

WARNINGS_COUNTED = 1000
"""Different warnings that are counted; further ones are told every time, so that a watch over months stays small."""
UNDONE = "interrupted before it was done; the same command finishes it"


class Warnings:
    """Warnings of many images: each is told with the first image that has it, whatever its numbers, and then only counted."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._told: dict[str, str] = {}

    def tell(self, name: str, warning: str) -> None:
        """Tell a warning of an image, given its file name, unless an image before had it."""
        kind = without_numbers(warning)
        if len(self._counted) < WARNINGS_COUNTED or kind in self._counted:
            self._counted[kind] += 1
            told = self._told.setdefault(kind, warning)
            self._told[kind] = told if told == warning else kind
        if self._counted[kind] <= 1:
            console.say(f"warning: {console.printable(name)}: {warning}")

    def tell_counts(self, images: str) -> None:
        """At the end, how many images (in this word) had what several had; numbers that differed are left out."""
        for kind, count in self._counted.items():
            if count > 1:
                console.say(f"warning: {count} {images}: {self._told[kind]}")


@dataclass(frozen=True)
class Verb:
    """What is done to every input and how it is told.

    Parameters
    ----------
    name : str
        Of the command, for the progress bar and the summary.
    work : callable
        ``work(number, pair)`` returns the entry of one input, with "input" and "warnings"; it must be picklable if
        there are several workers.
    line : callable
        One line of prose for a finished entry.
    as_json : bool
        Print all entries as one JSON object instead.
    debug : bool
        Let unexpected errors through.
    after : callable, optional
        ``after(entries)``, once, when all that can be done is done.
    each : callable, optional
        ``each(entry)``, for every input that is done, also for one that was done before.
    aside : bool
        Another work owns this program's output: tell on stderr, without progress.
    """

    name: str
    work: Callable[[int, Pairing], dict[str, Json]]
    line: Callable[[dict[str, Json]], str]
    as_json: bool
    debug: bool = False
    after: Callable[[list[dict[str, Json]]], None] | None = None
    each: Callable[[dict[str, Json]], None] | None = None
    aside: bool = False


@dataclass
class _Report:
    """What became of every input, told as it happens."""

    verb: Verb
    alone: bool
    pairs: dict[int, Pairing] = field(default_factory=dict)
    entries: dict[int, dict[str, Json]] = field(default_factory=dict)
    last: ColdrayError | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    warned: Warnings = field(default_factory=Warnings)

    def add(self, number: int, outcome: Outcome) -> None:
        """Keep and tell one outcome; the latest of an input counts."""
        pair = self.pairs[number]
        if isinstance(outcome, ColdrayError):
            self.last = outcome
            message = flagged(naming(pair.source.name, outcome))
            self.entries[number] = {"input": str(pair.source), "name": pair.name, "error": message}
            if not self.alone:
                console.say(f"coldray: {message}")
            return
        outcome = {**outcome, "warnings": [flagged(warning) for warning in as_texts(outcome["warnings"])]}
        # a watch may go on for months: nothing is kept that nobody will read
        read_later = self.verb.as_json or self.verb.after is not None
        if (verdict := as_table(outcome.get("consistency", {})).get("verdict")) is not None:
            self.verdicts[as_text(verdict)] += 1
        self.entries[number] = outcome if read_later else {"input": outcome["input"]}
        if not self.verb.as_json:
            for warning in as_texts(outcome["warnings"]):
                self.warned.tell(pair.source.name, warning)
            (console.say if self.verb.aside else console.tell)(console.printable(self.verb.line(outcome)))
        if self.verb.each is not None:
            self.verb.each(outcome)

    def finish(self, interrupted: KeyboardInterrupt | Stopped | None = None) -> int:
        """Print the JSON and give the exit code; every input has one entry."""
        for number, pair in self.pairs.items():
            self.entries.setdefault(number, {"input": str(pair.source), "name": pair.name, "error": UNDONE})
        good = sum("error" not in entry for entry in self.entries.values())
        if interrupted is None and not good and self.entries:
            assert self.last is not None
            many = f"{self.verb.name}: none of {len(self.entries)} inputs could be done"
            message = as_text(next(iter(self.entries.values()))["error"]) if self.alone else many
            files = {"files": self._in_order()} if not self.alone else {}
            console.fail(message, console.exit_code(self.last), self.verb.as_json, files)
        if self.verb.after is not None and interrupted is None:
            self.verb.after(self._in_order())
        self.warned.tell_counts("images")
        if not (self.alone or self.verb.as_json) and interrupted is None:
            console.say(self._total(good))
        if self.verb.as_json:
            result: dict[str, Json] = {"files": self._in_order()}
            console.emit(result if interrupted is None else result | {"interrupted": True})
        if interrupted is not None:
            console.say(f"coldray: interrupted; {good} of {len(self.entries)} inputs are done")
            return code_of(interrupted)
        return console.OK if good == len(self.entries) else console.SOME_FAILED

    def _total(self, good: int) -> str:
        """All in one line: what was done, what the certificates say, what failed."""
        known = sorted(self.verdicts.items())
        parts = [f"{good} of {len(self.entries)} done", *(f"{count} {verdict}" for verdict, count in known)]
        failed = len(self.entries) - good
        return f"{self.verb.name}: {', '.join(parts)}" + (f"; {failed} failed" if failed else "")

    def _in_order(self) -> list[dict[str, Json]]:
        return [self.entries[number] for number in sorted(self.entries)]


def naming(name: str, problem: ColdrayError) -> str:
    """Message on one line that names the file, whoever wrote it."""
    message, shown = console.one_line(problem), console.printable(name)
    return message if shown in console.printable(problem) else f"{shown}: {message}"


def run_each(
    verb: Verb,
    pairs: Iterable[Pairing | None],
    total: int | None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    ledger: Ledger | None = None,
    watching: bool = False,
    stop: threading.Event | None = None,
) -> int:
    """Do a verb's work on every pairing; one bad input costs one input.

    Parameters
    ----------
    verb : Verb
    pairs : iterable
        Inputs as they come; None says that nothing is ready now. An input that comes again is done again.
    total : int, optional
        How many there are, if that is known.
    workers : int
        Processes.
    scheduler : str, optional
        Address of a Dask scheduler that is to do the work instead.
    ledger : Ledger, optional
        Of the output folder: work it knows as done is skipped.
    watching : bool
        Whether inputs that changed are done again.
    stop : Event, optional
        Ends the work when it is set, as an interrupt does; the work is done in processes, however few.

    Returns
    -------
    int
        0 if all inputs are done, 1 if some failed, 130, 143 or 129 if interrupted; leaves with 2 or 3 if none is done.
    """
    report = _Report(verb, alone=total == 1)
    if isinstance(pairs, list):
        report.pairs.update(enumerate(pairs))
    numbers = {pair: number for number, pair in report.pairs.items()}
    interrupted: KeyboardInterrupt | Stopped | None = None
    attempt = Try(verb.work, verb.debug)
    with console.progress(verb.name, total, quiet=verb.as_json or verb.aside, unit="images") as advance:

        def tasks() -> Iterator[Task | None]:
            for pair in pairs:
                if pair is None:
                    yield None
                    continue
                number = numbers.setdefault(pair, len(numbers))
                report.pairs[number] = pair
                known = _known(ledger, pair, watching)
                if known is None:
                    yield number, pair
                else:
                    settle(number, known)

        def settle(number: int, outcome: Outcome) -> None:
            report.add(number, outcome)
            advance(len(report.entries), note=report.pairs[number].source.name)

        try:
            # closed at once when interrupted: no worker outlives the report
            with closing(_engine(attempt, tasks(), workers, scheduler, stop)) as outcomes:
                for number, outcome in outcomes:
                    settle(number, _noted(ledger, report.pairs[number], outcome))
        except (KeyboardInterrupt, Stopped) as stopped:
            interrupted = stopped
    return report.finish(interrupted)


def _engine(
    attempt: Try, tasks: Tasks, workers: int, scheduler: str | None, stop: threading.Event | None
) -> Generator[tuple[int, Outcome]]:
    if scheduler is not None:
        from coldray.app.cluster import run_on_cluster

        return run_on_cluster(attempt, tasks, scheduler)
    return (
        run_here(attempt, tasks) if workers <= 1 and stop is None else run_in_processes(attempt, tasks, workers, stop)
    )


def _known(ledger: Ledger | None, pair: Pairing, watching: bool) -> Outcome | None:
    """Entry of work that is done, an error if it must not be done, or None after claiming it."""
    if ledger is None:
        return None
    try:
        pair.check()
        known = ledger.finished(pair.source, pair.target, replace=watching)
        if known is not None:
            return known | {"skipped": True}
        ledger.claim(pair.source, pair.target)
    except ColdrayError as problem:
        return problem
    except OSError as problem:
        return WorkerError(f"{console.printable(pair.source.name)}: cannot be read ({problem.strerror}); check it")
    return None


def _noted(ledger: Ledger | None, pair: Pairing, outcome: Outcome) -> Outcome:
    """Enter a finished piece of work into the ledger."""
    if ledger is None or isinstance(outcome, ColdrayError):
        return outcome
    try:
        ledger.finish(pair.target, plain_table(outcome))
    except ColdrayError as problem:
        return problem
    return outcome
