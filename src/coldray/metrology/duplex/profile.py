"""Oversampled profiles across tilted lines, by projection and never by interpolating the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
FEWEST_SHARE = 0.3
"""A bin with fewer pixels than this share of the median one lies beyond the end of the lines."""
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
    rows, cols = image.shape
    angle = np.radians(angle_deg)
    y = np.arange(rows)[:, None] - (rows - 1) / 2
    x = np.arange(cols)[None, :] - (cols - 1) / 2
    distance = (x * np.cos(angle) - y * np.sin(angle)).ravel()
    index = np.floor((distance - distance.min()) * bins_per_pixel).astype(np.intp)
    good = np.ones(distance.size) if bad is None else (~bad).ravel().astype(np.float64)
    count: Float = np.asarray(np.bincount(index, weights=good), dtype=np.float64)
    filled = count > FEWEST_SHARE * np.median(count)
    value = np.bincount(index, weights=good * image.ravel())[filled] / count[filled]
    position = np.bincount(index, weights=good * distance)[filled] / count[filled]
    return position + (cols - 1) / 2, value, count[filled]


def tilt_of_lines(image: Float, largest_deg: float = 8.0) -> float:
    """Tilt [degrees] from the columns of the lines in an image: the one that makes their profile sharpest.

    Notes
    -----
    The power of the slope of the sheared and summed rows has its maximum at the true tilt; white noise
    adds the same at every tilt. Rows are sheared in Fourier space below half the Nyquist frequency, so
    that neither bins nor aliases favour lines that follow the pixels.
    """
    rows, cols = image.shape
    spectrum = np.fft.rfft(image * np.hanning(cols + 2)[1:-1] ** 0.25, axis=1)
    frequency = np.fft.rfftfreq(cols)
    low = (frequency > 0) & (frequency < HIGHEST_FREQUENCY)
    spectrum, frequency = spectrum[:, low], frequency[low]
    y = np.arange(rows) - (rows - 1) / 2

    def sharpness(angle: float) -> float:
        shifted = np.exp(2j * np.pi * np.tan(np.radians(angle)) * y[:, None] * frequency[None, :])
        total = np.einsum("yk,yk->k", spectrum, shifted)
        return float(np.sum(frequency**2 * np.abs(total) ** 2))

    largest = min(largest_deg, float(np.degrees(np.arctan(0.4 * cols / rows))))
    step = max(float(np.degrees(0.7 / rows)), 0.02)
    count = int(np.ceil(largest / step))
    angles = np.arange(-count, count + 1) * step
    best = float(angles[int(np.argmax([sharpness(a) for a in angles]))])
    while step > 0.003:
        near = best + np.linspace(-step, step, 5)
        best = float(near[int(np.argmax([sharpness(a) for a in near]))])
        step /= 2
    return best
