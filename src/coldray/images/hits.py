"""Direct hits and dead pixels in frames of an object: pixels sharper than the detector's MTF allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.images._clusters import clusters
from coldray.images._prediction import OUTLIERS, REACH_PX, SCREEN_LEVELS, SCREEN_TOP, Predictor
from coldray.images._rings import ring_mean
from coldray.images._shapes import REACH_PX as SHAPE_REACH_PX
from coldray.images._shapes import has_shape, learn, surroundings
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.scratch import copied, strips, zeros

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
BRIGHTEST, BRIGHT_QUANTILE = 1.2, 0.9
"""How bright an object may be at most, in units of the open beam or, where that is brighter, of this quantile of the image."""
LARGEST_CLUSTER_PX, LARGEST_SPOT_PX = 9, 15
"""Marked pixels that adjoin each other are taken back where they reach farther than this: what an object may be as bright as, and the
rest."""
NOISE_ROUNDS, NOISE_AGREES = 2, 0.75
"""Times that the level of the noise is taken from the image, and how far its power must fall, once hits are replaced, for another."""
LARGEST_PASSES = 40
FILLING_PASSES = 30
"""Times that the replaced pixels are predicted from each other at most, so that a cluster is filled from its rim inwards."""
FILLED_SHARE = 0.01
"""Pixels are predicted again while they change by more than this share of their standard deviation."""
LEARNED_FROM, LEARNED_ROUNDS = 0.002, 2
"""Share of replaced pixels from which on they are filled in by what the image itself shows (fewer cost under 0.1 dB anyway), and
how often."""
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

    Whatever the neighbours show, no object between opaque and the open beam exceeds a bound, see `coldray.images._bound`:
    bright pixels beyond it and the noise are marked however busy their surroundings are. A hit below the bound is found
    only where the neighbours leave no room for it: before a detector that is sharp for its pixels the bound is high.

    References
    ----------
    Cressie, Statistics for Spatial Data (1993), ordinary kriging.
    """
    pixels = np.asanyarray(image)
    if pixels.ndim != 2 or min(pixels.shape) < 16:
        raise ImageError(f"hits are looked for in one frame of at least 16 x 16 pixels; found shape {pixels.shape}")
    if not np.all(np.isfinite(pixels)):
        raise ImageError("the image holds NaN or infinite pixels; replace them first")
    if known is not None and (known.dtype != np.bool_ or known.shape != pixels.shape or known.all()):
        raise ImageError(f"`known` must be bool of shape {pixels.shape}, and not true everywhere")
    filled = copied(pixels if known is None else _from_nearest(pixels, known), np.float64)
    marked = zeros(pixels.shape, np.int8)
    if known is not None:
        padding = padding_of(known)
        marked[known] = _KNOWN
        if padding is not None:
            marked[padding] = _PADDING
    single = Predictor(mtf, noise, 0, pixels.shape)
    _fill(filled, marked, single)
    some = np.concatenate([np.asarray(filled[rows][::4, ::4]) for rows in strips(filled.shape, 4)])
    top = BRIGHTEST * max(1.0, float(np.quantile(some, BRIGHT_QUANTILE)))
    _take_brighter_than_any_object(filled, marked, single, top, threshold)
    for number in range(NOISE_ROUNDS):
        factor = single.noise_factor(filled)
        if number and factor > NOISE_AGREES:
            break
        noise = noise.scaled(factor)
        single = Predictor(mtf, noise, 0, pixels.shape)
        _peel(filled, marked, single, threshold, top)
    where = _fill(filled, marked, single)
    # what was marked beside a hit before that was replaced, and agrees with what stands there now
    right = where[marked.flat[where] != _KNOWN]
    right = right[
        np.abs(single.stand_out(filled, right, threshold, top, pixels.flat[right].astype(np.float64))[0])
        < PART_SHARE * threshold
    ]
    filled.flat[right], marked.flat[right] = pixels.flat[right], 0
    for hole in CLUSTER_HOLES_PX:
        _peel(filled, marked, Predictor(mtf, noise, hole, pixels.shape), threshold, top, beside=True)
    _keep_borders(pixels, filled, marked, top)
    _fill_by_shape(filled, marked, single, _fill(filled, marked, single))
    found = (marked != 0) & (marked < _KNOWN)
    where = np.flatnonzero(found)
    bright = zeros(found.shape, np.bool_)
    bright.flat[where] = pixels.flat[where] > filled.flat[where]
    return Hits(bright, found & ~bright, copied(filled, np.float32))


_BRIGHT, _DARK, _KNOWN, _PADDING = 1, -1, 2, 3


def padding_of(known: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Connected parts of a mask that reach farther from any measured pixel than a prediction does; None if none do."""
    deep = scipy.ndimage.binary_erosion(known, np.ones((2 * REACH_PX + 1,) * 2, dtype=bool), border_value=1)
    return np.asarray(scipy.ndimage.binary_propagation(deep, mask=known)) if deep.any() else None


def _from_nearest(pixels: NDArray[np.number], known: NDArray[np.bool_]) -> NDArray[np.number]:
    """The image with pixels that are known to be none replaced by the nearest that is one."""
    nearest = scipy.ndimage.distance_transform_edt(known, return_distances=False, return_indices=True)
    return np.asarray(pixels[tuple(nearest)])


def _fill(filled: Float, marked: NDArray[np.int8], single: Predictor) -> NDArray[np.intp]:
    """Predict the marked pixels from each other and the rest, in place; returns where."""
    where = np.flatnonzero((marked != 0) & (marked != _PADDING))
    if not where.size:
        return where
    measured = marked == 0
    low = float(filled.min(where=measured, initial=np.inf))
    high = float(filled.max(where=measured, initial=-np.inf))
    left, step = where, single.step(marked != 0, where)
    for _ in range(FILLING_PASSES):
        if not left.size:
            break
        guess, spread = single.filling(filled, left)
        change = step * (np.clip(guess, low, high) - filled.flat[left])
        filled.flat[left] += change
        moved = np.abs(change) > FILLED_SHARE * spread
        left, step = left[moved], step[moved]
    return where


def _fill_by_shape(filled: Float, marked: NDArray[np.int8], single: Predictor, where: NDArray[np.intp]) -> None:
    """Predict replaced pixels with structure around, in place, as the middle follows from such surroundings elsewhere in the image.

    Single ones and pairs only: what is filled in itself tells no shape.
    """
    if where.size < LEARNED_FROM * filled.size:
        return
    absent = marked != 0
    together = np.rint(9 * scipy.ndimage.uniform_filter(absent.astype(np.float64), 3, mode="constant"))
    where = where[together.flat[where] <= 1 + OUTLIERS]
    near_padding = scipy.ndimage.binary_dilation(marked == _PADDING, np.ones((2 * SHAPE_REACH_PX + 1,) * 2, dtype=bool))
    where = where[~near_padding.flat[where]]
    measured = np.flatnonzero(~absent & ~near_padding)
    shapes = learn(filled, measured, single.variance(filled.flat[measured]))
    if shapes is None:
        return
    low, high = float(filled.flat[measured].min()), float(filled.flat[measured].max())
    for _ in range(LEARNED_ROUNDS):
        near, mean = surroundings(filled, where)
        shown = has_shape(near, single.variance(mean))
        filled.flat[where[shown]] = np.clip(shapes.middle(near[shown], mean[shown]), low, high)


def _take_brighter_than_any_object(
    filled: Float, marked: NDArray[np.int8], single: Predictor, top: float, threshold: float
) -> None:
    """Mark and replace, in place, spots that no object can be as bright as, whatever surrounds them."""
    over = (filled > top + threshold * single.brightest_noise) & (marked == 0)
    if not over.any():
        return
    for box, part, side in clusters(over):
        if side <= LARGEST_SPOT_PX:
            marked[box][part] = _BRIGHT
            around = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in box)
            filled[around] = _from_nearest(filled[around], marked[around] != 0)
    _fill(filled, marked, single)


def _keep_borders(pixels: NDArray[np.number], filled: Float, marked: NDArray[np.int8], top: float) -> None:
    """Give up, in place, marks that run on: a border sharper than the detector (padding, a large spot) is no hit."""
    found = (marked != 0) & (marked < _KNOWN)
    if not found.any():
        return
    for box, part, side in clusters(found):
        if side > LARGEST_CLUSTER_PX:
            given_up = part if side > LARGEST_SPOT_PX else part & (pixels[box] <= top)
            marked[box][given_up] = 0
            filled[box][given_up] = pixels[box][given_up]


def _peel(
    filled: Float,
    marked: NDArray[np.int8],
    predictor: Predictor,
    threshold: float,
    top: float,
    beside: bool = False,
) -> None:
    """Mark and replace, in place, what stands out; the largest of every neighbourhood first.

    With `beside` parts of a cluster must also be brighter than what surrounded them before any was replaced: a cluster too
    large for the hole is predicted wrongly, and its neighbours by that.
    """
    look = _screen(filled, predictor, threshold, top)
    if not look.size:
        return
    before = filled if beside else None
    kept_back, again = np.empty(0, dtype=np.intp), predictor.hole == 0
    own = marked.ravel() >= _KNOWN
    for _ in range(LARGEST_PASSES):
        if not look.size:
            # once more, for what a replaced pixel that still stands out kept back
            look = _distinct(kept_back[~own[kept_back]], filled.size)
            if not again or not look.size:
                return
            again = False
        score, excess, guess = predictor.stand_out(filled, look, threshold, top)
        over = np.flatnonzero((np.abs(score) if predictor.hole == 0 else score) > threshold)
        at = look[over]
        # a hit makes its neighbours stand out too, and by less: the largest first
        size = np.abs(excess[over])
        found = size >= _largest(size, at, predictor.square(at))
        if predictor.hole:
            parts = np.flatnonzero(score > PART_SHARE * threshold)
            parts = parts[own[predictor.square(look[parts], 1)].any(axis=1)]
            chosen = np.union1d(over[found], parts)
        else:
            chosen = over[found]
        if again:
            kept_back = np.append(kept_back, at[~found])
        chosen = chosen[~own[look[chosen]]]
        if before is not None:
            chosen = chosen[predictor.stands_out(before, look[chosen], SCREENED_SHARE * threshold)]
        at = look[chosen]
        if before is filled and at.size:
            before = copied(filled, np.float64)
        own[at] = True
        marked.flat[at] = np.sign(score[chosen])
        filled.flat[at] = guess[chosen]
        look = _distinct(predictor.square(at), filled.size)


def _largest(size: Float, at: NDArray[np.intp], around: NDArray[np.intp]) -> Float:
    """Largest of the sizes of places, in order, among those around each."""
    if not at.size:
        return size
    place = np.minimum(np.searchsorted(at, around), at.size - 1)
    return np.asarray(np.where(at[place] == around, size[place], 0.0).max(axis=1))


def _screen(image: Float, predictor: Predictor, threshold: float, top: float) -> NDArray[np.intp]:
    """Places in the flat image of pixels that may stand out, by the neighbours that adjoin the hole.

    Notes
    -----
    Pixels count that differ from the mean of what adjoins the hole by half of what would be marked if the neighbours showed
    no object at all, and from a surface of second degree through eight of them by half of what would be marked if they
    alone told how strong the object is; and those around them, which decide what is marked first.
    """
    step = predictor.hole + 1
    limits = SCREENED_SHARE * threshold * predictor.least_deviations.astype(np.float32)
    strong, by = [np.empty(0, dtype=np.intp)], [np.empty(0)]
    for of_strip in strips(image.shape, pixels=SCREEN_ROWS * image.shape[1]):
        first = of_strip.start
        part = _with_reflected(image, first, of_strip.stop, step)
        ring = ring_mean(part, predictor.hole)
        excess = part[step:-step, step:-step] - ring
        could = excess > limits[0].min()
        if predictor.hole == 0:
            could |= excess < -limits[1].min()
        places = np.flatnonzero(could)
        excess, ring = excess.ravel()[places], ring.ravel()[places]
        at = np.clip(ring * np.float32(SCREEN_LEVELS / SCREEN_TOP), 0, SCREEN_LEVELS - 1).astype(np.uint8)
        seen = excess > limits[0][at]
        if predictor.hole == 0:
            seen |= excess < -limits[1][at]
        places, at = places[seen], at[seen]
        bend = _bend(part, places, step)
        over = bend > np.minimum(limits[0], limits[1])[at]
        strong.append(places[over] + first * image.shape[1])
        by.append(bend[over].astype(np.float64))
    where = np.concatenate(strong)
    where = where[
        np.concatenate(by) > SCREENED_SHARE * threshold * predictor.least_spread(image, where, threshold, top)
    ]
    return _distinct(predictor.square(where), image.size)


def _with_reflected(image: Float, first: int, last: int, margin: int) -> NDArray[np.float32]:
    """Rows of an image in single precision, with so many pixels more on all sides, reflected at the image's borders."""
    rows, cols = image.shape
    out = np.empty((last - first + 2 * margin, cols + 2 * margin), dtype=np.float32)
    seen = np.arange(first - margin, last + margin)
    seen = np.abs(np.where(seen < rows, seen, 2 * (rows - 1) - seen))
    inside = slice(max(margin - first, 0), min(rows + margin - first, len(out)))
    out[inside, margin:-margin] = image[seen[inside][0] : seen[inside][-1] + 1]
    for beyond in (slice(0, inside.start), slice(inside.stop, None)):
        out[beyond, margin:-margin] = image[seen[beyond]]
    out[:, :margin] = out[:, 2 * margin : margin : -1]
    out[:, -margin:] = out[:, -margin - 2 : -2 * margin - 2 : -1]
    return out


def _bend(padded: NDArray[np.float32], places: NDArray[np.intp], step: int) -> NDArray[np.float32]:
    """How far pixels, flat places, differ from a surface of second degree through eight pixels `step` away."""
    width = padded.shape[1]
    row, col = np.divmod(places, width - 2 * step)
    middle = (row + step) * width + col + step

    def pixels(down: int, right: int) -> NDArray[np.float32]:
        return np.take(padded, middle + step * (down * width + right))

    sides = pixels(0, -1) + pixels(0, 1)
    poles = pixels(-1, 0) + pixels(1, 0)
    corners = (pixels(-1, -1) + pixels(1, -1)) + (pixels(-1, 1) + pixels(1, 1))
    return np.abs(pixels(0, 0) - np.float32(0.5) * (sides + poles) + np.float32(0.25) * corners)


def _distinct(places: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Every place once, in order."""
    there = np.zeros(size, dtype=bool)
    there[places] = True
    return np.flatnonzero(there)
