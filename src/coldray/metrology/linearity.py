"""Linearity of a detector: mean signal against exposure, the straight line through it, and how far it leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.inputs import Images, as_frames, joined_mask, require_signal

FEWEST, FEW = 3, 5
BENT = 0.02
"""Largest deviation from the line, as a share of it, that is told."""
LEAST_R_SQUARED = 0.99
"""Recalled from IEC 62220-1-1 for the conversion function."""
NARROW = 4.0

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearityMeasurement:
    """Conversion function of a detector.

    Parameters
    ----------
    exposure, signal : ndarray, shape (n,)
        Rising exposure, in the unit it was given in, and the mean signal at it.
    slope, slope_sd : float
        Signal per exposure, and its standard uncertainty from the scatter about the line.
    intercept, intercept_sd : float
        Signal at no exposure: the offset that was not taken off.
    r_squared : float
    deviation : ndarray, shape (n,)
        Signal over the line, less 1.
    warnings : tuple of str
    """

    exposure: Float
    signal: Float
    slope: float
    slope_sd: float
    intercept: float
    intercept_sd: float
    r_squared: float
    deviation: Float
    warnings: tuple[str, ...] = ()

    @property
    def largest_deviation(self) -> float:
        """Largest deviation from the line, as a share of it."""
        return float(np.abs(self.deviation).max())

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure linearity`."""
        return {
            "exposure": self.exposure.tolist(),
            "signal": self.signal.tolist(),
            "deviation": self.deviation.tolist(),
            "slope": self.slope,
            "slope_sd": self.slope_sd,
            "intercept": self.intercept,
            "intercept_sd": self.intercept_sd,
            "r_squared": self.r_squared,
            "largest_deviation": self.largest_deviation,
            "warnings": list(self.warnings),
        }


def linearity(
    images: Sequence[Images], exposure: Sequence[float], mask: NDArray[np.bool_] | None = None
) -> LinearityMeasurement:
    """Fit a straight line to the mean signal of flats over their exposure.

    Parameters
    ----------
    images : sequence of ndarray (rows, cols) or (frames, rows, cols), Radiograph, or sequences of them
        Flats of one exposure each.
    exposure : sequence of float
        Air kerma, charge or time of each, in any one unit.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count; joined with the masks of the radiographs.

    Returns
    -------
    LinearityMeasurement

    Raises
    ------
    MeasurementError
        If fewer than three different exposures are given, one is not positive, or the signal does not rise.

    Notes
    -----
    The fit minimises relative deviations, so that the smallest exposure counts as much as the largest. R^2 is that of
    the line for the signal.

    References
    ----------
    IEC 62220-1-1:2015, conversion function (recalled: R^2 of 0.99 or more, relative deviations of 2 % or less).
    """
    x = np.asarray(exposure, dtype=np.float64)
    if len(images) != x.size:
        raise MeasurementError(f"{len(images)} flats and {x.size} exposures were given; each flat needs its own")
    if not np.all(np.isfinite(x) & (x > 0)) or np.unique(x).size < FEWEST:
        raise MeasurementError(f"linearity needs {FEWEST} or more different positive exposures; found {x.tolist()}")
    means, warnings = [], list[str]()
    for one in images:
        require_signal(one)
        own = joined_mask(one, mask)
        frames, remarks = as_frames(one, own)
        warnings += remarks
        good = np.ones(frames[0].shape, dtype=bool) if own is None else ~own
        means.append(float(np.mean([np.mean(frame[good], dtype=np.float64) for frame in frames])))
    order = np.argsort(x, kind="stable")
    x, y = x[order], np.array(means)[order]
    if not np.all(y > 0) or y[-1] <= y[0]:
        raise MeasurementError(f"the signal must be positive and rise with the exposure; found {y.tolist()}")
    design = np.stack([x, np.ones_like(x)], axis=1)
    weighted = design / y[:, None]
    fit = np.linalg.lstsq(weighted, np.ones_like(y), rcond=None)[0]
    line = design @ fit
    rest = y / line - 1
    scatter = float(rest @ rest) / max(x.size - 2, 1)
    sd = np.sqrt(np.diag(np.linalg.pinv(weighted.T @ weighted)) * scatter)
    r_squared = 1 - float(np.sum((y - line) ** 2) / np.sum((y - y.mean()) ** 2))
    if float(np.abs(rest).max()) > BENT:
        warnings.append(
            f"the signal leaves the line by {100 * float(np.abs(rest).max()):.1f} % at {x[int(np.argmax(np.abs(rest)))]:.4g}: "
            "not linear, or the exposures are not what they are said to be"
        )
    if r_squared < LEAST_R_SQUARED:
        warnings.append(f"R² is {r_squared:.4f}, below {LEAST_R_SQUARED:g}")
    if x[-1] / x[0] < NARROW:
        warnings.append(
            f"the exposures span a factor of {x[-1] / x[0]:.1f} only; {NARROW:g} or more tell a bend from noise"
        )
    if x.size < FEW:
        warnings.append(f"only {x.size} exposures; {FEW} or more are recommended")
    return LinearityMeasurement(
        x, y, float(fit[0]), float(sd[0]), float(fit[1]), float(sd[1]), r_squared, rest, tuple(dict.fromkeys(warnings))
    )
