"""What `restore --response` brings towards the thin screen's own image: PSNR without and with the hardening law.

python benchmarks/response.py [--objects 3] [--side 256] [--response hardening:0.158,0.67] [--out benchmarks/results/response.json]

Boards of test families and plates, castings and batteries that training never saw, one frame of 1 s; simulated. The law's
numbers are those of laminate, see docs/theory/simulator.md; no object was used to choose them.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import _one_thread  # noqa: F401
import numpy as np
from _scenes import BOARD, seen

import coldray
from coldray.metrology.metrics import Convention, psnr_db
from coldray.simulation.paper import PITCH_MM

KINDS = (BOARD, "plate", "casting", "battery")
EXPOSURE_S = 1.0


def main() -> None:
    """Restore every object without and with the curve, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--response", default="hardening:0.158,0.67")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    convention, rows = Convention(match_gain=False), []
    stated = {"exposure_s": EXPOSURE_S, "pixel_pitch_mm": PITCH_MM}
    plain, mapped = coldray.Restorer(**stated), coldray.Restorer(response=given.response, **stated)
    for kind in KINDS:
        for number in range(given.objects):
            name, pair = seen(kind, number, "test", given.side)
            frame = pair.blurred.frame(EXPOSURE_S, np.random.default_rng([17, number]))
            scores = [psnr_db(restore(frame), pair.sharp.truth, convention) for restore in (plain, mapped)]
            rows.append(
                {"kind": kind, "object": name, "plain_db": round(scores[0], 2), "mapped_db": round(scores[1], 2)}
            )
            print(f"{name:32s} {scores[0]:6.2f} dB  with the curve {scores[1]:6.2f} dB", flush=True)
    gains = np.array([row["mapped_db"] - row["plain_db"] for row in rows])
    result = {
        "measured": "simulated objects; PSNR against the thin screen's own noise-free image, data range 1",
        "command": f"python benchmarks/response.py --objects {given.objects} --side {given.side}",
        "date": date.today().isoformat(),
        "response": given.response,
        "median_gain_db": round(float(np.median(gains)), 2),
        "worst_gain_db": round(float(gains.min()), 2),
        "objects": rows,
    }
    print(f"median gain {result['median_gain_db']} dB, worst {result['worst_gain_db']} dB")
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
