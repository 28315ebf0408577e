"""Cast parts: curved walls, ribs and bosses, with pores, shrinkage sponge, cold shuts and dense inclusions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coldray.objects._scene import Map, Ranges, Scene
from coldray.objects._visibility import depth_for

METALS = ("Al", "Al", "Fe", "Cu", "mold_compound", "Al2O3", "Ni")
"""Light alloy, iron, brass and bronze as copper, mouldings, ceramics, nickel alloy."""
DENSER = ("Fe", "Cu", "W", "Sn63Pb37", "Al2O3", "Ag")

SEEN: Ranges = {
    "signal": (0.04, 0.85),  # behind the mean wall; assumed
    "wall_mm": (4.0, 16.0),  # grain of the wall's curvature; assumed
    "wall": (0.03, 0.35),  # relative spread of the wall's thickness; assumed
    "rough_mm": (0.08, 0.4),  # sand grain
    "rough": (0.001, 0.012),  # relative to the wall: Ra 3 to 50 um on walls of 4 to 30 mm
    "ribs": (1, 9),  # assumed
    "rib_mm": (0.4, 3.5),  # assumed
    "rib": (0.08, 0.9),  # height over wall; assumed
    "bosses": (1, 10),  # assumed
    "boss_mm": (1.5, 7.0),  # assumed
    "pipe_mm": (3.0, 16.0),  # outer diameter; assumed
    "pipe_wall": (0.06, 0.4),  # wall over outer diameter; assumed
    "pores": (3, 120),  # ASTM E505 plates of gas porosity hold a few to hundreds
    "pore_mm": (0.06, 1.6),  # ASTM E505
    "clouds": (1, 4),  # assumed
    "cloud_mm": (1.5, 8.0),  # ASTM E155 sponge shrinkage
    "sponge_mm": (0.08, 0.5),  # grain of the sponge; assumed
    "sponge": (0.02, 0.4),  # share of the wall that is missing in it; assumed
    "shuts": (0, 4),
    "shut_mm": (0.04, 0.4),  # width of a cold shut; assumed
    "shut_length_mm": (2.0, 14.0),  # assumed
    "shut": (0.005, 0.25),  # depth over wall; assumed
    "inclusions": (0, 12),
    "inclusion_mm": (0.05, 1.2),  # ASTM E155 foreign material
}
UNSEEN: Ranges = {
    # assumed, as all that follows: beyond what training draws from
    **SEEN,
    "wall_mm": (2.0, 4.0),
    "cloud_mm": (8.0, 11.0),
    "shut_mm": (0.4, 0.6),
    "blades": (1, 3),
    "channel_mm": (0.5, 2.0),  # cooling channels
    "spokes": (3, 8),
}


def _many(scene: Scene, name: str) -> int:
    """A whole number, uniform over a range that may start at 0."""
    low, high = scene.ranges[name]
    return int(scene.rng.integers(int(low), int(high) + 1))


def _skin(scene: Scene, body: Map) -> None:
    """Roughness of the mould, relative to the wall."""
    body *= 1 + np.float32(scene.log("rough")) * scene.surface(scene.log("rough_mm"))


def _wall(scene: Scene) -> tuple[str, float]:
    """A wall that swells and thins smoothly; one time in two its outline ends inside the field."""
    material = scene.one_of(METALS)
    thickness = depth_for(material, scene.flat("signal"))
    body = scene.map(material)
    body += np.float32(thickness) * np.maximum(1 + scene.flat("wall") * scene.surface(scene.log("wall_mm")), 0.1)
    if scene.chance(0.5):
        grain = scene.log("wall_mm")
        height = scene.surface(grain) + np.float32(scene.rng.uniform(0.2, 1.2))
        # a rounded rim: falls to nothing like a circle over a fillet
        fillet = np.float32(scene.rng.uniform(0.02, 0.4))
        u = np.clip(height / fillet, 0, 1)
        body *= np.sqrt(np.maximum(u * (2 - u), 0))
    return material, thickness


def _ribs(scene: Scene, material: str, thickness: float) -> None:
    body = scene.map(material)
    count, crossed = scene.count("ribs"), scene.chance(0.4)
    angle, width, high = scene.angle(), scene.log("rib_mm"), scene.flat("rib") * thickness
    curved = scene.chance(0.5)
    step = width * float(scene.rng.uniform(2, 8))
    for number in range(count):
        turn = angle + (np.pi / 2 if crossed and number % 2 else 0.0)
        d = scene.across(turn, scene.spot(0.3)) - np.float32((number // (1 + crossed) - count / 4) * step)
        if curved:
            bend = float(scene.rng.normal(0, 0.3)) / scene.extent
            d = d + np.float32(bend) * scene.across(turn + np.pi / 2) ** 2
        draft = float(scene.rng.uniform(0.1, 0.6)) * width

        def section(s: NDArray[np.float64], draft: float = draft) -> NDArray[np.float64]:
            u = np.clip((width / 2 + draft - np.abs(s)) / draft, 0, 1)
            return np.asarray(u * u * (3 - 2 * u))

        body += np.float32(high) * scene.profile(d, section)


def _bosses(scene: Scene, material: str, thickness: float) -> None:
    """Round bosses with fillets, most of them bored."""
    for _ in range(scene.many("bosses")):
        x, y = scene.spot(0)
        r, high = scene.log("boss_mm") / 2, scene.flat("rib") * thickness
        fillet = r * float(scene.rng.uniform(0.05, 0.5))
        found = scene.around(x, y, r + fillet + scene.pitch)
        if found is None:
            continue
        window, away = found
        u = np.clip((r + fillet - away) / fillet, 0, 1)
        body = scene.map(material)[window]
        body += np.float32(high) * (u * u * (3 - 2 * u)).astype(np.float32)
        if scene.chance(0.6):
            bore = r * float(scene.rng.uniform(0.2, 0.7))
            deep = 1.0 if scene.chance(0.5) else float(scene.rng.uniform(0.1, 0.9))
            body *= 1 - np.float32(deep) * np.clip((bore - away) / scene.pitch + 0.5, 0, 1).astype(np.float32)


def pores(scene: Scene, material: str, largest: float) -> None:
    """Gas pores: spheres anywhere, or gathered, none larger than a share of the wall."""
    count = scene.count("pores")
    middle, spread = scene.spot(0.2), scene.extent * float(np.exp(scene.rng.uniform(np.log(0.04), np.log(0.6))))
    gathered = scene.chance(0.4)
    for _ in range(count):
        x, y = scene.spot(0) if not gathered else (m + float(scene.rng.normal(0, spread)) for m in middle)
        scene.pore(material, x, y, min(scene.log("pore_mm"), largest))


def _sponge(scene: Scene, material: str) -> None:
    """Clouds of ragged voids."""
    for _ in range(scene.count("clouds")):
        x, y = scene.spot(0)
        width, angle = scene.log("cloud_mm"), scene.angle()
        lean = float(scene.rng.uniform(1, 3))
        holes = np.maximum(scene.surface(scene.log("sponge_mm")) - np.float32(scene.rng.uniform(-0.5, 0.8)), 0)
        u, v = scene.across(angle, (x, y)) / width, scene.across(angle + np.pi / 2, (x, y)) / (width / lean)
        cloud = np.exp(-2 * (u * u + v * v)).astype(np.float32)
        scene.map(material)[...] *= np.maximum(1 - np.float32(scene.log("sponge")) * holes * cloud, 0.02)


def _shuts(scene: Scene, material: str, thickness: float) -> None:
    """Cold shuts: curved grooves that fade out at their ends."""
    for _ in range(_many(scene, "shuts")):
        length, width, deep = scene.log("shut_length_mm"), scene.log("shut_mm"), scene.log("shut") * thickness
        s = np.linspace(0, length, 40)
        off = scene.curve(length, 0.4 * length)(s) * 0.12 * length
        angle, (x, y) = scene.angle(), scene.spot()
        points = np.stack([x + s * np.cos(angle) - off * np.sin(angle), y + s * np.sin(angle) + off * np.cos(angle)], 1)
        fade = np.sin(np.pi * (np.arange(39) + 0.5) / 39)
        groove = np.zeros(scene.shape, np.float32)
        scene.stroke(points, width * (0.3 + 0.7 * fade), deep * fade, groove)
        scene.cut(material, (slice(None), slice(None)), groove)


def _inclusions(scene: Scene) -> None:
    """Grains of something denser."""
    for _ in range(_many(scene, "inclusions")):
        size = scene.log("inclusion_mm")
        axes = (size, size * float(scene.rng.uniform(0.3, 1)), size * float(scene.rng.uniform(0.1, 0.8)))
        scene.grain(scene.one_of(DENSER), *scene.spot(0), axes, scene.angle())


def _flaws(scene: Scene, material: str, thickness: float) -> None:
    """What can be wrong with a casting: each of four, three times in five."""
    if scene.chance(0.6):
        pores(scene, material, 0.8 * thickness)
    if scene.chance(0.6):
        _sponge(scene, material)
    if scene.chance(0.6):
        _shuts(scene, material, thickness)
    if scene.chance(0.6):
        _inclusions(scene)


def _ribbed(scene: Scene) -> None:
    """Curved wall with ribs and bosses."""
    material, thickness = _wall(scene)
    if scene.chance(0.8):
        _ribs(scene, material, thickness)
    if scene.chance(0.8):
        _bosses(scene, material, thickness)
    _skin(scene, scene.map(material))
    _flaws(scene, material, thickness)


def _bare(scene: Scene) -> None:
    """Curved wall alone, with its flaws."""
    material, thickness = _wall(scene)
    _skin(scene, scene.map(material))
    _flaws(scene, material, thickness)


def tube(outer: float, inner: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Path through a tube across its axis against the distance from that axis, both diameters and results [mm]."""

    def path(d: NDArray[np.float64]) -> NDArray[np.float64]:
        far, near = (np.sqrt(np.maximum(r * r / 4 - d * d, 0)) for r in (outer, inner))
        return np.asarray(2 * (far - near))

    return path


def _pipes(scene: Scene) -> None:
    """Tubes, straight or bent, some with a core of another wall."""
    material = scene.one_of(METALS)
    for _ in range(int(scene.rng.integers(1, 4))):
        outer = scene.log("pipe_mm")
        inner = outer * (1 - 2 * scene.flat("pipe_wall"))
        # no thicker than the beam can cross: other tubes are drawn flat-oval
        oval = min(1.0, depth_for(material, 0.02) / float(tube(outer, inner)(np.array([inner / 2]))[0]))
        angle = scene.angle()
        d = scene.across(angle, scene.spot(0.1))
        if scene.chance(0.5):
            d = d + np.float32(scene.rng.normal(0, 0.5) / scene.extent) * scene.across(angle + np.pi / 2) ** 2
        scene.map(material)[...] += np.float32(oval) * scene.profile(d, tube(outer, inner))
    if scene.chance(0.5):
        _bosses(scene, material, depth_for(material, scene.flat("signal")))
    _skin(scene, scene.map(material))
    _flaws(scene, material, 0.2 * float(scene.map(material).max()))


def _blades(scene: Scene) -> None:
    """Hollow blades: a cambered profile along one direction with rows of cooling channels."""
    material = scene.one_of(("Ni", "Al", "Fe"))
    thickness = depth_for(material, scene.flat("signal"))
    body = scene.map(material)
    for _ in range(scene.count("blades")):
        angle, chord = scene.angle(), scene.extent * float(scene.rng.uniform(0.25, 0.7))
        middle = scene.spot(0.3)
        d, s = scene.across(angle, middle), scene.across(angle + np.pi / 2, middle)
        u = np.clip((d + np.float32(0.1 / scene.extent) * s * s) / np.float32(chord) + np.float32(0.5), 0, 1)
        body += np.float32(2.2 * thickness) * np.sqrt(u) * (1 - u)
        step = scene.log("channel_mm") * 2.2
        for number in range(int(0.7 * chord / step)):
            at = d - np.float32((number + 0.5) * step - 0.3 * chord)
            body -= np.float32(0.5) * scene.profile(at, tube(step / 2.2, 0.0))
        np.maximum(body, 0, out=body)
    _flaws(scene, material, thickness)


def _wheels(scene: Scene) -> None:
    """Hub, spokes and rim."""
    material = scene.one_of(METALS)
    thickness = depth_for(material, scene.flat("signal"))
    x, y = scene.spot(0.2)
    radius = scene.extent * float(scene.rng.uniform(0.3, 0.7))
    away = np.hypot(scene.x - np.float32(x), scene.y - np.float32(y))
    body = scene.map(material)

    def ring(d: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(-(((d - radius) / (0.06 * radius)) ** 4)) + np.exp(-((d / (0.25 * radius)) ** 4)))

    body += np.float32(thickness) * scene.profile(away, ring)
    spokes, turn = scene.count("spokes"), float(scene.rng.uniform(0, 6))
    for number in range(spokes):
        a = turn + 2 * np.pi * number / spokes
        points = np.array([[x, y], [x + radius * np.cos(a), y + radius * np.sin(a)]])
        scene.stroke(points, 0.1 * radius, 0.7 * thickness, body)
    _skin(scene, body)
    _flaws(scene, material, thickness)


VARIANTS: dict[str, dict[str, Callable[[Scene], None]]] = {
    "seen": {"ribbed": _ribbed, "wall": _bare, "pipes": _pipes},
    "unseen": {"wall": _bare, "blades": _blades, "wheels": _wheels},
}
