"""Metrics against scikit-image and closed forms, with their convention stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from coldray.errors import ImageError
from coldray.metrology.metrics import Convention, gain_to, psnr_db, roi_snr, ssim, ssim_map

PLAIN = Convention(border_px=0, match_gain=False)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    truth = np.kron(rng.uniform(0.2, 0.9, (8, 9)), np.ones((8, 8)))
    return truth + 0.05 * rng.standard_normal(truth.shape), truth


@pytest.mark.parametrize("data_range", [1.0, 2.5])
@pytest.mark.parametrize("border", [0, 5])
def test_psnr_and_ssim_are_those_of_scikit_image(images, data_range, border):
    result, truth = images
    how = Convention(data_range, border, match_gain=False)
    inner = slice(border, -border or None)
    x, t = result[inner, inner], truth[inner, inner]
    assert psnr_db(result, truth, how) == pytest.approx(peak_signal_noise_ratio(t, x, data_range=data_range), rel=1e-12)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert ssim(result, truth, how) == pytest.approx(
        structural_similarity(t, x, data_range=data_range, **options), rel=1e-12
    )
    value, field = ssim_map(result, truth, how)
    assert field.shape == t.shape
    assert value == ssim(result, truth, how)


def test_default_convention_is_border_16_range_1_gain_matched(images):
    result, truth = images
    assert psnr_db(result, truth) == psnr_db(result, truth, Convention(1.0, 16, True))
    spoilt = result.copy()
    spoilt[:16] = spoilt[-16:] = 99
    assert psnr_db(spoilt, truth) == psnr_db(result, truth)
    stated = Convention().to_dict()
    assert (stated["data_range"], stated["border_px"], stated["match_gain"]) == (1.0, 16, True)
    assert "Wang 2004" in stated["ssim"]


@given(st.floats(0.01, 100), st.integers(0, 99))
def test_gain_is_the_least_squares_factor(gain, seed):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 1, (6, 7))
    assert gain_to(gain * truth, truth) == pytest.approx(1 / gain)
    other = rng.uniform(0.1, 1, truth.shape)
    assert np.vdot(gain_to(other, truth) * other - truth, other) == pytest.approx(0, abs=1e-9)


def test_gain_of_nothing_is_one():
    assert gain_to(np.zeros((3, 3)), np.ones((3, 3))) == 1


@given(st.floats(0.1, 10))
def test_gain_matching_forgives_the_gain_and_nothing_else(gain):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.2, 1, (48, 48))
    result = truth + 0.02 * rng.standard_normal(truth.shape)
    assert psnr_db(gain * result, truth) == pytest.approx(psnr_db(result, truth), rel=1e-9)
    assert psnr_db(result, truth, Convention(match_gain=False)) <= psnr_db(result, truth)
    assert psnr_db(result + 0.2, truth) < psnr_db(result, truth) - 3


@given(st.floats(1e-6, 0.5))
def test_psnr_of_a_constant_error(offset):
    truth = np.random.default_rng(0).uniform(0, 1, (16, 16))
    assert psnr_db(truth + offset, truth, PLAIN) == pytest.approx(-20 * np.log10(offset), rel=1e-6)


def test_identical_images(images):
    _, truth = images
    assert psnr_db(truth, truth, PLAIN) == float("inf")
    assert ssim(truth, truth) == pytest.approx(1)


def test_float32_images_are_compared_in_double(images):
    result, truth = (i.astype(np.float32) for i in images)
    assert psnr_db(result, truth) == pytest.approx(
        psnr_db(result.astype(np.float64), truth.astype(np.float64)), rel=1e-6
    )


def test_roi_snr_takes_a_box_of_x_y_width_height():
    image = np.zeros((30, 40))
    image[10:20, 5:25] = 10 + np.random.default_rng(0).standard_normal((10, 20))
    box = image[10:20, 5:25]
    assert roi_snr(image, (5, 10, 20, 10)) == pytest.approx(box.mean() / box.std())
    assert roi_snr(np.ones((5, 5)), (0, 0, 3, 3)) == float("inf")
    with pytest.raises(ImageError, match="outside"):
        roi_snr(image, (100, 100, 5, 5))


@pytest.mark.parametrize("metric", [psnr_db, ssim])
def test_refusals(metric):
    with pytest.raises(ImageError, match="one shape"):
        metric(np.ones((50, 50)), np.ones((50, 51)))
    with pytest.raises(ImageError, match="one shape"):
        metric(np.ones((2, 50, 50)), np.ones((2, 50, 50)))
    with pytest.raises(ImageError, match="at least 48"):
        metric(np.ones((47, 60)), np.ones((47, 60)))
