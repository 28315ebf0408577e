"""POD curves of what was read, with the uncertainty of the threshold in their bounds; and a map of the smallest defect found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from scipy.special import ndtri

from coldray.benchmark.pod.reading import FALSE_CALLS, Reading
from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.pod.curve import CONFIDENCE, DETECTION, PodCurve
from coldray.metrology.pod.hit_miss import hit_miss
from coldray.metrology.pod.signal_response import signal_response

Float = NDArray[np.float64]

ANALYSES = ("hit_miss", "signal_response")
LEAST_READING, LARGEST_READING = 0.7, 1.7
"""Readings beyond count as censored: a power of size describes what a defect adds only near the threshold."""
NEIGHBOURS = 3
"""Side of the square of cells whose ground and response a cell of the map stands for."""
PRIOR_DEFECTS = 4.0
"""Weight of the mean response of all places in that of a cell [defects]."""


@dataclass(frozen=True, eq=False)
class Fit:
    """POD of one kind of defect in one kind of image, by one analysis.

    Parameters
    ----------
    kind, arm, analysis : str
    a90_mm, a90_95_mm : float or None
        Size found with 90 % probability, and its upper bound of 95 % confidence; None if there is none.
    curve : PodCurve, optional
    note : str
        Why there is no figure, or what limits it.
    """

    kind: str
    arm: str
    analysis: str
    a90_mm: float | None
    a90_95_mm: float | None
    curve: PodCurve | None = None
    note: str = ""

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        known = {name: getattr(self, name) for name in ("kind", "arm", "analysis", "a90_mm", "a90_95_mm", "note")}
        if self.curve is None:
            return known | {"model": None, "parameters": None}
        return known | {"model": self.curve.model, "parameters": self.curve.parameters.tolist()}


def fit(kind: str, arm: str, analysis: str, readings: Mapping[float, Reading]) -> Fit:
    """Fit one analysis to the readings of a kind by size [mm].

    Parameters
    ----------
    kind : str
        Of the defects.
    arm : str
        Whose readings: raw, linear or restored.
    analysis : str
        Hit/miss, or signal against size.
    readings : mapping of float to Reading
        By size of the defects [mm].

    Returns
    -------
    Fit

    Notes
    -----
    All defects of a class are read against one threshold, so its error moves a90 as a whole. How far it moves with the
    threshold one standard uncertainty higher and lower is added in quadrature, on the logarithm, to the bound of the likelihood.
    """
    sizes = np.concatenate([np.full(one.value.size, size) for size, one in readings.items()])
    values = np.concatenate([one.value for one in readings.values()])
    spread = np.concatenate([np.full(one.value.size, one.threshold_sd) for one in readings.values()])

    def fitted(threshold: Float) -> PodCurve:
        if analysis == "hit_miss":
            return hit_miss(sizes, values > threshold, false_call_rate=FALSE_CALLS)
        return signal_response(sizes, values / threshold, 1.0, least=LEAST_READING, largest=LARGEST_READING)

    try:
        curve = fitted(np.ones(values.size))
    except MeasurementError as problem:
        return Fit(kind, arm, analysis, None, None, note=str(problem))
    found = curve.size()
    if found.estimate_mm is None:
        return Fit(
            kind, arm, analysis, None, None, curve, "the probability of detection does not rise to 90 % with size"
        )
    if found.estimate_mm > max(readings):
        note = f"a90 lies beyond the largest size, {max(readings):.3g} mm; add larger defects"
        return Fit(kind, arm, analysis, None, None, curve, note)
    bound = found.likelihood_mm
    if bound is not None:
        moved = _moved(fitted, found.estimate_mm, spread)
        bound = None if moved is None else float(found.estimate_mm * np.exp(
            np.hypot(np.log(bound / found.estimate_mm), ndtri(CONFIDENCE) * moved)))  # fmt: skip
    return Fit(kind, arm, analysis, found.estimate_mm, bound, curve, "" if bound else "there is no upper bound")


def _moved(fitted: Callable[[Float], PodCurve], a90_mm: float, spread: Float) -> float | None:
    """How far ln a90 moves with one standard uncertainty of the threshold; None if it is lost then."""
    ends = []
    for sign in (-1.0, 1.0):
        try:
            size = fitted(np.maximum(1 + sign * spread, 0.1)).size().estimate_mm
        except MeasurementError:
            return None
        if size is None:
            return None
        ends.append(abs(float(np.log(size / a90_mm))))
    return float(np.mean(ends))


def smallest_found(
    readings: Mapping[float, Reading],
    defect_cell: Mapping[float, NDArray[np.int64]],
    ground_cell: NDArray[np.int64],
    shape: tuple[int, int],
) -> Float:
    """Smallest size found with 90 % probability in every cell of a frame.

    Parameters
    ----------
    readings : mapping of float to Reading
        By size [mm]; of one kind and one frame.
    defect_cell : mapping of float to ndarray of int, shape (defects, 2)
        Row and column of the cell of each defect, by size.
    ground_cell : ndarray of int, shape (places, 2)
    shape : (rows, cols)
        Cells.

    Returns
    -------
    ndarray, shape (rows, cols)
        Size [mm]; infinite where even the largest is not found, NaN where nothing was read.

    Notes
    -----
    In the square of cells around each one, the ground's readings have a mean and a deviation, and defects respond more or less
    than on the average of the frame. A reading of mean plus response exceeds the threshold with the probability of a normal
    deviate; between sizes that deviate is taken as linear in ln size.
    """

    def around(cell: NDArray[np.int64], weight: Float) -> Float:
        grid = np.zeros(shape)
        np.add.at(grid, (cell[:, 0], cell[:, 1]), weight)
        window = np.ones((NEIGHBOURS, NEIGHBOURS))
        return np.asarray(scipy.ndimage.correlate(grid, window, mode="constant"))

    sizes = sorted(readings)
    here, places = np.zeros(shape, dtype=bool), around(ground_cell, np.ones(len(ground_cell)))
    here[ground_cell[:, 0], ground_cell[:, 1]] = True
    mean = {size: float(readings[size].response.mean()) for size in sizes}
    usable = [size for size in sizes if mean[size] > 0]
    total, count = np.zeros(shape), np.zeros(shape)
    for size in usable:
        # larger defects tell the local response better: weighted by their mean
        total += around(defect_cell[size], readings[size].response * mean[size])
        count += around(defect_cell[size], np.full(len(defect_cell[size]), mean[size] ** 2))
    prior = PRIOR_DEFECTS * float(np.mean([mean[size] ** 2 for size in usable])) if usable else 1.0
    ratio = (total + prior) / (count + prior)
    deviates = []
    for size in sizes:
        ground = readings[size].ground
        with np.errstate(divide="ignore", invalid="ignore"):
            level = around(ground_cell, ground) / places
            sd = np.sqrt(np.maximum(around(ground_cell, ground**2) / places - level**2, 0.0))
            deviates.append((level + ratio * mean[size] - 1.0) / sd - float(ndtri(DETECTION)))
    return np.where(here, _crossing(np.stack(deviates), np.log(sizes)), np.nan)


def _crossing(deviates: Float, log_size: Float) -> Float:
    """Size from which on all deviates are positive, shape of one of them; infinite if the last is not."""
    out = np.full(deviates.shape[1:], np.inf)
    all_found = np.ones(deviates.shape[1:], dtype=bool)
    for k in range(len(log_size) - 1, -1, -1):
        found = deviates[k] > 0
        if k + 1 < len(log_size):
            here = all_found & ~found
            share = -deviates[k][here] / (deviates[k + 1][here] - deviates[k][here])
            out[here] = np.exp(log_size[k] + share * (log_size[k + 1] - log_size[k]))
        all_found &= found
    return np.where(all_found, np.exp(log_size[0]), out)
