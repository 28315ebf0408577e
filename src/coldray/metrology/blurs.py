"""Blur of the source and of the detector, told apart from edges at two or more distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.focal_spot import SHAPES, spot_transfer

LEAST_MTF = 0.1
"""Curves count down to here: below, their logarithm is noise."""
LEAST_SD = 0.002
LARGEST_SPOT_MM = 20.0
FEWEST_POINTS = 6
CORRELATED = 4.0
"""Neighbouring frequencies of a smoothed edge response that are worth one."""
MISFIT = 2.0
"""Rest over its uncertainty that is told."""
LEAST_RATIO = 1.1
"""Largest over smallest (magnification - 1) + 0.05 that tells the two blurs apart."""
EQUAL_FWHM = 0.83
"""Full width at half maximum of a Gaussian spot over the width of a uniform one of about the same blur."""

Float = NDArray[np.float64]


def shadow_transfer(frequency: Float, width: float, shape: str) -> Float:
    """Transfer of a focal spot at the detector, by the width of a uniform one of the same blur for every shape."""
    return spot_transfer(frequency, width * (EQUAL_FWHM if shape == "gaussian" else 1.0), shape)


@dataclass(frozen=True, eq=False)
class BlurSeparation:
    """Two blurs behind edges at several magnifications.

    Parameters
    ----------
    detector_mtf : FrequencyCurve
        At the detector plane [cycles/mm], with its k = 2 band; to where every curve that tells it still counts.
    spot_mm, spot_low_mm, spot_high_mm : float
        Width of the focal spot, uniform over it, and its k = 2 band; 0 where none is seen.
    shape : {"uniform", "gaussian"}
        Which agrees better with the curves.
    told : bool
        Whether the shapes differ beyond the noise.
    misfit : float
        Root mean square of what is left over, in standard uncertainties.
    warnings : tuple of str
    """

    detector_mtf: FrequencyCurve
    spot_mm: float
    spot_low_mm: float
    spot_high_mm: float
    shape: str
    told: bool
    misfit: float
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure source`."""
        curve = self.detector_mtf
        assert curve.low is not None and curve.high is not None
        return {
            "spot_mm": self.spot_mm,
            "spot_low_mm": self.spot_low_mm,
            "spot_high_mm": self.spot_high_mm,
            "shape": self.shape,
            "shape_told": self.told,
            "misfit": self.misfit,
            "frequency_lp_mm": curve.frequency_lp_mm.tolist(),
            "detector_mtf": curve.value.tolist(),
            "detector_mtf_low": curve.low.tolist(),
            "detector_mtf_high": curve.high.tolist(),
            "warnings": list(self.warnings),
        }


def separate_blurs(mtfs: Sequence[FrequencyCurve], magnification: Sequence[float]) -> BlurSeparation:
    """Tell the blur of the focal spot from that of the detector.

    Parameters
    ----------
    mtfs : sequence of FrequencyCurve
        MTF at the detector plane [cycles/mm] of an edge at each distance, with bands.
    magnification : sequence of float
        Source-detector over source-edge distance of each, 1 for an edge on the detector.

    Returns
    -------
    BlurSeparation

    Raises
    ------
    MeasurementError
        If there are fewer than two different magnifications, one is below 1, or too little of the curves counts.

    Notes
    -----
    M_k(f) = D(f) F((m_k - 1) f): the spot is seen (m - 1) times as large at the detector. For every width of the spot
    the best D follows at each frequency in closed form from the logarithms; the width is that of the smallest squared
    rest. Points of one curve are correlated, so its uncertainty counts one independent point in `CORRELATED`.
    """
    m = np.asarray(magnification, dtype=np.float64)
    if len(mtfs) != m.size or m.size < 2 or not np.all(np.isfinite(m) & (m >= 1)):
        raise MeasurementError(
            f"{len(mtfs)} edges and magnifications {m.tolist()}; two or more of each, all 1 or larger"
        )
    lever = m - 1
    if (lever.max() + 0.05) / (lever.min() + 0.05) < LEAST_RATIO:
        raise MeasurementError(f"the magnifications {m.tolist()} are too alike to tell the two blurs apart")
    last = min(curve.last_frequency_lp_mm for curve in mtfs)
    frequency = mtfs[0].frequency_lp_mm
    frequency = frequency[(frequency > 0) & (frequency <= last)]
    value = np.stack([np.asarray(curve(frequency)) for curve in mtfs])
    sd = np.stack([np.maximum(curve.width(frequency) / 4, LEAST_SD) for curve in mtfs])
    counts = value > LEAST_MTF
    counts = np.logical_and.accumulate(counts, axis=1)
    kept = counts.sum(axis=0) >= 2
    if kept.sum() < FEWEST_POINTS:
        raise MeasurementError(
            f"only {int(kept.sum())} frequencies have two curves above {LEAST_MTF}; edges are too blurred"
        )
    f, y, weight = frequency[kept], np.log(np.maximum(value[:, kept], 1e-9)), np.where(counts, value / sd, 0.0)[:, kept]
    found = {shape: _fit(f, y, weight, lever, shape) for shape in SHAPES}
    shape = min(SHAPES, key=lambda one: found[one][2])
    other = next(one for one in SHAPES if one != shape)
    width, half, rest, detector, detector_sd = found[shape]
    told = found[other][2] - rest > 4 * max(rest / max(f.size - 1, 1), 1.0) * CORRELATED and width > 0
    freedom = max(int(np.count_nonzero(weight)) - f.size - 1, 1)
    misfit = float(np.sqrt(rest / freedom))
    warnings = []
    if misfit > MISFIT:
        warnings.append(
            f"the curves differ from two blurs by {misfit:.1f} times their uncertainty: check magnifications, focus and edges"
        )
    if width - half <= 0:
        warnings.append(f"no focal spot is seen: it is smaller than {width + half:.3g} mm")
    curve = FrequencyCurve(
        np.r_[0.0, f], np.r_[1.0, detector], np.r_[1.0, np.maximum(detector - 2 * detector_sd, 0)],
        np.r_[1.0, detector + 2 * detector_sd],
    )  # fmt: skip
    return BlurSeparation(
        curve, width, max(width - half, 0.0), width + half, shape, bool(told), misfit, tuple(warnings)
    )


def _fit(f: Float, y: Float, weight: Float, lever: Float, shape: str) -> tuple[float, float, float, Float, Float]:
    """Width of the spot [mm], half of its k = 2 band, squared rest, and MTF of the detector with its uncertainty."""
    square = weight**2
    total = np.maximum(square.sum(axis=0), 1e-300)

    def parts(width: float) -> tuple[Float, float]:
        spot = np.log(np.maximum(np.stack([shadow_transfer(f, width * one, shape) for one in lever]), 1e-6))
        detector = (square * (y - spot)).sum(axis=0) / total
        return detector, float(np.sum(square * (y - spot - detector) ** 2))

    # A curve that counts has not reached the first zero of a uniform spot.
    reach = max(float(f[row > 0].max(initial=0.0)) * float(one) for row, one in zip(weight, lever, strict=True))
    largest = min(LARGEST_SPOT_MM, 0.99 / max(reach, 1e-9))
    grid = np.r_[0.0, np.geomspace(largest / 1000, largest, 60)]
    rest = [parts(w)[1] for w in grid]
    best = int(np.argmin(rest))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    width = float(
        minimize_scalar(lambda w: parts(w)[1], bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x
    )
    if rest[0] <= parts(width)[1]:
        width = 0.0
    detector, least = parts(width)
    scale = max(least / max(int(np.count_nonzero(weight)) - f.size - 1, 1), 1.0) * CORRELATED
    # Delta chi squared of 4 is k = 2; the blur goes with the square of the width.
    limit = least + 4 * scale
    upper = width + max(largest / 1000, width / 1000)
    while parts(upper)[1] < limit and upper < largest:
        upper += max((upper - width), largest / 1000) * 0.5
    steps = np.linspace(width, min(upper, largest), 60)
    over = next((float(w) for w in steps if parts(float(w))[1] >= limit), float(steps[-1]))
    half = over - width
    moved = (parts(over)[0] - detector) / 2
    value = np.exp(detector)
    return width, half, least, value, np.asarray(value * np.sqrt(1 / total + moved**2))
