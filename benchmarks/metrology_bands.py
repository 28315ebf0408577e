"""Do the k = 2 bands hold? iSRb, CTF and SNR_N over repeats, against closed-form truth.

    python benchmarks/metrology_bands.py [--repeats N] [--random-state N] [--out benchmarks/results/metrology_bands.json]

All images are simulated. Marks: the iSRb band holds the truth in 90 to 98 % of the repeats at each signal-to-noise ratio
per pixel; the CTF band in 90 % or more; the mean SNR_N is within 2 % under a trend, a dead pixel and correlated noise.
The truth of the iSRb is what the interpolation of the standard makes of the dips of the noise-free target.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import _one_thread
import numpy as np
from _stress_targets import PITCH_MM, SNR, coloured, snr_region

from coldray.errors import MeasurementError
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.contrast import contrast
from coldray.metrology.duplex.isrb import duplex_isrb, interpolated_srb
from coldray.objects.phantoms import Blur, GaussianBlur, PhosphorBlur, bars, duplex_wires

SNRS = (20, 50, 100, 200)
SIGMAS_PX = (0.9, 1.3, 2.0, 3.0)
TILTS_DEG = (1.6, 2.3, 3.1, 4.2, 5.1, 5.9)
BAR_FREQUENCIES = (0.8, 1.6, 2.5, 4.0, 6.0)
SAME_GROUP = 0.02
ISRB_COVERAGE, CTF_COVERAGE, SNR_ERROR = (0.90, 0.98), 0.90, 0.02

Row = dict[str, Any]


@cache
def wires(sigma_px: float, tilt_deg: float) -> tuple[Any, float | None]:
    """Noise-free wires and their iSRb."""
    image, truth = duplex_wires(GaussianBlur(sigma_px), PITCH_MM, rows=128, tilt_deg=tilt_deg)
    return image, interpolated_srb(truth.spacing_mm, truth.dip_percent)


def isrb(snr: int, repeats: int, random_state: int) -> Row:
    """Coverage at one signal-to-noise ratio, over blurs and tilts."""
    held, none = [], 0
    for k in range(repeats):
        rng = np.random.default_rng([random_state, snr, k])
        image, known = wires(SIGMAS_PX[k % len(SIGMAS_PX)], TILTS_DEG[k // len(SIGMAS_PX) % len(TILTS_DEG)])
        try:
            found = duplex_isrb(image + rng.standard_normal(image.shape) / snr, PITCH_MM)
        except MeasurementError:
            none += 1
            continue
        if found.isrb_mm is None or found.isrb_low_mm is None or found.isrb_high_mm is None or known is None:
            none += 1
            continue
        held.append(found.isrb_low_mm <= known <= found.isrb_high_mm)
    share = float(np.mean(held))
    met = ISRB_COVERAGE[0] <= share <= ISRB_COVERAGE[1]
    return {"what": f"iSRb, SNR {snr}", "repeats": repeats, "no_value": none, "coverage": share, "met": met}


def ctf(blur: Blur, noise: float, sigma_px: float, repeats: int, random_state: int) -> Row:
    """Coverage over the groups of bar targets at random tilts."""
    held, none = [], 0
    for k in range(repeats):
        rng = np.random.default_rng([random_state, 7, k])
        image, truth = bars(BAR_FREQUENCIES, blur, PITCH_MM, tilt_deg=rng.uniform(1, 5))
        try:
            found = bars_ctf(image + noise * coloured(rng, image.shape, sigma_px), PITCH_MM)
        except MeasurementError:
            none += 1
            continue
        for group in found.groups:
            nearest = min(truth, key=lambda t, f=group.frequency_lp_mm: abs(t.frequency_lp_mm - f))  # type: ignore[misc]
            if abs(group.frequency_lp_mm / nearest.frequency_lp_mm - 1) < SAME_GROUP:
                held.append(group.ctf_low <= nearest.ctf <= group.ctf_high)
    share = float(np.mean(held))
    name = f"CTF, {type(blur).__name__.removesuffix('Blur')}, noise {100 * noise:g} %"
    name += f" over {sigma_px:g} px" if sigma_px else ""
    return {"what": name, "repeats": repeats, "no_value": none, "coverage": share, "met": share >= CTF_COVERAGE}


def snr_n(sigma_px: float, trend: float, dead: int, repeats: int, random_state: int) -> Row:
    """Mean error and coverage of SNR_N in one disturbed region."""
    make, values, held = snr_region(sigma_px, trend, dead), [], 0
    for k in range(repeats):
        found = contrast(make(np.random.default_rng([random_state, 11, k])), srb_um=88.6)
        assert found.snr_n is not None and found.snr_n_sd is not None
        values.append(found.snr_n)
        held += abs(found.snr_n - SNR) <= 2 * found.snr_n_sd
    error = float(np.mean(values) / SNR - 1)
    name = f"SNR_N, trend {100 * trend:g} %, {dead} dead, noise over {sigma_px:g} px"
    return {"what": name, "repeats": repeats, "no_value": 0, "coverage": held / repeats, "mean_error": error,
            "met": abs(error) <= SNR_ERROR}  # fmt: skip


def rows(repeats: int, random_state: int) -> Iterator[Row]:
    """Every line of the table."""
    for snr in SNRS:
        yield isrb(snr, repeats, random_state)
    for blur in (GaussianBlur(0.6), GaussianBlur(1.0), PhosphorBlur(0.8)):
        for noise, sigma in ((0.01, 0.0), (0.01, 1.0), (0.05, 0.0)):
            yield ctf(blur, noise, sigma, max(repeats // 25, 2), random_state)
    for sigma, trend, dead in ((0.0, 0.0, 0), (0.0, 0.05, 0), (0.0, 0.0, 1), (2.0, 0.0, 0), (2.0, 0.05, 1)):
        yield snr_n(sigma, trend, dead, max(repeats // 5, 2), random_state)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=300, help="of the iSRb at each SNR; the others get a part of it")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write all numbers here, and the table beside it as .md")
    options = parser.parse_args(arguments)
    found = []
    for row in rows(options.repeats, options.random_state):
        print(row, file=sys.stderr, flush=True)
        found.append(row)
    met = sum(row["met"] for row in found)
    lines = [
        "# Bands over repeats",
        "",
        f"{date.today().isoformat()}, `python benchmarks/metrology_bands.py --repeats {options.repeats} --random-state "
        f"{options.random_state}`, simulated images. {met} of {len(found)} marks are met.",
        "",
        "| | repeats | no value | coverage | mean error [%] | met |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        error = f"{100 * row['mean_error']:+.2f}" if "mean_error" in row else "–"
        lines.append(
            f"| {row['what']} | {row['repeats']} | {row['no_value']} | {row['coverage']:.3f} | {error} | "
            f"{'yes' if row['met'] else '**no**'} |"
        )
    text = "\n".join([*lines, ""])
    print(text)
    if options.out:
        result = {"date": date.today().isoformat(), "random_state": options.random_state, "met": met,
                  "threads": _one_thread.THREADS, "rows": found}  # fmt: skip
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        options.out.with_suffix(".md").write_text(text)
    return int(met < len(found))


if __name__ == "__main__":
    sys.exit(main())
