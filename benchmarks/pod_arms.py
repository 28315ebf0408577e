"""Does restoring cost detection: a90 of the default restoration over that of the raw frame, cell by cell.

python benchmarks/pod_arms.py [--scene SCENE]... [--out benchmarks/results/pod_arms.json]
python benchmarks/pod_arms.py --why SCENE KIND [--out ...]

Simulated voids, cracks and inclusions in simulated frames of 1024 x 1024 pixels, read raw, after a Wiener filter and after the
default restoration at one false-call rate, as `coldray pod` does. A scene is an object and an exposure: a board and a battery with
defects of 40 % contrast, even ground with 5 %. Mark: a90 by hit/miss of the default not more than 5 % above that of the raw frame, in
any cell. Scenes that were measured before with the same model by the same build are kept; some 20 core-seconds each.

--why reads more arms of one kind in one scene: the raw frame without its noise, a perfect restoration (the sharp detector's image
without noise, the defect's change unblurred), the network alone, and with all of its residual put back (K = 1). What a perfect one
finds and the network does not is lost by the network's errors, not by the blur's clutter; what K = 1 brings back is lost by the gain.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from numpy.typing import NDArray

import coldray
from coldray.api.make import Simulated
from coldray.app.build import build
from coldray.benchmark.pod.design import Question
from coldray.benchmark.pod.study import ground_of, read_study
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.estimate import estimate
from coldray.restoration.job import Job
from coldray.restoration.model import Model, load_model

SIDE_PX, STATE = 1024, 1
LARGEST = 1.05
"""Mark: a90 restored over raw."""
OBJECTS: dict[str, tuple[str, str | None, float]] = {
    "board": ("board", "handheld", 0.4),
    "battery": ("battery", None, 0.4),
    "even": ("flat", None, 0.05),
}
"""Kind, family and contrast of the defects."""
EXPOSURES_S = (1.0, 0.25)
SCENES = {f"{name} {exposure:g} s": (name, exposure) for name in OBJECTS for exposure in EXPOSURES_S}


def frame(name: str, exposure_s: float) -> Radiograph:
    """The blurred frame of a scene, without defects."""
    if OBJECTS[name][0] == "flat":
        even = np.full((SIDE_PX, SIDE_PX), 0.5, dtype=np.float32)
        noise = NoiseModel.of_detector(coldray.load_detector("gos135"), exposure_s)
        fraction = even + noise.draw(even, np.random.default_rng(STATE))
        known = Acquisition(pixel_pitch_mm=0.048, open_beam=1.0, linear=True, exposure_s=exposure_s)
        return Radiograph(fraction.astype(np.float32), known)
    return simulated(name, exposure_s).blurred


def simulated(name: str, exposure_s: float) -> Simulated:
    """An object, seen by both detectors."""
    kind, family, _ = OBJECTS[name]
    return coldray.simulate(
        kind, family=family, size_px=SIDE_PX, exposure_s=exposure_s, sharp_frames=1, random_state=STATE
    )


def measured(scene: str) -> list[dict[str, Any]]:
    """a90 of every kind in every arm, and the ratio."""
    name, exposure_s = SCENES[scene]
    found = coldray.pod(frame(name, exposure_s), contrast=OBJECTS[name][2], exposure_s=exposure_s)
    cells = []
    for kind in found.study.sizes_mm:
        fits = {arm: found.study.of(kind, arm, "hit_miss") for arm in found.study.arms}
        a90 = {arm: fit.a90_mm for arm, fit in fits.items()}
        raw, restored = a90["raw"], a90["restored"]
        ratio = None if raw is None or restored is None else round(restored / raw, 4)
        # where the raw frame has no a90 nothing is lost; where only the restored one has none, everything is
        kept = raw is None or (ratio is not None and ratio <= LARGEST)
        bounds = {f"{arm}_a90_95_mm": fit.a90_95_mm for arm, fit in fits.items()}
        cells.append(
            {"scene": scene, "kind": kind, **{f"{arm}_a90_mm": size for arm, size in a90.items()}, **bounds,
             "restored_over_raw": ratio, "within_mark": kept}
        )  # fmt: skip
    return cells


def why(scene: str, kind: str) -> dict[str, float | None]:
    """a90 of one kind by hit/miss [mm], in the arms that tell why."""
    name, exposure_s = SCENES[scene]
    seen = simulated(name, exposure_s)
    image, model = seen.blurred, load_model(None)
    job = Job(model=model, exposure_s=exposure_s)
    ground = ground_of(image, job)
    truth = np.asarray(seen.target, dtype=np.float32)
    probe = Frame(ground.fraction, ground.pair, ground.noise, model.prior)
    blurred = np.asarray(seen.blurred_truth, dtype=np.float32)

    def inverse(f: NDArray[np.float64]) -> NDArray[np.float64]:
        transfer = ground.degradation.transfer(f, 1.0)
        return np.asarray(transfer / (transfer**2 + 1e-3))

    def alone(gain: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        how = Job(model=model, exposure_s=exposure_s, even="network", gain=gain, safeguards=False)
        return lambda x: estimate(Frame(x, ground.pair, ground.noise, model.prior), ground.degradation, how).image

    unblurred = probe.radial_operator(inverse)
    arms = {
        "raw without noise": lambda x: (blurred + (x - ground.fraction)).astype(np.float32),
        "perfect": lambda x: (truth + unblurred(x - ground.fraction)).astype(np.float32),
        "network": alone("network"),
        "network, K = 1": alone("paper"),
    }
    question = Question((kind,), contrast=OBJECTS[name][2])
    found = read_study(replace(ground, arms={**ground.arms, **arms}), question)
    return {arm: found.of(kind, arm, "hit_miss").a90_mm for arm in found.arms}


def write(place: Path, model: Model, cells: list[dict[str, Any]], causes: dict[str, Any]) -> None:
    """Write what is known."""
    result = {
        "measured": "simulated defects in simulated frames, read by a model observer at 1 % false calls",
        "command": "python benchmarks/pod_arms.py",
        "date": date.today().isoformat(),
        "model": model.name,
        "model_sha256": model.sha256,
        "build": build(),
        "mark": LARGEST,
        "cells": sorted(cells, key=lambda cell: list(SCENES).index(cell["scene"])),
        "causes": causes,
    }
    place.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure the scenes that are missing, and write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", action="append", choices=list(SCENES), help="measure only this one; repeats")
    parser.add_argument("--why", nargs=2, metavar=("SCENE", "KIND"), help="more arms of one kind in one scene")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "pod_arms.json")
    given = parser.parse_args()
    model = load_model(None)
    before = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    same = (before.get("model_sha256"), before.get("build")) == (model.sha256, build())
    cells, causes = (before.get("cells", []), before.get("causes", {})) if same else ([], {})
    if given.why:
        causes[" ".join(given.why)] = found = why(*given.why)
        write(given.out, model, cells, causes)
        print(", ".join(f"{arm} {'none' if size is None else f'{size:.3f} mm'}" for arm, size in found.items()))
    for scene in [] if given.why else given.scene or list(SCENES):
        if any(cell["scene"] == scene for cell in cells):
            continue
        cells += measured(scene)
        write(given.out, model, cells, causes)
    for cell in cells:
        print(
            f"{cell['scene']}, {cell['kind']}: {cell['restored_over_raw']} {'' if cell['within_mark'] else 'NOT KEPT'}"
        )


if __name__ == "__main__":
    main()
