"""Quiet blocks of one image: energy per radial band, apart from straight structure, and what noise gives there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.restoration.coarse import STEP_PX, block_mean

Float = NDArray[np.float64]

BLOCK_PX = 16
CELL_PX = STEP_PX
BAND_EDGES = (1 / 16, 1 / 8, 2**-2.5, 1 / 4, 2**-1.5, 1 / 2, 0.75)
"""Radial bands [cycles/pixel]; the first is a whole octave."""
BANDS = len(BAND_EDGES) - 1
MOST_BLOCKS = 80
"""The quietest blocks of an image that are looked at; more only add structure."""
DENSE_PIXELS = 1_200_000
"""Blocks of smaller images overlap by half."""
LEAST_SIGNAL = 0.01
"""Blocks darker than this share of the bright ones are left out."""
HIT_SD = 6.0
"""A pixel this far from the median of its neighbourhood is a hit or a defect, not noise [robust standard deviations]."""


@dataclass(frozen=True, eq=False)
class QuietBlocks:
    """Energies of quiet blocks.

    Parameters
    ----------
    energy : ndarray, shape (blocks, bands)
        Mean square of a band's coefficients [signal^2]; white noise of variance V gives V.
    signal : ndarray, shape (blocks,)
        Mean signal.
    """

    energy: Float
    signal: Float


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float32]:
    """Orthonormal DCT-II matrix of a block."""
    i, x = np.arange(BLOCK_PX)[:, None], np.arange(BLOCK_PX)
    basis = np.sqrt(2 / BLOCK_PX) * np.cos(np.pi * i * (x + 0.5) / BLOCK_PX)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


@lru_cache(maxsize=1)
def _membership() -> NDArray[np.float32]:
    """Which coefficient belongs to which band, shape (coefficients, bands).

    Coefficients that are constant along an axis are left out: trends and straight edges along rows or columns fill them.
    """
    i = np.arange(BLOCK_PX)
    band = np.digitize(np.hypot(i[:, None], i) / (2 * BLOCK_PX), BAND_EDGES) - 1
    band[0], band[:, 0] = -1, -1
    return np.asarray(band.ravel()[:, None] == np.arange(BANDS), dtype=np.float32)


def coefficients() -> NDArray[np.intp]:
    """Number of coefficients per band."""
    return _membership().sum(axis=0).astype(np.intp)


@lru_cache(maxsize=1)
def band_response() -> tuple[Float, Float]:
    """Mean energy of every band per unit of power at every frequency of a (2 n, 2 n) DFT grid.

    Returns
    -------
    weights : ndarray, shape (bands, 2 n, 2 n)
        Leakage of the finite block included.
    frequency : ndarray, shape (2 n, 2 n)
        Radial frequency [cycles/pixel].
    """
    size = 2 * BLOCK_PX
    power = np.abs(np.fft.fft(_cosines().astype(np.float64), size, axis=1)) ** 2 / size
    member = _membership().reshape(BLOCK_PX, BLOCK_PX, BANDS)
    weights = np.einsum("iv,ijb,ju->bvu", power, member, power, optimize=True) / coefficients()[:, None, None]
    f = np.fft.fftfreq(size)
    return weights, np.hypot(f[:, None], f)


def band_power(frequency: Float, power: Float) -> Float:
    """Band energies that noise of a radial power [signal^2 pixel^2] over frequency [cycles/pixel] gives, shape (bands,)."""
    weights, grid = band_response()
    return np.asarray((weights * np.interp(grid, frequency, power)).sum(axis=(1, 2)))


def quiet_blocks(image: NDArray[np.floating], most: int = MOST_BLOCKS) -> QuietBlocks:
    """Energies of the quietest blocks of an image.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Linear signal, at least 64 x 64.
    most : int
        Number of blocks.

    Returns
    -------
    QuietBlocks

    Raises
    ------
    MeasurementError
        If the image is too small, or has no signal or no block with noise.

    Notes
    -----
    Blocks are chosen by how even their profiles along rows and along columns are. These use other coefficients than
    `band_response` counts, so the choice does not favour blocks whose noise happens to be low.
    """
    if min(image.shape) < 4 * BLOCK_PX:
        raise MeasurementError(
            f"the image is {image.shape[0]}x{image.shape[1]} pixels; noise needs at least 64x64 to be estimated"
        )
    blocks = _cut(np.asanyarray(image, dtype=np.float32), most)
    _remove_hits(blocks)
    basis = _cosines()
    spectrum = np.matmul(np.matmul(basis, blocks), basis.T).reshape(len(blocks), -1)
    energy = (spectrum**2) @ _membership() / coefficients()
    usable = energy.min(axis=1) > 0
    if not usable.any():
        raise MeasurementError("the image has no noise: its even parts are constant, saturated or padded")
    signal = blocks.mean(axis=(1, 2), dtype=np.float64)
    return QuietBlocks(energy[usable].astype(np.float64), signal[usable])


def _cut(image: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Copies of the quietest blocks that are neither dark nor cut off at a limit, shape (blocks, n, n)."""
    rows, cols = (n // CELL_PX for n in image.shape)
    cells = block_mean(image[: rows * CELL_PX, : cols * CELL_PX])
    side = BLOCK_PX // CELL_PX
    step = side // 2 if image.size < DENSE_PIXELS else side
    windows = np.lib.stride_tricks.sliding_window_view(cells, (side, side))[::step, ::step]
    along, down = windows.mean(axis=3), windows.mean(axis=2)
    mean = along.mean(axis=2)
    bright = float(np.quantile(mean, 0.99))
    if not bright > 0:
        raise MeasurementError("the image has no signal; noise cannot be estimated")
    unevenness = (along.var(axis=2) + down.var(axis=2)) / np.maximum(mean, 0.02 * bright)
    unevenness[mean < LEAST_SIGNAL * bright] = np.inf
    order = np.argsort(unevenness, axis=None, kind="stable")
    order = order[: int(np.isfinite(unevenness).sum())]
    view = np.lib.stride_tricks.sliding_window_view(image, (BLOCK_PX, BLOCK_PX))
    limits = (image.max(), image.min())
    taken: list[NDArray[np.float32]] = []
    count = 0
    for first in range(0, order.size, most):
        i, j = np.divmod(order[first : first + most], mean.shape[1])
        part = view[i * step * CELL_PX, j * step * CELL_PX]
        cut_off = np.maximum(*((part == limit).sum(axis=(1, 2)) for limit in limits)) > 2
        part = part[~cut_off]
        taken.append(part[: most - count])
        count += len(taken[-1])
        if count == most:
            break
    if count == 0:
        raise MeasurementError("the image has no noise: its even parts are constant, saturated or padded")
    return np.concatenate(taken)


def _remove_hits(blocks: NDArray[np.float32]) -> None:
    """Replace single pixels that no noise explains by the median around them, in place."""
    wide = np.pad(blocks, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows, cols = blocks.shape[1:]
    around = np.stack([wide[:, i : i + rows, j : j + cols] for i in range(3) for j in range(3)])
    middle = np.partition(around, 4, axis=0)[4]
    rest = np.abs(blocks - middle)
    limit = HIT_SD * 1.4826 * np.median(rest, axis=(1, 2), keepdims=True)
    hit = (rest > limit) & (limit > 0)
    blocks[hit] = middle[hit]
