"""Arrays too large for memory: they lie on disk while they are worked on strip by strip, and are gone with their last user."""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import DTypeLike, NDArray

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
    sums, means and extremes over all pixels, choices by `numpy.where`, copies, other types, images that are filled with one
    value, and stacks of images. Everything else numpy does as ever: functions that are no arithmetic give arrays in memory, and
    `numpy.asarray` an ordinary view. Strips are rows, so single pixels are what they would be in memory; sums may differ in the
    last bit.
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
        if func in _FILLED and len(args) == 1 and not kwargs.keys() - {"dtype"} and is_large(args[0].shape):
            return filled(args[0].shape, _FILLED[func], kwargs.get("dtype") or args[0].dtype)
        if func is np.stack and len(args) == 1 and not kwargs and is_large(np.shape(args[0][0])):
            return _stacked(args[0])
        return super().__array_function__(func, types, args, kwargs)

    def copy(self, order: str = "C") -> NDArray[np.generic]:  # type: ignore[override]
        """Copy, on disk where it is large."""
        return copied(self, self.dtype) if is_large(self.shape) else super().copy(order)  # type: ignore[arg-type]

    def astype(  # type: ignore[override]
        self, dtype: DTypeLike, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> NDArray[np.generic]:
        """Copy in another type, on disk where it is large."""
        if not is_large(self.shape):
            return super().astype(dtype, order, casting, subok, copy)  # type: ignore[call-overload]
        return self if not copy and self.dtype == dtype else copied(self, np.dtype(dtype))


_FILLED: dict[object, int] = {np.empty_like: 0, np.zeros_like: 0, np.ones_like: 1}
"""Functions of numpy that make an image like another one, and what it is filled with."""


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


def _stacked(images: Sequence[NDArray[Scalar]]) -> NDArray[Scalar]:
    """Large images of one shape as a stack of them on disk."""
    if any(image.shape != images[0].shape for image in images):
        raise ValueError("all input arrays must have the same shape")
    out = scratch_array((len(images), *images[0].shape), np.result_type(*images))
    for layer, image in zip(out, images, strict=True):
        for rows in strips(layer.shape):
            layer[..., rows, :] = image[..., rows, :]
    tidy()
    return out


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


def filled(shape: tuple[int, ...], value: float, dtype: type[Scalar] | np.dtype[Scalar]) -> NDArray[Scalar]:
    """Array of one value: in memory, or on disk if it is too large for that."""
    out = zeros(shape, dtype)
    if value:
        for rows in strips(shape):
            out[..., rows, :] = value
    return out


def nearby(work: Callable[..., NDArray[Scalar]], reach_px: int, *images: NDArray[np.generic]) -> NDArray[Scalar]:
    """Result of what looks at a pixel and its neighbours: of whole images in memory, strip by strip of those on disk.

    Parameters
    ----------
    work : callable
        Makes an image of as many rows and columns of the images, which it gets in their order.
    reach_px : int
        How many rows up and down it looks at most; beyond a border it sees what it makes of the border itself.
    *images : ndarray, shape (rows, cols)
        Of one shape.

    Returns
    -------
    ndarray, shape (..., rows, cols)
        In memory, or on disk if the images are too large for that; pixel by pixel the same.
    """
    shape = images[0].shape
    if not is_large(shape):
        return work(*images)
    out = None
    for rows, seen, inner in windows(shape, reach_px):
        found = work(*(np.asarray(image[seen]) for image in images))
        if out is None:
            out = scratch_array((*found.shape[:-2], *shape), found.dtype)
        out[..., rows, :] = found[..., inner, :]
        del found
    tidy()
    assert out is not None
    return out


def windows(shape: tuple[int, ...], reach_px: int) -> Iterator[tuple[slice, slice, slice]]:
    """Strips of a large image with what their pixels see up and down; all of an image in memory at once.

    Yields
    ------
    rows : slice
        Of the strip.
    seen : slice
        The same with `reach_px` rows more on either side, as far as there are any.
    inner : slice
        Where the strip lies in what is seen.
    """
    count = shape[-2]
    for rows in (
        strips(shape, pixels=max(WORKED_PIXELS, reach_px * shape[-1])) if is_large(shape) else [slice(0, count)]
    ):
        first, last = max(rows.start - reach_px, 0), min(rows.stop + reach_px, count)
        yield rows, slice(first, last), slice(rows.start - first, rows.stop - first)


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


def strips(shape: tuple[int, ...], step: int = 1, pixels: int | None = None) -> Iterator[slice]:
    """Rows of an image in runs of about `pixels`, `STRIP_PIXELS` unless stated, each but the last a multiple of `step`; arrays on disk hold little meanwhile."""
    rows, cols = shape[-2:]
    height = max((pixels or STRIP_PIXELS) // max(cols, 1) // step, 1) * step
    held = 0
    for first in range(0, rows, height):
        last = min(first + height, rows)
        yield slice(first, last)
        held += (last - first) * cols
        if held >= HELD_PIXELS:
            tidy()
            held = 0
