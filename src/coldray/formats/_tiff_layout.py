"""A strict walk through the directories of a TIFF file, before any decoder sees it.

tifffile reads what it can: an empty array for a file cut to eight bytes, zeros for
absent strips. Here a page is described only if its every part lies inside the file.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO

from coldray.formats._tiff_codecs import check_segment, expansion
from coldray.reading import Location, check_declared, refuse

MAX_PAGES = 2**14
MAX_TAGS = 1024
MAX_SEGMENTS = 2**20

_CUT = "it was cut or is damaged; copy or export it again"
_AGAIN = "export it again"

# Field type -> (bytes, struct letters); a rational is two numbers.
_FIELDS: dict[int, tuple[int, str]] = {
    1: (1, "B"), 2: (1, "s"), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, "s"), 8: (2, "h"),
    9: (4, "i"), 10: (8, "ii"), 11: (4, "f"), 12: (8, "d"), 13: (4, "I"), 16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"),
}  # fmt: skip
_INTEGERS = (1, 3, 4, 16)


@dataclass(frozen=True)
class Tag:
    """One entry of a directory; its value is read only when asked for."""

    code: int
    kind: int
    count: int
    inline: bytes
    where: int

    @property
    def size(self) -> int:
        """Length of the value [bytes]."""
        return self.count * _FIELDS[self.kind][0]


@dataclass(frozen=True)
class Page:
    """What one directory declares, checked against the file."""

    rows: int
    cols: int
    samples: int
    bits: int
    sample_format: int
    compression: int
    predictor: int
    photometric: int
    planar: int
    extra_samples: tuple[int, ...]
    reduced: bool
    tiled: bool
    segments: tuple[tuple[int, int], ...] = field(repr=False)
    decoded: tuple[int, ...] = field(repr=False)
    segment: tuple[int, int]
    tags: dict[int, Tag] = field(repr=False)


class Layout:
    """All pages of one open TIFF file.

    Parameters
    ----------
    path : path-like
        Named in messages.
    file : binary file
        Open for reading; used again by `values` and `text`.
    size : int
        Length of the file [bytes].

    Raises
    ------
    ImageReadError
        Naming the first thing that does not fit.
    """

    def __init__(self, path: Location, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size
        file.seek(0)
        head = file.read(16)
        self.order = "<" if head[:2] == b"II" else ">"
        self.big = head[2:4] in (b"+\0", b"\0+")
        if len(head) < (16 if self.big else 8):
            raise refuse(path, f"ends within its header ({size} bytes)", _CUT)
        if self.big and self._unpack("HH", head[4:8]) != (8, 0):
            raise refuse(path, "has a damaged BigTIFF header", _AGAIN)
        self._offset = "Q" if self.big else "I"
        self.pages: list[Page] = []
        seen: set[int] = set()
        offset = self._unpack(self._offset, head[8:16] if self.big else head[4:8])[0]
        while offset:
            if offset in seen:
                raise refuse(path, "has a loop in its chain of pages", _AGAIN)
            if len(seen) == MAX_PAGES:
                raise refuse(path, f"has more than {MAX_PAGES} pages", "split it")
            seen.add(offset)
            tags, offset = self._directory(offset)
            self.pages.append(self._page(tags))
        if not self.pages:
            raise refuse(path, "is a TIFF file without a page", _CUT)

    def values(self, tag: Tag) -> tuple[float, ...]:
        """Numbers of a tag, rationals as numerator and denominator; nothing for text."""
        _, letters = _FIELDS[tag.kind]
        return () if letters == "s" else self._unpack(f"{tag.count * len(letters)}{letters[0]}", self.raw(tag))

    def raw(self, tag: Tag) -> bytes:
        """Bytes of a tag's value as they stand in the file."""
        if tag.inline:
            return tag.inline
        self.file.seek(tag.where)
        return self.file.read(tag.size)

    def text(self, page: Page, code: int) -> str:
        """Text of an ASCII tag, or nothing."""
        tag = page.tags.get(code)
        if tag is None or tag.kind != 2:
            return ""
        data = self.raw(tag).split(b"\0")[0]
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:  # ImageJ writes its micrometre sign so
            return data.decode("latin-1")

    def number(self, page: Page, code: int, default: float) -> float:
        """First value of a numeric tag; a rational as a quotient, division by zero as NaN."""
        tag = page.tags.get(code)
        if tag is None or tag.count != 1 or not (values := self.values(tag)):
            return default
        if len(values) == 2:
            return values[0] / values[1] if values[1] else float("nan")
        return values[0]

    def _unpack(self, letters: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self.order + letters, data)

    def _directory(self, offset: int) -> tuple[dict[int, Tag], int]:
        """Tags of one directory and the offset of the next."""
        count_bytes, entry_bytes, link_bytes = (8, 20, 8) if self.big else (2, 12, 4)
        if not (16 if self.big else 8) <= offset <= self.size - count_bytes:
            raise refuse(self.path, f"points to a page at byte {offset} but has {self.size} bytes", _CUT)
        self.file.seek(offset)
        (count,) = self._unpack("Q" if self.big else "H", self.file.read(count_bytes))
        end = offset + count_bytes + count * entry_bytes + link_bytes
        if not 0 < count <= MAX_TAGS or end > self.size:
            raise refuse(self.path, f"has a page of {count} entries, more or fewer than can be", _CUT)
        block = self.file.read(count * entry_bytes + link_bytes)
        tags = {}
        for start in range(0, count * entry_bytes, entry_bytes):
            entry = block[start : start + entry_bytes]
            code, kind, number = self._unpack("HH" + self._offset, entry[: 12 if self.big else 8])
            if kind not in _FIELDS:  # a reader shall skip types it does not know (TIFF 6.0, section 2)
                continue
            value = entry[12 if self.big else 8 :]
            length = number * _FIELDS[kind][0]
            if length <= len(value):
                tags[code] = Tag(code, kind, number, value[:length], 0)
                continue
            where = self._unpack(self._offset, value)[0]
            if where + length > self.size:
                raise refuse(self.path, f"has tag {code} at byte {where}, past its end ({self.size} bytes)", _CUT)
            tags[code] = Tag(code, kind, number, b"", where)
        return tags, self._unpack(self._offset, block[-link_bytes:])[0]

    def _integers(self, tags: dict[int, Tag], code: int, name: str, default: int | None = None) -> tuple[int, ...]:
        """Values of a structural tag, which must be whole numbers."""
        tag = tags.get(code)
        if tag is None and default is not None:
            return (default,)
        if tag is None:
            raise refuse(self.path, f"has a page without {name}", _AGAIN)
        if tag.kind not in _INTEGERS or not 0 < tag.count <= MAX_SEGMENTS:
            raise refuse(self.path, f"has a page whose {name} is not made of whole numbers", _AGAIN)
        return tuple(int(value) for value in self.values(tag))

    def _page(self, tags: dict[int, Tag]) -> Page:
        """Check one directory and describe it."""

        def one(code: int, name: str, default: int | None = None) -> int:
            return self._integers(tags, code, name, default)[0]

        cols, rows = one(256, "ImageWidth"), one(257, "ImageLength")
        samples, compression = one(277, "SamplesPerPixel", 1), one(259, "Compression", 1)
        planar, predictor = one(284, "PlanarConfiguration", 1), one(317, "Predictor", 1)
        bits = self._integers(tags, 258, "BitsPerSample", 1)
        formats = self._integers(tags, 339, "SampleFormat", 1)
        if samples < 1 or len(bits) not in (1, samples) or len(formats) not in (1, samples):
            raise refuse(self.path, f"declares {samples} samples per pixel but {len(bits)} sample sizes", _AGAIN)
        if len(set(bits)) > 1 or len(set(formats)) > 1 or not 1 <= bits[0] <= 64:
            raise refuse(self.path, f"has samples of {bits[0]} bits or of several sizes", "save it as 16 bit greyscale")
        if planar not in (1, 2) or predictor not in (1, 2, 3):
            raise refuse(self.path, f"has PlanarConfiguration {planar} and Predictor {predictor}", _AGAIN)
        if one(32997, "ImageDepth", 1) != 1:
            raise refuse(self.path, "is a volume with ImageDepth", "save its slices as pages")
        check_declared(self.path, (rows, cols), 1, 2**62)
        segments, decoded, segment = self._segments(tags, (rows, cols, samples, bits[0], planar), compression)
        if compression != 1:
            stored = sum(count for _, count in segments)
            pixel_bytes, ratio = samples * max(1, bits[0] // 8), expansion(compression)
            check_declared(self.path, (rows, cols), pixel_bytes, stored, ratio)
        return Page(
            rows=rows,
            cols=cols,
            samples=samples,
            bits=bits[0],
            sample_format=formats[0],
            compression=compression,
            predictor=predictor,
            photometric=one(262, "PhotometricInterpretation", 1),
            planar=planar,
            extra_samples=self._integers(tags, 338, "ExtraSamples") if 338 in tags else (),
            reduced=bool(one(254, "NewSubfileType", 0) & 0b101) or one(255, "SubfileType", 1) == 2,
            tiled=322 in tags or 324 in tags,
            segments=segments,
            decoded=decoded,
            segment=segment,
            tags=tags,
        )

    def _segments(
        self, tags: dict[int, Tag], geometry: tuple[int, int, int, int, int], compression: int
    ) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...], tuple[int, int]]:
        """Offset and stored length of each strip or tile, the length each has when decoded, and rows, columns of one."""
        rows, cols, samples, bits, planar = geometry
        tiled = 322 in tags or 324 in tags
        per_pixel, planes = (samples, 1) if planar == 1 else (1, samples)
        if tiled:
            width, height = (self._integers(tags, code, "tile size")[0] for code in (322, 323))
            if width == 0 or height == 0 or width % 16 or height % 16:
                raise refuse(self.path, f"has tiles of {height} x {width} pixels, not multiples of 16", _AGAIN)
            across, down = -(-cols // width), -(-rows // height)
        else:
            width, across = cols, 1
            height = min(self._integers(tags, 278, "RowsPerStrip", 2**32 - 1)[0], rows)
            if height == 0:
                raise refuse(self.path, "has RowsPerStrip 0", _AGAIN)
            down = -(-rows // height)
        names = ("TileOffsets", "TileByteCounts") if tiled else ("StripOffsets", "StripByteCounts")
        offsets = self._integers(tags, 324 if tiled else 273, names[0])
        counts = self._integers(tags, 325 if tiled else 279, names[1])
        if not len(offsets) == len(counts) == across * down * planes:
            found, needed = f"{len(offsets)} {names[0]} and {len(counts)} {names[1]}", across * down * planes
            raise refuse(self.path, f"lists {found} where {needed} are needed", _AGAIN)
        row_bytes = -(-width * per_pixel * bits // 8)
        last = height if tiled else rows - (down - 1) * height
        decoded = ([height * row_bytes] * (down - 1) * across + [last * row_bytes] * across) * planes
        for offset, count, needed in zip(offsets, counts, decoded, strict=True):
            if offset == 0 or count == 0:
                raise refuse(self.path, "has pixels that were never written (an absent strip or tile)", _CUT)
            if offset < 8 or offset + count > self.size:
                raise refuse(self.path, f"has pixels up to byte {offset + count} but ends at {self.size}", _CUT)
            # Some writers round the last strip up to a full one.
            if compression == 1 and not needed <= count <= max(decoded):
                raise refuse(self.path, f"has a strip or tile of {count} bytes where {needed} are needed", _AGAIN)
        segments = tuple(zip(offsets, counts, strict=True))
        if any(a + n > b for (a, n), (b, _) in pairwise(sorted(segments))):
            raise refuse(self.path, "has strips or tiles that overlap", _AGAIN)
        return segments, tuple(decoded), (height, width)

    def check_segments(self, page: Page) -> None:
        """Require of every strip or tile that it gives the size its page declares, before a decoder sees it."""
        if page.compression == 1:
            return
        limit = max(page.decoded)
        samples = page.samples if page.planar == 1 else 1
        height, width = page.segment
        for (offset, count), needed in zip(page.segments, page.decoded, strict=True):
            self.file.seek(offset)
            shape = (needed * height // limit, width, samples)
            check_segment(self.path, page.compression, self.file.read(count), needed, limit, shape)


def stored_bytes(shape: tuple[int, ...], itemsize: int, tile: tuple[int, int] | None) -> int:
    """Bytes of uncompressed pixels in a file: tiles are stored whole, and each has its place and length in a table."""
    if tile is None:
        return math.prod(shape) * itemsize
    tiles = math.prod(shape[:-2]) * math.prod(-(-n // side) for n, side in zip(shape[-2:], tile, strict=True))
    return tiles * (math.prod(tile) * itemsize + 16)
