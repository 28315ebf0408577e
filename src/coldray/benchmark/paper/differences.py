"""Paired differences among the paper's methods and the default: who is better than whom, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from coldray.benchmark.paper import scores
from coldray.benchmark.paper.contestants import DEFAULT, WIENER, papers_rows
from coldray.benchmark.paper.record import Results, Score, Statistic
from coldray.benchmark.paper.scenes import ACQUIRED
from coldray.benchmark.statistics import Interval

FIELDS: tuple[tuple[Score, str, int], ...] = (("psnr_db_truth", "PSNR [dB]", 2), ("ssim_truth", "SSIM", 3))
"""Score, its name, and digits that are shown."""


@dataclass(frozen=True)
class Difference:
    """One method minus another on acquired pairs.

    Parameters
    ----------
    method, against : str
        Keys.
    found : dict
        `Interval` over boards by exposure [s] and score.
    """

    method: str
    against: str
    found: Mapping[tuple[float, Score], Interval]


def asked(methods: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of keys that the paper's comparison turns on, as far as both took part.

    The paper's learned methods against NPS-Wiener and against regression; the mean of several samples against one; more steps
    against one, K = 1 against the calibrated K, on the small U-Net; the default against NPS-Wiener and against regression.
    """
    rows = papers_rows(methods)
    cold, net = rows.get("cold diffusion", ""), rows.get("U-Net", "")
    found = [(key, WIENER) for key in (net, cold)] + [(cold, net)]
    for name in ("cdm", "cdm_image"):
        found += [(f"{name}_mean", net), (f"{name}_mean", f"{name}_sample")]
    found += [(cold, "cold_small_1"), ("cold_small", "cold_small_1"), (DEFAULT, WIENER), (DEFAULT, net)]
    return [pair for pair in dict.fromkeys(found) if pair[0] != pair[1] and set(pair) <= set(methods)]


def differences(results: Results) -> list[Difference]:
    """Every pair of `asked`, board by board, at every exposure of acquired pairs.

    Parameters
    ----------
    results : dict
        From `run_paper`.
    """
    rows = [r for r in results.get("images", []) if r["kind"] == ACQUIRED]
    at = {e: [r for r in rows if r["exposure_s"] == e] for _, e in scores.cells(rows)}
    out = []
    for method, against in asked(results.get("methods", {})):
        found = {
            (exposure, field): difference
            for exposure, here in at.items()
            for field, _, _ in FIELDS
            if (difference := scores.paired(here, method, against, field)) is not None
        }
        if found:
            out.append(Difference(method, against, found))
    return out


def table_of(results: Results, signed: Callable[[Statistic | None, int], str]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a table of `differences`: a row per pair and score, a column per exposure.

    Parameters
    ----------
    results : dict
        From `run_paper`.
    signed : callable
        Writes a difference with its interval in so many digits; None where there is none.
    """
    found = differences(results)
    exposures = sorted({exposure for d in found for exposure, _ in d.found}, reverse=True)
    rows = []
    for d in found:
        names = " minus ".join(results["methods"][key]["label"] for key in (d.method, d.against))
        for field, name, digits in FIELDS:
            cells = [d.found.get((exposure, field)) for exposure in exposures]
            shown = [signed(None if cell is None else cell.to_json(), digits) for cell in cells]
            rows.append([f"{names}: {name}", *shown])
    return ["difference", *(f"{exposure:g} s" for exposure in exposures)], rows
