"""Arrays too large for memory: they lie on disk while they are worked on, and are gone with their last user."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageWriteError
from coldray.leftovers import TEMPORARY_PREFIX

LARGEST_WHOLE_PIXELS = 8192**2
"""Pages with more pixels are read onto disk."""
STRIP_PIXELS = 2**22
"""How much of an array is looked at at once."""
CACHED_PIXELS = 2**17
"""How much of an array is worked on at once where several steps follow each other: it stays in the processor's cache."""


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether a frame, or each frame of a stack, is read onto disk."""
    return shape[-2] * shape[-1] > LARGEST_WHOLE_PIXELS


def scratch_array(shape: tuple[int, ...], dtype: Any) -> NDArray[np.number]:
    """Array of zeros in a nameless file of the system's folder for temporary files.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ndarray
        The file is gone with the array and all views of it, also when the process is killed. ``TMPDIR`` says where it
        lies.

    Raises
    ------
    ImageWriteError
        If there is no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        file = tempfile.TemporaryFile(prefix=TEMPORARY_PREFIX)
        with file:
            if hasattr(os, "posix_fallocate"):  # a hole that cannot be filled would end the process
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as problem:
        raise ImageWriteError(
            f"{tempfile.gettempdir()} has no room for {size / 1e9:.3g} GB of scratch data ({problem.strerror}); free some, "
            "or set TMPDIR to a folder of a larger disk"
        ) from problem


def release(*arrays: NDArray[np.number] | None) -> None:
    """Let the system take the memory that pages of scratch arrays hold; what is in them stays. Others are left alone."""
    for array in arrays:
        owner: Any = array
        while owner is not None and not isinstance(owner, mmap.mmap):
            owner = getattr(owner, "base", None)
        if owner is not None and hasattr(owner, "madvise"):
            owner.madvise(mmap.MADV_DONTNEED)


def strips(shape: tuple[int, ...], step: int = 1, pixels: int = STRIP_PIXELS) -> Iterator[slice]:
    """Rows of an image in runs of about `pixels`, each but the last a multiple of `step`."""
    rows, cols = shape[-2:]
    height = max(pixels // max(cols, 1) // step, 1) * step
    for first in range(0, rows, height):
        yield slice(first, min(first + height, rows))
