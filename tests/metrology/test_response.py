"""Scores in the right response: a known curve is undone, the ceiling is what the best curve leaves, nothing falls."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.metrology.response import monotone_cubic, response_ceiling, response_scores

HOW = Convention(border_px=4)


def picture(random_state=0, side=48):
    return np.random.default_rng(random_state).uniform(0.05, 0.95, (side, side))


def test_a_known_curve_is_undone():
    """truth = x^3, result = x: one cubic maps one onto the other; a gain alone does not."""
    result = picture()
    found = response_scores(result, result**3, own=result, convention=HOW)
    assert found["curve"]["psnr_db"] > 250 and found["curve"]["ssim"] == pytest.approx(1)
    assert found["own"] == {"psnr_db": np.inf, "ssim": pytest.approx(1)}
    assert found["thin"]["psnr_db"] < 20


def test_without_its_own_truth_two_scores_are_given():
    assert set(response_scores(picture(), picture(), convention=HOW)) == {"curve", "thin"}


def test_the_thin_score_is_the_plain_one():
    truth, result = picture(1), picture(1) + 0.01 * picture(2)
    found = response_scores(result, truth, convention=HOW)
    assert found["thin"] == {"psnr_db": psnr_db(result, truth, HOW), "ssim": ssim(result, truth, HOW)}
    assert found["curve"]["psnr_db"] >= found["thin"]["psnr_db"]


def test_the_ceiling_is_the_residual_of_the_best_curve_applied_to_the_truth():
    """own = x, truth = x + a sin(2 pi x): the residual of the best cubic by quadrature, and that of a perfect result."""
    own = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    truth = own + 0.05 * np.sin(2 * np.pi * own)
    how = Convention(border_px=0)
    # the least squares of sin by cubics on 0..1: with t = 2 x - 1 it is the Legendre series of -sin(pi t) up to order 3
    at, weight = np.polynomial.legendre.leggauss(60)
    wanted = -np.sin(np.pi * at)
    left = 0.5 * np.sum(weight * wanted**2)
    for order in (1, 3):
        legendre = np.polynomial.legendre.Legendre.basis(order)(at)
        left -= 0.5 * np.sum(weight * wanted * legendre) ** 2 * (2 * order + 1) / 2
    expected = -10 * np.log10(0.05**2 * left)
    found = response_ceiling(own, truth, how)
    assert found["psnr_db"] == pytest.approx(expected, abs=0.01)
    assert response_scores(own, truth, own, how)["curve"] == found


def test_what_falls_is_levelled():
    """The best monotone curve through falling values is their mean."""
    x = np.linspace(0, 1, 200)
    curve = monotone_cubic(x, 1 - x)
    np.testing.assert_allclose(curve(x), 0.5, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    st.integers(0, 10**6),
)
def test_no_other_monotone_cubic_is_nearer(wanted, random_state):
    """Against a general solver with the slope held at many places."""
    rng = np.random.default_rng(random_state)
    x = np.sort(rng.uniform(0, 1, 60))
    x[[0, -1]] = 0, 1
    y = np.polynomial.polynomial.polyval(x, wanted) + 0.05 * rng.standard_normal(60)
    curve = monotone_cubic(x, y)
    fine = curve(np.linspace(0, 1, 1001))
    assert np.all(np.diff(fine) > -1e-9)
    columns = np.stack([x**k for k in range(4)], axis=1)
    at = np.linspace(0, 1, 101)
    slopes = np.stack([np.zeros_like(at), np.ones_like(at), 2 * at, 3 * at**2], axis=1)
    other = scipy.optimize.minimize(
        lambda c: np.sum((columns @ c - y) ** 2), curve.coefficients, jac=lambda c: 2 * columns.T @ (columns @ c - y),
        constraints={"type": "ineq", "fun": lambda c: slopes @ c, "jac": lambda c: slopes}, method="SLSQP",
    )  # fmt: skip
    mine = np.sum((curve(x) - y) ** 2)
    assert mine <= other.fun * 1.001 + 1e-6


def test_beyond_its_ends_a_curve_goes_straight_on():
    x = np.linspace(0, 1, 30)
    curve = monotone_cubic(x, x**3)
    np.testing.assert_allclose(curve(np.array([1.0, 1.1, 1.2])), [1.0, 1.3, 1.6])


def test_a_constant_has_a_constant_curve():
    assert monotone_cubic(np.full(9, 0.3), np.arange(9.0))(np.array([0.1, 0.9])).tolist() == [4.0, 4.0]
