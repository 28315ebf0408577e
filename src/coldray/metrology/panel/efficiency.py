"""Normalised signal-to-noise ratio against air kerma, and its value at 1 mGy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from coldray.errors import MeasurementError
from coldray.metrology.contrast import REFERENCE_UM, contrast
from coldray.metrology.panel.figure import Figure, with_sd

FACTOR = "efficiency"
FAR = 2.0
"""Ratio of 1 mGy to the nearest exposure beyond which its value is an extrapolation that is told."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """Two corrected images of the open beam at one air kerma.

    Parameters
    ----------
    air_kerma_mgy : float
        At the detector, of one image [mGy].
    first, second : ndarray, shape (rows, cols)
    """

    air_kerma_mgy: float
    first: NDArray[np.number]
    second: NDArray[np.number]


@dataclass(frozen=True, eq=False)
class Efficiency:
    """SNR_N at every exposure of one beam, and the curve through them.

    Parameters
    ----------
    beam : str
    air_kerma_mgy, snr_n, snr_n_sd : ndarray, shape (n,)
        The uncertainty is that of the noise; that of the iSRb is common to all.
    at_1_mgy : Figure
    r_squared : float
        Of the straight line through zero over the root of the kerma.
    largest_deviation : float
        From that line, as a share of it.
    warnings : tuple of str
    """

    beam: str
    air_kerma_mgy: Float
    snr_n: Float
    snr_n_sd: Float
    at_1_mgy: Figure
    r_squared: float
    largest_deviation: float
    warnings: tuple[str, ...]


def signal_to_noise(exposure: Exposure, mask: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """SNR of one image, from the difference of two, and its relative standard uncertainty; the fixed pattern cancels."""
    first, second = (np.asarray(image, dtype=np.float64) for image in (exposure.first, exposure.second))
    if first.shape != second.shape or first.ndim != 2:
        raise MeasurementError(f"an exposure needs two images of one shape; found {first.shape} and {second.shape}")
    good = np.ones(first.shape, dtype=bool) if mask is None else ~mask
    mean = float((first[good].mean() + second[good].mean()) / 2)
    if not mean > 0:
        raise MeasurementError(f"the mean signal of an exposure is {mean:.4g}; correct the offset first")
    noise = contrast(mean + (first - second) / np.sqrt(2), mask=mask).signal
    return mean / noise.sd_noise, noise.sd_noise_relative


def efficiency(
    beam: str,
    exposures: Sequence[Exposure],
    isrb_mm: float,
    isrb_sd_mm: float,
    mask: NDArray[np.bool_] | None = None,
) -> Efficiency:
    """SNR_N over air kerma, and its value at 1 mGy.

    Parameters
    ----------
    beam : str
        Name of the beam quality.
    exposures : sequence of Exposure
        Two or more, at different air kerma.
    isrb_mm, isrb_sd_mm : float
        Interpolated basic spatial resolution and its standard uncertainty [mm].
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    Efficiency

    Raises
    ------
    MeasurementError
        With fewer than two exposures, an air kerma that is not positive, or images that do not belong together.

    Notes
    -----
    1 / SNR_N^2 = a / K + b / K^2 with a, b >= 0: quanta, and noise that does not grow with the signal. SNR_N is
    SNR 88.6 um / iSRb.

    References
    ----------
    ASTM E2597/E2597M-22, efficiency, as its public preview and literature describe it.
    """
    kerma = np.array([one.air_kerma_mgy for one in exposures], dtype=np.float64)
    if kerma.size < 2 or not np.all(kerma > 0) or np.ptp(kerma) == 0:
        raise MeasurementError(f"efficiency needs exposures at two or more air kermas [mGy]; found {kerma.tolist()}")
    read = np.array([signal_to_noise(one, mask) for one in exposures])
    snr_n, relative = read[:, 0] * REFERENCE_UM / (1e3 * isrb_mm), read[:, 1]
    weight = snr_n**2 / (2 * relative)
    design = np.stack([1 / kerma, 1 / kerma**2], axis=1) * weight[:, None]
    found, _ = nnls(design, weight / snr_n**2)
    used = design[:, found > 0]
    both = np.linalg.pinv(used.T @ used)
    at_one = float(found.sum())
    value = at_one**-0.5
    noise = float(np.sqrt(both.sum())) / at_one / 2
    line = float(snr_n @ np.sqrt(kerma) / kerma.sum())
    off = snr_n - line * np.sqrt(kerma)
    warnings = []
    if kerma.min() > FAR or kerma.max() < 1 / FAR:
        warnings.append(
            f"{beam}: SNR_N at 1 mGy is extrapolated from {kerma.min():.3g} to {kerma.max():.3g} mGy; expose nearer to 1 mGy"
        )
    figure = with_sd(
        f"efficiency.{beam}",
        f"SNR_N at 1 mGy, {beam}",
        value,
        value * float(np.hypot(noise, isrb_sd_mm / isrb_mm)),
        "",
        FACTOR,
    )
    return Efficiency(
        beam,
        kerma,
        snr_n,
        snr_n * relative,
        figure,
        1 - float(off @ off / np.sum((snr_n - snr_n.mean()) ** 2)),
        float(np.abs(off / (line * np.sqrt(kerma))).max()),
        tuple(warnings),
    )
