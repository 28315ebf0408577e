"""NPY: one array of plain numbers; pickled objects are never loaded."""

from __future__ import annotations

import ast
import math
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.files import write_atomically
from coldray.formats._kinds import check_kind
from coldray.radiograph import Radiograph
from coldray.reading import Location, check_declared, check_writable, checked, opened, reading, refuse

suffixes: tuple[str, ...] = (".npy",)
"""File name endings this plug-in answers to."""

carries: frozenset[str] = frozenset()
"""What a written file gives back when read: NPY has no place for pitch or history."""

DTYPES = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64"
"""Pixel types that can be written."""

_LONGEST_HEADER = 2**16


def read(path: Location) -> Radiograph:
    """Read a 2-D or 3-D numeric array.

    Parameters
    ----------
    path : path-like
        File ending in .npy; versions 1 to 3 of the format, either byte and memory order.

    Returns
    -------
    Radiograph
        Pixels as stored, native byte order; nothing is known of the acquisition.

    Raises
    ------
    ImageReadError
        If the header is damaged, the array is not an image, or its size does
        not match the file to the byte.

    References
    ----------
    NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
    """
    with opened(path) as (file, size), reading(path, "NPY"):
        check_kind(path, file, {"NPY": suffixes})
        shape, fortran_order, dtype = _header(path, file)
        start = file.tell()
        if not 2 <= len(shape) <= 3:
            raise refuse(path, f"holds an array of shape {shape}", "store (rows, cols) or (frames, rows, cols)")
        if dtype.kind not in "uif" or dtype.hasobject:
            raise refuse(path, f"holds {dtype}, not intensities", "store integers or float16, float32 or float64")
        nbytes = check_declared(path, shape, dtype.itemsize, size - start)
        if nbytes != size - start:
            raise refuse(path, f"holds {size - start} bytes where {nbytes} are declared", "save it again")
        values: NDArray[np.number] = np.fromfile(file, dtype, math.prod(shape))
        return Radiograph(checked(path, values.reshape(shape, order="F" if fortran_order else "C")))


def _header(path: Location, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[np.number]]:
    """Shape, memory order and type; every length is checked before it is believed."""
    again = "save it again with numpy.save"
    version = tuple(file.read(8)[6:])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise refuse(path, f"has NPY version {version}", again)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > _LONGEST_HEADER:
        raise refuse(path, f"declares a header of {length} bytes", again)
    text = file.read(length)
    if len(text) < length:
        raise refuse(path, "ends within its header", "it was cut; copy it again")
    try:
        header = ast.literal_eval(text.decode("utf-8" if version == (3, 0) else "latin-1"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise refuse(path, "has a header that is not a description of an array", again) from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise refuse(path, "has a header that is not a description of an array", again)
    shape, fortran_order = header["shape"], header["fortran_order"]
    whole = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not whole or type(fortran_order) is not bool:
        raise refuse(path, "has a header with an impossible shape", again)
    return shape, fortran_order, np.lib.format.descr_to_dtype(header["descr"])


def write(path: Location, radiograph: Radiograph) -> None:
    """Write the pixels whole or not at all; pitch and history do not fit into NPY.

    Parameters
    ----------
    path : path-like
        Final name.
    radiograph : Radiograph
        Any integer or float type up to 64 bits.

    Raises
    ------
    ImageWriteError
        If the pixels are not finite or the disk does not take the file.
    """
    pixels = check_writable(path, radiograph.pixels, "NPY", DTYPES, "convert it to float32")

    def save(file: BinaryIO) -> None:
        np.lib.format.write_array(file, pixels, version=(1, 0), allow_pickle=False)

    write_atomically(path, save)
