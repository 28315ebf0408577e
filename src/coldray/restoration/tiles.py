"""Run a network of finite reach over a frame of any size, tile by tile, without seams."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coldray.errors import CheckpointError

TILE_BUDGET_PIXELS = 1_600_000
"""Largest tile with its margin; bounds the memory of the network's features."""
BORDER_PX = 32
"""How far the mirrored frame goes on beyond its border before the network's own zero padding; training windows get 8."""


class Engine(Protocol):
    """Runs a network on one tile."""

    @property
    def stride(self) -> int:
        """Grid of the network [pixels]."""
        ...

    @property
    def radius(self) -> int:
        """Reach of the network [pixels]."""
        ...

    def run(self, channels: NDArray[np.float32], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (1, 1, rows, cols) for channels (1, channels, rows, cols) and conditions (1, conditions)."""
        ...


def mirrored(first: int, last: int, length: int) -> NDArray[np.intp]:
    """Indices first..last-1 of a half-sample symmetric extension of 0..length-1, any distance out."""
    place = np.arange(first, last) % (2 * length)
    return np.where(place < length, place, 2 * length - 1 - place)


def split(length: int, parts: int, stride: int) -> list[tuple[int, int]]:
    """Cut 0..length into about equal parts whose origins lie on the stride grid."""
    cells = -(-length // stride)
    edges = sorted({round(i * cells / parts) * stride for i in range(parts + 1)})
    return [(a, min(b, length)) for a, b in pairwise(edges)]


class TiledPredictor:
    """A network as a function of whole frames.

    Parameters
    ----------
    engine : Engine
        Runs the network on one tile; states its stride and its reach.
    budget_pixels : int
        Largest tile including its margin [pixels].

    Notes
    -----
    The network sees the half-sample symmetric extension of the frame as far as `border`, then its own zero
    padding. A tile carries a margin of at least the network's reach, cut off where the extension ends, and its
    origin lies on the stride grid. Its inner pixels therefore equal those of the untiled result up to the rounding of
    the convolution kernels, and a small frame does not pay for a margin of the whole reach.
    """

    def __init__(self, engine: Engine, budget_pixels: int = TILE_BUDGET_PIXELS) -> None:
        self._engine = engine
        self._budget = budget_pixels
        stride = engine.stride
        self.halo = -(-engine.radius // stride) * stride
        self.border = min(-(-BORDER_PX // stride) * stride, self.halo)
        self.evaluations = 0

    def __call__(self, channels: tuple[Any, ...], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict a frame.

        Parameters
        ----------
        channels : tuple of ndarray, each of shape (rows, cols)
        conditions : ndarray, shape (conditions,)

        Returns
        -------
        ndarray, float32, shape (rows, cols)

        Raises
        ------
        CheckpointError
            If the network answers with NaN or infinite values.
        """
        images = [np.asarray(image) for image in channels]
        rows, cols = images[0].shape
        out = np.empty((rows, cols), dtype=np.float32)
        self.evaluations += 1
        for (r0, r1), (c0, c1) in self._tiles(rows, cols):
            (top, bottom), (left, right) = self._seen(r0, r1, rows), self._seen(c0, c1, cols)
            grid = np.ix_(mirrored(top, bottom, rows), mirrored(left, right, cols))
            tile = np.stack([image[grid] for image in images]).astype(np.float32)
            answer = self._engine.run(tile[None], conditions[None].astype(np.float32))
            if not np.isfinite(answer).all():
                raise CheckpointError(
                    f"the network answers with {int(np.count_nonzero(~np.isfinite(answer)))} values that are NaN or "
                    "infinite; choose another model, or a method without one, such as 'wiener'"
                )
            out[r0:r1, c0:c1] = answer[0, 0, r0 - top : r1 - top, c0 - left : c1 - left]
        return out

    def _seen(self, first: int, last: int, length: int) -> tuple[int, int]:
        """Range that a tile over first..last-1 sees; the far side is filled up to the stride grid."""
        stride = self._engine.stride
        end = -(-length // stride) * stride + self.border
        return max(first - self.halo, -self.border), min(-(-last // stride) * stride + self.halo, end)

    def _tiles(self, rows: int, cols: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        def largest_and_total(length: int, parts: int) -> tuple[int, int]:
            inner, outer = 2 * self.halo, 2 * self.border
            margin = (outer, self.halo + self.border, inner)[min(parts, 3) - 1]
            return -(-length // parts) + margin, length + outer + inner * (parts - 1)

        best: tuple[int, int] | None = None
        least = np.inf
        for down in range(1, 65):
            height, all_rows = largest_and_total(rows, down)
            for across in range(1, 65):
                width, all_cols = largest_and_total(cols, across)
                if height * width <= self._budget and all_rows * all_cols < least:
                    best, least = (down, across), all_rows * all_cols
        if best is None:
            # huge frame or small budget: square tiles of twice the margin
            side = max(2 * self.halo, int(self._budget**0.5) - 2 * self.halo)
            best = (-(-rows // side), -(-cols // side))
        for row_part in split(rows, best[0], self._engine.stride):
            for col_part in split(cols, best[1], self._engine.stride):
                yield row_part, col_part
