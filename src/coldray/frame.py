"""What every method is given, one blurred frame with its detectors and its noise; what learning methods are taught with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.physics.transfer import (
    SHARED,
    Gain,
    Operators,
    TransferOperator,
    directional_operator,
    image_of,
    radial_operator,
    spectrum_of,
)
from coldray.plugins import Degradation

Known = TypeVar("Known")


@dataclass(frozen=True, eq=False)
class Frame:
    """One blurred image with all that is known about how it came about.

    Parameters
    ----------
    blurred : ndarray or torch tensor, shape (rows, cols)
        Image as a fraction of the open beam.
    pair : DetectorPair
        Detector that took it and detector it is restored towards.
    noise : NoiseModel
        Noise of this frame.
    prior : ObjectPrior
        Mean power spectrum of the objects.
    filter_signal : float, optional
        Mean signal that filters are worked out for; the frame's own by default.
    operators : Operators
        Where filters are kept for the next frame.
    """

    blurred: NDArray[np.floating]
    pair: DetectorPair
    noise: NoiseModel
    prior: ObjectPrior = field(default_factory=ObjectPrior)
    filter_signal: float | None = None
    operators: Operators = field(default=SHARED, repr=False)

    def __post_init__(self) -> None:
        if self.blurred.ndim != 2:
            raise ImageError(f"a method restores one frame (rows, cols); found shape {tuple(self.blurred.shape)}")

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (rows, cols)."""
        rows, cols = self.blurred.shape
        return int(rows), int(cols)

    @cached_property
    def mean_signal(self) -> float:
        """Signal that filters are worked out for: mean of the image unless stated, fraction of the open beam, not below 0.001."""
        return max(float(self.blurred.mean()) if self.filter_signal is None else self.filter_signal, 1e-3)

    @cached_property
    def level(self) -> np.floating:
        """Mean of the image, summed in double precision, in the image's own type."""
        image = np.asanyarray(self.blurred)
        return image.dtype.type(image.mean(dtype=np.float64))

    @cached_property
    def spectrum(self) -> NDArray[np.floating]:
        """DCT-II of the image less its `level`, a numpy array, for all who filter it; not to be written to."""
        found = spectrum_of(np.asanyarray(self.blurred) - self.level)
        found.flags.writeable = False
        return found

    @cached_property
    def _once(self) -> dict[Any, Any]:
        return {}

    def once(self, make: Callable[[Frame], Known]) -> Known:
        """What a function says of this frame, worked out the first time that it is asked for."""
        if make not in self._once:
            self._once[make] = make(self)
        found: Known = self._once[make]
        return found

    def filtered(self, operator: TransferOperator) -> NDArray[np.floating]:
        """The image through an operator; of a numpy array by the spectrum that is at hand."""
        if not isinstance(self.blurred, np.ndarray):
            return operator(self.blurred)
        found = operator.of_spectrum(self.spectrum)
        found += self.level * operator.gain(found.dtype)[0, 0]
        return found

    def wiener_estimate(self, degradation: Degradation) -> NDArray[np.floating]:
        """The image through `wiener_operator`, for all who begin with it; not to be written to."""
        if not isinstance(self.blurred, np.ndarray):
            return self.filtered(self.wiener_operator(degradation))
        # kept with the degradation, so that no other one takes its place in memory
        key = "wiener_estimate", id(degradation)
        if key not in self._once:
            estimate = self.filtered(self.wiener_operator(degradation))
            estimate.flags.writeable = False
            self._once[key] = degradation, estimate
        found: NDArray[np.floating] = self._once[key][1]
        return found

    def corrected(
        self, prediction: NDArray[np.floating], blur: TransferOperator, gain: TransferOperator
    ) -> NDArray[np.floating]:
        """One step of a prediction towards the image y.

        Parameters
        ----------
        prediction : ndarray or torch tensor, shape (rows, cols)
        blur, gain : TransferOperator
            The blur H and the gain K.

        Returns
        -------
        ndarray or tensor, shape (rows, cols)
            prediction + K (y - H prediction).
        """
        if not isinstance(self.blurred, np.ndarray):
            return prediction + gain(self.blurred - blur(prediction))
        rest = spectrum_of(prediction - self.level)
        rest *= blur.gain(rest.dtype)
        np.subtract(self.spectrum, rest, out=rest)
        change = image_of(rest, gain.gain(rest.dtype))
        change += prediction
        return change

    @cached_property
    def frequency_lp_mm(self) -> NDArray[np.float64]:
        """Radial frequency of every DCT coefficient [cycles/mm]."""
        return dct_radial_frequency(self.shape, self.pair.pixel_pitch_mm)

    def radial_operator(self, transfer: Gain) -> TransferOperator:
        """Operator on this frame from a gain over radial frequency [cycles/mm]."""
        return radial_operator(transfer, self.shape, self.pair.pixel_pitch_mm, self.operators)

    def by_direction(self, degradation: Degradation) -> list[tuple[Frame, Degradation]]:
        """Frame and degradation for every direction of their pair, see `DetectorPair.by_direction`; themselves if radial."""
        if not self.pair.directional:
            return [(self, degradation)]
        pairs = zip(self.pair.by_direction(), degradation.pair.by_direction(), strict=True)
        return [(replace(self, pair=own), _between(degradation, blur)) for own, blur in pairs]

    def directional_operator(
        self, gain_of: Callable[[Frame, Degradation], Gain], degradation: Degradation
    ) -> TransferOperator:
        """Operator on this frame from what makes a gain over radial frequency [cycles/mm] of a frame and a degradation."""
        parts = [gain_of(*part) for part in self.by_direction(degradation)]
        return directional_operator(parts, self.shape, self.pair.pixel_pitch_mm, self.operators)

    def operator(self, degradation: Degradation, strength: float = 1.0) -> TransferOperator:
        """Blur of the given strength as an operator on this frame."""
        return self.directional_operator(lambda _, d: lambda f: d.transfer(f, strength), degradation)

    def towards_aim(self, sharp: NDArray[np.floating]) -> NDArray[np.floating]:
        """Result as far as the detectors' tables are trusted: the sharp image, no sharper than the measurement beyond.

        Of a frame `as_restored` it is that already.
        """
        if self.pair.fully_trusted or self.pair.aims_at_trusted:
            return sharp
        targets = [pair.target for pair in self.pair.by_direction()]
        return directional_operator(targets, self.shape, self.pair.pixel_pitch_mm, self.operators)(sharp)

    def as_restored(self) -> Frame:
        """Frame as the blur of what a result aims at, see `DetectorPair.as_restored`; the same one every time."""
        return self if self.pair.fully_trusted else self.once(_as_restored)

    def told(self, noise: NoiseModel) -> Frame:
        """The same image with another noise."""
        return _sharing(self, noise=noise)

    def contrast_power(self, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected power of the sharp image [fraction squared, mm2]: object prior through the sharp MTF."""
        return self.prior(frequency_lp_mm) * self.pair.sharp_mtf(frequency_lp_mm) ** 2

    def wiener_operator(
        self, degradation: Degradation, *, signal: float | None = None, regularisation: float = 1.0
    ) -> TransferOperator:
        """Linear minimum-mean-square-error filter for the noise at one signal level.

        Parameters
        ----------
        degradation : object
            Offers ``transfer(frequency, strength)``.
        signal : float, optional
            Local signal (fraction of open beam); the mean of the frame by default.
        regularisation : float
            Factor on the noise power; below 1 gives a sharper, noisier estimate.

        Notes
        -----
        W = H / (H^2 + N / S), S the object prior seen through the sharp detector's MTF; W = 1 at
        zero frequency, so the mean is kept.
        """
        level = self.mean_signal if signal is None else signal
        return self.directional_operator(lambda own, blur: wiener_gain(own, blur, level, regularisation), degradation)


def wiener_gain(frame: Frame, degradation: Degradation, signal: float, regularisation: float = 1.0) -> Gain:
    """Gain of `Frame.wiener_operator` over radial frequency [cycles/mm]."""

    def gain(f: NDArray[np.float64]) -> NDArray[np.float64]:
        transfer = degradation.transfer(f, 1.0)
        noise = frame.noise.power(f, signal) * regularisation
        return np.where(f == 0, 1.0, transfer / (transfer**2 + noise / frame.contrast_power(f)))

    return gain


def _between(degradation: Degradation, pair: DetectorPair) -> Degradation:
    """The same degradation between other detectors."""
    remade = getattr(degradation, "of_pair", None)
    found: Degradation = type(degradation)(pair) if remade is None else remade(pair)
    return found


def _as_restored(frame: Frame) -> Frame:
    return _sharing(frame, pair=frame.pair.as_restored())


def _sharing(frame: Frame, **changes: Any) -> Frame:
    """Frame of the same image, with the spectrum that is at hand."""
    other = replace(frame, **changes)
    if isinstance(frame.blurred, np.ndarray):
        other.__dict__.update(level=frame.level, spectrum=frame.spectrum)
    return other


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """A noisy blurred frame with its noise-free truth.

    Parameters
    ----------
    frame : Frame
        The blurred measurement H x_0 + n.
    sharp : ndarray, float32, shape (rows, cols)
        x_0, the target.
    blurred : ndarray, float32, shape (rows, cols)
        H x_0 without noise.
    defects : ndarray of integers, shape (rows, cols), optional
        0, or the number of the defect that a pixel shows or lies beside.
    """

    frame: Frame
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]
    defects: NDArray[np.integer] | None = None


@dataclass(frozen=True, eq=False)
class Example:
    """What the network is shown and what it should answer.

    Parameters
    ----------
    channels : ndarray, float32, shape (channels, rows, cols)
    conditions : ndarray, float32, shape (conditions,)
    target : ndarray, float32, shape (rows, cols) or (2, rows, cols)
        With the weight of every pixel in the loss as a second plane, if there are weights.
    """

    channels: NDArray[np.float32]
    conditions: NDArray[np.float32]
    target: NDArray[np.float32]
