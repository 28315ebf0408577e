"""Internal scatter of a panel: what of an edge's step lies far beyond its sharp part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from coldray.errors import MeasurementError
from coldray.metrology.edge.images import checked, locate
from coldray.metrology.panel.figure import Figure

FACTOR = "internal scatter radiation"
SHARP_PX = 12.0
"""Distance from the edge up to which the sharp part of the response reaches [px], at least."""
WIDTHS = 6.0
"""The same in widths of the edge (25 to 75 %)."""
REACHES_PX = (4.0, 400.0)
STARTS = (1.0, 1.3, 1.7)
"""The fit is repeated from farther out; how the share then moves is in the band."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scatter:
    """Scatter of an edge image.

    Parameters
    ----------
    figure : Figure
        Share of the step that is spread far, in percent.
    reach_px : float
        Distance over which it falls to 1/e [px].
    distance_px, profile : ndarray, shape (n,)
        Edge profile on bins of one pixel, 0 and 1 at its two far levels.
    """

    figure: Figure
    reach_px: float
    distance_px: Float
    profile: Float


def internal_scatter(image: NDArray[np.number], mask: NDArray[np.bool_] | None = None) -> Scatter:
    """Internal scatter ratio from an opaque edge on the panel.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Corrected; one straight edge between two even fields, the longer they are the better.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    Scatter

    Raises
    ------
    MeasurementError
        If no edge is found, or too little lies beyond its sharp part.

    Notes
    -----
    Beyond the sharp part of the edge the profile is A - s (A - B)/2 exp(-|d|/L) on the bright side and
    B + s (A - B)/2 exp(-|d|/L) on the dark one; s is reported. Levels, share and reach are fitted together to the means
    of bins of one pixel.

    References
    ----------
    ASTM E2597/E2597M-22, internal scatter radiation, as its public preview and literature describe it.
    """
    located = locate(*checked(image, None, mask))
    pixels = located.pixels
    rows = np.arange(*located.rows)
    distance = (
        np.arange(pixels.shape[1]) - located.line.column(rows.astype(np.float64))[:, None]
    ) * located.line.cosine
    good = np.ones(distance.shape, dtype=bool) if located.bad is None else ~located.bad[rows]
    bins = np.round(distance).astype(int)
    first = int(bins.min())
    values, places = pixels[rows][good], bins[good] - first
    count = np.bincount(places)
    total = np.bincount(places, values)
    square = np.bincount(places, values**2)
    # Bins that a few rows alone reach, at the ends of a tilted edge, are left out.
    full = count > len(rows) / 2
    mean = total[full] / count[full]
    variance = np.maximum(square[full] / count[full] - mean**2, 0.0) / count[full]
    rising = mean[-3:].mean() > mean[:3].mean()
    d: Float = (np.flatnonzero(full) + first).astype(np.float64) * (1.0 if rising else -1.0)
    start = max(SHARP_PX, WIDTHS * located.width_px)
    weight = 1 / np.sqrt(np.maximum(variance, float(np.median(variance)) / 100) + 1e-300)
    fits = [_fit(d, mean, weight, factor * start) for factor in STARTS]
    share, noise, reach, low, high = fits[0]
    moved = max(abs(other[0] - share) - 2 * other[1] for other in fits[1:])
    half = 2 * float(np.hypot(noise, max(moved, 0.0) / 2))
    figure = Figure(
        "isr", "internal scatter ratio", 100 * share, 100 * (share - half), 100 * (share + half), "%", FACTOR
    )
    return Scatter(figure, reach, d, (mean - low) / (high - low))


def _fit(d: Float, mean: Float, weight: Float, start: float) -> tuple[float, float, float, float, float]:
    """Share, its standard uncertainty, reach [px], and both far levels."""
    used = np.abs(d) > start
    if min(np.count_nonzero(used & (d < 0)), np.count_nonzero(used & (d > 0))) < 2 * SHARP_PX:
        raise MeasurementError(
            f"less than {2 * SHARP_PX:.0f} px of signal lie beyond the sharp part of the edge ({start:.0f} px) on one side; "
            "internal scatter needs a wider field"
        )
    place, y, w = d[used], mean[used], weight[used]

    def design(reach: float) -> Float:
        tail = np.exp(-np.abs(place) / reach)
        # columns: dark level, bright level, with the tail of the step between them apart
        return np.stack([place < 0, place > 0, -np.sign(place) * tail], axis=1).astype(np.float64)

    def left(log_reach: float) -> float:
        columns = design(float(np.exp(log_reach))) * w[:, None]
        fit = np.linalg.lstsq(columns, y * w, rcond=None)[0]
        return float(np.sum((y * w - columns @ fit) ** 2))

    bounds = (np.log(REACHES_PX[0]), np.log(min(REACHES_PX[1], float(np.abs(place).max()))))
    grid = np.linspace(*bounds, 24)
    best = int(np.argmin([left(g) for g in grid]))
    span = (grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)])
    reach = float(np.exp(minimize_scalar(left, bounds=span, method="bounded").x))
    columns = design(reach) * w[:, None]
    low, high, tail = np.linalg.lstsq(columns, y * w, rcond=None)[0]
    slope = -np.sign(place) * tail * np.exp(-np.abs(place) / reach) * np.abs(place) / reach
    covariance = np.linalg.pinv(np.c_[columns, slope * w].T @ np.c_[columns, slope * w])
    scale = max(left(float(np.log(reach))) / max(place.size - 4, 1), 1.0)
    share = 2 * tail / (high - low)
    return float(share), float(2 * np.sqrt(covariance[2, 2] * scale) / (high - low)), reach, float(low), float(high)
