"""Core-seconds of warm restores in one process, interleaved, over those of scikit-image's RL(30); simulated image, one thread.

python benchmarks/speed_ratios.py [--sizes 1024 2048] [--rounds 3] [--out benchmarks/results/speed_ratios.json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from speed import test_image

from coldray.degradations.mtf_blend import Degradation
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import radial_operator
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import Model, load_model
from coldray.restoration.pipeline import Job, restore

OPEN_BEAM, EXPOSURE_S = 50_000.0, 0.25
RL = "richardson_lucy, 30 iterations"


def core_seconds() -> float:
    """User and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def model_in(engine: str) -> Model:
    """The shipped model in a stated engine."""
    before = os.environ.pop("COLDRAY_ENGINE", None)
    if engine == "onnxruntime":
        os.environ["COLDRAY_ENGINE"] = engine
    model = load_model()
    found = type(model.engine).__name__
    os.environ.pop("COLDRAY_ENGINE", None)
    if before is not None:
        os.environ["COLDRAY_ENGINE"] = before
    if (found == "OnnxEngine") != (engine == "onnxruntime"):
        raise SystemExit(f"wanted {engine}, got {found}: install the extra fast")
    return model


def runs(size: int) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    from skimage.restoration import richardson_lucy

    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation, pitch = Degradation(pair), pair.pixel_pitch_mm
    sharp = radial_operator(pair.sharp_mtf, (size, size), pitch)(test_image(size))
    blurred = radial_operator(lambda f: degradation.transfer(f, 1.0), sharp.shape, pitch)(sharp)
    noise = NoiseModel.of_detector(pair.blurred, EXPOSURE_S).draw(np.maximum(blurred, 0), np.random.default_rng(1))
    stored = np.clip(np.rint((blurred + noise) * OPEN_BEAM), 0, 65535).astype(np.uint16)
    image = Radiograph(stored, Acquisition(pixel_pitch_mm=pitch, open_beam=OPEN_BEAM, linear=True))
    point = np.zeros((101, 101))
    point[50, 50] = 1
    psf = radial_operator(lambda f: degradation.transfer(f, 1.0), point.shape, pitch)(point).astype(np.float32)
    fraction = stored.astype(np.float32) / np.float32(OPEN_BEAM)
    fast, reference = model_in("ncnn"), model_in("onnxruntime")
    jobs = {
        "default, ncnn": Job(model=fast, exposure_s=EXPOSURE_S),
        "default, onnxruntime": Job(model=reference, exposure_s=EXPOSURE_S),
        "network everywhere, ncnn": Job(model=fast, exposure_s=EXPOSURE_S, even="network"),
        "wiener": Job(method="wiener", exposure_s=EXPOSURE_S),
    }
    found: dict[str, Callable[[], Any]] = {name: lambda job=job: restore(image, job) for name, job in jobs.items()}
    found[RL] = lambda: richardson_lucy(fraction, psf, num_iter=30, clip=False, filter_epsilon=1e-6)
    return found


def measure(size: int, rounds: int) -> list[dict[str, Any]]:
    """Rows of one size; the first round warms up and does not count."""
    timed = runs(size)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + 1):
        for name, run in timed.items():
            began = core_seconds()
            run()
            if number:
                seconds[name].append(core_seconds() - began)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    return [
        {"size": size, "run": name, "core_s": round(value, 3), "over_rl30": round(value / median[RL], 3)}
        for name, value in median.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1024, 2048])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    rows = [row for size in given.sizes for row in measure(size, given.rounds)]
    for row in rows:
        print(f"{row['size']:5d}^2  {row['run']:32s} {row['core_s']:8.2f} core-s  {row['over_rl30']:6.2f} of RL(30)")
    if given.out:
        note = {"date": date.today().isoformat(), "kind": "simulated", "rounds": given.rounds, "rows": rows}
        given.out.write_text(json.dumps(note, indent=1) + "\n")


if __name__ == "__main__":
    main()
