"""Bar patterns: CTF of every group, peak to valley and by its fundamental, and the MTF behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.metrology.bars.coltman import continued_ctf, mtf_from_ctf
from coldray.metrology.bars.grating import Grating, fit_grating
from coldray.metrology.bars.plateau import plateaus
from coldray.metrology.bars.targets import Target, find_groups
from coldray.metrology.inputs import as_frame, check_pitch, crop, crop_mask, joined_mask
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Radiograph

EQUAL = 1e-6
"""Relative distance of group frequencies that count as one."""
ALONG_PIXELS = 0.05
"""Tilt of a group over its width [periods] below which bars count as along the pixels."""
UNEVEN_DUTY = 0.08
RESOLVED = 4.0
FULL_REGION = 0.85
SEPARATED = 1.0
"""Harmonics up to here [cycles/pixel] matter for the square-wave response."""
FREQUENCY_TOLERANCE, SAME_BARS = 0.1, 0.03
GUESSED = 0.01
"""Part of a Coltman MTF from beyond the finest group that is told."""
IMPOSSIBLE, REFUSED = 1.02, 1.2
"""A CTF that is told to be impossible, and one that no table should hold."""
ODD_ANGLE_DEG = 1.5
SAME_ANGLE_DEG, FEWEST_FOR_ANGLE = 0.3, 3
"""Distance of the tilt from that of most groups, and how many there must be, for an alias to be read as the finer bars."""
TAPER_LOSS = 0.005
"""Part of the CTF lost to bars that are not parallel that is told."""

Roi = tuple[int, int, int, int]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class BarGroup:
    """One group of bars.

    Parameters
    ----------
    frequency_lp_mm : float
        Bar frequency, measured [cycles/mm].
    ctf : float
        Square-wave response: difference of bar and space middles over that of the plateaus.
    ctf_sd : float
        Standard uncertainty from the noise in the group; that of the plateaus comes on top.
    mtf : float
        (pi/4) times the amplitude of the fundamental over that of the plateaus.
    angle_deg : float
        Tilt of the bars from the nearest pixel axis: positive where the column of upright bars grows
        with the row, or the row of lying ones with the column.
    periods : float
        Line pairs in the group; the outer ones are left out of the fit.
    roi : tuple of int
        X, Y, W, H of the group [pixels].
    """

    frequency_lp_mm: float
    ctf: float
    ctf_sd: float
    mtf: float
    angle_deg: float
    periods: float
    roi: Roi


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

    def to_json(self) -> dict[str, Any]:
        """JSON-able result with the keys of `coldray measure bars`."""
        return {
            "groups": [
                {
                    "frequency_lp_mm": g.frequency_lp_mm,
                    "ctf": g.ctf,
                    "ctf_sd": g.ctf_sd,
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
    image: NDArray[Any] | Radiograph,
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
        if not found:
            raise MeasurementError("no bar group found; give --roi around one group, on linear intensities")
    else:
        found = []
        for r in regions:
            part, bad = crop(pixels, r), crop_mask(mask, r)
            found.append(_single(part, r, _refitted(find_groups(part), part, bad), bad))
    if frequencies_lp_mm is not None:
        _compare(found, frequencies_lp_mm, pitch, warnings)
    found = _unfolded(found)
    found.sort(key=lambda item: item[0].frequency)
    levels, source = (plateau, "given") if plateau is not None else plateaus(found, region, target, warnings)
    bright, dark = max(levels), min(levels)
    if not bright > dark or not bright + dark > 0:
        raise MeasurementError(f"plateau levels {levels} must differ and have a positive mean; use linear intensities")
    groups = tuple(_group(g, roi, bright - dark, pitch) for g, roi in found)
    strongest = max(groups, key=lambda g: g.ctf - 2 * g.ctf_sd)
    if plateau is None and strongest.ctf - 2 * strongest.ctf_sd > REFUSED:
        raise MeasurementError(
            f"the plateaus {dark:.4g} and {bright:.4g} ({source}) are not those of wide bars: they give the group at "
            f"{strongest.frequency_lp_mm:.3g} lp/mm a CTF of {strongest.ctf:.2f}; give plateau levels"
        )
    _flag(found, groups, warnings)
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
    if not grating.amplitude[0] > max(RESOLVED * grating.amplitude_sd, 1e-9 * abs(grating.mean)):
        raise MeasurementError(f"ROI {','.join(map(str, roi))} holds no bars that stand out from the noise")
    return grating, roi


def _group(grating: Grating, roi: Roi, contrast: float, pitch: float) -> BarGroup:
    """Normalise one fitted grating.

    By the contrast, not by the mean of the group, which a few bars behind long tails do not bring down
    to the middle of the plateaus.
    """
    low, high = grating.extremes
    v, u = grating.wave
    angle = np.degrees(-np.arctan(v / u) if abs(u) >= abs(v) else -np.arctan(u / v))
    return BarGroup(
        frequency_lp_mm=grating.frequency / pitch,
        ctf=(high - low) / contrast,
        ctf_sd=2 * grating.extreme_sd / contrast,
        mtf=float(np.pi / 2 * grating.amplitude[0] / contrast),
        angle_deg=float(angle),
        periods=grating.span,
        roi=roi,
    )


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


def _could_be_an_alias(grating: Grating, group: BarGroup) -> bool:
    """Whether bars along the pixels may as well be finer than Nyquist: a pixel passes no more than sinc of those."""
    v, u = (abs(part) for part in grating.wave)
    cycles = grating.span * min(v, u) / max(v, u)
    return bool(cycles < ALONG_PIXELS and 0.25 < grating.frequency < 0.5 and group.mtf < np.sinc(1 - grating.frequency))


def _flag(found: list[tuple[Grating, Roi]], groups: tuple[BarGroup, ...], warnings: list[str]) -> None:
    """Warn of what makes single groups doubtful."""
    for (grating, _), group in zip(found, groups, strict=True):
        name = f"group at {group.frequency_lp_mm:.3g} lp/mm"
        if grating.amplitude[0] < RESOLVED * grating.amplitude_sd:
            warnings.append(f"{name}: bars do not stand out from the noise")
        if group.ctf - 2 * group.ctf_sd > IMPOSSIBLE:
            warnings.append(
                f"{name}: a CTF of {group.ctf:.2f} is impossible, so the plateaus are wrong; give their levels"
            )
        if grating.frequency > 0.5:
            warnings.append(f"{name}: beyond Nyquist and aliased; told from coarser bars by its tilt alone")
        elif _could_be_an_alias(grating, group):
            warnings.append(
                f"{name}: may be aliased bars at {group.frequency_lp_mm / grating.frequency * (1 - grating.frequency):.3g} "
                "lp/mm, beyond Nyquist, for bars along the pixels give the same samples; tilt by 1-3 deg"
            )
        if grating.tapered > TAPER_LOSS:
            warnings.append(
                f"{name}: the bars are not parallel, their period changes by {100 * abs(grating.taper):.1f} % from end to "
                f"end: the CTF is too low by about {100 * grating.tapered:.0f} %"
            )
        second = np.flatnonzero(grating.order == 2)
        if second.size and grating.amplitude[second[0]] > UNEVEN_DUTY * grating.amplitude[0] + 4 * grating.amplitude_sd:
            warnings.append(f"{name}: bars and spaces differ in width, the series assumes 50 % duty")
        if grating.span < 3.4:
            warnings.append(f"{name}: only {grating.span:.1f} line pairs, taken as an endless grating")
        if (grating.order[-1] + 2) * grating.frequency < SEPARATED:
            warnings.append(
                f"{name}: bars run along the pixels, harmonics cannot be told from aliases; tilt by 1-3 deg"
            )
    angles = np.array([g.angle_deg for g in groups])
    apart = np.abs(angles - np.median(angles))
    odd = np.minimum(apart, np.abs(90 - apart)) > ODD_ANGLE_DEG
    for group in (g for g, o in zip(groups, odd, strict=True) if o and len(groups) > 2):
        warnings.append(
            f"group at {group.frequency_lp_mm:.3g} lp/mm is tilted by {group.angle_deg:.1f} deg, the others by "
            f"{np.median(angles):.1f}: another direction, or an alias of finer bars"
        )


def _compare(found: list[tuple[Grating, Roi]], nominal: Sequence[float], pitch: float, warnings: list[str]) -> None:
    """Check measured against nominal frequencies, in the order of the regions."""
    if len(nominal) != len(found):
        raise MeasurementError(f"{len(nominal)} nominal frequencies were given for {len(found)} groups")
    for (grating, _), expected in zip(found, nominal, strict=True):
        measured = grating.frequency / pitch
        if (
            grating.frequency < 0.5 < expected * pitch
            and abs(grating.alias.frequency / pitch / expected - 1) < SAME_BARS
        ):
            warnings.append(f"nominal {expected:.3g} lp/mm is beyond Nyquist: it is aliased to {measured:.3g}")
        elif abs(measured / expected - 1) > FREQUENCY_TOLERANCE:
            warnings.append(f"nominal {expected:.3g} lp/mm measures as {measured:.3g}: magnified, or aliased")


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
