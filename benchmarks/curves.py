"""Score against training time and against data variety, drawn from the dated results.

python benchmarks/curves.py [--results benchmarks/results] [--out docs/images/training_curves.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from coldray.reports.figures import new_figure, render

EXPOSURES = ("1s", "0.25s", "0.05s")
COLOURS = ("#1b6ca8", "#c2571a", "#4c8c2b")


def gain_db(entry: dict, exposure: str) -> float:
    return entry[f"direct_{exposure}_psnr_db"] - entry[f"wiener_{exposure}_psnr_db"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "docs" / "images" / "training_curves.png"
    )
    given = parser.parse_args()
    runs = [json.loads(line) for line in (given.results / "compact_training.jsonl").read_text().splitlines()]
    variety = json.loads((given.results / "variety.json").read_text())
    figure, (left, right) = new_figure(9, 3.6, 2)
    for exposure, colour in zip(EXPOSURES, COLOURS, strict=True):
        for number, network in enumerate(sorted({entry.get("network", "") for entry in runs})):
            part = [entry for entry in runs if entry.get("network", "") == network]
            left.plot(
                [entry["updates"] for entry in part],
                [gain_db(entry, exposure) for entry in part],
                "o-" if number == 0 else "s--",
                color=colour,
                label=f"{exposure.removesuffix('s')} s, blocks {network}",
            )
        right.semilogx(
            [row["fields"] for row in variety["rows"]],
            [gain_db(row, exposure) for row in variety["rows"]],
            "o-",
            color=colour,
            label=f"{exposure.removesuffix('s')} s",
        )
    left.set_xlabel("updates of four windows, all runs together")
    left.set_title("compact-0.1", fontsize=10)
    right.set_xlabel("training fields of 512 × 512 pixels")
    right.set_title(f"{variety['design']}, {variety['updates']} updates", fontsize=10)
    for axis in (left, right):
        axis.set_ylabel("PSNR over NPS-Wiener, validation [dB]")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    given.out.write_bytes(render(figure, "png"))


if __name__ == "__main__":
    main()
