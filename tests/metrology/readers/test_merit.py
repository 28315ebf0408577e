"""Figures of merit of readings: hand counts, the laws of the Wilcoxon statistic, and cases left out one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from coldray.errors import MeasurementError
from coldray.metrology.readers.merit import (
    UNMARKED,
    auc_comparisons,
    jackknife_covariance,
    left_out,
    located_comparisons,
)

RATINGS = st.lists(st.integers(0, 5), min_size=2, max_size=12)


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@given(RATINGS, RATINGS)
@settings(max_examples=50)
def test_the_area_is_the_mann_whitney_statistic_and_ends_meet(controls, defective):
    area = auc_comparisons(controls, defective).mean()
    assert area == pytest.approx(mannwhitneyu(defective, controls).statistic / (len(controls) * len(defective)))
    assert auc_comparisons(defective, controls).mean() == pytest.approx(1 - area)
    # any rising change of the scale leaves it
    assert auc_comparisons(np.exp(controls), np.exp(defective)).mean() == pytest.approx(area)


def test_located_figure_by_hand():
    """Two controls, one of them unmarked; a case with two defects of which one was found, and a case never marked."""
    table = located_comparisons([30.0, UNMARKED], [[60.0, UNMARKED], [UNMARKED]])
    # against the control marked 30: 60 wins, the unmarked one loses; against the unmarked: a win and a tie
    np.testing.assert_allclose(table, [[(1 + 0) / 2, 0], [(1 + 0.5) / 2, 0.5]])
    assert table.mean() == pytest.approx(0.4375)


def test_every_case_counts_alike_however_many_defects_it_has():
    one = located_comparisons([1.0, 2.0], [[3.0], [0.0]])
    many = located_comparisons([1.0, 2.0], [[3.0] * 7, [0.0]])
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("defects", [1, 3])
def test_leaving_out_is_leaving_out(rng, defects):
    false, found = rng.integers(0, 4, 7), [rng.integers(0, 4, defects) for _ in range(5)]
    without = left_out(located_comparisons(false, found))
    again = [located_comparisons(np.delete(false, k), found).mean() for k in range(7)]
    again += [located_comparisons(false, found[:k] + found[k + 1 :]).mean() for k in range(5)]
    np.testing.assert_allclose(without, again, rtol=1e-12)


def test_the_jackknife_of_a_mean_is_its_variance(rng):
    """Controls all alike and never above: the figure is a mean over the defective cases, and its variance is known."""
    wins = rng.integers(0, 2, 40).astype(float)
    table = np.tile(wins, (30, 1))
    found = float(jackknife_covariance(table[None, None])[0, 0, 0, 0])
    cases, defective = 70, 40
    # left out controls change nothing; the left-out defective ones scatter as those of a mean of 40
    scatter = np.sum((wins - wins.mean()) ** 2) / (defective - 1) ** 2
    assert found == pytest.approx((cases - 1) / cases * scatter, rel=1e-12)


def test_covariance_is_symmetric_and_that_of_a_figure_with_itself_its_variance(rng):
    tables = np.array([[auc_comparisons(rng.normal(size=9), rng.normal(size=8)) for _ in range(3)] for _ in range(2)])
    found = jackknife_covariance(tables)
    np.testing.assert_allclose(found, found.transpose(2, 3, 0, 1), rtol=1e-12)
    alike = jackknife_covariance(np.stack([tables[:1, 0], tables[:1, 0]]))
    assert alike[0, 0, 1, 0] == pytest.approx(alike[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("false", "found", "words"),
    [
        ([1.0], [[2.0], [3.0]], "at least 2"),
        ([1.0, 2.0], [[2.0]], "at least 2"),
        ([1.0, 2.0], [[2.0], []], "belongs to the controls"),
        ([1.0, np.nan], [[2.0], [1.0]], "missing"),
        ([1.0, 2.0], [[np.nan], [1.0]], "missing"),
    ],
)
def test_what_cannot_be_compared_is_refused(false, found, words):
    with pytest.raises(MeasurementError, match=words):
        located_comparisons(false, found)
