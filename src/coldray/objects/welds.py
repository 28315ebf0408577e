"""Welded plates: rippled beads with undercut, lack of fusion, branching cracks, porosity and slag."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coldray.objects._material_defects import crack_lines
from coldray.objects._scene import Map, Ranges, Scene
from coldray.objects._visibility import depth_for

METALS = ("Fe", "Fe", "Al", "Al", "Ni", "Cu")

SEEN: Ranges = {
    "signal": (0.04, 0.8),  # behind the plate; assumed
    "bead_mm": (1.5, 8.0),  # EN ISO 5817: caps of joints of 1 to 10 mm
    "cap": (0.05, 0.6),  # height over the plate; EN ISO 5817 allows 0.1 to 0.25 of the width
    "ripple_mm": (0.2, 1.6),  # travel per freezing ripple; assumed
    "ripple": (0.01, 0.15),  # over the cap; assumed
    "wander_mm": (3.0, 15.0),  # grain of an uneven seam; assumed
    "wander": (0.0, 0.12),  # of the width; assumed
    "rolled_mm": (3.0, 15.0),  # waviness of the sheet; assumed
    "rolled": (0.001, 0.015),  # of the thickness; assumed
    "undercut": (0.01, 0.25),  # depth over plate; EN ISO 5817 rejects from 0.05
    "undercut_mm": (0.08, 0.5),  # width; assumed
    "fusion": (0.005, 0.3),  # depth of a lack of fusion over plate; assumed
    "fusion_mm": (0.03, 0.35),  # width; assumed
    "crack": (0.003, 0.6),  # depth over plate: contrast-to-noise of about 1 to 100 at 1 s
    "crack_mm": (0.008, 0.15),  # opening; assumed
    "crack_length_mm": (1.0, 9.0),  # assumed
    "cracks": (1, 6),  # assumed
    "pores": (4, 80),  # EN ISO 5817 porosity, uniform, clustered and linear
    "pore_mm": (0.06, 1.2),  # EN ISO 5817
    "worm_mm": (0.6, 3.0),  # assumed
    "worms": (1, 8),  # assumed
    "slag_mm": (0.2, 2.5),  # assumed
    "slags": (1, 10),  # assumed
    "spatter": (2, 40),  # assumed
    "spatter_mm": (0.08, 0.8),  # assumed
}
UNSEEN: Ranges = {
    # assumed, as all that follows: beyond what training draws from
    **SEEN,
    "bead_mm": (8.0, 12.0),
    "ripple_mm": (1.6, 2.6),
    "worm_mm": (3.0, 4.5),
    "spot_mm": (1.5, 4.0),  # resistance spots of 4 to 5 times the root of the sheet
    "spots": (4, 20),
    "pipe_mm": (6.0, 14.0),
}


class Seam:
    """A seam: coordinates along and across it, and where a point of it lies in the field."""

    def __init__(self, scene: Scene, middle: tuple[float, float], angle: float, width: float) -> None:
        self.scene, self.middle, self.angle, self.width = scene, middle, angle, width
        self.length = 1.5 * scene.extent
        self._off = scene.curve(self.length, scene.log("wander_mm"))
        self._amount = scene.flat("wander") * width
        self.along = scene.across(angle, middle)
        self.off = scene.across(angle + np.pi / 2, middle) - scene.profile(self.along, self.wander).astype(np.float32)

    def wander(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sideways deviation of the seam at a distance along it [mm]."""
        return np.asarray(self._amount * self._off(s + self.length / 2))

    def point(self, s: float, off: float) -> tuple[float, float]:
        """Field coordinates (x, y) of a place along and across the seam [mm]."""
        off = off + float(self.wander(np.array([s]))[0])
        c, n = np.cos(self.angle), np.sin(self.angle)
        return self.middle[0] + s * c - off * n, self.middle[1] + s * n + off * c

    def somewhere(self, spread: float) -> tuple[float, float]:
        """A place along the visible seam, and within a share of the width across it."""
        rng = self.scene.rng
        return float(rng.uniform(-0.5, 0.5)) * self.scene.extent, float(rng.uniform(-0.5, 0.5)) * spread * self.width


def bead(scene: Scene, seam: Seam, cap: float) -> Map:
    """Cap of a bead: a parabola across, with crescent ripples of freezing along it [mm]."""
    u = seam.off * np.float32(2 / seam.width)
    shape = np.maximum(1 - u * u, 0)
    step, amount = scene.log("ripple_mm"), scene.log("ripple")
    crescent = float(scene.rng.uniform(0.2, 1.0)) * seam.width * (1 if scene.chance(0.5) else -1)
    jitter = scene.curve(3 * scene.extent, 1.5 * step)

    def ripple(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sin(2 * np.pi * s / step + 0.7 * jitter(s + 1.5 * scene.extent)))

    waves = scene.profile(seam.along + np.float32(crescent) * u * u * (np.abs(u) < 1), ripple)
    return np.asarray(np.float32(cap) * (np.sqrt(shape) * 0.35 + 0.65 * shape) * (1 + np.float32(amount) * waves))


def _sheet(scene: Scene) -> tuple[str, float]:
    """Plate or two plates of unequal thickness."""
    material, signal = scene.one_of(METALS), scene.flat("signal")
    thickness = depth_for(material, signal)
    body = scene.map(material)
    body += np.float32(thickness)
    body *= 1 + np.float32(scene.log("rolled")) * scene.surface(scene.log("rolled_mm"))
    return material, thickness


def _weld(scene: Scene) -> tuple[str, float, Seam]:
    """A plate with one to three beads of a seam, and its cut edges."""
    material, thickness = _sheet(scene)
    body = scene.map(material)
    seam = Seam(scene, scene.spot(0.3), scene.angle(), scene.log("bead_mm"))
    if scene.chance(0.3):
        # two sheets of different thickness meet under the bead
        body *= 1 - np.float32(scene.rng.uniform(0.02, 0.5)) * np.clip(seam.off / np.float32(scene.pitch) + 0.5, 0, 1)
    body += bead(scene, seam, scene.log("cap") * thickness)
    if scene.chance(0.4):
        body += bead(scene, Seam(scene, seam.point(0, float(scene.rng.uniform(-0.4, 0.4)) * seam.width), seam.angle,
                                 seam.width * float(scene.rng.uniform(0.4, 0.9))), scene.log("cap") * thickness)  # fmt: skip
    return material, thickness, seam


def _cracks(scene: Scene, material: str, thickness: float, seam: Seam) -> None:
    """Along the seam, across it, or from its end crater in all directions."""
    opened = np.zeros(scene.shape, np.float32)
    for _ in range(scene.count("cracks")):
        turn = float(scene.rng.choice([0.0, np.pi / 2])) + float(scene.rng.normal(0, 0.2))
        place = seam.point(*seam.somewhere(1.4))
        deep = scene.log("crack") * thickness
        size = (scene.log("crack_length_mm"), scene.log("crack_mm"))
        for points, share in crack_lines(place, seam.angle + turn, size[0], scene.rng):
            scene.stroke(points, size[1] * share, deep * share, opened)
    scene.cut(material, (slice(None), slice(None)), opened)


def _undercut(scene: Scene, material: str, thickness: float, seam: Seam) -> None:
    """A groove that comes and goes along one toe of the bead, or both."""
    depth, width = scene.log("undercut") * thickness, scene.log("undercut_mm")
    for side in (-1, 1) if scene.chance(0.4) else (int(scene.rng.choice([-1, 1])),):
        course = scene.curve(2 * scene.extent, scene.log("wander_mm") / 2)
        present = scene.profile(seam.along, lambda s, f=course: np.clip(f(s + scene.extent), 0, 1))  # type: ignore[misc]
        toe = (seam.off - np.float32(side * seam.width / 2)) / np.float32(width / 2)
        groove = np.exp(-np.minimum(toe * toe, 30)) * present * np.float32(depth)
        scene.cut(material, (slice(None), slice(None)), groove.astype(np.float32))


def _fusion(scene: Scene, material: str, thickness: float, seam: Seam) -> None:
    """Lack of fusion: straight, parallel to the seam, sharp on one side."""
    missing = np.zeros(scene.shape, np.float32)
    for _ in range(int(scene.rng.integers(1, 5))):
        s, off = seam.somewhere(0.9)
        length = scene.log("crack_length_mm")
        points = np.array([seam.point(s + t, off) for t in np.linspace(-0.5, 0.5, 9) * length])
        scene.stroke(points, scene.log("fusion_mm"), scene.log("fusion") * thickness, missing)
    scene.cut(material, (slice(None), slice(None)), missing)


def _porosity(scene: Scene, material: str, thickness: float, seam: Seam) -> None:
    """Pores all along, in a chain, or in a nest."""
    form, count = scene.one_of(("uniform", "chain", "nest")), scene.count("pores")
    s0, off0 = seam.somewhere(0.5)
    step, spread = seam.width * float(scene.rng.uniform(0.05, 0.4)), seam.width * float(scene.rng.uniform(0.1, 0.5))
    for number in range(count):
        if form == "uniform":
            place = seam.somewhere(0.9)
        elif form == "chain":
            place = (s0 + (number - count / 2) * step * float(scene.rng.uniform(0.8, 1.2)), off0)
        else:
            place = (s0 + float(scene.rng.normal(0, spread)), off0 + float(scene.rng.normal(0, 0.5 * spread)))
        scene.pore(material, *seam.point(*place), min(scene.log("pore_mm"), 0.7 * thickness))
    for _ in range(scene.count("worms") if scene.chance(0.4) else 0):
        length = scene.log("worm_mm")
        thin = min(length * float(scene.rng.uniform(0.1, 0.3)), 0.6 * thickness)
        turn = seam.angle + float(scene.rng.normal(np.pi / 3, 0.2)) * float(scene.rng.choice([-1, 1]))
        scene.hollow(material, *seam.point(*seam.somewhere(0.8)), (length, thin, thin), turn)


def _slag(scene: Scene, material: str, thickness: float, seam: Seam) -> None:
    """Slag, lighter than the metal and drawn out along the seam; tungsten, denser; spatter on the plate."""
    for _ in range(scene.count("slags")):
        length = scene.log("slag_mm")
        axes = (length, length * float(scene.rng.uniform(0.15, 0.6)), float(scene.rng.uniform(0.02, 0.4)) * thickness)
        place, turn = seam.point(*seam.somewhere(0.9)), seam.angle + float(scene.rng.normal(0, 0.15))
        if scene.chance(0.75):
            scene.hollow(material, *place, axes, turn)
        else:
            size = 0.15 * length
            scene.grain("W", *place, (size, size, 0.6 * size), turn)
    for _ in range(scene.count("spatter") if scene.chance(0.5) else 0):
        size = scene.log("spatter_mm")
        scene.grain(material, *scene.spot(0), (size, size, 0.6 * size))


def _flaws(scene: Scene, material: str, thickness: float, seam: Seam) -> None:
    """What can be wrong with a weld: each of five, one time in two."""
    for flaw in (_undercut, _fusion, _cracks, _porosity, _slag):
        if scene.chance(0.5):
            flaw(scene, material, thickness, seam)


def _butt(scene: Scene) -> None:
    """Butt weld in a plate."""
    _flaws(scene, *_weld(scene))


def _cracked(scene: Scene) -> None:
    """Butt weld with cracks, and little else."""
    material, thickness, seam = _weld(scene)
    for _ in range(2):
        _cracks(scene, material, thickness, seam)


def _overlay(scene: Scene) -> None:
    """Cladding: bead beside bead."""
    material, thickness = _sheet(scene)
    width, angle = scene.log("bead_mm"), scene.angle()
    count = int(np.clip(scene.extent / width, 2, 8))
    cap, (x, y) = scene.log("cap") * thickness, scene.spot(0.3)
    for number in range(count):
        off = (number - count / 2) * width * 0.7
        seam = Seam(scene, (x - off * np.sin(angle), y + off * np.cos(angle)), angle, width)
        scene.map(material)[...] += bead(scene, seam, cap)
    _flaws(scene, material, thickness, seam)


def _spots(scene: Scene) -> None:
    """Resistance spots in a lap joint: dents with a nugget, pores inside."""
    material, thickness = _sheet(scene)
    body = scene.map(material)
    angle, middle = scene.angle(), scene.spot(0.35)
    off = scene.across(angle, middle)
    body *= 1 + np.clip((scene.extent * 0.12 - np.abs(off)) / np.float32(scene.pitch) + 0.5, 0, 1)
    count, size = scene.count("spots"), scene.log("spot_mm")
    for number in range(count):
        s = (number - count / 2) * size * 2 + float(scene.rng.normal(0, 0.1)) * size
        x, y = middle[0] - s * np.sin(angle), middle[1] + s * np.cos(angle)
        away = np.hypot(scene.x - np.float32(x), scene.y - np.float32(y)) / np.float32(size / 2)
        body *= 1 - np.float32(0.12) * np.exp(-(away**8)) + np.float32(0.05) * np.exp(-(((away - 1.1) / 0.1) ** 2))
        for _ in range(int(scene.rng.poisson(1))):
            at = scene.rng.normal(0, 0.15, 2) * size
            scene.pore(material, x + at[0], y + at[1], min(scene.log("pore_mm"), 0.5 * thickness))


def _girth(scene: Scene) -> None:
    """Ring weld of a tube seen through both walls: the bead shows as an ellipse."""
    material, thickness = _sheet(scene)
    body = scene.map(material)
    angle, middle, radius = scene.angle(), scene.spot(0.35), scene.log("pipe_mm")
    s, off = scene.across(angle, middle), scene.across(angle + np.pi / 2, middle)
    body *= np.abs(s) < radius
    wall = np.sqrt(np.maximum(1 - (s / np.float32(radius)) ** 2, np.float32(0.02)))
    body /= np.maximum(wall, np.float32(0.25))
    width, open_by = scene.log("bead_mm") / 2, float(scene.rng.uniform(0.05, 0.5)) * radius
    for side in (-1, 1):
        u = (off - np.float32(side * open_by) * wall) * np.float32(2 / width)
        body += np.float32(scene.log("cap") * thickness) * np.maximum(1 - u * u, 0) * (np.abs(s) < radius)
    for _ in range(scene.count("pores")):
        t = float(scene.rng.uniform(-0.9, 0.9)) * radius
        o = float(scene.rng.choice([-1, 1])) * open_by * float(np.sqrt(1 - (t / radius) ** 2))
        c, n = np.cos(angle), np.sin(angle)
        scene.pore(material, middle[0] + t * c - o * n, middle[1] + t * n + o * c, min(scene.log("pore_mm"), thickness))


VARIANTS: dict[str, dict[str, Callable[[Scene], None]]] = {
    "seen": {"butt": _butt, "cracked": _cracked, "overlay": _overlay},
    "unseen": {"butt": _butt, "spots": _spots, "girth": _girth},
}
