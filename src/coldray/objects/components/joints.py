"""What joins a component to a board: fillets, solder balls, die attach, pins in holes, bond wires."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coldray.objects.canvas import Canvas, Frame, Point, Profile

VOID_DEPTH = 0.9
"""Share of a joint's solder that is missing in the middle of a flat void; the rest stays as a film (assumed)."""
SIDES_DEG = (0, 90, 180, 270)


def wedge(u: NDArray, _: NDArray) -> NDArray:
    """Solder fillet: full at -u, falling to a thin foot at +u."""
    return (0.5 - u) ** 2 * 0.9 + 0.1


def dome(u: NDArray, v: NDArray) -> NDArray:
    """Rounded heap, highest in the middle."""
    return np.maximum(0.0, 1 - 2.6 * u * u) * np.maximum(0.0, 1 - 2.6 * v * v)


def void_profile(radius: float, depth: float = 1.0) -> Profile:
    """Solder that a flat void takes from a layer `depth` thick, rounded at its rim."""
    return lambda d: depth * VOID_DEPTH * np.sqrt(np.maximum(1 - (d / radius) ** 2, 0))


def end_fillets(
    canvas: Canvas, frame: Frame, length: float, width: float, height: float, reach: float, solder: str
) -> None:
    """Fillets that climb both ends of a two-terminal body and reach out over its lands [mm]."""
    for end in (-1, 1):
        tip = frame.moved(end * (length / 2 + reach * 0.45), 0.0, 0.0 if end > 0 else 180.0)
        canvas.rect(solder, tip, 0.0, 0.0, reach * 0.9, width * 0.95, height, wedge)


def soldered_pin(
    canvas: Canvas, at: Point, drill: float, lead: float, solder: tuple[str, float], length: float
) -> None:
    """Copper pin in a hole: solder (name, height) round it and a meniscus on the rim [mm]."""
    name, height = solder
    canvas.ring(name, *at, drill - 0.05, lead, height)
    canvas.ring(name, *at, drill + 0.5, drill, 0.15)
    canvas.disc("Cu", *at, lead, length)


def strip(canvas: Canvas, a: Point, b: Point, width: float, thickness: float) -> None:
    """Flat copper strip between two points."""
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    if length > 0.02:
        frame = Frame((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, math.degrees(math.atan2(b[1] - a[1], b[0] - a[0])))
        canvas.rect("Cu", frame, 0, 0, length, width, thickness)


def bubbles(
    rng: np.random.Generator, diameter: float, low: float = 0.1, high: float = 0.5, most: int = 4
) -> list[tuple[float, float, float]]:
    """Voids of a solder ball, all inside it: one of `low` to `high` of its diameter, the others smaller.

    Returns
    -------
    list of (dx, dy, diameter)
        From the middle of the ball [mm].

    Notes
    -----
    IPC-7095 sorts ball voids by their share of the ball's area; 10 to 50 % of the diameter are 1 to 25 % of it.
    """
    found: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(1, most + 1))):
        size = diameter * float(rng.uniform(low, high) if not found else rng.uniform(0.6 * low, 0.4 * high))
        reach, a = float(rng.uniform(0, 0.85)) * (diameter - size) / 2, float(rng.uniform(0, 6.2832))
        found.append((reach * math.cos(a), reach * math.sin(a), size))
    return found


def die_attach(
    canvas: Canvas,
    frame: Frame,
    width: float,
    height: float,
    rng: np.random.Generator,
    voids: float,
    thick: float,
    material: str,
) -> None:
    """Die-attach or thermal-pad layer with round voids; `voids` is their share of its area."""
    canvas.rect(material, frame, 0, 0, width, height, thick)
    area, limit = 0.0, voids * width * height
    small = min(width, height)
    while area < limit:
        size = float(np.clip(rng.lognormal(math.log(0.08 * small), 0.6), 0.04, 0.45 * small))
        u, v = float(rng.uniform(-0.5, 0.5)) * (width - size), float(rng.uniform(-0.5, 0.5)) * (height - size)
        r = round(size, 2) / 2
        canvas.radial(material, *frame.at(u, v), ("void", r, thick), r, void_profile(r, -thick))
        area += math.pi * size * size / 4


def bond_fan(
    canvas: Canvas,
    frame: Frame,
    die_width: float,
    die_height: float,
    reach: float,
    rng: np.random.Generator,
    *,
    step: float = 0.15,
    targets: list[list[Point]] | None = None,
    spread: float = 1.25,
    metals: tuple[str, ...] = ("Au", "Au", "Cu", "Ag"),
) -> None:
    """Bond wires from the edge of a die to a `spread` row of fingers `reach` away, or to local targets per side."""
    metal = str(rng.choice(metals))
    diameter = float(rng.choice([0.018, 0.02, 0.025, 0.03]))
    for s, turn in enumerate(SIDES_DEG):
        w, h = (die_height, die_width) if turn % 180 else (die_width, die_height)
        f = frame.moved(0, 0, turn)
        ends = targets[s] if targets else None
        n = len(ends) if ends is not None else max(1, min(60, int(w * 0.85 / step)))
        for k in range(n):
            u = ((k + 0.5) / n - 0.5) * 0.85 * w
            start = f.at(u, h / 2 - 0.08)
            end = f.at(u * spread, h / 2 + reach) if ends is None else frame.at(*ends[k])
            sweep = float(rng.normal(0, 0.02))
            if canvas.outside(*start, 3.0):
                continue
            mid = ((start[0] + end[0]) / 2 + sweep, (start[1] + end[1]) / 2 - sweep)
            canvas.wire(metal, [start, mid, end], diameter)
            canvas.ball(metal, *start, 2.6 * diameter, 1.2 * diameter)
