"""How good is the metrology, and how good are the peers? One command, one table of every mark.

    python benchmarks/peers/setup.py     once: installs the peers, each in its own environment
    python benchmarks/metrology.py [--quick] [--peers NAME ...] [--trials N] [--out benchmarks/results/metrology.json]

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

import _one_thread
import metrology_edge
import metrology_noise
import numpy as np
from _marks import Mark, table
from _peers import PACKAGES, Peers


def page(marks: Sequence[Mark], peers: Peers, quick: bool) -> str:
    """The whole result as Markdown."""
    judged = [mark for mark in marks if mark.met is not None]
    missed = [mark for mark in judged if not mark.met]
    lines = [
        "# Metrology against known truth, beside the peers",
        "",
        f"{date.today().isoformat()}, `python benchmarks/metrology.py{' --quick' if quick else ''}`, "
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}.",
        "",
        f"{len(judged) - len(missed)} of {len(judged)} marks are met.",
        "",
        table(marks),
        "",
        "A dash: the tool does not offer it. Peers are told the angle and polarity of an edge and the place of bars, and "
        "measure a part of the same images; numbers of failed images are beside the number of the others. pylinac has no "
        "slanted edge: it gets a ready four-fold edge response at the true angle, and its time is that of the response "
        "and its transform. The times of coldray include its band.",
        "",
        "Peers: " + "; ".join(f"{PACKAGES[name]} {version}" for name, version in peers.versions.items()) + ".",
    ]
    lines += [f"- {PACKAGES[name]}: {reason}" for name, reason in peers.absent.items()]
    if missed:
        lines += ["", "## What fell short", ""]
        lines += [f"- {m.part}: {m.name}: {m.value:.4g} {m.unit} (required {m.required})" for m in missed]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="minutes: fewer angles, images and trials")
    parser.add_argument("--trials", type=int, help="noise trials for the coverage (default 1000, quick 100)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes for the coverage")
    parser.add_argument("--peers", nargs="*", default=list(PACKAGES), choices=list(PACKAGES), metavar="NAME")
    parser.add_argument("--budget-s", type=float, help="processor time of a peer per question (default 30, quick 5)")
    parser.add_argument("--out", type=Path, help="write all numbers here, and the table beside it as .md")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    peers = Peers(options.peers, options.budget_s or (5 if options.quick else 30))
    trials = options.trials or (100 if options.quick else 1000)
    marks = [
        *metrology_edge.all_marks(peers, options.quick, trials, options.workers),
        *metrology_noise.all_marks(peers, options.quick),
    ]
    # The speeds of both parts stand together, at the end.
    marks.sort(key=lambda mark: mark.part.startswith("Speed"))
    text = page(marks, peers, options.quick)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        result = {
            "date": date.today().isoformat(),
            "quick": options.quick,
            "minutes": round((time.perf_counter() - began) / 60, 1),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "threads": _one_thread.THREADS,
            "peers": {PACKAGES[name]: version for name, version in peers.versions.items()},
            "absent": {PACKAGES[name]: reason for name, reason in peers.absent.items()},
            "marks": [mark.to_dict() for mark in marks],
        }
        options.out.write_text(json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        options.out.with_suffix(".md").write_text(text)
    return int(any(mark.met is False for mark in marks))


if __name__ == "__main__":
    sys.exit(main())
