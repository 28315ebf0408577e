"""Parts and where they go: no two on one side overlap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.objects.boards._stack import Board
from coldray.objects.canvas import Frame

Draw = Callable[[Board, Frame, int], None]


@dataclass(frozen=True)
class Part:
    """A component: courtyard [mm] and how to draw it at a frame on a side (0 top, 1 bottom)."""

    width: float
    height: float
    draw: Draw
    through: bool = False


class Placer:
    """Keeps the courtyards taken on each side and finds free spots."""

    def __init__(self, board: Board, margin_mm: float = 2.0) -> None:
        self.board, self.rng, self.margin = board, board.rng, margin_mm
        self.taken: list[list[tuple[float, float, float, float]]] = [[], []]

    def keep_out(self, x0: float, y0: float, x1: float, y1: float, sides: tuple[int, ...] = (0, 1)) -> None:
        """Reserve a rectangle [mm]."""
        for side in sides:
            self.taken[side].append((x0, y0, x1, y1))

    def _clash(self, side: int, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        if not self.taken[side]:
            return np.zeros(len(boxes), bool)
        t = np.asarray(self.taken[side])[None]
        b = boxes[:, None]
        hit: NDArray[np.bool_] = (
            (b[..., 0] < t[..., 2]) & (b[..., 2] > t[..., 0]) & (b[..., 1] < t[..., 3]) & (b[..., 3] > t[..., 1])
        )
        return np.asarray(hit.any(axis=1))

    def box(self, part: Part, frame: Frame, gap: float) -> tuple[float, float, float, float]:
        """Axis-aligned courtyard of a part at a frame."""
        a = math.radians(frame.angle_deg)
        w = abs(math.cos(a)) * part.width + abs(math.sin(a)) * part.height
        h = abs(math.sin(a)) * part.width + abs(math.cos(a)) * part.height
        return (frame.x - w / 2 - gap, frame.y - h / 2 - gap, frame.x + w / 2 + gap, frame.y + h / 2 + gap)

    def at(self, part: Part, frame: Frame, side: int = 0, gap: float = 0.15, force: bool = False) -> bool:
        """Put a part at a frame if that is free."""
        box = self.box(part, frame, gap)
        sides = (0, 1) if part.through else (side,)
        if not force and any(self._clash(s, np.asarray([box]))[0] for s in sides):
            return False
        for s in sides:
            self.taken[s].append(box)
        part.draw(self.board, frame, side)
        return True

    def anywhere(
        self, part: Part, side: int = 0, gap: float = 0.2, angle_deg: float | None = None, tries: int = 40
    ) -> Frame | None:
        """Put a part at a random free spot; returns where, or None."""
        rng, m = self.rng, self.margin
        angle = float(rng.choice([0.0, 90.0, 180.0, 270.0])) if angle_deg is None else angle_deg
        x = rng.uniform(-m, self.board.width + m, tries)
        y = rng.uniform(-m, self.board.height + m, tries)
        home = np.asarray(self.box(part, Frame(0.0, 0.0, angle), gap))
        boxes = home[None] + np.stack([x, y, x, y], 1)
        clash = self._clash(side, boxes)
        if part.through:
            clash |= self._clash(1 - side, boxes)
        free = np.flatnonzero(~clash)
        if not len(free):
            return None
        frame = Frame(float(x[free[0]]), float(y[free[0]]), angle)
        self.at(part, frame, side, gap, force=True)
        return frame

    def row(
        self, make: Callable[[], Part], count: int, side: int = 0, gap: float = 0.15, angle_deg: float | None = None
    ) -> int:
        """A neat row or block of like parts, as an engineer lays them out; returns how many fitted."""
        part = make()
        step, turn = part.height + gap, float(self.rng.choice([0.0, 90.0])) if angle_deg is None else angle_deg
        whole = Part(part.width, step * count, lambda *_: None)
        frame = self.anywhere(whole, side, gap, turn)
        if frame is None:
            return 0
        for k in range(count):
            part.draw(self.board, frame.moved(0.0, (k - (count - 1) / 2) * step), side)
            if self.rng.random() < 0.2:
                part = make()
        return count

    def count(self, per_cm2: float) -> int:
        """How many parts a density [1/cm2] means on this grid, Poisson."""
        return int(self.rng.poisson(per_cm2 * self.board.width * self.board.height / 100))
