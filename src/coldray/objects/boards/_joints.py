"""Solder, voids, wires and pins that parts share."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coldray.objects.boards._canvas import Canvas, Frame
from coldray.objects.boards._stack import GROUND, SIGNAL, Board


def wedge(u: NDArray, _: NDArray) -> NDArray:
    """Solder fillet: full at -u, falling to a thin foot at +u."""
    return (0.5 - u) ** 2 * 0.9 + 0.1


def dome(u: NDArray, v: NDArray) -> NDArray:
    """Rounded heap, highest in the middle."""
    return np.maximum(0.0, 1 - 2.6 * u * u) * np.maximum(0.0, 1 - 2.6 * v * v)


def terminals(board: Board, frame: Frame, side: int, length: float, width: float, fillet: float, reach: float) -> None:
    """Pads, paste and fillets at both ends of a body."""
    pad_long = 0.28 * length + reach
    for end in (-1, 1):
        middle = end * (length / 2 + reach - pad_long / 2)
        board.layer(side).pad(frame, middle, 0.0, pad_long, width * 1.05)
        board.canvas.rect(board.solder, frame, middle, 0.0, pad_long * 0.95, width, 0.045)
        tip = frame.moved(end * (length / 2 + reach * 0.45), 0.0, 0.0 if end > 0 else 180.0)
        board.canvas.rect(board.solder, tip, 0.0, 0.0, reach * 0.9, width * 0.95, fillet, wedge)


def hole_pin(board: Board, x: float, y: float, drill: float, lead: float, tall: float, net: int = SIGNAL) -> None:
    """Plated hole filled with solder round a lead."""
    board.via(x, y, drill, net, ring_mm=0.3, gap_mm=0.25, relief=net == GROUND)
    solder = board.thickness * float(board.rng.uniform(0.6, 1.0))
    board.canvas.ring(board.solder, x, y, drill - 0.05, lead, solder)
    board.canvas.ring(board.solder, x, y, drill + 0.5, drill, 0.15)
    board.canvas.disc("Cu", x, y, lead, board.thickness + tall)


def strip(canvas: Canvas, a: tuple[float, float], b: tuple[float, float], width: float, thickness: float) -> None:
    """Flat metal strip between two points."""
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    if length > 0.02:
        frame = Frame((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, math.degrees(math.atan2(b[1] - a[1], b[0] - a[0])))
        canvas.rect("Cu", frame, 0, 0, length, width, thickness)


def _void(radius: float, depth: float) -> Callable[[NDArray], NDArray]:
    """Missing solder in a joint, rounded at its rim."""
    return lambda d: -0.9 * depth * np.sqrt(np.maximum(1 - (d / radius) ** 2, 0))


def attach(
    board: Board,
    frame: Frame,
    width: float,
    height: float,
    rng: np.random.Generator,
    voids: float,
    thick: float,
    material: str | None = None,
) -> None:
    """Die-attach or thermal-pad solder with round voids."""
    material = material or board.solder
    c = board.canvas
    c.rect(material, frame, 0, 0, width, height, thick)
    area, limit = 0.0, voids * width * height
    small = min(width, height)
    while area < limit:
        size = float(np.clip(rng.lognormal(math.log(0.08 * small), 0.6), 0.04, 0.45 * small))
        u, v = float(rng.uniform(-0.5, 0.5)) * (width - size), float(rng.uniform(-0.5, 0.5)) * (height - size)
        r = round(size, 2) / 2
        c.radial(material, *frame.at(u, v), ("void", r, thick), r, _void(r, thick))
        area += math.pi * size * size / 4


def bond_fan(
    board: Board,
    frame: Frame,
    die_width: float,
    die_height: float,
    reach: float,
    rng: np.random.Generator,
    step: float = 0.15,
    targets: list[list[tuple[float, float]]] | None = None,
) -> None:
    """Bond wires from the edge of a die to a ring of fingers, or to given local targets per side."""
    metal = str(rng.choice(["Au", "Au", "Cu", "Ag"]))
    diameter = float(rng.choice([0.018, 0.02, 0.025, 0.03]))
    c = board.canvas
    for s, (turn, w, h) in enumerate(
        (
            (0, die_width, die_height),
            (90, die_height, die_width),
            (180, die_width, die_height),
            (270, die_height, die_width),
        )
    ):
        f = frame.moved(0, 0, turn)
        ends = targets[s] if targets else None
        n = len(ends) if ends is not None else max(1, min(60, int(w * 0.85 / step)))
        for k in range(n):
            u = ((k + 0.5) / n - 0.5) * 0.85 * w
            start = f.at(u, h / 2 - 0.08)
            end = f.at(u * 1.25, h / 2 + reach) if ends is None else frame.at(*ends[k])
            if c.outside(*start, 3.0):
                continue
            sweep = float(rng.normal(0, 0.02))
            mid = ((start[0] + end[0]) / 2 + sweep, (start[1] + end[1]) / 2 - sweep)
            c.wire(metal, [start, mid, end], diameter)
            c.ball(metal, *start, 2.6 * diameter, 1.2 * diameter)
