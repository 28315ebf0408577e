"""Wrong exposures and noise of another colour: how often `coldray.restore` writes something worse than the linear filter.

Simulated boards of families unseen in training through the built-in pair. Every case is restored by the default method and by
the method "wiener" with the same options; both are compared with the noise-free sharp image (PSNR with data range 1, 16 px border
left out). A refusal counts as a failure too.

python benchmarks/never_worse.py [--boards 3] [--side 256] [--out benchmarks/results/never_worse.json]
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import coldray
from coldray.errors import RefusalError
from coldray.metrology.metrics import Convention, psnr_db
from coldray.objects.boards import ROLES, procedural_board
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.restoration.model import load_model
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import BLURRED_MG_CM2, SHARP_MG_CM2

OVERSAMPLING = 3
EXPOSURES_S = (0.002, 0.005, 0.02, 0.05, 0.25, 1.0, 5.0)
FACTORS = (0.1, 1.0, 10.0)
"""Stated over true exposure."""
WHITE_SD = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2)
"""White noise, in units of the open beam; flats of the same kind are given."""
MOST_WORSE_DB = 0.3
BLURRED, SHARP = "gos135", "gos34"

Image = NDArray[np.float32]


def boards(count: int, side: int, detector: Detector) -> list[tuple[Image, Image]]:
    """Noise-free blurred and sharp images, in the response of the thick screen."""
    pitch = detector.pixel_pitch_mm
    thick, thin = (ScreenDetector.gos(x, pitch) for x in (BLURRED_MG_CM2, SHARP_MG_CM2))
    families = sorted(name for name, role in ROLES.items() if role == "validation")
    cells = (side * OVERSAMPLING, side * OVERSAMPLING)
    out = []
    for number in range(count):
        maps = procedural_board(families[number % len(families)], cells, pitch / OVERSAMPLING, 500 + number)
        seen = thick.transmission(maps)
        out.append((thick.image(seen, OVERSAMPLING), thin.image(seen, OVERSAMPLING)))
    return out


def cases(detector: Detector, clean: Image, rng: np.random.Generator) -> list[tuple[str, Image, dict[str, Any]]]:
    """Name, noisy image and options of every case of one board."""
    out: list[tuple[str, Image, dict[str, Any]]] = []
    for exposure in EXPOSURES_S:
        noisy = clean + NoiseModel.of_detector(detector, exposure).draw(clean, rng)
        out.append((f"{exposure:g} s, not stated", noisy, {}))
        out += [(f"{exposure:g} s, stated x {f:g}", noisy, {"exposure_s": f * exposure}) for f in FACTORS]
    for sd in WHITE_SD:
        noisy = (clean + sd * rng.standard_normal(clean.shape)).astype(np.float32)
        flats = (1 + sd * rng.standard_normal((4, *clean.shape))).astype(np.float32)
        out.append((f"white {100 * sd:g} %, not stated", noisy, {}))
        out.append((f"white {100 * sd:g} %, flats", noisy, {"flats": flats}))
    return out


def scored(image: Image, truth: Image, options: dict[str, Any], pitch_mm: float) -> dict[str, Any]:
    """PSNR [dB] of default and linear result, and what the default one says; none if it is refused."""
    convention, given = Convention(match_gain=False), {"pixel_pitch_mm": pitch_mm, **options}
    linear = psnr_db(coldray.restore(image, BLURRED, SHARP, method="wiener", **given).pixels, truth, convention)
    try:
        found = coldray.restore(image, BLURRED, SHARP, **given)
    except RefusalError as problem:
        return {"wiener_db": round(linear, 3), "refused": str(problem)}
    gain = psnr_db(found.pixels, truth, convention) - linear
    return {"wiener_db": round(linear, 3), "gain_db": round(gain, 3), "verdict": found.verdict}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=3)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    detector = load_detector(BLURRED)
    rng = np.random.default_rng(11)
    rows: dict[str, list[dict[str, Any]]] = {}
    for clean, truth in boards(given.boards, given.side, detector):
        for name, image, options in cases(detector, clean, rng):
            rows.setdefault(name, []).append(scored(image, truth, options, detector.pixel_pitch_mm))
    failed = []
    for name, scores in rows.items():
        gains = [score.get("gain_db", float("-inf")) for score in scores]
        print(f"{name:28s} " + "  ".join("refused" if "refused" in s else f"{s['gain_db']:+6.2f} dB" for s in scores))
        if min(gains) < -MOST_WORSE_DB:
            failed.append(name)
    print(f"worse than the linear filter by over {MOST_WORSE_DB} dB, or refused: {len(failed)} of {len(rows)} {failed}")
    if given.out:
        result = {
            "kind": "simulated",
            "date": datetime.date.today().isoformat(),
            "model": load_model().named(),
            "boards": given.boards,
            "side_px": given.side,
            "most_worse_db": MOST_WORSE_DB,
            "failed": failed,
            "cases": rows,
        }
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
