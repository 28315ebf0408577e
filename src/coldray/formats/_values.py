"""Grey values of stored numbers, and which of the numbers stand for none, as a file states it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coldray.reading import Location, refuse


def stated_line(path: Location, offset: object, slope: object, source: str) -> tuple[float, float, str]:
    """Offset, slope and who states them, of a straight line from stored to grey values.

    Raises
    ------
    ImageReadError
        If it is no line.
    """
    try:
        c0, c1 = float(str(offset)), float(str(slope))
    except ValueError:
        c0 = c1 = math.nan
    if not (math.isfinite(c0) and math.isfinite(c1) and c1 != 0):
        cause = f"states an impossible calibration ({source}: offset {offset}, slope {slope})"
        raise refuse(path, cause, "export it again without one")
    return c0, c1, source


def calibrated(pixels: NDArray[np.number], line: tuple[float, float, str], notes: list[str]) -> NDArray[np.number]:
    """Grey values of stored ones: whole numbers in the smallest integer type that holds them, else floats."""
    c0, c1, source = line
    if (c0, c1) == (0.0, 1.0):
        return pixels
    notes.append(f"calibration of the file applied ({source}): grey value = {c0:.9g} + {c1:.9g} x stored value")
    if pixels.dtype.kind in "ui" and c0.is_integer() and c1.is_integer() and max(abs(c0), abs(c1)) < 2**31:
        limits = np.iinfo(pixels.dtype.str)
        ends = sorted(int(c0) + int(c1) * int(n) for n in (limits.min, limits.max))
        for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"):
            if np.iinfo(name).min <= ends[0] and ends[1] <= np.iinfo(name).max:
                return (pixels.astype(np.int64) * int(c1) + int(c0)).astype(name)
    wide = pixels.dtype.itemsize > 2
    return (c0 + c1 * pixels.astype(np.float64)).astype(np.float64 if wide else np.float32)


def outside(
    pixels: NDArray[np.number], low: float, high: float, source: str, notes: list[str]
) -> NDArray[np.bool_] | None:
    """Where a file has no value because what it holds lies outside the range that it calls valid, in any frame.

    Parameters
    ----------
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
        In the unit of the range.
    low, high : float
        Ends of the range, themselves valid.
    source : str
        Who states it, for the note.
    notes : list of str
        Is told how much was found.

    Returns
    -------
    ndarray of bool, shape (rows, cols), or None
        None if everything is valid.
    """
    if (low, high) == (-math.inf, math.inf):
        return None
    off = np.zeros(pixels.shape[-2:], dtype=bool)
    for frame in pixels[None] if pixels.ndim == 2 else pixels:
        off |= (frame < low) | (frame > high)
    if not off.any():
        return None
    notes.append(
        f"{100 * off.mean():.3g} % of the image lies outside the range that the file calls valid ({source}: {low:.9g} to "
        f"{high:.9g}), which is no signal: it is masked"
    )
    return off


def without_value(
    pixels: NDArray[np.number], stated: object, source: str, notes: list[str]
) -> NDArray[np.bool_] | None:
    """Where a file has no value: the stored number that it states for that, in any frame.

    Parameters
    ----------
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
        Stored numbers.
    stated : object
        The number, or its text; None for none.
    source : str
        Who states it, for the note.
    notes : list of str
        Is told how much was found.

    Returns
    -------
    ndarray of bool, shape (rows, cols), or None
        None if nothing is without a value.
    """
    try:
        number = math.nan if stated is None else float(str(stated))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):  # no pixel is: a stack on the disk is not read for it
        return None
    with np.errstate(over="ignore"):  # the largest double, in a file of floats, is no pixel's value
        held = np.asarray(number, dtype=pixels.dtype if pixels.dtype.kind == "f" else np.float64)
    off = np.zeros(pixels.shape[-2:], dtype=bool)
    for frame in pixels[None] if pixels.ndim == 2 else pixels:  # one by one: a stack may lie on the disk
        off |= frame == held
    if not off.any():
        return None
    notes.append(
        f"{100 * off.mean():.3g} % of the image has no value ({source}: {number:.9g}), which is no signal: it is masked"
    )
    return off
