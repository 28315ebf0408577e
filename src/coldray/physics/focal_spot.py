"""Transfer of a focal spot seen through a magnifying geometry, and MTFs in the plane of the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve

FWHM_PER_SIGMA = 2.3548
"""Full width at half maximum of a Gaussian over its standard deviation."""
SHAPES = ("uniform", "gaussian")
LARGEST_SPOT_UM = 5000.0
LARGEST_MAGNIFICATION = 20.0

Float = NDArray[np.float64]


def spot_transfer(frequency_lp_mm: ArrayLike, width_mm: float, shape: str) -> Float:
    """Transfer of a spot of a width.

    Parameters
    ----------
    frequency_lp_mm : array_like
        Spatial frequency in the plane of the width [cycles/mm].
    width_mm : float
        Width of a uniform spot, full width at half maximum of a Gaussian one [mm].
    shape : {"uniform", "gaussian"}

    Returns
    -------
    ndarray, same shape
        |sinc(f w)|, the slit response of EN 12543-5 and ASTM E1165, or exp(-2 (pi s f)^2) with s = w / 2.3548.
    """
    f = np.asarray(frequency_lp_mm, dtype=np.float64)
    if shape == "uniform":
        return np.asarray(np.abs(np.sinc(f * width_mm)))
    return np.asarray(np.exp(-2 * (np.pi * f * (width_mm / FWHM_PER_SIGMA)) ** 2))


@dataclass(frozen=True)
class FocalSpot:
    """Focal spot and magnification of one set-up.

    Parameters
    ----------
    spot_um : float
        Width of a uniform spot, full width at half maximum of a Gaussian one [um].
    magnification : float
        Source-detector over source-object distance, 1 to 20.
    shape : {"uniform", "gaussian"}

    Raises
    ------
    PhysicsError
        If a value is out of range.

    Examples
    --------
    >>> from coldray.physics.focal_spot import FocalSpot
    >>> round(FocalSpot(80, 2.5).unsharpness_mm, 6)
    0.12
    """

    spot_um: float = 0.0
    magnification: float = 1.0
    shape: str = "uniform"

    def __post_init__(self) -> None:
        if not 0 <= self.spot_um <= LARGEST_SPOT_UM:
            raise PhysicsError(f"focal spot is {self.spot_um} um; it must be 0 to {LARGEST_SPOT_UM:g}")
        if not 1 <= self.magnification <= LARGEST_MAGNIFICATION:
            raise PhysicsError(f"magnification is {self.magnification}; it must be 1 to {LARGEST_MAGNIFICATION:g}")
        if self.shape not in SHAPES:
            raise PhysicsError(f"focal shape is {self.shape!r}; choose one of {', '.join(SHAPES)}")

    @classmethod
    def parse(cls, text: str) -> FocalSpot:
        """Set-up of a text ``SPOT_UM,MAGNIFICATION[,SHAPE]``.

        Raises
        ------
        PhysicsError
            If it is none.
        """
        width, *rest = text.split(",")
        try:
            return cls(float(width), float(rest[0]), *(word.strip() for word in rest[1:]))
        except (ValueError, IndexError, TypeError) as problem:
            if isinstance(problem, PhysicsError):
                raise
            raise PhysicsError(
                f"focal spot {text!r} cannot be read; write SPOT_UM,MAGNIFICATION[,SHAPE], e.g. 80,2.5 or 80,2.5,gaussian"
            ) from None

    @property
    def unsharpness_mm(self) -> float:
        """Width of the spot's shadow at the detector, F (M - 1) [mm]."""
        return self.spot_um * 1e-3 * (self.magnification - 1)

    def transfer(self, frequency_lp_mm: ArrayLike) -> Float:
        """Transfer at the detector plane [cycles/mm]; 0 from the first zero of a uniform spot on, so that it never rises."""
        f = np.asarray(frequency_lp_mm, dtype=np.float64)
        found = spot_transfer(f, self.unsharpness_mm, self.shape)
        return np.where(f * self.unsharpness_mm < 1, found, 0.0) if self.shape == "uniform" else found

    def object_plane(self, detector_mtf: FrequencyCurve, *, with_spot: bool = True) -> FrequencyCurve:
        """MTF of a detector, with or without the spot, over frequency in the plane of the object.

        Parameters
        ----------
        detector_mtf : FrequencyCurve
            At the detector plane [cycles/mm].
        with_spot : bool

        Returns
        -------
        FrequencyCurve
            MTF(g / M) T(g / M) at the object's frequency g = M f [cycles/mm].
        """
        f = detector_mtf.frequency_lp_mm
        value = detector_mtf.value * (self.transfer(f) if with_spot else 1.0)
        return FrequencyCurve(f * self.magnification, value)
