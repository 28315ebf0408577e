"""One object seen by both detectors: noise-free truths and simulated frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.simulation.cascade import forward
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.geometry import Geometry
from coldray.simulation.thickness import ThicknessMaps


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
        Sharp detector's noise-free image in the blurred detector's energy response: what a restoration
        that leaves the measured response alone can reach.
    """

    sharp_truth: NDArray[np.float32]
    blurred_truth: NDArray[np.float32]
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]
    target: NDArray[np.float32]


def acquire_pair(
    maps: ThicknessMaps,
    sharp: ScreenDetector,
    blurred: ScreenDetector,
    oversampling: int,
    rng: np.random.Generator,
    *,
    exposure_s: float = 0.25,
    sharp_exposure_s: float = 1.0,
    sharp_frames: int = 20,
    geometry: Geometry | None = None,
    workers: int | None = None,
) -> AcquiredPair:
    """Acquire one object with both detectors, registered by construction.

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
    if sharp.pixel_pitch_mm != blurred.pixel_pitch_mm:
        raise PhysicsError(
            f"pixel pitch is {sharp.pixel_pitch_mm} mm and {blurred.pixel_pitch_mm} mm; a pair needs equal pixels"
        )
    if geometry is None:
        thin, thick = (detector.transmission(maps, workers=workers) for detector in (sharp, blurred))
    else:
        thin, thick = (geometry.project(maps, detector, oversampling, workers) for detector in (sharp, blurred))
    spectrum = forward(thick, workers)
    return AcquiredPair(
        sharp_truth=sharp.image_of_spectrum(forward(thin, workers), oversampling),
        blurred_truth=blurred.image_of_spectrum(spectrum.copy(), oversampling),
        sharp=sharp.frame(thin, oversampling, sharp_exposure_s, rng, frames=sharp_frames, workers=workers),
        blurred=blurred.frame(thick, oversampling, exposure_s, rng, workers=workers),
        target=sharp.image_of_spectrum(spectrum, oversampling),
    )
