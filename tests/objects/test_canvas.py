"""The canvas against closed forms: areas, volumes, rotation, overlap, windows."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coldray.objects.canvas import Canvas, Frame, strip_cover

PITCH = 0.01
SIDE = 120
MIDDLE = SIDE * PITCH / 2
phases = st.floats(-PITCH / 2, PITCH / 2)
angles = st.floats(-180, 180)


def volume(canvas, material):
    return float(canvas.map(material).sum(dtype=np.float64)) * canvas.pitch**2


def canvas():
    return Canvas((SIDE, SIDE), PITCH)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.002, 1.0), phases, phases)
def test_a_disc_has_its_area_and_covers_no_cell_twice(diameter, dx, dy):
    drawn = canvas()
    window, cover = drawn.disc_cover(MIDDLE + dx, MIDDLE + dy, diameter)
    assert 0 <= cover.min() and cover.max() <= 1
    # a disc may reach beyond the one cell that it fills by an eighth of its area
    rel = 0.03 if diameter > 2.5 * PITCH else 0.13
    assert float(cover.sum()) * PITCH**2 == pytest.approx(math.pi * diameter**2 / 4, rel=rel)
    if diameter > 8 * PITCH:
        row, col = (int(MIDDLE / PITCH) - w.start for w in window)
        assert cover[row, col] == 1


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 1.0), st.floats(0.0, 0.95), phases, phases)
@example(0.1, 0.90625, 0.00390625, 0.00390625)
def test_a_ring_is_a_disc_less_a_disc(outer, share, dx, dy):
    inner = share * outer
    drawn = canvas()
    drawn.ring("Cu", MIDDLE + dx, MIDDLE + dy, outer, inner, 1.6)
    # what is drawn of two discs, whose own areas another test holds, to a hundredth of a cell
    at = MIDDLE + dx, MIDDLE + dy
    left = sum(
        sign * float(drawn.disc_cover(*at, d)[1].sum(dtype=np.float64))
        for sign, d in ((1, outer), (-1, inner))
        if d > 0
    )
    assert volume(drawn, "Cu") / PITCH**2 == pytest.approx(1.6 * left, abs=0.01)
    whole, hole = (math.pi * d * d / 4 for d in (outer, inner))
    # a rim may be off by a cell or two, in small rings more than a hundredth of the disc
    assert volume(drawn, "Cu") == pytest.approx(1.6 * (whole - hole), abs=1.6 * max(0.01 * whole, 1.5 * PITCH**2))
    assert drawn.map("Cu").min() >= 0


@settings(max_examples=40, deadline=None)
@given(st.floats(0.03, 0.3), st.floats(0.0, 0.7), angles, phases)
def test_a_slot_is_a_rectangle_and_two_half_discs(width, length, angle, dx):
    drawn = canvas()
    frame = Frame(MIDDLE + dx, MIDDLE, angle)
    _, cover = drawn.slot_cover(frame.at(-length / 2, 0), frame.at(length / 2, 0), width)
    expected = width * length + math.pi * width**2 / 4
    # the round ends have a rim one cell wide, which adds pi pitch^2/12
    assert float(cover.sum()) * PITCH**2 == pytest.approx(expected, rel=0.03, abs=0.4 * PITCH**2)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.003, 0.6), st.floats(0.15, 0.6), angles, phases, phases)
def test_a_block_keeps_its_volume_when_turned(width, height, angle, dx, dy):
    drawn = canvas()
    drawn.rect("Si", Frame(MIDDLE + dx, MIDDLE + dy, angle), 0.0, 0.0, width, height, 0.3)
    assert volume(drawn, "Si") == pytest.approx(0.3 * width * height, rel=0.02)


@given(angles)
def test_a_quarter_turn_of_the_frame_is_a_quarter_turn_of_the_map(angle):
    first, second = canvas(), canvas()
    first.rect("Si", Frame(MIDDLE, MIDDLE, angle), 0.1, 0.05, 0.3, 0.12, 0.3)
    second.rect("Si", Frame(MIDDLE, MIDDLE, angle + 90), 0.1, 0.05, 0.3, 0.12, 0.3)
    # x along columns, y along rows: a turn from x to y is clockwise on the array
    np.testing.assert_allclose(np.rot90(first.map("Si"), -1), second.map("Si"), atol=1e-4)


@pytest.mark.parametrize("pitch", [0.008, 0.016, 0.03])
@pytest.mark.parametrize("angle", [0.0, 17.0, 90.0])
def test_wire_volume(pitch, angle):
    drawn, frame = Canvas((300, 300), pitch), Frame(150.3 * pitch, 149.6 * pitch, angle)
    drawn.wire("Au", [frame.at(-1.0, 0), frame.at(1.0, 0)], 0.025)
    assert volume(drawn, "Au") == pytest.approx(2.0 * math.pi * 0.0125**2, rel=0.03)
    assert drawn.map("Au").min() >= 0


@pytest.mark.parametrize("diameter", [0.05, 0.25, 0.5, 1.1])
def test_ball_volume(diameter):
    drawn = canvas()
    drawn.ball("SAC305", 0.603, 0.596, diameter)
    assert volume(drawn, "SAC305") == pytest.approx(math.pi * diameter**3 / 6, rel=0.02)
    assert drawn.map("SAC305").max() == pytest.approx(diameter, rel=0.05)


def test_a_void_removes_its_own_volume_where_it_is():
    drawn = canvas()
    drawn.ball("SAC305", MIDDLE, MIDDLE, 0.6, None, [(0.1, -0.05, 0.2)])
    assert volume(drawn, "SAC305") == pytest.approx(math.pi / 6 * (0.6**3 - 0.2**3), rel=0.02)
    row, col = (round(v) for v in drawn.cell_of(MIDDLE + 0.1, MIDDLE - 0.05))
    away = math.hypot(0.1, 0.05)
    assert drawn.map("SAC305")[row, col] == pytest.approx(2 * math.sqrt(0.3**2 - away**2) - 0.2, rel=0.02)


def test_bodies_of_one_material_add_up_where_they_overlap():
    drawn = canvas()
    drawn.rect("Cu", Frame(MIDDLE, MIDDLE), 0, 0, 0.5, 0.5, 0.1)
    drawn.disc("Cu", MIDDLE, MIDDLE, 0.3, 0.2)
    assert drawn.map("Cu")[SIDE // 2, SIDE // 2] == pytest.approx(0.3)
    assert volume(drawn, "Cu") == pytest.approx(0.1 * 0.25 + 0.2 * math.pi * 0.09 / 4, rel=0.01)
    assert list(drawn.maps) == ["Cu"]


@pytest.mark.parametrize("width", [0.003, 0.01, 0.027])
def test_a_strip_integrates_to_its_width(width):
    distance = np.linspace(-0.05, 0.05, 20001)
    assert np.trapezoid(strip_cover(distance, width, PITCH), distance) == pytest.approx(width, rel=1e-3)


@given(st.floats(-5, 5), st.floats(-5, 5), angles, st.floats(-3, 3), st.floats(-3, 3))
def test_local_is_the_inverse_of_at(x, y, angle, u, v):
    frame = Frame(x, y, angle)
    assert frame.local(*frame.at(u, v)) == pytest.approx((u, v), abs=1e-9)


def scene(drawn):
    """Every kind of body, some on the border of the windows below."""
    for k in range(6):
        frame = Frame(0.11 + 0.17 * k, 0.13 + 0.15 * k, 31.0 * k)
        drawn.ball("SAC305", frame.x, frame.y, 0.2, voids=[(0.03, 0.02, 0.06)])
        drawn.rect("Si", frame, 0.05, 0.0, 0.3, 0.11, 0.2)
        drawn.disc("Cu", frame.x, frame.y, 0.27, 0.1)
        drawn.ring("Cu", frame.x, frame.y, 0.35, 0.3, 1.0)
        drawn.wire("Au", [frame.at(-0.2, 0), frame.at(0.3, 0.1)], 0.025)
    return drawn


@pytest.mark.parametrize("y_up", [False, True])
def test_windows_are_pieces_of_one_drawing(y_up):
    corner = (0.0, SIDE * PITCH) if y_up else (0.0, 0.0)
    whole = scene(Canvas((SIDE, SIDE), PITCH, corner, y_up=y_up))
    part = scene(Canvas((50, 40), PITCH, corner, (30, 45), y_up=y_up))
    for material, drawn in whole.maps.items():
        np.testing.assert_array_equal(part.map(material), drawn[30:80, 45:85])


def test_y_upwards_is_the_same_drawing_upside_down():
    down = scene(canvas())
    up = scene(Canvas((SIDE, SIDE), PITCH, (0.0, SIDE * PITCH), y_up=True))
    for material, drawn in down.maps.items():
        # a place halfway between two quarters of a cell is rounded to either
        assert np.abs(up.map(material)[::-1] - drawn).mean() < 2e-3 * drawn.max()
        np.testing.assert_allclose(up.map(material).sum(), drawn.sum(), rtol=1e-3)


@pytest.mark.parametrize("place", [(-0.5, 0.3), (0.3, -0.5), (1.7, 0.3), (0.3, 1.7)])
def test_what_lies_outside_leaves_no_trace(place):
    drawn = canvas()
    assert drawn.outside(*place, 0.4)
    assert not drawn.outside(*place, 0.6)
    drawn.ball("SAC305", *place, 0.3)
    drawn.disc("Cu", *place, 0.3, 1.0)
    drawn.rect("Si", Frame(*place, 30.0), 0, 0, 0.3, 0.3, 1.0)
    drawn.wire("Au", [place, (place[0] - 0.01, place[1])], 0.02)
    assert all(not drawn.map(m).any() for m in drawn.maps)
    assert drawn.disc_cover(*place, 0.3) is None
