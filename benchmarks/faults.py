"""What is left when a write fails or a process is killed: every point of eight commands, and the same command again.

python benchmarks/faults.py [--only NAME ...] [--points 8] [--out benchmarks/results/faults.json]

A command runs in a forked process in which the n-th opening, write, fsync or rename of a file with a final name, or the
n-th opening of a file to read, fails: with ENOSPC, EIO or EMFILE, or by SIGKILL. Then the same command runs without a
fault. Counted are final names that hold a part of a file, work that is lost or done twice, and what the second run
leaves: all should be zero. Data are simulated.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from coldray import files
from coldray.app.cli import main
from coldray.files import TEMPORARY_PREFIX, write_text
from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph

KINDS = {"open": ("EMFILE", "ENOSPC", "kill"), "write": ("ENOSPC", "EIO", "kill"), "fsync": ("EIO", "kill"),
         "rename": ("EIO", "kill"), "read": ("EIO", "EMFILE")}  # fmt: skip
FAST = ("--method", "wiener", "--exposure-s", "0.25", "--pitch-um", "48")
CHANGING = {"seconds", "time", "processor", "threads"}
"""Entries of records that differ from run to run."""


class Faults:
    """Count the calls of each kind in this process, and let one of them fail."""

    def __init__(self, kind: str = "", number: int = 0, fault: str = "") -> None:
        self.seen: Counter[str] = Counter()
        self._at, self._fault = (kind, number), fault

    def meet(self, kind: str) -> None:
        """Count one call; the chosen one fails."""
        self.seen[kind] += 1
        if (kind, self.seen[kind]) != self._at:
            return
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self._fault)
        raise OSError(number, os.strerror(number))

    def install(self) -> None:
        """Put the counters in the way of everything that coldray writes or reads."""
        real_open, meet = builtins.open, self.meet

        class Raw(io.FileIO):
            def write(self, data: Any) -> Any:
                meet("write")
                return super().write(data)

        def writing(path: Any, mode: str = "r", **more: Any) -> Any:
            if "x" not in mode:
                return real_open(path, mode, **more)
            meet("open")
            return io.BufferedRandom(Raw(path, "x+"))

        def reading(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            # what a user gave; libraries read many files of their own
            if "r" in mode and "+" not in mode and "in" in Path(os.fspath(path)).parts[-3:-1]:
                meet("read")
            return real_open(path, mode, *rest, **more)

        def counted(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **more: Any) -> Any:
                meet(kind)
                return call(*arguments, **more)

            return wrapped

        files.open = writing  # type: ignore[attr-defined]
        builtins.open = reading  # type: ignore[assignment]
        os.fsync, os.replace = counted("fsync", os.fsync), counted("rename", os.replace)


def run(arguments: list[str], faults: Faults, log: Path) -> tuple[int, dict[str, int]]:
    """Run a command in a forked process; returns its exit code (negative for a signal) and the calls it made."""
    calls = log.with_suffix(".calls")
    child = os.fork()
    if child == 0:
        code = 70
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1), os.dup2(out, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            files._swept.clear()
            faults.install()
            main(arguments)
        except SystemExit as left:
            code = int(str(left.code))
        finally:
            calls.write_text(json.dumps(faults.seen))
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, json.loads(calls.read_text()) if status >= 0 else {}


def same(content: Any) -> Any:
    """JSON without what differs from run to run."""
    if isinstance(content, dict):
        return {k: same(v) for k, v in content.items() if k not in CHANGING}
    return [same(v) for v in content] if isinstance(content, list) else content


def state(folder: Path) -> dict[str, Any]:
    """Content of every file with a final name: bytes, or JSON without what changes; ends alone of reports."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        if any(part.startswith(".coldray-") for part in path.relative_to(folder).parts):
            continue
        if path.suffix in (".json", ".jsonl"):
            try:
                found[name] = (
                    [same(json.loads(line)) for line in content.splitlines()]
                    if path.suffix == ".jsonl"
                    else same(json.loads(content))
                )
            except ValueError:
                found[name] = "no JSON"
        elif path.suffix in (".html", ".pdf", ".csv"):
            found[name] = content.rstrip()[-6:] if path.suffix != ".csv" else len(content.splitlines())
        else:
            found[name] = content
    return found


def leftovers(folder: Path) -> int:
    return sum(1 for _ in folder.rglob(f"{TEMPORARY_PREFIX}*.part"))


def sweep(name: str, arguments: Callable[[Path], list[str]], place: Path, points: int) -> dict[str, int]:
    """Let every sampled point of a command fail; returns the counts."""
    out, log = place / name, place / "log"
    code, calls = run(arguments(out), Faults(), log)
    if code != 0:
        raise SystemExit(f"{name} does not run: {log.read_text()}")
    wanted = state(out)
    counts = Counter(dict.fromkeys(("points", "partial_files", "traceback", "not_repaired", "leftovers", "unsaid"), 0))
    for kind, faults in KINDS.items():
        total = calls.get(kind, 0)
        for number in sorted({int(n) for n in np.linspace(1, total, min(points, total))} if total else ()):
            for fault in faults:
                shutil.rmtree(out, ignore_errors=True)
                code, _ = run(arguments(out), Faults(kind, number, fault), log)
                counts["points"] += 1
                said = log.read_text(errors="replace")
                counts["traceback"] += "Traceback" in said
                # a fault that cost a file must not end with code 0
                counts["unsaid"] += code == 0 and state(out).keys() != wanted.keys()
                now = state(out)
                # an input that cannot be read may be left out, with a word: then what is left is whole, but another
                broken = [n for n, held in now.items() if n not in wanted or (kind != "read" and held != wanted[n])]
                if broken:
                    print(f"{name} {kind} {number} {fault}: {broken}", flush=True)
                    counts["partial_files"] += len(broken)
                again = arguments(out)
                code, _ = run(again, Faults(), log)
                if code != 0 and "exists already" in log.read_text():
                    code, _ = run([*again, "--overwrite"], Faults(), log)
                if code != 0 or state(out) != wanted:
                    print(f"{name} {kind} {number} {fault}: second run {code}: {log.read_text()[-300:]}", flush=True)
                    counts["not_repaired"] += 1
                counts["leftovers"] += leftovers(place)
    return dict(counts)


def commands(place: Path) -> dict[str, Callable[[Path], list[str]]]:
    """Eight commands on small simulated data, by name; each writes into the folder it is given."""
    rng, known = np.random.default_rng(0), Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, exposure_s=0.25)
    source = place / "in"
    for kind, count, level in (("scans", 4, 30000), ("darks", 3, 500), ("flats", 3, 50000)):
        (place / kind / "in").mkdir(parents=True)
        for number in range(count):
            frame = np.rint(rng.normal(level, 200, (64, 80))).astype(np.uint16)
            write_image(place / kind / "in" / f"{number}.tif", Radiograph(frame, known))
    source.mkdir()
    shutil.copy(place / "scans" / "in" / "0.tif", source / "one.tif")
    ideal = ("simulate", "--ideal", "--pitch-um", "48", "--size-px", "256")
    run([*ideal, "edge", "-o", str(place / "edge")], Faults(), place / "log")
    run([*ideal, "flat", "--frames", "3", "-o", str(place / "flat")], Faults(), place / "log")
    edge, flats = next((place / "edge").rglob("000.tif")), next((place / "flat").rglob("000.tif")).parent
    shutil.copy(edge, source / "edge.tif")
    scans, one = str(place / "scans" / "in"), str(source / "one.tif")
    stacks = ("--dark", str(place / "darks" / "in"), "--flat", str(place / "flats" / "in"))
    return {
        "restore_folder": lambda out: ["restore", scans, "-o", str(out), *FAST, "--provenance", "--map"],
        "restore_file": lambda out: ["restore", one, "-o", str(out / "a.tif"), *FAST, "--report", "--provenance"],
        "correct": lambda out: ["correct", scans, "-o", str(out), *stacks],
        "characterise": lambda out: [
            "characterise", "--name", "thick", "--edge", str(source / "edge.tif"), "--flat", str(flats), "-o", str(out / "d.json"),
        ],
        "measure": lambda out: [
            "measure", "edge", str(source / "edge.tif"), "--csv", str(out / "mtf.csv"), "--report", str(out / "mtf.html"),
        ],
        "simulate_ideal": lambda out: [*ideal, "bars", "-o", str(out), "--frames", "2"],
        "simulate_board": lambda out: ["simulate", "board", "-o", str(out), "--size-px", "96", "--frames", "2"],
        "degrade": lambda out: ["degrade", scans, "-o", str(out), "--pitch-um", "48"],
    }  # fmt: skip


def everything() -> int:
    """Sweep and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--points", type=int, default=8, help="of every kind of call, spread over the command")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        todo = commands(place)
        result = {n: sweep(n, c, place, given.points) for n, c in todo.items() if not given.only or n in given.only}
    total: Counter[str] = Counter()
    for name, counts in result.items():
        total.update(counts)
        print(f"{name:16s} " + ", ".join(f"{v} {k}" for k, v in counts.items()))
    print(f"{'all':16s} " + ", ".join(f"{v} {k}" for k, v in total.items()))
    if given.out:
        write_text(given.out, json.dumps({"commands": result, "all": dict(total)}, indent=1) + "\n")
    return 1 if any(v for k, v in total.items() if k != "points") else 0


if __name__ == "__main__":
    raise SystemExit(everything())
