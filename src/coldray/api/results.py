"""Results that a notebook likes: short in print, a table in HTML, a figure, a CSV file, plain data."""

from __future__ import annotations

import html
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.document import Json
from coldray.errors import ImageWriteError, MeasurementError
from coldray.physics.curves import FrequencyCurve
from coldray.reports.measurements import Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from coldray.physics.tables import Column

REPR_WIDTH = 110
SHOWN_FACTS = 3
"""Facts in the printed form; it never has more than five lines."""


class Result(ABC):
    """What every result of the front door offers.

    A result states its facts as (name, text), its columns by name, and how it is drawn.
    """

    _title: str
    warnings: tuple[str, ...]

    @abstractmethod
    def facts(self) -> Sequence[tuple[str, str]]:
        """What is worth knowing at a glance, name and text; the most important first."""

    @abstractmethod
    def columns(self) -> Mapping[str, Column]:
        """Columns of the table by name; all of one length."""

    @abstractmethod
    def to_dict(self) -> dict[str, Json]:
        """JSON-able form, with the keys of the command line."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw into a matplotlib axis, a new one by default.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(layout="constrained")
        self._draw(ax)
        return ax

    @abstractmethod
    def _draw(self, ax: Axes) -> None:
        """Draw into a matplotlib axis."""

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the table, with pitch and warnings in comments; whole or not at all. `restore` reads those of an MTF.

        Parameters
        ----------
        path : path
            Replaced if it is there.

        Returns
        -------
        Path

        Raises
        ------
        ImageWriteError
            If it cannot be written.
        """
        from coldray.files import write_text
        from coldray.physics.tables import write_table

        notes = [self._title, *(f"warning: {text}" for text in self.warnings)]
        text = write_table(self.columns(), getattr(self, "pixel_pitch_mm", None), notes)
        target = Path(path)
        try:
            write_text(target, text)
        except OSError as problem:
            raise ImageWriteError(f"{target.name}: cannot be written ({problem.strerror or problem})") from None
        return target

    def __repr__(self) -> str:
        lines = [self._title, *(f"  {name.strip()}: {text}" for name, text in list(self.facts())[:SHOWN_FACTS])]
        if self.warnings:
            more = f" (and {len(self.warnings) - 1} more)" if len(self.warnings) > 1 else ""
            lines.append(f"  warning: {self.warnings[0]}{more}")
        return "\n".join(line if len(line) <= REPR_WIDTH else line[: REPR_WIDTH - 1] + "…" for line in lines)

    def _repr_html_(self) -> str:
        rows = [*self.facts(), *(("warning", text) for text in self.warnings)]
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows)
        return f"<table><caption>{html.escape(self._title)}</caption>{cells}</table>"


@dataclass(frozen=True, eq=False, repr=False)
class Measurement(Result):
    """A measurement with its pixel pitch; what it found is read from it by name.

    Parameters
    ----------
    found : object
        The measurement itself, as `coldray.metrology` gives it; its attributes are this result's.
    pixel_pitch_mm : float or None
        None if it is not known and does not matter.
    protocol : Protocol
        Title, facts and figure, for a page.
    draw : callable
        ``draw(axis)``.
    table : mapping of str to array_like or number
        Columns, or the numbers of a table of one line.
    """

    found: Any
    pixel_pitch_mm: float | None
    protocol: Protocol
    draw: Callable[[Axes], None]
    table: Mapping[str, Column | float | None]
    warnings: tuple[str, ...] = field(default=())

    @property
    def _title(self) -> str:  # type: ignore[override]
        return self.protocol.title

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "found":
            raise AttributeError(name)
        if name in self.table:
            value = self.table[name]
            return value if value is None or isinstance(value, Real) else np.asarray(value)
        return getattr(self.found, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.table, *(n for n in dir(self.found) if not n.startswith("_"))})

    def facts(self) -> Sequence[tuple[str, str]]:
        """Facts by name and text."""
        return self.protocol.rows

    def columns(self) -> Mapping[str, Column]:
        """Columns of the table by name."""
        return {
            name: [v] if v is None or isinstance(v, (float, int, np.number)) else v for name, v in self.table.items()
        }

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form, with the keys of the command line."""
        return dict(self.found.to_json()) | {"pixel_pitch_mm": self.pixel_pitch_mm, "warnings": list(self.warnings)}

    def _draw(self, ax: Axes) -> None:
        self.draw(ax)

    @property
    def curve(self) -> FrequencyCurve:
        """The measured curve with its band, to be evaluated at any frequency [cycles/mm].

        Raises
        ------
        MeasurementError
            If this measurement is no curve.
        """
        for name in ("mtf", "nnps", "dqe", "neq"):
            found = getattr(self.found, name, None)
            if isinstance(found, FrequencyCurve):
                return found
        raise MeasurementError(f"{self._title}: this measurement has no curve over frequency; see columns()")

    def at(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Readings of `curve` at frequencies of choice [cycles/mm]."""
        return self.curve(frequency_lp_mm)
