"""Whether dark frames and flats can calibrate: frames that do not belong, and values at the top of their range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import ImageError

CELLS = 8
"""Areas along each side whose levels are compared between frames."""
ODD_FACTOR = 8.0
"""Times the usual difference between frames beyond which one does not belong."""
ODD_FLAT = 0.01
"""Relative change of shape under which a flat belongs in any case."""
LONE_AGAINST = 4
"""A single flat of one level, beside this many or more of another, is a wrong exposure and not a level."""
MOST_ODD = 1 / 3
TOP_SHARE = 1e-4
"""Share of pixels at one largest value above which that value is a limit."""
FEWEST_AT_TOP = 30
MOST_SATURATED = 0.01
EXPOSED = 0.03
"""Share of the flats' light in the darks from which it is told."""
FINE_PX = 9
FEWEST_LEVELS = 8
"""Distinct values an image must have before a pile at its largest one says something."""

Float = NDArray[np.float64]


def without_strangers(
    stack: NDArray[np.number], role: str, names: Sequence[str] = ()
) -> tuple[NDArray[np.bool_], list[str]]:
    """Find frames whose level, or whose shape, is not that of the others: a dark with the beam on, a flat with an object.

    Parameters
    ----------
    stack : ndarray, shape (frames, rows, cols)
        Repeats of one exposure.
    role : str
        "dark" or "flat". Flats are compared after division by their own level: a tube may drift.
    names : sequence of str, optional
        What each frame is called; "frame 1" and so on by default.

    Returns
    -------
    kept : ndarray of bool, shape (frames,)
    warnings : list of str
        One for every frame that does not belong.

    Raises
    ------
    ImageError
        If more than a third of the frames differ: nobody can say which are right.

    Notes
    -----
    The levels of 8 x 8 areas are compared with their median over the frames. A frame is odd where one of them is
    off by more than 8 times the median difference, and by more than the noise of a pixel (darks) or 1 % (flats).
    """
    count = len(stack)
    called = [*names] if len(names) == count else [f"{role} frame {n} of {count}" for n in range(1, count + 1)]
    if count < 2:
        return np.ones(count, dtype=bool), []
    cells = np.stack([_cells(frame) for frame in stack])
    least, unit = 0.0, ""
    if role == "flat":
        cells = cells / np.maximum(np.median(cells, axis=1, keepdims=True), np.finfo(float).tiny)
        least = ODD_FLAT
    else:
        change = stack[1].astype(np.float64) - stack[0]
        noise = 1.4826 * float(np.median(np.abs(change - np.median(change)))) / np.sqrt(2)
        least, unit = max(noise, 1e-6 * float(np.abs(cells).max())), " DN"
    off = np.abs(cells - np.median(cells, axis=0)).max(axis=1)
    if count == 2:
        differ = float(off.sum())
        if differ <= ODD_FACTOR * least:
            return np.ones(2, dtype=bool), []
        return np.ones(2, dtype=bool), [
            f"{called[0]} and {called[1]} differ by {differ:.3g}{unit} in places; three or more tell which is wrong"
        ]
    odd = off > np.maximum(ODD_FACTOR * float(np.median(off)), least)
    if odd.sum() > MOST_ODD * count:
        raise ImageError(
            f"{int(odd.sum())} of {count} {role} frames differ from the rest by up to {off.max():.3g}{unit} in places; "
            "give frames of one exposure without an object"
        )
    typical = float(np.median(off))
    warnings = [
        f"{name} differs from the other {role} frames by {value:.3g}{unit} in places (they differ by {typical:.2g}): "
        "it does not belong to them and was left out"
        for name, value, is_odd in zip(called, off, odd, strict=True)
        if is_odd
    ]
    return ~odd, warnings


def exposed_share(darks: NDArray[np.number], flats: NDArray[np.number]) -> float:
    """Share of the flats' light that all dark frames hold: 0 where they show no sign of it.

    Parameters
    ----------
    darks, flats : ndarray, shape (frames, rows, cols)
        Two of each at least, else there is no telling.

    Returns
    -------
    float

    Notes
    -----
    A panel behind a beam shows the gain pattern of its pixels in proportion to the light, and its noise: an exposed dark has
    both; a pedestal that columns or rows amplify shows nothing from pixel to pixel, a noisy amplifier no pattern. The pattern is
    what stands out of 9 x 9 pixels, without that of whole columns and rows; the noise is that between two frames.
    """
    if min(len(darks), len(flats)) < 2:
        return 0.0
    dark, flat = darks.mean(axis=0), flats.mean(axis=0)
    signal = flat - dark
    level = float(np.median(signal))
    if level <= 0:
        return 0.0
    fine = [_pixel_pattern(image) for image in (dark, signal)]
    usual = np.logical_and.reduce([np.abs(one) <= 8 * np.median(np.abs(one)) for one in fine])
    followed, gain = (one[usual] for one in fine)
    power = float(gain @ gain)
    if power == 0:
        return 0.0
    slope = float(gain @ followed) / power
    error = float(np.std(followed - slope * gain)) / np.sqrt(power)
    share = slope / (1 + slope)  # the light of the darks was taken off that of the flats
    quiet, lit = (_noise_power(stack) for stack in (darks, flats))
    return share if slope > 5 * error and share >= EXPOSED and quiet > 0.5 * share * lit else 0.0


def _pixel_pattern(image: Float) -> Float:
    """What differs from pixel to pixel, without smooth parts, columns and rows."""
    fine = image - ndimage.uniform_filter(image, FINE_PX, mode="nearest")
    for axis in (0, 1):
        fine = fine - np.median(fine, axis=axis, keepdims=True)
    return np.asarray(fine)


def _noise_power(stack: NDArray[np.number]) -> float:
    """Variance between the first two frames, of the pixels as most of them are."""
    change = stack[1].astype(np.float64) - stack[0]
    return float(np.median(np.abs(change - np.median(change)))) ** 2


def lone_levels(counts: Sequence[int]) -> list[int]:
    """Numbers of exposure levels that hold a single flat while another holds four or more."""
    return [n for n, count in enumerate(counts) if count == 1 and max(counts) >= LONE_AGAINST]


def saturation(frame: NDArray[np.number]) -> tuple[float, float]:
    """Share of pixels at the top of the range the detector uses, and that top; a share of 0 if there is no such pile.

    Parameters
    ----------
    frame : ndarray
        Raw values, any shape.

    Returns
    -------
    share, top : float

    Notes
    -----
    A limit shows as a pile at the largest value: three times as many pixels as at the next smaller one. That finds the
    top of the type as well as that of a 12- or 14-bit converter, shifted or not. Of few distinct values (noise below
    one grey level) only a largest value of 2^n - 1 is taken for a limit.
    """
    values = frame.ravel()
    top = float(values.max())
    at_top = int(np.count_nonzero(values == top))
    share = at_top / values.size
    if share <= TOP_SHARE or at_top < FEWEST_AT_TOP or at_top == values.size:
        return 0.0, top
    below = values[values < top]
    few = max(values.size // 50, 1)
    near = np.unique(np.partition(below, -few)[-few:] if below.size > few else below, return_counts=True)
    if top >= 255 and top.is_integer() and int(top) & (int(top) + 1) == 0:
        return share, top
    spread = np.unique(below[:: max(1, below.size // 4096)]).size
    return (share, top) if spread >= FEWEST_LEVELS and at_top > 3 * int(near[1][-1]) else (0.0, top)


def saturated_pixels(stack: NDArray[np.number], warnings: list[str]) -> NDArray[np.bool_]:
    """Map of pixels at the top of the range in any flat; their gain cannot be measured.

    Parameters
    ----------
    stack : ndarray, shape (frames, rows, cols)
        Raw flats of one exposure.
    warnings : list of str
        Is told of them.

    Returns
    -------
    ndarray of bool, shape (rows, cols)
        True where saturated.

    Raises
    ------
    ImageError
        If more than 1 % of the pixels are: the whole field was too bright.
    """
    share, top = saturation(stack[int(np.argmax([frame.mean(dtype=np.float64) for frame in stack]))])
    if share == 0:
        return np.zeros(stack.shape[1:], dtype=bool)
    mask: NDArray[np.bool_] = np.any(stack >= top, axis=0)
    if mask.mean() > MOST_SATURATED:
        raise ImageError(
            f"the flats are saturated: {100 * mask.mean():.3g} % of their pixels are at {top:.6g}, the top of the "
            "detector's range; take flats of a shorter exposure or lower current"
        )
    warnings.append(f"{int(mask.sum())} pixels are saturated at {top:.6g} in the flats and count as bad")
    return mask


def _cells(frame: NDArray[np.number]) -> Float:
    """Mean levels of areas of a frame."""
    rows, cols = (np.linspace(0, n, min(CELLS, n) + 1).astype(int)[:-1] for n in frame.shape)
    sums = np.add.reduceat(np.add.reduceat(frame, rows, axis=0, dtype=np.float64), cols, axis=1)
    heights, widths = np.diff([*rows, frame.shape[0]]), np.diff([*cols, frame.shape[1]])
    return np.asarray(sums / (heights[:, None] * widths), dtype=np.float64).ravel()
