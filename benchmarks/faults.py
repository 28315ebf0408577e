"""What is left when a write fails or a process is killed: points all over thirteen commands, and the same command again.

python benchmarks/faults.py [--only NAME ...] [--points 8] [--out benchmarks/results/faults.json]

A command runs in a forked process in which the n-th opening, write, fsync or rename of a file that it writes, or the
n-th opening of a file that the user gave, fails: with ENOSPC, EIO or EMFILE, or by SIGKILL. Then the same command runs
without a fault. Commands whose files belong together run once more over an older result, with --overwrite. Counted are

- partial_files: final names that hold neither what was there nor what the unbroken command leaves there; where a
  command goes on from where it ended, its files over the whole run may hold what the unbroken one left there earlier,
- not_together: runs that ended with an error and left some of the files that belong together; a reading that failed
  does not count, because the result of that input alone is left out, and the command says so,
- double_work: finished files that the second run made again, beyond the one that was in the making,
- lost_work: finished or older files that are gone,
- not_repaired: second runs that fail or end with other files than the unbroken command,
- leftovers: unfinished files that are there after the second run, in the output or in the folder for temporary files,
- unsaid: a fault that cost a file and ended with code 0; traceback: one that ended with a traceback.

All should be zero. SQLite's own writes (the ledger of a batch) are not among the points. Data are simulated.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import io
import json
import os
import pkgutil
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _faulty import KINDS, Faults, run

import coldray
from coldray.app.cli import main
from coldray.files import write_text
from coldray.formats import write_image
from coldray.leftovers import TEMPORARY_PREFIX
from coldray.radiograph import Acquisition, Radiograph

COUNTS = (
    "points", "partial_files", "not_together", "double_work", "lost_work", "not_repaired", "leftovers", "unsaid", "traceback",
)  # fmt: skip
FAST = ("--method", "wiener", "--exposure-s", "0.25", "--pitch-um", "48")
CHANGING = {"seconds", "time", "processor", "threads", "samples_per_second", "images_per_second", "host"}
"""Entries of records that differ from run to run."""
OLD = b"an older result"


@dataclass(frozen=True)
class Command:
    """One command of the sweep.

    Parameters
    ----------
    arguments : callable
        Command line that writes into a folder.
    together : bool
        Whether its files are one result: all of them or none.
    resumes : bool
        Whether the second run goes on where the first ended.
    """

    arguments: Callable[[Path], list[str]]
    together: bool = False
    resumes: bool = False


def same(content: Any) -> Any:
    """JSON without what differs from run to run."""
    if isinstance(content, dict):
        return {k: same(v) for k, v in content.items() if k not in CHANGING}
    return [same(v) for v in content] if isinstance(content, list) else content


def state(folder: Path) -> dict[str, Any]:
    """Content of every file with a final name: bytes, or JSON and CSV without what changes; ends alone of reports."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        if any(part.startswith(TEMPORARY_PREFIX) for part in path.relative_to(folder).parts):
            continue
        if content == OLD:
            found[name] = content
        elif path.suffix in (".json", ".jsonl"):
            lines = content.splitlines() if path.suffix == ".jsonl" else [content]
            try:
                found[name] = (content[-1:], [same(json.loads(line)) for line in lines])
            except ValueError:
                found[name] = "no JSON"
        elif path.suffix == ".csv":
            rows = csv.DictReader(io.StringIO(content.decode(errors="replace"), newline=""))
            found[name] = (content[-1:], rows.fieldnames, [same(row) for row in rows])
        elif path.suffix in (".html", ".pdf"):
            found[name] = content.rstrip()[-6:]
        else:
            found[name] = content
    return found


def touched(folder: Path) -> dict[str, int]:
    """When each file was made or changed, by name."""
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def leftovers(place: Path) -> set[str]:
    """Unfinished files in the outputs, and whatever lies in the folder for temporary files."""
    found = {*place.rglob(f"{TEMPORARY_PREFIX}*.part"), *(place / "tmp").iterdir()}
    return {path.relative_to(place).as_posix() for path in found}


class Sweep:
    """All sampled points of one command."""

    def __init__(self, name: str, command: Command, place: Path) -> None:
        self.name, self.command, self.place, self.out = name, command, place, place / name
        kept = place / "kept"
        code, self.calls = run(command.arguments(self.out), Faults(kept=kept), place)
        if code != 0:
            raise SystemExit(f"{name} does not run: {(place / 'log').read_text()}")
        self.wanted, self.there = state(self.out), leftovers(place)
        self.held = {n: [content] for n, content in self.wanted.items()}
        if command.resumes:
            for moment in kept.glob(f"*/{name}"):
                for n, content in state(moment).items():
                    if n not in self.wanted or Path(n).name.startswith(SUMMARIES):
                        self.held.setdefault(n, []).append(content)
        shutil.rmtree(kept, ignore_errors=True)
        self.counts = Counter(dict.fromkeys(COUNTS, 0))

    def everywhere(self, points: int) -> dict[str, int]:
        """Let every sampled call fail."""
        for kind, faults in KINDS.items():
            total = self.calls.get(kind, 0)
            for number in sorted({int(n) for n in np.linspace(1, total, min(points, total))} if total else ()):
                for fault in faults:
                    self.fresh(kind, number, fault)
                    if self.command.together and kind != "read":
                        self.over_an_older(kind, number, fault)
        shutil.rmtree(self.out, ignore_errors=True)
        return {name: self.counts[name] for name in COUNTS}

    def _found(self, what: str, count: int, point: str, told: object = "") -> None:
        if count:
            self.counts[what] += count
            print(f"{self.name} {point}: {what} {told}", flush=True)

    def _faulty(self, arguments: list[str], kind: str, number: int, fault: str) -> int:
        self.counts["points"] += 1
        code, _ = run(arguments, Faults(kind, number, fault), self.place)
        said = (self.place / "log").read_text(errors="replace")
        self._found("traceback", "Traceback" in said, f"{kind} {number} {fault}", said[-300:])
        return code

    def fresh(self, kind: str, number: int, fault: str) -> None:
        """Fail where nothing was, then run again."""
        point, out, wanted = f"{kind} {number} {fault}", self.out, self.wanted
        shutil.rmtree(out, ignore_errors=True)
        code = self._faulty(self.command.arguments(out), kind, number, fault)
        now = state(out)
        self._found("unsaid", code == 0 and now.keys() != wanted.keys(), point)
        # a reading that failed may also change a result over all inputs: whole, but another
        final = {n for n in now if n in self.held or not self.command.resumes}
        partial = sorted(n for n in final if kind != "read" and now[n] not in self.held.get(n, ()))
        self._found("partial_files", len(partial), point, partial)
        # of an input that cannot be read the result is left out, with a word: the others are whole without it
        if self.command.together and fault != "kill" and kind != "read":
            self._found("not_together", now.keys() not in (set(), wanted.keys()), point, sorted(now))
        self._again(point, now)

    def _again(self, point: str, now: dict[str, Any]) -> None:
        """Run without a fault and compare."""
        out, before = self.out, touched(self.out)
        code, _ = run(self.command.arguments(out), Faults(), self.place)
        log = self.place / "log"
        if code != 0 and "exists already" in log.read_text():
            code, _ = run([*self.command.arguments(out), "--overwrite"], Faults(), self.place)
        then = state(out)
        wrong = sorted(n for n in {*then, *self.wanted} if then.get(n) != self.wanted.get(n))
        self._found("not_repaired", code != 0 or bool(wrong), point, f"code {code}, {wrong}: {log.read_text()[-300:]}")
        self._found("lost_work", len([n for n in now if n in self.wanted and n not in then]), point)
        if self.command.resumes:
            after = touched(out)
            whole = [n for n in now if now[n] == self.wanted.get(n) and not Path(n).name.startswith(SUMMARIES)]
            again = sorted({n.split(".")[0] for n in whole if after.get(n) != before[n]})
            self._found("double_work", max(len(again) - 1, 0), point, again)
        left = leftovers(self.place) - self.there
        self._found("leftovers", len(left), point, sorted(left))

    def over_an_older(self, kind: str, number: int, fault: str) -> None:
        """Fail while an older result is replaced."""
        point, out = f"{kind} {number} {fault} over an older result", self.out
        shutil.rmtree(out, ignore_errors=True)
        for name in self.wanted:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(OLD)
        code = self._faulty([*self.command.arguments(out), "--overwrite"], kind, number, fault)
        now = state(out)
        self._found("lost_work", len(self.wanted.keys() - now.keys()), point, sorted(self.wanted.keys() - now.keys()))
        self._found("partial_files", len([n for n in now if now[n] not in (OLD, self.wanted.get(n))]), point)
        if fault != "kill":
            self._found("not_together", code != 0 and any(v != OLD for v in now.values()), point, sorted(now))


SUMMARIES = ("report.", "scores.", "validation.")
"""Files over a whole run, which are written anew whenever something is added."""


def commands(place: Path) -> dict[str, Command]:
    """Thirteen commands on small simulated data, by name."""
    rng, known = np.random.default_rng(0), Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, exposure_s=0.25)
    source = place / "in"
    for kind, count, level in (("scans", 4, 30000), ("darks", 3, 500), ("flats", 3, 50000)):
        (source / kind).mkdir(parents=True)
        for number in range(count):
            frame = np.rint(rng.normal(level, 200, (64, 80))).astype(np.uint16)
            write_image(source / kind / f"{number}.tif", Radiograph(frame, known))
    ideal = ("simulate", "--ideal", "--pitch-um", "48", "--size-px", "256")
    board = ("simulate", "board", "--size-px", "96", "--frames", "2")
    for made in (
        (*ideal, "edge", "-o", str(source / "edge")),
        (*ideal, "flat", "--frames", "3", "-o", str(source / "flat")),
        (*board, "--family", "power", "-o", str(source / "boards")),
        (*board, "--family", "mixed_signal", "--random-state", "1", "-o", str(source / "boards")),
    ):
        if run(list(made), Faults(), place)[0] != 0:
            raise SystemExit(f"{' '.join(made)}: {(place / 'log').read_text()}")
    edge, flats = next((source / "edge").rglob("000.tif")), next((source / "flat").rglob("000.tif")).parent
    recipe = source / "tiny.toml"
    recipe.write_text(RECIPE)
    scans, one = str(source / "scans"), str(source / "scans" / "0.tif")
    stacks = ("--dark", str(source / "darks"), "--flat", str(source / "flats"))
    trained = source / "run"
    code, _ = run(training(recipe, trained), Faults(), place)
    if code != 0:
        raise SystemExit(f"training: {(place / 'log').read_text()}")
    export = ["model", "export", str(trained / "run")]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        # what the exporter loads late, 8 s of it, is loaded before processes are forked
        main([*export, "-o", str(source / "m.onnx")])
    return {
        "restore_folder": Command(lambda out: ["restore", scans, "-o", str(out), *FAST, "--provenance", "--map"], resumes=True),
        "restore_file": Command(lambda out: ["restore", one, "-o", str(out / "a.tif"), *FAST, "--provenance"], True),
        "report": Command(lambda out: ["restore", one, "-o", str(out / "a.tif"), *FAST, "--report"], True),
        "correct": Command(lambda out: ["correct", scans, "-o", str(out / "m.tif"), *stacks, "--report", str(out / "m.html")], True),
        "correct_each": Command(lambda out: ["correct", scans, "-o", str(out), *stacks], True),
        "characterise": Command(lambda out: [
            "characterise", "--name", "thick", "--edge", str(edge), "--flat", str(flats), "-o", str(out / "d.json"),
            "--plot", str(out / "d.png"),
        ], True),
        "measure": Command(lambda out: [
            "measure", "edge", str(edge), "--csv", str(out / "mtf.csv"), "--report", str(out / "mtf.html"),
        ], True),
        "simulate_ideal": Command(lambda out: [*ideal, "bars", "-o", str(out), "--frames", "2"], True),
        "simulate_board": Command(lambda out: [*board, "-o", str(out)], True),
        "degrade": Command(lambda out: ["degrade", scans, "-o", str(out), "--pitch-um", "48"]),
        "prepare": Command(lambda out: [
            "prepare", str(source / "boards"), "-o", str(out), "--patches", "8", "--validation-patches", "0",
            "--test-patches", "4", "--workers", "1", "--patch-px", "32", "--context-px", "8", "--size-px", "96",
        ], resumes=True),
        "train": Command(lambda out: training(recipe, out), resumes=True),
        "export": Command(lambda out: [*export, "-o", str(out / "m.onnx")], True),
    }  # fmt: skip


def training(recipe: Path, out: Path) -> list[str]:
    """Command line of a training of six steps, with the fields that it makes."""
    return ["train", str(recipe), "--set", f"run={out / 'run'}", "--set", f"data.folder={out / 'fields'}"]


RECIPE = """
run = "run"
method = "cold"
random_state = 3
[data]
folder = "fields"
train_fields = 2
validation_fields = 1
field_size = 96
window = 64
margin = 16
[network]
name = "compact"
settings = { width = 16, deep_width = 16, blocks = [1, 1, 0], embedding = 8 }
[optimiser]
steps = 6
batch = 2
learning_rate = 1e-3
warmup_steps = 2
decay_steps = 2
border = 4
precision = "fp32"
threads = 1
[log]
validate_every = 2
save_every = 2
"""


def load_everything() -> None:
    """Import every module now: forked processes then run one version of the program, and start at once."""
    for found in pkgutil.walk_packages(coldray.__path__, "coldray."):
        importlib.import_module(found.name)


def everything() -> int:
    """Sweep and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--points", type=int, default=8, help="of every kind of call, spread over the command")
    parser.add_argument("--out", type=Path, help="JSON; commands that were not swept keep what it holds")
    given = parser.parse_args()
    load_everything()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        (place / "tmp").mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(place / "tmp")
        todo = commands(place)
        result = {
            n: Sweep(n, c, place).everywhere(given.points) for n, c in todo.items() if not given.only or n in given.only
        }
    tempfile.tempdir = None
    if given.out and given.out.is_file():
        result = {n: result.get(n) or v for n, v in json.loads(given.out.read_text())["commands"].items()} | result
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
