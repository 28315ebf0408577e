"""Defects of lithium-ion cells, made from the layout that travels with a cell's maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from coldray.objects._cell_parts import Sheet, span
from coldray.objects._defect_makers import Change, Maker, ellipsoid, offsets, square
from coldray.objects._defect_sites import Sites, Window
from coldray.objects.canvas import Canvas, Map


def _layout(sites: Sites) -> Any:
    return sites.maps.labels.get("cell")


def _coated_place(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> tuple[int, int] | None:
    """A random cell of the grid inside the cathode coating."""
    layout = _layout(sites)
    coating = None if layout is None else maps.get(layout.stack.cathode)
    if coating is None:
        return None
    rows, cols = coating.shape
    full = 0.5 * float(np.quantile(coating[:: max(1, rows // 200), :: max(1, cols // 200)], 0.9))
    for _ in range(50):
        row, col = int(rng.integers(rows // 50, rows - rows // 50)), int(rng.integers(cols // 50, cols - cols // 50))
        if coating[row, col] > max(full, 1e-6):
            return row, col
    return None


def _of(maps: dict[str, Map], material: str, window: Window) -> Map:
    """Thickness of a material in a window; none where no part of the field has any."""
    found = maps.get(material)
    return np.zeros(tuple(s.stop - s.start for s in window), np.float32) if found is None else found[window]


def _moved_sheet(
    maps: dict[str, Map], sites: Sites, old: Sheet, new: Sheet, layers: dict[str, float], size_mm: float
) -> Change | None:
    """Replace one sheet of some materials [mm of each] by another."""
    canvas = Canvas(sites.maps.shape, sites.pitch)
    old.add_to(canvas, "sheet", -1.0)
    new.add_to(canvas, "sheet")
    covers = [found[0] for found in (old.cover(canvas), new.cover(canvas)) if found is not None]
    if not covers:
        return None
    rows, cols = (slice(min(w[k].start for w in covers), max(w[k].stop for w in covers)) for k in (0, 1))
    both, difference = (rows, cols), canvas.map("sheet")[rows, cols]
    changed = {m: np.maximum(_of(maps, m, both) + np.float32(t) * difference, 0) for m, t in layers.items()}
    return Change(both, changed, size_mm)


def overhang_fault(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """One anode that does not reach beyond its cathode: sheet shifted, or turn too short, by the overhang or more."""
    layout = _layout(sites)
    if layout is None:
        return None
    s = layout.stack
    if layout.form == "pouch":
        cathode = layout.cathodes[int(rng.integers(len(layout.cathodes)))]
        anode = layout.anodes[int(rng.integers(len(layout.anodes)))]
        move = (anode.width_mm - cathode.width_mm) / 2 + float(rng.uniform(-0.1, 0.5))
        side = 1.0 if rng.random() < 0.5 else -1.0
        down = rng.random() < 0.5
        new = anode.moved(side * move if down else 0.0, 0.0 if down else side * move)
        layers = {"Cu": 1e-3 * s.copper_um, "graphite_coating": 2e-3 * s.anode_um}
        return _moved_sheet(maps, sites, anode, new, layers, abs(move))
    ends = layout.ends_mm["graphite_coating"]
    cathode_top = layout.ends_mm[s.cathode][:, 0]
    turn = int(rng.integers(1, len(ends)))
    short = float(cathode_top[turn] - ends[turn, 0]) + float(rng.uniform(-0.1, 0.5))
    rows, cols = sites.maps.shape
    low = int(np.clip((ends[turn, 0] / sites.pitch) - 2, 0, rows))
    high = int(np.clip((ends[turn, 0] + short) / sites.pitch + 3, low, rows))
    if short <= 0 or high - low < 3:
        return None
    window = (slice(low, high), slice(0, cols))
    z = (np.arange(low, high) + 0.5) * sites.pitch
    gone = span(z, ends[turn, 0], ends[turn, 0] + short, sites.pitch)[:, None]
    changed = {
        m: np.maximum(_of(maps, m, window) - (gone * layout.turn_paths_mm[m][turn]).astype(np.float32), 0)
        for m in ("Cu", "graphite_coating")
    }
    return Change(window, changed, short)


def misaligned_sheet(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """One cathode sheet of a pouch cell displaced by 0.1 to 1 mm."""
    layout = _layout(sites)
    if layout is None or layout.form != "pouch":
        return None
    old = layout.cathodes[int(rng.integers(len(layout.cathodes)))]
    move, angle = float(rng.uniform(0.1, 1.0)), float(rng.uniform(0, 2 * np.pi))
    new = old.moved(move * np.sin(angle), move * np.cos(angle))
    s = layout.stack
    return _moved_sheet(maps, sites, old, new, {"Al": 1e-3 * s.aluminium_um, s.cathode: 2e-3 * s.cathode_um}, move)


def fold(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """A corner of one anode folded back on itself, 1 to 3 mm deep."""
    layout = _layout(sites)
    if layout is None or layout.form != "pouch":
        return None
    sheet = layout.anodes[int(rng.integers(len(layout.anodes)))]
    depth = float(rng.uniform(1.0, 3.0))
    # only the upper corners are sure to be in view
    side = 1.0 if rng.random() < 0.5 else -1.0
    y0, x0 = sheet.y_mm - sheet.height_mm / 2, sheet.x_mm + side * sheet.width_mm / 2
    window = square(sites.maps.shape, y0 / sites.pitch, x0 / sites.pitch, (depth + 0.3) / sites.pitch)
    if any(s.stop - s.start < 3 for s in window):
        return None
    y, x = offsets(window, y0 / sites.pitch - 0.5, x0 / sites.pitch - 0.5, sites.pitch)
    inward = -side * x
    # the crease is the line y + inward = depth; the corner triangle lands mirrored on the other side
    crease = (y + inward - depth) / np.sqrt(2)
    mirrored_y, mirrored_in = depth - inward, depth - y
    canvas = Canvas(sites.maps.shape, sites.pitch)
    sheet.add_to(canvas, "sheet")
    own = canvas.map("sheet")[window]
    removed = own * np.clip(0.5 - crease / sites.pitch, 0, 1)
    # the mirror image of the corner: inside where its original was
    landed = np.clip(np.minimum(mirrored_y, mirrored_in) / sites.pitch + 0.5, 0, 1) * np.clip(
        crease / sites.pitch + 0.5, 0, 1
    )
    s = layout.stack
    layers = {"Cu": 1e-3 * s.copper_um, "graphite_coating": 2e-3 * s.anode_um}
    changed = {
        m: np.maximum(_of(maps, m, window) + np.float32(t) * (landed - removed).astype(np.float32), 0)
        for m, t in layers.items()
    }
    return Change(window, changed, depth)


def tab_burr(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Spike of foil, 20 to 100 um long, on a cut edge."""
    layout = _layout(sites)
    if layout is None or layout.form != "pouch":
        return None
    copper = rng.random() < 0.5
    sheets = layout.anodes if copper else layout.cathodes
    sheet = sheets[int(rng.integers(len(sheets)))]
    length = float(rng.uniform(0.02, 0.10))
    x = sheet.x_mm + float(rng.uniform(-0.4, 0.4)) * sheet.width_mm
    y = sheet.y_mm - sheet.height_mm / 2 - 0.5 * length
    material = "Cu" if copper else "Al"
    return ellipsoid(maps, sites, material, (y / sites.pitch, x / sites.pitch), 1.5 * length, 0.6 * length, np.pi / 2)


def cell_particle(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Metal grain of 20 to 500 um between the electrodes."""
    place = _coated_place(maps, sites, rng)
    if place is None:
        return None
    length = float(np.exp(rng.uniform(np.log(0.02), np.log(0.5))))
    thick = min(length / float(rng.uniform(1, 3)), 0.2)
    material = str(rng.choice(["Cu", "Fe", "Al"]))
    return ellipsoid(maps, sites, material, place, length, thick, float(rng.uniform(0, np.pi)))


def _spot(
    maps: dict[str, Map], sites: Sites, rng: np.random.Generator, share: float, low: float, high: float
) -> Change | None:
    place = _coated_place(maps, sites, rng)
    if place is None:
        return None
    stack = _layout(sites).stack
    size = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    window = square(sites.maps.shape, *place, 0.6 * size / sites.pitch + 2)
    y, x = offsets(window, *place, sites.pitch)
    lobes = 1 + 0.1 * np.sin(3 * np.arctan2(y, x) + float(rng.uniform(0, 6)))
    inside = np.clip((0.5 * size * lobes - np.hypot(y, x)) / sites.pitch + 0.5, 0, 1)
    coating = maps[stack.cathode][window]
    changed = np.maximum(coating + np.float32(share * 1e-3 * stack.cathode_um) * inside.astype(np.float32), 0)
    return Change(window, {stack.cathode: changed}, size)


def coating_pinhole(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Bare spot of 50 to 500 um in one cathode coating."""
    return _spot(maps, sites, rng, -1.0, 0.05, 0.5)


def coating_agglomerate(maps: dict[str, Map], sites: Sites, rng: np.random.Generator) -> Change | None:
    """Spot of 0.2 to 2 mm where one coating is 5 to 20 % too thick."""
    return _spot(maps, sites, rng, float(rng.uniform(0.05, 0.20)), 0.2, 2.0)


BATTERY_KINDS: dict[str, Maker] = {
    "overhang_fault": overhang_fault,
    "misaligned_sheet": misaligned_sheet,
    "fold": fold,
    "tab_burr": tab_burr,
    "cell_particle": cell_particle,
    "coating_pinhole": coating_pinhole,
    "coating_agglomerate": coating_agglomerate,
}
