"""Steps shared by the families: stack-up, routing between parts, stitching, edges and marks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from coldray.objects.boards import _passives as parts
from coldray.objects.boards._place import Part, Placer
from coldray.objects.boards._routing import STEPS, Lanes, letters, meander, random_text
from coldray.objects.boards._stack import GROUND, POWER, SIGNAL, Board, Layer
from coldray.objects.canvas import Frame

OCTANTS = {"x": (0, 4), "y": (2, 6), "both": (0, 2, 4, 6), "any": tuple(range(8))}


def start(
    shape: tuple[int, int],
    pitch_mm: float,
    rng: np.random.Generator,
    *,
    layers: int,
    thickness: tuple[float, float],
    outer_um: tuple[float, float],
    inner_um: tuple[float, float],
    planes: float,
    pours: float,
    substrate: str,
    leaded: float,
) -> Board:
    """Empty board; `planes` is the share of inner layers that are full, `pours` the chance of a poured signal layer."""
    board_mm = float(rng.uniform(*thickness))
    outer, inner = float(rng.uniform(*outer_um)) / 1000, float(rng.uniform(*inner_um)) / 1000
    if substrate == "FR4" and rng.random() < 0.15:
        substrate = "FR4_Br"
    slip = float(rng.uniform(0.0, 0.03))
    stack = []
    for k in range(layers):
        edge = k in (0, layers - 1)
        plane = not edge and rng.random() < planes
        net = (GROUND if rng.random() < 0.6 else POWER) if plane else SIGNAL
        dx, dy = (float(s) for s in rng.normal(0, slip, 2))
        layer = Layer(outer if edge else inner, net, plane, float(rng.uniform(0.1, 0.25)), (dx, dy))
        if not plane and rng.random() < pours:
            layer.full, layer.net = True, GROUND
            layer.clearance_mm = float(rng.uniform(0.12, 0.35))
        elif plane and rng.random() < 0.5:
            _split(layer, shape, pitch_mm, rng)
        stack.append(layer)
    solder = "Sn63Pb37" if rng.random() < leaded else "SAC305"
    return Board(
        shape,
        pitch_mm,
        rng,
        thickness_mm=board_mm,
        layers=stack,
        substrate={substrate: board_mm},
        solder=solder,
        plating_mm=float(rng.uniform(0.018, 0.03)),
        plug=str(rng.choice(["air", "resin", "solder"], p=[0.6, 0.25, 0.15])),
    )


def _split(layer: Layer, shape: tuple[int, int], pitch: float, rng: np.random.Generator) -> None:
    """Cut a plane into areas with isolation gaps."""
    w, h = shape[1] * pitch, shape[0] * pitch
    for _k in range(int(rng.integers(1, 4))):
        x, y = float(rng.uniform(-1, w)), -2.0
        path, down = [(x, y)], True
        while y < h + 2 and len(path) < 40:
            step = float(rng.uniform(1, 0.4 * h + 2))
            if down:
                y += step
            else:
                jog = float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 0.3 * w + 0.6))
                path.append((x + jog * 0.9, y + abs(jog) * 0.1))
                x, y = x + jog, y + abs(jog) * 0.3
            path.append((x, y))
            down = not down
        if rng.random() < 0.5:
            path = [(b * w / max(h, 1e-6), a * h / max(w, 1e-6)) for a, b in path]
        layer.gaps.append((path, float(rng.uniform(0.2, 0.5))))


@dataclass(frozen=True)
class Routing:
    """How the signal layers of a board are filled with nets.

    Parameters
    ----------
    lane_mm : (float, float)
        Range of the distance of two lanes; every layer has its own.
    nets_per_cm2 : float
    bus : int
        Most nets side by side.
    longest_mm : float
    wander : float
        Chance of a jog per lane.
    drill_mm : (float, float)
        Range of the holes at the ends of nets; one size per board.
    vias : float
        Chance of such a hole.
    headings : str
        "alternate" from layer to layer, or a key of `OCTANTS`.
    width : (float, float)
        Range of the trace over its lane.
    meanders : float
        Chance of one more length-tuned net.
    taps : float
        Share of nets that begin on a pad or hole (assumed).
    """

    lane_mm: tuple[float, float]
    nets_per_cm2: float
    bus: int
    longest_mm: float
    wander: float
    drill_mm: tuple[float, float]
    vias: float
    headings: str
    width: tuple[float, float]
    meanders: float
    taps: float = 0.6


def route(board: Board, placer: Placer, how: Routing) -> list[Lanes | None]:
    """Fill every signal layer with nets round parts and holes; returns the lanes used, layer by layer."""
    rng = board.rng
    lanes: list[Lanes | None] = []
    hole = float(rng.uniform(*how.drill_mm))
    first = str(rng.choice(["x", "y"]))
    last = len(board.layers) - 1
    for k, layer in enumerate(board.layers):
        if (layer.full and layer.net == POWER) or (layer.full and 0 < k < last and rng.random() < 0.7):
            lanes.append(None)
            continue
        cell = float(rng.uniform(*how.lane_mm))
        grid = Lanes(board.width, board.height, cell, rng)
        if k in (0, last):
            for box in placer.taken[0 if k == 0 else 1]:
                grid.block(*box)
        for via in board.vias:
            if via.span[0] <= k <= via.span[1]:
                r = via.pad_mm / 2 + 0.3 * cell
                grid.block(via.x - r, via.y - r, via.x + r, via.y + r)
        for x, y, size, _ in layer.discs:
            grid.block(x - size / 2, y - size / 2, x + size / 2, y + size / 2)
        axis = how.headings if how.headings != "alternate" else (first if k % 2 else ("y" if first == "x" else "x"))
        wanted = int(rng.poisson(how.nets_per_cm2 * board.width * board.height / 100))
        thin = cell * float(rng.uniform(*how.width))
        if k in (0, last):
            sources = [_centre(patch) for patch in layer.patches]
        else:
            sources = [(v.x, v.y) for v in board.vias if v.span[0] <= k <= v.span[1]]
        found = _tap(grid, sources, min(len(sources), int(how.taps * wanted)), how.longest_mm, how.wander)
        found += grid.fill(wanted - len(found), OCTANTS[axis], how.longest_mm, how.bus, how.wander)
        for path in found:
            wide = thin * (2.0 if rng.random() < 0.03 else 1.0)
            layer.strokes.append((path, wide))
            for x, y in (path[0], path[-1]):
                if rng.random() < how.vias and 0 < x < board.width and 0 < y < board.height:
                    if board.room(x, y, hole) and clear(board, placer, lanes, x, y, 0.3 * hole):
                        board.via(x, y, hole, SIGNAL if rng.random() < 0.8 else GROUND, gap_mm=0.15)
        while rng.random() < how.meanders * min(1.0, board.width / 10) * 4:
            _tune(grid, layer, thin, cell)
        lanes.append(grid)
    return lanes


def _centre(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Mean of the corners."""
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _tap(
    grid: Lanes, sources: list[tuple[float, float]], wanted: int, longest: float, wander: float
) -> list[list[tuple[float, float]]]:
    """Nets that begin on pads or holes and leave by the nearest free lane."""
    rng, nets = grid.rng, []
    most = max(6, int(longest / grid.cell))
    for s in rng.permutation(len(sources))[:wanted]:
        x, y = sources[int(s)]
        i0, j0 = grid.cell_of(x, y)
        if not (0 <= i0 < grid.ny and 0 <= j0 < grid.nx):
            continue
        exits = []
        for heading in OCTANTS["both"]:
            dj, di = STEPS[heading]
            for n in range(1, 8):
                i, j = i0 + n * di, j0 + n * dj
                if 0 <= i < grid.ny and 0 <= j < grid.nx and not grid.used[i, j]:
                    exits.append((n, float(rng.random()), heading, i, j))
                    break
        if exits:
            _, _, heading, i, j = min(exits)
            for path in grid.bus(i, j, heading, 1, int(rng.integers(most // 6 + 3, most + 4)), wander, 3):
                px, py = path[0]
                knee = (x, py) if heading in (2, 6) else (px, y)
                nets.append([(x, y), knee, *path])
    return nets


def _tune(grid: Lanes, layer: Layer, width: float, cell: float) -> None:
    """Length-tuning serpentines side by side, in whatever room is free."""
    rng = grid.rng
    x, y = (float(rng.uniform(0, 1)) * n * cell for n in (grid.nx, grid.ny))
    length, tall, count = float(rng.uniform(2, 6)), float(rng.uniform(3, 6)) * cell, int(rng.integers(1, 5))
    turn = float(rng.choice([0.0, 90.0]))
    frame = Frame(x + grid.x0, y + grid.y0, turn)
    xs, ys = zip(*frame.corners(length / 2, count * tall / 2, length, (count + 0.5) * tall * 1.2), strict=True)
    (i0, j0), (i1, j1) = grid.cell_of(min(xs), min(ys)), grid.cell_of(max(xs), max(ys))
    if i0 < 0 or j0 < 0 or grid.used[i0 : i1 + 1, j0 : j1 + 1].any():
        return
    grid.block(min(xs), min(ys), max(xs), max(ys))
    for k in range(count):
        layer.strokes.append((meander(frame.moved(0, (k + 0.5) * tall * 1.2), length, tall, 2.2 * cell), width))


def taken(placer: Placer, x: float, y: float, gap: float = 0.0) -> bool:
    """True if a point lies in the courtyard of any part."""
    return any(a - gap < x < c + gap and b - gap < y < d + gap for boxes in placer.taken for a, b, c, d in boxes)


def stitch(
    board: Board, placer: Placer, lanes: list[Lanes | None], pitch: float, drill: float, keep: float = 0.8
) -> None:
    """Ground vias on a loose grid wherever nothing else is."""
    rng = board.rng
    x0, y0 = rng.uniform(0, pitch, 2)
    for y in np.arange(y0, board.height, pitch):
        for x in np.arange(x0, board.width, pitch):
            if rng.random() < keep:
                at = (float(x + rng.normal(0, 0.06) * pitch), float(y + rng.normal(0, 0.06) * pitch))
                if board.room(*at, drill) and clear(board, placer, lanes, *at, drill):
                    board.via(*at, drill, GROUND)


def clear(board: Board, placer: Placer, lanes: list[Lanes | None], x: float, y: float, drill: float) -> bool:
    """True if a hole here would touch no part and no trace."""
    if taken(placer, x, y, drill):
        return False
    for grid in lanes:
        if grid is not None:
            i, j = grid.cell_of(x, y)
            n = math.ceil(drill / grid.cell)
            if grid.used[max(0, i - n) : max(0, i + n + 1), max(0, j - n) : max(0, j + n + 1)].any():
                return False
    return True


def islands(board: Board, layer: Layer, count: int, low: float = 2.0, high: float = 9.0) -> None:
    """Chamfered copper areas."""
    rng = board.rng
    for _ in range(count):
        w, h = rng.uniform(low, high, 2)
        x, y = float(rng.uniform(-2, board.width)), float(rng.uniform(-2, board.height))
        cut = float(rng.uniform(0.1, 0.45)) * min(w, h)
        layer.fills.append(
            [(x + cut, y), (x + w, y), (x + w, y + h - cut), (x + w - cut, y + h), (x, y + h), (x, y + cut)]
        )


def thermal_array(board: Board, placer: Placer, count: int, pitch: float, drill: float) -> None:
    """Block of thermal vias in free room."""
    rng = board.rng
    n, m = int(rng.integers(3, count + 1)), int(rng.integers(3, count + 1))
    x, y = float(rng.uniform(0, board.width)), float(rng.uniform(0, board.height))
    if taken(placer, x + n * pitch / 2, y + m * pitch / 2, 0.5 * pitch * min(n, m)):
        return
    placer.keep_out(x - pitch, y - pitch, x + n * pitch, y + m * pitch)
    for a in range(n):
        for b in range(m):
            board.via(x + a * pitch, y + (b + 0.5 * (a % 2)) * pitch, drill, GROUND)


def text(board: Board, placer: Placer, count: int, high: tuple[float, float] = (0.8, 2.0)) -> None:
    """Part numbers in outer copper."""
    rng = board.rng
    for _ in range(count):
        side, tall = int(rng.integers(2)), float(rng.uniform(*high))
        words = random_text(rng)
        wide = len(words) * 0.75 * tall
        turn = float(rng.choice([0.0, 90.0]))
        for _try in range(12):
            frame = Frame(float(rng.uniform(0, board.width)), float(rng.uniform(0, board.height)), turn)
            xs, ys = zip(*frame.corners(wide / 2, tall / 2, wide, tall), strict=True)
            if not any(taken(placer, x, y) for x, y in (*zip(xs, ys, strict=True), frame.at(wide / 2, tall / 2))):
                placer.keep_out(min(xs), min(ys), max(xs), max(ys), (side,))
                board.layer(side).strokes += [(s, 0.13 * tall) for s in letters(frame, words, tall)]
                break


def edge(board: Board, placer: Placer, chance: float, notches: float = 0.4, castellated: float = 0.1) -> None:
    """Perhaps show one board edge, with notches, a slot and castellations."""
    rng = board.rng
    w, h = board.width, board.height
    if rng.random() < chance:
        where, inset = int(rng.integers(4)), float(rng.uniform(0.03, 0.16))
        d = inset * (w if where % 2 else h)
        tilt = float(rng.normal(0, 0.01)) * max(w, h)
        box = ((-9, -9, w + 9, d), (w - d, -9, w + 9, h + 9), (-9, h - d, w + 9, h + 9), (-9, -9, d, h + 9))[where]
        x0, y0, x1, y1 = box
        if where % 2 == 0:
            inner = [(x0, (y1 if where == 0 else y0) + tilt), (x1, (y1 if where == 0 else y0) - tilt)]
            outer = [(x1, y0 if where == 0 else y1), (x0, y0 if where == 0 else y1)]
        else:
            inner = [((x0 if where == 1 else x1) + tilt, y0), ((x0 if where == 1 else x1) - tilt, y1)]
            outer = [(x1 if where == 1 else x0, y1), (x1 if where == 1 else x0, y0)]
        board.cuts.append(inner + outer)
        placer.keep_out(x0 - 0.4, y0 - 0.4, x1 + 0.4, y1 + 0.4)
        (ax, ay), (bx, by) = inner
        if rng.random() < castellated:
            step = float(rng.uniform(1.0, 2.0))
            n = int(math.hypot(bx - ax, by - ay) / step)
            for k in range(1, n):
                board.via(ax + (bx - ax) * k / n, ay + (by - ay) * k / n, 0.55 * step, ring_mm=0.2)
        elif rng.random() < notches:
            t, r = float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.8, 2.0))
            board.holes.append((ax + (bx - ax) * t, ay + (by - ay) * t, 2 * r))
    if rng.random() < 0.25 * chance:
        x, y = float(rng.uniform(0, w)), float(rng.uniform(0, h))
        long, turn = float(rng.uniform(2, 7)), float(rng.choice([0.0, 90.0]))
        f = Frame(x, y, turn)
        ends, wide = [f.at(0, 0), f.at(long, 0)], float(rng.uniform(0.8, 1.6))
        spots = [f.at(t * long / 4, 0) for t in range(5)]
        if not any(taken(placer, px, py, wide) for px, py in spots):
            board.slots.append((ends, wide))
            (xa, ya), (xb, yb) = ends
            placer.keep_out(min(xa, xb) - wide, min(ya, yb) - wide, max(xa, xb) + wide, max(ya, yb) + wide)


def passive_groups(placer: Placer, sizes: tuple[str, ...], per_cm2: float, longest: int = 8, caps: float = 0.5) -> None:
    """Rows of like passives on both sides, then stray ones, a few at odd angles."""
    rng = placer.rng
    left = placer.count(per_cm2)
    lower = float(rng.uniform(0, 0.5))
    while left > 0:
        size = (str(rng.choice(sizes)),)
        n = min(left, int(rng.integers(1, longest + 1)))
        side = int(rng.random() < lower)
        if n > 1:
            placer.row(partial(parts.chip, rng, size, caps), n, side, float(rng.uniform(0.12, 0.4)))
        else:
            odd = float(rng.uniform(0, 360)) if rng.random() < 0.06 else None
            placer.anywhere(parts.chip(rng, size, caps), side, angle_deg=odd)
        left -= n


def scatter(placer: Placer, per_cm2: float, make: Callable[[], Part], odd_angle: float = 0.05) -> None:
    """Scatter a kind of part."""
    rng = placer.rng
    for _ in range(placer.count(per_cm2)):
        angle = float(rng.choice([45.0, 135.0, rng.uniform(0, 360)])) if rng.random() < odd_angle else None
        placer.anywhere(make(), int(rng.random() < 0.15), angle_deg=angle)


def middle(board: Board, spread: float = 0.3) -> tuple[float, float]:
    """A point not far from the centre."""
    rng = board.rng
    return board.width * float(rng.uniform(0.5 - spread, 0.5 + spread)), board.height * float(
        rng.uniform(0.5 - spread, 0.5 + spread)
    )
