"""Response matching: one monotone curve that maps the sharp detector's signal to the blurred detector's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.dataset._hardening import fit_hardening, fit_rises, hardened, ramp_images
from coldray.document import Json, read_object
from coldray.errors import MeasurementError, MetadataError
from coldray.physics.pair import DetectorPair
from coldray.physics.ratio_blur import ratio_blur

FILE_FORMAT = "coldray-response"
FILE_VERSION = 1
KNOTS = 12
LEAST_SLOPE = 0.05
"""Slope the curve keeps everywhere, so that it can be inverted."""
LEAST_SPACING = 0.01
WIDEST_GAP = 0.1
"""Between two knots [fraction of the open beam]: where boards have no signal, the hardening law needs some too."""
BORDER_PX = 8
SAMPLES = 60_000
"""Pixels used of one calibration image."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CalibrationImage:
    """Registered images of one calibration board or step wedge.

    Parameters
    ----------
    name : str
    sharp, blurred : ndarray, shape (rows, cols)
        Fractions of the open beam.
    pair : DetectorPair
    """

    name: str
    sharp: NDArray[np.floating]
    blurred: NDArray[np.floating]
    pair: DetectorPair


@dataclass(frozen=True, eq=False)
class ResponseCurve:
    """What the blurred detector shows where the sharp one shows a signal.

    Parameters
    ----------
    signal, response : ndarray, shape (knots,)
        Strictly increasing fractions of the open beam; (0, 0) and (1, 1) are among them.
    sharp, blurred : str
        Names of the two detectors.
    gain : float
        The plain factor that fits best; reported beside the curve, never applied.
    boards : tuple of str
        What the curve was fitted on.
    rms : dict of str to float
        "unmatched", "gain" and "curve": rms difference left on the calibration images [fraction of open beam].

    Notes
    -----
    Monotone cubic (PCHIP) between the knots, straight beyond them: noise around zero and the open beam is
    neither clipped nor folded. It is applied to references only, alike for every method.
    """

    signal: Float
    response: Float
    sharp: str
    blurred: str
    gain: float
    boards: tuple[str, ...]
    rms: dict[str, float]

    def __post_init__(self) -> None:
        x, y = np.asarray(self.signal, dtype=np.float64), np.asarray(self.response, dtype=np.float64)
        object.__setattr__(self, "signal", x)
        object.__setattr__(self, "response", y)
        if x.ndim != 1 or x.shape != y.shape or x.size < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise MetadataError(f"a response curve needs two equally long lists; found {x.shape} and {y.shape}")
        if np.any(np.diff(x) <= 0) or np.any(np.diff(y) <= 0):
            raise MetadataError("a response curve must rise strictly; sort its knots by signal")

    @cached_property
    def _curve(self) -> Any:
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(self.signal, self.response)

    def __call__(self, image: ArrayLike) -> NDArray[np.float32]:
        """Map signals of the sharp detector to the blurred detector's response; same shape."""
        x = np.asarray(image, dtype=np.float64)
        low, high = self.signal[0], self.signal[-1]
        first, last = (np.diff(self.response) / np.diff(self.signal))[[0, -1]]
        inner = self._curve(np.clip(x, low, high))
        return np.asarray(inner + np.minimum(x - low, 0) * first + np.maximum(x - high, 0) * last, dtype=np.float32)

    @property
    def removed_db(self) -> float:
        """How much mismatch the curve removed from the calibration images [dB]."""
        return 20 * float(np.log10(self.rms["unmatched"] / max(self.rms["curve"], 1e-12)))

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form: the response file."""
        return {
            "format": FILE_FORMAT,
            "version": FILE_VERSION,
            "sharp": self.sharp,
            "blurred": self.blurred,
            "signal": [round(float(v), 7) for v in self.signal],
            "response": [round(float(v), 7) for v in self.response],
            "gain": round(self.gain, 7),
            "boards": list(self.boards),
            "rms": {k: round(v, 7) for k, v in self.rms.items()},
        }

    @classmethod
    def from_dict(cls, data: Any) -> ResponseCurve:
        """Inverse of `to_dict`."""
        if not isinstance(data, dict) or data.get("format") != FILE_FORMAT or data.get("version") != FILE_VERSION:
            raise MetadataError(f"not a response file: 'format' must be {FILE_FORMAT!r} and 'version' {FILE_VERSION}")
        try:
            return cls(
                np.asarray(data["signal"], dtype=np.float64),
                np.asarray(data["response"], dtype=np.float64),
                str(data["sharp"]),
                str(data["blurred"]),
                float(data["gain"]),
                tuple(str(b) for b in data["boards"]),
                {str(k): float(v) for k, v in data["rms"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise MetadataError(f"invalid response file: {problem}") from None


def load_response(path: Path) -> ResponseCurve:
    """Read a response file.

    Raises
    ------
    MetadataError
        If it is missing or not one.
    """
    try:
        return ResponseCurve.from_dict(read_object(path, MetadataError))
    except MetadataError as problem:
        named = str(problem).startswith(f"{path.name}:")
        raise MetadataError(str(problem) if named else f"{path.name}: {problem}") from None


def fit_response(images: Sequence[CalibrationImage], *, sharp: str, blurred: str, knots: int = KNOTS) -> ResponseCurve:
    """Fit the curve on calibration boards.

    Parameters
    ----------
    images : sequence of CalibrationImage
        Never boards that are tested on.
    sharp, blurred : str
        Names of the detectors, for the file.
    knots : int
        Quantiles of the signal among the knots, at most; fewer where it does not spread.

    Returns
    -------
    ResponseCurve

    Raises
    ------
    MeasurementError
        If there is no image, or its signal does not spread.

    Notes
    -----
    Least squares of blurred = H f(sharp): the sharp image is mapped first and blurred then, in the order in which
    hardening and blur happen. f is a sum of ramps with non-negative weights (hence monotone) through
    (0, 0) and (1, 1): both detectors are flat-fielded to their open beam. Where the images hold few pixels of a
    signal, f follows the hardening law x^(1 - a x^c) fitted to all of them; see `coldray.dataset._hardening`.
    """
    if not images:
        raise MeasurementError("no calibration image; give a step wedge or boards that are not tested on")
    pooled = np.concatenate([np.asarray(i.sharp, dtype=np.float64).ravel()[:: _stride(i.sharp)] for i in images])
    x = _knots(pooled, knots)
    thin = [np.asarray(i.sharp, dtype=np.float64) for i in images]

    def seen(mapping: Callable[[Float], NDArray[np.floating]]) -> Float:
        """Pixels of the mapped sharp images, shape (..., pixels), after the blur; one image at a time in memory."""
        parts = [_pixels(ratio_blur(mapping(t), i.pair)) for t, i in zip(thin, images, strict=True)]
        return np.concatenate(parts, axis=-1)

    y = np.concatenate([_pixels(i.blurred) for i in images])
    plain = seen(lambda signal: signal)
    law = fit_hardening(seen, y)
    ramps = seen(lambda signal: ramp_images(signal, x))
    rises = fit_rises(ramps.T, y, np.diff(x), np.diff(hardened(x, *law)), least_slope=LEAST_SLOPE)
    gain = float(plain @ y / (plain @ plain))
    rms = {
        "unmatched": float(np.sqrt(np.mean((y - plain) ** 2))),
        "gain": float(np.sqrt(np.mean((y - gain * plain) ** 2))),
        "curve": float(np.sqrt(np.mean((y - rises @ ramps) ** 2))),
    }
    response = np.concatenate([[0.0], np.cumsum(rises)])
    return ResponseCurve(x, response, sharp, blurred, gain, tuple(i.name for i in images), rms)


def fit_levels(
    sharp_levels: ArrayLike, blurred_levels: ArrayLike, *, sharp: str, blurred: str, name: str = "step wedge"
) -> ResponseCurve:
    """Fit the curve through the plateaus of a step wedge, measured by both detectors.

    Parameters
    ----------
    sharp_levels, blurred_levels : array_like, shape (steps,)
        Mean signal of each step, fraction of the open beam.
    sharp, blurred, name : str
        Names of the detectors and of the wedge, for the file.

    Raises
    ------
    MeasurementError
        If fewer than two steps differ, or lists are unequal.
    """
    x, y = (np.asarray(levels, dtype=np.float64) for levels in (sharp_levels, blurred_levels))
    if x.ndim != 1 or x.shape != y.shape or x.size < 2 or not np.ptp(x) > LEAST_SPACING:
        raise MeasurementError(f"a step wedge needs two or more different steps; found {x.shape} and {y.shape}")
    inside = (x > LEAST_SPACING) & (x < 1 - LEAST_SPACING)
    order = np.argsort(x[inside])
    at, level = np.concatenate([[0.0], x[inside][order], [1.0]]), np.concatenate([[0.0], y[inside][order], [1.0]])
    apart = np.concatenate([[True], np.diff(at) > 1e-4])
    at, level = at[apart], level[apart]
    # pool what noise has turned round, from dark to bright, and keep a rising curve
    level = np.maximum.accumulate(level)
    level = level + 1e-6 * np.arange(len(level))
    gain = float(x @ y / (x @ x))
    curve = ResponseCurve(
        at, level / level[-1], sharp, blurred, gain, (name,), {"unmatched": 0.0, "gain": 0.0, "curve": 0.0}
    )
    rest = {"unmatched": y - x, "gain": y - gain * x, "curve": y - curve(x)}
    return ResponseCurve(
        at,
        level / level[-1],
        sharp,
        blurred,
        gain,
        (name,),
        {k: float(np.sqrt(np.mean(r**2))) for k, r in rest.items()},
    )


def _knots(values: Float, most: int) -> Float:
    """0, quantiles of the signal, 1, at least `LEAST_SPACING` and at most `WIDEST_GAP` apart."""
    if not np.quantile(values, 0.995) - np.quantile(values, 0.005) > 2 * LEAST_SPACING:
        raise MeasurementError("the calibration images hold one signal level only; a response curve needs a range")
    chosen = [0.0]
    for value in np.quantile(values, np.linspace(0.005, 0.995, max(most - 2, 2))):
        if value - chosen[-1] >= LEAST_SPACING and value <= 1 - LEAST_SPACING:
            chosen.append(float(value))
    filled = [0.0]
    for value in (*chosen[1:], 1.0):
        parts = int(np.ceil((value - filled[-1]) / WIDEST_GAP))
        filled.extend(np.linspace(filled[-1], value, parts + 1)[1:])
    return np.array(filled)


def _pixels(image: NDArray[np.floating]) -> Float:
    """Pixels used of images (..., rows, cols), without their border, shape (..., pixels)."""
    rows, cols = image.shape[-2:]
    inner = image[..., BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
    every = max(1, rows * cols // SAMPLES)
    return np.asarray(inner.reshape(*image.shape[:-2], -1)[..., ::every], dtype=np.float64)


def _stride(image: NDArray[np.number]) -> int:
    return max(1, image.size // SAMPLES)
