"""Lines and ellipsoids on a grid of cells, each cell showing its mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Window = tuple[slice, slice]
_PIECE_CELLS = 48
_SMALL_CELLS = 24.0


def ellipsoid_chord(
    window: Window, pitch_mm: float, centre_mm: tuple[float, float], axes_mm: tuple[float, float, float], angle: float
) -> Map:
    """Chord through an ellipsoid in a window of cells.

    Parameters
    ----------
    window : (slice, slice)
        Rows and columns of the grid.
    pitch_mm : float
        Grid step [mm].
    centre_mm : (x, y)
        From the grid's upper left corner [mm].
    axes_mm : (long, short, deep)
        Diameters along a direction, across it, and along the beam [mm].
    angle : float
        That direction [rad], from x to y.

    Returns
    -------
    ndarray, float32, shape of the window
        [mm]
    """
    long, short, deep = axes_mm
    q = 4 if min(long, short) < _SMALL_CELLS * pitch_mm else 1
    rows, cols = (s.stop - s.start for s in window)
    step = pitch_mm / q
    y = (window[0].start * pitch_mm - centre_mm[1] + (np.arange(rows * q) + 0.5) * step).astype(np.float32)[:, None]
    x = (window[1].start * pitch_mm - centre_mm[0] + (np.arange(cols * q) + 0.5) * step).astype(np.float32)[None, :]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = (c * x + s * y) * np.float32(2 / long), (c * y - s * x) * np.float32(2 / short)
    chord = np.float32(deep) * np.sqrt(np.maximum(1 - u * u - v * v, 0))
    return np.asarray(chord.reshape(rows, q, cols, q).mean((1, 3)) if q > 1 else chord, dtype=np.float32)


def add_stroke(
    target: Map,
    pitch_mm: float,
    points_mm: NDArray[np.float64],
    width_mm: NDArray[np.float64] | float,
    deep_mm: NDArray[np.float64] | float,
    *,
    round_wire: bool = False,
    corner: tuple[int, int] = (0, 0),
) -> None:
    """Add a line along a path: a flat strip, or a round wire whose middle is as thick as wide.

    Parameters
    ----------
    target : ndarray, shape (rows, cols)
        Map that is added to [mm].
    pitch_mm : float
        Grid step [mm].
    points_mm : ndarray, shape (n, 2)
        Path (x, y) [mm].
    width_mm : float or ndarray, shape (n - 1,)
        Width of every piece [mm]; right on average where thinner than a cell.
    deep_mm : float or ndarray, shape (n - 1,)
        Thickness of a strip [mm]; of a wire what its chord is multiplied with.
    round_wire : bool
    corner : (row, col)
        Cell of the grid that is the target's first one.
    """
    pieces = len(points_mm) - 1
    widths, depths = np.broadcast_to(width_mm, (pieces,)), np.broadcast_to(deep_mm, (pieces,))
    shift = np.array([corner[1], corner[0]]) * pitch_mm
    path = np.asarray(points_mm, dtype=np.float64) - shift
    for start, end, width, deep in zip(path[:-1], path[1:], widths, depths, strict=True):
        length = float(np.hypot(*(end - start)))
        if length < 1e-7 or width <= 0:
            continue
        parts = max(1, int(np.ceil(length / (_PIECE_CELLS * pitch_mm + 2 * width))))
        for k in range(parts):
            middle = start + (end - start) * (k + 0.5) / parts
            _add_piece(target, pitch_mm, middle, (end - start) / length, length / parts, width, deep, round_wire)


def _add_piece(
    target: Map,
    pitch: float,
    middle: NDArray[np.float64],
    along: NDArray[np.float64],
    length: float,
    width: float,
    deep: float,
    round_wire: bool,
) -> None:
    """One straight piece, in the window it can touch."""
    c, s = (float(a) for a in along)
    spans = []
    # to the ends of the piece and to the corners of its width
    for n, at, run, rise in (
        (target.shape[0], middle[1], abs(s), abs(c)),
        (target.shape[1], middle[0], abs(c), abs(s)),
    ):
        reach = run * length / 2 + rise * width / 2 + 2 * pitch
        low = int(np.clip(np.floor((at - reach) / pitch), 0, n))
        spans.append(slice(low, int(np.clip(np.ceil((at + reach) / pitch), low, n))))
    rows, cols = spans
    if rows.stop == rows.start or cols.stop == cols.start:
        return
    y = ((np.arange(rows.start, rows.stop) + 0.5) * pitch - middle[1]).astype(np.float32)[:, None]
    x = ((np.arange(cols.start, cols.stop) + 0.5) * pitch - middle[0]).astype(np.float32)[None, :]
    off, on = np.float32(c) * y - np.float32(s) * x, np.float32(c) * x + np.float32(s) * y
    share = np.clip((length + pitch) / 2 - np.abs(on), 0, min(length, pitch)) / np.float32(pitch)
    if round_wire:
        body = (_area_left_of(off + pitch / 2, width / 2) - _area_left_of(off - pitch / 2, width / 2)) / pitch
    else:
        body = np.clip((width + pitch) / 2 - np.abs(off), 0, min(width, pitch)) / pitch
    target[rows, cols] += (np.float32(deep) * share * body).astype(np.float32)


def _area_left_of(at: NDArray[np.floating], radius: float) -> NDArray[np.floating]:
    """Area of a circle on one side of a chord, but for a constant."""
    u = np.clip(at, -radius, radius)
    return np.asarray(u * np.sqrt(np.maximum(radius * radius - u * u, 0)) + radius * radius * np.arcsin(u / radius))
