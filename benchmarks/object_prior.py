"""Fit the object prior A / (1 + (f/f0)^beta) to the training fields at 48 um: the defaults of ObjectPrior.

python benchmarks/object_prior.py runs/fields/train
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from coldray.dataset.family import PairDraw
from coldray.dataset.fields import FieldSet
from coldray.physics.grids import dft_axes, nyquist_lp_mm, radial_average
from coldray.simulation.paper import PITCH_MM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fields", type=Path)
    given = parser.parse_args()
    spectra = []
    for sharp, note in FieldSet(given.fields):
        draw = PairDraw.from_dict(note["pair"])
        pitch = draw.pixel_pitch_mm
        if abs(pitch - PITCH_MM) > 1e-6:
            continue
        rows, cols = sharp.shape
        window = np.hanning(rows)[:, None] * np.hanning(cols)[None, :]
        window /= np.sqrt((window**2).mean())
        power = np.abs(np.fft.fft2((sharp - sharp.mean()) * window)) ** 2 * pitch**2 / sharp.size
        frequency = np.hypot(*dft_axes(sharp.shape, pitch))
        mean_frequency, mean_power, _ = radial_average(
            power / draw.pair().sharp.mtf(frequency) ** 2, frequency, 0.1, nyquist_lp_mm(pitch)
        )
        spectra.append(mean_power)
    mean = np.mean(spectra, axis=0)

    def model(q: np.ndarray) -> np.ndarray:
        return np.exp(q[0]) / (1 + (mean_frequency / np.exp(q[1])) ** q[2])

    fit = least_squares(lambda q: np.log(model(q)) - np.log(mean), [np.log(0.05), np.log(0.3), 2.3])
    rms = float(np.sqrt(np.mean(fit.fun**2)))
    print(
        f"{len(spectra)} fields: amplitude {np.exp(fit.x[0]):.3f} mm2, corner {np.exp(fit.x[1]):.3f} lp/mm, exponent {fit.x[2]:.2f}"
    )
    print(f"rms deviation of the logarithm {rms:.2f}")


if __name__ == "__main__":
    main()
