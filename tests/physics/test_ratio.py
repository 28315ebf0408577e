"""The ratio of two MTFs by its written-down rules, the trust it deserves, and what is aimed at without trust."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.prior import ObjectPrior
from coldray.physics.ratio import TransferRatio, rise_noise

FREQUENCY = np.linspace(0, 10, 101)
FAR = np.linspace(0, 15, 751)


def gaussian(sigma_mm, frequency=FREQUENCY, gain=1.0):
    return FrequencyCurve(frequency, gain * np.exp(-2 * (np.pi * sigma_mm * frequency) ** 2))


def banded(curve, half=0.01, noise=0.0, seed=0):
    """A curve as it is measured: noise that neighbours share, cut at zero, with its k = 2 band."""
    white = np.random.default_rng(seed).standard_normal(curve.value.size + 20)
    shared = np.convolve(white, np.hanning(9) / np.sqrt((np.hanning(9) ** 2).sum()), "same")[10:-10]
    value = np.maximum(curve.value + noise * np.where(curve.frequency_lp_mm > 0, shared, 0.0), 0.0)
    width = np.where(curve.frequency_lp_mm > 0, half, 0.0)
    return FrequencyCurve(curve.frequency_lp_mm, value, value - width, value + width)


def transfer_ratio(blurred, sharp, frequency_lp_mm, floor=0.02):
    return TransferRatio(blurred, sharp, floor)(frequency_lp_mm)


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


measured = st.builds(
    lambda sigma, half, noise, seed: banded(gaussian(sigma), half, noise, seed),
    st.floats(0.02, 0.3),
    st.floats(0.0, 0.05),
    st.floats(0.0, 0.03),
    st.integers(0, 99),
)


@given(measured, measured)
def test_laws_of_any_two_measured_tables(blurred, sharp):
    found = TransferRatio(blurred, sharp)
    ratio, trust, target = found(FAR), found.trust(FAR), found.target(FAR)
    assert ratio[0] == trust[0] == target[0] == 1
    assert ratio.min() >= 0.02
    assert ratio.max() <= 1
    assert trust.min() >= 0
    assert np.all(np.diff(trust) <= 0)
    assert np.all(target >= ratio - 1e-12)
    assert np.all(target <= 1 + 1e-12)
    assert np.all(ratio[trust == 0] == ratio[trust == 0][:1])
    assert np.abs(np.diff(found(np.linspace(0, 15, 15001)))).max() < 0.05


@given(measured)
def test_equal_tables_are_the_identity_exactly(curve):
    found = TransferRatio(curve, curve)
    assert np.all(found(FAR) == 1)
    assert np.all(found.target(FAR) == 1)


@given(measured, measured, st.integers(2, 7))
def test_a_finer_table_of_the_same_curve_gives_the_same_ratio(blurred, sharp, times):
    fine = np.union1d(FREQUENCY, np.linspace(0, 10, 100 * times + 1))

    def finer(curve):
        low, high = (np.interp(fine, FREQUENCY, band) for band in (curve.low, curve.high))
        return FrequencyCurve(fine, curve(fine), low, high)

    floor = 1e-9  # the rule of the floor goes by tabulated points
    one, other = TransferRatio(blurred, sharp, floor), TransferRatio(finer(blurred), finer(sharp), floor)
    if one._last == other._last:
        np.testing.assert_allclose(other(FAR), one(FAR), atol=1e-9)
        np.testing.assert_allclose(other.target(FAR), one.target(FAR), atol=1e-9)


@given(measured, measured, st.integers(0, 99))
def test_the_ratio_is_continuous_in_its_tables(blurred, sharp, seed):
    """In what a measurement can tell: tables whose bands are wide against the change."""
    assume(min(float(curve.width(1.0)) for curve in (blurred, sharp)) > 1e-5)
    change = 1e-7 * np.random.default_rng(seed).uniform(-1, 1, 101) * (FREQUENCY > 0)
    moved = FrequencyCurve(FREQUENCY, blurred.value + change, blurred.low + change, blurred.high + change)
    one, other = TransferRatio(blurred, sharp, 1e-3), TransferRatio(moved, sharp, 1e-3)
    np.testing.assert_allclose(other(FAR), one(FAR), atol=2e-3)
    np.testing.assert_allclose(other.target(FAR), one.target(FAR), atol=2e-3)


def test_tables_without_a_band_that_fall_are_exact():
    found = TransferRatio(gaussian(0.05), gaussian(0.03))
    assert np.isinf(found.full_trust_lp_mm)
    assert np.isinf(found.half_trust_lp_mm)
    assert np.all(found.target(FAR) == 1)


def test_noise_of_a_table_is_seen_without_its_band():
    exact, noise = gaussian(0.09), 0.005
    with_noise = banded(exact, noise=noise)
    bare = FrequencyCurve(FREQUENCY, np.maximum(with_noise.value, 1e-4))
    assert rise_noise(exact) == 0
    assert 0.2 * noise < rise_noise(bare) < 2 * noise
    found, told = TransferRatio(bare, gaussian(0.04)), TransferRatio(with_noise, gaussian(0.04))
    assert found.half_trust_lp_mm == pytest.approx(told.half_trust_lp_mm, rel=0.2)


def test_what_a_table_holds_beyond_its_trust_changes_nothing():
    blurred, sharp = banded(gaussian(0.09)), banded(gaussian(0.04))
    limit = TransferRatio(blurred, sharp)._grid
    beyond = limit[0][np.flatnonzero(limit[1] == 0)[0]] + 0.1
    wild = blurred.value.copy()
    wild[beyond < FREQUENCY] = np.random.default_rng(1).uniform(0, 1, int(np.sum(beyond < FREQUENCY)))
    other = TransferRatio(FrequencyCurve(FREQUENCY, wild, wild - 0.01, wild + 0.01), sharp)
    np.testing.assert_array_equal(other(FAR), TransferRatio(blurred, sharp)(FAR))
    np.testing.assert_array_equal(other.target(FAR), TransferRatio(blurred, sharp).target(FAR))


def test_the_quotient_is_taken_as_it_is_where_both_stand_well_above_their_bands():
    blurred, sharp = banded(gaussian(0.06), noise=0.005), banded(gaussian(0.03), noise=0.005, seed=1)
    found = TransferRatio(blurred, sharp)
    inside = FREQUENCY[(FREQUENCY > 0) & (FREQUENCY <= found.full_trust_lp_mm)]
    assert inside.size > 30
    quotient = np.clip(blurred(inside) / sharp(inside), 0.02, 1)
    np.testing.assert_allclose(found(inside), quotient, rtol=1e-12)


def linear_error_db(transfer, sharp, noise_sd, pitch_mm, table, aim):
    """Squared error of a Wiener filter with a table's ratio, over the mean spectrum of boards, in dB."""
    f = np.linspace(0, 10, 2001)[1:]
    noise, prior = (noise_sd * pitch_mm) ** 2, ObjectPrior()(f)
    contrast = prior * np.maximum(sharp(f), 0.02) ** 2
    gain = table(f) * contrast / (table(f) ** 2 * contrast + noise) * (table.target(f) if aim else 1.0)
    error = (gain * transfer(f) - 1) ** 2 * sharp(f) ** 2 * prior + gain**2 * noise
    return -10 * np.log10(np.sum(error * f))


@pytest.mark.parametrize(
    ("transfer", "least_gain_db"),
    [(lambda f: np.sinc(0.26 * f), 3.0), (lambda f: np.exp(-2 * (np.pi * 0.07 * f) ** 2), -0.6)],
    ids=["focal spot whose contrast reverses beyond 3.8 lp/mm", "gaussian"],
)
def test_no_restoration_without_trust_saves_more_than_it_costs(transfer, least_gain_db):
    sharp = FrequencyCurve(FREQUENCY, np.exp(-((FREQUENCY / 2.9) ** 1.25)))
    blurred = FrequencyCurve(FREQUENCY, np.abs(transfer(FREQUENCY)) * sharp.value)
    gains = []
    for seed in range(8):
        table = TransferRatio(banded(blurred, noise=0.005, seed=seed), banded(sharp, noise=0.005, seed=100 + seed))
        with_aim, without = (linear_error_db(transfer, sharp, 1e-3, 0.05, table, aim) for aim in (True, False))
        gains.append(with_aim - without)
    assert np.mean(gains) > least_gain_db


@given(st.floats(0.0005, 0.02), st.floats(0.03, 0.05))
def test_trust_that_is_partly_lost_where_the_tables_end_falls_on_beyond(half, sigma):
    """The diagonal reaches beyond the tables: what is not sharpened within them is not sharpened there either."""
    ratio = TransferRatio(banded(gaussian(sigma), half), banded(gaussian(0.02), half), floor=1e-4)
    trust = ratio.trust(FAR)
    assert np.all(np.diff(trust) <= 0)
    at_end = float(ratio.trust(10.0))
    if at_end == 1:
        assert np.all(trust == 1) and np.isinf(ratio.half_trust_lp_mm)
    else:
        gone = 10 * (1 + at_end / (4 * (1 - at_end)))
        assert float(ratio.trust(10 + 0.5 * (gone - 10))) == pytest.approx(at_end / 2, abs=1e-12)
        assert np.all(trust[FAR >= gone] == 0)
        nothing = FAR >= gone
        assert ratio.target(FAR)[nothing] == pytest.approx(ratio(FAR)[nothing], abs=1e-15)
    if np.isfinite(ratio.half_trust_lp_mm):
        assert float(ratio.trust(ratio.half_trust_lp_mm)) == pytest.approx(0.5, abs=1e-9)
