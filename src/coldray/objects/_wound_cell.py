"""Side view of a wound cell: spiral electrodes, can with bead and crimp, cap, gasket and tabs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.objects._cell_parts import Sheet, disc_chord, span, texture
from coldray.objects.canvas import Canvas, Map
from coldray.objects.cells import CylindricalCell

_FINER = 4
_POROSITY = 0.35
Paths = dict[str, NDArray[np.float64]]


def _turn_paths(cell: CylindricalCell, x_mm: NDArray[np.float64], step: float, rng: np.random.Generator) -> Paths:
    """Path [mm] along the beam through every turn's layers, shape (turns, cols) each."""
    s = cell.stack
    pair, inner, turns = s.pair_mm, cell.core_mm / 2, cell.turns
    fine = (np.arange(x_mm.size * _FINER) + 0.5) / _FINER * step + x_mm[0] - 0.5 * step
    outer = inner + (turns + 1) * pair
    dy = step / _FINER
    y = np.arange(-outer, outer, dy) + 0.5 * dy
    # order from the core outwards; coatings sit on both sides of their foil
    order = (
        ("separator_PE", s.separator_um),
        (s.cathode, s.cathode_um),
        ("Al", s.aluminium_um),
        (s.cathode, s.cathode_um),
        ("separator_PE", s.separator_um),
        ("graphite_coating", s.anode_um),
        ("Cu", s.copper_um),
        ("graphite_coating", s.anode_um),
    )
    names = list(dict.fromkeys(name for name, _ in order))
    bounds = np.cumsum([um for _, um in order]) / (1000 * pair)
    which = np.array([names.index(name) for name, _ in order])
    oval, bump = float(rng.uniform(0, 0.006)), float(rng.uniform(0, 0.004))
    phases = rng.uniform(0, 2 * np.pi, 3)
    total = np.zeros(len(names) * turns * x_mm.size)
    column = np.arange(fine.size) // _FINER
    near = np.flatnonzero(np.abs(fine) < outer)
    for part in np.array_split(near, max(1, near.size * y.size // 2**20)):
        yy, xx = y[:, None], fine[None, part]
        angle = np.arctan2(yy, xx)
        radius = np.hypot(yy, xx) * (1 + oval * np.cos(2 * angle + phases[0]) + bump * np.cos(3 * angle + phases[1]))
        place = (radius - inner) / pair - (angle + phases[2]) / (2 * np.pi) % 1.0
        turn = np.floor(place).astype(np.int64)
        layer = np.minimum(np.searchsorted(bounds, place - turn), len(order) - 1)
        wound = (turn >= 0) & (turn < turns)
        index = (which[layer] * turns + turn) * x_mm.size + column[part]
        total += np.bincount(index[wound], minlength=total.size)
    paths = (total * dy / _FINER).reshape(len(names), turns, x_mm.size)
    return {name: paths[k] for k, name in enumerate(names)}


def wound_maps(
    cell: CylindricalCell, shape: tuple[int, int], pitch: float, rng: np.random.Generator
) -> tuple[dict[str, Map], Paths, Paths]:
    """Thickness maps, and path and ends of every turn of the electrodes."""
    rows, cols = shape
    z = np.asarray((np.arange(rows) + 0.5) * pitch, dtype=np.float64)[:, None]
    shift = rng.uniform(-0.02, 0.02)
    x = np.asarray((np.arange(cols) + 0.5 - cols / 2 + shift * cols) * pitch, dtype=np.float64)
    top = min(0.08 * rows * pitch, 2.0)
    roll_top, bottom = top + 3.0, top + cell.height_mm
    roll_bottom = bottom - cell.can_mm - 0.6
    paths = _turn_paths(cell, x, pitch, rng)
    turns = cell.turns
    drift = np.cumsum(rng.normal(0, cell.telescope_spread_mm, turns)) * 0.5 + rng.normal(
        0, cell.telescope_spread_mm, turns
    )
    wave = drift - drift.mean()
    ends = {
        name: np.stack([roll_top + less + wave + extra, roll_bottom - less + wave - extra], axis=1)
        for name, less, extra in (
            ("separator_PE", 0.0, np.zeros(turns)),
            ("graphite_coating", 0.7, rng.normal(0, 0.02, turns)),
            ("Cu", 0.7, np.zeros(turns)),
            (cell.stack.cathode, 0.7 + cell.overhang_mm, rng.normal(0, 0.02, turns)),
            ("Al", 0.7 + cell.overhang_mm, np.zeros(turns)),
        )
    }
    # foils end where their coating does
    ends["Cu"], ends["Al"] = ends["graphite_coating"], ends[cell.stack.cathode]
    maps: dict[str, Map] = {}
    for name, path in paths.items():
        cover = span(z, ends[name][None, :, 0], ends[name][None, :, 1], pitch)
        maps[name] = (cover @ path).astype(np.float32)
    grain = texture(shape, pitch, 0.06, 0.008, rng) * texture(shape, pitch, 1.5, 0.006, rng)
    maps[cell.stack.cathode] *= grain
    maps["electrolyte"] = np.float32(_POROSITY) * (maps[cell.stack.cathode] + maps["graphite_coating"])
    _can_and_cap(cell, maps, z, x, pitch, top, roll_top, bottom)
    canvas = Canvas(shape, pitch)
    canvas.maps = maps
    _tabs(cell, canvas, x, top, roll_top, roll_bottom, bottom, rng)
    return maps, paths, ends


def _ring(
    x: NDArray[np.float64], outer: NDArray[np.floating], inner: NDArray[np.floating], pitch: float
) -> NDArray[np.float64]:
    """Mean chord through a tube over the width of a cell."""
    shifts = (np.arange(4) - 1.5) / 4 * pitch
    return np.asarray(np.mean([disc_chord(x + d, outer) - disc_chord(x + d, inner) for d in shifts], axis=0))


def _can_and_cap(
    cell: CylindricalCell,
    maps: dict[str, Map],
    z: NDArray[np.float64],
    x: NDArray[np.float64],
    pitch: float,
    top: float,
    roll_top: float,
    bottom: float,
) -> None:
    """Steel can with bead groove and crimp, steel cap with a button, gasket, and base."""
    radius, wall = cell.diameter_mm / 2, cell.can_mm
    bead = min(0.10 * cell.diameter_mm, 0.8)
    groove = top + 2.0
    outer = radius - bead * np.exp(-(((z - groove) / 0.28) ** 2))
    # crimp: the rim turns inwards over the gasket
    turning = np.clip((top + 0.8 - z) / 0.45, 0, 1)
    outer = outer - (radius - np.sqrt(np.maximum(radius**2, 0))) - 0.35 * turning**2
    lip = np.where((z > top + 0.35) & (z < top + 0.35 + wall), 0.9, 0.0)
    inner = np.maximum(outer - wall * (1 + 0.3 * np.exp(-(((z - groove) / 0.35) ** 2))) - lip, 0)
    steel = _ring(x[None, :], outer, inner, pitch) * span(z, top + 0.35, bottom, pitch)
    base = _ring(x[None, :], np.full_like(z, radius - wall), np.zeros_like(z), pitch) * span(
        z, bottom - wall, bottom, pitch
    )
    seat = radius - wall - 0.35
    plate = _ring(x[None, :], np.full_like(z, seat), np.zeros_like(z), pitch)
    button = _ring(x[None, :], np.full_like(z, 0.55 * seat), np.full_like(z, 0.55 * seat - 0.2), pitch)
    lid = _ring(x[None, :], np.full_like(z, 0.55 * seat), np.zeros_like(z), pitch)
    cap = plate * span(z, top + 0.75, top + 0.95, pitch) + lid * span(z, top, top + 0.2, pitch)
    cap = cap + button * span(z, top + 0.2, top + 0.75, pitch)
    vent = plate * span(z, top + 1.05, top + 1.15, pitch)
    gasket = _ring(x[None, :], np.full_like(z, radius - wall), np.full_like(z, seat), pitch) * span(
        z, top + 0.5, top + 1.6, pitch
    )
    maps["Fe"] = (steel + base + cap).astype(np.float32)
    maps["Al"] = maps["Al"] + vent.astype(np.float32)
    plates = plate * (
        span(z, roll_top - 0.35, roll_top - 0.15, pitch) + span(z, bottom - wall - 0.35, bottom - wall - 0.15, pitch)
    )
    maps["separator_PE"] = maps["separator_PE"] + (gasket + plates).astype(np.float32)


def _tabs(
    cell: CylindricalCell,
    canvas: Canvas,
    x: NDArray[np.float64],
    top: float,
    roll_top: float,
    roll_bottom: float,
    bottom: float,
    rng: np.random.Generator,
) -> None:
    """Aluminium tab to the cap, nickel tab to the base, both strips inside the roll."""
    middle = -float(x[0]) + 0.5 * canvas.pitch
    width = min(0.28 * cell.diameter_mm, 3.0)
    reach = min(0.6 * (roll_bottom - roll_top), 15.0)
    first = middle + float(rng.uniform(-0.15, 0.15)) * cell.diameter_mm
    start = top + 1.3
    Sheet(
        (start + roll_top + reach) / 2, first, roll_top + reach - start, width, float(rng.normal(0, 0.4)), 0.05
    ).add_to(canvas, "Al", 0.12)
    # folded under the cap
    Sheet(start + 0.3, first + 0.15 * width, 0.12, 1.5 * width, float(rng.uniform(4, 10)), 0.03).add_to(
        canvas, "Al", width
    )
    second = middle + float(rng.uniform(-0.3, 0.3)) * cell.diameter_mm
    end = bottom - cell.can_mm
    Sheet(
        (end + roll_bottom - reach) / 2, second, end - roll_bottom + reach, 0.8 * width, float(rng.normal(0, 0.4)), 0.05
    ).add_to(canvas, "Ni", 0.08)
