"""Oversampled profiles across tilted lines, by projection and never by interpolating the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError

Float = NDArray[np.float64]
FEWEST_SHARE = 0.3
"""A bin with fewer pixels than this share of the median one lies beyond the end of the lines."""
STRAY_SD, STRAY_DEPTH = 8.0, 0.2
"""Distance of a stray pixel from those at the same place across the lines: in robust standard deviations, and of the depth."""
HIGHEST_FREQUENCY = 0.25
"""Used to find the tilt [cycles/pixel]."""


def project(
    image: Float, angle_deg: float, bins_per_pixel: int, bad: NDArray[np.bool_] | None = None
) -> tuple[Float, Float, Float]:
    """Mean profile across lines tilted from the columns.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Without a gradient along the lines, which would show across them at the ends.
    angle_deg : float
        Tilt; positive lines move to larger x with larger y.
    bins_per_pixel : int
    bad : ndarray of bool, shape of `image`, optional
        True where a pixel does not count.

    Returns
    -------
    position, value, count : ndarray, shape (n,)
        Mean distance [pixels] across the lines, mean value and number of pixels of every bin;
        positions are x where the lines cross the middle row.
    """
    cols = image.shape[1]
    distance, index = _bins(image, angle_deg, bins_per_pixel)
    good = np.ones(distance.size) if bad is None else (~bad).ravel().astype(np.float64)
    count: Float = np.asarray(np.bincount(index, weights=good), dtype=np.float64)
    filled = count > FEWEST_SHARE * np.median(count)
    value = np.bincount(index, weights=good * image.ravel())[filled] / count[filled]
    position = np.bincount(index, weights=good * distance)[filled] / count[filled]
    return position + (cols - 1) / 2, value, count[filled]


def project_without(
    image: Float, angle_deg: float, bins_per_pixel: int, groups: int, bad: NDArray[np.bool_] | None = None
) -> Float:
    """Profiles of `project`, each without one group of neighbouring rows, on the same bins.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    angle_deg : float
    bins_per_pixel, groups : int
    bad : ndarray of bool, shape of `image`, optional
        True where a pixel does not count.

    Returns
    -------
    ndarray, shape (groups, n)
        A bin that holds pixels of the group alone keeps their mean.
    """
    rows, cols = image.shape
    _, index = _bins(image, angle_deg, bins_per_pixel)
    good = np.ones(index.size) if bad is None else (~bad).ravel().astype(np.float64)
    bins = int(index.max()) + 1
    cell = index + bins * np.repeat(np.arange(rows) * groups // rows, cols)
    own = np.bincount(cell, good, groups * bins).reshape(groups, bins)
    value = np.bincount(cell, good * image.ravel(), groups * bins).reshape(groups, bins)
    count = own.sum(axis=0)
    filled = count > FEWEST_SHARE * np.median(count)
    own, value, count = own[:, filled], value[:, filled], count[filled]
    total, left = value.sum(axis=0), count - own
    return np.asarray(np.where(left > 0, (total - value) / np.maximum(left, 1), total / count))


def without_stray_pixels(
    image: Float, angle_deg: float, bins_per_pixel: int, bad: NDArray[np.bool_] | None, warnings: list[str]
) -> NDArray[np.bool_] | None:
    """The mask with pixels that differ from all others at the same place across the lines, and a sentence on them.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        About 0 beside the lines.
    angle_deg : float
    bins_per_pixel : int
    bad : ndarray of bool, shape of `image`, optional
        True where a pixel does not count.
    warnings : list of str
    """
    _, index = _bins(image, angle_deg, bins_per_pixel)
    values = image.ravel()
    order = np.lexsort((values, index))
    count = np.bincount(index)
    start = np.cumsum(count) - count
    middle = np.zeros(count.size)
    filled = count > 0
    middle[filled] = values[order[(start + count // 2)[filled]]]
    rest = np.abs(values - middle[index])
    depth = float(np.subtract(*np.quantile(middle[filled], [0.98, 0.02])))
    far = rest > max(STRAY_SD * 1.4826 * float(np.median(rest)), STRAY_DEPTH * depth)
    found = far.reshape(image.shape) if bad is None else far.reshape(image.shape) & ~bad
    if not found.any():
        return bad
    warnings.append(
        f"{np.count_nonzero(found)} pixels differ from all others along the same line (bad ones, or direct hits) and were "
        "left out"
    )
    return found if bad is None else found | bad


def _bins(image: Float, angle_deg: float, bins_per_pixel: int) -> tuple[Float, NDArray[np.intp]]:
    """Distance across the lines of every pixel, and its bin."""
    rows, cols = image.shape
    angle = np.radians(angle_deg)
    y = np.arange(rows)[:, None] - (rows - 1) / 2
    x = np.arange(cols)[None, :] - (cols - 1) / 2
    distance = (x * np.cos(angle) - y * np.sin(angle)).ravel()
    return distance, np.floor((distance - distance.min()) * bins_per_pixel).astype(np.intp)


LARGEST_TILT_DEG = 15.0
BLOCK_ROWS = 12


def tilt_of_lines(image: Float, largest_deg: float = LARGEST_TILT_DEG) -> float:
    """Tilt [degrees] from the columns of the lines in an image: the one that makes their profile sharpest.

    Notes
    -----
    The power of the slope of the sheared and summed rows has its maximum at the true tilt; white noise
    adds the same at every tilt. Rows are sheared in Fourier space below half the Nyquist frequency, so
    that neither bins nor aliases favour lines that follow the pixels.

    Raises
    ------
    MeasurementError
        If the power still rises at the largest tilt that is tried.
    """
    rows, cols = image.shape
    spectrum = np.fft.rfft(image * np.hanning(cols + 2)[1:-1] ** 0.25, axis=1)
    frequency = np.fft.rfftfreq(cols)
    low = (frequency > 0) & (frequency < HIGHEST_FREQUENCY)
    spectrum, frequency = spectrum[:, low], frequency[low]
    blocks = -(-rows // BLOCK_ROWS)
    held = np.zeros((blocks * BLOCK_ROWS, frequency.size), dtype=np.complex128)
    held[:rows] = spectrum
    held = held.reshape(blocks, BLOCK_ROWS, frequency.size)
    first = BLOCK_ROWS * np.arange(blocks)[:, None] - (rows - 1) / 2

    def sharpness(angle: float) -> float:
        # the shift of a row is that within its block times that of the block: a sixth of the exponentials
        turn = 2j * np.pi * np.tan(np.radians(angle)) * frequency
        within, whole = np.exp(np.arange(BLOCK_ROWS)[:, None] * turn), np.exp(first * turn)
        total = np.einsum("bk,bk->k", np.einsum("brk,rk->bk", held, within), whole)
        return float(np.sum(frequency**2 * np.abs(total) ** 2))

    largest = min(largest_deg, float(np.degrees(np.arctan(0.4 * cols / rows))))
    step = max(float(np.degrees(0.7 / rows)), 0.02)
    count = int(np.ceil(largest / step))
    angles = np.arange(-count, count + 1) * step
    best = float(angles[int(np.argmax([sharpness(a) for a in angles]))])
    if abs(best) > largest - step / 2 and largest == largest_deg:
        raise MeasurementError(
            f"the lines are tilted by {largest:.0f} deg or more from the pixel axis, or the region holds none; turn the "
            "indicator to 2 to 5 deg"
        )
    while step > 0.003:
        near = best + np.linspace(-step, step, 5)
        best = float(near[int(np.argmax([sharpness(a) for a in near]))])
        step /= 2
    return best
