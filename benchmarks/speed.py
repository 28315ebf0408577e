"""Seconds and peak memory of whole restores beside scikit-image, each in its own process.

python benchmarks/speed.py [--sizes 512 2048 4096] [--out benchmarks/results/speed.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

RUNS = ("cold, 1 step", "cold, 4 steps", "direct", "wiener", "richardson_lucy, 30 iterations", "unsupervised_wiener")


def test_image(size: int) -> np.ndarray:
    """Return a blurred, noisy test image: rectangles of random transmission."""
    rng = np.random.default_rng(0)
    image = np.ones((size, size), np.float32)
    for _ in range(size * size // 4000):
        r, c, h, w = rng.integers(0, size, 2).tolist() + rng.integers(4, 60, 2).tolist()
        image[r : r + h, c : c + w] *= np.float32(rng.uniform(0.4, 1))
    return image


def once(name: str, size: int) -> dict[str, float]:
    """Run one restore in this process."""
    from coldray.degradations.mtf_blend import Degradation
    from coldray.physics.detector import load_detector
    from coldray.physics.noise import NoiseModel
    from coldray.physics.pair import DetectorPair
    from coldray.physics.transfer import TransferOperator, radial_operator
    from coldray.radiograph import Acquisition, Radiograph
    from coldray.restoration.model import load_model
    from coldray.restoration.pipeline import Job, restore

    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation = Degradation(pair)
    sharp = test_image(size)
    rng = np.random.default_rng(1)
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    blurred = radial_operator(lambda f: degradation.transfer(f, 1.0), sharp.shape, 0.048)(sharp) + noise.draw(
        sharp, rng
    )
    stored = np.clip(np.rint(blurred * 50000), 0, 65535).astype(np.uint16)
    del sharp, blurred
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if name.startswith(("cold", "direct", "wiener")):
        method = name.split(",")[0]
        steps = int(name.split(",")[1].split()[0]) if method == "cold" else None
        image = Radiograph(stored, Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, linear=True))
        job = Job(method=method, model=None if method == "wiener" else load_model(), steps=steps, exposure_s=0.25)
        began = time.perf_counter()
        restore(image, job)
    else:
        from skimage import restoration

        image = stored.astype(np.float32) / 50000
        point = np.zeros((101, 101))
        point[50, 50] = 1
        grid = radial_operator(lambda f: degradation.transfer(f, 1.0), point.shape, 0.048)
        psf = TransferOperator(grid.transfer)(point)
        began = time.perf_counter()
        if name.startswith("richardson"):
            restoration.richardson_lucy(image, psf.astype(np.float32), num_iter=30, clip=False, filter_epsilon=1e-6)
        else:
            restoration.unsupervised_wiener(image, psf, clip=False, rng=0)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak, "above_start_mb": peak - before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 2048, 4096])
    parser.add_argument("--runs", nargs="*", default=list(RUNS))
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--once", nargs=2, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(given.once[0], int(given.once[1]))))
        return
    table = []
    for size in given.sizes:
        for name in given.runs:
            if size > 2048 and name == "cold, 4 steps":
                continue
            answer = subprocess.run(
                [sys.executable, __file__, "--once", name, str(size)], capture_output=True, text=True, check=True
            )
            row = {"size": size, "run": name} | json.loads(answer.stdout)
            table.append(row)
            print(f"{size:5d}^2  {name:32s} {row['seconds']:8.2f} s  peak {row['peak_mb']:7.0f} MB", flush=True)
    if given.out:
        note = {"date": date.today().isoformat(), "cores": os.cpu_count(), "machine": platform.machine(), "rows": table}
        given.out.write_text(json.dumps(note, indent=1) + "\n")


if __name__ == "__main__":
    main()
