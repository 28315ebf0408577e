"""Registration: known shifts come back, identity leaves every pixel, resampling does not ring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import ImageError, MeasurementError, MetadataError
from coldray.images.registration import Registration, register, resample

from ..dataset.pairs_of_boards import detectors, drawn_board, moved_pair


def largest_error_px(found, true, shape):
    return float(np.hypot(*(found.coordinates(shape) - true.coordinates(shape))).max())


@pytest.mark.parametrize(
    ("family", "shift"), [("dense_bga", (0.37, -0.61)), ("power", (-4.2, 7.75)), ("mixed_signal", (0.5, 0.5))]
)
def test_shifts_of_the_object_are_found_within_a_twentieth_of_a_pixel(family, shift):
    true = Registration(shift)
    sharp, blurred = moved_pair(family, true)
    found = register(sharp, blurred, detectors())
    assert largest_error_px(found, true, sharp.shape) <= 0.05
    assert found.correlation > 0.8
    assert 0 < found.residual < 0.02


def test_rotation_and_scale_are_found_too():
    true = Registration((1.3, -2.4), 0.6, 1.006)
    sharp, blurred = moved_pair("dense_bga", true)
    found = register(sharp, blurred, detectors())
    error = np.hypot(*(found.coordinates(sharp.shape) - true.coordinates(sharp.shape)))
    assert error.mean() <= 0.05
    assert found.rotation_deg == pytest.approx(0.6, abs=0.05)
    assert found.scale == pytest.approx(1.006, abs=1e-3)


def test_identity_is_found_and_leaves_pixels_untouched():
    sharp, blurred = moved_pair("dense_bga", Registration())
    found = register(sharp, blurred, detectors())
    assert found.is_identity
    assert found.residual > 0
    np.testing.assert_array_equal(resample(sharp, found), sharp)


def test_resampling_puts_the_reference_where_the_blurred_image_is():
    fine = drawn_board(3, 192)
    true = Registration((0.4, -1.3), 0.4, 1.003)
    back = resample(fine, true)
    assert register(fine, back).shift_px == pytest.approx(true.shift_px, abs=0.02)
    window = true.seen(fine.shape)
    assert window[0].stop - window[0].start >= 186


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-2, 2), st.floats(0.97, 1.03), st.integers(0, 2**31))
def test_resampling_never_overshoots_by_more_than_a_tenth(dy, dx, angle, scale, seed):
    image = (np.random.default_rng(seed).random((24, 24)) < 0.1).astype(np.float32)
    out = resample(image, Registration((dy, dx), angle, scale))
    assert out.dtype == np.float32
    assert out.min() >= -0.1001
    assert out.max() <= 1.1001


def test_a_constant_stays_constant():
    out = resample(np.full((40, 40), 0.7, np.float32), Registration((0.3, 0.2), 1.0, 1.01))
    np.testing.assert_allclose(out, 0.7, atol=1e-6)


def test_what_pair_json_says_is_understood():
    assert Registration.from_note("identity").is_identity
    assert Registration.from_note(None) is None
    true = Registration((1.5, -2.0), 0.1, 1.01)
    assert Registration.from_note(true.to_dict()) == true
    with pytest.raises(MetadataError, match="registration"):
        Registration.from_note("about 2 px")


def test_images_that_do_not_match_are_refused():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 0.1, (2, 96, 96))
    with pytest.raises(MeasurementError, match="do not match"):
        register(a, b)
    with pytest.raises(MeasurementError, match="do not match"):
        register(np.ones((96, 96)), np.ones((96, 96)))
    with pytest.raises(ImageError, match="one shape"):
        register(a, b[:80])
    with pytest.raises(ImageError, match="NaN"):
        register(np.where(a > 1.3, np.nan, a), b)
