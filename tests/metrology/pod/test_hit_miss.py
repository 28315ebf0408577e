"""Hit/miss regression: statsmodels' estimates and standard errors, closed forms, bounds, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from coldray.errors import MeasurementError
from coldray.metrology.pod.hit_miss import SHAPES, hit_miss

SIZES = np.repeat(np.geomspace(0.05, 0.4, 8), 60)


def drawn(state, share=lambda x: ndtr(3.0 * (x - np.log(0.15)))):
    return np.random.default_rng(state).random(SIZES.size) < share(np.log(SIZES))


@pytest.mark.parametrize("link", list(SHAPES))
def test_statsmodels_finds_the_same(link):
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels checks the regression; it is in the extra `dev`")
    found = drawn(1)
    links = {"logit": "Logit", "probit": "Probit", "cloglog": "CLogLog"}
    family = sm.families.Binomial(getattr(sm.families.links, links[link])())
    design = sm.add_constant(np.log(SIZES))
    model = sm.GLM(found.astype(float), design, family=family).fit(tol=1e-12, maxiter=200)
    ours = hit_miss(SIZES, found, link=link)
    assert np.allclose(ours.parameters, model.params, rtol=1e-5)
    assert ours.log_likelihood == pytest.approx(model.llf, abs=1e-7)
    observed = np.linalg.inv(-model.model.hessian(model.params, observed=True))
    assert np.allclose(ours.covariance, observed, rtol=1e-3)


def test_the_likelihood_bound_is_where_statsmodels_constrained_fit_says():
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels checks the regression; it is in the extra `dev`")
    found = drawn(2)
    ours = hit_miss(SIZES, found, link="logit")
    bound = ours.size().likelihood_mm
    # at the bound the curve is held at logit(0.9) there: an offset and one slope are left
    design = (np.log(SIZES) - np.log(bound))[:, None]
    held = sm.GLM(found.astype(float), design, family=sm.families.Binomial(), offset=np.full(SIZES.size, np.log(9.0)))
    lost = ours.log_likelihood - held.fit(tol=1e-12).llf
    assert 2 * lost == pytest.approx(2.7055, abs=1e-3), "one-sided 95 %: chi-squared of 90 % and one degree of freedom"


def test_a_curve_passes_through_what_was_found_at_two_sizes():
    size = np.repeat([0.1, 0.4], 100)
    found = np.tile(np.arange(100), 2) < np.repeat([20, 90], 100)
    for link in SHAPES:
        curve = hit_miss(size, found, link=link)
        assert np.allclose(curve([0.1, 0.4]), [0.2, 0.9], atol=1e-5)
        assert curve.size(0.9).estimate_mm == pytest.approx(0.4, rel=1e-4)


def test_bounds_lie_above_the_estimate_and_near_each_other_with_many_defects():
    found = drawn(3)
    size = hit_miss(SIZES, found, link="probit").size()
    assert size.estimate_mm == pytest.approx(0.15 * np.exp(1.2816 / 3), rel=0.08)
    assert size.estimate_mm < size.wald_mm and size.estimate_mm < size.likelihood_mm
    assert size.wald_mm == pytest.approx(size.likelihood_mm, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(1e-3, 1e3), state=st.integers(0, 50))
def test_units_of_size_do_not_matter(factor, state):
    found = drawn(state)
    one, other = hit_miss(SIZES, found, link="logit").size(), hit_miss(factor * SIZES, found, link="logit").size()
    for name in ("estimate_mm", "wald_mm", "likelihood_mm"):
        assert getattr(other, name) == pytest.approx(factor * getattr(one, name), rel=1e-4)


def test_the_false_call_rate_is_no_detection():
    rate = 0.1
    found = drawn(4, lambda x: rate + (1 - rate) * expit(8.0 * (x - np.log(0.2))))
    curve = hit_miss(SIZES, found, link="logit", false_call_rate=rate)
    assert curve(1e-6) == pytest.approx(rate)
    assert curve.parameters[1] == pytest.approx(8.0, abs=1.5)
    assert hit_miss(SIZES, found, link="logit").parameters[1] < 0.8 * curve.parameters[1]


def test_by_default_the_likelier_shape_is_taken():
    found = drawn(5)
    best = max(hit_miss(SIZES, found, link=link).log_likelihood for link in SHAPES)
    assert hit_miss(SIZES, found).log_likelihood == best


@pytest.mark.parametrize(
    ("size", "found", "words"),
    [
        ([0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1], "all of 4 defects were found; choose smaller"),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0], "none of 4 defects were found; choose larger"),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], "add sizes between"),
        ([0.1, 0.1, 0.1, 0.1], [0, 0, 1, 1], "one size"),
        ([0.1, -0.2, 0.3, 0.4], [0, 1, 0, 1], "positive"),
        ([0.1, 0.2, 0.3, 0.4], [0, 2, 1, 1], "hits and misses"),
        ([0.1, 0.2, 0.3], [0, 1, 1], "four or more"),
    ],
)
def test_what_tells_no_curve_is_refused(size, found, words):
    with pytest.raises(MeasurementError, match=words):
        hit_miss(size, found)


def test_probabilities_and_confidences_outside_their_range_are_refused():
    curve = hit_miss(SIZES, drawn(6), link="logit")
    with pytest.raises(MeasurementError, match="must lie in"):
        curve.size(1.0)
    with pytest.raises(MeasurementError, match="false-call rate"):
        hit_miss(SIZES, drawn(6), false_call_rate=0.5)


def test_a_falling_curve_has_no_a90():
    found = drawn(7, lambda x: ndtr(-3.0 * (x - np.log(0.15))))
    assert hit_miss(SIZES, found, link="probit").size().estimate_mm is None
