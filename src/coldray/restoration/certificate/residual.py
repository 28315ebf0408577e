"""Residual of a result against its measurement, in units of the noise, in one pass over the spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.frame import Frame, Gain
from coldray.physics.grids import across, dct_axes, dft_axes
from coldray.physics.transfer import RADIAL_SAMPLES, image_of, radial_grid, radial_places, spectrum_of
from coldray.plugins import Degradation
from coldray.restoration.certificate.tiles import BANDS, TILE_PX, band_power, bands_of_tile
from coldray.restoration.noise import power_found
from coldray.scratch import CACHED_PIXELS, copied, empty, strips

LEAST_GAIN = 0.1
"""Where the method leaves less than this of a wrong prediction in its result, nothing can be tested."""
COVERAGE = 2.0
"""Standard uncertainties of the noise that are allowed for."""
LEAST_SIGNAL_POWER = 1e-6
"""Keeps the noise of a black pixel positive, in units of the noise power at the mean signal."""


@dataclass(frozen=True)
class ModelError:
    """How wrong the stated forward model may be before it counts as a contradiction.

    Parameters
    ----------
    transfer : float
        Relative error of the blur H at every frequency but zero; wider uncertainty bands stored with the detectors'
        MTFs count instead.
    noise : float
        Relative error of the noise power, the largest of all bands.
    noise_bands : tuple of float
        The same band by band; `noise` in all of them if empty.
    """

    transfer: float = 0.01
    noise: float = 0.05
    noise_bands: tuple[float, ...] = ()

    @classmethod
    def of(cls, frame: Frame) -> ModelError:
        """What the noise of a frame is uncertain by, at `COVERAGE` standard uncertainties."""
        frequency, place = tile_frequency(frame)
        bands = COVERAGE * band_mean(frame.noise.error(frequency), place)
        return cls(noise=round(float(bands[1:].max()), 6), noise_bands=tuple(float(b) for b in bands))

    def noise_of_bands(self) -> NDArray[np.float64]:
        """Relative error of the noise power of every band, shape (bands,)."""
        return np.array(self.noise_bands) if self.noise_bands else np.full(BANDS, self.noise)


@dataclass(frozen=True, eq=False)
class Residual:
    """What is left between measurement and re-blurred result.

    Parameters
    ----------
    whitened : ndarray, float32, shape (rows, cols)
        y - H out through a filter that makes its noise white, in units of the noise at the local signal.
    quantum, electronic : ndarray, shape (bands,)
        Noise power of a band after the filter is signal * quantum + electronic; 1 at the mean signal.
    residual_over_noise : float
        Root of the energy of y - H out over the energy of the noise at the local signal.
    noise_found : float
        Power of the noise in the quiet parts of the measurement over that stated, in the octave below Nyquist. Much less
        than 1 means that the noise is overstated.
    contrast_energy, prior_energy, unverifiable_energy : float
        Energy without the mean of the result, of its prior part out - W y, and of that part beyond `verifiable_lp_mm`.
    verifiable_lp_mm : float
        Largest frequency up to which the blurred contrast of objects outweighs the noise [cycles/mm].
    """

    whitened: NDArray[np.float32]
    quantum: NDArray[np.float64]
    electronic: NDArray[np.float64]
    residual_over_noise: float
    noise_found: float
    contrast_energy: float
    prior_energy: float
    unverifiable_energy: float
    verifiable_lp_mm: float

    def unit(self, signal: NDArray[np.floating]) -> NDArray[np.floating]:
        """Scale of `whitened` squared at a local signal: noise power averaged over the bands."""
        return _unit(signal, self.quantum, self.electronic)

    def noise_power(self, signal: NDArray[np.floating]) -> NDArray[np.float64]:
        """Noise power of every band of `whitened` at a tile's signal, shape (bands, *signal.shape)."""
        shape = (-1,) + (1,) * np.ndim(signal)
        local = signal * self.quantum.reshape(shape) + self.electronic.reshape(shape) + LEAST_SIGNAL_POWER
        return np.asarray(local / self.unit(signal))


def whitener(frame: Frame, gain: Gain) -> Gain:
    """Gain that makes the noise gain^2 N of a residual white, of unit variance at the mean signal."""
    pitch, level = frame.pair.pixel_pitch_mm, frame.mean_signal

    def filtered(f: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = np.maximum(np.abs(gain(f)), LEAST_GAIN)
        return np.asarray(pitch / (kept * np.sqrt(np.maximum(frame.noise.power(f, level), 1e-30))))

    return filtered


def tile_frequency(frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Radial frequencies [cycles/mm] of a fine DCT grid and their bands, both flat."""
    side = 2 * TILE_PX
    v, u = dct_axes((side, side), frame.pair.pixel_pitch_mm)
    return np.hypot(v, u).ravel(), bands_of_tile(side, side).ravel()


def band_mean(values: NDArray[np.floating], place: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean of values over each band, shape (bands,)."""
    return np.asarray(np.bincount(place, values, BANDS) / np.bincount(place, minlength=BANDS))


def transfer_error(frame: Frame, allowance: ModelError) -> Gain:
    """Relative error of H over frequency: the stated floor, or the detectors' own bands and folding where they are wider."""

    def error(f: NDArray[np.float64]) -> NDArray[np.float64]:
        band = np.zeros_like(f)
        for detector in (frame.pair.blurred, frame.pair.sharp):
            curve = detector.mtf
            if curve.low is not None and curve.high is not None:
                half = np.interp(f, curve.frequency_lp_mm, 0.5 * (curve.high - curve.low))
                band = np.hypot(band, half / np.maximum(curve(f), frame.pair.floor))
        band = np.hypot(band, _folded(frame, f))
        return np.asarray(np.where(f == 0, 0.0, np.clip(band, allowance.transfer, 1.0)))

    return error


def _folded(frame: Frame, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast that sampling folds onto a frequency over that which belongs there: the blur of a sampled image knows no folding."""
    mirror = np.maximum(2 * frame.pair.blurred.nyquist_lp_mm - frequency_lp_mm, frequency_lp_mm)
    mtf = frame.pair.blurred.mtf
    own = np.maximum(mtf(frequency_lp_mm), frame.pair.floor) * np.sqrt(frame.prior(frequency_lp_mm))
    return np.asarray(np.maximum(mtf(mirror), 0.0) * np.sqrt(frame.prior(mirror)) / own)


def verifiable_limit(frame: Frame, degradation: Degradation) -> float:
    """Largest frequency [cycles/mm] up to which H^2 S / N >= 1 at the mean signal, S the objects' mean spectrum."""
    f = np.linspace(0.0, np.sqrt(2) * frame.pair.blurred.nyquist_lp_mm, 1024)
    ratio = degradation.transfer(f, 1.0) ** 2 * frame.contrast_power(f) / frame.noise.power(f, frame.mean_signal)
    below = np.flatnonzero(ratio < 1)
    return float(f[-1] if below.size == 0 else f[max(int(below[0]) - 1, 0)])


class _Tables(NamedTuple):
    """Gains on the radial grid, single precision, one after the other for every direction.

    Parameters
    ----------
    blur : ndarray
        H.
    white : ndarray
        Whitening of a residual.
    error : ndarray
        Whitened stated error of H.
    linear : ndarray
        Wiener estimate of the sharp image.
    beyond : ndarray
        1 where nothing can be verified, else 0.
    """

    blur: NDArray[np.float32]
    white: NDArray[np.float32]
    error: NDArray[np.float32]
    linear: NDArray[np.float32]
    beyond: NDArray[np.float32]


def _tables(
    frame: Frame, degradation: Degradation, gain: Gain, allowance: ModelError, radial: NDArray[np.float64]
) -> _Tables:
    white = whitener(frame, gain)(radial)
    noise = frame.noise.power(radial, frame.mean_signal)
    parts = frame.by_direction(degradation)
    blur = np.stack([d.transfer(radial, 1.0) for _, d in parts])
    contrast = np.stack([f.contrast_power(radial) for f, _ in parts])
    linear = np.where(radial == 0, 1.0, blur / (blur**2 + noise / contrast))
    error = transfer_error(frame, allowance)(radial) * white
    beyond = radial > verifiable_limit(frame, degradation)
    gains = (blur, white, error, linear, beyond)
    return _Tables(*(np.broadcast_to(np.asarray(g, dtype=np.float32), blur.shape).ravel() for g in gains))


def residual_of(
    frame: Frame,
    degradation: Degradation,
    restored: NDArray[np.float32],
    gain: Gain,
    allowance: ModelError,
    *,
    biased: bool = True,
) -> tuple[Residual, NDArray[np.float32] | None, NDArray[np.float32]]:
    """Compare a result with its measurement.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    restored : ndarray, float32, shape (rows, cols)
    gain : callable
        Share of a wrong prediction that the method leaves, over frequency [cycles/mm].
    allowance : ModelError
    biased : bool
        Whether the bias is wanted.

    Returns
    -------
    residual : Residual
    bias : ndarray, float32, shape (rows, cols), or None
        What the stated error of H makes of the result, in the units of ``residual.whitened``.
    signal : ndarray, float32, shape (rows, cols)
        Re-blurred result, fraction of the open beam, not below zero.

    Notes
    -----
    One forward and three inverse cosine transforms, two without the bias, besides the frame's own. All gains are looked up on one radial grid per direction,
    strip by strip, so memory grows by three images only.
    """
    shape, pitch = frame.shape, frame.pair.pixel_pitch_mm
    v, u = dct_axes(shape, pitch)
    radial = radial_grid(shape, pitch)
    parts = frame.by_direction(degradation)
    tables = _tables(frame, degradation, gain, allowance, radial)
    # all images are taken less the frame's mean: a blur keeps it
    level = np.float32(frame.level)
    spectrum = spectrum_of(restored - level)
    rest = copied(frame.spectrum, np.float32)
    bias = empty(shape, spectrum.dtype) if biased else None
    sums = np.zeros(4)
    mean = float(spectrum[0, 0]) ** 2
    for part, below, beyond in radial_places(shape):
        at = below + np.rint(beyond).astype(np.intp)
        if len(parts) > 1:
            at += RADIAL_SAMPLES * np.rint((len(parts) - 1) * across(v[part], u)).astype(np.intp)
        out, y = spectrum[part], rest[part]
        prior = out - np.take(tables.linear, at, mode="wrap") * y
        energies = [_energy(out), _energy(prior), _energy(prior * np.take(tables.beyond, at, mode="wrap"))]
        out *= np.take(tables.blur, at, mode="wrap")
        y -= out
        sums += [*energies, _energy(y)]
        y *= np.take(tables.white, at, mode="wrap")
        if bias is not None:
            np.multiply(out, np.take(tables.error, at, mode="wrap"), out=bias[part])
    contrast, prior_part, unverifiable, left = sums.tolist()
    whitened, signal = image_of(rest), image_of(spectrum)
    if bias is not None:
        bias = image_of(bias)
    share = _quantum_share(frame)
    quantum, electronic = share / frame.mean_signal, 1.0 - share
    total = 0.0
    for part in strips(shape, pixels=CACHED_PIXELS):
        local = signal[part]
        local += level
        np.maximum(local, 0, out=local)
        total += float(np.sum(local, dtype=np.float64))
        scale = np.sqrt(_unit(local, quantum, electronic))
        whitened[part] /= scale
        if bias is not None:
            bias[part] /= scale
    quantum_power, electronic_power = _pixel_power(frame)
    expected = quantum_power * total + electronic_power * signal.size
    result = Residual(
        whitened=whitened,
        quantum=quantum,
        electronic=electronic,
        residual_over_noise=float(np.sqrt(left / max(expected, 1e-30))),
        noise_found=_noise_found(frame),
        contrast_energy=max(contrast - mean, 0.0),
        prior_energy=prior_part,
        unverifiable_energy=unverifiable,
        verifiable_lp_mm=verifiable_limit(frame, degradation),
    )
    return result, bias, signal


def _unit(
    signal: NDArray[np.floating], quantum: NDArray[np.float64], electronic: NDArray[np.float64]
) -> NDArray[np.floating]:
    """Noise power averaged over the bands, in the type of the signal."""
    level = float(electronic[1:].mean()) + LEAST_SIGNAL_POWER
    return np.asarray(signal * float(quantum[1:].mean()) + level)


def _noise_found(frame: Frame) -> float:
    """Noise found over noise stated; 1 where the image cannot tell, or told the noise itself."""
    if frame.noise.source == "estimated":
        return 1.0
    try:
        return frame.once(power_found)
    except MeasurementError:
        return 1.0


def _quantum_share(frame: Frame) -> NDArray[np.float64]:
    """Per band, the part of the whitened noise at the mean signal that scales with the signal."""
    v, u = dft_axes((8 * TILE_PX, 8 * TILE_PX), frame.pair.pixel_pitch_mm)
    frequency = np.hypot(v, u)
    whole = np.maximum(frame.noise.power(frequency, frame.mean_signal), 1e-30)
    return band_power(frame.noise.quantum(frequency) * frame.mean_signal / whole)


def _energy(values: NDArray[np.floating]) -> float:
    return float(np.einsum("ij,ij->", values, values))


def _pixel_power(frame: Frame) -> tuple[float, float]:
    """Variance of one pixel: per unit of signal, and without any."""
    dark = frame.noise.relative_sd(0.0) ** 2
    return max(frame.noise.relative_sd(1.0) ** 2 - dark, 0.0), dark + 1e-12
