"""A detector pair the model never saw, given only as two MTF tables and flats: 100 um pixels, 20 and 80 mg/cm2 screens.

Simulated acquired pairs of board families unseen in training; the restoration is told two CSV files and flat fields,
through the command line, and is compared with Wiener.

python benchmarks/unknown_pair.py [--boards 4] [--out benchmarks/results/unknown_pair.json]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from datetime import date
from pathlib import Path

import numpy as np

from coldray.app.cli import main as coldray
from coldray.formats import read_image, write_image
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.objects.boards import ROLES, procedural_board
from coldray.physics.detector import load_detector
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model
from coldray.simulation.acquire import acquire_pair
from coldray.simulation.detector import ScreenDetector

PITCH_MM, SHARP, BLURRED, OVERSAMPLING, SIZE = 0.100, 20.0, 80.0, 4, 384
OPEN_BEAM = 50000.0


def run(*arguments: str) -> None:
    """Run the command line; fail loudly on anything but success."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            coldray(list(arguments))
        except SystemExit as left:
            if left.code:
                raise RuntimeError(f"coldray {' '.join(arguments)} left with {left.code}") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--exposures", type=float, nargs="*", default=[0.25, 0.05])
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    families = sorted(name for name, role in ROLES.items() if role == "test")
    sharp, blurred = (ScreenDetector.gos(loading, PITCH_MM) for loading in (SHARP, BLURRED))
    convention = Convention()
    table: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, loading in (("thin", SHARP), ("thick", BLURRED)):
            mtf = load_detector(f"phosphor:{loading}", pixel_pitch_mm=PITCH_MM).mtf
            rows = "\n".join(f"{f:.5f},{v:.6f}" for f, v in zip(mtf.frequency_lp_mm, mtf.value, strict=True))
            (place / f"{name}.csv").write_text(f"frequency_lp_mm,mtf\n{rows}\n")
        for exposure in given.exposures:
            rng = np.random.default_rng(int(exposure * 1000))
            air = np.ones((SIZE * OVERSAMPLING, SIZE * OVERSAMPLING), np.float32)
            flats = np.stack([blurred.frame(air, OVERSAMPLING, exposure, rng) for _ in range(2)])
            known = Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=OPEN_BEAM, linear=True)
            write_image(place / "flats.tif", Radiograph(np.rint(flats * OPEN_BEAM).astype(np.uint16), known))
            scores: dict[str, list[tuple[float, float]]] = {}
            for number in range(given.boards):
                shape = (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING)
                board = procedural_board(families[number % len(families)], shape, PITCH_MM / OVERSAMPLING, 900 + number)
                seen = acquire_pair(board, sharp, blurred, OVERSAMPLING, rng, exposure_s=exposure)
                stored = np.clip(np.rint(seen.blurred * OPEN_BEAM), 0, 65535).astype(np.uint16)
                write_image(place / "in.tif", Radiograph(stored, known))
                for method in ("wiener", "direct", "cold"):
                    extra = ["-m", given.model] if given.model and method != "wiener" else []
                    run(
                        "restore", str(place / "in.tif"), "-o", str(place / f"{method}.tif"), "--method", method, "--overwrite",
                        "--blurred", str(place / "thick.csv"), "--sharp", str(place / "thin.csv"), "--noise", str(place / "flats.tif"), *extra,
                    )  # fmt: skip
                for name in ("in", "wiener", "direct", "cold"):
                    image = read_image(place / f"{name}.tif").pixels / OPEN_BEAM
                    scores.setdefault(name, []).append(
                        (psnr_db(image, seen.sharp_truth, convention), ssim(image, seen.sharp_truth, convention))
                    )
            table[f"{exposure:g} s"] = {}
            for name, found in scores.items():
                mean = np.mean(found, axis=0)
                table[f"{exposure:g} s"][name] = {"psnr_db": float(mean[0]), "ssim": float(mean[1])}
                print(f"{exposure:g} s  {name:8s} {mean[0]:7.2f} dB  SSIM {mean[1]:.4f}", flush=True)
    if given.out:
        given.out.write_text(
            json.dumps(
                {"kind": "simulated", "date": date.today().isoformat(), "model": load_model(given.model).named()}
                | {"boards": given.boards, "scores": table},
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
