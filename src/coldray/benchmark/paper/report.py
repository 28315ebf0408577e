"""The comparison as files: results.json, table.csv, PNG figures and one self-contained page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from coldray.benchmark.paper.figures import fourier_figure, image_figure, steps_figure
from coldray.files import write_bytes, write_text
from coldray.reports.html import data_uri, template

COLUMNS = (
    ("psnr_db_truth", "PSNR [dB]", 2),
    ("ssim_truth", "SSIM", 4),
    ("psnr_db_same_response", "PSNR, own response [dB]", 2),
    ("psnr_db_mean20", "PSNR to 20 frames [dB]", 2),
    ("ssim_mean20", "SSIM to 20 frames", 4),
    ("snr_box_1", "SNR box 1", 1),
    ("snr_box_2", "SNR box 2", 1),
    ("cnr", "CNR", 1),
    ("cpu_seconds_per_mpx", "CPU s/Mpx", 2),
)


def number(value: float | None, digits: int) -> str:
    """Fixed digits; a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


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


def groups_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """One table per kind of pair and exposure."""
    groups = []
    for kind, exposure in dict.fromkeys((e["kind"], e["exposure_s"]) for e in results.get("summary", [])):
        here = [e for e in results["summary"] if e["kind"] == kind and e["exposure_s"] == exposure]
        used = [c for c in COLUMNS if any(c[0] in e for e in here)]
        best = {
            c[0]: max(e[c[0]]["mean"] for e in here if c[0] in e) for c in used if c[0].startswith(("psnr", "ssim"))
        }
        lines = []
        for entry in here:
            cells = []
            for field, _, digits in used:
                found = entry.get(field)
                text = "–" if found is None else number(found["mean"], digits)
                if found is not None and field in best and np.isfinite(found["low"]):
                    text += f" ± {number((found['high'] - found['low']) / 2, digits)}"
                cells.append(text + (" ★" if found is not None and best.get(field) == found["mean"] else ""))
            method = results["methods"][entry["method"]]
            note = f" [{method['trained_for']}]" if method.get("trained_for") else ""
            lines.append({"label": method["label"] + note, "cells": [*cells, str(entry["evaluations"])],
                          "ours": entry["method"] == "coldray"})  # fmt: skip
        boards = here[0]["psnr_db_truth"]["count"]
        groups.append(
            {"title": f"{kind.capitalize()} pairs, {exposure:g} s ({boards} boards, mean ± half of the 95 % interval)",
             "columns": [c[1] for c in used] + ["evaluations"], "lines": lines}
        )  # fmt: skip
    return groups


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


def table_csv(results: dict[str, Any]) -> str:
    """Summary as CSV: a row per method, kind and exposure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = [c[0] for c in COLUMNS]
    writer.writerow(
        ["kind", "exposure_s", "method", *(f"{f}{s}" for f in fields for s in ("", "_low", "_high")), "evaluations"]
    )
    for entry in results.get("summary", []):
        values: list[Any] = []
        for field in fields:
            found = entry.get(field)
            values += ["", "", ""] if found is None else [f"{found[k]:.5g}" for k in ("mean", "low", "high")]
        writer.writerow([entry["kind"], entry["exposure_s"], entry["method"], *values, entry["evaluations"]])
    return out.getvalue()


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
    page: str = template("paper.html").render(
        r=clean, groups=groups_of(results), trust=trust_rows(results), command=command, number=number,
        pictures={title: data_uri(content) for title, (_, content) in drawn.items()},
    )  # fmt: skip
    path = folder / "report.html"
    write_text(path, page)
    return path
