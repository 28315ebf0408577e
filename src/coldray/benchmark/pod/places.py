"""Where defects go, and where the observer reads the frame without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.errors import MeasurementError

Roi = tuple[int, int, int, int]
"""X, Y, width and height [pixels]."""
Sites = NDArray[np.int64]
"""Shape (sites, 2): row and column."""

SPACING_PX = 80
"""Least distance of two defects: in the patch of one, a restoration shows the other by less than 1 % of the noise."""
READ_PX = 16
"""Distance of the places at which the defect-free frame is read."""
FEWEST_CELLS = 8
"""Disjoint places below which a frame tells nothing of false calls of 1 %."""
_TURNS = (0.7548776662466927, 0.5698402909980532)
"""Fractions by which the grid moves from frame to frame, of the plastic number: evenly spread in two dimensions."""


def allowed_places(
    shape: tuple[int, int], half: int, regions: Sequence[Roi] = (), excluded: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Pixels in which the centre of a patch may lie.

    Parameters
    ----------
    shape : (rows, cols)
    half : int
        Pixels from the centre of a patch to its border.
    regions : sequence of (x, y, width, height)
        Centres lie in one of them; anywhere if there is none.
    excluded : ndarray of bool, shape (rows, cols), optional
        Pixels that no patch may touch.

    Raises
    ------
    MeasurementError
        If a region lies outside the image.
    """
    rows, cols = shape
    inside = np.zeros(shape, dtype=bool)
    inside[half : max(rows - half, 0), half : max(cols - half, 0)] = True
    if regions:
        chosen = np.zeros(shape, dtype=bool)
        for x, y, width, height in regions:
            if x < 0 or y < 0 or width < 1 or height < 1 or x + width > cols or y + height > rows:
                raise MeasurementError(
                    f"the region {x},{y},{width},{height} does not lie within the image of {cols} x {rows} pixels (X,Y,W,H)"
                )
            chosen[y : y + height, x : x + width] = True
        inside &= chosen
    if excluded is not None and excluded.any():
        inside &= ~scipy.ndimage.maximum_filter(excluded, 2 * half + 1)
    return inside


def sites(allowed: NDArray[np.bool_], spacing: int, number: int = 0) -> Sites:
    """Sites on a square grid that moves from frame to frame, so that no two frames use the same places."""
    first = [int(spacing * ((turn * number) % 1.0)) for turn in _TURNS]
    rows, cols = (np.arange(start, n, spacing) for start, n in zip(first, allowed.shape, strict=True))
    grid = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray(grid[allowed[grid[:, 0], grid[:, 1]]])


def cells(places: Sites, spacing: int) -> Sites:
    """Row and column of the cell, as wide as the spacing, in which each place lies."""
    return np.asarray(places // spacing)


def half_of(cell: Sites) -> NDArray[np.int64]:
    """0 or 1 like a chessboard: the half of the frame to which each cell belongs."""
    return np.asarray(cell.sum(axis=-1) % 2)
