"""Lithium-ion cells as the beam meets them: pouch cells in plan view, wound cells from the side."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.objects._cell_parts import Map, Sheet, texture
from coldray.objects._wound_cell import wound_maps
from coldray.simulation.thickness import ThicknessMaps

__all__ = ["CATHODES", "CELL_FORMS", "CellLayout", "CylindricalCell", "ElectrodeStack", "PouchCell", "battery"]

CATHODES = ("NMC622_coating", "LiCoO2_coating")
CELL_FORMS = ("pouch", "cylindrical")
_POROSITY = 0.35


def _check(record: object) -> None:
    """Every number finite and positive (spreads and counts may be zero)."""
    for f in fields(record):  # type: ignore[arg-type]
        value = getattr(record, f.name)
        if isinstance(value, int | float) and not (np.isfinite(value) and value >= (0 if "spread" in f.name else 1e-6)):
            raise PhysicsError(f"{f.name} is {value}; it must be finite and positive")


@dataclass(frozen=True)
class ElectrodeStack:
    """Layers of one cathode-anode pair; the defaults are typical of an energy cell.

    Parameters
    ----------
    aluminium_um, copper_um : float
        Current collectors [um].
    cathode_um, anode_um : float
        Coating on one side [um].
    separator_um : float
        One separator [um].
    cathode : str
        One of `CATHODES`.

    Raises
    ------
    PhysicsError
        If a thickness is not positive or the cathode unknown.
    """

    aluminium_um: float = 15.0
    copper_um: float = 8.0
    cathode_um: float = 65.0
    anode_um: float = 75.0
    separator_um: float = 16.0
    cathode: str = "NMC622_coating"

    def __post_init__(self) -> None:
        _check(self)
        if self.cathode not in CATHODES:
            raise PhysicsError(f"cathode is {self.cathode!r}; choose one of {', '.join(CATHODES)}")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> ElectrodeStack:
        """Foils 10-20 and 6-12 um, coatings 50-90 and 50-100 um a side, separators 12-25 um."""
        return cls(
            float(rng.uniform(10, 20)),
            float(rng.uniform(6, 12)),
            float(rng.uniform(50, 90)),
            float(rng.uniform(50, 100)),
            float(rng.uniform(12, 25)),
            str(rng.choice(CATHODES)),
        )

    @property
    def pair_mm(self) -> float:
        """Both foils, their coatings on both sides and two separators [mm]."""
        layers = self.aluminium_um + self.copper_um + 2 * (self.cathode_um + self.anode_um + self.separator_um)
        return layers / 1000


@dataclass(frozen=True)
class PouchCell:
    """Stacked cell in an aluminium-laminate pouch, seen through its thickness, tabs at the top.

    Parameters
    ----------
    stack : ElectrodeStack
    pairs : int
        Cathode sheets; there is one anode more.
    width_mm, height_mm : float
        Anode sheet [mm].
    overhang_mm : float
        By how much anodes reach beyond cathodes on every side [mm].
    misalignment_spread_mm, turn_spread_deg : float
        Standard deviations of each sheet's place [mm] and angle [deg].
    pouch_aluminium_um, pouch_polymer_um : float
        Laminate on one side [um].
    tab_width_mm, tab_thickness_mm : float
        Leads [mm].

    Raises
    ------
    PhysicsError
        If a value is not positive.
    """

    stack: ElectrodeStack = field(default_factory=ElectrodeStack)
    pairs: int = 8
    width_mm: float = 16.0
    height_mm: float = 22.0
    overhang_mm: float = 1.0
    misalignment_spread_mm: float = 0.06
    turn_spread_deg: float = 0.08
    pouch_aluminium_um: float = 40.0
    pouch_polymer_um: float = 75.0
    tab_width_mm: float = 3.0
    tab_thickness_mm: float = 0.1

    def __post_init__(self) -> None:
        _check(self)
        if self.pairs < 1 or self.width_mm <= 2 * self.overhang_mm or self.height_mm <= 2 * self.overhang_mm:
            raise PhysicsError(
                f"{self.pairs} pairs of {self.width_mm} x {self.height_mm} mm with {self.overhang_mm} mm overhang: "
                "the cathode would be empty"
            )

    @classmethod
    def draw(cls, rng: np.random.Generator) -> PouchCell:
        """A small cell of 5 to 16 pairs."""
        return cls(
            ElectrodeStack.draw(rng),
            int(rng.integers(5, 17)),
            float(rng.uniform(12, 18)),
            float(rng.uniform(18, 40)),
            float(rng.uniform(0.4, 1.6)),
            tab_width_mm=float(rng.uniform(2, 4)),
            tab_thickness_mm=float(rng.uniform(0.08, 0.15)),
        )


@dataclass(frozen=True)
class CylindricalCell:
    """Wound cell in a steel can, seen from the side, cap at the top.

    Parameters
    ----------
    stack : ElectrodeStack
    diameter_mm, height_mm : float
        Can [mm]; beyond about 10 mm a 70 kV beam sees only rim and cap.
    can_mm : float
        Wall of the steel can [mm].
    core_mm : float
        Diameter of the hollow core [mm].
    overhang_mm : float
        Axial reach of anodes beyond cathodes [mm].
    telescope_spread_mm : float
        Standard deviation of the winding's edge from turn to turn [mm].

    Raises
    ------
    PhysicsError
        If a value is not positive or the roll would be empty.
    """

    stack: ElectrodeStack = field(default_factory=ElectrodeStack)
    diameter_mm: float = 8.0
    height_mm: float = 20.0
    can_mm: float = 0.15
    core_mm: float = 1.2
    overhang_mm: float = 0.6
    telescope_spread_mm: float = 0.05

    def __post_init__(self) -> None:
        _check(self)
        if self.turns < 2:
            raise PhysicsError(
                f"a can of {self.diameter_mm} mm with walls of {self.can_mm} mm and a core of {self.core_mm} mm has room "
                f"for {self.turns} turns of {self.stack.pair_mm:.3f} mm; at least 2 are needed"
            )

    @property
    def turns(self) -> int:
        """Whole turns of the winding; the spiral itself needs one pair more than they do."""
        return int((self.diameter_mm / 2 - self.can_mm - 0.05 - self.core_mm / 2) / self.stack.pair_mm) - 1

    @classmethod
    def draw(cls, rng: np.random.Generator) -> CylindricalCell:
        """A pin cell of 4 to 10 mm."""
        return cls(
            ElectrodeStack.draw(rng),
            float(rng.uniform(4, 10)),
            float(rng.uniform(18, 30)),
            float(rng.uniform(0.1, 0.2)),
            float(rng.uniform(0.8, 1.6)),
            float(rng.uniform(0.3, 1.2)),
        )


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
