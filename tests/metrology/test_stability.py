"""Changed or not: limits in closed form, false alarms as often as stated and no more, changes found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coldray.errors import MeasurementError
from coldray.metrology.stability import History, judge

BASELINE = (10.0, 10.2, 9.9, 10.1, 9.8)


def occasions(new, baseline=BASELINE, sds=None, new_sds=None, **more):
    return History(
        "edge.mtf50", "MTF 50 %", "lp/mm", tuple(baseline), tuple(sds or [None] * len(baseline)),
        tuple(() if v is None else (float(v),) for v in new), tuple(new_sds or [None] * len(new)), **more,
    )  # fmt: skip


def archive(baseline, *new):
    return History(
        "restore.hits",
        "hits",
        "",
        tuple(baseline),
        (None,),
        tuple(tuple(one) for one in new),
        (None,) * len(new),
        images=True,
    )


def test_limits_are_those_of_students_distribution():
    verdict = judge([occasions([10.1])], 0.05)[0]
    half = stats.t.ppf(0.975, 4) * np.std(BASELINE, ddof=1) * np.sqrt(1 + 1 / 5)
    assert verdict.limit == pytest.approx((10 - half, 10 + half))
    assert verdict.changed is False and verdict.level == 0.05


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 30.0), st.sampled_from([0.05, 0.01, 1e-3]), st.floats(0.1, 100.0), st.floats(-1e3, 1e3))
def test_a_value_is_changed_exactly_beyond_its_limits_in_any_unit(sds, rate, scale, offset):
    """p-value, limits and verdict agree, and follow scale and offset."""
    value = 10 + sds * 0.16
    plain = judge([occasions([value])], rate)[0]
    moved = judge([occasions([offset + scale * value], [offset + scale * v for v in BASELINE])], rate)[0]
    assert plain.changed == (not plain.limit[0] <= value <= plain.limit[1])
    assert moved.p_value[0] == pytest.approx(plain.p_value[0], rel=1e-4)
    assert moved.limit == pytest.approx([offset + scale * v for v in plain.limit], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("count", [3, 8])
def test_false_alarms_are_as_rare_as_stated(count):
    """Of 400 unchanged detectors with six figures and two occasions at most the stated share is called changed."""
    rng, rate, alarms = np.random.default_rng(count), 0.1, 0
    for _ in range(400):
        shared = rng.standard_normal(count + 2)  # figures of one occasion have their set-up in common
        drawn = 5 + 0.6 * shared + 0.8 * rng.standard_normal((6, count + 2))
        found = judge([occasions(row[count:], row[:count]) for row in drawn], rate)
        alarms += any(one.changed for one in found)
    assert 0 < alarms <= stats.binom.ppf(0.999, 400, rate)


def test_a_change_of_six_standard_deviations_is_found_and_named():
    rng = np.random.default_rng(1)
    drawn = 5 + 0.1 * rng.standard_normal((4, 12))
    drawn[2, 11] += 0.8
    found = judge([occasions(row[10:], row[:10]) for row in drawn], 0.01)
    assert [one.changed for one in found] == [False, False, True, False]
    assert found[2].changed_on == (1,)


def test_a_drift_within_the_limits_of_each_occasion_is_found():
    rng = np.random.default_rng(2)
    value = 5 + 0.02 * np.arange(20) + 0.05 * rng.standard_normal(20)
    verdict = judge([occasions(value[10:], value[:10])], 0.01)[0]
    assert verdict.drifting and verdict.changed
    assert abs(verdict.drift - 0.02) < 3 * verdict.drift_sd
    assert judge([occasions(value[10:11], value[:10])], 0.01)[0].drift is None  # one new occasion has no trend


def test_few_occasions_rest_on_the_bands_and_say_so():
    sure = judge([occasions([10.2], [10.0], [0.1], [0.1])], 0.05)[0]
    half = stats.norm.ppf(0.975) * np.hypot(0.1, 0.1)
    assert sure.limit == pytest.approx((10 - half, 10 + half)) and "bands" in sure.note and not sure.changed
    assert judge([occasions([10.4], [10.0], [0.1], [0.1])], 0.05)[0].changed
    for baseline in ([10.0, 10.1], [10.0] * 6):
        untold = judge([occasions([17.0], baseline)], 0.05)[0]
        assert untold.changed is None and untold.limit is None and untold.note


def test_tolerance_is_beside_the_statistics():
    verdict = judge([occasions([10.1, None, 9.9], tolerance=(10.0, None))])[0]
    assert verdict.beyond_tolerance == (2,) and verdict.changed is False
    assert verdict.to_json()["value"] == 9.9 and verdict.to_json()["values"] == [10.1, None, 9.9]


def test_archives_are_compared_by_ranks_and_shares_by_fisher():
    rng = np.random.default_rng(3)
    before, same, more = rng.poisson(3, 60), rng.poisson(3, 40), rng.poisson(6, 40)
    verdict = judge([archive(before, same, more)], 0.01)[0]
    assert verdict.changed_on == (1,)
    assert verdict.p_value[1] == pytest.approx(stats.mannwhitneyu(before, more).pvalue)
    shares = judge([archive([0.0] * 98 + [1.0] * 2, [0.0] * 30 + [1.0] * 10)], 0.01)[0]
    assert shares.changed and shares.p_value[0] == pytest.approx(stats.fisher_exact([[2, 98], [10, 30]]).pvalue)
    assert judge([archive([0.0] * 50, [0.0] * 50)], 0.01)[0].changed is False
    assert judge([archive([1.0, 2.0, 3.0], [7.0, 8.0])], 0.01)[0].changed is None  # 10 orders at most: too few to tell


def test_false_alarms_of_archives_are_as_rare_as_stated():
    rng, alarms = np.random.default_rng(4), 0
    for _ in range(300):
        drawn = [rng.poisson(0.3, 40), rng.lognormal(0, 1, 40), (rng.random(40) < 0.05).astype(float)]
        alarms += any(v.changed for v in judge([archive(d[:25], d[25:]) for d in drawn], 0.1))
    assert alarms <= stats.binom.ppf(0.999, 300, 0.1)


def test_impossible_requests_are_refused():
    with pytest.raises(MeasurementError, match="false_alarms"):
        judge([occasions([10.0])], 0.0)
    with pytest.raises(MeasurementError, match="no figure"):
        judge([occasions([None])])
