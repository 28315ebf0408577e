"""How good the network is beside the linear filter, against the distance of detectors and noise from its training.

    .venv/bin/python benchmarks/domain.py [--fields 3] [--side 256] [-o benchmarks/results/domain.json]

Simulated: sharp fields of validation boards, blurred by pairs inside and outside the trained family, with noise of many levels and two
colours. PSNR with data range 1 (open beam), 16 px border left out, against the Wiener filter with the same noise. "as it was": conditions told
as they are; "span": each clipped to its own trained span; "cloud": drawn to the trained cloud; "default": what `restore` gives.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import numpy as np

from coldray.channels import conditions, linear_estimates
from coldray.dataset.fields import FieldRecipe, make_field
from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame
from coldray.methods import wiener
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.restoration.estimate import estimate
from coldray.restoration.job import Job
from coldray.restoration.model import load_model

PITCH_MM = 0.048
FREQUENCY = np.linspace(0, np.sqrt(0.5) / PITCH_MM, 181)
EXPOSURES_S = (5.0, 1.0, 0.25, 0.05, 0.02, 0.005, 0.002)
WHITE_SD = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2)


def screen(name, mtf):
    """Detector whose screen has the given MTF, with the aperture of its pixels."""
    return Detector(name, PITCH_MM, FrequencyCurve(FREQUENCY, mtf * np.sinc(PITCH_MM * FREQUENCY)))


def gaussian(sigma_mm):
    """MTF of a Gaussian blur."""
    return np.exp(-2 * (np.pi * sigma_mm * FREQUENCY) ** 2)


def columnar(corner_lp_mm):
    """MTF as caesium iodide's is: a long tail."""
    return 1 / (1 + (FREQUENCY / corner_lp_mm) ** 1.5)


def pairs():
    """Pairs inside and outside the family, by name."""
    thick, thin = load_detector("gos135"), load_detector("gos34")
    return {
        "built-in": DetectorPair(thick, thin),
        "the same twice": DetectorPair(thick, thick),
        "Gaussian 30 of 20 um": DetectorPair(screen("g30", gaussian(0.03)), screen("g20", gaussian(0.02))),
        "Gaussian 50 of 20 um": DetectorPair(screen("g50", gaussian(0.05)), screen("g20", gaussian(0.02))),
        "Gaussian 100 of 20 um": DetectorPair(screen("g100", gaussian(0.1)), screen("g20", gaussian(0.02))),
        "columnar 2 of 6 lp/mm": DetectorPair(screen("c2", columnar(2.0)), screen("c6", columnar(6.0))),
    }


def noises():
    """Noise of the thick screen at several exposures, and white noise, by name."""
    thick = load_detector("gos135")
    out = {f"{e:g} s": NoiseModel.of_detector(thick, e) for e in EXPOSURES_S}
    for sd in WHITE_SD:
        power = FrequencyCurve([0.0, FREQUENCY[-1]], np.full(2, (sd * PITCH_MM) ** 2))
        out[f"white {100 * sd:g} %"] = NoiseModel(power, 0.0, PITCH_MM, "flats")
    return out


def psnr_db(found, truth):
    """PSNR with data range 1, 16 px border left out."""
    return float(-10 * np.log10(np.mean((found - truth)[16:-16, 16:-16] ** 2)))


def scores(model, pair, noise, truth, rng):
    """Distance, input and Wiener PSNR, and gains over Wiener [dB]."""
    degradation = Degradation(pair)
    clean = Frame(truth, pair, noise).operator(degradation)(truth)
    frame = Frame((clean + noise.draw(truth, rng)).astype(np.float32), pair, noise, model.prior)
    told, domain = conditions(frame, degradation), model.domain
    linear = psnr_db(wiener.restore(frame, degradation), truth)
    shown = (frame.blurred, *linear_estimates(frame, degradation))
    raised = model.familiar(frame, degradation)
    span = np.concatenate([told[:1], np.clip(told[1:], domain.low, domain.high)]).astype(np.float32)
    answers = {
        "as it was": model.predictor()(
            (frame.blurred, *linear_estimates(raised, degradation)), conditions(raised, degradation)
        ),
        "span": model.predictor()(shown, span),
        "cloud": model.predictor()(shown, domain.kept(told)),
        "default": estimate(frame, degradation, Job(method="direct", model=model)).image,
    }
    distance = domain.distance(told)
    return {"distance": distance, "share": domain.share(distance), "blurred": psnr_db(frame.blurred, truth), "wiener": linear} | {
        name: psnr_db(answer, truth) - linear for name, answer in answers.items()
    }  # fmt: skip


def main():
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=3)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("-o", "--out", type=Path)
    chosen = parser.parse_args()
    recipes = [FieldRecipe("validation", 700 + i, 77, chosen.side, 0.0, 1.0) for i in range(chosen.fields)]
    fields = [make_field(recipe).sharp for recipe in recipes]
    model = load_model()
    rows = []
    for pair_name, pair in pairs().items():
        for noise_name, noise in noises().items():
            found = [scores(model, pair, noise, f, np.random.default_rng(i)) for i, f in enumerate(fields)]
            row = {"pair": pair_name, "noise": noise_name} | {
                k: float(np.mean([s[k] for s in found])) for k in found[0]
            }
            rows.append(row)
            numbers = "  ".join(f"{k} {row[k]:.3g}" for k in row if k not in ("pair", "noise"))
            print(f"{pair_name:22s} {noise_name:11s} {numbers}", flush=True)
    if chosen.out is not None:
        content = {"date": date.today().isoformat(), "kind": "simulated", "fields": chosen.fields, "side": chosen.side}
        content |= {"model": model.sha256, "reach": model.domain.reach, "rows": rows}
        chosen.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
