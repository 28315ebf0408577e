"""What is put into training windows: small features and faint edges that boards hold too little of, and nuisances.

Boards teach pads, vias and traces. Faint voids, cracks and bar patterns are rare on them, and a network that never saw
any learns that faint and small means noise. The shapes, sizes, angles and contrasts here are random; none is that of a test.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import TransferOperator, radial_operator
from coldray.plugins import Degradation

Image = NDArray[np.float32]

SUBPIXELS = 4
EDGE_PX = 8
"""Least distance of a feature from the border of its window."""
COUNT = (1, 8)
CNR = (1.0, 100.0)
"""Contrast over the standard deviation of one pixel of the blurred frame, log-uniform."""
DEEPEST = 0.85
"""Largest contrast, as a share of the local signal."""
BARS, PERIODS, LONGEST_PX = (3, 12), (2.0, 20.0), 120.0
"""Bars of a group, and their length in periods, log-uniform, up to so many pixels."""
FLAT_SIGNAL = (0.1, 1.0)
KINDS = ("disc", "rod", "bars", "plate")
BREAKS, GAP_PX = (3, 20), (1.0, 7.0)
"""Gaps across lines in a window, and their widths, log-uniform."""
GROUND_PX, STANDS_OUT, BREAK_PX = 5.0, (0.4, 0.95), 10
"""Width of the mean that a line stands out of, shares of the pixels that stand out less and no more, half-width of what a gap lies in.

The strongest contrasts are rims of parts; lines are fainter.
"""
EDGES, EDGE_CNR = (1, 4), (3.0, 120.0)
"""Long edges in a window of even ground, and their common contrast over the standard deviation of one pixel."""
SLOPE = 0.2
"""Largest change of the signal from one side of a field to the other: heel effect and scatter."""
FIXED_PATTERN_SD = (0.0005, 0.005)
"""What gain correction leaves of the gains of pixels, relative."""
HIT_SHARE = (0.0005, 0.02)
"""Share of pixels that were no measurement and stand replaced by the mean of their neighbours."""


def feature_mask(kind: str, rng: np.random.Generator) -> Image:
    """Draw one feature at a random angle and sub-pixel position.

    Parameters
    ----------
    kind : {"disc", "rod", "bars", "plate"}
        Void-like, crack-like, three to twelve bars, or a rectangle with edges of some length.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32, shape (side, side)
        Covered share of every pixel, 0 to 1: the pixel aperture is in it.
    """
    angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else np.deg2rad(rng.choice([0, 90]) + rng.uniform(-5, 5))
    if kind == "disc":
        length = width = 2 * float(np.exp(rng.uniform(np.log(0.7), np.log(7))))
    elif kind == "rod":
        length, width = rng.uniform(4, 36), float(np.exp(rng.uniform(np.log(0.6), np.log(4))))
    elif kind == "bars":
        period, bars = float(np.exp(rng.uniform(np.log(2.1), np.log(16)))), int(rng.integers(BARS[0], BARS[1] + 1))
        width, length = (bars - 0.5) * period, min(float(np.exp(rng.uniform(*np.log(PERIODS)))) * period, LONGEST_PX)
    else:
        length, width = rng.uniform(8, 80), rng.uniform(8, 80)
    spacing = period if kind == "bars" else None
    return _drawn(length, width, angle, rng, is_disc=kind == "disc", period=spacing)


def _drawn(
    length: float, width: float, angle: float, rng: np.random.Generator, *, is_disc: bool = False, period: float | None = None
) -> Image:  # fmt: skip
    """Covered share of every pixel of one shape: a rectangle, a disc, or bars along the rectangle's length."""
    side = int(np.ceil(np.hypot(length, width))) + 2
    axis = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - side / 2
    v, u = axis[:, None] - rng.uniform(-0.5, 0.5), axis[None] - rng.uniform(-0.5, 0.5)
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    if is_disc:
        inside = along**2 + across**2 < (width / 2) ** 2
    else:
        inside = (np.abs(along) < length / 2) & (np.abs(across) < width / 2)
    if period is not None:
        inside &= (across + width / 2) % period < period / 2
    return inside.reshape(side, SUBPIXELS, side, SUBPIXELS).mean(axis=(1, 3)).astype(np.float32)


def draw_features(signal: Image, noise: NoiseModel, rng: np.random.Generator) -> Image:
    """Draw features for a window, before any screen spreads them.

    Parameters
    ----------
    signal : ndarray, shape (rows, cols)
        Noise-free sharp image, fraction of the open beam: sets contrasts and keeps the sum positive.
    noise : NoiseModel
        Noise of the blurred frame.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32, shape (rows, cols)
        Change of the transmitted fraction, brighter or darker.
    """
    change = np.zeros_like(signal)
    rows, cols = signal.shape
    for _ in range(int(rng.integers(COUNT[0], COUNT[1] + 1))):
        mask = feature_mask(str(rng.choice(KINDS)), rng)
        side = mask.shape[0]
        free = min(rows, cols) - side - 2 * EDGE_PX
        if free < 0:
            continue
        row, col = (EDGE_PX + int(rng.integers(0, n - side - 2 * EDGE_PX + 1)) for n in (rows, cols))
        window = (slice(row, row + side), slice(col, col + side))
        level = max(float(signal[row + side // 2, col + side // 2]), 0.0)
        contrast = float(np.exp(rng.uniform(*np.log(CNR)))) * noise.relative_sd(level)
        sign = 1 if rng.random() < 0.5 else -1
        change[window] += np.float32(sign * min(contrast, DEEPEST * level)) * mask
    return np.maximum(change, -DEEPEST * signal)


def draw_breaks(signal: Image, rng: np.random.Generator) -> Image:
    """Draw gaps across lines and rims of a window, and bridges beside them, before any screen spreads them.

    Parameters
    ----------
    signal : ndarray, shape (rows, cols)
        Noise-free sharp image, fraction of the open beam.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32, shape (rows, cols)
        Change of the transmitted fraction: in a strip across a line the level beside it, or beside a line its level.
    """
    broken = signal.copy()
    detail = np.abs(signal - scipy.ndimage.gaussian_filter(signal, GROUND_PX))
    reach = BREAK_PX
    inner = detail[reach:-reach, reach:-reach]
    least, most = np.quantile(inner, STANDS_OUT)
    places = np.argwhere((inner >= least) & (inner <= most)) + reach
    for row, col in places[rng.integers(0, len(places), int(rng.integers(BREAKS[0], BREAKS[1] + 1)))]:
        window = slice(row - reach, row + reach + 1), slice(col - reach, col + reach + 1)
        here = signal[window]
        down, right = np.gradient(here)
        # main direction of the gradient: across the line
        across = 0.5 * np.arctan2(2 * (down * right).sum(), (right**2 - down**2).sum())
        mask = _drawn(rng.uniform(5, 2 * reach - 4), float(np.exp(rng.uniform(*np.log(GAP_PX)))), float(across), rng)
        half = mask.shape[0] // 2
        part = slice(row - half, row - half + mask.shape[0]), slice(col - half, col - half + mask.shape[0])
        is_dark = here[reach, reach] < np.median(here)
        level = np.quantile(here, 0.8 if is_dark else 0.2)
        missing = (level - broken[part]) * mask * rng.uniform(0.5, 1.0)
        broken[part] += np.maximum(missing, 0) if is_dark else np.minimum(missing, 0)
    return np.maximum(broken - signal, -DEEPEST * signal).astype(np.float32)


def sharp_screen(pair: DetectorPair, shape: tuple[int, int]) -> TransferOperator:
    """Operator on a window: the sharp screen without its pixel aperture."""
    pitch = pair.pixel_pitch_mm

    def transfer(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(pair.sharp.mtf(frequency) / np.sinc(pitch * frequency))

    return radial_operator(transfer, shape, pitch)


def add_change(
    sharp: Image, blurred: Image, change: Image, frame: Frame, degradation: Degradation
) -> tuple[Image, Image]:
    """Put a change of the transmitted fraction into a window of both noise-free images.

    Parameters
    ----------
    sharp, blurred, change : ndarray, shape (rows, cols)
    frame : Frame
        Of the same shape; states the detectors.
    degradation : object
        Offers ``transfer(frequency, strength)``.

    Returns
    -------
    sharp, blurred : ndarray, float32, shape (rows, cols)
        Both operators are linear, so the pair stays exact but for what the change sends across the window's border.
    """
    seen = sharp_screen(frame.pair, frame.shape)(change)
    return (sharp + seen).astype(np.float32), (blurred + frame.operator(degradation)(seen)).astype(np.float32)


def faint_edges(side: int, level: float, noise: NoiseModel, rng: np.random.Generator) -> Image:
    """Draw even ground with long straight edges of one contrast, before any screen spreads them.

    Parameters
    ----------
    side : int
        Rows and columns [pixels].
    level : float
        Signal of the ground, fraction of the open beam.
    noise : NoiseModel
        Noise of the blurred frame: sets the contrast.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32, shape (side, side)
        Change of the transmitted fraction.

    Notes
    -----
    All edges of a window have one contrast: an error that is measured against the window's own scale (`log_mse`) then
    weighs faint edges as much as strong ones. Mixed contrasts in one error make a network blunt the faintest.
    """
    count = int(rng.integers(EDGES[0], EDGES[1] + 1))
    # all steps down at one place still leave a positive signal
    contrast = min(float(np.exp(rng.uniform(*np.log(EDGE_CNR)))) * noise.relative_sd(level), DEEPEST * level / count)
    axis = np.arange(side) - (side - 1) / 2
    change = np.zeros((side, side))
    for _ in range(count):
        angle = rng.uniform(0, 2 * np.pi)
        cos, sin = np.cos(angle), np.sin(angle)
        across = axis[None] * cos + axis[:, None] * sin - rng.uniform(-0.4, 0.4) * side
        # share of a unit square on one side of a straight edge, to first order in its slant
        step = np.clip(across / max(abs(cos) + abs(sin), 1e-6) + 0.5, 0, 1)
        if rng.random() < 0.5:
            width = float(np.exp(rng.uniform(np.log(2), np.log(0.5 * side))))
            step = step - np.clip((across - width) / (abs(cos) + abs(sin)) + 0.5, 0, 1)
        change += (1 if rng.random() < 0.5 else -1) * step
    return (contrast * change).astype(np.float32)


def slope(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Draw a smooth factor near 1 over a frame: heel effect, scatter, a tilted object."""
    v, u = (np.linspace(-0.5, 0.5, n) for n in shape)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(-SLOPE, SLOPE)
    linear = u[None] * np.cos(angle) + v[:, None] * np.sin(angle)
    return (1 + strength * (linear + rng.uniform(-1, 1) * linear**2)).astype(np.float32)


def disturb(measured: Image, rng: np.random.Generator) -> Image:
    """Put what correction leaves into a measured frame: gains of pixels, and pixels replaced by their neighbours."""
    out = measured
    if rng.random() < 0.5:
        sd = float(np.exp(rng.uniform(*np.log(FIXED_PATTERN_SD))))
        out = out * (1 + np.float32(sd) * rng.standard_normal(out.shape, dtype=np.float32))
    if rng.random() < 0.7:
        hit = rng.random(out.shape) < np.exp(rng.uniform(*np.log(HIT_SHARE)))
        beside = np.pad(out, 1, mode="reflect")
        mean = 0.25 * (beside[:-2, 1:-1] + beside[2:, 1:-1] + beside[1:-1, :-2] + beside[1:-1, 2:])
        out = np.where(hit, mean, out)
    return out.astype(np.float32)
