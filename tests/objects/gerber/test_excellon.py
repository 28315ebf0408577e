"""Drill files: the same holes in every dialect, recognised by content; what a file leaves unsaid is found on the copper."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.objects.gerber.apertures import GerberError
from coldray.objects.gerber.drill_statements import Format, looks_like_drill, parameters_format
from coldray.objects.gerber.drills import Copper, read_holes
from coldray.objects.gerber.excellon import read_excellon
from coldray.objects.gerber.marks import Budget

HITS = {0.7: [(4.1, 3.2), (21.5, 3.2), (4.1, 17.9)], 1.3: [(12.6, 9.4), (25.0, 20.0)]}
"""Holes of a made-up board: places by diameter [mm]."""
PADS = np.array([p for places in HITS.values() for p in places])
COPPER = Copper(np.array([2.0, 2.0]), np.array([28.0, 22.0]), PADS)
WANTED = {(x, y, d) for d, places in HITS.items() for x, y in places}


def lines(number, unit: float = 1.0) -> list[str]:
    """Tool changes and hits."""
    out = []
    for i, (_, places) in enumerate(HITS.items(), start=1):
        out += [f"T{i}", *(f"X{number(x / unit)}Y{number(y / unit)}" for x, y in places)]
    return out


def tools(unit: float = 1.0) -> list[str]:
    return [f"T{i}C{d / unit:.5f}" for i, d in enumerate(HITS, start=1)]


def text(*parts: list[str] | str) -> str:
    flat = itertools.chain.from_iterable([p] if isinstance(p, str) else p for p in parts)
    return "\n".join([*flat, "M30"]) + "\n"


def point(v: float) -> str:
    return f"{v:.4f}"


def digits(whole: int, decimals: int, leading: bool):
    """Writer of numbers without a point: leading zeros kept and trailing ones left out, or the opposite."""

    def write(v: float) -> str:
        full = f"{round(v * 10**decimals):0{whole + decimals}d}"
        return full.rstrip("0") or "0" if leading else full.lstrip("0") or "0"

    return write


INLINE = [line.replace(f"T{i}", f"T{i}C{d}") for i, d in enumerate(HITS, start=1) for line in lines(point)
          if line == f"T{i}" or line in lines(point)[1 + 4 * (i - 1):][: len(HITS[d])]]  # fmt: skip
DIALECTS = {
    "usual": text("M48", "METRIC", tools(), "%", lines(point)),
    "comment first": text("; made by hand", "M48", "METRIC", tools(), "%", lines(point)),
    "percent first": text("%", "M71", INLINE),
    "no header": text("METRIC", INLINE),
    "no unit": text("%", INLINE),
    "no header end": text("M48", "METRIC", tools(), lines(point)),
    "unit after the tools": text("M48", tools(), "%", "M71", lines(point)),
    "inch": text("M48", "INCH", tools(25.4), "%", lines(lambda v: f"{v:.6f}", 25.4)),
    "kept trailing zeros": text("M48", "METRIC,TZ", tools(), "%", lines(digits(3, 3, False))),
    "a blank after the comma": text("M48", "METRIC, TZ", tools(), "%", lines(digits(3, 3, False))),
    "kept leading zeros": text("M48", "METRIC,LZ,000.000", tools(), "%", lines(digits(3, 3, True))),
    "stated places": text("M48", "METRIC,TZ,0000.00", tools(), "%", lines(digits(4, 2, False))),
    "places in a comment": text("M48", ";FILE_FORMAT=4:4", "METRIC,LZ", tools(), "%", lines(digits(4, 4, True))),
    "unstated places": text("M48", "METRIC,TZ", tools(), "%", lines(digits(4, 2, False))),
    "unstated zeros": text("M48", "METRIC", tools(), "%", lines(digits(3, 3, True))),
    "a list of tools in comments": text(
        ";T01 Holesize 1. = 0.700000 Tolerance = +0.0/-0.0 PLATED MM Quantity = 3",
        ";T02 Holesize 2. = 1.300000 Tolerance = +0.0/-0.0 NON_PLATED MM Quantity = 2", "%", "G90", lines(point),
    ),
    "carriage returns and blanks": text("M48 ", "METRIC", tools(), "%", lines(lambda v: f" {v:.4f}")).replace("\n", "\r\n"),
    "incremental": text(
        "M48", "METRIC", "ICI,ON", tools(), "%", "T1", "X4.1Y3.2", "X17.4", "X-17.4Y14.7", "T2", "X8.5Y-8.5", "X12.4Y10.6"
    ),
    "small letters": text("M48", "METRIC,TZ", tools(), "%", lines(digits(3, 3, False))).lower(),
    "small letters without a header": text("%", "M71", INLINE).lower(),
    "y before x": text("M48", "METRIC", tools(), "%", [re.sub("(X.*)(Y.*)", r"\2\1", line) for line in lines(point)]),
    "remarks behind statements": text("M48", "METRIC", [f"{line} ; of a via" for line in [*tools(), "%", *lines(point)]]),
    "the end of Gerber files": text("M48", "METRIC", tools(), "%", lines(point)).replace("M30", "M02\nX1.0Y1.0"),
    "a tool and its hole in one line": text("M48", "METRIC", tools(), "%", "T1X4.1Y3.2", "X21.5", "X4.1Y17.9", "T2", "X12.6Y9.4", "X25Y20"),
}  # fmt: skip


def holes(content: str, name: str = "b.drl", **others: str):
    members = {name: content.encode(), **{k.replace("__", "."): v.encode() for k, v in others.items()}}
    return read_holes(members, [name], COPPER, Budget())


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_gives_the_same_holes(name):
    assert looks_like_drill(DIALECTS[name])
    found, told, _ = holes(DIALECTS[name])
    assert {(round(h.x_mm, 2), round(h.y_mm, 2), round(h.diameter_mm, 2)) for h in found} == WANTED
    assert told["b.drl"].startswith("5 holes")


@pytest.mark.parametrize(
    "content",
    [
        "Designator,X,Y\nT1,3.0,4.0\nR5,1,2\n", "Tool  Size  Count\nT1  0.8  12\nT2  1.0  4\n", "", "; only a comment\n",
        "INTEGER-PLACES 3\nDECIMAL-PLACES 3\n", "327GND  VIA  D 120PA00X+ 25000Y+ 4000\n999\n", "T1 0.8\n" * 30,
    ],
)  # fmt: skip
def test_reports_and_lists_are_no_drill_data(content):
    assert not looks_like_drill(content)


@pytest.mark.parametrize(
    "line", ["X" + "1" * 200_000 + "Q", "T" + "1" * 200_000, ";" + " " * 500_000 + "x", "X1." * 100_000]
)
def test_long_lines_take_no_longer_than_short_ones(line):
    assert not looks_like_drill("\n".join([line] * 20))
    with pytest.raises(GerberError):
        read_excellon("M48\nMETRIC\n%\n" + line.lstrip(";") + "\n")


def test_what_is_assumed_is_said():
    _, _, notes = holes(DIALECTS["unstated places"])
    assert ".2 digits" in notes[0] and "b.drl" in notes[0]
    _, _, notes = holes(DIALECTS["usual"])
    assert notes == []


def test_blind_holes_are_drawn_through_and_that_is_said():
    _, _, notes = holes("; #@! TF.FileFunction,Plated,1,2,Blind\n" + DIALECTS["usual"])
    assert notes == ["b.drl: blind holes of layers 1 to 2 are drawn through all"]


def test_a_unit_that_could_be_either_is_refused():
    small = text("%", "T1C0.1", "X1.0Y1.0", "X1.05Y1.02")
    wide = Copper(np.array([0.0, 0.0]), np.array([40.0, 40.0]), np.zeros((0, 2)))
    with pytest.raises(GerberError, match="unit is not stated"):
        read_holes({"a.drl": small.encode()}, ["a.drl"], wide, Budget())


def test_holes_that_fit_nowhere_are_refused():
    far = text("M48", "METRIC,TZ", "T1C1.0", "%", "T1", *(f"X{3 * 10**k}Y{3 * 10**k}" for k in range(9)))
    with pytest.raises(GerberError, match=r"b\.drl: no usual number format"):
        holes(far)


LISTED = "Code  Size       Used\n T01  0.0276in   3\n T02  1.3mm   2\n"
UNSIZED = text("%", lines(digits(2, 4, False), 25.4))


def test_sizes_of_tools_are_taken_from_a_list_beside_the_file_and_that_is_said():
    found, _, notes = holes(UNSIZED, x__drl=LISTED, readme__txt="T1 is the small one\n")
    assert {(round(h.x_mm, 1), round(h.y_mm, 1), round(h.diameter_mm, 1)) for h in found} == WANTED
    assert any("diameters" in note and "x.drl" in note for note in notes)
    own, _, _ = holes(UNSIZED, b__lst="T1 0.4mm\nT2 0.5mm\n", x__drl=LISTED)  # the list of its own name counts
    assert {round(h.diameter_mm, 2) for h in own} == {0.4, 0.5}
    _, _, notes = holes(DIALECTS["usual"], x__drl="T1 9.0mm\nT2 9.0mm\n", y__drl="T1 8.0mm\n")  # of other files
    assert not any("diameters" in note for note in notes)


@pytest.mark.parametrize(
    ("lists", "said"),
    [({}, "T1 has no diameter"), ({"x__drl": "T02 1.3mm\n"}, "T1 has no diameter"),
     ({"x__drl": LISTED, "y__drl": "T1 0.9mm\nT2 1.3mm\n"}, "other diameters of tool T1")],
)  # fmt: skip
def test_tools_without_a_size_are_refused(lists, said):
    with pytest.raises(GerberError, match=said):
        holes(UNSIZED, **lists)


def test_parameters_beside_the_file_state_its_numbers():
    beside = (
        "INTEGER-PLACES 2\nDECIMAL-PLACES 5\nOUTPUT-UNITS METRIC\nSUPPRESS-TRAIL-ZEROES NO\nSUPPRESS-LEAD-ZEROES YES\n"
    )
    assert parameters_format(beside) == Format(1.0, (2, 5), False)
    found, _, notes = holes(text("%", "T1C0.7", "X410000Y320000"), nc_param__txt=beside)
    assert [(h.x_mm, h.y_mm) for h in found] == [pytest.approx((4.1, 3.2))]
    assert notes == []


def drilled(*body: str):
    """Holes of statements in millimetres; whole numbers get their point."""
    pointed = [re.sub(r"([XYIJ])(-?\d{1,3})(?![\d.])", r"\1\2.0", line) for line in body]
    return read_excellon(text("M48", "METRIC", "T1C0.8", "%", "T1", *pointed)).holes


def test_slots_and_routed_paths():
    assert drilled("X1.0Y2.0G85X4.0Y2.0") == [(1, 2, 4, 2, 0.8, None)]
    assert drilled("G00X1Y1", "M15", "G01X3Y1", "Y2", "M16", "G05", "X9Y9") == [
        (1, 1, 3, 1, 0.8, None), (3, 1, 3, 2, 0.8, None), (9, 9, 9, 9, 0.8, None),
    ]  # fmt: skip
    assert drilled("G00X1Y1", "G01X3Y1") == []  # the spindle is up


@pytest.mark.parametrize("arc", ["G03X5.0Y5.0A2.0", "G03X5.0Y5.0I0.0J2.0"])
def test_routed_arcs_keep_their_radius(arc):
    path = drilled(
        "G00X3.0Y3.0" if "A" in arc else "G00X5.0Y1.0", "M15", arc if "A" in arc else "G03X5.0Y5.0I0.0J2.0", "M16"
    )
    points = np.array([h[:2] for h in path] + [path[-1][2:4]])
    centre = (3.0, 5.0) if "A" in arc else (5.0, 3.0)
    np.testing.assert_allclose(np.hypot(*(points - centre).T), 2.0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.floats(-3, 3), st.floats(-3, 3))
def test_a_repeat_is_its_single_holes(count, dx, dy):
    dx, dy = round(dx, 3), round(dy, 3)
    repeated = drilled("X5.0Y5.0", f"R{count}X{dx:.3f}Y{dy:.3f}")
    wanted = [(5 + i * dx, 5 + i * dy) for i in range(count + 1)]
    np.testing.assert_allclose([h[:2] for h in repeated], wanted, atol=1e-9)


def test_a_pattern_is_repeated_further_each_time():
    found = drilled("M25", "X1Y1", "X2Y1G85X3Y1", "M01", "M02X10Y0", "R2M02X0Y5", "M08")
    starts = [h[:2] for h in found]
    assert starts == [(1, 1), (2, 1), (11, 1), (12, 1), (11, 6), (12, 6), (11, 11), (12, 11)]
    assert found[-1][2:4] == (13, 11)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("G93X5Y0", "zero point"), ("M97,TEXT", "M97"), ("G41", "G41"), ("T7\nX1Y1", "T7 has no diameter"),
        ("R999999999X0.1", "objects"), ("M25\nX1Y1\nX2Y2\nM01\nR99999999M02X1Y0", "objects"), ("X" + "9" * 40, "digits"),
        ("M72\nX1Y1", "unit changes"), ("M02X1Y1", "M25"), ("G00X0Y0\nM15\nG02X1Y1", "radius"),
    ],
)  # fmt: skip
def test_what_would_make_other_holes_is_refused_by_name(body, said):
    with pytest.raises(GerberError, match=said):
        drilled(*body.split("\n"))


def test_plating_by_tool_file_and_name():
    mixed = text("M48", "METRIC", ";TYPE=PLATED", "T1C0.7", ";TYPE=NON_PLATED", "T2C1.3", "%", lines(point))
    assert sorted(h.plated for h in holes(mixed)[0]) == [False, False, True, True, True]
    late = text(
        "M48", "METRIC", "T1C0.7", "T2C1.3", "%", ";TYPE=NON_PLATED", lines(point)[:4], ";TYPE=PLATED", lines(point)[4:]
    )
    assert sum(h.plated for h in holes(late)[0]) == 2
    for name in ("x-NPTH.drl", "x_NonPlated.txt", "x.unplated-drill.cnc", "nplt.fdr"):
        assert not any(h.plated for h in holes(DIALECTS["usual"], name)[0])
    said = "; #@! TF.FileFunction,NonPlated,1,2,NPTH\n" + DIALECTS["usual"]
    assert not any(h.plated for h in holes(said)[0])


def test_holes_in_gerber_form_and_holes_listed_twice():
    head = (
        "%FSLAX34Y34*%\n%MOMM*%\n%TF.FileFunction,Plated,1,2,PTH*%\n%ADD10C,0.7*%\n%ADD11C,1.3*%\n%ADD12O,2.0X0.8*%\n"
    )
    body = "".join(
        f"D{10 + i}*\n" + "".join(f"X{round(x * 1e4)}Y{round(y * 1e4)}D03*\n" for x, y in places)
        for i, places in enumerate(HITS.values())
    )
    slots = "D12*\nX80000Y80000D03*\nD10*\nX100000Y50000D02*\nX120000Y50000D01*\n"
    members = {"x.gbr": (head + body + slots + "M02*\n").encode(), "x.drl": DIALECTS["usual"].encode()}
    found, _, notes = read_holes(members, list(members), COPPER, Budget())
    assert len(found) == 7
    assert [(h.x_mm, h.end_x_mm, h.diameter_mm) for h in found if not h.is_round] == [
        pytest.approx((7.4, 8.6, 0.8)), pytest.approx((10.0, 12.0, 0.7)),
    ]  # fmt: skip
    assert notes == ["5 holes are listed more than once; each is drilled once"]
