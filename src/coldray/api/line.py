"""A line of work with bounded room: what arrives is worked on by several threads and handed out in order; nothing is lost unsaid."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from coldray.errors import ColdrayError, ImageError
from coldray.files import told

Item = TypeVar("Item")
Part = TypeVar("Part")
Done = TypeVar("Done")

STEPS_PER_OCTAVE = 70
"""Of the latency histogram: a quantile is right to 1 %."""


@dataclass(frozen=True)
class Dropped:
    """A piece that was taken in and left out, since later ones came before it had its turn."""


class Latencies:
    """Quantiles of any number of times in bounded memory: a histogram over their logarithm.

    Examples
    --------
    >>> from coldray.api.line import Latencies
    >>> found = Latencies()
    >>> for milliseconds in range(1, 101):
    ...     found.add(milliseconds / 1000)
    >>> 0.0495 < found.quantile(0.5) < 0.0505
    True
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Count one time [s]."""
        place = math.floor(STEPS_PER_OCTAVE * math.log2(max(seconds, 1e-9)))
        self._counts[place] = self._counts.get(place, 0) + 1
        self.count += 1
        self.largest = max(self.largest, seconds)

    def quantile(self, share: float) -> float | None:
        """Time that this share of all stays below [s], to 1 %; None if there is none."""
        below = 0
        for place in sorted(self._counts):
            below += self._counts[place]
            if below >= share * self.count:
                return min(2.0 ** ((place + 0.5) / STEPS_PER_OCTAVE), self.largest)
        return None


@dataclass
class _Piece(Generic[Part]):
    """One piece on its way."""

    number: int
    arrived: float
    part: Part


@dataclass(eq=False)
class Line(Generic[Item, Part, Done]):
    """Takes pieces from a source, prepares them in order, works on them, and hands them out in order.

    Parameters
    ----------
    source : iterable
        Asked for the next piece in a thread of its own.
    prepare : callable
        ``prepare(number, item)``, one after the other as they arrive; numbers begin at 1.
    work : callable
        ``work(part)`` of what that gives, in the threads of the workers.
    workers : int
        Pieces worked on at once.
    room : int
        Pieces that may wait.
    drop : bool
        Where there is no room: leave out the piece that has waited longest; the source waits otherwise.
    debug : bool
        Let unexpected errors through.
    clock : callable
        Monotonic seconds.

    Notes
    -----
    `prepare` and `work` may raise: a piece is lost then, and the line goes on; what the source raises ends it. No more than
    ``room + 2 * workers`` pieces are ever between the source and the hand of who takes them, but for numbers of those that
    were dropped. The time of a piece counts from when the source gave it until the next one is asked for.
    """

    source: Iterable[Item]
    prepare: Callable[[int, Item], Part]
    work: Callable[[Part], Done]
    workers: int = 1
    room: int = 4
    drop: bool = False
    debug: bool = False
    clock: Callable[[], float] = time.perf_counter
    latencies: Latencies = field(default_factory=Latencies, init=False)
    taken: int = field(default=0, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _waiting: deque[_Piece[Part]] = field(default_factory=deque, init=False)
    _done: dict[int, tuple[float, Done | Dropped | BaseException]] = field(default_factory=dict, init=False)
    _busy: int = field(default=0, init=False)
    _held: int = field(default=0, init=False)
    _source_ended: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Take in nothing more; what was taken in is finished and handed out. May be called from a signal's handler."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[tuple[int, Done | Dropped | BaseException]]:
        """Number and result of every piece in turn: what `work` gave, `Dropped`, or why there is nothing."""
        reader = threading.Thread(target=self._read, name="coldray source", daemon=True)
        team = [threading.Thread(target=self._serve, name="coldray worker", daemon=True) for _ in range(self.workers)]
        for thread in (reader, *team):
            thread.start()
        number = 1
        try:
            while (found := self._next(number)) is not None:
                arrived, result = found
                if self.debug and isinstance(result, Exception) and not isinstance(result, ColdrayError):
                    raise result
                yield number, result
                if not isinstance(result, Dropped | BaseException):
                    self.latencies.add(self.clock() - arrived)
                number += 1
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            for thread in team:
                thread.join()
            if self._source_ended:
                reader.join()

    def _next(self, number: int) -> tuple[float, Done | Dropped | BaseException] | None:
        """Result of a piece when it is there; None when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._done or (self._no_more() and number > self.taken))
            found = self._done.pop(number, None)
            if found is not None and not isinstance(found[1], Dropped | BaseException):
                self._held -= 1
            self._changed.notify_all()
            return found

    def _no_more(self) -> bool:
        return self._source_ended or self._stopped

    def _read(self) -> None:
        """Take pieces from the source until it ends or nobody wants more."""
        pieces = iter(self.source)
        while self._wait_for_room():
            failure: Exception | None = None
            try:
                item = next(pieces)
            except StopIteration:
                break
            except Exception as problem:
                failure = problem
            with self._changed:
                if self._stopped or self._closed:
                    break
                self.taken += 1
                number, arrived = self.taken, self.clock()
            if failure is not None:
                self._finish(number, arrived, failure)
                break
            try:
                part = self.prepare(number, item)
            except Exception as problem:
                self._finish(number, arrived, problem)
                continue
            self._put(_Piece(number, arrived, part))
        with self._changed:
            self._source_ended = True
            self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Whether one more piece may be taken in; waits until that is known."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._closed or self.drop or len(self._waiting) < self.room)
            return not (self._stopped or self._closed)

    def _put(self, piece: _Piece[Part]) -> None:
        with self._changed:
            if len(self._waiting) >= self.room:
                late = self._waiting.popleft()
                self._done[late.number] = late.arrived, Dropped()
            self._waiting.append(piece)
            self._changed.notify_all()

    def _finish(self, number: int, arrived: float, result: Done | BaseException) -> None:
        with self._changed:
            self._done[number] = arrived, result
            self._changed.notify_all()

    def _serve(self) -> None:
        """Work on what waits longest, as long as its result has room."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or (self._waiting and self._busy + self._held < 2 * self.workers)
                )
                if self._closed:
                    return
                piece = self._waiting.popleft()
                self._busy += 1
                self._changed.notify_all()
            result: Done | BaseException
            try:
                result = self.work(piece.part)
            except Exception as problem:
                result = problem
            with self._changed:
                self._busy -= 1
                self._held += not isinstance(result, BaseException)
                self._done[piece.number] = piece.arrived, result
                self._changed.notify_all()


def as_error(problem: BaseException) -> ColdrayError:
    """What a piece was lost to, as one of our errors."""
    if isinstance(problem, ColdrayError):
        return problem
    return ImageError(f"{type(problem).__name__}: {told(problem)}")
