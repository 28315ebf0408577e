"""Which compressions of TIFF go with which samples and predictors, and what each segment may unpack to.

Decoders fill in what a file leaves open: fax compression of 16-bit samples gives zeros and ones, the floating-point
predictor on integers gives noise. What is not in this table is refused.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from coldray.formats._codestream import check_codestream
from coldray.reading import DEFLATE_RATIO, Location, refuse

DEFLATE = (8, 32946)
PACKBITS, LZMA = 32773, 34925

# Bytes that one stored byte can become: LZW codes are at most 4096 bytes long, PackBits runs 128 per 2. Codestreams
# state their own size, which is compared instead.
_EXPANSION = {5: 4096, 8: DEFLATE_RATIO, 32946: DEFLATE_RATIO, PACKBITS: 64}
_WHOLE_BYTES = (8, 16, 32, 64)
_LZMA_MEMORY = 2**28
_CUT = "it was cut or is damaged; copy or export it again"
_AGAIN = "export it again"


class _Codec(NamedTuple):
    """Sample types ("u", "i", "f") with their bits, predictors, and whether segments state their own size."""

    types: dict[str, tuple[int, ...]]
    predictors: tuple[int, ...] = (1,)
    states_size: bool = False


_PACKED = {"u": (*range(2, 33), 64), "i": _WHOLE_BYTES, "f": (16, 24, 32, 64)}
_BYTES = {"u": _WHOLE_BYTES, "i": _WHOLE_BYTES, "f": (16, 32, 64)}
_LOSSLESS = _Codec(_PACKED, (1, 2, 3))
_JPEG = _Codec({"u": (8, 12, 16)}, states_size=True)
_JPEG_2000 = _Codec({"u": (8, 10, 12, 14, 16, 32), "i": (8, 16, 32)}, states_size=True)
_WEBP = _Codec({"u": (8,)}, states_size=True)
_JPEG_XL = _Codec({"u": (8, 16), "f": (16, 32)}, states_size=True)
_CODECS: dict[int, _Codec] = {
    1: _Codec(_PACKED), PACKBITS: _Codec(_PACKED),
    5: _LOSSLESS, 8: _LOSSLESS, 32946: _LOSSLESS, LZMA: _LOSSLESS, 50000: _LOSSLESS, 34926: _LOSSLESS,
    7: _JPEG, 33007: _JPEG, 34892: _JPEG,
    33003: _JPEG_2000, 33004: _JPEG_2000, 33005: _JPEG_2000, 34712: _JPEG_2000,
    34887: _Codec(_BYTES, states_size=True), 34933: _Codec({"u": (8, 16)}, states_size=True),
    34927: _WEBP, 50001: _WEBP, 50002: _JPEG_XL, 52546: _JPEG_XL,
}  # fmt: skip


def expansion(compression: int) -> int:
    """Bytes that one stored byte can become at most."""
    codec = _CODECS.get(compression)
    return 2**40 if codec is not None and codec.states_size else _EXPANSION.get(compression, 8192)


def check_codec(path: Location, compression: int, sample_format: int, bits: int, predictor: int) -> None:
    """Refuse a compression that is not known, or not for these samples and this predictor.

    Parameters
    ----------
    path : path-like
        Named in messages.
    compression, sample_format, bits, predictor : int
        Values of the tags; sample format 1 or 4 unsigned, 2 signed, 3 floating point.

    Raises
    ------
    ImageReadError
    """
    codec, kind = _CODECS.get(compression), {2: "i", 3: "f"}.get(sample_format, "u")
    words = f"{bits}-bit {dict(u='unsigned', i='signed', f='floating-point')[kind]} samples"
    if codec is None:
        name = _name(compression)
        what = "which is unknown" if name is None else f"{name}, which is not read for {words}"
        raise refuse(path, f"uses compression {compression}, {what}", "save it uncompressed")
    fits = bits in codec.types.get(kind, ()) and predictor in codec.predictors
    if predictor == 3:
        fits &= kind == "f"
    elif predictor == 2:
        fits &= bits in _WHOLE_BYTES
    if not fits:
        cause = f"joins compression {compression} ({_name(compression)}), predictor {predictor} and {words}"
        raise refuse(path, f"{cause}, which do not go together", "save it uncompressed, as 16 bit greyscale")


def _name(compression: int) -> str | None:
    from tifffile import COMPRESSION

    try:
        return COMPRESSION(compression).name
    except ValueError:
        return None


def check_segment(
    path: Location, compression: int, data: bytes, needed: int, limit: int, shape: tuple[int, int, int]
) -> None:
    """Unpack one strip or tile under a limit, or compare the size it states: both must be what the page declares.

    Parameters
    ----------
    path : path-like
        Named in messages.
    compression : int
    data : bytes
        As stored.
    needed, limit : int
        Bytes the segment must give at least, and may give at most (some writers fill up the last strip).
    shape : (int, int, int)
        Rows, columns and samples of the segment.

    Raises
    ------
    ImageReadError

    Notes
    -----
    LZW and Zstandard are left to their decoders, which fill a buffer of known size.
    """
    if (codec := _CODECS.get(compression)) is not None and codec.states_size:
        check_codestream(path, data, *shape)
        return
    if compression == PACKBITS:
        found, whole = sum(_packbits_runs(data)), True
    elif compression in DEFLATE:
        inflater = zlib.decompressobj()
        found, whole = len(inflater.decompress(data, limit + 1)), inflater.eof
    elif compression == LZMA:
        unpacker = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
        found = len(unpacker.decompress(data, limit + 1))
        whole = unpacker.eof or found >= needed
    else:
        return
    if found > limit:
        raise refuse(path, f"has a strip or tile that unpacks to more than {limit} bytes", _AGAIN)
    if found < needed or not whole:
        raise refuse(path, f"has a strip or tile that unpacks to {found} of {needed} bytes", _CUT)


def _packbits_runs(data: bytes) -> Iterator[int]:
    """Length of each run of a PackBits stream (TIFF 6.0, section 9)."""
    i = 0
    while i < len(data):
        n = data[i]
        if n < 128:
            yield min(n + 1, len(data) - i - 1)
            i += n + 2
        else:
            if n > 128 and i + 1 < len(data):
                yield 257 - n
            i += 1 if n == 128 else 2
