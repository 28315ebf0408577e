"""Evidence of structure: how far the local energy of the whitened measurement exceeds what noise alone gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.frame import Frame
from coldray.physics.transfer import image_of, radial_operator, spectrum_of
from coldray.plugins import Degradation
from coldray.restoration.coarse import STEP_PX, block_mean, mean_of_blocks, padded, smoothed, spread
from coldray.restoration.even_power import Power, judge_power
from coldray.restoration.gate_constants import Band, EvenConstants

Float = NDArray[np.float64]

LOCAL_SIGMA_PX = 4.0
"""Width of the mean at which the local noise is taken [pixels]."""
LEAST_SIGNAL = 1e-3
"""Of the open beam: below it the noise is that of this signal."""
COARSE_HIGH = 0.09
"""Bands up to here [cycles/pixel] are worked out on the coarse grid."""
NOISE_GRID = 256
"""Side of the frequency grid on which the statistic's law is worked out [pixels]."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence of structure in one frame.

    Parameters
    ----------
    z : ndarray, float32, shape (ceil(rows / 4), ceil(cols / 4))
        Largest z-score over the bands on a grid of `STEP_PX` pixels.
    shape : (rows, cols)
        Of the frame.
    power : Power
    """

    z: NDArray[np.float32]
    shape: tuple[int, int]
    power: Power

    def coarse_gate(self, constants: EvenConstants) -> NDArray[np.float32]:
        """Share of the network on the coarse grid."""
        return gate(self.z, constants)

    def gate(self, constants: EvenConstants) -> NDArray[np.float32]:
        """Share of the network at every pixel, shape (rows, cols): exactly 0 where nothing speaks for structure."""
        return spread(self.coarse_gate(constants), self.shape)


def gate(z: NDArray[np.floating], constants: EvenConstants) -> NDArray[np.float32]:
    """Share of the network for an evidence z: a smooth step from `closed_below` to `open_above`.

    Parameters
    ----------
    z : ndarray
        Evidence in standard deviations of noise alone.
    constants : EvenConstants

    Returns
    -------
    ndarray, float32
        0 to 1.

    Notes
    -----
    The optimum under a limit on distortion, g = p / (p + lambda p0), is a step in the log likelihood ratio of
    structure against even ground, and the whitened energy is that ratio for Gaussian structure.
    """
    u = np.clip((z - constants.closed_below) / (constants.open_above - constants.closed_below), 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u), dtype=np.float32)


def whitening(frame: Frame, degradation: Degradation, band: Band) -> Callable[[Float], Float]:
    """Weight of structure against noise over frequency [cycles/mm].

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    band : Band
        In which structure is sought.

    Returns
    -------
    callable
        Weight of a frequency [cycles/mm].

    Notes
    -----
    B^2 = H^2 S / (N (N + H^2 S)), S the object prior and N the noise at the mean signal: the weight of the log
    likelihood ratio of Gaussian structure, within the band.
    """
    pitch = frame.pair.pixel_pitch_mm

    def gain(f: Float) -> Float:
        transfer = degradation.transfer(f, 1.0)
        noise = np.maximum(frame.noise.power(f, frame.mean_signal), 1e-30)
        structure = transfer**2 * frame.contrast_power(np.maximum(f, 1e-6))
        return np.asarray(np.sqrt(structure / (noise * (noise + structure))) * band.passes(f * pitch))

    return gain


@dataclass(frozen=True)
class NoiseLaw:
    """What noise alone makes of the statistic of one band.

    Parameters
    ----------
    dark, slope : float
        Variance of one pixel behind the filter: dark + slope * local signal.
    sd : float
        Standard deviation of the smoothed energy over its mean.
    """

    dark: float
    slope: float
    sd: float


def noise_law(frame: Frame, gain: Callable[[Float], Float], sigma_px: float, step: int) -> NoiseLaw:
    """Work out variance and spread of a band's statistic under noise alone.

    Parameters
    ----------
    frame : Frame
    gain : callable
        Weight of a frequency [cycles/mm].
    sigma_px : float
        Of the Gaussian that adds up the squares [pixels].
    step : int
        Of the coarse grid [pixels].

    Returns
    -------
    NoiseLaw

    Notes
    -----
    For Gaussian noise the squares of two pixels of correlation R have covariance 2 R^2, and smoothing by a Gaussian
    adds them up: sd^2 = 2 sum R^2 exp(-r^2 / 4 sigma^2) / (4 pi sigma^2), r in pixels.
    """
    pitch, n = frame.pair.pixel_pitch_mm, NOISE_GRID // step
    axis = np.fft.fftfreq(n, step)
    f = np.hypot(axis[:, None], axis) / pitch
    squared = gain(f) ** 2
    dark, bright, mean = (squared * frame.noise.power(f, signal) for signal in (0.0, 1.0, frame.mean_signal))
    per_pixel = 1.0 / (pitch * step) ** 2
    correlation = np.fft.ifft2(mean).real
    correlation /= correlation[0, 0]
    place = np.fft.fftfreq(n, 1.0 / (n * step))
    distance2 = place[:, None] ** 2 + place**2
    width = 4.0 * sigma_px**2
    variance = 2.0 * step**2 * float(np.sum(correlation**2 * np.exp(-distance2 / width))) / (np.pi * width)
    return NoiseLaw(float(dark.mean()) * per_pixel, float((bright - dark).mean()) * per_pixel, float(np.sqrt(variance)))


def border_growth(shape: tuple[int, ...], sigma_px: float) -> NDArray[np.float32]:
    """How much wider the statistic spreads near borders, on the coarse grid of the given shape.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the coarse grid.
    sigma_px : float
        Of the Gaussian that adds up the squares [pixels].

    Returns
    -------
    ndarray, float32, of that shape
        1 inside.

    Notes
    -----
    At the distance t from a border the mirrored Gaussian counts the noise there twice: its variance is
    1 + exp(-t^2 / sigma^2) times that inside, for rows times columns.
    """
    grown = []
    for count in shape:
        t = (np.arange(count) + 0.5) * STEP_PX
        grown.append(1.0 + np.exp(-((t / sigma_px) ** 2)) + np.exp(-(((count * STEP_PX - t) / sigma_px) ** 2)))
    return np.asarray(np.sqrt(grown[0][:, None] * grown[1]), dtype=np.float32)


def evidence(frame: Frame, degradation: Degradation, constants: EvenConstants) -> Evidence:
    """Evidence of structure beyond noise around every pixel.

    Parameters
    ----------
    frame : Frame
        The measurement as it is, not the one shown to a network.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    constants : EvenConstants

    Returns
    -------
    Evidence

    Notes
    -----
    z = (G_sigma * min(|B y|^2 / var, clip) - 1) / sd per band, var the variance of B y under noise at the local
    signal, sd the exact spread of the statistic under noise; the largest over the bands counts. Bands that end below
    the coarse grid's own limit are worked out on it. The noise power is the stated one unless the frame's own even
    ground shows another, see `judge_power`.
    """
    image = np.asanyarray(frame.blurred, dtype=np.float32)
    spectrum = np.asanyarray(frame.spectrum, dtype=np.float32)
    if any(n % STEP_PX for n in image.shape):
        image = padded(image)
        spectrum = spectrum_of(image - np.float32(image.mean(dtype=np.float64)))
    local = np.maximum(smoothed(block_mean(image), LOCAL_SIGMA_PX), LEAST_SIGNAL)
    bands = [_BandEnergy.of(frame, degradation, band, spectrum, local) for band in constants.bands]
    power = judge_power(frame, [(b.smoothed(), b.law.sd) for b in bands])
    z = np.full(local.shape, -np.inf, dtype=np.float32)
    for band, factor in zip(bands, power.used, strict=True):
        mean = band.smoothed(factor * constants.clip) / factor
        z = np.maximum(
            z, ((mean - 1.0) / (band.law.sd * border_growth(z.shape, band.band.sigma_px))).astype(np.float32)
        )
    return Evidence(z, frame.shape, power)


@dataclass(frozen=True, eq=False)
class _BandEnergy:
    """Square of one band of the whitened frame, and what noise makes of it."""

    band: Band
    law: NoiseLaw
    squared: NDArray[np.float32]
    variance: NDArray[np.float32]
    """Of noise, on the coarse grid."""

    @classmethod
    def of(
        cls,
        frame: Frame,
        degradation: Degradation,
        band: Band,
        spectrum: NDArray[np.floating],
        local: NDArray[np.float32],
    ) -> _BandEnergy:
        gain, pitch = whitening(frame, degradation, band), frame.pair.pixel_pitch_mm
        # what a low band leaves beyond the Nyquist frequency of the coarse grid is nothing to speak of
        step = STEP_PX if band.high <= COARSE_HIGH else 1
        law = noise_law(frame, gain, band.sigma_px, step)
        rows, cols = spectrum.shape[0] // step, spectrum.shape[1] // step
        transfer = radial_operator(gain, (rows, cols), pitch * step, frame.operators).gain(np.float32)
        filtered = spectrum[:rows, :cols] * transfer
        del transfer
        if step > 1:
            filtered /= step
        filtered = image_of(filtered)
        np.square(filtered, out=filtered)
        return cls(band, law, filtered, (law.dark + law.slope * local).astype(np.float32))

    def smoothed(self, most: float | None = None) -> NDArray[np.float32]:
        """Mean over every neighbourhood in units of the stated noise, on the coarse grid; at most `most` per pixel."""
        squared = self.squared
        if squared.shape == self.variance.shape:
            mean = squared if most is None else np.minimum(squared, most * self.variance)
        elif most is None:
            mean = block_mean(squared)
        else:
            mean = mean_of_blocks(squared.shape, lambda rows: self._limited(rows, np.float32(most)))
        return smoothed(np.asarray(mean / self.variance), self.band.sigma_px)

    def _limited(self, rows: slice, most: np.float32) -> NDArray[np.float32]:
        """Rows of a band that is not on the coarse grid, with at most `most` of the noise per pixel."""
        variance = self.variance[rows.start // STEP_PX : rows.stop // STEP_PX]
        blocks = np.asarray(self.squared[rows]).reshape(len(variance), STEP_PX, -1)
        return np.minimum(blocks, np.repeat(most * variance, STEP_PX, axis=1)[:, None]).reshape(-1, blocks.shape[-1])
