"""Detection efficiency of restorations on a user's own flats: what they leave of faint details, without a defect shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.files import write_text
from coldray.frame import Frame
from coldray.metrology.efficiency import FEWEST_FRAMES, LOSSLESS, Efficiency, detection_efficiency
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.plugins import degradation_of
from coldray.reports.html import template
from coldray.restoration.fixed_pattern import shared_pattern
from coldray.restoration.model import Model
from coldray.restoration.noise import noise_of_flats
from coldray.restoration.pipeline import Job, run_method
from coldray.settings import EVEN_LINEAR, EVEN_NETWORK
from coldray.words import percent

LARGEST_PX = 768
"""Side of the middle part of the flats that is restored [pixels]."""
Advance = Callable[[int, int, str], None]


def efficiency_of_flats(
    flats: NDArray[np.number], jobs: Mapping[str, Job], pixel_pitch_mm: float, advance: Advance = lambda *_: None
) -> dict[str, Efficiency]:
    """Restore repeated flats and measure what is left of the information in them.

    Parameters
    ----------
    flats : ndarray, shape (frames, rows, cols)
        Repeated open-beam frames, any linear scale; their mean counts as the open beam.
    jobs : mapping of str to Job
        What to do to them, by name.
    pixel_pitch_mm : float
    advance : callable
        Told what is done.

    Returns
    -------
    dict of str to Efficiency

    Raises
    ------
    MeasurementError
        If there are fewer than `FEWEST_FRAMES` frames, or they are dark.
    """
    if flats.ndim != 3 or len(flats) < FEWEST_FRAMES:
        raise MeasurementError(f"flats have shape {flats.shape}; give at least {FEWEST_FRAMES} frames, 20 are advised")
    rows, cols = (
        slice(max(0, (n - LARGEST_PX) // 2), max(0, (n - LARGEST_PX) // 2) + LARGEST_PX) for n in flats.shape[1:]
    )
    level = float(flats[:, rows, cols].mean(dtype=np.float64))
    if not level > 0:
        raise MeasurementError(f"the flats' mean is {level:.4g}; give open-beam frames, corrected for offset")
    measured = np.asarray(flats[:, rows, cols] / level, dtype=np.float32)
    out = {}
    for number, (name, job) in enumerate(jobs.items()):
        blurred, sharp = (load_detector(d, pixel_pitch_mm=pixel_pitch_mm) for d in (job.blurred, job.sharp))
        pair = DetectorPair(blurred, sharp)
        degradation = degradation_of(job.degradation)(pair)
        noise = noise_of_flats(measured, pair.blurred)
        prior = job.model.prior if job.model is not None else ObjectPrior()
        restored = []
        for k, image in enumerate(measured):
            advance(number * len(measured) + k, len(jobs) * len(measured), name)
            restored.append(run_method(Frame(image, pair, noise, prior), degradation, job, k)[0])
        out[name] = detection_efficiency(measured, np.stack(restored))
    return out


def notes_of_flats(flats: NDArray[np.number]) -> list[str]:
    """What must be said of repeated flats, shape (frames, rows, cols), before figures are taken from them."""
    share = shared_pattern(flats[0], flats[1:])
    if share is None:
        return []
    return [
        f"{percent(share)} of the finest variation of a flat is a fixed pattern that all share: restorations take it for "
        "structure, and the figures are those of ground that is not even; correct them first (`coldray correct --flat`)"
    ]


def usual_jobs(job: Job) -> dict[str, Job]:
    """The job itself, the same with the network everywhere, and the linear filter to compare with."""
    found = {"restored": replace(job, even=EVEN_LINEAR)}
    if job.model is not None:
        found["network everywhere"] = replace(job, even=EVEN_NETWORK)
    return found | {"wiener": replace(job, method="wiener", model=None, steps=None, options={})}


def flats_results(found: Mapping[str, Efficiency], frames: int, model: Model | None = None) -> dict[str, Json]:
    """JSON-able results: the curve of what is restored on top, every method's below, what they mean in words, and the model."""
    first = found["restored"].to_json()
    words = [
        f"{name}: at least {e.lowest():.2f} of the squared index of the best linear observer is kept from 0.03 to 0.35 cycles/pixel"
        + (" (nothing to speak of is lost)." if e.lowest() >= LOSSLESS else "; faint details are lost where it is low.")
        for name, e in found.items()
    ]
    return {
        "coldray": __version__,
        **{key: first[key] for key in ("frequency_cycles_px", "eta", "eta_sd")},
        "frames": frames,
        "model": None if model is None else model.named(),
        "methods": {name: e.to_json() | {"lowest": e.lowest()} for name, e in found.items()},
        "statement": words,
    }


def write_flats(folder: Path, results: Mapping[str, Json]) -> Path:
    """Write results.json and report.html; returns the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "results.json", json.dumps(results, indent=1))
    page: str = template("efficiency.html").render(r=results)
    path = folder / "report.html"
    write_text(path, page)
    return path
