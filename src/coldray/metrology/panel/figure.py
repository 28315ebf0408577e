"""One figure of a panel's sheet, with its band, unit and clause; and the same figure over several panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from coldray.document import Json

STANDARD = "ASTM E2597/E2597M-22"
BASIS = "as the standard's public preview and literature describe it"


@dataclass(frozen=True)
class Figure:
    """A figure of the sheet.

    Parameters
    ----------
    key : str
        Stable name, for instance ``csa.Al.4s.12mm``.
    name : str
        In words.
    value : float or None
        None where the acquisitions do not give one; `note` says why.
    low, high : float or None
        k = 2 band.
    unit : str
        Empty for counts and ratios.
    factor : str
        Factor of the standard it belongs to.
    note : str
    """

    key: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    factor: str
    note: str = ""

    @property
    def clause(self) -> str:
        """What it follows, in the words every figure of the sheet carries."""
        return f"{STANDARD}, {self.factor}, {BASIS}"

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return asdict(self) | {"clause": self.clause}


def with_sd(key: str, name: str, value: float, sd: float, unit: str, factor: str, note: str = "") -> Figure:
    """Figure with a symmetric band of two standard uncertainties."""
    return Figure(key, name, value, value - 2 * sd, value + 2 * sd, unit, factor, note)


def missing(key: str, name: str, unit: str, factor: str, note: str) -> Figure:
    """Figure that the acquisitions do not give."""
    return Figure(key, name, None, None, None, unit, factor, note)


@dataclass(frozen=True)
class Spread:
    """One figure over several panels.

    Parameters
    ----------
    figure : Figure
        Of the first panel, for its name, unit and factor.
    values : tuple of (float or None)
        In the order of the panels.
    """

    figure: Figure
    values: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        """Mean of the panels that have it."""
        known = [v for v in self.values if v is not None]
        return float(np.mean(known)) if known else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over the panels; None for one."""
        known = [v for v in self.values if v is not None]
        return float(np.std(known, ddof=1)) if len(known) > 1 else None


def over_panels(panels: Sequence[Sequence[Figure]]) -> tuple[Spread, ...]:
    """Every figure that a panel has, in the order of the first that has it."""
    first: dict[str, Figure] = {}
    for figures in panels:
        for figure in figures:
            first.setdefault(figure.key, figure)
    by_key = [{figure.key: figure.value for figure in figures} for figures in panels]
    return tuple(Spread(figure, tuple(one.get(key) for one in by_key)) for key, figure in first.items())
