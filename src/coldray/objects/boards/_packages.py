"""Leaded and lead-less packages, bare and power dies, light emitters."""

from __future__ import annotations

import numpy as np

from coldray.objects.boards._joints import hole_pin
from coldray.objects.boards._place import Part
from coldray.objects.boards._stack import GROUND, Board
from coldray.objects.canvas import Frame
from coldray.objects.components.joints import SIDES_DEG, die_attach, strip
from coldray.objects.components.packages import LeadframePackage


def quad_flat(
    rng: np.random.Generator, body: float, pitch: float, *, leads: bool, sides: int = 4, long: float | None = None
) -> Part:
    """QFP/SOIC/SOT (with `leads`) or QFN/DFN (without): leadframe, die on paddle, wires, fillets.

    `sides` 2 gives a dual package whose body is `long` along the leads' row.
    """
    width = long if long is not None else body
    height = body
    metal = float(rng.uniform(0.12, 0.2))
    lead_w = pitch * float(rng.uniform(0.42, 0.55))
    foot = float(rng.uniform(0.45, 0.7)) * (1.0 if leads else 0.6)
    out = float(rng.uniform(0.9, 1.2)) if leads else 0.12
    paddle = float(rng.uniform(0.45, 0.62)) * min(width, height)
    die = paddle * float(rng.uniform(0.55, 0.88))
    exposed = (not leads) or rng.random() < 0.25
    tall = 0.7 if leads and body < 8 else 1.2 if leads else 0.6
    voids = float(rng.uniform(0.02, 0.35))
    skew = float(rng.normal(0, 0.6))
    thermal = int(rng.integers(2, 6))
    made = LeadframePackage(width, height, tall, (paddle, paddle), (die, die), metal, lead_w, foot, leads)
    rows: list[list[tuple[float, float]]] = []
    for turn in SIDES_DEG:
        across, deep = (height, width) if turn % 180 else (width, height)
        n = max(1, int((across - (0.6 if leads else 0.9) - 0.3 * (sides == 4)) / pitch) + 1)
        empty = sides == 2 and turn % 180
        middle = deep / 2 + out - foot / 2
        rows.append([] if empty else [((k - (n - 1) / 2) * pitch, middle) for k in range(n)])

    def draw(board: Board, frame: Frame, side: int) -> None:
        c, layer, f0 = board.canvas, board.layer(side), frame.moved(0, 0, skew)
        made.body(c, f0)
        die_attach(c, f0, die, die, rng, voids * 0.5, 0.025, "Ag" if leads else board.solder)
        if exposed:
            layer.pad(frame, 0, 0, paddle, paddle)
            die_attach(c, frame, paddle * 0.95, paddle * 0.95, rng, voids, 0.06, board.solder)
            for a in range(thermal):
                for b in range(thermal):
                    at = frame.at(*(((q + 0.5) / thermal - 0.5) * paddle * 0.9 for q in (a, b)))
                    if board.room(*at, 0.25):
                        board.via(*at, 0.25, GROUND)
        for turn, row in zip(SIDES_DEG, rows, strict=True):
            for u, v in row:
                layer.pad(frame.moved(0, 0, turn), u, v + 0.05, lead_w * 1.25, foot + 0.5)
        made.leads(c, frame, rows, board.solder, rng, skew_deg=skew)

    grow = 2 * out + 0.5
    return Part(width + (grow if sides == 4 else 0.3), height + grow, draw)


def small_outline(rng: np.random.Generator) -> Part:
    """SOT-23, SOT-363, SOIC-8 and their like."""
    kind = int(rng.integers(4))
    if kind == 0:
        return quad_flat(rng, 1.3, 0.95, leads=True, sides=2, long=2.9)
    if kind == 1:
        return quad_flat(rng, 1.25, 0.65, leads=True, sides=2, long=2.1)
    if kind == 2:
        return quad_flat(rng, 3.9, 1.27, leads=True, sides=2, long=4.9)
    return quad_flat(rng, 3.0, 0.65, leads=True, sides=2, long=3.0)


def power_tab(rng: np.random.Generator) -> Part:
    """DPAK/D2PAK/PQFN transistor: thick tab, voided solder, clip or thick wires."""
    scale = float(rng.uniform(0.6, 1.4))
    w, h = 6.5 * scale, 6.0 * scale
    tab = float(rng.uniform(0.4, 0.9)) * min(1.0, scale)
    voids = float(rng.uniform(0.05, 0.4))
    legs = int(rng.integers(2, 6))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c, layer = board.canvas, board.layer(side)
        c.rect("mold_compound", frame, 0, 0, w, h, 1.8 * scale)
        layer.pad(frame, 0, -0.2 * h, w * 1.05, 0.9 * h)
        die_attach(c, frame.moved(0, -0.2 * h), w, 0.85 * h, rng, voids, 0.08, board.solder)
        c.rect("Cu", frame, 0, -0.2 * h, 0.9 * w, 0.8 * h, tab)
        c.rect("Si", frame, 0, -0.15 * h, 0.5 * w, 0.4 * h, 0.2)
        die_attach(c, frame.moved(0, -0.15 * h), 0.5 * w, 0.4 * h, rng, voids / 2, 0.04, "Sn63Pb37")
        for k in range(legs):
            u = ((k + 0.5) / legs - 0.5) * w
            layer.pad(frame, u, 0.72 * h, 0.5 * w / legs + 0.3, 0.25 * h)
            c.rect(board.solder, frame, u, 0.72 * h, 0.5 * w / legs + 0.2, 0.22 * h, 0.08)
            c.rect("Cu", frame, u, 0.6 * h, 0.45 * w / legs, 0.4 * h, 0.5 * scale * 0.6)
            c.wire("Al" if rng.random() < 0.6 else "Cu", [frame.at(0.4 * u, -0.1 * h), frame.at(u, 0.42 * h)], 0.2)

    return Part(w * 1.1, h * 1.75, draw)


def bare_die(rng: np.random.Generator, size: float) -> Part:
    """Die glued on a pad and wired straight to the board, under a glob of resin."""
    aspect = float(rng.uniform(0.6, 1.4))
    w, h = size, size * aspect
    thick, step = float(rng.uniform(0.15, 0.45)), float(rng.uniform(0.12, 0.25))
    glob = bool(rng.random() < 0.7)
    metal, wire = str(rng.choice(["Au", "Au", "Cu"])), float(rng.choice([0.02, 0.025, 0.032]))
    reach = float(rng.uniform(0.7, 1.6))
    spread = float(rng.uniform(1.2, 1.7))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c, layer = board.canvas, board.layer(side)
        layer.pad(frame, 0, 0, w * 1.12, h * 1.12)
        die_attach(c, frame, w * 1.02, h * 1.02, rng, float(rng.uniform(0.02, 0.2)), 0.02, "Ag")
        c.rect("Si", frame, 0, 0, w, h, thick)
        for turn, across, deep in ((0, w, h), (90, h, w), (180, w, h), (270, h, w)):
            f = frame.moved(0, 0, turn)
            n = max(2, int(0.9 * across / step))
            for k in range(n):
                u = ((k + 0.5) / n - 0.5) * 0.9 * across
                far = reach + 0.35 * (k % 2)
                a, b = f.at(u, deep / 2 - 0.1), f.at(u * spread, deep / 2 + far)
                if c.outside(*a, 4.0):
                    continue
                c.wire(metal, [a, b], wire)
                c.ball(metal, *a, 2.8 * wire, 1.2 * wire)
                layer.pad(f, u * spread, deep / 2 + far + 0.1, step * 0.6, 0.35)
                end = f.at(u * spread * 1.02, deep / 2 + far + 0.1)
                layer.strokes.append(
                    ([end, f.at(u * spread * 1.15, deep / 2 + far + float(rng.uniform(0.8, 3)))], step * 0.5)
                )
        if glob:
            c.radial(
                "mold_compound",
                frame.x,
                frame.y,
                ("glob", size, reach),
                0.8 * size + reach,
                lambda d: 1.2 * np.maximum(0, 1 - (d / (0.8 * size + reach)) ** 2),
            )

    return Part(w + 2 * reach + 1.2, h + 2 * reach + 1.2, draw)


def light_emitter(rng: np.random.Generator, size: float) -> Part:
    """LED: reflector cup, two leadframe halves, sapphire chips with gold wires."""
    chips = int(rng.integers(1, 5))
    thick = float(rng.uniform(0.15, 0.3))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c, layer = board.canvas, board.layer(side)
        c.rect("mold_compound", frame, 0, 0, size, size, 0.7)
        for u, part in ((-0.17, 0.6), (0.35, 0.25)):
            c.rect("Cu", frame, u * size, 0, part * size, 0.85 * size, thick)
            layer.pad(frame, u * size * 1.05, 0, part * size * 1.08, size)
            voids = float(rng.uniform(0.02, 0.25))
            die_attach(c, frame.moved(u * size * 1.05, 0), part * size, 0.95 * size, rng, voids, 0.07, board.solder)
        for k in range(chips):
            v = ((k + 0.5) / chips - 0.5) * 0.7 * size
            c.rect("Al2O3", frame, -0.17 * size, v, 0.16 * size + 0.2, min(0.6, 0.5 * size / chips), 0.15)
            c.rect("Ag", frame, -0.17 * size, v, 0.16 * size + 0.2, min(0.6, 0.5 * size / chips), 0.01)
            c.wire("Au", [frame.at(-0.17 * size, v), frame.at(0.1 * size, v + 0.1), frame.at(0.3 * size, v)], 0.025)

    return Part(size * 1.1, size * 1.05, draw)


def dual_in_line(rng: np.random.Generator, pins: int) -> Part:
    """DIP: leadframe of wide fingers, die, pins soldered in holes; `pins` per side."""
    across = 15.24 if pins > 10 and rng.random() < 0.7 else 7.62
    long = pins * 2.54
    metal, die = float(rng.uniform(0.2, 0.3)), float(rng.uniform(1.5, 4.0))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        c.rect("mold_compound", frame, 0, 0, long, across - 1.3, 3.0)
        c.rect("Cu", frame, 0, 0, die * 1.3, die * 1.2, metal)
        c.rect("Si", frame, 0, 0, die, die * 0.9, 0.35)
        die_attach(c, frame, die, die * 0.9, rng, 0.1, 0.02, "Ag")
        for row in (-1, 1):
            for k in range(pins):
                u = (k - (pins - 1) / 2) * 2.54
                a = frame.at(u, row * across / 2)
                strip(c, a, frame.at(u, row * (across / 2 - 1.6)), 1.2, metal)
                end = frame.at(0.3 * u, row * die * 0.75)
                strip(c, frame.at(u, row * (across / 2 - 1.6)), end, 0.6, metal)
                c.wire("Au", [end, frame.at(0.12 * u, row * die * 0.4)], 0.03)
                hole_pin(board, *a, 0.85, 0.5, 1.5)

    return Part(long + 0.6, across + 2.0, draw, through=True)


def power_die(rng: np.random.Generator, size: float) -> Part:
    """Large die soldered with voids on thick copper."""
    voids, thick = float(rng.uniform(0.02, 0.4)), float(rng.uniform(0.05, 0.12))

    def draw(board: Board, frame: Frame, side: int) -> None:
        die_attach(board.canvas, frame, size * 1.05, size * 1.05, rng, voids, thick, board.solder)
        board.canvas.rect("Si", frame, 0, 0, size, size, float(rng.uniform(0.1, 0.3)))
        board.canvas.rect("Al", frame, 0, 0, size * 0.9, size * 0.9, 0.005)

    return Part(size * 1.1, size * 1.1, draw)
