"""Fit the line of a slanted edge to a few thousandths of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError
from coldray.metrology.edge.find import EdgeSite
from coldray.metrology.edge.lattice import UPRIGHT, Lattice

Float = NDArray[np.float64]

LEAST_ROWS = 16
MOST_BAD = 0.5  # of the pixels of a row that is used
WHOLE = 0.8  # of the usual sensitivity of a row to its place, below which masked pixels spoil it
STEADY_PX = 5e-4  # a line that moves by less is found; the next step would move it by a third of that
FARTHEST_PX = 2.0  # a row is moved by no more than this in one step
STANDS_OUT = 6.0  # of the standard deviation of a variance from independent rows, correlated noise included


@dataclass(frozen=True)
class EdgeLine:
    """A fitted line: column = centre + slope * (row - middle), with what the fit says about itself.

    Parameters
    ----------
    centre, slope : float
        Column at `middle` and columns per row.
    middle : float
        Middle row.
    slope_sd : float
        Standard deviation of `slope` from the scatter of the rows about the line.
    sag_px, sag_sd_px : float
        Bow of the edge between its ends and its middle, and its standard deviation [px].
    rough_px : float
        Rms displacement of the rows from the line, along the normal, beyond what the pixel noise explains [px]; 0
        where it does not stand out of the noise.
    lattice : Lattice
        How rows and columns lie in the image.
    """

    centre: float
    slope: float
    middle: float
    slope_sd: float
    sag_px: float
    sag_sd_px: float
    rough_px: float
    lattice: Lattice = UPRIGHT

    @property
    def cosine(self) -> float:
        """Column step to distance along the normal [px]."""
        return _cosine(self.slope, self.lattice)

    @property
    def angle_deg(self) -> float:
        """Signed angle to the direction of the rows' axis: positive if the column grows with the row."""
        return float(np.rad2deg(np.arctan(self.slope * self.lattice.column_px / self.lattice.row_px)))

    def column(self, row: Float) -> Float:
        """Place of the edge at each row, as a column of that row."""
        return np.asarray(self.centre + self.slope * (row - self.middle) - self.lattice.shifts(row))


def _cosine(slope: float, lattice: Lattice) -> float:
    """Distance [px] along the normal of a line per column step."""
    return float(lattice.column_px / np.hypot(1, slope * lattice.column_px / lattice.row_px))


def _median(values: Float) -> float:
    """Median of a few hundred values, without the overhead of `numpy.median`."""
    ordered = np.sort(values)
    return float(ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2


def _robust_line(row: Float, position: Float, degree: int) -> tuple[Float, Float, NDArray[np.bool_]]:
    """Polynomial fit with rejection beyond 3.5 robust standard deviations; coefficients, covariance, kept rows."""
    kept: NDArray[np.bool_] = np.ones(row.size, dtype=np.bool_)
    half = max(1.0, float(np.abs(row).max()))
    design = np.vander(row / half, degree + 1, increasing=True)
    beta: NDArray[np.number] = np.zeros(degree + 1)
    for _ in range(6):
        part = design[kept]
        beta = np.linalg.solve(part.T @ part, part.T @ position[kept])
        residual = position - design @ beta
        spread = 1.4826 * _median(np.abs(residual - _median(residual))) + 1e-9
        again = np.abs(residual) <= 3.5 * spread
        if again.sum() < max(degree + 3, row.size // 2) or np.array_equal(again, kept):
            break
        kept = again
    residual = (position - design @ beta)[kept]
    dof = max(1, residual.size - degree - 1)
    covariance = np.linalg.inv(design[kept].T @ design[kept]) * float(residual @ residual) / dof
    scale = half ** -np.arange(degree + 1.0)
    scaled: Float = np.asarray(covariance * np.outer(scale, scale), dtype=np.float64)
    coefficients: Float = np.asarray(beta * scale, dtype=np.float64)
    return coefficients, scaled, kept


def _template(d: Float, value: Float, width: float, reach: float) -> tuple[Float, Float, Float]:
    """Mean edge profile on bins of 1/4 px, lightly smoothed, and its derivative."""
    step = 0.25
    count = int(np.ceil(2 * reach / step))
    index = np.clip(((d + reach) / step).astype(np.intp), 0, count - 1).ravel()
    number = np.bincount(index, minlength=count)
    filled = number > 0
    grid: Float = (np.arange(count, dtype=np.float64) + 0.5) * step - reach
    place = np.bincount(index, weights=d.ravel(), minlength=count)[filled] / number[filled]
    mean = np.bincount(index, weights=value.ravel(), minlength=count)[filled] / number[filled]
    profile = np.interp(grid, place, mean)
    profile = ndimage.gaussian_filter1d(profile, max(1.0, 0.25 * width / step), mode="nearest")
    return grid, profile, np.gradient(profile, step)


def quartile_width(grid: Float, profile: Float) -> float:
    """Distance between the 25 % and 75 % crossings of a rising edge, from the mean of first and last crossings."""
    ends = max(1, grid.size // 8)
    low, high = profile[:ends].mean(), profile[-ends:].mean()
    level = (profile - low) / (high - low)
    places = []
    for target in (0.25, 0.75):
        above = level >= target
        first = int(np.argmax(above))
        last = int(above.size - 1 - np.argmax(~above[::-1]))
        crossings = []
        for i in {max(first - 1, 0), min(last, above.size - 2)}:
            rise = level[i + 1] - level[i]
            part = (target - level[i]) / rise if rise else 0.5
            crossings.append(grid[i] + np.clip(part, 0, 1) * (grid[i + 1] - grid[i]))
        places.append(float(np.mean(crossings)))
    return max(places[1] - places[0], 0.0)


def fit_line(
    image: Float,
    site: EdgeSite,
    coarse_px: int,
    lattice: Lattice = UPRIGHT,
    bad: NDArray[np.bool_] | None = None,
) -> tuple[EdgeLine, float]:
    """Robust iterative line fit: place each row on the mean edge profile, fit, project again.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Turned so that the edge runs top to bottom and rises to the right.
    site : EdgeSite
        Where to look.
    coarse_px : int
        Uncertainty of the site [px].
    lattice : Lattice
        How the image's rows and columns lie.
    bad : ndarray of bool, shape (rows, cols), optional
        Pixels that do not count, filled in `image`.

    Returns
    -------
    line : EdgeLine
    width_px : float
        25-75 % width of the edge along its normal [px].

    Raises
    ------
    MeasurementError
        If fewer than 16 rows hold the edge.
    """
    first, last = site.rows
    row = np.arange(first, last, dtype=np.float64)
    if bad is not None:
        row = row[bad[first:last].mean(axis=1) < MOST_BAD]
    if row.size < LEAST_ROWS:
        raise MeasurementError(
            f"the edge covers {row.size} usable rows; at least {LEAST_ROWS} are needed, 100 or more are recommended"
        )
    shift = lattice.shifts(row)
    middle = (first + last - 1) / 2
    centre, slope = site.centre, site.slope
    room = site.room(image.shape[1])
    if room < 4:
        raise MeasurementError(
            f"only {room:.1f} px lie between the edge and the next structure or border; at least 4 are needed, "
            "50 or more recommended: choose a wider region"
        )
    reach = int(min(max(10, 4 * coarse_px + 6), room))
    position = np.zeros(row.size)
    width = 1.0
    for turn in range(7):
        column = centre + slope * (row - middle) - shift
        start = np.clip(np.rint(column).astype(np.intp) - reach, 0, image.shape[1] - 2 * reach - 1)
        index = start[:, None] + np.arange(2 * reach + 1)
        value = image[row.astype(np.intp)[:, None], index]
        cosine = _cosine(slope, lattice)
        d = (index - column[:, None]) * cosine
        if turn == 0:
            position = start + _by_area(value, reach)
        else:
            spoiled = None if bad is None else bad[row.astype(np.intp)[:, None], index]
            offset, width, weight, power = _by_profile(d, value, spoiled, width, (reach + 0.5) * lattice.column_px)
            position = column + offset / cosine
        position = position + shift
        (centre_new, slope_new), covariance, _ = _robust_line(row - middle, position, 1)
        moved = abs(centre_new - centre) + abs(slope_new - slope) * row.size / 2
        centre, slope = float(centre_new), float(slope_new)
        if turn == 0:
            reach = int(min(max(8, 2 * coarse_px + 4), reach))
        elif turn > 1 and moved < STEADY_PX:
            break
    away = min(2 * int(np.ceil(max(3.0, 3 * width) / cosine)) + 2, int(room) - reach)
    whole = power > WHOLE * _median(power)
    off_edge = _off_edge(image, row.astype(np.intp), index, weight, away)
    bow, bow_covariance, _ = _robust_line(row - middle, position, 2)
    span = (row.size / 2) ** 2
    line = EdgeLine(
        centre,
        slope,
        middle,
        float(np.sqrt(covariance[1, 1])),
        float(bow[2] * span * lattice.column_px),
        float(np.sqrt(bow_covariance[2, 2]) * span * lattice.column_px),
        _roughness((position - centre - slope * (row - middle))[whole] * cosine, off_edge[:, whole]),
        lattice,
    )
    return line, width


def _by_area(value: Float, reach: int) -> Float:
    """Places of the edge in rows of 2 reach + 1 pixels by the area under them, wherever in the window they lie."""
    ends = max(1, reach // 4)
    low, high = np.median(value[:, :ends]), np.median(value[:, -ends:])
    if not high > low:
        raise MeasurementError("the two sides of the edge do not differ; choose another region")
    return np.asarray(2 * reach + 0.5 - (value - low).sum(axis=1) / (high - low))


def _by_profile(
    d: Float, value: Float, spoiled: NDArray[np.bool_] | None, width: float, span_px: float
) -> tuple[Float, float, Float, Float]:
    """Offsets of the rows along the normal from the mean profile [px], its width, and the weights with their power."""
    grid, profile, derivative = _template(d, value, width, span_px)
    width = quartile_width(grid, profile)
    steep = np.where(np.abs(grid) < max(3.0, 3 * width), derivative, 0.0)
    weight = np.interp(d, grid, steep)
    if spoiled is not None:
        weight[spoiled] = 0.0
    power = (weight * weight).sum(axis=1)
    if not np.all(power > 0):
        raise MeasurementError("the edge fades out along its length; choose a shorter region")
    offset = -(weight * (value - np.interp(d, grid, profile))).sum(axis=1) / power
    return np.clip(offset, -FARTHEST_PX, FARTHEST_PX), width, weight, power


def _off_edge(image: Float, row: NDArray[np.intp], index: NDArray[np.intp], weight: Float, away: int) -> Float:
    """What noise alone makes of the places of the rows: the same filter on the flat signal beside the edge."""
    places = []
    for side in (-away, away):
        if index.min() + side >= 0 and index.max() + side < image.shape[1]:
            value = image[row[:, None], index + side]
            places.append((weight * (value - value.mean(axis=0))).sum(axis=1) / (weight * weight).sum(axis=1))
    return np.stack(places) if places else np.zeros((0, row.size))


def _roughness(displacement: Float, off_edge: Float) -> float:
    """Rms displacement of the rows beyond the noise; 0 without flat signal to compare with, or within the noise."""
    if off_edge.size == 0:
        return 0.0
    noise = float(np.mean([(1.4826 * _median(np.abs(one - _median(one)))) ** 2 for one in off_edge]))
    found = float(np.mean(displacement**2))
    excess = found - noise
    return float(np.sqrt(excess)) if excess > STANDS_OUT * noise * np.sqrt(2 / displacement.size) else 0.0
