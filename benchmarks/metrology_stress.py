"""Is a measurement ever wrong in silence? Imperfect targets of many kinds against known truth, and false alarms.

    python benchmarks/metrology_stress.py [--images N] [--good N] [--out benchmarks/results/metrology_stress.json]
    python benchmarks/metrology_stress.py --targets [--images N] [--random-state N] [--out FILE.json]

With `--targets` flats, duplex wires and regions for SNR_N (`_stress_targets.py`), else edges.

All images are simulated (`_stress_edges.py`, with the MTF in closed form). A case is *silent* if it carries no warning
and its MTF is off by more than 0.01 and by three half-widths of its k = 2 band, anywhere from 0.02 to 0.5 cycles/px.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread
import numpy as np
from _stress_edges import Case, bad_cases, good_cases
from _stress_targets import targets

from coldray.errors import MeasurementError
from coldray.metrology.edge.mtf import edge_mtf

GRID = np.arange(0.02, 0.5001, 0.005)
SILENT_ERROR, SILENT_WIDTHS = 0.01, 3.0


def measured(case: Case, images: int) -> dict[str, Any]:
    """Errors, coverage, half-width, and how often it was told, over images of one case."""
    truth = case.edge.mtf(GRID)
    errors, covered, width, told, silent, refused = [], [], [], 0, 0, 0
    words: set[str] = set()
    for image in case.images(images):
        try:
            result = edge_mtf(image, 1.0)
        except MeasurementError:
            refused += 1
            continue
        low, high = (np.interp(GRID, result.mtf.frequency_lp_mm, s) for s in (result.mtf.low, result.mtf.high))
        error, half = np.abs(result.mtf(GRID) - truth), (high - low) / 2
        errors.append(float(error.max()))
        covered.append(float(np.mean((low <= truth) & (truth <= high))))
        width.append(float(np.median(half)))
        told += bool(result.warnings)
        silent += not result.warnings and bool(np.any((error > SILENT_ERROR) & (error > SILENT_WIDTHS * half)))
        words |= {warning[:60] for warning in result.warnings}
    return {
        "case": case.name,
        "regime": case.regime,
        "images": images,
        "refused": refused,
        "told": told,
        "silent": silent,
        "one_image_can_tell": not case.untold,
        "median_error": float(np.median(errors)) if errors else None,
        "worst_error": max(errors, default=None),
        "coverage": float(np.mean(covered)) if covered else None,
        "half_width": float(np.median(width)) if width else None,
        "warnings": sorted(words),
    }


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One line per case."""
    lines = [
        "| regime | case | median max error | coverage | half-width | told | silent |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        numbers = ["–" if r[k] is None else f"{r[k]:.4f}" for k in ("median_error", "coverage", "half_width")]
        said = f"{r['told']} of {r['images']}" + (f", {r['refused']} refused" if r["refused"] else "")
        silent = f"{r['silent']}" + ("" if r["one_image_can_tell"] else " (one image cannot tell)")
        lines.append(f"| {r['regime']} | {r['case']} | {' | '.join(numbers)} | {said} | {silent} |")
    return lines


def of_targets(images: int, random_state: int, out: Path | None) -> int:
    """Flats, duplex wires and SNR_N: one line per case."""
    kinds = list(targets())
    streams = np.random.SeedSequence(random_state).spawn(len(kinds))
    rows = [kind.tally(images, stream) for kind, stream in zip(kinds, streams, strict=True)]
    silent = sum(r["silent"] for r in rows)
    text = "\n".join(
        [
            "# Imperfect flats, duplex wires and SNR_N regions: told, held by the band, refused, or silent",
            "",
            f"{date.today().isoformat()}, `python benchmarks/metrology_stress.py --targets --images {images} --random-state "
            f"{random_state}`, simulated images.",
            "",
            f"- images wrong in silence: {silent} of {images * len(rows)}",
            "- wrong in silence: off by more than 5 % (flats) or 3 % (others), outside the k = 2 band, and without a warning;",
            "  one image in twenty lies outside the band by chance",
            "",
            "| regime | case | mean error [%] | coverage | told | refused | silent |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(
                f"| {r['regime']} | {r['case']} | "
                + ("– | – | " if r["mean_error"] is None else f"{100 * r['mean_error']:+.2f} | {r['coverage']:.2f} | ")
                + f"{r['told']} of {images} | {r['refused']} | {r['silent']} |"
                for r in rows
            ),
            "",
        ]
    )
    print(text)
    if out:
        result = {"date": date.today().isoformat(), "random_state": random_state, "silent": silent, "cases": rows}
        out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        out.with_suffix(".md").write_text(text)
    return int(silent > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4, help="per imperfect case")
    parser.add_argument("--good", type=int, default=14, help="per good case")
    parser.add_argument("--out", type=Path, help="write all numbers here, and the table beside it as .md")
    parser.add_argument("--targets", action="store_true", help="flats, duplex wires and SNR_N in place of edges")
    parser.add_argument("--random-state", type=int, default=0, help="of the images of --targets")
    options = parser.parse_args(arguments)
    if options.targets:
        return of_targets(options.images, options.random_state, options.out)
    good = [measured(case, options.good if case.edge.noise else 1) for case in good_cases()]
    bad = [measured(case, options.images) for case in bad_cases()]
    alarms, images = sum(r["told"] + r["refused"] for r in good), sum(r["images"] for r in good)
    silent = sum(r["silent"] for r in bad if r["one_image_can_tell"])
    quiet = [r for r in bad if r["told"] == 0 and r["coverage"] is not None and r["one_image_can_tell"]]
    summary = {
        "false_alarms": alarms,
        "good_images": images,
        "median_half_width_good": float(np.median([r["half_width"] for r in good])),
        "silent_images_that_one_image_can_tell": silent,
        "lowest_coverage_without_a_warning": min((r["coverage"] for r in [*good, *quiet]), default=None),
    }
    text = "\n".join(
        [
            "# Imperfect edges: told, held by the band, or silent",
            "",
            f"{date.today().isoformat()}, `python benchmarks/metrology_stress.py`, simulated images.",
            "",
            *(f"- {key.replace('_', ' ')}: {value:.4g}" for key, value in summary.items()),
            "",
            *table([*bad, *good]),
            "",
        ]
    )
    print(text)
    if options.out:
        result = {"date": date.today().isoformat(), "threads": _one_thread.THREADS, **summary, "cases": [*bad, *good]}
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        options.out.with_suffix(".md").write_text(text)
    return int(silent > 0 or alarms > 0.01 * images)


if __name__ == "__main__":
    sys.exit(main())
