"""Processes of our own that share work: started so that no interrupt hits them, ended when they are not needed any more."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self, TypeVar

from coldray.errors import WorkerError
from coldray.plugins import load_plugin_files, loaded_files
from coldray.threads import core_count, set_meanwhile

Task = TypeVar("Task")
Found = TypeVar("Found")

AHEAD = 2
"""Tasks per process that are handed out or done while the first of them is waited for."""
PATIENCE_S = 5.0
"""How long processes that are told to end may clear what they were about to write."""


def sharing_cores(workers: int) -> AbstractContextManager[None]:
    """Environment of processes to be started: each has its share of the cores, unless the user decided otherwise."""
    share = str(max(1, core_count() // workers))
    return set_meanwhile(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), share))


@contextmanager
def no_interrupt() -> Iterator[None]:
    """Processes started meanwhile never see an interrupt at the keyboard, not even while they start; ours waits."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # its start unblocks the signal for good, so it must not come between the block and the process
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Crew:
    """Processes that work on tasks which do not depend on each other, or this process alone.

    Parameters
    ----------
    workers : int
        Processes; 1 starts none.
    progress : callable, optional
        Told the weight of every task that is done.

    Attributes
    ----------
    core_seconds : float
        Processor time of the tasks that others have done so far [s].

    Notes
    -----
    Used as a context. Leaving it by an exception ends what still runs, and nothing half-written is left.
    """

    def __init__(self, workers: int = 1, progress: Callable[[float], None] = lambda _: None) -> None:
        self._workers, self._progress = workers, progress
        self._pool: ProcessPoolExecutor | None = None
        self._others: set[BaseProcess] = set()
        self.core_seconds = 0.0

    def __enter__(self) -> Self:
        if self._workers > 1:
            self._others = set(active_children())
            # spawned, not forked: a fork copies the locks of threads that others hold, and can die of it
            self._pool = ProcessPoolExecutor(
                self._workers, get_context("spawn"), initializer=_enter, initargs=(loaded_files(),)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            if kind is not None:
                _ended(set(active_children()) - self._others)
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def map(
        self, work: Callable[[Task], Found], tasks: Iterable[Task], weight: Callable[[Task], float] = lambda _: 1.0
    ) -> Iterator[Found]:
        """Do work on tasks.

        Parameters
        ----------
        work : callable
            Found by its name in the other processes.
        tasks : iterable
            Asked for as processes become idle, so that memory does not grow with their number.
        weight : callable
            How much work a task is, for the progress.

        Yields
        ------
        object
            Results in the order of their tasks, whatever the number of processes.

        Raises
        ------
        WorkerError
            If a process died.
        Exception
            What the work raises.
        """
        if self._pool is None:
            for task in tasks:
                found = work(task)
                self._progress(weight(task))
                yield found
            return
        waiting: deque[tuple[Future[tuple[Found, float]], float]] = deque()
        for task in tasks:
            with _death_told(), sharing_cores(self._workers), no_interrupt():
                waiting.append((self._pool.submit(_timed, work, task), weight(task)))
            if len(waiting) > AHEAD * self._workers:
                yield self._taken(*waiting.popleft())
        while waiting:
            yield self._taken(*waiting.popleft())

    def _taken(self, future: Future[tuple[Found, float]], weight: float) -> Found:
        with _death_told():
            found, core_s = future.result()
        self.core_seconds += core_s
        self._progress(weight)
        return found


@contextmanager
def _death_told() -> Iterator[None]:
    """Say in one line that a process is gone, whether a task is handed over or a result is waited for."""
    try:
        yield
    except BrokenProcessPool:
        raise WorkerError(
            "a process that shared the work died; check memory, or use fewer processes (--workers 1 starts none)"
        ) from None


def _ended(processes: Collection[BaseProcess]) -> None:
    """End processes: what they are about to write is cleared, unless that takes too long."""
    for process in processes:
        process.terminate()
    last = time.monotonic() + PATIENCE_S
    for process in processes:
        process.join(max(0.0, last - time.monotonic()))
        if process.is_alive():
            process.kill()


def _enter(plugins: tuple[str, ...]) -> None:
    """Prepare a process that was started: the parent handles what ends the whole group, and tells it by a SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_outlive_nobody, name="coldray parent", daemon=True).start()
    load_plugin_files(plugins)


def _outlive_nobody() -> None:
    """End with the parent, however that ended: nobody is left to take a result."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _timed(work: Callable[[Task], Found], task: Task) -> tuple[Found, float]:
    """Result of a task, and the processor time that it took [s]."""
    began = time.process_time()
    try:
        found = work(task)
    except SystemExit as told:  # what the work had begun to write is cleared by now; no other task is begun
        os._exit(int(str(told.code)))
    return found, time.process_time() - began
