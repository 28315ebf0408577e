"""Small features put into training windows: what boards hold too little of, and what a restorer must not wipe out.

Boards teach pads, vias and traces. Faint voids, cracks and bar patterns are rare on them, and a network that never saw
any learns that faint and small means noise. The shapes, sizes, angles and contrasts here are random; none is that of a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.physics.detector import DetectorPair
from coldray.physics.noise import NoiseModel
from coldray.physics.transfer import radial_operator
from coldray.plugins import Degradation

Image = NDArray[np.float32]

SUBPIXELS = 4
EDGE_PX = 8
"""Least distance of a feature from the border of its window."""
COUNT = (1, 8)
CNR = (1.5, 60.0)
"""Contrast over the standard deviation of one pixel of the blurred frame, log-uniform."""
DEEPEST = 0.85
"""Largest contrast, as a share of the local signal."""
FLAT_SIGNAL = (0.1, 1.0)
KINDS = ("disc", "rod", "bars", "plate")


def feature_mask(kind: str, rng: np.random.Generator) -> Image:
    """Draw one feature at a random angle and sub-pixel position.

    Parameters
    ----------
    kind : {"disc", "rod", "bars", "plate"}
        Void-like, crack-like, three to five bars, or a rectangle with edges of some length.
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
        period, bars = float(np.exp(rng.uniform(np.log(2.1), np.log(16)))), int(rng.integers(3, 6))
        width, length = (bars - 0.5) * period, rng.uniform(2, 4) * period
    else:
        length, width = rng.uniform(8, 80), rng.uniform(8, 80)
    side = int(np.ceil(np.hypot(length, width))) + 2
    axis = (np.arange(side * SUBPIXELS) + 0.5) / SUBPIXELS - side / 2
    v, u = axis[:, None] - rng.uniform(-0.5, 0.5), axis[None] - rng.uniform(-0.5, 0.5)
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    if kind == "disc":
        inside = along**2 + across**2 < (width / 2) ** 2
    else:
        inside = (np.abs(along) < length / 2) & (np.abs(across) < width / 2)
    if kind == "bars":
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


def screens(pair: DetectorPair, degradation: Degradation, shape: tuple[int, int]) -> tuple[Callable[..., Any], ...]:
    """Operators on a window: the sharp screen without its pixel aperture, and the blur at full strength."""
    pitch = pair.pixel_pitch_mm

    def sharp_screen(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(pair.sharp.mtf(frequency) / np.sinc(pitch * frequency))

    return (
        radial_operator(sharp_screen, shape, pitch),
        radial_operator(lambda f: degradation.transfer(f, 1.0), shape, pitch),
    )


def add_features(
    sharp: Image,
    blurred: Image,
    pair: DetectorPair,
    degradation: Degradation,
    noise: NoiseModel,
    rng: np.random.Generator,
) -> tuple[Image, Image]:
    """Put features into a window of both noise-free images.

    Parameters
    ----------
    sharp, blurred : ndarray, shape (rows, cols)
    pair : DetectorPair
    degradation : object
        Offers ``transfer(frequency, strength)``.
    noise : NoiseModel
    rng : numpy.random.Generator

    Returns
    -------
    sharp, blurred : ndarray, float32, shape (rows, cols)
        Both operators are linear, so the pair stays exact but for what features send across the window's border.
    """
    sharpen, blur = screens(pair, degradation, sharp.shape)
    change = sharpen(draw_features(sharp, noise, rng))
    return (sharp + change).astype(np.float32), (blurred + blur(change)).astype(np.float32)
