"""A strict walk through the chunks of a PNG file.

Pillow fills rows that are missing with zeros and cuts 16-bit colour to 8 bits. Here
every chunk is checked, and Pillow is given only what is needed for the pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from coldray.reading import DEFLATE_RATIO, Location, check_declared, refuse

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RECORD_KEYWORD = b"coldray"

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}

_LONGEST_TEXT = 2**24
_MOST_CHUNKS = 2**20
_CUT = "it was cut or is damaged; copy or export it again"
_AGAIN = "export it again"
# Adam7 passes: first row, first column, row step, column step (PNG specification, 8.2).
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
SRGB_GAMMA = 0.45455
"""Exponent that stands for sRGB in a gAMA chunk (PNG specification, 11.3.2.5)."""


@dataclass(frozen=True)
class PngFile:
    """What a checked PNG file says.

    Parameters
    ----------
    rows, cols, bits, colour_type : int
        As in IHDR.
    interlaced : bool
        Adam7 or not.
    pixels_per_metre : tuple of int, optional
        Along x and y, from pHYs with unit metre.
    record : str
        Our own text chunk, if there is one.
    transparent_key, trailing, animated : bool
        Whether there is a tRNS chunk, data after the end, more than one frame.
    gamma : float, optional
        Exponent that the values are said to be encoded with, from gAMA or sRGB; 1 is linear.
    data : list of bytes
        IDAT chunks, in order.
    """

    rows: int
    cols: int
    bits: int
    colour_type: int
    interlaced: bool
    pixels_per_metre: tuple[int, int] | None
    record: str
    transparent_key: bool
    trailing: bool
    animated: bool
    gamma: float | None
    data: list[bytes]

    def rebuilt(self, bits: int, colour_type: int) -> bytes:
        """Give a PNG file of the same pixel data under another header."""
        header = self.cols.to_bytes(4, "big") + self.rows.to_bytes(4, "big")
        header += bytes((bits, colour_type, 0, 0, int(self.interlaced)))
        chunks = [(b"IHDR", header), *((b"IDAT", data) for data in self.data), (b"IEND", b"")]
        return SIGNATURE + b"".join(chunk(name, data) for name, data in chunks)


def chunk(name: bytes, data: bytes) -> bytes:
    """Frame one chunk with its length and checksum."""
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def parse(path: Location, file: BinaryIO, size: int) -> PngFile:
    """Check a PNG file from signature to IEND, and that its pixels are all there.

    Raises
    ------
    ImageReadError
        Naming the first thing that does not fit.
    """
    header: tuple[int, int, int, int, bool] | None = None
    density, record, key, animated, gamma = None, "", False, False, None
    data: list[bytes] = []
    for name, body in _chunks(path, file, size):
        if header is None:
            if name != b"IHDR" or len(body) != 13:
                raise refuse(path, "does not begin with a PNG header", _AGAIN)
            header = _header(path, body, size)
        elif name == b"IHDR":
            raise refuse(path, "has two PNG headers", _AGAIN)
        elif name == b"IDAT":
            data.append(body)
        elif name == b"pHYs" and len(body) == 9 and body[8] == 1:
            density = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        elif name == b"gAMA" and len(body) == 4:
            gamma = int.from_bytes(body, "big") / 1e5
        elif name == b"sRGB":
            gamma = gamma or SRGB_GAMMA
        elif name == b"tRNS":
            key = True
        elif name == b"acTL":
            animated = True
        elif name == b"iTXt" and body.startswith(RECORD_KEYWORD + b"\0\0\0\0\0") and len(body) < _LONGEST_TEXT:
            record = body[len(RECORD_KEYWORD) + 5 :].decode("utf-8", "replace")
        elif not name[0] & 0x20 and name not in (b"PLTE", b"IEND"):
            raise refuse(path, f"has a critical chunk {name!r} that is unknown", _AGAIN)
    if header is None or not data:
        raise refuse(path, "is a PNG file without pixels", _CUT)
    png = PngFile(*header, density, record, key, file.tell() < size, animated, gamma, data)
    _check_pixels(path, png)
    return png


def _chunks(path: Location, file: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk up to IEND."""
    file.seek(len(SIGNATURE))
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        length = int.from_bytes(head[:4], "big")
        if len(head) < 8 or file.tell() + length + 4 > size:
            raise refuse(path, f"ends within a chunk ({size} bytes)", _CUT)
        name, body = head[4:], file.read(length)
        if int.from_bytes(file.read(4), "big") != zlib.crc32(name + body):
            raise refuse(path, f"has a damaged chunk {name!r} (checksum)", _CUT)
        yield name, body
        if name == b"IEND":
            return
    raise refuse(path, f"has more than {_MOST_CHUNKS} chunks", _AGAIN)


def _header(path: Location, body: bytes, size: int) -> tuple[int, int, int, int, bool]:
    """Rows, columns, bits, colour type and interlacing of IHDR."""
    cols, rows = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
    bits, colour_type, compression, filtering, interlace = body[8:]
    depths = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}.get(colour_type, (8, 16))
    if colour_type not in CHANNELS or bits not in depths or compression or filtering or interlace > 1:
        raise refuse(path, f"has a PNG header of {bits} bits and colour type {colour_type}", _AGAIN)
    check_declared(path, (rows, cols), CHANNELS[colour_type] * max(1, bits // 8), size, 8 * DEFLATE_RATIO)
    return rows, cols, bits, colour_type, interlace == 1


def _check_pixels(path: Location, png: PngFile) -> None:
    """Inflate all IDAT data piece by piece: neither too little nor too much."""
    passes = _ADAM7 if png.interlaced else ((0, 0, 1, 1),)
    needed = 0
    for top, left, down, across in passes:
        rows, cols = -(-(png.rows - top) // down), -(-(png.cols - left) // across)
        if rows > 0 and cols > 0:
            needed += rows * (1 + -(-cols * CHANNELS[png.colour_type] * png.bits // 8))
    inflater, found = zlib.decompressobj(), 0
    for data in png.data:
        while data and not inflater.eof and found <= needed:
            found += len(inflater.decompress(data, 2**20))
            data = inflater.unconsumed_tail
    while not inflater.eof and found <= needed and (more := inflater.decompress(b"", 2**20)):
        found += len(more)
    if found > needed:
        raise refuse(path, f"unpacks to more than the {needed} bytes it declares", _AGAIN)
    if found < needed or not inflater.eof:
        raise refuse(path, f"unpacks to {found} of {needed} bytes: rows are missing", _CUT)
