"""Response matching: the monotone curve that maps the sharp detector's signal to the blurred detector's, from boards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.dataset._hardening import fit_hardening, fit_rises, ramp_images
from coldray.errors import MeasurementError
from coldray.physics.pair import DetectorPair
from coldray.physics.ratio_blur import ratio_blur
from coldray.physics.response import LEAST_SPACING, ResponseCurve, gain_and_rms, hardened

KNOTS = 12
LEAST_SLOPE = 0.05
"""Slope the curve keeps everywhere, so that it can be inverted."""
WIDEST_GAP = 0.1
"""Between two knots [fraction of the open beam]: where boards have no signal, the hardening law needs some too."""
BORDER_PX = 8
SAMPLES = 60_000
"""Pixels used of one calibration image."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CalibrationImage:
    """Registered images of one calibration board or step wedge.

    Parameters
    ----------
    name : str
    sharp, blurred : ndarray, shape (rows, cols)
        Fractions of the open beam.
    pair : DetectorPair
    """

    name: str
    sharp: NDArray[np.floating]
    blurred: NDArray[np.floating]
    pair: DetectorPair


def fit_response(images: Sequence[CalibrationImage], *, sharp: str, blurred: str, knots: int = KNOTS) -> ResponseCurve:
    """Fit the curve on calibration boards.

    Parameters
    ----------
    images : sequence of CalibrationImage
        Never boards that are tested on.
    sharp, blurred : str
        Names of the detectors, for the file.
    knots : int
        Quantiles of the signal among the knots, at most; fewer where it does not spread.

    Returns
    -------
    ResponseCurve

    Raises
    ------
    MeasurementError
        If there is no image, or its signal does not spread.

    Notes
    -----
    Least squares of blurred = H f(sharp): the sharp image is mapped first and blurred then, in the order in which
    hardening and blur happen. f is a sum of ramps with non-negative weights (hence monotone) through
    (0, 0) and (1, 1): both detectors are flat-fielded to their open beam. Where the images hold few pixels of a
    signal, f follows the hardening law x^(1 - a x^c) fitted to all of them; see `coldray.dataset._hardening`.
    """
    if not images:
        raise MeasurementError("no calibration image; give a step wedge or boards that are not tested on")
    pooled = np.concatenate([np.asarray(i.sharp, dtype=np.float64).ravel()[:: _stride(i.sharp)] for i in images])
    x = _knots(pooled, knots)
    thin = [np.asarray(i.sharp, dtype=np.float64) for i in images]

    def seen(mapping: Callable[[Float], NDArray[np.floating]]) -> Float:
        """Pixels of the mapped sharp images, shape (..., pixels), after the blur; one image at a time in memory."""
        parts = [_pixels(ratio_blur(mapping(t), i.pair)) for t, i in zip(thin, images, strict=True)]
        return np.concatenate(parts, axis=-1)

    y = np.concatenate([_pixels(i.blurred) for i in images])
    plain = seen(lambda signal: signal)
    law = fit_hardening(seen, y)
    ramps = seen(lambda signal: ramp_images(signal, x))
    rises = fit_rises(ramps.T, y, np.diff(x), np.diff(hardened(x, *law)), least_slope=LEAST_SLOPE)
    gain, rms = gain_and_rms(plain, y, rises @ ramps)
    response = np.concatenate([[0.0], np.cumsum(rises)])
    return ResponseCurve(x, response, sharp, blurred, gain, tuple(i.name for i in images), rms)


def _knots(values: Float, most: int) -> Float:
    """0, quantiles of the signal, 1, at least `LEAST_SPACING` and at most `WIDEST_GAP` apart."""
    if not np.quantile(values, 0.995) - np.quantile(values, 0.005) > 2 * LEAST_SPACING:
        raise MeasurementError("the calibration images hold one signal level only; a response curve needs a range")
    chosen = [0.0]
    for value in np.quantile(values, np.linspace(0.005, 0.995, max(most - 2, 2))):
        if value - chosen[-1] >= LEAST_SPACING and value <= 1 - LEAST_SPACING:
            chosen.append(float(value))
    filled = [0.0]
    for value in (*chosen[1:], 1.0):
        parts = int(np.ceil((value - filled[-1]) / WIDEST_GAP))
        filled.extend(np.linspace(filled[-1], value, parts + 1)[1:])
    return np.array(filled)


def _pixels(image: NDArray[np.floating]) -> Float:
    """Pixels used of images (..., rows, cols), without their border, shape (..., pixels)."""
    rows, cols = image.shape[-2:]
    inner = image[..., BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
    every = max(1, rows * cols // SAMPLES)
    return np.asarray(inner.reshape(*image.shape[:-2], -1)[..., ::every], dtype=np.float64)


def _stride(image: NDArray[np.number]) -> int:
    return max(1, image.size // SAMPLES)
