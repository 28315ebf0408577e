"""The comparison as files: results.json, table.csv, PNG figures and one self-contained page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from coldray.benchmark.paper.figures import fourier_figure, image_figure, steps_figure
from coldray.benchmark.paper.tables import groups_of, number, table_csv, table_latex
from coldray.files import write_bytes, write_text
from coldray.reports.html import data_uri, template


def plain(value: Any) -> Any:
    """Value as JSON knows it; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def trust_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per test, one verdict per method."""
    found = results.get("trust", {}).get("methods", {})
    tests = list(found.values())
    if not tests:
        return []
    return [
        {"name": f"{t['number']}. {t['test']}", "mark": t["mark"], "passed": [m[i]["passed"] for m in tests]}
        for i, t in enumerate(tests[0])
    ]


def write_paper(folder: Path, results: dict[str, Any], pictures: dict[str, Any], command: str) -> Path:
    """Write everything; returns the report's path.

    Parameters
    ----------
    folder : Path
    results, pictures : dict
        From `run_paper`.
    command : str
        What made it, said in the report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean = plain(results | {"command": command})
    write_text(folder / "results.json", json.dumps(clean, indent=1, allow_nan=False) + "\n")
    drawn: dict[str, tuple[str, bytes]] = {}
    if pictures:
        drawn["Images, SSIM maps and SNR boxes"] = ("images.png", image_figure(pictures, results["methods"]))
    for measured in results.get("fourier", []):
        name = f"{measured['exposure_s']:g}s"
        drawn[f"Transfer, noise and bars at {measured['exposure_s']:g} s"] = (
            f"fourier_{name}.png", fourier_figure(measured, results["methods"])
        )  # fmt: skip
    if results.get("steps"):
        drawn["Quality against steps"] = ("steps.png", steps_figure(results["steps"]))
    for name, content in drawn.values():
        write_bytes(folder / name, content)
    if results.get("summary"):
        write_text(folder / "table.csv", table_csv(results))
        write_text(folder / "table.tex", table_latex(results))
    page: str = template("paper.html").render(
        r=clean, groups=groups_of(results), trust=trust_rows(results), command=command, number=number,
        pictures={title: data_uri(content) for title, (_, content) in drawn.items()},
    )  # fmt: skip
    path = folder / "report.html"
    write_text(path, page)
    return path
