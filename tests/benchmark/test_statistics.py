"""Intervals, paired verdicts and the comparison of two AUCs against closed forms and other implementations."""

import numpy as np
import pytest
from scipy import stats

from coldray.benchmark.statistics import Interval, auc, auc_difference, interval, verdict
from coldray.errors import MeasurementError


def test_interval_is_students():
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    found = interval(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [i.low <= 3 <= i.high for i in (interval(rng.normal(3, 2, 6)) for _ in range(2000))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_one_board_has_no_interval():
    found = interval([2.0])
    assert found.mean == 2 and np.isnan(found.low) and "no interval" in verdict(found, "a", "b", "PSNR", "dB")


@pytest.mark.parametrize("bad", [[], [np.nan, 1.0], [[1.0, 2.0]]])
def test_what_has_no_mean_is_refused(bad):
    with pytest.raises(MeasurementError):
        interval(bad)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Interval(0.5, 0.2, 0.8, 6), "cold beats one step in"),
        (Interval(-0.5, -0.8, -0.2, 6), "cold loses to one step in"),
        (Interval(0.1, -0.2, 0.4, 6), "no difference between cold and one step is shown in"),
        (Interval(0.5, 0.2, 0.8, 3), "a guide only"),
    ],
)
def test_the_verdict_says_what_the_interval_shows(difference, words):
    assert words in verdict(difference, "cold", "one step", "PSNR", "dB")


def test_auc_of_two_gaussians():
    rng = np.random.default_rng(1)
    yes, no = rng.normal(1, 1, 20000), rng.normal(0, 1, 20000)
    assert auc(yes, no) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.01)
    assert auc(no, yes) == pytest.approx(1 - auc(yes, no))
    assert auc([1, 1], [1, 1]) == 0.5


def test_a_reading_does_not_differ_from_itself():
    rng = np.random.default_rng(2)
    scores = rng.normal(1, 1, 50), rng.normal(0, 1, 60)
    found = auc_difference(scores, tuple(7 * s - 3 for s in scores))
    assert (found.difference, found.low, found.high, found.images) == (0, 0, 0, 50)


def test_the_band_of_a_difference_covers_the_truth():
    """Two correlated observers of d' 1.0 and 0.8; DeLong's band covers the true difference."""
    rng = np.random.default_rng(3)
    truth = stats.norm.cdf(1.0 / np.sqrt(2)) - stats.norm.cdf(0.8 / np.sqrt(2))
    covered = []
    for _ in range(400):
        shared = [rng.normal(0, 1, 100) for _ in range(2)]
        readings = []
        for d in (1.0, 0.8):
            yes, no = (0.8 * s + 0.6 * rng.normal(0, 1, 100) for s in shared)
            readings.append((yes + d, no))
        found = auc_difference(*readings)
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.035)


def test_other_images_cannot_be_compared():
    with pytest.raises(MeasurementError, match="same images"):
        auc_difference(([1, 2], [1, 2]), ([1, 2, 3], [1, 2]))
