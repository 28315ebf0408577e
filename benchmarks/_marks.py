"""One mark of the metrology benchmark, and all of them as one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from _peers import PACKAGES, Figure


@dataclass(frozen=True)
class Mark:
    """One line: what was asked, what was required, what was reached.

    Parameters
    ----------
    part, name : str
    value : float
        What coldray reached.
    low, high : float
        Limits; without any the line is a report and judges nothing.
    unit : str
    peers : dict of Figure
        What each peer that can do it reached.
    detail : dict
        Further numbers for the JSON file.
    """

    part: str
    name: str
    value: float
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    peers: dict[str, Figure] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """True within the limits; None without limits."""
        if math.isinf(self.low) and math.isinf(self.high):
            return None
        return bool(self.low <= self.value <= self.high)

    @property
    def required(self) -> str:
        """The limits in words."""
        if self.met is None:
            return "reported"
        if self.low == self.high:
            return _number(self.low, self.unit)
        if math.isinf(self.low) or self.low == 0:
            return f"≤ {_number(self.high, self.unit)}"
        return f"{_number(self.low, '')} to {_number(self.high, self.unit)}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; no limit and no number become null."""
        return {
            "part": self.part,
            "mark": self.name,
            "unit": self.unit,
            "low": _finite(self.low),
            "high": _finite(self.high),
            "coldray": _finite(self.value),
            "met": self.met,
            "peers": {
                name: {"value": _finite(f.value), "images": f.images, "failed": f.failed, "reason": f.reason}
                for name, f in self.peers.items()
            },
            **self.detail,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Mark:
        """The mark that `to_dict` wrote."""
        own = {"part", "mark", "unit", "low", "high", "coldray", "met", "peers"}
        return cls(
            content["part"],
            content["mark"],
            math.inf if content["coldray"] is None else content["coldray"],
            -math.inf if content["low"] is None else content["low"],
            math.inf if content["high"] is None else content["high"],
            content["unit"],
            {name: Figure(**given) for name, given in content["peers"].items()},
            {key: value for key, value in content.items() if key not in own},
        )

    def cell(self, peer: str) -> str:
        """A peer's number, what failed, and in brackets how many times coldray's seconds it took."""
        figure = self.peers.get(peer)
        if figure is None:
            return "–"
        if figure.value is None:
            return f"failed ({figure.reason.partition(':')[0]})"
        text = _number(figure.value, self.unit)
        if self.unit == "s":
            text += f" ({figure.value / self.value:.1f}×)"
        return text + (f" ({figure.failed} of {figure.images} failed)" if figure.failed else "")


def table(marks: Sequence[Mark]) -> str:
    """All marks as one Markdown table."""
    peers = list(PACKAGES)
    lines = [
        "| " + " | ".join(["mark", "required", "coldray", *(PACKAGES[p] for p in peers), "met"]) + " |",
        "|" + " --- |" * (len(peers) + 4),
    ]
    part = ""
    for mark in marks:
        if mark.part != part:
            part = mark.part
            lines.append(f"| **{_cell(part)}** |" + " |" * (len(peers) + 3))
        met = {True: "yes", False: "**no**", None: ""}[mark.met]
        cells = [_cell(mark.name), mark.required, _number(mark.value, mark.unit), *(mark.cell(p) for p in peers), met]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text that does not end its cell."""
    return text.replace("|", "\\|")


def _number(value: float, unit: str) -> str:
    """Three significant digits with the unit."""
    if not math.isfinite(value):
        return "none"
    text = f"{value:.0e}" if 0 < abs(value) < 1e-4 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
