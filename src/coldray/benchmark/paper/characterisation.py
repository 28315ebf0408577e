"""What is it, not is it there: two defects of equal mass told apart on even ground, before and after restoration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import BLURRED, Contestant
from coldray.benchmark.paper.detection import (
    FLAT_SIGNAL,
    LEAST_DIFFERENCE,
    PATCH_PX,
    Site,
    draw_sites,
    noisy,
    seen_sharp,
)
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.benchmark.statistics import auc_difference
from coldray.document import Json, as_number
from coldray.frame import Frame
from coldray.metrology.observer import crossed_scores, gabor_channels, laguerre_gauss_channels
from coldray.metrology.tasks import Task, disc, line, together
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.simulation.paper import PITCH_MM

Float = NDArray[np.float64]
Image = NDArray[np.float32]

CNRS = (2.0, 3.0, 5.0, 8.0)
SPIKES_DEG = (0.0, 45.0, 90.0, 135.0)
APART_PX = 5.0
OBSERVERS = ("hotelling", "npw")


def _questions() -> dict[str, tuple[Task, Task]]:
    """Pairs of defects; the first is what a denoiser of compact structure makes of either."""
    void, half = disc(4 * PITCH_MM, 1.0), disc(3 * PITCH_MM, 1.0)
    spikes = [line(0.7 * PITCH_MM, 10 * PITCH_MM, 1.0, angle) for angle in SPIKES_DEG]
    apart = APART_PX * PITCH_MM / 2
    return {
        "round or spiculated void": (void, together([(half, 0.0, 0.0), *((s, 0.0, 0.0) for s in spikes)])),
        "one void or two": (void, together([(half, 0.0, apart), (half, 0.0, -apart)])),
        "crack or wire": (
            line(3 * PITCH_MM, 10 * PITCH_MM, 1.0, 30.0).blurred(PITCH_MM),
            line(1.2 * PITCH_MM, 10 * PITCH_MM, 1.0, 30.0),
        ),
    }


QUESTIONS = tuple(_questions())


@cache
def shapes(question: str) -> tuple[Float, Float]:
    """Both defects in the sharp detector's image, shape (33, 33): the first of peak 1, the second of the same sum."""
    first, second = (seen_sharp(task) for task in _questions()[question])
    first = first / first.max()
    return first, second * (first.sum() / second.sum())


@cache
def _channels() -> Float:
    """Channels of all sizes and directions, for any question."""
    shape = (PATCH_PX, PATCH_PX)
    oriented = gabor_channels(shape, (0.06, 0.12, 0.24), (0.0, 30.0, 60.0, 90.0, 120.0, 150.0), (0.0,))
    return np.concatenate([laguerre_gauss_channels(shape, 6.0, 6), oriented])


def _with(sharp: Image, sites: Sequence[Site], shape: Float, cnr: float, noise: NoiseModel) -> Image:
    out = np.array(sharp, dtype=np.float64)
    for site in sites:
        out[site.window()] += cnr * noise.relative_sd(FLAT_SIGNAL) * shape
    return out.astype(np.float32)


def told_apart(
    contestant: Contestant, question: str, cnr: float, exposure_s: float, pairs: int, prior: ObjectPrior, *,
    size_px: int = 320, random_state: int = 71,
) -> list[dict[str, Json]]:  # fmt: skip
    """How well two defects are told apart after restoration, against the blurred frame itself.

    Parameters
    ----------
    contestant : Contestant
    question : str
        One of `QUESTIONS`.
    cnr : float
        Peak of the first defect in the noise-free sharp image over the standard deviation of one pixel of the blurred frame.
    exposure_s : float
    pairs : int
        Images of either defect, at least.
    prior : ObjectPrior
    size_px, random_state : int

    Returns
    -------
    list of dict
        For each of `OBSERVERS` the AUC and its difference from the blurred frame, with the 95 % interval by DeLong.

    Notes
    -----
    Both defects have the same mass, so brightness tells nothing. The non-prewhitening observer's template is the difference
    of what the method makes of them without noise; the Hotelling observer's is learnt on other images than it is tested on.
    """
    noise = NoiseModel.of_detector(paper_pair().blurred, exposure_s)
    blend, pair = paper_blend(), paper_pair()
    flat = np.full((size_px, size_px), FLAT_SIGNAL, dtype=np.float32)
    who = (contestant, Contestant(BLURRED, "", None))
    patches: list[tuple[list[Image], list[Image]]] = [([], []) for _ in who]
    templates: list[Float] = []
    frames = 0
    while len(patches[0][0]) < pairs:
        rng = np.random.default_rng([random_state, QUESTIONS.index(question), round(10 * cnr), frames])
        sites = draw_sites(flat.shape, rng, (question, cnr))
        sharp = [_with(flat, sites, shape, cnr, noise) for shape in shapes(question)]
        if not templates:
            clean = [Frame(np.asarray(Frame(s, pair, noise).operator(blend)(s)), pair, noise, prior) for s in sharp]
            for one in who:
                images = [one.restore(f, blend, exposure_s=exposure_s).image.astype(np.float64) for f in clean]
                templates.append(np.mean([images[0][s.window()] - images[1][s.window()] for s in sites], axis=0))
        for kind, image in enumerate(sharp):
            frame = noisy(image, noise, rng, prior)
            for judged, kept in zip(who, patches, strict=True):
                out = judged.restore(
                    frame, blend, exposure_s=exposure_s, random_state=(random_state, frames, kind)
                ).image
                kept[kind].extend(out[s.window()] for s in sites)
        frames += 1
    scores: dict[str, list[tuple[Float, Float]]] = {observer: [] for observer in OBSERVERS}
    for (first, second), template in zip(patches, templates, strict=True):
        yes, no = (np.stack(part).astype(np.float64) for part in (first, second))
        scores["npw"].append((np.tensordot(yes, template, 2), np.tensordot(no, template, 2)))
        scores["hotelling"].append(crossed_scores(yes, no, _channels()))
    found: list[dict[str, Json]] = []
    for observer, (restored, raw) in scores.items():
        difference = auc_difference(restored, raw)
        found.append({"task": question, "cnr": cnr, "observer": observer, **difference.to_json()})
    return found


def characterisation(
    contestant: Contestant, exposure_s: float, pairs: int, prior: ObjectPrior, cnrs: Sequence[float] = CNRS
) -> dict[str, Json]:
    """All questions at all contrasts: the cells, and the lowest end of an interval."""
    cells = [c for q in QUESTIONS for cnr in cnrs for c in told_apart(contestant, q, cnr, exposure_s, pairs, prior)]
    lowest = min(as_number(c["low"]) for c in cells)
    return {"passed": bool(lowest >= LEAST_DIFFERENCE), "lowest_bound": lowest, "cells": cells}
