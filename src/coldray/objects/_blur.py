"""Blurs whose edge response, integrated over square pixels, has a closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve

Float = NDArray[np.float64]


@runtime_checkable
class Blur(Protocol):
    """An isotropic blur: its MTF and its edge response seen through a square pixel. Lengths in pixels."""

    def mtf(self, frequency_px: ArrayLike) -> Float:
        """Radial MTF without the pixel aperture at a frequency in cycles/pixel."""
        ...

    def edge(self, distance_px: Float, angle_deg: float) -> Float:
        """Pixel value, 0 → 1, at a distance [px] of its centre from an edge tilted by `angle_deg`."""
        ...


def aperture(frequency_px: ArrayLike, angle_deg: float) -> Float:
    """Transfer of a unit square pixel along the normal of an edge tilted by `angle_deg` [cycles/px]."""
    f = np.asarray(frequency_px, dtype=np.float64)
    a = np.deg2rad(angle_deg)
    return np.asarray(np.sinc(f * np.cos(a)) * np.sinc(f * np.sin(a)))


def _through_pixel(first: Callable[[Float], Float], second: Callable[[Float], Float], d: Float, angle: float) -> Float:
    """Average an edge profile over a square pixel from its first and second antiderivatives.

    A unit square projects on the edge normal as box(cos a) * box(sin a), a trapezoid. Only the dark side is
    computed, where the antiderivatives fade and their differences keep their digits; the profile is odd about 1/2.
    """
    a = np.deg2rad(angle)
    wide, thin = max(abs(np.cos(a)), abs(np.sin(a))), min(abs(np.cos(a)), abs(np.sin(a)))
    x = -np.abs(d)
    if thin < 1e-5:  # the second difference loses its digits; the thin box does nothing at this size
        dark = (first(x + wide / 2) - first(x - wide / 2)) / wide
    else:
        p, m = (wide + thin) / 2, (wide - thin) / 2
        dark = (second(x + p) - second(x + m) - second(x - m) + second(x - p)) / (wide * thin)
    return np.asarray(np.where(d > 0, 1 - dark, dark))


def _ramp(x: Float) -> Float:
    return np.asarray(np.maximum(x, 0.0))


@dataclass(frozen=True)
class GaussianBlur:
    """Gaussian of standard deviation `sigma_px`; 0 is no blur at all."""

    sigma_px: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.sigma_px) and self.sigma_px >= 0):
            raise PhysicsError(f"a Gaussian blur of {self.sigma_px} px is not possible; give sigma >= 0")

    def mtf(self, frequency_px: ArrayLike) -> Float:
        """exp(-2 pi^2 sigma^2 f^2)."""
        f = np.asarray(frequency_px, dtype=np.float64)
        return np.asarray(np.exp(-2 * (np.pi * self.sigma_px * f) ** 2))

    def edge(self, distance_px: Float, angle_deg: float) -> Float:
        """Closed form by the antiderivatives of the normal distribution."""
        s = self.sigma_px
        if s == 0:
            return _through_pixel(_ramp, lambda x: _ramp(x) ** 2 / 2, distance_px, angle_deg)

        def density(z: Float) -> Float:
            return np.asarray(np.exp(-z * z / 2) / np.sqrt(2 * np.pi))

        return _through_pixel(
            lambda x: x * scipy.special.ndtr(x / s) + s * density(x / s),
            lambda x: ((x * x + s * s) * scipy.special.ndtr(x / s) + s * x * density(x / s)) / 2,
            distance_px,
            angle_deg,
        )


@dataclass(frozen=True)
class PhosphorBlur:
    """Exponential line spread, MTF 1 / (1 + (2 pi a f)^2), a = `tail_px`: the tail of a phosphor screen."""

    tail_px: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.tail_px) and self.tail_px > 0):
            raise PhysicsError(f"a phosphor tail of {self.tail_px} px is not possible; give a length > 0")

    def mtf(self, frequency_px: ArrayLike) -> Float:
        """1 / (1 + (2 pi a f)^2)."""
        f = np.asarray(frequency_px, dtype=np.float64)
        return np.asarray(1 / (1 + (2 * np.pi * self.tail_px * f) ** 2))

    def edge(self, distance_px: Float, angle_deg: float) -> Float:
        """Closed form by the antiderivatives of the two-sided exponential."""
        a = self.tail_px

        def first(x: Float) -> Float:
            return np.asarray(np.maximum(x, 0) + a / 2 * np.exp(-np.abs(x) / a))

        def second(x: Float) -> Float:
            tail = a * a / 2 * np.exp(-np.abs(x) / a)
            return np.asarray(np.where(x < 0, tail, x * x / 2 + a * a - tail))

        return _through_pixel(first, second, distance_px, angle_deg)


@dataclass(frozen=True)
class BlurSum:
    """Weighted sum of blurs; the weights add up to 1."""

    parts: tuple[tuple[float, Blur], ...]

    def __post_init__(self) -> None:
        total = sum(weight for weight, _ in self.parts)
        if not np.isclose(total, 1.0, rtol=0, atol=1e-12):
            raise PhysicsError(f"the weights of a sum of blurs add up to {total}; they must add up to 1")

    def mtf(self, frequency_px: ArrayLike) -> Float:
        """Weighted sum of the parts' MTFs."""
        return np.asarray(sum(weight * blur.mtf(frequency_px) for weight, blur in self.parts))

    def edge(self, distance_px: Float, angle_deg: float) -> Float:
        """Weighted sum of the parts' edges."""
        return np.asarray(sum(weight * blur.edge(distance_px, angle_deg) for weight, blur in self.parts))


def with_glare(core: Blur, fraction: float = 0.04, reach_px: float = 20.0) -> BlurSum:
    """`core` plus a veiling glare: `fraction` of the signal spread exponentially over `reach_px` pixels."""
    if not 0 <= fraction < 1:
        raise PhysicsError(f"a glare fraction of {fraction} is not possible; it must be in [0, 1)")
    return BlurSum(((1 - fraction, core), (fraction, PhosphorBlur(reach_px))))


@dataclass(frozen=True, eq=False)
class CurveBlur:
    """Any radial MTF, tabulated in cycles/pixel; its edge comes from a Fourier sum (about 1e-6).

    Parameters
    ----------
    curve : FrequencyCurve
        MTF without the pixel aperture; the abscissa is cycles/pixel here. Zero beyond its last point.
    """

    curve: FrequencyCurve

    def mtf(self, frequency_px: ArrayLike) -> Float:
        """Tabulated value, divided by the value at zero; zero beyond the table."""
        f = np.abs(np.asarray(frequency_px, dtype=np.float64))
        return np.asarray(np.where(f <= self.curve.last_frequency_lp_mm, self.curve(f) / float(self.curve(0.0)), 0.0))

    def edge(self, distance_px: Float, angle_deg: float) -> Float:
        """1/2 + sum of M(f) A(f) sin(2 pi f d) / (pi f) over the harmonics of a long period."""
        step = 1 / 64  # px; the linear interpolation below is then good to 1e-5 of the sharpest edge
        reach = float(np.abs(distance_px).max()) + 64.0
        count = 1 << int(np.ceil(np.log2(4 * reach / step)))
        period = count * step
        # A square wave of this period holds odd harmonics only; its edges are period / 2 > 2 reach apart.
        f = np.arange(count // 2 + 1) / period
        amplitude = np.zeros(f.size)
        odd = slice(1, None, 2)
        amplitude[odd] = self.mtf(f[odd]) * aperture(f[odd], angle_deg) * 2 / (np.pi * f[odd] * period)
        profile = 0.5 + np.fft.irfft(-0.5j * amplitude * count, count)
        grid = (np.arange(count) - count // 2) * step
        return np.interp(distance_px, grid, np.roll(profile, count // 2))
