"""Size that a compressed codestream states for itself, read before any decoder allocates it.

A file says twice how large its image is: in its own header, and in the header of the codestream inside. Decoders
believe the second: 600 bytes that say 60000 x 60000 become 7 GB. Here both must agree.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from coldray.reading import Location, refuse


class Stated(NamedTuple):
    """Rows, columns and components that a codestream states; 0 components where the header does not say."""

    rows: int
    cols: int
    components: int


def check_codestream(path: Location, data: bytes, rows: int, cols: int, components: int) -> None:
    """Require that a JPEG, JPEG-LS, JPEG 2000, JPEG XL, PNG, WebP or LERC codestream has the declared size.

    Parameters
    ----------
    path : path-like
        Named in messages.
    data : bytes
        One frame, strip or tile.
    rows, cols, components : int
        As the file declares it.

    Raises
    ------
    ImageReadError
        If the codestream is of an unknown kind, damaged, or of another size.

    References
    ----------
    ITU-T T.81 B.2.2 (SOF), T.87 C.2.2 (JPEG-LS), T.800 A.5.1 (SIZ); ISO/IEC 18181-1 (SizeHeader); W3C PNG 11.2.2;
    RFC 9649 (WebP); Esri LERC2 blob header.
    """
    try:
        found = _stated(data)
    except (struct.error, IndexError, ValueError) as error:
        raise refuse(path, "holds a compressed image with a damaged header", "copy or export it again") from error
    if found is None:
        raise refuse(path, "holds a compressed image of an unknown kind", "export it uncompressed")
    if found[:2] != (rows, cols) or found.components not in (0, components):
        cause = (
            f"declares {rows} x {cols} pixels of {components} component(s) but the compressed image inside says "
            f"{found.rows} x {found.cols} of {found.components}"
        )
        raise refuse(path, cause, "it is damaged or forged; export it again")


def _stated(data: bytes) -> Stated | None:
    """What the first header says; None for an unknown kind."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\xff\x4f\xff\x51"):
        return _siz(data)
    if data.startswith(b"\0\0\0\x0cjP  "):
        return _siz(_box(data, b"jp2c"))
    if data.startswith(b"\xff\x0a"):
        return _jxl(data)
    if data.startswith(b"\0\0\0\x0cJXL "):
        partial = data.find(b"jxlp", 12, 4096)
        return _jxl(data[partial + 8 :]) if partial > 0 else _jxl(_box(data, b"jxlc"))
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        cols, rows = struct.unpack(">II", data[16:24])
        return Stated(rows, cols, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[data[25]])
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"Lerc2 "):
        return _lerc2(data)
    return None


def _jpeg(data: bytes) -> Stated:
    """Frame header of JPEG (SOF0 to SOF15) or JPEG-LS (SOF55), which comes before the first scan."""
    place, found = 2, None
    while True:
        if data[place] != 0xFF:
            raise ValueError("no marker")
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == 0xDA:
            break
        (length,) = struct.unpack_from(">H", data, place + 2)
        if marker == 0xDE or (marker == 0xF8 and data[place + 4] == 4):  # hierarchical, or an oversize JPEG-LS image
            raise ValueError("size is not in one frame header")
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            if found is not None:
                raise ValueError("two frame headers")
            found = Stated(*struct.unpack_from(">HHB", data, place + 5))
        place += 2 + length
    if found is None:
        raise ValueError("no frame header")
    return found


def _siz(data: bytes) -> Stated:
    """SIZ segment, which must come first in a JPEG 2000 codestream."""
    if data[:4] != b"\xff\x4f\xff\x51":
        raise ValueError("no SIZ")
    right, bottom, left, top = struct.unpack_from(">IIII", data, 8)
    (components,) = struct.unpack_from(">H", data, 40)
    return Stated(bottom - top, right - left, components)


def _box(data: bytes, kind: bytes) -> bytes:
    """Content of the first box of a kind in a JP2 or JPEG XL container."""
    place = 0
    while True:
        length, name = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if name == kind:
            return data[start:]
        if length < 8:
            raise ValueError("no such box")
        place += length


def _jxl(data: bytes) -> Stated:
    """SizeHeader of a JPEG XL codestream."""
    if data[:2] != b"\xff\x0a":
        raise ValueError("no codestream")
    bits, place = int.from_bytes(data[2:34], "little"), 0

    def take(count: int) -> int:
        nonlocal place
        value = (bits >> place) & ((1 << count) - 1)
        place += count
        return value

    small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    rows, ratio = side(), take(3)
    if ratio == 0:
        cols = side()
    else:
        over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        cols = rows * over // under
    return Stated(rows, cols, 0)


def _webp(data: bytes) -> Stated:
    """Canvas of a WebP file: lossy, lossless or extended."""
    chunk = data[12:16]
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        cols, rows = struct.unpack_from("<HH", data, 26)
        return Stated(rows & 0x3FFF, cols & 0x3FFF, 0)
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return Stated(((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1, 0)
    if chunk == b"VP8X":
        return Stated(int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1, 0)
    raise ValueError("no image")


def _lerc2(data: bytes) -> Stated:
    """Blob header: version, checksum (from version 3), rows, columns, values per pixel (from version 4)."""
    (version,) = struct.unpack_from("<i", data, 6)
    place = 14 if version >= 3 else 10
    rows, cols = struct.unpack_from("<ii", data, place)
    depth = struct.unpack_from("<i", data, place + 8)[0] if version >= 4 else 1
    return Stated(rows, cols, depth)
