"""Core-seconds of a command on a small image, where the start is nearly all, beside the imports that no such command can leave out.

python benchmarks/start.py [--rounds 9] [--out benchmarks/results/start.json]

Rounds go A B C A B C, the least of each is told: on a shared machine the rest is the others' doing. One thread, warm files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import _one_thread  # noqa: F401
import numpy as np

SIZE_PX, OPEN_BEAM = 64, 50_000.0
PYTHON = {
    "python": "pass",
    "numpy": "import numpy",
    "numpy, scipy.fft, scipy.ndimage": "import numpy, scipy.fft, scipy.ndimage",
    "the same, typer, pydantic, tifffile": "import numpy, scipy.fft, scipy.ndimage, typer, pydantic, tifffile",
}
"""What a command cannot do without; the last is the floor of one that filters an image."""


def commands(folder: Path) -> dict[str, list[str]]:
    """Commands by name; all read or write the small images of the folder."""
    flat, out = str(folder / "flat.tif"), ["-o", str(folder / "out.tif"), "--overwrite"]
    exposed = ["--exposure-s", "0.25"]
    return {
        "--version": ["--version"],
        "--help": ["--help"],
        "restore --help": ["restore", "--help"],
        "info": ["info", flat],
        "model list": ["model", "list"],
        "measure flat": ["measure", "flat", flat],
        "simulate flat": ["simulate", "flat", "-o", str(folder / "made"), "--size-px", str(SIZE_PX), "--overwrite"],
        "degrade": ["degrade", flat, *out, *exposed],
        "restore --method wiener": ["restore", flat, *out, *exposed, "--method", "wiener"],
        "restore": ["restore", flat, *out, *exposed],
    }


def core_seconds(asked: list[str]) -> float:
    """User and system time of a process from its start to its end."""
    process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(asked)} ended with code {process.returncode}: {said.decode()}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    import coldray
    from coldray.radiograph import Acquisition, Radiograph

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        noisy = np.random.default_rng(0).normal(0.5, 0.01, (SIZE_PX, SIZE_PX)) * OPEN_BEAM
        known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)
        coldray.write(folder / "flat.tif", Radiograph(noisy.astype(np.uint16), known))
        runs = {what: [sys.executable, "-c", code] for what, code in PYTHON.items()}
        runs |= {what: [sys.executable, "-m", "coldray", *asked] for what, asked in commands(folder).items()}
        seconds: dict[str, list[float]] = {what: [] for what in runs}
        for number in range(given.rounds + 1):
            for what, asked in runs.items():
                found = core_seconds(asked)
                if number:
                    seconds[what].append(found)
    rows = [{"run": what, "core_s": round(min(values), 3)} for what, values in seconds.items()]
    for row in rows:
        print(f"{row['run']:38s} {row['core_s']:6.3f} core-s")
    if given.out:
        note = {
            "date": date.today().isoformat(),
            "rounds": given.rounds,
            "machine": platform.machine(),
            "load_average_of_1_min": round(os.getloadavg()[0], 1),
            "rows": rows,
        }
        given.out.write_text(json.dumps(note, indent=1) + "\n")


if __name__ == "__main__":
    main()
