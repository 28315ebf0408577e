"""Statements of Gerber files and their numbers: how a file falls into statements, and coordinates in millimetres."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from coldray.objects.gerber.apertures import GerberError

WORD = re.compile(
    r"(?:G0*(\d{1,2}))?(?:X([+-]?[\d.]+))?(?:Y([+-]?[\d.]+))?(?:I([+-]?[\d.]+))?(?:J([+-]?[\d.]+))?(?:D0*(\d{1,9}))?"
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_MAX_DIGITS = 18
MAX_MM = 10_000.0
"""Largest coordinate [mm]: far beyond any panel, and short enough that no arc has millions of chords."""
BLANKS = " \t\r\n\f\v\x00\x1a"
NO_EFFECT = ("IN", "LN", "TF", "TO", "IC")
"""Names, file and object attributes, and the input codes of old plotters: nothing of the image."""


EXTENDED = {
    "FS": r"([LTD]?)([AI])(?:N\d)?(?:G\d)?X(\d)(\d)Y(\d)(\d)(?:[ZDM]\d)*",
    "MO": r"(IN|MM)",
    "AD": r"D0*(\d{1,9})([A-Za-z_.$][^,]*)(?:,(.*))?",
    "LP": r"([CD])",
    "LM": r"(N|XY|X|Y)",
    "LR": rf"({_NUMBER})",
    "LS": rf"({_NUMBER})",
    "SR": rf"(?:X(\d{{1,9}}))?(?:Y(\d{{1,9}}))?(?:I({_NUMBER}))?(?:J({_NUMBER}))?",
    "AB": r"(?:D0*(\d{1,9}))?",
    "IP": r"(POS|NEG)",
    # Image parameters of old plotters: carried out where they change nothing, refused by name where they would.
    "AS": r"AXBY",
    "MI": r"(?:A0)?(?:B0)?",
    "OF": r"(?:A[+-]?0*\.?0*)?(?:B[+-]?0*\.?0*)?",
    "SF": r"(?:A0*1(?:\.0*)?)?(?:B0*1(?:\.0*)?)?",
    "IR": r"0*",
}


def split(text: str) -> Iterator[tuple[int, str]]:
    """Statements of a file with the place where each begins; extended ones with both percent signs.

    Raises
    ------
    GerberError
        If there is text that ends with neither an asterisk nor a percent sign.
    """
    at, percent = 0, text.find("%")
    while True:
        while at < len(text) and text[at] in BLANKS:
            at += 1
        if at >= len(text):
            return
        if percent != -1 and percent < at:
            percent = text.find("%", at)
        comment = text.startswith(("G04", "G4"), at)
        end = text.find("%", at + 1) if text[at] == "%" else text.find("*", at)
        if end == -1:
            raise GerberError(f"line {text.count(chr(10), 0, at) + 1}: ends within a statement; it was cut")
        if text[at] != "%" and not comment and percent != -1 and percent < end:
            raise GerberError(f"line {text.count(chr(10), 0, at) + 1}: a statement without its asterisk")
        yield at, text[at : end + 1]
        at = end + 1


def statements(group: str) -> Iterator[str]:
    """Single statements; extended ones keep their percent sign in front, a macro stays whole."""
    if not group.startswith("%"):
        yield group.rstrip("*").strip()
        return
    inner = group.strip("%").strip()
    if inner.startswith("AM"):
        yield "%" + inner
        return
    for word in inner.split("*"):
        if word.strip():
            yield "%" + word.strip()


class Coordinates:
    """Unit and number format of a Gerber file.

    Parameters
    ----------
    text : str
        The file; some define apertures before they state their unit.
    """

    def __init__(self, text: str) -> None:
        unit = re.search(r"%\s*(?:FS[^*%]*\*\s*)?MO(IN|MM)\s*\*|\bG7([01])\s*\*", text)
        self.mm = math.nan if unit is None else 25.4 if unit.group(1) == "IN" or unit.group(2) == "0" else 1.0
        self.incremental = False
        self._digits: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._trailing_omitted = False

    def unit(self, mm: float) -> None:
        """State the unit [mm]."""
        if not math.isnan(self.mm) and mm != self.mm:
            raise GerberError("the unit changes within the file")
        self.mm = mm

    def known(self) -> float:
        """Millimetres per unit."""
        if math.isnan(self.mm):
            raise GerberError("no unit is stated (%MO)")
        return self.mm

    def format(self, zeros: str, notation: str, *digits: str) -> None:
        """State the format: omitted zeros, notation, places before and after the point of x and y."""
        a, b, c, d = map(int, digits)
        if self._digits not in (None, ((a, b), (c, d))):
            raise GerberError("the format changes within the file")
        self._digits = ((a, b), (c, d))
        self._trailing_omitted = zeros == "T"
        self.incremental = notation == "I"

    def length(self, text: str | None, axis: int) -> float | None:
        """A number of the file as millimetres."""
        if text is None:
            return None
        if "." in text:
            value = float(text) * self.mm
        else:
            if self._digits is None:
                raise GerberError("coordinates come before the format (%FS)")
            whole, decimals = self._digits[axis]
            digits = text.lstrip("+-")
            if len(digits) > _MAX_DIGITS:
                raise GerberError(f"a coordinate of {len(digits)} digits")
            if self._trailing_omitted:
                digits = digits.ljust(whole + decimals, "0")
            value = int(digits) * 10.0**-decimals * self.mm * (-1 if text[0] == "-" else 1)
        if math.isnan(value):
            raise GerberError("no unit is stated (%MO)")
        return value

    def coordinate(self, text: str | None, axis: int, before: float) -> float:
        """Where a number leads from where the plotter was [mm]."""
        value = self.length(text, axis)
        if value is None:
            return before
        value = before + value if self.incremental else value
        if abs(value) > MAX_MM:
            raise GerberError(f"a coordinate of {value / 1000:g} m; boards within {MAX_MM / 1000:g} m are read")
        return value
