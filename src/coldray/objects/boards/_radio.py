"""The radio-frequency family: curved lines, fences of vias, printed filters."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from coldray.objects.boards import _fixtures as fixtures
from coldray.objects.boards import _packages as ic
from coldray.objects.boards import _passives as parts
from coldray.objects.boards._layout import edge, scatter, stitch, taken
from coldray.objects.boards._place import Part, Placer
from coldray.objects.boards._routing import smooth_walk
from coldray.objects.boards._seen_tables import SEEN
from coldray.objects.boards._stack import GROUND, Board
from coldray.objects.boards._tables import Sizes
from coldray.objects.components.passives import spiral

Shape = tuple[int, int]
Rng = np.random.Generator


def rf(shape: Shape, pitch: float, rng: Rng) -> Board:
    """Curved lines, fences of ground vias, coupled filters, printed inductors, shield cans."""
    t = Sizes(SEEN["rf"], rng)
    board = t.bare(shape, pitch, int(t.one("layers")))
    placer = Placer(board)
    edge(board, placer, t.real("edge"), castellated=t.real("castellated"))
    for _ in range(t.whole("cans")):
        can = fixtures.shield_can(rng, t.real("can_mm"), t.real("can_mm"))
        if placer.anywhere(can, tries=10) is not None:
            placer.taken[0].pop()
    scatter(
        placer,
        t.real("qfn_per_cm2"),
        lambda: ic.quad_flat(rng, t.real("qfn_mm"), t.one("qfn_pitch_mm"), leads=False),
    )
    scatter(placer, t.real("crystals_per_cm2"), lambda: parts.crystal(rng))
    scatter(placer, t.real("coils_per_cm2"), lambda: parts.wound_chip(rng, t.name("coils")))
    t.passives(placer)
    top = board.layers[0]
    top.clearance_mm, fence, drill = t.real("clearance_mm"), t.real("fence_mm"), t.real("stitch_drill_mm")
    for _ in range(placer.count(t.real("lines_per_cm2")) + 2):
        width = t.real("line_mm")
        at = float(rng.uniform(0, board.width)), float(rng.uniform(0, board.height)), float(rng.uniform(0, 360))
        line = smooth_walk(rng, *at, t.real("line_length_mm"))
        top.strokes.append((line, width))
        _fence(board, placer, line, width / 2 + top.clearance_mm + 0.35, fence, drill)
    for _ in range(placer.count(t.real("filters_per_cm2")) + 1):
        _printed_filter(board, placer)
    lanes = t.routed(board, placer)
    stitch(board, placer, lanes, t.real("stitch_mm"), drill, t.real("stitched"))
    t.lettered(board, placer)
    return board


def _fence(
    board: Board, placer: Placer, line: list[tuple[float, float]], away: float, step: float, drill: float
) -> None:
    """Ground vias along both sides of a line."""
    gone = 0.0
    for (x0, y0), (x1, y1) in pairwise(line):
        length = math.hypot(x1 - x0, y1 - y0)
        while gone < length:
            c, s = (x1 - x0) / length, (y1 - y0) / length
            for side in (-1, 1):
                x, y = x0 + c * gone - side * s * away, y0 + s * gone + side * c * away
                apart = all((x - a) ** 2 + (y - b) ** 2 > (0.8 * away) ** 2 for a, b in line)
                if apart and board.room(x, y, drill) and not taken(placer, x, y, drill):
                    board.via(x, y, drill, GROUND)
            gone += step
        gone -= length


def _printed_filter(board: Board, placer: Placer) -> None:
    """Coupled lines, a stub, or a spiral in copper."""
    rng, top = board.rng, board.layers[0]
    frame = placer.anywhere(Part(7.0, 4.0, lambda *_: None), tries=20)
    if frame is None:
        return
    kind = rng.random()
    if kind < 0.4:
        wide, gap, n = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.1, 0.25)), int(rng.integers(3, 6))
        for k in range(n):
            v = (k - (n - 1) / 2) * (wide + gap)
            top.strokes.append(([frame.at(-3 + 0.5 * k, v), frame.at(0.5 * k, v)], wide))
    elif kind < 0.7:
        top.strokes.append(
            (spiral(frame.x, frame.y, 0.4, float(rng.uniform(0.3, 0.45)), float(rng.uniform(2.5, 4))), 0.16)
        )
    else:
        top.strokes.append(([frame.at(-3.2, 0), frame.at(3.2, 0)], 0.4))
        a0, fan = float(rng.uniform(40, 80)), float(rng.uniform(40, 80))
        arc = [
            frame.at(1.6 * math.cos(math.radians(a)), 1.6 * math.sin(math.radians(a)))
            for a in np.linspace(a0, a0 + fan, 12)
        ]
        top.patches.append([frame.at(0, 0), *arc])
