"""Arrays on disk: written, let go of, gone with their last user, and never larger than the disk."""

import errno
import gc
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray import scratch
from coldray.errors import ImageWriteError
from coldray.scratch import ScratchArray, copied, release, scratch_array, strips


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_is_written_stays_when_memory_is_released(folder):
    array = scratch_array((300, 200), np.uint16)
    assert not array.any()
    array[100:] = 7
    view = np.asarray(array)[50:]
    release(array, view, None, np.zeros(3))
    assert view[50:].min() == 7 and not array[:100].any()


@pytest.mark.skipif(os.name == "nt", reason="an open file has a name there")
def test_no_file_is_left_for_anyone_to_find(folder):
    array = scratch_array((64, 64), np.float32)
    assert not list(folder.iterdir())
    del array
    gc.collect()
    assert not list(folder.iterdir())


def test_a_full_disk_is_said_before_anything_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(ImageWriteError, match="TMPDIR"):
        scratch_array((10, 10), np.float64)


@given(st.integers(1, 500), st.integers(1, 9_000_000), st.integers(1, 9))
def test_strips_cover_every_row_once_and_begin_on_the_step(rows, cols, step):
    found = list(strips((rows, cols), step))
    assert [row for part in found for row in range(rows)[part]] == list(range(rows))
    assert all(part.start % step == 0 for part in found)


@pytest.fixture
def images(monkeypatch):
    """An image, and the same on disk."""
    monkeypatch.setattr(scratch, "LARGEST_WHOLE_PIXELS", 50 * 50)
    monkeypatch.setattr(scratch, "WORKED_PIXELS", 7 * 60)
    image = np.random.default_rng(0).random((100, 60)).astype(np.float32)
    return image, copied(image, np.float32)


def test_arithmetic_on_disk_gives_the_same_bits_on_disk(images):
    whole, stored = images
    row, column = whole[:1], whole[:, :1]
    results = [
        lambda x: x * x - 2,
        lambda x: np.float32(1.0) - x / column,
        lambda x: (x > 0.5) & (x < row),
        lambda x: np.where(x > 0.5, x, np.float32(0.0)),
        lambda x: np.clip(x, 0.2, 0.4),
        lambda x: np.sqrt(x, where=x > 0.3, out=copied(x, np.float32)),
    ]
    for result in results:
        expected, found = result(whole), result(stored)
        assert isinstance(found, ScratchArray) and found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_what_is_changed_in_place_is_changed_as_in_memory(images):
    whole, stored = (copied(image, np.float32) for image in images)
    for image in (whole, stored):
        image += 1
        image *= image[:, :1].copy()
        image[3:90] -= image[5:92]  # what is written is read further on
        image[:, 1:] += image[:, :-1]
        np.maximum(image, 1.5, out=image)
        image[10:12] /= 3
    np.testing.assert_array_equal(stored, whole)


def test_sums_and_extremes_of_arrays_on_disk(images):
    whole, stored = images
    assert stored.mean(dtype=np.float64) == pytest.approx(whole.mean(dtype=np.float64), rel=1e-12)
    assert float(stored.sum()) == pytest.approx(float(whole.sum()), rel=1e-6)
    assert (stored.min(), stored.max()) == (whole.min(), whole.max())
    assert stored.min(where=stored > 0.5, initial=np.inf) == whole[whole > 0.5].min()
    assert stored.sum(initial=3.0) == pytest.approx(whole.sum() + 3, rel=1e-6)
    assert np.mean(stored > 0.5) == np.mean(whole > 0.5)
    assert np.all(stored >= 0) and not (stored > 1).any()
    np.testing.assert_array_equal(stored.sum(axis=1), whole.sum(axis=1))
