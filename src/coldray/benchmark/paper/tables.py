"""The comparison's tables: for the page, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io

import numpy as np

from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, THIN_KEYS, WIENER
from coldray.benchmark.paper.marks import TIE
from coldray.benchmark.paper.record import Difference, Results, Score, Statistic
from coldray.benchmark.paper.scenes import ACQUIRED, NOISE_FREE
from coldray.document import Json

MAIN: tuple[tuple[Score, str, int], ...] = (("psnr_db_truth", "PSNR [dB]", 2), ("ssim_truth", "SSIM", 4))
DETAIL: tuple[tuple[Score, str, int], ...] = (
    ("psnr_db_same_response", "PSNR, own response [dB]", 2),
    ("psnr_db_curve", "PSNR after the best curve [dB]", 2),
    ("psnr_db_mean20", "PSNR to 20 frames [dB]", 2),
    ("ssim_mean20", "SSIM to 20 frames", 4),
    ("snr_box_1", "SNR box 1", 1),
    ("snr_box_2", "SNR box 2", 1),
    ("cnr", "CNR", 1),
    ("residual_over_noise", "residual over noise", 2),
    ("repeat_sd_percent", "noise by repeats [%]", 2),
    ("cpu_seconds_per_mpx", "CPU s/Mpx", 2),
)
COLUMNS = MAIN + DETAIL


def number(value: float | None, digits: int) -> str:
    """Fixed digits; a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def signed(difference: Difference | Statistic | None, digits: int, *, bold: bool = False) -> str:
    """A paired difference with its interval; a star, or the difference in bold, where the interval does not hold zero."""
    if difference is None:
        return "–"
    mean, low, high = f"{difference['mean']:+.{digits}f}", difference["low"], difference["high"]
    if low is None or not np.isfinite(low):
        return mean
    sure = low > 0 or high < 0
    ends = f"({low:+.{digits}f} to {high:+.{digits}f})"
    return f"**{mean}** {ends}" if sure and bold else f"{mean} {ends}{' *' * sure}"


def label_of(results: Results, key: str) -> str:
    """Name of a method with what its model was trained with."""
    method = results["methods"][key]
    return str(method["label"]) + (f" [{method['trained_for']}]" if method.get("trained_for") else "")


def cells_of(results: Results) -> list[tuple[str, float]]:
    """Kinds of pair and exposures of the summary, acquired pairs first."""
    found = dict.fromkeys((e["kind"], e["exposure_s"]) for e in results.get("summary", []))
    return sorted(found, key=lambda cell: cell[0] != ACQUIRED)


def titled(kind: str, exposure_s: float) -> str:
    """Heading of a cell; pairs without noise have no exposure."""
    return "Noise-free pairs (Eq. 1 alone)" if kind == NOISE_FREE else f"{kind.capitalize()} pairs, {exposure_s:g} s"


def groups_of(results: Results) -> list[dict[str, Json]]:
    """One table per kind of pair and exposure: scores with paired differences, and a second one with everything else."""
    against = {
        (c["kind"], c["exposure_s"], c["method"], c["field"]): c
        for c in results.get("paired", [])
        if c["against"] == WIENER
    }
    groups: list[dict[str, Json]] = []
    for kind, exposure in cells_of(results):
        here = [e for e in results["summary"] if e["kind"] == kind and e["exposure_s"] == exposure]
        best = {field: max(e[field]["mean"] for e in here if e["method"] not in THIN_KEYS) for field, _, _ in MAIN}
        used = [c for c in DETAIL if any(c[0] in e for e in here)]
        lines: list[dict[str, Json]] = []
        detail: list[dict[str, Json]] = []
        for entry in here:
            key = entry["method"]
            row: dict[str, Json] = {"label": label_of(results, key), "ours": key == DEFAULT, "thin": key in THIN_KEYS}
            scores = []
            for field, _, digits in MAIN:
                star = " ★" if key not in THIN_KEYS and entry[field]["mean"] >= best[field] - TIE else ""
                scores.append(number(entry[field]["mean"], digits) + star)
            paired = [signed(against.get((kind, exposure, key, field)), digits) for field, _, digits in MAIN]
            lines.append(row | {"cells": [*scores, *paired, str(entry["evaluations"])]})
            rest = [number(entry[field]["mean"] if field in entry else None, digits) for field, _, digits in used]
            detail.append(row | {"cells": rest})
        boards = here[0]["psnr_db_truth"]["count"]
        groups.append(
            {"title": f"{titled(kind, exposure)}, {boards} boards",
             "columns": [*(name for _, name, _ in MAIN), "PSNR against Wiener, paired [dB]", "SSIM against Wiener, paired",
                         "evaluations"],
             "lines": lines, "detail_columns": [c[1] for c in used], "detail": detail}
        )  # fmt: skip
    return groups


def table_csv(results: Results) -> str:
    """Summary as CSV: a row per method, kind and exposure, with how long its model was trained."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = [c[0] for c in COLUMNS]
    scores = [f"{field}{end}" for field in fields for end in ("", "_low", "_high")]
    writer.writerow(["kind", "exposure_s", "method", *scores, "evaluations", "trained_for"])
    for entry in results.get("summary", []):
        values: list[str] = []
        for field in fields:
            found = entry.get(field)
            values += ["", "", ""] if found is None else [f"{found[k]:.5g}" for k in ("mean", "low", "high")]
        trained = results["methods"][entry["method"]].get("trained_for", "")
        writer.writerow([entry["kind"], entry["exposure_s"], entry["method"], *values, entry["evaluations"], trained])
    return out.getvalue()


def table_latex(results: Results) -> str:
    """PSNR and SSIM of every method over the exposures, acquired pairs first, as a LaTeX table (booktabs).

    A dagger marks a paired difference from NPS-Wiener whose 95 % interval does not hold zero.
    """
    sure = {
        (c["kind"], c["exposure_s"], c["method"], c["field"])
        for c in results.get("paired", [])
        if c["against"] == WIENER and np.isfinite(c["low"]) and (c["low"] > 0 or c["high"] < 0)
    }
    parts = []
    for kind in dict.fromkeys(kind for kind, _ in cells_of(results)):
        here = {(e["method"], e["exposure_s"]): e for e in results["summary"] if e["kind"] == kind}
        exposures = list(dict.fromkeys(exposure for _, exposure in here))
        rows: list[str] = []
        for key in dict.fromkeys(method for method, _ in here):
            cells = []
            for exposure in exposures:
                entry = here.get((key, exposure))
                for field, _, digits in MAIN:
                    mark = r"$^\dagger$" if (kind, exposure, key, field) in sure else ""
                    cells.append("--" if entry is None else f"{entry[field]['mean']:.{digits}f}{mark}")
            rule = "\\midrule\n" if key == BLURRED and rows else ""
            rows.append(f"{rule}{_escaped(label_of(results, key))} & {' & '.join(cells)} \\\\")
        heads = " & ".join(rf"\multicolumn{{2}}{{c}}{{{exposure:g}\,s}}" for exposure in exposures)
        names = " & ".join(["PSNR [dB]", "SSIM"] * len(exposures))
        parts.append(
            f"% {kind} pairs, simulated; made by coldray {results['coldray']}\n"
            f"\\begin{{tabular}}{{l{'rr' * len(exposures)}}}\n\\toprule\n& {heads} \\\\\n& {names} \\\\\n\\midrule\n"
            + "\n".join(rows)
            + "\n\\bottomrule\n\\end{tabular}\n"
        )
    return "\n".join(parts)


def _escaped(text: str) -> str:
    for sign in "&%_#$":
        text = text.replace(sign, "\\" + sign)
    return text
