"""Bar patterns: CTF of every group, peak to valley and by its fundamental, and the MTF behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.bars.checks import RESOLVED, compare, flag
from coldray.metrology.bars.coltman import continued_ctf, mtf_from_ctf
from coldray.metrology.bars.grating import Grating, fit_grating
from coldray.metrology.bars.group import BarGroup, Roi
from coldray.metrology.bars.plateau import plateaus
from coldray.metrology.bars.targets import Target, find_groups
from coldray.metrology.inputs import ROUNDING, as_frame, check_pitch, crop, crop_mask, joined_mask
from coldray.metrology.strays import without_strays
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Radiograph

EQUAL = 1e-6
"""Relative distance of group frequencies that count as one."""
FULL_REGION = 0.85
MANY_PERIODS, BARS_ALONE = 6.0, 0.5
"""Periods, and part of the variance in the fundamental (0.81 of a square wave), of bars that are all an image holds."""
GUESSED = 0.01
"""Part of a Coltman MTF from beyond the finest group that is told."""
SYSTEMATIC = 0.0015
"""Standard uncertainty of a CTF from bars taken as endless and harmonics that the sampling does not tell apart."""
STUDENT = 2.2
"""Factor of k = 2 for noise that is read at twelve places."""
REFUSED = 1.2
"""A CTF that no table should hold."""
SAME_ANGLE_DEG, FEWEST_FOR_ANGLE = 0.3, 3
"""Distance of the tilt from that of most groups, and how many there must be, for an alias to be read as the finer bars."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BarsMeasurement:
    """CTF of all groups of a target.

    Parameters
    ----------
    groups : tuple of BarGroup
        By rising frequency.
    mtf : tuple of float
        Coltman MTF at the group frequencies; beyond the finest group the CTF is taken to fall exponentially.
    plateau : tuple of float
        The two levels that count as modulation 1.
    plateau_source : str
        Where they came from.
    warnings : tuple of str
    """

    groups: tuple[BarGroup, ...]
    mtf: tuple[float, ...]
    plateau: tuple[float, float]
    plateau_source: str
    warnings: tuple[str, ...] = ()

    @property
    def ctf_curve(self) -> FrequencyCurve:
        """CTF through the groups, 1 at zero."""
        return _curve([g.frequency_lp_mm for g in self.groups], [g.ctf for g in self.groups])

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure bars`."""
        return {
            "groups": [
                {
                    "frequency_lp_mm": g.frequency_lp_mm,
                    "ctf": g.ctf,
                    "ctf_sd": g.ctf_sd,
                    "ctf_low": g.ctf_low,
                    "ctf_high": g.ctf_high,
                    "mtf_fundamental": g.mtf,
                    "angle_deg": g.angle_deg,
                    "periods": g.periods,
                    "roi": list(g.roi),
                }
                for g in self.groups
            ],
            "mtf": list(self.mtf),
            "plateau": list(self.plateau),
            "plateau_source": self.plateau_source,
            "warnings": list(self.warnings),
        }


def bars_ctf(
    image: NDArray[np.number] | Radiograph,
    pixel_pitch_mm: float,
    rois: Sequence[Roi] | Roi | None = None,
    *,
    plateau: tuple[float, float] | None = None,
    frequencies_lp_mm: Sequence[float] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> BarsMeasurement:
    """Measure the CTF of the bar groups in an image.

    Parameters
    ----------
    image : ndarray (rows, cols) or Radiograph
        Linear intensities.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    rois : sequence of (X, Y, W, H) or one of them [pixels], optional
        One region is searched for groups; several hold one group each. The whole image is searched by
        default, on an even background.
    plateau : tuple of float, optional
        Levels of a wide bar and a wide space. By default a solid patch of bar material and the
        background, else the coarsest group, else what the mean of a 50 % duty group implies.
    frequencies_lp_mm : sequence of float, optional
        Nominal frequencies of the regions; a warning tells where the image disagrees (aliasing).
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count (bad or replaced); joined with the mask of a Radiograph.

    Returns
    -------
    BarsMeasurement

    Raises
    ------
    MeasurementError
        If no group is found, a region leaves the image or holds no grating, or the plateaus are equal.

    Notes
    -----
    A harmonic series is fitted to the pixels of the inner bars, so neither the sampling phase nor the
    tilt matters; harmonics above Nyquist count where the tilt tells them from their aliases. Bars are
    taken as endless: the outer ones are left out where there are enough. Duty is taken as 50 %.

    References
    ----------
    Coltman, J. Opt. Soc. Am. 44 (1954) 468; Droege and Morin, Med. Phys. 9 (1982) 758.
    """
    pitch = check_pitch(pixel_pitch_mm)
    mask = joined_mask(image, mask)
    pixels, warnings = as_frame(image, mask)
    pixels, mask = without_strays(pixels, mask, warnings, _directions_deg)
    regions: list[Roi] | None
    if rois is None:
        regions = None
    elif len(rois) == 4 and np.ndim(rois) == 1:
        regions = [rois]  # type: ignore[list-item]
    else:
        regions = list(rois)  # type: ignore[arg-type]
    found: list[tuple[Grating, Roi]]
    target: Target | None = None
    region: Float | None = None
    if regions is None or len(regions) == 1:
        place = None if regions is None else regions[0]
        region, bad = crop(pixels, place), crop_mask(mask, place)
        target = _refitted(find_groups(region), region, bad)
        found = [(g, _box(inside, *(place or (0, 0))[:2])) for g, inside in target.groups]
        if len(found) < 2 and place is not None:
            found = [_single(region, place, target, bad)]
        elif _filled_with_bars(region, target, bad):
            found, target = [_single(region, (0, 0, region.shape[1], region.shape[0]), target, bad)], None
        if not found:
            raise MeasurementError("no bar group found; give `roi` around one group, on linear intensities")
    else:
        found = []
        for r in regions:
            part, bad = crop(pixels, r), crop_mask(mask, r)
            found.append(_single(part, r, _refitted(find_groups(part), part, bad), bad))
    if frequencies_lp_mm is not None:
        compare(found, frequencies_lp_mm, pitch, warnings)
    found = _unfolded(found)
    found.sort(key=lambda item: item[0].frequency)
    if plateau is not None:
        levels, source, uncertain = plateau, "given", 0.0
    else:
        levels, source, uncertain = plateaus(found, region, target, warnings)
    bright, dark = max(levels), min(levels)
    if not bright > dark or not bright + dark > 0:
        raise MeasurementError(f"plateau levels {levels} must differ and have a positive mean; use linear intensities")
    groups = tuple(_group(g, roi, bright - dark, uncertain, pitch) for g, roi in found)
    strongest = max(groups, key=lambda g: g.ctf - 2 * g.ctf_sd)
    if plateau is None and strongest.ctf - 2 * strongest.ctf_sd > REFUSED:
        raise MeasurementError(
            f"the plateaus {dark:.4g} and {bright:.4g} ({source}) are not those of wide bars: they give the group at "
            f"{strongest.frequency_lp_mm:.3g} lp/mm a CTF of {strongest.ctf:.2f}; give plateau levels"
        )
    flag(found, groups, warnings)
    frequency = [g.frequency_lp_mm for g in groups]
    curve = _curve(frequency, [g.ctf for g in groups])
    mtf = tuple(float(m) for m in mtf_from_ctf(continued_ctf(curve), np.array(frequency)))
    guessed = float(np.abs(mtf - mtf_from_ctf(curve, np.array(frequency))).max())
    if guessed > GUESSED:
        warnings.append(
            "Coltman's series reaches beyond the finest group, where the CTF is not yet small: it is continued by an "
            f"exponential, which makes up to {guessed:.2f} of the MTF; the fundamental needs no such guess"
        )
    return BarsMeasurement(groups, mtf, (dark, bright), source, tuple(warnings))


def _refitted(target: Target, image: Float, bad: NDArray[np.bool_] | None) -> Target:
    """Groups fitted again without the pixels that do not count; they were found on neighbours' values there."""
    if bad is None:
        return target
    fits = [(fit_grating(image, on & ~bad) if (on & bad).any() else grating, on) for grating, on in target.groups]
    return replace(target, groups=fits)


def _single(
    region: NDArray[np.float64], roi: Roi, target: Target, bad: NDArray[np.bool_] | None
) -> tuple[Grating, Roi]:
    """The one grating of a region: that found inside it, or the whole region when bars fill it."""
    if target.groups:
        grating, mask = max(target.groups, key=lambda item: int(item[1].sum()))
        if mask.sum() < FULL_REGION * mask.size:
            return grating, _box(mask, roi[0], roi[1])
    try:
        grating = fit_grating(region, np.ones(region.shape, dtype=bool) if bad is None else ~bad)
    except MeasurementError as error:
        raise MeasurementError(f"ROI {','.join(map(str, roi))}: {error}") from None
    if not grating.amplitude[0] > max(RESOLVED * grating.amplitude_sd, ROUNDING * abs(grating.mean)):
        raise MeasurementError(f"ROI {','.join(map(str, roi))} holds no bars that stand out from the noise")
    return grating, roi


def _filled_with_bars(region: Float, target: Target, bad: NDArray[np.bool_] | None) -> bool:
    """Whether one grating is all there is, so that nothing beside it is a background."""
    if len(target.groups) > 1 or (target.groups and target.groups[0][1].mean() < FULL_REGION):
        return False
    good = np.ones(region.shape, dtype=bool) if bad is None else ~bad
    try:
        grating = fit_grating(region, good)
    except MeasurementError:
        return False
    explained = float(grating.amplitude[0]) ** 2 / 2
    is_more_than_rounding = grating.amplitude[0] > ROUNDING * abs(grating.mean)
    return bool(
        is_more_than_rounding
        and grating.periods >= MANY_PERIODS
        and explained > BARS_ALONE * float(np.var(region[good]))
    )


def _group(grating: Grating, roi: Roi, contrast: float, uncertain: float, pitch: float) -> BarGroup:
    """Normalise one fitted grating.

    By the contrast, not by the mean of the group, which a few bars behind long tails do not bring down
    to the middle of the plateaus.
    """
    low, high = grating.extremes
    v, u = grating.wave
    angle = np.degrees(-np.arctan(v / u) if abs(u) >= abs(v) else -np.arctan(u / v))
    ctf, noise = (high - low) / contrast, 2 * grating.extreme_sd / contrast
    half = STUDENT * float(np.linalg.norm([noise, uncertain * ctf, SYSTEMATIC]))
    return BarGroup(
        frequency_lp_mm=grating.frequency / pitch,
        ctf=ctf,
        ctf_sd=noise,
        ctf_low=ctf - half,
        ctf_high=ctf + half,
        mtf=float(np.pi / 2 * grating.amplitude[0] / contrast),
        angle_deg=float(angle),
        periods=grating.span,
        roi=roi,
    )


def _directions_deg(image: Float) -> list[float]:
    """Directions of the bars of all groups in an image, 0 along its columns; both axes where none is found."""
    return [_direction_deg(grating) for grating, _ in find_groups(image).groups] or [0.0, 90.0]


def _direction_deg(grating: Grating) -> float:
    """Direction of the normal of the bars, 0 to 180."""
    return float(np.degrees(np.arctan2(*grating.wave)) % 180)


def _unfolded(found: list[tuple[Grating, Roi]]) -> list[tuple[Grating, Roi]]:
    """Groups with those that share the tilt of the others only as bars beyond Nyquist read as such."""
    if len(found) < FEWEST_FOR_ANGLE:
        return found
    directions = np.array([_direction_deg(g) for g, _ in found])
    from_first = (directions - directions[0] + 90) % 180 - 90
    common = directions[0] + float(np.median(from_first))

    def away(grating: Grating) -> float:
        return abs((_direction_deg(grating) - common + 90) % 180 - 90)

    return [(g.alias if away(g) > 2 * SAME_ANGLE_DEG > 2 * away(g.alias) else g, roi) for g, roi in found]


def _box(mask: NDArray[np.bool_], x0: int, y0: int) -> Roi:
    """Bounding box X, Y, W, H of a mask whose region starts at x0, y0."""
    rows, cols = np.nonzero(mask)
    return (
        int(cols.min()) + x0,
        int(rows.min()) + y0,
        int(np.ptp(cols)) + 1,
        int(np.ptp(rows)) + 1,
    )


def _curve(frequency: Sequence[float], ctf: Sequence[float]) -> FrequencyCurve:
    """CTF through the groups from 1 at zero; equal frequencies are averaged."""
    order = np.argsort(frequency)
    points: list[list[float]] = []
    for f, c in zip(np.asarray(frequency)[order], np.asarray(ctf)[order], strict=True):
        if points and f <= points[-1][0] * (1 + EQUAL):
            points[-1] = [f, *points[-1][1:], c]
        else:
            points.append([f, c])
    # The largest of equal frequencies stands for all, so that none lies beyond the end of the curve.
    return FrequencyCurve(np.r_[0.0, [p[0] for p in points]], np.r_[1.0, [np.mean(p[1:]) for p in points]])
