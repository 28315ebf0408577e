"""Detection efficiency of every method on even ground, and the loss of AUC that it predicts without any defect shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import ndtr

from coldray.benchmark.paper.contestants import Contestant
from coldray.benchmark.paper.detection import CELLS, FLAT_SIGNAL, TASKS, defect_image
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.document import Json
from coldray.frame import Frame
from coldray.metrology.efficiency import LOSSLESS, Efficiency, detection_efficiency
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.simulation.paper import PITCH_MM

RANDOM_STATE = 71
ROI_PX = 64
"""Side of the regions: many in a small flat [pixels]."""


def flat_efficiency(
    contestant: Contestant, exposure_s: float, frames: int, prior: ObjectPrior, *, level: float = FLAT_SIGNAL,
    size_px: int = 192, random_state: int = RANDOM_STATE,
) -> Efficiency:  # fmt: skip
    """Efficiency of one method on simulated flats.

    Parameters
    ----------
    contestant : Contestant
    exposure_s : float
        Exposure of the flats [s].
    frames : int
        Noise realisations.
    prior : ObjectPrior
    level : float
        Signal, fraction of the open beam.
    size_px : int
    random_state : int
    """
    noise, blend = NoiseModel.of_detector(paper_pair().blurred, exposure_s), paper_blend()
    flat = np.full((size_px, size_px), level, dtype=np.float32)
    measured, restored = [], []
    for number in range(frames):
        drawn = flat + noise.draw(flat, np.random.default_rng([random_state, number]))
        frame = Frame(drawn.astype(np.float32), paper_pair(), noise, prior)
        state = (random_state, number)
        measured.append(frame.blurred)
        restored.append(contestant.restore(frame, blend, exposure_s=exposure_s, random_state=state).image)
    return detection_efficiency(np.stack(measured), np.stack(restored), roi_px=ROI_PX)


def predicted_losses(efficiency: Efficiency, exposure_s: float, level: float = FLAT_SIGNAL) -> list[dict[str, Json]]:
    """AUC of the best linear observer before and after, for every task of the comparison.

    Parameters
    ----------
    efficiency : Efficiency
        Of the method at this exposure.
    exposure_s : float
    level : float
        Signal, fraction of the open beam.

    Notes
    -----
    d'^2 = sum |H s|^2 / N * eta over the frequencies of a defect s; no parameter is fitted.
    """
    side = 129
    pair, noise = paper_pair(), NoiseModel.of_detector(paper_pair().blurred, exposure_s)
    u = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    transfer = paper_blend().transfer(u / PITCH_MM, 1.0)
    power = noise.power(u / PITCH_MM, level) / pair.pixel_pitch_mm**2
    shown: dict[str, NDArray[np.float64]] = {}
    for name in TASKS:
        image, small = np.zeros((side, side)), defect_image(name)
        half, middle = small.shape[0] // 2, side // 2
        image[middle - half : middle + half + 1, middle - half : middle + half + 1] = small
        shown[name] = np.abs(scipy.fft.fft2(image * noise.relative_sd(level))) ** 2 / side**2
    out: list[dict[str, Json]] = []
    for name, cnr in CELLS:
        index = cnr**2 * transfer**2 * shown[name] / power
        before, after = (float(ndtr(np.sqrt(v / 2))) for v in (index.sum(), (index * efficiency.at(u)).sum()))
        out.append({"task": name, "cnr": cnr, "auc_raw": before, "auc": after, "difference": after - before})
    return out


def measure_efficiency(
    contestants: Sequence[Contestant], exposures_s: Sequence[float], frames: int, prior: ObjectPrior
) -> list[dict[str, Json]]:
    """Efficiency of every contestant at every exposure with the losses it predicts; JSON-able."""
    rows: list[dict[str, Json]] = []
    for exposure_s in exposures_s:
        for contestant in contestants:
            found = flat_efficiency(contestant, exposure_s, frames, prior)
            rows.append(
                {
                    "method": contestant.key,
                    "exposure_s": exposure_s,
                    "lowest": found.lowest(),
                    "lossless": found.lowest() >= LOSSLESS,
                    "predicted": predicted_losses(found, exposure_s),
                    **found.to_json(),
                }
            )
    return rows


def agreement(predicted: Sequence[float], measured: Sequence[float]) -> dict[str, float]:
    """Straight line of measured over predicted losses of AUC: slope, intercept and their root mean square distance.

    Parameters
    ----------
    predicted, measured : sequence of float
        Differences of AUC from the raw frame, one per cell and method.
    """
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    slope, intercept = np.polyfit(x, y, 1)
    return {
        "slope": float(slope),
        "intercept": float(intercept),
        "rms": float(np.sqrt(np.mean((y - x) ** 2))),
        "cells": int(x.size),
    }
