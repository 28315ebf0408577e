"""Means of the pixels that adjoin a square around every pixel of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ring_mean(padded: NDArray[np.float32], hole: int) -> NDArray[np.float32]:
    """Mean of the pixels that adjoin a square of this half-side around every pixel; `padded` by one more than that."""
    inner, outer = 2 * hole + 1, 2 * hole + 3
    whole = _box_sum(padded, outer)
    whole -= _box_sum(padded[1:-1, 1:-1], inner)
    whole *= np.float32(1 / (outer**2 - inner**2))
    return whole


def _box_sum(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Sum of squares of an odd side, where they fit."""
    rows, cols = (n - side + 1 for n in image.shape)
    down = image[:rows].copy()
    for i in range(1, side):
        down += image[i : i + rows]
    out = down[:, :cols].copy()
    for i in range(1, side):
        out += down[:, i : i + cols]
    return out
