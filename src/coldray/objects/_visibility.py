"""How visible a change of thickness is: signal behind an object, noise of a pixel, thickness for a contrast."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.screen import gos_screen, open_beam_nnps
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, EnergyBins, energy_bins, spectrum_70kv
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import BLURRED_MG_CM2, PITCH_MM


@lru_cache(maxsize=1)
def reference_bins() -> EnergyBins:
    """Energy bins in the 70 kV beam of the screen whose signal sets depths and contrasts of drawn objects."""
    return energy_bins(gos_screen(BLURRED_MG_CM2).response, spectrum_70kv(), 12)


@lru_cache(maxsize=32)
def _depths(material: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thickness from 0 to 200 mm, and minus the logarithm of the signal behind it."""
    bins = reference_bins()
    depth = np.concatenate([[0.0], np.geomspace(1e-5, 200, 1200)])
    signal = np.exp(-depth[:, None] * bins.per_mm[material]) @ bins.weight
    return depth, -np.log(np.maximum(signal, 1e-12))


def depth_for(material: str, signal: float) -> float:
    """Thickness [mm] of a material behind which the reference screen sees a fraction of the open beam, at least 0.001."""
    depth, loss = _depths(material)
    return float(np.interp(-np.log(min(max(signal, 1e-3), 1.0)), loss, depth))


def behind(thickness_mm: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Signal behind some materials, and how fast its logarithm falls with the thickness of any material.

    Parameters
    ----------
    thickness_mm : mapping of str to float
        Thickness [mm] of each material on one ray.

    Returns
    -------
    signal : float
        Fraction of the open beam, in the reference screen.
    slopes : dict of str to float
        Relative fall of the signal per mm more of each material of the attenuation table.
    """
    bins = reference_bins()
    left = bins.weight * np.exp(-sum((t * bins.per_mm[m] for m, t in thickness_mm.items()), np.zeros(bins.weight.size)))
    signal = float(left.sum())
    return signal, {m: float((left * mu).sum()) / max(signal, 1e-12) for m, mu in bins.per_mm.items()}


def pixel_sd(detector: ScreenDetector, exposure_s: float, signal: float) -> float:
    """Standard deviation of one pixel [fraction of the open beam] at a local signal and exposure.

    Raises
    ------
    PhysicsError
        If the exposure is not positive.
    """
    if not 0 < exposure_s < np.inf:
        raise PhysicsError(f"exposure is {exposure_s} s; it must be positive and finite")
    p = detector.pixel_pitch_mm
    axis = (np.arange(16) + 0.5) / 32 / p
    quantum, electronic = open_beam_nnps(
        detector.screen,
        p,
        AIR_KERMA_RATE_UGY_S * exposure_s,
        axis,
        axis[:, None],
        read_noise_electrons=detector.read_noise_electrons,
        aliases=3,
    )
    return float(np.sqrt(quantum.mean() * max(signal, 0.0) + electronic.mean()) / p)


@lru_cache(maxsize=1)
def open_beam_noise() -> float:
    """Relative noise of one 48 um pixel of the reference screen in the open beam at 1 s."""
    return pixel_sd(ScreenDetector.gos(BLURRED_MG_CM2, PITCH_MM), 1.0, 1.0)
