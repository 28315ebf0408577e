"""Frames per core-second, latency and resident memory of `coldray stream`, fed with raw frames of a simulated board through a pipe.

python benchmarks/stream.py [--size 1024] [--seconds 600] [--frames N] [--pace 0] [--workers 1] [--threads 1] [--out FILE]

The command judges every frame and writes it. It is fed as fast as it takes frames, or at a pace. Its processor seconds are
counted between two of its own reports, so the start does not count; Richardson-Lucy runs before and after in this process.
On a machine that others use, core-seconds, their ratio and the resident memory count; frames per second and latency are the
others' too, and the row says how busy the machine was. Memory is compared at fixed numbers of frames, not at times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from speed import EXPOSURE_S, OPEN_BEAM, PITCH_MM, RL, THREADS, peer, scenes

from coldray.restoration.model import load_model

FRAMES = 8
"""Different frames that come in turn: one board, turned and mirrored."""
REPORT_S = 5.0
"""Time between two reports [s]."""
EARLY_FRAMES = 120
"""When the resident memory is first told: a minute's frames at two per second, however long they took here."""
CORES, EFFICIENCY = 8, 0.75
"""Of the estimate: one frame per core, and what of a core is left when all are busy (assumed, not measured)."""
TICK_S, PAGE_BYTES = 1 / os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def frames_of(size: int, folder: Path) -> list[np.ndarray]:
    """The board in all its turns."""
    import coldray

    scenes(size, [folder / "scene.tif"])
    stored = coldray.read(folder / "scene.tif").pixels
    return [np.ascontiguousarray(np.rot90(one, k)) for k in range(FRAMES // 2) for one in (stored, stored.T)]


def rl_core_seconds(frame: np.ndarray) -> float:
    """Processor seconds of 30 iterations of Richardson-Lucy."""
    restore = peer(RL)
    began = time.process_time()
    restore(frame)
    return time.process_time() - began


class Watch:
    """What the command says and uses, sampled while it runs."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path) -> None:
        self._process, self._out = process, out
        self.began = time.monotonic()
        self.reports: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            found = json.loads(text)
            kept = {"t_s": time.monotonic() - self.began, "frames": found["written"], "latency_ms": found["latency_ms"]}
            self.reports.append(kept | self._used())
            for file in sorted(self._out.glob("frame_*.tif"))[:-1]:
                file.unlink()

    def _used(self) -> dict[str, float]:
        """Processor seconds and resident memory; nothing once the process has ended."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return {}
        return {"core_s": (int(fields[11]) + int(fields[12])) * TICK_S, "resident_mb": pages * PAGE_BYTES / 2**20}

    def last(self) -> dict[str, Any]:
        """The last report, after the end."""
        self._thread.join()
        return self.reports[-1]


def run(given: argparse.Namespace, frames: list[np.ndarray], folder: Path) -> dict[str, Any]:
    """Feed the command until time or frames are over."""
    out = folder / "restored"
    asked = [sys.executable, "-m", "coldray", "stream", "--raw", f"{given.size}x{given.size}:u2", "-o", str(out)]
    asked += ["--open-beam", str(OPEN_BEAM), "--pitch-um", str(1000 * PITCH_MM), "--exposure-s", str(EXPOSURE_S)]
    asked += ["--workers", str(given.workers), "--report-s", str(REPORT_S), "--json"]
    environment = os.environ | dict.fromkeys(THREADS, str(given.threads))
    process = subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    watch, number = Watch(process, out), 0
    while time.monotonic() - watch.began < given.seconds and (given.frames is None or number < given.frames):
        process.stdin.write(frames[number % FRAMES].tobytes())
        process.stdin.flush()
        number += 1
        if given.pace:
            time.sleep(max(0.0, watch.began + number / given.pace - time.monotonic()))
    process.stdin.close()
    if process.wait():
        raise SystemExit(f"the command ended with code {process.returncode}")
    last = watch.last()
    told = [report for report in watch.reports if "core_s" in report and report["frames"] > 0]
    if len(told) < 2 or told[-1]["frames"] == told[0]["frames"]:
        raise SystemExit(f"{number} frames were over within {REPORT_S:g} s, between two reports; ask for more")
    first, end = told[0], told[-1]
    early = next((report for report in told if report["frames"] >= EARLY_FRAMES), first)
    taken = end["frames"] - first["frames"]
    return {
        "frames": last["frames"],
        "seconds": round(last["t_s"], 1),
        "core_s_per_frame": round((end["core_s"] - first["core_s"]) / taken, 3),
        "frames_per_s": round(taken / (end["t_s"] - first["t_s"]), 3),
        "latency_ms": last["latency_ms"],
        "resident_mb_early": round(early["resident_mb"], 1),
        "resident_mb_late": round(end["resident_mb"], 1),
        "resident_growth_mb": round(end["resident_mb"] - early["resident_mb"], 1),
        "early": {"frames": early["frames"], "seconds": round(early["t_s"], 1)},
        "late": {"frames": end["frames"], "seconds": round(end["t_s"], 1)},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=1024, help="side of a frame [pixels]")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--frames", type=int, default=None, help="end after this many; by time alone without it")
    parser.add_argument("--pace", type=float, default=0.0, help="frames per second; 0 for as fast as they are taken")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None, help="JSON file; keeps what was measured of other sizes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        frames = frames_of(given.size, Path(name))
        busy = os.getloadavg()[0]
        before = rl_core_seconds(frames[0])
        found = run(given, frames, Path(name))
        reference = (before + rl_core_seconds(frames[0])) / 2
    asked = {what: getattr(given, what) for what in ("size", "workers", "threads", "pace")}
    row = {"date": date.today().isoformat(), "kind": "simulated", "model": load_model().named(), **asked, **found}
    row["p99_over_p50"] = round(found["latency_ms"]["p99"] / found["latency_ms"]["p50"], 2)
    row["load_average_of_1_min"] = [round(busy, 1), round(os.getloadavg()[0], 1)]
    row["rl30_core_s"] = round(reference, 3)
    row["over_rl30"] = round(found["core_s_per_frame"] / reference, 3)
    row["estimate"] = {"cores": CORES, "efficiency_assumed": EFFICIENCY}
    row["estimate"]["frames_per_s"] = round(CORES * EFFICIENCY / found["core_s_per_frame"], 1)
    times = found["latency_ms"]
    print(f"{given.size}^2: {found['frames']} frames in {found['seconds']} s, {found['core_s_per_frame']} core-s each")
    print(f"{row['over_rl30']} of RL(30); {found['frames_per_s']} frames/s here; latency {times}")
    print(f"p99 over p50: {row['p99_over_p50']}; load {row['load_average_of_1_min']}")
    print(
        f"resident {found['resident_mb_early']} MB at {found['early']}, {found['resident_growth_mb']:+} MB at {found['late']}"
    )
    print(f"estimate: {row['estimate']['frames_per_s']} frames/s on {CORES} cores, {EFFICIENCY:.0%} of each (assumed)")
    if given.out:
        kept = json.loads(given.out.read_text())["rows"] if given.out.is_file() else []
        kept = [one for one in kept if any(one[what] != value for what, value in asked.items())]
        note = {"machine": platform.machine(), "cores": os.cpu_count(), "rows": [*kept, row]}
        given.out.write_text(json.dumps(note, indent=1) + "\n")


if __name__ == "__main__":
    main()
