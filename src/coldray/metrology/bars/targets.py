"""Find bar groups and solid patches in a radiograph of a target on an even background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError
from coldray.metrology.bars.grating import Grating, fit_grating

CLOSINGS = (0, 1, 2, 3, 5, 8, 12, 18, 27)
"""Gap half-widths [pixels] that are bridged, one after the other, to join bars into a group."""
FEWEST_PIXELS = 60
SIGNIFICANT = 8.0
"""Fundamental amplitude over its standard error that makes a region a group."""
PATCH_RADIUS = 6.0
FILLED = 0.8
CLEAR, COARSE = 1.5, 0.15
"""Bars coarser than this [cycles/pixel] swing by more than 1.5 times what the fit leaves over; finer, by a third."""
DRAFT_PIXELS = 4000
PLATE_SHARE = 0.01
PLATE_EDGE = 5
"""Rim of a plate left out [pixels], where its blurred edge falls off."""
NARROWEST = 8.5
"""Extent of a group across its bars [pixels]; the curved top of a single narrower bar is no group."""
ALIKE, BESIDE = 0.08, (1.2, 5.2)
"""Bars of one row differ in size by no more than this part of their width, and lie so many widths apart."""
LONG, LEVEL = 2.0, 0.5
"""A bar is longer than so many widths, and the next one of its row shifted along it by less than this part of its length."""
THINNEST = 5
"""Specks of fewer pixels across are no bars, nor alike to one of 6."""
MONOTONE = 0.8
FAINT_PERIODS, FAINT_SIGNIFICANT, FAINT_SHARE = 2.9, 15.0, 0.01
"""Bars that swing little within their group count from so many periods, standard errors and part of its depth on."""

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Target:
    """Groups found, each with its mask, the level of the background, and solid patches with theirs."""

    groups: list[tuple[Grating, Mask]]
    background: float
    patches: list[tuple[float, Mask]]


def find_groups(image: Float, depth: int = 3) -> Target:
    """Gratings of an image, found by joining what differs from the background at growing gaps.

    A region counts as a group at the smallest gap at which a grating stands out in it. Where there
    is none, large solid regions (plates that carry the bars) are searched in the same way.
    """
    target, plates = _search(image)
    if target.groups or depth == 0:
        return target
    inside = [_inside(image, plate, depth) for plate in plates]
    return max(inside, key=lambda t: len(t.groups), default=target)


def _inside(image: Float, plate: Mask, depth: int) -> Target:
    """Search a plate, with its own level put around it."""
    rows, cols = np.nonzero(plate)
    window = np.s_[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    core = ndimage.binary_erosion(plate[window], iterations=PLATE_EDGE)
    if core.sum() < FEWEST_PIXELS:
        return Target([], 0.0, [])
    found = find_groups(np.where(core, image[window], _mode(image[window][core])), depth - 1)
    groups = [(_moved(grating, window), _spread(mask, window, image.shape)) for grating, mask in found.groups]
    patches = [(level, _spread(mask, window, image.shape)) for level, mask in found.patches]
    return Target(groups, found.background, patches)


def _moved(grating: Grating, window: tuple[slice, ...]) -> Grating:
    """A grating of a window in the coordinates of the whole."""
    return replace(grating, origin=(grating.origin[0] + window[0].start, grating.origin[1] + window[1].start))


def _spread(mask: Mask, window: tuple[slice, ...], shape: tuple[int, ...]) -> Mask:
    """A mask of a window as one of the whole."""
    whole = np.zeros(shape, dtype=bool)
    whole[window] = mask
    return whole


def _search(image: Float) -> tuple[Target, list[Mask]]:
    """Groups on the common background, and large regions that may carry others."""
    smooth = ndimage.gaussian_filter(image, 1.0, mode="nearest")
    background = _mode(smooth)
    difference = smooth - background
    noise = 1.4826 * float(np.median(np.abs(ndimage.laplace(smooth)))) if image.size > 16 else 0.0
    top = float(np.quantile(np.abs(difference), 0.995))
    mask = np.abs(difference) > max(0.25 * top, 2 * noise)
    sign = 1.0 if difference[mask].sum() >= 0 else -1.0
    mask &= sign * difference > 0
    groups: list[tuple[Grating, Mask]] = []
    patches: list[tuple[float, Mask]] = []
    plates: list[Mask] = []
    refused: set[tuple[int, int, int, int]] = set()
    for radius in CLOSINGS:
        labels, _ = ndimage.label(_closed(mask, radius), structure=np.ones((3, 3)))
        places = [(n, p) for n, p in enumerate(ndimage.find_objects(labels), start=1) if _extent(p) >= THINNEST]
        bars = _in_rows([p for _, p in places]) if radius == 0 else np.zeros(len(places), dtype=bool)
        for (label, place), in_row in zip(places, bars, strict=True):
            region = labels[place] == label
            if region.sum() < FEWEST_PIXELS or min(region.shape) < 6:
                continue
            region = ndimage.binary_fill_holes(region)
            key = (place[0].start, place[1].start, place[0].stop, place[1].stop)
            if radius > 0 and key in refused and region.sum() < 1.02 * mask[place].sum():
                continue
            refused.add(key)
            if radius == 0 and region.sum() > PLATE_SHARE * image.size:
                plates.append(_spread(region, place, image.shape))
            grating = None if in_row else _grating_in(image[place], region, background)
            if grating is not None:
                groups.append((_moved(grating, place), _spread(region, place, image.shape)))
                mask[groups[-1][1]] = False
            elif radius == 0:
                level = _patch_level(image[place], region)
                if level is not None:
                    patches.append((level, _spread(region, place, image.shape)))
        if not mask.any():
            break
    groups.sort(key=lambda g: g[0].frequency)
    groups = [g for i, g in enumerate(groups) if _plausible(g[0], groups[i + 1 :])]
    return Target(groups, background, patches), plates


def _extent(place: tuple[slice, ...]) -> int:
    """Smaller side of a region's box [pixels]."""
    return min(s.stop - s.start for s in place)


def _in_rows(places: list[tuple[slice, ...]]) -> Mask:
    """Which regions are bars of one row: long, with two others of their size beside them, two widths apart and four.

    The blurred sides of a single broad bar look like a grating of a few periods.
    """
    if not places:
        return np.zeros(0, dtype=bool)
    box = np.array([[s.start, s.stop] for place in places for s in place], dtype=np.float64).reshape(-1, 2, 2)
    centre, size = box.mean(axis=2), box[..., 1] - box[..., 0]
    alike = np.abs(size[:, None] - size[None]).max(axis=2) <= np.maximum(1.0, ALIKE * size.min(axis=1))[:, None]
    narrow, each = size.argmin(axis=1), np.arange(len(places))
    off = np.abs(centre[:, None] - centre[None]) / size[:, None]
    apart, along = off[each, :, narrow], off[each, :, 1 - narrow]
    beside = alike & (apart > BESIDE[0]) & (apart < BESIDE[1]) & (along < LEVEL)
    return np.asarray((beside.sum(axis=1) >= 2) & (size.max(axis=1) > LONG * size.min(axis=1)))


def _plausible(grating: Grating, finer: list[tuple[Grating, Mask]]) -> bool:
    """Coarse bars show at least the modulation of finer ones; unresolved groups in a row do not."""
    modulation = grating.amplitude[0] / abs(grating.mean)
    return all(modulation > MONOTONE * g.amplitude[0] / abs(g.mean) for g, _ in finer)


def _grating_in(image: Float, region: Mask, background: float) -> Grating | None:
    """The grating under a region if a convincing one is there."""
    try:
        grating = fit_grating(image, region, DRAFT_PIXELS)
        if _convincing(grating, image, region, background) and region.sum() > DRAFT_PIXELS:
            grating = fit_grating(image, region)
    except (MeasurementError, np.linalg.LinAlgError):
        return None
    return grating if _convincing(grating, image, region, background) else None


def _convincing(grating: Grating, image: Float, region: Mask, background: float) -> bool:
    """True where a fit is strong, long and upright enough to be bars.

    On a screen with long tails fine bars swing by less than the group falls off towards its ends.
    """
    swing = float(np.std(image[region]))
    faint = (
        grating.frequency > COARSE
        and grating.periods > FAINT_PERIODS
        and grating.amplitude[0] > FAINT_SIGNIFICANT * grating.amplitude_sd
        and grating.amplitude[0] > FAINT_SHARE * abs(grating.mean - background)
    )
    return bool(
        grating.amplitude[0] > SIGNIFICANT * grating.amplitude_sd
        and grating.span > 2.2
        and grating.frequency < 0.7
        and grating.amplitude[0] > (CLEAR if grating.frequency < COARSE else CLEAR / 3) * grating.residual_sd
        and (grating.amplitude[0] > 0.2 * swing or faint)
        and grating.span / grating.frequency > NARROWEST
        and _filled(region, grating.wave) > FILLED
    )


def _filled(region: Mask, wave: tuple[float, float]) -> float:
    """Share of the upright-on-the-bars rectangle around a region that the region fills."""
    y, x = np.nonzero(region)
    direction = np.array(wave) / np.hypot(*wave)
    across, along = direction[0] * y + direction[1] * x, direction[1] * y - direction[0] * x
    return float(region.sum() / ((np.ptp(across) + 1) * (np.ptp(along) + 1)))


def _closed(mask: Mask, radius: int) -> Mask:
    """Closing by a disc, through distances."""
    if radius == 0:
        return mask
    rows, cols = np.nonzero(mask)
    if rows.size == 0:
        return mask
    top, left = max(rows.min() - radius, 0), max(cols.min() - radius, 0)
    window = np.s_[top : rows.max() + radius + 1, left : cols.max() + radius + 1]
    padded = np.pad(mask[window], radius + 1)
    grown = ndimage.distance_transform_edt(~padded) <= radius
    closed = ndimage.distance_transform_edt(grown) > radius
    out = mask.copy()
    out[window] |= closed[radius + 1 : -radius - 1, radius + 1 : -radius - 1]
    return out


def _patch_level(image: Float, region: Mask) -> float | None:
    """Level of a solid patch away from its edges; None for thin or structured regions."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    core = depth > max(PATCH_RADIUS, 0.6 * float(depth.max()))
    if core.sum() < FEWEST_PIXELS:
        return None
    return float(np.median(image[core]))


def _mode(image: Float) -> float:
    """Most common level: the middle of the shortest interval that holds a quarter of the pixels."""
    values = np.sort(image, axis=None)
    quarter = max(values.size // 4, 1)
    width = values[quarter:] - values[:-quarter]
    start = int(np.argmin(width))
    return float(np.median(values[start : start + quarter]))
