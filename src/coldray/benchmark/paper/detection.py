"""Voids and cracks of known contrast-to-noise: put into the sharp image before blur and noise, sought after restoration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import BLURRED, Contestant
from coldray.benchmark.paper.record import Cells
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.benchmark.statistics import auc_difference
from coldray.document import Json, as_number
from coldray.frame import Frame
from coldray.metrology.observer import crossed_scores, gabor_channels, laguerre_gauss_channels
from coldray.metrology.tasks import Task, disc, line
from coldray.physics.grids import dft_axes
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.simulation.paper import PITCH_MM

Float = NDArray[np.float64]
Image = NDArray[np.float32]
Patches = dict[tuple[str, str, float], tuple[list[Image], list[Image]]]

CNRS = (2.0, 3.0, 5.0)
TASKS: dict[str, Task] = {"void": disc(4 * PITCH_MM, 1.0), "crack": line(1.2 * PITCH_MM, 10 * PITCH_MM, 1.0, 30.0)}
CELLS = tuple((name, cnr) for name in TASKS for cnr in CNRS)
PATCH_PX, SPACING_PX, MARGIN_PX = 33, 48, 28
FLAT_SIGNAL = 0.6
LEAST_DIFFERENCE = -0.02
"""Mark: lower end of the interval of AUC(restored) - AUC(blurred)."""


def seen_sharp(task: Task) -> Float:
    """What the sharp detector shows of a task without noise, shape (33, 33), centred; of any scale."""
    side = 129
    v, u = dft_axes((side, side), PITCH_MM)
    spectrum = task.spectrum(v, u) * paper_pair().sharp.mtf(np.hypot(v, u))
    image = np.fft.fftshift(np.fft.ifft2(spectrum).real)
    middle, half = side // 2, PATCH_PX // 2
    return np.asarray(image[middle - half : middle + half + 1, middle - half : middle + half + 1])


@cache
def defect_image(name: str) -> Float:
    """Defect of peak 1 in the sharp detector's noise-free image, shape (33, 33), centred."""
    inner = seen_sharp(TASKS[name])
    return np.asarray(inner / inner.max())


@dataclass(frozen=True)
class Site:
    """Where a defect is, or is not.

    Parameters
    ----------
    row, col : int
        Centre [pixels].
    name : str
        A key of `TASKS`.
    cnr : float
        Peak in the noise-free sharp image over the standard deviation of one pixel of the blurred frame there.
    """

    row: int
    col: int
    name: str
    cnr: float

    def window(self) -> tuple[slice, slice]:
        """Patch around the site."""
        half = PATCH_PX // 2
        return slice(self.row - half, self.row + half + 1), slice(self.col - half, self.col + half + 1)


def draw_sites(shape: tuple[int, int], rng: np.random.Generator, cell: tuple[str, float] | None = None) -> list[Site]:
    """Sites on a jittered grid, the six cells in turn, or all of one cell."""
    rows, cols = (np.arange(MARGIN_PX, n - MARGIN_PX, SPACING_PX) for n in shape)
    places = [(int(r), int(c)) for r in rows for c in cols]
    order = rng.permutation(len(places))
    sites = []
    for number, (row, col) in enumerate(places):
        name, cnr = cell or CELLS[int(order[number]) % len(CELLS)]
        jitter = rng.integers(-3, 4, 2)
        sites.append(Site(row + int(jitter[0]), col + int(jitter[1]), name, cnr))
    return sites


def with_defects(sharp: Image, sites: Sequence[Site], noise: NoiseModel) -> Image:
    """Put defects into a sharp image: thinner, hence brighter, where they are."""
    out = np.array(sharp, dtype=np.float64)
    for site in sites:
        level = float(sharp[site.row, site.col])
        out[site.window()] += site.cnr * noise.relative_sd(level) * defect_image(site.name)
    return out.astype(np.float32)


def noisy(sharp: Image, noise: NoiseModel, rng: np.random.Generator, prior: ObjectPrior) -> Frame:
    """Blur a sharp image and draw noise: what the thick detector would show."""
    pair = paper_pair()
    probe = Frame(sharp, pair, noise, prior)
    return Frame(probe.operator(paper_blend())(sharp) + noise.draw(sharp, rng), pair, noise, prior)


@cache
def channels_for(name: str) -> Float:
    """Laguerre-Gauss channels for voids, oriented ones for cracks."""
    shape = (PATCH_PX, PATCH_PX)
    if name == "void":
        return laguerre_gauss_channels(shape, 6.0, 6)
    return gabor_channels(shape, (0.06, 0.12, 0.24), (-60.0, -30.0, 30.0, 60.0), (0.0,))


def flat_detectability(
    contestants: Sequence[Contestant], exposure_s: float, pairs: int, prior: ObjectPrior, *, size_px: int = 320,
    random_state: int = 3,
) -> dict[str, Cells]:  # fmt: skip
    """Detectability on an even background, of every contestant against the blurred frame itself.

    Parameters
    ----------
    contestants : sequence of Contestant
    exposure_s : float
    pairs : int
        Images with and without the defect per cell, at least.
    prior : ObjectPrior
    size_px : int
        Frame size; one frame holds many sites of one cell.
    random_state : int

    Returns
    -------
    dict
        Per contestant and cell: AUC of both observers and their difference from the blurred frame; JSON-able.

    Notes
    -----
    All see the same frames. Half of the frames have defects at every site, half at none. The non-prewhitening
    observer's template is what the same method makes of the defect without noise; the Hotelling observer's is learnt
    on other images than it is tested on. A gain says that the defect is easier for this observer,
    never that there is more information.
    """
    noise = NoiseModel.of_detector(paper_pair().blurred, exposure_s)
    blend = paper_blend()
    flat = np.full((size_px, size_px), FLAT_SIGNAL, dtype=np.float32)
    patches: Patches = {}
    templates: dict[tuple[str, str, float], Float] = {}
    for number, (name, cnr) in enumerate(CELLS):
        gathered, frames = 0, 0
        while gathered < pairs:
            rng = np.random.default_rng([random_state, 47, number, frames])
            sites = draw_sites(flat.shape, rng, (name, cnr))
            if frames == 0:
                for contestant in contestants:
                    templates[contestant.key, name, cnr] = _template(contestant, flat, sites, noise, exposure_s, prior)
            for is_present, sharp in ((True, with_defects(flat, sites, noise)), (False, flat)):
                frame = noisy(sharp, noise, rng, prior)
                for contestant in contestants:
                    state = (random_state, number, frames, int(is_present))
                    image = contestant.restore(frame, blend, exposure_s=exposure_s, random_state=state).image
                    store = patches.setdefault((contestant.key, name, cnr), ([], []))[0 if is_present else 1]
                    store.extend(image[s.window()] for s in sites)
            gathered, frames = gathered + len(sites), frames + 1
    return compare(patches, templates, [c.key for c in contestants])


def _template(
    contestant: Contestant, flat: Image, sites: Sequence[Site], noise: NoiseModel, exposure_s: float, prior: ObjectPrior
) -> Float:
    """Mean over sites of what a method makes of the defect without noise."""
    pair, blend = paper_pair(), paper_blend()
    images = []
    for sharp in (with_defects(flat, sites, noise), flat):
        probe = Frame(sharp, pair, noise, prior)
        frame = Frame(probe.operator(blend)(sharp), pair, noise, prior)
        images.append(contestant.restore(frame, blend, exposure_s=exposure_s).image.astype(np.float64))
    return np.asarray(np.mean([images[0][s.window()] - images[1][s.window()] for s in sites], axis=0))


def compare(patches: Patches, templates: dict[tuple[str, str, float], Float], keys: Sequence[str]) -> dict[str, Cells]:
    """AUC of both observers per contestant and cell, and the difference from the blurred frame."""
    scores: dict[tuple[str, str, float, str], tuple[Float, Float]] = {}
    for key in keys:
        for name, cnr in CELLS:
            present, absent = (np.stack(part).astype(np.float64) for part in patches[key, name, cnr])
            template = templates[key, name, cnr]
            scores[key, name, cnr, "npw"] = (np.tensordot(present, template, 2), np.tensordot(absent, template, 2))
            scores[key, name, cnr, "hotelling"] = crossed_scores(present, absent, channels_for(name))
    out: dict[str, Cells] = {}
    for key in keys:
        found: list[dict[str, Json]] = []
        for name, cnr in CELLS:
            for observer in ("npw", "hotelling"):
                difference = auc_difference(scores[key, name, cnr, observer], scores[BLURRED, name, cnr, observer])
                found.append({"task": name, "cnr": cnr, "observer": observer, **difference.to_json()})
        out[key] = {"cells": found, "lowest_bound": min(as_number(c["low"]) for c in found)}
    return out
