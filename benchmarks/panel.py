"""Does the sheet of a panel say what the panel is? Simulated panels of known truth, from folder to figures.

    python benchmarks/panel.py [--panels N] [--random-state N] [--out benchmarks/results/panel.json]

Each panel is drawn, written as `coldray simulate panel` writes it, read and measured as `coldray panel` does. Its truth
follows in closed form from its parameters (`coldray.objects.panel.model`). Marks: 90 % of the figures lie within their
k = 2 bands (one without a value counts as outside), and none is off by more than 5 % and by more than 1.5 bands.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread

from coldray.app.commands._panel import simulate_panel
from coldray.app.panel import read_panel
from coldray.metrology.panel.sheet import measure_panel

COVERED, FAR_SHARE, FAR_BANDS = 0.90, 0.05, 1.5

Row = dict[str, Any]


def figures(random_state: int) -> list[Row]:
    """Every figure of one panel beside its truth."""
    with tempfile.TemporaryDirectory() as folder:
        written = simulate_panel(Path(folder), random_state, False)
        truth = json.loads(Path(written["truth"]["panel"]).read_text())["figures"]
        read = read_panel(Path(written["panel"]).parent)
        found = {figure.key: figure for figure in measure_panel(read.name, read.given, read.limits).figures}
    rows = []
    for key, known in truth.items():
        figure = found.get(key)
        row: Row = {"panel": random_state, "key": key, "truth": known, "value": None, "covered": False, "far": False}
        if figure is not None and figure.value is not None:
            assert figure.low is not None and figure.high is not None
            off, half = abs(figure.value - known), (figure.high - figure.low) / 2
            row |= {
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "covered": figure.low <= known <= figure.high,
                "far": off > FAR_SHARE * abs(known) and off > FAR_BANDS * half,
            }
        rows.append(row)
    return rows


def page(rows: Sequence[Row], command: str) -> str:
    """The result as Markdown: by factor, then what lies outside."""
    lines = [
        "# Sheets of simulated panels against their truth",
        "",
        f"{date.today().isoformat()}, `{command}`.",
        "",
        f"- figures with a truth: {len(rows)}, without a value: {sum(r['value'] is None for r in rows)}",
        f"- within their k = 2 band: {sum(r['covered'] for r in rows)} ({100 * share(rows):.1f} %; required 90 %)",
        f"- off by more than 5 % and 1.5 bands: {sum(r['far'] for r in rows)} (required 0)",
        "",
        "| factor | figures | within the band | largest error [%] |",
        "| --- | --- | --- | --- |",
    ]
    for factor in dict.fromkeys(r["key"].partition(".")[0] for r in rows):
        own = [r for r in rows if r["key"].partition(".")[0] == factor]
        errors = [abs(r["value"] / r["truth"] - 1) for r in own if r["value"] is not None and r["truth"]]
        worst = f"{100 * max(errors):.2f}" if errors else "–"
        lines.append(f"| {factor} | {len(own)} | {sum(r['covered'] for r in own)} | {worst} |")
    outside = [r for r in rows if not r["covered"]]
    if outside:
        lines += ["", "Outside their band:", ""]
        lines += [
            f"- panel {r['panel']}, {r['key']}: "
            + ("no value" if r["value"] is None else f"{r['value']:.4g} ({r['low']:.4g} to {r['high']:.4g})")
            + f", truth {r['truth']:.4g}"
            for r in outside
        ]
    return "\n".join([*lines, ""])


def share(rows: Sequence[Row]) -> float:
    """Part of the figures within their band."""
    return sum(r["covered"] for r in rows) / len(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=3)
    parser.add_argument("--random-state", type=int, default=0, help="of the first panel")
    parser.add_argument("--out", type=Path, help="write all numbers here, and the page beside it as .md")
    options = parser.parse_args(arguments)
    rows = [row for k in range(options.panels) for row in figures(options.random_state + k)]
    text = page(rows, f"python benchmarks/panel.py --panels {options.panels} --random-state {options.random_state}")
    print(text)
    if options.out:
        result = {
            "date": date.today().isoformat(),
            "threads": _one_thread.THREADS,
            "covered": share(rows),
            "rows": rows,
        }
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        options.out.with_suffix(".md").write_text(text)
    return int(share(rows) < COVERED or any(r["far"] for r in rows))


if __name__ == "__main__":
    sys.exit(main())
