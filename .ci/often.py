"""The whole suite several times, in random order and as a detached job has it: what its verdict hangs on besides the code.

python .ci/often.py [RUNS] [--beside 2] [--logs FOLDER] [further options of pytest]

Each run has a seed of its own, no terminal, SIGINT and SIGHUP ignored as under nohup, and a hash seed, locale and time
zone of its own; every second one has busy loops of the same priority beside it. One line is printed for each run: its
seed, what passed and failed, the core-seconds of the run with all its processes, and the load of the machine. With
--logs what pytest said is kept, and a run that passed there is not done again. Exit code 1 if a run failed.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = (sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", "not slow", "-p", "randomly")
LOOP = (sys.executable, "-c", "while True: pass")
PLACES = (("C.UTF-8", "UTC"), ("C", "Asia/Kolkata"), ("C.UTF-8", "America/St_Johns"))


def core_s() -> float:
    """Core-seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


def run(number: int, beside: int, options: list[str], log: Path) -> tuple[bool, str]:
    """One run: whether it passed, and its line; both from an earlier call where that one passed."""
    passed = log.with_suffix(".passed")
    if passed.exists():
        return True, passed.read_text(encoding="utf-8").strip()
    language, zone = PLACES[number % len(PLACES)]
    world = os.environ | {"LC_ALL": language, "TZ": zone, "PYTHONHASHSEED": str(number)}
    loops = [subprocess.Popen(LOOP) for _ in range(beside)]
    before = core_s()
    try:
        with log.open("wb") as out:
            command = [*TESTS, f"--randomly-seed={number}", *options]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=world, preexec_fn=detached
            )
        used = core_s() - before
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    said = summary(log.read_text(encoding="utf-8", errors="replace"))
    where = f"seed {number}, {language}, {zone}, {beside} busy loops beside, load {os.getloadavg()[2]:.0f}"
    line = f"{where}: {said}; {used:.0f} core-seconds"
    if done.returncode == 0:
        passed.write_text(line + "\n", encoding="utf-8")
    return done.returncode == 0, line


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="seed of the first run")
    parser.add_argument("--beside", type=int, default=2, help="busy loops beside every second run")
    parser.add_argument("--logs", type=Path, help="folder that keeps what pytest said; else nothing is kept")
    given, options = parser.parse_known_args()
    passed = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(given.first, given.first + given.runs):
            good, line = run(number, given.beside * (number % 2), options, folder / f"{number}.log")
            passed += good
            print(line, flush=True)
    print(f"{passed} of {given.runs} runs passed")
    return 0 if passed == given.runs else 1


if __name__ == "__main__":
    raise SystemExit(main())
