"""Fourier metrics of an image pair against filters whose transfer is known."""

import numpy as np
import pytest

from coldray.benchmark.agreement import BANDS, agreement
from coldray.metrology.metrics import Convention

PITCH = 0.048
PLAIN = Convention(border_px=0, match_gain=False)


@pytest.fixture(scope="module")
def white():
    return np.random.default_rng(0).standard_normal((128, 160))


def test_equal_images_agree(white):
    found = agreement(white, white, PITCH, PLAIN)
    np.testing.assert_allclose(found.transfer, 1)
    np.testing.assert_allclose(found.error, 0, atol=1e-12)
    assert found.frequency_lp_mm[-1] == pytest.approx(0.5 / PITCH * (BANDS - 0.5) / BANDS)


def test_a_blur_is_its_transfer_function(white, frame_of, blend):
    blurred = frame_of(white).operator(blend)(white)
    found = agreement(blurred, white, PITCH, PLAIN)
    # of white noise every band holds the mean over its ring
    width = found.frequency_lp_mm[1] - found.frequency_lp_mm[0]
    ring = found.frequency_lp_mm[:, None] + np.linspace(-0.5, 0.5, 101) * width
    h = blend.transfer(ring, 1.0)
    np.testing.assert_allclose(found.transfer, np.average(h, axis=1, weights=ring), atol=0.02)
    np.testing.assert_allclose(found.error, np.average((1 - h) ** 2, axis=1, weights=ring), atol=0.02)


def test_noise_is_error_and_no_transfer(white):
    noise = 0.5 * np.random.default_rng(1).standard_normal(white.shape)
    found = agreement(white + noise, white, PITCH, PLAIN)
    np.testing.assert_allclose(found.transfer, 1, atol=0.06)
    np.testing.assert_allclose(found.error, 0.25, atol=0.05)


def test_a_gain_is_matched_where_the_convention_says_so(white):
    image = white + 3
    assert agreement(2 * image, image, PITCH, Convention(border_px=0)).transfer == pytest.approx(np.ones(BANDS))
    assert agreement(2 * image, image, PITCH, PLAIN).transfer == pytest.approx(2 * np.ones(BANDS))
