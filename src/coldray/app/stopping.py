"""Signals that end a program: cleaned up after, and told by the exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("SIGTERM", "SIGHUP")


INTERRUPTED = 130
"""Exit code after an interrupt at the keyboard: 128 + SIGINT."""


class Stopped(SystemExit):
    """SIGTERM, SIGHUP or an interrupt at the keyboard: the program leaves with 128 + the signal's number, and cleans up on its way."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Stopped` while the block runs, where signals can be handled.

    A signal that the process was started to ignore stays ignored: `nohup` and background jobs ask for that. The first
    one counts; repetitions (a logout sends both) do not break into the clean-up.
    """
    before: dict[int, object] = {}

    def stop(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    try:
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def heeded() -> list[int]:
    """Signals that end this process: SIGINT, SIGTERM and SIGHUP, but for those it was started to ignore."""
    known = [getattr(signal, name) for name in ("SIGINT", *NAMES) if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


def code_of(problem: KeyboardInterrupt | Stopped) -> int:
    """Exit code of an interruption: 128 + the signal's number."""
    return int(str(problem.code)) if isinstance(problem, Stopped) else INTERRUPTED
