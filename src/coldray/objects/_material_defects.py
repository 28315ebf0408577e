"""Defects of any material: pores, inclusions, cracks, scratches, patches and chains, as faint as noise or plain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coldray.objects._defect_makers import Change, Maker, square
from coldray.objects._defect_sites import Sites, Window
from coldray.objects._visibility import behind, open_beam_noise
from coldray.objects.canvas import Canvas, Frame, rounded_cover
from coldray.objects.stroke import add_stroke, ellipsoid_chord
from coldray.simulation.paper import PITCH_MM

Map = NDArray[np.float32]

RANGES: Mapping[str, tuple[float, float]] = {
    "cnr": (1.0, 100.0),  # contrast over the noise of one pixel at 1 s, before any blur
    "pore_mm": (0.03, 1.5),  # EN ISO 5817, ASTM E505: from one pixel up
    "crack_length_mm": (0.5, 8.0),  # assumed
    "crack_mm": (0.008, 0.15),  # opening; assumed
    "scratch_length_mm": (0.8, 15.0),  # assumed
    "scratch_mm": (0.02, 0.3),  # assumed
    "patch_mm": (0.15, 6.0),  # assumed
    "chain": (3, 12),  # pores; assumed
}
"""Lateral sizes [mm] are those of a field of 25 mm and grow with the square root of the field."""
GUESTS = ("Fe", "Cu", "W", "Sn63Pb37", "Al", "Al2O3", "Ag")
_LEAST_SIGNAL, _ATTEMPTS = 0.004, 40
_REFERENCE_MM = 24.6


class _Spot:
    """A place: what the beam crosses there, and how much of it to take or add for a contrast."""

    def __init__(self, maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> None:
        self.maps, self.sites, self.rng = maps, sites, rng
        rows, cols = sites.maps.shape
        self.row, self.col = float(rng.uniform(0, rows)), float(rng.uniform(0, cols))
        here = {m: float(t[int(self.row), int(self.col)]) for m, t in maps.items()}
        self.signal, self.slopes = behind(here)
        # what dims the beam most is what a defect is in
        self.material = max(here, key=lambda m: here[m] * self.slopes[m])
        self.is_air = here[self.material] * self.slopes[self.material] < 1e-3
        self.zoom = float(np.sqrt(max(rows, cols) * sites.pitch / _REFERENCE_MM))

    def log(self, name: str) -> float:
        low, high = np.log(RANGES[name])
        value = float(np.exp(self.rng.uniform(low, high)))
        return value * self.zoom if name.endswith("_mm") else value

    def angle(self) -> float:
        return float(self.rng.uniform(0, 2 * np.pi))

    def depth(self, material: str, width_mm: float = np.inf) -> float:
        """Thickness [mm] of a material for a random contrast-to-noise; more of it if narrower than 48 um."""
        noise = open_beam_noise() / np.sqrt(self.signal)
        contrast = min(self.log("cnr") * noise, 0.85) * max(1.0, PITCH_MM / width_mm)
        return float(-np.log1p(-min(contrast, 0.95)) / self.slopes[material])

    def changed(self, window: Window, body: Map, material: str, sign: int) -> dict[str, Map]:
        """Thickness of a material in a window, less or more by a body."""
        before = self.maps.get(material)
        base = np.zeros(body.shape, np.float32) if before is None else before[window]
        return {material: np.maximum(base + np.float32(sign) * body, np.float32(0))}

    def window(self, reach_mm: float) -> Window:
        return square(self.sites.maps.shape, self.row, self.col, reach_mm / self.sites.pitch + 2)

    def at(self) -> tuple[float, float]:
        """The place (x, y) [mm]."""
        return (self.col + 0.5) * self.sites.pitch, (self.row + 0.5) * self.sites.pitch


def _spot(maps: dict[str, Map], sites: Sites, rng: np.random.Generator, air: bool = False) -> _Spot | None:
    """A place with enough light behind it, and inside matter unless air will do; None if there is next to none."""
    for _ in range(_ATTEMPTS):
        spot = _Spot(maps, sites, rng)
        if spot.signal > _LEAST_SIGNAL and (air or not spot.is_air):
            return spot
    return None


def _ellipsoid(spot: _Spot, material: str, sign: int) -> Change:
    long = spot.log("pore_mm")
    short = long * float(np.exp(spot.rng.uniform(np.log(0.4), 0)))
    window = spot.window(long / 2)
    body = ellipsoid_chord(
        window, spot.sites.pitch, spot.at(), (long, short, spot.depth(material, short)), spot.angle()
    )
    return Change(window, spot.changed(window, body, material, sign), long)


def pore(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Rounded void of 0.03 to 1.5 mm in what is thickest."""
    spot = _spot(maps, sites, rng)
    return None if spot is None else _ellipsoid(spot, spot.material, -1)


def inclusion(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Rounded grain of 0.03 to 1.5 mm of the same or another material; in air, too."""
    spot = _spot(maps, sites, rng, air=True)
    if spot is None:
        return None
    return _ellipsoid(spot, str(rng.choice([spot.material, *GUESTS])), 1)


def pore_chain(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Pores in a row."""
    spot = _spot(maps, sites, rng)
    if spot is None:
        return None
    count = int(spot.log("chain"))
    size, turn = 0.6 * spot.log("pore_mm"), spot.angle()
    step = size * float(rng.uniform(1.1, 3))
    window = spot.window(count * step / 2 + size)
    body = np.zeros(tuple(s.stop - s.start for s in window), np.float32)
    deep, (x, y) = spot.depth(spot.material, size), spot.at()
    for number in range(count):
        off = (number - (count - 1) / 2) * step * float(rng.uniform(0.8, 1.2))
        own = size * float(rng.uniform(0.5, 1.2))
        at = (x + off * np.cos(turn), y + off * np.sin(turn))
        body = np.maximum(body, ellipsoid_chord(window, sites.pitch, at, (own, own, deep), 0.0))
    return Change(window, spot.changed(window, body, spot.material, -1), size)


def crack_lines(
    start: tuple[float, float], turn: float, length: float, rng: np.random.Generator
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """A jagged line that tapers to both ends and throws off thinner branches.

    Parameters
    ----------
    start : (x, y)
        Its middle [mm].
    turn : float
        Direction [rad].
    length : float
        [mm]
    rng : numpy.random.Generator

    Returns
    -------
    list of (points, share)
        Paths, shape (n, 2) [mm], and for each piece the share of width and depth that it has, shape (n - 1,).
    """
    pieces = 28
    s = np.linspace(-0.5, 0.5, pieces + 1) * length
    jag = np.cumsum(rng.normal(0, 1, pieces + 1)) * length * float(rng.uniform(0.002, 0.02))
    jag -= np.linspace(jag[0], jag[-1], pieces + 1)
    points = _laid(start, turn, s, jag)
    taper = np.sqrt(np.maximum(1 - (2 * (s[1:] + s[:-1]) / 2 / length) ** 2, 0))
    lines = [(points, taper)]
    for _ in range(int(rng.poisson(1.5))):
        at = int(rng.integers(4, pieces - 4))
        away = turn + float(rng.choice([-1, 1]) * rng.uniform(0.3, 1.1))
        t = np.linspace(0, 1, 9)
        reach = float(rng.uniform(0.1, 0.35)) * length
        side = np.cumsum(rng.normal(0, 0.02, 9)) * reach
        side -= side[0]
        begin = (float(points[at, 0]), float(points[at, 1]))
        lines.append((_laid(begin, away, t * reach, side), 0.7 * taper[at] * (1 - t[:-1])))
    return lines


def _laid(
    start: tuple[float, float], turn: float, along: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points (x, y) of a path given along and across a direction."""
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([start[0] + along * c - across * s, start[1] + along * s + across * c], axis=1)


def crack(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Branching crack of 0.5 to 8 mm, 8 to 150 um open in its middle."""
    spot = _spot(maps, sites, rng)
    if spot is None:
        return None
    length, width = spot.log("crack_length_mm"), spot.log("crack_mm")
    window = spot.window(0.65 * length)
    body = np.zeros(tuple(s.stop - s.start for s in window), np.float32)
    deep = spot.depth(spot.material, width)
    for points, share in crack_lines(spot.at(), spot.angle(), length, rng):
        add_stroke(body, sites.pitch, points, width * share, deep * share, corner=(window[0].start, window[1].start))
    return Change(window, spot.changed(window, body, spot.material, -1), width)


def scratch(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Straight line of 0.8 to 15 mm and even width, a groove or a ridge."""
    spot = _spot(maps, sites, rng)
    if spot is None:
        return None
    length, width, turn = spot.log("scratch_length_mm"), spot.log("scratch_mm"), spot.angle()
    window = spot.window(length / 2 + width)
    body = np.zeros(tuple(s.stop - s.start for s in window), np.float32)
    points = _laid(spot.at(), turn, np.array([-0.5, 0.5]) * length, np.zeros(2))
    add_stroke(
        body, sites.pitch, points, width, spot.depth(spot.material, width), corner=(window[0].start, window[1].start)
    )
    sign = 1 if rng.random() < 0.4 else -1
    return Change(window, spot.changed(window, body, spot.material, sign), width)


def patch(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Even or soft-edged area of 0.15 to 6 mm, thinner or thicker: wear, wetting, a lack or excess of material."""
    spot = _spot(maps, sites, rng)
    if spot is None:
        return None
    width, height = spot.log("patch_mm"), spot.log("patch_mm")
    window = spot.window(0.75 * max(width, height))
    x, y = spot.at()
    if rng.random() < 0.5:
        turn = float(rng.uniform(-90, 90))
        u, v = Canvas(sites.maps.shape, sites.pitch).locals(window, Frame(x, y, turn))
        cover = rounded_cover(u, v, width, height, 0.5 * float(rng.random()) * min(width, height), sites.pitch)
    else:
        cover = ellipsoid_chord(window, sites.pitch, (x, y), (width, height, 1.0), spot.angle()) ** np.float32(2)
    body = cover * np.float32(spot.depth(spot.material, min(width, height)))
    return Change(window, spot.changed(window, body, spot.material, 1 if rng.random() < 0.5 else -1), width)


MATERIAL_KINDS: dict[str, Maker] = {
    "pore": pore,
    "inclusion": inclusion,
    "pore_chain": pore_chain,
    "crack": crack,
    "scratch": scratch,
    "patch": patch,
}
