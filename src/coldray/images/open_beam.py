"""Open-beam level of an image that states none: the brightest plateau that it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.scratch import strips

BLOCK_PX = 8
LEAST_SIDE_PX = 32
TOP_SHARE = 0.002
"""Share of the brightest blocks that are left aside: hits, bright edges, interpolated spots."""
PLATEAU_WIDTH = 0.02
"""Blocks within this of the top belong to the plateau, or within `SPREADS` of their noise [relative]."""
SPREADS = 3.0
PLATEAU_SHARE = 0.01
"""Least share of the image that is a plateau."""
EVEN = 2.0
"""A block of a plateau varies by no more than this times its typical block [standard deviations]."""


@dataclass(frozen=True)
class Plateau:
    """Brightest level of an image.

    Parameters
    ----------
    level : float
        Stored value.
    share : float
        Share of the image on the plateau; below `PLATEAU_SHARE` there is none, and the level is that of the brightest part.
    """

    level: float
    share: float

    @property
    def found(self) -> bool:
        """Whether there is a plateau, which an unattenuated beam leaves."""
        return self.share >= PLATEAU_SHARE


def bright_plateau(pixels: NDArray[np.number]) -> Plateau | None:
    """Find the brightest plateau of an image.

    Parameters
    ----------
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
        Linear stored values; of a stack the first frame counts.

    Returns
    -------
    Plateau or None
        None if the image is smaller than 32 x 32 pixels, or nothing in it is above zero.

    Notes
    -----
    Blocks of 8 x 8 pixels within the noise of the top level, and no less even than the typical one among them, form the
    plateau. Its level is the median of their means, so that neither noise nor a few hits raise it.
    """
    frame = pixels if pixels.ndim == 2 else pixels[0]
    if min(frame.shape) < LEAST_SIDE_PX:
        return None
    mean, varies = _of_blocks(frame)
    top = float(np.quantile(mean, 1 - TOP_SHARE))
    if not top > 0:
        return None
    near = mean >= (1 - PLATEAU_WIDTH) * top
    spread = float(np.median(varies[near])) / BLOCK_PX
    near = mean >= top - max(PLATEAU_WIDTH * top, 2 * SPREADS * spread)
    even = near & (varies <= EVEN * np.median(varies[near]) + 1e-12)
    return Plateau(float(np.median(mean[even])), float(np.mean(even)))


def _of_blocks(frame: NDArray[np.number]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Mean and standard deviation of every block."""
    rows, cols = (n // BLOCK_PX for n in frame.shape)
    mean, varies = np.empty((rows, cols)), np.empty((rows, cols), dtype=np.float32)
    for part in strips((rows * BLOCK_PX, cols * BLOCK_PX), BLOCK_PX):
        cut = frame[part, : cols * BLOCK_PX].astype(np.float32)
        blocks = cut.reshape(-1, BLOCK_PX, cols, BLOCK_PX)
        lines = slice(part.start // BLOCK_PX, part.stop // BLOCK_PX)
        mean[lines], varies[lines] = blocks.mean(axis=(1, 3), dtype=np.float64), blocks.std(axis=(1, 3))
    return mean, varies
