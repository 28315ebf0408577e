"""Calibrate the interval of every pixel for a model, and ask how often it covers objects that nobody saw.

python benchmarks/interval.py calibrate [-m MODEL] [--side 128] [--work FOLDER]
python benchmarks/interval.py check [-m MODEL] [--objects 20] [--first 0] [--side 128] [--work FOLDER] [--out benchmarks/results/interval.json]

`calibrate` draws objects of the training role, boards and every other kind, restores frames of three doses and fits the width on
them; objects of the validation role, which no training saw, set its factor. It writes NAME.interval.json beside the model. `check` draws boards of test
families, batteries and plates of the ranges for tests. All objects are simulated. WORK keeps the restored frames, so that a run that
is cut goes on; those of another model, build or side are kept apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from _scenes import BOARD, seen

from coldray import load_detector
from coldray.app.build import build
from coldray.benchmark.interval import Errors, conformal, coverage, errors_of, fit_scale, oracle_width
from coldray.files import write_text
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import degradation_of
from coldray.restoration.estimate import estimate
from coldray.restoration.interval import interval_path, interval_scale_of
from coldray.restoration.job import Job
from coldray.restoration.model import Model, load_model

CALIBRATION = {BOARD: 48, "plate": 30, "battery": 30, "casting": 12, "weld": 12, "wire": 12, "texture": 12}
"""Objects of every kind, of each of both roles."""
CHECKED = (BOARD, "battery", "plate")
EXPOSURES_S = (1.0, 0.25, 0.05)
PAIR = DetectorPair(load_detector("gos135"), load_detector("gos34"))
BLUR = degradation_of("mtf_blend")(PAIR)
LEAST, MOST, PLACE_LEAST, PLACE_MOST, WIDTH = 0.88, 0.93, 0.85, 0.95, 0.7
"""Marks: coverage of a kind, of a place, and mean width over the best constant one."""


def frames(
    kind: str, number: int, role: str, given: argparse.Namespace, model: Model
) -> Iterator[tuple[str, Any, Any]]:
    """Name, frame with what was made of it, and truth of one object at every dose."""
    place = given.work / f"{model.sha256[:12]}-{build()[:8]}-{given.side}-{role}-{kind}-{number}.npz"
    if not place.is_file():
        name, pair = seen(kind, number, role, given.side)
        kept = {"name": name, "truth": pair.target}
        for exposure in EXPOSURES_S:
            rng = np.random.default_rng([23, number, round(1000 * exposure)])
            kept[f"y{exposure}"] = pair.blurred.frame(exposure, rng)
            frame = _frame(kept[f"y{exposure}"], exposure, model)
            kept[f"out{exposure}"] = estimate(frame, BLUR, Job(model=model, exposure_s=exposure)).image
        given.work.mkdir(parents=True, exist_ok=True)
        np.savez(place, **kept)
    with np.load(place) as found:
        for exposure in EXPOSURES_S:
            frame = _frame(found[f"y{exposure}"], exposure, model)
            yield f"{kind} {found['name']}", (frame, exposure, found[f"out{exposure}"]), found["truth"]


def _frame(image: Any, exposure_s: float, model: Model) -> Frame:
    return Frame(image, PAIR, NoiseModel.of_detector(PAIR.blurred, exposure_s), model.prior)


def collected(
    counts: dict[str, int], role: str, given: argparse.Namespace, model: Model, first: int = 0
) -> list[Errors]:
    """Errors of every frame of the objects of a role, from object number `first` of each kind on."""
    found = []
    for kind, count in counts.items():
        for number in range(first, first + count):
            for name, (frame, exposure, out), truth in frames(kind, number, role, given, model):
                found.append(errors_of(frame, BLUR, model.even, out, truth, name=name, kind=kind, exposure_s=exposure))
            print(name, flush=True)
    left_out = sum(not one.promised for one in found)
    print(
        f"{left_out} of {len(found)} frames do not show the stated noise: nothing is promised for them, and they do not count"
    )
    return [one for one in found if one.promised]


def calibrate(given: argparse.Namespace, model: Model) -> None:
    """Fit the width on objects of the training role, set its factor on others, and write both beside the model."""
    fitted, held = (collected(CALIBRATION, role, given, model) for role in ("train", "validation"))
    scale = conformal(fit_scale(fitted), held, model)
    write_text(interval_path(model), json.dumps(scale.to_dict(), indent=1) + "\n")
    print(f"{interval_path(model).name}: factor {scale.factor:.3f} from {scale.objects} objects", coverage(scale, held))


def check(given: argparse.Namespace, model: Model) -> None:
    """Coverage and width by kind, dose and place, against the marks."""
    scale = interval_scale_of(model)
    found = collected(dict.fromkeys(CHECKED, given.objects), "test", given, model, given.first)
    by = {"all": found} | {kind: [one for one in found if one.kind == kind] for kind in CHECKED}
    by |= {f"{exposure} s": [one for one in found if one.exposure_s == exposure] for exposure in EXPOSURES_S}
    rows = {
        name: coverage(scale, some) | {"oracle_width_over_constant": oracle_width(some)} for name, some in by.items()
    }
    kinds = {kind: bool(LEAST <= rows[kind]["coverage"] <= MOST) for kind in CHECKED}
    places = {
        f"{name}: {place}": bool(PLACE_LEAST <= at["coverage"] <= PLACE_MOST)
        for name in ("all", *(f"{exposure} s" for exposure in EXPOSURES_S))
        for place, at in rows[name]["places"].items()
    }
    result = {
        "measured": "simulated objects of test families and ranges; built-in pair, noise-free sharp image in the blurred response",
        "command": f"python benchmarks/interval.py check --objects {given.objects} --first {given.first} --side {given.side}",
        "date": date.today().isoformat(),
        "model": model.named(),
        "factor": scale.factor,
        "rows": rows,
        "marks": {"kinds": kinds, "places": places, "width": bool(rows["all"]["width_over_constant"] <= WIDTH)},
    }
    print(json.dumps(result, indent=1))
    if given.out:
        write_text(given.out, json.dumps(result, indent=1) + "\n")


def main() -> None:
    """Calibrate or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("calibrate", "check"))
    parser.add_argument("-m", "--model", default=None)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first object of each kind")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--work", type=Path, default=Path("runs/interval"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    {"calibrate": calibrate, "check": check}[given.what](given, load_model(given.model))


if __name__ == "__main__":
    main()
