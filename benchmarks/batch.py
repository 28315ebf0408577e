"""Throughput of `coldray restore DIR` beside the bare sampler, on the same images with the same cores.

python benchmarks/batch.py [--images 100] [--size 1024] [--workers 1 2] [-m MODEL] [--out benchmarks/results/batch.json]

The bare sampler is what nobody can leave out: the method on frames that lie in memory, no files, no noise estimate, no
certificate, no start of a program. A restorer that is warm does in memory all that the batch does to an image: noise, gate,
certificate. The ratio of processor time is free of what else runs on the machine.
The start is the same command on the finished folder: it finds that all is done. Half of the frames are sampled before the batch and half after it, so that a load
that drifts meets both alike. The batch is the whole command, from its start to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from speed import EXPOSURE_S, OPEN_BEAM, scenes

Times = tuple[float, float, float]
"""When work began and ended, and its processor seconds."""
Kind = Callable[[list[Path], "str | None", Callable[[Callable[[], None]], Times]], Times]
"""Prepares work on files and a model, and hands it to what times it."""


def make(folder: Path, count: int, size: int) -> list[Path]:
    """Write as many blurred, noisy boards, each turned its way and with noise of its own."""
    files = [folder / f"{number:04d}.tif" for number in range(count)]
    scenes(size, files)
    return files


def _warm(files: list[Path], model: str | None, repeated: Callable[[Callable[[], None]], Times]) -> Times:
    """Restore frames that lie in memory, with all that a batch does to them."""
    import coldray

    images = [coldray.read(file) for file in files]
    restorer = coldray.Restorer(exposure_s=EXPOSURE_S, model=model)
    restorer.restore(images[0])

    def work() -> None:
        for image in images:
            restorer.restore(image)

    return repeated(work)


def _bare(files: list[Path], model: str | None, repeated: Callable[[Callable[[], None]], Times]) -> Times:
    """Sample frames that lie in memory."""
    from coldray.formats import read_image
    from coldray.frame import Frame
    from coldray.physics.detector import load_detector
    from coldray.physics.noise import NoiseModel
    from coldray.physics.pair import DetectorPair
    from coldray.plugins import plugin
    from coldray.restoration.model import load_model
    from coldray.restoration.pipeline import Job, run_method

    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation = plugin("degradation", "mtf_blend").Degradation(pair)
    job = Job(model=load_model(model), exposure_s=EXPOSURE_S)
    noise = NoiseModel.of_detector(pair.blurred, EXPOSURE_S)
    frames = [
        Frame((read_image(f).pixels / OPEN_BEAM).astype(np.float32), pair, noise, job.model.prior)  # type: ignore[union-attr]
        for f in files
    ]
    run_method(frames[0], degradation, job)

    def work() -> None:
        for frame in frames:
            run_method(frame, degradation, job)

    return repeated(work)


def _timed(arguments: tuple[Kind, list[Path], str | None, str]) -> Times:
    """Do one kind of work in this process when all processes are ready for it."""
    kind, files, model, ready = arguments

    def together(work: Callable[[], None]) -> Times:
        (Path(ready) / str(os.getpid())).touch()
        team = int((Path(ready) / "team").read_text())
        while sum(p.name != "team" for p in Path(ready).iterdir()) < team:
            time.sleep(0.01)
        began, used = time.monotonic(), time.process_time()
        work()
        return began, time.monotonic(), time.process_time() - used

    return kind(files, model, together)


def alone(kind: Kind, files: list[Path], workers: int, model: str | None) -> np.ndarray:
    """Seconds of the wall and of the processor that a kind of work needs, in as many processes as the batch has."""
    with tempfile.TemporaryDirectory() as ready, get_context("spawn").Pool(workers) as pool:
        (Path(ready) / "team").write_text(str(workers))
        shares = [(kind, files[k::workers], model, ready) for k in range(workers)]
        times = pool.map(_timed, shares, chunksize=1)
    began, ended, used = np.array(times).T
    return np.array([ended.max() - began.min(), used.sum()])


def batch(folder: Path, out: Path, workers: int, model: str | None) -> np.ndarray:
    """Seconds of the wall and of the processor for the whole command."""
    command = [sys.executable, "-m", "coldray", "restore", str(folder), "-o", str(out), "--json"]
    command += ["--exposure-s", str(EXPOSURE_S), "--workers", str(workers), *(["-m", model] if model else [])]
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert told.returncode == 0, told.stderr
    return np.array([seconds, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("-m", "--model", help="model file; the shipped one by default")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    from coldray.restoration.model import load_model

    cores = int(os.environ.get("OMP_NUM_THREADS", "0") or 0) or os.cpu_count() or 1
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "command": "python benchmarks/batch.py " + " ".join(
            f"--{k} {' '.join(map(str, v)) if isinstance(v, list) else v}"
            for k, v in (("images", given.images), ("size", given.size), ("workers", given.workers))
        ),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "images": given.images, "size_px": given.size, "kind": "simulated", "model": load_model(given.model).named(), "runs": [],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        scans = Path(folder) / "scans"
        scans.mkdir()
        files = make(scans, given.images, given.size)
        half = (len(files) + 1) // 2
        for workers in given.workers:
            os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(max(1, cores // workers))
            before = alone(_bare, files[:half], workers, given.model)
            warm = alone(_warm, files[:half], workers, given.model)
            whole = batch(scans, Path(folder) / f"out{workers}", workers, given.model)
            again = batch(scans, Path(folder) / f"out{workers}", workers, given.model)
            after = alone(_bare, files[half:], workers, given.model)
            warm += alone(_warm, files[half:], workers, given.model)
            bare = before + after
            run = {
                "workers": workers,
                "threads_each": max(1, cores // workers),
                "bare_images_per_min": round(60 * len(files) / bare[0], 2),
                "batch_images_per_min": round(60 * len(files) / whole[0], 2),
                "ratio": round(bare[0] / whole[0], 3),
                "ratio_of_processor_time": round(bare[1] / whole[1], 3),
                "ratio_of_processor_time_without_start": round(bare[1] / (whole[1] - again[1]), 3),
                "warm_restorer_over_batch_processor_time": round(warm[1] / whole[1], 3),
                "warm_restorer_over_batch_processor_time_without_start": round(warm[1] / (whole[1] - again[1]), 3),
                "bare_seconds_before_and_after": [round(before[0], 1), round(after[0], 1)],
                "batch_seconds": round(whole[0], 1),
                "processor_seconds_bare_batch_and_start": [round(bare[1], 1), round(whole[1], 1), round(again[1], 1)],
                "processor_seconds_warm_restorer": round(warm[1], 1),
            }
            result["runs"].append(run)
            print(json.dumps(run), flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
