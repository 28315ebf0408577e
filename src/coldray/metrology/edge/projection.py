"""Project the pixels around a slanted edge on its normal: an oversampled edge response with its row groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError
from coldray.metrology.edge.line import EdgeLine

Float = NDArray[np.float64]

# Bins per pixel along the row, first choice first. Where the tangent of the angle is near 1/n the rows repeat n
# positions only; n bins then hold one position each, at their centres. 7 to 5 serve steep angles (8 to 11 degrees).
BINS_PER_PIXEL = (8, 9, 10, 11, 12, 13, 14, 7, 6, 5)
BINS_PER_DIAGONAL = (12, 13, 14, 15, 16, 17, 18, 19, 20, 11, 10, 9, 8, 7)  # the columns there are 1.4 px apart
OFF_CENTRE = 0.02  # px; a mean place this far from the bin centre is corrected by the local slope well enough
PIXELS_AT_ONCE = 32_000
GROUP_ROWS = 12  # several correlation lengths of a scintillator, and still 20 groups in 256 rows


@dataclass(frozen=True)
class Sums:
    """What the images add to each bin: per group of neighbouring rows (groups, bins), or in all (bins,).

    Parameters
    ----------
    count, value, place : ndarray, shape (groups, bins)
        Number of pixels, sum of their values, sum of their distances [px].
    value_square, place_square : ndarray, shape (bins,)
        Sums of squares.
    """

    count: Float
    value: Float
    place: Float
    value_square: Float
    place_square: Float

    def rescaled(self, low: float, high: float) -> Sums:
        """The same sums for (value - low) / (high - low)."""
        step = high - low
        count, value = self.count.sum(axis=0), self.value.sum(axis=0)
        square = (self.value_square - 2 * low * value + low * low * count) / (step * step)
        return Sums(self.count, (self.value - low * self.count) / step, self.place, square, self.place_square)

    def joined(self, other: Sums) -> Sums:
        """These groups and those of `other`.

        Equally many groups are taken for the same rows of another frame and added one by one: a fixed pattern
        that the frames share then stays within its group and in the band. Others are set side by side.
        """
        merge = np.add if self.count.shape == other.count.shape else _side_by_side
        return Sums(
            merge(self.count, other.count),
            merge(self.value, other.value),
            merge(self.place, other.place),
            self.value_square + other.value_square,
            self.place_square + other.place_square,
        )


def _side_by_side(first: Float, second: Float) -> Float:
    return np.concatenate([first, second])


@dataclass(frozen=True)
class Grid:
    """Bins along the normal: `bins` of width `step` from `start` [px]."""

    start: float
    step: float
    bins: int


def choose_grid(lines: Sequence[tuple[EdgeLine, tuple[int, int]]], half_px: float) -> Grid:
    """Bins that every sub-pixel position of the rows fills evenly.

    Parameters
    ----------
    lines : sequence of (EdgeLine, (first row, one past the last))
    half_px : float
        Half-length to cover [px].

    Returns
    -------
    Grid
    """
    position = np.concatenate([-line.column(np.arange(*rows, dtype=np.float64)) for line, rows in lines])
    numbers = BINS_PER_DIAGONAL if lines[0][0].lattice.diagonal else BINS_PER_PIXEL
    best = (np.inf, numbers[0], 0.0)
    for number in numbers:
        scaled = position * number
        resultant = np.exp(2j * np.pi * scaled).mean()
        # Clustered positions belong at the bin centres; evenly spread ones need no shift.
        shift = float(np.angle(resultant)) / (2 * np.pi) - 0.5 if abs(resultant) > 0.3 else 0.0
        index = np.floor(scaled - shift)
        inside = scaled - shift - index - 0.5
        slot = index.astype(np.intp) % number
        count = np.bincount(slot, minlength=number)
        filled = count > 0
        off = np.abs(np.bincount(slot, weights=inside, minlength=number)[filled] / count[filled]).max() / number
        sparse = (count < 0.3 * position.size / number).mean()
        cost = sparse + max(off - OFF_CENTRE, 0)
        if cost < best[0] - 1e-9:
            best = (float(cost), number, shift)
        if cost == 0:
            break
    _, number, shift = best
    step = float(np.mean([line.cosine for line, _ in lines])) / number
    half_bins = int(np.floor(half_px / step)) - 1
    return Grid((shift % 1 - half_bins) * step, step, 2 * half_bins - 1)


@dataclass(frozen=True)
class Projection:
    """Edge response on a regular grid along the normal.

    Parameters
    ----------
    distance_px : ndarray, shape (bins,)
        Bin centres; the edge is near zero, the signal rises.
    step_px : float
        Bin width [px].
    esf : ndarray, shape (bins,)
        Mean signal, moved from the mean place of its pixels to the bin centre.
    count : ndarray, shape (bins,)
        Pixels per bin.
    scatter : ndarray, shape (bins,)
        Pixel variance about the edge response.
    deviation : ndarray, shape (groups, bins)
        What each group of rows adds to `esf` beyond its share, scaled to be free of self-influence.
    spread_px2 : float
        Variance of the pixel places within a bin where the edge is steep [px^2].
    empty : float
        Fraction of bins without a pixel near the edge.
    """

    distance_px: Float
    step_px: float
    esf: Float
    count: Float
    scatter: Float
    deviation: Float
    spread_px2: float
    empty: float


def half_length(line: EdgeLine, first: int, last: int, left: int, right: int) -> float:
    """Distance along the normal that every row holds on both sides, between columns `left` and `right`."""
    column = line.column(np.array([first, last - 1], dtype=np.float64))
    return float(min(column.min() - left, right - column.max()) * line.cosine)


def gather(
    image: Float, line: EdgeLine, rows: tuple[int, int], grid: Grid, bad: NDArray[np.bool_] | None = None
) -> Sums:
    """Sort the pixels of one image into bins along the normal and groups of rows.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Turned so that the edge runs top to bottom and rises to the right.
    line : EdgeLine
    rows : (int, int)
        First row and one past the last.
    grid : Grid
    bad : ndarray of bool, shape of `image`, optional
        Pixels that do not count.

    Returns
    -------
    Sums
    """
    bins = grid.bins
    half_px = max(-grid.start, grid.start + bins * grid.step)
    groups = max(2, round((rows[1] - rows[0]) / GROUP_ROWS))
    border = np.rint(np.linspace(rows[0], rows[1], groups + 1)).astype(int)
    reach = half_px / line.cosine
    width = int(np.ceil(2 * reach)) + 2
    # Groups are sorted together as long as their pixels stay in the cache.
    together = max(1, int(PIXELS_AT_ONCE / (width * (border[1] - border[0]))))
    total = np.zeros((3, groups, bins))
    squares = np.zeros((2, bins))
    for first in range(0, groups, together):
        last = min(first + together, groups)
        row = np.arange(border[first], border[last])
        column = line.column(row.astype(np.float64))
        start = np.floor(column - reach).astype(np.intp)
        index = start[:, None] + np.arange(width)
        np.clip(index, 0, image.shape[1] - 1, out=index)
        d = (index - column[:, None]) * line.cosine
        place = (d - grid.start) / grid.step
        inside = (place >= 0) & (place < bins)
        if bad is not None:
            inside &= ~bad[row[:, None], index]
        group = np.repeat(np.arange(last - first), np.diff(border[first : last + 1]))
        cell = (place.astype(np.intp) + bins * group[:, None])[inside]
        d, value = d[inside], image[row[:, None], index][inside]
        shape = (last - first, bins)
        for k, weights in enumerate((None, value, d)):
            total[k, first:last] = np.bincount(cell, weights, bins * shape[0]).reshape(shape)
        for k, weights in enumerate((value, d)):
            squares[k] += np.bincount(cell, weights * weights, bins * shape[0]).reshape(shape).sum(axis=0)
    return Sums(*total, *squares)


def project(sums: Sums, grid: Grid) -> Projection:
    """Edge response of all images together, with the deviation of every group of rows.

    Parameters
    ----------
    sums : Sums
    grid : Grid

    Returns
    -------
    Projection

    Raises
    ------
    MeasurementError
        If too few bins hold pixels.

    Notes
    -----
    The deviation of a group is divided by sqrt(1 - h), h its share of the bin's pixels, because a group
    that helped to make the mean lies too close to it (the CR2 estimator of Bell and McCaffrey, 2002).
    """
    count = sums.count.sum(axis=0)
    filled = count > 0
    step = grid.step
    centre = grid.start + (np.arange(grid.bins, dtype=np.float64) + 0.5) * step
    near = np.abs(centre) < min(8.0, -grid.start / 2)
    empty = float(1 - filled[near].mean())
    if empty > 0.5:
        raise MeasurementError(
            "the rows repeat too few sub-pixel positions of the edge to build its profile; "
            "tilt the edge by 1.5 to 8 degrees or use more rows"
        )
    share = np.where(filled, count, 1.0)
    place, mean = sums.place.sum(axis=0) / share, sums.value.sum(axis=0) / share
    smooth = ndimage.gaussian_filter1d(np.interp(centre, place[filled], mean[filled]), 1.0, mode="nearest")
    slope = np.gradient(smooth, step)
    esf = mean + slope * (centre - place)
    esf = np.interp(centre, centre[filled], esf[filled])
    # Pixel places vary within a bin; by how much decides the bin's own transfer (1/12 of a squared bin if even).
    inner = np.maximum(sums.place_square / share - place**2, 0)
    weight = np.where(near & filled, slope**2, 0)
    spread = float((weight * inner).sum() / weight.sum()) if weight.any() else step**2 / 12
    expected = mean + slope * (sums.place / np.where(sums.count > 0, sums.count, 1.0) - place)
    residual = (sums.value - sums.count * expected) / share
    leverage = np.minimum(sums.count / share, 0.9)
    deviation = residual / np.sqrt(1 - leverage)
    variance = (sums.value_square / share - mean**2 - slope**2 * inner) * share / np.maximum(share - 1, 1)
    variance = ndimage.uniform_filter1d(np.where(filled, np.maximum(variance, 0), 0), round(1 / step), mode="nearest")
    return Projection(centre, step, esf, count, variance, deviation, spread, empty)
