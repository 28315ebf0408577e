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
from coldray.reports.demo import data_uri

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

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>coldray: the comparison</title>
<style>
 body { font: 14px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 1.5rem auto; padding: 0 1rem; color: #1c2733; }
 h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem; } h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
 img { max-width: 100%; height: auto; } .wide { overflow-x: auto; }
 table { border-collapse: collapse; font-size: .92em; } td, th { padding: .2rem .6rem; border-bottom: 1px solid #d5dbe1; text-align: right; white-space: nowrap; }
 td:first-child, th:first-child { text-align: left; white-space: normal; min-width: 13rem; } tr.ours td { background: #eef4fa; }
 .yes { color: #00703c; } .no { color: #b3261e; } .quiet { color: #5b6874; font-size: .92em; }
</style></head><body>
<h1>The comparison: who restores the thick screen best, and what of it is measured</h1>
<p>Simulated data; boards of families never trained on. Main model <code>{{ r.model.name }}</code>
({{ r.model.sha256[:16] }}{% if r.model.training_steps %}, {{ r.model.training_steps }} updates{% endif %}).
Made by <code>{{ command }}</code> in {{ '%.0f'|format(r.seconds / 60) }} minutes.</p>
{% if r.verdicts %}<h2>In words</h2><ul>{% for v in r.verdicts %}<li>{{ v }}</li>{% endfor %}</ul>{% endif %}
{% if r.marks %}<h2>Marks</h2><table><tr><th>mark</th><th>measured</th><th></th></tr>
{% for m in r.marks %}<tr><td>{{ m.mark }}</td><td>{{ number(m.measured, 4) }}</td>
<td class="{{ 'yes' if m.passed else 'no' }}">{{ 'reached' if m.passed else 'not reached' }}</td></tr>{% endfor %}</table>{% endif %}
{% for group in groups %}<h2>{{ group.title }}</h2><div class="wide"><table><tr><th>method</th>{% for c in group.columns %}<th>{{ c }}</th>{% endfor %}</tr>
{% for line in group.lines %}<tr class="{{ 'ours' if line.ours }}"><td>{{ line.label }}</td>{% for cell in line.cells %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table></div>{% endfor %}
{% if r.ceiling %}<p class="quiet">Ceiling of the measured reference: {% for k, v in r.ceiling.items() %}{{ k }} {{ number(v.mean, 4) }}{{ ', ' if not loop.last }}{% endfor %}.</p>{% endif %}
{% for name, picture in pictures.items() %}<h2>{{ name }}</h2><p><img alt="{{ name }}" src="{{ picture }}"></p>{% endfor %}
{% for f in r.fourier or [] %}<h2>Fourier marks at {{ '%g'|format(f.exposure_s) }} s ({{ f.repeats }} repeats of the default and the raw frame, {{ f.peer_repeats }} of the others)</h2>
<table><tr><th>method</th><th>80 % response − sharp MTF, largest</th><th>5 % response under raw</th><th>CTF − sharp, largest</th><th>noise at edges / flats</th><th>contrast dependence</th></tr>
{% for key, m in f.methods.items() %}<tr><td>{{ r.methods[key].label }}</td><td>{{ number(m.marks.ttf80_largest_difference, 3) }}</td>
<td>{{ number(m.marks.ttf5_largest_shortfall_below_raw, 3) }}</td><td>{{ number(m.marks.ctf_largest_difference, 3) }}</td>
<td>{{ number(m.marks.edge_over_flat_noise, 2) }}</td><td>{{ number(m.marks.contrast_dependence, 2) }}</td></tr>{% endfor %}</table>{% endfor %}
{% if r.detection %}<h2>Detectability, {{ '%g'|format(r.detection.exposure_s) }} s: AUC minus that of the raw frame</h2>
<table><tr><th>method</th>{% for c in (r.detection.methods.values()|list)[0].cells %}<th>{{ c.task }} {{ '%g'|format(c.cnr) }}<br>{{ c.observer }}</th>{% endfor %}</tr>
{% for key, m in r.detection.methods.items() %}<tr><td>{{ r.methods[key].label }}</td>{% for c in m.cells %}<td>{{ number(c.difference, 3) }}<br><span class="quiet">≥ {{ number(c.low, 3) }}</span></td>{% endfor %}</tr>{% endfor %}</table>
<p class="quiet">Defects are put into the sharp image before blur and noise; CNR is their peak there over the noise of one pixel of the raw frame.
A gain means easier for this observer, never more information.</p>{% endif %}
{% if r.efficiency %}<h2>Detection efficiency on flats, by frequency [cycles/pixel]</h2>
<table><tr><th>method</th><th>exposure [s]</th>{% for f in r.efficiency[0].frequency_cycles_px %}<th>{{ number(f, 3) }}</th>{% endfor %}</tr>
{% for m in r.efficiency %}<tr><td>{{ r.methods[m.method].label }}</td><td>{{ '%g'|format(m.exposure_s) }}</td>{% for e in m.eta %}<td>{{ number(e, 2) }}<br><span class="quiet">± {{ number(m.eta_sd[loop.index0], 2) }}</span></td>{% endfor %}</tr>{% endfor %}</table>
<p class="quiet">Share of the squared index of the best linear observer that is left; measured on noise alone.</p>{% endif %}
{% if r.trust %}<h2>Trust tests</h2><table><tr><th>test</th>{% for key in r.trust.methods %}<th>{{ r.methods[key].label }}</th>{% endfor %}</tr>
{% for row in trust %}<tr><td>{{ row.name }}<br><span class="quiet">{{ row.mark }}</span></td>{% for ok in row.passed %}<td class="{{ 'yes' if ok else 'no' }}">{{ 'passed' if ok else 'failed' }}</td>{% endfor %}</tr>{% endfor %}</table>
<p>{% for key, c in r.trust.controls.items() %}{{ key }}: {{ 'caught by ' ~ c.caught_by|join(', ') if c.passed else 'NOT caught' }}. {% endfor %}</p>{% endif %}
<h2>Conventions</h2><table>{% for k, v in r.convention.items() %}<tr><td>{{ k }}</td><td style="white-space:normal;text-align:left">{{ v }}</td></tr>{% endfor %}</table>
<p class="quiet">coldray {{ r.coldray }}. Every number, with its interval, is in results.json beside this page.</p>
</body></html>
"""


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
    import jinja2

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
    page = jinja2.Environment(autoescape=True).from_string(TEMPLATE).render(
        r=clean, groups=groups_of(results), trust=trust_rows(results), command=command, number=number,
        pictures={title: data_uri(content) for title, (_, content) in drawn.items()},
    )  # fmt: skip
    path = folder / "report.html"
    write_text(path, page)
    return path
