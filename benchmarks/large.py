"""Memory, time and exactness of frames larger than memory: `coldray restore` on simulated boards side by side.

python benchmarks/large.py [--sides 2048 8192 12000] [--compared 4096] [--run wiener provenance …] [--out benchmarks/results/large.json]

Every run is a command of its own that reads a TIFF file of 16 bits and writes one, by the default model with gate and
certificate, on one thread. The frame of `--compared` pixels a side is restored in memory and, with less of it allowed, on disk: both
results are compared pixel by pixel and word by word. `--run` measures other ways through the command, each on a frame of every
side, under the name of the way; "verify" repeats a Wiener restoration from its record. What is measured anew replaces its entry in the file;
every entry names the model that it was measured with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import speed
from speed import EXPOSURE_S, THREADS

MARK_PEAK_MB, MARK_RATIO, MARK_STEPS = 1500.0, 16.5, 0.5
COMMAND = "from coldray.app.cli import main; main()"
ON_DISK = "from coldray import scratch; scratch.LARGEST_WHOLE_PIXELS = 0; " + COMMAND
"""The same with every frame on disk."""


def scene(side: int, path: Path) -> None:
    """Write the frame, in a process of its own: the peak of a command counts what its parent held when it was started."""
    subprocess.run([sys.executable, speed.__file__, "--scene", str(side), str(path)], check=True)


WAYS = {
    "wiener": ["--method", "wiener"],
    "provenance": ["--provenance"],
    "interval": ["--interval"],
    "report": ["--report"],
    "map": ["--map"],
    "all beside": ["--provenance", "--interval", "--report", "--map"],
    "wiener with all beside": ["--method", "wiener", "--provenance", "--report", "--map"],
    "verify": ["--method", "wiener"],
}
"""Other ways through the command than the default, and the options of `coldray restore` that take them."""


def run(source: Path, target: Path, command: str = COMMAND, way: str = "") -> dict[str, float]:
    """Core-seconds, wall time and peak resident memory [MB] of one command; the record that "verify" repeats is written before."""
    asked = ["restore", str(source), "-o", str(target), "--overwrite", "--exposure-s", str(EXPOSURE_S)]
    asked += WAYS.get(way, [])
    if way == "verify":
        measured(asked, command)
        asked = ["verify", str(target)]
    return measured(asked, command)


def measured(asked: list[str], command: str) -> dict[str, float]:
    """Core-seconds, wall time and peak resident memory [MB] of the command with these words."""
    environment = os.environ | dict.fromkeys(THREADS, "1")
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", command, *asked], stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command ended with code {process.returncode}")
    return {
        "core_s": round(used.ru_utime + used.ru_stime, 2),
        "wall_s": round(time.perf_counter() - began, 2),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6),
    }


def compared(source: Path, folder: Path) -> dict[str, object]:
    """How far a frame restored on disk differs from one in memory."""
    import numpy as np

    import coldray

    in_memory, on_disk = folder / "in_memory.tif", folder / "on_disk.tif"
    runs = {"in_memory": run(source, in_memory), "on_disk": run(source, on_disk, ON_DISK)}
    one, other = coldray.read(in_memory), coldray.read(on_disk)
    steps = np.abs(one.pixels.astype(np.int32) - other.pixels.astype(np.int32))
    return runs | {
        "largest_difference_steps": int(steps.max()),
        "differing_share": float(np.mean(steps > 0)),
        "records_equal": [s.details for s in one.history] == [s.details for s in other.history],
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[2048, 8192, 12000])
    parser.add_argument("--compared", type=int, default=4096)
    parser.add_argument("--run", nargs="*", default=[], choices=WAYS, metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    kept = json.loads(given.out.read_text()) if given.out and given.out.exists() else {"sides": {}}
    kept["scene"] = "simulated"
    kept["marks"] = {"peak_mb_12000": MARK_PEAK_MB, "ratio_8192_2048": MARK_RATIO, "steps": MARK_STEPS}
    said = {"date": date.today().isoformat(), "model": model()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for side in given.sides:
            scene(side, folder / "frame.tif")
            for way in given.run or [""]:
                found = run(folder / "frame.tif", folder / "out.tif", way=way) | said
                place = kept.setdefault("ways", {}).setdefault(way, {}) if way else kept["sides"]
                place[str(side)] = found
                print(side, way, found, flush=True)
                keep(kept, given.out)
        if given.compared:
            scene(given.compared, folder / "frame.tif")
            kept["compared"] = {"side": given.compared, **said, **compared(folder / "frame.tif", folder)}
            print(kept["compared"])
            keep(kept, given.out)


def model() -> dict[str, str]:
    """Name and sha256 of the model that is measured."""
    from coldray.restoration.model import load_model

    shipped = load_model()
    return {"name": shipped.name, "sha256": shipped.sha256}


def keep(found: dict[str, Any], out: Path | None) -> None:
    """Write what was measured so far, with the ratio of two sizes."""
    small, large = (found["sides"].get(side) for side in ("2048", "8192"))
    if small and large:
        found["ratio_8192_2048"] = {what: round(large[what] / small[what], 2) for what in ("wall_s", "core_s")}
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
