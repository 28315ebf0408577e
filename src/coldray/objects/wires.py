"""Wires and lines: single, bundled, woven, coiled, bonded; image quality indicators, line groups and star sectors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldray.objects._scene import Ranges, Scene, broken
from coldray.objects._visibility import depth_for
from coldray.objects.plates import ground

METALS = ("Cu", "Fe", "Al", "Ag", "Au", "W", "Ni")
FOILS = ("Au", "W", "Cu", "Fe", "Sn63Pb37", "Ta")
"""Of line groups and stars."""
IQI_MM = tuple(3.2 * 10 ** (-k / 10) for k in range(19))
"""Wires W1 to W19 of EN ISO 19232-1 [mm]: each thinner by the tenth root of ten, 3.2 to 0.05."""

SEEN: Ranges = {
    "signal": (0.05, 0.95),  # behind plates and foils; assumed
    "wire_mm": (0.015, 0.9),  # bond wires of 15 um to strands; assumed
    "wires": (2, 16),  # assumed
    "bundle": (6, 40),  # strands; assumed
    "mesh_mm": (0.1, 2.5),  # ISO 9044 woven screens of 0.1 mm up
    "mesh_duty": (0.15, 0.5),  # wire over pitch; ISO 9044
    "turns": (5, 40),  # assumed
    "coils": (1, 5),  # assumed
    "dies": (1, 5),  # assumed
    "stars": (1, 7),  # assumed
    "coil_mm": (1.0, 6.0),  # assumed
    "bond_mm": (0.018, 0.075),  # gold and aluminium bond wires
    "bonds": (8, 48),  # assumed
    "bond_step_mm": (0.08, 0.4),  # assumed
    "period_mm": (0.08, 3.0),  # 0.17 to 6.25 lp/mm
    "duty": (0.25, 0.75),  # assumed
    "groups": (6, 40),  # assumed
    "group_mm": (1.0, 6.0),  # assumed
    "sectors": (8, 60),  # pairs of a star; 36 to 90 are usual
    "star_mm": (3.0, 10.0),  # assumed
    "wave_mm": (4.0, 20.0),  # as for plates
    "wave": (0.002, 0.03),
    "bend_mm": (3.0, 14.0),  # assumed
}
UNSEEN: Ranges = {
    # assumed, as all that follows: beyond what training draws from
    **SEEN,
    "mesh_duty": (0.5, 0.6),
    "coil_mm": (6.0, 9.0),
    "bend_mm": (1.5, 3.0),
    "duty": (0.12, 0.25),
    "spiral_mm": (0.08, 0.5),  # printed coils
    "rings_mm": (0.15, 1.2),
}


def _path(scene: Scene, start: tuple[float, float], angle: float, length: float, bend: float) -> NDArray[np.float64]:
    """A smooth path with a share of sideways wander."""
    grain = scene.log("bend_mm")
    wander = scene.curve(length, grain)
    s = np.linspace(0, length, max(2, int(np.ceil(length / (0.12 * grain)))))
    off = bend * grain * (wander(s) - wander(np.zeros(1)))
    return np.stack(
        [start[0] + s * np.cos(angle) - off * np.sin(angle), start[1] + s * np.sin(angle) + off * np.cos(angle)], axis=1
    )


def _maybe_ground(scene: Scene) -> None:
    """Air, or a plate."""
    if scene.chance(0.6):
        ground(scene)


def _single(scene: Scene) -> None:
    """A few wires, straight or bent, at any angle, some ending in the field."""
    _maybe_ground(scene)
    for _ in range(scene.many("wires")):
        length = scene.extent * (1.8 if scene.chance(0.7) else float(scene.rng.uniform(0.05, 0.6)))
        angle, (x, y) = scene.angle(), scene.spot()
        start = (x - length / 2 * np.cos(angle), y - length / 2 * np.sin(angle))
        bend = 0.0 if scene.chance(0.5) else float(scene.rng.uniform(0, 0.25))
        path = _path(scene, start, angle, length, bend)
        scene.stroke(path, scene.log("wire_mm"), 1.0, scene.map(scene.one_of(METALS)), round_wire=True)


def _bundle(scene: Scene) -> None:
    """Strands side by side and over each other, wandering."""
    _maybe_ground(scene)
    metal, diameter, angle = scene.one_of(METALS[:4]), scene.log("wire_mm"), scene.angle()
    count = scene.count("bundle")
    spread = diameter * count * float(scene.rng.uniform(0.3, 1.5))
    x, y = scene.spot(0.3)
    length = 1.8 * scene.extent
    for _ in range(count):
        off = float(scene.rng.normal(0, 0.3)) * spread
        start = (
            x - length / 2 * np.cos(angle) - off * np.sin(angle),
            y - length / 2 * np.sin(angle) + off * np.cos(angle),
        )
        path = _path(scene, start, angle + float(scene.rng.normal(0, 0.02)), length, 0.03)
        scene.stroke(path, diameter, 1.0, scene.map(metal), round_wire=True)


def chords(places: NDArray[np.float64], diameter: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Summed chords through parallel round wires against the distance along their common normal.

    Parameters
    ----------
    places : ndarray, shape (wires,)
        Their middles [mm].
    diameter : float
        [mm]

    Returns
    -------
    callable
    """

    def chord(d: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros(d.size)
        r = diameter / 2
        for place in places:
            a, b = np.searchsorted(d, [place - r, place + r])
            out[a:b] += 2 * np.sqrt(np.maximum(r * r - (d[a:b] - place) ** 2, 0))
        return out

    return chord


def _mesh(scene: Scene) -> None:
    """Woven wire: two sets of straight wires, one time in two with gaps, shifted and doubled ones."""
    _maybe_ground(scene)
    metal, step = scene.one_of(METALS[:4]), scene.log("mesh_mm")
    diameter = step * scene.flat("mesh_duty")
    angle, lean = scene.angle(), float(scene.rng.normal(0, 0.05))
    reach = 0.75 * scene.extent
    for turn in (angle, angle + np.pi / 2 + lean):
        places = np.arange(-reach, reach, step) + float(scene.rng.uniform(0, step))
        places, was = broken(places, step, scene.rng)
        scene.note_broken(was)
        scene.map(metal)[...] += scene.profile(scene.across(turn), chords(places, diameter))


def _coils(scene: Scene) -> None:
    """Helices from the side: springs and windings, one in two with irregular turns."""
    _maybe_ground(scene)
    for _ in range(scene.count("coils")):
        _coil(scene)


def _coil(scene: Scene) -> None:
    metal, diameter, radius = scene.one_of(METALS[:4]), scene.log("wire_mm"), scene.log("coil_mm") / 2
    turns = scene.count("turns")
    step = max(1.05 * diameter, min(diameter * float(np.exp(scene.rng.uniform(0.05, 1.6))), 1.1 * scene.extent / turns))
    places, was = broken(np.arange(turns) * step, step, scene.rng)
    scene.note_broken(was)
    places = np.sort(places) - (turns - 1) * step / 2
    angle, (x, y) = scene.angle(), scene.spot(0.2)
    phase = np.linspace(0, 2 * np.pi, 33)
    c, s = np.cos(angle), np.sin(angle)
    for place, following in pairwise(places):
        rise = following - place if following - place < 1.8 * step else step
        u, v, deep = place + rise * phase / (2 * np.pi), radius * np.cos(phase), radius * np.sin(phase)
        points = np.stack([x + c * u - s * v, y + s * u + c * v], axis=1)
        flat = np.hypot(np.diff(u), np.diff(v))
        # where the wire runs along the beam its chord is longer: the metal in it stays
        true = np.sqrt(flat**2 + np.diff(deep) ** 2)
        scene.stroke(points, diameter, np.minimum(true / np.maximum(flat, 1e-9), 12), scene.map(metal), round_wire=True)


def _iqi(scene: Scene) -> None:
    """Seven wires of EN ISO 19232-1 on a plate, 5 mm apart in a field of 25 mm or more."""
    ground(scene)
    metal = scene.one_of(("Fe", "Al", "Cu"))
    first = int(scene.rng.integers(0, len(IQI_MM) - 6))
    step = min(5.0, scene.extent / 9) * float(scene.rng.uniform(0.7, 1.1))
    angle = scene.angle()
    length = scene.extent * float(scene.rng.uniform(0.35, 1.5))
    x, y = scene.spot(0.4)
    for number, diameter in enumerate(IQI_MM[first : first + 7]):
        off = (number - 3) * step
        middle = np.array([x - off * np.sin(angle), y + off * np.cos(angle)])
        along = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
        scene.stroke(np.stack([middle - along, middle + along]), diameter, 1.0, scene.map(metal), round_wire=True)


def _bonds(scene: Scene) -> None:
    """Bond wires from dies to their pads, one time in two with missing, swept and doubled ones."""
    ground(scene)
    for _ in range(scene.count("dies")):
        _die(scene)


def _die(scene: Scene) -> None:
    metal = scene.one_of(("Au", "Ag", "Cu", "Al"))
    diameter, step, count = scene.log("bond_mm"), scene.log("bond_step_mm"), scene.count("bonds")
    span = count * step
    turn, (x, y) = scene.angle(), scene.spot(0.2)
    scene.add_sheet("Si", x, y, (span, span), turn, float(scene.rng.uniform(0.1, 0.4)))
    places, was = broken((np.arange(count) - (count - 1) / 2) * step * 0.95, step, scene.rng)
    scene.note_broken(was)
    reach = span * float(scene.rng.uniform(0.2, 0.5)) + 4 * diameter
    fan = float(scene.rng.uniform(1.0, 1.6))
    target = scene.map(metal)
    foil = float(scene.rng.uniform(0.018, 0.2))
    for side in range(int(scene.rng.integers(1, 5))):
        a = turn + side * np.pi / 2
        c, s = np.cos(a), np.sin(a)
        for place in places:
            near = np.array([0.46 * span, place])
            far = np.array([0.5 * span + reach, place * fan + float(scene.rng.normal(0, 0.1)) * step])
            sweep = float(scene.rng.normal(0, 0.2)) * step
            t = np.linspace(0, 1, 6)[:, None]
            line = near + (far - near) * t + np.array([0.0, sweep]) * np.sin(np.pi * t)
            at = np.stack([x + c * line[:, 0] - s * line[:, 1], y + s * line[:, 0] + c * line[:, 1]], axis=1)
            scene.stroke(at, diameter, 1.1, target, round_wire=True)
            scene.balls(metal, float(at[0, 0]), float(at[0, 1]), 2.4 * diameter)
            scene.add_sheet("Cu", float(at[-1, 0]), float(at[-1, 1]), (3 * step, 0.6 * step * fan), a, foil)


def _line_groups(scene: Scene) -> None:
    """Blocks of bars of any period, duty and direction, in metal foil; one time in two with irregular bars."""
    _maybe_ground(scene)
    foil = scene.one_of(FOILS)
    thick = depth_for(foil, scene.flat("signal"))
    for _ in range(scene.many("groups")):
        period, duty, angle = scene.log("period_mm"), scene.flat("duty"), scene.angle()
        length = max(scene.log("group_mm"), 2 * period)
        count = int(np.clip(scene.log("group_mm") / period, 3, 60))
        places, was = broken((np.arange(count) - (count - 1) / 2) * period, period, scene.rng)
        scene.note_broken(was)
        x, y = scene.spot(0.02)
        c, s = np.cos(angle), np.sin(angle)
        for place in places:
            middle = np.array([x + place * c, y + place * s])
            along = 0.5 * length * np.array([-s, c])
            scene.stroke(np.stack([middle - along, middle + along]), period * duty, thick, scene.map(foil))


def _star(scene: Scene) -> None:
    """Star of sectors in a foil, whole or a part, off the middle; one time in two with irregular sectors."""
    _maybe_ground(scene)
    foil = scene.one_of(FOILS)
    thick = depth_for(foil, scene.flat("signal"))
    for _ in range(scene.many("stars")):
        pairs, radius = scene.count("sectors"), scene.log("star_mm")
        x, y = scene.spot(0.1)
        starts, was = broken(np.arange(pairs) * 2 * np.pi / pairs, 2 * np.pi / pairs, scene.rng)
        scene.note_broken(was)
        found = scene.around(x, y, radius + scene.pitch)
        if found is None:
            continue
        window, away = found
        xx, yy = scene.x[:, window[1]] - np.float32(x), scene.y[window[0]] - np.float32(y)
        turn = np.mod(np.arctan2(yy, xx) + np.float32(scene.rng.uniform(0, 6.28)), np.float32(2 * np.pi))
        cells = 7200
        table = np.zeros(cells, np.float32)
        wide = int(cells / pairs * scene.flat("duty"))
        for start in starts:
            low = int(start / (2 * np.pi) * cells)
            table[np.arange(low, low + wide) % cells] = 1
        open_middle = radius * float(scene.rng.uniform(0.02, 0.15))
        rim = np.clip((radius - away) / scene.pitch + 0.5, 0, 1) * np.clip(
            (away - open_middle) / scene.pitch + 0.5, 0, 1
        )
        scene.map(foil)[window] += np.float32(thick) * rim * table[(turn * (cells / (2 * np.pi))).astype(int) % cells]


def _rings(scene: Scene) -> None:
    """Concentric rings of falling width, and a printed spiral beside them."""
    _maybe_ground(scene)
    foil = scene.one_of(FOILS)
    thick = depth_for(foil, scene.flat("signal"))
    x, y = scene.spot(0.2)
    away = np.hypot(scene.x - np.float32(x), scene.y - np.float32(y))
    first = scene.log("rings_mm") * 4

    def zones(d: NDArray[np.float64]) -> NDArray[np.float64]:
        number = np.floor((np.maximum(d, 0) / first) ** 2)
        return np.asarray((number % 2) * (number < 120), dtype=np.float64)

    scene.map(foil)[...] += np.float32(thick) * scene.profile(away, zones)
    step, turns = scene.log("spiral_mm"), int(scene.rng.integers(4, 16))
    a = np.linspace(0, 2 * np.pi * turns, 40 * turns)
    cx, cy = scene.spot(0.2)
    r = 2 * step + step * a / (2 * np.pi)
    path = np.stack([cx + r * np.cos(a), cy + r * np.sin(a)], axis=1)
    scene.stroke(path, 0.5 * step, depth_for("Cu", 0.8), scene.map("Cu"))


VARIANTS: dict[str, dict[str, Callable[[Scene], None]]] = {
    "seen": {
        "single": _single,
        "bundle": _bundle,
        "mesh": _mesh,
        "coil": _coils,
        "iqi": _iqi,
        "bonds": _bonds,
        "line_groups": _line_groups,
        "star": _star,
    },
    "unseen": {"single": _single, "mesh": _mesh, "coil": _coils, "rings": _rings, "line_groups": _line_groups},
}
