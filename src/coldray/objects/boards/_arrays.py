"""Ball grid arrays and chip-scale packages."""

from __future__ import annotations

import math

import numpy as np

from coldray.objects.boards._place import Part
from coldray.objects.boards._stack import GROUND, POWER, SIGNAL, Board
from coldray.objects.canvas import Frame
from coldray.objects.components.joints import bond_fan, bubbles
from coldray.objects.components.packages import ball_grid_substrate


def _pattern(rng: np.random.Generator, n: int, m: int, style: str) -> np.ndarray:
    """Which balls of an n x m field exist."""
    i, j = np.mgrid[:n, :m]
    edge = np.minimum(np.minimum(i, n - 1 - i), np.minimum(j, m - 1 - j))
    keep = np.ones((n, m), bool)
    if style == "rings":
        outer, inner = int(rng.integers(3, 6)), int(rng.integers(2, 4))
        keep = (edge < outer) | (edge >= outer + inner)
    elif style == "perimeter":
        keep = edge < int(rng.integers(2, 4))
    elif style == "memory":
        gap = m // 2
        keep = np.abs(j - gap + 0.5) > max(1, m // 6)
    elif style == "sparse":
        keep = (edge < 2) | (((i + j) % 2 == 0) & (rng.random((n, m)) < 0.7))
    keep &= rng.random((n, m)) > 0.01
    if rng.random() < 0.5:
        keep[0, 0] = False
    return keep


def ball_grid(
    rng: np.random.Generator,
    pitch: float,
    rows: int,
    columns: int,
    *,
    style: str = "full",
    voided: float = 0.15,
    microvia: bool = False,
    substrate: bool = True,
    escape: bool = True,
) -> Part:
    """Ball grid array: balls with voids, pads, dog-bone vias or via-in-pad, escapes, substrate and die."""
    ball = pitch * float(rng.uniform(0.46, 0.62))
    height = ball * float(rng.uniform(0.6, 0.85))
    pad = ball * float(rng.uniform(0.78, 0.95))
    drill = float(np.clip(0.22 * pitch, 0.08, 0.3)) * float(rng.uniform(0.9, 1.2))
    keep = _pattern(rng, rows, columns, style)
    sizes = ball * rng.choice([0.96, 0.98, 1.0, 1.02, 1.04], (rows, columns))
    nets = rng.choice([GROUND, POWER, SIGNAL], (rows, columns), p=[0.25, 0.15, 0.6])
    bad = rng.random((rows, columns)) < voided
    die = float(rng.uniform(0.35, 0.7))
    die_thick = float(rng.uniform(0.1, 0.3))
    flip = bool(rng.random() < 0.4)
    extent = (columns * pitch, rows * pitch)
    sub_via = rng.random() < 0.6

    def draw(board: Board, frame: Frame, side: int) -> None:
        c, layer = board.canvas, board.layer(side)
        mid_r, mid_c = (rows - 1) / 2, (columns - 1) / 2
        for r in range(rows):
            for k in range(columns):
                u, v = (k - mid_c) * pitch, (r - mid_r) * pitch
                x, y = frame.at(u, v)
                if not keep[r, k] or c.outside(x, y, pitch):
                    continue
                d = float(sizes[r, k])
                layer.discs.append((x, y, pad, pad + 0.12 * pitch + 0.08))
                c.ball(board.solder, x, y, d, height, bubbles(rng, d) if bad[r, k] else None)
                if microvia:
                    last = len(board.layers) - 1
                    span = (0, 1) if side == 0 else (last - 1, last)
                    board.via(
                        x, y, min(drill, 0.125), int(nets[r, k]), span=span, depth=0.12, filled=True, ring_mm=0.08
                    )
                    continue
                outer = min(r, rows - 1 - r, k, columns - 1 - k) < 2
                if outer and escape:
                    continue
                du, dv = math.copysign(pitch / 2, u), math.copysign(pitch / 2, v)
                to = frame.at(u + du, v + dv)
                layer.strokes.append(([(x, y), to], 0.25 * pitch))
                board.via(*to, drill, int(nets[r, k]), ring_mm=0.09 * pitch + 0.03, gap_mm=0.11 * pitch + 0.02)
        if escape:
            _escape(board, frame, side, rng, pitch, rows, columns, keep)
        if substrate:
            ball_grid_substrate(c, frame, *extent)
            if sub_via:
                for _ in range(int(0.8 * rows * columns)):
                    u, v = (float(rng.uniform(-0.48, 0.48)) * e for e in extent)
                    c.disc("Cu", *frame.at(u, v), 0.1 + 0.06 * pitch, 0.09)
        c.rect("Si", frame, 0, 0, extent[0] * die, extent[1] * die, die_thick)
        if flip:
            _bumps(board, frame, extent[0] * die, extent[1] * die, rng)
        elif substrate:
            bond_fan(c, frame, extent[0] * die, extent[1] * die, 0.8, rng, step=0.16)

    return Part(extent[0] + 0.6, extent[1] + 0.6, draw)


def _bumps(board: Board, frame: Frame, width: float, height: float, rng: np.random.Generator) -> None:
    """Flip-chip solder bumps under a die."""
    step = float(rng.uniform(0.2, 0.32))
    n, m = int(height / step), int(width / step)
    if n * m > 900:
        step *= math.sqrt(n * m / 900)
        n, m = int(height / step), int(width / step)
    d = min(0.11, 0.45 * step)
    for r in range(n):
        for k in range(m):
            board.canvas.ball(board.solder, *frame.at((k - (m - 1) / 2) * step, (r - (n - 1) / 2) * step), d)


def _escape(
    board: Board,
    frame: Frame,
    side: int,
    rng: np.random.Generator,
    pitch: float,
    rows: int,
    columns: int,
    keep: np.ndarray,
) -> None:
    """Outer two ball rows leave on the surface; inner rows leave between vias on inner layers."""
    width = max(0.05, 0.16 * pitch)
    tail = float(rng.uniform(0.8, 3.0))
    for turn, across, deep in ((0, columns, rows), (90, rows, columns), (180, columns, rows), (270, rows, columns)):
        f = frame.moved(0, 0, turn)
        edge = (deep - 1) / 2 * pitch
        lean = float(rng.choice([-1.0, 0.0, 1.0]))
        for k in range(across):
            u = (k - (across - 1) / 2) * pitch
            for row, du in ((0, 0.0), (1, 0.5)):
                if rng.random() < 0.25:
                    continue
                v = edge - row * pitch
                path = [(u, v), (u + du * pitch, v + du * pitch), (u + du * pitch, edge + 0.6 * pitch)]
                end = edge + 0.6 * pitch + tail
                path += [
                    (u + du * pitch + lean * tail, end),
                    (u + du * pitch + lean * tail, end + float(rng.uniform(0.3, 1.5))),
                ]
                board.layer(side).strokes.append(([f.at(*p) for p in path], width))
        inner = [layer for layer in board.layers[1:-1] if not layer.full]
        for layer in inner:
            for k in range(across - 1):
                if rng.random() < 0.45:
                    continue
                u = (k - (across - 1) / 2) * pitch
                start = edge - float(rng.uniform(1.0, max(1.1, deep / 2 - 1))) * pitch
                end = edge + float(rng.uniform(0.5, 2.0)) + tail
                layer.strokes.append(([f.at(u, start), f.at(u, edge + 0.5), f.at(u + lean * tail, end)], width))


def wafer_scale(rng: np.random.Generator, pitch: float, rows: int, columns: int) -> Part:
    """Chip-scale package: small balls straight under a silicon die."""
    base = ball_grid(rng, pitch, rows, columns, substrate=False, microvia=True, voided=0.05)
    extra = float(rng.uniform(0.2, 0.4))

    def draw(board: Board, frame: Frame, side: int) -> None:
        base.draw(board, frame, side)
        board.canvas.rect("Si", frame, 0, 0, columns * pitch, rows * pitch, extra)

    return Part(base.width, base.height, draw)
