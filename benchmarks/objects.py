"""How well every kind of object is restored, beside the linear filters, per dose; what gate and gain cost.

    .venv/bin/python benchmarks/objects.py [--each 6] [--size 288] [--model FILE ...] [-o benchmarks/results/objects.json]

Simulated: objects of kinds and families that no training draws from, acquired by both screens of the built-in pair (48 um). PSNR with data
range 1 (open beam) and SSIM of Wang et al. against the noise-free sharp image in the blurred detector's energy response, 16 px border left
out. "default" is what `restore` gives; "network" the same network everywhere, without gate, gain and safeguards.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path

import numpy as np

from coldray.benchmark.paper.scenes import screens
from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.objects.boards import ROLES, procedural_board
from coldray.objects.kinds import KINDS, draw_kind
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.restoration.estimate import run_method
from coldray.restoration.job import Job
from coldray.restoration.model import load_model
from coldray.simulation.acquire import project_pair

EXPOSURES_S = (1.0, 0.25, 0.05)
PITCH_MM, OVERSAMPLING = 0.048, 4
RANDOM_STATE = 1207


def objects(kind, count, size):
    """Objects of a kind from families and tables kept for tests."""
    cells, step = (size * OVERSAMPLING,) * 2, PITCH_MM / OVERSAMPLING
    families = sorted(name for name, role in ROLES.items() if role == "test")
    for number in range(count):
        rng = np.random.default_rng([RANDOM_STATE, number])
        if kind == "board":
            yield procedural_board(families[number % len(families)], cells, step, rng)
        else:
            yield draw_kind(kind, cells, step, rng, "test")


def jobs(models):
    """Ways to restore, by name."""
    out = {name: Job(method=name) for name in ("wiener", "tv", "richardson_lucy")}
    for label, model in models.items():
        out[f"{label} default"] = Job(method="cold", model=model)
        out[f"{label} network"] = Job(method="cold", model=model, even="network", safeguards=False, gain="network")
    return out


def scores(kind, chosen, ways):
    """Mean PSNR and SSIM per exposure and way; how often the default beats Wiener."""
    thin, thick = screens()
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    blend, convention = Degradation(pair), Convention()
    prior = next((job.model.prior for job in ways.values() if job.model is not None), None)
    found = {}
    for number, maps in enumerate(objects(kind, chosen.each, chosen.size)):
        seen = project_pair(maps, thin, thick, OVERSAMPLING)
        for exposure in EXPOSURES_S:
            taken = seen.blurred.frame(exposure, np.random.default_rng([RANDOM_STATE, number, int(1000 * exposure)]))
            frame = Frame(taken, pair, NoiseModel.of_detector(pair.blurred, exposure), prior)
            for name, job in ways.items():
                began = time.process_time()
                image, _ = run_method(frame, blend, job)
                spent = time.process_time() - began
                row = (psnr_db(image, seen.target, convention), ssim(image, seen.target, convention), spent)
                found.setdefault(f"{exposure:g}", {}).setdefault(name, []).append(row)
    return {
        exposure: {
            name: dict(zip(("psnr_db", "ssim", "core_s"), np.mean(rows, axis=0).round(5).tolist(), strict=True))
            | {"psnr_db_each": [round(float(row[0]), 3) for row in rows]}
            for name, rows in by_name.items()
        }
        for exposure, by_name in found.items()
    }


def main():
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--size", type=int, default=288)
    parser.add_argument("--kinds", nargs="*", default=["board", *KINDS])
    parser.add_argument("--model", nargs="*", default=["compact"])
    parser.add_argument("-o", "--out", type=Path)
    chosen = parser.parse_args()
    models = {Path(source).stem: load_model(source) for source in chosen.model}
    ways, table = jobs(models), {}
    for kind in chosen.kinds:
        table[kind] = scores(kind, chosen, ways)
        for exposure, by_name in table[kind].items():
            base = by_name["wiener"]
            print(f"{kind} at {exposure} s")
            for name, score in by_name.items():
                gain = score["psnr_db"] - base["psnr_db"]
                print(f"  {name:22s} {score['psnr_db']:7.2f} dB ({gain:+.2f})  SSIM {score['ssim']:.4f}", flush=True)
    if chosen.out:
        shown = {label: model.sha256 for label, model in models.items()}
        head = {
            "kind": "simulated",
            "date": date.today().isoformat(),
            "each": chosen.each,
            "size_px": chosen.size,
            "models": shown,
        }
        chosen.out.write_text(json.dumps(head | {"scores": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
