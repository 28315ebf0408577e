"""Streams of the front door: frames in, restored frames out, at the detector's pace."""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldray.api.inputs import Image, radiograph_of
from coldray.api.line import Dropped, Line, as_error
from coldray.api.restore import Restored, Restorer
from coldray.document import Json
from coldray.errors import ColdrayError, ImageError, SettingsError
from coldray.images.recursive import RecursiveMean
from coldray.images.scale import FOUND, Scale, scale_of
from coldray.radiograph import Radiograph, Step
from coldray.restoration.job import check_job
from coldray.restoration.noise import choose_noise
from coldray.restoration.pair import detectors_of

Arrival: TypeAlias = "Image | ColdrayError"
"""What a source gives: a frame in any of its forms, or why there is none in its place."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
SIGNALS_PER_OCTAVE = 8
"""Mean signals that filters are worked out for: within 4.4 % of that of the frame."""
LEAST_SIGNAL, LARGEST_SIGNAL = 1e-3, 2.0


@dataclass(frozen=True, eq=False)
class StreamedFrame:
    """One frame of a stream and what became of it.

    Parameters
    ----------
    number : int
        In the stream, from 1; every frame has one and comes out in turn.
    outcome : {"restored", "dropped", "bad"}
    source : path, optional
        File that it was read from.
    restored : Restored, optional
        The result; None unless it was restored.
    error : ColdrayError, optional
        Why there is none, of a bad frame.
    averaged : int
        Frames in the mean that was restored; 1 without averaging.
    moved : bool
        Whether the mean began anew with this frame.
    judged : bool
        Whether it has a certificate.
    """

    number: int
    outcome: Literal["restored", "dropped", "bad"]
    source: str | None = None
    restored: Restored | None = None
    error: ColdrayError | None = None
    averaged: int = 1
    moved: bool = False
    judged: bool = False

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.number]:
        if self.restored is None:
            raise ImageError(f"frame {self.number} was not restored ({self.error or self.outcome})")
        return np.array(self.restored.pixels, dtype=dtype, copy=copy)


@dataclass(frozen=True, eq=False)
class _Ready:
    """A frame as the workers get it."""

    image: Radiograph
    signal: float
    judged: bool = True
    frames: float | None = None
    averaged: int = 1
    moved: bool = False


class Stream:
    """Restored frames of a source, in its order; made by `coldray.stream`.

    Iterating takes frames in, until the source ends or `stop` is called; every frame comes out once, as a `StreamedFrame`.
    """

    def __init__(
        self,
        frames: Iterable[Arrival],
        restorer: Restorer,
        *,
        average: float | None,
        certificate_every: int,
        workers: int,
        room: int,
        drop: bool,
        debug: bool = False,
    ) -> None:
        for name, value, least in (
            ("certificate_every", certificate_every, 0),
            ("workers", workers, 1),
            ("room", room, 1),
        ):
            if value < least:
                raise SettingsError(f"`{name}` is {value}; at least {least} is needed")
        if average is not None and not 0 < average <= 1:
            raise SettingsError(f"`average` is {average:g}; the weight of the latest frame is over 0 and at most 1")
        if restorer.job.average:
            raise SettingsError("the restorer makes one image of many frames; leave out its `average` for a stream")
        if restorer.profile is not None:
            raise SettingsError(
                "the restorer chooses its settings by image, frames of a stream share theirs; leave out its `profile`"
            )
        if certificate_every != 1:
            check_job(replace(restorer.job, judged=False))
        self._restorer, self._weight, self._every = restorer, average, certificate_every
        self._asked = threading.Event()
        self._kind: str | None = None
        self._mean: RecursiveMean | None = None
        self._level: float | None = None
        self._sources: dict[int, str] = {}
        self._counts: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._line: Line[Arrival, _Ready, StreamedFrame] = Line(
            frames, self._prepared, self._restored, workers, room, drop, debug
        )

    def judge_next(self) -> None:
        """Give the next frame that arrives a certificate, whatever its number."""
        self._asked.set()

    def stop(self) -> None:
        """Take in no more frames; those that were taken in still come out."""
        self._line.stop()

    def __iter__(self) -> Iterator[StreamedFrame]:
        for number, found in self._line:
            source = self._sources.pop(number, None)
            if isinstance(found, StreamedFrame):
                frame = replace(found, number=number, source=source)
                self._counts["judged"] += frame.judged
                self._counts["resets"] += frame.moved
                assert frame.restored is not None
                self._verdicts[frame.restored.verdict] += 1
            elif isinstance(found, Dropped):
                frame = StreamedFrame(number, "dropped", source)
            else:
                frame = StreamedFrame(number, "bad", source, error=as_error(found))
            self._counts[frame.outcome] += 1
            yield frame

    def counts(self) -> dict[str, Json]:
        """What became of all frames so far.

        Returns
        -------
        dict
            ``frames`` taken in, of which ``restored``, ``dropped`` and ``bad`` came out; ``judged`` by a certificate, with
            their ``verdicts``; ``resets`` of the mean; ``latency_ms`` from when a frame was there until its result was dealt
            with, ``p50, p95, p99, max``, to 1 %.
        """
        times = self._line.latencies
        quantiles = {name: times.quantile(share) for name, share in QUANTILES.items()}
        named = quantiles | {"max": times.largest if times.count else None}
        return {
            "frames": self._line.taken,
            **{name: self._counts[name] for name in ("restored", "dropped", "bad", "judged", "resets")},
            "verdicts": dict(sorted(self._verdicts.items())),
            "latency_ms": {n: None if s is None else round(1000 * s, 3) for n, s in named.items()},
        }

    def _prepared(self, number: int, item: Arrival) -> _Ready:
        """Read a frame, check it, and take it into the mean, in the order of arrival."""
        if isinstance(item, (str, os.PathLike)):
            self._sources[number] = os.fspath(item)
        if isinstance(item, ColdrayError):
            raise item
        image = radiograph_of(item, f"frame {number}")
        if image.pixels.ndim != 2:
            raise ImageError(f"frame {number} has shape {image.shape}; a frame is (rows, cols)")
        kind = f"{' x '.join(map(str, image.shape))} pixels of {image.dtype}"
        if self._kind not in (None, kind):
            raise ImageError(f"frame {number} has {kind}; this stream's frames have {self._kind}")
        if image.dtype.kind == "f" and not np.isfinite(image.pixels).all():
            bad = int(np.count_nonzero(~np.isfinite(image.pixels)))
            raise ImageError(f"frame {number} has {bad} pixels that are NaN or infinite; correct them before")
        ready = self._ready(image)
        self._kind = kind
        judged = self._every > 0 and (number - 1) % self._every == 0
        if self._asked.is_set():
            self._asked.clear()
            judged = True
        return replace(ready, judged=judged)

    def _ready(self, image: Radiograph) -> _Ready:
        """A frame with its level, or the mean up to it."""
        image, scale = self._levelled(image)
        if self._weight is None:
            return _Ready(image, self._signal(float(image.pixels.mean(dtype=np.float64)) / scale.open_beam))
        fraction = scale.to_fraction(image.pixels)
        if self._mean is None:
            job = self._restorer.job
            detector = detectors_of(image, job)[0].blurred
            noise, _ = choose_noise(fraction, detector, job.exposure_s, job.flats)
            self._mean = RecursiveMean(self._weight, noise)
        found = self._mean.add(fraction)
        if found.frames > 1:
            pixels, _ = scale.to_stored(found.image)
            details = {"recursive": self._weight, "frames": found.frames, "noise_power": round(found.power, 6)}
            image = image.with_pixels(pixels, Step("average", details))
        frames = image.acquisition.frames * found.independent
        return _Ready(image, self._signal(float(found.image.mean())), True, frames, found.frames, found.moved)

    def _levelled(self, image: Radiograph) -> tuple[Radiograph, Scale]:
        """A frame and its open beam; that of the first one where nothing states it, so that all frames have one scale."""
        if self._level is not None and image.acquisition.open_beam is None:
            image = image.with_acquisition(open_beam=self._level)
        scale, _ = scale_of(image, self._restorer.job.open_beam)
        if scale.source in FOUND:
            self._level = scale.open_beam
        return image, scale

    def _signal(self, mean: float) -> float:
        """Mean signal that the filters of a frame are worked out for."""
        stated = self._restorer.job.filter_signal
        if stated is not None:
            return stated
        eighths = round(SIGNALS_PER_OCTAVE * math.log2(max(mean, LEAST_SIGNAL)))
        return float(min(max(2.0 ** (eighths / SIGNALS_PER_OCTAVE), LEAST_SIGNAL), LARGEST_SIGNAL))

    def _restored(self, ready: _Ready) -> StreamedFrame:
        found = self._restorer.restore(
            ready.image, frames=ready.frames, judged=ready.judged, filter_signal=ready.signal
        )
        return StreamedFrame(0, "restored", None, found, None, ready.averaged, ready.moved, ready.judged)


def stream(
    frames: Iterable[Arrival],
    restorer: Restorer,
    *,
    average: float | None = None,
    certificate_every: int = 1,
    workers: int = 1,
    room: int = 4,
    drop: bool = False,
) -> Stream:
    """Restore frames as they come.

    Parameters
    ----------
    frames : iterable of ndarray (rows, cols), path or Radiograph
        Asked for the next one in a thread of its own, so it may wait for a detector. All frames have the shape
        and type of the first good one; where nothing states the open beam, that of the first holds for all. An item may be a
        `ColdrayError`: why there is no frame in its place.
    restorer : Restorer
        Prepared once. With its `exposure_s` or `flats` stated the second frame works out no filter: filters are those of the
        mean signal rounded to an eighth of an octave, unless the restorer has a `filter_signal`.
    average : float, optional
        Weight of the latest frame in a recursive mean, which is restored in place of the frame. The mean begins anew when
        something moves; its noise is that of the weights in it, see `coldray.images.recursive`.
    certificate_every : int
        Every how many frames the result is judged by a certificate; 0 for none. In the frames between, no contradiction is
        found, and nothing corrects the network or stands in for it; their history says ``judged: false``.
    workers : int
        Frames worked on at once.
    room : int
        Frames that may wait for their turn.
    drop : bool
        What happens when there is no room: leave out the frame that has waited longest, or (default) ask the source for no
        more.

    Returns
    -------
    Stream
        To be iterated over once. Every frame comes out in turn as a `StreamedFrame`: restored, dropped or bad. A bad frame
        costs that frame. ``counts()`` says what became of all; ``stop()`` ends the stream after what was taken in.

    Raises
    ------
    SettingsError
        If a setting is outside its range, `certificate_every` does not go with the restorer's `on_contradiction`, or the
        restorer has a `profile` or makes one image of many (`average`).

    Examples
    --------
    >>> import numpy as np, coldray
    >>> restorer = coldray.Restorer("gos135", "gos34", exposure_s=0.25, method="wiener")
    >>> rng = np.random.default_rng(0)
    >>> frames = (rng.normal(0.5, 0.005, (64, 64)).astype(np.float32) for _ in range(3))
    >>> [(found.number, found.outcome) for found in coldray.stream(frames, restorer)]
    [(1, 'restored'), (2, 'restored'), (3, 'restored')]
    """
    return Stream(
        frames,
        restorer,
        average=average,
        certificate_every=certificate_every,
        workers=workers,
        room=room,
        drop=drop,
    )
