"""Boards for `fuzz.py`: layers, drill files and whole sets, right and wrong, and what a reader of the sweep is."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldray.objects.gerber.board import read_board
from coldray.objects.gerber.excellon import read_excellon
from coldray.objects.gerber.rs274x import read_gerber

MEMBER = b"\n=== "
"""Begins a file of a board where several are in one input."""


@dataclass(frozen=True)
class Reader:
    """One reader of the sweep.

    Parameters
    ----------
    suffix : str
        Of the file.
    read : callable
        Reads a path.
    wholes : sequence of bytes
        Files that must be read.
    seeds : sequence of bytes
        Further files to mutate, read or refused.
    modules : sequence of str
        Its source files, below the package.
    apart : sequence of str
        Functions of those that do not read: they write, or are used after reading.
    """

    suffix: str
    read: Callable[[Path], Any]
    wholes: Sequence[bytes]
    modules: Sequence[str]
    seeds: Sequence[bytes] = ()
    apart: Sequence[str] = ()

    @property
    def corpus(self) -> list[bytes]:
        """All files that are mutated."""
        return [*self.wholes, *self.seeds]


GERBER = """%FSLAX46Y46*%
%MOMM*%
%TF.FileFunction,{function}*%
G04 a comment*
%ADD10C,0.5*%
%ADD11R,1.2X0.8X0.3*%
%ADD12O,1.5X0.7*%
%ADD13P,1.1X6X15*%
%AMMIX*0 all primitives*$3=$1x2-$2/4*1,1,$1,0,0,30*20,1,0.2,0,0,1,$2,0*21,1,1,0.5,0,0,15*4,1,3,0,0,1,0,0,1,0,0,0*
5,1,8,0,0,1.08,22.5*6,0,0,2,0.1,0.2,3,0.1,2.2,0*7,0,0,1.2,0.8,0.2,45*%
%ADD14MIX,0.6X0.4X1*%
D10*
X0Y0D02*
X5000000Y0D01*
G75*
G02X7000000Y2000000I0J2000000D01*
G03X5000000Y4000000I-2000000J0D01*
G01*
%LPC*%
D11*
X2000000Y2000000D03*
%LPD*%
%LMX*%
%LR30*%
%LS1.5*%
D14*
X3000000Y3000000D03*
%LMN*%
%LR0*%
%LS1*%
G36*
X0Y0D02*
X1000000Y0D01*
X1000000Y1000000D01*
X0Y0D01*
G37*
%SRX2Y2I3J3*%
D12*
X8000000Y8000000D03*
%SR*%
%ABD20*%
D13*
X0Y0D03*
%AB*%
D20*
X9000000Y1000000D03*
M02*
"""
"""One layer with every aperture, transformation and block that is carried out."""

SEED_LAYERS = (
    "%FSTAX24Y24*%\n%MOIN*%\n%IPPOS*%\n%ASAXBY*%\n%MIA0B0*%\n%OFA0B0*%\n%SFA1B1*%\n%IR0*%\n%ADD10C,0.02*%\nG54D10*\nG74*\nX0Y0D02*\n"
    "X01Y01D01*\nG02X02Y0I01J0D01*\nG90*\nX03D03*\nM02*\n",
    "%FSLAX33Y33*%\n%MOMM*%\n%ADD10C,1*%\nD10*\nG91*\nX1Y1D03*\nM02*\n",
    "%FSLAX33Y33*%\n%MOMM*%\n%IPNEG*%\n%ADD10C,1*%\nD10*\nX1Y1D03*\nM02*\n",
    "%MOMM*%\n%ADD10C,1*%\nD10*\nX1Y1D03*\nM02*\n",
    "%FSLAX33Y33*%\n%ADD10C,1*%\nD10*\nX1Y1D03*\nM02*\n",
    "%FSLAX33Y33*%\n%MOMM*%\n%SFA2B2*%\nG36*\nX1Y1D02*\nX2Y2D01*\nG37*\nM02*\n",
)
DRILLS = (
    "M48\nMETRIC,TZ\nFMAT,2\n;TYPE=PLATED\nT1C0.3\nT2C0.8\n%\nT1\nX1.0Y2.0\nX3.0Y2.0\nR3X1.0\nT2\nX0.5Y0.5G85X1.5Y0.5\nM30\n",
    "M48\nINCH,LZ\nT1C0.012\n%\nG05\nT1\nX01Y02\nG00X01Y01\nM15\nG01X02Y01\nG02X03Y02I01J0\nG03X02Y01A0.8\nM16\nG81\nX03Y03\nM30\n",
    "M48\nMETRIC,0000.00,LZ\nT1C0.5\n%\nICI,ON\nT1\nX10Y10\nX10\nICI,OFF\nM25\nX5Y5\nM01\nR2M02X10Y10\nM08\nG92X0Y0\nM30\n",
    ";Holesize 1. = 0.300000 Tolerance = +0.0/-0.0 PLATED MM Quantity = 3\nM71\nG90\nX1.0Y1.0\nM00\nX2.0Y2.0\nM30\n",
    "%\nT1C0.3F200S65\nT1\nX1Y1\nM30\n",
    "M48\nMETRIC\nT1C0.3\n%\nG90\nT1\nG00X1.Y1.\nX2.Y2.\nM15\nX3.Y3.\nG01X3.Y3.\nG03X4.Y4.\nM30\n",
    "M48\nINCH\n;FILE_FORMAT=2:4\n;#@! TF.FileFunction,NonPlated,1,2,NPTH\n;TYPE=NON_PLATED\nT1C0.02\n%\nG93X1Y0\n",
    "T1 Holesize 12 = 30. MILS\nM71\nT1\nX12345678901234567890\n",
    "M48\nINCH\nT1C20\n%\nT1X01Y01\nT2\nX1Y1\nM25\nX1Y1\nM01\nM02X1\n",
)
PLACES = "### Module positions ###\n## Unit = mm\n# Ref Val Package PosX PosY Rot Side\nR1 1k R_0402 2.0 2.0 90 top\nU1 x QFN 4.0 3.0 0 bottom\n"


def _bundle(members: dict[str, str]) -> bytes:
    """Files of a board as one text, so that mutations meet them and not the sums of an archive."""
    return b"".join(MEMBER + name.encode() + b"\n" + text.encode() for name, text in members.items())


def _read_bundle(path: Path) -> Any:
    archive, beside = path.with_suffix(".zip"), path.with_name("layers.json")
    beside.unlink(missing_ok=True)
    with zipfile.ZipFile(archive, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        for part in path.read_bytes().split(MEMBER)[1:]:
            name, _, content = part.partition(b"\n")
            if name == b"layers.json":
                beside.write_bytes(content)
            else:
                file.writestr(name.decode("latin-1").replace("\0", "") or "x", content)
    return read_board(archive, 0.5)


def boards() -> dict[str, Reader]:
    def layer(function: str) -> str:
        return GERBER.replace("{function}", function)

    edge = "%FSLAX33Y33*%\n%MOMM*%\n%TF.FileFunction,Profile,NP*%\n%ADD10C,0.1*%\nD10*\n"
    corners = [(0, 0), (12000, 0), (12000, 12000), (0, 12000)]
    lines = [f"X{x}Y{y}D0{1 if k else 2}*\n" for k, (x, y) in enumerate(corners)]
    outline, gap = edge + "".join(lines) + "X0Y0D01*\nM02*\n", edge + "".join(lines) + "X0Y100D01*\nM02*\n"
    board = {
        "b-F_Cu.gbr": layer("Copper,L1,Top"), "b-B_Cu.gbr": layer("Copper,L2,Bot"), "b-Edge_Cuts.gbr": outline,
        "b-F_Paste.gbr": layer("Paste,Top"), "b-F_Mask.gbr": layer("Soldermask,Top"), "b-PTH.drl": DRILLS[0], "b-top.pos": PLACES,
    }  # fmt: skip
    plain = layer("Other,x").replace("%TF.FileFunction,Other,x*%\n", "")
    named = {
        "x.GTL": plain,
        "x.GBL": plain,
        "x.G1": plain,
        "x.GKO": gap,
        "x.TXT": DRILLS[1],
        "x.GTP": plain,
        "readme.md": "x",
    }
    two = {"a/one.top": plain, "a/one.bot": plain, "b/one.top": plain, "b/one.bot": plain}
    several = {"one-F.Cu.gbr": plain, "one-B.Cu.gbr": plain, "two-F.Cu.gbr": plain, "two-B.Cu.gbr": plain}
    lost = {"b.gbr": "no gerber", "b.drl": DRILLS[4]}
    given = {
        "copper": ["b-F_Cu.gbr", "b-B_Cu.gbr"],
        "drill": ["b-PTH.drl"],
        "paste": ["b-F_Paste.gbr"],
        "board_mm": [0, 0, 12, 12],
    }
    tables = [
        {"input": given},
        {"input": given | {"outline": ["b-Edge_Cuts.gbr"], "negative": ["b-B_Cu.gbr"]}},
        {"input": given | {"copper": "x"}},
        {"input": given | {"drill": ["missing"]}},
        {"input": given | {"board_mm": [1, 1, 1, 1]}},
        {"input": given | {"odd": []}},
        {"other": given},
    ]
    open_edge = {**board, "b-Edge_Cuts.gbr": gap}
    wide = {**board, "b-Edge_Cuts.gbr": gap.replace("X0Y100D01*", "X0Y9000D01*")}
    bare = {**board, "b-PTH.drl": "M48\nMETRIC\nT1C0.8\n%\nT1\nX2000Y2000\nX3000Y3000\nM30\n"}
    boards = [
        named,
        two,
        several,
        lost,
        open_edge,
        wide,
        bare,
        *({**board, "layers.json": json.dumps(table)} for table in tables),
    ]
    gerber = [
        "objects/gerber/rs274x.py",
        "objects/gerber/statements.py",
        "objects/gerber/apertures.py",
        "objects/gerber/marks.py",
    ]
    return {
        "gerber": Reader(
            ".gbr", lambda path: read_gerber(path.read_text("latin-1")), [layer("Copper,L1,Top").encode()], gerber,
            [text.encode() for text in SEED_LAYERS],
        ),
        "drill": Reader(
            ".drl", lambda path: read_excellon(path.read_text("latin-1")), [text.encode() for text in DRILLS[:4]],
            ["objects/gerber/excellon.py"], [text.encode() for text in DRILLS[4:]],
        ),
        "board": Reader(
            ".txt", _read_bundle, [_bundle(board)],
            [f"objects/gerber/{name}.py" for name in ("files", "roles", "names", "drills", "drill_statements", "outline", "draw", "placements")],
            [_bundle(members) for members in boards],
        ),
    }  # fmt: skip
