"""Flat things: stepped and slanted plates, slots, drilled holes, shims, long faint edges on even ground."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coldray.objects._scene import Map, Ranges, Scene, broken
from coldray.objects._visibility import depth_for

METALS = ("Al", "Fe", "Cu", "Ni", "mold_compound", "FR4", "Al2O3")
"""Of a plate; steel, aluminium, copper, nickel, polymer, laminate and ceramic."""

SEEN: Ranges = {
    "signal": (0.03, 0.95),  # behind the plate; assumed
    "faint": (0.005, 0.05),  # relative step of a long edge; marks of the faint-detail study
    "contrast": (0.01, 0.6),  # relative change of other steps; assumed
    "edges": (1, 7),  # assumed
    "steps": (3, 14),  # ASTM step wedges have 5 to 12
    "step_mm": (0.8, 6.0),  # assumed
    "shims": (8, 120),  # assumed
    "shim_mm": (0.3, 9.0),  # assumed
    "slot_mm": (0.06, 1.2),  # slitting saws and end mills of 0.06 mm up
    "slot_length_mm": (1.5, 16.0),  # assumed
    "slots": (3, 30),  # assumed
    "sets": (1, 4),  # of slots or holes; assumed
    "hole_mm": (0.12, 2.5),  # drills of 0.1 mm up; EN ISO 19232-2 holes are 0.125 to 6.3 mm
    "holes": (6, 150),  # assumed
    "ramp": (0.02, 0.8),  # relative fall of the signal across the field; assumed
    "ramps": (1, 4),  # assumed
    "wave_mm": (4.0, 20.0),  # waviness of rolled sheet; assumed
    "wave": (0.002, 0.03),  # relative change of the signal; assumed
}
UNSEEN: Ranges = {
    # assumed, as all that follows: beyond what training draws from
    **SEEN,
    "edges": (8, 12),
    "steps": (3, 6),
    "step_mm": (6.0, 9.0),
    "wave_mm": (2.0, 4.0),
    "plaque_mm": (3.0, 9.0),  # ASTM E1025 plaques have holes of 1, 2 and 4 times their thickness
    "plaques": (2, 5),
    "arc_mm": (6.0, 40.0),
}


def ground(scene: Scene) -> tuple[str, float]:
    """Lay an even plate over the whole field, one time in two a little wavy.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    material : str
    signal : float
        Behind the plate, fraction of the open beam.
    """
    material, signal = scene.one_of(METALS), scene.flat("signal")
    plate = scene.map(material)
    plate += np.float32(depth_for(material, signal))
    if scene.chance(0.5):
        wave = scene.step_for(material, signal, scene.log("wave"))
        plate += np.float32(wave) * scene.surface(scene.log("wave_mm"))
    return material, signal


def _outer_edges(scene: Scene, plate: Map) -> None:
    """One time in two the plate ends inside the field, on one side or two."""
    if scene.chance(0.5):
        for _ in range(int(scene.rng.integers(1, 3))):
            angle = scene.angle()
            off = scene.rng.uniform(0.15, 0.45)
            middle = (scene.width * (0.5 - off * np.cos(angle)), scene.height * (0.5 - off * np.sin(angle)))
            plate *= scene.half(angle, middle)


def _faint_edges(scene: Scene) -> None:
    """Long straight edges of 0.5 to 5 %, thicker or thinner, across even ground."""
    material, signal = ground(scene)
    plate = scene.map(material)
    for _ in range(scene.count("edges")):
        step = scene.step_for(material, signal, scene.log("faint"))
        sign = 1 if scene.chance(0.5) else -1
        plate += np.float32(sign * step) * scene.half(scene.angle(), scene.spot())


def _stepped(scene: Scene) -> None:
    """Parallel steps: a wedge, or terraces up and down."""
    material, signal = scene.one_of(METALS), scene.flat("signal")
    count = scene.count("steps")
    other = scene.flat("signal")
    levels = np.exp(np.linspace(np.log(signal), np.log(other), count + 1))
    if scene.chance(0.5):
        levels = np.exp(scene.rng.uniform(np.log(min(signal, other)), np.log(max(signal, other) + 1e-3), count + 1))
    depths = np.array([depth_for(material, float(s)) for s in levels])
    width = scene.log("step_mm")
    places = (np.arange(count) - (count - 1) / 2) * width
    if scene.chance(0.4):
        places = np.sort(places + scene.rng.uniform(-0.4, 0.4, count) * width)
    # faces: sharp, or slanted by a draft
    draft = 0.0 if scene.chance(0.6) else float(scene.rng.uniform(0.05, 0.6)) * width

    def thickness(d: np.ndarray) -> np.ndarray:
        if draft == 0:
            return np.asarray(depths[np.searchsorted(places, d)])
        at = np.stack([places - draft / 2, places + draft / 2], axis=1).ravel()
        return np.interp(d, np.maximum.accumulate(at), np.repeat(depths, 2)[1:-1])

    plate = scene.map(material)
    plate += scene.profile(scene.across(scene.angle(), scene.spot(0.35)), thickness)
    _outer_edges(scene, plate)


def _slanted(scene: Scene) -> None:
    """Tapered faces: ramps over the whole field, chamfers and shallow V grooves."""
    material, signal = ground(scene)
    plate = scene.map(material)
    for _ in range(scene.count("ramps")):
        angle, fall = scene.angle(), scene.log("ramp")
        height = scene.step_for(material, signal, fall)
        length = scene.extent * float(np.exp(scene.rng.uniform(np.log(0.03), np.log(1.2))))
        start = float(scene.rng.uniform(-0.5, 0.3)) * scene.extent
        shape = scene.one_of(("ramp", "groove", "ridge", "roof"))
        sign = -1.0 if shape == "groove" else 1.0

        def face(d: np.ndarray, start: float = start, length: float = length, shape: str = shape) -> np.ndarray:
            u = (d - start) / length
            return np.clip(u, 0, 1) if shape == "ramp" else np.clip(1 - np.abs(2 * u - 1), 0, 1)

        plate += np.float32(sign * height) * scene.profile(scene.across(angle), face)
    np.maximum(plate, 0, out=plate)
    _outer_edges(scene, plate)


def _shims(scene: Scene) -> None:
    """Pieces of sheet on each other: rectangles and discs of any thickness, pockets among them."""
    material, signal = ground(scene)
    for _ in range(scene.many("shims")):
        kind = scene.one_of(("rectangle", "rectangle", "disc"))
        own = material if scene.chance(0.7) else scene.one_of(METALS)
        x, y = scene.spot(0)
        step = scene.step_for(own, signal, scene.log("contrast"))
        width = scene.log("shim_mm")
        height = width if kind == "disc" else scene.log("shim_mm")
        corner = width / 2 if kind == "disc" else float(scene.rng.uniform(0, 0.2)) * min(width, height)
        turn = scene.angle()
        if own != material or scene.chance(0.6):
            scene.add_sheet(own, x, y, (width, height), turn, step, corner)
        elif found := scene.sheet(x, y, (width, height), turn, corner):
            scene.cut(material, found[0], np.float32(step) * found[1])


def _slots(scene: Scene) -> None:
    """Machined slots: sets of equal ones, and single ones of any width, depth and direction."""
    material, signal = ground(scene)
    thickness = depth_for(material, signal)
    for _ in range(scene.count("sets")):
        width, length, angle = scene.log("slot_mm"), scene.log("slot_length_mm"), scene.angle()
        count = scene.count("slots")
        step = width * float(np.exp(scene.rng.uniform(np.log(1.6), np.log(12))))
        places, was = broken((np.arange(count) - (count - 1) / 2) * step, step, scene.rng)
        scene.note_broken(was)
        x, y = scene.spot(0.2)
        rising = scene.chance(0.4)
        deepest = float(np.exp(scene.rng.uniform(np.log(0.02), 0))) * thickness
        for number, place in enumerate(places):
            deep = deepest * ((number + 1) / len(places) if rising else 1.0)
            _slot(scene, material, (x + place * np.cos(angle), y + place * np.sin(angle)), (width, length), angle, deep)
    for _ in range(scene.count("slots")):
        size = (scene.log("slot_mm"), scene.log("slot_length_mm"))
        deep = float(np.exp(scene.rng.uniform(np.log(0.01), 0))) * thickness
        _slot(scene, material, scene.spot(0), size, scene.angle(), deep)
    _outer_edges(scene, scene.map(material))


def _slot(
    scene: Scene, material: str, centre: tuple[float, float], size: tuple[float, float], angle: float, deep: float
) -> None:
    corner = size[0] / 2 if scene.chance(0.5) else 0.0
    found = scene.sheet(*centre, size, angle, corner)
    if found is not None:
        scene.cut(material, found[0], np.float32(deep) * found[1])


def _holes(scene: Scene) -> None:
    """Drilled holes of any depth, flat or with the drill's 118 degree tip, in grids or anywhere."""
    material, signal = ground(scene)
    thickness = depth_for(material, signal)
    for _ in range(scene.count("sets")):
        count, tipped = scene.count("holes"), scene.chance(0.4)
        if scene.chance(0.5):
            diameter, side = scene.log("hole_mm"), int(np.ceil(np.sqrt(count)))
            places, was = broken(*scene.grid(side, diameter * float(scene.rng.uniform(1.4, 5))), scene.rng)
            scene.note_broken(was)
            places = scene.turned(places, scene.angle(), scene.spot(0.2))
            depths = np.full(len(places), float(np.exp(scene.rng.uniform(np.log(0.01), 0))) * thickness)
            sizes = np.full(len(places), diameter)
        else:
            places = np.array([scene.spot(0) for _ in range(count)])
            depths = np.exp(scene.rng.uniform(np.log(0.01), 0, count)) * thickness
            sizes = np.array([scene.log("hole_mm") for _ in range(count)])
        for (x, y), size, deep in zip(places, sizes, depths, strict=True):
            _hole(scene, material, x, y, size, deep, tipped and deep < thickness)
    _outer_edges(scene, scene.map(material))


def _hole(scene: Scene, material: str, x: float, y: float, size: float, deep: float, tipped: bool) -> None:
    r = size / 2
    if scene.outside(x, y, r):
        return
    slope = float(np.tan(np.radians(31)))  # half of 180 - 118 degrees

    def bore(d: np.ndarray) -> np.ndarray:
        return (d <= r) * (deep - (slope * d if tipped else 0)).clip(0) if tipped else deep * (d <= r)

    found = scene.radial_cover(x, y, ("hole", r, deep, tipped), r, bore)
    if found is not None:
        scene.cut(material, *found)


def _plaques(scene: Scene) -> None:
    """Hole plaques on a plate, after ASTM E1025: holes of one, two and four times their thickness."""
    material, signal = ground(scene)
    for _ in range(scene.count("plaques")):
        width, turn = scene.log("plaque_mm"), scene.angle()
        x, y = scene.spot(0.15)
        thick = scene.step_for(material, signal, scene.log("contrast"))
        scene.add_sheet(material, x, y, (3 * width, width), turn, thick)
        for place, times in ((-1.0, 4), (0.0, 1), (1.0, 2)):
            hole = min(max(times * thick, 0.05 * width), 0.7 * width)
            at = (x + place * width * np.cos(turn), y + place * width * np.sin(turn))
            _hole(scene, material, *at, hole, thick, False)


def _arcs(scene: Scene) -> None:
    """Long faint edges along circles."""
    material, signal = ground(scene)
    plate = scene.map(material)
    for _ in range(scene.count("edges")):
        radius, angle = scene.log("arc_mm"), scene.angle()
        rim = scene.spot()
        centre = (rim[0] + radius * np.cos(angle), rim[1] + radius * np.sin(angle))
        away = np.hypot(scene.x - np.float32(centre[0]), scene.y - np.float32(centre[1]))
        step = scene.step_for(material, signal, scene.log("faint"))
        sign = 1 if scene.chance(0.5) else -1
        plate += np.float32(sign * step) * np.clip((radius - away) / scene.pitch + 0.5, 0, 1).astype(np.float32)


VARIANTS: dict[str, dict[str, Callable[[Scene], None]]] = {
    "seen": {
        "faint_edges": _faint_edges,
        "stepped": _stepped,
        "slanted": _slanted,
        "shims": _shims,
        "slots": _slots,
        "holes": _holes,
    },
    "unseen": {"faint_edges": _faint_edges, "stepped": _stepped, "plaques": _plaques, "arcs": _arcs},
}
