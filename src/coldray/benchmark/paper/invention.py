"""What is drawn where nothing is: lines, blobs and lattices in the mean of many repeats, far from every edge."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import Contestant
from coldray.benchmark.paper.detection import noisy
from coldray.benchmark.paper.scenes import paper_blend, paper_pair
from coldray.document import Json
from coldray.metrology.observer import gabor_channels
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior

Float = NDArray[np.float64]
Image = NDArray[np.float32]

FAR_PX = 16
"""Distance from every edge of the truth from which on nothing may appear [pixels]."""
EDGE_SD = 1.0
"""A step between neighbours of this many standard deviations of one pixel's noise is an edge."""
LIMIT_SE = 3.5
SIDE_PX = 15


@cache
def templates() -> dict[str, Float]:
    """Zero-mean patches of unit energy, shape (15, 15) each: a blob, lines in four directions and lattices in two."""
    at = np.arange(SIDE_PX) - SIDE_PX // 2
    square = at[:, None] ** 2 + at**2
    found = {"blob": np.exp(-square / (2 * 1.2**2))}
    lines = gabor_channels((SIDE_PX, SIDE_PX), (0.12,), (0.0, 45.0, 90.0, 135.0), (0.0,))
    found |= {f"line at {angle:g} degrees": one for angle, one in zip((0, 45, 90, 135), lines, strict=True)}
    window = np.exp(-square / (2 * 4.0**2))
    wave = np.cos(2 * np.pi * at / 4)
    found["lattice"] = window * wave[:, None] * wave
    turned = np.cos(2 * np.pi * (at[:, None] + at) / 6) * np.cos(2 * np.pi * (at[:, None] - at) / 6)
    found["turned lattice"] = window * turned
    return {name: (one - one.mean()) / np.linalg.norm(one - one.mean()) for name, one in found.items()}


@cache
def ground() -> Image:
    """Rows of pads beside even ground: structure that opens a gate, and room where nothing may appear; 256 x 256 pixels."""
    truth = np.full((256, 256), 0.7)
    for row in range(12, 244, 16):
        for col in range(12, 92, 16):
            truth[row : row + 9, col : col + 9] = 0.35 + 0.002 * ((7 * row + 3 * col) % 100)
    return np.asarray(scipy.ndimage.gaussian_filter(truth, 1.0), dtype=np.float32)


def far_from_edges(truth: Image, sd: float) -> NDArray[np.bool_]:
    """Pixels farther than `FAR_PX` from every edge of the truth and from the border, shape of the truth."""
    step = np.hypot(*np.gradient(truth.astype(np.float64))) > EDGE_SD * sd
    step[0], step[-1], step[:, 0], step[:, -1] = True, True, True, True
    return np.asarray(scipy.ndimage.distance_transform_edt(~step) > FAR_PX)


def invented(
    contestant: Contestant, truth: Image, exposure_s: float, repeats: int, prior: ObjectPrior, *, random_state: int = 83
) -> dict[str, Json]:
    """Places where the mean of repeats answers a template although the truth holds nothing.

    Parameters
    ----------
    contestant : Contestant
    truth : ndarray, float32, shape (rows, cols)
        Noise-free sharp image.
    exposure_s : float
    repeats : int
        Realisations of the noise.
    prior : ObjectPrior
    random_state : int

    Returns
    -------
    dict
        ``pixels`` looked at, ``count`` of answers beyond `LIMIT_SE` standard errors, both by template too, and ``per_mpx``.
    """
    noise = NoiseModel.of_detector(paper_pair().blurred, exposure_s)
    blend, shapes = paper_blend(), templates()
    far = far_from_edges(truth, noise.relative_sd(float(truth.mean())))
    sums = {name: np.zeros((2, *truth.shape)) for name in shapes}
    for repeat in range(repeats):
        rng = np.random.default_rng([random_state, repeat])
        frame = noisy(truth, noise, rng, prior)
        image = contestant.restore(frame, blend, exposure_s=exposure_s, random_state=(random_state, repeat)).image
        rest = image.astype(np.float64) - truth
        for name, one in shapes.items():
            answer = scipy.signal.fftconvolve(rest, one[::-1, ::-1], mode="same")
            sums[name] += answer, answer**2
    counts = {}
    for name, (total, squared) in sums.items():
        mean = total / repeats
        error = np.sqrt(np.maximum(squared / repeats - mean**2, 1e-30) / (repeats - 1))
        counts[name] = int(np.count_nonzero((np.abs(mean) > LIMIT_SE * error) & far))
    count, pixels = sum(counts.values()), int(np.count_nonzero(far))
    return {"pixels": pixels, "count": count, "by_template": counts, "per_mpx": count / max(pixels, 1) * 1e6}
