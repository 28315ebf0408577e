"""Threads of one process: how many there are, and work on parts that they share; its result does not depend on their number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

Part = TypeVar("Part")
Found = TypeVar("Found")

_inside = threading.local()


def stated_threads() -> int:
    """What ``OMP_NUM_THREADS`` says; 0 if it says no number."""
    # several numbers are those of nested levels, the first is ours
    stated = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(stated) if stated.isdecimal() else 0


@contextmanager
def set_meanwhile(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables, but those that the user has set, for as long as something loads that reads them then."""
    names = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in names})
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def core_count() -> int:
    """Cores that this process may run on: those of a task set or a container's cpuset, not all that the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """Threads that this process works with: ``OMP_NUM_THREADS``, or as many as there are cores for it."""
    return stated_threads() or core_count()


def in_threads(work: Callable[[Part], Found], parts: Sequence[Part]) -> list[Found]:
    """Results of work on parts that do not depend on each other, in their order.

    Parameters
    ----------
    work : callable
        Leaves Python's lock for most of its time, as numpy and scipy do on large arrays.
    parts : sequence

    Returns
    -------
    list
        One result per part; work that is itself done in a thread of these is done there and then.
    """
    count = min(thread_count(), len(parts))
    if count <= 1 or getattr(_inside, "busy", False):
        return [work(part) for part in parts]
    return list(_pool(os.getpid(), thread_count()).map(work, parts))


@lru_cache(maxsize=1)
def _pool(process: int, count: int) -> ThreadPoolExecutor:
    """Threads of a process; one that was forked has none of those before, and gets its own."""
    return ThreadPoolExecutor(count, thread_name_prefix="coldray", initializer=_enter)


def _enter() -> None:
    _inside.busy = True
