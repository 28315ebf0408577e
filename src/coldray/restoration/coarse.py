"""Slow images on a coarse grid: block means, Gaussian smoothing there, means that stay within ground, and the way back."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.physics.transfer import KEPT_PLACES, TransferOperator
from coldray.scratch import empty, is_large, strips

STEP_PX = 4
"""Pixels of the frame per sample of the coarse grid, down and across."""

WITHIN_PX = 12.0
"""Width of the Gaussian by which a mean within ground takes its steps [pixels]: it looks no farther at once than four of them."""
WITHIN_BLOCKS = 4
"""Samples of the coarse grid, down and across, that a mean within ground takes for one where it is at least three steps wide."""
LEAST_WEIGHT = 1e-3
"""Share of ground in a neighbourhood below which it has no mean of its own."""

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


def least_nearby(coarse: Image) -> Image:
    """Least value of every sample and the eight around it."""
    near = np.pad(coarse, 1, mode="edge")
    down = np.minimum(np.minimum(near[:-2], near[1:-1]), near[2:])
    return np.minimum(np.minimum(down[:, :-2], down[:, 1:-1]), down[:, 2:])


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


def mean_within(weighted: Image, weight: Image, sigma_px: float) -> Image:
    """Mean of block values over their neighbourhood, as far as it is reached without leaving the ground that counts.

    Parameters
    ----------
    weighted, weight : ndarray, float32, shape (rows / step, cols / step)
        Block values times their weight, and the weight: 1 on the ground that counts, 0 where it is left.
    sigma_px : float
        Width of the Gaussian that the mean is where all ground counts [pixels of the frame].

    Returns
    -------
    ndarray, float32, same shape
        0 farther from any ground than one step sees.

    Notes
    -----
    A Gaussian is many narrow ones after each other. Each of these, normalised by the weight that it sees, carries values to
    neighbouring ground alone: what lies beyond a strip without weight that is wider than four of them has no part in the
    mean, as near as it may be. The mean is linear in the values.
    """
    if sigma_px <= WITHIN_PX:
        seen = np.maximum(smoothed(weight, sigma_px), LEAST_WEIGHT)
        return np.divide(smoothed(weighted, sigma_px), seen, dtype=np.float32)
    blocks = WITHIN_BLOCKS if sigma_px >= 3 * WITHIN_PX else 1
    weight, shape = _merged(weight, blocks), weighted.shape
    mean = np.divide(_merged(weighted, blocks), np.maximum(weight, LEAST_WEIGHT), dtype=np.float32)
    # means over blocks, and straight lines between them, have already spread the values by this
    step_px = STEP_PX * blocks
    spread_px2 = (step_px**2 - 1) / 12 + (step_px**2 / 6 if blocks > 1 else 0.0)
    steps = max(round((sigma_px**2 - spread_px2) / WITHIN_PX**2), 1)
    sigma = math.sqrt((sigma_px**2 - spread_px2) / steps) / step_px
    seen = np.maximum(_narrow(weight, sigma), LEAST_WEIGHT)
    for _ in range(steps):
        mean = np.divide(_narrow(weight * mean, sigma), seen, dtype=np.float32)
    return mean if blocks == 1 else _interpolated(mean, blocks, shape)


def _merged(coarse: Image, blocks: int) -> Image:
    """Mean over several samples of the coarse grid, its far borders mirrored."""
    if blocks == 1:
        return coarse
    rows, cols = coarse.shape
    whole = np.pad(coarse, [(0, -rows % blocks), (0, -cols % blocks)], mode="symmetric")
    return whole.reshape(whole.shape[0] // blocks, blocks, -1, blocks).mean(axis=(1, 3), dtype=np.float32)


def _narrow(image: Image, sigma: float) -> Image:
    """Gaussian of a width in samples that sees four of them, half-sample symmetric at borders.

    `scipy.ndimage` would take longer to load than this takes for a frame.
    """
    reach = math.ceil(4 * sigma)
    taps = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    taps = (taps / (2 * taps.sum() - taps[0])).astype(np.float32)
    for _ in range(2):
        length = len(image)
        near = np.pad(image, [(reach, reach), (0, 0)], mode="symmetric")
        out = taps[0] * near[reach : reach + length]
        for off in range(1, reach + 1):
            out += taps[off] * (near[reach - off : reach - off + length] + near[reach + off : reach + off + length])
        image = np.ascontiguousarray(out.T)
    return image


def spread(coarse: Image, shape: tuple[int, int]) -> Image:
    """Interpolate block values to every pixel by straight lines; zeros stay exactly zero, ones exactly one.

    Parameters
    ----------
    coarse : ndarray, shape (ceil(rows / step), ceil(cols / step))
    shape : (rows, cols)
        Of the frame.
    """
    return _interpolated(coarse, STEP_PX, shape)


def _interpolated(coarse: Image, step: int, shape: tuple[int, ...]) -> Image:
    """Values of blocks of `step` by `step` as an image, by straight lines between their centres."""
    out = empty(shape, coarse.dtype)
    # the outer half blocks hold the border's value
    near = np.pad(coarse, 1, mode="edge")
    for rows in strips(shape, step, SPREAD_PIXELS):
        part = near[rows.start // step : -(-rows.stop // step) + 2]
        wide = np.ascontiguousarray(_between(np.ascontiguousarray(part.T), step).T[:, : shape[1]])
        out[rows] = _between(wide, step)[: rows.stop - rows.start]
    return out


def _between(values: Image, step: int) -> Image:
    """Interpolate along the first axis, whose first and last values are neighbours alone."""
    count = len(values) - 2
    out = np.empty((count, step, values.shape[1]), dtype=values.dtype)
    for i in range(step):
        place = (i + 0.5) / step - 0.5
        first = 1 if place >= 0 else 0
        weight = values.dtype.type(place if place >= 0 else place + 1.0)
        low, high = values[first : first + count], values[first + 1 : first + 1 + count]
        np.subtract(high, low, out=out[:, i])
        out[:, i] *= weight
        out[:, i] += low
    return out.reshape(-1, values.shape[1])
