"""The demonstration: acquire a board with both detectors, restore, judge, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.degradations.mtf_blend import Degradation
from coldray.document import Json
from coldray.frame import Frame
from coldray.metrology.metrics import Convention, psnr_db, roi_snr, ssim_map
from coldray.objects.boards import ROLES, procedural_board
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.restoration.model import Model
from coldray.restoration.pipeline import Job, run_method
from coldray.simulation.acquire import acquire_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_MG_CM2

FAMILY = "handheld"
SIZE_PX = 512
EXPOSURE_S = 0.25


def run_demo(
    model: Model, random_state: int = 2026, size_px: int = SIZE_PX, say: Callable[[str], None] = lambda _: None
) -> tuple[dict[str, Json], dict[str, NDArray[np.float32]]]:
    """Simulate a board of a family unseen in training, restore it and judge the result.

    Parameters
    ----------
    model : Model
    random_state : int
        Board and noise.
    size_px : int
        Rows and columns of the detector images [pixels].
    say : callable
        Told what happens next.

    Returns
    -------
    results : dict
        Scores per method with their convention; JSON-able.
    images : dict of str to ndarray
        Blurred, restored per method, reference and truth, fractions of the open beam.
    """
    assert ROLES[FAMILY] == "test"
    rng = np.random.default_rng(random_state)
    say(f"drawing a simulated board of the family {FAMILY!r} (never used in training)")
    cells = size_px * OVERSAMPLING
    board = procedural_board(FAMILY, (cells, cells), PITCH_MM / OVERSAMPLING, rng)
    say("acquiring it with both detectors (simulated quanta, blur, noise)")
    sharp, blurred = (ScreenDetector.gos(loading, PITCH_MM) for loading in (SHARP_MG_CM2, BLURRED_MG_CM2))
    seen = acquire_pair(board, sharp, blurred, OVERSAMPLING, rng, exposure_s=EXPOSURE_S)
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation = Degradation(pair)
    frame = Frame(seen.blurred, pair, NoiseModel.of_detector(pair.blurred, EXPOSURE_S), model.prior)
    convention = Convention()
    images = {"blurred": seen.blurred}
    methods: dict[str, Any] = {"blurred": {"seconds": 0.0, "steps": 0}}
    for name in ("wiener", "direct", "cold"):
        say(f"restoring with {name}")
        began = time.perf_counter()
        images[name], steps = run_method(frame, degradation, Job(method=name, model=model))
        methods[name] = {"seconds": time.perf_counter() - began, "steps": steps}
    box = _flattest(seen.sharp_truth)
    maps = {}
    for name, scores in methods.items():
        value, maps[name] = ssim_map(images[name], seen.sharp_truth, convention)
        scores |= {
            "psnr_db": psnr_db(images[name], seen.sharp_truth, convention),
            "ssim": value,
            "snr_in_box": roi_snr(images[name], box),
        }
    images |= {"reference": seen.sharp, "truth": seen.sharp_truth}
    results: dict[str, Json] = {
        "coldray": __version__,
        "kind": "simulated",
        "board": {"family": FAMILY, "role": "test", "random_state": random_state},
        "detectors": {"blurred": pair.blurred.name, "sharp": pair.sharp.name, "pixel_pitch_mm": PITCH_MM},
        "exposure_s": EXPOSURE_S,
        "reference": "noise-free image of the sharp detector, own energy response",
        "convention": convention.to_dict(),
        "model": model.named(),
        "snr_box_xywh": list(box),
        "methods": methods,
        "mtf": {
            "frequency_lp_mm": np.linspace(0, pair.sharp.nyquist_lp_mm, 53).round(4).tolist(),
            "sharp": pair.sharp.mtf(np.linspace(0, pair.sharp.nyquist_lp_mm, 53)).round(5).tolist(),
            "blurred": pair.blurred.mtf(np.linspace(0, pair.sharp.nyquist_lp_mm, 53)).round(5).tolist(),
        },
    }
    return results, images


def _flattest(truth: NDArray[np.float32], side: int = 24) -> tuple[int, int, int, int]:
    """Return the box (x, y, w, h) of least relative spread away from the border and from open air."""
    rows, cols = (n // side for n in truth.shape)
    blocks = truth[: rows * side, : cols * side].reshape(rows, side, cols, side)
    mean, spread = blocks.mean(axis=(1, 3)), blocks.std(axis=(1, 3))
    score = np.where(mean < 0.97, spread / np.maximum(mean, 1e-3), np.inf)[1:-1, 1:-1]
    row, col = np.unravel_index(int(np.argmin(score)), score.shape)
    return (int(col) + 1) * side, (int(row) + 1) * side, side, side


def write_demo(folder: Path, results: dict[str, Any], images: dict[str, NDArray[np.float32]]) -> dict[str, str]:
    """Write picture, JSON, images and the self-contained report; returns their names."""
    import json

    from coldray.files import write_bytes, write_text
    from coldray.formats import write_image
    from coldray.radiograph import Acquisition, Radiograph, Step
    from coldray.reports.demo import before_after, demo_report

    folder.mkdir(parents=True, exist_ok=True)
    acquisition = Acquisition(
        pixel_pitch_mm=PITCH_MM, exposure_s=EXPOSURE_S, tube_voltage_kv=70.0, open_beam=50000.0, linear=True
    )
    for name, image in images.items():
        stored = np.clip(np.rint(image * 50000.0), 0, 65535).astype(np.uint16)
        step = Step("simulate", {"board": results["board"], "image": name})
        write_image(folder / f"{name}.tif", Radiograph(stored, acquisition, (step,)))
    picture = before_after(images, results)
    write_bytes(folder / "before_after.png", picture)
    write_text(folder / "results.json", json.dumps(results, indent=1))
    write_text(folder / "report.html", demo_report(results, images, picture))
    return {"picture": "before_after.png", "results": "results.json", "report": "report.html"}
