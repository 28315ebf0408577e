"""Mutated files through every reader of what others made: refused in one line, read, or a finding.

python benchmarks/fuzz.py [--seconds 60] [--random-state 0] [--only NAME ...] [--keep FOLDER] [--out FILE.json]

Small files (`_fuzz_readers.py`, `_fuzz_boards.py`, `_fuzz_settings.py`) are mutated: bits, bytes, numbers, runs, cuts, pieces of other files of their kind. Each
execution may end in a value or in a `ColdrayError`; a finding is any other exception, several lines, 10 s of the
processor, 2 GB more memory, or the end of the process. Execution k of a reader depends on the random state and k alone,
so a finding is repeated by its number; the first ones are the files as they are.

Printed for each reader: executions, findings, and the share of the branches of its functions that were taken;
functions that write are not counted. Below 60 % the run fails.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import coverage
import numpy as np
from _fuzz_boards import Reader
from _fuzz_readers import PACKAGE, readers

from coldray.errors import ColdrayError
from coldray.files import write_text
from coldray.objects.gerber.apertures import GerberError

HANG_S, MEMORY_BYTES, BATCH = 10, 2 * 2**30, 100
LEAST_BRANCHES = 0.6
"""Share of a reader's branches below which the run fails."""
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
WORDS = (b"NaN", b"1e999", b"-1", b"null", b"{", b"]", b'"', b"9" * 40, b"\x00", b"\xff\xfe", b"%SRX9Y9*%", b"../../x")

REFUSALS: tuple[type[Exception], ...] = (ColdrayError, GerberError)
"""What a reader may raise; the reader of boards turns the second into the first, with the name of the file."""


def mutate(content: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One to eight changes of a file."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(0, len(data) + 1))
        kind = int(rng.integers(0, 8))
        if kind == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and at < len(data):
            data[at] = int(rng.integers(0, 256))
        elif kind == 2:
            size = int(rng.choice([1, 2, 4, 8]))
            number = int(NUMBERS[int(rng.integers(0, len(NUMBERS)))]) % 256**size
            data[at : at + size] = number.to_bytes(size, "little" if rng.random() < 0.5 else "big")
        elif kind == 3:
            data[at:at] = WORDS[int(rng.integers(0, len(WORDS)))]
        elif kind == 4:
            del data[at : at + int(rng.integers(1, 64))]
        elif kind == 5:
            data[at:at] = data[at : at + int(rng.integers(1, 64))] * int(rng.integers(1, 20))
        elif kind == 6 and rng.random() < 0.3:
            del data[at:]
        elif kind == 7:
            other = others[int(rng.integers(0, len(others)))]
            start = int(rng.integers(0, len(other) + 1))
            data[at : at + 32] = other[start : start + int(rng.integers(1, 256))]
    return bytes(data)


def made(reader: Reader, random_state: int, kind: int, number: int) -> bytes:
    """Input of one execution: a file of the corpus as it is, later a mutation of one."""
    corpus = reader.corpus
    if number < len(corpus):
        return corpus[number]
    rng = np.random.default_rng([random_state, kind, number])
    return mutate(corpus[int(rng.integers(0, len(corpus)))], corpus, rng)


def execute(read: Callable[[Path], Any], path: Path) -> str:
    """Outcome of one execution: "read", "refused", or what is wrong with it."""
    try:
        read(path)
    except REFUSALS as problem:
        one_line = isinstance(problem, GerberError) or len(str(problem).splitlines()) == 1
        return "refused" if one_line else f"several lines: {problem}"
    except TimeoutError:
        return f"more than {HANG_S} s"
    except BaseException as problem:
        return f"{type(problem).__name__}: {problem}"
    return "read"


@dataclass
class Tally:
    """What came of one reader.

    Parameters
    ----------
    executions, read, refused : int
    findings : dict
        Number of the first execution by what is wrong.
    branches, taken : int
        Of the functions that read.
    """

    executions: int = 0
    read: int = 0
    refused: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    branches: int = 0
    taken: int = 0

    @property
    def share(self) -> float:
        """Share of the branches that were taken."""
        return self.taken / self.branches if self.branches else 1.0

    def count(self, number: int, outcome: str) -> bool:
        """Add one execution; says whether it is a finding of a new kind."""
        self.executions += 1
        if outcome in ("read", "refused"):
            setattr(self, outcome, getattr(self, outcome) + 1)
            return False
        new = outcome[:60] not in self.findings
        self.findings.setdefault(outcome[:60], number)
        return new


class Campaign:
    """Executions of one reader, in processes of their own."""

    def __init__(self, name: str, reader: Reader, random_state: int, folder: Path) -> None:
        self.name, self.reader, self.tally = name, reader, Tally()
        self._seed, self._folder = (random_state, zlib.crc32(name.encode())), folder / name
        self._folder.mkdir()
        self._measured = [str(PACKAGE / module) for module in reader.modules]

    def run(self, until_s: float, keep: Path | None) -> None:
        """Execute until the clock shows `until_s`, and at least every file as it is."""
        while time.monotonic() < until_s or self.tally.executions < len(self.reader.corpus):
            first = self.tally.executions
            for number, outcome in enumerate(self._batch(range(first, first + BATCH)), start=first):
                whole = number < len(self.reader.wholes) and outcome != "read"
                if self.tally.count(number, f"a whole file is {outcome}" if whole else outcome) and keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    path = keep / f"{self.name}-{number}{self.reader.suffix}"
                    path.write_bytes(made(self.reader, *self._seed, number))
        self._cover()

    def _batch(self, numbers: range) -> list[str]:
        """Outcomes of some executions; the last one is the end of the process if that was not a good one."""
        path, told = self._folder / f"input{self.reader.suffix}", self._folder / "told"
        told.write_text("")
        child = os.fork()
        if child == 0:
            warnings.simplefilter("ignore")
            sys.stderr = sys.stdout = open(os.devnull, "w")
            held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES,) * 2)
            # a reader that hangs inside a library never sees the first alarm: the second one ends the process
            signal.signal(signal.SIGPROF, lambda *_: (signal.signal(signal.SIGPROF, signal.SIG_DFL), _late()))
            taken = coverage.Coverage(
                str(self._folder / f"taken.{numbers[0]}"), branch=True, config_file=False, include=self._measured
            )
            with open(told, "a", buffering=1) as out:
                for number in numbers:
                    path.write_bytes(made(self.reader, *self._seed, number))
                    signal.setitimer(signal.ITIMER_PROF, HANG_S, HANG_S)
                    taken.start()
                    outcome = execute(self.reader.read, path)
                    taken.stop()
                    signal.setitimer(signal.ITIMER_PROF, 0)
                    out.write(json.dumps(outcome) + "\n")
            taken.save()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = [str(json.loads(line)) for line in told.read_text().splitlines()]
        return found if status == 0 else [*found, f"the process ended with {status}"]

    def _cover(self) -> None:
        """Count the branches of the functions that read."""
        total = coverage.Coverage(
            str(self._folder / "all"), branch=True, config_file=False, include=self._measured, messages=False
        )
        total.combine([str(path) for path in self._folder.glob("taken.*")])
        report = self._folder / "report.json"
        total.json_report(outfile=str(report))
        for file in json.loads(report.read_text())["files"].values():
            for name, function in file["functions"].items():
                if name and name not in self.reader.apart:
                    self.tally.branches += function["summary"]["num_branches"]
                    self.tally.taken += function["summary"]["covered_branches"]


def _late() -> None:
    raise TimeoutError


def everything() -> int:
    """Fuzz every reader for its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    parser.add_argument("--out", type=Path, help="JSON")
    given = parser.parse_args()
    result, bad = {}, 0
    with tempfile.TemporaryDirectory() as name:
        chosen = {k: v for k, v in readers(Path(name)).items() if not given.only or k in given.only}
        for reader, how in chosen.items():
            campaign = Campaign(reader, how, given.random_state, Path(name))
            campaign.run(time.monotonic() + given.seconds / len(chosen), given.keep)
            found = campaign.tally
            bad += bool(found.findings) or found.share < LEAST_BRANCHES
            result[reader] = asdict(found) | {"share": round(found.share, 3)}
            print(
                f"{reader:9s} {found.executions} executions, {found.read} read, {found.refused} refused, "
                f"{found.taken} of {found.branches} branches ({found.share:.0%}), findings: {found.findings or 'none'}",
                flush=True,
            )
    executions = sum(counts["executions"] for counts in result.values())
    branches, taken = (sum(counts[key] for counts in result.values()) for key in ("branches", "taken"))
    print(f"all       {executions} executions, {taken} of {branches} branches ({taken / max(branches, 1):.0%})")
    if given.out:
        write_text(given.out, json.dumps({"random_state": given.random_state, "readers": result}, indent=1) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(everything())
