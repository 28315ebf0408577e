"""Slow images on a coarse grid: block means, Gaussian smoothing there, and the way back by straight lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.physics.transfer import KEPT_PLACES, TransferOperator
from coldray.scratch import empty, is_large, strips

STEP_PX = 4
"""Pixels of the frame per sample of the coarse grid, down and across."""

SPREAD_PIXELS = 2**18
"""How many pixels are interpolated at once."""

Image = NDArray[np.float32]


def padded(image: Image) -> Image:
    """The image with its far borders mirrored up to multiples of `STEP_PX`."""
    rows, cols = image.shape
    down, across = (-n % STEP_PX for n in image.shape)
    if not down and not across:
        return image
    if not is_large(image.shape):
        return np.pad(image, [(0, down), (0, across)], mode="symmetric")
    out = empty((rows + down, cols + across), image.dtype)
    for part in strips(image.shape):
        out[part, :cols] = image[part]
    out[rows:, :cols] = out[rows - down : rows, :cols][::-1]
    for part in strips(out.shape):
        out[part, cols:] = out[part, cols - across : cols][:, ::-1]
    return out


def block_mean(image: Image) -> Image:
    """Mean over blocks of `STEP_PX` by `STEP_PX`; both sides must be multiples of it."""
    return mean_of_blocks(image.shape, lambda rows: image[rows])


def mean_of_blocks(shape: tuple[int, ...], seen: Callable[[slice], Image]) -> Image:
    """Mean over blocks of `STEP_PX` by `STEP_PX` of an image that is made strip by strip.

    Parameters
    ----------
    shape : (rows, cols)
        Both must be multiples of `STEP_PX`.
    seen : callable
        Rows of the image, float32.
    """
    found = []
    for part in strips(shape, STEP_PX):
        image = np.asarray(seen(part))
        # a product with ones adds up short axes faster than a reduction
        lines = image.reshape(-1, STEP_PX, shape[1]).sum(axis=1).reshape(-1, STEP_PX)
        found.append(lines @ np.full(STEP_PX, 1.0 / STEP_PX**2, dtype=image.dtype))
    return np.concatenate(found).reshape(shape[0] // STEP_PX, -1)


def smoothed(coarse: Image, sigma_px: float) -> Image:
    """Smooth block means by a Gaussian of the given width [pixels of the frame], half-sample symmetric at borders.

    Notes
    -----
    The mean over a block has already the variance (step^2 - 1) / 12; the Gaussian adds what is missing.
    """
    smoother = _smoother if coarse.size <= KEPT_PLACES else _smoother.__wrapped__
    return np.asarray(smoother(coarse.shape, sigma_px)(coarse))


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
    out = empty(shape, coarse.dtype)
    # the outer half blocks hold the border's value
    near = np.pad(coarse, 1, mode="edge")
    for rows in strips(shape, STEP_PX, SPREAD_PIXELS):
        part = near[rows.start // STEP_PX : -(-rows.stop // STEP_PX) + 2]
        wide = np.ascontiguousarray(_between(np.ascontiguousarray(part.T)).T[:, : shape[1]])
        out[rows] = _between(wide)[: rows.stop - rows.start]
    return out


def _between(values: Image) -> Image:
    """Interpolate along the first axis, whose first and last values are neighbours alone."""
    count = len(values) - 2
    out = np.empty((count, STEP_PX, values.shape[1]), dtype=values.dtype)
    for i in range(STEP_PX):
        place = (i + 0.5) / STEP_PX - 0.5
        first = 1 if place >= 0 else 0
        weight = values.dtype.type(place if place >= 0 else place + 1.0)
        low, high = values[first : first + count], values[first + 1 : first + 1 + count]
        np.subtract(high, low, out=out[:, i])
        out[:, i] *= weight
        out[:, i] += low
    return out.reshape(-1, values.shape[1])
