"""False alarms, power and cost of the consistency certificate, on simulated boards.

python benchmarks/certificate.py [--boards 2] [--frames 3] [--size 1024] [--model FILE] [--out benchmarks/results/certificate.json]

Truths come from the whole image chain (quanta, spread light, read noise, pixel aperture), not from the blur that the
certificate uses; families of the test role only.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path

import numpy as np
from scipy.stats import beta

from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame
from coldray.objects.boards import ROLES, procedural_board
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.certificate.certify import certify
from coldray.restoration.certificate.limits import DIAMETERS_PX, detectable, disc
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job, restore, run_method
from coldray.simulation.acquire import project_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_MG_CM2

SIDE_PX = 320
EXPOSURES_S = (1.0, 0.25, 0.05)
FAMILIES = [name for name, role in ROLES.items() if role == "test"]


def interval(hits: int, runs: int) -> list[float]:
    """Clopper-Pearson interval of a share, 95 %."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, runs - hits + 1))
    high = 1.0 if hits == runs else float(beta.ppf(0.975, hits + 1, runs - hits))
    return [round(low, 4), round(high, 4)]


def share(hits: int, runs: int) -> dict[str, object]:
    return {"hits": hits, "runs": runs, "share": round(hits / runs, 4), "interval_95": interval(hits, runs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=2, help="per family")
    parser.add_argument("--frames", type=int, default=3, help="per board and exposure")
    parser.add_argument("--size", type=int, default=1024, help="of the image that is timed [pixels]")
    parser.add_argument("--model", help="model file; the shipped one by default")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/certificate.json"))
    arguments = parser.parse_args()
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation = Degradation(pair)
    model = load_model(arguments.model)
    screens = [ScreenDetector.gos(loading, PITCH_MM) for loading in (SHARP_MG_CM2, BLURRED_MG_CM2)]
    methods = {"truth": None, "wiener": Job(method="wiener"), "cold": Job(model=model, even="network")}
    alarms = {e: [0, 0] for e in EXPOSURES_S}
    verdicts = {f"{name} at {e:g} s": [] for name in ("wiener", "cold") for e in EXPOSURES_S}
    found = {(name, px): [0, 0] for name in methods for px in DIAMETERS_PX}
    timed = None
    for number, family in enumerate(FAMILIES):
        for board_number in range(arguments.boards):
            rng = np.random.default_rng([number, board_number])
            cells = SIDE_PX * OVERSAMPLING
            board = procedural_board(family, (cells, cells), PITCH_MM / OVERSAMPLING, rng)
            seen = project_pair(board, *screens, OVERSAMPLING)
            for exposure in EXPOSURES_S:
                noise = NoiseModel.of_detector(pair.blurred, exposure)
                for _ in range(arguments.frames):
                    timed = seen.blurred.frame(exposure, rng)
                    frame = Frame(timed, pair, noise, model.prior)
                    truth = certify(frame, degradation, seen.target)
                    alarms[exposure][0] += truth.marked_share > 0
                    alarms[exposure][1] += 1
                for name, job in methods.items():
                    base = seen.target if job is None else run_method(frame, degradation, job)[0]
                    clean = certify(frame, degradation, base)
                    if job is not None:
                        verdicts[f"{name} at {exposure:g} s"].append(clean.marked_share)
                    _plant(found, name, frame, degradation, base, clean, rng)
    record = {
        "date": date.today().isoformat(),
        "kind": "simulated",
        "model": model.named(),
        "false_alarms_per_image_of_a_truth": {f"{e:g} s": share(*alarms[e]) for e in EXPOSURES_S},
        "found_at_the_stated_contrast": {
            name: {f"{px * PITCH_MM:.3g} mm": share(*found[name, px]) for px in DIAMETERS_PX if found[name, px][1]}
            for name in methods
        },
        "marked_share_of_area": {
            name: {"median": round(float(np.median(v)), 5), "largest": round(float(np.max(v)), 5), "images": len(v)}
            for name, v in verdicts.items()
        },
        "cost": _cost(timed, arguments.size, model),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


def _plant(found, name, frame, degradation, base, clean, rng) -> None:
    """One disc of the stated contrast and random sign at a random place that is not marked already."""
    for limit, px in zip(detectable(clean), DIAMETERS_PX, strict=False):
        if not np.isfinite(limit.contrast) or limit.contrast > 0.5:
            continue
        centre = tuple(rng.uniform(40, SIDE_PX - 40, 2))
        middle = (int(centre[0]), int(centre[1]))
        if clean.marked[middle]:
            continue
        change = np.float32(rng.choice([-1, 1]) * limit.contrast) * disc(px, base.shape, centre)
        found[name, px][0] += bool(certify(frame, degradation, base + change).marked[middle])
        found[name, px][1] += 1


def _cost(seen: np.ndarray, size: int, model) -> dict[str, object]:
    """Seconds of the default method and of its certificate, in the same run, median of three."""
    count = -(-size // SIDE_PX)
    image = np.tile(np.block([[seen, seen[:, ::-1]], [seen[::-1], seen[::-1, ::-1]]]), (count, count))[:size, :size]
    stored = np.clip(np.rint(image * 50000), 0, 65535).astype(np.uint16)
    radiograph = Radiograph(stored, Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=50000.0, linear=True))
    rows = []
    for _ in range(3):
        began = time.perf_counter()
        result = restore(radiograph, Job(model=model, exposure_s=EXPOSURES_S[-1]))
        whole = time.perf_counter() - began
        rows.append((whole - result.certificate_seconds, result.certificate_seconds))
    without, certificate = (float(np.median(column)) for column in zip(*rows, strict=True))
    ratio = float(np.median([c / w for w, c in rows]))
    return {
        "size_px": size,
        "restore_s": round(without, 3),
        "certificate_s": round(certificate, 3),
        "ratio": round(ratio, 4),
    }


if __name__ == "__main__":
    main()
