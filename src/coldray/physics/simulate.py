"""Object → transmission → detector: noise-free images and single frames of a screen on square pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.grids import dct_axes
from coldray.physics.objects import ThicknessMaps
from coldray.physics.screen import ELECTRONS_PER_KEV, SWANK_FACTOR, Screen, gos_screen
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, energy_bins, spectrum_70kv, transmission


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
    """

    screen: Screen
    pixel_pitch_mm: float
    read_noise_electrons: float = 200.0
    frequency_stretch: float = 1.0

    @classmethod
    def gos(cls, loading_mg_cm2: float, pixel_pitch_mm: float, frequency_stretch: float = 1.0) -> ScreenDetector:
        """Gd2O2S:Tb screen of a given loading [mg/cm2]."""
        return cls(gos_screen(loading_mg_cm2), pixel_pitch_mm, frequency_stretch=frequency_stretch)

    def transmission(self, maps: ThicknessMaps, bins: int = 12) -> NDArray[np.float32]:
        """Energy-weighted transmission of an object on its own grid, fraction of the open beam."""
        return transmission(maps, energy_bins(self.screen.response, spectrum_70kv(), bins))

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
            Screen transfer on the DCT grid of `fine`; the screen's MTF by default.

        Returns
        -------
        ndarray, float32, shape (rows, cols)
            Screen blur and exact pixel aperture applied in Fourier space, then sampled: content above
            Nyquist aliases as in a real detector.
        """
        spectrum = scipy.fft.dctn(np.asarray(fine, dtype=np.float32), norm="ortho")
        spectrum *= self._transfer(fine.shape, oversampling) if transfer is None else transfer
        first = oversampling // 2
        return np.ascontiguousarray(scipy.fft.idctn(spectrum, norm="ortho")[first::oversampling, first::oversampling])

    def _transfer(self, shape: tuple[int, ...], oversampling: int, layer: int | None = None) -> NDArray[np.float32]:
        rows, cols = shape
        if rows % oversampling or cols % oversampling:
            raise PhysicsError(f"the fine grid {rows}x{cols} is not a multiple of the oversampling {oversampling}")
        v, u = dct_axes((rows, cols), self.pixel_pitch_mm / oversampling)
        radial = np.hypot(v, u) / self.frequency_stretch
        screen = self.screen.mtf(radial) if layer is None else self.screen.layer_transfer(layer, radial)
        return np.asarray(
            screen * np.sinc(self.pixel_pitch_mm * v) * np.sinc(self.pixel_pitch_mm * u), dtype=np.float32
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

        Returns
        -------
        ndarray, float32, shape (rows, cols)

        Notes
        -----
        Parallel layers: Poisson quanta on the fine grid, energy (Swank) noise, blur of each layer, pixel
        aperture in Fourier space, sampling, light quanta, read noise.
        """
        if not (exposure_s > 0 and frames >= 1):
            raise PhysicsError(f"exposure {exposure_s} s and {frames} frames; both must be positive")
        kerma = kerma_rate_ugy_s * exposure_s * frames
        cell_mm2 = (self.pixel_pitch_mm / oversampling) ** 2
        total = np.zeros(fine.shape, dtype=np.float32)
        mean = np.maximum(np.asarray(fine, dtype=np.float64), 0.0)
        for layer, (quanta, gain) in enumerate(zip(self.screen.quanta_mm2_ugy, self.screen.gain_kev, strict=True)):
            absorbed = rng.poisson(mean * (quanta * kerma * cell_mm2)).astype(np.float32)
            absorbed += np.sqrt(absorbed * np.float32(1 / SWANK_FACTOR - 1)) * rng.standard_normal(
                fine.shape, dtype=np.float32
            )
            spectrum = scipy.fft.dctn(absorbed * np.float32(gain * ELECTRONS_PER_KEV), norm="ortho", workers=-1)
            total += spectrum * self._transfer(fine.shape, oversampling, layer)
        first = oversampling // 2
        electrons = (
            scipy.fft.idctn(total, norm="ortho", workers=-1)[first::oversampling, first::oversampling] * oversampling**2
        )
        electrons += np.sqrt(np.maximum(electrons, 0)) * rng.standard_normal(electrons.shape, dtype=np.float32)
        electrons += np.float32(self.read_noise_electrons * np.sqrt(frames)) * rng.standard_normal(
            electrons.shape, dtype=np.float32
        )
        open_beam = self.pixel_pitch_mm**2 * kerma * self.screen.signal_electrons_mm2_ugy
        return np.asarray(electrons / np.float32(open_beam), dtype=np.float32)
