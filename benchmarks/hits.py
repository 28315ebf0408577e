"""Direct hits in frames of boards: how many are found, what they cost after restoration, and what the search takes.

    .venv/bin/python benchmarks/hits.py [-o benchmarks/results/hits.json]

Everything is simulated. Boards through two pairs of detectors, the built-in one and one like caesium iodide needles at 100 um, at
1, 0.25 and 0.05 s. 2 % of the pixels get 0.3 to 1.5 of the open beam more. The same frame without them is restored too: PSNR of both
against the truth, and the error that hits add in the 9 x 9 pixels around them, beside them and elsewhere. What takes the place of a
hit is compared with the pixel that it covers, beside the best linear prediction from the 48 pixels around: least squares on the
very frame without hits, which no program has. Time is that of the processor for a frame of 1024 x 1024 pixels made of
mirrored copies.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from coldray import __version__
from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame
from coldray.images.hits import find_hits
from coldray.metrology.metrics import psnr_db
from coldray.objects.boards import procedural_board
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job, restore
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import SHARP_MG_CM2

SIDE_PX, CELLS = 256, 4
OPEN_BEAM = 20000.0
EXPOSURES_S = (1.0, 0.25, 0.05)
SHARE, AMOUNT = 0.02, (0.3, 1.5)
FAMILIES = ("dense_bga", "memory_module")
MOST_LOSS_DB = 0.1
CSI_PITCH_MM, CSI_SD = 0.1, 0.004
"""Pitch of the second pair, and standard deviation of a pixel of the open beam at 1 s."""

NEIGHBOURS_PX = 3
"""Pixels each way from which the best linear prediction is made."""

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """One simulated frame with its truth."""

    truth: Image
    blurred: Image
    noise: NoiseModel
    pair: DetectorPair


def csi_pair() -> DetectorPair:
    """Two detectors outside the training: a thick and a thin layer of needles, as Lorentz curves."""
    frequency = np.linspace(0, 7.5, 76)
    curves = (1 / (1 + (frequency / half) ** 1.7) for half in (1.3, 3.0))
    blurred, sharp = (FrequencyCurve(frequency, value) for value in curves)
    return DetectorPair(Detector("csi thick", CSI_PITCH_MM, blurred), Detector("csi thin", CSI_PITCH_MM, sharp))


def scene(name: str, family: str, exposure_s: float, random_state: int) -> Scene:
    """A board through a pair, with the noise of an exposure."""
    builtin = name == "built-in"
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34")) if builtin else csi_pair()
    pitch = pair.pixel_pitch_mm
    cells = SIDE_PX * CELLS
    board = procedural_board(family, (cells, cells), pitch / CELLS, random_state)
    passed = ScreenDetector.gos(SHARP_MG_CM2, pitch).transmission(board)
    image = np.asarray(passed, dtype=np.float32).reshape(SIDE_PX, CELLS, SIDE_PX, CELLS).mean(axis=(1, 3))
    if builtin:
        noise = NoiseModel.of_detector(pair.blurred, exposure_s)
    else:
        # light spreads before it is counted twice: colour between white and the MTF squared
        mtf = pair.blurred.mtf
        power = CSI_SD**2 * pitch**2 * (0.3 + 0.7 * mtf.value**2) / exposure_s
        noise = NoiseModel(FrequencyCurve(mtf.frequency_lp_mm, power), 0.0, pitch)
    frame = Frame(image, pair, noise)
    truth = frame.radial_operator(pair.sharp_mtf)(image)
    blurred = frame.operator(Degradation(pair))(truth)
    measured = blurred + noise.draw(blurred, np.random.default_rng(random_state))
    return Scene(truth, measured.astype(np.float32), noise, pair)


def stored(fraction: Image, pitch_mm: float) -> Radiograph:
    """Fractions of the open beam as 16-bit values."""
    pixels = np.clip(np.rint(fraction * OPEN_BEAM), 0, 65535).astype(np.uint16)
    return Radiograph(pixels, Acquisition(pixel_pitch_mm=pitch_mm, open_beam=OPEN_BEAM, linear=True))


def cost(made: Scene, where: NDArray[np.bool_], amount: Image, method: str) -> dict[str, Any]:
    """What hits do to a restoration."""
    model = load_model() if method == "cold" else None
    job = Job(method=method, model=model, blurred=made.pair.blurred, sharp=made.pair.sharp)
    pitch = made.pair.pixel_pitch_mm
    clean, hit = (restore(stored(image, pitch), job) for image in (made.blurred, made.blurred + amount * where))
    a, b = (r.image.pixels / np.float32(OPEN_BEAM) for r in (clean, hit))
    around = binary_dilation(where, np.ones((9, 9), dtype=bool)) & ~where
    places = {"on": where, "around": around, "elsewhere": ~around & ~where}
    found = np.zeros_like(where) if hit.image.mask is None else hit.image.mask
    scores = [psnr_db(image, made.truth) for image in (a, b)]
    return {
        "found": float(found[where].mean()),
        "false": int((found & ~where).sum()),
        "false_without_hits": clean.hits["bright"] + clean.hits["dark"],
        "psnr_without_db": scores[0],
        "psnr_with_db": scores[1],
        "loss_db": scores[0] - scores[1],
        "error_without": float(np.sqrt(np.mean((a - made.truth) ** 2))),
        "added": {k: float(np.sqrt(np.mean((a - b)[p] ** 2))) for k, p in places.items() if p.any()},
        "verdicts": [clean.consistency["verdict"], hit.consistency["verdict"]],
        "replaced_share": hit.replaced_share,
    }


def prediction_error(made: Scene, where: NDArray[np.bool_], amount: Image) -> dict[str, float]:
    """Root mean square of what is known wrongly of the covered pixels, as fractions of the open beam.

    ``found``: by the prediction that takes their place; ``linear``: by the least-squares combination of the `NEIGHBOURS_PX`
    pixels each way, fitted to the frame without hits and taken at the same places; ``noise``: the frame's own noise there.
    """
    y, r = made.blurred.astype(np.float64), NEIGHBOURS_PX
    inner = np.s_[r:-r, r:-r]
    windows = sliding_window_view(y, (2 * r + 1, 2 * r + 1)).reshape(-1, (2 * r + 1) ** 2)
    centre = windows.shape[1] // 2
    around = np.column_stack([np.delete(windows, centre, axis=1), np.ones(len(windows))])
    weights = np.linalg.lstsq(around, windows[:, centre], rcond=None)[0]
    linear = (around @ weights - windows[:, centre]).reshape(y[inner].shape)
    filled = find_hits(made.blurred + amount * where, made.pair.blurred.mtf, made.noise).filled
    clean = Frame(made.truth, made.pair, made.noise).operator(Degradation(made.pair))(made.truth)
    rms = {"found": (filled - y)[inner], "linear": linear, "noise": (y - clean)[inner]}
    return {name: float(np.sqrt(np.mean(error[where[inner]] ** 2))) for name, error in rms.items()}


def seconds_per_mpx(made: Scene, image: Image) -> float:
    """Processor time of the search alone in a large frame, the least of two."""
    half = np.block([[image, image[:, ::-1]], [image[::-1], image[::-1, ::-1]]])
    whole = np.tile(half, (1024 // half.shape[0],) * 2)
    took = []
    for _ in range(2):
        began = time.process_time()
        find_hits(whole, made.pair.blurred.mtf, made.noise)
        took.append(time.process_time() - began)
    return min(took) / (whole.size / 1e6)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    given = parser.parse_args()
    rows = []
    for name in ("built-in", "csi"):
        for family in given.families:
            for exposure_s in EXPOSURES_S:
                made = scene(name, family, exposure_s, 11)
                rng = np.random.default_rng(7)
                where = rng.random(made.blurred.shape) < SHARE
                amount = rng.uniform(*AMOUNT, made.blurred.shape).astype(np.float32)
                row: dict[str, Any] = {"pair": name, "family": family, "exposure_s": exposure_s}
                row |= {m: cost(made, where, amount, m) for m in ("wiener", "cold")}
                row["prediction_error"] = prediction_error(made, where, amount)
                row["search_s_per_mpx"] = seconds_per_mpx(made, made.blurred)
                row["search_with_hits_s_per_mpx"] = seconds_per_mpx(made, made.blurred + amount * where)
                rows.append(row)
                for m in ("wiener", "cold"):
                    r = row[m]
                    print(
                        f"{name:9s}{family:14s}{exposure_s:5g} s {m:7s} found {100 * r['found']:5.1f} % false {r['false']:3d} "
                        f"loss {r['loss_db']:+.3f} dB  error {r['error_without']:.4f}, added on {r['added']['on']:.4f} around "
                        f"{r['added']['around']:.4f} elsewhere {r['added'].get('elsewhere', 0):.4f}  {r['verdicts'][1]}",
                        flush=True,
                    )
                told = ", ".join(f"{name} {rms:.4f}" for name, rms in row["prediction_error"].items())
                print(f"   error of what is put in place of a hit: {told}")
                print(
                    f"   search {row['search_s_per_mpx']:.3f} s/Mpx, {row['search_with_hits_s_per_mpx']:.3f} with hits"
                )
    worst = max(row[m]["loss_db"] for row in rows for m in ("wiener", "cold"))
    print(f"largest loss {worst:.3f} dB (mark: {MOST_LOSS_DB} dB)")
    if given.out is not None:
        about = {"date": date.today().isoformat(), "coldray": __version__, "kind": "simulated"}
        content = about | {"model": load_model().named(), "rows": rows}
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
