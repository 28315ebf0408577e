"""Fixed pattern that an image shares with flat fields: the image was not corrected for the gain of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

LEAST_SHARE = 0.1
"""Share of the power of the finest variation from which a shared pattern is one."""
SURE_SD = 6.0
"""It must also be this many standard deviations above 0."""
LARGEST_PX = 1024
"""Side of the middle part that is compared [pixels]."""
OUTLIER_SD = 4.0
"""Edges, hits and dead pixels count as this many robust standard deviations."""
LEAST_SIGNAL = 0.05
"""Darker pixels, as a share of the bright ones, are left out."""


def shared_pattern(image: NDArray[np.number], flats: NDArray[np.number]) -> float | None:
    """Share of an image's finest variation that flat fields show too.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Linear signal.
    flats : ndarray, shape (frames, rows, cols) or (rows, cols)
        Open-beam frames of the same pixels, any linear scale.

    Returns
    -------
    float or None
        0 to 1; None if it is nothing to speak of, or cannot be told: flats of another shape, or the image among them.

    Notes
    -----
    A pixel against its four neighbours, relative to the signal, is gain pattern g plus noise n in the image, and the same g plus
    other noise in the flats: the covariance of both is var(g), whatever the noise. Variances are robust, so structure of
    an object, which flats do not show, only makes the share smaller. An image that was divided by the flats' mean holds the
    noise of that mean with the other sign, which is no pattern.
    """
    stack = flats if flats.ndim == 3 else flats[None]
    if stack.shape[1:] != image.shape or min(image.shape) < 16:
        return None
    part = tuple(
        slice((n - LARGEST_PX) // 2, (n + LARGEST_PX) // 2) if n > LARGEST_PX else slice(None) for n in image.shape
    )
    cut, frames = image[part], stack[(slice(None), *part)]
    if any(np.array_equal(cut, frame) for frame in frames):
        return None
    there = cut[1:-1, 1:-1] > LEAST_SIGNAL * float(np.quantile(cut, 0.99))
    one, other = (_against_neighbours(x)[there] for x in (cut, frames.mean(axis=0, dtype=np.float64)))
    if one.size < 100:
        return None
    limited, deviations = [], []
    for values in (one, other):
        middle = float(np.median(values))
        sd = 1.4826 * float(np.median(np.abs(values - middle)))
        if not (sd > 0 and np.isfinite(sd)):
            return None
        limited.append(np.clip((values - middle) / sd, -OUTLIER_SD, OUTLIER_SD))
        deviations.append(sd)
    correlation = float(np.mean(limited[0] * limited[1]))
    share = correlation * deviations[1] / deviations[0]
    return min(share, 1.0) if share > LEAST_SHARE and correlation > SURE_SD / np.sqrt(one.size) else None


def _against_neighbours(image: NDArray[np.number]) -> Float:
    """Every inner pixel over the mean of its four neighbours, less 1."""
    values = np.asarray(image, dtype=np.float64)
    around = 0.25 * (values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:])
    safe = np.where(around > 0, around, np.inf)
    return np.asarray(values[1:-1, 1:-1] / safe - 1.0)
