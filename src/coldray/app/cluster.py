"""Hand work to a Dask cluster: the same pieces, the same entries, machines that may come and go."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from coldray.app.engines import NOTHING_READY_S, End, Outcome, Tasks, Try
from coldray.app.files import Pairing
from coldray.errors import ColdrayError, MissingExtraError, WorkerError
from coldray.files import shown, told

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 15
CLOSE_S = 2
LOST_S = 10.0
"""How long the connection to the scheduler may be down before we give up."""
AHEAD = 2
"""Pieces of work in flight per thread of the cluster: enough to hide the network, few enough to bound memory."""


def run_on_cluster(attempt: Try, tasks: Tasks, address: str) -> Generator[tuple[int, Outcome]]:
    """Do the work on a Dask cluster.

    Parameters
    ----------
    attempt : Try
    tasks : iterator
        Asked for one task at a time; at most `AHEAD` per thread of the cluster are in flight.
    address : str
        Of the scheduler, such as ``tcp://host:8786``.

    Yields
    ------
    number : int
    outcome : dict or ColdrayError
        As they come. Work that killed its worker more often than the cluster allows (by default 3 times) is a
        WorkerError.

    Raises
    ------
    MissingExtraError
        If Dask distributed is not installed.
    WorkerError
        If the scheduler cannot be reached or goes away.

    Notes
    -----
    Images travel by path: every worker sees the same folders under the same names, and has coldray installed. The
    ledger stays with this process.
    """
    client = _connected(address)
    done: queue.Queue[Future] = queue.Queue()
    flying: dict[Future, tuple[int, Pairing]] = {}
    finished = False
    try:
        while flying or not finished:
            room = AHEAD * max(1, sum(client.nthreads().values())) - len(flying)
            nothing = finished
            while room > 0 and not nothing:
                task = next(tasks, End.END)
                if task is None or task is End.END:
                    nothing, finished = True, finished or task is End.END
                    continue
                # no key by content: the same work may be asked for again, and must then be done again
                future = client.submit(attempt, task[0], _absolute(task[1]), pure=False)
                flying[future] = task
                future.add_done_callback(done.put)
                room -= 1
            try:
                future = done.get(timeout=NOTHING_READY_S)
            except queue.Empty:
                _check(client, address)
                continue
            number, pair = flying.pop(future)
            yield number, _outcome(future, pair, address)
    except ColdrayError:
        raise
    except (OSError, TimeoutError, RuntimeError):
        # any call of the client may be the one that finds the scheduler gone
        raise _lost(address) from None
    finally:
        if client.status == "running":
            client.cancel(list(flying))
        client.close(timeout=CLOSE_S)


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("distributed", "cluster", "--scheduler") from None
    # what matters becomes an error of ours
    for name in ("distributed", "distributed.client", "distributed.comm"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as problem:
        raise WorkerError(f"no Dask scheduler answers at {address} ({told(problem)}); check address and port") from None


def _absolute(pair: Pairing) -> Pairing:
    root = None if pair.root is None else pair.root.absolute()
    return replace(pair, source=pair.source.absolute(), target=pair.target.absolute(), root=root)


def _lost(address: str) -> WorkerError:
    return WorkerError(f"the Dask scheduler at {address} was lost; the same command finishes what is missing")


def _check(client: Client, address: str) -> None:
    """Raise WorkerError if the scheduler has been away too long."""
    began = time.monotonic()
    while client.status != "running":
        if client.status == "closed" or time.monotonic() - began > LOST_S:
            raise _lost(address)
        time.sleep(NOTHING_READY_S)


def _outcome(future: Future, pair: Pairing, address: str) -> Outcome:
    """Entry of a future that ended, told with the paths of this machine's command line."""
    if future.status == "error":
        problem = future.exception()
        if type(problem).__name__ == "KilledWorker":
            said = "its worker died again and again; check memory, or restore it alone"
        else:
            said = f"the cluster failed ({told(problem)}); check that its workers run coldray"
        return WorkerError(f"{shown(pair.source)}: {said}")
    try:
        found: Outcome = future.result()
    except Exception as problem:
        if not type(problem).__name__.endswith("CancelledError"):
            raise
        # what a scheduler that went away leaves behind
        raise _lost(address) from None
    return found if isinstance(found, ColdrayError) else found | {"input": str(pair.source), "output": str(pair.target)}
