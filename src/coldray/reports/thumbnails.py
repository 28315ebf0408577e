"""Images made small: averaged over whole blocks, on the grey scale of what they show."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from coldray.scratch import strips

OVERVIEW_PX = 1000
THUMBNAIL_PX = 176


def shrunk(image: NDArray[np.number], longest: int = OVERVIEW_PX) -> NDArray[np.number]:
    """Image averaged over whole blocks so that no side exceeds `longest` pixels; blocks at the far edges that are not whole are left out."""
    block = -(-max(image.shape) // longest)
    if block == 1:
        return image
    across = [min(block, n) for n in image.shape]
    rows, cols = (n // b for n, b in zip(image.shape, across, strict=True))
    whole = image[: rows * across[0], : cols * across[1]]
    parts = (whole[strip].reshape(-1, across[0], cols, across[1]) for strip in strips(whole.shape, step=across[0]))
    return np.concatenate([np.asarray(part).mean(axis=(1, 3)) for part in parts])


def grey_range(image: NDArray[np.number]) -> tuple[float, float]:
    """Grey levels between which nearly all of an image lies."""
    low, high = (float(v) for v in np.quantile(image[:: max(1, image.shape[0] // 512)], [0.002, 0.998]))
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def grey_levels(image: NDArray[np.number], grey: tuple[float, float]) -> NDArray[np.uint8]:
    """Image in 8 bits, from black at the first of two values to white at the second."""
    low, high = grey
    levels = np.rint(np.clip((np.asarray(image, dtype=np.float64) - low) / (high - low), 0, 1) * 255)
    return levels.astype(np.uint8)


def thumbnail(image: NDArray[np.number], longest: int = THUMBNAIL_PX) -> bytes:
    """Small picture of an image or of the first frame of a stack.

    Parameters
    ----------
    image : ndarray, shape (rows, cols) or (frames, rows, cols)
    longest : int
        Longest side [px].

    Returns
    -------
    bytes
        PNG of 8 bits.
    """
    from PIL import Image

    small = shrunk(image if image.ndim == 2 else image[0], longest)
    out = io.BytesIO()
    Image.fromarray(grey_levels(small, grey_range(small))).save(out, "PNG")
    return out.getvalue()
