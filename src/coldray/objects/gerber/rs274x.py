"""Gerber files read: every statement of the image is carried out or refused by its name.

After the Gerber Layer Format Specification (Ucamco, revision 2024.05) with what older files hold: step and repeat
without an end, coordinates without an operation code, G54, G70/G71, G90/G91, single quadrant arcs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from coldray.objects.gerber.apertures import Aperture, GerberError, macro_aperture, standard_aperture
from coldray.objects.gerber.marks import UPRIGHT, Budget, Drawing, Mark, Matrix, moved, times
from coldray.objects.gerber.shapes import Point, arc_points
from coldray.objects.gerber.statements import EXTENDED, NO_EFFECT, WORD, Coordinates, split, statements

_COUNTED = 1000
_LONGEST = 200


@dataclass(frozen=True)
class _Block:
    """An aperture made of the objects of a `%AB` block."""

    marks: tuple[Mark, ...]


@dataclass
class _Open:
    """A `%SR` or `%AB` that is not closed yet."""

    repeat: tuple[int, int, float, float] | None
    number: int
    marks: list[Mark] = field(default_factory=list)


def read_gerber(text: str, budget: Budget | None = None) -> Drawing:
    """Objects of a Gerber file in drawing order.

    Parameters
    ----------
    text : str
        The file.
    budget : Budget, optional
        Takes the number of objects.

    Returns
    -------
    Drawing
        Flashes, strokes and regions [mm]; step-and-repeat and aperture blocks are carried out.

    Raises
    ------
    GerberError
        With the line and the statement, if a statement is unknown, wrong, or not carried out.
    """
    plotter = _Plotter(Budget() if budget is None else budget, text)
    count = 0
    for at, statement in split(text):
        count += 1
        if count % _COUNTED == 0:
            plotter.budget.spend(0, statements=_COUNTED)
        try:
            for word in statements(statement):
                plotter.carry_out(word)
        except (GerberError, ArithmeticError, ValueError, IndexError) as error:
            line = text.count("\n", 0, at) + 1
            shown = " ".join(statement[:200].split())[:60]
            raise GerberError(f"line {line}: {shown!r}: {error}") from error
        if plotter.ended:
            break
    if not plotter.ended:
        plotter.drawing.notes.append("no end statement (M02)")
    plotter.finish()
    return plotter.drawing


class _Plotter:
    """The state of the plotter."""

    def __init__(self, budget: Budget, text: str) -> None:
        self.drawing = Drawing()
        self.ended = False
        self.budget = budget
        self._numbers = Coordinates(text)
        self._point: Point = (0.0, 0.0)
        self._operation = 0
        self._mode = 1
        self._single_quadrant = False
        self._contour: list[Point] | None = None
        self._number = 0
        self._apertures: dict[int, Aperture | _Block] = {}
        self._macros: dict[str, list[str]] = {}
        self._dark = True
        self._mirror = (1.0, 1.0)
        self._turn = 0.0
        self._scale = 1.0
        self._matrix: Matrix = UPRIGHT
        self._function = ""
        self._open: list[_Open] = []
        self._sink = self.drawing.marks

    def carry_out(self, word: str) -> None:
        """One statement."""
        if word.startswith("%"):
            self._extended(word[1:])
            return
        word = re.sub(r"\s+", "", word) if not word.startswith(("G04", "G4")) else word
        if not word or word.startswith(("G04", "G4")):
            self._comment(word)
            return
        found = WORD.fullmatch(word)
        if found is not None:
            self._plain(*found.groups())
        elif re.fullmatch(r"(?:[GXYIJD][+-]?[\d.]+)+", word):  # other orders, and several G codes in one word
            codes = re.findall(r"([GXYIJD])([+-]?[\d.]+)", word)
            for value in [v for letter, v in codes if letter == "G"]:
                self._g_code(int(value))
            fields = dict(codes)
            self._plain(None, *(fields.get(k) for k in "XYIJD"))
        elif word in ("M00", "M0", "M02", "M2", "D02M02"):
            self.ended = True
        elif word not in ("M01", "M1"):
            raise GerberError("this statement is not known")

    def finish(self) -> None:
        """Close what the file leaves open."""
        if self._contour is not None:
            raise GerberError("ends within a region (G36 without G37); it was cut")
        while self._open:
            if self._open[-1].repeat is None:
                raise GerberError("ends within an aperture block (%AB); it was cut")
            self._close()

    # Words: G, coordinates, D.

    def _plain(self, g: str | None, x: str | None, y: str | None, i: str | None, j: str | None, d: str | None) -> None:
        if g is not None:
            self._g_code(int(g))
        located = x is not None or y is not None or i is not None or j is not None
        code = int(d) if d is not None else None
        if code is not None and code >= 10:
            if located:
                raise GerberError("an aperture is chosen together with coordinates")
            self._number = code
            return
        if code is None:
            if not located:
                return
            code = self._operation
        if code not in (1, 2, 3):
            raise GerberError("coordinates come before any operation (D01, D02, D03)")
        self._operation = code
        start = self._point
        end = (self._numbers.coordinate(x, 0, start[0]), self._numbers.coordinate(y, 1, start[1]))
        self._point = end
        if code == 1:
            self._draw(start, end, self._numbers.length(i, 0), self._numbers.length(j, 1))
        elif code == 2:
            if self._contour is not None:
                self._close_contour()
        elif self._contour is not None:
            raise GerberError("a flash within a region")
        else:
            self._flash(end)

    def _g_code(self, code: int) -> None:
        if code in (1, 2, 3):
            self._mode = code
        elif code == 36:
            self._contour = []
        elif code == 37:
            if self._contour is None:
                raise GerberError("the end of a region that has no beginning")
            self._close_contour()
            self._contour = None
        elif code in (74, 75):
            self._single_quadrant = code == 74
        elif code in (70, 71):
            self._numbers.unit(25.4 if code == 70 else 1.0)
        elif code in (90, 91):
            self._numbers.incremental = code == 91
        elif code not in (54, 55):
            raise GerberError(f"G{code:02d} is not carried out")

    def _draw(self, start: Point, end: Point, i: float | None, j: float | None) -> None:
        """D01: a line or an arc from the current point."""
        if self._mode == 1 or (i is None and j is None):
            path = [end]
        else:
            path = self._arc(start, end, i or 0.0, j or 0.0)
        if self._contour is not None:
            if not self._contour:
                self._contour.append(start)
            self._contour += path
            self.budget.spend(0, len(path))
        else:
            self._put(Mark((start, *path), self._aperture(), self._matrix, self._dark))

    def _arc(self, start: Point, end: Point, i: float, j: float) -> list[Point]:
        """Chords of an arc; in single quadrant mode (G74) the centre is the one of four that fits."""
        clockwise = self._mode == 2
        if not self._single_quadrant:
            return arc_points(start, end, (start[0] + i, start[1] + j), clockwise)
        if math.dist(start, end) < 1e-9:
            return [end]
        best, error = (start[0] + i, start[1] + j), math.inf
        for centre in ((start[0] + a * abs(i), start[1] + b * abs(j)) for a in (1, -1) for b in (1, -1)):
            first = math.atan2(start[1] - centre[1], start[0] - centre[0])
            last = math.atan2(end[1] - centre[1], end[0] - centre[0])
            sweep = ((first - last) if clockwise else (last - first)) % (2 * math.pi)
            off = abs(math.dist(start, centre) - math.dist(end, centre))
            if sweep <= math.pi / 2 + 0.02 and off < error:
                best, error = centre, off
        if math.isinf(error):
            raise GerberError("no centre within a quarter turn (G74)")
        return arc_points(start, end, best, clockwise)

    def _flash(self, at: Point) -> None:
        aperture = self._apertures.get(self._number)
        if not isinstance(aperture, _Block):
            self._put(Mark((at,), self._aperture(), self._matrix, self._dark))
            return
        self.budget.spend(len(aperture.marks), sum(len(m.points) for m in aperture.marks))
        for mark in aperture.marks:
            dark = mark.dark == self._dark
            self._sink.append(
                Mark(moved(mark.points, self._matrix, at), mark.aperture, times(self._matrix, mark.matrix), dark)
            )

    def _aperture(self) -> Aperture:
        aperture = self._apertures.get(self._number)
        if aperture is None:
            raise GerberError(f"aperture D{self._number} is not defined" if self._number else "no aperture is chosen")
        if isinstance(aperture, _Block):
            raise GerberError("a line is drawn with an aperture block")
        return aperture

    def _put(self, mark: Mark) -> None:
        self.budget.spend(1, len(mark.points))
        self._sink.append(mark)

    def _close_contour(self) -> None:
        assert self._contour is not None
        if len(self._contour) > 2:
            self._put(Mark(tuple(self._contour), None, UPRIGHT, self._dark))
        self._contour = []

    # Extended statements.

    def _extended(self, word: str) -> None:
        name, rest = word[:2], word[2:]
        if name == "AM":
            title, *body = rest.split("*")
            self._macros[re.sub(r"\s+", "", title)] = body
        elif name in ("TA", "TD"):
            self._attribute(name, rest)
        elif name in NO_EFFECT:
            return
        elif name in EXTENDED:
            if name != "AD" and len(rest) > _LONGEST:
                raise GerberError(f"%{name} of {len(rest)} characters")
            found = re.fullmatch(EXTENDED[name], re.sub(r"\s+", "", rest))
            if found is None:
                raise GerberError(f"%{name} in a form that is not carried out; export without it")
            getattr(self, f"_do_{name.lower()}")(*found.groups())
        elif name[:1] == "G" and WORD.fullmatch(word):
            self.carry_out(word)
        else:
            raise GerberError(f"%{name} is not carried out; export without it")

    def _comment(self, word: str) -> None:
        """X2 attributes travel in comments where the reader is expected not to know them."""
        found = re.match(r"G0?4\s*#@!\s*(T[AD])(.*)", word)
        if found:
            self._attribute(found.group(1), found.group(2))

    def _attribute(self, name: str, rest: str) -> None:
        title, _, value = rest.partition(",")
        if title.strip() == ".AperFunction" or not title.strip():
            self._function = value.strip().lower() if name == "TA" else ""

    def _do_fs(self, zeros: str, notation: str, *digits: str) -> None:
        self._numbers.format(zeros, notation, *digits)

    def _do_mo(self, unit: str) -> None:
        self._numbers.unit(25.4 if unit == "IN" else 1.0)

    def _do_ad(self, number: str, shape: str, modifiers: str | None) -> None:
        mm = self._numbers.known()
        sizes = [float(v) for v in (modifiers or "").strip(",X").split("X") if v]
        if shape in self._macros:
            made = macro_aperture(shape, self._macros[shape], sizes, mm, self._function)
        elif shape in ("C", "R", "O", "P"):
            made = standard_aperture(shape, sizes, mm, self._function)
        else:
            raise GerberError(f"aperture shape {shape[:40]!r} is not defined")
        self._apertures[int(number)] = made

    def _do_lp(self, polarity: str) -> None:
        self._dark = polarity == "D"

    def _do_lm(self, axes: str) -> None:
        self._mirror = (-1.0 if "X" in axes else 1.0, -1.0 if "Y" in axes else 1.0)
        self._transform()

    def _do_lr(self, degrees: str) -> None:
        self._turn = math.radians(math.fmod(float(degrees), 360.0))
        self._transform()

    def _do_ls(self, scale: str) -> None:
        self._scale = float(scale)
        if self._scale <= 0:
            raise GerberError("a scale must be positive")
        self._transform()

    def _transform(self) -> None:
        """Mirror, then turn, then scale."""
        c, s = self._scale * math.cos(self._turn), self._scale * math.sin(self._turn)
        mx, my = self._mirror
        self._matrix = (c * mx, -s * my, s * mx, c * my)

    def _do_sr(self, x: str | None, y: str | None, i: str | None, j: str | None) -> None:
        if self._open and self._open[-1].repeat is not None:
            self._close()
        if x is None and y is None:
            return
        mm = self._numbers.known()
        counts = (int(x or 1), int(y or 1))
        if min(counts) < 1:
            raise GerberError("a repeat count is not positive")
        if counts != (1, 1):
            self._begin(_Open((*counts, float(i or 0) * mm, float(j or 0) * mm), 0))

    def _do_ab(self, number: str | None) -> None:
        if number is not None:
            self._begin(_Open(None, int(number)))
        elif not self._open or self._open[-1].repeat is not None:
            raise GerberError("the end of an aperture block that has no beginning")
        else:
            self._close()

    def _begin(self, what: _Open) -> None:
        if self._contour is not None:
            raise GerberError("a block begins within a region")
        if len(self._open) > 20:
            raise GerberError("blocks lie more than 20 deep in one another")
        self._open.append(what)
        self._sink = what.marks

    def _close(self) -> None:
        """End of a block: repeat it, or keep it as an aperture."""
        done = self._open.pop()
        self._sink = self._open[-1].marks if self._open else self.drawing.marks
        if done.repeat is None:
            self._apertures[done.number] = _Block(tuple(done.marks))
            return
        columns, rows, step_x, step_y = done.repeat
        copies = columns * rows
        self.budget.spend((copies - 1) * len(done.marks), copies * sum(len(m.points) for m in done.marks))
        if not done.marks:
            return
        for column in range(columns):
            for row in range(rows):
                shift = (column * step_x, row * step_y)
                self._sink += [m._replace(points=moved(m.points, UPRIGHT, shift)) for m in done.marks]

    def _do_ip(self, polarity: str) -> None:
        self.drawing.negative = polarity == "NEG"

    def _do_as(self) -> None:
        """Axes as they are: the only assignment that is carried out."""

    _do_mi = _do_of = _do_sf = _do_ir = _do_as
