"""Noise found in one image, without exposure or flats: detectors outside of training, known by an MTF table alone.

Simulated boards of families unseen in training, through detectors that no model was trained on. Per detector and dose: found
over true noise power in three octaves at the mean signal, median and 5 to 95 % over scenes; what restorations lose against being
given four flat fields; and how they compare with an oracle: the linear filter that knows the true blur, the true noise and the mean
power spectrum of these very scenes.

python benchmarks/blind_noise.py [--scenes 32] [--restored 6] [--out benchmarks/results/blind_noise.json]

Constants of the estimator were chosen on the scenes from 4000 and 70000 on; the default scenes were not looked at before.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.objects.boards import ROLES, procedural_board
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.grids import dct_axes
from coldray.physics.pair import DetectorPair
from coldray.physics.screen import gos_screen, open_beam_nnps
from coldray.restoration.estimate import run_method
from coldray.restoration.job import Job
from coldray.restoration.model import load_model
from coldray.restoration.noise import OCTAVES, noise_of_flats, noise_of_image
from coldray.simulation.detector import ScreenDetector

Float = NDArray[np.float64]
Curve = Callable[[Float], Float]
Filter = Callable[[NDArray[np.float32]], NDArray[np.float32]]

FINE_MM, FINE_PX = 0.025, 1440
KERMA_RATE_UGY_S, PHOTONS_MM2_UGY = 42.56, 17181.0
DOSES_S = (1.0, 0.25, 0.05)
METHODS = ("wiener", "cold")
ALIASES = 3


@dataclass(frozen=True)
class Camera:
    """A detector as its maker knows it; the estimator sees its MTF table only.

    Parameters
    ----------
    name : str
    oversampling : int
        Fine cells per pixel: the pitch over `FINE_MM`.
    screen, sharper : callable
        MTF without pixel, of it and of the detector to restore towards, over frequency [cycles/mm].
    table_noise : float
        Standard deviation of the measured MTF; its band is stated.
    absorbed, gain, exponent, electrons : float
        Share of absorbed photons, light quanta seen per photon, noise shape MTF^exponent, and read noise in electrons;
        a powder screen has its own cascade instead.
    loading : float
        Of a powder screen [mg/cm2]; 0 for others.
    """

    name: str
    oversampling: int
    screen: Curve
    sharper: Curve
    table_noise: float = 0.0
    absorbed: float = 0.6
    gain: float = 400.0
    exponent: float = 0.0
    electrons: float = 0.0
    loading: float = 0.0

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch [mm]."""
        return self.oversampling * FINE_MM

    def power(self, exposure_s: float, v: Float, u: Float) -> tuple[Float, Float]:
        """Quantum and electronic noise power [mm2] at frequencies along rows and columns [cycles/mm]."""
        pitch = self.pitch_mm
        if self.loading:
            return open_beam_nnps(gos_screen(self.loading), pitch, KERMA_RATE_UGY_S * exposure_s, u, v, aliases=ALIASES)
        quanta = KERMA_RATE_UGY_S * PHOTONS_MM2_UGY * exposure_s * self.absorbed
        if self.exponent == 0:
            total = np.ones(np.broadcast(u, v).shape)
        else:
            total = np.zeros(np.broadcast(u, v).shape)
            for i in range(-ALIASES, ALIASES + 1):
                for j in range(-ALIASES, ALIASES + 1):
                    x, y = u + i / pitch, v + j / pitch
                    total += (np.sinc(x * pitch) * np.sinc(y * pitch)) ** 2 * self.screen(
                        np.hypot(x, y)
                    ) ** self.exponent
        electronic = pitch**2 * (self.electrons / (quanta * pitch**2 * self.gain)) ** 2
        return total / 0.85 / quanta + 1 / (quanta * self.gain), np.full(total.shape, electronic)

    def table(self, screen: Curve, rng: np.random.Generator) -> Detector:
        """MTF table as `measure edge` would leave it, with a band if it is noisy."""
        f = np.linspace(0, 0.5 / self.pitch_mm, 60)
        mtf = screen(f) * np.sinc(f * self.pitch_mm)
        if not self.table_noise:
            return Detector(self.name, self.pitch_mm, FrequencyCurve(f, mtf))
        noisy = np.append(1.0, mtf[1:] + self.table_noise * rng.standard_normal(f.size - 1))
        band = 2 * self.table_noise * (f > 0)
        return Detector(
            self.name, self.pitch_mm, FrequencyCurve(f, np.maximum(noisy, -0.04), noisy - band, noisy + band)
        )

    def image(self, fine: NDArray[np.float32], screen: Curve) -> NDArray[np.float32]:
        """Noise-free image of a transmission on the fine grid."""
        k, pitch = self.oversampling, self.pitch_mm
        v, u = dct_axes(fine.shape, FINE_MM)
        transfer = screen(np.hypot(v, u)) * np.sinc(v * pitch) * np.sinc(u * pitch)
        seen = scipy.fft.idctn(scipy.fft.dctn(fine, norm="ortho") * transfer.astype(np.float32), norm="ortho")
        return np.asarray(seen[k // 2 :: k, k // 2 :: k], dtype=np.float32)

    def noise(self, signal: NDArray[np.float32], exposure_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """One draw of noise at a noise-free image."""
        coloured, white = _amplitudes(self, exposure_s, signal.shape)
        quanta = rng.standard_normal(signal.shape) * np.sqrt(np.maximum(signal, 0))
        out = scipy.fft.idctn(scipy.fft.dctn(quanta, norm="ortho") * coloured, norm="ortho")
        out += white * rng.standard_normal(signal.shape)
        return np.asarray(out, dtype=np.float32)

    def octave_power(self, exposure_s: float, signal: float) -> Float:
        """True noise power in every octave [mm2], mean over its ring."""
        angle = (np.arange(24) + 0.5) * np.pi / 48
        out = []
        for low, high in OCTAVES:
            f = np.linspace(low, high, 33)[:, None] / self.pitch_mm
            quantum, electronic = self.power(exposure_s, f * np.sin(angle), f * np.cos(angle))
            out.append(np.average((quantum * signal + electronic).mean(axis=1), weights=f[:, 0]))
        return np.array(out)


@lru_cache(maxsize=1)
def _amplitudes(camera: Camera, exposure_s: float, shape: tuple[int, int]) -> tuple[Float, float]:
    """Amplitude of quanta over the DCT grid, and standard deviation of the electronics."""
    quantum, electronic = camera.power(exposure_s, *dct_axes(shape, camera.pitch_mm))
    return np.sqrt(quantum) / camera.pitch_mm, float(np.sqrt(electronic.flat[0])) / camera.pitch_mm


def powder(loading: float, oversampling: int, **more: Any) -> Camera:
    """A powder screen restored towards one of a quarter of its loading."""
    thick, thin = gos_screen(loading).mtf, gos_screen(max(loading / 4, 15.0)).mtf
    name = f"powder {loading:g} mg/cm2, {1e3 * oversampling * FINE_MM:g} um"
    return Camera(name, oversampling, thick, thin, loading=loading, **more)


def _needles(f: Float) -> Float:
    return np.asarray(1 / (1 + (f / 2.6) ** 1.7))


def _lens(f: Float) -> Float:
    return np.asarray((0.1 / (1 + 0.02 * f**2) + 0.9 / (1 + 0.45 * f**2)) * np.exp(-((f / 9) ** 2)))


CAMERAS = (
    powder(80.0, 4),
    powder(50.0, 3, table_noise=0.008),
    powder(200.0, 5),
    powder(134.55, 2, table_noise=0.008),
    Camera("needles (CsI-like), 100 um", 4, _needles, lambda f: _needles(f / 2), exponent=1.9, electrons=150),
    Camera(
        "counting, white noise, 75 um", 3, lambda f: np.exp(-((f / 30) ** 2)), np.ones_like, absorbed=0.35, gain=1e9
    ),
    Camera("lens-coupled, 50 um", 2, _lens, lambda f: _lens(f / 3), absorbed=0.5, gain=6.0, exponent=1.5, electrons=4),
)


def scenes(count: int, first: int) -> list[NDArray[np.float32]]:
    """Transmissions of boards of families unseen in training, on the fine grid."""
    families = sorted(name for name, role in ROLES.items() if role in ("test", "validation"))
    screen = ScreenDetector.gos(80.0, 0.1)
    shape = (FINE_PX, FINE_PX)
    return [
        screen.transmission(procedural_board(families[n % len(families)], shape, FINE_MM, first + n))
        for n in range(count)
    ]


def judge(camera: Camera, fine: list[NDArray[np.float32]], restored: int, model: Any) -> list[dict[str, Any]]:
    """One row per dose."""
    rng = np.random.default_rng(7)
    table, sharp = (camera.table(screen, rng) for screen in (camera.screen, camera.sharper))
    pair = DetectorPair(table, sharp)
    clean = [camera.image(f, camera.screen) for f in fine]
    aims = [camera.image(f, camera.sharper) for f in fine[:restored]]
    rows = []
    for exposure in DOSES_S:
        flats = np.stack([1 + camera.noise(np.ones_like(clean[0]), exposure, rng) for _ in range(4)])
        stated = noise_of_flats(flats, table)
        oracle = _oracle(camera, exposure, clean[:restored], aims)
        ratios, errors, spent, gaps = [], [], 0.0, []
        for number, signal in enumerate(clean):
            image = signal + camera.noise(signal, exposure, rng)
            began = time.process_time()
            found = noise_of_image(image, table)
            spent += time.process_time() - began
            mean = float(image.mean())
            f = [np.linspace(low, high, 33) / camera.pitch_mm for low, high in OCTAVES]
            power = np.array([np.average(found.power(x, mean), weights=x) for x in f])
            ratios.append(power / camera.octave_power(exposure, mean))
            errors.append([float(found.error(x).mean()) for x in f])
            if number < restored:
                gaps.append(_gap(image, aims[number], pair, (found, stated), model, oracle))
        quantiles = np.quantile(ratios, [0.05, 0.5, 0.95], axis=0)
        z = np.abs(np.log(ratios)) / np.array(errors)
        row = {
            "detector": camera.name,
            "exposure_s": exposure,
            "median": np.round(quantiles[1], 3).tolist(),
            "from_5": np.round(quantiles[0], 3).tolist(),
            "to_95": np.round(quantiles[2], 3).tolist(),
            "stated_error_median": np.round(np.median(errors, axis=0), 3).tolist(),
            "within_2_errors": np.round((z < 2).mean(axis=0), 2).tolist(),
            "core_s": round(spent / len(clean), 4),
        }
        if gaps:
            for against in ("flats", "oracle"):
                differences = {m: np.mean([g[against, m] for g in gaps], axis=0) for m in METHODS}
                row[f"blind_minus_{against}"] = {m: np.round(d, 4).tolist() for m, d in differences.items()}
        rows.append(row)
        spans = " ".join(f"{m:.2f} ({a:.2f}-{b:.2f})" for a, m, b in quantiles.T)
        print(
            f"{camera.name:30s} {exposure:5g} s  {spans}  {row.get('blind_minus_flats', '')} "
            f"{row.get('blind_minus_oracle', '')}",
            flush=True,
        )
    return rows


def _oracle(
    camera: Camera, exposure_s: float, clean: list[NDArray[np.float32]], aims: list[NDArray[np.float32]]
) -> Filter:
    """The best linear filter for the mean of these scenes, from an image to its estimate."""
    shape = aims[0].shape
    v, u = dct_axes(shape, camera.pitch_mm)
    frequency = np.hypot(v, u)
    quantum, electronic = camera.power(exposure_s, v, u)
    noise = (quantum * np.mean(clean) + electronic) / camera.pitch_mm**2
    ring = np.rint(frequency * 2 * camera.pitch_mm * min(shape)).astype(int)
    energy = np.mean([scipy.fft.dctn(aim, norm="ortho") ** 2 for aim in aims], axis=0)
    power = (np.bincount(ring.ravel(), energy.ravel()) / np.bincount(ring.ravel()))[ring]
    blur = camera.screen(frequency) / camera.sharper(frequency)
    gain = blur * power / (blur**2 * power + noise)
    gain[0, 0] = 1.0
    gain = gain.astype(np.float32)
    return lambda image: scipy.fft.idctn(gain * scipy.fft.dctn(image, norm="ortho"), norm="ortho")


def _gap(
    image: NDArray[np.float32],
    aim: NDArray[np.float32],
    pair: DetectorPair,
    noises: tuple[Any, Any],
    model: Any,
    oracle: Filter,
) -> dict[tuple[str, str], Float]:
    """PSNR [dB] and SSIM with the noise found, less those with that of flats and less the oracle's, per method."""
    degradation, convention = Degradation(pair), Convention()

    def scores(result: NDArray[Any]) -> Float:
        return np.array([psnr_db(result, aim, convention), ssim(result, aim, convention)])

    best, out = scores(oracle(image)), {}
    for method in METHODS:
        job = Job(method=method, model=model if method == "cold" else None)
        blind, flats = (
            scores(run_method(Frame(image, pair, noise, model.prior), degradation, job)[0]) for noise in noises
        )
        out["flats", method], out["oracle", method] = blind - flats, blind - best
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=32)
    parser.add_argument("--first", type=int, default=90000, help="number of the first scene")
    parser.add_argument("--restored", type=int, default=6)
    parser.add_argument("--cameras", type=int, nargs="*", default=list(range(len(CAMERAS))))
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    model = load_model(None)
    fine = scenes(given.scenes, given.first)
    rows = [row for number in given.cameras for row in judge(CAMERAS[number], fine, given.restored, model)]
    medians = np.array([row["median"] for row in rows])
    within = (np.abs(medians - 1) <= 0.1).sum(axis=0).tolist()
    print(f"median within 10 %: {within} of {len(rows)} in the octaves {OCTAVES} cycles/px")
    if given.out:
        given.out.write_text(
            json.dumps(
                {
                    "kind": "simulated",
                    "date": datetime.date.today().isoformat(),
                    "model": model.named(),
                    "first_scene": given.first,
                    "scenes": given.scenes,
                    "restored_scenes": given.restored,
                    "octaves_cycles_px": OCTAVES,
                    "median_within_10_percent": within,
                    "rows": rows,
                },
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
