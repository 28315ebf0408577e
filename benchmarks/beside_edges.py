"""How level even ground is beside one long edge, and how near the default comes to the truth there, per contrast and dose.

python benchmarks/beside_edges.py [--repeats 6] [--out benchmarks/results/beside_edges.json]

Edges of `coldray.benchmark.paper.fourier`, simulated, built-in pair. PSNR [dB, range 1] is that of single results; the bias is the root
mean square of their mean less the truth. Border of 8 px left out. The core-seconds are those of the wide means of a 2048 x 2048 frame.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path

import _one_thread  # noqa: F401
import numpy as np

from coldray.benchmark.paper.contestants import DEFAULT, learned
from coldray.benchmark.paper.fourier import ANGLE_DEG, FourierRecipe, edge_images, repeats_of
from coldray.benchmark.paper.scenes import EXPOSURES_S
from coldray.files import write_text
from coldray.restoration.coarse import STEP_PX, mean_within
from coldray.restoration.model import load_model

CONTRASTS = (0.80, 0.20, 0.05)
INNER = slice(8, -8)


def wide_means_core_s(widths_px: list[float]) -> float:
    """Core-seconds of the means of even ground of one frame."""
    ground = np.ones((2048 // STEP_PX, 2048 // STEP_PX), dtype=np.float32)
    began = time.process_time()
    for width in widths_px:
        mean_within(ground, ground, width)
    return time.process_time() - began


def main() -> None:
    """Restore, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    model = load_model()
    (default,) = (c for c in learned(model, 1) if c.key == DEFAULT)
    rows = []
    for exposure_s in EXPOSURES_S:
        recipe = FourierRecipe(exposure_s=exposure_s, repeats=given.repeats)
        for contrast in CONTRASTS:
            blurred, truth = edge_images(contrast, ANGLE_DEG)
            error = (repeats_of(default, blurred, recipe, model.prior, 0) - truth)[:, INNER, INNER].astype(np.float64)
            row = {
                "exposure_s": exposure_s,
                "contrast": contrast,
                "psnr_db": round(float(-10 * np.log10(np.mean(error**2))), 2),
                "bias_rms": round(float(np.sqrt(np.mean(error.mean(axis=0) ** 2))), 5),
            }
            rows.append(row)
            print(row, flush=True)
    spent = round(wide_means_core_s([base.sigma_px for base in model.even.bases[1:]]), 4)
    print(f"wide means of 2048 x 2048: {spent} core-s")
    table = {"kind": "simulated", "date": date.today().isoformat(), "model": model.named(), "repeats": given.repeats}
    if given.out:
        write_text(given.out, json.dumps(table | {"wide_means_2048_core_s": spent, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
