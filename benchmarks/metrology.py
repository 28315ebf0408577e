"""How good is the metrology, and how good are the peers? One command, one table of every mark.

    python benchmarks/peers/setup.py     once: installs the peers, each in its own environment
    python benchmarks/metrology.py [--quick] [--peers NAME ...] [--trials N] [--out benchmarks/results/metrology.json]
    python benchmarks/metrology.py --ask speed clean --out FILE.json    some questions; the others stay as in FILE

Every number is against a known truth (`coldray.objects.phantoms`), with one default setting for everything. Peers
measure the same images and are told what they need (angle, polarity, regions), which coldray finds itself; a slow one
measures as many of them as its time allows. With `--out` a Markdown table is written beside the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread
import metrology_edge
import metrology_noise
import numpy as np
from _marks import Mark, table
from _peers import PACKAGES, Peers

from coldray import __version__

QUESTIONS = ("clean", "noisy", "coverage", "speed", "targets", "flats")


def answered(question: str, peers: Peers, quick: bool, trials: int, workers: int) -> list[Mark]:
    """Marks of one question."""
    if question == "coverage":
        return metrology_edge.coverage(trials, workers)
    ask = {
        "clean": metrology_edge.noise_free,
        "noisy": metrology_edge.noisy,
        "targets": metrology_noise.targets,
        "flats": metrology_noise.nnps,
        "speed": metrology_edge.speed,
    }[question]
    return ask(peers, quick)


def kept(out: Path | None, anew: Sequence[str]) -> list[dict[str, Any]]:
    """Runs of the other questions in a file of this benchmark."""
    if out is None or not out.is_file():
        return []
    return [run for run in json.loads(out.read_text()).get("runs", []) if run["question"] not in anew]


def marks_of(runs: Sequence[dict[str, Any]]) -> list[Mark]:
    """All marks, the speeds together at the end."""
    marks = [Mark.from_dict(content) for run in runs for content in run["marks"]]
    return sorted(marks, key=lambda mark: mark.part.startswith("Speed"))


def made_with(runs: Sequence[dict[str, Any]]) -> str:
    """Versions and machine of the runs, each once; one file may hold runs of several."""
    return "; ".join(dict.fromkeys(f"Python {run['python']}, numpy {run['numpy']}, {run['machine']}" for run in runs))


def missing(runs: Sequence[dict[str, Any]]) -> list[str]:
    """What keeps the runs from being the whole benchmark."""
    found = {run["question"]: run for run in runs}
    absent = [name for name in QUESTIONS if name not in found]
    quick = [name for name in QUESTIONS if name in found and found[name]["quick"]]
    return [f"{what}: {', '.join(names)}" for what, names in (("not asked", absent), ("quick only", quick)) if names]


def page(runs: Sequence[dict[str, Any]]) -> str:
    """The whole result as Markdown."""
    marks = marks_of(runs)
    days = sorted({run["date"] for run in runs})
    judged = [mark for mark in marks if mark.met is not None]
    missed = [mark for mark in judged if not mark.met]
    lacks = "; ".join(missing(runs))
    part = f" **A part of the benchmark; {lacks}.**" if lacks else ""
    peers = {f"{name} {version}": None for run in runs for name, version in run["peers"].items()}
    reasons = {f"- {name}: {reason}": None for run in runs for name, reason in run["absent"].items()}
    lines = [
        "# Metrology against known truth, beside the peers",
        "",
        f"{' and '.join(days)}, `python benchmarks/metrology.py`, {made_with(runs)}.",
        "",
        f"{len(judged) - len(missed)} of {len(judged)} marks are met.{part}",
        "",
        table(marks),
        "",
        "A dash: the tool does not offer it. Peers are told the angle and polarity of an edge and the place of bars, and "
        "measure a part of the same images; numbers of failed images are beside the number of the others. pylinac has no "
        "slanted edge: it gets a ready four-fold edge response at the true angle, and its time is that of the response "
        "and its transform. The times of coldray include its band.",
        "",
        f"Peers: {'; '.join(peers)}.",
        *reasons,
    ]
    if missed:
        lines += ["", "## What fell short", ""]
        lines += [f"- {m.part}: {m.name}: {m.value:.4g} {m.unit} (required {m.required})" for m in missed]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="minutes: fewer angles, images and trials")
    parser.add_argument("--ask", nargs="+", choices=QUESTIONS, default=QUESTIONS, metavar="QUESTION",
                        help=f"of {', '.join(QUESTIONS)} (default all); with --out the others stay as in the file")  # fmt: skip
    parser.add_argument("--trials", type=int, help="noise trials for the coverage (default 1000, quick 100)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes for the coverage")
    parser.add_argument("--peers", nargs="*", default=list(PACKAGES), choices=list(PACKAGES), metavar="NAME")
    parser.add_argument("--budget-s", type=float, help="processor time of a peer per question (default 30, quick 5)")
    parser.add_argument("--out", type=Path, help="write all numbers here, and the table beside it as .md")
    options = parser.parse_args(arguments)
    peers = Peers(options.peers, options.budget_s or (5 if options.quick else 30))
    trials = options.trials or (100 if options.quick else 1000)
    runs = kept(options.out, options.ask)
    for question in dict.fromkeys(options.ask):
        began = time.perf_counter()
        found = [mark.to_dict() for mark in answered(question, peers, options.quick, trials, options.workers)]
        runs.append(
            {
                "question": question,
                "date": date.today().isoformat(),
                "quick": options.quick,
                "minutes": round((time.perf_counter() - began) / 60, 1),
                "budget_s": peers.budget_s,
                "coldray": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
                "machine": platform.machine(),
                "threads": _one_thread.THREADS,
                "peers": {PACKAGES[name]: version for name, version in peers.versions.items()},
                "absent": {PACKAGES[name]: reason for name, reason in peers.absent.items()},
                "marks": found,
            }
        )
    runs.sort(key=lambda run: QUESTIONS.index(run["question"]))
    text = page(runs)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"runs": runs}, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        options.out.with_suffix(".md").write_text(text)
    return int(any(mark.met is False for mark in marks_of(runs)))


if __name__ == "__main__":
    sys.exit(main())
