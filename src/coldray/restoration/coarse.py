"""Slow images on a coarse grid: block means, Gaussian smoothing there, and the way back by straight lines."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.physics.transfer import TransferOperator

STEP_PX = 4
"""Pixels of the frame per sample of the coarse grid, down and across."""

Image = NDArray[np.float32]


def padded(image: Image) -> Image:
    """The image with its far borders mirrored up to multiples of `STEP_PX`."""
    more = [(0, -n % STEP_PX) for n in image.shape]
    return image if not any(after for _, after in more) else np.pad(image, more, mode="symmetric")


def block_mean(image: Image) -> Image:
    """Mean over blocks of `STEP_PX` by `STEP_PX`; both sides must be multiples of it."""
    rows, cols = (n // STEP_PX for n in image.shape)
    # a product with ones adds up short axes faster than a reduction
    lines = image.reshape(rows, STEP_PX, -1).sum(axis=1).reshape(-1, STEP_PX)
    return np.asarray((lines @ np.full(STEP_PX, 1.0 / STEP_PX**2, dtype=image.dtype)).reshape(rows, cols))


def smoothed(coarse: Image, sigma_px: float) -> Image:
    """Smooth block means by a Gaussian of the given width [pixels of the frame], half-sample symmetric at borders.

    Notes
    -----
    The mean over a block has already the variance (step^2 - 1) / 12; the Gaussian adds what is missing.
    """
    return np.asarray(_smoother(coarse.shape, sigma_px)(coarse))


@lru_cache(maxsize=16)
def _smoother(shape: tuple[int, int], sigma_px: float) -> TransferOperator:
    variance = max(sigma_px**2 - (STEP_PX**2 - 1) / 12, 0.0) / STEP_PX**2
    v, u = (np.exp(-0.5 * variance * (np.pi * np.arange(n) / n) ** 2) for n in shape)
    return TransferOperator((v[:, None] * u).astype(np.float32))


def spread(coarse: Image, shape: tuple[int, int]) -> Image:
    """Interpolate block values to every pixel by straight lines; zeros stay exactly zero, ones exactly one.

    Parameters
    ----------
    coarse : ndarray, shape (ceil(rows / step), ceil(cols / step))
    shape : (rows, cols)
        Of the frame.
    """
    wide = np.ascontiguousarray(_spread_rows(np.ascontiguousarray(coarse.T), shape[1]).T)
    return _spread_rows(wide, shape[0])


def _spread_rows(values: Image, length: int) -> Image:
    """Interpolate along the first axis; the outer half blocks hold the border's value."""
    below = np.concatenate([values[:1], values, values[-1:]])
    out = np.empty((values.shape[0], STEP_PX, values.shape[1]), dtype=values.dtype)
    for i in range(STEP_PX):
        place = (i + 0.5) / STEP_PX - 0.5
        first = 1 if place >= 0 else 0
        weight = values.dtype.type(place if place >= 0 else place + 1.0)
        low, high = below[first : first + len(values)], below[first + 1 : first + 1 + len(values)]
        np.subtract(high, low, out=out[:, i])
        out[:, i] *= weight
        out[:, i] += low
    return out.reshape(-1, values.shape[1])[:length]
