"""Colour of quantum noise that an MTF allows: light born at many depths, seen through square pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.physics.curves import FrequencyCurve

Float = NDArray[np.float64]

LUBBERTS_MTF = (0.0, 0.03, 0.05, 0.1, 0.2, 0.4, 0.6, 0.95, 1.0)
LUBBERTS_SHARE = (1.0, 0.58, 0.38, 0.1, 0.0, 0.13, 0.24, 0.40, 0.42)
"""Least share of M^2 in the noise shape at MTF M, the rest being M: common to Swank screens of 20 to 300 mg/cm2."""
LEAST_APERTURE = 0.05
TAIL_FROM, TAIL_SLOPES = 0.6, (-3.0, 0.0)
"""Where the slope of the screen's MTF beyond its table is taken from [share of the last frequency], and its range."""
POWDER_HALF_LP_MM, POWDER_EXPONENT = 1.7, 0.8
"""m = 1 / (1 + (1.7 lp/mm / f50)^0.8), f50 where the screen's MTF is a half: Swank screens of 34 to 200 mg/cm2 within 0.03."""
ALIASES = 2
ANGLES = 12
POINTS, SCREEN_POINTS = 129, 1025


@dataclass(frozen=True, eq=False)
class QuantumShape:
    """Noise power per quantum over frequency, 1 at zero, as `base - depth_alike * spread`.

    Parameters
    ----------
    frequency : ndarray, shape (n,)
        Radial frequency [cycles/pixel], to the diagonal Nyquist frequency.
    base, spread : ndarray, shape (n,)
        Sampled noise of a screen whose depths differ as much as they can, and what it loses where all depths blur alike.

    Notes
    -----
    With M the MTF of the screen alone, light of equal blur from all depths gives noise of power M^2 (Rossmann); depths
    that blur differently give more, R = M^2 / N < 1 (Lubberts, J. Opt. Soc. Am. 58 (1968) 1475). Swank screens follow
    N = M - b (M - M^2), b = m + (1 - m) u(M), with one number m = `depth_alike` per screen and one table u, to 7 %:
    m is 0.2 to 0.9 for powder screens of 300 to 20 mg/cm2 and near 1 for needles; M = 1 makes N white for any m. The
    pixel aperture and the replicas of sampling are summed in two dimensions, then averaged over angles.
    """

    frequency: Float
    base: Float
    spread: Float

    def __call__(self, depth_alike: float) -> Float:
        """Shape at `frequency`."""
        return np.asarray(self.base - depth_alike * self.spread)


def quantum_shape(mtf: FrequencyCurve, pixel_pitch_mm: float) -> QuantumShape:
    """Family of noise shapes that a detector's MTF allows.

    Parameters
    ----------
    mtf : FrequencyCurve
        Presampled MTF with the aperture of square pixels in it.
    pixel_pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    QuantumShape
    """
    grid, screen = _screen(mtf, pixel_pitch_mm)
    frequency = np.linspace(0.0, np.sqrt(0.5), POINTS)
    angle = (np.arange(ANGLES) + 0.5) * (np.pi / 4 / ANGLES)
    v, u = frequency[:, None] * np.sin(angle), frequency[:, None] * np.cos(angle)
    inside = u <= 0.5
    inside[:, -1] = True
    share = np.interp(screen, LUBBERTS_MTF, LUBBERTS_SHARE)
    parts = (screen - share * (screen - screen**2), (1 - share) * (screen - screen**2))
    total, missing = np.zeros((2, *u.shape)), np.ones(u.shape)
    for i in range(-ALIASES, ALIASES + 1):
        for j in range(-ALIASES, ALIASES + 1):
            aperture = (np.sinc(u + i) * np.sinc(v + j)) ** 2
            radius = np.hypot(u + i, v + j)
            missing -= aperture
            for part, out in zip(parts, total, strict=True):
                out += aperture * np.interp(radius, grid, part)
    for part, out in zip(parts, total, strict=True):
        out += missing * part[-1]
    base, spread = (total * inside).sum(axis=2) / inside.sum(axis=1)
    return QuantumShape(frequency, base, spread)


def expected_depth_alike(mtf: FrequencyCurve, pixel_pitch_mm: float) -> float:
    """What m a powder screen of this MTF has, see `QuantumShape`: thicker screens blur more and differ more in depth."""
    grid, screen = _screen(mtf, pixel_pitch_mm)
    half = float(np.interp(0.5, screen[::-1], grid[::-1])) / pixel_pitch_mm
    return float(1 / (1 + (POWDER_HALF_LP_MM / max(half, 1e-3)) ** POWDER_EXPONENT))


def _screen(mtf: FrequencyCurve, pixel_pitch_mm: float) -> tuple[Float, Float]:
    """MTF of the screen alone, falling, over [cycles/pixel]; beyond its table by its last slope on a double logarithm."""
    last = min(mtf.last_frequency_lp_mm * pixel_pitch_mm, 0.7)
    grid = np.linspace(0.0, (ALIASES + 1) * np.sqrt(2), SCREEN_POINTS)
    aperture = np.maximum(np.sinc(np.minimum(grid, last)), LEAST_APERTURE)
    value = mtf(np.minimum(grid, last) / pixel_pitch_mm) / float(mtf(0.0)) / aperture
    value = np.minimum.accumulate(np.clip(value, 1e-3, 1.0))
    ends = [float(np.interp(f, grid, value)) for f in (TAIL_FROM * last, last)]
    slope = float(np.clip(np.log(ends[1] / ends[0]) / -np.log(TAIL_FROM), *TAIL_SLOPES))
    beyond = grid > last
    value[beyond] = ends[1] * (grid[beyond] / last) ** slope
    return grid, value
