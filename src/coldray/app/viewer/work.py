"""Restorations in the background: one at a time, a short queue, progress, and a way out."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coldray.app.viewer.layers import Layer, image_layer
from coldray.app.viewer.shelf import Shelf, Study, provenance_layers
from coldray.errors import ColdrayError
from coldray.restore.model import Model
from coldray.restore.tiles import TiledPredictor

QUEUE_LENGTH = 4
KEPT_TASKS = 64


class Cancelled(Exception):
    """The user gave the restoration up."""


class QueueFullError(Exception):
    """More restorations wait than the queue holds."""


@dataclass(eq=False)
class Task:
    """One restoration as the page sees it."""

    study: Study
    job: Any
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "queued"
    fraction: float = 0.0
    note: str = "waiting"
    began: float | None = None
    ended: float | None = None
    error: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def to_json(self) -> dict[str, Any]:
        """State, progress and time to go [s]."""
        seconds = None if self.began is None else (self.ended or time.monotonic()) - self.began
        eta = None
        if seconds is not None and self.state == "running" and self.fraction > 0.05:
            eta = seconds * (1 - self.fraction) / self.fraction
        return {
            "id": self.id,
            "study": self.study.id,
            "name": self.study.name,
            "method": self.job.method,
            "state": self.state,
            "fraction": round(self.fraction, 4),
            "note": self.note,
            "seconds": seconds,
            "eta_s": eta,
            "error": self.error,
        }


class Workshop:
    """A thread that restores studies, one after another.

    Parameters
    ----------
    shelf : Shelf
        Where results go.
    told : callable
        Called with a task after every change, from the thread.
    queue_length : int
        Restorations that may wait.
    """

    def __init__(self, shelf: Shelf, told: Callable[[Task], None], queue_length: int = QUEUE_LENGTH) -> None:
        self._shelf = shelf
        self._told = told
        self._queue: queue.Queue[Task | None] = queue.Queue(queue_length)
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="coldray-restore", daemon=True)
        self._thread.start()

    def tasks(self) -> list[Task]:
        """Known tasks, oldest first."""
        with self._lock:
            return list(self._tasks.values())

    def submit(self, study: Study, job: Any) -> Task:
        """Put a restoration into the queue.

        Raises
        ------
        QueueFullError
            If too many wait.
        """
        task = Task(study, job)
        try:
            self._queue.put_nowait(task)
        except queue.Full:
            raise QueueFullError from None
        with self._lock:
            self._tasks[task.id] = task
            ended = [t.id for t in self._tasks.values() if t.state in ("done", "failed", "cancelled")]
            for old in ended[: max(0, len(self._tasks) - KEPT_TASKS)]:
                del self._tasks[old]
        self._told(task)
        return task

    def cancel(self, task_id: str) -> Task:
        """Give a task up, between two tiles if it runs; KeyError if there is none."""
        with self._lock:
            task = self._tasks[task_id]
        task.cancelled.set()
        if task.state == "queued":
            self._set(task, state="cancelled", note="cancelled")
        return task

    def close(self) -> None:
        """Give everything up and end the thread."""
        for task in self.tasks():
            task.cancelled.set()
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put(None)
        self._thread.join(timeout=60)

    def _set(self, task: Task, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(task, name, value)
        self._told(task)

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            if task.cancelled.is_set():
                continue
            self._set(task, state="running", note="restoring", began=time.monotonic())
            try:
                finish(self._shelf, task.study, task.job, partial(self._progress, task))
            except Cancelled:
                self._set(task, state="cancelled", note="cancelled", ended=time.monotonic())
            except ColdrayError as problem:
                self._set(task, state="failed", note="failed", error=str(problem), ended=time.monotonic())
            except MemoryError:
                self._set(task, state="failed", note="failed", error="out of memory", ended=time.monotonic())
            except Exception as problem:
                words = f"{type(problem).__name__}: {problem}"
                self._set(task, state="failed", note="failed", error=words, ended=time.monotonic())
            else:
                self._set(task, state="done", fraction=1.0, note="done", ended=time.monotonic())

    def _progress(self, task: Task, fraction: float, note: str) -> None:
        if task.cancelled.is_set():
            raise Cancelled
        self._set(task, fraction=fraction, note=note)


@dataclass(frozen=True, eq=False)
class _WatchedEngine:
    """An engine that reports every tile."""

    engine: Any
    tile_done: Callable[[], None]

    @property
    def stride(self) -> int:
        return int(self.engine.stride)

    @property
    def radius(self) -> int:
        return int(self.engine.radius)

    def run(self, channels: Any, conditions: Any) -> Any:
        answer = self.engine.run(channels, conditions)
        self.tile_done()
        return answer


class _WatchedPredictor(TiledPredictor):
    """A predictor that knows how many tiles one evaluation takes."""

    def __init__(self, engine: Any, told: Callable[[float], None]) -> None:
        super().__init__(_WatchedEngine(engine, self._tile))
        self._told = told
        self._tiles_each = self._tiles_done = 0

    def __call__(self, channels: tuple[Any, ...], conditions: Any) -> Any:
        rows, cols = channels[0].shape
        self._tiles_each = sum(1 for _ in self._tiles(rows, cols))
        self._tiles_done = 0
        return super().__call__(channels, conditions)

    def _tile(self) -> None:
        self._tiles_done += 1
        self._told(self.evaluations - 1 + self._tiles_done / self._tiles_each)


@dataclass(frozen=True, eq=False)
class _WatchedModel(Model):
    """A model whose predictors report how many network evaluations are done, fractions included."""

    told: Callable[[float], None] = lambda _: None

    def predictor(self, budget_pixels: int | None = None) -> TiledPredictor:
        """Return the network as a function of whole frames."""
        return _WatchedPredictor(self.engine, self.told)


def watched(model: Model, told: Callable[[float], None]) -> Model:
    """Model with the same network that reports its progress in evaluations."""
    copy = _WatchedModel(model.name, model.path, model.header, model.sha256, told)
    copy.__dict__["engine"] = model.engine
    return copy


def finish(shelf: Shelf, study: Study, job: Any, progress: Callable[[float, str], None]) -> None:
    """Restore a study, write the files to hand out, and put the layers on the shelf.

    Parameters
    ----------
    shelf : Shelf
    study : Study
    job : Job
    progress : callable
        ``progress(fraction, note)``; may raise to stop.

    Raises
    ------
    ColdrayError
        As `coldray.restore.pipeline.restore`.
    """
    from coldray.contracts import options_of, plugin
    from coldray.restore.pipeline import restore

    progress(0.01, "restoring")
    if job.model is not None:
        steps = job.steps or int(options_of(plugin("method", job.method).restore).get("steps", 1))
        frames = study.image.shape[0] if study.image.pixels.ndim == 3 else 1
        whole = max(1, steps * frames)
        before = latest = 0.0

        def told(evaluations: float) -> None:
            nonlocal before, latest
            if evaluations < latest:  # the next frame has a predictor of its own, which counts from zero
                before += np.ceil(latest)
            latest = evaluations
            done = min(before + latest, whole)
            progress(0.02 + 0.88 * done / whole, f"network, {done:.1f} of {whole} steps")

        job = replace(job, model=watched(job.model, told))
    job = replace(job, provenance=study.image.pixels.ndim == 2)
    result = restore(study.image, job)
    progress(0.92, "comparing with the measurement")
    pitch = result.image.acquisition.pixel_pitch_mm
    original = study.layers["original"]
    layers = {"restored": image_layer("restored", "Restored", result.image, original.open_beam)}
    if result.layers is not None:
        layers |= provenance_layers(result.layers, pitch)
    if study.image.pixels.ndim == 2:
        map_of = residual_map(study.image, result.image, job)
        layers["residual"] = Layer("residual", "Residual y − Hx̂", "noise SD", map_of, 1.0, pitch)
    progress(0.96, "writing")
    downloads, record = write_files(shelf.folder, study, result, job)
    stale = set(study.layers) - set(layers) - {"original", "reference"}
    for role in stale:
        study.layers.pop(role)
    for path, _ in study.downloads.values():
        path.unlink(missing_ok=True)
    study.restored, study.result, study.downloads = result.image, record, downloads
    shelf.put(study, *layers.values())


def residual_map(original: Any, restored: Any, job: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Measurement minus re-blurred result, over the noise at the local signal.

    Parameters
    ----------
    original, restored : Radiograph
        Of one frame, same units.
    job : Job

    Returns
    -------
    ndarray, float32, shape (rows, cols)
        In standard deviations of one pixel's noise; for a noise-free truth it is noise of unit variance.
    """
    from coldray.contracts import plugin
    from coldray.data.scale import scale_of
    from coldray.methods._frame import Frame
    from coldray.restore.noise import choose_noise
    from coldray.restore.pipeline import detectors_of

    scale, _ = scale_of(original, job.open_beam)
    pair, _ = detectors_of(original, job)
    y, out = scale.to_fraction(original.pixels), scale.to_fraction(restored.pixels)
    noise, _ = choose_noise(y, pair.blurred, job.exposure_s, job.flats)
    frame = Frame(y, pair, noise)
    blurred = frame.operator(plugin("degradation", job.degradation).Degradation(pair))(out)
    variance = noise.relative_sd(1.0) ** 2 * np.clip(y, 0.0, None) + noise.relative_sd(0.0) ** 2 + 1e-12
    return np.asarray((y - blurred) / np.sqrt(variance), dtype=np.float32)


def write_files(
    folder: Path, study: Study, result: Any, job: Any
) -> tuple[dict[str, tuple[Path, str]], dict[str, Any]]:
    """Write restored image, provenance layers and record; the same files as the command line writes.

    Returns
    -------
    downloads : dict of str to (Path, str)
        By kind "image", "provenance", "record".
    record : dict
        JSON-able.
    """
    import json

    from coldray.app.console import plain
    from coldray.checkpoint import file_sha256
    from coldray.data.formats import WRITABLE_SUFFIXES, write_atomically, write_image
    from coldray.radiograph import Radiograph
    from coldray.restore.pipeline import PROVENANCE_LAYERS

    stem, dot, suffix = study.name.rpartition(".")
    suffix = f".{suffix.lower()}" if dot else ""
    if suffix not in WRITABLE_SUFFIXES or suffix in (".jpg", ".jpeg"):
        stem, suffix = (stem or study.name), ".tif"
    stem = f"{stem or 'image'}_restored"
    mark = secrets.token_hex(8)
    details = dict(result.image.history[-1].details) | {"sha256_in": study.sha256}
    history = (*result.image.history[:-1], replace(result.image.history[-1], details=details))
    target = folder / f"{mark}{suffix}"
    write_image(target, replace(result.image, history=history))
    downloads = {"image": (target, stem + suffix)}
    record = {
        "input": study.name,
        "output": stem + suffix,
        "sha256_in": study.sha256,
        "sha256_out": file_sha256(target),
        "method": job.method,
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
        "clipped_pixels": result.clipped_pixels,
        "consistency": result.consistency,
        "warnings": list(result.warnings),
        "settings": details,
    }
    if result.layers is not None:
        known = replace(result.image.acquisition, open_beam=1.0)
        step = replace(history[-1], details=details | {"layers": list(PROVENANCE_LAYERS), "wiener": result.wiener})
        layers_path = folder / f"{mark}.provenance.tif"
        write_image(layers_path, Radiograph(result.layers, known, (*history[:-1], step)))
        downloads["provenance"] = (layers_path, f"{stem}.provenance.tif")
    record = plain(record)
    record_path = folder / f"{mark}.json"
    write_atomically(record_path, lambda f: f.write(json.dumps(record, indent=1).encode()))
    downloads["record"] = (record_path, f"{stem}{suffix}.json")
    return downloads, record
