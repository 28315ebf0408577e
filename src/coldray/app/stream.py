"""Frames of a line for the command line: where they come from, where results go, and what is told of them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coldray.api.stream import Arrival, Stream, StreamedFrame
from coldray.app import console
from coldray.app.each import Warnings, naming
from coldray.app.files import Pairing, check_names
from coldray.app.one import noted, read_whole, remarks
from coldray.app.options import flagged
from coldray.app.recipe import RECORD_FORMAT
from coldray.app.stopping import heeded
from coldray.document import Json, plain
from coldray.errors import ColdrayError, ImageReadError, ImageWriteError
from coldray.formats import write_image
from coldray.formats.raw import RawGeometry
from coldray.radiograph import Radiograph

POLL_S = 0.05
"""How often a folder is looked at."""
NAME = "frame_{:08d}.tif"
"""Of the result of a frame that came through a pipe."""


@dataclass(frozen=True)
class Origin:
    """Where a frame came from, the hash of its content, and where its result goes."""

    name: str
    target: Path
    sha256: str = ""


Found = tuple[Origin, "Radiograph | ColdrayError"]


class Frames:
    """Frames of a source; remembers where each came from until somebody asks."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._found = found
        self._origins: dict[int, Origin] = {}

    def __iter__(self) -> Iterator[Arrival]:
        for number, (origin, frame) in enumerate(self._found, 1):
            self._origins[number] = origin
            yield frame

    def origin(self, number: int) -> Origin | None:
        """Origin of a frame, once; None of what the source died of."""
        return self._origins.pop(number, None)


def of_pipe(handle: int, geometry: RawGeometry, out: Path) -> Iterator[Found]:
    """Raw frames of a stated geometry, one after the other, until the writer closes the pipe.

    Parameters
    ----------
    handle : int
        File descriptor; it is read without a buffer, so that a frame is there when its last byte is.
    geometry : RawGeometry
        Of one frame; its `offset` are bytes before the first frame.
    out : Path
        Folder of the results.

    Yields
    ------
    Origin, and Radiograph or ColdrayError
        A last frame that is cut short is an ImageReadError.
    """
    size = math.prod(geometry.shape) * geometry.stored_dtype.itemsize
    _read(handle, geometry.offset)
    number = 0
    while content := _read(handle, size):
        number += 1
        name = f"frame {number}"
        try:
            if len(content) < size:
                raise ImageReadError(
                    f"{name} has {len(content)} of {size} bytes: its writer ended, or the geometry is another"
                )
            pixels = np.frombuffer(content, geometry.stored_dtype).reshape(geometry.shape)
            frame = Radiograph(pixels.astype(geometry.stored_dtype.newbyteorder("="), copy=False))
        except ColdrayError as problem:
            yield Origin(name, out / NAME.format(number)), problem
        else:
            yield Origin(name, out / NAME.format(number), hashlib.sha256(content).hexdigest()), frame


def _read(handle: int, size: int) -> bytearray:
    """So many bytes, fewer only at the end."""
    found = bytearray()
    while len(found) < size and (more := os.read(handle, size - len(found))):
        found += more
    return found


@dataclass
class Folder:
    """Frames of folders that somebody writes into; a file whose result is there is passed over.

    Parameters
    ----------
    pairs : iterable
        Of `coldray.app.watch.Watcher`.
    geometry : RawGeometry, optional
        Of raw files.
    overwrite : bool
        Whether results that are there are made anew.
    ended : threading.Event
        Set when nobody wants more.
    """

    pairs: Iterable[Pairing | None]
    geometry: RawGeometry | None
    overwrite: bool
    ended: threading.Event
    already_there: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Found]:
        for pair in self.pairs:
            if self.ended.is_set():
                return
            if pair is None:
                self.ended.wait(POLL_S)
            elif pair.target.exists() and not self.overwrite:
                self.already_there += 1
            else:
                yield self._read(pair)

    def _read(self, pair: Pairing) -> Found:
        try:
            pair.check()
            check_names([pair.target])
            image, digest = read_whole(pair.source, self.geometry)
        except ColdrayError as problem:
            return Origin(str(pair.source), pair.target), problem
        return Origin(str(pair.source), pair.target, digest), image


@dataclass
class Teller:
    """Writes the frames of a stream and tells what becomes of them.

    Parameters
    ----------
    stream : Stream
    frames : Frames
        That it takes.
    settings : mapping
        What a result needs to be repeated, but for what each frame decides.
    as_json : bool
        Reports are lines of JSON on stdout; else prose on stderr.
    every_s : float
        Time between two reports [s].
    already_there : callable
        How many inputs were passed over, since their results were there.
    clock : callable
        Monotonic seconds.
    """

    stream: Stream
    frames: Frames
    settings: Mapping[str, Json]
    as_json: bool
    every_s: float
    already_there: Callable[[], int] = int
    clock: Callable[[], float] = time.monotonic
    written: int = field(default=0, init=False)
    _lost: list[dict[str, Json]] = field(default_factory=list, init=False)
    _gap: tuple[int, int] | None = field(default=None, init=False)
    _warned: Warnings = field(default_factory=Warnings, init=False)

    def run(self) -> dict[str, Json]:
        """Deal with every frame; gives the last report, which is not told yet."""
        next_report = self.clock() + self.every_s
        for frame in self.stream:
            origin = self.frames.origin(frame.number)
            if frame.outcome == "dropped":
                self._gap = (frame.number if self._gap is None else self._gap[0], frame.number)
            else:
                self._tell_gap()
                self._deal(frame, origin)
            if self.clock() >= next_report:
                self._tell_gap()
                self._tell(self.report())
                next_report = self.clock() + self.every_s
        self._tell_gap()
        self._warned.tell_counts("frames")
        return self.report()

    def report(self) -> dict[str, Json]:
        """What became of all frames, and which were lost since the last report."""
        lost, self._lost = self._lost, []
        counted = {"written": self.written, "already_there": self.already_there()}
        return self.stream.counts() | counted | {"lost": lost}

    def _deal(self, frame: StreamedFrame, origin: Origin | None) -> None:
        """Write a frame, or say why there is none."""
        name = f"frame {frame.number}" if origin is None else origin.name
        if frame.restored is None or origin is None:
            self._lose(frame.number, name, frame.error or ImageReadError("its source ended"))
            return
        image = frame.restored.image
        more: dict[str, Json] = {"sha256_in": origin.sha256}
        if frame.averaged == 1:
            own = {"filter_signal": image.history[-1].details["filter_signal"], "judged": frame.judged}
            more |= {"format": RECORD_FORMAT, "settings": {**self.settings, **own}}
        try:
            origin.target.parent.mkdir(parents=True, exist_ok=True)
            write_image(origin.target, noted(image, **more))
        except (ColdrayError, OSError) as problem:
            known = problem if isinstance(problem, ColdrayError) else ImageWriteError(console.of_system(problem))
            self._lose(frame.number, name, known)
            return
        self.written += 1
        for warning in (*frame.restored.warnings, *remarks(frame.restored.measured)):
            self._warned.tell(Path(name).name, flagged(warning))

    def _lose(self, number: int, name: str, problem: ColdrayError) -> None:
        """One line for a frame that has no result."""
        message = flagged(naming(Path(name).name, problem))
        self._lost.append({"frame": number, "input": name, "error": message})
        console.say(f"coldray: {message}")

    def _tell_gap(self) -> None:
        """One line for frames that were dropped one after the other."""
        if self._gap is not None:
            first, last = self._gap
            which = f"frame {first}" if first == last else f"frames {first} to {last}"
            message = f"{which} dropped: there was no room"
            self._lost.append({"frame": first, "last": last, "error": message})
            console.say(f"coldray: {message}")
            self._gap = None

    def _tell(self, report: Mapping[str, Json]) -> None:
        if self.as_json:
            console.tell(json.dumps(plain(report), allow_nan=False))
        else:
            console.say(in_words(report))


def in_words(report: Mapping[str, Any]) -> str:
    """A report on one line."""
    parts = [f"{report['written']} of {report['frames']} frames written"]
    parts += [f"{report[name]} {name}" for name in ("dropped", "bad") if report[name]]
    if report["already_there"]:
        parts.append(f"{report['already_there']} files with a result passed over")
    parts += [f"{count} {verdict}" for verdict, count in report["verdicts"].items()]
    if report["resets"]:
        parts.append(f"{report['resets']} times something moved")
    times = report["latency_ms"]
    if times["p50"] is not None:
        parts.append("latency " + ", ".join(f"{name} {times[name]:.3g} ms" for name in ("p50", "p95", "p99")))
    return f"stream: {'; '.join(parts)}"


@contextmanager
def heeding(stream: Stream, ended: threading.Event) -> Iterator[list[int]]:
    """While the block runs, a signal that ends programs ends the stream after what was taken in; the second one at once.

    Yields
    ------
    list of int
        Numbers of the signals that came. SIGUSR1 gives the next frame a certificate.
    """
    came: list[int] = []
    before: dict[int, Any] = {}

    def end(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        ended.set()
        stream.stop()

    handlers: dict[int, Callable[[int, object], None]] = dict.fromkeys(heeded(), end)
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = lambda *_: stream.judge_next()
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield came
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)
