"""Excellon drill files: round holes, slots, routed paths and repeats, in any stated or assumed number format.

After the Excellon CNC-7 format and the XNC specification (Ucamco, 2017) with the dialects of layout programs. A
statement that would make other holes and is not carried out is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from coldray.objects.gerber.apertures import GerberError
from coldray.objects.gerber.drill_statements import PATTERNS, XY, Format, spaceless
from coldray.objects.gerber.marks import Budget
from coldray.objects.gerber.shapes import Point, arc_points


@dataclass
class Drill:
    """A read drill file.

    Parameters
    ----------
    holes : list of tuple
        x, y, end x, end y, diameter [mm] and plated (None where the file does not say).
    stated : Format
        What the file says of its numbers.
    bare_numbers : bool
        Whether it has coordinates without a decimal point.
    sizes_from_list : bool
        Whether diameters were taken from a list beside it.
    """

    holes: list[tuple[float, float, float, float, float, bool | None]] = field(default_factory=list)
    stated: Format = field(default_factory=Format)
    bare_numbers: bool = False
    sizes_from_list: bool = False


def read_excellon(
    text: str,
    assumed: Format | None = None,
    budget: Budget | None = None,
    listed: Callable[[int], float | None] = lambda _: None,
) -> Drill:
    """Holes of a drill file.

    Parameters
    ----------
    text : str
        The file.
    assumed : Format, optional
        What to take where the file does not say; without it, inches with 2.4 or millimetres with 3.3 digits and
        leading zeros kept, as the machines do.
    budget : Budget, optional
        Takes the number of holes.
    listed : callable
        Diameter [mm] of a tool whose size the file does not hold, or None; asked for no other.

    Returns
    -------
    Drill

    Raises
    ------
    GerberError
        With the line and the statement, if it is not known or not carried out.
    """
    machine = _Machine(assumed or Format(), Budget() if budget is None else budget, listed)
    lines = [spaceless(raw.replace("\x00", "").replace("\x1a", "")) for raw in text.splitlines()]
    machine.look_ahead(lines)
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                machine.carry_out(line)
        except (GerberError, ValueError, ArithmeticError) as error:
            raise GerberError(f"line {number}: {line[:60]!r}: {error}") from error
        if machine.ended:
            break
    return machine.drill


@dataclass
class _Tool:
    """Diameter [mm] and plating of a tool."""

    diameter_mm: float
    plated: bool | None


class _Machine:
    """The state of the drilling machine."""

    def __init__(self, assumed: Format, budget: Budget, listed: Callable[[int], float | None]) -> None:
        self.drill = Drill()
        self._listed = listed
        self.ended = False
        self._assumed = assumed
        self._budget = budget
        self._in_header = False
        self._tools: dict[int, _Tool] = {}
        self._tool: int | None = None
        self._point: Point = (0.0, 0.0)
        self._incremental = False
        self._routing = False
        self._down = False
        self._line_mode = 1
        self._plated: bool | None = None
        self._pattern: int | None = None
        self._pattern_end = 0
        self._pattern_shift = (0.0, 0.0)
        self._in_turn: list[int] = []
        self._handlers: dict[str, Callable[..., None]] = {name: getattr(self, f"_do_{name}") for name, _ in PATTERNS}

    def look_ahead(self, lines: list[str]) -> None:
        """Take unit and format first: some files define their tools before they state them."""
        for line in lines:
            for name in ("unit", "comment"):
                found = dict(PATTERNS)[name].fullmatch(line)
                if found is not None:
                    self._handlers[name](*found.groups())
        self._tools, self._in_turn, self._plated, self._incremental = {}, [], None, False

    def carry_out(self, line: str) -> None:
        """One line."""
        for name, pattern in PATTERNS:
            found = pattern.fullmatch(line)
            if found is not None:
                self._handlers[name](*found.groups())
                return
        whole = re.fullmatch(rf"(T\d{{1,6}})({XY})", line)
        if whole:  # a tool and its first hole in one line
            self.carry_out(whole.group(1))
            self.carry_out(whole.group(2))
            return
        raise GerberError("this statement is not carried out")

    # Numbers.

    def _format(self) -> Format:
        """Stated, else assumed, else what the machines take."""
        known = self.drill.stated.filled(self._assumed)
        if known.mm is None:
            raise GerberError("the unit is not stated")
        usual = Format(known.mm, (3, 3) if known.mm == 1 else (2, 4), True)
        return known.filled(usual)

    def _length(self, text: str) -> float:
        form = self._format()
        assert form.mm is not None and form.digits is not None
        if "." in text:
            value = float(text) * form.mm
        else:
            digits = text.lstrip("+-")
            if len(digits) > 18:
                raise GerberError(f"a coordinate of {len(digits)} digits")
            # A plain zero is written "0" or "00" whatever the format.
            self.drill.bare_numbers |= digits.strip("0") != ""
            if form.leading_kept:
                digits = digits.ljust(sum(form.digits), "0")
            value = int(digits) * 10.0 ** -form.digits[1] * form.mm * (-1 if text[0] == "-" else 1)
        if abs(value) > 1e6:
            raise GerberError(f"a coordinate of {value / 1000:g} m")
        return value

    def _size(self, text: str) -> float:
        """A tool's diameter [mm]; sizes carry their point, whatever the format of coordinates."""
        mm = self._format().mm
        assert mm is not None
        if "." not in text and float(text) >= 10:
            raise GerberError(f"a tool's size {text} without a decimal point")
        return float(text) * mm

    def _go(self, x: str | None, y: str | None) -> tuple[Point, Point]:
        """Where the tool was and is."""
        start = self._point
        base = start if self._incremental else (0.0, 0.0)
        self._point = (
            start[0] if x is None else base[0] + self._length(x),
            start[1] if y is None else base[1] + self._length(y),
        )
        return start, self._point

    def _hole(self, start: Point, end: Point) -> None:
        if self._tool is None and (self._in_turn or len(self._tools) == 1):
            self._tool = self._in_turn[0] if self._in_turn else next(iter(self._tools))
        if self._tool is None:
            raise GerberError("a hole comes before any tool is chosen")
        tool = self._tools.get(self._tool)
        if tool is None and (size := self._listed(self._tool)) is not None:
            tool = self._tools[self._tool] = _Tool(size, self._plated)
            self.drill.sizes_from_list = True
        if tool is None:
            raise GerberError(f"tool T{self._tool} has no diameter; add its tool list, or export sizes into the file")
        self._budget.spend(1)
        self.drill.holes.append((*start, *end, tool.diameter_mm, tool.plated))

    # Statements, in the order of `STATEMENTS`.

    def _do_hit(self, x: str | None, y: str | None) -> None:
        start, end = self._go(x, y)
        if not self._routing:
            self._hole(end, end)
        elif self._down:
            self._hole(start, end)

    def _do_comment(self, text: str) -> None:
        text = text.strip()
        low = text.lower()
        allegro = re.match(
            r"(?:T\d+)?\s*Holesize\s+(\d+)\.?\s*=\s*([\d.]+)\s*(?:Tolerance\s*=\s*\S+)?\s*"
            r"(PLATED|NON_PLATED|OPTIONAL)?\s*(MILS|MM|INCH|METRIC)",
            text,
            re.IGNORECASE,
        )
        if allegro:
            self._listed_tool(text, *allegro.groups())
        elif found := re.match(r"FILE_FORMAT\s*=\s*(\d)[:.](\d)", text):
            self._state(digits=(int(found.group(1)), int(found.group(2))))
        elif found := re.match(r"FORMAT=\{([-\d]+):([-\d]+)\s*/\s*\w+\s*/\s*(inch|metric|mm)\s*/\s*([\w ]+)\}", text):
            self._state(mm=25.4 if found.group(3) == "inch" else 1.0)
            if found.group(1).isdigit() and found.group(2).isdigit():
                self._state(digits=(int(found.group(1)), int(found.group(2))))
            if "suppress" in found.group(4):
                self._state(leading_kept="trailing" in found.group(4))
        elif found := re.match(r"Format\s*:\s*(\d)\.(\d)\s*/\s*(\w+)\s*/\s*(Inch|MM)\s*/\s*(Leading|Trailing)", text):
            # Which zeros are left out, not which are kept.
            self._state(25.4 if found.group(4) == "Inch" else 1.0, (int(found.group(1)), int(found.group(2))))
            self._state(leading_kept=found.group(5) == "Trailing")
            self._incremental = found.group(3) == "Incremental"
        elif found := re.search(r"type\s*=\s*(non_?plated|plated)", low):
            self._plated = found.group(1) == "plated"
        elif found := re.search(r"aperfunction,(nonplated|plated)", low):
            self._plated = found.group(1) == "plated"

    def _listed_tool(self, text: str, number: str, size: str, plated: str | None, unit: str) -> None:
        """A tool of the list in the comments; without numbers in front, tools follow one another at `M00`."""
        mm = {"MILS": 0.0254, "INCH": 25.4}.get(unit.upper(), 1.0)
        said = None if plated is None else plated.upper() != "NON_PLATED"
        self._tools[int(number)] = _Tool(float(size) * mm, said if said is not None else self._plated)
        if self.drill.stated.mm is None and unit.upper() in ("MILS", "MM"):
            self._state(mm=25.4 if unit.upper() == "MILS" else 1.0)
        if plated is not None and not text.startswith("T"):
            self._in_turn.append(int(number))

    def _state(
        self, mm: float | None = None, digits: tuple[int, int] | None = None, leading_kept: bool | None = None
    ) -> None:
        """Keep what the file says; a later word wins."""
        if mm is not None and self.drill.stated.mm not in (None, mm):
            raise GerberError("the unit changes within the file")
        self.drill.stated = Format(mm, digits, leading_kept).filled(self.drill.stated)

    def _do_header(self) -> None:
        self._in_header = True

    def _do_percent(self) -> None:
        self._in_header = False
        self._plated = None

    _do_end_header = _do_percent

    def _do_tool(self, number: str, parameters: str) -> None:
        n = int(number)
        size = re.search(r"C([\d.]+)", parameters)
        if size:
            self._tools[n] = _Tool(self._size(size.group(1)), self._plated)
        elif n in self._tools and self._plated is not None and not self._in_header:
            self._tools[n] = replace(self._tools[n], plated=self._plated)
        if not self._in_header or not size:
            self._tool = n if n else None

    def _do_slot(self, x1: str | None, y1: str | None, x2: str | None, y2: str | None) -> None:
        _, start = self._go(x1, y1)
        _, end = self._go(x2, y2)
        self._hole(start, end)

    def _do_move(self, x: str | None, y: str | None) -> None:
        self._routing, self._line_mode = True, 1
        self._go(x, y)

    def _do_line(self, x: str | None, y: str | None) -> None:
        start, end = self._go(x, y)
        if self._routing and self._down and start != end:
            self._hole(start, end)

    def _do_arc(self, code: str, x: str | None, y: str | None, a: str | None, i: str | None, j: str | None) -> None:
        start, end = self._go(x, y)
        if not (self._routing and self._down):
            return
        clockwise = code == "2"
        if a is not None:
            centre = _centre(start, end, self._length(a), clockwise)
        elif i is not None or j is not None:
            centre = (start[0] + self._length(i or "0"), start[1] + self._length(j or "0"))
        else:
            raise GerberError("an arc has no centre and no radius")
        for point in arc_points(start, end, centre, clockwise):
            self._hole(start, point)
            start = point

    def _do_down(self) -> None:
        self._routing = self._down = True

    def _do_up(self) -> None:
        self._down = False

    def _do_drill_mode(self) -> None:
        self._routing = self._down = False

    def _do_repeat(self, count: str, x: str | None, y: str | None) -> None:
        step = (self._length(x) if x else 0.0, self._length(y) if y else 0.0)
        self._budget.spend(0, int(count))
        for _ in range(int(count)):
            self._point = (self._point[0] + step[0], self._point[1] + step[1])
            self._hole(self._point, self._point)

    def _do_pattern_begin(self) -> None:
        self._pattern = self._pattern_end = len(self.drill.holes)
        self._pattern_shift = (0.0, 0.0)

    def _do_pattern_end(self) -> None:
        if self._pattern is not None:
            self._pattern_end = len(self.drill.holes)

    def _do_pattern_repeat(self, count: str | None, x: str | None, y: str | None) -> None:
        """Holes of the pattern once more, each time shifted further."""
        if self._pattern is None:
            if count is x is y is None:  # as in Gerber files: the end
                self.ended = True
                return
            raise GerberError("a pattern is repeated that has no beginning (M25)")
        first = self.drill.holes[self._pattern : self._pattern_end]
        self._budget.spend(int(count or 1) * len(first), int(count or 1))
        for _ in range(int(count or 1)):
            dx = self._pattern_shift[0] + (self._length(x) if x else 0.0)
            dy = self._pattern_shift[1] + (self._length(y) if y else 0.0)
            self._pattern_shift = (dx, dy)
            self.drill.holes += [(h[0] + dx, h[1] + dy, h[2] + dx, h[3] + dy, *h[4:]) for h in first]

    def _do_pattern_done(self) -> None:
        self._pattern = None

    def _do_unit(self, name: str | None, rest: str | None, code: str | None, zeros: str | None) -> None:
        self._state(mm=1.0 if name == "METRIC" or code == "71" else 25.4)
        said = re.search(r"[LT]Z", rest or zeros or "")
        if said:
            self._state(leading_kept=said.group() == "LZ")
        places = re.search(r"(0+)\.(0+)", rest or "")
        if places:
            self._state(digits=(len(places.group(1)), len(places.group(2))))

    def _do_incremental(self, switch: str | None, code: str | None) -> None:
        self._incremental = switch == "ON" or code == "1"

    def _do_zero(self, x: str | None, y: str | None) -> None:
        if any(v is not None and float(v) != 0 for v in (x, y)):
            raise GerberError("another zero point is not carried out; export with one origin")

    def _do_end(self) -> None:
        if self._in_turn:  # a list of sizes without numbers: the next tool
            done = self._in_turn.index(self._tool) + 1 if self._tool in self._in_turn else 1
            if done < len(self._in_turn):
                self._tool = self._in_turn[done]
                return
        self.ended = True

    def _do_ignored(self) -> None:
        """Speeds, feeds and machine settings: nothing of the holes."""


def _centre(start: Point, end: Point, radius: float, clockwise: bool) -> Point:
    """Centre of the shorter arc of a radius."""
    dx, dy = (end[0] - start[0]) / 2, (end[1] - start[1]) / 2
    half = math.hypot(dx, dy)
    if half == 0 or radius < half * 0.999:
        raise GerberError("an arc's radius is shorter than half its chord")
    reach = math.sqrt(max(0.0, radius**2 - half**2)) / half * (1 if clockwise else -1)
    return (start[0] + dx + reach * dy, start[1] + dy - reach * dx)
