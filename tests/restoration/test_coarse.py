"""Block means, Gaussians on them, and the way back to pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from coldray.restoration.coarse import STEP_PX, block_mean, padded, smoothed, spread

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
