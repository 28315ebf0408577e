"""Arrays on disk: written, let go of, gone with their last user, and never larger than the disk."""

import errno
import gc
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import ImageWriteError
from coldray.scratch import release, scratch_array, strips


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
