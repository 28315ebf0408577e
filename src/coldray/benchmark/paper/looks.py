"""How the lines of the comparison's figures look."""

from __future__ import annotations

from typing import TypedDict

Dash = str | tuple[float, tuple[float, ...]]
"""A style of matplotlib by its name, or offset and lengths of its dashes."""


class Look(TypedDict, total=False):
    """How a line is drawn, in matplotlib's words."""

    color: str
    ls: Dash
    lw: float
    marker: str | None
    markevery: tuple[int, int]
    mfc: str
    ms: float
    zorder: float
    label: str
