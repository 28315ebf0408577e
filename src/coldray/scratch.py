"""Arrays too large for memory: they lie on disk while they are worked on strip by strip, and are gone with their last user."""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from coldray.arrays import Scalar
from coldray.errors import ImageWriteError
from coldray.leftovers import TEMPORARY_PREFIX

LARGEST_WHOLE_PIXELS = 8192**2
"""Images with more pixels lie on disk, and all that is made of them and is as large."""
STRIP_PIXELS = 2**22
"""How much of an array is looked at at once."""
CACHED_PIXELS = 2**17
"""How much of an array is worked on at once where several steps follow each other: it stays in the processor's cache."""
WORKED_PIXELS = 2**20
"""How much of an array on disk a step of arithmetic takes at once."""
HELD_PIXELS = 2**22
"""After how many pixels of a pass the memory is let go that arrays on disk hold."""

_files: WeakSet[mmap.mmap] = WeakSet()
"""Of all arrays on disk."""
_lock = threading.Lock()
"""Of the set of them, which threads share."""


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether a frame, or each frame of a stack, lies on disk."""
    return len(shape) > 1 and shape[-2] * shape[-1] > LARGEST_WHOLE_PIXELS


class ScratchArray(np.ndarray):
    """Array in a scratch file, or a part of one.

    Notes
    -----
    Arithmetic whose result is an image too large for memory goes strip by strip, and the result lies on disk as well; so do
    sums, means and extremes over all pixels, and choices by `numpy.where`. Everything else numpy does as ever: functions that
    are no arithmetic give arrays in memory, and `numpy.asarray` an ordinary view. Strips are rows, so single pixels are what
    they would be in memory; sums may differ in the last bit.
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Do arithmetic strip by strip where its result is large."""
        out = options.pop("out", None)
        if method == "__call__" and ufunc.nout == 1 and ufunc.signature is None:
            if is_large(np.broadcast_shapes(*(np.shape(given) for given in inputs))):
                return _by_strips(ufunc, inputs, None if out is None else out[0], **options)
        elif method == "reduce" and out is None and is_large(np.shape(inputs[0])):
            over = options.get("axis", 0)
            again = "initial" not in options or ufunc in (np.minimum, np.maximum)
            if over is None and again and not options.get("keepdims"):
                return _reduced(ufunc, inputs[0], **options)
        if out is not None:
            options["out"] = tuple(_plain(one) for one in out)
        options = {name: _plain(value) for name, value in options.items()}
        found = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return found if out is None else out[0] if len(out) == 1 else out

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Choose strip by strip where the result is large; everything else as ever."""
        if func is np.where and len(args) == 3 and is_large(np.broadcast_shapes(*(np.shape(given) for given in args))):
            return _by_strips(np.where, args, None)
        return super().__array_function__(func, types, args, kwargs)


def _plain(value: Any) -> Any:
    """An array on disk as an ordinary one, of the same memory; anything else as it is."""
    return value.view(np.ndarray) if isinstance(value, ScratchArray) else value


def _of_rows(value: Any, rows: slice, shape: tuple[int, ...]) -> Any:
    """Part of an operand that belongs to some rows of a result."""
    if np.ndim(value) < 2 or value.shape[-2] != shape[-2]:
        return value
    return value[..., rows, :]


def _shifted(given: Any, target: Any) -> bool:
    """Whether an operand lies in the memory of the result, but not pixel on pixel: strips would read what they have written."""
    if not isinstance(given, np.ndarray) or target is None or not np.may_share_memory(given, target):
        return False
    return given.__array_interface__ != target.__array_interface__


def _by_strips(work: Callable[..., Any], inputs: tuple[Any, ...], out: Any, **options: Any) -> Any:
    """Result of arithmetic on arrays that are broadcast against each other, as large as they are."""
    inputs = tuple(map(_plain, inputs))
    shape = np.broadcast_shapes(*(np.shape(given) for given in inputs))
    where, target = _plain(options.pop("where", True)), _plain(out)
    if any(_shifted(given, target) for given in (*inputs, where)):
        work(*inputs, out=target, where=where, **options)
        return out
    for rows in strips(shape, pixels=WORKED_PIXELS):
        if where is not True:
            options["where"] = _of_rows(where, rows, shape)
        place = None if target is None else target[..., rows, :]
        if place is not None and isinstance(work, np.ufunc):
            options["out"] = place
        found = work(*(_of_rows(given, rows, shape) for given in inputs), **options)
        if target is None:
            out = scratch_array(shape, found.dtype)
            target = _plain(out)
            place = target[..., rows, :]
        if place is not None and found is not place:
            place[...] = found
    tidy()
    return out


def _reduced(ufunc: np.ufunc, image: Any, **options: Any) -> Any:
    """Reduction over all axes of an array."""
    image, where = _plain(image), _plain(options.pop("where", True))
    parts = []
    for rows in strips(image.shape, pixels=WORKED_PIXELS):
        more = {} if where is True else {"where": _of_rows(where, rows, image.shape)}
        parts.append(ufunc.reduce(image[..., rows, :], **options, **more))
    tidy()
    return ufunc.reduce(np.array(parts), **options)


def scratch_array(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Array of zeros in a nameless file of the system's folder for temporary files.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Returns
    -------
    ScratchArray
        The file is gone with the array and all views of it, also when the process is killed. ``TMPDIR`` says where it
        lies.

    Raises
    ------
    ImageWriteError
        If there is no room for it.
    """
    give_back()
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        file = tempfile.TemporaryFile(prefix=TEMPORARY_PREFIX)
        with file:
            if hasattr(os, "posix_fallocate"):  # a hole that cannot be filled would end the process
                os.posix_fallocate(file.fileno(), 0, size)
            held = np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as problem:
        raise ImageWriteError(
            f"{tempfile.gettempdir()} has no room for {size / 1e9:.3g} GB of scratch data ({problem.strerror}); free some, "
            "or set TMPDIR to a folder of a larger disk"
        ) from problem
    if (owner := _file_of(held)) is not None:
        with _lock:
            _files.add(owner)
    return held.view(ScratchArray)


def zeros(shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar]) -> NDArray[Scalar]:
    """Array of zeros: in memory, or on disk if it is too large for that."""
    return scratch_array(shape, dtype) if is_large(shape) else np.zeros(shape, dtype)


def empty(shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar]) -> NDArray[Scalar]:
    """Array that is to be written: in memory, or on disk if it is too large for that."""
    return scratch_array(shape, dtype) if is_large(shape) else np.empty(shape, dtype)


def copied(image: NDArray[Any], dtype: type[Scalar] | np.dtype[Scalar]) -> NDArray[Scalar]:
    """Copy of an image in a type of its own."""
    if not is_large(image.shape):
        return np.array(image, dtype=dtype)
    out = scratch_array(image.shape, dtype)
    for rows in strips(image.shape):
        out[..., rows, :] = image[..., rows, :]
    return out


def _file_of(array: NDArray[Any]) -> mmap.mmap | None:
    """File in memory that an array is a view of; None if it is none."""
    owner: Any = array
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = getattr(owner, "base", None)
    return owner


def release(*arrays: NDArray[Any] | None) -> None:
    """Let the system take the memory that pages of scratch arrays hold; what is in them stays. Others are left alone."""
    for array in arrays:
        if array is not None and (owner := _file_of(array)) is not None and hasattr(owner, "madvise"):
            owner.madvise(mmap.MADV_DONTNEED)


def give_back() -> None:
    """Let the system take what arrays on disk hold, if there are any, and what was freed but is kept: strips leave a lot of it."""
    if not _files:
        return
    tidy()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        # only GNU's library has it
        return


def tidy() -> None:
    """Let the system take the memory that all arrays on disk hold."""
    with _lock:
        living = list(_files)
    for owner in living:
        if hasattr(owner, "madvise"):
            owner.madvise(mmap.MADV_DONTNEED)


def strips(shape: tuple[int, ...], step: int = 1, pixels: int = STRIP_PIXELS) -> Iterator[slice]:
    """Rows of an image in runs of about `pixels`, each but the last a multiple of `step`; arrays on disk hold little meanwhile."""
    rows, cols = shape[-2:]
    height = max(pixels // max(cols, 1) // step, 1) * step
    held = 0
    for first in range(0, rows, height):
        last = min(first + height, rows)
        yield slice(first, last)
        held += (last - first) * cols
        if held >= HELD_PIXELS:
            tidy()
            held = 0
