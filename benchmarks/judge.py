"""Score methods on the frozen judge pairs by the rule of their README, and after the best monotone cubic of every field.

python benchmarks/judge.py [--model FILE] [--steps 1 2 4] [--out benchmarks/results/judge.json]

"default" is what `restore` gives: gate and gain. "noise-free" is the inverse filter of the blurred image without any noise: what
is left of it after the curve is beam hardening, the ceiling of every method.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path

import numpy as np

from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame
from coldray.gain import consistency_gain
from coldray.methods import cold, direct, wiener
from coldray.metrology.metrics import Convention
from coldray.metrology.response import response_scores
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.restoration.estimate import run_method
from coldray.restoration.job import Job
from coldray.restoration.model import load_model

FIELDS = ("psnr_db", "ssim", "curve_psnr_db", "curve_ssim", "seconds")
NO_NOISE_S = 1e6
"""Exposure [s] whose noise is none."""
EXPOSURES = {"lr_1s": 1.0, "lr_025s": 0.25, "lr_005s": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, default=Path(__file__).parents[2] / "shared" / "judge" / "pairs.npz")
    parser.add_argument("--model", default=None)
    parser.add_argument("--steps", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if not given.judge.is_file():
        raise SystemExit(f"{given.judge.name} is absent; the judge pairs are not part of the project")
    pairs = np.load(given.judge, allow_pickle=False)
    level = float(pairs["open_beam"])
    truth = pairs["truth"] / level
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation = Degradation(pair)
    try:
        model = load_model(given.model)
    except Exception as problem:
        print(f"no model: {problem}")
        model = None
    convention = Convention()
    prior = ObjectPrior() if model is None else model.prior
    none = NoiseModel.of_detector(pair.blurred, NO_NOISE_S)
    quiet = [Frame((clean / level).astype(np.float32), pair, none, prior) for clean in pairs["lr_truth"]]
    unblurred = [wiener.restore(frame, degradation) for frame in quiet]
    results: dict[str, dict[str, dict[str, float]]] = {}
    for key, exposure in EXPOSURES.items():
        noise = NoiseModel.of_detector(pair.blurred, exposure)
        scores: dict[str, list[tuple[float, ...]]] = {}
        for stored, inverse, sharp in zip(pairs[key], unblurred, truth, strict=True):
            image = (stored / level).astype(np.float32)
            frame = Frame(image, pair, noise, prior)
            runs = {
                "noise-free": lambda: inverse,
                "blurred": lambda: image,
                "wiener local": lambda: wiener.restore(frame, degradation),
                "wiener mean": lambda: wiener.restore(frame, degradation, noise="mean"),
                "wiener scalar": lambda: wiener.restore(frame, degradation, noise="scalar"),
            }
            if model is not None:
                network = model.predictor()
                gain = consistency_gain(frame, degradation, model.consistency_share)
                runs["default"] = lambda: run_method(frame, degradation, Job(method="cold", model=model))[0]
                runs["direct"] = lambda: direct.restore(frame, degradation, network)
                for steps in given.steps:
                    runs[f"cold {steps} K=1"] = lambda s=steps: cold.restore(frame, degradation, network, steps=s)
                    if gain is not None:
                        runs[f"cold {steps} K"] = lambda s=steps: cold.restore(
                            frame, degradation, network, steps=s, consistency=gain
                        )
            for name, run in runs.items():
                began = time.perf_counter()
                out = run()
                seconds = time.perf_counter() - began
                found = response_scores(out, sharp, convention=convention)
                scores.setdefault(name, []).append((*found["thin"].values(), *found["curve"].values(), seconds))
        results[key] = {}
        for name, found in scores.items():
            mean = np.mean(found, axis=0)
            results[key][name] = dict(zip(FIELDS, mean.tolist(), strict=True))
            print(
                f"{key:8s} {name:16s} {mean[0]:7.3f} dB  {mean[1]:.4f}  after the best curve {mean[2]:7.3f} dB  {mean[3]:.4f}  "
                f"{mean[4]:.2f} s",
                flush=True,
            )
    if given.out:
        given.out.write_text(
            json.dumps(
                {
                    "kind": "simulated, frozen pairs",
                    "date": date.today().isoformat(),
                    "convention": convention.to_dict(),
                    "model": None if model is None else model.named(),
                    "scores": results,
                },
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
