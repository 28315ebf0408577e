"""Find a straight, nearly axis-parallel edge in a whole image, and how far its surroundings are clear."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError

Float = NDArray[np.float64]

COARSE_SIDE = 256  # px; the search runs on an image reduced to about this size
SEARCH_SLOPE = np.tan(np.deg2rad(20.0))  # steeper gradients belong to the other orientation, or to neither
LEAST_SLOPE = np.tan(np.deg2rad(0.7))  # edges nearer to the axis are taken only if nothing else is there
SURROUNDINGS_PX = 600  # how far from the edge other structures are looked for
TRIED = 8  # candidates whose surroundings are looked at


@dataclass(frozen=True)
class EdgeSite:
    """Where an edge lies, in an image turned so that the edge runs along the rows' axis (top to bottom).

    Parameters
    ----------
    vertical : bool
        False if the image had to be transposed.
    rising : bool
        True if the signal grows with the column.
    rows : (int, int)
        First row and one past the last.
    centre, slope : float
        Column of the edge at the middle row, and columns per row.
    clear_left, clear_right : float
        Distance [px, along the row] to the next structure on either side; infinite if only the border comes.
    """

    vertical: bool
    rising: bool
    rows: tuple[int, int]
    centre: float
    slope: float
    clear_left: float
    clear_right: float

    def column(self, row: Float) -> Float:
        """Column of the edge at each row."""
        return np.asarray(self.centre + self.slope * (row - (self.rows[0] + self.rows[1] - 1) / 2))

    def room(self, columns: int) -> float:
        """Distance [px] from the edge to the next structure, or to the border of an image so wide."""
        ends = self.column(np.array([self.rows[0], self.rows[1] - 1], dtype=np.float64))
        return float(min(ends.min(), columns - 1 - ends.max(), self.clear_left, self.clear_right))


def coarse_factor(shape: tuple[int, ...]) -> int:
    """By how much the search reduces an image; also the uncertainty of its answer [px]."""
    return max(2 if min(shape) >= 96 else 1, int(np.ceil(max(shape) / COARSE_SIDE)))


def _reduce(image: NDArray[np.number], factor: int) -> Float:
    """Mean over blocks of `factor` x `factor` pixels; a ragged border is dropped."""
    if factor == 1:
        return image.astype(np.float64)
    rows, cols = (n // factor for n in image.shape)
    lines = image[: rows * factor, : cols * factor].reshape(rows, factor, -1).sum(axis=1, dtype=np.float64)
    return np.asarray(lines.reshape(rows, cols, factor).sum(axis=2) / factor**2)


def _clearance(image: NDArray[np.number], rows: tuple[int, int], column: Float, sign: float) -> tuple[float, float]:
    """Pixels to the next structure left and right of a straight edge; infinite if none is in the image."""
    row = np.arange(*rows)
    left = int(np.floor(column.min())) - 1
    right = image.shape[1] - 2 - int(np.ceil(column.max()))
    if left < 3 or right < 3:
        return np.inf, np.inf
    left, right = min(left, SURROUNDINGS_PX), min(right, SURROUNDINGS_PX)
    offset = np.arange(-left, right + 1)
    start = np.rint(column).astype(np.intp)
    border = np.linspace(0, row.size, max(1, min(8, row.size // 8)) + 1).astype(int)
    parts = [image[row[i:j, None], start[i:j, None] + offset].mean(axis=0) for i, j in itertools.pairwise(border)]
    slope = sign * np.gradient(ndimage.uniform_filter1d(np.stack(parts), 3, axis=1, mode="nearest"), axis=1)
    noise = 1.4826 * float(np.median(np.abs(slope - np.median(slope))))
    peak = float(slope.mean(axis=0)[left - 2 : left + 3].max())
    threshold = max(0.1 * peak, 6 * noise)
    own_slope, foreign = slope.mean(axis=0) > threshold, np.abs(slope).max(axis=0) > threshold
    reach = []
    for own, other in ((own_slope[left::-1], foreign[left::-1]), (own_slope[left:], foreign[left:])):
        core = int(np.argmin(own)) + 2 if not own.all() else own.size  # the edge's own width
        place = np.flatnonzero(other[core:])
        reach.append(float(max(core + place[0] - 3, 0)) if place.size else np.inf)
    return reach[0], reach[1]


def _candidates(gx: Float, gy: Float, sigma: float, largest: float, vertical: bool) -> list[tuple[float, EdgeSite]]:
    """Straight runs of one-signed gradient across the columns, each with a score (contrast x root of rows).

    `gx` and `gy` are the gradients along and across the rows of an image smoothed by `sigma`, whose largest value is
    `largest`.
    """
    sample = gx[:: max(1, gx.shape[0] // 64)]
    noise = 1.4826 * float(np.median(np.abs(sample - np.median(sample))))
    threshold = max(0.25 * max(np.abs(gx).max(), np.abs(gy).max()), 5 * noise, 1e-12 * largest)
    found: list[tuple[float, EdgeSite]] = []
    for sign in (1.0, -1.0):
        strong = (sign * gx > threshold) & (np.abs(gx) * SEARCH_SLOPE * 1.5 > np.abs(gy))
        label, _ = ndimage.label(strong)
        for index, box in enumerate(ndimage.find_objects(label), start=1):
            height = box[0].stop - box[0].start
            if height < max(8, 3 * sigma):
                continue
            weight = np.where(label[box] == index, np.abs(gx[box]), 0.0)
            mass = weight.sum(axis=1)
            cols = np.arange(box[1].start, box[1].stop)
            row = np.arange(box[0].start, box[0].stop, dtype=np.float64)
            centroid = (weight * cols).sum(axis=1) / mass
            curve = np.polyfit(row - row.mean(), centroid, 2, w=np.sqrt(mass))
            slope, at = np.polyfit(row - row.mean(), centroid, 1, w=np.sqrt(mass))
            if abs(curve[0]) * (height / 2) ** 2 > 1.0 or abs(slope) > SEARCH_SLOPE:
                continue
            snap = int(np.ceil(3 * sigma))  # the filter weakens the gradient at the image border
            first = 0 if box[0].start <= snap else box[0].start + 2
            last = gx.shape[0] if box[0].stop >= gx.shape[0] - snap else box[0].stop - 2
            if last - first < 6:
                continue
            span = np.arange(first, last)
            column = at + slope * (span - row.mean())
            inside = (column > 4) & (column < gx.shape[1] - 5)
            if inside.sum() < 6:
                continue
            first, last = int(span[inside][0]), int(span[inside][-1]) + 1
            column = column[inside]
            middle = at + slope * ((first + last - 1) / 2 - row.mean())
            site = EdgeSite(vertical, sign > 0, (first, last), float(middle), float(slope), np.inf, np.inf)
            found.append((float(mass.mean() * np.sqrt(last - first)), site))
    return found


def find_edge(image: NDArray[np.number], upright: bool = False) -> EdgeSite:
    """Best straight edge within 20 degrees of an axis.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Finite values.
    upright : bool
        Only edges that run from top to bottom.

    Returns
    -------
    EdgeSite
        In the turned image (transposed if the edge is nearly horizontal), in pixels of `image`.

    Raises
    ------
    MeasurementError
        If no edge stands out of the noise.
    """
    factor = coarse_factor(image.shape)
    coarse = _reduce(image, factor)
    largest = float(np.abs(coarse).max())
    best: list[tuple[float, EdgeSite]] = []
    for sigma in (1.5, 4.0):
        gx = ndimage.gaussian_filter(coarse, sigma, order=(0, 1), mode="nearest")
        gy = ndimage.gaussian_filter(coarse, sigma, order=(1, 0), mode="nearest")
        best = _candidates(gx, gy, sigma, largest, True)
        best += [] if upright else _candidates(gy.T, gx.T, sigma, largest, False)
        if best:
            break
    if not best:
        raise MeasurementError(
            "no straight edge within 20 degrees of rows, columns or a diagonal stands out of the noise; give a region "
            "(`roi`) that holds one slanted edge with at least 16 rows and 8 pixels of flat signal on "
            "both sides"
        )
    best.sort(key=lambda item: -item[0])
    rated = []
    for score, coarse_site in best[:TRIED]:
        site = _refined(coarse_site, image if coarse_site.vertical else image.T, factor)
        clear = site.room(image.shape[1] if site.vertical else image.shape[0])
        tilted = min(1.0, abs(site.slope) / LEAST_SLOPE)  # collimator blades are strong, but rarely slanted
        rated.append((score * tilted * min(max(clear, 0.0), 100.0) ** 0.75, site))
    return max(rated, key=lambda item: item[0])[1]


def _refined(site: EdgeSite, turned: NDArray[np.number], factor: int) -> EdgeSite:
    """The site in pixels of the full image, with its clearance."""
    first, last = site.rows[0] * factor, site.rows[1] * factor
    if site.rows[1] == turned.shape[0] // factor:
        last = turned.shape[0]
    middle = ((site.rows[0] + site.rows[1] - 1) / 2 + 0.5) * factor - 0.5
    centre = (site.centre + 0.5) * factor - 0.5 + site.slope * ((first + last - 1) / 2 - middle)
    full = EdgeSite(site.vertical, site.rising, (first, last), centre, site.slope, np.inf, np.inf)
    column = full.column(np.arange(first, last, dtype=np.float64))
    left, right = _clearance(turned, (first, last), column, 1.0 if site.rising else -1.0)
    return replace(full, clear_left=left, clear_right=right)
