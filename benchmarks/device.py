"""Answers and time of the shipped network on every device that Vulkan lists, against the processor.

python benchmarks/device.py [--sizes 512 1024] [--rounds 3] [--out benchmarks/results/device.json]

Random blocks with noise, the conditions of the model's own probe. Wall time is per image, the first run of a size not counted; of a
software device it says nothing about graphics processors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from coldray.restoration.device import devices
from coldray.restoration.fast import available, fast_engine
from coldray.restoration.model import load_model


def shown(size: int) -> np.ndarray:
    """Three channels of blocks of random transmission."""
    rng = np.random.default_rng(size)
    scene = np.kron(rng.uniform(0.1, 1, (size // 8, size // 8)), np.ones((8, 8)))
    return np.stack([scene + rng.normal(0, 0.01, scene.shape) for _ in range(3)])[None].astype(np.float32)


def timed(engine: Any, image: np.ndarray, told: np.ndarray, rounds: int) -> tuple[np.ndarray, float]:
    """Answer and the shortest of several times [s]."""
    answer = engine.run(image, told)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        engine.run(image, told)
        seconds.append(time.perf_counter() - began)
    return answer, min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[512, 1024])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    model = load_model()
    told = np.array(model.header["probe"]["conditions"], dtype=np.float32)[None]
    here, note = fast_engine(model.path, model.header)
    if here is None:
        raise SystemExit(f"the extra `fast` is needed {note}")
    rows = []
    for one in devices():
        there, note = fast_engine(model.path, model.header, one)
        for size in given.sizes if there is not None else ():
            image = shown(size)
            (own, own_s), (other, other_s) = (timed(engine, image, told, given.rounds) for engine in (here, there))
            apart = 65535 * float(np.abs(own - other).max())
            row = {"device": str(one), "software": one.software, "memory_mb": one.memory_mb, "size_px": size}
            row |= {
                "largest_difference_lsb16": round(apart, 4),
                "cpu_s": round(own_s, 3),
                "device_s": round(other_s, 3),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
        if there is None:
            print(f"{one}: {note}")
    if not rows:
        print("no device was compared")
    if given.out:
        note_of_run = {"date": date.today().isoformat(), "machine": platform.machine(), "cores": os.cpu_count()}
        note_of_run |= {"engine": f"ncnn {available()}", "model_sha256": model.sha256, "rows": rows}
        given.out.write_text(json.dumps(note_of_run, indent=1) + "\n")


if __name__ == "__main__":
    main()
