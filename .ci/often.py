"""The whole suite several times, in random order and as a detached job has it: what its verdict hangs on besides the code.

python .ci/often.py [RUNS] [--beside 2] [--logs FOLDER] [--out FILE] [further options of pytest]

Each run has a seed of its own, no terminal, SIGINT and SIGHUP ignored as under nohup, a hash seed, locale and time zone
of its own, and busy loops of the same priority beside it. One line is printed for each run: its seed, what passed and
failed, the core-seconds of the run with all its processes, and what every other process took of the cores meanwhile,
busy loops or any other work; --out writes them to a file (JSON). With --logs what pytest said is kept, and a run that
passed there is not done again. Exit code 1 if a run failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

TESTS = (sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", "not slow", "-p", "randomly")
LOOP = (sys.executable, "-c", "while True: pass")
PLACES = (("C.UTF-8", "UTC"), ("C", "Asia/Kolkata"), ("C.UTF-8", "America/St_Johns"))


def core_s() -> float:
    """Core-seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine_core_s() -> float:
    """Core-seconds that this machine has worked since it started, of all processes: /proc/stat but idle and waiting."""
    spent = [float(each) for each in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(spent) - spent[3] - spent[4]) / os.sysconf("SC_CLK_TCK")


def detached() -> None:
    """As nohup leaves a process in a session of its own."""
    os.setsid()
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def summary(output: str) -> str:
    """The last line of pytest's that counts, and the names of what failed."""
    lines = output.splitlines()
    counted = [line for line in lines if re.search(r"\d+ (passed|failed|error)", line)]
    failed = [line.partition(" ")[2].split(" - ")[0] for line in lines if re.match(r"(FAILED|ERROR) ", line)]
    return "; ".join([counted[-1].strip("= ") if counted else "no verdict", *failed])


def run(number: int, beside: int, options: list[str], log: Path) -> dict:
    """One run: what is printed of it; of an earlier call where that one passed."""
    passed = log.with_suffix(".passed.json")
    if passed.exists():
        return json.loads(passed.read_text(encoding="utf-8"))
    language, zone = PLACES[number % len(PLACES)]
    world = os.environ | {"LC_ALL": language, "TZ": zone, "PYTHONHASHSEED": str(number)}
    loops = [subprocess.Popen(LOOP) for _ in range(beside)]
    before, machine, began = core_s(), machine_core_s(), time.monotonic()
    try:
        with log.open("wb") as out:
            command = [*TESTS, f"--randomly-seed={number}", *options]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=world, preexec_fn=detached
            )
        used, others = core_s() - before, machine_core_s() - machine
        wall = time.monotonic() - began
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    row = {
        "seed": number,
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "locale": language,
        "time_zone": zone,
        "busy_loops": beside,
        "passed": done.returncode == 0,
        "verdict": summary(log.read_text(encoding="utf-8", errors="replace")),
        "core_s": round(used, 1),
        "others_core_s": round(others - used, 1),
        "wall_s": round(wall, 1),
    }
    if row["passed"]:
        passed.write_text(json.dumps(row), encoding="utf-8")
    return row


def line(row: dict) -> str:
    """A run in a line."""
    where = f"seed {row['seed']}, {row['locale']}, {row['time_zone']}, {row['busy_loops']} busy loops beside"
    spent = f"{row['core_s']:.0f} core-seconds in {row['wall_s']:.0f} s, all other processes {row['others_core_s']:.0f}"
    return f"{where}: {row['verdict']}; {spent}"


def main() -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="seed of the first run")
    parser.add_argument("--beside", type=int, default=2, help="busy loops beside every run")
    parser.add_argument("--logs", type=Path, help="folder that keeps what pytest said; else nothing is kept")
    parser.add_argument("--out", type=Path, help="JSON file")
    given, options = parser.parse_known_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(given.first, given.first + given.runs):
            rows.append(run(number, given.beside, options, folder / f"{number}.log"))
            print(line(rows[-1]), flush=True)
    passed = sum(row["passed"] for row in rows)
    print(f"{passed} of {given.runs} runs passed")
    if given.out:
        given.out.write_text(json.dumps({"runs_passed": passed, "runs": rows}, indent=1) + "\n", encoding="utf-8")
    return 0 if passed == given.runs else 1


if __name__ == "__main__":
    raise SystemExit(main())
