"""The two detectors of a restoration, and the ratio of their MTFs in every direction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import DetectorError
from coldray.physics.detector import ANISOTROPY_TOLD, PITCH_TOLERANCE, Detector
from coldray.physics.ratio import TransferRatio
from coldray.physics.tables import check_axis, check_order
from coldray.words import percent

DIRECTION_NODES = 9
"""Directions between the axes at which gains are computed; linear between."""


@dataclass(frozen=True, eq=False)
class DetectorPair:
    """The two detectors of one restoration.

    Parameters
    ----------
    blurred, sharp : Detector
        The detector that took the image, and the one it is restored towards.
    floor : float
        Smallest trustworthy sharp MTF, see `TransferRatio`.
    aims_at_trusted : bool
        Whether "sharp" means what a result aims at, see `as_restored`.
    direction : float, optional
        u^2 / (u^2 + v^2) of the direction that `ratio` is for: 1 along the columns' axis, 0 along the rows' axis. The radial
        mean if not given.

    Raises
    ------
    DetectorError
        If the two pitches differ by more than 1 %, an MTF cannot be of this pitch, or the blurred detector is the sharper
        one.

    Examples
    --------
    >>> from coldray import load_detector
    >>> from coldray.physics.pair import DetectorPair
    >>> pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    >>> float(pair.ratio(0.0)), bool(pair.ratio(3.0) < pair.ratio(1.0))
    (1.0, True)
    """

    blurred: Detector
    sharp: Detector
    floor: float = 0.02
    aims_at_trusted: bool = False
    direction: float | None = None

    def __post_init__(self) -> None:
        a, b = self.blurred.pixel_pitch_mm, self.sharp.pixel_pitch_mm
        if abs(a / b - 1) > PITCH_TOLERANCE:
            raise DetectorError(
                f"pixel pitch is {a * 1e3:.4g} um for {self.blurred.name!r} and {b * 1e3:.4g} um for {self.sharp.name!r}; "
                "the MTF ratio needs equal pitch: resample one image or choose another detector"
            )

        for detector in (self.blurred, self.sharp):
            check_axis(detector.name, detector.mtf, self.pixel_pitch_mm)
        blurred, sharp = ((detector.name, detector.mtf) for detector in (self.blurred, self.sharp))
        check_order(blurred, sharp, self.blurred.nyquist_lp_mm)

    @property
    def pixel_pitch_mm(self) -> float:
        """Common pixel pitch [mm]."""
        return self.blurred.pixel_pitch_mm

    @property
    def directional(self) -> bool:
        """Whether a detector has MTFs of two directions."""
        return self.blurred.mtf_along is not None or self.sharp.mtf_along is not None

    @cached_property
    def _ratios(self) -> tuple[tuple[float, TransferRatio], ...]:
        """Ratios along the axes with their weights, or the radial one."""
        if self.direction is None or not self.directional:
            return ((1.0, TransferRatio(self.blurred.mtf, self.sharp.mtf, self.floor)),)
        axes = zip(self.blurred.along(), self.sharp.along(), strict=True)
        across, down = (TransferRatio(blurred, sharp, self.floor) for blurred, sharp in axes)
        return ((self.direction, across), (1.0 - self.direction, down))

    def by_direction(self) -> tuple[DetectorPair, ...]:
        """The pair for directions from the rows' axis to the columns' axis, evenly spaced; itself if it is radial."""
        if not self.directional or self.direction is not None:
            return (self,)
        return tuple(replace(self, direction=float(share)) for share in np.linspace(0.0, 1.0, DIRECTION_NODES))

    @cached_property
    def fully_trusted(self) -> bool:
        """Whether the tables tell the ratio at every frequency, so that a result aims at the sharp detector's image."""
        return not any(np.isfinite(ratio.full_trust_lp_mm) for pair in self.by_direction() for _, ratio in pair._ratios)

    @property
    def trusted_lp_mm(self) -> float:
        """Frequency [cycles/mm] at which trust in the ratio has fallen to a half; infinite if it nowhere does."""
        return min(ratio.half_trust_lp_mm for pair in self.by_direction() for _, ratio in pair._ratios)

    def target(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Transfer from the sharp detector's image to what a result aims at, see `TransferRatio.target`."""
        if len(self._ratios) == 1:
            return self._ratios[0][1].target(frequency_lp_mm)
        trust = sum(weight * ratio.trust(frequency_lp_mm) for weight, ratio in self._ratios)
        return np.asarray(trust + (1.0 - trust) * self._sharp_to_blurred(frequency_lp_mm))

    def _sharp_to_blurred(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Ratio of the MTFs; between the axes by the logarithm, so that Gaussian blurs have elliptic contours."""
        if len(self._ratios) == 1:
            return self._ratios[0][1](frequency_lp_mm)
        return np.exp(sum(weight * np.log(ratio(frequency_lp_mm)) for weight, ratio in self._ratios))

    def turned(self) -> DetectorPair:
        """The pair of images that are turned by 90 degrees: both detectors with it; itself if it is radial."""
        return replace(self, blurred=self.blurred.turned(), sharp=self.sharp.turned()) if self.directional else self

    def as_restored(self) -> DetectorPair:
        """The pair with what a result aims at in place of the sharp detector: the measurement is that, blurred by `ratio`."""
        return self if self.fully_trusted else replace(self, aims_at_trusted=True)

    def ratio(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """MTF_blurred / MTF_sharp at any frequency [cycles/mm], within [floor, 1]; of `as_restored`, over what it aims at."""
        ratio = self._sharp_to_blurred(frequency_lp_mm)
        return ratio / self.target(frequency_lp_mm) if self.aims_at_trusted else ratio

    def sharp_mtf(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """MTF of the sharp image, or of what a result aims at, not below the floor of the sharp detector's."""
        mtf = np.maximum(self.sharp.mtf(frequency_lp_mm), self.floor)
        return mtf * self.target(frequency_lp_mm) if self.aims_at_trusted else mtf

    def notes(self) -> list[str]:
        """What a user should know of the tables: unequal directions, and where trust ends below Nyquist."""
        notes = [
            f"the MTF50 of {detector.name!r} differs by {percent(detector.anisotropy)} between the directions; blur, linear "
            "filter and certificate use both, a network is told the radial mean"
            for detector in (self.blurred, self.sharp)
            if detector.anisotropy > ANISOTROPY_TOLD
        ]
        if self.trusted_lp_mm < self.blurred.nyquist_lp_mm:
            notes.append(
                f"the MTF tables tell how much sharper {self.sharp.name!r} is than {self.blurred.name!r} up to "
                f"{self.trusted_lp_mm:.3g} of {self.blurred.nyquist_lp_mm:.3g} lp/mm; beyond it nothing is sharpened"
            )
        return notes
