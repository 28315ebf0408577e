"""MTFs of two directions: edges sorted by how they lie, and the mean of what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from coldray.metrology.edge.mtf import EdgeMeasurement
from coldray.physics.curves import FrequencyCurve

Shown = TypeVar("Shown")


def by_direction(
    images: Sequence[Shown], measure: Callable[[Sequence[Shown]], EdgeMeasurement]
) -> tuple[EdgeMeasurement, EdgeMeasurement] | None:
    """Measure edges that run from top to bottom and edges that run from side to side apart.

    Parameters
    ----------
    images : sequence of Radiograph or ndarray
        One edge each.
    measure : callable
        Gives the measurement of several edges together.

    Returns
    -------
    (EdgeMeasurement, EdgeMeasurement) or None
        Along the columns' axis (horizontal, from upright edges) and along the rows' axis; None if one kind is missing or an
        edge lies along a diagonal.
    """
    lying = [measure([image]).orientation for image in images] if len(images) > 1 else []
    if set(lying) != {"vertical", "horizontal"}:
        return None
    kinds = ("vertical", "horizontal")
    across, down = (measure([i for i, o in zip(images, lying, strict=True) if o == kind]) for kind in kinds)
    return across, down


def mean_curve(one: FrequencyCurve, other: FrequencyCurve) -> FrequencyCurve:
    """Mean of two MTFs with the mean of their bands, on the frequencies of the first up to the end of the shorter."""
    frequency = one.frequency_lp_mm[one.frequency_lp_mm <= other.last_frequency_lp_mm]
    value = 0.5 * (one(frequency) + other(frequency))
    half = 0.25 * (one.width(frequency) + other.width(frequency))
    if not np.any(half):
        return FrequencyCurve(frequency, value)
    return FrequencyCurve(frequency, value, value - half, value + half)
