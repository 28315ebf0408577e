"""Whether repeated flat fields are independent: a detector that remembers the last frame makes noise look small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.physics.trend import Detrend

REGIONS = 16
"""Regions that are compared; lag is the same all over a detector."""
MATTERS = 0.03
"""Correlation of successive frames above which the split into temporal and fixed parts is off by as much."""
CORRELATED_PIXELS = 10.0
"""Pixels that blurred noise makes of one independent sample, for the spread of the estimate."""


def lag_of(
    frames: Sequence[NDArray[np.number]],
    means: NDArray[np.float64],
    places: Sequence[tuple[int, int]],
    size: int,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[float, float]:
    """Correlation of the noise of successive frames beyond that of distant ones.

    Parameters
    ----------
    frames : sequence of ndarray, shape (rows, cols)
        In the order they were taken; three or more.
    means : ndarray, shape (frames,)
        Level of each, which it is divided by.
    places : sequence of (int, int)
        Top left corners of the regions [px].
    size : int
        Side of the regions [px].
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    lag, by_chance : float
        1 - D(1) / D(far), with D the mean squared difference of frames one and more apart, in which a fixed pattern
        cancels; and five standard deviations of it for independent frames.
    """
    detrend = Detrend(size)
    count, near, every, pixels = len(frames), 0.0, 0.0, 0
    for y, x in places[:: max(1, len(places) // REGIONS)]:
        good = True if mask is None else ~mask[y : y + size, x : x + size]
        total, squares, last = np.zeros((size, size)), 0.0, None
        for frame, mean in zip(frames, means, strict=True):
            relative = frame[y : y + size, x : x + size] / mean
            residual = detrend(np.where(good, relative, 1.0)) * good
            total += residual
            squares += float(np.sum(residual**2))
            if last is not None:
                near += float(np.sum((residual - last) ** 2))
            last = residual
        # the sum over all pairs of |x - y|^2 is n times the sum of |x|^2 less |the sum of x|^2
        every += count * squares - float(np.sum(total**2))
        pixels += size**2
    distant = (every - near) / ((count - 1) * (count - 2) / 2)
    by_chance = 5 * float(np.sqrt(2 * CORRELATED_PIXELS / (pixels * (count - 2))))
    return (1 - near / (count - 1) / distant if distant > 0 else 0.0), by_chance


def lag_warning(
    frames: Sequence[NDArray[np.number]],
    means: NDArray[np.float64],
    places: Sequence[tuple[int, int]],
    size: int,
    mask: NDArray[np.bool_] | None = None,
) -> list[str]:
    """One sentence if successive frames are correlated; parameters as of `lag_of`."""
    if len(frames) < 3:
        return []
    lag, by_chance = lag_of(frames, means, places, size, mask)
    if lag <= max(MATTERS, by_chance):
        return []
    return [
        f"successive frames are correlated by {100 * lag:.0f} % (lag, or drift): they are no independent frames, the "
        "temporal NNPS is too low, and part of it is taken for a fixed pattern; pause between frames, or correct lag"
    ]
