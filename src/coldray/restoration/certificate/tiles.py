"""Energy of an image per tile and radial band: a partition that keeps white noise exactly chi-square."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from coldray.arrays import Scalar
from coldray.compiled import cosines
from coldray.scratch import empty, strips, tidy

TILE_PX = 16
"""Least side of a tile [pixels]."""
BAND_EDGES = (0.0, 0.046, 0.11, 0.2, 0.3, 0.4, 0.75)
"""Edges of the radial bands [cycles/pixel]; the last one lies beyond the diagonal Nyquist frequency."""
BANDS = len(BAND_EDGES) - 1
STRIP_PIXELS = 2**20
"""How much of an image is transformed at once."""
POOLED_TILES = 4
"""Tiles per side that the coarser level sums up."""


@dataclass(frozen=True, eq=False)
class TileGrid:
    """A cut of rows and columns into tiles of nearly equal sides.

    Parameters
    ----------
    rows, cols : ndarray of int, shape (tiles + 1,)
        Borders of the tiles [pixels].
    """

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int]:
        """Tiles down and across."""
        return self.rows.size - 1, self.cols.size - 1

    def pooled(self, count: int = POOLED_TILES) -> TileGrid:
        """Return the grid whose tiles are `count` x `count` of these; the last ones may be fewer."""
        return TileGrid(*(np.append(edges[:-1:count], edges[-1]) for edges in (self.rows, self.cols)))

    def spread(self, values: NDArray[Scalar], shape: tuple[int, int], outside: float) -> NDArray[Scalar]:
        """Paint one value per tile onto the pixels, in its type; `outside` where no tile lies."""
        out = empty(shape, values.dtype)
        tile = np.repeat(np.arange(self.shape[0]), np.diff(self.rows))
        for part in strips(shape, pixels=STRIP_PIXELS):
            out[part] = outside
            first = max(part.start, int(self.rows[0]))
            last = max(min(part.stop, int(self.rows[-1])), first)
            painted = values[tile[first - self.rows[0] : last - self.rows[0]]]
            out[first:last, self.cols[0] : self.cols[-1]] = np.repeat(painted, np.diff(self.cols), axis=1)
        return out


def _cut(first: int, last: int) -> NDArray[np.intp]:
    """Borders of as many tiles of at least `TILE_PX` as fit, the longer ones last."""
    length = last - first
    count = max(1, length // TILE_PX)
    short, longer = divmod(length, count)
    sides = [short] * (count - longer) + [short + 1] * longer
    return np.concatenate([[first], first + np.cumsum(sides)]).astype(np.intp)


def grids_of(shape: tuple[int, int]) -> list[TileGrid]:
    """Two cuts of an image: one covers every pixel, the other is shifted by half a tile.

    Parameters
    ----------
    shape : (rows, cols)

    Returns
    -------
    list of TileGrid
        Without the second one if the image is smaller than two tiles.
    """
    whole = TileGrid(_cut(0, shape[0]), _cut(0, shape[1]))
    half = TILE_PX // 2
    if min(shape) < 2 * TILE_PX:
        return [whole]
    return [whole, TileGrid(_cut(half, shape[0] - half), _cut(half, shape[1] - half))]


@cache
def _basis(size: int) -> NDArray[np.float32]:
    """Orthonormal DCT-II matrix."""
    return np.asarray(cosines(np.eye(size), (0,)), dtype=np.float32)


@cache
def bands_of_tile(rows: int, cols: int) -> NDArray[np.intp]:
    """Band of every DCT-II coefficient of a tile, shape (rows, cols)."""
    frequency = np.hypot(np.arange(rows)[:, None] / (2 * rows), np.arange(cols) / (2 * cols))
    return np.digitize(frequency, BAND_EDGES[1:-1]).astype(np.intp)


def band_power(power: NDArray[np.floating]) -> NDArray[np.float64]:
    """Expected energy per degree of freedom that stationary noise leaves in every band of a tile.

    Parameters
    ----------
    power : ndarray, shape (n, n), n >= 4 * TILE_PX
        Noise power on the grid of a discrete Fourier transform; 1 for white noise of unit variance.

    Returns
    -------
    ndarray, shape (bands,)
        With what a tile's borders leak from one frequency to another: for coefficient k, l the autocovariance of the
        noise summed over the autocorrelations of the two basis functions.
    """
    lags = np.arange(1 - TILE_PX, TILE_PX)
    covariance = np.fft.ifft2(power).real[np.ix_(lags, lags)]
    basis = _basis(TILE_PX).astype(np.float64)
    overlap = np.stack([np.correlate(row, row, mode="full") for row in basis])
    place = bands_of_tile(TILE_PX, TILE_PX).ravel()
    energy = np.bincount(place, (overlap @ covariance @ overlap.T).ravel(), BANDS)
    return np.asarray(energy / np.bincount(place, minlength=BANDS))


@dataclass(frozen=True, eq=False)
class BandEnergy:
    """Sums of squares per tile and band.

    Parameters
    ----------
    grid : TileGrid
    energy : ndarray, float64, shape (bands, rows, cols)
        Sum of squared DCT-II coefficients of the tile within the band.
    degrees : ndarray, float64, shape (bands, rows, cols)
        Number of coefficients: the degrees of freedom of white noise.
    """

    grid: TileGrid
    energy: NDArray[np.float64]
    degrees: NDArray[np.float64] = field(repr=False)

    def pooled(self, count: int = POOLED_TILES) -> BandEnergy:
        """Sums over `count` x `count` tiles."""
        return BandEnergy(self.grid.pooled(count), pool(self.energy, count), pool(self.degrees, count))


def pool(values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """Sum the last two axes in groups of `count`; the last groups may be smaller."""
    down, across = (np.arange(0, n, count) for n in values.shape[-2:])
    summed = np.add.reduceat(np.asarray(values, dtype=np.float64), down, axis=-2)
    return np.asarray(np.add.reduceat(summed, across, axis=-1))


def _runs(edges: NDArray[np.intp]) -> Iterator[tuple[slice, slice, int]]:
    """Stretches of equal tiles: their pixels, their tiles, their side."""
    sides = np.diff(edges)
    for side in np.unique(sides):
        tiles = np.flatnonzero(sides == side)
        first, last = int(tiles[0]), int(tiles[-1]) + 1
        yield slice(int(edges[first]), int(edges[last])), slice(first, last), int(side)


def _strips(edges: NDArray[np.intp], across: int) -> Iterator[tuple[slice, slice, int]]:
    """The same in pieces of about `STRIP_PIXELS`, so that memory does not grow with the image."""
    for pixels, tiles, side in _runs(edges):
        count = max(1, STRIP_PIXELS // (side * across))
        for first in range(0, tiles.stop - tiles.start, count):
            last = min(first + count, tiles.stop - tiles.start)
            yield (
                slice(pixels.start + first * side, pixels.start + last * side),
                slice(tiles.start + first, tiles.start + last),
                side,
            )
            tidy()


def band_energy(image: NDArray[np.floating], grid: TileGrid) -> BandEnergy:
    """Energy of an image per tile and band.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    grid : TileGrid

    Returns
    -------
    BandEnergy

    Notes
    -----
    A tile's DCT-II is orthonormal: white noise of unit variance gives independent standard normal coefficients, so each sum
    is chi-square with as many degrees of freedom as the band has coefficients, and the bands of a tile sum up to
    the tile's sum of squares exactly.
    """
    energy = np.zeros((BANDS, *grid.shape))
    degrees = np.zeros((BANDS, *grid.shape))
    for row_pixels, row_tiles, height in _strips(grid.rows, image.shape[1]):
        for col_pixels, col_tiles, width in _runs(grid.cols):
            part = np.ascontiguousarray(image[row_pixels, col_pixels], dtype=np.float32)
            down, across = part.shape[0] // height, part.shape[1] // width
            half = part.reshape(-1, width) @ _basis(width).T
            whole = np.matmul(_basis(height), half.reshape(down, height, across * width))
            whole *= whole
            # one row per tile, one column per coefficient
            squares = whole.reshape(down, height, across, width).transpose(0, 2, 1, 3).reshape(down * across, -1)
            place = bands_of_tile(height, width)
            member = (place.ravel()[:, None] == np.arange(BANDS)).astype(np.float32)
            energy[:, row_tiles, col_tiles] = (squares @ member).T.reshape(BANDS, down, across)
            degrees[:, row_tiles, col_tiles] = member.sum(axis=0)[:, None, None]
    return BandEnergy(grid, energy, degrees)


def tile_mean(image: NDArray[np.floating] | NDArray[np.bool_], grid: TileGrid) -> NDArray[np.float64]:
    """Mean of an image over every tile, shape (tiles down, tiles across)."""
    out = np.empty(grid.shape)
    for row_pixels, row_tiles, height in _strips(grid.rows, image.shape[1]):
        for col_pixels, col_tiles, width in _runs(grid.cols):
            part = np.asarray(image[row_pixels, col_pixels], dtype=np.float32)
            down, across = part.shape[0] // height, part.shape[1] // width
            # a product with ones adds up rows faster than a reduction over short axes
            rows = part.reshape(down, height, -1).sum(axis=1)
            summed = rows.reshape(-1, width) @ np.ones(width, dtype=rows.dtype)
            out[row_tiles, col_tiles] = summed.reshape(down, across) / (height * width)
    return out
