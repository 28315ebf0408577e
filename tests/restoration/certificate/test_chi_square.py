"""Tails, levels and the control of many tests, against scipy."""

import numpy as np
import pytest
import scipy.stats

from coldray.restoration.certificate.chi_square import adjusted, power, tail, threshold

DEGREES = (4, 9, 24, 60, 119, 900)


@pytest.mark.parametrize("degrees", DEGREES)
def test_without_bias_the_tail_is_chi_square(degrees):
    energy = scipy.stats.chi2.isf([0.5, 1e-2, 1e-8], degrees)
    np.testing.assert_allclose(tail(energy, degrees), [0.5, 1e-2, 1e-8], rtol=1e-9)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("allowed", [0.3, 3.0, 30.0, 300.0, 3000.0])
def test_with_bias_the_tail_is_never_understated(degrees, allowed):
    chances = np.array([1e-2, 1e-4, 1e-6, 1e-8])
    ratio = tail(scipy.stats.ncx2.isf(chances, degrees, allowed), degrees, allowed) / chances
    assert np.all(ratio > 0.999) and np.all(ratio < 2.5)


@pytest.mark.parametrize("allowed", [0.0, 7.0])
def test_threshold_inverts_the_tail(allowed):
    for level in (0.1, 1e-7):
        assert tail(threshold(level, 57, allowed), 57, allowed) == pytest.approx(level, rel=1e-6)


def test_adjusted_values_are_benjamini_and_hochbergs():
    chances = np.random.default_rng(0).uniform(0, 1, 200) ** 3
    np.testing.assert_allclose(adjusted(chances, 200), scipy.stats.false_discovery_control(chances))
    # leaving out large ones changes nothing below them
    small = chances < 0.05
    whole = adjusted(chances, 200)[small]
    assert np.all((adjusted(chances[small], 200) <= 0.01) == (whole <= 0.01))
    assert adjusted(np.zeros(0), 10).size == 0


def test_power_grows_with_the_contradiction_and_meets_a_simulation():
    energies = np.array([0.0, 20.0, 60.0, 120.0])
    found = power(energies, 26, threshold(1e-4, 26, 2.0), 0.6)
    assert np.all(np.diff(found) > 0) and found[0] < 1e-4 and found[-1] > 0.99
    rng = np.random.default_rng(1)
    drawn = 0.6 * scipy.stats.ncx2.rvs(26, 60.0 / 0.6, size=20_000, random_state=rng)
    assert found[2] == pytest.approx(np.mean(drawn > threshold(1e-4, 26, 2.0)), abs=0.02)
