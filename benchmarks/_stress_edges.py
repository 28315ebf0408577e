"""Slanted edges that are not as they should be, each with the MTF of its detector in closed form.

An image is a table of the edge response along the normal, read at the distance of every pixel, so the edge of each row
can be moved at will. The response is that of a Gaussian, with a share spread by exponentials, averaged over the pixel
by Gauss-Legendre quadrature (16 x 8 points: 1e-9). All lengths in pixels, signals from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr

Float = NDArray[np.float64]
Image = NDArray[Any]
Change = Callable[[Float, np.random.Generator], Image]


@dataclass(frozen=True)
class Edge:
    """One edge: blur (Gauss, a two-sided and a one-sided exponential share), geometry, noise.

    `displaced` gives the displacement of every row [px]; `noise` the standard deviation at signal 1, which falls with
    the root of the signal to that at `dark`.
    """

    sigma: float = 0.5
    share: float = 0.0
    decay: float = 20.0
    lag: float = 0.0
    angle_deg: float = 2.5
    rows: int = 256
    columns: int = 256
    dark: float = 0.1
    noise: float = 0.01
    displaced: Callable[[Float, np.random.Generator], Float] | None = None

    def response(self, d: Float) -> Float:
        """Edge response before the pixel, 0 to 1."""
        if self.lag:
            return _exponential(d, self.sigma, self.lag)
        core = ndtr(d / self.sigma)
        if not self.share:
            return np.asarray(core)
        tail = (_exponential(d, self.sigma, self.decay) + 1 - _exponential(-d, self.sigma, self.decay)) / 2
        return np.asarray((1 - self.share) * core + self.share * tail)

    def mtf(self, frequency: Float) -> Float:
        """Modulus of the presampled transfer along the normal."""
        a, w = np.deg2rad(self.angle_deg), 2 * np.pi * frequency
        value = np.exp(-((w * self.sigma) ** 2) / 2) * np.sinc(frequency * np.cos(a)) * np.sinc(frequency * np.sin(a))
        value = value * (1 - self.share + self.share / (1 + (w * self.decay) ** 2))
        return np.asarray(value / np.sqrt(1 + (w * self.lag) ** 2))

    def clean(self, rng: np.random.Generator) -> Float:
        """Image without noise, dark on the left."""
        a = np.deg2rad(self.angle_deg)
        row = np.arange(self.rows, dtype=np.float64)
        shift = 0.0 if self.displaced is None else self.displaced(row, rng)
        place = self.columns / 2 - 0.3 + np.tan(a) * (row - (self.rows - 1) / 2) + shift
        d = (np.arange(self.columns) - np.reshape(place, (-1, 1))) * np.cos(a)
        reach = float(np.abs(d).max()) + 1
        grid = np.concatenate(
            [np.linspace(-reach, -12, 4000)[:-1], np.arange(-12, 12, 0.004), np.linspace(12, reach, 4000)]
        )
        table = np.zeros(grid.size)
        (x, wx), (y, wy) = np.polynomial.legendre.leggauss(16), np.polynomial.legendre.leggauss(8)
        for i, p in zip(x, wx, strict=True):
            for j, q in zip(y, wy, strict=True):
                table += p * q / 4 * self.response(grid + (i * np.cos(a) + j * np.sin(a)) / 2)
        return np.asarray(self.dark + (1 - self.dark) * np.interp(d, grid, table))

    def noisy(self, clean: Float, rng: np.random.Generator, correlation: float = 0.0) -> Float:
        """With white, or Gauss-correlated, noise."""
        noise = rng.standard_normal(clean.shape)
        if correlation:
            noise = ndimage.gaussian_filter(noise, correlation, mode="wrap")
            noise /= noise.std()
        return np.asarray(clean + self.noise * np.sqrt(np.maximum(clean, 0)) * noise)


def _exponential(d: Float, sigma: float, decay: float) -> Float:
    """Gaussian convolved with a one-sided exponential, integrated."""
    exponent = np.minimum(sigma**2 / (2 * decay**2) - d / decay, 600)
    return np.asarray(ndtr(d / sigma) - np.exp(exponent) * ndtr(d / sigma - sigma / decay))


@dataclass(frozen=True)
class Case:
    """One kind: how its images come about, and whether a single image can tell that something is wrong.

    `good` cases must come without a warning. `untold` kinds are those that one image cannot tell.
    """

    name: str
    regime: str
    edge: Edge = field(default_factory=Edge)
    after: Change | None = None
    before: Change | None = None
    correlation: float = 0.0
    good: bool = False
    untold: bool = False

    def images(self, count: int, seed: int = 0) -> Iterator[Image]:
        """Images with their own random streams."""
        still = None if self.edge.displaced else self.edge.clean(np.random.default_rng(seed))
        for rng in np.random.default_rng(seed).spawn(count):
            clean = self.edge.clean(rng) if still is None else still
            if self.before is not None:
                clean = self.before(clean, rng)
            image = self.edge.noisy(clean, rng, self.correlation)
            yield image if self.after is None else self.after(image, rng)


def _rough(rms: float) -> Callable[[Float, np.random.Generator], Float]:
    return lambda row, rng: rms * rng.standard_normal(row.size)


def _nick(depth: float, rows: int) -> Callable[[Float, np.random.Generator], Float]:
    return lambda row, rng: depth * (np.abs(row - row.size * rng.uniform(0.2, 0.8)) < rows / 2)


def _ghost(share: float, shift: int) -> Change:
    def change(image: Float, rng: np.random.Generator) -> Image:
        low = image.min()
        moved = np.concatenate([np.repeat(image[:, :1], shift, axis=1), image[:, :-shift]], axis=1) if shift else image
        return low + (1 - share) * (image - low) + share * (moved - low)

    return change


def _stair(share: float, shift: int) -> Change:
    return lambda image, rng: (
        image + share * np.roll(np.pad(image, ((0, 0), (shift, 0)), mode="edge")[:, : image.shape[1]], 0, 1)
    )


def _knee(part: float) -> Change:
    """Soft saturation: a tanh knee over the uppermost part of the step."""

    def change(image: Float, rng: np.random.Generator) -> Image:
        top, low = np.quantile(image, 0.95), np.quantile(image, 0.05)
        width = part * (top - low)
        over = np.maximum(image - (top - width), 0)
        return np.asarray(np.where(over > 0, top - width + width * np.tanh(over / width), image))

    return change


def _gamma(power: float) -> Change:
    return lambda image, rng: np.maximum(image, 1e-6) ** power


def _jpeg(quality: int) -> Change:
    def change(image: Float, rng: np.random.Generator) -> Image:
        from PIL import Image as Pillow

        stream = BytesIO()
        Pillow.fromarray(np.clip(np.rint(image * 220), 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
        return np.asarray(Pillow.open(stream))

    return change


def _levels(count: float) -> Change:
    return lambda image, rng: np.rint(image * count).astype(np.int32)


def _column(offset: int, how: str, wide: int = 1) -> Change:
    def change(image: Float, rng: np.random.Generator) -> Image:
        out, c = image.copy(), image.shape[1] // 2 + offset
        if how == "dead":
            out[:, c : c + wide] = 0.0
        elif how == "copied":
            out[:, c : c + wide] = image[:, c - 1 : c]
        else:
            part = np.arange(1, wide + 1) / (wide + 1)
            out[:, c : c + wide] = image[:, c - 1 : c] * (1 - part) + image[:, c + wide : c + wide + 1] * part
        return out

    return change


def _pixels(count: int, value: float) -> Change:
    def change(image: Float, rng: np.random.Generator) -> Image:
        out = image.copy()
        out.flat[rng.choice(image.size, count, replace=False)] = value
        return out

    return change


def _field(x: float = 0.0, quadratic: float = 0.0) -> Change:
    def change(image: Float, rng: np.random.Generator) -> Image:
        u = np.linspace(-1, 1, image.shape[1])
        return image * (1 + x * u / 2 + quadratic * (u * u - 1 / 3))

    return change


def _along(fall: float) -> Change:
    """A field that changes from the first row to the last."""
    return lambda image, rng: image * (1 + fall * np.linspace(-0.5, 0.5, image.shape[0])[:, None])


def _median(size: int) -> Change:
    return lambda image, rng: ndimage.median_filter(image, size)


def _denoised(image: Float, rng: np.random.Generator) -> Image:
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(image, weight=0.02))


def _sharpened(image: Float, rng: np.random.Generator) -> Image:
    return image + 1.0 * (image - ndimage.gaussian_filter(image, 1.5))


def _unsharp(amount: float) -> Change:
    return lambda image, rng: image + amount * (image - ndimage.gaussian_filter(image, 1.5))


def _gains(image: Float, rng: np.random.Generator) -> Image:
    return image * (1 + 0.01 * rng.standard_normal(image.shape[1]))


def _ripple(image: Float, rng: np.random.Generator) -> Image:
    return image * (1 + 0.01 * np.sin(2 * np.pi * np.arange(image.shape[1]) / 90))


def _tile(image: Float, rng: np.random.Generator) -> Image:
    return image * np.where(np.arange(image.shape[1]) > image.shape[1] // 2 + 30, 1.02, 1.0)


def _opaque(image: Float, rng: np.random.Generator) -> Image:
    return np.clip(np.rint(image * 10000), 0, 65535).astype(np.uint16)


def _wave(amplitude: float) -> Callable[[Float, np.random.Generator], Float]:
    return lambda row, rng: amplitude * np.sin(2 * np.pi * row / 64)


def _step(height: float) -> Callable[[Float, np.random.Generator], Float]:
    return lambda row, rng: height * (row > row.size / 2)


def good_cases() -> list[Case]:
    """Ordinary edges: nothing to warn of."""
    edge = Edge()
    cases = [
        Case(f"Gauss {s} px, {a} deg", "good", replace(edge, sigma=s, angle_deg=a), good=True)
        for s in (0.3, 0.5, 0.8, 1.2, 2.0)
        for a in (1.5, 2.5, 4.0, -3.0)
    ]
    cases += [
        Case(f"noise {n}", "good", replace(edge, noise=n, rows=r), good=True)
        for n, r in ((0.003, 256), (0.02, 256), (0.03, 512), (0.01, 1024), (0.01, 128))
    ]
    cases += [Case(f"correlated {c} px", "good", edge, correlation=c, good=True) for c in (0.5, 0.8, 1.2, 4.0)]
    cases += [
        Case("glare 4 %, 20 px", "good", replace(edge, share=0.04, decay=20.0), good=True),
        Case("glare 10 %, 8 px", "good", replace(edge, share=0.10, decay=8.0), good=True),
        Case("exponential 0.8 px", "good", replace(edge, sigma=0.3, share=0.9, decay=0.8), good=True),
        Case("opaque, clipped at zero, 16 bit", "good", replace(edge, dark=0.0), after=_dark_noise, good=True),
        Case("16 bit", "good", edge, after=_opaque, good=True),
        Case("4096 levels", "good", edge, after=_levels(4095), good=True),
        Case("no noise, 512", "good", replace(edge, noise=0.0, rows=512, columns=512), good=True),
        Case("no noise", "good", replace(edge, noise=0.0), good=True),
        Case("blur 4 px", "good", replace(edge, sigma=4.0, rows=512, columns=512), good=True),
    ]
    return cases


def _dark_noise(image: Float, rng: np.random.Generator) -> Image:
    return _opaque(image + 0.001 * rng.standard_normal(image.shape), rng)


def bad_cases() -> list[Case]:
    """Edges that mislead, by kind."""
    edge = Edge()
    long = replace(edge, rows=1024)

    def of(name: str, regime: str, base: Edge = edge, **options: Any) -> Case:
        return Case(name, regime, base, **options)

    cases = [
        of("rough 0.4 px", "rough", replace(edge, displaced=_rough(0.4))),
        of("rough 0.2 px", "rough", replace(edge, displaced=_rough(0.2))),
        of("rough 0.8 px, 1024 rows", "rough", replace(long, displaced=_rough(0.8))),
        of("rough 1.2 px, 4096 rows", "rough", replace(edge, rows=4096, displaced=_rough(1.2))),
        of("wavy 0.4 px", "wavy", replace(edge, displaced=_wave(0.4))),
        of("wavy 0.2 px", "wavy", replace(edge, displaced=_wave(0.2))),
        of("stepped 0.8 px", "stepped", replace(edge, displaced=_step(0.8))),
        of("stepped 1.5 px", "stepped", replace(edge, displaced=_step(1.5))),
        of("nick 3 px, 10 rows", "nicked", replace(edge, displaced=_nick(3.0, 10))),
        of("nick 1.5 px, 20 rows", "nicked", replace(edge, displaced=_nick(1.5, 20))),
    ]
    cases += [
        of(f"ghost {s:g} at {d} px", "ghost", before=_ghost(s, d))
        for s, d in ((0.05, 40), (0.03, 12), (0.02, 60), (0.03, 25))
    ]
    cases += [
        of(f"stair {s:g} at {d} px", "second edge", before=_stair(s, d)) for s, d in ((0.05, 40), (0.1, 30), (0.3, 40))
    ]
    cases += [of(f"knee over {p:g}", "soft saturation", before=_knee(p), untold=p > 0.3) for p in (0.5, 0.2, 0.1, 0.05)]
    cases += [of(f"clipped at the top by {p:g}", "clipped", after=_clip_top(p)) for p in (0.01, 0.05, 0.1)]
    cases += [of(f"dark clipped {p:g} above", "clipped dark", after=_clip_dark(p)) for p in (0.01, 0.02, 0.05)]
    cases += [
        of(f"glare {s:g}, {d} px, {n}", "glare", replace(edge, share=s, decay=float(d), rows=n, columns=n))
        for s, d, n in (
            (0.10, 120, 256),
            (0.10, 300, 512),
            (0.05, 120, 256),
            (0.20, 120, 256),
            (0.1, 60, 256),
            (0.1, 120, 512),
            (0.05, 30, 256),
            (0.02, 60, 256),
        )
    ]
    cases += [of(f"field {x:+g}", "field trend", before=_field(x=x)) for x in (0.01, -0.01, 0.02, -0.05, 0.05, 0.1)]
    cases += [
        of(f"quadratic field {q:+g}", "field trend", before=_field(quadratic=q)) for q in (0.02, 0.05, -0.05, 0.1)
    ]
    cases += [of(f"field along the edge {y:+g}", "field trend", before=_along(y)) for y in (0.05, -0.2, 0.5)]
    cases += [of(f"gamma {g:g}", "not linear", before=_gamma(g), untold=True) for g in (2.2, 1.3, 0.7, 0.45)]
    cases += [of(f"median {n}", "filtered", after=_median(n)) for n in (3, 5)]
    cases += [of("total variation", "filtered", after=_denoised), of("sharpened", "filtered", after=_sharpened)]
    cases += [of(f"sharpened by {100 * a:g} %", "filtered", after=_unsharp(a)) for a in (0.15, 0.3)]
    cases += [of("columns of unlike gain", "bad columns", after=_gains)]
    cases += [of("ripple of 1 %", "field trend", before=_ripple), of("step of 2 %", "field trend", before=_tile)]
    cases += [of(f"JPEG {q}", "JPEG", after=_jpeg(q)) for q in (30, 75, 90)]
    cases += [of("JPEG 75, no noise", "JPEG", replace(edge, noise=0.0), after=_jpeg(75))]
    cases += [
        of(f"column {o:+d} {h}{f', {w} wide' if w > 1 else ''}", "bad columns", after=_column(o, h, w))
        for o, h, w in (
            (0, "interpolated", 1),
            (2, "interpolated", 1),
            (0, "interpolated", 2),
            (0, "copied", 1),
            (0, "dead", 1),
            (3, "dead", 1),
            (8, "dead", 1),
        )
    ]
    cases += [
        of(f"{n} pixels of {v:g}", "bad pixels", after=_pixels(n, v))
        for n, v in ((5, 0.0), (30, 0.0), (30, 1.5), (300, 0.0))
    ]
    cases += [of(f"lag {t:g} px", "asymmetric", replace(edge, sigma=0.4, lag=t)) for t in (0.3, 0.6, 1.0, 2.0)]
    cases += [
        of(f"{n} levels, no noise", "quantised", replace(edge, noise=0.0), after=_levels(n)) for n in (255, 60, 20, 6)
    ]
    cases += [of(f"SNR {1 / n:.0f}", "low SNR", replace(edge, noise=n)) for n in (0.05, 0.1, 0.2)]
    cases += [of(f"{r} rows", "few rows", replace(edge, rows=r)) for r in (16, 32, 64)]
    cases += [of(f"angle {a:g} deg", "angle", replace(edge, angle_deg=a)) for a in (0.3, 0.7, 7.1, 14.04, 18.43)]
    return cases


def _clip_top(part: float) -> Change:
    return lambda image, rng: np.minimum(image, np.quantile(image, 0.9) - part)


def _clip_dark(part: float) -> Change:
    """Clipped at a level above the dark plateau's mean, before most of its noise is read."""

    def change(image: Float, rng: np.random.Generator) -> Image:
        low = float(np.quantile(image, 0.25)) + part * (1 - 0.1)
        return np.asarray(np.maximum(image, low) + 0.003 * rng.standard_normal(image.shape))

    return change
