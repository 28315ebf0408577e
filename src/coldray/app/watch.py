"""Watch folders that a machine writes into: every file once, when it is whole, and again if it changes."""

from __future__ import annotations

import errno
import os
import signal
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from coldray.app.files import Pairing, target_of, walk
from coldray.errors import ColdrayError, ImageReadError, SettingsError

POLL_S = 0.5
SETTLE_S = 3.0
"""How long a file must not change before it is read; its age by its own clock does not count."""
PATIENCE_S = 60.0
"""How long an unchanged file that somebody holds open for writing is left alone."""

State = tuple[int, int, int]


class Watcher:
    """Find new and changed files by asking again and again.

    Parameters
    ----------
    folders : sequence of Path
        Searched through all levels.
    out : Path
        Output folder; never searched.
    settle_s : float
        A file is taken when inode, size and modification time have stood still this long; 0: when it is seen, which is
        right where the writer renames it into place.
    idle_s : float, optional
        End after this long without news; watch for ever by default.
    clock : callable
        Monotonic seconds; tests bring their own.
    poll_s : float
        How often the folders are looked at.

    Notes
    -----
    A file is never judged by its date, so copies with old dates and clocks that jump do no harm. Where the system
    tells (Linux, local disks), a file that a writer still holds open is left alone as well. Both are guesses from
    outside: a producer that writes under another name and renames is the only one that cannot be misread.
    """

    def __init__(
        self,
        folders: list[Path],
        out: Path,
        settle_s: float = SETTLE_S,
        idle_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        poll_s: float = POLL_S,
    ) -> None:
        self._folders, self._out = folders, out
        self._settle_s, self._idle_s, self._clock, self._poll_s = settle_s, idle_s, clock, poll_s
        self._seen: dict[Path, tuple[State | None, float]] = {}
        self._taken: dict[Path, State | None] = {}
        self._owners: dict[Path, Path] = {}
        self._ready: deque[Pairing] = deque()
        self._news = clock()
        self._next_scan = clock()

    def __iter__(self) -> Iterator[Pairing | None]:
        """Yield what is ready, None while nothing is; ends only after `idle_s`."""
        survive_lease_breaks()
        while True:
            if not self._ready and self._clock() >= self._next_scan:
                began = self._clock()
                self._scan()
                # a slow disk is not asked all the time
                self._next_scan = self._clock() + max(self._poll_s, 5 * (self._clock() - began))
            pair = self._pop()
            if pair is not None:
                self._news = self._clock()
                yield pair
            # never while something waits to have stood still: a slow disk is looked at less often than it is idle
            elif self._idle_s is not None and not self._seen and self._clock() - self._news >= self._idle_s:
                return
            else:
                yield None

    def _pop(self) -> Pairing | None:
        """Take the next file, unless it changed while it waited its turn."""
        while self._ready:
            pair = self._ready.popleft()
            if state_of(pair.source) == self._taken.get(pair.source):
                return pair
            self._taken.pop(pair.source, None)
        return None

    def _scan(self) -> None:
        """Look at every file once."""
        out, now, there = self._out.resolve(), self._clock(), set()
        for root in self._folders:
            with suppress(ColdrayError):  # a folder that vanished may come back
                for path in walk(root, out):
                    there.add(path)
                    self._look(root, path, now)
        for gone in (self._seen.keys() | self._taken.keys()) - there:
            self._seen.pop(gone, None)
            self._taken.pop(gone, None)

    def _look(self, root: Path, path: Path, now: float) -> None:
        state = state_of(path)
        if path in self._taken and self._taken[path] == state:
            return
        if path not in self._seen or self._seen[path][0] != state:
            self._seen[path] = (state, now)
            self._news = now
            if self._settle_s > 0:
                return
        quiet_s = now - self._seen[path][1]
        if quiet_s < self._settle_s or (quiet_s < max(PATIENCE_S, self._settle_s) and being_written(path)):
            self._news = now
            return
        del self._seen[path]
        self._taken[path] = state
        target = target_of(path.relative_to(root), self._out)
        rival = self._owners.setdefault(target, path)
        if rival != path and rival not in self._taken:  # it is gone, and its name is free
            self._owners[target] = rival = path
        self._ready.append(Pairing(path, target, False, root, None if rival == path else rival))


def state_of(path: Path) -> State | None:
    """Inode, size and modification time; None if there is nothing to be read."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def being_written(path: Path) -> bool:
    """Whether some process holds a regular file open for writing, as far as the system tells.

    Notes
    -----
    Linux grants a read lease only on a file that nobody has open for writing (fcntl(2), F_SETLEASE). Elsewhere,
    and on network disks, the answer is False and the waiting time alone decides.
    """
    try:
        import fcntl

        wanted, none = fcntl.F_RDLCK, fcntl.F_UNLCK
        lease = fcntl.F_SETLEASE
    except (ImportError, AttributeError):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        fcntl.fcntl(handle, lease, wanted)
        fcntl.fcntl(handle, lease, none)
    except OSError as problem:
        return problem.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False


def watched(inputs: list[Path], out: Path) -> list[Path]:
    """Folders to watch.

    Raises
    ------
    ImageReadError
        If one does not exist.
    SettingsError
        If an input is none, or the output would be an input.
    """
    for path in inputs:
        if not path.exists():
            raise ImageReadError(f"{path.name} does not exist; make the folder before it is watched")
        if not path.is_dir():
            raise SettingsError(f"{path.name} is no folder; only folders are watched")
        if out.resolve() == path.resolve():
            raise SettingsError(f"{out.name}: results cannot go into the folder that is watched; choose another OUT")
    return inputs


def survive_lease_breaks() -> None:
    """A writer that comes while the lease is held sends SIGIO, whose default would end this process.

    In the main thread only: who watches from another one calls this first.
    """
    if hasattr(signal, "SIGIO"):
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGIO, signal.SIG_IGN)
