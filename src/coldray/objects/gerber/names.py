"""Which layer a fabrication file is, from its name: extensions of layout programs, then whole words."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

TOP, BOTTOM = 0.0, 1000.0
SURE_OUTLINE = 1.0
"""Outlines up to this depth are called so; deeper ones are mechanical layers or drawings that may show it."""
SHEET = 90.0
"""Depth of fabrication drawings among the outlines."""
PLANES = 500.0
"""Depth of the first plane of programs that number planes apart from signal layers."""


@dataclass(frozen=True)
class Role:
    """What a file is for.

    Parameters
    ----------
    kind : str
        copper, paste, mask, drill, placement or outline; "" for what is not drawn.
    depth : float
        0 at the top, 1000 at the bottom, the layer number between; for outlines, the order in which they are tried.
    why : str
        How this is known.
    negative : bool
        Whether the file shows where copper is absent.
    ordered : bool
        Whether the depth is stated rather than a place somewhere between the outer layers.
    """

    kind: str
    depth: float
    why: str
    negative: bool = False
    ordered: bool = True


def _extensions() -> dict[str, tuple[str, float]]:
    """Fixed extensions: Protel, Altium, EasyEDA, Fritzing; Eagle; OrCAD."""
    table = {
        "gtl": ("copper", TOP), "gbl": ("copper", BOTTOM), "gtp": ("paste", TOP), "gbp": ("paste", BOTTOM),
        "gts": ("mask", TOP), "gbs": ("mask", BOTTOM), "gto": ("", TOP), "gbo": ("", BOTTOM),
        "gml": ("outline", 1.0), "gko": ("outline", 3.0), "gm": ("outline", 4.0), "gpt": ("", TOP), "gpb": ("", BOTTOM),
        "cmp": ("copper", TOP), "sol": ("copper", BOTTOM), "sld": ("copper", BOTTOM), "plc": ("", TOP),
        "pls": ("", BOTTOM), "stc": ("mask", TOP), "sts": ("mask", BOTTOM), "crc": ("paste", TOP),
        "crs": ("paste", BOTTOM), "tsm": ("mask", TOP), "bsm": ("mask", BOTTOM), "tsk": ("", TOP), "bsk": ("", BOTTOM),
        "tsp": ("paste", TOP), "bsp": ("paste", BOTTOM), "dim": ("outline", 1.0), "mil": ("outline", 5.0),
        "bor": ("outline", 1.0), "oln": ("outline", 1.0),
        "top": ("copper", TOP), "bot": ("copper", BOTTOM), "smt": ("mask", TOP), "smb": ("mask", BOTTOM),
        "sst": ("", TOP), "ssb": ("", BOTTOM), "spt": ("paste", TOP), "spb": ("paste", BOTTOM), "ast": ("", TOP),
        "asb": ("", BOTTOM), "fab": ("outline", SHEET), "gpi": ("", TOP), "dri": ("", TOP), "rep": ("", TOP),
    }  # fmt: skip
    return table


_FIXED = _extensions()
_NUMBERED: tuple[tuple[str, str, float, bool], ...] = (
    # extension, kind, added to its number, whether it is a plane drawn as its negative
    (r"gm(\d{1,2})", "outline", 4.0, False),
    (r"g(\d{1,2})l?", "copper", 0.0, False),
    (r"gl(\d{1,2})", "copper", 0.0, False),
    (r"gp(\d{1,2})", "copper", PLANES, True),
    (r"(?:ly|in|l)(\d{1,2})", "copper", 0.0, False),
    (r"g[dg](\d{1,2})", "", 0.0, False),
)
_DRILL_EXTENSIONS = frozenset({"drl", "xln", "drd", "exc", "tap", "ncd", "npt", "drill", "cnc", "xnc"})
_PLAIN_EXTENSIONS = frozenset(
    "gbr ger gb grb gbx art pho gdo fph txt gerber cam 274x 274 rs274x off gbr2 gx phd pos csv xy dat".split()
)
_SHORT = {
    "tl": ("copper", TOP), "bl": ("copper", BOTTOM), "ts": ("mask", TOP), "bs": ("mask", BOTTOM), "to": ("", TOP),
    "bo": ("", BOTTOM), "tp": ("paste", TOP), "bp": ("paste", BOTTOM), "ko": ("outline", 2.0),
}  # fmt: skip
"""File names of two letters without an extension."""

_KINDS: tuple[tuple[str, str, frozenset[str]], ...] = (
    # In order of precedence: what a drawing, a stencil or a mask is called may also hold a side or "layer".
    ("", "a drawing", frozenset(
        "fab fabrication court courtyard crtyd assembly assy asy adt dwgs dwg drawing drawings comments cmts eco eco1 "
        "eco2 user margin keepout keepin guide map report readme drillmap drillguide adhes adhesive adhesion glue "
        "place placement notes mechanical document documentation docu".split())),
    ("paste", "stencil", frozenset("paste pastemask cream tcream bcream stencil solderpaste spaste pst psb smd spc sps spt spb".split())),
    ("mask", "solder mask", frozenset("mask soldermask stop stopmask resist smask sm smt smb smc sms".split())),
    ("", "legend", frozenset(
        "silk silkscreen silks screen legend overlay slk bslk tslk posi ident symbol sst ssb nomenclature".split())),
    ("outline", "outline", frozenset(
        "edge edges outline boardoutline dimension dimensions dim profile contour border boundary".split())),
    ("drill", "drill", frozenset("drill drills drl hole holes thruhole npth pth".split())),
    ("copper", "copper", frozenset(
        "cu copper signal sig plane etch conductive conductor layer lyr ly elec electrical inner inn in internal "
        "int internalplane ln group gnd ground pwr power vcc vdd l art mid midlayer".split())),
)  # fmt: skip
_SHEETS = frozenset("fab fabrication mechanical mech route rout routing".split())
"""Drawings, and paths of the router, that may show the board's edge; tried where no file is called an outline."""
_METAL_MASK = ("metal", "mask")
_SOLDER_SIDE = ("solder", "side")
"""The bottom, from when parts had leads: `solder` alone is met in the names of masks and stencils of either side."""
_TOP_WORDS = frozenset("top front component comp cmp primary prm pri tslk smt sst spt pst smc spc tcream upper".split())
_BOTTOM_WORDS = frozenset("bottom bot back secondary sec bslk smb ssb spb psb sms sps bcream lower".split())
_TOP_LETTERS, _BOTTOM_LETTERS = frozenset("fta"), frozenset("b")
_INNER = frozenset(
    "cu copper signal sig plane layer lyr ly inner inn in internal int internalplane ln group l art mid midlayer "
    "conductive conductor etch".split()
)
_BEFORE_A_NUMBER = frozenset("l in int art mid layer lyr ly group".split())
_FILLERS = frozenset("solder metal side board pcb gerber gbr cuts cut file positive".split())
_LONGEST_COMPOUND = 40
_VOCABULARY = frozenset().union(*(w for _, _, w in _KINDS), _TOP_WORDS, _BOTTOM_WORDS, _FILLERS)


def words_of(name: str) -> list[str]:
    """Lower-case words and numbers of a file name, its extension last if that says something.

    Notes
    -----
    Words end at signs, at digits and where capitals begin; `topsoldermask` is taken apart only where every piece
    is a word of the trade, so that no part of a project's name becomes one.
    """
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    low = extension.lower()
    if low not in _PLAIN_EXTENSIONS and (low in _VOCABULARY or not re.fullmatch(r"g[a-z]{2}", low)):
        stem = f"{stem} {extension}"
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", stem)
    return [w for word in found for w in (_pieces(word.lower()) or [word.lower()])]


def _pieces(word: str) -> list[str] | None:
    """A compound as words of the trade; None if a piece is none."""
    if word in _VOCABULARY or word.isdigit():
        return [word]
    if len(word) > _LONGEST_COMPOUND:
        return None
    for cut in range(len(word) - 2, 2, -1):
        if word[:cut] in _VOCABULARY:
            rest = _pieces(word[cut:])
            if rest is not None:
                return [word[:cut], *rest]
    return None


def _shared(lists: Sequence[Sequence[str]]) -> int:
    """How many leading words all names have in common: the project's own name."""
    if len(lists) < 2:
        return 0
    shortest = min(map(len, lists))
    shared = next((i for i in range(shortest) if len({w[i] for w in lists}) > 1), shortest)
    if 0 < shared < shortest and lists[0][shared - 1] in _INNER and all(w[shared].isdigit() for w in lists):
        return shared - 1  # the layers are numbered: that word is no project's name
    return shared


def role_of_extension(name: str) -> Role | None:
    """Role by the extensions that layout programs give; None for plain ones such as `.gbr`."""
    _, dot, extension = name.rpartition(".")
    low = extension.lower()
    if low in _SHORT and (not dot or name.startswith(".")):
        return Role(*_SHORT[low], "its name")
    if not dot:
        return None
    why = f"extension .{extension}"
    if low in _FIXED:
        return Role(*_FIXED[low], why)
    if low in _DRILL_EXTENSIONS:
        return Role("drill", TOP, why)
    for pattern, kind, offset, negative in _NUMBERED:
        found = re.fullmatch(pattern, low)
        if found:
            return Role(kind, offset + float(found.group(1)), why, negative, ordered=offset != PLANES)
    return None


def roles_of_names(names: Sequence[str]) -> list[Role | None]:
    """Roles of Gerber files of one board by extension, else by whole words of what differs between the names.

    Parameters
    ----------
    names : sequence of str
        File names without folders.

    Returns
    -------
    list of Role or None
        None where a name says nothing of a layer.
    """
    words = [words_of(name) for name in names]
    head = _shared(words)
    cut = [w[head:] for w in words]
    tail = _shared([w[::-1] for w in cut])
    if tail and all(len(w) > tail and role_of_words(w[:-tail]) is not None for w in cut):
        cut = [w[:-tail] for w in cut]
    roles = []
    for name, left in zip(names, cut, strict=True):
        role = role_of_extension(name)
        by_words = role_of_words(left)
        if role is None:
            role = by_words
        elif role.kind == "outline" and by_words is not None:
            # Mechanical layers hold the outline or a drawing; their names may say which.
            mechanical = re.search(r"\.gm\d*$", name.lower()) is not None
            if by_words.kind == "outline" or (mechanical and not by_words.kind):
                role = by_words
        roles.append(role)
    return roles


def role_of_words(words: Sequence[str]) -> Role | None:
    """Role from whole words, without those of the project's own name."""
    if not _SHEETS.isdisjoint(words):
        return Role("outline", SHEET, "a drawing of how it is made")
    found = _kind_of(words)
    side = _side_of(words)
    if found is None:
        return None if side is None else Role("copper", side, "its name")
    kind, called = found
    why = f"its name ({called})"
    if kind != "copper":
        return Role(kind, 0.0 if kind == "outline" else side if side is not None else TOP, why)
    if side is not None:
        return Role(kind, side, why)
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word in _INNER and after.isdigit():
            return Role(kind, float(after), why)
    return Role(kind, PLANES / 2, why, ordered=False)


def _kind_of(words: Sequence[str]) -> tuple[str, str] | None:
    """Kind by the first group of words that is met."""
    if any(pair == _METAL_MASK for pair in itertools.pairwise(words)):
        return "paste", "stencil"
    for kind, called, group in _KINDS:
        if any(w in group for w in words):
            # What every layer is called says nothing by itself: these count before a number only.
            if kind == "copper" and not any(w in group and w not in _BEFORE_A_NUMBER for w in words):
                follow = itertools.pairwise(words)
                if not any(w in group and after.isdigit() for w, after in follow):
                    continue
            return kind, called
    return None


def _side_of(words: Sequence[str]) -> float | None:
    """Side of the board: a word, or a lone letter right before or after a word for a layer; NaN where both are said."""
    bottom, top = (any(w in group for w in words) for group in (_BOTTOM_WORDS, _TOP_WORDS))
    bottom |= _SOLDER_SIDE in itertools.pairwise(words)
    if bottom or top:
        return math.nan if bottom and top else BOTTOM if bottom else TOP
    layer = frozenset().union(*(g for _, _, g in _KINDS)) | _FILLERS
    for first, second in itertools.pairwise(words):
        for letter, word in ((first, second), (second, first)):
            if word in layer and letter in _BOTTOM_LETTERS:
                return BOTTOM
            if word in layer and letter in _TOP_LETTERS:
                return TOP
    return None
