"""An interval for every pixel: how far a restored image may be from the noise-free sharp one (split conformal over objects)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json, as_table, as_tables, read_object
from coldray.errors import CheckpointError
from coldray.frame import Frame
from coldray.plugins import Degradation
from coldray.restoration.even import DROWNED, GatedResult
from coldray.restoration.even_power import Power
from coldray.restoration.gate_constants import EvenConstants
from coldray.restoration.interval_width import IntervalScale
from coldray.restoration.model import Model
from coldray.words import percent

ENDING = ".interval.json"
"""Of the file with a model's calibration, beside the model."""
FEWEST_OBJECTS = 10
"""With known truth, from which the factor of a calibration can be set."""

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper images of the noise-free sharp image in the energy response of the detector that took the image.

    Parameters
    ----------
    bounds : ndarray, float32, shape (2, rows, cols)
        Fractions of the open beam.
    scale : IntervalScale
    """

    bounds: Image
    scale: IntervalScale

    def to_history(self) -> dict[str, Json]:
        """What the history of the file with the bounds says of them."""
        scale = self.scale
        told: dict[str, Json] = {"share": scale.share, "objects": scale.objects, "model_sha256": scale.model_sha256}
        return {"layers": ["lower bound", "upper bound"], "interval": told}


def interval_of(
    frame: Frame,
    degradation: Degradation,
    gated: GatedResult | None,
    written: Image,
    constants: EvenConstants | None,
    model: Model | None,
    *,
    frames: int = 1,
    network_share: float = 1.0,
    answered_share: float = 0.0,
    changed: Sequence[str] = (),
) -> tuple[Interval | None, list[str]]:
    """Interval around a result as it is written, and what limits it.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    gated : GatedResult
    written : ndarray, float32, shape (rows, cols)
        Before a response curve.
    constants : EvenConstants
        Of the gate.
    model : Model
        With its calibration beside it.
    frames : int
        Of the image; a stack gets no interval.
    network_share : float
        How much the network counts, less than 1 outside its domain.
    answered_share : float
        Share of the pixels where the measurement contradicted the network and something else was written.
    changed : sequence of str
        Settings that are others than those of the calibration.

    Raises
    ------
    CheckpointError
        If the model has no calibration.
    """
    if frames > 1:
        return None, ["intervals are given for single frames only; this image is a stack"]
    assert gated is not None and constants is not None and model is not None, "checked with the job"
    scale = interval_scale_of(model)
    half = scale.half_width_of(frame, degradation, gated, constants)
    limits = unsure(network_share, gated.evidence.power, answered_share, gated.stood_in, changed)
    return Interval(np.stack([written - half, written + half]), scale), limits


def unsure(
    network_share: float, power: Power, answered_share: float = 0.0, stood_in: float = 0.0, changed: Sequence[str] = ()
) -> list[str]:
    """What limits the interval of a restoration: where it was not calibrated, nothing is promised.

    Parameters
    ----------
    network_share, answered_share : float
        As of `interval_of`.
    power : Power
        What the frame shows of its noise.
    stood_in : float
        As of `GatedResult`.
    changed : sequence of str
        As of `interval_of`.
    """
    if changed:
        return [
            f"the interval was calibrated with the default settings, not with this {', '.join(changed)}: its coverage is not known here"
        ]
    if network_share < 1:
        return [
            "the interval was calibrated within the model's domain, which detectors or noise leave: its coverage is not known here"
        ]
    if power.warnings():
        return [
            "the frame does not show the noise that is stated, with which the interval was calibrated: its coverage is not known here"
        ]
    if answered_share > 0:
        return [
            f"the interval was calibrated on networks' own results: in the {percent(answered_share)} of the image where the "
            "measurement corrects the network or the linear filter stands in, its coverage is not known"
        ]
    if stood_in > 0:
        return [
            f"the interval was calibrated where noise takes less than {100 * DROWNED[0]:g} % of the beam: its coverage is not known here"
        ]
    return []


def interval_path(model: Model) -> Path:
    """Where the calibration of a model is: ``NAME.interval.json`` beside it."""
    return model.path.with_suffix(ENDING)


def interval_scale_of(model: Model) -> IntervalScale:
    """Calibration of a model's intervals.

    Raises
    ------
    CheckpointError
        If there is none, or it is another model's, or of the same weights with other constants.
    """
    path = interval_path(model)
    if not path.is_file():
        raise CheckpointError(_why_none(model))
    found = IntervalScale.from_dict(read_object(path, CheckpointError))
    if found.model_sha256 != model.sha256:
        raise CheckpointError(
            f"{path.name}: calibrated with another model (sha256 {found.model_sha256[:12]}…); calibrate anew"
        )
    if found.model_settings_sha256 not in ("", model.settings_sha256):
        raise CheckpointError(
            f"{path.name}: calibrated with other constants in the model's header (gate, gain or domain); calibrate anew"
        )
    return found


def _why_none(model: Model) -> str:
    """Why a model has no calibration beside it, and what to do."""
    if "adaptation" not in model.header:
        return (
            f"{interval_path(model).name}: the model {model.name!r} has no calibration of intervals beside it; make one with "
            "benchmarks/interval.py"
        )
    boards = as_tables(as_table(model.header["adaptation"]).get("boards", []))
    apart = sum(board.get("role") == "kept apart" for board in boards)
    return (
        f"{model.path.name}: an adapted model has no intervals: {apart} boards were kept apart, {FEWEST_OBJECTS} with a known truth "
        "are needed to set them; restore without `interval`, or with the model before"
    )
