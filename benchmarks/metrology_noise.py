"""Marks of the noise and bar metrology: NNPS, CTF, Coltman, iSRb, d', speed. One command, one table.

    python benchmarks/metrology_noise.py [--quick] [--out results.json]

Targets and their truth come from `coldray.physics.phantoms`, which integrates pixels in closed form
and shares no code with the measurements.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from coldray.errors import MeasurementError
from coldray.measure.bars import bars_ctf
from coldray.measure.coltman import ctf_from_mtf, mtf_from_ctf
from coldray.measure.detectability import detectability
from coldray.measure.duplex import duplex_isrb
from coldray.measure.noise import flat_nnps
from coldray.measure.observer import hotelling_observer, laguerre_gauss_channels
from coldray.measure.tasks import gaussian
from coldray.physics.curves import FrequencyCurve
from coldray.physics.phantoms import GaussianBlur, PhosphorBlur, bars, duplex_wires, flat_field

PITCH = 0.05


@dataclass(frozen=True)
class Mark:
    """One line of the table."""

    name: str
    figure: float
    low: float
    high: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        """True within the limits."""
        return bool(self.low <= self.figure <= self.high)


def spectrum(kind: str) -> FrequencyCurve:
    f = np.linspace(0, 15, 601)
    level = (0.02 * PITCH) ** 2
    return FrequencyCurve(
        f, np.full(f.size, level) if kind == "white" else level * (0.15 + 0.85 * np.exp(-((f / 4) ** 2)))
    )


def nnps_marks(quick: bool) -> list[Mark]:
    marks = []
    side, trials = (1024, 4) if quick else (1024, 50)
    for kind in ("white", "correlated"):
        truth, deviation, worst = spectrum(kind), [], 0.0
        for k in range(trials):
            m = flat_nnps(flat_field((side, side), PITCH, truth, k)[0], PITCH)
            f = m.nnps.frequency_lp_mm * PITCH
            band = (f >= 0.05) & (f <= 0.45)
            deviation.append((m.nnps.value / truth(m.nnps.frequency_lp_mm) - 1)[band])
            worst = max(worst, m.parseval_error)
        pooled = np.concatenate(deviation)
        four = flat_nnps(flat_field((2048, 2048), PITCH, truth, 999)[0], PITCH)
        f = four.nnps.frequency_lp_mm * PITCH
        band = (f >= 0.05) & (f <= 0.45)
        bias = float((four.nnps.value / truth(four.nnps.frequency_lp_mm) - 1)[band].mean())
        expected = 1 / np.sqrt(14 * (side / 256) ** 2)
        marks += [
            Mark(f"NNPS {kind}: mean bias, 4 Mpx", 100 * bias, -1, 1, "%"),
            Mark(f"NNPS {kind}: mean bias, {trials} x 1 Mpx", 100 * float(pooled.mean()), -1, 1, "%"),
            Mark(f"NNPS {kind}: rms over 1/sqrt(14N)", float(pooled.std() / expected), 0.80, 1.05),
            Mark(f"NNPS {kind}: Parseval", worst, 0, 1e-6),
        ]
    flat = flat_field((1024, 1024), PITCH, spectrum("white"), 7)[0]
    y, x = np.mgrid[-1:1:1024j, -1:1:1024j]
    a, b = flat_nnps(flat, PITCH), flat_nnps(flat * (1 - 0.02 * (x**2 + y**2) / 2), PITCH)
    above = a.nnps.frequency_lp_mm * PITCH > 0.02
    change = float(np.abs(b.nnps.value / a.nnps.value - 1)[above].max())
    return [*marks, Mark("NNPS: change by a 2 % trend above 0.02 cy/px", 100 * change, 0, 2, "%")]


def ctf_marks(quick: bool) -> list[Mark]:
    worst, worst_mtf, found, asked = 0.0, 0.0, 0, 0
    for blur in (GaussianBlur(0.6), GaussianBlur(1.0), PhosphorBlur(0.6)):
        for tilt in (2.0,) if quick else (1.0, 2.0, -3.0, 5.0):
            image, truth = bars([0.8, 1.6, 2.5, 4, 6, 8], blur, PITCH, tilt_deg=tilt)
            groups = bars_ctf(image, PITCH).groups
            for t in truth:
                asked += t.ctf > 0.03
                for g in groups:
                    if abs(g.frequency_lp_mm / t.frequency_lp_mm - 1) < 0.01:
                        found += t.ctf > 0.03
                        worst = max(worst, abs(g.ctf - t.ctf))
                        worst_mtf = max(worst_mtf, abs(g.mtf - t.mtf))
    f = np.linspace(0.1, 9.9, 50)
    identity = 0.0
    for mtf in (lambda q: np.exp(-q / 4), lambda q: np.exp(-((q / 5) ** 2)), lambda q: 1 / (1 + (q / 3) ** 2)):
        back = mtf_from_ctf(lambda q, mtf=mtf: ctf_from_mtf(mtf, q, 20.0), f, 20.0)
        identity = max(identity, float(np.abs(back - mtf(f)).max()))
    return [
        Mark("CTF: largest error", worst, 0, 0.005),
        Mark("MTF of the fundamental: largest error", worst_mtf, 0, 0.005),
        Mark("CTF: groups with CTF > 0.03 found", 100 * found / asked, 100, 100, "%"),
        Mark("Coltman identity", identity, 0, 1e-6),
    ]


def duplex_marks(quick: bool) -> list[Mark]:
    worst, crashes, refused, spread = 0.0, 0, 0, 0.0
    rng = np.random.default_rng(0)
    for sigma in (0.7, 1.2, 2.4):
        for round_wires in (True, False):
            image, truth = duplex_wires(GaussianBlur(sigma), PITCH, rows=200, round_wires=round_wires)
            worst = max(worst, abs((duplex_isrb(image, PITCH).isrb_mm or np.inf) / truth.isrb_mm - 1))
        found = []
        for _ in range(3 if quick else 30):
            try:
                noisy = image * (1 + rng.standard_normal(image.shape) / 50)
                found.append(duplex_isrb(noisy, PITCH).isrb_mm or np.nan)
            except MeasurementError:
                refused += 1
            except Exception:
                crashes += 1
        spread = max(spread, float(np.nanmax(np.abs(np.array(found) / truth.isrb_mm - 1))))
    return [
        Mark("iSRb: largest error, noise-free", 100 * worst, 0, 3, "%"),
        Mark("iSRb: crashes at SNR 50", crashes, 0, 0),
        Mark("iSRb: refusals at SNR 50", refused, 0, 0),
        Mark("iSRb: largest error at SNR 50 (no mark)", 100 * spread, 0, np.inf, "%"),
    ]


def detectability_marks(quick: bool) -> list[Mark]:
    f = np.linspace(0, 15, 301)
    ideal, white = FrequencyCurve(f, np.ones(301)), FrequencyCurve(f, np.full(301, (0.02 * PITCH) ** 2))
    y = np.arange(-40, 41) * PITCH
    signal = 0.05 * np.exp(-(y[:, None] ** 2 + y**2) / (2 * 0.15**2))
    truth = np.sqrt(np.sum(signal**2)) / 0.02
    marks = [
        Mark(
            f"d' {o.upper()}: error",
            100 * abs(detectability(ideal, white, gaussian(0.15, 0.05), PITCH, observer=o).d_prime / truth - 1),
            0,
            2,
            "%",
        )  # type: ignore[arg-type]
        for o in ("npw", "pw")
    ]
    rng = np.random.default_rng(1)
    n, y = (4000 if quick else 20_000), np.arange(24) - 11.5
    signal = 0.55 * np.exp(-(y[:, None] ** 2 + y**2) / 18)
    absent, present = rng.standard_normal((2, n, 24, 24), dtype=np.float32)
    channels = laguerre_gauss_channels((24, 24), np.sqrt(2 * np.pi) * 3, 5)
    result = hotelling_observer(present + signal, absent, channels, bootstraps=20)
    error = abs(result.d_prime / np.sqrt(np.sum(signal**2)) - 1)
    return [*marks, Mark("d' CHO on images: error", 100 * float(error), 0, 2, "%")]


def speed_marks(quick: bool) -> list[Mark]:
    flat = flat_field((2048, 2048), PITCH, spectrum("white"), 0)[0]
    image = bars([0.8, 1.6, 2.5, 4, 6, 8], GaussianBlur(0.6), PITCH)[0]
    wires = duplex_wires(GaussianBlur(1.2), PITCH)[0]
    calls: list[tuple[str, Callable[[], object], float]] = [
        ("NNPS of 4 Mpx", lambda: flat_nnps(flat, PITCH), 0.6),
        ("six bar groups (no mark)", lambda: bars_ctf(image, PITCH), np.inf),
        ("duplex wire (no mark)", lambda: duplex_isrb(wires, PITCH), np.inf),
    ]
    return [
        Mark(f"speed: {name}", best_seconds(call, 2 if quick else 5), 0, limit, "s CPU") for name, call, limit in calls
    ]


def best_seconds(call: Callable[[], object], repeats: int) -> float:
    """Shortest processor time of one call, which other load on the machine changes least."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few trials, about a minute")
    parser.add_argument("--out", type=Path, help="write the table as JSON")
    arguments = parser.parse_args()
    marks: list[Mark] = []
    for part in (ctf_marks, duplex_marks, detectability_marks, nnps_marks, speed_marks):
        marks += part(arguments.quick)
    print(f"{'mark':52} {'figure':>12} {'limit':>20}")
    for m in marks:
        limit = f"{m.low:g} ... {m.high:g} {m.unit}"
        print(f"{m.name:52} {m.figure:12.4g} {limit:>20}  {'reached' if m.reached else 'MISSED'}")
    if arguments.out:
        rows = [{**asdict(m), "high": m.high if np.isfinite(m.high) else None, "reached": m.reached} for m in marks]
        arguments.out.write_text(json.dumps({"quick": arguments.quick, "marks": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
