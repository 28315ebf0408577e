"""Images of an edge, checked, freed of bad pixels, turned upright, with the line of the edge fitted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError, MeasurementError
from coldray.metrology.edge.find import EdgeSite, coarse_factor, find_edge
from coldray.metrology.edge.lattice import UPRIGHT, Lattice, along_diagonal
from coldray.metrology.edge.level import levelled
from coldray.metrology.edge.line import EdgeLine, fit_line
from coldray.metrology.edge.pixels import bad_columns, filled, outliers
from coldray.metrology.edge.projection import half_length
from coldray.radiograph import Radiograph

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]
Roi = tuple[int, int, int, int]

LONGEST_HALF_PX = 512  # bounds time and memory
LEAST_COLUMNS = 16  # along a diagonal, as many as an upright edge needs pixels
MOST_MASKED = 0.25
KNOWN_LINE = 0.5  # a line with so many masked pixels is known to be bad


@dataclass(frozen=True)
class Located:
    """One image turned so that its edge runs down and rises to the right, with the fitted line.

    Parameters
    ----------
    pixels : ndarray, shape (rows, cols)
        Values, the sign turned where they fall to the right; bad ones filled.
    raw : ndarray, shape (rows, cols)
        Values as they were.
    bad : ndarray of bool, shape (rows, cols), or None
        What must not count.
    lines, singles : int
        Rows and columns, and single pixels, that were found bad here and not known before.
    along : float
        Change of either side along the edge that was taken off, over the step.
    """

    pixels: Float
    raw: NDArray[np.number]
    bad: Mask | None
    lines: int
    singles: int
    along: float
    rising: bool
    vertical: bool
    rows: tuple[int, int]
    line: EdgeLine
    width_px: float
    half_px: float


def checked(
    image: Radiograph | NDArray[np.number], roi: Roi | None, mask: Mask | None
) -> tuple[NDArray[np.number], Mask | None]:
    """Pixels of the region and which of them are known to be bad, or a clear error."""
    if isinstance(image, Radiograph) and image.acquisition.linear is False:
        raise MeasurementError(
            "the image is log-scaled; an MTF needs pixel values proportional to the signal: convert it first"
        )
    pixels = np.asarray(image.pixels if isinstance(image, Radiograph) else image)
    if pixels.ndim != 2:
        raise ImageError(
            f"an edge image has shape (rows, cols); found {pixels.shape}: "
            "pass the frames of a stack as a list, and one channel of a colour image"
        )
    if pixels.dtype.kind not in "uif":
        raise ImageError(f"pixel type {pixels.dtype} is not an intensity; integers or floats are needed")
    own = image.mask if isinstance(image, Radiograph) else None
    for one in (own, mask):
        if one is not None and one.shape != pixels.shape:
            raise ImageError(f"the mask has shape {one.shape}, the image {pixels.shape}; they must be equal")
    bad = own if mask is None else mask if own is None else own | mask
    if roi is not None:
        x, y, width, height = roi
        rows, cols = pixels.shape
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > cols or y + height > rows:
            raise MeasurementError(
                f"the region X,Y,W,H = {x},{y},{width},{height} leaves the image of {cols} x {rows} pixels"
            )
        window = np.s_[y : y + height, x : x + width]
        pixels, bad = pixels[window], None if bad is None else bad[window]
    if min(pixels.shape) < 16:
        raise MeasurementError(
            f"the region is {pixels.shape[1]} x {pixels.shape[0]} pixels; at least 16 x 16 are needed"
        )
    if bad is not None and bad.mean() > MOST_MASKED:
        raise MeasurementError(
            f"{100 * bad.mean():.0f} % of the region is masked; at most {100 * MOST_MASKED:.0f} % may be: "
            "choose another region"
        )
    if pixels.dtype.kind == "f" and not np.all(np.isfinite(pixels) if bad is None else np.isfinite(pixels) | bad):
        raise ImageError("the region holds NaN or infinite pixels; correct or mask them first")
    if pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    return pixels, bad if bad is not None and bad.any() else None


def locate(pixels: NDArray[np.number], known: Mask | None) -> Located:
    """Find the edge, near an axis or else near a diagonal, and fit its line without bad pixels."""
    bad = known
    clean = pixels if known is None else filled(pixels, known)
    columns, rows = bad_columns(clean), bad_columns(clean.T)
    if known is not None:  # lines of filled pixels repeat their neighbours
        columns, rows = columns & (known.mean(axis=0) < KNOWN_LINE), rows & (known.mean(axis=1) < KNOWN_LINE)
    lines = int(columns.sum() + rows.sum())
    if lines:
        bad = rows[:, None] | columns if known is None else known | rows[:, None] | columns
        clean = filled(pixels, bad)
    try:
        site = find_edge(clean)
    except MeasurementError:
        for mirrored in (False, True):
            turned, lattice = along_diagonal(clean, mirrored)
            if min(turned.shape) < LEAST_COLUMNS:
                continue
            turned_bad = None if bad is None else along_diagonal(bad, mirrored)[0]
            raw = along_diagonal(pixels, mirrored)[0]
            with suppress(MeasurementError):
                return _fitted(turned, raw, turned_bad, lines, find_edge(turned, upright=True), lattice)
        raise
    if site.vertical:
        return _fitted(clean, pixels, bad, lines, site, UPRIGHT)
    return _fitted(clean.T, pixels.T, None if bad is None else bad.T, lines, site, UPRIGHT)


def _fitted(
    turned: NDArray[np.number], raw: NDArray[np.number], bad: Mask | None, lines: int, site: EdgeSite, lattice: Lattice
) -> Located:
    """Fit the line of an edge that runs down the rows of a turned image."""
    column = site.column(np.array(site.rows, dtype=np.float64))
    left = max(0, int(column.min() - 1.1 * LONGEST_HALF_PX))
    right = min(turned.shape[1], int(column.max() + 1.1 * LONGEST_HALF_PX) + 1)
    window = np.s_[site.rows[0] : site.rows[1], left:right]
    lattice = lattice.cut(site.rows[0])
    site = replace(site, rows=(0, site.rows[1] - site.rows[0]), centre=site.centre - left)
    values = np.ascontiguousarray(turned[window], dtype=np.float64)
    if not site.rising:
        values = -values
    bad = None if bad is None else bad[window]
    single = outliers(values, site.column(np.arange(values.shape[0], dtype=np.float64)))
    if bad is not None:
        single &= ~bad
    singles = int(single.sum())
    if singles:
        values = np.asarray(filled(values, single), dtype=np.float64)
        bad = single if bad is None else single | bad
    coarse = coarse_factor(turned.shape)
    line, width = fit_line(values, site, coarse, lattice, bad)
    half = _half(line, site, values)
    values, along = levelled(values, line, width, half)
    if along:  # rows of unlike contrast had drawn the line to one side
        line, width = fit_line(values, site, coarse, lattice, bad)
        half = _half(line, site, values)
    return Located(
        values, raw[window], bad, lines, singles, along, site.rising, site.vertical, site.rows, line, width, half
    )


def _half(line: EdgeLine, site: EdgeSite, values: Float) -> float:
    """Distance along the normal that every row holds on both sides, up to the next structure."""
    half = half_length(line, *site.rows, 0, values.shape[1] - 1)
    return min(half, site.clear_left * line.cosine, site.clear_right * line.cosine)
