"""Means of rings of pixels."""

import numpy as np
import pytest

from coldray.images._rings import ring_mean


@pytest.mark.parametrize("hole", [0, 1, 2])
def test_a_ring_is_what_adjoins_the_square(hole):
    step = hole + 1
    padded = np.random.default_rng(0).random((20, 17)).astype(np.float32)
    found = ring_mean(padded, hole)
    assert found.shape == (20 - 2 * step, 17 - 2 * step)
    for row, col in ((0, 0), (3, 5), (found.shape[0] - 1, found.shape[1] - 1)):
        whole = padded[row : row + 2 * step + 1, col : col + 2 * step + 1].astype(np.float64)
        ring = np.ones(whole.shape, dtype=bool)
        ring[1:-1, 1:-1] = False
        assert found[row, col] == pytest.approx(whole[ring].mean(), rel=1e-6)
