"""Do the bounds of `coldray pod` hold: how often a90/95 lies above the true a90, over repeats of a scene with known truth.

python benchmarks/pod.py [--repeats 200] [--out benchmarks/results/pod.json]

An even frame of 1024 x 1024 pixels with known noise, a new draw of it in every repeat; voids, cracks and inclusions of 5 %
contrast, 60 of each of eight sizes that the study chooses itself. The true a90 is the closed form of the reader on even
ground. Everything is simulated. A run that is cut goes on where the file of this build ends; 1.5 core-seconds a repeat.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np

from coldray import load_detector
from coldray.app.build import build
from coldray.benchmark.pod.curves import ANALYSES
from coldray.benchmark.pod.defects import KINDS
from coldray.benchmark.pod.design import Question
from coldray.benchmark.pod.study import RAW, Ground, read_study
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import plugin

SIDE_PX, LEVEL, CONTRAST, EXPOSURE_S, FIRST_STATE = 1024, 0.5, 0.05, 1.0, 7000
LEAST, MOST = 0.92, 0.98
"""Mark: coverage of a90/95."""


def repeat(number: int) -> dict[str, Any]:
    """One draw of the scene and its study: a90 and a90/95 of every curve, and the truth."""
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    noise = NoiseModel.of_detector(pair.blurred, EXPOSURE_S)
    flat = np.full((SIDE_PX, SIDE_PX), LEVEL, dtype=np.float32)
    frame = flat + noise.draw(flat, np.random.default_rng([FIRST_STATE, number]))
    ground = Ground(frame, pair, plugin("degradation", "mtf_blend").Degradation(pair), noise, None, {})
    study = read_study(ground, Question(tuple(KINDS), contrast=CONTRAST, random_state=number))
    curves = {f"{one.kind} {one.analysis}": [one.a90_mm, one.a90_95_mm] for one in study.fits if one.arm == RAW}
    return {"curves": curves, "truth_mm": dict(study.even_ground_mm)}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Coverage, bias and scatter of every curve."""
    out = {}
    for kind in KINDS:
        # the level of the truth is the median of the frame, which varies in the fourth digit
        truth = np.array([one["truth_mm"][kind] for one in found])
        for analysis in ANALYSES:
            pairs = [one["curves"][f"{kind} {analysis}"] for one in found]
            # no bound claims nothing and is no error
            covered = [bound is None or bound >= true for (_, bound), true in zip(pairs, truth, strict=True)]
            known = np.array([a90 is not None and bound is not None for a90, bound in pairs])
            ratio = np.log([a90 / t for (a90, _), t, k in zip(pairs, truth, known, strict=True) if k])
            margin = np.log([bound / a90 for (a90, bound), k in zip(pairs, known, strict=True) if k])
            share = float(np.mean(covered))
            out[f"{kind} {analysis}"] = {
                "true_a90_mm": round(float(truth.mean()), 5),
                "coverage": share,
                "coverage_sd": round(float(np.sqrt(share * (1 - share) / len(pairs))), 4),
                "within_mark": bool(LEAST <= share <= MOST),
                "without_bound": int(np.count_nonzero(~known)),
                "log_bias": round(float(ratio.mean()), 5),
                "log_sd": round(float(ratio.std()), 5),
                "log_margin": round(float(margin.mean()), 5),
            }
    return out


def main() -> None:
    """Repeat, keep, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "pod.json")
    parser.add_argument(
        "--work", type=Path, help="file in which repeats are kept; by default OUT, with the build's name and .jsonl"
    )
    given = parser.parse_args()
    work = given.work or given.out.with_suffix(f".{build()[:8]}.jsonl")
    lines = work.read_text(encoding="utf-8").splitlines() if work.is_file() else []
    for number in range(len(lines), given.repeats):
        lines.append(json.dumps(repeat(number)))
        work.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = [json.loads(line) for line in lines[: given.repeats]]
    settings = {
        "side_px": SIDE_PX, "level": LEVEL, "contrast": CONTRAST, "exposure_s": EXPOSURE_S, "defects_of_a_class": 60,
    }  # fmt: skip
    result = {
        "measured": "simulated even frame, raw arm; truth in closed form",
        "command": f"python benchmarks/pod.py --repeats {given.repeats}",
        "date": date.today().isoformat(),
        "repeats": len(found),
        "scene": settings,
        "mark": [LEAST, MOST],
        "curves": summary(found),
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["curves"], indent=1))


if __name__ == "__main__":
    main()
