"""Patterns that stay with a panel from frame to frame, and the shading of its beam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.simulation.electronics import Electronics

ScreenTransfer = Callable[[tuple[int, int]], NDArray[np.float32]]

_PATTERN = 0
_BORDER = 32
HOT_ELECTRONS_S = (2e5, 5e6)
"""Range of the dark current of hot pixels [e-/s]."""


@dataclass(frozen=True, eq=False)
class FixedPattern:
    """Truth of one panel.

    Parameters
    ----------
    gain : ndarray, float32, shape (rows, cols)
        Relative pixel gain that flat fields see, mean 1.
    residual : ndarray, float32, shape (rows, cols)
        Relative gain error that they do not see, mean 0.
    offset : ndarray, float32, shape (rows, cols)
        Offset [e-], columns included.
    dark_current : ndarray, float32, shape (rows, cols)
        Dark current [e-/s], large in hot pixels.
    dead, hot : ndarray of bool, shape (rows, cols)
        Pixels without signal, and with far too much.
    """

    gain: NDArray[np.float32]
    residual: NDArray[np.float32]
    offset: NDArray[np.float32]
    dark_current: NDArray[np.float32]
    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Every pixel that must be replaced."""
        return self.dead | self.hot


def _spread(
    shape: tuple[int, int], relative: float, share: float, screen: ScreenTransfer, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Pattern of a given rms, part of it blurred by the screen."""
    rows, cols = shape
    white = rng.standard_normal(shape, dtype=np.float32)
    # a border is cut off: the transform mirrors, and a mirrored pattern is stronger there
    padded = (rows + 2 * _BORDER, cols + 2 * _BORDER)
    structure = screen(padded)
    spectrum = scipy.fft.dctn(rng.standard_normal(padded, dtype=np.float32), norm="ortho") * structure
    blurred = scipy.fft.idctn(spectrum, norm="ortho") / np.sqrt(max(float((structure**2).mean()), 1e-12))
    blurred = blurred[_BORDER:-_BORDER, _BORDER:-_BORDER]
    field = np.sqrt(1 - share) * white + np.sqrt(share) * blurred
    return np.asarray(relative * (field - field.mean()), dtype=np.float32)


def _clusters(shape: tuple[int, int], fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Clumps of 2 to 9 dead pixels grown at random."""
    rows, cols = shape
    mask = np.zeros(shape, dtype=bool)
    for _ in range(rng.poisson(fraction * rows * cols)):
        row, col = int(rng.integers(rows)), int(rng.integers(cols))
        for _ in range(int(rng.integers(2, 10))):
            mask[row, col] = True
            row = int(np.clip(row + rng.integers(-1, 2), 0, rows - 1))
            col = int(np.clip(col + rng.integers(-1, 2), 0, cols - 1))
    return mask


def draw_pattern(
    shape: tuple[int, int], screen: ScreenTransfer, electronics: Electronics, residual: float
) -> FixedPattern:
    """Draw the patterns of one panel, one random stream each.

    Parameters
    ----------
    shape : (rows, cols)
    screen : callable
        Gives the screen's transfer on the DCT grid of any number of pixels.
    electronics : Electronics
    residual : float
        Relative rms of the gain that flats do not see.

    Returns
    -------
    FixedPattern
    """
    e = electronics
    gain_rng, residual_rng, offset_rng, column_rng, bad_rng, dark_rng = (
        np.random.default_rng([e.random_state, _PATTERN, k]) for k in range(6)
    )
    gain = 1 + _spread(shape, e.gain_spread, e.correlated_share, screen, gain_rng)
    left = _spread(shape, residual, e.correlated_share, screen, residual_rng)
    left += np.float32(e.stitch_step) * np.where(np.arange(shape[1]) < shape[1] // 2, np.float32(-0.5), np.float32(0.5))
    offset = e.offset_electrons + e.offset_spread_electrons * offset_rng.standard_normal(shape, dtype=np.float32)
    offset = offset + e.column_offset_electrons * column_rng.standard_normal(shape[1], dtype=np.float32)
    draw = bad_rng.random(shape)
    dead = (draw < e.bad_fraction / 2) | _clusters(shape, e.cluster_fraction, bad_rng)
    hot = (draw > 1 - e.bad_fraction / 2) & ~dead
    dark = e.dark_current_electrons_s * dark_rng.gamma(4.0, 0.25, shape)
    low, high = np.log(HOT_ELECTRONS_S)
    dark[hot] = np.exp(dark_rng.uniform(low, high, int(hot.sum())))
    return FixedPattern(
        np.maximum(gain, 0.05).astype(np.float32), left, offset.astype(np.float32), dark.astype(np.float32), dead, hot
    )


def heel(shape: tuple[int, ...], fall: float) -> NDArray[np.float32]:
    """Relative fluence over the field, mean 1: falls by `fall` along the rows, a fifth of that to the corners."""
    rows, cols = shape
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5
    x = (np.arange(cols, dtype=np.float32) + 0.5) / cols - 0.5
    profile = 1 - fall * (y[:, None] + 0.4 * (x[None, :] ** 2 + y[:, None] ** 2))
    return np.asarray(profile / profile.mean(dtype=np.float64), dtype=np.float32)
