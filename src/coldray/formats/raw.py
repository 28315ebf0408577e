"""Raw pixels without a header of their own: the geometry is stated, never guessed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from coldray.errors import SettingsError
from coldray.files import write_atomically
from coldray.radiograph import Radiograph
from coldray.reading import Location, check_declared, check_writable, checked, opened, reading, refuse

suffixes: tuple[str, ...] = (".raw", ".bin")
"""File name endings this plug-in answers to."""

carries: frozenset[str] = frozenset()
"""What a written file gives back when read: pixels only."""

needs_geometry = True
"""A file of this format cannot be read without a `RawGeometry`."""

DTYPES = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64"
"""Pixel types that can be read and written."""

_EXAMPLE = "ROWSxCOLS:TYPE[:offset=BYTES][:frames=N][:little|big], e.g. 2048x2048:u2:offset=512:big"
_LONGEST_HEADER = 2**20


@dataclass(frozen=True)
class RawGeometry:
    """Where and how pixels lie in a raw file.

    Parameters
    ----------
    rows, cols : int
        Size of one frame [pixels].
    dtype : str
        numpy name or code of the pixel type: ``u2``, ``uint16``, ``f4``, ...
    offset : int
        Bytes before the first pixel.
    byte_order : str
        ``little`` or ``big``.
    frames : int
        Number of frames, one after the other.

    Raises
    ------
    SettingsError
        If a number is not positive, or the type or byte order is unknown.

    Examples
    --------
    >>> from coldray.formats.raw import RawGeometry
    >>> geometry = RawGeometry.parse("2048x1024:u2:offset=512")
    >>> geometry.rows, geometry.cols, geometry.offset
    (2048, 1024, 512)
    """

    rows: int
    cols: int
    dtype: str = "u2"
    offset: int = 0
    byte_order: str = "little"
    frames: int = 1

    def __post_init__(self) -> None:
        if min(self.rows, self.cols, self.frames) < 1 or self.offset < 0:
            found = f"rows {self.rows}, cols {self.cols}, frames {self.frames}, offset {self.offset}"
            raise SettingsError(f"raw geometry has {found}; sizes must be at least 1 and the offset 0 or more")
        if self.byte_order not in ("little", "big"):
            raise SettingsError(f"raw byte order is {self.byte_order!r}; use little or big")
        try:
            name = np.dtype(self.dtype).name
        except (TypeError, ValueError, SyntaxError):
            name = ""
        if name not in DTYPES.split():
            raise SettingsError(f"raw pixel type is {self.dtype!r}; use u1, u2, u4, i1, i2, i4, f2, f4 or f8")

    @classmethod
    def parse(cls, text: str) -> RawGeometry:
        """Read a geometry such as ``2048x2048:u2:offset=512:frames=4:big``.

        Parameters
        ----------
        text : str
            Rows x columns and type; then, in any order, offset, frames, byte order.

        Returns
        -------
        RawGeometry
            Little endian, one frame, offset 0 unless stated.

        Raises
        ------
        SettingsError
            If a part is not understood.
        """
        size, *parts = text.strip().lower().split(":")
        match = re.fullmatch(r"(\d{1,9})x(\d{1,9})", size)
        if not match or not parts:
            raise SettingsError(f"raw geometry {text!r} is not understood; write {_EXAMPLE}")
        options: dict[str, Any] = {}
        for part in parts[1:]:
            if part in ("little", "big"):
                key, value = "byte_order", part
            elif number := re.fullmatch(r"(offset|frames)=(\d{1,12})", part):
                key, value = number.group(1), int(number.group(2))  # type: ignore[assignment]
            else:
                raise SettingsError(f"raw geometry has {part!r}, which is not understood; write {_EXAMPLE}")
            if key in options:
                raise SettingsError(f"raw geometry {text!r} says {key} twice; write {_EXAMPLE}")
            options[key] = value
        return cls(int(match.group(1)), int(match.group(2)), parts[0], **options)

    @property
    def stored_dtype(self) -> np.dtype[np.number]:
        """Pixel type with its byte order."""
        return np.dtype(self.dtype).newbyteorder("<" if self.byte_order == "little" else ">")

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, cols), or (frames, rows, cols) for several frames."""
        return (self.rows, self.cols) if self.frames == 1 else (self.frames, self.rows, self.cols)


@dataclass(frozen=True)
class RawCarrier:
    """Geometry and leading bytes of a raw file, given back to the writer."""

    geometry: RawGeometry
    header: bytes


def read(path: Location, geometry: RawGeometry | None = None) -> Radiograph:
    """Read raw pixels of a stated geometry.

    Parameters
    ----------
    path : path-like
        Any file; its length must be the offset plus the pixels, to the byte.
    geometry : RawGeometry
        Required.

    Returns
    -------
    Radiograph
        Pixels in native byte order; nothing is known of the acquisition.

    Raises
    ------
    ImageReadError
        If no geometry is given or the file has another length.
    """
    with opened(path) as (file, size), reading(path, "raw"):
        if geometry is None:
            raise refuse(path, "is a raw file, which does not say its size", f"state its geometry, `raw` as {_EXAMPLE}")
        dtype = geometry.stored_dtype
        nbytes = math.prod(geometry.shape) * dtype.itemsize
        if size != geometry.offset + nbytes:
            needed = f"{geometry.offset} + {nbytes} by the stated geometry"
            raise refuse(path, f"has {size} bytes, not {needed}", "check rows, columns, type, frames and offset")
        check_declared(path, geometry.shape, dtype.itemsize, size - geometry.offset)
        header = file.read(min(geometry.offset, _LONGEST_HEADER))
        file.seek(geometry.offset)
        pixels = np.fromfile(file, dtype, math.prod(geometry.shape)).reshape(geometry.shape)
        return Radiograph(checked(path, pixels), carrier=RawCarrier(geometry, header))


def write(path: Location, radiograph: Radiograph) -> None:
    """Write raw pixels whole or not at all.

    Parameters
    ----------
    path : path-like
        Final name.
    radiograph : Radiograph
        If it came from a raw file and kept its shape and type, that file's
        header and byte order are kept; otherwise little endian without header.

    Raises
    ------
    ImageWriteError
        If the pixels are not finite or the disk does not take the file.
    """
    pixels = check_writable(path, radiograph.pixels, "raw", DTYPES, "convert it to float32")
    header, dtype = b"", pixels.dtype.newbyteorder("<")
    source = radiograph.carrier
    if isinstance(source, RawCarrier) and (source.geometry.shape, np.dtype(source.geometry.dtype)) == (
        pixels.shape,
        pixels.dtype,
    ):
        dtype = source.geometry.stored_dtype
        header = source.header if len(source.header) == source.geometry.offset else b""

    def save(file: BinaryIO) -> None:
        file.write(header)
        file.write(np.ascontiguousarray(pixels, dtype=dtype).data)

    write_atomically(path, save)
