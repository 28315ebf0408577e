"""Block means, Gaussians on them, and the way back to pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, minimum_filter

from coldray.restoration.coarse import STEP_PX, block_mean, least_nearby, mean_within, padded, smoothed, spread

sides = st.integers(1, 40)


@given(sides, sides)
def test_block_means_keep_the_mean_and_the_border_is_mirrored(rows, cols):
    image = np.random.default_rng(rows * 41 + cols).standard_normal((rows, cols)).astype(np.float32)
    whole = padded(image)
    assert whole.shape[0] % STEP_PX == whole.shape[1] % STEP_PX == 0
    np.testing.assert_array_equal(whole[:rows, :cols], image)
    blocks = block_mean(whole)
    assert blocks.shape == (-(-rows // STEP_PX), -(-cols // STEP_PX))
    np.testing.assert_allclose(blocks.mean(), whole.mean(), atol=1e-6)
    np.testing.assert_allclose(blocks[0, 0], whole[:STEP_PX, :STEP_PX].mean(), atol=1e-6)


@given(sides, sides, st.integers(0, 99))
def test_spreading_keeps_zeros_and_ones_exact_and_stays_between(rows, cols, seed):
    rng = np.random.default_rng(seed)
    coarse = np.clip(rng.uniform(-2, 3, (-(-rows // STEP_PX), -(-cols // STEP_PX))), 0, 1).astype(np.float32)
    out = spread(coarse, (rows, cols))
    assert out.shape == (rows, cols)
    assert out.dtype == np.float32
    assert out.min() >= coarse.min() and out.max() <= coarse.max()
    for value in (0.0, 1.0):
        assert np.all(spread(np.full_like(coarse, value), (rows, cols)) == value)


def test_spreading_is_exact_for_straight_lines_inside():
    rows, cols = np.mgrid[0:32, 0:24].astype(np.float32)
    image = 2 * rows - cols
    inner = slice(STEP_PX // 2, -STEP_PX // 2)
    np.testing.assert_allclose(spread(block_mean(image), image.shape)[inner, inner], image[inner, inner], atol=1e-5)


@pytest.mark.parametrize("sigma_px", [5.0, 8.0, 36.0])
def test_smoothing_block_means_is_smoothing_the_image(sigma_px):
    image = gaussian_filter(np.random.default_rng(3).standard_normal((200, 240)), 1.5).astype(np.float32)
    fine = gaussian_filter(image, sigma_px, mode="reflect", truncate=6)
    # block centres lie between four pixels
    wanted = fine.reshape(50, 4, 60, 4)[:, 1:3, :, 1:3].mean(axis=(1, 3))
    found = smoothed(block_mean(image), sigma_px)
    assert np.std(found - wanted) < 0.03 * wanted.std()


WIDTHS_PX = pytest.mark.parametrize("sigma_px", [10.0, 20.0, 36.0, 72.0])


def grounds(rows=60, cols=90, seed=4):
    """Block values of two grounds at different levels, and their weight: none in a strip of 30 blocks between them."""
    values = np.random.default_rng(seed).standard_normal((rows, cols)).astype(np.float32)
    values[:, 45:] += 100
    weight = np.ones_like(values)
    weight[:, 30:60] = 0
    return values, weight


@WIDTHS_PX
def test_a_mean_within_ground_that_counts_everywhere_is_a_gaussian(sigma_px):
    values = smoothed(np.random.default_rng(3).standard_normal((101, 120)).astype(np.float32), 12.0)
    found, wanted = mean_within(values, np.ones_like(values), sigma_px), smoothed(values, sigma_px)
    assert found.dtype == np.float32 and found.shape == values.shape
    assert np.std(found - wanted) < 0.06 * wanted.std()
    # a side that is no multiple of the merged blocks mirrors some lines once more
    assert found.mean() == pytest.approx(values.mean(), abs=2e-3)


@pytest.mark.parametrize("sigma_px", [20.0, 36.0, 72.0])
def test_what_lies_beyond_a_strip_that_does_not_count_has_no_part_in_the_mean(sigma_px):
    values, weight = grounds()
    other = values.copy()
    other[:, 60:] = np.random.default_rng(5).uniform(-1e3, 1e3, (60, 30))
    here = mean_within(weight * values, weight, sigma_px)[:, :30]
    np.testing.assert_array_equal(mean_within(weight * other, weight, sigma_px)[:, :30], here)
    assert np.abs(here).max() < 2.5


@WIDTHS_PX
def test_a_mean_within_ground_keeps_a_constant_and_is_linear(sigma_px):
    values, weight = grounds()
    kept = mean_within(weight * np.float32(0.7), weight, sigma_px)
    np.testing.assert_allclose(kept[weight == 1], 0.7, rtol=2e-6)
    assert not mean_within(0 * weight, weight, sigma_px).any()
    other = np.random.default_rng(6).uniform(size=values.shape).astype(np.float32)
    both = mean_within(weight * (values + 2 * other), weight, sigma_px)
    parts = mean_within(weight * values, weight, sigma_px) + 2 * mean_within(weight * other, weight, sigma_px)
    np.testing.assert_allclose(both[weight == 1], parts[weight == 1], atol=2e-4)


@given(sides, sides, st.sampled_from([10.0, 20.0, 36.0, 72.0]))
def test_a_mean_within_ground_of_any_size_stays_between(rows, cols, sigma_px):
    rng = np.random.default_rng(rows * 41 + cols)
    values = rng.uniform(2, 3, (rows, cols)).astype(np.float32)
    weight = rng.uniform(0.1, 1, (rows, cols)).astype(np.float32)
    found = mean_within(weight * values, weight, sigma_px)
    assert found.shape == values.shape and found.min() > 1.99 and found.max() < 3.01


@given(sides, sides, st.integers(0, 99))
def test_the_least_nearby_is_that_of_nine(rows, cols, seed):
    coarse = np.random.default_rng(seed).uniform(0, 1, (rows, cols)).astype(np.float32)
    np.testing.assert_array_equal(least_nearby(coarse), minimum_filter(coarse, 3, mode="nearest"))
