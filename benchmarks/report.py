"""Core-seconds that `--report` adds to `coldray restore`, beside the same command without it; simulated board.

python benchmarks/report.py [--size 1024] [--rounds 3] [--out benchmarks/results/report.json]

Rounds go A B A B, and the median of each is told: what a report costs is their difference. One thread, warm files.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median

import _one_thread  # noqa: F401
import speed
from start import core_seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the image [pixels]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as name:
        scene, out = Path(name) / "scene.tif", Path(name) / "out.tif"
        subprocess.run([sys.executable, speed.__file__, "--scene", str(given.size), str(scene)], check=True)
        asked = [sys.executable, "-m", "coldray", "restore", str(scene), "-o", str(out), "--overwrite"]
        asked += ["--exposure-s", str(speed.EXPOSURE_S)]
        for _ in range(given.rounds):
            seconds["without"].append(core_seconds(asked))
            seconds["with"].append(core_seconds([*asked, "--report"]))
    each = {what: round(median(values), 3) for what, values in seconds.items()}
    added = round(each["with"] - each["without"], 3)
    print(
        f"{given.size}^2: {each['without']:.2f} core-s without, {each['with']:.2f} with a report, which adds {added:.2f}"
    )
    if given.out:
        note = {
            "date": date.today().isoformat(),
            "kind": "simulated",
            "machine": platform.machine(),
            "size": given.size,
            "rounds": given.rounds,
            "core_s": each,
            "report_core_s": added,
        }
        given.out.write_text(json.dumps(note, indent=1) + "\n")


if __name__ == "__main__":
    main()
