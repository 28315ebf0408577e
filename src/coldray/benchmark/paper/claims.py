"""The paper's statements, each answered from the results of the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, papers_rows
from coldray.benchmark.paper.curves import STRONG, transfer_of
from coldray.benchmark.paper.fourier import contrasts
from coldray.benchmark.paper.record import Entry, Fourier, Measured, Results, Score
from coldray.benchmark.paper.scenes import ACQUIRED, NOISE_FREE
from coldray.benchmark.paper.tables import number
from coldray.document import as_number
from coldray.simulation.paper import SHARP_FRAMES
from coldray.words import percent

SNR: Score = "snr_box_1"
TIED = 0.01
"""Share of an SNR, or difference of a CTF, within which two methods are level; PSNR and SSIM have no such room."""
SAMPLES_DB = 1.0
"""Least PSNR by which one sample is worse than the mean of several if samples differ; less, and it does not sample."""
QUIET = 1.05
"""Noise in a flat over that of the raw frame up to which nothing is amplified."""
YES, NO, PARTLY = "yes", "no", "in part"

Float = NDArray[np.float64]


def claims(results: Results) -> list[dict[str, str]]:
    """The paper's statements with what was found here and an answer: "yes", "no" or "in part"; those without data are left out.

    Parameters
    ----------
    results : mapping
        From `run_paper`.

    Returns
    -------
    list of dict
        "claim", "found" and "answer".
    """
    rows = papers_rows(results.get("methods", {}))
    said: list[dict[str, str]] = []
    if results.get("summary"):
        said += _leads(results, rows, "psnr_db_truth", "Wiener", "Wiener has the highest PSNR", 1)
        said += _leads(results, rows, "ssim_truth", "cold diffusion", "cold diffusion has the highest SSIM", 3)
        said += _leads(results, rows, SNR, "cold diffusion", "cold diffusion has the highest SNR", 0)
    measured = next(iter(results.get("fourier", ())), None)
    if measured is not None:
        there = {name: key for name, key in rows.items() if key in measured["methods"]}
        of_networks = (_fluctuates,) * ("U-Net" in there) + (_ctf, _amplified) * ("cold diffusion" in there)
        said += [one(measured, there) for one in (_mtf, _below_reference, *of_networks)] if len(there) > 1 else []
    if results.get("summary"):
        said += _inconsistent(results)
    return said


def _entries(results: Results, kind: str) -> dict[float, dict[str, Entry]]:
    """Summary of one kind of pair by exposure and key."""
    found: dict[float, dict[str, Entry]] = {}
    for entry in results["summary"]:
        if entry["kind"] == kind:
            found.setdefault(entry["exposure_s"], {})[entry["method"]] = entry
    return found


def _leads(
    results: Results, rows: Mapping[str, str], field: Score, leader: str, claim: str, digits: int
) -> list[dict[str, str]]:
    """Whether one of the paper's methods leads the others, at every exposure and without noise."""
    parts, answers = [], []
    for kind in (ACQUIRED, NOISE_FREE):
        for exposure, here in _entries(results, kind).items():
            values = {
                name: here[key][field]["mean"] for name, key in rows.items() if key in here and field in here[key]
            }
            if leader not in values or len(values) < 2:
                continue
            best = max(values.values())
            answers.append(values[leader] >= (best * (1 - TIED) if field == SNR else best))
            where = "without noise" if kind == NOISE_FREE else f"at {exposure:g} s"
            parts.append(f"{where} {_listed(values, digits)}")
    return [_said(claim, parts, answers)] if answers else []


def _listed(values: Mapping[str, float], digits: int) -> str:
    return ", ".join(f"{name} {number(value, digits)}" for name, value in values.items())


def _said(claim: str, parts: Sequence[str], answers: Sequence[bool]) -> dict[str, str]:
    answer = YES if all(answers) else PARTLY if any(answers) else NO
    return {"claim": claim, "found": "; ".join(parts), "answer": answer}


def _of_rows(measured: Fourier, rows: Mapping[str, str], value: Callable[[Measured], float | None]) -> dict[str, float]:
    """A number of each of the paper's methods, of the raw frame and of the default."""
    methods = measured["methods"]
    named = {"raw frame": BLURRED, **rows, "coldray": DEFAULT}
    found = {name: value(methods[key]) for name, key in named.items() if key in methods}
    return {name: number for name, number in found.items() if number is not None}


def _mtf(measured: Fourier, rows: Mapping[str, str]) -> dict[str, str]:
    def half(method: Measured) -> float | None:
        curve = transfer_of(method, STRONG)
        return None if curve is None else curve.get("ttf50_lp_mm")

    values = _of_rows(measured, rows, half)
    raw, theirs = values.get("raw frame", np.inf), {k: v for k, v in values.items() if k in rows}
    improved = bool(theirs) and all(value > raw for value in theirs.values())
    least = bool(theirs) and min(theirs, key=lambda name: theirs[name]) == "Wiener"
    found = [f"where an edge of {STRONG:.0%} falls to one half [lp/mm]: {_listed(values, 2)}"]
    return _said("all methods improve the MTF, Wiener least", found, [improved, least])


def _reference(measured: Fourier, frames: int) -> Callable[[Float], Float]:
    """NNPS of the mean of so many thin frames, over frequency."""
    sharp = measured["sharp"]
    noise = np.array(sharp["nnps_20_frames_mm2"]) * SHARP_FRAMES / frames
    return lambda f: np.interp(f, sharp["frequency_lp_mm"], noise)


def _spectrum(method: Measured) -> tuple[Float, Float]:
    """NNPS in a flat, without the zero and the corners of the frequency plane."""
    flat = method["flat"]
    return np.array(flat["frequency_lp_mm"])[1:-1], np.maximum(np.array(flat["nnps_mm2"])[1:-1], 1e-12)


def _below_reference(measured: Fourier, rows: Mapping[str, str]) -> dict[str, str]:
    parts, answers = [], []
    for frames in (SHARP_FRAMES, 1):
        level = _reference(measured, frames)

        def share(method: Measured, level: Callable[[Float], Float] = level) -> float:
            f, nnps = _spectrum(method)
            return 100 * float(np.mean(nnps < level(f)))

        values = _of_rows(measured, rows, share)
        parts.append(f"share of frequencies below {frames} thin frame{'s' * (frames > 1)} [%]: {_listed(values, 0)}")
        answers.append(all(values[name] > 99 for name in rows if name in values))
    return _said("the NNPS of all methods is below that of HR", parts, answers)


def roughness(method: Measured) -> float:
    """How much an NNPS fluctuates: standard deviation of the second difference of its logarithm along frequency."""
    return float(np.std(np.diff(np.log(_spectrum(method)[1]), 2)))


def _fluctuates(measured: Fourier, rows: Mapping[str, str]) -> dict[str, str]:
    values = _of_rows(measured, rows, roughness)
    others = [values[name] for name in rows if name in values and name != "U-Net"]
    most = values["U-Net"] > max(others)
    found = [f"standard deviation of the second difference of ln NNPS: {_listed(values, 3)}"]
    return _said("the NNPS of the U-Net fluctuates", found, [most])


def _ctf(measured: Fourier, rows: Mapping[str, str]) -> dict[str, str]:
    values = {n: contrasts(measured["methods"][k]["ctf"]) for n, k in rows.items() if k in measured["methods"]}
    frequency = np.array([g["frequency_lp_mm"] for g in measured["sharp"]["ctf"]])
    mine = values["cold diffusion"]
    # bars that do not stand out have no contrast that could be compared
    others = np.nan_to_num([v for n, v in values.items() if n != "cold diffusion"]).max(axis=0)
    first = np.nan_to_num(mine) >= others - TIED
    shown = [
        f"at {frequency[i]:.2g} lp/mm {_listed({n: float(v[i]) for n, v in values.items()}, 3)}"
        for i in (len(frequency) // 2, -2, -1)
    ]
    where = f"highest, or within {TIED:g} of it, in {int(first.sum())} of {len(first)} groups"
    return _said("the CTF of cold diffusion is the highest at all frequencies", [where, *shown], first.tolist())


def _amplified(measured: Fourier, rows: Mapping[str, str]) -> dict[str, str]:
    values = _of_rows(measured, rows, lambda method: 100 * method["flat"]["relative_sd"])
    raw, cold = values.get("raw frame", 0.0), values["cold diffusion"]
    found = [f"standard deviation in a flat [%]: {_listed(values, 2)}"]
    return _said("cold diffusion does not amplify noise", found, [cold <= QUIET * raw])


def _inconsistent(results: Results) -> list[dict[str, str]]:
    """How far samples of conditional diffusion lie apart: the mean of several is better by what varies from draw to draw.

    One sample of an exact sampler has twice the squared error of the posterior mean, the mean of S samples 1 + 1/S times.
    What varies is structure that the truth lacks: no two samples share it.
    """
    said = []
    for name in ("cdm", "cdm_image"):
        if f"{name}_mean" not in results["methods"]:
            continue
        method = results["methods"][f"{name}_mean"]
        label, options = method["label"], method["options"]
        samples = as_number(options["samples"])
        parts, answers = [], []
        for exposure, here in _entries(results, ACQUIRED).items():
            one, several = (here[f"{name}_{end}"]["psnr_db_truth"]["mean"] for end in ("sample", "mean"))
            spread, share = varying(one, several, samples)
            parts.append(
                f"at {exposure:g} s one sample {one:.1f} dB, the mean {several:.1f} dB: {percent(spread)} of the open beam, "
                f"{share:.0%} of the sample's squared error, vary from draw to draw"
            )
            answers.append(several > one + SAMPLES_DB)
        exact = 10 * np.log10(2 / (1 + 1 / samples))
        parts.append(f"{options['steps']} steps each; {exact:.1f} dB lie between them for an exact sampler")
        said.append(_said(f"generative methods are inconsistent ({label})", parts, answers))
    return said


def varying(one_db: float, mean_db: float, samples: float) -> tuple[float, float]:
    """What varies from sample to sample, from the PSNR of one sample and of the mean of several.

    The squared error of the mean of S samples is that of one less (1 - 1/S) of their variance.

    Returns
    -------
    spread : float
        Standard deviation over samples [fraction of the data range].
    share : float
        Of the variance in the squared error of one sample.
    """
    one, several = 10 ** (-one_db / 10), 10 ** (-mean_db / 10)
    variance = max(one - several, 0.0) / (1 - 1 / samples)
    return float(np.sqrt(variance)), float(variance / one)
