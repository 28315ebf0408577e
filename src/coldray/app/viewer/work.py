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
from typing import Any

import numpy as np

from coldray.app.recipe import Recipe
from coldray.app.viewer.beside import certificate_layers, provenance_layers
from coldray.app.viewer.files import write_files, write_reports
from coldray.app.viewer.layers import Layer, image_layer
from coldray.app.viewer.shelf import Shelf, Study
from coldray.document import Json, as_number
from coldray.errors import ColdrayError

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
    recipe: Recipe
    led: dict[str, Json] | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "queued"
    fraction: float = 0.0
    note: str = "waiting"
    began: float | None = None
    ended: float | None = None
    error: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def to_json(self) -> dict[str, Json]:
        """State, progress and time to go [s]."""
        seconds = None if self.began is None else (self.ended or time.monotonic()) - self.began
        eta = None
        if seconds is not None and self.state == "running" and self.fraction > 0.05:
            eta = seconds * (1 - self.fraction) / self.fraction
        return {
            "id": self.id,
            "study": self.study.id,
            "name": self.study.name,
            "method": self.recipe.method,
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
    reports : bool
        Whether restorations of single frames also get a report.
    """

    def __init__(
        self, shelf: Shelf, told: Callable[[Task], None], queue_length: int = QUEUE_LENGTH, reports: bool = True
    ) -> None:
        self._shelf = shelf
        self._reports = reports
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

    def submit(self, study: Study, recipe: Recipe, led: dict[str, Json] | None = None) -> Task:
        """Put a restoration into the queue; what of a profile led to it goes into its record.

        Raises
        ------
        QueueFullError
            If too many wait.
        """
        task = Task(study, recipe, led)
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
                finish(self._shelf, task.study, task.recipe, partial(self._progress, task), self._reports, task.led)
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


def finish(
    shelf: Shelf,
    study: Study,
    recipe: Recipe,
    progress: Callable[[float, str], None],
    reports: bool = True,
    led: dict[str, Json] | None = None,
) -> None:
    """Restore a study, write the files to hand out, and put the layers on the shelf.

    Parameters
    ----------
    shelf : Shelf
    study : Study
    recipe : Recipe
    progress : callable
        ``progress(fraction, note)``; may raise to stop.
    reports : bool
        Whether to write reports after the image is on the shelf.
    led : dict, optional
        What of a profile led to the recipe.

    Raises
    ------
    ColdrayError
        As `coldray.restoration.pipeline.restore`.
    """
    from coldray.contracts import settings_of
    from coldray.plugins import plugin
    from coldray.restoration.pipeline import restore

    progress(0.01, "restoring")
    job = recipe.job()
    if job.model is not None:
        steps = job.steps or int(as_number(settings_of(plugin("method", job.method)).get("steps", 1)))
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

        job = replace(job, progress=told)
    single = study.image.pixels.ndim == 2
    result = restore(study.image, replace(job, provenance=single, keep_certificate=single))
    progress(0.94, "writing")
    pitch = result.image.acquisition.pixel_pitch_mm
    layers = {"restored": image_layer("restored", "Restored", result.image, study.layers["original"].open_beam)}
    if result.provenance is not None:
        layers |= provenance_layers(result.provenance.layers, pitch)
    if result.certificate is not None:
        whitened, evidence = result.certificate.residual.whitened, result.certificate.evidence
        layers["residual"] = Layer("residual", "Residual", "noise SD", whitened, 1.0, pitch)
        layers |= certificate_layers((evidence, result.replaced, result.corrected), pitch)
    downloads, record = write_files(shelf.folder, study, result, recipe, led)
    try:
        shelf.put_restored(study, result.image, record, layers)
    except ColdrayError:
        for path, _ in downloads.values():
            path.unlink(missing_ok=True)
        raise
    shelf.offer(study, downloads, anew=True)
    if reports and result.certificate is not None:
        try:
            progress(0.97, "writing the report; the image is ready")
        except Cancelled:
            return
        shelf.offer(study, write_reports(shelf.folder, study, result, recipe))
