"""Families kept for testing: no training board looks like these."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from coldray.objects.boards import _arrays as arrays
from coldray.objects.boards import _fixtures as fixtures
from coldray.objects.boards import _packages as ic
from coldray.objects.boards import _passives as parts
from coldray.objects.boards._layout import (
    edge,
    middle,
    passive_groups,
    route,
    scatter,
    start,
    stitch,
    text,
    thermal_array,
)
from coldray.objects.boards._place import Part, Placer
from coldray.objects.boards._routing import meander
from coldray.objects.boards._stack import Board, Layer
from coldray.objects.canvas import Frame

Shape = tuple[int, int]
Rng = np.random.Generator


def sensor_mcu(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Small controller in QFN with sensors, antenna meander, battery pads, castellations."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([2, 4])),
        thickness=(0.6, 1.2),
        outer_um=(18, 40),
        planes=0.6,
        pours=0.8,
    )
    placer = Placer(board)
    edge(board, placer, 0.9, castellated=0.6)
    placer.at(
        ic.quad_flat(rng, float(rng.uniform(4, 8)), float(rng.choice([0.4, 0.5])), leads=False),
        Frame(*middle(board), float(rng.choice([0.0, 45.0]))),
    )
    for _ in range(int(rng.integers(1, 4))):
        placer.anywhere(
            arrays.wafer_scale(rng, float(rng.choice([0.4, 0.5])), int(rng.integers(2, 6)), int(rng.integers(2, 6)))
        )
    scatter(placer, 0.7, lambda: ic.quad_flat(rng, float(rng.uniform(2, 3)), 0.5, leads=False, sides=2))
    scatter(placer, 0.4, lambda: parts.crystal(rng))
    scatter(placer, 0.3, lambda: ic.small_outline(rng))
    scatter(placer, 0.2, lambda: fixtures.header(rng, int(rng.integers(3, 8)), 1, 1.27))
    frame = placer.anywhere(Part(9.0, 3.5, lambda *_: None), tries=20)
    if frame is not None:
        board.layers[0].strokes.append((meander(frame.moved(-4.3, 0), 8.6, 2.6, 0.7), 0.35))
    passive_groups(placer, ("0201", "0402", "0603"), float(rng.uniform(5, 14)), 4)
    lanes = route(
        board, placer, lane=(0.25, 0.4), nets_per_cm2=float(rng.uniform(8, 18)), bus=5, wander=0.2, headings="any"
    )
    stitch(board, placer, lanes, float(rng.uniform(1.2, 2.5)), 0.25, 0.6)
    text(board, placer, 2, (0.6, 1.4))
    return board


def chip_on_board(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Bare dies wired to the board under globs, gold fingers, few other parts."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([2, 4])),
        thickness=(0.4, 1.0),
        outer_um=(15, 35),
        planes=0.3,
        pours=0.2,
    )
    placer = Placer(board)
    edge(board, placer, 0.4)
    placer.at(
        ic.bare_die(rng, float(rng.uniform(3, 7))),
        Frame(*middle(board), float(rng.choice([0.0, 45.0, rng.uniform(0, 90)]))),
    )
    scatter(placer, 0.8, lambda: ic.bare_die(rng, float(rng.uniform(0.8, 3.5))), 0.3)
    passive_groups(placer, ("0402", "0603"), float(rng.uniform(2, 7)), 4)
    lanes = route(
        board, placer, lane=(0.2, 0.32), nets_per_cm2=float(rng.uniform(8, 20)), bus=12, headings="any", wander=0.1
    )
    stitch(board, placer, lanes, 3.0, 0.25, 0.4)
    return board


def backplane(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Thick board of many layers with press-fit and pin connectors and long buses."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.integers(8, 13)),
        thickness=(2.2, 3.2),
        outer_um=(25, 50),
        inner_um=(15, 35),
        planes=0.55,
        pours=0.1,
    )
    placer = Placer(board)
    fine = float(rng.choice([1.4, 1.8, 2.0]))
    for _ in range(int(rng.integers(1, 4))):
        placer.anywhere(fixtures.press_fit(rng, int(rng.integers(6, 14)), int(rng.integers(4, 9)), fine))
    for _ in range(int(rng.integers(0, 3))):
        placer.anywhere(
            fixtures.header(rng, int(rng.integers(6, 20)), int(rng.integers(2, 5)), float(rng.choice([2.0, 2.54])))
        )
    scatter(placer, 0.1, lambda: fixtures.mounting_hole(rng))
    passive_groups(placer, ("0603", "0805"), float(rng.uniform(0.5, 4)), 6)
    lanes = route(
        board, placer, lane=(0.3, 0.5), nets_per_cm2=float(rng.uniform(8, 20)), bus=16, longest=24, wander=0.02
    )
    stitch(board, placer, lanes, 5.0, 0.5, 0.6)
    text(board, placer, 1, (1.5, 3))
    return board


def handheld(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Phone-like board: 0.4 mm grids, microvias, cans, 0201 parts everywhere, 8-12 thin layers."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.integers(8, 13)),
        thickness=(0.5, 0.9),
        outer_um=(15, 25),
        inner_um=(10, 18),
        planes=0.35,
        pours=0.5,
        leaded=0.0,
    )
    placer = Placer(board)
    edge(board, placer, 0.5, 0.7)
    fine = float(rng.choice([0.4, 0.4, 0.5]))
    n = int(rng.integers(14, 26))
    placer.at(
        arrays.ball_grid(rng, fine, n, n, style=str(rng.choice(["rings", "perimeter", "full"])), microvia=True),
        Frame(*middle(board)),
    )
    for _ in range(int(rng.integers(2, 6))):
        placer.anywhere(
            arrays.wafer_scale(rng, fine, int(rng.integers(4, 12)), int(rng.integers(4, 12))), int(rng.random() < 0.4)
        )
    w, h = (float(v) for v in rng.uniform(8, 16, 2))
    if placer.anywhere(fixtures.shield_can(rng, w, h), 1) is not None:
        placer.taken[1].pop()
    scatter(placer, 0.4, lambda: fixtures.surface_connector(rng, int(rng.integers(10, 25)), 0.4))
    scatter(placer, 0.4, lambda: parts.inductor(rng, float(rng.uniform(2.0, 3.0))))
    scatter(placer, 0.3, lambda: parts.crystal(rng))
    passive_groups(placer, ("0201", "0201", "0402"), float(rng.uniform(15, 40)), 8, 0.7)
    lanes = route(
        board,
        placer,
        lane=(0.12, 0.2),
        nets_per_cm2=float(rng.uniform(12, 30)),
        bus=12,
        longest=9,
        drill=(0.1, 0.15),
        vias=0.5,
        wander=0.12,
    )
    stitch(board, placer, lanes, float(rng.uniform(0.7, 1.4)), 0.2, 0.4)
    return board


def power_module(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Ceramic substrate under thick copper, large soldered dies with voids, thick aluminium or copper wires."""
    ceramic, metal = float(rng.uniform(0.3, 0.65)), float(rng.uniform(0.1, 0.3))
    tracks = Layer(metal, clearance_mm=0.5)
    board = Board(
        shape,
        pitch,
        rng,
        thickness_mm=ceramic,
        layers=[tracks],
        substrate={"Al2O3": ceramic, "Cu": float(rng.uniform(0.05, 0.3))},
        solder=str(rng.choice(["SAC305", "Sn63Pb37"])),
    )
    placer = Placer(board)
    edge(board, placer, 0.5, notches=0.0, castellated=0.0)
    off = list(placer.taken[0])
    wires = str(rng.choice(["Al", "Cu"]))
    across = max(2, round(board.width / float(rng.uniform(4, 9))))
    down = max(2, round(board.height / float(rng.uniform(4, 9))))
    xs = np.cumsum(np.r_[-1.0, rng.uniform(0.6, 1.4, across) * (board.width + 2) / across])
    ys = np.cumsum(np.r_[-1.0, rng.uniform(0.6, 1.4, down) * (board.height + 2) / down])
    gap = float(rng.uniform(0.6, 1.2))
    dies = []
    for x0, x1 in pairwise(xs):
        for y0, y1 in pairwise(ys):
            a, b, c, d = float(x0) + gap / 2, float(y0) + gap / 2, float(x1) - gap / 2, float(y1) - gap / 2
            if min(c - a, d - b) < 1.0:
                continue
            tracks.fills.append([(a + 0.4, b), (c, b), (c, d - 0.4), (c - 0.4, d), (a, d), (a, b + 0.4)])
            if rng.random() < 0.75:
                size = float(rng.uniform(0.35, 0.75)) * min(c - a, d - b)
                part = ic.power_die(rng, size)
                at = Frame(
                    (a + c) / 2 + float(rng.normal(0, 0.3)),
                    (b + d) / 2 + float(rng.normal(0, 0.3)),
                    float(rng.choice([0, 90, 180])),
                )
                if placer.at(part, at):
                    dies.append((at, size))
    for at, size in dies:
        turn, far = float(rng.choice([0, 90, 180, 270])), size / 2 + float(rng.uniform(2, 5))
        for k in range(n := int(rng.integers(3, 9))):
            v = ((k + 0.5) / n - 0.5) * 0.8 * size
            f = at.moved(0, 0, turn)
            ex, ey = f.at(far, v * 1.15)
            if any(x0 < ex < x1 and y0 < ey < y1 for x0, y0, x1, y1 in off):
                continue
            board.canvas.wire(
                wires, [f.at(-0.2 * size, v), f.at(0.3 * size, v), (ex, ey)], float(rng.choice([0.2, 0.3, 0.4]))
            )
    scatter(placer, 0.8, lambda: parts.chip(rng, ("0603", "0805", "1206")))
    for _ in range(placer.count(0.3)):
        placer.anywhere(fixtures.terminal(rng))
    return board


def motor_control(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Controller beside a bridge: QFP, transistors, shunts, electrolytics, 4-8 layers of medium copper."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([4, 6, 8])),
        thickness=(1.5, 2.0),
        outer_um=(50, 90),
        inner_um=(30, 70),
        planes=0.5,
        pours=0.6,
    )
    placer = Placer(board)
    edge(board, placer, 0.4)
    placer.at(
        ic.quad_flat(rng, float(rng.choice([7, 10, 14])), 0.5, leads=True),
        Frame(*middle(board, 0.45), float(rng.choice([0.0, 45.0, 30.0]))),
    )
    turn = float(rng.choice([0.0, 90.0]))
    for _ in range(int(rng.integers(1, 4))):
        placer.row(
            lambda: ic.quad_flat(rng, 5.0, 1.27, leads=False, sides=2, long=6.0),
            int(rng.integers(2, 7)),
            gap=0.6,
            angle_deg=turn,
        )
    scatter(placer, 0.12, lambda: parts.can_capacitor(rng, float(rng.uniform(5, 8))))
    scatter(placer, 0.5, lambda: ic.small_outline(rng))
    scatter(placer, 0.1, lambda: fixtures.header(rng, int(rng.integers(2, 8)), 2))
    passive_groups(placer, ("0402", "0603", "1206"), float(rng.uniform(4, 12)), 6)
    for _ in range(placer.count(0.6)):
        thermal_array(board, placer, 8, float(rng.uniform(0.7, 1.0)), 0.3)
    lanes = route(board, placer, lane=(0.35, 0.55), nets_per_cm2=float(rng.uniform(6, 14)), bus=8)
    stitch(board, placer, lanes, float(rng.uniform(1.5, 3.0)), 0.3, 0.6)
    text(board, placer, 2)
    return board
