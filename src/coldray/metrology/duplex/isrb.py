"""Duplex-wire image quality indicator: dips, basic spatial resolution SRb and interpolated iSRb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError
from coldray.metrology.duplex import ground
from coldray.metrology.duplex.halo import halo
from coldray.metrology.duplex.profile import project, tilt_of_lines
from coldray.metrology.inputs import as_frame, check_pitch, crop, joined_mask
from coldray.radiograph import Radiograph

SPACINGS_MM = (0.80, 0.63, 0.50, 0.40, 0.32, 0.25, 0.20, 0.16, 0.13, 0.10, 0.08, 0.063, 0.05)
"""Wire diameter and gap of the pairs 1D to 13D."""
LIMIT_PERCENT = 20.0
NEARLY_PERCENT, FARTHEST = 40.0, 0.8
"""The curve is followed past a finest pair with a dip below 40 %, down to 0.8 of its spacing."""
BINS_PER_PIXEL = 4
NARROW_PX, WIDE_PX = 0.75, 3.0
"""Half-width of the part of the profile that gives an extreme [px]: the least, and that from which it is a quartic."""
FEWEST_RESOLVED = 3
"""Wires that outnumber the elements are refused unless so many pairs have their distance."""
WEAKEST = 0.02
"""Depth of a wire over that of the deepest one below which it is not looked for."""
SPECK = 0.05
"""A stretch so much smaller than one beside it is noise: from one pair to the next the area falls to 0.4 or more."""

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
    position_mm : float
        Middle of the pair across the wires, in the region measured.
    """

    element: int
    spacing_mm: float
    dip_percent: float
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
    angle_deg : float
        Tilt of the wires from the pixel axis.
    position_mm, depth : ndarray, shape (n,)
        Oversampled profile: 1 - signal / background (the sign turned where wires are bright).
    warnings : tuple of str
    """

    pairs: tuple[WirePair, ...]
    srb_mm: float | None
    isrb_mm: float | None
    angle_deg: float
    position_mm: Float
    depth: Float
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-able result with the keys of `coldray measure duplex`."""
        return {
            "pairs": [
                {
                    "element": f"{p.element}D",
                    "spacing_mm": p.spacing_mm,
                    "dip_percent": p.dip_percent,
                    "position_mm": p.position_mm,
                }
                for p in self.pairs
            ],
            "srb_mm": self.srb_mm,
            "isrb_mm": self.isrb_mm,
            "angle_deg": self.angle_deg,
            "warnings": list(self.warnings),
        }


def duplex_isrb(
    image: NDArray[Any] | Radiograph,
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
        Linear intensities; wires within 8 degrees of rows or columns (2 to 5 are best).
    pixel_pitch_mm : float
        Pixel pitch [mm].
    roi : X, Y, W, H [pixels], optional
        Region with the indicator; the whole image by default.
    first_element : int, optional
        Number of the coarsest pair in the region; by default the pair whose spacing fits best.
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
        If the region leaves the image or no wire pair is found.

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
    region = crop(pixels, roi)
    if min(region.shape) < 16:
        raise MeasurementError(f"the region is {region.shape[1]} x {region.shape[0]} pixels; 16 x 16 is the least")
    turned = ground.upright(region)
    depth_image = ground.depth_below_background(turned)
    rows = ground.wire_rows(depth_image)
    middle = depth_image[rows[0] : rows[1]]
    angle = tilt_of_lines(middle)
    bad = None
    if mask is not None:
        bad = crop(mask, roi) if turned is region else crop(mask, roi).T
        bad = bad[rows[0] : rows[1]]
    position, depth, count = project(middle, angle, BINS_PER_PIXEL, bad)
    profile = _Profile(position * pitch, depth - ground.baseline(depth), pitch)
    wires = profile.wires(float(np.median(count)))
    if len(wires) < 2:
        raise MeasurementError("no wire pair found; give --roi around the indicator, on linear intensities")
    half = len(wires) // 2
    if sum(profile.area(w) for w in wires[:half]) < sum(profile.area(w) for w in wires[-half:]):
        profile = profile.reversed()
        wires = profile.wires(float(np.median(count)))
    pairs = _pairs(profile, wires, np.asarray(spacings_mm, dtype=np.float64), first_element, warnings)
    if not pairs:
        raise MeasurementError("wires were found, but no two lie as far apart as a pair; check --pitch-um and the ROI")
    if abs(angle) < 1:
        warnings.append(f"the wires are tilted by {angle:.1f} deg; 2 to 5 deg sample the profile evenly")
    srb = next((p.spacing_mm for p in pairs if p.dip_percent < LIMIT_PERCENT), None)
    if srb is None:
        warnings.append("every pair found is resolved: the resolution is better than the finest of them")
    isrb = interpolated_srb([p.spacing_mm for p in pairs], [p.dip_percent for p in pairs], warnings)
    return DuplexMeasurement(tuple(pairs), srb, isrb, angle, profile.position, profile.depth, tuple(warnings))


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
    elif len(fine) < 2 or i < 2:
        notes.append("iSRb rests on fewer than two pairs on either side of 20 %")
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


class _Profile:
    """Depth across the wires, with its wires found and their extremes fitted."""

    def __init__(self, position: Float, depth: Float, pitch: float) -> None:
        self.position, self.depth, self.pitch = position, depth, pitch

    def reversed(self) -> _Profile:
        """The same, coarse and fine ends swapped."""
        return _Profile((self.position[-1] - self.position)[::-1], self.depth[::-1], self.pitch)

    def wires(self, pixels_per_bin: float) -> list[slice]:
        """Stretches that stand out of the background."""
        smooth = ndimage.gaussian_filter1d(self.depth, BINS_PER_PIXEL * 0.5)
        rough = np.diff(self.depth, 2)
        noise = 1.4826 * float(np.median(np.abs(rough))) / np.sqrt(6 * np.sqrt(4 * np.pi) * BINS_PER_PIXEL * 0.5)
        limit = max(WEAKEST * float(smooth.max()), 4.5 * noise)
        labels, _ = ndimage.label(smooth > limit)
        found = [place[0] for place in ndimage.find_objects(labels)]
        fewest = BINS_PER_PIXEL // 2
        wide = [w for w in found if w.stop - w.start > fewest and w.start > 0 and w.stop < self.depth.size]
        while True:
            area = [self.area(w) for w in wide]
            beside = [max(area[max(k - 1, 0) : k] + area[k + 1 : k + 2], default=0.0) for k in range(len(area))]
            kept = [w for w, own, next_to in zip(wide, area, beside, strict=True) if own >= SPECK * next_to]
            if len(kept) == len(wide):
                return kept
            wide = kept

    def area(self, wire: slice) -> float:
        """Integrated depth of a stretch."""
        return float(self.depth[wire].sum())

    def centre(self, wire: slice) -> float:
        """Centroid of a stretch [mm]."""
        weight = np.maximum(self.depth[wire], 0)
        return float(weight @ self.position[wire] / max(weight.sum(), 1e-30))

    def extreme(self, place_mm: float, reach_mm: float) -> float:
        """Extreme value near a place: that of a local polynomial, freed of the width of the bins."""
        # A parabola is quieter. It would flatten a dip by 5 % of its depth where the reach holds much of a period,
        # and miss the corners of pairs much wider than the blur.
        quartic = reach_mm < NARROW_PX * self.pitch or reach_mm > WIDE_PX * self.pitch
        reach = max(reach_mm, NARROW_PX * self.pitch)
        near = np.abs(self.position - place_mm) <= reach
        points = np.count_nonzero(near)
        if points < 4:
            return float(np.interp(place_mm, self.position, self.depth))
        fit = Polynomial.fit(self.position[near] - place_mm, self.depth[near], 4 if quartic and points > 5 else 2)
        # the mean of f over a bin of width h is f + h^2 f'' / 24
        fit = fit - (self.pitch / BINS_PER_PIXEL) ** 2 / 24 * fit.deriv(2)
        x = np.linspace(-0.5, 0.5, 101) * reach
        value = fit(x)
        turn = np.flatnonzero(np.diff(np.sign(np.diff(value)))) + 1
        return float(value[turn[int(np.argmin(np.abs(x[turn])))]] if turn.size else fit(0.0))

    def read(self, places: list[tuple[int, float]], spacings: Float) -> list[WirePair]:
        """Dips of pairs known by index and middle [mm], each freed of the tails of the others."""
        index, middle = np.array([k for k, _ in places], dtype=np.intp), np.array([m for _, m in places])
        around = halo(self.position / self.pitch, self.depth, middle / self.pitch, spacings[index] / self.pitch)
        found = []
        for n, (k, place) in enumerate(places):
            alone = self if around is None else _Profile(self.position, around.alone(self.depth, n), self.pitch)
            spacing = float(spacings[k])
            found.append(WirePair(k + 1, spacing, alone.dip(place, spacing), place))
        return found

    def dip(self, middle_mm: float, spacing_mm: float) -> float:
        """Dip [%] of a pair around its middle; 0 when there is none."""
        reach = 0.4 * spacing_mm
        between = self.extreme(middle_mm, reach)
        left, right = (self.extreme(self._peak(middle_mm, side * spacing_mm), reach) for side in (-1, 1))
        if left + right <= 0:
            return 0.0
        return float(np.clip(100 * (left + right - 2 * between) / (left + right), 0.0, 100.0))

    def _peak(self, middle_mm: float, offset_mm: float) -> float:
        """Place of the maximum between a quarter and twice the offset from the middle."""
        away = (self.position - middle_mm) * np.sign(offset_mm)
        near = np.flatnonzero((away >= 0.5 * abs(offset_mm)) & (away <= 1.6 * abs(offset_mm)))
        if near.size == 0:
            return middle_mm + offset_mm
        smooth = ndimage.gaussian_filter1d(self.depth, max(BINS_PER_PIXEL * 0.3, 1e-3))
        return float(self.position[near[int(np.argmax(smooth[near]))]])


def _pairs(
    profile: _Profile, wires: list[slice], spacings: Float, first_element: int | None, warnings: list[str]
) -> list[WirePair]:
    """Read wires from the coarse end as pairs: two stretches two spacings apart, or one stretch."""
    centres = [profile.centre(w) for w in wires]
    apart = np.abs(np.diff(centres))
    if first_element is None:
        number = int(np.argmin(np.abs(np.log(2 * spacings / apart[0])))) if apart.size else 0
    else:
        number = first_element - 1
    if not 0 <= number < spacings.size:
        raise MeasurementError(f"first_element is {first_element}; elements run from 1 to {spacings.size}")
    places: list[tuple[int, float]] = []
    i = resolved = 0
    while i < len(wires) and number < spacings.size:
        spacing = float(spacings[number])
        two = i + 1 < len(wires) and abs(apart[i] / (2 * spacing) - 1) < 0.3
        middle = (centres[i] + centres[i + 1]) / 2 if two else centres[i]
        places.append((number, middle))
        resolved += two
        i += 2 if two else 1
        number += 1
    pairs = profile.read(places, spacings)
    if first_element is None and i + 2 < len(wires) and resolved < FEWEST_RESOLVED:
        raise MeasurementError(
            f"{len(wires)} wires were found whose distances are not those of elements {places[0][0] + 1}D on; "
            "give --first-element or an ROI around the indicator alone, or average more rows or frames"
        )
    if i < len(wires):
        warnings.append(f"{len(wires) - i} more wires follow the finest known pair")
    if pairs and not any(p.dip_percent > LIMIT_PERCENT for p in pairs):
        warnings.append("no pair is resolved; numbers of the elements are a guess, give the first one")
    rising = [b.dip_percent > a.dip_percent + 10 for a, b in pairwise(pairs)]
    if any(rising):
        warnings.append("a finer pair shows a deeper dip than a coarser one: noise, or wires taken for another pair")
    return pairs
