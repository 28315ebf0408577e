"""Frequency grids in cycles/mm for the DFT and the DCT-II, and radial averages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError


def nyquist_lp_mm(pixel_pitch_mm: float) -> float:
    """Nyquist frequency [cycles/mm] of a square grid of the given pitch [mm].

    Examples
    --------
    >>> from coldray.physics.grids import nyquist_lp_mm
    >>> nyquist_lp_mm(0.05)
    10.0
    """
    if not pixel_pitch_mm > 0:
        raise PhysicsError(f"pixel pitch is {pixel_pitch_mm} mm; it must be positive")
    return 0.5 / pixel_pitch_mm


def dct_axes(shape: tuple[int, int], pixel_pitch_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies of the DCT-II coefficients along rows and columns.

    Parameters
    ----------
    shape : (rows, cols)
    pixel_pitch_mm : float
        Sample spacing [mm].

    Returns
    -------
    v, u : ndarray, shapes (rows, 1) and (1, cols)
        Frequency [cycles/mm]: k / (2 N pitch) for coefficient k of N, i.e. 0 to just below Nyquist.
    """
    nyquist = nyquist_lp_mm(pixel_pitch_mm)
    rows, cols = shape
    v = np.arange(rows, dtype=np.float64)[:, None] * (nyquist / rows)
    u = np.arange(cols, dtype=np.float64)[None, :] * (nyquist / cols)
    return v, u


def across(v: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction u^2 / (u^2 + v^2) of frequencies: 1 along the columns' axis, 0 along the rows' axis and at zero."""
    return np.asarray(u**2 / np.maximum(u**2 + v**2, np.finfo(float).tiny))


def dct_radial_frequency(shape: tuple[int, int], pixel_pitch_mm: float) -> NDArray[np.float64]:
    """Radial frequency [cycles/mm] of every DCT-II coefficient, shape (rows, cols)."""
    v, u = dct_axes(shape, pixel_pitch_mm)
    return np.hypot(v, u)


def dft_axes(shape: tuple[int, int], pixel_pitch_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies of the full complex DFT, unshifted.

    Parameters
    ----------
    shape : (rows, cols)
    pixel_pitch_mm : float
        Sample spacing [mm].

    Returns
    -------
    v, u : ndarray, shapes (rows, 1) and (1, cols)
        Signed frequency [cycles/mm].
    """
    nyquist_lp_mm(pixel_pitch_mm)
    rows, cols = (np.asarray(np.fft.fftfreq(n, pixel_pitch_mm), dtype=np.float64) for n in shape)
    return rows[:, None], cols[None, :]


def radial_average(
    values: NDArray[np.floating], frequency: NDArray[np.floating], bin_width: float, maximum: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Average a 2-D spectrum over rings of equal radial frequency.

    Parameters
    ----------
    values, frequency : ndarray, same shape
        Spectrum and its radial frequency [cycles/mm].
    bin_width, maximum : float
        Ring width and largest frequency [cycles/mm].

    Returns
    -------
    mean_frequency, mean_value, count : ndarray, shape (rings,)
        Mean radial frequency, mean value and number of samples of every non-empty ring.
    """
    index = np.floor(np.asarray(frequency).ravel() / bin_width).astype(np.int64)
    inside = np.asarray(frequency).ravel() <= maximum
    index = index[inside]
    count = np.bincount(index)
    total = np.bincount(index, weights=np.asarray(values, dtype=np.float64).ravel()[inside])
    place = np.bincount(index, weights=np.asarray(frequency, dtype=np.float64).ravel()[inside])
    filled = count > 0
    return place[filled] / count[filled], total[filled] / count[filled], count[filled]
