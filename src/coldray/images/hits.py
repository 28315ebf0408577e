"""Direct hits and dead pixels in frames of an object: pixels sharper than the detector's MTF allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.images._prediction import REACH_PX, SCREEN_LEVELS, SCREEN_TOP, Predictor
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel

__all__ = ["REACH_PX", "Hits", "find_hits", "padding_of"]

Float = NDArray[np.float64]

CLUSTER_HOLES_PX = (1, 2)
"""Half-sides of the squares left out around a pixel when bright clusters are looked for, up to 5 x 5 pixels."""
PART_SHARE = 0.5
"""Share of the threshold beyond which a pixel beside the largest deviation of a cluster belongs to it."""
THRESHOLD = 6.0
"""Deviation from the prediction that is no measurement, in standard deviations of what noise and object may differ by."""
SCREENED_SHARE = 0.5
"""Share of the threshold, for the least that a pixel may differ by, from which on it is looked at closely."""
LARGEST_PASSES = 40
FILLING_PASSES = 10
"""Times that the replaced pixels are predicted from each other at most, so that a cluster is filled from its rim inwards."""
FILLED_SHARE = 0.01
"""Pixels are predicted again while they change by more than this share of their standard deviation."""
SCREEN_ROWS = 64
"""Rows that are screened at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Hits:
    """Pixels that are no measurement of the image falling on the detector.

    Parameters
    ----------
    bright : ndarray of bool, shape (rows, cols)
        Pixels above what noise and blur allow: direct hits, hot pixels.
    dark : ndarray of bool, shape (rows, cols)
        Pixels below: dead and cold pixels.
    filled : ndarray, float32, shape (rows, cols)
        The image with both, and what is known to be no measurement, replaced by the prediction from the neighbours.
    """

    bright: NDArray[np.bool_]
    dark: NDArray[np.bool_]
    filled: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Either kind."""
        return self.bright | self.dark


def find_hits(
    image: NDArray[np.floating],
    mtf: FrequencyCurve,
    noise: NoiseModel,
    *,
    threshold: float = THRESHOLD,
    known: NDArray[np.bool_] | None = None,
) -> Hits:
    """Find pixels that stand out from their neighbours more than blur and noise let any object do.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Fraction of the open beam, corrected for offset and gain.
    mtf : FrequencyCurve
        Presampled MTF of the detector that took the image; the upper end of its band is used.
    noise : NoiseModel
        Noise of this frame; its level is corrected by what the image shows, its colour and its dependence on the signal
        are taken as stated.
    threshold : float
        In standard deviations; about one pixel in 10^8 of Gaussian noise exceeds the default.
    known : ndarray of bool, shape (rows, cols), optional
        Pixels that are no measurement whatever they hold: replaced too, but neither bright nor dark. Areas too large to be
        predicted, see `padding_of`, get the nearest pixel.

    Returns
    -------
    Hits

    Raises
    ------
    ImageError
        If the image is not two-dimensional, not finite, or smaller than 16 x 16 pixels, or `known` does not fit it.

    Notes
    -----
    Blur spreads whatever falls on the screen over its neighbours, so a pixel is predictable from them. The prediction is
    that of least squared error (kriging with an unknown mean) for noise of the stated spectrum plus an object of
    independent points blurred by the MTF, the sharpest there is; how strong it may be is told by the neighbours and by what
    contrast is possible at all. Deviations are divided by their own standard deviation; the largest of every neighbourhood
    is replaced by its prediction first, then the rest is looked at again, so neighbours of a hit are not marked for it.
    Bright clusters are found by leaving out 3 x 3 and 5 x 5 pixels, and grow to what stands out half as much. Dark ones are
    not looked for: a small ball looks like them.

    A hit weaker than the contrast that a point of the object could have here is not found: on a fine board that is the more
    of them the sharper the detector is for its pixels.

    References
    ----------
    Cressie, Statistics for Spatial Data (1993), ordinary kriging.
    """
    pixels = np.asarray(image, dtype=np.float64)
    if pixels.ndim != 2 or min(pixels.shape) < 16:
        raise ImageError(f"hits are looked for in one frame of at least 16 x 16 pixels; found shape {pixels.shape}")
    if not np.all(np.isfinite(pixels)):
        raise ImageError("the image holds NaN or infinite pixels; replace them first")
    if known is not None and (known.dtype != np.bool_ or known.shape != pixels.shape or known.all()):
        raise ImageError(f"`known` must be bool of shape {pixels.shape}, and not true everywhere")
    filled = pixels.copy() if known is None else _from_nearest(pixels, known)
    noise = noise.scaled(Predictor(mtf, noise, 0, pixels.shape).noise_factor(filled))
    marked = np.zeros(pixels.shape, dtype=np.int8)
    if known is not None:
        padding = padding_of(known)
        marked[known] = _KNOWN
        if padding is not None:
            marked[padding] = _PADDING
    single = Predictor(mtf, noise, 0, pixels.shape)
    _fill(filled, marked, single)
    _peel(filled, marked, single, threshold)
    where, spread = _fill(filled, marked, single)
    # what was marked beside a hit before that was replaced, and agrees with what stands there now
    right = (marked.flat[where] != _KNOWN) & (
        np.abs(pixels.flat[where] - filled.flat[where]) < PART_SHARE * threshold * spread
    )
    filled.flat[where[right]], marked.flat[where[right]] = pixels.flat[where[right]], 0
    for hole in CLUSTER_HOLES_PX:
        _peel(filled, marked, Predictor(mtf, noise, hole, pixels.shape), threshold, filled.copy())
    _fill(filled, marked, single)
    return Hits(marked == _BRIGHT, marked == _DARK, filled.astype(np.float32))


_BRIGHT, _DARK, _KNOWN, _PADDING = 1, -1, 2, 3


def padding_of(known: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Connected parts of a mask that reach farther from any measured pixel than a prediction does; None if none do."""
    deep = scipy.ndimage.binary_erosion(known, np.ones((2 * REACH_PX + 1,) * 2, dtype=bool), border_value=1)
    return np.asarray(scipy.ndimage.binary_propagation(deep, mask=known)) if deep.any() else None


def _from_nearest(pixels: Float, known: NDArray[np.bool_]) -> Float:
    """The image with pixels that are known to be none replaced by the nearest that is one."""
    nearest = scipy.ndimage.distance_transform_edt(known, return_distances=False, return_indices=True)
    return np.asarray(pixels[tuple(nearest)])


def _fill(filled: Float, marked: NDArray[np.int8], single: Predictor) -> tuple[NDArray[np.intp], Float]:
    """Predict the marked pixels from each other and the rest, in place; returns where, and the standard deviation."""
    where = np.flatnonzero((marked != 0) & (marked != _PADDING))
    if not where.size:
        return where, np.zeros(0)
    measured = filled[marked == 0]
    low, high = float(measured.min()), float(measured.max())
    spread = np.zeros(where.size)
    left = np.arange(where.size)
    for _ in range(FILLING_PASSES):
        if not left.size:
            break
        guess, spread[left] = single(filled, where[left])
        guess = np.clip(guess, low, high)
        moved = np.abs(guess - filled.flat[where[left]]) > FILLED_SHARE * spread[left]
        filled.flat[where[left]] = guess
        left = left[moved]
    return where, spread


def _peel(
    filled: Float, marked: NDArray[np.int8], predictor: Predictor, threshold: float, before: Float | None = None
) -> None:
    """Mark and replace, in place, what stands out; the largest of every neighbourhood first.

    Parts of a cluster must also be brighter than what surrounded them `before` any was replaced: a cluster too large for
    the hole is predicted wrongly, and its neighbours by that.
    """
    look = _screen(filled, predictor, threshold)
    score = np.zeros(filled.size)
    own = marked.ravel() >= _KNOWN
    for _ in range(LARGEST_PASSES):
        if not look.size:
            return
        guess, spread = predictor(filled, look)
        deviation = (filled.flat[look] - guess) / spread
        score[look] = np.abs(deviation) if predictor.hole == 0 else np.maximum(deviation, 0.0)
        over = np.flatnonzero(score[look] > (threshold if predictor.hole == 0 else PART_SHARE * threshold))
        at = look[over]
        found = (score[at] > threshold) & (score[at] >= score[predictor.square(at)].max(axis=1, initial=0.0))
        if predictor.hole:
            found |= own[predictor.square(at, 1)].any(axis=1)
        found &= ~own[at]
        if before is not None:
            found[found] = predictor.stands_out(before, at[found], SCREENED_SHARE * threshold)
        score[look] = 0.0
        chosen = over[found]
        at = look[chosen]
        own[at] = True
        marked.flat[at] = np.sign(deviation[chosen])
        filled.flat[at] = guess[chosen]
        look = _distinct(predictor.square(at), filled.size)


def _screen(image: Float, predictor: Predictor, threshold: float) -> NDArray[np.intp]:
    """Places in the flat image of pixels that may stand out, by the neighbours that adjoin the hole.

    Notes
    -----
    Pixels count that differ from the mean of what adjoins the hole by half of what would be marked if the neighbours showed
    no object at all, and from a surface of second degree through eight of them by half of what would be marked if they
    alone told how strong the object is; and those around them, which decide what is marked first.
    """
    step, rows = predictor.hole + 1, image.shape[0]
    limits = SCREENED_SHARE * threshold * predictor.least_deviations.astype(np.float32)
    strong, by = [np.empty(0, dtype=np.intp)], [np.empty(0)]
    for first in range(0, rows, SCREEN_ROWS):
        last = min(first + SCREEN_ROWS, rows)
        above, below = min(step, first), min(step, rows - last)
        part = image[first - above : last + below].astype(np.float32)
        part = np.pad(part, ((step - above, step - below), (step, step)), mode="edge")
        centre = part[step:-step, step:-step]
        ring = _ring_mean(part, predictor.hole)
        at = np.clip(ring * np.float32(SCREEN_LEVELS / SCREEN_TOP), 0, SCREEN_LEVELS - 1).astype(np.uint8)
        excess = centre - ring
        bright = excess > np.take(limits[0], at, mode="wrap")
        seen = bright | (excess < -np.take(limits[1], at, mode="wrap")) if predictor.hole == 0 else bright
        if not seen.any():
            continue
        level = part[step:-step]
        sides = level[:, : -2 * step] + level[:, 2 * step :]
        poles = part[: -2 * step] + part[2 * step :]
        corners = poles[:, : -2 * step] + poles[:, 2 * step :]
        bend = centre - np.float32(0.5) * (sides + poles[:, step:-step]) + np.float32(0.25) * corners
        bend = np.abs(bend)
        places = np.flatnonzero(seen)
        bend = bend.ravel()[places]
        over = bend > np.minimum(limits[0], limits[1])[at.ravel()[places]]
        strong.append(places[over] + first * image.shape[1])
        by.append(bend[over].astype(np.float64))
    where = np.concatenate(strong)
    where = where[np.concatenate(by) > SCREENED_SHARE * threshold * predictor.least_spread(image, where)]
    return _distinct(predictor.square(where), image.size)


def _distinct(places: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Every place once, in order."""
    there = np.zeros(size, dtype=bool)
    there[places] = True
    return np.flatnonzero(there)


def _ring_mean(padded: NDArray[np.float32], hole: int) -> NDArray[np.float32]:
    """Mean of the pixels that adjoin a square of this half-side around every pixel; `padded` by one more than that."""
    inner, outer = 2 * hole + 1, 2 * hole + 3
    whole = _box_sum(padded, outer)
    whole -= _box_sum(padded[1:-1, 1:-1], inner)
    whole *= np.float32(1 / (outer**2 - inner**2))
    return whole


def _box_sum(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Sum of squares of an odd side, where they fit."""
    rows, cols = (n - side + 1 for n in image.shape)
    down = image[:rows].copy()
    for i in range(1, side):
        down += image[i : i + rows]
    out = down[:, :cols].copy()
    for i in range(1, side):
        out += down[:, i : i + cols]
    return out
