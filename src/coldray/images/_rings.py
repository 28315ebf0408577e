"""Means of the pixels that adjoin a square around every pixel of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ring_mean(padded: NDArray[np.float32], hole: int) -> NDArray[np.float32]:
    """Mean of the pixels that adjoin a square of this half-side around every pixel; `padded` by one more than that."""
    side = 2 * hole + 3
    rows, cols = (n - side + 1 for n in padded.shape)
    along = _sums(padded, side, 1)
    out = along[:rows] + along[side - 1 :]
    down = _sums(padded[1:-1], side - 2, 0)
    out += down[:, :cols]
    out += down[:, side - 1 :]
    out *= np.float32(1 / (4 * (side - 1)))
    return out


def _sums(image: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """Sums of so many neighbours along an axis, an odd number, where they fit."""
    length = image.shape[axis] - count + 1
    parts = [image[(slice(None),) * axis + (slice(first, first + length),)] for first in range(count)]
    if count == 1:
        return parts[0]
    out = parts[0] + parts[1]
    for part in parts[2:]:
        out += part
    return out
