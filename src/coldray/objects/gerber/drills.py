"""Holes of a board from its drill files: what the files leave unsaid is found from where the copper is."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from coldray.objects.gerber.apertures import GerberError
from coldray.objects.gerber.drill_statements import LONGEST_LIST, Format, looks_like_drill, parameters_format, tool_list
from coldray.objects.gerber.excellon import Drill, read_excellon
from coldray.objects.gerber.marks import Budget, drilled
from coldray.objects.gerber.names import words_of
from coldray.objects.gerber.roles import is_gerber
from coldray.objects.gerber.rs274x import read_gerber

_DIGITS = {
    1.0: ((3, 3), (3, 2), (4, 2), (4, 3), (4, 4), (2, 4), (3, 4), (5, 3)),
    25.4: ((2, 4), (2, 3), (3, 3), (2, 5), (3, 4), (3, 5), (4, 4), (2, 2)),
}
"""Formats that are met, the usual first."""
_PAD_MM = 0.1


@dataclass(frozen=True)
class Hole:
    """A drilled hole or routed slot, finished size.

    Parameters
    ----------
    x_mm, y_mm : float
        Centre of the hole, or of one end of the slot [mm].
    diameter_mm : float
        Finished diameter, or slot width [mm].
    plated : bool
        Whether its wall carries copper.
    end_x_mm, end_y_mm : float
        Other end of a slot [mm]; the same point for a round hole.
    """

    x_mm: float
    y_mm: float
    diameter_mm: float
    plated: bool
    end_x_mm: float
    end_y_mm: float

    @property
    def is_round(self) -> bool:
        """Whether this is a hole rather than a slot."""
        return math.dist((self.x_mm, self.y_mm), (self.end_x_mm, self.end_y_mm)) < 1e-6


@dataclass(frozen=True)
class Copper:
    """Where copper is, to judge how a drill file is meant.

    Parameters
    ----------
    low, high : ndarray, shape (2,)
        Corners of the box round all copper [mm].
    pads : ndarray, shape (n, 2)
        Places of flashes [mm].
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    pads: NDArray[np.float64]

    def judge(self, points: NDArray[np.float64]) -> tuple[float, float]:
        """Shares of points in the box, and on pads."""
        inside = np.all((points >= self.low - 1.0) & (points <= self.high + 1.0), axis=1)
        if len(self.pads) == 0:
            return float(inside.mean()), 0.0
        distance, _ = cKDTree(self.pads).query(points)
        return float(inside.mean()), float(np.mean(distance < _PAD_MM))


def read_holes(
    members: Mapping[str, bytes], names: Sequence[str], copper: Copper, budget: Budget
) -> tuple[list[Hole], dict[str, str], list[str]]:
    """All holes of a board.

    Parameters
    ----------
    members : mapping of str to bytes
        All files of the archive.
    names : sequence of str
        Its drill files.
    copper : Copper
        Decides what a file does not say: unit, number format, zeros.
    budget : Budget
        Takes the number of holes.

    Returns
    -------
    holes : list of Hole
        Each place and size once.
    told : dict
        What each file gave, by name.
    notes : list of str
        What was assumed or met twice.

    Raises
    ------
    GerberError
        If a file cannot be read, or no reading of it puts its holes on the board.
    """
    told: dict[str, str] = {}
    notes: list[str] = []
    kept: dict[tuple[float, ...], Hole] = {}
    usual: list[Format] = []
    twice = 0
    rows: list[tuple[float, float, float, float, float, bool | None]]
    for name in sorted(names, key=lambda n: -len(members[n])):
        text = members[name].decode("latin-1")
        default = _plated(name, text[:20_000])
        try:
            if is_gerber(members[name]):
                found = drilled(read_gerber(text, budget).marks)
                rows = [(*h[:5], None if not h[5] else not h[5].startswith("nonplated")) for h in found]
            else:
                lists = _Lists(members, name)
                drill, assumed = _best(text, _beside(members, name), lists.size, copper, usual)
                rows = drill.holes
                if drill.sizes_from_list:
                    notes.append(f"{name}: diameters of its tools are those of {lists.names}")
                if assumed is not None:
                    notes.append(f"{name}: read as {assumed}, which the file does not say; its holes fit the copper so")
                    usual.insert(0, assumed)
        except GerberError as error:
            raise GerberError(f"{name}: {error}") from error
        part = re.search(r"TF\.FileFunction,\w+,(\d+),(\d+),(Blind|Buried)", text[:20_000])
        if part:
            notes.append(
                f"{name}: {part.group(3).lower()} holes of layers {part.group(1)} to {part.group(2)} are drawn through all"
            )
        budget.spend(len(rows))
        count = len(kept)
        for x, y, end_x, end_y, diameter, plated in rows:
            if diameter > 0:
                hole = Hole(x, y, diameter, default if plated is None else bool(plated), end_x, end_y)
                kept.setdefault(tuple(round(v, 3) for v in (x, y, end_x, end_y, diameter)), hole)
        given = len(kept) - count
        twice += sum(r[4] > 0 for r in rows) - given
        told[name] = f"{given} {'holes' if given != 1 else 'hole'}, {'plated' if default else 'not plated'} by default"
    if twice:
        notes.append(f"{twice} holes are listed more than once; each is drilled once")
    return list(kept.values()), told, notes


def _plated(name: str, head: str) -> bool:
    """Whether holes of a file are plated where it does not say so hole by hole."""
    said = re.search(r"TF\.FileFunction,(NonPlated|Plated|MixedPlating)", head)
    if said:
        return said.group(1) != "NonPlated"
    contents = re.search(r";\s*Contents:.*/\s*(Non-Plated|Plated)", head)
    if contents:
        return contents.group(1) == "Plated"
    words = words_of(PurePosixPath(name).name)
    pairs = itertools.pairwise(words)
    return not (
        any(w in ("npth", "nplt", "npt", "unplated", "nonplated", "nonpth") for w in words)
        or any(first == "non" and second in ("plated", "pth") for first, second in pairs)
    )


def _beside(members: Mapping[str, bytes], name: str) -> Format:
    """Number format that a parameter file in the same folder states."""
    for other, content in members.items():
        path = PurePosixPath(other)
        if path.parent == PurePosixPath(name).parent and path.name.lower() == "nc_param.txt":
            return parameters_format(content.decode("latin-1"))
    return Format()


@dataclass(frozen=True)
class _Lists:
    """Lists of tools in the folder of a drill file, those of the same stem alone if there are any; read when a size is needed."""

    members: Mapping[str, bytes]
    name: str

    @cached_property
    def _sizes(self) -> dict[str, dict[int, float]]:
        """Diameters [mm] by list and tool."""
        folder, stem = PurePosixPath(self.name).parent, PurePosixPath(self.name).stem
        found: dict[str, dict[int, float]] = {}
        for other, content in self.members.items():
            if other != self.name and PurePosixPath(other).parent == folder and not is_gerber(content):
                text = content[:LONGEST_LIST].decode("latin-1")
                listed = {} if looks_like_drill(text) else tool_list(text)
                found.update({other: listed} if listed else {})
        return {other: listed for other, listed in found.items() if PurePosixPath(other).stem == stem} or found

    @property
    def names(self) -> str:
        """The lists, for a message."""
        return " and ".join(self._sizes)

    def size(self, number: int) -> float | None:
        """Diameter [mm] of a tool; None if no list states it."""
        stated = [listed[number] for listed in self._sizes.values() if number in listed]
        if stated and max(stated) - min(stated) > 1e-3:
            raise GerberError(f"{self.names} state other diameters of tool T{number}; remove the wrong one")
        return stated[0] if stated else None


def _best(
    text: str, beside: Format, listed: Callable[[int], float | None], copper: Copper, usual: Sequence[Format]
) -> tuple[Drill, Format | None]:
    """Holes under what the file states, else under the reading that puts them on the copper."""
    first = read_excellon(text, beside.filled(Format(1.0)), listed=listed)
    stated = first.stated.filled(beside)
    open_unit = stated.mm is None
    open_digits = first.bare_numbers and stated.digits is None
    open_zeros = first.bare_numbers and stated.leading_kept is None
    if not (open_unit or open_digits or open_zeros) or not first.holes:
        return first, None
    tried: list[tuple[float, float, Drill, Format]] = []
    seen: set[bytes] = set()
    for form in _readings(stated, first.bare_numbers, usual):
        try:
            drill = read_excellon(text, form, listed=listed)
        except GerberError:  # this reading puts a hole kilometres away
            continue
        points = np.array([h[:2] for h in drill.holes])
        mark = np.round(points, 6).tobytes()
        if mark not in seen:
            seen.add(mark)
            tried.append((*copper.judge(points), drill, form))
    fitting = [t for t in tried if t[0] >= 0.9]
    if not fitting:
        share = max((t[0] for t in tried), default=0.0)
        if share < 0.5:
            raise GerberError(
                f"no usual number format puts its holes on the board (at best {share:.0%}); state its format "
                "and unit in the file"
            )
        fitting = [t for t in tried if t[0] == share]
    on_pads = max(t[1] for t in fitting)
    chosen = next(t for t in fitting if t[1] >= on_pads - 0.02)
    if on_pads < 0.3 and len(fitting) > 1 and open_unit:
        raise GerberError(
            f"its unit is not stated, and {chosen[3]} and {fitting[1][3]} both put its holes on the board; "
            "state METRIC or INCH in the file"
        )
    usually = stated.digits is not None or (not open_unit and chosen is tried[0])
    return chosen[2], None if usually and not open_unit else chosen[3]


def _readings(stated: Format, bare: bool, usual: Sequence[Format]) -> list[Format]:
    """Readings that what is stated allows, the most usual first."""
    readings = [stated.filled(u) for u in usual]
    for mm in (stated.mm,) if stated.mm is not None else (1.0, 25.4):
        digits = (stated.digits,) if stated.digits is not None or not bare else _DIGITS[mm]
        zeros = (stated.leading_kept,) if stated.leading_kept is not None or not bare else (True, False)
        readings += [Format(mm, d, z) for d, z in itertools.product(digits, zeros)]
    return readings
