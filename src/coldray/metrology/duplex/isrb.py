"""Duplex-wire image quality indicator: dips, basic spatial resolution SRb and interpolated iSRb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.duplex import ground
from coldray.metrology.duplex.identity import numbered, one_straight_set
from coldray.metrology.duplex.profile import project, project_without, tilt_of_lines, without_stray_pixels
from coldray.metrology.duplex.wires import BINS_PER_PIXEL, Profile
from coldray.metrology.inputs import as_frame, check_pitch, crop, crop_mask, joined_mask
from coldray.metrology.strays import without_strays
from coldray.radiograph import Radiograph

SPACINGS_MM = (0.80, 0.63, 0.50, 0.40, 0.32, 0.25, 0.20, 0.16, 0.13, 0.10, 0.08, 0.063, 0.05, 0.04, 0.032)
"""Wire diameter and gap of the pairs 1D to 15D; 14D and 15D continue the series (2018 edition, recalled)."""
GROUPS = 12
"""Groups of rows left out in turn, for the band."""
SYSTEMATIC = 0.004
"""Standard uncertainty of the iSRb from bins and local polynomials; analytic wires are read within 1.5 %."""
SPARSE = 0.015
"""The same with fewer than two pairs on either side of 20 %."""
LIMIT_PERCENT = 20.0
NEARLY_PERCENT, FARTHEST = 40.0, 0.8
"""The curve is followed past a finest pair with a dip below 40 %, down to 0.8 of its spacing."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class WirePair:
    """One pair: element number (1 for 1D), wire and gap width, and its dip.

    Parameters
    ----------
    element : int
    spacing_mm : float
    dip_percent : float
        100 (A + B - 2C) / (A + B), 0 when the wires are not told apart.
    dip_sd_percent : float
        Its standard uncertainty from noise.
    position_mm : float
        Middle of the pair across the wires, in the region measured.
    """

    element: int
    spacing_mm: float
    dip_percent: float
    dip_sd_percent: float
    position_mm: float


@dataclass(frozen=True, eq=False)
class DuplexMeasurement:
    """Dips of a duplex-wire indicator and the resolution they give.

    Parameters
    ----------
    pairs : tuple of WirePair
        Coarse to fine.
    srb_mm : float or None
        Spacing of the first pair with a dip under 20 %; None when all are above.
    isrb_mm : float or None
        Spacing at which a quadratic through the dips crosses 20 %; None when they do not allow it.
    isrb_low_mm, isrb_high_mm : float or None
        k = 2 band of the iSRb: noise, by leaving out groups of rows in turn, and the reading of the profile.
    angle_deg : float
        Tilt of the wires from the pixel axis.
    position_mm, depth : ndarray, shape (n,)
        Oversampled profile: 1 - signal / background (the sign turned where wires are bright).
    warnings : tuple of str
    """

    pairs: tuple[WirePair, ...]
    srb_mm: float | None
    isrb_mm: float | None
    isrb_low_mm: float | None
    isrb_high_mm: float | None
    angle_deg: float
    position_mm: Float
    depth: Float
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure duplex`."""
        return {
            "pairs": [
                {
                    "element": f"{p.element}D",
                    "spacing_mm": p.spacing_mm,
                    "dip_percent": p.dip_percent,
                    "dip_sd_percent": p.dip_sd_percent,
                    "position_mm": p.position_mm,
                }
                for p in self.pairs
            ],
            "srb_mm": self.srb_mm,
            "isrb_mm": self.isrb_mm,
            "isrb_low_mm": self.isrb_low_mm,
            "isrb_high_mm": self.isrb_high_mm,
            "angle_deg": self.angle_deg,
            "warnings": list(self.warnings),
        }


def duplex_isrb(
    image: NDArray[np.number] | Radiograph,
    pixel_pitch_mm: float,
    roi: tuple[int, int, int, int] | None = None,
    *,
    first_element: int | None = None,
    spacings_mm: Sequence[float] = SPACINGS_MM,
    mask: NDArray[np.bool_] | None = None,
) -> DuplexMeasurement:
    """Measure a duplex-wire indicator.

    Parameters
    ----------
    image : ndarray (rows, cols) or Radiograph
        Linear intensities; wires within 15 degrees of rows or columns (2 to 5 are best).
    pixel_pitch_mm : float
        Pixel pitch [mm].
    roi : X, Y, W, H [pixels], optional
        Region with the indicator; the whole image by default.
    first_element : int, optional
        Number of the coarsest pair in the region; by default the one whose wire distance, or where no pair is
        resolved whose widths, fit best.
    spacings_mm : sequence of float
        Wire diameters of all elements, coarse to fine.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count (bad or replaced); joined with the mask of a Radiograph.

    Returns
    -------
    DuplexMeasurement

    Raises
    ------
    MeasurementError
        If the region leaves the image, no wire pair is found, the wires are tilted too much, the numbers of the
        pairs cannot be told, or there is more than one indicator.

    Notes
    -----
    The middle 60 % of the wires is projected along them on quarter-pixel bins; sampling the image
    along a line by bilinear interpolation would add up to 12 % to the iSRb. Extremes of the profile
    are those of local polynomials, so noise does not deepen a dip.

    Depths count from the open field and belong to one pair: where pairs lie closer together than the tails
    of the screen are long, what lies between them is neither. The tails are fitted outside the pairs and
    those of the others taken off; without it gos135, with pairs 0.77 mm apart, read 11 % low.

    References
    ----------
    ISO 19232-5:2018; ASTM E2002.
    """
    pitch = check_pitch(pixel_pitch_mm)
    mask = joined_mask(image, mask)
    pixels, warnings = as_frame(image, mask)
    region, bad = crop(pixels, roi), crop_mask(mask, roi)
    if min(region.shape) < 16:
        raise MeasurementError(f"the region is {region.shape[1]} x {region.shape[0]} pixels; 16 x 16 is the least")
    region, bad = without_strays(region, bad, warnings, ground.directions_deg)
    turned = ground.upright(region)
    depth_image = ground.depth_below_background(turned)
    rows = ground.wire_rows(depth_image)
    middle = depth_image[rows[0] : rows[1]]
    angle = tilt_of_lines(middle)
    one_straight_set(middle, angle)
    if bad is not None:
        bad = (bad if turned is region else bad.T)[rows[0] : rows[1]]
    bad = without_stray_pixels(middle, angle, BINS_PER_PIXEL, bad, warnings)
    position, depth, _ = project(middle, angle, BINS_PER_PIXEL, bad)
    base = ground.baseline(depth)
    profile = Profile(position * pitch, depth - base, pitch)
    without = project_without(middle, angle, BINS_PER_PIXEL, GROUPS, bad) - base
    wires = profile.wires()
    if len(wires) < 2:
        raise MeasurementError("no wire pair found; give `roi` around the indicator, on linear intensities")
    half = len(wires) // 2
    if sum(profile.area(w) for w in wires[:half]) < sum(profile.area(w) for w in wires[-half:]):
        profile, without = profile.reversed(), without[:, ::-1]
        wires = profile.wires()
    spacings = np.asarray(spacings_mm, dtype=np.float64)
    places = numbered(profile, wires, spacings, first_element, warnings)
    if not places:
        raise MeasurementError(
            "wires were found, but no two lie as far apart as a pair; check `pixel_pitch_mm` and the ROI"
        )
    if abs(angle) < 1:
        warnings.append(f"the wires are tilted by {angle:.1f} deg; 2 to 5 deg sample the profile evenly")
    pairs, replicas = _read(profile, places, spacings, without)
    if not any(p.dip_percent > LIMIT_PERCENT for p in pairs):
        warnings.append("no pair is resolved")
    if any(b.dip_percent > a.dip_percent + 10 + 4 * b.dip_sd_percent for a, b in pairwise(pairs)):
        warnings.append("a finer pair shows a deeper dip than a coarser one: noise, or wires taken for another pair")
    srb = next((p.spacing_mm for p in pairs if p.dip_percent < LIMIT_PERCENT), None)
    if srb is None:
        warnings.append("every pair found is resolved: the resolution is better than the finest of them")
    spacing = [p.spacing_mm for p in pairs]
    isrb = interpolated_srb(spacing, [p.dip_percent for p in pairs], warnings)
    low, high = _band(isrb, spacing, replicas)
    return DuplexMeasurement(
        tuple(pairs), srb, isrb, low, high, angle, profile.position, profile.depth, tuple(warnings)
    )


def _read(
    profile: Profile, places: list[tuple[int, float]], spacings: Float, without: Float
) -> tuple[list[WirePair], Float]:
    """Pairs with the noise of their dips, and the dips (groups, pairs) without each group of rows."""
    dips = profile.reader(places, spacings)
    found = dips(profile.depth)
    replicas = np.stack([dips(one) for one in without])
    sd = np.sqrt((GROUPS - 1) / GROUPS * np.sum((replicas - replicas.mean(axis=0)) ** 2, axis=0))
    pairs = [
        WirePair(k + 1, float(spacings[k]), float(dip), float(error), place)
        for (k, place), dip, error in zip(places, found, sd, strict=True)
    ]
    return pairs, replicas


def _band(isrb: float | None, spacing: list[float], replicas: Float) -> tuple[float | None, float | None]:
    """K = 2 band of an iSRb: jackknife over groups of rows (Student's factor), and what the reading adds.

    Dips that noise moves across 20 % in some replicas lead over other pairs; the spread of the replicas holds that.
    """
    if isrb is None:
        return None, None
    others = [interpolated_srb(spacing, row.tolist()) for row in replicas]
    known = np.array([one for one in others if one is not None])
    if known.size < GROUPS // 2:
        return float(min(spacing)), float(max(spacing))
    noise = float(np.sqrt((GROUPS - 1) / known.size * np.sum((known - known.mean()) ** 2)))
    whole = float(np.median(replicas[:, 0])) > LIMIT_PERCENT and int(np.sum(np.array(spacing) > isrb)) > 1
    sparse = not whole or int(np.sum(np.array(spacing) < isrb)) < 2
    half = 2 * (1 + 1 / (GROUPS - 1)) * float(np.hypot(noise, (SPARSE if sparse else SYSTEMATIC) * isrb))
    return max(isrb - half, 0.0), isrb + half


def interpolated_srb(
    spacing_mm: Sequence[float], dip_percent: Sequence[float], warnings: list[str] | None = None
) -> float | None:
    """Where a quadratic through the dips next to 20 % crosses it.

    Parameters
    ----------
    spacing_mm, dip_percent : sequence of float
        Spacing [mm] and dip [%] of the pairs.
    warnings : list of str, optional
        Receives what is wrong with the data.

    Returns
    -------
    float or None
        Spacing [mm]; None without pairs on both sides of 20 %, unless the finest dip is close above it.

    References
    ----------
    ISO 19232-5:2018, ASTM E2002: two pairs above and two below 20 %, the latter with a dip above 0.
    """
    notes = [] if warnings is None else warnings
    order = np.argsort(spacing_mm)[::-1]
    d, dip = np.asarray(spacing_mm, dtype=np.float64)[order], np.asarray(dip_percent, dtype=np.float64)[order]
    below = np.flatnonzero(dip < LIMIT_PERCENT)
    if below.size == 0 and d.size >= 3 and dip[-1] < NEARLY_PERCENT:
        fit = Polynomial.fit(d[-3:], dip[-3:] - LIMIT_PERCENT, 2)
        near = [float(r.real) for r in fit.roots() if abs(r.imag) < 1e-9 and FARTHEST * d[-1] <= r.real <= d[-1]]
        if near:
            notes.append("iSRb is extrapolated beyond the finest pair, whose dip is still above 20 %")
            return max(near)
    if below.size == 0 or below[0] == 0:
        notes.append("iSRb needs pairs above and below 20 % dip")
        return None
    i = int(below[0])
    fine = [k for k in range(i, min(i + 2, d.size)) if dip[k] > 0]
    if not fine:
        fine = [i]
        notes.append("no pair under 20 % shows a dip: iSRb is interpolated down to a dip of zero, an upper bound")
    use = [*range(max(i - 2, 0), i), *fine]
    degree = min(2, len(use) - 1)
    fit = Polynomial.fit(d[use], dip[use] - LIMIT_PERCENT, degree)
    roots = fit.roots()
    real = roots[np.abs(roots.imag) < 1e-9].real
    inside = real[(real >= d[i] - 1e-12) & (real <= d[i - 1] + 1e-12)]
    if inside.size == 0:
        notes.append("the quadratic misses the 20 % crossing; iSRb is interpolated linearly")
        share = (dip[i - 1] - LIMIT_PERCENT) / (dip[i - 1] - dip[i])
        return float(d[i - 1] + share * (d[i] - d[i - 1]))
    return float(inside[0])
