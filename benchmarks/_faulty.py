"""A command in a forked process in which one call to the file system fails."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coldray import leftovers
from coldray.app.cli import main

KINDS = {"open": ("EMFILE", "ENOSPC", "kill"), "write": ("ENOSPC", "EIO", "kill"), "fsync": ("EIO", "kill"),
         "rename": ("EIO", "kill"), "read": ("EIO", "EMFILE")}  # fmt: skip
"""Calls that may fail, and how."""


class Faults:
    """Count the calls of each kind in this process, and let one of them fail.

    Parameters
    ----------
    kind, number, fault : str, int, str
        Which call fails, and how; none without them.
    kept : Path, optional
        Folder for every content that a final name is given: the n-th rename's under ``n``, below its name.
    """

    def __init__(self, kind: str = "", number: int = 0, fault: str = "", kept: Path | None = None) -> None:
        self.seen: Counter[str] = Counter()
        self._at, self._fault, self._kept = (kind, number), fault, kept

    def meet(self, kind: str) -> None:
        """Count one call; the chosen one fails."""
        self.seen[kind] += 1
        if (kind, self.seen[kind]) != self._at:
            return
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self._fault)
        raise OSError(number, os.strerror(number))

    def install(self, place: Path) -> None:
        """Put the counters in the way of everything that is written below `place` or read below its folder `in`."""
        real_open, meet, inputs = builtins.open, self.meet, place / "in"

        class Raw(io.FileIO):
            def write(self, data: Any) -> Any:
                meet("write")
                return super().write(data)

        def opened(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            name = None if isinstance(path, int) else Path(os.fsdecode(path))
            if name is None or not name.is_relative_to(place):
                return real_open(path, mode, *rest, **more)
            if not set(mode) & set("wxa+"):
                if name.is_relative_to(inputs):
                    meet("read")
                return real_open(path, mode, *rest, **more)
            meet("open")
            raw = Raw(path, mode.replace("b", "").replace("t", ""))
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding=more.get("encoding"))

        def counted(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **more: Any) -> Any:
                meet(kind)
                return call(*arguments, **more)

            return wrapped

        real_replace = os.replace

        def replaced(temporary: Any, target: Any, **more: Any) -> None:
            meet("rename")
            real_replace(temporary, target, **more)
            final = Path(os.fsdecode(target))
            if self._kept is not None and final.is_relative_to(place) and final.is_file():
                copy = self._kept / str(self.seen["rename"]) / final.relative_to(place)
                copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(final, copy)  # the next content is another file: this one stays as it is

        builtins.open = io.open = opened  # type: ignore[assignment]
        os.fsync, os.replace = counted("fsync", os.fsync), replaced  # type: ignore[assignment]


def run(arguments: list[str], faults: Faults, place: Path) -> tuple[int, dict[str, int]]:
    """Run a command in a forked process; returns its exit code (negative for a signal) and the calls it made."""
    log, calls = place / "log", place / "calls"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1), os.dup2(out, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            leftovers._swept.clear()
            faults.install(place)
            main(arguments)
        except SystemExit as left:
            code = int(str(left.code))
        finally:
            seen = os.open(calls, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(seen, json.dumps(faults.seen).encode())
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, json.loads(calls.read_text()) if status >= 0 else {}
