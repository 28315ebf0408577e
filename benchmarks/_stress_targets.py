"""Flats, duplex wires and signal-to-noise regions that are not as they should be, each with its truth.

The truth is that of the undisturbed target in closed form (`coldray.objects.phantoms` for the wires); a case is right if
its value is within `limit` of the truth or its band holds it, told if it carries a warning, refused if it gives none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coldray.errors import MeasurementError
from coldray.metrology.bars.ctf import bars_ctf
from coldray.metrology.contrast import contrast
from coldray.metrology.duplex.isrb import duplex_isrb, interpolated_srb
from coldray.metrology.noise import flat_nnps
from coldray.objects.phantoms import DUPLEX_SPACING_MM, GaussianBlur, bars, duplex_wires

Float = NDArray[np.float64]
Answer = tuple[float, bool, bool]
"""Relative error, whether the band holds the truth, whether there is a warning."""
PITCH_MM = 0.05
SNR, SIDE = 150.0, 200
NNPS_LIMIT, ISRB_LIMIT, SNR_LIMIT = 0.05, 0.03, 0.03
LOWEST = 0.05
"""Frequencies from here on count in flats [cycles/pixel]; the trend takes part of the lower ones."""


@dataclass(frozen=True)
class Target:
    """One kind of disturbance: a measurement of one random image, and the relative error that counts as right."""

    regime: str
    name: str
    measure: Callable[[np.random.Generator], Answer]
    limit: float

    def tally(self, images: int, stream: np.random.SeedSequence) -> dict[str, Any]:
        """Right, told, refused and silent images."""
        errors, covered, told, silent, refused = [], 0, 0, 0, 0
        for seed in stream.spawn(images):
            try:
                error, held, warned = self.measure(np.random.default_rng(seed))
            except MeasurementError:
                refused += 1
                continue
            errors.append(error)
            covered += held
            told += warned
            silent += not warned and not held and abs(error) > self.limit
        return {
            "case": self.name,
            "regime": self.regime,
            "images": images,
            "refused": refused,
            "told": told,
            "silent": silent,
            "one_image_can_tell": True,
            "mean_error": float(np.mean(errors)) if errors else None,
            "coverage": covered / len(errors) if errors else None,
        }


def targets() -> Iterator[Target]:
    """All kinds."""
    yield from _flats()
    yield from _wires()
    yield from _groups()
    yield from _regions()


def _flat(make: Callable[[np.random.Generator], Float], power: Callable[[Float], Float]) -> Callable[..., Answer]:
    def measure(rng: np.random.Generator) -> Answer:
        found = flat_nnps(make(rng), PITCH_MM, 128)
        f = found.unleaked.frequency_lp_mm * PITCH_MM
        high = f >= LOWEST
        ratio = (found.unleaked.value / (power(f) * PITCH_MM**2))[high]
        error = float(np.mean(ratio) - 1)
        half = float(2 * np.median(found.relative_sd) / np.sqrt(ratio.size / 4))
        return error, abs(error) <= half, bool(found.warnings)

    return measure


def _flats() -> Iterator[Target]:
    n = 512

    def white(rng: np.random.Generator) -> Float:
        return np.asarray(1e4 * (1 + 0.01 * rng.standard_normal((n, n))))

    def even(f: Float) -> Float:
        return np.full(f.shape, 1e-4)

    def dead(count: int, value: float) -> Callable[[np.random.Generator], Float]:
        def make(rng: np.random.Generator) -> Float:
            image = white(rng)
            image.flat[rng.choice(n * n, count, replace=False)] = value
            return image

        return make

    def hits(rng: np.random.Generator) -> Float:
        frames = np.stack([white(rng)[:256, :256] for _ in range(8)])
        for frame in frames:
            frame.flat[rng.choice(frame.size, 4, replace=False)] += rng.uniform(2e3, 2e4)
        return frames

    def soft(sigma: float) -> Callable[[np.random.Generator], Float]:
        def make(rng: np.random.Generator) -> Float:
            v, u = np.meshgrid(np.fft.fftfreq(n), np.fft.rfftfreq(n), indexing="ij")
            passed = np.fft.rfft2(rng.standard_normal((n, n))) * np.exp(-2 * (np.pi * sigma) ** 2 * (v**2 + u**2))
            return np.asarray(1e4 * (1 + 0.01 * np.fft.irfft2(passed, (n, n))))

        return make

    def colour(sigma: float) -> Callable[[Float], Float]:
        return lambda f: 1e-4 * np.exp(-4 * (np.pi * sigma * f) ** 2)

    yield Target("flats", "clean", _flat(white, even), NNPS_LIMIT)
    for count in (3, 30, 300):
        yield Target("flats", f"{count} dead of 512²", _flat(dead(count, 0.0), even), NNPS_LIMIT)
    yield Target("flats", "30 pixels 3 % off", _flat(dead(30, 1.03e4), even), NNPS_LIMIT)
    yield Target("flats", "4 direct hits per frame", _flat(hits, even), NNPS_LIMIT)
    for sigma in (0.5, 0.75):
        yield Target("flats", f"noise correlated over {sigma} px", _flat(soft(sigma), colour(sigma)), NNPS_LIMIT)


def _gauge(
    sigma_px: float,
    snr: float,
    change: Callable[[Float], Float] = lambda image: image,
    **shape: Any,
) -> Callable[..., Answer]:
    def measure(rng: np.random.Generator) -> Answer:
        tilt = shape.get("tilt_deg", rng.uniform(1.5, 6.0))
        image, truth = duplex_wires(GaussianBlur(sigma_px), PITCH_MM, **({"rows": 128} | shape | {"tilt_deg": tilt}))
        known = interpolated_srb(truth.spacing_mm, truth.dip_percent)
        changed = change(np.asarray(image, dtype=np.float64))
        found = duplex_isrb(changed + rng.standard_normal(changed.shape) / snr, PITCH_MM)
        if found.isrb_mm is None or known is None:
            raise MeasurementError("no value")
        held = found.isrb_low_mm is not None and found.isrb_low_mm <= known <= (found.isrb_high_mm or 0.0)
        return found.isrb_mm / known - 1, bool(held), bool(found.warnings)

    return measure


def _wires() -> Iterator[Target]:
    for snr in (30, 100):
        for sigma in (1.1, 2.4):
            yield Target("duplex", f"blur {sigma} px, SNR {snr}", _gauge(sigma, snr), ISRB_LIMIT)
    for tilt in (9.0, 12.0, 15.0):
        yield Target("duplex", f"tilted by {tilt:g}°", _gauge(2.0, 500, rows=160, tilt_deg=tilt), ISRB_LIMIT)
    for first in (3, 5):
        cut = DUPLEX_SPACING_MM[first - 1 :]
        yield Target("duplex", f"without the pairs before {first}D", _gauge(2.0, 500, spacing_mm=cut), ISRB_LIMIT)
    yield Target("duplex", "two, stacked", _gauge(2.0, 500, lambda i: np.concatenate([i, i])), ISRB_LIMIT)
    beside = _gauge(2.0, 500, lambda i: np.concatenate([i, i], axis=1))
    yield Target("duplex", "two, side by side", beside, ISRB_LIMIT)
    yield Target("duplex", "read backwards", _gauge(2.0, 500, lambda i: i[:, ::-1]), ISRB_LIMIT)
    for name, change in (
        ("a dead column", _line(0.0)),
        ("a hot column, 2 wide", _line(3.0, 2)),
        ("a dead row", lambda i: _line(0.0)(i.T).T),
        ("8 dead clusters of 3²", _clusters),
    ):
        yield Target("duplex", name, _gauge(2.0, 300, change), ISRB_LIMIT)


def _line(value: float, width: int = 1) -> Callable[[Float], Float]:
    """Columns in the middle set to a value."""

    def change(image: Float) -> Float:
        out, at = image.copy(), image.shape[1] // 2
        out[:, at : at + width] = value
        return out

    return change


def _clusters(image: Float) -> Float:
    """Dead squares of three pixels, always at the same places."""
    out, rng = image.copy(), np.random.default_rng(8)
    for row, col in zip(rng.integers(0, image.shape[0] - 3, 8), rng.integers(0, image.shape[1] - 3, 8), strict=True):
        out[row : row + 3, col : col + 3] = 0.0
    return out


def _groups() -> Iterator[Target]:
    """Bars with a stray column through the second group."""

    def measure(rng: np.random.Generator) -> Answer:
        image, truth = bars([0.8, 1.6, 2.5, 4.0], GaussianBlur(0.8), PITCH_MM, tilt_deg=rng.uniform(1.5, 4.0))
        x, _, width, _ = truth[1].box
        spoilt = np.asarray(image, dtype=np.float64) + 0.005 * rng.standard_normal(image.shape)
        spoilt[:, x + int(rng.integers(width // 4, 3 * width // 4))] = 0.0
        found = bars_ctf(spoilt, PITCH_MM)
        near = min(found.groups, key=lambda g: abs(g.frequency_lp_mm - truth[1].frequency_lp_mm))
        held = near.ctf_low <= truth[1].ctf <= near.ctf_high
        return near.ctf / truth[1].ctf - 1, bool(held), bool(found.warnings)

    yield Target("bars", "a dead column", measure, ISRB_LIMIT)


def coloured(rng: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> Float:
    """Noise of unit deviation, correlated over a Gaussian."""
    white = rng.standard_normal(shape)
    if not sigma_px:
        return white
    spot = np.zeros((64, 64))
    spot[32, 32] = 1.0
    return np.asarray(
        gaussian_filter(white, sigma_px, mode="wrap") / np.sqrt((gaussian_filter(spot, sigma_px) ** 2).sum())
    )


def snr_region(sigma_px: float, trend: float, dead: int) -> Callable[[np.random.Generator], Float]:
    """Region of the known SNR with correlated noise, a trend from side to side, and dead pixels."""
    ramp = np.linspace(-0.5, 0.5, SIDE)

    def make(rng: np.random.Generator) -> Float:
        image = (SNR + coloured(rng, (SIDE, SIDE), sigma_px)) * (1 + trend * ramp)
        image.flat[rng.choice(image.size, dead, replace=False)] = 0.0
        return np.asarray(image)

    return make


def _region(make: Callable[[np.random.Generator], Float]) -> Callable[..., Answer]:
    def measure(rng: np.random.Generator) -> Answer:
        found = contrast(make(rng), srb_um=88.6)
        if found.snr_n is None or found.snr_n_sd is None:
            raise MeasurementError("no value")
        error = found.snr_n / SNR - 1
        return error, abs(found.snr_n - SNR) <= 2 * found.snr_n_sd, bool(found.warnings)

    return measure


def _regions() -> Iterator[Target]:
    for sigma, trend, dead in (
        (0, 0, 0),
        (0, 0.05, 0),
        (0, 0, 1),
        (1.5, 0, 0),
        (2.0, 0, 0),
        (2.0, 0.05, 1),
        (2.5, 0.03, 2),
    ):
        name = f"noise over {sigma:g} px, trend {100 * trend:g} %, {dead} dead"
        yield Target("SNR_N", name, _region(snr_region(sigma, trend, dead)), SNR_LIMIT)
