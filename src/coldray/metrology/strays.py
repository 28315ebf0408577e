"""Columns and rows that stand out along their whole length, in images of targets: dead, hot or unlike those beside them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.metrology.inputs import filled

BLOCKS = 8
"""Parts of its length, in all of which a line must stand out."""
FEWEST_PX = 32
"""Below this a line is too short to be judged."""
WIDEST = 3
"""Lines of so many pixels are found."""
BESIDE_PX = 8
"""Columns on either side that a stray one is beyond."""
NOISE, CONTRAST = 1.5, 0.02
"""Least distance from the lines beside, in every part: in standard deviations of its noise, and of the contrast."""
ROUNDING = 1e-6
"""Of the signal: less is no difference."""
MOST = 4
"""More lines than this are the structure of the image."""
MARGIN_PX = 0.5
"""A line of the target that moves sideways by more than a stray line is wide, and this, is told from it."""

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


def stray_columns(image: NDArray[np.number]) -> list[slice]:
    """Columns that are all brighter or all darker than those beside them, from end to end.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)

    Returns
    -------
    list of slice
        Runs of up to `WIDEST` columns; empty where so many stand out that they are structure.

    Notes
    -----
    The image is cut into `BLOCKS` parts across the columns. In the median profile of every part a stray column lies
    beyond all columns on both sides of it, to the same side. A step does not, wherever it lies, nor does one bar of many;
    a line of a target that is tilted by more than its width is beyond its neighbours elsewhere in every part.
    """
    rows, cols = image.shape
    if min(rows, cols) < FEWEST_PX:
        return []
    border = np.linspace(0, rows, BLOCKS + 1).astype(np.intp)
    profile = np.stack([np.median(image[a:b], axis=0) for a, b in itertools.pairwise(border)])
    noise = 1.4826 * float(np.median(np.abs(np.diff(profile, 2, axis=1)))) / np.sqrt(6)
    few = image[:: max(1, rows // 96), :: max(1, cols // 96)]
    low, high = (float(q) for q in np.quantile(few, [0.02, 0.98]))
    limit = max(NOISE * noise, CONTRAST * (high - low), ROUNDING * max(abs(low), abs(high)))
    found: list[slice] = []
    taken = np.zeros(cols, dtype=bool)
    for width in range(1, WIDEST + 1):
        inside = np.lib.stride_tricks.sliding_window_view(profile[:, 1:-1], width, axis=1)
        above = (inside.min(axis=2) - _beside(profile, width)).min(axis=0)
        below = (-inside.max(axis=2) - _beside(-profile, width)).min(axis=0)
        for place in np.flatnonzero(np.maximum(above, below) > limit) + 1:
            if not taken[place : place + width].any():
                found.append(slice(int(place), int(place) + width))
                taken[place : place + width] = True
    return found if len(found) <= MOST else []


def _beside(profile: Float, width: int) -> Float:
    """Largest value within `BESIDE_PX` on both sides of every run of `width` columns that has columns on both sides."""
    padded = np.pad(profile, ((0, 0), (BESIDE_PX, BESIDE_PX)), constant_values=-np.inf)
    side = np.lib.stride_tricks.sliding_window_view(padded, BESIDE_PX, axis=1).max(axis=2)
    cols = profile.shape[1]
    return np.asarray(np.maximum(side[:, 1 : cols - width], side[:, BESIDE_PX + 1 + width : cols + BESIDE_PX]))


def stray_lines(image: NDArray[np.number]) -> tuple[list[slice], list[slice]]:
    """Stray columns and stray rows of an image."""
    return stray_columns(image), stray_columns(image.T)


def as_mask(shape: tuple[int, ...], columns: Sequence[slice], rows: Sequence[slice]) -> Mask:
    """True in these columns and rows."""
    mask = np.zeros(shape, dtype=bool)
    for run in columns:
        mask[:, run] = True
    for run in rows:
        mask[run] = True
    return mask


def without_strays(
    image: Float,
    mask: Mask | None,
    warnings: list[str],
    directions_deg: Callable[[Float], Sequence[float]] | None = None,
) -> tuple[Float, Mask | None]:
    """The image with stray lines filled, and the mask with them; what was done is added to `warnings`.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Masked pixels filled.
    mask : ndarray of bool, shape (rows, cols), optional
        Pixels that do not count.
    warnings : list of str
        Receives a sentence if any line stands out.
    directions_deg : callable, optional
        Gives, for an image without stray lines, the directions of the target's own lines: 0 along the columns, 90 along
        the rows. A line of the image that such a direction does not leave over its length may be the target's own: it is
        told, and kept.

    Returns
    -------
    image, mask
        As they were where nothing stands out.
    """
    columns, rows = stray_lines(image)
    if not columns and not rows:
        return image, mask
    found = as_mask(image.shape, columns, rows)
    joined = found if mask is None else found | mask
    clean = filled(image, joined)
    count = sum(run.stop - run.start for run in (*columns, *rows))
    for angle in [] if directions_deg is None else directions_deg(clean):
        a = np.radians(angle)
        moved = abs(np.tan(a)) * image.shape[0], abs(1 / np.tan(a)) * image.shape[1] if np.sin(a) else np.inf
        for runs, away in zip((columns, rows), moved, strict=True):
            if any(away < run.stop - run.start + MARGIN_PX for run in runs):
                warnings.append(
                    f"{count} columns or rows stand out along their whole length; the lines of the target run along "
                    "them, so they were kept: give a mask if they are bad, and tilt the target by 2 to 5 deg"
                )
                return image, mask
    warnings.append(
        f"{count} columns or rows stand out along their whole length (dead, hot or unlike those beside them); they were "
        "left out (give their mask)"
    )
    return clean, joined
