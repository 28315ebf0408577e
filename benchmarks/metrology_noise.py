"""Noise and line-target part of the metrology benchmark: NNPS, CTF, Coltman, iSRb, d', their speed, wrong input.

Run by `metrology.py`. Targets and their truth come from `coldray.objects.phantoms`, which integrates pixels in
closed form and shares no code with the measurements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _marks import Mark
from _peers import Answer, Peers, figures
from metrology_edge import best_seconds
from numpy.typing import NDArray

from coldray.errors import ColdrayError, MeasurementError
from coldray.metrology.bars.coltman import ctf_from_mtf, mtf_from_ctf
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.detectability import detectability
from coldray.metrology.duplex.isrb import duplex_isrb
from coldray.metrology.edge.mtf import edge_mtf
from coldray.metrology.noise import NoiseMeasurement, flat_nnps
from coldray.metrology.observer import hotelling_observer, laguerre_gauss_channels
from coldray.metrology.tasks import disc, gaussian
from coldray.objects.phantoms import (
    GaussianBlur,
    PhosphorBlur,
    bars,
    duplex_wires,
    flat_field,
    slanted_edge,
    with_glare,
)
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Acquisition, Radiograph

PITCH_MM = 0.05
WHITE_MM2 = (0.02 * PITCH_MM) ** 2  # NNPS of 2 % white noise
SIDE, REGION = 1024, 256
Deviation = NDArray[np.float64]


def spectrum(kind: str) -> FrequencyCurve:
    """NNPS of 2 % noise [mm2]: white, or falling as through a scintillator."""
    f = np.linspace(0, 15, 601)
    shape = np.ones(f.size) if kind == "white" else 0.15 + 0.85 * np.exp(-((f / 4) ** 2))
    return FrequencyCurve(f, WHITE_MM2 * shape)


def deviation(frequency_px: NDArray[Any], nnps_mm2: NDArray[Any], kind: str) -> Deviation:
    """Relative deviation of an NNPS from the truth over 0.05 to 0.45 cycles/px."""
    f = np.asarray(frequency_px, dtype=np.float64)
    band = (f >= 0.05) & (f <= 0.45)
    return np.asarray(nnps_mm2, dtype=np.float64)[band] / spectrum(kind)(f[band] / PITCH_MM) - 1


def _own(measurement: NoiseMeasurement, kind: str) -> Deviation:
    return deviation(measurement.nnps.frequency_lp_mm * PITCH_MM, measurement.nnps.value, kind)


def _theirs(answer: Answer, kind: str) -> Deviation:
    return deviation(answer["frequency_px"], answer["nnps_mm2"], kind)


def nnps(peers: Peers, quick: bool) -> list[Mark]:
    """Bias, statistical spread, trend removal, Parseval and speed of the NNPS."""
    kinds, trials, shared, part = ("white", "correlated"), 4 if quick else 50, 2 if quick else 8, "NNPS"
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    flat = flat_field((SIDE, SIDE), PITCH_MM, spectrum("white"), 7)[0]
    bowl = (flat * (1 - 0.02 * (x**2 + y**2) / 2)).astype(np.float32)
    large = {kind: flat_field((2 * SIDE, 2 * SIDE), PITCH_MM, spectrum(kind), 999)[0] for kind in kinds}
    images, places = [flat, bowl, *large.values()], {kind: [] for kind in kinds}
    own: dict[str, list[NoiseMeasurement]] = {kind: [] for kind in kinds}
    for k in range(trials):
        for kind in kinds:
            image = flat_field((SIDE, SIDE), PITCH_MM, spectrum(kind), k)[0]
            own[kind].append(flat_nnps(image, PITCH_MM))
            if k < shared:
                places[kind].append(len(images))
                images.append(image)
    answers = peers.ask(images, [{"task": "flat", "pitch_mm": PITCH_MM}] * len(images))
    expected = 1 / np.sqrt(14 * (SIDE / REGION) ** 2)
    marks = []
    for k, kind in enumerate(kinds):
        pooled = np.concatenate([_own(one, kind) for one in own[kind]])
        four = flat_nnps(large[kind], PITCH_MM)
        theirs = figures(answers, [2 + k], lambda a, _: 100 * float(_theirs(a, kind).mean()))
        bias = 100 * float(_own(four, kind).mean())
        marks.append(Mark(part, f"mean bias, {kind}, one flat of 4 Mpx", bias, -1, 1, "%", theirs))
        theirs = figures(answers, places[kind], lambda a, _: 100 * float(_theirs(a, kind).mean()), _mean)
        bias = 100 * float(pooled.mean())
        marks.append(Mark(part, f"mean bias, {kind}, {trials} flats of 1 Mpx", bias, -1, 1, "%", theirs))
        theirs = figures(answers, places[kind], lambda a, _: float(_theirs(a, kind).std() / expected), _rms)
        spread = float(pooled.std() / expected)
        marks.append(
            Mark(part, f"rms over 1/√(14N), {kind} (peers average whole rings)", spread, 0.80, 1.05, "", theirs)
        )
        worst = max(one.parseval_error for one in [*own[kind], four])
        marks.append(Mark(part, f"Parseval, {kind}", worst, 0, 1e-6))
    a, b = flat_nnps(flat, PITCH_MM), flat_nnps(bowl, PITCH_MM)
    above = a.nnps.frequency_lp_mm * PITCH_MM > 0.02
    change = 100 * float(np.abs(b.nnps.value / a.nnps.value - 1)[above].max())

    def by_trend(answer: Answer, _: int) -> float:
        """Change of a peer's bins: the flat is its first answer, the flat with the trend its second."""
        name = next(name for name, given in answers.items() if not isinstance(given, str) and given[1] is answer)
        first = answers[name][0]
        assert isinstance(first, dict)
        ratio = np.asarray(answer["nnps_mm2"]) / np.asarray(first["nnps_mm2"])
        return 100 * float(np.abs(ratio - 1)[np.asarray(answer["frequency_px"]) > 0.02].max())

    marks.append(
        Mark(part, "change above 0.02 cycles/px by a 2 % trend", change, 0, 2, "%", figures(answers, [1], by_trend))
    )
    seconds = best_seconds(lambda: flat_nnps(large["white"], PITCH_MM), 2 if quick else 5)
    part = "Speed: processor time, one thread (in brackets: times coldray's)"
    theirs = figures(answers, [2, 3], lambda a, _: a["seconds"], min)
    return [*marks, Mark(part, "NNPS of 4 Mpx", seconds, 0, 0.6, "s", theirs)]


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def ctf(peers: Peers, quick: bool) -> list[Mark]:
    """Bar groups against the truth for endless bars, and Coltman's two series against each other."""
    worst, worst_mtf, found, asked, part = 0.0, 0.0, 0, 0, "Bars and Coltman"
    images, truths, requests = [], [], []
    for blur in (GaussianBlur(0.6), GaussianBlur(1.0), PhosphorBlur(0.6)):
        for tilt in (2.0,) if quick else (1.0, 2.0, -3.0, 5.0):
            image, truth = bars([0.8, 1.6, 2.5, 4, 6, 8], blur, PITCH_MM, tilt_deg=tilt)
            groups = bars_ctf(image, PITCH_MM).groups
            for t in truth:
                asked += t.ctf > 0.03
                for g in groups:
                    if abs(g.frequency_lp_mm / t.frequency_lp_mm - 1) < 0.01:
                        found += t.ctf > 0.03
                        worst = max(worst, abs(g.ctf - t.ctf))
                        worst_mtf = max(worst_mtf, abs(g.mtf - t.mtf))
            images.append(image)
            truths.append(np.array([t.ctf for t in truth]))
            told = {"boxes": [t.box for t in truth], "frequencies_lp_mm": [t.frequency_lp_mm for t in truth]}
            requests.append({"task": "bars", "pitch_mm": PITCH_MM, "angle_deg": tilt, **told})
    answers = peers.ask(images, requests)

    def error(answer: Answer, k: int) -> float:
        """Peers give the response relative to the coarsest group; it is granted that group's truth."""
        return float(np.abs(np.asarray(answer["ctf"]) * truths[k][0] - truths[k]).max())

    f, identity = np.linspace(0.1, 9.9, 50), 0.0
    for mtf in (lambda q: np.exp(-q / 4), lambda q: np.exp(-((q / 5) ** 2)), lambda q: 1 / (1 + (q / 3) ** 2)):
        back = mtf_from_ctf(lambda q, mtf=mtf: ctf_from_mtf(mtf, q, 20.0), f, 20.0)
        identity = max(identity, float(np.abs(back - mtf(f)).max()))
    places = range(len(images))
    return [
        Mark(part, "CTF, largest error", worst, 0, 0.005, "", figures(answers, places, error)),
        Mark(part, "MTF of the fundamental, largest error", worst_mtf, 0, 0.005),
        Mark(part, "groups with CTF > 0.03 found", 100 * found / asked, 100, 100, "%"),
        Mark(part, "Coltman there and back", identity, 0, 1e-6),
    ]


def duplex(peers: Peers, quick: bool) -> list[Mark]:
    """Errors of the iSRb, without noise and at SNR 50."""
    rng, part = np.random.default_rng(0), "Duplex wire"
    clean, noisy, truths = [], [], []
    for sigma in (0.7, 1.2, 2.4):
        for round_wires in (True, False):
            image, truth = duplex_wires(GaussianBlur(sigma), PITCH_MM, rows=200, round_wires=round_wires)
            clean.append((image, truth.isrb_mm))
            noisy += [
                (image * (1 + rng.standard_normal(image.shape) / 50), truth.isrb_mm) for _ in range(2 if quick else 15)
            ]
    worst = max(abs((duplex_isrb(image, PITCH_MM).isrb_mm or np.inf) / isrb - 1) for image, isrb in clean)
    tails = 0.0
    for blur in (PhosphorBlur(1.0), PhosphorBlur(2.0), with_glare(GaussianBlur(1.2), 0.04, 20.0)):
        for round_wires in (True, False):
            image, truth = duplex_wires(blur, PITCH_MM, rows=128, round_wires=round_wires)
            tails = max(tails, abs((duplex_isrb(image, PITCH_MM).isrb_mm or np.inf) / (truth.isrb_mm or np.inf) - 1))
    crashes, refused, spread = 0, 0, 0.0
    for image, isrb in noisy:
        try:
            value = duplex_isrb(image, PITCH_MM).isrb_mm
        except MeasurementError:
            refused += 1
        except Exception:
            crashes += 1
        else:
            refused += value is None
            spread = max(spread, abs((value or isrb) / isrb - 1))
    # A slow peer gets every noise-free target and a few noisy ones of each.
    shared = noisy[:: 2 if quick else 5]
    images = [*clean, *shared]
    truths = [isrb for _, isrb in images]
    told = {"task": "duplex", "pitch_mm": PITCH_MM, "angle_deg": 3.0}
    answers = peers.ask([image for image, _ in images], [told] * len(images))

    def error(answer: Answer, k: int) -> float:
        return 100 * abs(float(answer["isrb_mm"]) / truths[k] - 1)

    first, later = range(len(clean)), range(len(clean), len(images))
    return [
        Mark(part, "iSRb, largest error, noise-free", 100 * worst, 0, 3, "%", figures(answers, first, error)),
        Mark(part, "iSRb, largest error, long tails, noise-free", 100 * tails, 0, 3, "%"),
        Mark(part, f"crashes on {len(noisy)} images at SNR 50", crashes, 0, 0),
        Mark(part, f"no result on {len(noisy)} images at SNR 50", refused, 0, 0),
        Mark(part, "iSRb, largest error, SNR 50", 100 * spread, unit="%", peers=figures(answers, later, error)),
    ]


def d_prime(peers: Peers, quick: bool) -> list[Mark]:
    """Detectability of known signals in white noise: d'^2 = sum s^2 / sigma^2."""
    f, part = np.linspace(0, 15, 301), "d' of a known signal in white noise"
    ideal, white = FrequencyCurve(f, np.ones(301)), FrequencyCurve(f, np.full(301, WHITE_MM2))
    y = np.arange(-40, 41) * PITCH_MM
    signal = 0.05 * np.exp(-(y[:, None] ** 2 + y**2) / (2 * 0.15**2))
    truth = np.sqrt(np.sum(signal**2)) / 0.02
    marks = []
    for observer in ("npw", "pw"):
        found = detectability(ideal, white, gaussian(0.15, 0.05), PITCH_MM, observer=observer).d_prime  # type: ignore[arg-type]
        marks.append(Mark(part, f"error, {observer.upper()}, Gaussian spot", 100 * abs(found / truth - 1), 0, 2, "%"))
    truth_disc = 0.01 * np.sqrt(np.pi / WHITE_MM2)
    told = {"task": "disc", "pitch_mm": PITCH_MM, "nnps_mm2": WHITE_MM2, "diameter_mm": 2.0, "contrast": 0.01}
    answers = peers.ask([np.zeros((2, 2))], [told])
    found = detectability(ideal, white, disc(2.0, 0.01), PITCH_MM).d_prime
    theirs = figures(answers, [0], lambda a, _: 100 * abs(a["d_prime"] / truth_disc - 1))
    marks.append(Mark(part, "error, NPW, disc of 2 mm", 100 * abs(found / truth_disc - 1), 0, 2, "%", theirs))
    rng = np.random.default_rng(1)
    n, y = (4000 if quick else 20_000), np.arange(24) - 11.5
    signal = 0.55 * np.exp(-(y[:, None] ** 2 + y**2) / 18)
    absent, present = rng.standard_normal((2, n, 24, 24), dtype=np.float32)
    channels = laguerre_gauss_channels((24, 24), np.sqrt(2 * np.pi) * 3, 5)
    result = hotelling_observer(present + signal, absent, channels, bootstraps=20)
    error = 100 * abs(float(result.d_prime / np.sqrt(np.sum(signal**2))) - 1)
    return [*marks, Mark(part, f"error, channelised Hotelling on {n} image pairs", error, 0, 2, "%")]


def wrong_input() -> Mark:
    """Images that must be refused or flagged; a silent number fails."""
    rng = np.random.default_rng(5)
    noise = 1 + 0.02 * rng.standard_normal((256, 256))
    edge = slanted_edge((256, 256), GaussianBlur(0.5), 0.1, angle_deg=2.0)[0]
    hole = edge.copy()
    hole[100, 100] = np.nan
    log_scaled = Radiograph(edge, Acquisition(pixel_pitch_mm=0.1, linear=False))
    calls: dict[str, Callable[[], Any]] = {
        "edge: noise only": lambda: edge_mtf(noise, 0.1),
        "edge: constant": lambda: edge_mtf(np.ones((256, 256)), 0.1),
        "edge: region beside it": lambda: edge_mtf(edge + 0.01 * noise, 0.1, roi=(0, 0, 80, 256)),
        "edge: region of 12 x 12": lambda: edge_mtf(edge, 0.1, roi=(120, 120, 12, 12)),
        "edge: saturated": lambda: edge_mtf(np.minimum(edge + 0.01 * noise, 0.9), 0.1),
        "edge: 3-D": lambda: edge_mtf(np.stack([edge] * 3), 0.1),
        "edge: log-scaled": lambda: edge_mtf(log_scaled),
        "edge: NaN": lambda: edge_mtf(hole, 0.1),
        "edge: no pitch": lambda: edge_mtf(edge),
        "edge: 0.2 deg": lambda: edge_mtf(slanted_edge((256, 256), GaussianBlur(0.5), 0.1, angle_deg=0.2)[0], 0.1),
        "flat: 48 x 48": lambda: flat_nnps(noise[:48, :48], 0.1),
        "flat: no noise": lambda: flat_nnps(np.ones((512, 512)), 0.1),
        "flat: an edge in it": lambda: flat_nnps(edge + 0.01 * noise, 0.1),
        "flat: zero mean": lambda: flat_nnps(np.tile(noise - noise.mean(), (2, 2)), 0.1),
        "flat: NaN": lambda: flat_nnps(hole, 0.1),
        "bars: none": lambda: bars_ctf(noise, 0.1),
        "wires: none": lambda: duplex_isrb(noise, 0.1),
    }
    silent = [name for name, call in calls.items() if not _answered(call)]
    return Mark(
        "Wrong input", f"silent numbers of {len(calls)} wrong images", len(silent), 0, 0, detail={"silent": silent}
    )


def _answered(call: Callable[[], Any]) -> bool:
    """True if the call raised one of our errors, or warned in its result."""
    try:
        return bool(call().warnings)
    except ColdrayError:
        return True


def targets(peers: Peers, quick: bool) -> list[Mark]:
    """Every mark of line targets, detectability and wrong input."""
    return [*ctf(peers, quick), *duplex(peers, quick), *d_prime(peers, quick), wrong_input()]
