"""Shapes drawn as coverage masks.

Shapes are drawn on a grid `OVERSAMPLE` times finer than the one asked for, in strips so that memory stays
small, and averaged: a mask cell holds the covered share of its area, 0 to 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray.objects.gerber.shapes import Shape

if TYPE_CHECKING:
    from PIL import Image

OVERSAMPLE = 3
_STRIP_CELLS = 12_000_000
_SHRUNK_VERTICES = 400


@dataclass(frozen=True)
class Grid:
    """Cells of a mask: row 0 is the top edge, y grows upwards as in the fabrication data.

    Parameters
    ----------
    left_mm, top_mm : float
        Outer corner of cell (0, 0) [mm, board coordinates].
    pitch_mm : float
        Cell side [mm].
    rows, cols : int
        Number of cells.
    """

    left_mm: float
    top_mm: float
    pitch_mm: float
    rows: int
    cols: int


def rasterise(shapes: Sequence[Shape], grid: Grid) -> NDArray[np.uint8]:
    """Draw shapes as covered area share.

    Parameters
    ----------
    shapes : list
        In drawing order; clear shapes erase what was drawn before them.
    grid : Grid
        Where to draw; shapes outside are cut.

    Returns
    -------
    ndarray of uint8, shape (rows, cols)
        0 = bare, 255 = fully covered.
    """
    from PIL import Image, ImageDraw

    fine = OVERSAMPLE
    scale = fine / grid.pitch_mm
    mask = np.zeros((grid.rows, grid.cols), dtype=np.uint8)
    pixels = _to_pixels([s.outline for s in shapes], grid, scale)
    tops = np.array([p[:, 1].min() for p in pixels], dtype=np.int64)
    bottoms = np.array([p[:, 1].max() for p in pixels], dtype=np.int64)
    strip = max(8, min(grid.rows, _STRIP_CELLS // max(1, grid.cols)))
    for row0 in range(0, grid.rows, strip):
        rows = min(strip, grid.rows - row0)
        top, bottom = row0 * fine, (row0 + rows) * fine
        touched = np.flatnonzero((bottoms >= top) & (tops < bottom))
        if len(touched) == 0:
            continue
        image = Image.new("L", (grid.cols * fine, rows * fine), 0)
        pen = ImageDraw.Draw(image)
        for i in touched.tolist():
            shape = shapes[i]
            if shape.parts:
                _stamp(image, shape, _to_pixels([p.outline for p in shape.parts], grid, scale), top)
            else:
                pen.polygon((pixels[i] - (0, top)).ravel().tolist(), fill=255 if shape.dark else 0)
        mask[row0 : row0 + rows] = np.asarray(image.reduce(fine))
    return mask


def _to_pixels(outlines: Sequence[NDArray[np.float64]], grid: Grid, scale: float) -> list[NDArray[np.int32]]:
    """Vertices as fine pixels (column, row); outlines with equally many vertices are turned together."""
    result: list[NDArray[np.int32]] = [np.zeros((0, 2), dtype=np.int32)] * len(outlines)
    alike: dict[int, list[int]] = {}
    for i, outline in enumerate(outlines):
        alike.setdefault(len(outline), []).append(i)
    for count, members in alike.items():
        points = np.stack([outlines[i] for i in members])
        x = (points[:, :, 0] - grid.left_mm) * scale
        y = (grid.top_mm - points[:, :, 1]) * scale
        if 2 < count <= _SHRUNK_VERTICES:
            x, y = _moved_in(x, y)
        pixels = np.stack([np.floor(x), np.floor(y)], axis=2).astype(np.int32)
        for i, p in zip(members, pixels, strict=True):
            result[i] = p
    return result


def _moved_in(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outlines (one a row) less the half pixel that Pillow, painting every pixel an edge passes, adds all round."""
    x1, y1 = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    turn = np.sign(np.sum(x1 * np.roll(y1, -1, axis=1) - y1 * np.roll(x1, -1, axis=1), axis=1, keepdims=True))
    ex, ey = np.roll(x1, -1, axis=1) - x1, np.roll(y1, -1, axis=1) - y1
    size = np.maximum(np.hypot(ex, ey), 1e-9)
    nx, ny = -turn * ey / size, turn * ex / size
    depth = 0.5 * np.maximum(np.abs(nx), np.abs(ny))
    px, py, pd = np.roll(nx, 1, axis=1), np.roll(ny, 1, axis=1), np.roll(depth, 1, axis=1)
    # Corner of the two neighbouring edges moved in; where they are nearly parallel, along their normal.
    cross = px * ny - py * nx
    flat = np.abs(cross) < 0.05
    safe = np.where(flat, 1.0, cross)
    dx = np.where(flat, depth * nx, (pd * ny - depth * py) / safe)
    dy = np.where(flat, depth * ny, (depth * px - pd * nx) / safe)
    return x + np.clip(dx, -0.75, 0.75), y + np.clip(dy, -0.75, 0.75)


def _stamp(image: Image.Image, shape: Shape, pixels: Sequence[NDArray[np.int32]], top: int) -> None:
    """Draw an aperture with its own holes on a small sheet, then lay that sheet on the strip."""
    from PIL import Image, ImageDraw

    every = np.concatenate(pixels) - (0, top)
    x0, y0 = every.min(axis=0)
    x1, y1 = every.max(axis=0) + 1
    sheet = Image.new("L", (int(x1 - x0), int(y1 - y0)), 0)
    pen = ImageDraw.Draw(sheet)
    for part, outline in zip(shape.parts, pixels, strict=True):
        pen.polygon((outline - (x0, y0 + top)).ravel().tolist(), fill=255 if part.dark else 0)
    image.paste(255 if shape.dark else 0, (int(x0), int(y0)), sheet)
