"""Exit codes, one-line failures, JSON on stdout and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from coldray.errors import ColdrayError, PluginError, SettingsError, StrengthError

OK, SOME_FAILED, USAGE, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 3, 130


def one_line(problem: BaseException) -> str:
    """Message of an exception on one line, control characters escaped."""
    text = str(problem) or type(problem).__name__
    return "".join(c if c.isprintable() else " " for c in text).strip()


def exit_code(problem: ColdrayError) -> int:
    """Exit code of a failure that stopped the command."""
    return USAGE if isinstance(problem, SettingsError | PluginError | StrengthError) else CANNOT_RUN


def fail(message: str, code: int, as_json: bool = False) -> NoReturn:
    """Print one line on stderr (and its JSON form on stdout) and leave."""
    sys.stderr.write(f"coldray: {message}\n")
    if as_json:
        emit({"error": message})
    raise SystemExit(code)


def emit(result: dict[str, Any]) -> None:
    """Print one JSON object on stdout; NaN becomes null."""
    sys.stdout.write(json.dumps(plain(result), allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Value as JSON knows it: arrays as lists, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def say(message: str) -> None:
    """Print one line of prose on stderr."""
    sys.stderr.write(message + "\n")


@contextmanager
def progress(title: str, total: int, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Show a progress bar with ETA on stderr.

    Yields
    ------
    callable
        ``advance(done, total=None, note="")``.
    """
    if quiet:
        yield lambda *_args, **_more: None
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

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, note="")

        def advance(done: int, whole: int | None = None, note: str = "") -> None:
            bar.update(task, completed=done, total=whole or total, note=note)

        yield advance
