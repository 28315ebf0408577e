"""Lithium-ion cells as the beam meets them: pouch cells in plan view, wound cells from the side."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.objects._cell_parts import Map, Sheet, texture
from coldray.objects._wound_cell import wound_maps
from coldray.objects.cells import CATHODES, CylindricalCell, ElectrodeStack, PouchCell
from coldray.simulation.thickness import ThicknessMaps

__all__ = ["CATHODES", "CELL_FORMS", "CellLayout", "CylindricalCell", "ElectrodeStack", "PouchCell", "battery"]

CELL_FORMS = ("pouch", "cylindrical")
_POROSITY = 0.35


@dataclass(frozen=True, eq=False)
class CellLayout:
    """Where the electrodes are: what defect makers need to know.

    Parameters
    ----------
    form : {"pouch", "cylindrical"}
    stack : ElectrodeStack
    cathodes, anodes : tuple of Sheet
        Sheets of a pouch cell.
    turn_paths_mm : mapping of str to ndarray, shape (turns, cols)
        Path [mm] through each turn of a wound cell's electrodes.
    ends_mm : mapping of str to ndarray, shape (turns, 2)
        Upper and lower end of each turn [mm from the top of the grid].
    """

    form: str
    stack: ElectrodeStack
    cathodes: tuple[Sheet, ...] = ()
    anodes: tuple[Sheet, ...] = ()
    turn_paths_mm: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    ends_mm: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def battery(
    cell: PouchCell | CylindricalCell | str,
    shape: tuple[int, int],
    grid_pitch_mm: float,
    rng: np.random.Generator | int,
) -> ThicknessMaps:
    """One sound lithium-ion cell.

    Parameters
    ----------
    cell : PouchCell, CylindricalCell, or "pouch" or "cylindrical"
        A name draws a cell of that form from the random state.
    shape : (rows, cols)
        Grid; the cell is centred across it, its upper end inside, and runs out at the bottom if longer.
    grid_pitch_mm : float
        Grid step at the object [mm].
    rng : Generator or int
        The same integer gives the same bytes.

    Returns
    -------
    ThicknessMaps
        float32 [mm]; `labels["cell"]` is the `CellLayout` that `add_defects` works on.

    Raises
    ------
    PhysicsError
        If the form is unknown, or the grid empty or its step not positive.

    Notes
    -----
    Parallel beam. Layers add up exactly in plan view; the wound roll is a spiral sampled four times finer
    than the grid. Coatings carry a grain and slow loading variations of 1-2 %.
    """
    if not grid_pitch_mm > 0 or len(shape) != 2 or min(shape) < 1:
        raise PhysicsError(f"grid {shape} with step {grid_pitch_mm} mm is empty; both must be positive")
    random = np.random.default_rng(rng)
    if isinstance(cell, str):
        if cell not in CELL_FORMS:
            raise PhysicsError(f"cell form {cell!r} is unknown; choose one of {', '.join(CELL_FORMS)}")
        made: PouchCell | CylindricalCell = PouchCell.draw(random) if cell == "pouch" else CylindricalCell.draw(random)
    else:
        made = cell
    grid = (int(shape[0]), int(shape[1]))
    if isinstance(made, PouchCell):
        maps, layout = _pouch(made, grid, grid_pitch_mm, random)
    else:
        maps, paths, ends = wound_maps(made, grid, grid_pitch_mm, random)
        layout = CellLayout("cylindrical", made.stack, turn_paths_mm=paths, ends_mm=ends)
    name = f"{layout.form}-{rng}" if isinstance(rng, int | np.integer) else layout.form
    kept = {m: np.maximum(t, 0).astype(np.float32) for m, t in maps.items() if t.any()}
    return ThicknessMaps(kept or {"separator_PE": np.zeros(grid, np.float32)}, grid_pitch_mm, name, {"cell": layout})


def _pouch(
    cell: PouchCell, shape: tuple[int, int], pitch: float, rng: np.random.Generator
) -> tuple[dict[str, Map], CellLayout]:
    height, width = shape[0] * pitch, shape[1] * pitch
    s = cell.stack
    centre_x = width / 2 + float(rng.uniform(-0.02, 0.02)) * width
    top = min(0.30 * height, 7.0)
    middle = top + cell.height_mm / 2

    def placed(less_mm: float) -> Sheet:
        dy, dx = rng.normal(0, cell.misalignment_spread_mm, 2)
        turn = float(rng.normal(0, cell.turn_spread_deg))
        return Sheet(
            middle + float(dy),
            centre_x + float(dx),
            cell.height_mm - 2 * less_mm,
            cell.width_mm - 2 * less_mm,
            turn,
            0.6,
        )

    cathodes = tuple(placed(cell.overhang_mm) for _ in range(cell.pairs))
    anodes = tuple(placed(0.0) for _ in range(cell.pairs + 1))
    maps: dict[str, Map] = {}

    def map_of(material: str) -> Map:
        return maps.setdefault(material, np.zeros(shape, dtype=np.float32))

    cathode, anode = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    for sheet in cathodes:
        sheet.add_to(cathode, pitch)
    for sheet in anodes:
        sheet.add_to(anode, pitch)
    slow = texture(shape, pitch, 2.0, 0.008, rng)
    grain = texture(shape, pitch, 0.05, 0.10 / np.sqrt(2 * cell.pairs), rng)
    map_of(s.cathode)[...] += cathode * slow * grain * np.float32(2e-3 * s.cathode_um)
    map_of("graphite_coating")[...] += anode * texture(shape, pitch, 3.0, 0.01, rng) * np.float32(2e-3 * s.anode_um)
    map_of("Al")[...] += cathode * np.float32(1e-3 * s.aluminium_um)
    map_of("Cu")[...] += anode * np.float32(1e-3 * s.copper_um)
    pores = np.float32(_POROSITY * 2e-3) * (cathode * np.float32(s.cathode_um) + anode * np.float32(s.anode_um))
    map_of("electrolyte")[...] += pores
    wrap = Sheet(middle, centre_x, cell.height_mm + 1.2, cell.width_mm + 1.0, 0.0, 0.8)
    wrap.add_to(map_of("separator_PE"), pitch, 2e-3 * s.separator_um * cell.pairs)
    # folded side flanges double the laminate; the top flange carries the leads
    bag = Sheet(middle - 1.6, centre_x, cell.height_mm + 6.4, cell.width_mm + 2.4, 0.0, 0.4)
    for material, microns in (("Al", cell.pouch_aluminium_um), ("separator_PE", cell.pouch_polymer_um)):
        bag.add_to(map_of(material), pitch, 2e-3 * microns)
        for side in (-1, 1):
            flange = Sheet(
                middle - 1.6, centre_x + side * (cell.width_mm / 2 + 0.75), cell.height_mm + 6.4, 0.9, 0.0, 0.1
            )
            flange.add_to(map_of(material), pitch, 2e-3 * microns)
    for side, metal, foil, sheets, lead in (
        (-1, "Al", s.aluminium_um, cathodes, "Al"),
        (1, "Cu", s.copper_um, anodes, "Ni"),
    ):
        _tab(cell, map_of, pitch, rng, centre_x + side * 0.26 * cell.width_mm, top, metal, foil, sheets, lead)
    return maps, CellLayout("pouch", s, cathodes, anodes)


def _tab(
    cell: PouchCell,
    map_of: object,
    pitch: float,
    rng: np.random.Generator,
    x: float,
    top: float,
    metal: str,
    foil_um: float,
    sheets: tuple[Sheet, ...],
    lead: str,
) -> None:
    """Bare foils gathered to a weld, and the lead through the seal."""
    of = map_of
    assert callable(of)
    foils, leads, seal = of(metal), of(lead), of("separator_PE")
    inset = (cell.height_mm - sheets[0].height_mm) / 2
    for number, sheet in enumerate(sheets):
        # each foil starts at its sheet and ends a little short of the next one
        start = top + inset + (sheet.y_mm - top - cell.height_mm / 2)
        end = top - 2.2 + 0.05 * number / len(sheets) + float(rng.normal(0, 0.03))
        strip = Sheet((start + end) / 2, x + float(rng.normal(0, 0.05)), start - end, cell.tab_width_mm, 0.0, 0.1)
        strip.add_to(foils, pitch, 1e-3 * foil_um)
    Sheet(top - 4.6, x, 6.6, cell.tab_width_mm * 0.92, 0.0, 0.05).add_to(leads, pitch, cell.tab_thickness_mm)
    Sheet(top - 3.9, x, 2.2, cell.tab_width_mm + 2.0, 0.0, 0.1).add_to(seal, pitch, 0.2)
    # knurled ultrasonic weld: a grid of dents in foils and lead
    rows = np.arange(-0.45, 0.46, 0.30)
    cols = np.arange(-0.5 * cell.tab_width_mm + 0.4, 0.5 * cell.tab_width_mm - 0.39, 0.30)
    for dy in rows:
        for dx in cols:
            dent = Sheet(top - 1.75 + float(dy), x + float(dx), 0.17, 0.17, 45.0, 0.03)
            window = dent.window(leads.shape, pitch)
            cover = dent.cover(window, pitch)
            leads[window] *= 1 - 0.35 * cover
            if metal != lead:
                foils[window] *= 1 - 0.35 * cover
