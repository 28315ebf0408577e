"""Object → screens → truths and frames: the one way in which anything simulated is acquired."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.simulation.cascade import forward
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.geometry import Geometry
from coldray.simulation.paper import SHARP_FRAMES
from coldray.simulation.thickness import ThicknessMaps

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Projection:
    """An object as it reaches one screen.

    Parameters
    ----------
    detector : ScreenDetector
        Weighs the energies.
    fine : ndarray, float32, shape (rows * oversampling, cols * oversampling)
        Signal before the screen's blur, fraction of the open beam.
    oversampling : int
        Grid cells per pixel and direction.
    workers : int, optional
        Threads; one per core by default. No result depends on it.
    """

    detector: ScreenDetector
    fine: Image
    oversampling: int
    workers: int | None = None

    @cached_property
    def truth(self) -> Image:
        """Noise-free image, shape (rows, cols)."""
        return self.through(self.detector)

    def through(self, detector: ScreenDetector) -> Image:
        """Noise-free image with another screen's blur and this one's energy response, shape (rows, cols)."""
        return detector.image_of_spectrum(forward(self.fine, self.workers), self.oversampling)

    def frame(self, exposure_s: float, rng: np.random.Generator, frames: int = 1) -> Image:
        """Mean of frames of an ideal panel, see `ScreenDetector.frame`."""
        return self.detector.frame(self.fine, self.oversampling, exposure_s, rng, frames=frames, workers=self.workers)


@dataclass(frozen=True, eq=False)
class PairProjection:
    """An object as it reaches both screens of a pair.

    Parameters
    ----------
    sharp, blurred : Projection
    """

    sharp: Projection
    blurred: Projection

    @cached_property
    def target(self) -> Image:
        """Sharp detector's noise-free image in the blurred detector's energy response, shape (rows, cols).

        What a restoration that leaves the measured response alone can reach.
        """
        return self.blurred.through(self.sharp.detector)


@dataclass(frozen=True, eq=False)
class AcquiredPair:
    """Both detectors' images of one object; all fractions of their own open beam.

    Parameters
    ----------
    sharp_truth, blurred_truth : ndarray, float32, shape (rows, cols)
        Noise-free images, each with its own energy weighting.
    sharp, blurred : ndarray, float32, shape (rows, cols)
        Frames (the sharp one usually a mean of many).
    target : ndarray, float32, shape (rows, cols)
        See `PairProjection.target`.
    """

    sharp_truth: Image
    blurred_truth: Image
    sharp: Image
    blurred: Image
    target: Image


def project(
    maps: ThicknessMaps,
    detector: ScreenDetector,
    oversampling: int,
    *,
    geometry: Geometry | None = None,
    workers: int | None = None,
) -> Projection:
    """Send the beam through an object to one screen.

    Parameters
    ----------
    maps : ThicknessMaps
        Object on a grid of pitch / oversampling, or `geometry.object_grid_mm`.
    detector : ScreenDetector
    oversampling : int
        Grid cells per pixel and direction.
    geometry : Geometry, optional
        Magnification, focal spot and scatter; contact imaging without scatter by default.
    workers : int, optional
        Threads; one per core by default. The result does not depend on it.

    Returns
    -------
    Projection

    Raises
    ------
    PhysicsError
        If the object's grid does not land on the detector's.
    """
    if geometry is None:
        fine = detector.transmission(maps, workers=workers)
    else:
        fine = geometry.project(maps, detector, oversampling, workers)
    return Projection(detector, fine, oversampling, workers)


def project_pair(
    maps: ThicknessMaps,
    sharp: ScreenDetector,
    blurred: ScreenDetector,
    oversampling: int,
    *,
    geometry: Geometry | None = None,
    workers: int | None = None,
) -> PairProjection:
    """Send the beam through an object to both screens of a pair, registered by construction; as `project`.

    Parameters
    ----------
    maps : ThicknessMaps
        Object on a grid of pitch / oversampling, or `geometry.object_grid_mm`.
    sharp, blurred : ScreenDetector
    oversampling : int
        Grid cells per pixel and direction.
    geometry : Geometry, optional
        Magnification, focal spot and scatter; contact imaging without scatter by default.
    workers : int, optional
        Threads; one per core by default. The result does not depend on it.

    Returns
    -------
    PairProjection

    Raises
    ------
    PhysicsError
        If the two pitches differ, or the object's grid does not land on the detectors'.
    """
    if sharp.pixel_pitch_mm != blurred.pixel_pitch_mm:
        raise PhysicsError(
            f"pixel pitch is {sharp.pixel_pitch_mm} mm and {blurred.pixel_pitch_mm} mm; a pair needs equal pixels"
        )
    return PairProjection(
        *(project(maps, d, oversampling, geometry=geometry, workers=workers) for d in (sharp, blurred))
    )


def acquire_pair(
    maps: ThicknessMaps,
    sharp: ScreenDetector,
    blurred: ScreenDetector,
    oversampling: int,
    rng: np.random.Generator,
    *,
    exposure_s: float = 0.25,
    sharp_exposure_s: float = 1.0,
    sharp_frames: int = SHARP_FRAMES,
    geometry: Geometry | None = None,
    workers: int | None = None,
) -> AcquiredPair:
    """Acquire one object with ideal panels behind both screens.

    Parameters
    ----------
    maps : ThicknessMaps
        Object on a grid of pitch / oversampling, or `geometry.object_grid_mm`.
    sharp, blurred : ScreenDetector
        Thin and thick screen on equal pixels.
    oversampling : int
        Grid cells per pixel and direction.
    rng : numpy.random.Generator
    exposure_s : float
        Exposure of the blurred frame [s].
    sharp_exposure_s, sharp_frames : float, int
        Exposure of one sharp frame [s] and how many are averaged.
    geometry : Geometry, optional
        Magnification, focal spot and scatter; contact imaging without scatter by default.
    workers : int, optional
        Threads; one per core by default. The result does not depend on it.

    Returns
    -------
    AcquiredPair

    Raises
    ------
    PhysicsError
        If the two pitches differ, the grid does not fit, or an exposure is not positive.
    """
    seen = project_pair(maps, sharp, blurred, oversampling, geometry=geometry, workers=workers)
    return AcquiredPair(
        sharp_truth=seen.sharp.truth,
        blurred_truth=seen.blurred.truth,
        sharp=seen.sharp.frame(sharp_exposure_s, rng, sharp_frames),
        blurred=seen.blurred.frame(exposure_s, rng),
        target=seen.target,
    )
