"""Curves: interpolation, round trip, refusals."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve

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


def test_a_band_that_is_no_number_is_refused():
    with pytest.raises(PhysicsError, match="low band holds NaN"):
        FrequencyCurve([0, 1], [1, 1], low=[1, np.nan], high=[1, 1])


def test_width_is_that_of_the_band_and_nothing_without_one():
    curve = FrequencyCurve([0, 2], [1, 0.5], low=[1, 0.4], high=[1, 0.6])
    assert curve.width([0.0, 1.0, 9.0]) == pytest.approx([0.0, 0.1, 0.2])
    assert FrequencyCurve([0, 2], [1, 0.5]).width([0.0, 1.0]).tolist() == [0, 0]


def test_a_missing_key_is_named():
    with pytest.raises(PhysicsError, match="frequency_lp_mm"):
        FrequencyCurve.from_dict({"value": [1, 2]})
