"""The marks the default method is held to, each beside what was measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, THIN_KEYS, WIENER
from coldray.benchmark.paper.detection import LEAST_DIFFERENCE
from coldray.benchmark.paper.efficiency import LOSSLESS
from coldray.benchmark.paper.fourier import MARKS, contrasts
from coldray.benchmark.paper.record import Fourier, Results
from coldray.document import Json, as_number

PSNR_GAINS_DB = {1.0: 2.0, 0.25: 3.0, 0.05: 3.5}
"""PSNR over NPS-Wiener on acquired pairs, by exposure [s]."""
TIE = 1e-6
"""Difference of SSIM that is rounding."""


def judge_marks(results: Results) -> list[dict[str, Json]]:
    """Compare the default method with every mark that the results allow.

    Returns
    -------
    list of dict
        "mark" in words, "measured", "passed"; only what was run is listed.
    """
    found = _image_marks(results)
    for measured in results.get("fourier", []):
        if measured["exposure_s"] == 1.0:
            found += _fourier_marks(measured, int(as_number(results["settings"]["repeats"])))
    if "detection" in results:
        lowest = results["detection"]["methods"][DEFAULT]["lowest_bound"]
        found.append(
            _mark(f"AUC(restored) - AUC(blurred), lower end >= {LEAST_DIFFERENCE} in each cell (flat background)", lowest,
                  lowest >= LEAST_DIFFERENCE)
        )  # fmt: skip
    for row in results.get("efficiency", []):
        if row["method"] == DEFAULT:
            words = f"detection efficiency >= {LOSSLESS} from 0.03 to 0.35 cycles/pixel at {as_number(row['exposure_s']):g} s"
            found.append(_mark(words, as_number(row["lowest"]), bool(row["lossless"])))
    for result in results["trust"]["methods"].get(DEFAULT, []) if "trust" in results else ():
        found.append(
            _mark(f"trust test {result['number']}, {result['test']}: {result['mark']}", None, bool(result["passed"]))
        )
    if "trust" in results and (controls := results["trust"]["controls"]):
        caught = [name for name, result in controls.items() if result["passed"]]
        found.append(
            _mark("trust test 18: every restorer that is wrong on purpose fails test 3, 4 or 6", len(caught),
                  len(caught) == len(controls))
        )  # fmt: skip
    return found


def _mark(words: str, measured: float | None, passed: bool) -> dict[str, Json]:
    return {"mark": words, "measured": measured, "passed": bool(passed)}


def _image_marks(results: Results) -> list[dict[str, Json]]:
    """PSNR over Wiener and best SSIM, on acquired and on frozen pairs."""
    out = []
    for kind in ("acquired", "judge"):
        for exposure, least in PSNR_GAINS_DB.items():
            here = [e for e in results.get("summary", []) if e["kind"] == kind and e["exposure_s"] == exposure]
            by_key = {e["method"]: e for e in here}
            if DEFAULT not in by_key or WIENER not in by_key:
                continue
            gain = by_key[DEFAULT]["psnr_db_truth"]["mean"] - by_key[WIENER]["psnr_db_truth"]["mean"]
            out.append(
                _mark(f"PSNR over NPS-Wiener >= {least} dB at {exposure:g} s, {kind} pairs", gain, gain >= least)
            )
            mine = by_key[DEFAULT]["ssim_truth"]["mean"]
            others = {k: e["ssim_truth"]["mean"] for k, e in by_key.items() if k not in (DEFAULT, *THIN_KEYS)}
            rival = max(others, key=lambda k: others[k])
            lead = mine - others[rival]
            tie = " (equal: the calibrated gain is 0)" if abs(lead) < TIE else ""
            out.append(_mark(f"best SSIM at {exposure:g} s, {kind} pairs; next is {rival}{tie}", lead, lead >= -TIE))
    return out


def _fourier_marks(measured: Fourier, repeats: int) -> list[dict[str, Json]]:
    """TTF, CTF and noise near edges at one exposure."""
    if DEFAULT not in measured["methods"]:
        return []
    mine = measured["methods"][DEFAULT]["marks"]
    where = f"at {measured['exposure_s']:g} s, {repeats} repeats"
    out = []
    if mine["ttf80_largest_difference"] is not None:
        off = mine["ttf80_largest_difference"]
        out.append(
            _mark(
                f"80 % TTF within {MARKS['ttf80']} of the sharp MTF up to 0.8 Nyquist {where}",
                off,
                off <= MARKS["ttf80"],
            )
        )
    if mine["ttf5_largest_shortfall_below_raw"] is not None:
        short = mine["ttf5_largest_shortfall_below_raw"]
        out.append(
            _mark(
                f"5 % TTF: upper band not below the raw curve up to {measured['limit_lp_mm']:.2f} lp/mm {where}",
                short,
                short <= 0,
            )
        )
    left_out = (DEFAULT, BLURRED, *THIN_KEYS)
    missed = _missed(measured, DEFAULT)
    smallest = np.min([_missed(measured, k) for k in measured["methods"] if k not in left_out] or [missed], axis=0)
    worst = float(missed[missed > np.maximum(MARKS["ctf"], smallest)].max(initial=0.0))
    out.append(
        _mark(f"CTF: |restored - sharp| <= {MARKS['ctf']} or smallest of all in every group {where} "
              "(measured: largest that is neither)", worst, worst == 0)
    )  # fmt: skip
    ratio = mine["edge_over_flat_noise"]
    if ratio is not None:
        out.append(
            _mark(f"noise near edges over flats <= {MARKS['edge_noise']} {where}", ratio, ratio <= MARKS["edge_noise"])
        )
    return out


def _missed(measured: Fourier, key: str) -> NDArray[np.float64]:
    """How far the CTF of a method is from the thin screen's; bars that do not stand out show none of their contrast."""
    off = measured["methods"][key]["marks"]["ctf_difference"]
    return np.where([one is None for one in off], contrasts(measured["sharp"]["ctf"]), np.array(off, dtype=float))
