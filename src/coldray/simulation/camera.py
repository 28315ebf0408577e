"""What follows the phosphor: gain pattern, offsets, bad pixels, lag, full well and digitisation of raw frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.source import AIR_KERMA_RATE_UGY_S
from coldray.simulation._pattern import FixedPattern, draw_pattern, heel
from coldray.simulation.cascade import in_order
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.electronics import HIT_ELECTRONS, Electronics

__all__ = ["Camera", "Electronics", "FixedPattern"]

_OBJECT, _DARK, _FLAT = 1, 2, 3


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
    frames nor that of workers changes any of them. The chain stands in docs/theory/simulator.md.
    """

    detector: ScreenDetector
    shape: tuple[int, int]
    electronics: Electronics = field(default_factory=Electronics)
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
        full = np.float32(self.detector.open_beam_electrons(self.kerma_rate_ugy_s * exposure_s) * frames)
        seen = seen + self._direct(seen, exposure_s * frames, rng) / full
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
            collected = now + lag * (before - now)
            out[k] = self._read((collected + self._direct(now / full, exposure_s, rng)) * gain, exposure_s, rng)
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

    def _direct(self, signal: NDArray[np.float32], exposure_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Electrons of direct hits behind a signal [fraction of the open beam]; none unless the panel has them."""
        rate = self.electronics.direct_hits_s * exposure_s
        out = np.zeros(self.shape, dtype=np.float32)
        if rate > 0:
            struck = rng.poisson(rate * np.maximum(signal, 0))
            where = struck > 0
            # the sum of some uniform deposits
            out[where] = [rng.random(n).sum() for n in struck[where]]
        return out * np.float32(HIT_ELECTRONS)

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
