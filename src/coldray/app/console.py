"""Exit codes, one-line failures, JSON on stdout and progress on stderr."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from coldray.document import Json, plain_table
from coldray.errors import ColdrayError, PluginError, SettingsError, SettingsReadError, StrengthError
from coldray.files import shown, told

if TYPE_CHECKING:
    from rich.progress import Task

remembered: list[str] = []
"""What the readers noted so far; it is printed with an error that follows, whose cause it often is."""

OK, SOME_FAILED, USAGE, CANNOT_RUN = 0, 1, 2, 3


def prepare_streams() -> None:
    """Let neither a closed stream nor a character that the terminal does not know stop the program."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _abandon_stdout() -> None:
    """Point stdout at nothing, so that what is still buffered for it raises no second error at exit."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(message: str) -> None:
    """Print one line of prose on stdout; if nobody takes it (full disk, closed pipe) the work goes on."""
    try:
        sys.stdout.write(message + "\n")
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()


def one_line(problem: BaseException) -> str:
    """Message of an exception, with what was noted before it happened, on one line, control characters escaped."""
    text = str(problem) or type(problem).__name__
    if notes := [note for note in dict.fromkeys(getattr(problem, "__notes__", ())) if note not in text]:
        text += f" (noted before: {'; '.join(notes)})"
    return "".join(c if c.isprintable() else " " for c in text).strip()


def printable(text: object) -> str:
    """Text on one line, with what cannot be printed escaped: file names may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


REMEDIES = {
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOSPC: "free space there, or choose another disk, and run it again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EACCES: "ask for the right to use it, or choose another place",
    errno.EROFS: "choose a place that can be written",
}
"""What to do about what an operating system refuses."""


def of_system(problem: OSError) -> str:
    """One line for an error of the operating system: which file, what is wrong, what to do."""
    remedy = REMEDIES.get(problem.errno or 0, "check that the file or folder exists, is readable and its disk is whole")
    name = "a file"
    if isinstance(problem.filename, str | os.PathLike):
        parts = os.fspath(problem.filename).split(os.sep)
        name = shown(max(parts, key=len) if problem.errno == errno.ENAMETOOLONG else problem.filename)
    return f"{name if len(name) <= 80 else name[:77] + '...'}: {told(problem)}; {remedy}"


def exit_code(problem: ColdrayError) -> int:
    """Exit code of a failure that stopped the command; a file of settings that is not there is no wrong option."""
    if isinstance(problem, SettingsReadError):
        return CANNOT_RUN
    return USAGE if isinstance(problem, SettingsError | PluginError | StrengthError) else CANNOT_RUN


def fail(message: str, code: int, as_json: bool = False, more: Mapping[str, Json] | None = None) -> NoReturn:
    """Print one line on stderr (and its JSON form, with what else is known, on stdout) and leave."""
    say(f"coldray: {message}")
    try:
        if as_json:
            emit({"error": message, **(more or {})})
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()
    raise SystemExit(code)


def emit(result: Mapping[str, Json]) -> None:
    """Print one JSON object on stdout; NaN becomes null."""
    sys.stdout.write(json.dumps(plain_table(result), allow_nan=False) + "\n")


def say(message: str) -> None:
    """Print one line of prose on stderr, if anybody takes it."""
    with suppress(OSError):
        sys.stderr.write(message + "\n")


@contextmanager
def progress(title: str, total: int | None, quiet: bool = False, unit: str = "") -> Iterator[Callable[..., None]]:
    """Show progress with ETA on stderr: a bar on a terminal, else a line now and then.

    Parameters
    ----------
    title : str
    total : int, optional
        Unknown for work without an end.
    quiet : bool
        Show nothing.
    unit : str
        What is counted, for a rate per minute and for plain lines; without it there are none.

    Yields
    ------
    callable
        ``advance(done, total=None, note="")``.
    """
    if quiet:
        yield lambda *_args, **_more: None
        return
    if not sys.stderr.isatty():
        yield _Lines(title, total, unit).advance
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Remaining(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return Text() if task.finished else Text("ETA ") + super().render(task)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        Remaining(),
        TextColumn("{task.fields[note]}"),
    )
    began = time.monotonic()
    # prose for a file or a pipe must not end up with the bar on the terminal
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(title, total=total, note="", rate="")

        def advance(done: int, whole: int | None = None, note: str = "") -> None:
            rate = f"{per_minute(done, began):.3g} {unit}/min" if unit else ""
            bar.update(task, completed=done, total=whole or total, note=printable(note), rate=rate)

        yield advance


def per_minute(done: int, began: float) -> float:
    """Rate since `began` on the monotonic clock."""
    return 60 * done / max(time.monotonic() - began, 1e-9)


class _Lines:
    """Progress where there is no terminal: one line every `EVERY_S` seconds, none if all is done before."""

    EVERY_S = 15.0

    def __init__(self, title: str, total: int | None, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._began = self._said = time.monotonic()

    def advance(self, done: int, whole: int | None = None, note: str = "") -> None:
        """Say how far the work is, unless that was said lately."""
        now, total = time.monotonic(), whole or self._total
        if not self._unit or now - self._said < self.EVERY_S:
            return
        self._said = now
        rate = per_minute(done, self._began)
        left = f" of {total}" if total else ""
        ends = (
            f", ETA {timedelta(seconds=round(60 * (total - done) / rate))}" if total and done < total and rate else ""
        )
        say(f"{self._title}: {done}{left} {self._unit}, {rate:.3g} {self._unit}/min{ends}")
