"""Averaging repeated frames: when the paper's rule says stop, and whether it may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.physics.trend import Detrend

STOP_DROP = 0.01
"""The paper's rule: stop when one more frame lowers the noise-to-signal ratio by less."""
QUIET_FACTOR = 2.0
LARGEST_BLOCK = 32
SMALLEST_BLOCK = 8
UNEVEN = f"nowhere {SMALLEST_BLOCK} x {SMALLEST_BLOCK} px are evenly lit"
STRUCTURE_RATIO = 2.5
"""What repeats has more power than this times its finest part: structure of the object (a fixed pattern, a third of
it blurred by the screen, reaches 1.5)."""
STRUCTURE_LEAST = 0.05
"""Power that repeats, in powers of the temporal noise, under which structure does not matter."""

LEAST_LEVEL = 0.1
"""Share of the open field under which a place counts as opaque: it has noise but no signal to compare it with."""
WINDOWS_PX = (3, 5, 9)
TOLD_APART = 6.0
"""Open field and opaque parts are told apart by means over windows in which the field is this many standard deviations."""
LAG_MATTERS = 0.03
"""Correlation of successive frames above which their noise no longer averages as that of independent ones."""

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
        Noise-to-signal ratio of `mean` in its quiet parts.
    nsr_drop : float or None
        1 - NSR_n / NSR_(n-1) at the last frame; None for one frame.
    nsr_by_frame : tuple of float
        NSR of the mean of the first 1, 2, ... frames.
    enough_frames : int or None
        First number of frames with a drop under the limit; None if it was not reached.
    fixed_pattern_nsr, temporal_nsr : float or None
        Part that repeats in every frame, and the changing part of one frame:
        NSR_n^2 = fixed^2 + temporal^2 / n.
    is_structured : bool
        True if even the quiet parts show structure of the object; the fixed pattern is then judged by its
        finest detail.
    level : float
        Mean signal of the quiet parts.
    lag : float or None
        Correlation of successive frames beyond that of distant ones; None under three frames.
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
    is_structured: bool = False
    level: float = 0.0
    lag: float | None = None
    warnings: tuple[str, ...] = ()


def average_frames(
    frames: Sequence[NDArray[np.number]] | NDArray[np.number],
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
        If there is no frame, frames differ in shape, or no part of the signal is positive.

    Notes
    -----
    Noise is measured in detrended blocks without structure (all blocks of a flat field; the quiet
    ones of an image) that let at least a tenth of the open field through all over: behind an opaque part there is no
    signal. Blocks have 32 px, and 16 or 8 where the open field has no room for one. NSR_n^2 = F^2 + T^2/n. Temporal noise alone drops by 2.5 % at n = 20 and by
    1 % only at n = 50, so an earlier stop means that the fixed pattern F dominates: averaging cannot
    remove it, gain correction can.

    On a board hardly a block is flat, and what the object shows repeats as a fixed pattern does. T is then
    taken from differences of frames, F from the second differences along both axes (the finest detail, where the
    detector transfers least of the object) as if it were white, and NSR_n follows from both.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.images.averaging import average_frames
    >>> frames = np.random.default_rng(0).normal(1000, 10, (8, 64, 64))
    >>> average_frames(frames).frames
    8
    """
    stack = [np.asarray(frame) for frame in frames]
    if not stack or any(f.ndim != 2 for f in stack) or len({f.shape for f in stack}) != 1:
        raise ImageError(f"averaging needs frames of one 2-D shape; found {sorted({f.shape for f in stack})}")
    blocks = _Blocks(stack[0], mask)
    coarse, fine = _Repeats(), _Repeats()
    levels = []
    for frame in stack:
        residual, finest, level = blocks.residual(frame)
        levels.append(level)
        coarse.add(residual / level)
        fine.add(finest / level)
    count = len(stack)
    is_structured = False
    series = coarse.series
    if count > 1:
        f_squared, t_squared = coarse.parts(count)
        finest_squared = fine.parts(count)[0]
        is_structured = f_squared > STRUCTURE_RATIO * finest_squared + STRUCTURE_LEAST * t_squared
        if is_structured:
            series = [float(np.sqrt(finest_squared + t_squared / n)) for n in range(1, count + 1)]
    drops = [1 - now / before if before > 0 else 0.0 for before, now in pairwise(series)]
    enough = next((n for n, fall in enumerate(drops, start=2) if fall < drop), None)
    used = enough if stop and enough is not None else count
    temporal = fixed = nsr_drop = None
    warnings = [] if blocks.is_evenly_lit else [f"{UNEVEN}: the noise-to-signal ratio may hold edges of the object"]
    if used > 1:
        f_squared, t_squared = (finest_squared, t_squared) if is_structured else coarse.parts(used)
        temporal, fixed = float(np.sqrt(t_squared)), float(np.sqrt(f_squared))
        nsr_drop = drops[used - 2]
        if f_squared > t_squared / used:
            share = 100 * f_squared / max(f_squared + t_squared / used, np.finfo(float).tiny)
            what = f"{share:.0f} % of the noise power of the mean of {used} frames; more frames cannot lower it"
            warnings.append(
                f"what repeats in every frame, a fixed pattern or the finest detail of the object, is {what}"
                if is_structured
                else f"fixed pattern dominates: it is {what}, a better gain correction can"
            )
    lag = coarse.lag
    if lag is not None and lag > max(LAG_MATTERS, coarse.lag_by_chance):
        warnings.append(
            f"successive frames are correlated ({100 * lag:.0f} %: lag, or drift): their mean is noisier than this "
            "noise-to-signal ratio says; pause between frames"
        )
    total = np.zeros(stack[0].shape)
    for frame in stack[:used]:
        total += frame
    return FrameAverage(
        (total / used).astype(np.float32), used, series[used - 1], nsr_drop, tuple(series[:used]), enough, fixed, temporal, is_structured,
        float(np.mean(levels)), lag, tuple(warnings),
    )  # fmt: skip


class _Repeats:
    """Relative residuals of frame after frame: how much repeats, and how much changes."""

    def __init__(self) -> None:
        self._total: Float = np.zeros(1)
        self._squares: list[float] = []
        self._last: Float | None = None
        self._steps = 0.0
        self.series: list[float] = []

    def add(self, residual: Float) -> None:
        """Take in one more frame."""
        self._total = self._total + residual
        if self._last is not None:
            self._steps += float(np.mean((residual - self._last) ** 2))
        self._last = residual
        self._squares.append(float(np.mean(residual**2)))
        self.series.append(float(np.sqrt(np.mean(self._total**2))) / len(self._squares))

    @property
    def lag(self) -> float | None:
        """How much less successive frames differ than distant ones; a fixed pattern differs in neither."""
        count = len(self._squares)
        if count < 3:
            return None
        # the sum over all pairs of |x - y|^2 is n times the sum of |x|^2 less |the sum of x|^2
        pairs = count * sum(self._squares) - count**2 * self.series[-1] ** 2
        distant = (pairs - self._steps) / ((count - 1) * (count - 2) / 2)
        return 1 - self._steps / (count - 1) / distant if distant > 0 else None

    @property
    def lag_by_chance(self) -> float:
        """Five standard deviations of `lag` of independent frames whose noise is correlated over ten pixels."""
        return 5 * float(np.sqrt(2 * 10 / (self._total.size * max(len(self._squares) - 2, 1))))

    def parts(self, frames: int) -> tuple[float, float]:
        """Power that repeats, and power that changes from frame to frame, of the first `frames` frames."""
        mean_square = self.series[frames - 1] ** 2
        changing = max((sum(self._squares[:frames]) - frames * mean_square) / (frames - 1), 0.0)
        return max(mean_square - changing / frames, 0.0), changing


class _Blocks:
    """Detrended square blocks that hold no structure, as large as the open field leaves room for."""

    def __init__(self, frame: NDArray[np.number], mask: NDArray[np.bool_] | None) -> None:
        mask = np.zeros(frame.shape, dtype=bool) if mask is None else mask
        largest = min(LARGEST_BLOCK, *frame.shape)
        sizes = [largest, *(size for size in (largest // 2, largest // 4) if size >= SMALLEST_BLOCK)]
        level = self._lit_level(frame, mask, sizes[-1])
        for size in sizes:
            self._take(size)
            lit = self._clean(mask) & (self._cut(level).min(axis=(1, 2)) >= LEAST_LEVEL)
            self.is_evenly_lit = bool(lit.any())
            if self.is_evenly_lit:
                break
        else:
            self._take(largest)
            lit = self._brightest(frame, self._clean(mask))
        sd = np.sqrt(np.mean(self._flat(self._cut(frame)) ** 2, axis=(1, 2)))
        self._keep = lit & (sd <= QUIET_FACTOR * np.quantile(sd[lit], 0.1))

    def _take(self, size: int) -> None:
        """Cut into blocks of this size from now on."""
        self.size = size
        self._detrend = Detrend(size) if size >= 4 else None

    def _clean(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Blocks without a masked pixel; all of them if there is none."""
        clean = self._cut(mask).max(axis=(1, 2)) == 0
        return clean if clean.any() else ~clean

    def _lit_level(self, frame: NDArray[np.number], mask: NDArray[np.bool_], size: int) -> Float:
        """Lowest mean signal near each pixel over the open field; windows are as small as the noise allows."""
        from scipy import ndimage

        self._take(size)
        blocks = self._cut(frame)[self._clean(mask)]
        # not the mean: a few hot pixels would pass for an open field
        levels = np.quantile(blocks, 0.75, axis=(1, 2))
        brightest, level = blocks[levels.argmax()], float(levels.max())
        noise = float(brightest.std())
        window = next((width for width in WINDOWS_PX if width * level > TOLD_APART * noise), None)
        if window is None or not level > 0:
            return np.full(frame.shape, -np.inf)
        mean = ndimage.uniform_filter(np.asarray(frame, dtype=np.float64), window, mode="nearest")
        return np.asarray(ndimage.minimum_filter(mean, 5, mode="nearest") / level)

    def _brightest(self, frame: NDArray[np.number], clean: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the noise hides which blocks are lit: those above a tenth of the brightest hundredth."""
        signal = self._cut(frame).mean(axis=(1, 2))
        lit = clean & (signal >= LEAST_LEVEL * max(float(np.quantile(signal[clean], 0.99)), 0.0))
        if not lit.any():
            raise self._not_positive(float(signal.max()))
        return lit

    def residual(self, frame: NDArray[np.number]) -> tuple[Float, Float, float]:
        """Quiet blocks of a frame without trend, their finest detail (white noise keeps its power), and their level."""
        blocks = self._cut(frame)[self._keep]
        level = float(blocks.mean())
        if not level > 0:
            raise self._not_positive(level)
        return self._flat(blocks), self._finest(blocks), level

    def _not_positive(self, level: float) -> ImageError:
        where = "is" if self.is_evenly_lit else f"is, as {UNEVEN},"
        return ImageError(f"the mean signal {where} {level:.4g}; averaging needs positive, offset-corrected frames")

    def _cut(self, image: NDArray[np.number | np.bool_]) -> Float:
        rows, cols = (n // self.size * self.size for n in image.shape)
        tiles = image[:rows, :cols].reshape(rows // self.size, self.size, cols // self.size, self.size)
        return np.asarray(tiles.swapaxes(1, 2).reshape(-1, self.size, self.size), dtype=np.float64)

    def _finest(self, blocks: Float) -> Float:
        """Second differences along both axes, over their gain for white noise."""
        if self.size < 3:
            return blocks - blocks.mean(axis=(1, 2), keepdims=True)
        return np.diff(np.diff(blocks, 2, axis=1), 2, axis=2) / 6.0

    def _flat(self, blocks: Float) -> Float:
        """Residual scaled for the six degrees of freedom that the trend takes."""
        if self._detrend is None:
            return blocks - blocks.mean(axis=(1, 2), keepdims=True)
        return self._detrend(blocks) * np.sqrt(self.size**2 / (self.size**2 - 6))
