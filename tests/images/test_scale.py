"""Scaling between stored values and fractions of the open beam: invertible, stated, never silent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import ImageError, MetadataError
from coldray.formats import read_image, write_image
from coldray.images.scale import Scale, scale_of
from coldray.radiograph import Acquisition, Radiograph


def image(pixels, **acquisition):
    return Radiograph(np.asarray(pixels), Acquisition(**acquisition))


@given(st.sampled_from(["u1", "u2", "i2"]), st.floats(0.5, 1e5), st.integers(0, 999))
def test_small_integers_round_trip_exactly(dtype, open_beam, seed):
    limits = np.iinfo(dtype)
    stored = np.random.default_rng(seed).integers(limits.min, limits.max, (5, 7), dtype=dtype, endpoint=True)
    scale = Scale(open_beam, stored.dtype, "option")
    fraction = scale.to_fraction(stored)
    assert fraction.dtype == np.float32
    again, clipped = scale.to_stored(fraction)
    assert clipped == 0
    assert again.dtype == stored.dtype
    np.testing.assert_array_equal(again, stored)


@given(st.floats(1e-3, 1e6))
def test_floats_round_trip_to_their_precision_and_are_never_clipped(open_beam):
    stored = np.random.default_rng(0).uniform(-0.1, 1.5, (4, 4)).astype(np.float32) * np.float32(open_beam)
    scale = Scale(open_beam, stored.dtype, "option")
    again, clipped = scale.to_stored(scale.to_fraction(stored))
    assert clipped == 0
    np.testing.assert_allclose(again, stored, rtol=1e-6)


def test_what_leaves_the_range_is_clipped_and_counted():
    scale = Scale(1000.0, np.dtype(np.uint16), "option")
    stored, clipped = scale.to_stored(np.array([[-0.1, 0.0004, 0.0006, 1.0, 65.6]], dtype=np.float32))
    assert stored.tolist() == [[0, 0, 1, 1000, 65535]]
    assert clipped == 2


def test_open_beam_comes_from_the_option_then_the_file_then_full_scale():
    stored = np.full((2, 2), 900, np.uint16)
    found, warnings = scale_of(image(stored, open_beam=3000.0), 2000.0)
    assert (found.open_beam, found.source, warnings) == (2000, "option", [])
    found, warnings = scale_of(image(stored, open_beam=3000.0))
    assert (found.open_beam, found.source, warnings) == (3000, "file", [])
    found, warnings = scale_of(image(stored))
    assert (found.open_beam, found.source) == (65535, "full scale")
    assert "`open_beam`" in warnings[0]
    assert found.to_fraction(stored)[0, 0] == pytest.approx(900 / 65535)


def test_floats_are_fractions_unless_they_cannot_be():
    found, warnings = scale_of(image(np.full((2, 2), 0.9, np.float32)))
    assert (found.open_beam, found.source, warnings) == (1, "fraction", [])
    found, warnings = scale_of(image(np.full((64, 64), 900.0, np.float32)))
    assert (found.open_beam, found.source) == (900, "image")
    assert "`open_beam`" in warnings[0]
    found, warnings = scale_of(image(np.full((2, 2), 900.0, np.float32)))
    assert (found.open_beam, found.source) == (1, "fraction")
    assert "should be fractions of the open beam" in warnings[0]


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32, np.float32])
def test_without_a_statement_the_bright_plateau_is_the_open_beam(dtype):
    rng = np.random.default_rng(0)
    part = np.full((128, 160), 20000.0)
    part[20:110, 20:150] = rng.uniform(2000, 15000, (90, 130))
    stored = part + 150 * rng.standard_normal(part.shape)
    stored[rng.random(part.shape) < 0.002] = 30000
    found, warnings = scale_of(image(stored.astype(dtype)))
    assert found.source == "image"
    assert found.open_beam == pytest.approx(20000, rel=0.005)
    assert "bright plateau" in warnings[-1]


def test_the_plateau_is_the_same_from_tiff_and_from_diconde(tmp_path):
    stored = np.full((96, 96), 20000.0) + 100 * np.random.default_rng(0).standard_normal((96, 96))
    stored[30:70, 30:70] -= 14000
    found = []
    for name in ("frame.tif", "frame.dcm"):
        write_image(tmp_path / name, image(stored.astype(np.uint16), pixel_pitch_mm=0.05, linear=True))
        found.append(scale_of(read_image(tmp_path / name)))
    assert found[0] == found[1]
    assert found[0][0].source == "image" and "bright plateau" in found[0][1][0]


def test_an_object_that_fills_the_field_gives_its_brightest_part_and_says_so():
    ramp, said = scale_of(image(np.rint(300 * np.exp(np.linspace(0, 4, 128)) * np.ones((128, 1))).astype(np.uint16)))
    assert ramp.open_beam == pytest.approx(300 * np.exp(4), rel=0.12)
    assert ramp.source == "image" and "`open_beam`" in said[-1]


def test_a_saturated_plateau_tells_no_level():
    found, warnings = scale_of(image(np.full((64, 64), 65535, np.uint16)))
    assert (found.open_beam, found.source) == (65535, "full scale")
    assert "saturated" in warnings[0]


@pytest.mark.parametrize("open_beam", [0.0, -1.0, float("nan"), float("inf")])
def test_a_level_must_be_positive(open_beam):
    with pytest.raises(MetadataError, match="must be positive"):
        scale_of(image(np.ones((2, 2), np.uint16)), open_beam)


def test_log_data_and_nan_are_refused():
    with pytest.raises(ImageError, match="log-scaled"):
        scale_of(image(np.ones((2, 2), np.uint16), linear=False))
    with pytest.raises(ImageError, match="2 pixels are NaN"):
        scale_of(image([[1.0, np.nan], [np.inf, 1.0]]))


@given(st.floats(0.5, 1e5), st.integers(0, 99))
def test_what_is_clipped_is_what_lies_beyond_the_range(open_beam, seed):
    scale, _ = scale_of(image(np.zeros((7, 9), dtype=np.uint16)), open_beam)
    asked = np.random.default_rng(seed).uniform(-1, 2, (7, 9)) * 65535 / open_beam
    beyond = scale.beyond(asked)
    stored, clipped = scale.to_stored(asked)
    assert clipped == np.count_nonzero(beyond)
    exact = np.rint(asked * open_beam)
    np.testing.assert_array_equal(stored[~beyond], exact[~beyond])
    assert set(stored[beyond]) <= {0, 65535}
