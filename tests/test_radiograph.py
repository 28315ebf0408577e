"""Radiograph: pixels, their acquisition, and a history that only grows."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from coldray.errors import ImageError, MetadataError
from coldray.radiograph import Acquisition, Radiograph, Step


@pytest.mark.parametrize("name", ["pixel_pitch_mm", "open_beam", "magnification", "exposure_s", "air_kerma_ugy"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_an_acquisition_is_positive_and_finite_or_unknown(name, value):
    with pytest.raises(MetadataError, match=name):
        Acquisition(**{name: value})
    if name != "magnification":
        assert getattr(Acquisition(**{name: None}), name) is None


@pytest.mark.parametrize("pixels", [np.ones(3), np.ones((0, 3)), np.ones((1, 2, 3, 4)), np.array(1.0)])
def test_an_image_has_pixels(pixels):
    with pytest.raises(ImageError, match="at least one pixel"):
        Radiograph(pixels)


@pytest.mark.parametrize("dtype", [bool, complex, "U3", object])
def test_pixels_are_intensities(dtype):
    with pytest.raises(ImageError, match="not an intensity"):
        Radiograph(np.zeros((2, 2), dtype=dtype))


def test_copies_leave_the_original_alone():
    original = Radiograph(np.ones((2, 3), np.uint16), Acquisition(pixel_pitch_mm=0.1), carrier="tags")
    step = Step("restore", {"method": "cold"})
    copy = original.with_pixels(np.zeros((2, 3)), step).with_acquisition(open_beam=5.0)
    assert (original.history, original.acquisition.open_beam, original.dtype) == ((), None, np.uint16)
    assert (copy.history, copy.acquisition.open_beam, copy.carrier) == ((step,), 5.0, "tags")
    assert copy.acquisition.pixel_pitch_mm == 0.1
    assert copy.with_pixels(np.zeros((1, 1))).history == (step,)
    assert (copy.shape, Radiograph(np.ones((4, 2, 3))).shape) == ((2, 3), (4, 2, 3))
    with pytest.raises(FrozenInstanceError):
        original.pixels = np.zeros((1, 1))
    with pytest.raises(MetadataError):
        original.with_acquisition(open_beam=-1.0)


def test_a_mask_fits_its_image_joins_others_and_stays_as_long_as_it_fits():
    bad = np.array([[True, False, False], [False, False, True]])
    more = np.array([[False, False, True], [False, False, True]])
    image = Radiograph(np.ones((4, 2, 3)), mask=bad)
    assert np.array_equal(image.with_mask(more).mask, bad | more) and image.with_mask(None) is image
    assert np.array_equal(Radiograph(np.ones((2, 3))).with_mask(more).mask, more)
    assert image.with_pixels(np.zeros((2, 3))).mask is bad
    assert image.with_pixels(np.zeros((2, 2))).mask is None
    for wrong in (bad.astype(np.uint8), bad[:, :2], np.zeros((4, 2, 3), dtype=bool)):
        with pytest.raises(ImageError, match="mask is"):
            Radiograph(np.ones((4, 2, 3)), mask=wrong)
