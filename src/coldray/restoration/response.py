"""Results brought to the sharp detector's energy response, after they were judged in the measurement's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.images.scale import Scale
from coldray.physics.pair import DetectorPair
from coldray.physics.response import ResponseCurve
from coldray.restoration.certificate.words import NOT_JUDGED
from coldray.restoration.guard import Written

JUDGED_BEFORE = (
    "It was judged before the response curve, in the energy response of the detector that took the image; the curve is one for all "
    "materials, and behind another one than it was measured with the result is off by what the materials differ."
)


def brought(
    image: NDArray[np.float32], written: Written, curve: ResponseCurve | None, scale: Scale
) -> tuple[NDArray[np.number], int]:
    """Pixels to be stored, and how many of them were clipped.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, cols)
        The result in the response of the detector that took it.
    written : Written
        The same as it would be stored.
    curve : ResponseCurve, optional
        From the sharp detector's signal to the blurred detector's; without one the result stays as it is.
    scale : Scale
    """
    if curve is None:
        return written.pixels, written.clipped
    return scale.to_stored(curve.inverse(image))


def with_response(said: dict[str, Any], curve: ResponseCurve | None) -> dict[str, Json]:
    """A certificate in words that also says what it did not see; where there is none nothing is added."""
    if curve is None or said["verdict"] == NOT_JUDGED:
        return said
    return said | {"response": "judged before the curve", "statement": f"{said['statement']} {JUDGED_BEFORE}"}


def recorded(curve: ResponseCurve | None) -> dict[str, Json]:
    """What the history says of the curve: the curve itself, so that the result can be brought back."""
    return {} if curve is None else {"response": curve.to_dict()}


def notes_of(curve: ResponseCurve | None, pair: DetectorPair) -> list[str]:
    """Warning if the curve names other detectors."""
    if curve is None:
        return []
    names = [(curve.sharp, pair.sharp.name, "sharp"), (curve.blurred, pair.blurred.name, "blurred")]
    other = [f"{curve_name!r}, not {name!r}" for curve_name, name, role in names if curve_name not in (role, name)]
    return [f"the response curve is of {' and '.join(other)}: check that it fits these detectors"] if other else []
