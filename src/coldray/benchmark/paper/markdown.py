"""The comparison as blocks of Markdown: what pages about it show is made from its results, never written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from coldray.benchmark.paper.claims import claims
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, THIN_KEYS
from coldray.benchmark.paper.curves import FAINT, STRONG, transfer_of
from coldray.benchmark.paper.differences import FIELDS, table_of
from coldray.benchmark.paper.marks import TIE
from coldray.benchmark.paper.record import Results
from coldray.benchmark.paper.scenes import ACQUIRED, EXPOSURES_S, NOISE_FREE
from coldray.benchmark.paper.tables import MAIN, label_of, number, signed
from coldray.benchmark.paper.words import said_of_worth
from coldray.document import Json, as_number, as_numbers, as_table, as_tables, as_text

BLOCK = re.compile(r"(<!-- paper: (?P<name>[a-z_]+) -->\n\n).*?(\n\n<!-- end of \2 -->)", re.DOTALL)
"""Where a page holds a block: between two comments with its name."""
VALIDATED = re.compile(r"(\w+)_([\d.]+)s_psnr_db")
OBSERVERS = {"npw": "non-prewhitening observer", "hotelling": "Hotelling observer"}
HARD_LP_MM = 6.0
"""Bar groups from here on are told one by one, those below by their largest difference."""


def blocks(results: Results) -> dict[str, str]:
    """Every block that the results allow, by name.

    Parameters
    ----------
    results : dict
        From `run_paper`, or read from its results.json.

    Returns
    -------
    dict
        "made", "scores", "worth", "saved", "claims", "differences", "fourier", "training", "detection", "trust": lines of Markdown without a last line break.
    """
    found = {"made": made(results)}
    if results.get("summary"):
        found |= {
            "scores": score_table(results),
            "worth": worth_table(results),
            "differences": difference_table(results),
        }
    if results.get("worth"):
        found["saved"] = "\n".join(f"- {said}" for said in said_of_worth(results))
    if said := claims(results):
        found["claims"] = grid(
            ("the paper says", "found here", "answer"), [(c["claim"], c["found"], f"**{c['answer']}**") for c in said]
        )
    if results.get("fourier"):
        found["fourier"] = fourier_table(results)
    if results.get("training"):
        found["training"] = training_table(results["training"])
    if results.get("detection"):
        found["detection"] = detection_table(results)
    if results.get("trust"):
        found["trust"] = trust_table(results)
    return {name: text for name, text in found.items() if text}


def as_page(found: Mapping[str, str]) -> str:
    """All blocks on one page, each under its name."""
    return "\n".join(f"## {name.capitalize()}\n\n{text}\n" for name, text in found.items())


def filled(page: str, found: Mapping[str, str]) -> str:
    """A page with its blocks replaced; blocks that are not found stay as they are."""
    return BLOCK.sub(lambda m: m[1] + found[m["name"]] + m[3] if m["name"] in found else m[0], page)


def made(results: Results) -> str:
    """What made the results: command, core time, boards, models with their updates and hashes."""
    boards, model = as_table(results["settings"]["boards"]), results["model"]
    exposures = ", ".join(f"{exposure:g} s" for exposure in as_numbers(results["settings"]["exposures_s"]))
    peers = {
        m["model"]["name"]: (m["model"]["sha256"], m["trained_for"])
        for m in results["methods"].values()
        if m["model"] and m["model"]["sha256"] != model["sha256"]
    }
    said = [f"`{name}` ({sha[:8]}{', ' + trained if trained else ''})" for name, (sha, trained) in peers.items()]
    beside = f"; beside it {', '.join(said)}" if said else ""
    command = f"`{results['command']}`, " if results.get("command") else ""
    cost = f", {results['cpu_seconds'] / 60:.0f} core-minutes" if results.get("cpu_seconds") else ""
    return (
        f"{command}coldray {results['coldray']}{cost}: {boards['count']} boards of {boards['size_px']}², {exposures}; "
        f"`{model['name']}` ({as_text(model['sha256'])[:8]}, {model['updates']} updates in all){beside}."
    )


def score_table(results: Results) -> str:
    """PSNR / SSIM of every row on acquired pairs and on pairs without noise; the best of the thick screen's rows in bold."""
    here = {
        (e["method"], e["kind"], e["exposure_s"]): e for e in results["summary"] if e["kind"] in (ACQUIRED, NOISE_FREE)
    }
    cells = sorted({(kind, exposure) for _, kind, exposure in here}, key=lambda cell: (cell[0] != ACQUIRED, -cell[1]))
    best = {
        (cell, field): max(
            e[field]["mean"] for (k, *where), e in here.items() if tuple(where) == cell and k not in THIN_KEYS
        )
        for cell in cells
        for field, _, _ in MAIN
    }
    rows = []
    for key in dict.fromkeys(method for method, _, _ in here):
        shown = []
        for cell in cells:
            entry = here.get((key, *cell))
            shown.append("–" if entry is None else " / ".join(
                _best(number(entry[field]["mean"], digits), key not in THIN_KEYS and entry[field]["mean"] >= best[cell, field] - TIE)
                for field, _, digits in MAIN
            ))  # fmt: skip
        evaluations = next(e["evaluations"] for (k, *_), e in here.items() if k == key)
        rows.append((label_of(results, key), *shown, str(evaluations)))
    heads = ["without noise" if kind == NOISE_FREE else f"{exposure:g} s" for kind, exposure in cells]
    return grid(("method", *heads, "evaluations"), rows)


def _best(text: str, is_best: bool) -> str:
    return f"**{text}**" if is_best else text


def worth_table(results: Results) -> str:
    """The default minus each row of the thin screen at the same exposure."""
    found = {
        (c["against"], c["field"], c["exposure_s"]): c
        for c in results.get("paired", [])
        if c["method"] == DEFAULT and c["kind"] == ACQUIRED and c["against"] in THIN_KEYS
    }
    exposures = sorted({exposure for _, _, exposure in found}, reverse=True)
    rows = [
        (
            f"{results['methods'][key]['label']}: {name}",
            *(signed(found.get((key, field, e)), digits, bold=True) for e in exposures),
        )
        for key in THIN_KEYS
        for field, name, digits in FIELDS
        if any(k == key for k, _, _ in found)
    ]
    return grid(("coldray minus", *(f"{e:g} s" for e in exposures)), rows) if rows else ""


def difference_table(results: Results) -> str:
    """Paired differences among the paper's methods and the default."""
    heads, rows = table_of(results, partial(signed, bold=True))
    return grid(heads, rows) if rows else ""


def fourier_table(results: Results) -> str:
    """Transfer, bars and noise of every row against the thin screen's, at the first exposure that was measured."""
    measured = results["fourier"][0]
    frequency = [g["frequency_lp_mm"] for g in measured["sharp"]["ctf"]]
    easy = [i for i, f in enumerate(frequency) if f < HARD_LP_MM]
    hard = [i for i, f in enumerate(frequency) if f >= HARD_LP_MM]
    rows = []
    for key, method in measured["methods"].items():
        marks, off = method["marks"], method["marks"]["ctf_difference"]
        faint, strong = (
            None if (curve := transfer_of(method, contrast)) is None else curve.get("ttf50_lp_mm")
            for contrast in (FAINT, STRONG)
        )
        rows.append((
            label_of(results, key), number(marks["ttf80_largest_difference"], 3),
            f"{number(max((v for i in easy if (v := off[i]) is not None), default=None), 3)} / "
            f"{', '.join(number(off[i], 3) for i in hard)}",
            f"{number(strong, 2)} / {number(faint, 2)}", number(100 * method["flat"]["relative_sd"], 2),
            number(marks["edge_over_flat_noise"], 2),
        ))  # fmt: skip
    names = " and ".join(f"{frequency[i]:.2g}" for i in hard)
    return grid(
        ("method", "80 % response − thin MTF, largest to 0.8 Nyquist", f"CTF − thin CTF, largest to 5 lp/mm / at {names}",
         "TTF50 [lp/mm] at 80 / 5 %", "SD in a flat [%]", "noise at edges / flats, largest"), rows
    )  # fmt: skip


def training_table(curves: Sequence[Mapping[str, Json]]) -> str:
    """Last validation of every run: PSNR by exposure, and of Wiener on the same patches.

    Parameters
    ----------
    curves : sequence of mapping
        "name" of a recipe, "scores": what `coldray train` recorded in scores.jsonl.
    """
    rows: list[tuple[str, ...]] = []
    last: Mapping[str, Json] = {}
    for curve in curves:
        last = as_tables(curve["scores"])[-1]
        rows.append((as_text(curve["name"]), f"{as_number(last['step']):.0f}", *_validated(last, linear=False)))
    if last:
        rows.append(("Wiener, measured NPS", "–", *_validated(last, linear=True)))
    return grid(("network", "updates", *(f"{exposure:g} s" for exposure in EXPOSURES_S)), rows)


def _validated(scores: Mapping[str, Json], *, linear: bool) -> list[str]:
    """PSNR at every exposure of the network, or of the Wiener filter beside it."""
    found: dict[float, float] = {}
    for key, value in scores.items():
        match = VALIDATED.fullmatch(key)
        if match is not None and (match[1] == "wiener") == linear:
            found[float(match[2])] = as_number(value)
    return [number(found.get(exposure), 2) for exposure in EXPOSURES_S]


def detection_table(results: Results) -> str:
    """Lowest end of the interval of AUC - AUC(raw) over the cells of each observer."""
    lowest: dict[str, dict[str, float]] = {}
    for key, method in results["detection"]["methods"].items():
        for cell in method["cells"] if key != BLURRED else ():
            mine, observer = lowest.setdefault(key, {}), as_text(cell["observer"])
            mine[observer] = min(mine.get(observer, np.inf), as_number(cell["low"]))
    observers = list(next(iter(lowest.values())))
    rows = [
        (results["methods"][key]["label"], *(f"{found[o]:+.3f}" for o in observers)) for key, found in lowest.items()
    ]
    return grid(("method", *(OBSERVERS[o] for o in observers)), rows)


def trust_table(results: Results) -> str:
    """Every trust test with its mark and who passes it."""
    found = results["trust"]["methods"]
    rows = [
        (f"{one[0]['number']} {one[0]['test']}", as_text(one[0]["mark"]),
         *("passed" if t["passed"] else "**not passed**" for t in one))
        for one in zip(*found.values(), strict=True)
    ]  # fmt: skip
    return grid(("test", "mark", *(results["methods"][key]["label"] for key in found)), rows)


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
