"""Traces: a lane router, parallel buses, meanders, curves, and letters in copper."""

from __future__ import annotations

import math

import numpy as np

from coldray.objects.canvas import Frame

Points = list[tuple[float, float]]
STEPS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))


class Lanes:
    """Grid of routing lanes over one layer; nets take cells and never share them."""

    def __init__(self, width: float, height: float, cell: float, rng: np.random.Generator, margin: float = 1.0) -> None:
        self.cell, self.rng = cell, rng
        self.x0, self.y0 = -margin - cell * rng.random(), -margin - cell * rng.random()
        self.nx = int((width + 2 * margin) / cell) + 2
        self.ny = int((height + 2 * margin) / cell) + 2
        self.used = np.zeros((self.ny, self.nx), np.uint8)

    def block(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Keep nets out of a rectangle [mm]."""
        c = self.cell
        j0, j1 = math.ceil((x0 - self.x0) / c), math.floor((x1 - self.x0) / c) + 1
        i0, i1 = math.ceil((y0 - self.y0) / c), math.floor((y1 - self.y0) / c) + 1
        self.used[max(i0, 0) : max(i1, 0), max(j0, 0) : max(j1, 0)] = 1

    def point(self, i: int, j: int) -> tuple[float, float]:
        """Position of a lane crossing [mm]."""
        return self.x0 + j * self.cell, self.y0 + i * self.cell

    def cell_of(self, x: float, y: float) -> tuple[int, int]:
        """Nearest lane crossing."""
        return round((y - self.y0) / self.cell), round((x - self.x0) / self.cell)

    def _plan(self, i: int, j: int, heading: int, length: int, wander: float) -> list[int]:
        """Leader's walk: straight on, 45-degree jogs, side steps around what is in the way."""
        used, nx, ny = self.used, self.nx, self.ny
        draws = self.rng.random(length + 1)
        now, steps, since = heading, [], 0
        for k in range(length):
            if draws[k] < wander and since > 3:
                side = 1 if draws[k] * 2 < wander else -1
                now, since = (heading, 0) if now != heading else ((heading + side) % 8, 0)
            for turn in (0, 1, -1, 2, -2):
                h = (now + turn) % 8
                dj, di = STEPS[h]
                a, b = i + di, j + dj
                if 0 <= a < ny and 0 <= b < nx and not used[a, b]:
                    if di and dj and used[i, b] and used[a, j]:
                        continue
                    break
            else:
                break
            if h != now:
                now, since = h, 0
            i, j, since = a, b, since + 1
            steps.append(h)
        return steps

    def bus(self, i: int, j: int, heading: int, count: int, length: int, wander: float, least: int = 4) -> list[Points]:
        """`count` parallel nets that follow one leader until something blocks them."""
        used, nx, ny = self.used, self.nx, self.ny
        if not (0 <= i < ny and 0 <= j < nx) or used[i, j]:
            return []
        plan = self._plan(i, j, heading, length, wander)
        dj, di = STEPS[(heading + 2) % 8]
        nets = []
        for n in range(count):
            a, b = i + n * di, j + n * dj
            if not (0 <= a < ny and 0 <= b < nx) or used[a, b]:
                continue
            cells, last, turns = [(a, b)], -1, [(a, b)]
            for h in plan:
                sj, si = STEPS[h]
                c, d = a + si, b + sj
                if not (0 <= c < ny and 0 <= d < nx) or used[c, d] or (si and sj and used[a, d] and used[c, b]):
                    break
                if h != last and last >= 0:
                    turns.append((a, b))
                a, b, last = c, d, h
                cells.append((a, b))
            if len(cells) < least:
                continue
            for c, d in cells:
                used[c, d] = 1
            turns.append((a, b))
            nets.append([self.point(*t) for t in turns])
        return nets

    def fill(self, nets: int, headings: tuple[int, ...], longest_mm: float, bus: int, wander: float) -> list[Points]:
        """Random starts until about `nets` nets exist."""
        rng = self.rng
        found: list[Points] = []
        most = max(6, int(longest_mm / self.cell))
        for _ in range(3 * nets):
            if len(found) >= nets:
                break
            i, j = int(rng.integers(self.ny)), int(rng.integers(self.nx))
            heading = int(headings[int(rng.integers(len(headings)))])
            count = 1 if rng.random() < 0.4 else int(rng.integers(2, bus + 1)) if bus > 1 else 1
            found += self.bus(i, j, heading, count, int(rng.integers(most // 4 + 3, most + 4)), wander)
        return found


def meander(frame: Frame, length: float, amplitude: float, pitch: float) -> Points:
    """Length-tuning serpentine with cut corners along the local u axis [mm]."""
    points, u, side, cut = [(0.0, 0.0)], 0.0, 1, pitch * 0.25
    while u + pitch < length:
        v = side * amplitude / 2
        points += [(u, v - side * cut), (u + cut, v), (u + pitch - cut, v), (u + pitch, v - side * cut)]
        u, side = u + pitch, -side
    points += [(u, 0.0), (u + pitch, 0.0)]
    return [frame.at(*p) for p in points]


def arc(x: float, y: float, radius: float, start_deg: float, end_deg: float) -> Points:
    """Points on an arc, near enough for a smooth stroke."""
    n = max(3, int(abs(end_deg - start_deg) / 6))
    angles = np.radians(np.linspace(start_deg, end_deg, n))
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def smooth_walk(rng: np.random.Generator, x: float, y: float, heading_deg: float, length: float) -> Points:
    """Curved trace: straights joined by arcs of random radius."""
    points, gone, h = [(x, y)], 0.0, heading_deg
    while gone < length:
        run = float(rng.uniform(0.8, 5.0))
        x, y = x + run * math.cos(math.radians(h)), y + run * math.sin(math.radians(h))
        points.append((x, y))
        turn = float(rng.choice([-90, -60, -45, 45, 60, 90]))
        radius = float(rng.uniform(0.6, 3.0))
        side = math.copysign(1.0, turn)
        cx = x - side * radius * math.sin(math.radians(h))
        cy = y + side * radius * math.cos(math.radians(h))
        points += arc(cx, cy, radius, h - 90 * side, h - 90 * side + turn)
        x, y = points[-1]
        h += turn
        gone += run + radius * abs(math.radians(turn))
    return points


# Strokes of each sign on a box 2 wide and 4 high, y down.
_SIGNS = {
    "0": "00 20 24 04 00", "1": "01 10 14", "2": "00 20 22 02 04 24", "3": "00 20 24 04;02 22",
    "4": "00 02 22;20 24", "5": "20 00 02 22 24 04", "6": "20 00 04 24 22 02", "7": "00 20 14",
    "8": "00 20 24 04 00;02 22", "A": "04 01 10 21 24;03 23", "B": "00 04 14 23 12 02;12 21 10 00",
    "C": "20 00 04 24", "D": "00 04 14 23 21 10 00", "E": "20 00 04 24;02 12", "F": "04 00 20;02 12",
    "H": "00 04;20 24;02 22", "J": "20 24 04 03", "L": "00 04 24", "N": "04 00 24 20", "P": "04 00 20 22 02",
    "R": "04 00 20 22 02;12 24", "S": "20 00 02 22 24 04", "T": "00 20;10 14", "U": "00 04 24 20",
    "V": "00 14 20", "X": "00 24;20 04", "Z": "00 20 04 24",
}  # fmt: skip


def letters(frame: Frame, text: str, height: float) -> list[Points]:
    """Strokes of a text in copper [mm]."""
    strokes, unit = [], height / 4
    for k, sign in enumerate(text):
        for stroke in _SIGNS.get(sign, "").split(";"):
            if stroke:
                strokes.append([frame.at((k * 3 + int(p[0])) * unit, int(p[1]) * unit) for p in stroke.split()])
    return strokes


def random_text(rng: np.random.Generator, least: int = 3, most: int = 9) -> str:
    """A part number of drawable signs."""
    signs = sorted(_SIGNS)
    return "".join(signs[int(k)] for k in rng.integers(len(signs), size=int(rng.integers(least, most))))
