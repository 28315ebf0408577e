"""Gerber statements against the geometry they stand for: laws of repeats, blocks and transforms, areas in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.objects.gerber.apertures import GerberError, evaluate, macro_aperture, standard_aperture, thermal
from coldray.objects.gerber.marks import MAX_OBJECTS, Budget, shapes_of
from coldray.objects.gerber.rs274x import read_gerber
from coldray.objects.gerber.shapes import bounds_of, swept

HEAD = "%FSLAX36Y36*%\n%MOMM*%\n%ADD10R,0.7X0.3*%\n%ADD11C,0.25*%\n%LPD*%\nG01*\nG75*\n"
mm = st.integers(-9_000_000, 9_000_000).map(lambda v: v / 1e6)


def area(outline) -> float:
    x, y = np.asarray(outline).T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def co(value: float) -> int:
    return round(value * 1e6)


def flash(x: float, y: float) -> str:
    return f"X{co(x)}Y{co(y)}D03*\n"


def marks(body: str, head: str = HEAD):
    return read_gerber(head + body + "M02*\n").marks


def outlines(body: str, head: str = HEAD):
    return [(s.outline, s.dark) for s in shapes_of(marks(body, head))]


def same(one, other):
    assert len(one) == len(other)
    for (a, dark), (b, light) in zip(one, other, strict=True):
        assert dark == light
        np.testing.assert_allclose(a, b, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), mm, mm, mm, mm)
def test_a_repeat_is_the_sum_of_its_shifted_copies(columns, rows, step_x, step_y, x, y):
    body = "D10*\n" + flash(x, y) + "%LPC*%\nD11*\n" + f"X{co(x)}Y{co(y)}D02*\nX{co(x + 1)}Y{co(y)}D01*\n%LPD*%\n"
    repeated = f"%SRX{columns}Y{rows}I{step_x:.6f}J{step_y:.6f}*%\n" + body + "%SR*%\n"
    copies = []
    for column in range(columns):
        for row in range(rows):
            shift = np.array([column * step_x, row * step_y])
            copies += [(outline + shift, dark) for outline, dark in outlines(body)]
    same(outlines(repeated), copies)


def test_a_repeat_ends_with_the_next_or_with_the_file():
    body = "D10*\n%SRX2Y1I3J0*%\n" + flash(0, 0) + "%SRX1Y3I0J2*%\n" + flash(5, 5)
    assert [m.points[0] for m in marks(body)] == [(0, 0), (3, 0), (5, 5), (5, 7), (5, 9)]
    assert len(marks("D10*\n%SRX1Y1I0J0*%\n" + flash(1, 1))) == 1


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["N", "X", "Y", "XY"]), st.floats(-360, 360), st.floats(0.2, 4), mm, mm)
def test_a_loaded_transform_acts_on_the_aperture_about_its_place(mirror, degrees, scale, x, y):
    macro = "%AMBENT*4,1,3,0,0,1,0,0.2,0.5,0,0,0*%\n%ADD12BENT*%\n"
    (plain, _), *_ = outlines("D12*\n" + flash(0, 0), HEAD + macro)
    angle = math.radians(float(f"{degrees:.5f}"))
    flip = np.array([-1.0 if "X" in mirror else 1.0, -1.0 if "Y" in mirror else 1.0])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    wanted = (plain * flip) @ turn.T * float(f"{scale:.5f}") + (x, y)
    body = f"D12*\n%LM{mirror}*%\n%LR{degrees:.5f}*%\n%LS{scale:.5f}*%\n" + flash(x, y) + "%LMN*%\n%LR0*%\n%LS1*%\n"
    same(outlines(body, HEAD + macro), [(wanted, True)])
    same(outlines(body + flash(x, y), HEAD + macro)[1:], [(plain + np.array([x, y]), True)])


def test_a_scaled_round_stroke_is_wider():
    (outline, _), *_ = outlines("D11*\n%LS3*%\nX0Y0D02*\nX4000000Y0D01*\n")
    assert area(outline) == pytest.approx(4 * 0.75 + math.pi * 0.375**2, rel=5e-3)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(mm, mm), min_size=1, max_size=4), st.booleans())
def test_a_block_aperture_is_its_objects_at_every_flash(places, clear):
    inside = "D10*\n" + flash(0.5, 0) + "%LPC*%\nD11*\n" + flash(0.5, 0.1) + "%LPD*%\n"
    block = "%ABD20*%\n" + inside + "%AB*%\n"
    use = ("%LPC*%\n" if clear else "") + "D20*\n" + "".join(flash(*p) for p in places)
    wanted = [(o + p, dark != clear) for p in places for o, dark in outlines(inside)]
    same(outlines(block + use), wanted)


def test_blocks_hold_blocks_and_turn_as_one():
    inner = "%ABD20*%\nD10*\n" + flash(1, 0) + "%AB*%\n"
    outer = "%ABD21*%\n%LR90*%\nD20*\n" + flash(2, 0) + "%LR0*%\n%AB*%\n"
    (mark,) = marks(inner + outer + "%LR90*%\nD21*\n" + flash(0, 0))
    np.testing.assert_allclose(mark.points[0], (-1, 2), atol=1e-12)  # (1, 0) turned once, moved, turned again
    (shape,) = shapes_of([mark])
    assert bounds_of([shape]) == pytest.approx((-1.35, 1.85, -0.65, 2.15))  # half a turn in all


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("%SRX100000Y100000I0.1J0.1*%\nD10*\n" + flash(0, 0) + "%SR*%\n", "objects"),
        (
            "%ABD20*%\nD10*\n" + 40 * flash(0, 0) + "%AB*%\n"
            + "".join(f"%ABD{n + 1}*%\nD{n}*\n" + 40 * flash(0, 0) + "%AB*%\n" for n in range(20, 26)),
            "objects",
        ),
        ("X0Y0D02*\nD11*\n%SRX30000Y9I1J1*%\n" + 12 * "X1000000Y0D01*\n" + "%SR*%\n", "objects"),
        ("D10*\nX20000000000000Y0D03*\n", "coordinate"),
    ],
)  # fmt: skip
def test_a_small_file_cannot_ask_for_more_than_is_drawn(body, said):
    with pytest.raises(GerberError, match=said):
        read_gerber(HEAD + body + "M02*\n", Budget(objects=100_000))


@pytest.mark.parametrize(
    "filler", [" " * 3_000_000, "\n" * 3_000_000, "x" * 3_000_000, "%LR" + "1" * 1_000_000 + "z*%", "Z" * 300_000 + "*"]
)
def test_reading_takes_time_in_proportion_to_the_file(filler):
    """Any pattern that went back over its text would not come back from these."""
    try:
        read_gerber(HEAD + filler)
    except GerberError:
        pass


def test_the_number_of_statements_is_bounded():
    with pytest.raises(GerberError, match="statements"):
        read_gerber(HEAD + "D10*" * 5000, Budget(statements=3000))


def test_the_budget_is_that_of_all_layers():
    budget = Budget(objects=3)
    read_gerber(HEAD + "D10*\n" + flash(0, 0) + flash(1, 0) + "M02*\n", budget)
    with pytest.raises(GerberError, match=str(MAX_OBJECTS)):
        read_gerber(HEAD + "D10*\n" + flash(0, 0) + flash(1, 0) + "M02*\n", budget)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("%IRA90*%", "%IR"), ("%IR90*%", "%IR"), ("%SFA2B1*%", "%SF"), ("%MIA1B0*%", "%MI"), ("%OFA1.5B0*%", "%OF"),
        ("%ASAYBX*%", "%AS"), ("%IJAL1.0*%", "%IJ"), ("%IFother.gbr*%", "%IF"), ("%KOD*%", "%KO"), ("G10*", "G10"),
        ("%LRabc*%", "%LR"), ("%LPX*%", "%LP"), ("%LS0*%", "scale"), ("Q5*", "Q5"), ("D99*" + flash(0, 0), "D99"),
        ("%SRX0Y1I0J0*%", "repeat"), ("%AB*%", "block"), ("G37*", "region"), ("%FSLAX25Y25*%", "format"),
        ("%MOIN*%", "unit"),
    ],
)  # fmt: skip
def test_what_is_not_carried_out_is_refused_by_its_name_and_line(statement, named):
    with pytest.raises(GerberError, match=named) as caught:
        read_gerber(HEAD + statement + "\nM02*\n")
    assert str(caught.value).startswith("line 8: ")


@pytest.mark.parametrize(
    "statement",
    [
        "%IR0*%",
        "%IPPOS*%",
        "%OFA0.00B0.0*%",
        "%MIA0B0*%",
        "%SFA1.0B1*%",
        "%ASAXBY*%",
        "%INname*%",
        "%LNtop*%",
        "%ICAS*%",
    ],
)
def test_old_statements_without_effect_are_passed_over(statement):
    assert len(marks(statement + "\nD10*\n" + flash(0, 0))) == 1


def test_negative_images_say_so():
    assert read_gerber(HEAD + "%IPNEG*%\nM02*\n").negative
    assert not read_gerber(HEAD + "%IPPOS*%\nM02*\n").negative


def test_files_that_were_cut_are_refused_or_noted():
    for cut in ("D10*\nX1Y", "G36*\nX0Y0D02*\nX9Y0D01*\n", "%ABD20*%\nD10*\nX0Y0D03*\n", "%ADD12C,0.1"):
        with pytest.raises(GerberError, match="cut"):
            read_gerber(HEAD + cut)
    assert read_gerber(HEAD + "D10*\n" + flash(0, 0)).notes == ["no end statement (M02)"]


@settings(max_examples=40, deadline=None)
@given(mm, mm, st.floats(0.05, 6.2), st.booleans())
def test_an_arc_keeps_its_radius(x, y, sweep, clockwise):
    radius, turn = 2.0, -1 if clockwise else 1
    end = (x + radius * math.cos(turn * sweep), y + radius * math.sin(turn * sweep))
    code = "G02" if clockwise else "G03"
    body = f"D11*\nX{co(x + radius)}Y{co(y)}D02*\n{code}*\nX{co(end[0])}Y{co(end[1])}I{co(-radius)}J0D01*\n"
    (mark,) = marks(body)
    points = np.array(mark.points)
    np.testing.assert_allclose(np.hypot(*(points - (x, y)).T), radius, atol=1e-5)
    length = np.hypot(*np.diff(points, axis=0).T).sum()
    assert length == pytest.approx(radius * sweep, rel=2e-3)


def test_a_single_quadrant_arc_is_the_multi_quadrant_one():
    many = marks("D11*\nG75*\nX2000000Y0D02*\nG03*\nX0Y2000000I-2000000J0D01*\n")
    single = marks("D11*\nG74*\nX2000000Y0D02*\nG03*\nX0Y2000000I2000000J0D01*\n")
    np.testing.assert_allclose(single[0].points, many[0].points, atol=1e-9)


def test_old_spellings_mean_the_same():
    plain = [m.points for m in marks("D10*\n" + flash(1, 2) + flash(3, 2) + flash(3, 5))]
    head = HEAD.replace("%FSLAX36Y36*%\n%MOMM*%", "%FSLAX36Y36*MOMM*%")
    assert [m.points for m in marks("G54D10*\nX1000000Y2000000D03*\nX3000000*\nY5000000*\n", head)] == plain
    relative = HEAD.replace("FSLA", "FSLI")
    assert [m.points for m in marks("D10*X1000000Y2000000D03*X2000000Y0D03*X0Y3000000D03*", relative)] == plain
    late = HEAD.replace("%MOMM*%\n", "") + "G71*\n"
    assert [m.points for m in marks("D10*Y2000000X1000000D03*G01G75X3000000D03*Y5000000D03*", late)] == plain
    omitted = HEAD.replace("FSLA", "FSTA").replace("36", "33")
    assert [m.points for m in marks("D10*X001Y002D03*X003Y002D03*X003Y005D03*", omitted)] == plain


def test_a_rectangle_drawn_along_a_line_covers_its_hull():
    (outline, _), *_ = outlines("D10*\nX0Y0D02*\nX3000000Y4000000D01*\n")
    # area of the rectangle, plus path length times its width across the path
    across = 0.7 * 4 / 5 + 0.3 * 3 / 5
    assert area(outline) == pytest.approx(0.21 + 5 * across, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.floats(0, 360), mm, mm)
def test_a_swept_polygon_is_the_hull_of_its_ends(corners, turn, x, y):
    from scipy.spatial import ConvexHull

    ((part,), *_) = (standard_aperture("P", [1.6, corners, turn], 1.0).parts,)
    ends = np.concatenate([part.outline, part.outline + np.array([x, y])])
    assert area(swept(part.outline, (0, 0), (x, y))) == pytest.approx(ConvexHull(ends).volume, rel=1e-6)


def test_a_line_drawn_with_a_notched_aperture_is_refused():
    body = "%AMSLIT*21,1,2,2,0,0,0*21,0,1,1,0,0,0*%\n%ADD12SLIT*%\nD12*\n"
    with pytest.raises(GerberError, match="hole or a notch"):
        outlines(body + "X0Y0D02*\nX5000000Y0D01*\n")
    assert len(outlines(body + "X0Y0D02*\nX0Y0D01*\n")) == 1  # without length it is a flash


@pytest.mark.parametrize(
    ("kind", "sizes", "wanted"),
    [
        ("C", [1.2], math.pi * 0.36), ("R", [1.2, 0.5], 0.6), ("O", [2.0, 0.6], 1.4 * 0.6 + math.pi * 0.09),
        ("O", [0.6, 2.0], 1.4 * 0.6 + math.pi * 0.09), ("P", [2.0, 6, 11.0], 3 * math.sqrt(3) / 2),
    ],
)  # fmt: skip
def test_areas_of_standard_apertures(kind, sizes, wanted):
    for unit in (1.0, 25.4):
        (part,) = standard_aperture(kind, sizes, unit).parts
        # Round ends are chords; the width of a stroke is that of their polygon.
        assert area(part.outline) == pytest.approx(wanted * unit**2, rel=5e-3 if kind == "O" else 1e-6)


def ring_quarter(outer: float, inner: float, gap: float) -> float:
    """Area where R > r > hypot(x, y) fails, x > gap / 2, y > gap / 2, by integration over x."""
    big, small, half = outer / 2, inner / 2, gap / 2
    x = np.linspace(half, math.sqrt(big**2 - half**2), 200_001)
    low = np.maximum(np.sqrt(np.maximum(small**2 - x**2, 0)), half)
    return float(np.trapezoid(np.maximum(np.sqrt(big**2 - x**2) - low, 0), x))


@pytest.mark.parametrize(
    "sizes", [(2.0, 1.2, 0.4), (3.0, 2.9, 0.1), (2.0, 0.3, 0.5), (2.0, 0.0, 0.2), (1.0, 0.8, 0.75)]
)
def test_a_thermal_is_four_quarters_of_a_ring(sizes):
    quarters = list(thermal(0.3, -0.2, *sizes))
    for quarter in quarters:
        assert area(quarter) == pytest.approx(ring_quarter(*sizes), rel=5e-3, abs=1e-5)
    if quarters:
        np.testing.assert_allclose(np.mean([q.mean(axis=0) for q in quarters], axis=0), (0.3, -0.2), atol=1e-9)


def test_a_thermal_whose_cross_covers_the_ring_leaves_nothing():
    assert list(thermal(0, 0, 1.0, 0.8, 0.75)) == []


@pytest.mark.parametrize("turn", ["", ",0", ",30"])
def test_primitives_may_leave_out_their_rotation(turn):
    for body, wanted in (
        (f"7,0,0,2.4,1.6,0.5{turn}", 4 * ring_quarter(2.4, 1.6, 0.5)),
        (f"5,1,8,0,0,1.5{turn}", 2 * math.sqrt(2) * 0.75**2),
        (f"21,1,1.5,0.4,0.2,0{turn}", 0.6),
        (f"22,1,1.5,0.4,0.2,0{turn}", 0.6),
        (f"20,1,0.2,0,0,3,4{turn}", 1.0),
        (f"2,1,0.2,0,0,3,4{turn}", 1.0),
        (f"4,1,3,0,0,2,0,2,1,0,0{turn}", 1.0),
        (f"1,1,0.8,0.1,0.1{turn}", math.pi * 0.16),
    ):
        parts = macro_aperture("M", [body], [], 1.0).parts
        assert sum(area(p.outline) for p in parts) == pytest.approx(wanted, rel=5e-3)


@pytest.mark.parametrize(
    "body",
    [
        "9,1,2",
        "1,2,1,0,0",
        "21,0.5,1,1,0,0",
        "7,0,0,2",
        "5,1,2,0,0,1",
        "4,1,3,0,0,1,0",
        "1,1,1/0,0,0",
        "1,1,((1,0,0",
        "1,1,2 3x,0,0",
    ],
)
def test_wrong_macros_are_refused_by_name(body):
    with pytest.raises(GerberError, match="macro|modifier|corners|exposure"):
        macro_aperture("ODD", [body], [], 1.0)


numbers = st.integers(1, 99).map(lambda v: str(v / 4))
expressions = st.recursive(
    st.one_of(numbers, st.sampled_from(["$1", "$2", "$7"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-x"), inner).map("".join),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"-{e}" if not e.startswith(("-", "+")) else e),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(expressions)
def test_macro_arithmetic_is_that_of_numbers(expression):
    values = {1: 1.25, 2: -3.0}
    python = expression.replace("x", "*").replace("$1", "(1.25)").replace("$2", "(-3.0)").replace("$7", "(0.0)")
    assert evaluate(expression, values) == pytest.approx(eval(python), rel=1e-12, abs=1e-12)


def test_deep_parentheses_do_not_exhaust_the_stack():
    assert evaluate("(" * 900 + "1" + ")" * 900, {}) == 1
    with pytest.raises(GerberError):
        evaluate("(" * 100_000, {})


def test_an_independent_reader_sees_the_same_copper():
    gerbonara = pytest.importorskip("gerbonara", reason="gerbonara is not installed")
    from gerbonara.utils import MM

    body = "D10*\n" + flash(1, 2) + "D11*\nX0Y0D02*\nX5000000Y1000000D01*\nG36*\nX0Y3000000D02*\nX2000000D01*\nG03*\n"
    body += "X0Y3000000I-1000000J0D01*\nG37*\n"
    ((x0, y0), (x1, y1)) = gerbonara.GerberFile.from_string(HEAD + body + "M02*\n").bounding_box(MM)
    assert bounds_of(shapes_of(marks(body))) == pytest.approx((x0, y0, x1, y1), abs=0.01)


@pytest.mark.parametrize("odd", ["\xff\xfe\n5", "a\x1b[31m", "\u2028b"])
@pytest.mark.parametrize("place", ["%AMM*{},1,2*%\n%ADD10M*%\n", "%ADD10{}*%\n", "%Z{}*%\n", "Q{}*\n"])
def test_a_message_is_one_line_whatever_the_file_holds(place, odd):
    with pytest.raises(GerberError) as told:
        read_gerber("%FSLAX33Y33*%\n%MOMM*%\n" + place.format(odd) + "D10*\nX1Y1D03*\nM02*\n")
    assert str(told.value).isprintable()
