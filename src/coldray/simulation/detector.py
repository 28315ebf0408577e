"""Object → transmission → detector: noise-free images and single frames of a screen on square pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.detector import Detector
from coldray.physics.screen import ELECTRONS_PER_KEV, SWANK_FACTOR, Screen, gos_screen
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, Attenuation, Spectrum, energy_bins, spectrum_70kv
from coldray.simulation.cascade import (
    apply_aperture,
    apply_radial,
    energy_quanta,
    forward,
    in_order,
    sampled,
    worker_count,
)
from coldray.simulation.thickness import ThicknessMaps
from coldray.simulation.transmission import transmission


@dataclass(frozen=True, eq=False)
class ScreenDetector:
    """A phosphor screen on square pixels, as the simulator sees it.

    Parameters
    ----------
    screen : Screen
        The phosphor.
    pixel_pitch_mm : float
        Pixel pitch [mm], fill factor 1.
    read_noise_electrons : float
        Electronic noise per pixel and frame [e- rms].
    frequency_stretch : float
        Stretches every transfer function along frequency; 1 is the model itself.
    spectrum : Spectrum, optional
        Beam that the screen was computed for; the 70 kV one by default.
    """

    screen: Screen
    pixel_pitch_mm: float
    read_noise_electrons: float = 200.0
    frequency_stretch: float = 1.0
    spectrum: Spectrum | None = None

    @classmethod
    def gos(
        cls,
        loading_mg_cm2: float,
        pixel_pitch_mm: float,
        frequency_stretch: float = 1.0,
        spectrum: Spectrum | None = None,
    ) -> ScreenDetector:
        """Gd2O2S:Tb screen of a given loading [mg/cm2]."""
        screen = gos_screen(loading_mg_cm2) if spectrum is None else gos_screen(loading_mg_cm2, spectrum=spectrum)
        return cls(screen, pixel_pitch_mm, frequency_stretch=frequency_stretch, spectrum=spectrum)

    @classmethod
    def of(cls, detector: Detector) -> ScreenDetector:
        """Screen of a detector that states its phosphor loading, with that detector's own MTF.

        Raises
        ------
        PhysicsError
            If the detector states no loading.

        Notes
        -----
        Absorption and gain are the model's; every layer's transfer is multiplied by one curve, so that the whole
        screen has the measured MTF and the noise power keeps its share of MTF^2. Where the pixel leaves under
        5 % the measured curve says nothing of the screen, and the factor is held.
        """
        if detector.loading_mg_cm2 is None:
            raise PhysicsError(
                f"detector {detector.name!r} states no phosphor loading; write loading_mg_cm2 into its file to simulate it"
            )
        screen = gos_screen(float(detector.loading_mg_cm2))
        frequency = screen.frequency_lp_mm
        pixel = np.sinc(detector.pixel_pitch_mm * frequency)
        known = (pixel >= 0.05) & (np.cumsum(pixel < 0.05) == 0) & (frequency <= detector.mtf.last_frequency_lp_mm)
        factor = np.asarray(detector.mtf(frequency[known])) / (pixel * screen.mtf(frequency))[known]
        factor = np.clip(np.append(factor, np.full(frequency.size - factor.size, factor[-1])), 0.0, None)
        shaped = replace(screen, transfer=screen.transfer * (factor / factor[0]))
        return cls(shaped, detector.pixel_pitch_mm)

    def transmission(
        self, maps: ThicknessMaps, bins: int = 12, workers: int | None = 1, table: Attenuation | None = None
    ) -> NDArray[np.float32]:
        """Energy-weighted transmission of an object on its own grid, fraction of the open beam."""
        beam = spectrum_70kv() if self.spectrum is None else self.spectrum
        return transmission(maps, energy_bins(self.screen.response, beam, bins, table), workers)

    def image(
        self, fine: NDArray[np.floating], oversampling: int, transfer: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Noise-free detector image of a fine-grid transmission.

        Parameters
        ----------
        fine : ndarray, shape (rows * oversampling, cols * oversampling)
            Transmission on a grid of pitch / oversampling.
        oversampling : int
            Grid cells per pixel and direction.
        transfer : ndarray, optional
            Screen transfer on the DCT grid of `fine`, pixel aperture included; the screen's MTF by default.

        Returns
        -------
        ndarray, float32, shape (rows, cols)
            Screen blur and exact pixel aperture applied in Fourier space, then sampled at the pixel
            centres: content above Nyquist aliases as in a real detector.
        """
        self._check_grid(fine.shape, oversampling)
        spectrum = forward(fine, 1)
        if transfer is None:
            return self.image_of_spectrum(spectrum, oversampling)
        spectrum *= np.asarray(transfer, dtype=np.float32)
        return sampled(spectrum, oversampling)

    def image_of_spectrum(self, spectrum: NDArray[np.float32], oversampling: int) -> NDArray[np.float32]:
        """Noise-free image from the orthonormal DCT of a fine-grid transmission; overwrites `spectrum`."""
        step = self.pixel_pitch_mm / oversampling
        apply_radial(spectrum, self.screen.mtf, step, self.frequency_stretch)
        return sampled(apply_aperture(spectrum, self.pixel_pitch_mm, step), oversampling)

    def open_beam_electrons(self, kerma_ugy: float) -> float:
        """Mean signal of one pixel in the open beam [e-]."""
        return self.pixel_pitch_mm**2 * kerma_ugy * self.screen.signal_electrons_mm2_ugy

    def electrons(
        self,
        fine: NDArray[np.floating],
        oversampling: int,
        kerma_ugy: float,
        rng: np.random.Generator,
        workers: int | None = None,
    ) -> NDArray[np.float32]:
        """Electrons collected by every pixel: X-ray quanta, energy noise, layer blur, aperture, light quanta.

        Parameters
        ----------
        fine : ndarray, shape (rows * oversampling, cols * oversampling)
            Transmission on the fine grid.
        oversampling : int
            Grid cells per pixel and direction.
        kerma_ugy : float
            Air kerma of the exposure in the open beam [uGy].
        rng : numpy.random.Generator
            Seeds one stream per layer.
        workers : int, optional
            Threads; one per core by default. The result does not depend on it.

        Returns
        -------
        ndarray, float32, shape (rows, cols)
            No read noise, gain spread or digitisation: `coldray.simulation.camera` adds them.
        """
        self._check_grid(fine.shape, oversampling)
        if not 0 < kerma_ugy < np.inf:
            raise PhysicsError(f"air kerma is {kerma_ugy} uGy; it must be positive and finite")
        step = self.pixel_pitch_mm / oversampling
        layers = self.screen.quanta_mm2_ugy.size
        seeds = rng.integers(0, 2**63, (layers, 2))

        def light(layer: int) -> NDArray[np.float32]:
            quanta = energy_quanta(
                fine,
                float(self.screen.quanta_mm2_ugy[layer]) * kerma_ugy * step**2,
                SWANK_FACTOR,
                np.random.default_rng(seeds[layer]),
            )
            quanta *= np.float32(self.screen.gain_kev[layer] * ELECTRONS_PER_KEV)
            spectrum = scipy.fft.dctn(quanta, norm="ortho", overwrite_x=True)
            return apply_radial(spectrum, lambda f: self.screen.layer_transfer(layer, f), step, self.frequency_stretch)

        total = np.zeros(fine.shape, dtype=np.float32)
        # a few at a time: each holds a whole fine grid
        together = min(worker_count(workers), layers)
        for first in range(0, layers, together):
            for part in in_order(light, range(first, min(first + together, layers)), together):
                total += part
        collected = sampled(apply_aperture(total, self.pixel_pitch_mm, step), oversampling) * np.float32(
            oversampling**2
        )
        collected += np.sqrt(np.maximum(collected, 0)) * rng.standard_normal(collected.shape, dtype=np.float32)
        return np.asarray(collected, dtype=np.float32)

    def _check_grid(self, shape: tuple[int, ...], oversampling: int) -> None:
        if oversampling < 1 or len(shape) != 2 or shape[0] % oversampling or shape[1] % oversampling:
            raise PhysicsError(
                f"the fine grid {'x'.join(map(str, shape))} is not a multiple of the oversampling {oversampling}"
            )

    def frame(
        self,
        fine: NDArray[np.floating],
        oversampling: int,
        exposure_s: float,
        rng: np.random.Generator,
        *,
        frames: int = 1,
        kerma_rate_ugy_s: float = AIR_KERMA_RATE_UGY_S,
        workers: int | None = None,
    ) -> NDArray[np.float32]:
        """Mean of `frames` simulated frames, fraction of the open beam.

        Parameters
        ----------
        fine : ndarray, shape (rows * oversampling, cols * oversampling)
            Transmission on the fine grid.
        oversampling : int
            Grid cells per pixel and direction.
        exposure_s : float
            Exposure of one frame [s].
        rng : numpy.random.Generator
        frames : int
            Number of averaged frames; quanta of all frames are drawn at once, which is exact here.
        kerma_rate_ugy_s : float
            Air-kerma rate at the detector [uGy/s].
        workers : int, optional
            Threads; one per core by default. The result does not depend on it.

        Returns
        -------
        ndarray, float32, shape (rows, cols)

        Notes
        -----
        Parallel layers: Poisson quanta on the fine grid, energy (Swank) noise, blur of each layer, pixel
        aperture in Fourier space, sampling, light quanta, read noise.
        """
        if not (0 < exposure_s < np.inf and frames >= 1):
            raise PhysicsError(f"exposure {exposure_s} s and {frames} frames; both must be positive")
        kerma = kerma_rate_ugy_s * exposure_s * frames
        electrons = self.electrons(fine, oversampling, kerma, rng, workers)
        electrons += np.float32(self.read_noise_electrons * np.sqrt(frames)) * rng.standard_normal(
            electrons.shape, dtype=np.float32
        )
        return np.asarray(electrons / np.float32(self.open_beam_electrons(kerma)), dtype=np.float32)
