"""Families shown in training and validation; every number is drawn anew per board."""

from __future__ import annotations

import numpy as np

from coldray.objects.boards import _arrays as arrays
from coldray.objects.boards import _fixtures as fixtures
from coldray.objects.boards import _packages as ic
from coldray.objects.boards import _passives as parts
from coldray.objects.boards._layout import (
    edge,
    islands,
    middle,
    passive_groups,
    route,
    scatter,
    start,
    stitch,
    text,
    thermal_array,
)
from coldray.objects.boards._place import Placer
from coldray.objects.boards._stack import GROUND, Board
from coldray.objects.canvas import Frame

Shape = tuple[int, int]
Rng = np.random.Generator


def dense_bga(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Processor and memories in 0.65-1.27 mm ball grids, decoupling underneath, 6-12 layers."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.integers(6, 13)),
        thickness=(1.0, 2.0),
        outer_um=(18, 45),
        inner_um=(12, 20),
        planes=0.5,
        pours=0.25,
    )
    placer = Placer(board)
    edge(board, placer, 0.25)
    p = float(rng.choice([0.65, 0.8, 1.0, 1.27]))
    n = int(rng.integers(12, 27))
    style = str(rng.choice(["full", "rings", "rings", "sparse"]))
    placer.at(
        arrays.ball_grid(rng, p, n, n + int(rng.integers(-2, 3)), style=style, voided=float(rng.uniform(0, 0.4))),
        Frame(*middle(board), float(rng.choice([0.0, 90.0, 45.0], p=[0.45, 0.45, 0.1]))),
    )
    for _ in range(int(rng.integers(1, 4))):
        placer.anywhere(arrays.ball_grid(rng, 0.8, int(rng.integers(9, 16)), int(rng.integers(6, 10)), style="memory"))
    for _ in range(int(rng.integers(2, 12))):
        placer.row(lambda: parts.mlcc(rng, "0402"), int(rng.integers(2, 10)), 1)
    passive_groups(placer, ("0201", "0402", "0402", "0603"), float(rng.uniform(5, 18)), 10, 0.6)
    scatter(placer, 0.25, lambda: ic.quad_flat(rng, float(rng.uniform(3, 6)), 0.5, leads=False))
    lanes = route(board, placer, lane=(0.2, 0.32), nets_per_cm2=float(rng.uniform(18, 40)), bus=10, meanders=0.12)
    stitch(board, placer, lanes, float(rng.uniform(1.2, 3.0)), 0.25, 0.5)
    text(board, placer, int(rng.integers(0, 3)))
    return board


def mixed_signal(shape: Shape, pitch: float, rng: Rng) -> Board:
    """QFP and QFN converters, op-amps, crystals, split planes, 4-6 layers."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([4, 4, 6])),
        thickness=(1.0, 1.6),
        outer_um=(25, 45),
        planes=0.7,
        pours=0.6,
    )
    placer = Placer(board)
    edge(board, placer, 0.5)
    placer.at(
        ic.quad_flat(rng, float(rng.uniform(7, 14)), float(rng.choice([0.4, 0.5, 0.65])), leads=True),
        Frame(*middle(board), float(rng.choice([0.0, 45.0], p=[0.8, 0.2]))),
    )
    scatter(placer, 0.5, lambda: ic.quad_flat(rng, float(rng.uniform(3, 7)), 0.5, leads=False))
    scatter(placer, 0.7, lambda: ic.small_outline(rng))
    scatter(placer, 0.2, lambda: parts.crystal(rng))
    scatter(placer, 0.15, lambda: parts.tantalum(rng))
    scatter(placer, 0.1, lambda: fixtures.header(rng, int(rng.integers(3, 9)), int(rng.integers(1, 3))))
    scatter(placer, 0.1, lambda: fixtures.fiducial(rng))
    passive_groups(placer, ("0402", "0603", "0603", "0805"), float(rng.uniform(5, 14)), 5)
    lanes = route(board, placer, lane=(0.3, 0.5), nets_per_cm2=float(rng.uniform(8, 20)), bus=6, wander=0.15)
    stitch(board, placer, lanes, float(rng.uniform(1.5, 4.0)), 0.3, 0.7)
    text(board, placer, int(rng.integers(1, 4)))
    return board


def power(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Converters: 70-105 um copper, wide pours, transistors, inductors, through-hole parts."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([2, 2, 4])),
        thickness=(1.5, 2.4),
        outer_um=(60, 105),
        inner_um=(35, 70),
        planes=0.6,
        pours=0.35,
    )
    placer = Placer(board)
    edge(board, placer, 0.5)
    for layer in board.layers:
        if not layer.full:
            islands(board, layer, int(rng.integers(4, 12)), 3, 14)
        layer.clearance_mm = float(rng.uniform(0.25, 0.5))
    scatter(placer, 0.4, lambda: ic.power_tab(rng), 0.02)
    scatter(placer, 0.25, lambda: parts.inductor(rng, float(rng.uniform(4, 11))), 0.1)
    scatter(placer, 0.15, lambda: parts.can_capacitor(rng, float(rng.uniform(4, 8))))
    scatter(placer, 0.2, lambda: fixtures.header(rng, int(rng.integers(2, 5)), 1, float(rng.choice([2.54, 3.5, 5.08]))))
    scatter(placer, 0.1, lambda: fixtures.mounting_hole(rng))
    scatter(placer, 0.5, lambda: ic.small_outline(rng))
    passive_groups(placer, ("0603", "0805", "1206", "1210"), float(rng.uniform(3, 9)), 5, 0.6)
    for _ in range(placer.count(0.8)):
        thermal_array(board, placer, 9, float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.3, 0.5)))
    lanes = route(
        board, placer, lane=(0.7, 1.3), nets_per_cm2=float(rng.uniform(2, 6)), bus=3, drill=(0.3, 0.6), width=(0.3, 0.7)
    )
    stitch(board, placer, lanes, float(rng.uniform(2, 5)), 0.4, 0.4)
    text(board, placer, int(rng.integers(1, 4)), (1.2, 3.0))
    return board


def flex_fine(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Thin flexible circuit: few layers, very fine lines, hatched ground, wired dies."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([1, 2, 2, 3])),
        thickness=(0.1, 0.3),
        outer_um=(9, 20),
        inner_um=(9, 18),
        planes=0.0,
        pours=0.0,
    )
    placer = Placer(board)
    edge(board, placer, 0.8)
    if len(board.layers) > 1 and rng.random() < 0.7:
        ground = board.layers[-1]
        ground.net, ground.hatch = GROUND, (float(rng.uniform(0.5, 1.2)), float(rng.uniform(0.1, 0.2)), 45.0)
    scatter(placer, 0.5, lambda: ic.bare_die(rng, float(rng.uniform(1.0, 3.0))), 0.1)
    scatter(
        placer,
        0.3,
        lambda: fixtures.surface_connector(rng, int(rng.integers(10, 30)), float(rng.choice([0.3, 0.4, 0.5]))),
    )
    scatter(placer, 0.2, lambda: arrays.wafer_scale(rng, 0.4, int(rng.integers(4, 8)), int(rng.integers(4, 8))))
    passive_groups(placer, ("0201", "0402"), float(rng.uniform(1, 6)), 4)
    if rng.random() < 0.5:
        parts_stiff = fixtures.fiducial(rng)
        placer.anywhere(parts_stiff)
    route(
        board,
        placer,
        lane=(0.1, 0.2),
        nets_per_cm2=float(rng.uniform(15, 45)),
        bus=20,
        longest=24,
        wander=0.03,
        drill=(0.1, 0.15),
        vias=0.3,
        headings=str(rng.choice(["x", "y", "any"])),
        width=(0.4, 0.5),
    )
    return board


def discrete(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Two layers, many passives and small transistors, simple wide tracks."""
    board = start(shape, pitch, rng, layers=2, thickness=(0.8, 1.6), outer_um=(30, 40), pours=0.5, leaded=0.4)
    placer = Placer(board)
    edge(board, placer, 0.5)
    scatter(placer, 2.5, lambda: ic.small_outline(rng), 0.1)
    scatter(placer, 0.2, lambda: fixtures.header(rng, int(rng.integers(2, 11)), 1))
    scatter(placer, 0.2, lambda: parts.tantalum(rng))
    scatter(placer, 0.1, lambda: parts.can_capacitor(rng, float(rng.uniform(3, 6))))
    scatter(placer, 0.1, lambda: fixtures.mounting_hole(rng))
    sizes = (("0402", "0603"), ("0603", "0805"), ("0805", "1206"), ("0402", "0603", "0805", "1206"))[
        int(rng.integers(4))
    ]
    passive_groups(placer, sizes, float(rng.uniform(10, 24)), 9, float(rng.uniform(0.2, 0.7)))
    lanes = route(
        board, placer, lane=(0.45, 0.8), nets_per_cm2=float(rng.uniform(6, 14)), bus=4, drill=(0.3, 0.5), wander=0.12
    )
    stitch(board, placer, lanes, float(rng.uniform(3, 6)), 0.4, 0.5)
    text(board, placer, int(rng.integers(1, 5)))
    return board


def memory_module(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Row of memories over gold edge fingers, buses and resistor arrays between them."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([6, 8, 10])),
        thickness=(1.0, 1.4),
        outer_um=(20, 40),
        inner_um=(12, 20),
        planes=0.5,
        pours=0.1,
    )
    placer = Placer(board)
    _fingers(board, placer)
    columns, rows = (6, int(rng.integers(11, 17))) if rng.random() < 0.5 else (9, int(rng.integers(9, 14)))
    both = rng.random() < 0.5
    y, gap = board.height * float(rng.uniform(0.2, 0.55)), float(rng.uniform(1.5, 3.5))
    step = columns * 0.8 + gap
    for k in range(-1, int(board.width / step) + 2):
        x = (k + 0.3) * step
        for side in (0, 1) if both else (0,):
            placer.at(
                arrays.ball_grid(rng, 0.8, rows, columns, style="memory", escape=False), Frame(x + 0.3 * side, y), side
            )
    for side in (0, 1):
        for _ in range(int(rng.integers(2, 6))):
            placer.row(lambda: parts.resistor(rng, "0201"), int(rng.integers(4, 16)), side, 0.12, 90.0)
    passive_groups(placer, ("0201", "0402"), float(rng.uniform(4, 12)), 8, 0.7)
    lanes = route(
        board,
        placer,
        lane=(0.2, 0.3),
        nets_per_cm2=float(rng.uniform(20, 45)),
        bus=16,
        longest=20,
        wander=0.05,
        meanders=0.2,
    )
    stitch(board, placer, lanes, 2.0, 0.25, 0.4)
    return board


def _fingers(board: Board, placer: Placer) -> None:
    """Edge connector: nickel and gold on copper, both sides."""
    rng = board.rng
    step, long = float(rng.choice([0.5, 0.6, 0.85, 1.0])), float(rng.uniform(2.0, 3.5))
    base = board.height - float(rng.uniform(0.2, 1.5))
    board.cuts.append(
        [(-9, base), (board.width + 9, base), (board.width + 9, board.height + 9), (-9, board.height + 9)]
    )
    placer.keep_out(-9, base - long - 0.6, board.width + 9, base + 9)
    key = float(rng.uniform(0.2, 0.8)) * board.width
    board.slots.append(([(key, base + 2), (key, base - long)], 1.2))
    x = float(rng.uniform(0, step))
    while x < board.width:
        if abs(x - key) > 1.2:
            for side in (0, 1):
                f = Frame(x + 0.05 * side, base - 0.3 - long / 2)
                board.layer(side).pad(f, 0, 0, 0.7 * step, long)
                board.canvas.rect("Ni", f, 0, 0, 0.7 * step, long, 0.005)
                board.canvas.rect("Au", f, 0, 0, 0.7 * step, long, 0.0008)
                if rng.random() < 0.7:
                    to = (x, base - long - float(rng.uniform(0.6, 1.4)))
                    board.layer(side).strokes.append(([(x, base - long), to], 0.15))
                    board.via(*to, 0.25, ring_mm=0.1, gap_mm=0.12)
        x += step


def led_driver(shape: Shape, pitch: float, rng: Rng) -> Board:
    """LED arrays with drivers, on FR4 or an aluminium core."""
    core = rng.random() < 0.5
    board = start(
        shape,
        pitch,
        rng,
        layers=1 if core else 2,
        thickness=(0.8, 1.6),
        outer_um=(35, 90),
        pours=0.5,
        substrate="Al" if core else "FR4",
    )
    if core:
        board.substrate["FR4"] = 0.1
    placer = Placer(board)
    edge(board, placer, 0.6)
    for layer in board.layers:
        islands(board, layer, int(rng.integers(3, 9)), 3, 10)
        layer.clearance_mm = float(rng.uniform(0.2, 0.4))
    size, step, turn = float(rng.uniform(2.0, 5.0)), float(rng.uniform(1.4, 2.6)), float(rng.choice([0.0, 90.0, 45.0]))
    x0, y0 = rng.uniform(0, size * step, 2)
    emitter = ic.light_emitter(rng, size)
    for y in np.arange(y0, board.height + size, size * step):
        for x in np.arange(x0, board.width + size, size * step):
            if rng.random() < 0.75:
                placer.at(emitter, Frame(float(x), float(y), turn))
                emitter = ic.light_emitter(rng, size) if rng.random() < 0.3 else emitter
    scatter(placer, 0.4, lambda: ic.quad_flat(rng, 3.9, 1.27, leads=True, sides=2, long=4.9))
    scatter(placer, 0.2, lambda: parts.inductor(rng, float(rng.uniform(3, 6))))
    passive_groups(placer, ("0603", "0805", "1206"), float(rng.uniform(2, 8)), 4)
    route(board, placer, lane=(0.6, 1.0), nets_per_cm2=float(rng.uniform(2, 6)), bus=3, vias=0.0 if core else 0.5)
    text(board, placer, 2)
    return board


def through_hole(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Older boards: dual in-line circuits, axial parts, wide tracks, solder-filled holes."""
    board = start(
        shape,
        pitch,
        rng,
        layers=int(rng.choice([1, 2, 2])),
        thickness=(1.4, 1.7),
        outer_um=(30, 70),
        pours=0.3,
        leaded=0.8,
    )
    placer = Placer(board)
    edge(board, placer, 0.4)
    for _ in range(placer.count(0.35) + 1):
        placer.anywhere(ic.dual_in_line(rng, int(rng.choice([4, 7, 8, 10, 14]))))
    scatter(placer, 1.2, lambda: parts.axial(rng), 0.1)
    scatter(placer, 0.3, lambda: parts.can_capacitor(rng, float(rng.uniform(4, 8))))
    scatter(placer, 0.2, lambda: fixtures.header(rng, int(rng.integers(2, 8)), 1))
    scatter(placer, 0.1, lambda: fixtures.mounting_hole(rng))
    passive_groups(placer, ("0805", "1206"), float(rng.uniform(0, 4)), 3)
    route(
        board,
        placer,
        lane=(0.6, 1.0),
        nets_per_cm2=float(rng.uniform(4, 9)),
        bus=4,
        drill=(0.4, 0.7),
        wander=0.15,
        vias=0.3,
    )
    text(board, placer, int(rng.integers(1, 4)), (1.2, 2.5))
    return board
