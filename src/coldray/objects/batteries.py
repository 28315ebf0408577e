"""Lithium-ion cells as the beam meets them: pouch cells in plan view, wound cells from the side."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.objects._cell_parts import Sheet, texture
from coldray.objects._wound_cell import wound_maps
from coldray.objects.canvas import Canvas, Map
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
    stack, canvas = Canvas(shape, pitch), Canvas(shape, pitch)
    for sheet in cathodes:
        sheet.add_to(stack, "cathode")
    for sheet in anodes:
        sheet.add_to(stack, "anode")
    cathode, anode = stack.map("cathode"), stack.map("anode")
    slow = texture(shape, pitch, 2.0, 0.008, rng)
    grain = texture(shape, pitch, 0.05, 0.10 / np.sqrt(2 * cell.pairs), rng)
    canvas.map(s.cathode)[...] += cathode * slow * grain * np.float32(2e-3 * s.cathode_um)
    canvas.map("graphite_coating")[...] += anode * texture(shape, pitch, 3.0, 0.01, rng) * np.float32(2e-3 * s.anode_um)
    canvas.map("Al")[...] += cathode * np.float32(1e-3 * s.aluminium_um)
    canvas.map("Cu")[...] += anode * np.float32(1e-3 * s.copper_um)
    pores = np.float32(_POROSITY * 2e-3) * (cathode * np.float32(s.cathode_um) + anode * np.float32(s.anode_um))
    canvas.map("electrolyte")[...] += pores
    wrap = Sheet(middle, centre_x, cell.height_mm + 1.2, cell.width_mm + 1.0, 0.0, 0.8)
    wrap.add_to(canvas, "separator_PE", 2e-3 * s.separator_um * cell.pairs)
    # folded side flanges double the laminate; the top flange carries the leads
    bag = Sheet(middle - 1.6, centre_x, cell.height_mm + 6.4, cell.width_mm + 2.4, 0.0, 0.4)
    for material, microns in (("Al", cell.pouch_aluminium_um), ("separator_PE", cell.pouch_polymer_um)):
        bag.add_to(canvas, material, 2e-3 * microns)
        for side in (-1, 1):
            flange = Sheet(
                middle - 1.6, centre_x + side * (cell.width_mm / 2 + 0.75), cell.height_mm + 6.4, 0.9, 0.0, 0.1
            )
            flange.add_to(canvas, material, 2e-3 * microns)
    for side, foil, sheets, tab in (
        (-1, ("Al", s.aluminium_um), cathodes, "Al"),
        (1, ("Cu", s.copper_um), anodes, "Ni"),
    ):
        _tab(cell, canvas, rng, (top, centre_x + side * 0.26 * cell.width_mm), foil, sheets, tab)
    return canvas.maps, CellLayout("pouch", s, cathodes, anodes)


def _tab(
    cell: PouchCell,
    canvas: Canvas,
    rng: np.random.Generator,
    at: tuple[float, float],
    foil: tuple[str, float],
    sheets: tuple[Sheet, ...],
    lead: str,
) -> None:
    """Bare foils (metal, um) gathered to a weld, and the lead through the seal; `at` is its y and x [mm]."""
    (top, x), (metal, foil_um) = at, foil
    inset = (cell.height_mm - sheets[0].height_mm) / 2
    for number, sheet in enumerate(sheets):
        # each foil starts at its sheet and ends a little short of the next one
        start = top + inset + (sheet.y_mm - top - cell.height_mm / 2)
        end = top - 2.2 + 0.05 * number / len(sheets) + float(rng.normal(0, 0.03))
        strip = Sheet((start + end) / 2, x + float(rng.normal(0, 0.05)), start - end, cell.tab_width_mm, 0.0, 0.1)
        strip.add_to(canvas, metal, 1e-3 * foil_um)
    Sheet(top - 4.6, x, 6.6, cell.tab_width_mm * 0.92, 0.0, 0.05).add_to(canvas, lead, cell.tab_thickness_mm)
    Sheet(top - 3.9, x, 2.2, cell.tab_width_mm + 2.0, 0.0, 0.1).add_to(canvas, "separator_PE", 0.2)
    # knurled ultrasonic weld: a grid of dents in foils and lead
    for dy in np.arange(-0.45, 0.46, 0.30):
        for dx in np.arange(-0.5 * cell.tab_width_mm + 0.4, 0.5 * cell.tab_width_mm - 0.39, 0.30):
            dent = Sheet(top - 1.75 + float(dy), x + float(dx), 0.17, 0.17, 45.0, 0.03).cover(canvas)
            if dent is not None:
                for material in {metal: None, lead: None}:
                    canvas.map(material)[dent[0]] *= 1 - 0.35 * dent[1]
