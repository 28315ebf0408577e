"""Energy responses of two detectors: the monotone curve between their signals, the hardening law, files of either."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.document import Json, content_of, read_object
from coldray.errors import ColdrayError, MeasurementError, MetadataError

FILE_FORMAT = "coldray-response"
FILE_VERSION = 1
LEAST_SPACING = 0.01
DARKEST = 1e-4
LAW = "hardening:"
"""What a response begins with that is the hardening law instead of a file."""
LAW_A, LAW_C = (-0.5, 0.7), (0.05, 3.0)
"""Ranges of the law's numbers; the curve rises throughout them."""
LAW_KNOTS = np.concatenate([[0.0], np.geomspace(DARKEST, 0.1, 24), np.linspace(0.125, 1.0, 36)])
"""Where the law is taken: its curve is within 1e-5 of it."""
TABLE_SAMPLES = 8193
"""Points at which a curve is tabulated to be inverted."""
LARGEST_BYTES = 1_000_000

Float = NDArray[np.float64]


def hardened(signal: Float, a: float, c: float) -> Float:
    """Signal of the second screen where the first one shows `signal`, both fractions of the open beam.

    Parameters
    ----------
    signal : ndarray, any shape
    a, c : float
        See Notes.

    Returns
    -------
    ndarray, same shape
        0 at 0 and 1 at 1; linear under 1e-4.

    Notes
    -----
    x^(1 - a x^c): in thin matter the two screens see attenuations in the ratio 1 - a of their mean coefficients; the
    deeper the beam, the fewer energies are left to disagree on, and the ratio returns to 1. One material and the
    screens of 33.91 and 134.55 mg/cm2: FR4 a 0.158, c 0.67, kept within 0.001.
    """
    x = np.maximum(np.asarray(signal, dtype=np.float64), DARKEST)
    law = x ** (1 - a * x**c)
    return np.asarray(law * np.where(np.asarray(signal) < DARKEST, np.asarray(signal) / DARKEST, 1.0))


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
    neither clipped nor folded. `prepare` and scores apply it to references, alike for every method; its inverse maps a
    restored image to the sharp detector's response.
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
        first, last = self._slopes
        inner = self._curve(np.clip(x, low, high))
        return np.asarray(inner + np.minimum(x - low, 0) * first + np.maximum(x - high, 0) * last, dtype=np.float32)

    def inverse(self, image: ArrayLike) -> NDArray[np.float32]:
        """Map signals in the blurred detector's response to the sharp detector's; same shape."""
        y = np.asarray(image, dtype=np.float64)
        low, high = self.response[0], self.response[-1]
        first, last = self._slopes
        inner = np.interp(y, *self._table)
        return np.asarray(inner + np.minimum(y - low, 0) / first + np.maximum(y - high, 0) / last, dtype=np.float32)

    @cached_property
    def _slopes(self) -> tuple[float, float]:
        """Slopes of the first and the last piece, which go on beyond the knots."""
        first, last = (np.diff(self.response) / np.diff(self.signal))[[0, -1]]
        return float(first), float(last)

    @cached_property
    def _table(self) -> tuple[Float, Float]:
        """Response and signal of the curve at many points, denser where it is steep."""
        even = np.linspace(self.response[0], self.response[-1], TABLE_SAMPLES)
        start = np.interp(even, self.response, self.signal)
        signal = np.unique(np.concatenate([start, self.signal]))
        return np.asarray(self._curve(signal), dtype=np.float64), signal

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
    def from_dict(cls, data: Json) -> ResponseCurve:
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
    data = read_object(path, MetadataError)
    try:
        return ResponseCurve.from_dict(data)
    except MetadataError as problem:
        raise MetadataError(f"{path.name}: {problem}") from None


def gain_and_rms(signal: Float, response: Float, fitted: NDArray[np.floating]) -> tuple[float, dict[str, float]]:
    """Best plain factor from a signal to a response, and what is left of it: the `gain` and `rms` of a `ResponseCurve`.

    Parameters
    ----------
    signal, response : ndarray, shape (points,)
        Of the same places in the sharp and in the blurred detector.
    fitted : ndarray, shape (points,)
        What a curve makes of `signal`.

    Returns
    -------
    gain : float
    rms : dict of str to float
        "unmatched", "gain" and "curve".
    """
    gain = float(signal @ response / (signal @ signal))
    tries = {"unmatched": signal, "gain": gain * signal, "curve": fitted}
    return gain, {name: float(np.sqrt(np.mean((response - one) ** 2))) for name, one in tries.items()}


def law_curve(a: float, c: float) -> ResponseCurve:
    """Curve of the hardening law, see `hardened`.

    Parameters
    ----------
    a, c : float
        Constants of the law.

    Returns
    -------
    ResponseCurve

    Raises
    ------
    MetadataError
        If a or c is out of range.
    """
    for name, value, (low, high) in (("A", a, LAW_A), ("C", c, LAW_C)):
        if not low <= value <= high:
            raise MetadataError(f"{name} of the hardening law is {value}; it must be {low} to {high}")
    signal, response = LAW_KNOTS, hardened(LAW_KNOTS, a, c)
    gain, rms = gain_and_rms(signal, response, response)
    return ResponseCurve(signal, response, "sharp", "blurred", gain, (f"hardening law, a {a:g}, c {c:g}",), rms)


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
    curve = ResponseCurve(at, level / level[-1], sharp, blurred, 1.0, (name,), {})
    gain, rms = gain_and_rms(x, y, curve(x))
    return replace(curve, gain=gain, rms=rms)


def response_of(source: str | os.PathLike[str] | ResponseCurve) -> ResponseCurve:
    """Curve of two detectors' responses from whatever a user states.

    Parameters
    ----------
    source : path, str or ResponseCurve
        A response file of `coldray prepare`; a CSV with the columns ``sharp`` and ``blurred``, the mean signal of each step of a
        wedge in both detectors as fractions of the open beam; or ``hardening:A,C``.

    Raises
    ------
    MetadataError
        If it is none of them.
    """
    if isinstance(source, ResponseCurve):
        return source
    text = os.fspath(source)
    if text.startswith(LAW):
        try:
            a, c = (float(part) for part in text.removeprefix(LAW).split(","))
        except ValueError:
            raise MetadataError(f"response {text!r} cannot be read; write {LAW}A,C, e.g. {LAW}0.158,0.67") from None
        return law_curve(a, c)
    path = Path(text)
    return _wedge(path) if path.suffix.lower() == ".csv" else load_response(path)


def _wedge(path: Path) -> ResponseCurve:
    """Curve through the steps of a wedge in a CSV."""
    content = content_of(path, MetadataError, LARGEST_BYTES)
    try:
        lines = content.decode("utf-8-sig").splitlines()
        rows = csv.DictReader(io.StringIO("\n".join(line for line in lines if not line.startswith("#"))))
        levels = [(float(row["sharp"]), float(row["blurred"])) for row in rows]
        if not np.isfinite(levels).all():
            raise ValueError("a level is not finite")
        sharp, blurred = zip(*levels, strict=True)
        return fit_levels(sharp, blurred, sharp="sharp", blurred="blurred", name=path.name)
    except ColdrayError as problem:
        raise MetadataError(f"{path.name}: {problem}") from None
    except (ValueError, KeyError, TypeError, csv.Error):
        needed = "two columns sharp,blurred are needed, each step's mean as a fraction of the open beam"
        raise MetadataError(f"{path.name}: {needed}") from None
