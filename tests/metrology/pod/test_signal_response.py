"""Signal response: least squares where nothing is censored, statsmodels' Gaussian with a log link, censoring, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from coldray.errors import MeasurementError
from coldray.metrology.pod.signal_response import signal_response

SIZES = np.repeat(np.geomspace(0.1, 0.4, 7), 40)
TRUE_A90 = 0.2 * (3.61 / 3.0) ** 0.5


def additive(state, deviation=1.0):
    """3 standard deviations at 0.2 mm, growing with the square of the size."""
    return 3.0 * (SIZES / 0.2) ** 2 + deviation * np.random.default_rng(state).standard_normal(SIZES.size)


def proportional(state):
    return np.exp(
        np.log(5.0) + 1.5 * np.log(SIZES / 0.2) + 0.3 * np.random.default_rng(state).standard_normal(SIZES.size)
    )


def test_proportional_scatter_is_least_squares_of_the_logarithms():
    y = proportional(1)
    slope, first = np.polyfit(np.log(SIZES), np.log(y), 1)
    rest = np.log(y) - first - slope * np.log(SIZES)
    curve = signal_response(SIZES, y, 2.33, scatter="proportional")
    assert np.allclose(curve.parameters, [first, slope, np.log(rest.std())], atol=1e-5)
    # variance of the line's parameters and of ln d in closed form
    design = np.stack([np.ones(y.size), np.log(SIZES)], axis=1)
    assert np.allclose(curve.covariance[:2, :2], rest.var() * np.linalg.inv(design.T @ design), rtol=1e-3)
    assert curve.covariance[2, 2] == pytest.approx(0.5 / y.size, rel=1e-3)
    expected = ndtr((first + slope * np.log(0.3) - np.log(2.33)) / rest.std())
    assert curve(0.3) == pytest.approx(expected, abs=1e-6)


def test_additive_scatter_is_statsmodels_gaussian_with_a_log_link():
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels checks the regression; it is in the extra `dev`")
    y = additive(2)
    family = sm.families.Gaussian(sm.families.links.Log())
    start = [np.log(3.0) - 2 * np.log(0.2), 2.0]
    theirs = sm.GLM(y, sm.add_constant(np.log(SIZES)), family=family).fit(start_params=start, tol=1e-13, maxiter=300)
    curve = signal_response(SIZES, y, 2.33, scatter="additive")
    assert np.allclose(curve.parameters[:2], theirs.params, rtol=1e-5)
    assert np.exp(2 * curve.parameters[2]) == pytest.approx(float(np.mean(theirs.resid_response**2)), rel=1e-5)


def test_the_pod_of_known_scatter_is_found():
    size = signal_response(SIZES, additive(3), 2.3263).size()
    assert size.estimate_mm == pytest.approx(TRUE_A90, rel=0.04)
    assert size.estimate_mm < size.wald_mm < 1.1 * size.estimate_mm
    assert size.wald_mm == pytest.approx(size.likelihood_mm, rel=0.02)


def test_the_likelier_scatter_is_taken_by_default():
    assert "additive" in signal_response(SIZES, additive(4), 2.33, least=0.5).model
    assert "ln a-hat" in signal_response(SIZES, proportional(4), 2.33, least=0.5).model


def test_censored_readings_count_as_lying_beyond_and_leave_no_bias():
    y = proportional(5)
    whole = signal_response(SIZES, y, 2.33, scatter="proportional")
    cut = signal_response(SIZES, np.clip(y, 2.5, 10.0), 2.33, scatter="proportional", least=2.5, largest=10.0)
    left_out = np.polyfit(np.log(SIZES), np.log(np.clip(y, 2.5, 10.0)), 1)[0]
    assert cut.parameters[1] == pytest.approx(whole.parameters[1], abs=0.12)
    assert abs(left_out - 1.5) > 0.25, "as plain numbers the censored ones would flatten the line"


@settings(max_examples=10, deadline=None)
@given(factor=st.floats(0.1, 10), unit=st.floats(0.01, 100))
def test_units_of_reading_and_size_do_not_matter(factor, unit):
    y = additive(6)
    one = signal_response(SIZES, y, 2.33, scatter="additive").size()
    other = signal_response(factor * SIZES, unit * y, unit * 2.33, scatter="additive").size()
    assert other.estimate_mm == pytest.approx(factor * one.estimate_mm, rel=1e-4)
    assert other.likelihood_mm == pytest.approx(factor * one.likelihood_mm, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: (y[::-1], {}), "do not grow with size"),
        (lambda y: (np.where(y > 0, np.nan, y), {}), "finite"),
        (lambda y: (y, {"least": 1e9}), "not censored"),
        (lambda y: (y - 9, {"scatter": "proportional"}), "no logarithm"),
        (lambda y: (y, {"scatter": "wild"}), "choose one of additive, proportional"),
    ],
)
def test_what_tells_no_curve_is_refused(change, words):
    readings, more = change(additive(7))
    with pytest.raises(MeasurementError, match=words):
        signal_response(SIZES, readings, 2.33, **more)
