"""Projection geometry: magnification, focal spot, scatter, oblique views; applied to fine transmission images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.focal_spot import FWHM_PER_SIGMA, LARGEST_MAGNIFICATION, LARGEST_SPOT_UM
from coldray.physics.grids import dct_axes
from coldray.simulation.cascade import forward
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps

GRID_TOLERANCE = 0.01
SHAPES = ("gaussian", "box")

SLABS_MM: dict[str, tuple[float, float]] = {
    "FR4": (0.0, 1.6),
    "FR4_Br": (0.0, 1.6),
    "Cu": (0.0, 1.6),
    "SAC305": (1.6, 1.9),
    "Sn63Pb37": (1.6, 1.9),
    "mold_compound": (1.9, 2.7),
    "Si": (1.9, 2.1),
    "Au": (2.1, 2.3),
    "Ag": (1.85, 1.95),
    "BaTiO3": (1.65, 2.25),
    "Ni": (1.65, 2.25),
    "Al2O3": (1.65, 2.1),
    "Ta": (1.7, 2.9),
    "Fe": (1.6, 3.2),
}
"""Heights that a material of a board on its component side occupies above the bottom face [mm]; a rough guide."""


@dataclass(frozen=True)
class Geometry:
    """Where source, object and detector stand.

    Parameters
    ----------
    magnification : float
        Source-detector over source-object distance, 1 to 20.
    focal_spot_um : float
        Full width at half maximum of the focal spot, or its side if it is a box [um].
    focal_shape : {"gaussian", "box"}
    scatter_to_primary : float
        Scatter behind the object over primary signal; 0.005-0.03 for a board, 0.05-0.2 for a cell.
    scatter_width_mm : float
        Full width at half maximum of the scatter kernel at the detector [mm].

    Raises
    ------
    PhysicsError
        If a value is out of range.
    """

    magnification: float = 1.0
    focal_spot_um: float = 50.0
    focal_shape: str = "gaussian"
    scatter_to_primary: float = 0.0
    scatter_width_mm: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.magnification <= LARGEST_MAGNIFICATION:
            raise PhysicsError(f"magnification is {self.magnification}; it must be 1 to {LARGEST_MAGNIFICATION:g}")
        if not 0 <= self.focal_spot_um <= LARGEST_SPOT_UM:
            raise PhysicsError(f"focal spot is {self.focal_spot_um} um; it must be 0 to {LARGEST_SPOT_UM:g}")
        if self.focal_shape not in SHAPES:
            raise PhysicsError(f"focal shape is {self.focal_shape!r}; choose one of {', '.join(SHAPES)}")
        if not 0 <= self.scatter_to_primary <= 5:
            raise PhysicsError(f"scatter-to-primary ratio is {self.scatter_to_primary}; it must be 0 to 5")
        if not 0 < self.scatter_width_mm <= 100:
            raise PhysicsError(f"scatter width is {self.scatter_width_mm} mm; it must be positive, up to 100")

    @property
    def unsharpness_mm(self) -> float:
        """Width of the focal spot's shadow at the detector, F (M - 1) [mm]."""
        return self.focal_spot_um * 1e-3 * (self.magnification - 1)

    def object_grid_mm(self, pixel_pitch_mm: float, oversampling: int) -> float:
        """Grid step at the object [mm] that lands on `oversampling` cells per pixel."""
        if not (pixel_pitch_mm > 0 and oversampling >= 1):
            raise PhysicsError(f"pixel pitch {pixel_pitch_mm} mm and oversampling {oversampling} must be positive")
        return pixel_pitch_mm / (oversampling * self.magnification)

    def focal_transfer(self, v_lp_mm: NDArray[np.float64], u_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transfer of the focal spot at detector-plane frequencies [cycles/mm], broadcast."""
        width = self.unsharpness_mm
        if self.focal_shape == "box":
            return np.asarray(np.sinc(width * v_lp_mm) * np.sinc(width * u_lp_mm))
        sigma = width / FWHM_PER_SIGMA
        return np.asarray(np.exp(-2 * (np.pi * sigma) ** 2 * (v_lp_mm**2 + u_lp_mm**2)))

    def at_detector(self, fine: NDArray[np.floating], step_mm: float, workers: int | None = 1) -> NDArray[np.float32]:
        """Blur a fine transmission by the focal spot and add scatter.

        Parameters
        ----------
        fine : ndarray, shape (rows, cols)
            Primary transmission, after the exponential.
        step_mm : float
            Grid step at the detector [mm].
        workers : int, optional
            Threads of the transforms.

        Returns
        -------
        ndarray, float32, shape (rows, cols)
            Fraction of the open beam; a little above 1 in free air beside a scattering object.

        Notes
        -----
        I = k * I_p + SPR G * (I_p where something is in the beam): free air does not scatter, so a flat
        field stays 1. `fine` is returned as it is when there is neither blur nor scatter.
        """
        primary = np.asarray(fine, dtype=np.float32)
        blurs = self.unsharpness_mm > 0.02 * step_mm
        if not blurs and self.scatter_to_primary == 0:
            return primary
        rows, cols = primary.shape
        v, u = dct_axes((rows, cols), step_mm)
        spectrum = forward(primary, workers)
        if blurs:
            spectrum *= self.focal_transfer(v, np.zeros(1)).astype(np.float32)
            spectrum *= self.focal_transfer(np.zeros(1), u).astype(np.float32)
        if self.scatter_to_primary > 0:
            scattering = forward(np.where(primary < 0.999, primary, np.float32(0)), workers)
            sigma = self.scatter_width_mm / FWHM_PER_SIGMA
            for axis in (v, u):
                scattering *= np.exp(-2 * (np.pi * sigma * axis) ** 2).astype(np.float32)
            spectrum += np.float32(self.scatter_to_primary) * scattering
        return np.asarray(scipy.fft.idctn(spectrum, norm="ortho"), dtype=np.float32)

    def project(
        self, maps: ThicknessMaps, detector: ScreenDetector, oversampling: int, workers: int | None = 1
    ) -> NDArray[np.float32]:
        """Signal that reaches the detector plane, on its fine grid.

        Parameters
        ----------
        maps : ThicknessMaps
            Object; its grid step must be `object_grid_mm`.
        detector : ScreenDetector
            Weighs the energies.
        oversampling : int
            Grid cells per pixel and direction.
        workers : int, optional
            Threads.

        Returns
        -------
        ndarray, float32, shape of the maps
            To be passed to `ScreenDetector.image`, `ScreenDetector.frame` or `Camera.expose`.

        Raises
        ------
        PhysicsError
            If the object's grid does not land on the detector's.
        """
        wanted = self.object_grid_mm(detector.pixel_pitch_mm, oversampling)
        if abs(maps.grid_pitch_mm / wanted - 1) > GRID_TOLERANCE:
            raise PhysicsError(
                f"the object's grid step is {maps.grid_pitch_mm:.6g} mm; pixels of {detector.pixel_pitch_mm} mm at "
                f"magnification {self.magnification:g} and oversampling {oversampling} need {wanted:.6g} mm"
            )
        fine = detector.transmission(maps, workers=workers)
        return self.at_detector(fine, detector.pixel_pitch_mm / oversampling, workers)


def oblique(
    maps: ThicknessMaps,
    angle_deg: float,
    slabs_mm: Mapping[str, tuple[float, float]] | None = None,
    *,
    along: str = "cols",
) -> ThicknessMaps:
    """Object seen at an angle, detector parallel to it: upper layers shift against lower ones (parallax).

    Parameters
    ----------
    maps : ThicknessMaps
    angle_deg : float
        Angle between the rays and the normal, -60 to 60 degrees.
    slabs_mm : mapping of str to (low, high), optional
        Heights each material fills evenly [mm]; `SLABS_MM` and 0-1.6 mm for what is not there.
    along : {"cols", "rows"}
        Direction in which the image shifts.

    Returns
    -------
    ThicknessMaps
        Same grid. Height z lands z tan(angle) further on; paths are longer by 1 / cos(angle); what enters
        from outside the grid repeats its border.

    Raises
    ------
    PhysicsError
        If the angle, the direction or a slab is impossible.

    Notes
    -----
    A material spread over heights z0..z1 is averaged over the shifts between them, exact for bodies that
    fill the slab (barrels, laminate, balls) and a smear for single foils: pass foils as materials of
    their own object, project each and multiply, if that matters.
    """
    if not abs(angle_deg) <= 60:
        raise PhysicsError(f"viewing angle is {angle_deg} deg; it must be -60 to 60")
    if along not in ("cols", "rows"):
        raise PhysicsError(f"parallax runs along {along!r}; choose cols or rows")
    heights = dict(SLABS_MM) | dict(slabs_mm or {})
    tangent, cosine = np.tan(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    out = {}
    for material, thickness in maps.thickness_mm.items():
        low, high = heights.get(material, (0.0, 1.6))
        if not (np.isfinite(low) and low <= high < np.inf):
            raise PhysicsError(f"slab of {material} reaches from {low} to {high} mm; the lower end comes first")
        start, end = sorted((low * tangent / maps.grid_pitch_mm, high * tangent / maps.grid_pitch_mm))
        turned = thickness if along == "cols" else thickness.T
        seen = _shift_average(turned, start, end) / np.float32(cosine)
        out[material] = np.ascontiguousarray(seen if along == "cols" else seen.T)
    return ThicknessMaps(out, maps.grid_pitch_mm, f"{maps.name} at {angle_deg:g} deg", dict(maps.labels))


def _shift_average(values: NDArray[np.float32], start: float, end: float) -> NDArray[np.float32]:
    """Mean of `values` over all shifts along columns from `start` to `end` cells."""
    cols = values.shape[1]
    if end - start < 1e-6:
        start, end = start - 0.5, start + 0.5
    elif end - start < 1:
        middle = 0.5 * (start + end)
        start, end = middle - 0.5, middle + 0.5
    margin = int(np.ceil(max(abs(start), abs(end)))) + 2
    padded = np.pad(values, ((0, 0), (margin, margin)), mode="edge")
    total = np.zeros((values.shape[0], padded.shape[1] + 1), dtype=np.float64)
    np.cumsum(padded, axis=1, dtype=np.float64, out=total[:, 1:])
    centre = np.arange(cols, dtype=np.float64) + np.float64(margin + 0.5)

    def up_to(position: NDArray[np.float64]) -> NDArray[np.float64]:
        index = np.floor(position).astype(int)
        share = position - index
        return np.asarray(total[:, index] * (1 - share) + total[:, index + 1] * share)

    width = end - start
    return np.asarray((up_to(centre - start) - up_to(centre - end)) / width, dtype=np.float32)
