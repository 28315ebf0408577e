"""Shapes on an image: lengths, angles and areas in closed form, pixels inside, shares of voids."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import SettingsError
from coldray.metrology.shapes import CLOSED, check_points, inside, measures, region

COORDINATE = st.floats(-50, 150, allow_nan=False)
POINT = st.tuples(COORDINATE, COORDINATE)


def test_sizes_in_closed_form():
    assert measures("distance", [(1, 2), (4, 6)]) == {"length_px": 5}
    assert measures("rectangle", [(5, 1), (2, 9)]) == {"width_px": 3, "height_px": 8, "area_px2": 24}
    ellipse = measures("ellipse", [(0, 0), (6, 4)])
    assert ellipse["area_px2"] == pytest.approx(math.pi * 6)
    circle = measures("circle", [(0, 0), (6, 8)])
    assert circle["diameter_px"] == 10 and circle["area_px2"] == pytest.approx(25 * math.pi)
    triangle = measures("polygon", [(0, 0), (3, 0), (0, 4)])
    assert triangle == {"perimeter_px": 12, "area_px2": 6}
    assert measures("point", [(1, 1)]) == {}


@given(st.floats(0.1, 179.9), st.floats(0, 360), POINT)
def test_an_angle_is_that_between_its_arms_whichever_way_it_is_turned(angle, turn, vertex):
    def arm(length, degrees):
        return (
            vertex[0] + length * math.cos(math.radians(degrees)),
            vertex[1] + length * math.sin(math.radians(degrees)),
        )

    first, second = arm(30, turn), arm(70, turn + angle)
    assert measures("angle", [first, vertex, second])["angle_deg"] == pytest.approx(angle, abs=1e-9)
    assert measures("angle", [second, vertex, first])["angle_deg"] == pytest.approx(angle, abs=1e-9)
    assert math.isnan(measures("angle", [vertex, vertex, second])["angle_deg"])


@given(st.lists(POINT, min_size=3, max_size=8), POINT)
def test_moving_or_turning_round_a_polygon_changes_nothing(points, by):
    moved = [(x + by[0], y + by[1]) for x, y in points]
    for other in (moved, points[1:] + points[:1], points[::-1]):
        for name, value in measures("polygon", points).items():
            assert measures("polygon", other)[name] == pytest.approx(value, abs=1e-6)


@given(st.tuples(POINT, POINT))
def test_a_rectangle_and_the_polygon_of_its_corners_hold_the_same_pixels(corners):
    (x0, y0), (x1, y1) = corners
    polygon = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    held = []
    for kind, points in (("rectangle", corners), ("polygon", polygon)):
        mask = np.zeros((40, 60), bool)
        window, found = inside(kind, points, mask.shape)
        mask[window] = found
        held.append(mask)
    assert np.array_equal(held[0], held[1])


@pytest.mark.parametrize(("kind", "points"), [("ellipse", [(10, 20), (90, 70)]), ("circle", [(20, 20), (70, 60)])])
def test_pixels_inside_fill_the_area(kind, points):
    found = inside(kind, points, (100, 120))[1].sum()
    area = measures(kind, points)["area_px2"]
    # the count of grid points in a convex curve is its area up to its circumference
    assert abs(found - area) < 2 * math.sqrt(math.pi * area)
    mask = inside(kind, [(-x - 200, y) for x, y in points], (100, 120))[1]
    assert mask.sum() == 0 and region(np.zeros((100, 120)), kind, [(-300, 0), (-200, 9)]).pixels == 0


@given(st.integers(0, 30), st.integers(0, 20), st.integers(2, 30), st.integers(2, 20), st.integers(0, 99))
def test_a_region_is_what_numpy_says(left, top, width, height, seed):
    image = np.random.default_rng(seed).integers(0, 65535, (20, 30)).astype(np.uint16)
    cut = image[top : top + height, left : left + width].astype(float)
    found = region(image, "rectangle", [(left, top), (left + width, top + height)], threshold=30000)
    assert found.pixels == cut.size
    if cut.size > 1:
        assert found.mean == pytest.approx(cut.mean()) and found.sd == pytest.approx(cut.std(ddof=1))
        assert (found.minimum, found.maximum) == (cut.min(), cut.max())
        assert found.void_share == np.mean(cut > 30000)
        darker = region(image, "rectangle", [(left, top), (left + width, top + height)], 30000, "darker")
        assert found.void_share + darker.void_share + np.mean(cut == 30000) == pytest.approx(1)


def test_the_voids_of_a_ball_are_the_share_of_its_area():
    y, x = np.mgrid[:200, :200] + 0.5
    ball = np.where(np.hypot(x - 100, y - 100) < 80, 10000, 40000).astype(np.uint16)
    ball[np.hypot(x - 110, y - 90) < 20] = 20000
    found = region(ball, "circle", [(20, 100), (180, 100)], threshold=15000)
    assert found.void_share == pytest.approx((20 / 80) ** 2, rel=0.02)
    assert math.isnan(region(ball, "circle", [(20, 100), (180, 100)]).void_share)


def test_what_is_no_shape_is_refused():
    for kind, points in (
        ("rectangle", [(0, 0)]),
        ("polygon", [(0, 0), (1, 1)]),
        ("star", [(0, 0)]),
        ("angle", [(0, 0)] * 4),
    ):
        with pytest.raises(SettingsError):
            check_points(kind, points)
    with pytest.raises(SettingsError, match="has no inside"):
        inside("distance", [(0, 0), (1, 1)], (4, 4))
    assert set(CLOSED) == {"rectangle", "ellipse", "circle", "polygon"}
