"""One function per kind of defect: what it changes in a small window of the thickness maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coldray.objects._defect_sites import Blob, Sites, TracePoint
from coldray.objects.canvas import Map, Window, sphere, strip_cover


@dataclass(frozen=True, eq=False)
class Change:
    """New thickness of some materials in a window, and the size to record [mm]."""

    window: Window
    thickness_mm: dict[str, Map]
    size_mm: float


Maker = Callable[[dict[str, Map], Sites, np.random.Generator], Change | None]


def pick(items: list[Blob], rng: np.random.Generator) -> Blob | None:
    """One of the items at random."""
    return items[int(rng.integers(len(items)))] if items else None


def square(shape: tuple[int, int], row: float, col: float, reach: float) -> Window:
    """Window around a point, cut at the border; empty where it lies outside."""
    spans = []
    for n, at in zip(shape, (row, col), strict=True):
        low = int(np.clip(np.floor(at - reach), 0, n))
        spans.append(slice(low, int(np.clip(np.ceil(at + reach) + 1, low, n))))
    return spans[0], spans[1]


def offsets(window: Window, row: float, col: float, pitch: float) -> tuple[Map, Map]:
    """Distance of the cells of a window from a point along rows and columns [mm]."""
    y = (np.arange(window[0].start, window[0].stop) - row)[:, None] * pitch
    x = (np.arange(window[1].start, window[1].stop) - col)[None, :] * pitch
    return y.astype(np.float32), x.astype(np.float32)


def ball_void(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Bubble of 15 to 60 % of a ball's diameter, anywhere inside it."""
    ball = pick(sites.balls, rng)
    if ball is None:
        return None
    solder = maps[ball.material][ball.window]
    radius = 0.25 * sum(ball.size) * sites.pitch
    size = radius * float(rng.uniform(0.15, 0.6))
    away, angle = float(rng.uniform(0, 0.9)) * (radius - size), float(rng.uniform(0, 2 * np.pi))
    row, col = ball.centre
    y, x = offsets(
        ball.window, row + away * np.sin(angle) / sites.pitch, col + away * np.cos(angle) / sites.pitch, sites.pitch
    )
    left = np.maximum(solder - sphere(size)(np.hypot(y, x)), 0.02 * ball.cells * solder)
    return Change(ball.window, {ball.material: np.minimum(left, solder)}, 2 * size)


def ball_missing(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """A ball that is not there; 20 um of solder stay on the pad."""
    ball = pick(sites.balls, rng)
    if ball is None:
        return None
    solder = maps[ball.material][ball.window]
    left = np.where(ball.cells, np.minimum(solder, np.float32(0.02)), solder)
    return Change(ball.window, {ball.material: left}, 0.5 * sum(ball.size) * sites.pitch)


def ball_offset(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """A ball displaced by 10 to 50 % of its diameter."""
    ball = pick(sites.balls, rng)
    if ball is None:
        return None
    diameter = 0.5 * sum(ball.size)
    move = diameter * float(rng.uniform(0.10, 0.50))
    angle = float(rng.uniform(0, 2 * np.pi))
    dy, dx = round(move * np.sin(angle)), round(move * np.cos(angle))
    row, col = ball.centre
    window = square(sites.maps.shape, row, col, diameter / 2 + move + 2)
    solder = maps[ball.material][window].copy()
    inner = (slice(ball.window[0].start - window[0].start, ball.window[0].stop - window[0].start),
             slice(ball.window[1].start - window[1].start, ball.window[1].stop - window[1].start))  # fmt: skip
    body = np.where(ball.cells, solder[inner], 0)
    solder[inner] -= body
    y, x = inner[0].start + dy, inner[1].start + dx
    if min(y, x) < 0 or y + body.shape[0] > solder.shape[0] or x + body.shape[1] > solder.shape[1]:
        return None
    solder[y : y + body.shape[0], x : x + body.shape[1]] += body
    return Change(window, {ball.material: solder}, float(np.hypot(dy, dx)) * sites.pitch)


def ball_bridge(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Solder 50 to 200 um wide between two neighbouring balls."""
    ball = pick(sites.balls, rng)
    if ball is None or len(sites.balls) < 2:
        return None
    row, col = ball.centre
    others = [(np.hypot(b.centre[0] - row, b.centre[1] - col), b) for b in sites.balls if b is not ball]
    distance, other = min(others, key=lambda pair: pair[0])
    radius = 0.25 * sum(ball.size)
    if not 2 * radius < distance < 6 * radius:
        return None
    width = float(rng.uniform(0.05, 0.20))
    height = float(rng.uniform(0.5, 1.0)) * min(width, radius * sites.pitch)
    y1, x1 = other.centre
    window = square(sites.maps.shape, 0.5 * (row + y1), 0.5 * (col + x1), distance / 2 + width / sites.pitch + 2)
    y, x = offsets(window, row, col, sites.pitch)
    along, across = _turn(y, x, ((y1 - row) / distance, (x1 - col) / distance))
    inside = (along > 0.8 * radius * sites.pitch) & (along < (distance - 0.8 * radius) * sites.pitch)
    # a neck: thinner in the middle than where it wets the balls
    middle = np.abs(2 * along / (distance * sites.pitch) - 1)
    neck = height * (0.7 + 0.6 * middle**2) * strip_cover(across, width * 1.0, sites.pitch)
    rounded = np.sqrt(np.maximum(1 - (2 * across / (width + sites.pitch)) ** 2, 0))
    return Change(
        window, {ball.material: maps[ball.material][window] + (neck * rounded * inside).astype(np.float32)}, width
    )


def _turn(y: Map, x: Map, along: tuple[float, float]) -> tuple[Map, Map]:
    """Coordinates along and across a direction (row, col)."""
    return np.asarray(along[0] * y + along[1] * x), np.asarray(along[1] * y - along[0] * x)


def _trace_window(sites: Sites, point: TracePoint, reach_mm: float) -> tuple[Window, Map, Map, Map]:
    """Window round a trace point, coordinates along and across, and the foil that belongs to the trace [mm]."""
    window = square(sites.maps.shape, point.row, point.col, reach_mm / sites.pitch)
    along, across = _turn(*offsets(window, point.row, point.col, sites.pitch), point.along)
    own = np.clip((point.width_mm / 2 + 1.5 * sites.pitch - np.abs(across)) / sites.pitch, 0, 1)
    foil = np.clip(sites.foil_excess[window], 0, point.foil_mm) * own
    return window, along, across, foil.astype(np.float32)


def _cut_trace(maps: dict[str, Map], sites: Sites, rng: np.random.Generator, low: float, high: float) -> Change | None:
    point = sites.trace(rng)
    if point is None:
        return None
    gap = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    window, along, across, foil = _trace_window(sites, point, point.width_mm + gap)
    # a fracture wanders: slant and a wave smaller than the width
    slant, wave = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(0, 0.15)) * point.width_mm
    path = along - slant * across - wave * np.sin(2 * np.pi * across / point.width_mm + float(rng.uniform(0, 6)))
    removed = foil * strip_cover(path, gap, sites.pitch)
    return Change(window, {"Cu": np.maximum(maps["Cu"][window] - removed, 0)}, gap)


def trace_crack(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Hairline crack, 5 to 50 um wide, across one trace."""
    return _cut_trace(maps, sites, rng, 0.005, 0.05)


def trace_open(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Gap of 50 to 300 um in one trace."""
    return _cut_trace(maps, sites, rng, 0.05, 0.30)


def trace_mouse_bite(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Round nick that takes 20 to 70 % of a trace's width."""
    point = sites.trace(rng)
    if point is None:
        return None
    depth = point.width_mm * float(rng.uniform(0.2, 0.7))
    radius = depth * float(rng.uniform(0.7, 1.5))
    window, along, across, foil = _trace_window(sites, point, 2 * point.width_mm + radius)
    side = 1.0 if rng.random() < 0.5 else -1.0
    away = np.hypot(along, across - side * (point.width_mm / 2 + radius - depth))
    removed = foil * np.clip((radius - away) / sites.pitch + 0.5, 0, 1)
    return Change(window, {"Cu": np.maximum(maps["Cu"][window] - removed.astype(np.float32), 0)}, depth)


def trace_short(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Copper spur, 30 to 150 um wide, from one trace to the next within 0.4 mm."""
    for _ in range(8):
        point = sites.trace(rng)
        if point is None:
            return None
        side = 1.0 if rng.random() < 0.5 else -1.0
        steps = np.arange(point.width_mm / 2 + 2.5 * sites.pitch, point.width_mm / 2 + 0.4, 0.5 * sites.pitch)
        rows = np.rint(point.row + side * point.along[1] * steps / sites.pitch).astype(int)
        cols = np.rint(point.col - side * point.along[0] * steps / sites.pitch).astype(int)
        if not (
            0 <= min(rows.min(), cols.min()) and rows.max() < sites.maps.shape[0] and cols.max() < sites.maps.shape[1]
        ):
            continue
        hit = np.flatnonzero(sites.trace_mask[rows, cols])
        gap_free = ~sites.trace_mask[rows[0], cols[0]]
        if hit.size and gap_free and hit[0] > 2:
            far = float(steps[hit[0]]) + sites.pitch
            width = float(rng.uniform(0.03, 0.15))
            window, along, across, _ = _trace_window(sites, point, far + width)
            ragged = width * (1 + 0.3 * np.sin(40 * across + float(rng.uniform(0, 6))))
            inside = (side * across > point.width_mm / 2 - sites.pitch) & (side * across < far)
            spur = point.foil_mm * np.clip((ragged / 2 - np.abs(along)) / sites.pitch + 0.5, 0, 1) * inside
            missing = np.maximum(spur - np.clip(sites.foil_excess[window], 0, None), 0)
            return Change(window, {"Cu": maps["Cu"][window] + missing.astype(np.float32)}, width)
    return None


def via_void(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Plating missing over 30 to 180 degrees of a barrel and 50 to 300 um of its height."""
    barrel = pick(sites.barrels, rng)
    if barrel is None:
        return None
    copper = maps["Cu"][barrel.window]
    height = float(rng.uniform(0.05, 0.30))
    y, x = offsets(barrel.window, *barrel.centre, sites.pitch)
    turned = np.angle(np.exp(1j * (np.arctan2(y, x) - float(rng.uniform(0, 2 * np.pi)))))
    arc = np.abs(turned) < np.radians(float(rng.uniform(30, 180))) / 2
    share = np.where(barrel.cells & arc, copper / copper.max(), 0)
    return Change(barrel.window, {"Cu": np.maximum(copper - height * share, 0).astype(np.float32)}, height)


def wire_missing(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """A bond wire that is not there."""
    wire = pick(sites.wires, rng)
    if wire is None:
        return None
    metal = np.where(wire.cells, np.float32(0), maps[wire.material][wire.window])
    return Change(wire.window, {wire.material: metal}, float(np.hypot(*wire.size)) * sites.pitch)


def wire_broken(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Gap of 30 to 300 um in a bond wire."""
    wire = pick(sites.wires, rng)
    if wire is None:
        return None
    rows, cols = np.nonzero(wire.cells)
    number = int(rng.integers(rows.size // 4, 3 * rows.size // 4))
    gap = float(np.exp(rng.uniform(np.log(0.03), np.log(0.30))))
    y, x = np.arange(wire.size[0])[:, None] - rows[number], np.arange(wire.size[1])[None, :] - cols[number]
    cut = wire.cells & (np.hypot(y, x) * sites.pitch < gap / 2)
    metal = maps[wire.material][wire.window]
    return Change(wire.window, {wire.material: np.where(cut, np.float32(0), metal)}, gap)


def die_attach_void(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Flat void of 50 to 1500 um in a wide joint, rounded at its rim."""
    if not sites.joints:
        return None
    material = sorted(sites.joints)[int(rng.integers(len(sites.joints)))]
    depth = sites.joints[material]
    places = np.argwhere(depth > 0.6 * float(depth.max()))
    row, col = (int(n) for n in places[int(rng.integers(len(places)))])
    largest = min(1.5, 1.8 * float(depth[row, col]))
    size = float(np.exp(rng.uniform(np.log(0.05), np.log(max(largest, 0.06)))))
    window = square(sites.maps.shape, row, col, size / sites.pitch)
    y, x = offsets(window, row, col, sites.pitch)
    lobes = 1 + 0.15 * np.sin(3 * np.arctan2(y, x) + float(rng.uniform(0, 6)))
    share = 0.95 * np.sqrt(np.maximum(1 - (2 * np.hypot(y, x) / (size * lobes)) ** 4, 0))
    joint = maps[material][window]
    return Change(window, {material: (joint * (1 - share)).astype(np.float32)}, size)


def particle(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Foreign grain of Cu, Fe, SnPb or W: an ellipsoid of 20 to 300 um, one to ten times as long as thick."""
    rows, cols = sites.maps.shape
    material = str(rng.choice(["Cu", "Fe", "Sn63Pb37", "W"]))
    length = float(np.exp(rng.uniform(np.log(0.02), np.log(0.30))))
    thick = max(length / float(np.exp(rng.uniform(0, np.log(10)))), 0.01)
    row, col = float(rng.uniform(0.05, 0.95)) * rows, float(rng.uniform(0.05, 0.95)) * cols
    return ellipsoid(maps, sites, material, (row, col), length, thick, float(rng.uniform(0, np.pi)))


def ellipsoid(
    maps: dict[str, Map],
    sites: Sites,
    material: str,
    centre: tuple[float, float],
    length: float,
    thick: float,
    turn: float,
) -> Change | None:
    """Add an ellipsoid with two short axes; None off the grid."""
    window = square(sites.maps.shape, *centre, 0.5 * length / sites.pitch + 2)
    if any(s.stop <= s.start for s in window):
        return None
    y, x = offsets(window, *centre, sites.pitch)
    # four samples per cell and direction: grains are small
    total = np.zeros((y.size, x.size), dtype=np.float32)
    shifts = (np.arange(4) - 1.5) / 4 * sites.pitch
    for dy in shifts:
        for dx in shifts:
            along, across = _turn(y + np.float32(dy), x + np.float32(dx), (float(np.sin(turn)), float(np.cos(turn))))
            total += thick * np.sqrt(np.maximum(1 - (2 * along / length) ** 2 - (2 * across / thick) ** 2, 0))
    before = maps.get(material)
    base = np.zeros(total.shape, dtype=np.float32) if before is None else before[window]
    return Change(window, {material: (base + total / 16).astype(np.float32)}, length)


BOARD_KINDS: dict[str, Maker] = {
    "ball_void": ball_void,
    "ball_missing": ball_missing,
    "ball_offset": ball_offset,
    "ball_bridge": ball_bridge,
    "trace_crack": trace_crack,
    "trace_open": trace_open,
    "trace_mouse_bite": trace_mouse_bite,
    "trace_short": trace_short,
    "via_void": via_void,
    "wire_missing": wire_missing,
    "wire_broken": wire_broken,
    "die_attach_void": die_attach_void,
    "particle": particle,
}
