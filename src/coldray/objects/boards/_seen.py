"""Families shown in training and validation; every number is drawn anew per board from the family's table."""

from __future__ import annotations

from functools import partial

import numpy as np

from coldray.objects.boards import _arrays as arrays
from coldray.objects.boards import _fixtures as fixtures
from coldray.objects.boards import _packages as ic
from coldray.objects.boards import _passives as parts
from coldray.objects.boards._layout import edge, islands, middle, passive_groups, scatter, thermal_array
from coldray.objects.boards._place import Placer
from coldray.objects.boards._seen_tables import SEEN
from coldray.objects.boards._stack import GROUND, Board
from coldray.objects.boards._tables import Sizes
from coldray.objects.canvas import Frame

Shape = tuple[int, int]
Rng = np.random.Generator


def dense_bga(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Processor and memories in 0.65-1.27 mm ball grids, decoupling underneath, 6-12 layers."""
    t = Sizes(SEEN["dense_bga"], rng)
    board, placer = t.begun(shape, pitch, t.whole("layers"))
    p, n, style = t.one("ball_pitch_mm"), t.whole("balls"), t.name("styles")
    processor = arrays.ball_grid(rng, p, n, n + t.whole("oblong"), style=style, voided=t.real("voided"))
    placer.at(processor, Frame(*middle(board), t.one("turns_deg", "turn_chances")))
    for _ in range(t.whole("memories")):
        rows, columns = t.whole("memory_rows"), t.whole("memory_columns")
        placer.anywhere(arrays.ball_grid(rng, t.real("memory_pitch_mm"), rows, columns, style="memory"))
    for _ in range(t.whole("decoupling_rows")):
        placer.row(partial(parts.mlcc, rng, "0402"), t.whole("decoupling_row"), 1)
    t.passives(placer)
    scatter(placer, t.real("qfn_per_cm2"), lambda: ic.quad_flat(rng, t.real("qfn_mm"), 0.5, leads=False))
    t.stitched(board, placer, t.routed(board, placer))
    t.lettered(board, placer)
    return board


def mixed_signal(shape: Shape, pitch: float, rng: Rng) -> Board:
    """QFP and QFN converters, op-amps, crystals, split planes, 4-6 layers."""
    t = Sizes(SEEN["mixed_signal"], rng)
    board, placer = t.begun(shape, pitch, int(t.one("layers")))
    converter = ic.quad_flat(rng, t.real("qfp_mm"), t.one("qfp_pitch_mm"), leads=True)
    placer.at(converter, Frame(*middle(board), t.one("turns_deg", "turn_chances")))
    scatter(placer, t.real("qfn_per_cm2"), lambda: ic.quad_flat(rng, t.real("qfn_mm"), 0.5, leads=False))
    scatter(placer, t.real("outlines_per_cm2"), lambda: ic.small_outline(rng))
    scatter(placer, t.real("crystals_per_cm2"), lambda: parts.crystal(rng))
    scatter(placer, t.real("tantalums_per_cm2"), lambda: parts.tantalum(rng))
    scatter(
        placer, t.real("headers_per_cm2"), lambda: fixtures.header(rng, t.whole("header_pins"), t.whole("header_rows"))
    )
    scatter(placer, t.real("fiducials_per_cm2"), lambda: fixtures.fiducial(rng))
    t.finished(board, placer)
    return board


def power(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Converters: 70-105 um copper, wide pours, transistors, inductors, through-hole parts."""
    t = Sizes(SEEN["power"], rng)
    board, placer = t.begun(shape, pitch, int(t.one("layers")))
    for layer in board.layers:
        if not layer.full:
            islands(board, layer, t.whole("islands"), *t.span("island_mm"))
        layer.clearance_mm = t.real("clearance_mm")
    scatter(placer, t.real("tabs_per_cm2"), lambda: ic.power_tab(rng), 0.02)
    scatter(placer, t.real("inductors_per_cm2"), lambda: parts.inductor(rng, t.real("inductor_mm")), 0.1)
    scatter(placer, t.real("cans_per_cm2"), lambda: parts.can_capacitor(rng, t.real("can_mm")))
    scatter(
        placer,
        t.real("headers_per_cm2"),
        lambda: fixtures.header(rng, t.whole("header_pins"), 1, t.one("header_pitch_mm")),
    )
    scatter(placer, t.real("mountings_per_cm2"), lambda: fixtures.mounting_hole(rng))
    scatter(placer, t.real("outlines_per_cm2"), lambda: ic.small_outline(rng))
    t.passives(placer)
    for _ in range(placer.count(t.real("thermal_per_cm2"))):
        thermal_array(board, placer, t.whole("thermal_side"), t.real("thermal_mm"), t.real("thermal_drill_mm"))
    t.stitched(board, placer, t.routed(board, placer))
    t.lettered(board, placer)
    return board


def flex_fine(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Thin flexible circuit: few layers, very fine lines, hatched ground, wired dies."""
    t = Sizes(SEEN["flex_fine"], rng)
    board, placer = t.begun(shape, pitch, int(t.one("layers")))
    if len(board.layers) > 1 and t.happens("hatched"):
        ground = board.layers[-1]
        ground.net, ground.hatch = GROUND, (t.real("hatch_mm"), t.real("hatch_line_mm"), 45.0)
    scatter(placer, t.real("dies_per_cm2"), lambda: ic.bare_die(rng, t.real("die_mm")), 0.1)
    scatter(
        placer,
        t.real("connectors_per_cm2"),
        lambda: fixtures.surface_connector(rng, t.whole("connector_pins"), t.one("connector_pitch_mm")),
    )
    scatter(
        placer,
        t.real("scale_per_cm2"),
        lambda: arrays.wafer_scale(rng, t.real("scale_pitch_mm"), t.whole("scale_balls"), t.whole("scale_balls")),
    )
    t.passives(placer)
    if t.happens("fiducial"):
        placer.anywhere(fixtures.fiducial(rng))
    t.routed(board, placer)
    return board


def discrete(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Two layers, many passives and small transistors, simple wide tracks."""
    t = Sizes(SEEN["discrete"], rng)
    board, placer = t.begun(shape, pitch, t.whole("layers"))
    scatter(placer, t.real("outlines_per_cm2"), lambda: ic.small_outline(rng), 0.1)
    scatter(placer, t.real("headers_per_cm2"), lambda: fixtures.header(rng, t.whole("header_pins"), 1))
    scatter(placer, t.real("tantalums_per_cm2"), lambda: parts.tantalum(rng))
    scatter(placer, t.real("cans_per_cm2"), lambda: parts.can_capacitor(rng, t.real("can_mm")))
    scatter(placer, t.real("mountings_per_cm2"), lambda: fixtures.mounting_hole(rng))
    sizes = tuple(t.name("mixes").split())
    passive_groups(placer, sizes, t.real("chips_per_cm2"), t.whole("row"), t.real("capacitors"))
    t.stitched(board, placer, t.routed(board, placer))
    t.lettered(board, placer)
    return board


def memory_module(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Row of memories over gold edge fingers, buses and resistor arrays between them."""
    t = Sizes(SEEN["memory_module"], rng)
    board = t.bare(shape, pitch, int(t.one("layers")))
    placer = Placer(board)
    _fingers(board, placer, t)
    columns, rows = (6, t.whole("narrow_rows")) if t.happens("narrow") else (9, t.whole("wide_rows"))
    both = t.happens("both_sides")
    y, gap = board.height * t.real("height"), t.real("gap_mm")
    step = columns * t.real("ball_pitch_mm") + gap
    for k in range(-1, int(board.width / step) + 2):
        x = (k + 0.3) * step
        for side in (0, 1) if both else (0,):
            memory = arrays.ball_grid(rng, t.real("ball_pitch_mm"), rows, columns, style="memory", escape=False)
            placer.at(memory, Frame(x + 0.3 * side, y), side)
    for side in (0, 1):
        for _ in range(t.whole("arrays")):
            placer.row(partial(parts.resistor, rng, "0201"), t.whole("array"), side, 0.12, 90.0)
    t.passives(placer)
    t.stitched(board, placer, t.routed(board, placer))
    return board


def _fingers(board: Board, placer: Placer, t: Sizes) -> None:
    """Edge connector: nickel and gold on copper, both sides."""
    rng = board.rng
    step, long = t.one("finger_pitch_mm"), t.real("finger_mm")
    base = board.height - t.real("finger_base_mm")
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
    t = Sizes(SEEN["led_driver"], rng)
    core = t.happens("metal_core")
    board = t.bare(shape, pitch, 1 if core else 2, "Al" if core else "FR4")
    if core:
        board.substrate["FR4"] = t.real("dielectric_mm")
    placer = Placer(board)
    edge(board, placer, t.real("edge"))
    for layer in board.layers:
        islands(board, layer, t.whole("islands"), *t.span("island_mm"))
        layer.clearance_mm = t.real("clearance_mm")
    size, step, turn = t.real("emitter_mm"), t.real("emitter_step"), t.one("turns_deg")
    x0, y0 = rng.uniform(0, size * step, 2)
    emitter = ic.light_emitter(rng, size)
    for y in np.arange(y0, board.height + size, size * step):
        for x in np.arange(x0, board.width + size, size * step):
            if rng.random() < 0.75:
                placer.at(emitter, Frame(float(x), float(y), turn))
                emitter = ic.light_emitter(rng, size) if rng.random() < 0.3 else emitter
    scatter(placer, t.real("drivers_per_cm2"), lambda: ic.quad_flat(rng, 3.9, 1.27, leads=True, sides=2, long=4.9))
    scatter(placer, t.real("inductors_per_cm2"), lambda: parts.inductor(rng, t.real("inductor_mm")))
    t.passives(placer)
    t.routed(board, placer, vias=0.0 if core else t.real("vias"))
    t.lettered(board, placer)
    return board


def through_hole(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Older boards: dual in-line circuits, axial parts, wide tracks, solder-filled holes."""
    t = Sizes(SEEN["through_hole"], rng)
    board, placer = t.begun(shape, pitch, int(t.one("layers")))
    for _ in range(placer.count(t.real("circuits_per_cm2")) + 1):
        placer.anywhere(ic.dual_in_line(rng, int(t.one("circuit_pins"))))
    scatter(placer, t.real("axials_per_cm2"), lambda: parts.axial(rng), 0.1)
    scatter(placer, t.real("cans_per_cm2"), lambda: parts.can_capacitor(rng, t.real("can_mm")))
    scatter(placer, t.real("headers_per_cm2"), lambda: fixtures.header(rng, t.whole("header_pins"), 1))
    scatter(placer, t.real("mountings_per_cm2"), lambda: fixtures.mounting_hole(rng))
    t.passives(placer)
    t.routed(board, placer)
    t.lettered(board, placer)
    return board
