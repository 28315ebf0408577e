"""Fields without one shape: weaves, grains, foams, honeycombs, arrays, chopped fibres, fractal thickness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coldray.objects._scene import Map, Ranges, Scene, broken
from coldray.objects._visibility import depth_for
from coldray.objects.plates import ground

SOLIDS = ("Al", "Fe", "Cu", "Al2O3", "FR4", "mold_compound", "graphite_coating", "Sn63Pb37")
FIBRES = ("FR4", "graphite_coating", "Al2O3", "Al", "Cu")
"""Of weaves and mats: glass in resin, carbon, ceramic, and metal cloth."""

SEEN: Ranges = {
    "signal": (0.08, 0.95),  # behind the whole; assumed
    "contrast": (0.01, 0.5),  # relative change of the signal by the texture; assumed
    "tow_mm": (0.3, 3.0),  # width of a bundle: glass cloth 0.3 mm, carbon tows 1 to 3 mm
    "gap": (0.0, 0.25),  # between bundles, of their width; assumed
    "shift": (0.0, 0.15),  # sideways wander of a bundle, of its width; assumed
    "grain_mm": (0.12, 1.8),  # sand, granulate, powders; assumed
    "grains": (60, 1500),  # assumed
    "cell_mm": (0.3, 3.5),  # foams of 10 to 100 pores per inch are 0.25 to 2.5 mm
    "wall": (0.02, 0.15),  # wall of a honeycomb over its cell; assumed
    "comb_mm": (0.8, 5.0),  # cells of 1/8 and 3/16 inch are usual
    "array_mm": (0.2, 2.2),  # pitch of balls, pillars and holes; IEC 60191-6 from 0.3 mm
    "array_duty": (0.25, 0.8),  # diameter over pitch; assumed
    "fibre_mm": (0.4, 5.0),  # chopped strands; assumed
    "fibre_width_mm": (0.015, 0.2),  # assumed
    "fibres": (50, 700),  # assumed
    "coarse_mm": (1.5, 12.0),  # largest grain of a fractal; assumed
    "slope": (0.3, 1.3),  # spread of an octave against the one below it: amplitude ~ grain^slope; assumed
    "wave_mm": (4.0, 20.0),  # as for plates
    "wave": (0.002, 0.03),
}
UNSEEN: Ranges = {
    # assumed, as all that follows: beyond what training draws from
    **SEEN,
    "tow_mm": (3.0, 4.5),
    "array_duty": (0.8, 0.92),
    "grain_mm": (1.8, 2.6),
    "block_mm": (0.4, 4.0),
    "braid_deg": (25.0, 65.0),  # braided sleeves
}


def _weave(scene: Scene) -> None:
    """Plain, twill or basket cloth of bundles, one time in two with missing, shifted and doubled ones."""
    _cloth(scene, scene.angle(), np.pi / 2 + float(scene.rng.normal(0, 0.03)))


def _braid(scene: Scene) -> None:
    """Braid: the two sets of bundles cross at other than right angles."""
    _cloth(scene, scene.angle(), float(np.radians(scene.flat("braid_deg"))))


def _cloth(scene: Scene, angle: float, between: float) -> None:
    material, signal = scene.one_of(FIBRES), scene.flat("signal")
    tow = scene.log("tow_mm")
    step = tow * (1 + scene.flat("gap"))
    layers = int(scene.rng.integers(1, 4))
    # two sets of bundles per layer make the thickness behind which the signal is left
    high = depth_for(material, signal) / (2 * layers) * 1.3
    reach = 0.8 * scene.extent
    over = int(scene.rng.integers(1, 4))
    for _ in range(layers):
        for turn in (angle, angle + between):
            d, s = scene.across(turn), scene.across(turn + np.pi / 2)
            d = d + np.float32(scene.flat("shift") * tow) * scene.surface(6 * tow)
            places, was = broken(np.arange(-reach, reach, step) + float(scene.rng.uniform(0, step)), step, scene.rng)
            scene.note_broken(was)

            def section(x: NDArray[np.float64], places: NDArray[np.float64] = places) -> NDArray[np.float64]:
                out = np.zeros(x.size)
                for place in places:
                    a, b = np.searchsorted(x, [place - tow / 2, place + tow / 2])
                    out[a:b] += np.sqrt(np.maximum(1 - (2 * (x[a:b] - place) / tow) ** 2, 0))
                return out

            # a bundle is squeezed where it dives below others: every `over` steps
            crimp = 1 + np.float32(0.12) * scene.profile(s, lambda x: np.sin(2 * np.pi * x / ((1 + over) * step)))
            scene.map(material)[...] += np.float32(high) * scene.profile(d, section) * crimp
        angle += float(scene.rng.normal(0, 0.5)) if scene.chance(0.3) else float(scene.rng.normal(0, 0.02))
    resin = scene.map("mold_compound")
    resin += np.float32(depth_for("mold_compound", float(scene.rng.uniform(0.85, 1.0))))


def _granular(scene: Scene) -> None:
    """Grains in layers: spheres of a spread of sizes, or crushed ones, in air, in a binder or on a plate."""
    material, size = scene.one_of(SOLIDS), scene.log("grain_mm")
    if scene.chance(0.4):
        ground(scene)
    # no more than the beam can cross
    area = scene.width * scene.height
    layers = max(depth_for(material, 0.05) / (0.7 * size), 0.05)
    count = int(min(scene.many("grains") * 2, 1.2 * layers * area / size**2, 4 * area / size**2))
    sizes = size * np.exp(scene.rng.normal(0, float(scene.rng.uniform(0, 0.4)), 6))
    crushed = scene.chance(0.3)
    places = scene.rng.uniform(0, 1, (count, 2)) * (scene.width, scene.height)
    for x, y in places:
        own = float(sizes[int(scene.rng.integers(6))])
        if crushed:
            axes = (own * float(scene.rng.uniform(1, 1.8)), own, own * float(scene.rng.uniform(0.5, 1)))
            scene.grain(material, x, y, axes, float(scene.rng.uniform(0, np.pi)))
        else:
            scene.balls(material, x, y, own)


def _foam(scene: Scene) -> None:
    """Voids that nearly touch, in a solid."""
    material, signal = scene.one_of(SOLIDS), scene.flat("signal")
    thickness = depth_for(material, signal)
    body = scene.map(material)
    body += np.float32(thickness)
    size = scene.log("cell_mm")
    area = scene.width * scene.height
    count = int(min(1.5 * area / size**2, 2500))
    flat = min(1.0, 0.4 * thickness / size)
    sizes = size * np.exp(scene.rng.normal(0, 0.25, 6))
    for x, y in scene.rng.uniform(0, 1, (count, 2)) * (scene.width, scene.height):
        own = float(sizes[int(scene.rng.integers(6))])
        found = scene.radial_cover(x, y, ("cell", own, flat), own / 2, sphere_of(own, flat))
        if found is not None:
            # what is left between cells thins out, never vanishes
            body[found[0]] = np.maximum(body[found[0]] - found[1], np.float32(0.06 * thickness))


def sphere_of(diameter: float, flat: float = 1.0) -> Callable[[NDArray[np.number]], NDArray[np.number]]:
    """Chord of a sphere that is pressed flat along the beam, against the distance from its middle [mm]."""
    return lambda d: 2 * flat * np.sqrt(np.maximum(diameter * diameter / 4 - d * d, 0))


def hexagons(scene: Scene, cell: float, angle: float) -> Map:
    """Distance of every cell of the grid from the walls of a honeycomb [mm].

    Parameters
    ----------
    scene : Scene
    cell : float
        Between opposite walls [mm].
    angle : float
        [rad]
    """
    u, v = scene.across(angle) / np.float32(cell), scene.across(angle + np.pi / 2) / np.float32(cell)
    best = np.full(scene.shape, np.inf, np.float32)
    rise = np.float32(np.sqrt(3))
    for shift in (0.0, 0.5):
        a = u - np.float32(shift)
        b = v / rise - np.float32(shift)
        a, b = np.abs(a - np.rint(a)), np.abs(b - np.rint(b)) * rise
        far = np.maximum(a, np.float32(0.5) * a + np.float32(np.sqrt(3) / 2) * b)
        np.minimum(best, far, out=best)
    return np.asarray((np.float32(0.5) - best) * np.float32(cell))


def _honeycomb(scene: Scene) -> None:
    """Honeycomb core seen along its cells, between skins; one time in two some cells filled or crushed."""
    material, cell = scene.one_of(("Al", "FR4", "mold_compound")), scene.log("comb_mm")
    wall = cell * scene.log("wall")
    deep = depth_for(material, scene.flat("signal"))
    angle = scene.angle()
    walls = hexagons(scene, cell, angle)
    cover = np.clip((wall / 2 + scene.pitch / 2 - np.abs(walls)) / scene.pitch, 0, min(1.0, wall / scene.pitch))
    body = scene.map(material)
    body += np.float32(deep) * cover.astype(np.float32)
    skin = depth_for(material, float(scene.rng.uniform(0.8, 0.99)))
    body += np.float32(skin)
    scene.labels["broken"] = scene.chance(0.5)
    for _ in range(int(scene.rng.integers(1, 12)) if scene.labels["broken"] else 0):
        x, y = scene.spot(0)
        size = cell * float(scene.rng.uniform(0.5, 2.5))
        found = scene.ellipsoid(x, y, (size, size * float(scene.rng.uniform(0.4, 1)), 1.0), scene.angle())
        if found is None:
            continue
        inside = np.minimum(3 * found[1], 1)
        if scene.chance(0.5):
            scene.map("electrolyte")[found[0]] += np.float32(scene.rng.uniform(0.5, 6)) * inside
        else:
            body[found[0]] = body[found[0]] * (1 - inside) + np.float32(skin) * inside


def _arrays(scene: Scene) -> None:
    """Balls, pillars or holes in rows, square or staggered, one time in two with parts missing, moved or doubled."""
    material, signal = ground(scene)
    for _ in range(int(scene.rng.integers(1, 5))):
        _array(scene, material, signal)


def _array(scene: Scene, material: str, signal: float) -> None:
    step = scene.log("array_mm")
    size = step * scene.flat("array_duty")
    form = scene.one_of(("balls", "balls", "pillars", "holes"))
    solder = scene.one_of(("SAC305", "Sn63Pb37", "Cu", "Al", "Fe"))
    side = int(np.clip(scene.extent * float(scene.rng.uniform(0.15, 1.2)) / step, 4, 50))
    places, was = broken(*scene.grid(side, step, scene.chance(0.3)), scene.rng)
    scene.note_broken(was)
    places = scene.turned(places, scene.angle(), scene.spot(0.1))
    high = scene.step_for(solder, signal, scene.log("contrast"))
    deep = float(np.exp(scene.rng.uniform(np.log(0.02), 0))) * depth_for(material, signal)
    flat = min(1.0, depth_for(solder, 0.05) / size)

    def hole(d: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(deep * (d <= size / 2))

    for x, y in places:
        if form == "balls":
            scene.radial(solder, x, y, ("array", solder, size), size / 2, sphere_of(size, flat))
        elif form == "pillars":
            scene.disc(solder, x, y, size, high)
        elif found := scene.radial_cover(x, y, ("hole", size, deep), size / 2, hole):
            scene.cut(material, *found)


def _fibres(scene: Scene) -> None:
    """Chopped strands in all directions, or nearly one."""
    material = scene.one_of((*FIBRES, "Fe"))
    if scene.chance(0.6):
        ground(scene)
    count, width = scene.many("fibres"), scene.log("fibre_width_mm")
    turn, spread = scene.angle(), float(scene.rng.choice([0.15, 0.6, 6.0]))
    target = scene.map(material)
    for _ in range(count):
        length, (x, y) = scene.log("fibre_mm"), scene.spot(0)
        a = turn + float(scene.rng.normal(0, spread))
        t = np.linspace(-0.5, 0.5, 4) * length
        bow = float(scene.rng.normal(0, 0.04)) * length * (1 - (2 * t / length) ** 2)
        points = np.stack([x + t * np.cos(a) - bow * np.sin(a), y + t * np.sin(a) + bow * np.cos(a)], axis=1)
        scene.stroke(points, width, 1.0, target, round_wire=True)


def _fractal(scene: Scene) -> None:
    """Random thickness with structure at every scale, some of it with creases."""
    material, signal = scene.one_of(SOLIDS), scene.flat("signal")
    thickness = depth_for(material, signal)
    grain, slope = scene.log("coarse_mm"), scene.flat("slope")
    spread = scene.step_for(material, signal, scene.log("contrast")) / 2
    creased = scene.chance(0.4)
    body = scene.map(material)
    body += np.float32(thickness)
    share = 1.0
    for _ in range(9):
        octave = scene.surface(grain)
        body += np.float32(spread * share) * (np.abs(octave) - np.float32(0.8) if creased else octave)
        grain, share = grain / 2, share * 0.5**slope
        if grain < 0.03 * scene.zoom:
            break
    np.maximum(body, 0, out=body)


def _blocks(scene: Scene) -> None:
    """Mosaic of polygons of unlike thickness, as crystal grains or rubble."""
    from scipy.spatial import cKDTree

    material, signal = scene.one_of(SOLIDS), scene.flat("signal")
    size = scene.log("block_mm")
    count = int(np.clip(1.3 * scene.width * scene.height / size**2, 4, 4000))
    places = scene.rng.uniform(-0.05, 1.05, (count, 2)) * (scene.width, scene.height)
    high = scene.step_for(material, signal, scene.log("contrast"))
    levels = depth_for(material, signal) + high * scene.rng.uniform(-0.5, 0.5, count)
    xx, yy = np.broadcast_arrays(scene.x, scene.y)
    _, nearest = cKDTree(places).query(np.stack([xx.ravel(), yy.ravel()], axis=1))
    scene.map(material)[...] += np.maximum(levels[nearest], 0).reshape(scene.shape).astype(np.float32)


VARIANTS: dict[str, dict[str, Callable[[Scene], None]]] = {
    "seen": {
        "weave": _weave,
        "granular": _granular,
        "foam": _foam,
        "honeycomb": _honeycomb,
        "array": _arrays,
        "fibres": _fibres,
        "fractal": _fractal,
    },
    "unseen": {"braid": _braid, "array": _arrays, "blocks": _blocks, "granular": _granular},
}
