"""Multi-reader multi-case analysis: published figures, closed forms, and the rate of false alarms where nothing differs."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from coldray.errors import MeasurementError
from coldray.metrology.readers.merit import auc_comparisons, jackknife_covariance
from coldray.metrology.readers.mrmc import obuchowski_rockette

VAN_DYKE = np.array(
    [
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
    ]
)
"""Areas of 2 techniques read by 5 radiologists (Van Dyke et al. 1993; 69 normal cases, 45 with an aortic dissection)."""
BY_TECHNIQUE = {"var": [0.00101410, 0.00059047], "cov2": [0.00048396, 0.00020419]}
BY_READER = {
    "var": [0.00069890, 0.00110605, 0.00084234, 0.00015058, 0.00121357],
    "cov1": [0.00037347, 0.00076016, 0.00035532, 0.00000108, 0.00024304],
}
COV3 = 0.00023903
"""Figures and results of the trapezoidal, jackknifed analysis as printed by OR-DBM MRMC 2.51 (Schartz, Hillis, Pesce and Berbaum)."""


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def van_dyke_covariance():
    """Covariances with the published means over readers, over techniques and over all."""
    arms, readers = VAN_DYKE.shape
    found = np.full((arms, readers, arms, readers), COV3)
    for i in range(arms):
        found[i, :, i, :] = BY_TECHNIQUE["cov2"][i]
    for j in range(readers):
        found[:, j, :, j] = BY_READER["cov1"][j]
        for i in range(arms):
            mean = np.mean(BY_READER["var"])
            found[i, j, i, j] = BY_TECHNIQUE["var"][i] + BY_READER["var"][j] - mean
    return found


def test_random_readers_agree_with_the_published_analysis():
    found = obuchowski_rockette(VAN_DYKE, van_dyke_covariance())
    assert found.degrees_of_freedom == pytest.approx(15.26, abs=0.005)
    assert found.f == pytest.approx(4.46, abs=0.005) and found.p == pytest.approx(0.0517, abs=5e-5)
    difference = found.differences[1, 0]
    assert difference.value == pytest.approx(0.04380032, abs=1e-8)
    assert difference.standard_error == pytest.approx(0.02075, abs=5e-6)
    assert (difference.low, difference.high) == pytest.approx((-0.00036, 0.08796), abs=1e-5)
    assert difference.p == pytest.approx(0.0517, abs=5e-5)
    published = [(0.03317360, 12.74, 0.82522360, 0.96885048), (0.02156637, 12.71, 0.89413783, 0.98753689)]
    for band, (error, freedom, low, high) in zip(found.arms, published, strict=True):
        assert band.standard_error == pytest.approx(error, abs=5e-8)
        assert band.degrees_of_freedom == pytest.approx(freedom, abs=0.005)
        assert (band.low, band.high) == pytest.approx((low, high), abs=2e-7)
    parts = found.components
    assert parts.reader == pytest.approx(0.00153500, abs=1e-8)
    assert parts.arm_by_reader == pytest.approx(0.00020040, abs=2e-8)
    assert (parts.cov1, parts.cov2, parts.cov3) == pytest.approx((0.00034661, 0.00034407, 0.00023903), abs=1e-8)
    assert parts.error == pytest.approx(0.00080229, abs=1e-8)


def test_fixed_readers_agree_with_the_published_analysis():
    found = obuchowski_rockette(VAN_DYKE, van_dyke_covariance(), readers_are_fixed=True)
    assert found.f == pytest.approx(5.47595, abs=5e-4) and found.p == pytest.approx(0.0193, abs=5e-5)
    difference = found.differences[1, 0]
    assert (difference.standard_error, difference.low, difference.high) == pytest.approx(
        (0.01872, 0.00711, 0.08049), abs=1e-5
    )
    for band, ends in zip(found.arms, [(0.84943008, 0.94464399), (0.90795637, 0.97371835)], strict=True):
        assert (band.low, band.high) == pytest.approx(ends, abs=2e-7)


@pytest.mark.parametrize("reader", range(5))
def test_one_reader_alone_agrees_with_the_published_analysis(reader):
    ends = [(-0.02182, 0.07818), (-0.00501, 0.09809), (-0.04330, 0.07904), (-0.00764, 0.06014), (0.01381, 0.18651)]
    block = np.full((2, 1, 2, 1), BY_READER["cov1"][reader])
    block[[0, 1], 0, [0, 1], 0] = BY_READER["var"][reader]
    one = VAN_DYKE[:, reader : reader + 1]
    difference = obuchowski_rockette(one, block, readers_are_fixed=True).differences[1, 0]
    assert (difference.low, difference.high) == pytest.approx(ends[reader], abs=1e-5)


def test_without_errors_of_cases_it_is_the_paired_t_test(rng):
    values = rng.normal(0.8, 0.05, (2, 6))
    found = obuchowski_rockette(values, np.zeros((2, 6, 2, 6)))
    known = ttest_rel(values[1], values[0])
    assert found.p == pytest.approx(known.pvalue) and found.differences[1, 0].p == pytest.approx(known.pvalue)
    interval = known.confidence_interval(0.95)
    assert (found.differences[1, 0].low, found.differences[1, 0].high) == pytest.approx(tuple(interval))


def test_one_reader_is_refused_unless_taken_as_fixed():
    with pytest.raises(MeasurementError, match="one reader .* let two or more read, better five, or take"):
        obuchowski_rockette([[0.8], [0.9]], np.full((2, 1, 2, 1), 1e-3))
    with pytest.raises(MeasurementError, match="one arm alone"):
        obuchowski_rockette([[0.8, 0.9]], np.full((1, 2, 1, 2), 1e-3))


def test_perfect_readings_have_no_band_and_no_error_to_divide_by():
    found = obuchowski_rockette(np.ones((3, 4)), np.zeros((3, 4, 3, 4)))
    assert np.isnan(found.f) and np.isnan(found.p)
    for band in (*found.arms, *found.differences.values()):
        assert band.low is None and band.high is None and band.p is None


def test_readers_who_agree_to_the_last_digit_leave_the_cases_alone():
    """No scatter between readers: infinitely many degrees of freedom, and the band is that of a normal distribution."""
    errors = np.full((2, 3, 2, 3), 1e-4)
    errors[0, :, 0, :] = errors[1, :, 1, :] = 4e-4
    found = obuchowski_rockette(np.array([[0.8] * 3, [0.85] * 3]), errors)
    assert found.degrees_of_freedom == np.inf
    assert found.differences[1, 0].standard_error == pytest.approx(np.sqrt(2 * 3e-4))


def test_where_nothing_differs_one_trial_in_twenty_says_so(rng):
    """Simulated after Roe and Metz: two arms alike, five readers, 25 cases of each; variances of their set HH with AUC 0.86."""
    trials, arms, readers, cases = 400, 2, 5, 25
    parts = {"r": 0.011, "tr": 0.011, "c": 0.1, "tc": 0.1, "rc": 0.2, "e": 0.6}
    alarms = covered = 0
    for _ in range(trials):
        skill = rng.normal(0, np.sqrt(parts["r"]), (1, readers, 2, 1)) + rng.normal(
            0, np.sqrt(parts["tr"]), (arms, readers, 2, 1)
        )
        ratings = skill + sum(
            rng.normal(0, np.sqrt(parts[name]), shape)
            for name, shape in {
                "c": (1, 1, 2, cases),
                "tc": (arms, 1, 2, cases),
                "rc": (1, readers, 2, cases),
                "e": (arms, readers, 2, cases),
            }.items()
        )
        ratings[:, :, 1] += 1.5
        tables = np.array([[auc_comparisons(*one) for one in row] for row in ratings])
        found = obuchowski_rockette(tables.mean(axis=(-2, -1)), jackknife_covariance(tables))
        band = found.differences[1, 0]
        alarms += found.p < 0.05
        covered += band.low <= 0 <= band.high
    # 5 % is 20 of 400, with a standard deviation of 4.4
    assert 7 <= alarms <= 34 and covered == trials - alarms
