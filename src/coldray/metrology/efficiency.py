"""Detection efficiency of a processing step: what share of the information it leaves, by frequency, from noise alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.spectra import corners

Float = NDArray[np.float64]

EDGES_CYCLES_PX = (0.015, 0.03, 0.045, 0.06, 0.08, 0.105, 0.135, 0.17, 0.21, 0.25, 0.3, 0.35, 0.42, 0.5)
"""Borders of the rings the efficiency is given for [cycles/pixel]."""
ROI_PX = 128
"""Side of the regions that are transformed [pixels]; overlapping by half."""
FEWEST_FRAMES = 4
LOSSLESS = 0.97
"""Efficiency from 0.03 to 0.35 cycles/pixel above which no linear observer loses what an interval would show."""
BORDER_PX = 16
"""Left out at every border, where filters see mirrored noise [pixels]."""


@dataclass(frozen=True)
class Efficiency:
    """Detection efficiency over frequency.

    Parameters
    ----------
    frequency_cycles_px : tuple of float
        Mean radial frequency of every ring.
    gain : tuple of float
        A: gain of the best linear fit, real part.
    distortion : tuple of float
        D / N: power that is uncorrelated with the input noise, over the input's power.
    eta, eta_sd : tuple of float
        A^2 N / (A^2 N + D), and its standard deviation over frames (jackknife).
    frames, regions : int
        Frames, and regions of each.
    noise_sd, input_sd : float
        Standard deviation of one pixel after and before the step, in the input's units.
    kurtosis : float
        Excess kurtosis of the output's noise; 0 for a linear step in Gaussian noise.
    """

    frequency_cycles_px: tuple[float, ...]
    gain: tuple[float, ...]
    distortion: tuple[float, ...]
    eta: tuple[float, ...]
    eta_sd: tuple[float, ...]
    frames: int
    regions: int
    noise_sd: float
    input_sd: float
    kurtosis: float

    def at(self, u: ArrayLike) -> Float:
        """Efficiency at radial frequency u [cycles/pixel], straight between rings and held beyond them."""
        return np.asarray(np.interp(np.asarray(u, dtype=np.float64), self.frequency_cycles_px, self.eta))

    def lowest(self, low: float = 0.03, high: float = 0.35) -> float:
        """Least efficiency between two frequencies [cycles/pixel]."""
        inside = [e for f, e in zip(self.frequency_cycles_px, self.eta, strict=True) if low <= f <= high]
        return min(inside)

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}


def detection_efficiency(
    measured: NDArray[np.number], processed: NDArray[np.number], *, roi_px: int = ROI_PX, border_px: int = BORDER_PX
) -> Efficiency:
    """Split what a processing step makes of noise into a linear answer and distortion noise.

    Parameters
    ----------
    measured : ndarray, shape (frames, rows, cols)
        Repeated frames of one even scene, any linear scale.
    processed : ndarray, same shape
        What the step makes of each.
    roi_px : int
        Side of the regions [pixels]; smaller ones fit small frames and blur the frequency.
    border_px : int
        Pixels left out at every border.

    Returns
    -------
    Efficiency

    Raises
    ------
    MeasurementError
        If the shapes differ, there are fewer than `FEWEST_FRAMES` frames, a region does not fit, values are not finite, or
        the frames do not differ from one another.

    Notes
    -----
    Bussgang: f(b + n) = A n + g with g uncorrelated with n, of power D; the same A answers a faint signal (Stein). The
    best linear observer then keeps eta = A^2 N / (A^2 N + D) of its squared index at every frequency: a small gain is
    harmless, a gain that fluctuates with the noise is not. The mean over the frames is taken away, so a fixed pattern
    does not count. A is real, the same for all places and directions, as an observer must take it who does not know how a
    defect lies on a network's grid; what a network answers beyond that is distortion. It may vary with the radial
    frequency within a ring. Both powers are free of the bias of the fit.

    References
    ----------
    Bussgang (1952); Stein, Ann. Stat. 9 (1981) 1135; Barrett and Myers, Foundations of Image Science (2004), 13.2.
    """
    y, x = (np.asarray(a, dtype=np.float32) for a in (measured, processed))
    if y.ndim != 3 or y.shape != x.shape:
        raise MeasurementError(
            f"measured and processed need one shape (frames, rows, cols); found {y.shape}, {x.shape}"
        )
    frames, rows, cols = y.shape
    if frames < FEWEST_FRAMES:
        raise MeasurementError(
            f"{frames} frames; the efficiency needs at least {FEWEST_FRAMES} of one even scene, 20 are advised"
        )
    inner = (rows - 2 * border_px, cols - 2 * border_px)
    if min(inner) < roi_px:
        raise MeasurementError(
            f"the frames are {rows}x{cols} pixels; a region of {roi_px} and a border of {border_px} need "
            f"{roi_px + 2 * border_px}: give larger frames or a smaller roi_px"
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise MeasurementError("the frames hold values that are not finite; correct bad pixels first")
    sums = _Sums.of(y, x, roi_px, border_px)
    if not sums.input_power.sum() > 0:
        raise MeasurementError("the frames are all alike; the efficiency is measured on noise, give repeated frames")
    return sums.result()


@dataclass(frozen=True, eq=False)
class _Sums:
    """Spectra of every frame summed over its regions and by radial frequency: one gain A for all places and directions."""

    cross: Float
    """Shape (frames, radial frequencies)."""
    power: Float
    input_power: Float
    ring: NDArray[np.intp]
    frequency: Float
    regions: int
    weight: Float
    """Independent coefficients at every radial frequency in one frame."""
    moments: tuple[float, float, float]
    """Of the output's noise the second and fourth, of the input's the second."""

    @classmethod
    def of(cls, y: NDArray[np.float32], x: NDArray[np.float32], roi: int, border: int) -> _Sums:
        f = np.hypot(np.fft.fftfreq(roi)[:, None], np.fft.rfftfreq(roi))
        ring = np.digitize(f, EDGES_CYCLES_PX) - 1
        kept = (ring >= 0) & (ring < len(EDGES_CYCLES_PX) - 1)
        window = np.hanning(roi + 2)[1:-1]
        window2 = (window[:, None] * window).astype(np.float32)
        inside = (slice(None), slice(border, y.shape[1] - border), slice(border, y.shape[2] - border))
        places = corners((y.shape[1] - 2 * border, y.shape[2] - 2 * border), roi)
        frames = len(y)
        # the mean of the frames is the scene; what is left has lost one degree of freedom
        unbias = np.float32(np.sqrt(frames / (frames - 1)))
        n, m = ((a[inside] - a[inside].mean(axis=0)) * unbias for a in (y, x))
        # radial frequencies one coefficient apart, within the rings
        fine = np.unique(np.rint(f[kept] * roi).astype(np.intp) + roi * ring[kept], return_inverse=True)[1]
        count = int(fine.max()) + 1
        cross, power, input_power = (np.zeros((frames, count)) for _ in range(3))
        for row, col in places:
            part = (slice(None), slice(row, row + roi), slice(col, col + roi))
            fn, fm = (scipy.fft.rfft2(a[part] * window2)[:, kept] for a in (n, m))
            for total, values in (
                (cross, (fm * np.conj(fn)).real), (power, np.abs(fm) ** 2), (input_power, np.abs(fn) ** 2)
            ):  # fmt: skip
                total += np.stack([np.bincount(fine, v, count) for v in values])
        moments = tuple(float(np.mean(v, dtype=np.float64)) for v in (m**2, m**4, n**2))
        apart = ((y.shape[1] - 2 * border) // roi) * ((y.shape[2] - 2 * border) // roi)
        three = (moments[0], moments[1], moments[2])
        size = np.bincount(fine)
        return cls(
            cross=cross,
            power=power,
            input_power=input_power,
            ring=np.bincount(fine, ring[kept]).astype(np.intp) // size,
            frequency=np.bincount(fine, f[kept]) / size,
            regions=len(places),
            weight=(size * apart).astype(np.float64),
            moments=three,
        )

    def split(self, left_out: int | None = None) -> tuple[Float, Float, Float]:
        """Per ring: summed linear power, distortion power and input power, without one frame if so told."""
        frames = len(self.cross)
        chosen = [k for k in range(frames) if k != left_out]
        cross, power, given = (a[chosen].sum(axis=0) for a in (self.cross, self.power, self.input_power))
        # every coefficient holds two degrees of freedom a frame, and one frame less for the mean; the fit of A costs one
        degrees = 2 * (len(chosen) - 1) * self.weight
        explained = cross**2 / np.maximum(given, 1e-30)
        distortion = np.maximum(power - explained, 0.0) * degrees / (degrees - 1)
        linear = power - distortion
        rings = len(EDGES_CYCLES_PX) - 1
        return tuple(self._by_ring(v, rings) for v in (linear, distortion, given))  # type: ignore[return-value]

    def _by_ring(self, values: Float, rings: int) -> Float:
        return np.asarray(np.bincount(self.ring, values, rings), dtype=np.float64)

    def result(self) -> Efficiency:
        linear, distortion, given = self.split()
        eta = _share(linear, distortion)
        frames = len(self.cross)
        left = np.stack([_share(*self.split(k)[:2]) for k in range(frames)])
        sd = np.sqrt((frames - 1) / frames * np.sum((left - left.mean(axis=0)) ** 2, axis=0))
        rings = eta.size
        weight = self._by_ring(self.weight, rings)
        frequency = self._by_ring(self.weight * self.frequency, rings) / np.maximum(weight, 1)
        cross = self._by_ring(self.cross.sum(axis=0), rings)
        second, fourth, before = self.moments
        full = weight > 0

        def listed(values: Float) -> tuple[float, ...]:
            return tuple(float(v) for v in values[full])

        return Efficiency(
            frequency_cycles_px=listed(frequency),
            gain=listed(cross / np.maximum(given, 1e-30)),
            distortion=listed(distortion / np.maximum(given, 1e-30)),
            eta=listed(eta),
            eta_sd=listed(sd),
            frames=frames,
            regions=self.regions,
            noise_sd=float(np.sqrt(second)),
            input_sd=float(np.sqrt(before)),
            kurtosis=fourth / second**2 - 3.0 if second > 0 else 0.0,
        )


def _share(linear: Float, distortion: Float) -> Float:
    """Efficiency; 0 where nothing is left at all."""
    total = linear + distortion
    return np.clip(np.divide(linear, total, out=np.zeros_like(total), where=total > 0), 0.0, 1.0)
