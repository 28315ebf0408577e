"""Plateaus of a bar target behind a blur with long tails: the whole target fitted as blurred bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage, optimize

from coldray.metrology.bars.grating import Grating
from coldray.metrology.bars.group import Roi
from coldray.metrology.bars.targets import Target

TAILS_PX = (1.0, 2.0, 3.0, 4.5, 7.0, 11.0, 17.0)
"""Reaches a of the line spreads exp(-|x| / a) / 2a that make up the blur, beside a sharp core."""
GAUSSIANS_PX = (1.5, 3.0)
SHORT_PX = 6.0
"""Without tails longer than this the fit is repeated; what changes is uncertain."""
SMOOTHED_PX = 2.0
"""Image and model are smoothed by this before they are compared: shape and place of edges hardly matter then."""
AROUND_PX = 80
BAR_END_PX = 8.0
STRANGE = 0.15
"""What differs from the background by more than this part of the contrast and is no bar is left out."""
FEWEST_PIXELS = 200
"""Pixels away from the ends of the bars that the fit needs."""
SAME_MATERIAL = (0.9, 1.45)
"""Contrast of a solid patch of bar material over that which the mean of the bars implies at 50 % duty."""
COARSE = 0.05
"""Bars 10 pixels wide or wider [cycles/pixel] reach their plateau."""
PLATEAU_ERROR = 0.005
"""Relative error of the plateau contrast that is told; half of it makes the fitted plateaus count."""
WORST_MISFIT = 0.02
"""Largest rms over the contrast that the model of a target may leave over."""
READING = 0.001
"""Relative standard uncertainty of a plateau contrast without noise or tails."""
OF_MISFIT = 0.4
"""Error of a plateau contrast over the misfit, which is that of smoothed noise: a patch is a few such areas wide."""
COARSEST = "coarsest group"
NO_PATCH = "no bars 10 pixels wide or solid patch: plateaus follow from the mean of 50 % duty groups"

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Levels:
    """Fitted levels of open background and endless bar material.

    `uncertainty` is what the contrast loses without the longest tails, `misfit` the rms of what the
    model leaves over, both over the contrast; `solid` tells whether a solid patch took part.
    """

    background: float
    material: float
    uncertainty: float
    misfit: float
    solid: bool


def solid_patches(target: Target) -> list[tuple[float, Mask]]:
    """Patches whose contrast is that of the bars, by the mean of the groups (50 % duty)."""
    implied = 2 * float(np.median([g.mean for g, _ in target.groups])) - 2 * target.background
    if implied == 0:
        return []
    ratio = [(level - target.background) / implied for level, _ in target.patches]
    return [p for p, r in zip(target.patches, ratio, strict=True) if SAME_MATERIAL[0] <= r <= SAME_MATERIAL[1]]


def fitted_levels(image: Float, target: Target) -> Levels | None:
    """Background and bar level from a non-negative sum of blurs of the bars and patches that were found.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        What the target was found in.
    target : Target

    Returns
    -------
    Levels or None
        None where the fit gives no contrast.

    Notes
    -----
    A mixture of exponential line spreads describes phosphor screens and glare; its weights add up to
    the contrast without blur. Bars that reach the border of the image are taken to go on beyond it.
    """
    solids = solid_patches(target)
    background = target.background
    implied = 2 * (float(np.median([g.mean for g, _ in target.groups])) - background)
    contrast = float(np.median([level for level, _ in solids])) - background if solids else implied
    if contrast == 0:
        return None
    depth = (ndimage.gaussian_filter(image, SMOOTHED_PX, mode="nearest") - background) / contrast
    cover, used = np.zeros(image.shape), np.ones(image.shape, dtype=bool)
    for grating, mask in target.groups:
        _add_bars(cover, used, grating, mask, depth, np.sign(contrast))
    for level, mask in target.patches:
        if not np.any(cover[mask] > 0):
            share = (level - background) / contrast
            np.maximum(cover, min(share, 1.0) * _coverage(image, mask, background, level), out=cover)
    near = ndimage.distance_transform_edt(cover == 0)
    used &= ~ndimage.binary_dilation((np.abs(depth) > STRANGE) & (near > BAR_END_PX), iterations=10)
    rows, cols = np.nonzero(cover)
    window = tuple(
        slice(max(int(a.min()) - AROUND_PX, 0), min(int(a.max()) + 1 + AROUND_PX, n))
        for a, n in zip((rows, cols), image.shape, strict=True)
    )
    thin = np.s_[::2, ::2]
    used, depth = used[window][thin], depth[window][thin]
    weight = cover[window][thin][used]
    if weight.size < FEWEST_PIXELS or not weight.any():
        return None
    blurred = [b[thin][used] for b in _blurred(cover[window])]
    ramps = np.meshgrid(*(np.linspace(-1, 1, n) for n in cover[window].shape), indexing="ij")
    v, u = (np.asarray(ramp[thin][used], dtype=np.float64) for ramp in ramps)
    v, u = v - np.average(v, weights=weight), u - np.average(u, weights=weight)
    plane = [s * t for t in (np.ones_like(v), v, u) for s in (1, -1)]
    first = len(plane)
    triangle = np.asarray(np.linalg.qr(np.stack([*plane, *blurred, depth[used]], axis=1), mode="r"))
    design, values = triangle[:, :-1], triangle[:, -1]
    long = np.r_[np.zeros(first + 1 + len(GAUSSIANS_PX), dtype=bool), np.array(TAILS_PX) > SHORT_PX]
    fit, left = optimize.nnls(design, values)
    short = optimize.nnls(design[:, ~long], values)[0]
    total = float(fit[first:].sum())
    if not total > 0:
        return None
    open_level = background + contrast * float(fit[0] - fit[1])
    return Levels(
        open_level,
        open_level + contrast * total,
        abs(total - float(short[first:].sum())) / total,
        float(left) / np.sqrt(np.count_nonzero(used)) / total,
        bool(solids),
    )


def _add_bars(cover: Float, used: Mask, grating: Grating, mask: Mask, depth: Float, sign: float) -> None:
    """Draw the bars of a group, whole and in phase with the fit, and leave out the surroundings of their ends."""
    v, u = grating.wave
    frequency = grating.frequency
    middle = (np.arctan2(grating.sine[0], grating.cosine[0]) / (2 * np.pi)) + (0.0 if sign > 0 else 0.5)
    y, x = np.ogrid[: cover.shape[0], : cover.shape[1]]
    phase = v * (y - grating.origin[0]) + u * (x - grating.origin[1]) - middle
    along = (v * (x - grating.origin[1]) - u * (y - grating.origin[0])) / frequency
    half = 0.5 * float(np.median(depth[mask]))
    inside = mask & (depth > half)
    low, high = np.quantile(phase[inside], [0.005, 0.995])
    first, last = np.round(low + 0.25), np.round(high - 0.25)
    number = np.clip(np.round(phase), first, last)
    bar = np.clip((0.25 - np.abs(phase - number)) / frequency + 0.5, 0, 1)
    ends = [float(e) for e in np.quantile(along[inside], [0.002, 0.998])]
    beside = (phase > low - 20 * frequency) & (phase < high + 20 * frequency)
    for side, end in zip((-1, 1), ends, strict=True):
        rim = mask & (side * (along - end) > -1.5)
        rows, cols = np.nonzero(rim)
        at_border = (
            rows.size == 0
            or min(rows.min(), cols.min(), cover.shape[0] - 1 - rows.max(), cover.shape[1] - 1 - cols.max()) <= 1
        )
        if not at_border:
            bar = bar * np.clip(0.5 - side * (along - end), 0, 1)
            used &= ~(beside & (np.abs(along - end) < BAR_END_PX))
    np.maximum(cover, bar, out=cover)


def _coverage(image: Float, mask: Mask, background: float, level: float) -> Float:
    """Share of every pixel inside the half-level line of a solid patch."""
    relative = (image - background) / (level - background)
    near = ndimage.binary_dilation(mask, iterations=2)
    rows, cols = np.nonzero(near)
    window = np.s_[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    smooth = ndimage.gaussian_filter(relative[window], 1.0, mode="nearest")
    slope = np.maximum(np.hypot(*np.gradient(smooth)), 0.02)
    out = np.zeros(image.shape)
    out[window] = np.where(near[window], np.clip(0.5 + (smooth - 0.5) / slope, 0, 1), 0.0)
    return out


def _blurred(cover: Float) -> list[Float]:
    """The object behind every blur of the mixture, the sharp core first, all smoothed alike."""
    padded = np.pad(cover, AROUND_PX, mode="edge")
    shape = tuple(scipy.fft.next_fast_len(n, real=True) for n in padded.shape)
    spectrum = scipy.fft.rfft2(padded, shape)
    f2 = np.fft.fftfreq(shape[0])[:, None] ** 2 + np.fft.rfftfreq(shape[1])[None, :] ** 2
    spectrum *= np.exp(-2 * (np.pi * SMOOTHED_PX) ** 2 * f2)
    inner = tuple(slice(AROUND_PX, AROUND_PX + n) for n in cover.shape)
    return [scipy.fft.irfft2(spectrum * t, shape)[inner] for t in transfers(f2)]


def transfers(squared_frequency: Float) -> list[Float]:
    """Transfer of every blur of the mixture at squared frequencies [(cycles/pixel)^2]."""
    narrow = [np.ones_like(squared_frequency)]
    narrow += [np.exp(-2 * (np.pi * s) ** 2 * squared_frequency) for s in GAUSSIANS_PX]
    return narrow + [1 / (1 + (2 * np.pi * a) ** 2 * squared_frequency) for a in TAILS_PX]


def plateaus(
    found: list[tuple[Grating, Roi]], image: Float | None, target: Target | None, warnings: list[str]
) -> tuple[tuple[float, float], str, float]:
    """Levels of modulation 1, as measured or as fitted with the blur where that moves them.

    Returns
    -------
    levels, source, uncertainty
        Levels, where they came from, and the relative standard uncertainty of their difference.
    """
    levels, source, assumed = _measured_plateau(found, target)
    if target is None or not target.groups or image is None:
        if assumed:
            warnings.append(assumed)
        loss = _own_loss(found, levels)
        if loss > PLATEAU_ERROR:
            warnings.append(
                f"normalised to the coarsest group, at {found[0][0].frequency:.3f} cycles/pixel, whose own CTF is about "
                f"{1 - loss:.2f}: all CTFs are too high by about {100 * loss / (1 - loss):.0f} %; give plateau levels"
            )
        return levels, source, float(np.hypot(READING, loss / (1 - loss)))
    fit = fitted_levels(image, target)
    if fit is None:
        return levels, source, PLATEAU_ERROR
    contrast = abs(fit.material - fit.background)
    change = abs(abs(levels[1] - levels[0]) / contrast - 1)
    own = 2 * found[0][0].extreme_sd / contrast if source == COARSEST else 0.0
    if fit.misfit < WORST_MISFIT and (change > PLATEAU_ERROR / 2 or assumed):
        levels = (fit.background, fit.material)
        source = "solid patch and background" if fit.solid else "background and mean of the groups"
        source += ", tails of the blur fitted"
        assumed = "" if fit.solid else NO_PATCH
        change, own = fit.uncertainty, 0.0
    if assumed:
        warnings.append(assumed)
    if change > PLATEAU_ERROR:
        warnings.append(
            f"the blur reaches so far that the plateaus are uncertain: all CTFs may be wrong by {100 * change:.1f} %; "
            "give plateau levels, or more room around a wider solid patch"
        )
    return levels, source, float(np.linalg.norm([READING, change, own, OF_MISFIT * fit.misfit]))


def _measured_plateau(found: list[tuple[Grating, Roi]], target: Target | None) -> tuple[tuple[float, float], str, str]:
    """Levels read from a solid patch, the coarsest group, or the mean of the groups; and what that assumes."""
    coarse = found[0][0]
    low, high = coarse.extremes
    if target is not None and target.groups and target.patches:
        background = target.background
        solids = [level for level, _ in solid_patches(target)]
        if solids:
            return (background, float(np.median(solids))), "solid patch and background", ""
    if coarse.frequency <= COARSE:
        return (low, high), COARSEST, ""
    if target is not None:
        background = target.background
        level = 2 * float(np.median([g.mean for g, _ in found])) - background
        return (background, level), "background and mean of the groups", NO_PATCH
    return (low, high), COARSEST, ""


def _own_loss(found: list[tuple[Grating, Roi]], levels: tuple[float, float]) -> float:
    """What the plateaus of the coarsest group lack, by a mixture of blurs through all harmonics that are seen."""
    frequency, swing = [], []
    for grating, _ in found:
        seen = grating.seen & (grating.order % 2 == 1)
        frequency += list(grating.frequency * grating.order[seen])
        swing += list(np.pi / 2 * grating.amplitude[seen] * grating.order[seen])
    f, y = np.array(frequency), np.array(swing)
    mixture = np.stack([t for t in transfers(f**2)], axis=1)
    total = float(optimize.nnls(mixture, y)[0].sum())
    return max(0.0, 1 - abs(levels[1] - levels[0]) / total) if total > 0 else 0.0
