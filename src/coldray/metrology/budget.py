"""Variance against exposure: electronic, quantum and structure noise of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.noise import NoiseMeasurement


@dataclass(frozen=True)
class NoiseBudget:
    """Pixel variance = electronic + quantum * signal + structure * signal^2.

    Parameters
    ----------
    electronic : float
        Variance that does not depend on exposure [signal^2].
    quantum : float
        Variance per signal [signal]; the conversion gain when the noise is Poisson and white.
    structure : float
        Relative variance of the fixed pattern [1].
    electronic_sd, quantum_sd, structure_sd : float
        Standard uncertainties, from the scatter of the points about the fit.
    largest_residual : float
        Largest relative deviation of a measured variance from the fit.
    warnings : tuple of str
    """

    electronic: float
    quantum: float
    structure: float
    electronic_sd: float
    quantum_sd: float
    structure_sd: float
    largest_residual: float
    warnings: tuple[str, ...] = ()

    def variance(self, signal: ArrayLike) -> Any:
        """Fitted pixel variance [signal^2] at a mean signal."""
        s = np.asarray(signal, dtype=np.float64)
        return self.electronic + self.quantum * s + self.structure * s**2

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((n, getattr(self, n)) for n in self.__dataclass_fields__)
        }


def noise_budget(mean_signal: ArrayLike, variance: ArrayLike) -> NoiseBudget:
    """Fit the variance of flat fields at several exposures.

    Parameters
    ----------
    mean_signal, variance : array_like, shape (levels,)
        Mean [signal] and pixel variance [signal^2] of offset-corrected flats at three or more exposures.

    Returns
    -------
    NoiseBudget

    Raises
    ------
    MeasurementError
        If there are fewer than three different levels, or a value is not positive.

    Notes
    -----
    Weighted by 1 / variance, since the error of a variance is proportional to it; no part is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.metrology.budget import noise_budget
    >>> signal = np.array([100.0, 400.0, 1600.0, 6400.0])
    >>> found = noise_budget(signal, 50 + 2 * signal)
    >>> round(found.electronic, 3), round(found.quantum, 3)
    (50.0, 2.0)
    """
    signal = np.asarray(mean_signal, dtype=np.float64)
    measured = np.asarray(variance, dtype=np.float64)
    if signal.ndim != 1 or signal.shape != measured.shape or np.unique(signal).size < 3:
        raise MeasurementError(
            f"variance against exposure needs flats at 3 or more exposures; found {np.unique(signal).size}"
        )
    if not (np.all(signal > 0) and np.all(measured > 0)):
        raise MeasurementError("mean signals and variances must be positive; subtract the dark image first")
    scale = signal.max()
    x = signal / scale
    design = np.stack([np.ones_like(x), x, x**2], axis=1) / measured[:, None]
    size = np.linalg.norm(design, axis=0)
    solution, _ = nnls(design / size, np.ones_like(x))
    parts = solution / size
    residual = design @ parts - 1
    freedom = signal.size - np.count_nonzero(parts)
    scatter = np.sqrt(residual @ residual / freedom) if freedom > 0 else 0.0
    covariance = np.linalg.pinv((design / size).T @ (design / size))
    sd = scatter * np.sqrt(np.diag(covariance)) / size
    unit = np.array([1.0, scale, scale**2])
    warnings = []
    largest = float(np.abs(residual).max())
    if largest > 0.1:
        warnings.append(f"a level lies {100 * largest:.0f} % off the fit: check linearity and offset correction")
    if signal.max() < 4 * signal.min():
        warnings.append(f"exposures span only a factor {signal.max() / signal.min():.1f}; use 10 or more")
    electronic, quantum, structure = (float(v) for v in parts / unit)
    electronic_sd, quantum_sd, structure_sd = (float(v) for v in sd / unit)
    return NoiseBudget(
        electronic, quantum, structure, electronic_sd, quantum_sd, structure_sd, largest, tuple(warnings)
    )


def exposure_series(levels: Sequence[NoiseMeasurement]) -> NoiseBudget:
    """`noise_budget` of measurements made at several exposures."""
    return noise_budget([m.mean_signal for m in levels], [m.pixel_variance for m in levels])
