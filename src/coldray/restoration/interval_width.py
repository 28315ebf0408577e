"""Half-width of an interval from what is known of every pixel, by a small network that objects with known truth have set."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import CheckpointError
from coldray.frame import Frame, Gain, wiener_gain
from coldray.plugins import Degradation
from coldray.restoration.even import GatedResult
from coldray.restoration.even_gain import fixed_gain
from coldray.restoration.evidence import LEAST_SIGNAL
from coldray.restoration.gate_constants import EvenConstants
from coldray.scratch import empty, windows

FILE_FORMAT, FILE_VERSION = "coldray-interval", 2
PARTS = (
    *("noise", "detail nearby", "detail around", "claim nearby", "slope", "rest around"),
    *("structure", "structure with noise", "structure far", "structure far with noise"),
)
"""What is known of every pixel, each a variance [fraction of the open beam squared]."""
FEATURES = (*(f"log10 {part}" for part in PARTS), "gate", "gate shut")
"""What the width is a function of: the noise, every other part over it, the gate, and whether it is shut."""
LEAST_OVER_NOISE = 1e-4
"""Part over the noise below which it counts as none."""
REACH = 4.0
"""Standard deviations of a feature beyond which it is taken at that."""
AT_ONCE = 1 << 10
"""Pixels whose width is worked out together: few enough that no matrix product is cut between threads, which would change its last bits."""
NEAR_PX, AROUND_PX, FAR_PX, SLOPE_PX = 1.5, 4.0, 12.0, 1.0
"""Widths of the neighbourhoods [pixels]."""
CUT_OFF = 3.0
"""Of the Gaussians that tell them, in their widths."""
SEEN_PX = math.ceil(CUT_OFF * FAR_PX) + 1
"""How far away anything is that a width depends on [pixels]."""
NOISE_GRID = 128
"""Side of the frequency grid on which the variance behind a filter is worked out [pixels]."""
LEAST_SD = 1e-6

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
    again = frame.operator(degradation)(gated.out)
    noises = _noises(frame, degradation, constants)
    return _parts(noises, gated.out, gated.measured, gated.claim, gated.gate, again)


def _noises(frame: Frame, degradation: Degradation, constants: EvenConstants) -> Sequence[Callable[[Image], Image]]:
    """Variance of the noise at a local signal behind the filter of even ground, and behind the Wiener filter."""
    pitch = frame.pair.pixel_pitch_mm
    gains: tuple[Gain, Gain] = (
        lambda f: fixed_gain(degradation, constants, pitch, f),
        wiener_gain(frame, degradation, frame.mean_signal),
    )
    return [partial(passed_noise, frame, gain) for gain in gains]


def _parts(
    noises: Sequence[Callable[[Image], Image]], out: Image, measured: Image, claim: Image, gate: Image, again: Image
) -> Image:
    """`scale_parts` of a result that is also blurred again, or of rows of it."""
    from scipy.ndimage import gaussian_filter

    def mean(image: Image, sigma_px: float) -> Image:
        return np.asarray(gaussian_filter(image, sigma_px, mode="reflect", truncate=CUT_OFF), dtype=np.float32)

    signal = np.maximum(mean(out, NEAR_PX), np.float32(LEAST_SIGNAL))
    even, wiener = (noise(signal) for noise in noises)
    detail = np.square(out - measured)
    down, across = np.gradient(mean(out, SLOPE_PX))
    rest = np.square(measured - again)
    structure, far = (
        np.maximum(mean(np.square(out), width) - np.square(mean(out, width)), np.float32(0))
        for width in (AROUND_PX, FAR_PX)
    )
    parts = (
        (1 - gate) * even + gate * wiener,
        mean(detail, NEAR_PX),
        mean(detail, AROUND_PX),
        mean(np.square(claim), NEAR_PX),
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


def features(parts: NDArray[np.floating], gate: NDArray[np.floating]) -> Image:
    """What the width of the interval is a function of.

    Parameters
    ----------
    parts : ndarray, shape (10, pixels)
        See `scale_parts`.
    gate : ndarray, shape (pixels,)

    Returns
    -------
    ndarray, float32, shape (pixels, 12)
        In the order of `FEATURES`.
    """
    noise = noise_variance(parts)
    over = np.log10(np.maximum(np.asarray(parts[1:], dtype=np.float32) / noise, np.float32(LEAST_OVER_NOISE)))
    shown = (np.log10(noise)[None], over, gate[None], (gate == 0)[None])
    return np.concatenate(shown).T.astype(np.float32)


def noise_variance(parts: NDArray[np.floating]) -> Image:
    """Variance of the noise behind the linear filter, never 0, for parts of shape (10, pixels)."""
    return np.maximum(np.asarray(parts[0], dtype=np.float32), np.float32(LEAST_SD**2))


def standardised(shown: Image, centre: Image, spread: Image) -> Image:
    """Features as the small network sees them: what lies farther than `REACH` from the centre is taken at that.

    Parameters
    ----------
    shown : numpy.ndarray, shape (pixels, 12)
        Features of every pixel.
    centre, spread : numpy.ndarray, shape (12,)
        Where they lie and how far they scatter on the frames of the calibration.

    Returns
    -------
    numpy.ndarray, shape (pixels, 12)
        Without unit, within ±`REACH`.
    """
    return np.clip((shown - centre) / spread, -REACH, REACH)


@dataclass(frozen=True)
class Layer:
    """One layer of the small network behind the width: weights @ input + bias.

    Parameters
    ----------
    weights : tuple of tuple of float, shape (outputs, inputs)
    bias : tuple of float, shape (outputs,)
    """

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]


@dataclass(frozen=True)
class IntervalScale:
    """Half-width of the interval from what is known of every pixel, as calibrated with one model.

    Parameters
    ----------
    centre, spread : tuple of float
        One for each of `FEATURES`: what is taken off, and what the rest is divided by.
    layers : tuple of Layer
        Of the network that answers with the natural logarithm of half-width over noise; between them what is negative becomes 0.
    factor : float
        What whole objects that it was not fitted on make of it.
    share : float
        Share of an object's pixels that the interval covers, mean over objects.
    objects : int
        How many objects gave the factor.
    model_sha256, model_settings_sha256 : str
        Model whose errors these are: its file, and what of its header decides a result; the second is empty where it is not told.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    layers: tuple[Layer, ...]
    factor: float = 1.0
    share: float = 0.9
    objects: int = 0
    model_sha256: str = ""
    model_settings_sha256: str = ""

    def half_width(self, parts: NDArray[np.floating], gate: NDArray[np.floating]) -> Image:
        """Half-width [fraction of the open beam], of the gate's shape, for parts of shape (10, ...)."""
        flat, opened = parts.reshape(len(PARTS), -1), gate.reshape(-1)
        out = np.empty(opened.shape, dtype=np.float32)
        for first in range(0, out.size, AT_ONCE):
            at = slice(first, first + AT_ONCE)
            out[at] = np.sqrt(noise_variance(flat[:, at])) * np.exp(self.answer(features(flat[:, at], opened[at])))
        out *= np.float32(self.factor)
        return out.reshape(gate.shape)

    def half_width_of(
        self, frame: Frame, degradation: Degradation, gated: GatedResult, constants: EvenConstants
    ) -> Image:
        """Half-width [fraction of the open beam] at every pixel of a result, by its `scale_parts`, which need no room as a whole."""
        again = frame.operator(degradation)(gated.out)
        noises = _noises(frame, degradation, constants)
        images = gated.out, gated.measured, gated.claim, gated.gate, again
        width = empty(gated.gate.shape, np.float32)
        for rows, seen, inner in windows(width.shape, SEEN_PX):
            parts = _parts(noises, *(np.asarray(image[seen]) for image in images))
            width[rows] = self.half_width(parts[:, inner], gated.gate[rows])
        return width

    def answer(self, shown: Image) -> Image:
        """Natural logarithm of half-width over noise, shape (pixels,), for features of shape (pixels, 12)."""
        centre, spread, layers = self._arrays
        x = standardised(shown, centre, spread)
        for number, (weights, bias) in enumerate(layers):
            if number:
                x = np.maximum(x, np.float32(0))
            x = x @ weights + bias
        return np.asarray(x[:, 0])

    @cached_property
    def _arrays(self) -> tuple[Image, Image, list[tuple[Image, Image]]]:
        """Centre, spread, and every layer's weights, turned, with its bias; made once for all blocks of pixels."""
        layers = [(np.array(one.weights, np.float32).T, np.array(one.bias, np.float32)) for one in self.layers]
        return np.array(self.centre, np.float32), np.array(self.spread, np.float32), layers

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form: the file beside the model."""
        head: dict[str, Json] = {"format": FILE_FORMAT, "version": FILE_VERSION, "features": list(FEATURES)}
        return head | asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IntervalScale:
        """Inverse of `to_dict`.

        Raises
        ------
        CheckpointError
            If it is none.
        """
        if (data.get("format"), data.get("version"), data.get("features")) != (
            FILE_FORMAT,
            FILE_VERSION,
            list(FEATURES),
        ):
            raise CheckpointError(
                f"not a calibration of intervals: 'format' must be {FILE_FORMAT!r}, 'version' {FILE_VERSION}"
            )
        try:
            made = cls(
                centre=tuple(float(v) for v in data["centre"]),
                spread=tuple(float(v) for v in data["spread"]),
                layers=tuple(_layer_of(layer) for layer in data["layers"]),
                factor=float(data["factor"]),
                share=float(data["share"]),
                objects=int(data["objects"]),
                model_sha256=str(data["model_sha256"]),
                model_settings_sha256=str(data.get("model_settings_sha256", "")),
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise CheckpointError(f"the calibration of intervals cannot be read ({problem})") from None
        if not made._possible():
            raise CheckpointError("the calibration of intervals holds impossible numbers; calibrate anew")
        return made

    def _possible(self) -> bool:
        """Whether the layers fit each other and every number can be one."""
        width = len(FEATURES)
        if (len(self.centre), len(self.spread)) != (width, width) or not self.layers:
            return False
        for layer in self.layers:
            if len(layer.weights) != len(layer.bias) or any(len(row) != width for row in layer.weights):
                return False
            width = len(layer.bias)
        flat = [v for layer in self.layers for row in (*layer.weights, layer.bias) for v in row]
        finite = bool(np.all(np.isfinite([*self.centre, *self.spread, self.factor, *flat])))
        return width == 1 and finite and min(self.spread) > 0 and self.factor >= 0


def _layer_of(data: Mapping[str, Any]) -> Layer:
    return Layer(tuple(tuple(float(v) for v in row) for row in data["weights"]), tuple(float(v) for v in data["bias"]))
