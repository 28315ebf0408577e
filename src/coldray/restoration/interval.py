"""An interval for every pixel: how far a restored image may be from the noise-free sharp one (split conformal over objects)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json, as_table, as_tables, read_object
from coldray.errors import CheckpointError
from coldray.frame import Frame, Gain, wiener_gain
from coldray.plugins import Degradation
from coldray.restoration.even import DROWNED, GatedResult, fixed_gain
from coldray.restoration.even_power import Power
from coldray.restoration.evidence import LEAST_SIGNAL, EvenConstants
from coldray.restoration.model import Model
from coldray.words import percent

FILE_FORMAT, FILE_VERSION = "coldray-interval", 1
ENDING = ".interval.json"
"""Of the file with a model's calibration, beside the model."""
PARTS = (
    *("noise", "detail nearby", "detail around", "claim nearby", "slope", "rest around"),
    *("structure", "structure with noise", "structure far", "structure far with noise"),
)
"""What the scale is made of, each a variance [fraction of the open beam squared]."""
NEAR_PX, AROUND_PX, FAR_PX, SLOPE_PX = 1.5, 4.0, 12.0, 1.0
"""Widths of the neighbourhoods [pixels]."""
NOISE_GRID = 128
"""Side of the frequency grid on which the variance behind a filter is worked out [pixels]."""
LEAST_SD = 1e-6
FEWEST_OBJECTS = 10
"""With known truth, from which the factor of a calibration can be set."""

Float = NDArray[np.float64]
Image = NDArray[np.float32]


def scale_parts(frame: Frame, degradation: Degradation, gated: GatedResult, constants: EvenConstants) -> Image:
    """What is known of every pixel's error.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    gated : GatedResult
    constants : EvenConstants

    Returns
    -------
    ndarray, float32, shape (10, rows, cols)
        In the order of `PARTS`: the measurement's noise behind the linear filter that rules there; what was restored, squared,
        nearby and around; what only the network claims, squared; the squared slope of the result per pixel; what the blurred result
        leaves of the measurement, squared.
    """
    from scipy.ndimage import gaussian_filter

    def mean(image: Image, sigma_px: float) -> Image:
        return np.asarray(gaussian_filter(image, sigma_px, mode="reflect", truncate=3.0), dtype=np.float32)

    pitch = frame.pair.pixel_pitch_mm
    signal = np.maximum(mean(gated.out, NEAR_PX), np.float32(LEAST_SIGNAL))
    even = passed_noise(frame, lambda f: fixed_gain(degradation, constants, pitch, f), signal)
    wiener = passed_noise(frame, wiener_gain(frame, degradation, frame.mean_signal), signal)
    detail = np.square(gated.out - gated.measured)
    down, across = np.gradient(mean(gated.out, SLOPE_PX))
    rest = np.square(gated.measured - frame.operator(degradation)(gated.out))
    structure, far = (
        np.maximum(mean(np.square(gated.out), width) - np.square(mean(gated.out, width)), np.float32(0))
        for width in (AROUND_PX, FAR_PX)
    )
    parts = (
        (1 - gated.gate) * even + gated.gate * wiener,
        mean(detail, NEAR_PX),
        mean(detail, AROUND_PX),
        mean(np.square(gated.claim), NEAR_PX),
        np.square(down) + np.square(across),
        mean(rest, AROUND_PX),
        structure,
        np.sqrt(structure * wiener),
        far,
        np.sqrt(far * wiener),
    )
    return np.stack(parts).astype(np.float32)


def passed_noise(frame: Frame, gain: Gain, signal: Image) -> Image:
    """Variance of the noise behind a filter at every pixel, for noise whose power grows with the signal.

    Parameters
    ----------
    frame : Frame
    gain : callable
        Gain of the filter over frequency [cycles/mm].
    signal : ndarray, shape (rows, cols)
        Local signal [fraction of the open beam].

    Returns
    -------
    ndarray, shape (rows, cols)
    """
    pitch = frame.pair.pixel_pitch_mm
    axis = np.fft.fftfreq(NOISE_GRID)
    f = np.hypot(axis[:, None], axis) / pitch
    squared = gain(f) ** 2
    dark, bright = (float(np.mean(squared * frame.noise.power(f, level))) / pitch**2 for level in (0.0, 1.0))
    return np.asarray(dark + (bright - dark) * signal, dtype=np.float32)


@dataclass(frozen=True)
class IntervalScale:
    """Half-width of the interval from the parts of the scale, as calibrated with one model.

    Parameters
    ----------
    weights : tuple of float
        One for each of `PARTS`, not negative: the scale squared is their weighted sum.
    places : tuple of float
        log10 of the scale over the standard deviation of the noise, at which the factors are given.
    shut, opened : tuple of float
        Half-width over scale at those places, where the gate is shut and where it is not; linear between.
    factor : float
        What whole objects that the scale was not fitted on make of it.
    share : float
        Share of an object's pixels that the interval covers, mean over objects.
    objects : int
        How many objects gave the factor.
    model_sha256 : str
        Model whose errors these are.
    """

    weights: tuple[float, ...]
    places: tuple[float, ...]
    shut: tuple[float, ...]
    opened: tuple[float, ...]
    factor: float = 1.0
    share: float = 0.9
    objects: int = 0
    model_sha256: str = ""

    def half_width(self, parts: NDArray[np.floating], gate: NDArray[np.floating]) -> Image:
        """Half-width [fraction of the open beam], of the gate's shape, for parts of shape (10, ...)."""
        scale, place = self.scale(parts)
        factor = np.where(
            gate == 0, np.interp(place, self.places, self.shut), np.interp(place, self.places, self.opened)
        )
        return np.asarray(self.factor * factor * scale, dtype=np.float32)

    def scale(self, parts: NDArray[np.floating]) -> tuple[Float, Float]:
        """Scale [fraction of the open beam], and log10 of it over the standard deviation of the noise."""
        squared = np.tensordot(np.asarray(self.weights), np.asarray(parts, dtype=np.float64), 1)
        scale = np.sqrt(np.maximum(squared, LEAST_SD**2))
        return scale, np.log10(scale / np.sqrt(np.maximum(parts[0], LEAST_SD**2)))

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form: the file beside the model."""
        head: dict[str, Json] = {"format": FILE_FORMAT, "version": FILE_VERSION, "parts": list(PARTS)}
        return head | asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IntervalScale:
        """Inverse of `to_dict`.

        Raises
        ------
        CheckpointError
            If it is none.
        """
        if (data.get("format"), data.get("version"), data.get("parts")) != (FILE_FORMAT, FILE_VERSION, list(PARTS)):
            raise CheckpointError(
                f"not a calibration of intervals: 'format' must be {FILE_FORMAT!r}, 'version' {FILE_VERSION}"
            )
        try:
            curves = {name: tuple(float(v) for v in data[name]) for name in ("weights", "places", "shut", "opened")}
            made = cls(
                **curves,
                factor=float(data["factor"]),
                share=float(data["share"]),
                objects=int(data["objects"]),
                model_sha256=str(data["model_sha256"]),
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError(f"the calibration of intervals cannot be read ({problem})") from None
        numbers = np.array([*made.weights, *made.shut, *made.opened, made.factor])
        lengths = {len(made.places), len(made.shut), len(made.opened)}
        rising = np.all(np.diff(made.places) > 0)
        if (
            len(made.weights) != len(PARTS)
            or len(lengths) != 1
            or not rising
            or not np.all(np.isfinite(numbers) & (numbers >= 0))
        ):
            raise CheckpointError("the calibration of intervals holds impossible numbers; calibrate anew")
        return made


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
    half = scale.half_width(scale_parts(frame, degradation, gated, constants), gated.gate)
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
        If there is none, or it is another model's.
    """
    path = interval_path(model)
    if not path.is_file():
        raise CheckpointError(_why_none(model))
    found = IntervalScale.from_dict(read_object(path, CheckpointError))
    if found.model_sha256 != model.sha256:
        raise CheckpointError(
            f"{path.name}: calibrated with another model (sha256 {found.model_sha256[:12]}…); calibrate anew"
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
