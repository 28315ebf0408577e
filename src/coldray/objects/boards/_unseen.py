"""Families kept for testing: no training board looks like these."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from coldray.objects.boards import _arrays as arrays
from coldray.objects.boards import _fixtures as fixtures
from coldray.objects.boards import _packages as ic
from coldray.objects.boards import _passives as parts
from coldray.objects.boards._layout import edge, middle, scatter, thermal_array
from coldray.objects.boards._place import Part, Placer
from coldray.objects.boards._routing import meander
from coldray.objects.boards._stack import Board, Layer
from coldray.objects.boards._tables import Sizes
from coldray.objects.boards._unseen_tables import UNSEEN
from coldray.objects.canvas import Frame

Shape = tuple[int, int]
Rng = np.random.Generator


def sensor_mcu(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Small controller in QFN with sensors, antenna meander, battery pads, castellations."""
    t = Sizes(UNSEEN["sensor_mcu"], rng)
    board = t.bare(shape, pitch, int(t.one("layers")))
    placer = Placer(board)
    edge(board, placer, t.real("edge"), castellated=t.real("castellated"))
    controller = ic.quad_flat(rng, t.real("qfn_mm"), t.one("qfn_pitch_mm"), leads=False)
    placer.at(controller, Frame(*middle(board), t.one("turns_deg")))
    for _ in range(t.whole("sensors")):
        balls = t.one("scale_pitch_mm"), t.whole("scale_balls"), t.whole("scale_balls")
        placer.anywhere(arrays.wafer_scale(rng, *balls))
    scatter(placer, t.real("small_per_cm2"), lambda: ic.quad_flat(rng, t.real("small_mm"), 0.5, leads=False, sides=2))
    scatter(placer, t.real("crystals_per_cm2"), lambda: parts.crystal(rng))
    scatter(placer, t.real("outlines_per_cm2"), lambda: ic.small_outline(rng))
    scatter(
        placer,
        t.real("headers_per_cm2"),
        lambda: fixtures.header(rng, t.whole("header_pins"), 1, t.real("header_pitch_mm")),
    )
    frame = placer.anywhere(Part(9.0, 3.5, lambda *_: None), tries=20)
    if frame is not None:
        board.layers[0].strokes.append((meander(frame.moved(-4.3, 0), 8.6, 2.6, 0.7), 0.35))
    t.finished(board, placer)
    return board


def chip_on_board(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Bare dies wired to the board under globs, gold fingers, few other parts."""
    t = Sizes(UNSEEN["chip_on_board"], rng)
    board, placer = t.begun(shape, pitch, int(t.one("layers")))
    die, place = ic.bare_die(rng, t.real("die_mm")), middle(board)
    turns = [*(float(a) for a in t.table["turns_deg"]), float(rng.uniform(0, 90))]
    placer.at(die, Frame(*place, float(rng.choice(turns))))
    scatter(placer, t.real("dies_per_cm2"), lambda: ic.bare_die(rng, t.real("other_die_mm")), 0.3)
    t.passives(placer)
    t.stitched(board, placer, t.routed(board, placer))
    return board


def backplane(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Thick board of many layers with press-fit and pin connectors and long buses."""
    t = Sizes(UNSEEN["backplane"], rng)
    board = t.bare(shape, pitch, t.whole("layers"))
    placer = Placer(board)
    fine = t.one("press_fit_mm")
    for _ in range(t.whole("press_fits")):
        placer.anywhere(fixtures.press_fit(rng, t.whole("press_columns"), t.whole("press_rows"), fine))
    for _ in range(t.whole("headers")):
        pins = t.whole("header_pins"), t.whole("header_rows"), t.one("header_pitch_mm")
        placer.anywhere(fixtures.header(rng, *pins))
    scatter(placer, t.real("mountings_per_cm2"), lambda: fixtures.mounting_hole(rng))
    t.finished(board, placer)
    return board


def handheld(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Phone-like board: 0.4 mm grids, microvias, cans, 0201 parts everywhere, 8-12 thin layers."""
    t = Sizes(UNSEEN["handheld"], rng)
    board = t.bare(shape, pitch, t.whole("layers"))
    placer = Placer(board)
    edge(board, placer, t.real("edge"), t.real("notches"))
    fine, n = t.one("ball_pitch_mm"), t.whole("balls")
    processor = arrays.ball_grid(rng, fine, n, n, style=t.name("styles"), microvia=True)
    placer.at(processor, Frame(*middle(board)))
    for _ in range(t.whole("scales")):
        package = arrays.wafer_scale(rng, fine, t.whole("scale_balls"), t.whole("scale_balls"))
        placer.anywhere(package, int(t.happens("below")))
    can = fixtures.shield_can(rng, t.real("can_mm"), t.real("can_mm"))
    if placer.anywhere(can, 1) is not None:
        placer.taken[1].pop()
    scatter(
        placer,
        t.real("connectors_per_cm2"),
        lambda: fixtures.surface_connector(rng, t.whole("connector_pins"), t.real("connector_pitch_mm")),
    )
    scatter(placer, t.real("inductors_per_cm2"), lambda: parts.inductor(rng, t.real("inductor_mm")))
    scatter(placer, t.real("crystals_per_cm2"), lambda: parts.crystal(rng))
    t.passives(placer)
    t.stitched(board, placer, t.routed(board, placer))
    return board


def motor_control(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Controller beside a bridge: QFP, transistors, shunts, electrolytics, 4-8 layers of medium copper."""
    t = Sizes(UNSEEN["motor_control"], rng)
    board, placer = t.begun(shape, pitch, int(t.one("layers")))
    controller = ic.quad_flat(rng, t.one("qfp_mm"), 0.5, leads=True)
    placer.at(controller, Frame(*middle(board, 0.45), t.one("turns_deg")))
    turn = t.one("bridge_turns_deg")
    short, long = t.span("transistor_mm")
    transistor = partial(ic.quad_flat, rng, short, 1.27, leads=False, sides=2, long=long)
    for _ in range(t.whole("bridges")):
        placer.row(transistor, t.whole("transistors"), gap=0.6, angle_deg=turn)
    scatter(placer, t.real("cans_per_cm2"), lambda: parts.can_capacitor(rng, t.real("can_mm")))
    scatter(placer, t.real("outlines_per_cm2"), lambda: ic.small_outline(rng))
    scatter(placer, t.real("headers_per_cm2"), lambda: fixtures.header(rng, t.whole("header_pins"), 2))
    t.passives(placer)
    for _ in range(placer.count(t.real("thermal_per_cm2"))):
        thermal_array(board, placer, t.whole("thermal_side"), t.real("thermal_mm"), t.real("thermal_drill_mm"))
    t.stitched(board, placer, t.routed(board, placer))
    t.lettered(board, placer)
    return board


def power_module(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Ceramic substrate under thick copper, large soldered dies with voids, thick aluminium or copper wires."""
    t = Sizes(UNSEEN["power_module"], rng)
    ceramic, metal = t.real("ceramic_mm"), t.real("tracks_mm")
    tracks = Layer(metal, clearance_mm=0.5)
    board = Board(
        shape,
        pitch,
        rng,
        thickness_mm=ceramic,
        layers=[tracks],
        substrate={"Al2O3": ceramic, "Cu": t.real("back_mm")},
        solder=t.name("solders"),
    )
    placer = Placer(board)
    edge(board, placer, t.real("edge"), notches=0.0, castellated=0.0)
    off = list(placer.taken[0])
    wire = t.name("wires")
    for at, size in _soldered_dies(board, placer, tracks, t):
        turn, far = t.one("wire_turns_deg"), size / 2 + t.real("wire_reach_mm")
        for k in range(n := t.whole("wires_per_die")):
            v = ((k + 0.5) / n - 0.5) * 0.8 * size
            f = at.moved(0, 0, turn)
            ex, ey = f.at(far, v * 1.15)
            if any(x0 < ex < x1 and y0 < ey < y1 for x0, y0, x1, y1 in off):
                continue
            board.canvas.wire(wire, [f.at(-0.2 * size, v), f.at(0.3 * size, v), (ex, ey)], t.one("wire_mm"))
    scatter(placer, t.real("chips_per_cm2"), lambda: parts.chip(rng, t.words("chips")))
    for _ in range(placer.count(t.real("terminals_per_cm2"))):
        placer.anywhere(fixtures.terminal(rng))
    return board


def _soldered_dies(board: Board, placer: Placer, tracks: Layer, t: Sizes) -> list[tuple[Frame, float]]:
    """Copper areas side by side, most with a die: its frame and size [mm]."""
    rng = board.rng
    counts = [max(2, round(length / t.real("field_mm"))) for length in (board.width, board.height)]
    xs, ys = (
        np.cumsum(np.r_[-1.0, rng.uniform(*t.span("field_spread"), n) * (length + 2) / n])
        for n, length in zip(counts, (board.width, board.height), strict=True)
    )
    gap = t.real("gap_mm")
    dies = []
    for x0, x1 in pairwise(xs):
        for y0, y1 in pairwise(ys):
            a, b, c, d = float(x0) + gap / 2, float(y0) + gap / 2, float(x1) - gap / 2, float(y1) - gap / 2
            if min(c - a, d - b) < 1.0:
                continue
            tracks.fills.append([(a + 0.4, b), (c, b), (c, d - 0.4), (c - 0.4, d), (a, d), (a, b + 0.4)])
            if t.happens("filled"):
                size = t.real("die") * min(c - a, d - b)
                part = ic.power_die(rng, size)
                x, y = (a + c) / 2 + float(rng.normal(0, 0.3)), (b + d) / 2 + float(rng.normal(0, 0.3))
                at = Frame(x, y, t.one("turns_deg"))
                if placer.at(part, at):
                    dies.append((at, size))
    return dies
