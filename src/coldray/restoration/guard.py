"""Fail closed: what is written is finite and within limits, and the linear filter stands in where the network fails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.errors import RefusalError
from coldray.frame import Frame
from coldray.images.scale import Scale
from coldray.plugins import Degradation, plugin
from coldray.scratch import nearby
from coldray.words import percent

CLIPPED_SHARE = 0.01
"""Share of the pixels that may be clipped without having been at a limit before."""
MEAN_SHIFT = 0.005
"""How far the mean of the others may move, as a share of it: every method here keeps the mean."""
LEAST_MEAN = 1e-3
"""Means below this fraction of the open beam count as this: `Frame.mean_signal` goes no lower either."""
RAMP_PX = 8
"""Width of the ramp from the network's result to the linear filter's [pixels]."""
SATURATION_REACH_PX = 4
"""How far around a pixel at a limit the re-blurred result is not compared with the measurement."""


def linear_filter(frame: Frame, degradation: Degradation) -> NDArray[np.float32]:
    """Linear result that stands in for a network's: the method "wiener" with its own settings."""
    return np.asanyarray(frame.towards_aim(plugin("method", "wiener").restore(frame, degradation)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Written:
    """A result as it is written.

    Parameters
    ----------
    pixels : ndarray
        Stored values.
    fraction : ndarray, float32, same shape
        What they say, as fractions of the open beam.
    clipped : int
        Pixels that left the range of the type.
    newly_clipped_share : float
        Share of the pixels that did so and were not at a limit before.
    mean_shift : float
        Change of the mean of all other pixels as a share of it; 0 if there are none.
    """

    pixels: NDArray[np.number]
    fraction: NDArray[np.float32]
    clipped: int
    newly_clipped_share: float
    mean_shift: float

    @property
    def fault(self) -> str | None:
        """What forbids to write it, in words; None if nothing does."""
        if self.newly_clipped_share > CLIPPED_SHARE:
            limits = np.iinfo(self.pixels.dtype.str)
            return (
                f"{percent(self.newly_clipped_share)} of the pixels would leave the range {limits.min} to "
                f"{limits.max} of {self.pixels.dtype} (at most {100 * CLIPPED_SHARE:g} % may)"
            )
        if abs(self.mean_shift) > MEAN_SHIFT:
            return (
                f"the mean would move by {100 * self.mean_shift:+.2g} % (at most {100 * MEAN_SHIFT:g} % may; a blur "
                "keeps the mean)"
            )
        return None


def at_limit(stored: NDArray[np.number]) -> NDArray[np.bool_] | None:
    """Pixels at the bottom or the top of an integer type; None for other types."""
    if stored.dtype.kind not in "ui":
        return None
    limits = np.iinfo(stored.dtype.str)
    return np.asarray((stored == limits.min) | (stored == limits.max))


def saturated(stored: NDArray[np.number]) -> NDArray[np.bool_] | None:
    """Pixels at the top of an integer type and their neighbours; None if there are none."""
    if stored.dtype.kind not in "ui":
        return None
    full = stored == np.iinfo(stored.dtype.str).max
    if not full.any():
        return None
    return around(full, SATURATION_REACH_PX)


def around(places: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Pixels within a square of so many pixels up, down and to the sides of places."""
    from scipy.ndimage import binary_dilation

    square = np.ones((3, 3), dtype=bool)
    return nearby(lambda part: np.asarray(binary_dilation(part, square, iterations=reach_px)), reach_px, places)


def written(stored: NDArray[np.number], result: NDArray[np.floating], scale: Scale) -> Written:
    """Bring a result into the input's type and compare both.

    Parameters
    ----------
    stored : ndarray, shape (rows, cols)
        The input.
    result : ndarray, same shape
        Fraction of the open beam.
    scale : Scale

    Raises
    ------
    ImageError
        If the result holds NaN or infinite pixels.
    """
    pixels, clipped = scale.to_stored(result)
    share, shift = 0.0, 0.0
    lost = np.zeros(0, dtype=np.intp)
    if clipped and (limited := at_limit(stored)) is not None:
        lost = np.flatnonzero(scale.beyond(result) & ~limited)
        share = lost.size / stored.size
    if lost.size < stored.size:
        before, after = (_mean_without(image, lost) for image in (stored, pixels))
        shift = (after - before) / max(abs(before), LEAST_MEAN * scale.open_beam)
    return Written(pixels, scale.to_fraction(pixels), clipped, share, shift)


def _mean_without(image: NDArray[np.number], places: NDArray[np.intp]) -> float:
    """Mean of an image without some of its pixels, flat places."""
    left_out = float(image.ravel()[places].sum(dtype=np.float64))
    return (float(image.sum(dtype=np.float64)) - left_out) / (image.size - places.size)


def refuse(reason: str) -> RefusalError:
    """Error for a result that must not be written, with what to do about it."""
    return RefusalError(
        f"not restored: {reason}; detectors, noise or open beam do not fit the image: check both MTF tables, the pixel "
        "pitch, the exposure or flat fields, and the open-beam level"
    )


def ramp(marked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weight of the linear filter around marked pixels: 1 on them, 0 from `RAMP_PX` off, linear between."""
    return nearby(_ramp, RAMP_PX, marked)


def _ramp(marked: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not marked.any():
        return np.zeros(marked.shape, dtype=np.float32)
    # distances along rows, then the nearest of what lies up and down: farther ones weigh nothing and need not be told
    here = np.where(marked, np.uint8(0), np.uint8(RAMP_PX))
    along = here.copy()
    for step in range(1, RAMP_PX):
        beside = here + np.uint8(step)
        np.minimum(along[:, step:], beside[:, :-step], out=along[:, step:])
        np.minimum(along[:, :-step], beside[:, step:], out=along[:, :-step])
    along *= along
    squared = along.copy()
    for step in range(1, RAMP_PX):
        beside = along + np.uint8(step**2)
        np.minimum(squared[step:], beside[:-step], out=squared[step:])
        np.minimum(squared[:-step], beside[step:], out=squared[:-step])
    weight = np.clip(1.0 - np.sqrt(np.arange(RAMP_PX**2 + 1)) / RAMP_PX, 0.0, 1.0).astype(np.float32)
    return np.asarray(weight[squared])


def mixed(
    network: NDArray[np.float32], linear: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Linear result where `weight` is 1, the network's where it is 0; the mean is the linear result's.

    Notes
    -----
    A network's result has the mean of the measurement too, so what it invents in one place it takes from everywhere. What
    the network keeps is therefore shifted as a whole until the mean is right again.
    """
    kept = 1.0 - weight
    left = float(np.mean(kept, dtype=np.float64))
    if left == 0:
        return linear
    out = network + weight * (linear - network)
    lost = float(np.mean(linear, dtype=np.float64)) - float(np.mean(out, dtype=np.float64))
    return np.asarray(out + np.float32(lost / left) * kept, dtype=np.float32)
