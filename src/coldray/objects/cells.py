"""Battery cells as numbers: electrode stack, pouch, cylinder."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from coldray.errors import PhysicsError

CATHODES = ("NMC622_coating", "LiCoO2_coating")
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


LEAST_TURNS = 2


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
        if self.turns < LEAST_TURNS:
            raise PhysicsError(
                f"a can of {self.diameter_mm} mm with walls of {self.can_mm} mm and a core of {self.core_mm} mm has room "
                f"for {self.turns} turns of {self.stack.pair_mm:.3f} mm; at least {LEAST_TURNS} are needed"
            )

    @property
    def turns(self) -> int:
        """Whole turns of the winding; the spiral itself needs one pair more than they do."""
        return int((self.diameter_mm / 2 - self.can_mm - 0.05 - self.core_mm / 2) / self.stack.pair_mm) - 1

    @classmethod
    def draw(cls, rng: np.random.Generator) -> CylindricalCell:
        """A pin cell of 4 to 10 mm, or as much as two turns of a thick stack need."""
        stack = ElectrodeStack.draw(rng)
        diameter, height, can, core, overhang = (
            float(rng.uniform(*limits)) for limits in ((4, 10), (18, 30), (0.1, 0.2), (0.8, 1.6), (0.3, 1.2))
        )
        least = 2 * (can + 0.05 + core / 2 + (LEAST_TURNS + 1.01) * stack.pair_mm)
        return cls(stack, max(diameter, least), height, can, core, overhang)
