"""Results that go on to another node: each until it is stored there, and once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from coldray.app.pacs.node import Node, Told
from coldray.app.pacs.send import Answer, Parcel, parcel, send
from coldray.errors import ColdrayError, ImageReadError, ImageWriteError
from coldray.files import shown

NAME = ".coldray-sent.sqlite"
"""In the folder of the results: what was stored where."""
RETRY_S = 30.0
"""Pause after a node could not be reached."""
Send = Callable[[Sequence[Parcel], Node, str], Iterator[Answer]]


class Outbox:
    """Send results in the background, and remember across restarts which have arrived.

    Parameters
    ----------
    folder : Path
        Of the results; exists.
    node : Node
        Where they go.
    aet : str
        Ours.
    say : callable
        Takes one line when something is sent, or cannot be.
    retry_s : float
        Pause after a failure [s].
    send : callable
        As `coldray.app.pacs.send.send`.

    Raises
    ------
    ImageWriteError
        If its list cannot be used.
    """

    def __init__(
        self, folder: Path, node: Node, aet: str, say: Told, retry_s: float = RETRY_S, send: Send = send
    ) -> None:
        self._folder, self._node, self._aet, self._say, self._send = folder, node, aet, say, send
        self._retry_s = retry_s
        self._waiting: dict[Path, str] = {}
        self._lock, self._news, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._told = ""
        with self._list() as base:
            base.execute("CREATE TABLE IF NOT EXISTS sent (sha256 TEXT, node TEXT, PRIMARY KEY (sha256, node))")
        self._thread = threading.Thread(target=self._run, name="coldray-outbox", daemon=True)
        self._thread.start()

    def add(self, entry: dict[str, Any]) -> None:
        """Send a result on, unless it has arrived already.

        Parameters
        ----------
        entry : dict
            Of `coldray.app.one.restore_file`.
        """
        path, digest = Path(entry["output"]), str(entry["sha256_out"])
        with self._list() as base:
            known = base.execute("SELECT 1 FROM sent WHERE sha256 = ? AND node = ?", (digest, str(self._node)))
            if known.fetchone() is not None:
                return
        with self._lock:
            self._waiting[path] = digest
        self._news.set()

    @property
    def waiting(self) -> int:
        """Results that have not arrived."""
        with self._lock:
            return len(self._waiting)

    def close(self) -> None:
        """Stop; what is left goes at the next start."""
        self._stop.set()
        self._news.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.wait()
            self._news.clear()
            while not self._stop.is_set() and self.waiting:
                if not self._round():
                    self._stop.wait(self._retry_s)

    def _round(self) -> bool:
        """Try all that waits once; whether the node took, or refused for good, everything."""
        with self._lock:
            waiting = dict(self._waiting)
        try:
            parcels = [found for path in waiting if (found := self._parcel(path)) is not None]
            settled = True
            for answer in self._send(parcels, self._node, self._aet):
                settled &= self._settle(answer, waiting[answer.parcel.path])
                if self._stop.is_set():
                    break
            return settled
        except ColdrayError as problem:
            self._once(str(problem))
            return False

    def _settle(self, answer: Answer, digest: str) -> bool:
        """Enter what became of one result; False if it is to be tried again."""
        path = answer.parcel.path
        if answer.problem is None:
            with self._list() as base:
                base.execute("INSERT OR IGNORE INTO sent VALUES (?, ?)", (digest, str(self._node)))
            self._told = ""
            self._say(f"{shown(path)} is stored by {self._node}")
        elif answer.is_final:
            self._say(f"coldray: {answer.problem}; it is not sent again before the next start")
        else:
            self._once(str(answer.problem))
            return False
        self._drop(path, digest)
        return True

    def _parcel(self, path: Path) -> Parcel | None:
        """A result as an object; None, and told, if it is none, or is not there any more."""
        try:
            return parcel(path)
        except ImageReadError as problem:
            self._say(f"coldray: {problem}")
            self._drop(path)
            return None

    def _drop(self, path: Path, digest: str | None = None) -> None:
        """Forget a result, unless it was restored again meanwhile."""
        with self._lock:
            if digest is None or self._waiting.get(path) == digest:
                self._waiting.pop(path, None)

    def _once(self, words: str) -> None:
        """Tell of a node that does not answer when that begins, not every half minute."""
        if words != self._told:
            self._told = words
            self._say(f"coldray: {words}; tried again every {self._retry_s:g} s")

    @contextmanager
    def _list(self) -> Iterator[sqlite3.Connection]:
        """The list of what has arrived, one transaction long."""
        try:
            with closing(sqlite3.connect(self._folder / NAME, timeout=10)) as base, base:
                yield base
        except sqlite3.Error as problem:
            raise ImageWriteError(
                f"{self._folder.name}/{NAME}: the list of what was sent cannot be used ({problem}); check the disk, or "
                "delete it, and everything is sent again"
            ) from None
