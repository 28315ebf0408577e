"""Statements of Excellon drill files: how they are told apart, and what files leave unsaid of their numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
XY = rf"(?:X({NUMBER}))?(?:Y({NUMBER}))?"
STATEMENTS: tuple[tuple[str, str], ...] = (
    # The first that fits the whole line; most lines are coordinates.
    ("hit", rf"{XY}"),
    ("comment", r";(.*)"),
    ("header", r"M48"),
    ("percent", r"%"),
    ("end_header", r"M95"),
    ("tool", r"T0*(\d{1,6})((?:[BCFHSZ][\d.]*)*)"),
    ("slot", rf"{XY}G0?85{XY}"),
    ("move", rf"G0?0{XY}"),
    ("line", rf"G0?1{XY}"),
    ("arc", rf"G0?([23]){XY}(?:A({NUMBER}))?(?:I({NUMBER}))?(?:J({NUMBER}))?"),
    ("down", r"M1[45]"),
    ("up", r"M1[67]"),
    ("drill_mode", r"G0?5|G81"),
    ("repeat", rf"R(\d{{1,9}}){XY}"),
    ("pattern_begin", r"M25"),
    ("pattern_end", r"M01"),
    ("pattern_repeat", rf"(?:R(\d{{1,9}}))?M02{XY}"),
    ("pattern_done", r"M08"),
    ("unit", r"(METRIC|INCH)(.*)|M(7[12]),?(LZ|TZ)?"),
    ("incremental", r"ICI(?:,?(ON|OFF))?|G9([01])"),
    ("zero", rf"G9[23]{XY}"),
    ("end", r"M30|M00"),
    ("ignored", r"FMAT,?\d?|VER,?\d*|DETECT,?\w*|ATC,?\w*|M0[69]|M18|M47.*|M50.*|G40|R,[TCDH]|[FSBHZ][\d.]+|\s*|OM48|/|CP,.*|TCST,.*"),
)  # fmt: skip
LONGEST_LIST = 100_000
"""Characters of a list of tools that are looked at."""
LONGEST = 300
"""Characters of a line that are looked at; statements have tens, and no pattern may take long on more."""
PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in STATEMENTS)
_Y_FIRST = re.compile(rf"(Y{NUMBER})(X{NUMBER})")
_LISTED = re.compile(r"\s*T0*(\d{1,6})\s+(\d*\.?\d+)\s*(in(?:ch)?|mils?|mm)\b", re.IGNORECASE)
_COORDINATES = re.compile(rf"(?:G\d\d)?(?:X{NUMBER}|Y{NUMBER})+.*")


@dataclass(frozen=True)
class Format:
    """How numbers of a drill file are meant; None is what the file does not say.

    Parameters
    ----------
    mm : float, optional
        Millimetres per unit.
    digits : tuple of int, optional
        Places before and after the implied point, of numbers written without one.
    leading_kept : bool, optional
        Whether leading zeros are written and trailing ones left out (LZ); the opposite is TZ.
    """

    mm: float | None = None
    digits: tuple[int, int] | None = None
    leading_kept: bool | None = None

    def filled(self, other: Format) -> Format:
        """The same format, with what it leaves open taken from another."""
        return Format(
            self.mm if self.mm is not None else other.mm,
            self.digits if self.digits is not None else other.digits,
            self.leading_kept if self.leading_kept is not None else other.leading_kept,
        )

    def __str__(self) -> str:
        digits = f", {self.digits[0]}.{self.digits[1]} digits" if self.digits else ""
        zeros = (
            ""
            if self.leading_kept is None
            else ", leading zeros kept"
            if self.leading_kept
            else ", trailing zeros kept"
        )
        return f"{'mm' if self.mm == 1 else 'inch'}{digits}{zeros}"


def looks_like_drill(text: str) -> bool:
    """Whether a file is drill data by what it holds: nearly all lines are statements, some are coordinates.

    Notes
    -----
    Drill files begin with `M48`, a comment, `%`, a tool or nothing at all; reports and lists of parts that name
    tools hold other words.
    """
    lines = [spaceless(line[:LONGEST]) for line in text[:200_000].splitlines()]
    lines = [line for line in lines if line and not line.startswith(";")]
    if not lines:
        return False
    if any(line in ("M48", "OM48") for line in lines[:50]):
        return True
    known = sum(any(p.fullmatch(line) for _, p in PATTERNS) for line in lines[:2000])
    located = sum(_COORDINATES.fullmatch(line) is not None for line in lines[:2000])
    tools = any(re.fullmatch(r"T\d+.*|%|G05|M1[4567]|M30|M00", line) for line in lines[:2000])
    return located > 0 and tools and known >= 0.9 * len(lines[:2000])


def tool_list(text: str) -> dict[int, float]:
    """Diameters [mm] by the number of the tool, of a list of tools that lies beside drill data without sizes."""
    lines = [line for line in text[:LONGEST_LIST].splitlines() if line.strip()]
    listed = [found for line in lines if (found := _LISTED.match(line[:LONGEST])) is not None]
    mm = {"in": 25.4, "mi": 0.0254, "mm": 1.0}
    return {int(f.group(1)): float(f.group(2)) * mm[f.group(3)[:2].lower()] for f in listed}


def spaceless(line: str) -> str:
    """A line in capitals, without blanks and what is noted behind it, x before y; lines of comment stay.

    A line longer than any statement becomes an unknown one.
    """
    line = line.strip()
    if line.startswith(";"):
        return line[:LONGEST]
    line = _Y_FIRST.sub(r"\2\1", re.sub(r"\s+", "", line.partition(";")[0]).upper()[: LONGEST + 1])
    return line if len(line) <= LONGEST else f"?{line[:40]}"


def parameters_format(text: str) -> Format:
    """What an `nc_param.txt` beside the drill files of Allegro says of their numbers."""
    said = dict(re.findall(r"^([A-Z_-]+)\s+(\S+)", text, re.MULTILINE))
    units = {"ENGLISH": 25.4, "INCHES": 25.4, "METRIC": 1.0, "MILLIMETERS": 1.0}
    places = (said.get("INTEGER-PLACES", ""), said.get("DECIMAL-PLACES", ""))
    return Format(
        units.get(said.get("OUTPUT-UNITS", "")),
        (int(places[0]), int(places[1])) if all(p.isdigit() for p in places) else None,
        said.get("SUPPRESS-TRAIL-ZEROES") == "YES" if "SUPPRESS-TRAIL-ZEROES" in said else None,
    )
