"""What follows the phosphor: gain pattern, offsets, bad pixels, lag, full well and digitisation of raw frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.source import AIR_KERMA_RATE_UGY_S
from coldray.simulation._pattern import FixedPattern, draw_pattern, heel
from coldray.simulation.cascade import in_order
from coldray.simulation.detector import ScreenDetector

__all__ = ["Camera", "Electronics", "FixedPattern"]

THIN_RESIDUAL, THICK_RESIDUAL = 0.005, 0.002
"""Gain pattern left after flat-field correction [relative rms] of a thin and a thick screen: 0.28 times the noise of a
1 s frame or more, so that averaging frames stops paying near 20 of them."""
_OBJECT, _DARK, _FLAT = 1, 2, 3


@dataclass(frozen=True)
class Electronics:
    """Read-out of a CMOS panel; the defaults are typical, not those of one product.

    Parameters
    ----------
    gain_spread : float
        Relative standard deviation of the pixel gain before flat-field correction, 0.01-0.03 being usual.
    residual_spread : float, optional
        Relative standard deviation of the gain that flat fields do not see (drift, another beam quality).
        By default 0.005 up to 80 mg/cm2 of phosphor and 0.002 above.
    correlated_share : float
        Share of either variance that comes from the screen's structure and is blurred as light is.
    shading : float
        Fall of the beam across the field, mostly along the rows (heel effect), relative.
    offset_electrons, offset_spread_electrons, column_offset_electrons : float
        Mean offset, and standard deviations from pixel to pixel and from column to column [e-].
    dark_current_electrons_s : float
        Mean dark current of a good pixel [e-/s].
    bad_fraction, cluster_fraction : float
        Share of single bad pixels (half dead, half hot) and of cluster centres.
    lag : float
        Share of the signal that is read one frame later.
    full_well_electrons : float
        Signal at which a pixel saturates [e-].
    adc_bits : int
        Depth of the digitiser; its range is the full well.
    random_state : int
        Decides every pattern and every frame.

    Raises
    ------
    PhysicsError
        If a value is out of range.
    """

    gain_spread: float = 0.02
    residual_spread: float | None = None
    correlated_share: float = 1 / 3
    shading: float = 0.10
    offset_electrons: float = 20000.0
    offset_spread_electrons: float = 1000.0
    column_offset_electrons: float = 10.0
    dark_current_electrons_s: float = 500.0
    bad_fraction: float = 1e-4
    cluster_fraction: float = 1e-5
    lag: float = 0.004
    full_well_electrons: float = 2.0e6
    adc_bits: int = 14
    random_state: int = 0

    def __post_init__(self) -> None:
        shares = ("correlated_share", "shading", "bad_fraction", "cluster_fraction", "lag")
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None and f.name == "residual_spread":
                continue
            if not (np.isfinite(value) and value >= 0) or (f.name in shares and value > 1):
                raise PhysicsError(
                    f"{f.name} is {value}; it must be finite and {'0 to 1' if f.name in shares else '>= 0'}"
                )
        if not 4 <= self.adc_bits <= 16 or int(self.adc_bits) != self.adc_bits:
            raise PhysicsError(f"adc_bits is {self.adc_bits}; raw frames have 4 to 16 bits")
        if not self.full_well_electrons > self.offset_electrons:
            raise PhysicsError(
                f"full well {self.full_well_electrons} e- must be above the offset {self.offset_electrons} e-"
            )

    @property
    def electrons_per_dn(self) -> float:
        """Digitiser step [e-]."""
        return self.full_well_electrons / (2**self.adc_bits - 1)

    def residual_of(self, detector: ScreenDetector) -> float:
        """Relative gain pattern left after flat-field correction."""
        if self.residual_spread is not None:
            return self.residual_spread
        return THIN_RESIDUAL if detector.screen.loading_mg_cm2 <= 80 else THICK_RESIDUAL

    def fixed_pattern_nnps(
        self, detector: ScreenDetector, u_lp_mm: ArrayLike, v_lp_mm: ArrayLike
    ) -> NDArray[np.float64]:
        """Expected NNPS [mm2] of the residual gain pattern; it does not fall with exposure or frames.

        Notes
        -----
        The uncorrelated part is white, the rest follows MTF^2; the integral over the Nyquist square is
        the squared relative rms.
        """
        p = detector.pixel_pitch_mm
        u, v = np.broadcast_arrays(np.asarray(u_lp_mm, dtype=np.float64), np.asarray(v_lp_mm, dtype=np.float64))
        axis = (np.arange(64) + 0.5) / 128 / p
        mean = float((detector.screen.mtf(np.hypot(axis[:, None], axis) / detector.frequency_stretch) ** 2).mean())
        blurred = detector.screen.mtf(np.hypot(u, v) / detector.frequency_stretch) ** 2 / mean
        power = (p * self.residual_of(detector)) ** 2
        return np.asarray(power * (1 - self.correlated_share + self.correlated_share * blurred))


@dataclass(frozen=True, eq=False)
class Camera:
    """A screen on a panel: raw frames of objects, flats and darks in digital numbers.

    Parameters
    ----------
    detector : ScreenDetector
    shape : (rows, cols)
        Pixels.
    electronics : Electronics
    kerma_rate_ugy_s : float
        Air-kerma rate at the detector [uGy/s].

    Notes
    -----
    Every frame has its own random stream, named by random state, kind and number: neither the number of
    frames nor that of workers changes any of them. Chain of physics.md 4.2 and 4.4.
    """

    detector: ScreenDetector
    shape: tuple[int, int]
    electronics: Electronics = Electronics()
    kerma_rate_ugy_s: float = AIR_KERMA_RATE_UGY_S

    @cached_property
    def pattern(self) -> FixedPattern:
        """Gain, residual, offset and bad pixels of this panel: the truth behind the raw frames."""
        e = self.electronics
        return draw_pattern(self.shape, self._structure, e, e.residual_of(self.detector))

    @cached_property
    def beam(self) -> NDArray[np.float32]:
        """Relative fluence of the open beam, mean 1, shape `shape`."""
        return heel(self.shape, self.electronics.shading)

    def expose(
        self,
        fine: NDArray[np.floating],
        oversampling: int,
        exposure_s: float,
        *,
        frames: int = 1,
        first: int = 0,
        previous_electrons: NDArray[np.floating] | None = None,
        workers: int | None = None,
    ) -> NDArray[np.uint16]:
        """Raw frames of an object.

        Parameters
        ----------
        fine : ndarray, shape (rows * oversampling, cols * oversampling)
            Transmission on the fine grid.
        oversampling : int
            Grid cells per pixel and direction.
        exposure_s : float
            Exposure of a frame [s].
        frames, first : int
            How many frames, and the number of the first one.
        previous_electrons : ndarray, shape (rows, cols), optional
            Signal before the first frame, whose lag it carries; by default the same scene.
        workers : int, optional
            Threads; one per core by default.

        Returns
        -------
        ndarray of uint16, shape (frames, rows, cols)

        Raises
        ------
        PhysicsError
            If the grid does not fit the panel, or exposure or frames are not positive.
        """
        return self._frames(fine, oversampling, exposure_s, _OBJECT, frames, first, previous_electrons, workers)

    def flats(
        self, exposure_s: float, frames: int, *, oversampling: int = 4, first: int = 0, workers: int | None = None
    ) -> NDArray[np.uint16]:
        """Raw frames of the open beam, uint16, shape (frames, rows, cols)."""
        rows, cols = self.shape
        fine = np.ones((rows * oversampling, cols * oversampling), dtype=np.float32)
        return self._frames(fine, oversampling, exposure_s, _FLAT, frames, first, None, workers)

    def darks(self, exposure_s: float, frames: int, *, first: int = 0) -> NDArray[np.uint16]:
        """Raw frames without beam, uint16, shape (frames, rows, cols)."""
        self._check(exposure_s, frames)
        nothing = np.zeros(self.shape, dtype=np.float32)
        return np.stack([self._read(nothing, exposure_s, self._stream(_DARK, first + k)) for k in range(frames)])

    def corrected(
        self,
        fine: NDArray[np.floating],
        oversampling: int,
        exposure_s: float,
        *,
        frames: int = 1,
        first: int = 0,
        workers: int | None = None,
    ) -> NDArray[np.float32]:
        """Mean of many frames as ideal dark, flat and bad-pixel correction leaves it, fraction of the open beam.

        Notes
        -----
        All quanta are drawn at once, exact but for rounding and lag; what stays is quantum and read
        noise over the number of frames, and the residual gain pattern in full.
        """
        self._check(exposure_s, frames)
        rng = self._stream(_OBJECT, first)
        seen = self.detector.frame(
            self._shaded(fine, oversampling),
            oversampling,
            exposure_s,
            rng,
            frames=frames,
            kerma_rate_ugy_s=self.kerma_rate_ugy_s,
            workers=workers,
        )
        return np.asarray(seen / self.beam * (1 + self.pattern.residual), dtype=np.float32)

    def _frames(
        self,
        fine: NDArray[np.floating],
        oversampling: int,
        exposure_s: float,
        kind: int,
        frames: int,
        first: int,
        previous: NDArray[np.floating] | None,
        workers: int | None,
    ) -> NDArray[np.uint16]:
        self._check(exposure_s, frames)
        scene = self._shaded(fine, oversampling)
        kerma = self.kerma_rate_ugy_s * exposure_s
        full = np.float32(self.detector.open_beam_electrons(kerma))
        before = self.detector.image(scene, oversampling) * full if previous is None else np.asarray(previous)
        if before.shape != self.shape:
            raise PhysicsError(f"the previous signal has shape {before.shape}, the panel {self.shape}")
        gain = self.pattern.gain * (1 + self.pattern.residual) if kind == _OBJECT else self.pattern.gain
        lag = np.float32(self.electronics.lag)
        out = np.empty((frames, *self.shape), dtype=np.uint16)
        for k, (now, rng) in enumerate(self._collected(scene, oversampling, kerma, kind, frames, first, workers)):
            out[k] = self._read((now + lag * (before - now)) * gain, exposure_s, rng)
            before = now
        return out

    def _collected(
        self,
        scene: NDArray[np.float32],
        oversampling: int,
        kerma: float,
        kind: int,
        frames: int,
        first: int,
        workers: int | None,
    ) -> Iterator[tuple[NDArray[np.float32], np.random.Generator]]:
        def one(number: int) -> tuple[NDArray[np.float32], np.random.Generator]:
            rng = self._stream(kind, number)
            return self.detector.electrons(scene, oversampling, kerma, rng, workers if frames == 1 else 1), rng

        yield from in_order(one, range(first, first + frames), 1 if frames == 1 else workers)

    def _read(self, electrons: NDArray[np.float32], exposure_s: float, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Dark current, offset, read noise, bad pixels, full well and rounding."""
        e, pattern = self.electronics, self.pattern
        dark = pattern.dark_current * np.float32(exposure_s)
        signal = electrons + dark + np.sqrt(dark) * rng.standard_normal(self.shape, dtype=np.float32)
        signal *= ~pattern.dead
        signal += pattern.offset
        signal += np.float32(self.detector.read_noise_electrons) * rng.standard_normal(self.shape, dtype=np.float32)
        top = 2**e.adc_bits - 1
        return np.clip(np.rint(signal / np.float32(e.electrons_per_dn)), 0, top).astype(np.uint16)

    def _structure(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Transfer of the screen on the DCT grid of some pixels: how its structure is blurred."""
        radial = dct_radial_frequency(shape, self.detector.pixel_pitch_mm) / self.detector.frequency_stretch
        return self.detector.screen.mtf(radial).astype(np.float32)

    def _shaded(self, fine: NDArray[np.floating], oversampling: int) -> NDArray[np.float32]:
        rows, cols = self.shape
        if fine.shape != (rows * oversampling, cols * oversampling):
            raise PhysicsError(
                f"the fine grid is {fine.shape}; {rows}x{cols} pixels at oversampling {oversampling} need "
                f"{(rows * oversampling, cols * oversampling)}"
            )
        if self.electronics.shading == 0:
            return np.asarray(fine, dtype=np.float32)
        return np.asarray(fine, dtype=np.float32) * heel(fine.shape, self.electronics.shading)

    def _stream(self, kind: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.electronics.random_state, kind, number])

    def _check(self, exposure_s: float, frames: int) -> None:
        if not (0 < exposure_s < np.inf and frames >= 1):
            raise PhysicsError(f"exposure {exposure_s} s and {frames} frames; both must be positive")
