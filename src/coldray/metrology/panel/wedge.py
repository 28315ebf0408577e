"""The steps of a wedge, and the groove that runs through all of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError

SMOOTHED_PX = 2.0
MARGIN_PX = 8
"""What is left out along every border of a step or groove [px]."""
LEAST_PX = 20
CLEAR = 6.0
"""Change of the level across a border over the scatter of such changes elsewhere."""

Float = NDArray[np.float64]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Step:
    """Region X, Y, W, H of one step beside the groove, and of the groove in it [px]."""

    beside: Box
    groove: Box


def find_steps(image: NDArray[np.floating], count: int, mask: NDArray[np.bool_] | None = None) -> tuple[Step, ...]:
    """Find the steps of a wedge that fills the image, thinnest first.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Corrected, linear; the steps lie side by side along rows or columns, one groove runs through all.
    count : int
        Number of steps.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    tuple of Step

    Raises
    ------
    MeasurementError
        If the borders or the groove do not stand out, a step is too narrow, or the levels do not fall.
    """
    pixels = np.asarray(image, dtype=np.float64)
    if mask is not None and mask.any():
        pixels = np.where(mask, np.median(pixels), pixels)
    if count < 2:
        raise MeasurementError(f"a wedge needs two or more steps; {count} thicknesses were given")
    along, across = np.median(pixels, axis=0), np.median(pixels, axis=1)
    lying = _variation(across) > _variation(along)
    turned = pixels.T if lying else pixels
    borders = _borders(np.median(turned, axis=0), count)
    low, high = _groove(turned, borders)
    steps, levels = [], []
    rows = turned.shape[0]
    for left, right in itertools.pairwise(borders):
        x, width = left + MARGIN_PX, right - left - 2 * MARGIN_PX
        groove = (x, low + MARGIN_PX, width, high - low - 2 * MARGIN_PX)
        above, below = (
            (x, MARGIN_PX, width, low - 2 * MARGIN_PX),
            (x, high + MARGIN_PX, width, rows - high - 2 * MARGIN_PX),
        )
        beside = max(above, below, key=lambda box: box[3])
        if min(width, groove[3], beside[3]) < LEAST_PX:
            raise MeasurementError(
                f"a step of {right - left} x {rows} px with a groove of {high - low} px leaves less than {LEAST_PX} px "
                f"inside its borders; a larger image of the wedge is needed"
            )
        levels.append(float(np.median(turned[beside[1] : beside[1] + beside[3], x : x + width])))
        steps.append(Step(_turned(beside, lying), _turned(groove, lying)))
    if levels[0] < levels[-1]:
        steps.reverse()
        levels.reverse()
    if any(b >= a for a, b in itertools.pairwise(levels)):
        raise MeasurementError(
            f"the levels of {count} steps do not fall from end to end; check the number of thicknesses and the region"
        )
    return tuple(steps)


def _variation(profile: Float) -> float:
    return float(np.ptp(ndimage.gaussian_filter1d(profile, SMOOTHED_PX)))


def _turned(box: Box, lying: bool) -> Box:
    x, y, width, height = box
    return (y, x, height, width) if lying else box


def _borders(profile: Float, count: int) -> list[int]:
    """Ends of the profile and the `count` - 1 largest changes of its logarithm between them."""
    least = max(profile.max() * 1e-6, 1e-12)
    change = np.abs(ndimage.gaussian_filter1d(np.log(np.maximum(profile, least)), SMOOTHED_PX, order=1))
    scatter = 1.4826 * float(np.median(change))
    apart = max(LEAST_PX, profile.size // (3 * count))
    left, found = change.copy(), list[int]()
    left[: apart // 2], left[-(apart // 2) :] = 0.0, 0.0
    for _ in range(count - 1):
        place = int(np.argmax(left))
        if left[place] < CLEAR * scatter or left[place] <= 0:
            raise MeasurementError(
                f"only {len(found)} borders stand out for a wedge of {count} steps; check the thicknesses and the region"
            )
        found.append(place)
        left[max(place - apart // 2, 0) : place + apart // 2 + 1] = 0.0
    return [0, *(place + 1 for place in sorted(found)), profile.size]


def _groove(image: Float, borders: list[int]) -> tuple[int, int]:
    """First row of the groove and the first after it: rows in which all steps are brighter than their median."""
    excess = np.zeros(image.shape[0])
    for left, right in itertools.pairwise(borders):
        rows = np.median(image[:, left + MARGIN_PX : right - MARGIN_PX], axis=1)
        level = float(np.median(rows))
        excess += rows / level - 1 if level > 0 else 0.0
    smooth = ndimage.gaussian_filter1d(excess, SMOOTHED_PX)
    top, base = float(np.quantile(smooth, 0.97)), float(np.median(smooth))
    scatter = 1.4826 * float(np.median(np.abs(np.diff(excess)))) / np.sqrt(2)
    if top - base < CLEAR / 2 * scatter or top <= base:
        raise MeasurementError(
            "no groove stands out in the steps; expose longer, or check that the groove runs through all"
        )
    labels, found = ndimage.label(smooth > (top + base) / 2)
    sizes = ndimage.sum_labels(np.ones(smooth.size), labels, range(1, found + 1))
    place = ndimage.find_objects(labels)[int(np.argmax(sizes))][0]
    return int(place.start), int(place.stop)
