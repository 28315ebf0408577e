"""Do the bands of `coldray trial analyse` hold: how often they contain the true difference, over simulated trials.

python benchmarks/readers.py [--repeats 600] [--out benchmarks/results/readers.json]

Readings are drawn after Roe and Metz (Acad. Radiol. 4 (1997) 298, 587): a case, the reader, both and both by arm shift a
normal rating; variances of their structures HH and LH. Three arms; the band is that of the last minus the first. In `alike`
nothing differs; in `better` the last arm's area is larger by a known amount. `places` draws marks instead: each defect is found
or not, controls get false marks, and the located figure is analysed. Everything is simulated; no person has read. Some 3
core-milliseconds a trial.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from coldray.metrology.readers.merit import (
    UNMARKED,
    auc_comparisons,
    jackknife_covariance,
    located_comparisons,
)
from coldray.metrology.readers.mrmc import obuchowski_rockette

Float = NDArray[np.float64]

ARMS, LEAST, MOST = 3, 0.93, 0.98
"""Arms of a trial; coverage within which a band of 95 % counts as kept."""
STRUCTURES = {
    "HH": {"r": 0.011, "tr": 0.011, "c": 0.1, "tc": 0.1, "rc": 0.2, "e": 0.6},
    "LH": {"r": 0.0055, "tr": 0.0055, "c": 0.3, "tc": 0.3, "rc": 0.2, "e": 0.2},
}
"""Variances of reader, arm by reader, case, arm by case, reader by case, and the rest."""
BASE, BETTER = 1.5, 2.0
"""Distance of the mean rating of defective cases from that of controls, alike and in the better arm."""
SETTINGS = [
    {"structure": s, "readers": r, "cases": c, "kind": k}
    for s in STRUCTURES
    for r, c in ((5, 20), (5, 40), (3, 20))
    for k in ("alike", "better")
] + [
    {"structure": "HH", "readers": 5, "cases": 20, "kind": "alike in five steps"},
    {"structure": "HH", "readers": 5, "cases": 20, "kind": "places"},
]
"""Of every kind as many controls as cases with defects."""


def ratings(rng: np.random.Generator, structure: str, readers: int, cases: int, distances: Float) -> Float:
    """Ratings by arm, reader, truth (controls first) and case."""
    shapes = {
        "r": (1, readers, 2, 1), "tr": (ARMS, readers, 2, 1), "c": (1, 1, 2, cases), "tc": (ARMS, 1, 2, cases),
        "rc": (1, readers, 2, cases), "e": (ARMS, readers, 2, cases),
    }  # fmt: skip
    found = sum(rng.normal(0, np.sqrt(v), shapes[name]) for name, v in STRUCTURES[structure].items())
    found[:, :, 1] += distances[:, None, None]
    return np.asarray(found)


def area_of(structure: str, distance: float) -> float:
    """Mean area over all readers and cases, in closed form."""
    return float(norm.cdf(distance / np.sqrt(2 * sum(STRUCTURES[structure].values()))))


def places(rng: np.random.Generator, setting: dict[str, Any]) -> Float:
    """Comparisons of marked places: two defects a case, found where they are rated above 0.5; false marks above 1.5."""
    found = ratings(rng, setting["structure"], setting["readers"], 2 * setting["cases"], np.full(ARMS, BASE))
    false = np.where(found[:, :, 0] > 1.5, found[:, :, 0], UNMARKED)[..., : setting["cases"]]
    marked = np.where(found[:, :, 1] > 0.5, found[:, :, 1], UNMARKED)
    return np.array(
        [[located_comparisons(f, m.reshape(-1, 2)) for f, m in zip(*row, strict=True)] for row in zip(false, marked, strict=True)]
    )  # fmt: skip


def comparisons(rng: np.random.Generator, setting: dict[str, Any]) -> tuple[Float, float]:
    """Comparisons of one trial, and the true difference of the last arm from the first."""
    kind, structure = setting["kind"], setting["structure"]
    if kind == "places":
        return places(rng, setting), 0.0
    distances = np.full(ARMS, BASE)
    if kind == "better":
        distances[-1] = BETTER
    found = ratings(rng, structure, setting["readers"], setting["cases"], distances)
    if kind == "alike in five steps":
        found = np.digitize(found, [-0.5, 0.5, 1.5, 2.5]).astype(float)
    tables = np.array([[auc_comparisons(*one) for one in row] for row in found])
    return tables, area_of(structure, distances[-1]) - area_of(structure, distances[0])


def measured(setting: dict[str, Any], repeats: int, number: int) -> dict[str, Any]:
    """Coverage and width over repeats of one setting."""
    rng = np.random.default_rng([number, 41])
    kept, alarms, widths, values, true = 0, 0, [], [], 0.0
    for _ in range(repeats):
        tables, true = comparisons(rng, setting)
        found = obuchowski_rockette(tables.mean(axis=(-2, -1)), jackknife_covariance(tables))
        band = found.differences[ARMS - 1, 0]
        assert band.low is not None and band.high is not None
        kept += band.low <= true <= band.high
        alarms += found.p < 0.05
        widths.append(band.high - band.low)
        values.append(band.value)
    share = kept / repeats
    return setting | {
        "true_difference": round(true, 5),
        "mean_difference": round(float(np.mean(values)), 5),
        "coverage": share,
        "coverage_sd": round(float(np.sqrt(share * (1 - share) / repeats)), 4),
        "within": bool(LEAST <= share <= MOST),
        "any_difference_found": alarms / repeats,
        "median_width": round(float(np.median(widths)), 4),
    }


def main() -> None:
    """Simulate all settings and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "readers.json")
    given = parser.parse_args()
    found = []
    for number, setting in enumerate(SETTINGS):
        found.append(measured(setting, given.repeats, number))
        print(json.dumps(found[-1]), flush=True)
    result = {
        "measured": "simulated readings; no person has read",
        "command": f"python benchmarks/readers.py --repeats {given.repeats}",
        "date": date.today().isoformat(),
        "repeats": given.repeats,
        "arms": ARMS,
        "within": [LEAST, MOST],
        "trials": found,
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
