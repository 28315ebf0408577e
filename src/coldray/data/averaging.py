"""Averaging repeated frames: when the paper's rule says stop, and whether it may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.physics.trend import Detrend

STOP_DROP = 0.01
"""The paper's rule: stop when one more frame lowers the noise-to-signal ratio by less."""
QUIET_FACTOR = 2.0
LARGEST_BLOCK = 32

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameAverage:
    """Mean of repeated frames and what its noise is made of.

    Parameters
    ----------
    mean : ndarray of float32, shape (rows, cols)
    frames : int
        Frames in `mean`.
    nsr : float
        Noise-to-signal ratio of `mean` in its flat parts.
    nsr_drop : float or None
        1 - NSR_n / NSR_(n-1) at the last frame; None for one frame.
    nsr_by_frame : tuple of float
        NSR of the mean of the first 1, 2, ... frames.
    enough_frames : int or None
        First number of frames with a drop under the limit; None if it was not reached.
    fixed_pattern_nsr, temporal_nsr : float or None
        Part that repeats in every frame, and the changing part of one frame:
        NSR_n^2 = fixed^2 + temporal^2 / n.
    warnings : tuple of str
    """

    mean: NDArray[np.float32]
    frames: int
    nsr: float
    nsr_drop: float | None
    nsr_by_frame: tuple[float, ...]
    enough_frames: int | None
    fixed_pattern_nsr: float | None
    temporal_nsr: float | None
    warnings: tuple[str, ...] = ()


def average_frames(
    frames: Sequence[NDArray[Any]] | NDArray[Any],
    *,
    drop: float = STOP_DROP,
    stop: bool = False,
    mask: NDArray[np.bool_] | None = None,
) -> FrameAverage:
    """Average frames and follow the noise-to-signal ratio.

    Parameters
    ----------
    frames : ndarray, shape (frames, rows, cols), or a sequence of (rows, cols)
        Registered frames of one scene at one exposure, offset-corrected.
    drop : float
        Relative fall of the noise-to-signal ratio under which averaging may stop.
    stop : bool
        True ends the average there; False averages all frames and only says where it could have ended.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count as noise.

    Returns
    -------
    FrameAverage

    Raises
    ------
    ImageError
        If there is no frame, frames differ in shape, or the signal is not positive.

    Notes
    -----
    Noise is measured in detrended blocks without structure (all blocks of a flat field; the quiet
    ones of an image). NSR_n^2 = F^2 + T^2/n. Temporal noise alone drops by 2.5 % at n = 20 and by
    1 % only at n = 50, so an earlier stop means that the fixed pattern F dominates: averaging cannot
    remove it, gain correction can.
    """
    stack = [np.asarray(frame) for frame in frames]
    if not stack or any(f.ndim != 2 for f in stack) or len({f.shape for f in stack}) != 1:
        raise ImageError(f"averaging needs frames of one 2-D shape; found {sorted({f.shape for f in stack})}")
    blocks = _Blocks(stack[0], mask)
    total = np.zeros(stack[0].shape)
    together = np.zeros(1)
    squares, series = 0.0, []
    enough: int | None = None
    for n, frame in enumerate(stack, start=1):
        total += frame
        residual, level = blocks.residual(frame)
        together = together + residual / level
        squares += float(np.mean((residual / level) ** 2))
        series.append(float(np.sqrt(np.mean((together / n) ** 2))))
        if n > 1 and enough is None and (series[-2] == 0 or 1 - series[-1] / series[-2] < drop):
            enough = n
            if stop:
                break
    used = len(series)
    temporal = fixed = nsr_drop = None
    warnings: list[str] = []
    if used > 1:
        mean_square = series[-1] ** 2
        t_squared = max((squares - used * mean_square) / (used - 1), 0.0)
        f_squared = max(mean_square - t_squared / used, 0.0)
        temporal, fixed = float(np.sqrt(t_squared)), float(np.sqrt(f_squared))
        nsr_drop = 1 - series[-1] / series[-2] if series[-2] > 0 else 0.0
        if f_squared > t_squared / used:
            share = 100 * f_squared / max(f_squared + t_squared / used, np.finfo(float).tiny)
            warnings.append(
                f"fixed pattern dominates: it is {share:.0f} % of the noise power of the mean of {used} frames; "
                "more frames cannot lower it, a better gain correction can"
            )
    mean = (total / used).astype(np.float32)
    return FrameAverage(mean, used, series[-1], nsr_drop, tuple(series), enough, fixed, temporal, tuple(warnings))


class _Blocks:
    """Detrended square blocks that hold no structure."""

    def __init__(self, frame: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
        self.size = min(LARGEST_BLOCK, *frame.shape)
        self._detrend = Detrend(self.size) if self.size >= 4 else None
        blocks = self._cut(frame)
        clean = np.ones(len(blocks), dtype=bool)
        if mask is not None:
            clean &= self._cut(mask).max(axis=(1, 2)) == 0
        if not clean.any():
            clean[:] = True
        sd = np.sqrt(np.mean(self._flat(blocks) ** 2, axis=(1, 2)))
        self._keep = clean & (sd <= QUIET_FACTOR * np.quantile(sd[clean], 0.1))

    def residual(self, frame: NDArray[Any]) -> tuple[Float, float]:
        """Detrended quiet blocks of a frame, and their mean level."""
        blocks = self._cut(frame)[self._keep]
        level = float(blocks.mean())
        if not level > 0:
            raise ImageError(f"the mean signal is {level:.4g}; averaging needs positive, offset-corrected frames")
        return self._flat(blocks), level

    def _cut(self, image: NDArray[Any]) -> Float:
        rows, cols = (n // self.size * self.size for n in image.shape)
        tiles = image[:rows, :cols].reshape(rows // self.size, self.size, cols // self.size, self.size)
        return np.asarray(tiles.swapaxes(1, 2).reshape(-1, self.size, self.size), dtype=np.float64)

    def _flat(self, blocks: Float) -> Float:
        """Residual scaled for the six degrees of freedom that the trend takes."""
        if self._detrend is None:
            return blocks - blocks.mean(axis=(1, 2), keepdims=True)
        return self._detrend(blocks) * np.sqrt(self.size**2 / (self.size**2 - 6))
