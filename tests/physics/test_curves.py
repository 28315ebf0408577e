"""Curves: interpolation, round trip, refusals; the ratio of two MTFs by its four rules."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve, transfer_ratio

FREQUENCY = np.linspace(0, 10, 101)


def gaussian(sigma_mm, frequency=FREQUENCY, gain=1.0):
    return FrequencyCurve(frequency, gain * np.exp(-2 * (np.pi * sigma_mm * frequency) ** 2))


def test_linear_between_points_and_held_outside():
    curve = FrequencyCurve([1, 2, 4], [0.8, 0.6, 0.2])
    assert curve([1.5, 3.0, 3.5]) == pytest.approx([0.7, 0.4, 0.3])
    assert curve([0.0, 0.5]) == pytest.approx([0.8, 0.8])
    assert curve(100.0) == pytest.approx(0.2)
    assert curve(np.ones((2, 3))).shape == (2, 3)
    assert curve.last_frequency_lp_mm == 4


def test_frequency_at_a_level_inverts_the_curve():
    curve = gaussian(0.05)
    for level in (0.9, 0.5, 0.1):
        assert curve(curve.frequency_at(level)) == pytest.approx(level, rel=1e-12)
    exact = np.sqrt(np.log(2) / 2) / (np.pi * 0.05)
    assert curve.frequency_at(0.5) == pytest.approx(exact, rel=1e-3)
    assert FrequencyCurve([0, 1], [1, 0.5]).frequency_at(0.2) is None


def test_scaled_moves_value_and_band_together():
    curve = FrequencyCurve([0, 1], [1, 2], [0.9, 1.8], [1.1, 2.2]).scaled(3)
    assert curve.value.tolist() == [3, 6]
    assert curve.low == pytest.approx([2.7, 5.4])
    assert curve.high == pytest.approx([3.3, 6.6])
    assert FrequencyCurve([0, 1], [1, 2]).scaled(2).low is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12), st.booleans())
def test_json_round_trip_is_exact(values, banded):
    frequency = np.arange(len(values)) * 0.1
    band = (np.array(values) - 1, np.array(values) + 1) if banded else (None, None)
    curve = FrequencyCurve(frequency, values, *band)
    again = FrequencyCurve.from_dict(json.loads(json.dumps(curve.to_dict())))
    np.testing.assert_array_equal(again.value, curve.value)
    np.testing.assert_array_equal(again.frequency_lp_mm, curve.frequency_lp_mm)
    assert (again.low is None) is not banded
    if banded:
        np.testing.assert_array_equal(again.low, curve.low)
        np.testing.assert_array_equal(again.high, curve.high)


@pytest.mark.parametrize(
    ("frequency", "value", "message"),
    [
        ([0], [1], "at least 2"),
        ([0, 1, 2], [1, 1], "equally long"),
        ([[0, 1]], [[1, 1]], "equally long"),
        ([0, 1, 1], [1, 1, 1], "increase strictly"),
        ([0, 2, 1], [1, 1, 1], "increase strictly"),
        ([-1, 0], [1, 1], "increase strictly"),
        ([0, 1], [1, np.nan], "NaN"),
        ([0, np.inf], [1, 1], "NaN"),
    ],
)
def test_what_is_no_curve_is_refused(frequency, value, message):
    with pytest.raises(PhysicsError, match=message):
        FrequencyCurve(frequency, value)


def test_a_band_of_another_length_is_refused():
    with pytest.raises(PhysicsError, match="low band has 3 points"):
        FrequencyCurve([0, 1], [1, 1], low=[1, 2, 3])


def test_a_missing_key_is_named():
    with pytest.raises(PhysicsError, match="frequency_lp_mm"):
        FrequencyCurve.from_dict({"value": [1, 2]})


def test_ratio_of_gaussians_is_the_gaussian_of_the_difference():
    found = transfer_ratio(gaussian(0.05), gaussian(0.03), FREQUENCY[:40], floor=1e-6)
    assert found == pytest.approx(np.exp(-2 * (np.pi * FREQUENCY[:40]) ** 2 * (0.05**2 - 0.03**2)), rel=1e-9)


@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_ratio_does_not_depend_on_the_gain_of_either_curve(a, b):
    plain = transfer_ratio(gaussian(0.06), gaussian(0.03), FREQUENCY)
    scaled = transfer_ratio(gaussian(0.06, gain=a), gaussian(0.03, gain=b), FREQUENCY)
    np.testing.assert_allclose(scaled, plain, rtol=1e-9)


@given(
    st.lists(st.floats(0.0, 1.2), min_size=4, max_size=12),
    st.lists(st.floats(0.1, 1.2), min_size=4, max_size=12),
    st.floats(0.001, 0.1),
)
def test_ratio_stays_within_floor_and_one_and_keeps_the_mean(blurred, sharp, floor):
    a = FrequencyCurve(np.arange(len(blurred) + 1), [1, *blurred])
    b = FrequencyCurve(np.arange(len(sharp) + 1), [1, *sharp])
    ratio = transfer_ratio(a, b, np.linspace(0, 20, 64), floor=floor)
    assert ratio[0] == 1
    assert ratio.min() >= floor
    assert ratio.max() <= 1


def test_ratio_is_held_where_the_sharp_mtf_falls_below_the_floor():
    sharp = FrequencyCurve([0, 1, 2, 3, 4], [1, 0.8, 0.5, 0.01, 0.3])
    blurred = FrequencyCurve([0, 1, 2, 3, 4], [1, 0.4, 0.1, 0.1, 0.1])
    assert transfer_ratio(blurred, sharp, [1, 2, 2.5, 3, 4, 9]) == pytest.approx([0.5, 0.2, 0.2, 0.2, 0.2, 0.2])


def test_ratio_is_held_beyond_the_shorter_table_up_to_the_diagonal():
    sharp, blurred = gaussian(0.03, np.linspace(0, 8, 81)), gaussian(0.05, np.linspace(0, 5, 51))
    ratio = transfer_ratio(blurred, sharp, [5.0, 6.0, 5 * np.sqrt(2), 20.0])
    assert np.ptp(ratio) == 0
    assert ratio[0] == pytest.approx(float(blurred(5.0) / sharp(5.0)))


def test_a_thick_screen_is_never_taken_for_sharper():
    assert np.all(transfer_ratio(gaussian(0.03), gaussian(0.05), FREQUENCY) == 1)


def test_ratio_refuses_curves_that_start_at_nothing():
    with pytest.raises(PhysicsError, match="positive at zero"):
        transfer_ratio(FrequencyCurve([0, 1], [0, 1]), gaussian(0.03), [1.0])
