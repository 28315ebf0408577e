"""The profile across the wires of an indicator: its wires, their extremes, and the dips of pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.metrology.duplex.halo import halo

BINS_PER_PIXEL = 4
NARROW_PX, WIDE_PX = 0.75, 3.0
"""Half-width of the part of the profile that gives an extreme [px]: the least, and that from which it is a quartic."""
WEAKEST = 0.02
"""Depth of a wire over that of the deepest one below which it is not looked for."""
SPECK = 0.05
"""A stretch so much smaller than one beside it is noise: from one pair to the next the area falls to 0.4 or more."""

Float = NDArray[np.float64]

_ACROSS = np.linspace(-0.5, 0.5, 101)
"""Where an extreme is looked for, in units of the reach."""


class Profile:
    """Depth across the wires, with its wires found and their extremes fitted."""

    def __init__(self, position: Float, depth: Float, pitch: float) -> None:
        self.position, self.depth, self.pitch = position, depth, pitch

    def reversed(self) -> Profile:
        """The same, coarse and fine ends swapped."""
        return Profile((self.position[-1] - self.position)[::-1], self.depth[::-1], self.pitch)

    def wires(self) -> list[slice]:
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

    def variance(self, wire: slice) -> float:
        """Variance of a stretch about its centroid [mm2], the surroundings it fades into included."""
        middle, half = self.centre(wire), 0.75 * float(np.ptp(self.position[wire]))
        around = np.abs(self.position - middle) <= half
        weight, place = self.depth[around], self.position[around] - middle
        return float(weight @ place**2 / max(weight.sum(), 1e-30) - (weight @ place / max(weight.sum(), 1e-30)) ** 2)

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
        powers = np.arange(5 if quartic and points > 5 else 3)
        # in units of the reach
        place = (self.position[near] - place_mm) / reach
        fit = np.linalg.lstsq(place[:, None] ** powers, self.depth[near], rcond=None)[0]
        # the mean of f over a bin of width h is f + h^2 f'' / 24
        curved = (powers * (powers - 1) * fit)[2:]
        fit[: curved.size] -= (self.pitch / BINS_PER_PIXEL / reach) ** 2 / 24 * curved
        value = _ACROSS[:, None] ** powers @ fit
        turn = np.flatnonzero(np.diff(np.sign(np.diff(value)))) + 1
        return float(value[turn[int(np.argmin(np.abs(_ACROSS[turn])))]] if turn.size else fit[0])

    def reader(self, places: list[tuple[int, float]], spacings: Float) -> Callable[[Float], Float]:
        """Function from a depth on these positions to the dips [%] of pairs known by index and middle [mm].

        Each pair is freed of the tails of the others, as they are in this profile.
        """
        index, middle = np.array([k for k, _ in places], dtype=np.intp), np.array([m for _, m in places])
        around = halo(self.position / self.pitch, self.depth, middle / self.pitch, spacings[index] / self.pitch)

        def dips(depth: Float) -> Float:
            alone = [depth if around is None else around.alone(depth, n) for n in range(len(places))]
            return np.array(
                [
                    Profile(self.position, one, self.pitch).dip(place, float(spacings[k]))
                    for one, (k, place) in zip(alone, places, strict=True)
                ]
            )

        return dips

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
        return float(self.position[near[int(np.argmax(self._smooth[near]))]])

    @cached_property
    def _smooth(self) -> Float:
        return np.asarray(ndimage.gaussian_filter1d(self.depth, BINS_PER_PIXEL * 0.3))
