"""Where work runs: in this process, or in processes of our own that may die without harm to the others."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from coldray.app.files import Pairing
from coldray.app.stopping import Stopped, heeded
from coldray.compiled import load_alone
from coldray.document import Json
from coldray.errors import ColdrayError, ImageError, WorkerError
from coldray.files import shown, told
from coldray.plugins import load_plugin_files, loaded_files
from coldray.processes import no_interrupt, sharing_cores

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

TRIES = 3
"""How often a piece of work may kill its worker before it counts as failed."""
NOTHING_READY_S = 0.2


class End(Enum):
    """What stands behind the last piece of work."""

    END = "end"


Task = tuple[int, Pairing]
Tasks = Iterator[Task | None]
"""Pieces of work; None says that nothing is ready now but more may come."""
Outcome = dict[str, Json] | ColdrayError


@dataclass(frozen=True)
class Try:
    """Work whose failures are values, so that they cross process borders and one bad input costs one input."""

    work: Callable[[int, Pairing], dict[str, Json]]
    debug: bool = False
    plugins: tuple[str, ...] = field(default_factory=loaded_files)
    """Files with plug-ins that the user named: every process that works for this one loads them."""

    def __call__(self, number: int, pair: Pairing) -> Outcome:
        """Return the entry of one input, or why there is none."""
        try:
            load_plugin_files(self.plugins)
            pair.check()
            return self.work(number, pair)
        except ColdrayError as problem:
            return problem
        except Exception as problem:
            if self.debug:
                raise
            remedy = "restore fewer at once" if isinstance(problem, MemoryError) else "run it alone with --debug"
            return ImageError(f"{shown(pair.source)}: {type(problem).__name__}: {told(problem)}; {remedy}")


def run_here(attempt: Try, tasks: Tasks) -> Generator[tuple[int, Outcome]]:
    """Do the work in this process, one after the other."""
    for task in tasks:
        if task is None:
            time.sleep(NOTHING_READY_S)
        else:
            yield task[0], attempt(*task)


@dataclass
class _Worker:
    """A process, one of so many that share the cores, the pipe to it, and what it is busy with."""

    attempt: Try
    workers: int
    task: Task | None = None
    pipe: Connection = field(init=False)
    process: SpawnProcess = field(init=False)

    def __post_init__(self) -> None:
        # fresh interpreters: threads of numerical libraries do not survive a fork
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, self.attempt), daemon=True)
        with sharing_cores(self.workers), no_interrupt():
            self.process.start()
        other.close()

    def give(self, task: Task) -> None:
        """Hand over a task; if the process is gone, the pipe will say so when it is read."""
        self.task = task
        with suppress(OSError):
            self.pipe.send(task)

    def stop(self, now: bool) -> None:
        """End the process, at once or when it has nothing more to do."""
        with suppress(OSError):
            if now:
                self.process.kill()
            else:
                self.pipe.send(None)
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, attempt: Try) -> None:
    """Do tasks from the pipe until it closes; what ends the whole group is the parent's to handle."""
    for number in heeded():
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    load_alone()
    with suppress(EOFError, OSError):
        while (task := pipe.recv()) is not None:
            pipe.send((task[0], attempt(*task)))


def run_in_processes(
    attempt: Try, tasks: Tasks, workers: int, stop: threading.Event | None = None
) -> Generator[tuple[int, Outcome]]:
    """Do the work in several processes; one that dies costs nothing but the time of its task.

    Parameters
    ----------
    attempt : Try
        Pickled once per process.
    tasks : iterator
        Asked for one task at a time, when a process is idle: memory does not grow with their number.
    workers : int
    stop : Event, optional
        Gives everything up when it is set.

    Yields
    ------
    number : int
    outcome : dict or ColdrayError
        As they come. Work that killed its process `TRIES` times is a WorkerError.

    Raises
    ------
    Stopped
        If `stop` was set.
    """
    team: list[_Worker] = []
    again: deque[Task] = deque()
    deaths: dict[int, int] = {}
    finished = clean = False
    try:
        while True:
            if stop is not None and stop.is_set():
                raise Stopped(signal.SIGTERM)
            nothing = finished
            while (again or not nothing) and sum(w.task is not None for w in team) < workers:
                task = again.popleft() if again else next(tasks, End.END)
                if task is None or task is End.END:
                    nothing, finished = True, finished or task is End.END
                    continue
                idle = next((w for w in team if w.task is None), None)
                if idle is None:
                    team.append(idle := _Worker(attempt, workers))
                idle.give(task)
            busy = {w.pipe: w for w in team if w.task is not None}
            if finished and not busy:
                clean = True
                return
            if not busy:
                time.sleep(NOTHING_READY_S)
            full = finished or len(busy) == workers
            for pipe in wait(list(busy), None if full and stop is None else NOTHING_READY_S):
                worker = busy[pipe]  # type: ignore[index]
                number, pair = worker.task  # type: ignore[misc]
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    team.remove(worker)
                    worker.stop(now=True)
                    deaths[number] = deaths.get(number, 0) + 1
                    if deaths[number] < TRIES:
                        again.append((number, pair))
                        continue
                    answer = (
                        number,
                        WorkerError(
                            f"{shown(pair.source)}: its worker died {TRIES} times (exit code {worker.process.exitcode}); "
                            "check memory, or restore it alone"
                        ),
                    )
                worker.task = None
                yield answer
    finally:
        for worker in team:
            worker.stop(now=not clean)
