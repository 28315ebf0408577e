"""Gerber apertures as polygons about their flash point: standard ones, and macros with their arithmetic."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.objects.gerber.shapes import arc_points, capsule, disc

_MAX_MACRO_PRIMITIVES = 10_000
_MAX_EXPRESSION = 2_000
"""Characters of one macro modifier; real ones have tens."""


class GerberError(ValueError):
    """A statement that is wrong, or that is not carried out; the caller adds file and line.

    Files may hold anything, and messages quote them: what cannot be printed becomes a question mark.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else "?" for c in text))


@dataclass(frozen=True)
class Part:
    """One polygon of an aperture [mm] and whether it adds to the aperture or takes away from it."""

    outline: NDArray[np.float64]
    dark: bool
    convex: bool = True


@dataclass(frozen=True)
class Aperture:
    """What a flash leaves.

    Parameters
    ----------
    parts : tuple of Part
        In drawing order; clear parts take away from this aperture only, not from what lies below it.
    diameter_mm : float
        Of a plain circle [mm]; NaN for any other aperture.
    slot_mm : tuple of float, optional
        Size in x and y of an obround or rectangle [mm].
    function : str
        X2 aperture function, lower case; "" if none is given.
    """

    parts: tuple[Part, ...]
    diameter_mm: float = math.nan
    slot_mm: tuple[float, float] | None = None
    function: str = ""

    @property
    def sweeps(self) -> bool:
        """Whether a stroke by it is the union of its parts swept along: all parts dark and convex."""
        return all(p.dark and p.convex for p in self.parts)


def standard_aperture(kind: str, sizes: Sequence[float], mm: float, function: str = "") -> Aperture:
    """Circle, rectangle, obround or regular polygon, with or without a round hole.

    Parameters
    ----------
    kind : str
        C, R, O or P.
    sizes : sequence of float
        Modifiers of the `%AD` statement, in file units.
    mm : float
        Millimetres per file unit.
    function : str
        X2 aperture function.

    Raises
    ------
    GerberError
        If modifiers are missing, too many, negative or not finite.
    """
    fewest, most = {"C": (1, 3), "R": (2, 4), "O": (2, 4), "P": (2, 5)}[kind]
    if not fewest <= len(sizes) <= most or not all(map(math.isfinite, sizes)):
        raise GerberError(f"aperture {kind} takes {fewest} to {most} sizes, found {len(sizes)}")
    if kind == "P":
        corners, turn = sizes[1], sizes[2] if len(sizes) > 2 else 0.0
        outline = regular_polygon(sizes[0] * mm, corners, turn)
        rest = sizes[3:]
    elif kind == "C":
        outline, rest = disc(0, 0, sizes[0] * mm), sizes[1:]
    else:
        width, height = sizes[0] * mm, sizes[1] * mm
        outline = rectangle(0, 0, width, height) if kind == "R" else obround(width, height)
        rest = sizes[2:]
    if any(s < 0 for s in (*sizes[: 1 if kind in "CP" else 2], *rest)):
        raise GerberError(f"aperture {kind} has a negative size")
    if len(rest) == 2:  # a rectangular hole, dropped from the format in 2012
        hole = rectangle(0, 0, rest[0] * mm, rest[1] * mm)
    else:
        hole = disc(0, 0, rest[0] * mm) if rest and rest[0] > 0 else np.zeros((0, 2))
    parts = tuple(Part(o, d) for o, d in ((outline, True), (hole, False)) if len(o))
    return Aperture(
        parts,
        sizes[0] * mm if kind == "C" and not len(hole) else math.nan,
        (sizes[0] * mm, sizes[1] * mm) if kind in "RO" else None,
        function,
    )


def rectangle(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """Upright rectangle about a centre; empty without area."""
    if width <= 0 or height <= 0:
        return np.zeros((0, 2))
    return np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2 + (x, y)


def obround(width: float, height: float) -> NDArray[np.float64]:
    """Rectangle with half discs at its short sides."""
    if width <= 0 or height <= 0:
        return np.zeros((0, 2))
    reach_x, reach_y = max(0.0, width - height) / 2, max(0.0, height - width) / 2
    return capsule(-reach_x, -reach_y, reach_x, reach_y, min(width, height))


def regular_polygon(diameter: float, corners: float, turn_deg: float) -> NDArray[np.float64]:
    """Regular polygon in a circle, first corner at `turn_deg` from the x axis."""
    if corners != round(corners) or not 3 <= corners <= 12:
        raise GerberError(f"a regular polygon has 3 to 12 corners, found {corners:g}")
    angles = math.radians(turn_deg) + 2 * np.pi * np.arange(int(corners)) / int(corners)
    return diameter / 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def turned(outline: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Outline turned counter-clockwise about the origin."""
    if not degrees or not len(outline):
        return outline
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return outline @ np.array([[c, s], [-s, c]])


def thermal(x: float, y: float, outer: float, inner: float, gap: float) -> Iterator[NDArray[np.float64]]:
    """Four quarters of a ring cut by a cross of `gap`, about a centre.

    Notes
    -----
    Each quarter lies where both coordinates, in its own quadrant, exceed half the gap.
    """
    big, small, half = outer / 2, max(0.0, inner / 2), gap / 2
    if half * math.sqrt(2) >= big:
        return
    first = math.asin(half / big)
    start, end = (
        (big * math.cos(first), big * math.sin(first)),
        (big * math.sin(first), big * math.cos(first)),
    )
    quarter = [start, *arc_points(start, end, (0.0, 0.0), False)]
    if small > half * math.sqrt(2):
        edge = math.asin(half / small)
        back = (small * math.sin(edge), small * math.cos(edge)), (small * math.cos(edge), small * math.sin(edge))
        quarter += [back[0], *arc_points(*back, (0.0, 0.0), True)]
    else:
        quarter.append((half, half))
    for step in range(4):
        yield turned(np.asarray(quarter, dtype=np.float64), 90.0 * step) + np.array([x, y])


_OPERATORS: dict[str, tuple[int, Callable[[float, float], float]]] = {
    "+": (1, operator.add), "-": (1, operator.sub), "x": (2, operator.mul), "X": (2, operator.mul),
    "/": (2, operator.truediv),
}  # fmt: skip


def evaluate(expression: str, variables: dict[int, float]) -> float:
    """Value of a macro expression: numbers, `$n`, + - x /, signs, parentheses.

    Parameters
    ----------
    expression : str
        One modifier of a macro.
    variables : dict
        Values by number; those not given are 0.

    Raises
    ------
    GerberError
        If it is no expression, divides by zero or is too long.
    """
    text = re.sub(r"\s+", "", expression)
    tokens = re.findall(r"\d+\.?\d*|\.\d+|\$\d+|[-+xX/()]", text)
    if not text or "".join(tokens) != text or len(text) > _MAX_EXPRESSION:
        raise GerberError(f"macro expression {expression[:40]!r} is not understood")
    try:
        value = _value_of(tokens, variables)
    except (IndexError, KeyError, ValueError, ArithmeticError) as error:
        raise GerberError(f"macro expression {expression[:40]!r} has no value") from error
    if not math.isfinite(value):
        raise GerberError(f"macro expression {expression[:40]!r} has no finite value")
    return value


def _value_of(tokens: Sequence[str], variables: dict[int, float]) -> float:
    """Shunting-yard: values and operators on two stacks, so that no depth of parentheses can exhaust the stack."""
    values: list[float] = []
    pending: list[str] = []
    before = "("

    def apply() -> None:
        name = pending.pop()
        if name == "negative":
            values[-1] = -values[-1]
        else:
            second, first = values.pop(), values.pop()
            values.append(_OPERATORS[name][1](first, second))

    def rank(name: str) -> int:
        return 3 if name == "negative" else _OPERATORS[name][0]

    for token in tokens:
        if token == ")":
            while pending[-1] != "(":
                apply()
            pending.pop()
        elif token in "+-" and (before == "(" or before in _OPERATORS):  # a sign, not a difference
            if token == "-":
                pending.append("negative")
        elif token in _OPERATORS:
            while pending and pending[-1] != "(" and rank(pending[-1]) >= rank(token):
                apply()
            pending.append(token)
        elif before not in _OPERATORS and before != "(":
            raise ValueError("two values without an operator between them")
        elif token == "(":
            pending.append(token)
        else:
            values.append(variables.get(int(token[1:]), 0.0) if token[0] == "$" else float(token))
        before = token
    while pending:
        apply()
    (value,) = values
    return value


def macro_aperture(name: str, body: Sequence[str], sizes: Sequence[float], mm: float, function: str = "") -> Aperture:
    """Aperture of a macro with its variables filled in.

    Parameters
    ----------
    name : str
        Of the macro, for messages.
    body : sequence of str
        Its statements without the asterisks.
    sizes : sequence of float
        Values of $1, $2, ... in file units.
    mm : float
        Millimetres per file unit.
    function : str
        X2 aperture function.

    Raises
    ------
    GerberError
        If a primitive is unknown, lacks modifiers or has impossible ones.
    """
    variables = {i + 1: v for i, v in enumerate(sizes)}
    parts: list[Part] = []
    for statement in body:
        statement = statement.strip()
        if not statement or statement.startswith("0"):  # a comment
            continue
        assigned = re.fullmatch(r"\$(\d+)\s*=(.*)", statement, re.DOTALL)
        if assigned:
            variables[int(assigned.group(1))] = evaluate(assigned.group(2), variables)
            continue
        code, *fields = statement.rstrip(",").split(",")
        values = [evaluate(f, variables) for f in fields]
        try:
            parts += [p for p in _primitive(code.strip(), values, mm) if len(p.outline)]
        except GerberError as error:
            raise GerberError(f"macro {name}: {error}") from None
        if len(parts) > _MAX_MACRO_PRIMITIVES:
            raise GerberError(f"macro {name} has more than {_MAX_MACRO_PRIMITIVES} primitives")
    return Aperture(tuple(parts), function=function)


_FEWEST = {"1": 4, "2": 6, "20": 6, "21": 5, "22": 5, "4": 2, "5": 5, "6": 8, "7": 5}
"""Modifiers of each primitive without its rotation, which old files leave out."""


def _primitive(code: str, values: list[float], mm: float) -> Iterator[Part]:
    """Polygons of one macro primitive [mm]."""
    if code not in _FEWEST:
        raise GerberError(f"primitive {code} is unknown")
    fewest = _FEWEST[code]
    if code == "4" and len(values) >= 2:
        fewest += 2 * (round(values[1]) + 1)
    if not fewest <= len(values) <= fewest + 1:
        raise GerberError(f"primitive {code} takes {fewest} or {fewest + 1} modifiers, found {len(values)}")
    turn = values[fewest] if len(values) > fewest else 0.0
    if code == "7":
        for quarter in thermal(*(v * mm for v in values[:5])):
            yield Part(turned(quarter, turn), True, convex=False)
        return
    if code == "6":
        yield from (Part(turned(o, turn), d, convex=False) for o, d in _moire(values, mm))
        return
    if values[0] not in (0, 1):  # old files reverse the exposure so
        raise GerberError(f"primitive {code} has exposure {values[0]:g}; 0 and 1 are carried out")
    dark, sizes = values[0] == 1, [v * mm for v in values]
    if code == "1":
        outline = disc(sizes[2], sizes[3], sizes[1])
    elif code in ("2", "20"):
        outline = _vector_line(*sizes[1:6])
    elif code == "21":
        outline = rectangle(sizes[3], sizes[4], sizes[1], sizes[2])
    elif code == "22":
        outline = rectangle(sizes[3] + sizes[1] / 2, sizes[4] + sizes[2] / 2, sizes[1], sizes[2])
    elif code == "4":
        outline = np.asarray(sizes[2:fewest], dtype=np.float64).reshape(-1, 2)[:-1]
    else:
        outline = regular_polygon(sizes[4], values[1], 0.0) + np.array(sizes[2:4])
    yield Part(turned(outline, turn), dark, convex=code != "4" or _is_convex(outline))


def _vector_line(width: float, x1: float, y1: float, x2: float, y2: float) -> NDArray[np.float64]:
    """Rectangle along a line, with flat ends."""
    long = math.hypot(x2 - x1, y2 - y1)
    if long == 0 or width <= 0:
        return np.zeros((0, 2))
    nx, ny = -(y2 - y1) / long * width / 2, (x2 - x1) / long * width / 2
    return np.array([[x1 + nx, y1 + ny], [x1 - nx, y1 - ny], [x2 - nx, y2 - ny], [x2 + nx, y2 + ny]])


def _moire(values: list[float], mm: float) -> Iterator[tuple[NDArray[np.float64], bool]]:
    """Target of rings and a cross, as macros had until 2021; rings as discs laid over one another."""
    x, y, outer, thick, gap = (v * mm for v in values[:5])
    if not 0 <= values[5] <= 1000:
        raise GerberError(f"a target has at most 1000 rings, found {values[5]:g}")
    for ring in range(round(values[5])):
        diameter = outer - 2 * ring * (thick + gap)
        for size, dark in ((diameter, True), (diameter - 2 * thick, False)):
            if size > 0:
                yield disc(x, y, size), dark
    line, reach = values[6] * mm, values[7] * mm
    yield rectangle(x, y, reach, line), True
    yield rectangle(x, y, line, reach), True


def _is_convex(outline: NDArray[np.float64]) -> bool:
    """Whether all corners turn the same way, once round."""
    if len(outline) < 3:
        return False
    side = np.roll(outline, -1, axis=0) - outline
    side = side[np.hypot(side[:, 0], side[:, 1]) > 0]
    after = np.roll(side, -1, axis=0)
    turns = np.arctan2(side[:, 0] * after[:, 1] - side[:, 1] * after[:, 0], np.sum(side * after, axis=1))
    return bool(abs(abs(turns.sum()) - 2 * math.pi) < 1e-6 and (np.all(turns > -1e-9) or np.all(turns < 1e-9)))
