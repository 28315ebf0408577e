"""Noise of one frame: power that scales with the signal, power that does not, and draws of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.compiled import cosines
from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.grids import dct_radial_frequency, nyquist_lp_mm

STATED_ERROR = 0.025
"""Relative standard uncertainty of stated noise power: exposure times and detector files are rarely better."""


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Noise power of one frame in units of the open beam.

    Parameters
    ----------
    quantum : FrequencyCurve
        Power at the open beam [fraction squared, mm2]; at local transmission s it is s times this.
    electronic_mm2 : float
        White power that does not depend on the signal [fraction squared, mm2].
    pixel_pitch_mm : float
        Pixel pitch [mm].
    source : str
        Where the numbers come from: "exposure", "flats", "estimated" from the image, or "assumed".
    relative_error : FrequencyCurve, optional
        Standard uncertainty of the power over frequency, relative; `STATED_ERROR` everywhere if not given.
    """

    quantum: FrequencyCurve
    electronic_mm2: float
    pixel_pitch_mm: float
    source: str = "exposure"
    relative_error: FrequencyCurve | None = None

    @classmethod
    def of_detector(cls, detector: Detector, exposure_s: float) -> NoiseModel:
        """Noise of one frame of the given exposure [s], from the detector's NNPS."""
        frequency = np.linspace(0, np.sqrt(2) * detector.nyquist_lp_mm, 257)
        quantum, electronic = detector.noise_power(frequency, exposure_s)
        return cls(FrequencyCurve(frequency, quantum), float(electronic[0]), detector.pixel_pitch_mm)

    def power(self, frequency_lp_mm: ArrayLike, signal: float) -> NDArray[np.float64]:
        """Noise power [fraction squared, mm2] at a local signal (fraction of open beam)."""
        return self.quantum(frequency_lp_mm) * max(signal, 0.0) + self.electronic_mm2

    def error(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Relative standard uncertainty of the power at radial frequency [cycles/mm]."""
        if self.relative_error is None:
            return np.full(np.shape(frequency_lp_mm), STATED_ERROR)
        return self.relative_error(frequency_lp_mm)

    def relative_sd(self, signal: float = 1.0) -> float:
        """Standard deviation of one pixel at a local signal, in units of the open beam."""
        # midpoints: a grid that starts at zero would count the noise of low frequencies twice
        axis = (np.arange(64) + 0.5) / 64 * nyquist_lp_mm(self.pixel_pitch_mm)
        power = self.power(np.hypot(axis[:, None], axis), signal)
        return float(np.sqrt(power.mean()) / self.pixel_pitch_mm)

    def scaled(self, factor: float) -> NoiseModel:
        """Model with all power multiplied by `factor`."""
        return replace(self, quantum=self.quantum.scaled(factor), electronic_mm2=self.electronic_mm2 * factor)

    def draw(self, signal: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw one noise field.

        Parameters
        ----------
        signal : ndarray, shape (rows, cols)
            Noise-free image, fraction of the open beam.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, float32, shape (rows, cols)
            Zero-mean noise; quanta are drawn at the local signal and then coloured, as light is
            spread after absorption.
        """
        if signal.ndim != 2:
            raise PhysicsError(f"noise is drawn for one frame (rows, cols); found shape {signal.shape}")
        rows, cols = signal.shape
        amplitude = np.sqrt(self.quantum(dct_radial_frequency((rows, cols), self.pixel_pitch_mm))).astype(np.float32)
        amplitude /= np.float32(self.pixel_pitch_mm)
        quanta = rng.standard_normal((rows, cols), dtype=np.float32) * np.sqrt(np.maximum(signal, 0), dtype=np.float32)
        coloured = cosines(cosines(quanta, (0, 1)) * amplitude, (0, 1), inverse=True)
        white = np.float32(np.sqrt(self.electronic_mm2) / self.pixel_pitch_mm)
        return np.asarray(coloured + white * rng.standard_normal((rows, cols), dtype=np.float32), dtype=np.float32)
