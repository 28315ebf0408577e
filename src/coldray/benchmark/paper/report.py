"""The comparison as files: results.json, tables, figures as PNG and PDF, and one self-contained page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.benchmark.paper.claims import claims
from coldray.benchmark.paper.curves import fourier_figures
from coldray.benchmark.paper.differences import table_of
from coldray.benchmark.paper.figures import image_figures, path_figure, steps_figure, worth_figure
from coldray.benchmark.paper.markdown import as_page, blocks
from coldray.benchmark.paper.path import Pictures
from coldray.benchmark.paper.record import Results
from coldray.benchmark.paper.tables import groups_of, number, signed, table_csv, table_latex
from coldray.benchmark.paper.words import (
    CAPTIONS,
    PAPER,
    WHY_NOT_COMPARABLE,
    opening,
    printed_beside_ours,
    said_of_worth,
)
from coldray.document import Json, plain_table
from coldray.files import write_bytes, write_text
from coldray.reports.figures import render
from coldray.reports.html import data_uri, template

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trust_rows(results: Results) -> list[dict[str, Json]]:
    """One row per test, one verdict per method."""
    tests = list(results["trust"]["methods"].values()) if "trust" in results else []
    if not tests:
        return []
    return [
        {"name": f"{t['number']}. {t['test']}", "mark": t["mark"], "passed": [m[i]["passed"] for m in tests]}
        for i, t in enumerate(tests[0])
    ]


def drawn(results: Results, pictures: Pictures) -> dict[str, Figure]:
    """Every figure by the stem of its files."""
    figures: dict[str, Figure] = {}
    if pictures:
        figures["path"] = path_figure(pictures["path"])
        figures |= {f"images_{n}": f for n, f in enumerate(image_figures(pictures, results["methods"]), 1)}
    if results.get("worth"):
        figures["worth"] = worth_figure(results["worth"], results["methods"])
    for measured in results.get("fourier", []):
        for sheet, figure in fourier_figures(measured, results["methods"]).items():
            figures[f"fourier_{measured['exposure_s']:g}s" + f"_{sheet}" * bool(sheet)] = figure
    if results.get("steps"):
        figures["steps"] = steps_figure(results["steps"])
    return figures


def title_of(stem: str) -> str:
    """Heading of a figure."""
    name, _, rest = stem.partition("_")
    exposure, _, sheet = rest.partition("_")
    words = {
        "path": "Fig. 1: the walk, forward and in reverse", "images": f"Fig. 2: images, SSIM maps, SNR, sheet {rest}",
        "fourier": f"Fig. 3: transfer, noise and bars at {exposure.removesuffix('s')} s, "
        + ("other methods" if sheet else "the paper's methods and the default"),
        "steps": "Quality against steps",
        "worth": "What a thick screen and a restoration are worth",
    }  # fmt: skip
    return words[name]


CEILING = {
    "mean20_psnr_db": ("PSNR of the mean of 20 thin frames against the truth [dB]", 1),
    "mean20_ssim": ("SSIM of the same", 3),
    "halves_psnr_db": ("PSNR of ten thin frames against the other ten [dB]", 1),
    "halves_ssim": ("SSIM of the same", 3),
    "hardening_psnr_db": ("PSNR that beam hardening leaves of a perfect result after the best curve [dB]", 1),
    "hardening_ssim": ("SSIM of the same", 3),
}
"""What the references allow, in words, and digits."""


def exchange_rows(results: Results) -> list[dict[str, str]]:
    """The default at a shorter exposure against the thin screen at a longer one."""
    rows: dict[tuple[float, float, str], dict[str, str]] = {}
    for found in results.get("exposures", []):
        key = (found["exposure_s"], found["against_exposure_s"], found["against"])
        row = rows.setdefault(key, {
            "ours": f"{found['exposure_s']:g} s", "theirs": f"{found['against_exposure_s']:g} s",
            "label": results["methods"][found["against"]]["label"],
        })  # fmt: skip
        row[found["field"]] = signed(found, 2 if found["field"].startswith("psnr") else 4)
    return list(rows.values())


def write_paper(folder: Path, results: Results, pictures: Pictures, command: str) -> Path:
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
    clean = plain_table(results) | {"command": command}
    write_text(folder / "results.json", json.dumps(clean, indent=1, allow_nan=False) + "\n")
    figures = drawn(results, pictures)
    for stem, figure in figures.items():
        for kind in ("png", "pdf"):
            write_bytes(folder / f"{stem}.{kind}", render(figure, kind))
    if results.get("summary"):
        write_text(folder / "table.csv", table_csv(results))
        write_text(folder / "table.tex", table_latex(results))
    write_text(folder / "tables.md", as_page(blocks({**results, "command": command})))
    first = {stem.partition("_")[0]: stem for stem in reversed(figures)}
    shown = [
        {"title": title_of(stem), "caption": CAPTIONS[kind] if first[kind] == stem else "As above.", "file": stem,
         "picture": data_uri((folder / f"{stem}.png").read_bytes())}
        for stem, kind in ((stem, stem.partition("_")[0]) for stem in figures)
    ]  # fmt: skip
    page: str = template("paper.html").render(
        r=clean, groups=groups_of(results), trust=trust_rows(results), command=command, number=number, figures=shown,
        opening=[*opening(results), *said_of_worth(results)], paper=PAPER, printed=printed_beside_ours(results), not_comparable=WHY_NOT_COMPARABLE,
        differences=table_of(results, signed), exchange=exchange_rows(results), ceiling=CEILING, own=results.get("own"), claims=claims(results),
    )  # fmt: skip
    path = folder / "report.html"
    write_text(path, page)
    return path
