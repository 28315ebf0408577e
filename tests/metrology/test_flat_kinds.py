"""Flat fields that are not as they should be: mended within 3 %, told, or refused."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.errors import MeasurementError
from coldray.metrology.dqe import neq_dqe
from coldray.metrology.noise import flat_nnps
from coldray.physics.curves import FrequencyCurve

PITCH, LEVEL = 0.1, 10_000.0
N = 512
WHITE = 1e-4 * PITCH**2


def white(seed=0, frames=1):
    grain = np.random.default_rng(seed).standard_normal((frames, N, N))
    return LEVEL * (1 + 0.01 * (grain if frames > 1 else grain[0]))


def ratio(result):
    """Mean NNPS over that of the same white noise, which the seed makes exact to the statistics of the rest."""
    return result.nnps.value[4:].mean() / WHITE


def told(result, word):
    return any(word in w for w in result.warnings)


@pytest.mark.parametrize("share", [1e-5, 1e-4, 1e-3, 1e-2])
def test_dead_pixels_change_nothing(share):
    clean = white()
    rng = np.random.default_rng(1)
    dead = rng.choice(clean.size, max(3, round(share * clean.size)), replace=False)
    spoilt = clean.copy()
    spoilt.flat[dead] = 0
    result = flat_nnps(spoilt, PITCH)
    assert ratio(result) == pytest.approx(ratio(flat_nnps(clean, PITCH)), rel=0.03)
    assert told(result, "bad pixels or direct hits")


@pytest.mark.parametrize("side", [2, 3, 4, 7])
def test_clusters_of_dead_pixels_change_nothing(side):
    """All of a cluster counts, not its rim alone."""
    clean = white()
    spoilt, rng = clean.copy(), np.random.default_rng(side)
    for row in range(20, 480, 60):
        at = rng.integers(5, 480)
        spoilt[row : row + side, at : at + side] = 0
    result = flat_nnps(spoilt, PITCH)
    assert ratio(result) == pytest.approx(ratio(flat_nnps(clean, PITCH)), rel=0.03)
    assert told(result, f"{8 * side * side} pixels")


def test_direct_hits_in_every_frame_change_nothing():
    clean = white(frames=6)
    spoilt = clean.copy()
    rng = np.random.default_rng(2)
    for frame in spoilt:
        frame.flat[rng.choice(frame.size, 10, replace=False)] += 100 * 0.01 * LEVEL
    first, second = flat_nnps(clean, PITCH), flat_nnps(spoilt, PITCH)
    assert ratio(second) == pytest.approx(ratio(first), rel=0.03)
    assert second.temporal.value.mean() == pytest.approx(first.temporal.value.mean(), rel=0.03)


def test_blurred_hits_go_with_their_surroundings():
    clean = white()
    hits = np.zeros((N, N))
    hits.flat[np.random.default_rng(3).choice(N * N, 12, replace=False)] = 3 * LEVEL
    result = flat_nnps(clean + gaussian_filter(hits, 0.7), PITCH)
    assert ratio(result) == pytest.approx(ratio(flat_nnps(clean, PITCH)), rel=0.03)


@pytest.mark.parametrize("make", [white, lambda: np.random.default_rng(0).poisson(5, (N, N))], ids=["gauss", "counts"])
def test_noise_has_no_outliers(make):
    assert not told(flat_nnps(make(), PITCH), "hits")


@pytest.mark.parametrize("value", [0, 3 * LEVEL])
@pytest.mark.parametrize("wide", [20, 30, 45])
def test_a_masked_frame_around_the_field_changes_nothing(value, wide):
    """Blocks that are nearly half masked hold noise as well: none of their pixels stands out."""
    field = white()[:300, :300]
    mask = np.zeros(field.shape, dtype=bool)
    mask[:wide], mask[:, -wide:] = True, True
    result = flat_nnps(np.where(mask, value, field), PITCH, 64, mask=mask)
    assert not told(result, "bad pixels")
    assert result.pixel_relative_sd == pytest.approx(0.01, rel=0.02)


def test_too_many_bad_pixels_are_refused():
    spoilt = white()
    spoilt.flat[np.random.default_rng(1).choice(N * N, N * N // 25, replace=False)] = 0
    with pytest.raises(MeasurementError, match="far outside the noise"):
        flat_nnps(spoilt, PITCH)


@pytest.mark.parametrize("sd", [0.25, 0.4, 0.7])
def test_noise_of_few_grey_levels_is_told_and_not_called_saturated(sd):
    """In whatever type they are stored: whole numbers as floats, or scaled ones."""
    image = np.rint(100 + sd * np.random.default_rng(0).standard_normal((N, N)))
    for stored in (image.astype(np.uint8), image.astype(np.float32), (0.037 * image).astype(np.float32)):
        result = flat_nnps(stored, PITCH)
        assert told(result, "grey levels")
        assert not told(result, "saturated")


@pytest.mark.parametrize("store", [lambda f: np.rint(f).astype(np.uint16), np.rint, np.float32, np.float64, np.float16])
def test_enough_grey_levels_are_not_told(store):
    assert not told(flat_nnps(store(white() / 10), PITCH), "grey levels")


def correlated(sigma, seed=0):
    grain = gaussian_filter(np.random.default_rng(seed).standard_normal((N, N)), sigma, mode="wrap")
    return LEVEL * (1 + 0.01 * grain)


def test_leakage_is_told_and_the_windowed_estimate_is_free_of_it():
    result = flat_nnps(correlated(1.2), PITCH)
    frequency = result.nnps.frequency_lp_mm * PITCH
    truth = WHITE * np.exp(-((2 * np.pi * 1.2 * frequency) ** 2))
    band = (frequency > 0.29) & (frequency < 0.35)
    assert told(result, "leak")
    assert np.median((result.nnps.value / truth)[band]) > 1.1
    assert np.median((result.windowed.value / truth)[band]) == pytest.approx(1, abs=0.06)
    assert np.array_equal(result.unleaked.value[band], result.windowed.value[band])
    mtf = FrequencyCurve(np.linspace(0, 5, 51), np.ones(51))
    assert np.array_equal(neq_dqe(mtf, result).neq.value[band], 1 / result.windowed.value[band])


def test_both_directions_are_free_of_leakage_at_all_frequencies():
    """What leaks into weak frequencies is missing at strong ones: the curve under the window holds for both."""
    result = flat_nnps(np.stack([correlated(1.2, seed) for seed in range(8)]), PITCH)
    frequency = result.nnps.frequency_lp_mm * PITCH
    truth = WHITE * np.exp(-((2 * np.pi * 1.2 * frequency) ** 2))
    band = (frequency > 0.05) & (frequency < 0.35)
    assert result.leaks_above_lp_mm is not None
    for curve in (result.unleaked, result.unleaked_vertical):
        off = (curve.value / truth)[band] - 1
        spread = ((curve.high - curve.value) / 2 / curve.value)[band]
        assert abs(off.mean()) < 0.02
        # each point is as uncertain as it says
        assert np.std(off / spread) == pytest.approx(1, abs=0.3)


def test_few_regions_of_many_frames_do_not_look_like_leakage():
    """The second estimate scatters more than the first, and counts as no more than it is worth."""
    for seed in range(6):
        result = flat_nnps(white(seed, 8)[:, :256, :256], PITCH, 128)
        assert not told(result, "leak")
        assert result.windowed.value[4:].mean() == pytest.approx(result.nnps.value[4:].mean(), rel=0.03)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 0.8])
def test_no_leakage_where_there_is_none(sigma):
    result = flat_nnps(correlated(sigma) if sigma else white(), PITCH)
    assert not told(result, "leak")
    assert result.unleaked is result.nnps
    assert result.windowed.value.mean() == pytest.approx(result.nnps.value.mean(), rel=0.05)


@pytest.mark.parametrize("height", [0.02, 0.2])
def test_structure_in_one_place_is_told(height):
    y, x = np.mgrid[:N, :N]
    bump = 1 + height * np.exp(-((y - 200) ** 2 + (x - 300) ** 2) / (2 * 30**2))
    assert told(flat_nnps(white() * bump, PITCH, roi_size=128), "lowest frequencies")
    assert not told(flat_nnps(white(), PITCH, roi_size=128), "lowest frequencies")
