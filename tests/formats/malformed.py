"""Small image files with known faults, and what a reader should say of each.

Deterministic and cheap: every file is built from a few bytes. `refused()` are files
that have no right outcome but refusal, `accepted()` are odd files that must be read
exactly, each with its pixels. See reliability classes 3.1.
"""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

PIXELS = np.arange(3 * 5, dtype=np.uint16).reshape(3, 5) * 4001 + 7
MARK = "canary-of-a-pickle"


@dataclass(frozen=True)
class Case:
    """One file: its name, its bytes and what the message must contain or the pixels must be."""

    title: str
    name: str
    data: bytes
    says: str = ""
    pixels: NDArray[Any] | None = None

    def __str__(self) -> str:
        return self.title.replace(" ", "-")


# TIFF ---------------------------------------------------------------------------------------------

_LETTER = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 7: "s", 11: "f", 12: "d", 16: "Q"}


def tiff(
    pixels: NDArray[Any] = PIXELS,
    change: Mapping[int, tuple[int, tuple[int, ...]] | None] | None = None,
    order: str = "<",
    big: bool = False,
    strips: list[bytes] | None = None,
    following: int = 0,
    first: int | None = None,
) -> bytes:
    """One-page TIFF of greyscale pixels; `change` replaces (or, with None, drops) tags."""
    rows, cols = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    stored = strips if strips is not None else [pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()]
    offset, offsets = 16 if big else 8, []
    body = b""
    for strip in stored:
        offsets.append(offset + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    wide = 16 if big else 4
    tags: dict[int, tuple[int, tuple[int, ...]] | None] = {
        256: (4, (cols,)),
        257: (4, (rows,)),
        258: (3, (8 * pixels.dtype.itemsize,) * samples),
        259: (3, (1,)),
        262: (3, (1,)),
        273: (wide, tuple(offsets)),
        277: (3, (samples,)),
        278: (4, (-(-rows // len(stored)),)),
        279: (wide, tuple(len(strip) for strip in stored)),
        339: (3, ({"u": 1, "i": 2, "f": 3}[pixels.dtype.kind],) * samples),
    }
    tags.update(change or {})
    entries = {code: value for code, value in sorted(tags.items()) if value is not None}
    directory = offset + len(body)
    count_letter, offset_letter, entry_bytes, inline_bytes = ("Q", "Q", 20, 8) if big else ("H", "I", 12, 4)
    outside = directory + (8 if big else 2) + entry_bytes * len(entries) + (8 if big else 4)
    block, late = struct.pack(order + count_letter, len(entries)), b""
    for code, (kind, values) in entries.items():
        raw = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{_LETTER[kind]}", *values)
        count = len(values) // 2 if kind == 5 else len(values)
        block += struct.pack(f"{order}HH{offset_letter}", code, kind, count)
        if len(raw) <= inline_bytes:
            block += raw.ljust(inline_bytes, b"\0")
        else:
            block += struct.pack(order + offset_letter, outside + len(late))
            late += raw + b"\0" * (len(raw) % 2)
    block += struct.pack(order + offset_letter, following)
    start = directory if first is None else first
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start)
    return mark + head + body + block + late


def _tiff_directory(data: bytes) -> int:
    return struct.unpack("<I", data[4:8])[0]


def _tiff_refused() -> Iterator[Case]:
    good = tiff()
    at = _tiff_directory(good)
    packed = zlib.compress(PIXELS.tobytes())
    deflate = {259: (3, (8,))}

    def case(title: str, data: bytes, says: str, name: str = "board.tif") -> Case:
        return Case(f"tiff {title}", name, data, says)

    yield case("header only", good[:8], "byte")
    yield case("page past the end", tiff(first=10**6), "points to a page")
    yield case("page offset 0", tiff(first=0), "without a page")
    yield case("page inside the header", tiff(first=4), "points to a page")
    yield case("loop to itself", tiff(following=at), "loop")
    second = tiff(first=at)[:-4] + struct.pack("<I", at)
    yield case("loop over two pages", tiff(following=len(good)) + second[at:], "loop")
    yield case("too many entries", good[:at] + b"\xff\xff" + good[at + 2 :], "entries")
    yield case("no entries", good[:at] + b"\0\0" + good[at + 2 :], "entries")
    for code, name in ((256, "ImageWidth"), (257, "ImageLength"), (273, "StripOffsets"), (279, "StripByteCounts")):
        yield case(f"without {name}", tiff(change={code: None}), name)
    yield case("zero rows", tiff(change={257: (4, (0,))}), "0 x 5")
    yield case("zero columns", tiff(change={256: (4, (0,))}), "3 x 0")
    yield case("absurd size", tiff(change={256: (4, (2**31,)), 257: (4, (2**31,))}), "ceiling")
    yield case(
        "large size in a small file",
        tiff(change={256: (4, (16000,)), 257: (4, (16000,)), 278: None, **deflate}),
        "declares",
    )
    yield case("strip offset 0", tiff(change={273: (4, (0,))}), "never written")
    yield case("strip length 0", tiff(change={279: (4, (0,))}), "never written")
    yield case("strip past the end", tiff(change={273: (4, (10**6,))}), "ends at")
    yield case("strip too short", tiff(change={279: (4, (28,))}), "where 30 are needed")
    yield case("strip too long", tiff(change={279: (4, (60,))}), "where 30 are needed")
    yield case("two strips listed for one", tiff(change={273: (4, (8, 8)), 279: (4, (30, 30))}), "where 1 are needed")
    rows = [row.tobytes() for row in PIXELS]
    yield case("overlapping strips", tiff(strips=rows, change={273: (4, (8, 12, 16))}), "overlap")
    yield case("RowsPerStrip 0", tiff(change={278: (4, (0,))}), "RowsPerStrip")
    tiles = {322: (4, (10,)), 323: (4, (16,)), 324: (4, (8,)), 325: (4, (30,)), 273: None, 279: None}
    yield case("tile width 10", tiff(change=tiles), "multiples of 16")
    yield case("sample sizes do not match", tiff(change={258: (3, (16, 16)), 277: (3, (3,))}), "sample")
    yield case("width is text", tiff(change={256: (2, b"12345\0")}), "whole number")
    yield case("unknown compression", tiff(change={259: (3, (4242,))}), "unknown")
    yield case("unknown predictor", tiff(change={317: (3, (9,))}), "Predictor")
    yield case("cut deflate", tiff(strips=[packed[:-6]], change=deflate), "unpacks")
    yield case("corrupt deflate", tiff(strips=[b"\x78\x9c" + b"\xff" * 20], change=deflate), "TIFF")
    yield case("short deflate", tiff(strips=[zlib.compress(b"\1" * 20)], change=deflate), "unpacks to 20 of 30")
    bomb = zlib.compress(b"\0" * 2**25)
    yield case("deflate bomb", tiff(strips=[bomb], change=deflate), "more than 30")
    yield case(
        "cut PackBits", tiff(strips=[b"\x1d" + PIXELS.tobytes()[:20]], change={259: (3, (32773,))}), "unpacks to 20"
    )
    yield case("PackBits bomb", tiff(strips=[b"\x81\0" * 2000], change={259: (3, (32773,))}), "more than 30")
    yield case("bad BigTIFF header", tiff(big=True).replace(b"II+\0\x08\0", b"II+\0\x04\0", 1), "BigTIFF")
    yield case("tag value past the end", tiff(change={270: (2, b"x" * 64)})[:-40], "past its end")
    yield case("palette", tiff(PIXELS.astype(np.uint8), {262: (3, (3,))}), "palette")
    yield case("CMYK", tiff(np.zeros((3, 5, 4), np.uint8), {262: (3, (5,))}), "CMYK")
    colour = np.arange(45, dtype=np.uint8).reshape(3, 5, 3)
    yield case("colour", tiff(colour, {262: (3, (2,))}), "colour")
    grey_alpha = np.stack([PIXELS, PIXELS], axis=-1)
    yield case("alpha not opaque", tiff(grey_alpha, {338: (3, (2,))}), "alpha")
    yield case("two samples", tiff(grey_alpha, {338: (3, (0,))}), "2 samples")
    yield case("complex", tiff(np.zeros((3, 5), np.float64), {339: (3, (6,))}), "complex")
    yield case("one bit", tiff(np.zeros((3, 1), np.uint8), {256: (4, (8,)), 258: (3, (1,))}), "1-bit")
    yield case("volume", tiff(change={32997: (4, (2,))}), "ImageDepth")
    imagej = b"ImageJ=1.54f\nimages=9\nslices=9\n\0"
    yield case("ImageJ stack of one page, cut", tiff(change={270: (2, imagej)}), "9 x 3 x 5")
    other = tiff(np.zeros((4, 4), np.uint16))
    moved = len(good)
    shifted = tiff(np.zeros((4, 4), np.uint16), {273: (4, (moved + 8,))})[8:]
    where = moved + _tiff_directory(other) - 8 + 8
    good_then = tiff(following=where)
    yield case("pages of different sizes", good_then + b"\0" * 8 + shifted, "different sizes")
    for value, title in ((np.nan, "NaN"), (np.inf, "infinite")):
        floats = np.ones((3, 5), np.float32)
        floats[1, 2] = value
        yield case(f"with {title}", tiff(floats), f"1 {title}")
    yield case("LZW without decoder", tiff(change={259: (3, (5,))}), "imagecodecs")


def _tiff_accepted() -> Iterator[Case]:
    def case(title: str, data: bytes, pixels: NDArray[Any] = PIXELS) -> Case:
        return Case(f"tiff {title}", "board.tif", data, pixels=pixels)

    for order, name in (("<", "little"), (">", "big")):
        yield case(f"{name} endian", tiff(order=order))
        yield case(f"{name} endian BigTIFF", tiff(order=order, big=True))
        for dtype in ("u1", "i1", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"):
            values = (PIXELS % 120).astype(dtype)
            yield case(f"{name} endian {dtype}", tiff(values, order=order), values)
    yield case("row strips", tiff(strips=[row.tobytes() for row in PIXELS]))
    packed = tiff(strips=[zlib.compress(PIXELS.tobytes())], change={259: (3, (8,))})
    yield case("deflate", packed)
    runs = b"\x1d" + PIXELS.tobytes()
    yield case("PackBits", tiff(strips=[runs], change={259: (3, (32773,))}))
    tile = np.zeros((16, 16), np.uint16)
    tile[:3, :5] = PIXELS
    tiles = {322: (4, (16,)), 323: (4, (16,)), 324: (4, (8,)), 325: (4, (512,)), 273: None, 279: None, 278: None}
    yield case("one tile", tiff(strips=[tile.tobytes()], change=tiles))
    equal = np.stack([PIXELS] * 3, axis=-1)
    yield case("equal channels", tiff(equal, {262: (3, (2,))}))
    planes = np.ascontiguousarray(np.moveaxis(equal, -1, 0))
    planar = {284: (3, (2,)), 262: (3, (2,)), 277: (3, (3,)), 278: (4, (3,)), 258: (3, (16,) * 3), 339: (3, (1,) * 3)}
    yield case("planar equal channels", tiff(strips=[plane.tobytes() for plane in planes], change=planar))
    opaque = np.stack([PIXELS, np.full_like(PIXELS, 65535)], axis=-1)
    yield case("opaque alpha", tiff(opaque, {338: (3, (2,))}))
    yield case("MinIsWhite", tiff(change={262: (3, (0,))}))
    yield case("turned", tiff(change={274: (3, (6,))}))
    yield case("trailing junk", tiff() + b"junk")
    one = np.full((1, 1), 65535, np.uint16)
    yield case("1x1", tiff(one), one)
    yield case("RowsPerStrip default", tiff(change={278: (4, (2**32 - 1,))}))


# PNG ----------------------------------------------------------------------------------------------


def chunk(name: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    pixels: NDArray[Any],
    colour: int = 0,
    bits: int | None = None,
    size: tuple[int, int] | None = None,
    extra: bytes = b"",
    stream: bytes | None = None,
    end: bool = True,
) -> bytes:
    """PNG with filter 0 in every row."""
    rows, cols = size or pixels.shape[:2]
    depth = bits or 8 * pixels.dtype.itemsize
    lines = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", cols, rows, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(lines) if stream is None else stream)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + (chunk(b"IEND", b"") if end else b"")


def _png_refused() -> Iterator[Case]:
    good = png(PIXELS)

    def case(title: str, data: bytes, says: str) -> Case:
        return Case(f"png {title}", "board.png", data, says)

    yield case("signature only", good[:8], "ends within")
    yield case("no end", png(PIXELS, end=False), "ends within")
    yield case("no pixels", good[:33] + chunk(b"IEND", b""), "without pixels")
    yield case("pixels before header", good[:8] + good[33:], "begin")
    yield case("rows missing", png(PIXELS[:2], size=(3, 5)), "rows are missing")
    yield case("rows too many", png(PIXELS, size=(2, 5)), "more than")
    yield case("wrong checksum", good[:-20] + bytes([good[-20] ^ 1]) + good[-19:], "checksum")
    yield case("zero columns", png(PIXELS, size=(3, 0)), "3 x 0")
    yield case("absurd size", png(PIXELS, size=(2**31 - 1, 2**31 - 1)), "ceiling")
    yield case("bomb", png(PIXELS, stream=zlib.compress(b"\0" * 2**24)), "more than")
    yield case("palette", png(PIXELS.astype(np.uint8), 3, extra=chunk(b"PLTE", b"\0\1\2" * 256)), "palette")
    yield case("4 bits", png(np.zeros((3, 3), np.uint8), bits=4, size=(3, 6)), "4 bits")
    colour = np.arange(45, dtype=np.uint8).reshape(3, 15)
    yield case("colour", png(colour, 2, size=(3, 5)), "colour")
    yield case("16-bit colour", png(np.zeros((3, 15), np.uint16), 2, size=(3, 5)), "16-bit colour")
    yield case("alpha not opaque", png(np.zeros((3, 10), np.uint8), 4, size=(3, 5)), "alpha")
    yield case("animated", png(PIXELS, extra=chunk(b"acTL", b"\0" * 8)), "animated")
    yield case("unknown critical chunk", png(PIXELS, extra=chunk(b"ABCD", b"")), "critical")
    yield case("impossible depth", png(PIXELS, bits=7), "7 bits")


def _png_accepted() -> Iterator[Case]:
    def case(title: str, data: bytes, pixels: NDArray[Any] = PIXELS) -> Case:
        return Case(f"png {title}", "board.png", data, pixels=pixels)

    small = (PIXELS % 251).astype(np.uint8)
    yield case("16 bit", png(PIXELS))
    yield case("8 bit", png(small), small)
    grey_alpha = np.stack([PIXELS, np.full_like(PIXELS, 65535)], axis=-1).reshape(3, 10)
    yield case("16-bit opaque alpha", png(grey_alpha, 4, size=(3, 5)))
    rgb = np.repeat(small, 3, axis=1)
    yield case("equal channels", png(rgb, 2, size=(3, 5)), small)
    yield case("text bomb left unread", png(PIXELS, extra=chunk(b"zTXt", b"x\0\0" + zlib.compress(b" " * 2**22))))
    yield case("trailing junk", png(PIXELS) + b"junk")


# NPY ----------------------------------------------------------------------------------------------


class _Canary:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return print, (MARK,)


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\0", length: int | None = None) -> bytes:
    """NPY file with a header as text."""
    text = header.encode() + b"\n"
    size = len(text) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", size) + text + data


def _saved(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npy_refused() -> Iterator[Case]:
    def case(title: str, data: bytes, says: str, name: str = "board.npy") -> Case:
        return Case(f"npy {title}", name, data, says)

    data = PIXELS.tobytes()

    def header(shape: str, descr: str = "'<u2'", fortran: str = "False") -> str:
        return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"

    objects = pickle.dumps(np.array([[_Canary()]], dtype=object), protocol=3)
    yield case("pickled objects", npy(header("(1, 1)", "'|O'"), objects), "object")
    yield case("pickle", pickle.dumps(_Canary(), protocol=4), "pickle")
    yield case("zip", b"PK\x03\x04" + bytes(60), "NPZ")
    yield case("npz", b"PK\x03\x04" + bytes(60), "numpy.save", "board.npz")
    yield case("extra bytes", npy(header("(3, 5)"), data + b"x"), "31 bytes")
    yield case("cut", npy(header("(3, 5)"), data[:-1]), "only 29")
    yield case("small file, large shape", npy(header("(16000, 16000)"), data), "declares")
    yield case("absurd shape", npy(header("(10**12, 10**12)"), data), "description")
    yield case("huge shape", npy(header(f"({2**40}, {2**40})"), data), "ceiling")
    yield case("negative shape", npy(header("(-3, -5)"), data), "shape")
    yield case("shape of bool", npy(header("(True, True)"), data), "shape")
    yield case("shape is a list", npy(header("[3, 5]"), data), "shape")
    yield case("no rows", npy(header("(0, 5)")), "0 x 5")
    yield case("one axis", npy(header("(15,)"), data), "(rows, cols)")
    yield case("four axes", npy(header("(1, 1, 3, 5)"), data), "(rows, cols)")
    yield case("scalar", npy(header("()"), data[:2]), "(rows, cols)")
    yield case("header of GiB", npy(header("(3, 5)"), data, b"\x02\0", 2**31), "header")
    yield case("unknown version", npy(header("(3, 5)"), data, b"\x09\0"), "version")
    yield case("header is code", npy("__import__('os').system('true')", data), "description")
    yield case("header of other keys", npy("{'a': 1}", data), "description")
    for dtype in ("bool", "complex64", "datetime64[s]", "U3", "float128", "u2,u2"):
        array = np.zeros((3, 5), np.dtype(dtype))
        yield case(f"of {dtype}", _saved(array), "intensities")
    floats = np.ones((2, 3, 4))
    floats[0], floats[1, 0] = np.nan, -np.inf
    yield case("not finite", _saved(floats), "16 of 24 pixels that are not finite (12 NaN, 4 infinite)")


def _npy_accepted() -> Iterator[Case]:
    def case(title: str, data: bytes, pixels: NDArray[Any]) -> Case:
        return Case(f"npy {title}", "board.npy", data, pixels=pixels)

    for dtype in ("<u2", ">u2", "u1", ">f4", "<f8", "<f2", ">i4", "i8"):
        values = (PIXELS % 100).astype(dtype)
        yield case(f"{dtype}", _saved(values), values)
    yield case("Fortran order", _saved(np.asfortranarray(PIXELS)), PIXELS)
    stack = np.stack([PIXELS, PIXELS[::-1]])
    yield case("stack", _saved(stack), stack)
    head = "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 5)}"
    for version in (b"\x02\0", b"\x03\0"):
        yield case(f"version {version[0]}", npy(head, PIXELS.tobytes(), version), PIXELS)


# DICOM --------------------------------------------------------------------------------------------


def dicom_dataset(pixels: NDArray[Any] = PIXELS, **changes: Any) -> Dataset:
    """Digital X-ray data set; a change to None removes the element."""
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1.1"
    dataset.SOPInstanceUID = "1.2.3.4.5"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.Modality = "DX"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PatientName, dataset.PatientID = "Component^One", "C-1"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.ImagerPixelSpacing = ["0.048", "0.048"]
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset.add_new("PixelData", "OW", data + b"\0" * (len(data) % 2))
    for name, value in changes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def dicom(dataset: Dataset | None = None, syntax: UID = ExplicitVRLittleEndian, **changes: Any) -> bytes:
    """Part 10 file of a data set."""
    dataset = dicom_dataset(**changes) if dataset is None else dataset
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID("1.2.3.9")
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _deep() -> Dataset:
    dataset = dicom_dataset()
    inner = Dataset()
    for _ in range(60):
        outer = Dataset()
        outer.SourceImageSequence = Sequence([inner])
        inner = outer
    dataset.SourceImageSequence = Sequence([inner])
    return dataset


def _nested(depth: int) -> bytes:
    """Undefined-length sequences inside each other, written by hand: pydicom would not write so many."""
    whole = dicom()
    at = whole.index(struct.pack("<HH", 0x0008, 0x0016))
    opening = struct.pack("<HH2sHI", 0x0008, 0x2112, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return whole[:at] + opening * depth + closing * depth + whole[at:]


def _dicom_refused() -> Iterator[Case]:
    good = dicom()

    def case(title: str, data: bytes, says: str, name: str = "board.dcm") -> Case:
        return Case(f"dicom {title}", name, data, says)

    yield case("preamble only", good[:132], "transfer syntax")
    yield case("no magic", good[:128] + b"XXXX" + good[132:], "not a DICOM")
    yield case("no meta group", good[:132] + good[good.index(struct.pack("<HH", 8, 8)) :], "transfer syntax")
    unknown = good.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0")
    yield case("unknown transfer syntax", unknown, "unknown transfer syntax")
    yield case("odd type in meta", good[:136] + b"ZZ" + good[138:], "impossible type")
    yield case("no pixels", dicom(PixelData=None), "PixelData")
    yield case("pixels too short", dicom(PixelData=PIXELS.tobytes()[:-2]), "28 bytes where 30")
    yield case("pixels of two frames", dicom(PixelData=2 * PIXELS.tobytes()), "2 times the 30")
    yield case("zero rows", dicom(Rows=0), "0 x 5")
    yield case("no rows", dicom(Rows=None), "Rows")
    yield case("absurd size", dicom(Rows=65535, Columns=65535), "ceiling")
    yield case("large size in a small file", dicom(Rows=9000, Columns=9000), "declares")
    yield case("BitsStored above BitsAllocated", dicom(BitsStored=17), "BitsStored 17")
    yield case("HighBit too high", dicom(HighBit=16), "HighBit 16")
    yield case("1 bit", dicom(BitsAllocated=1, BitsStored=1, HighBit=0), "BitsAllocated 1")
    for frames in ("0", "-1"):
        yield case(f"{frames} frames", dicom(NumberOfFrames=frames), f"{frames} x 3 x 5")
    odd = dicom(NumberOfFrames="1 ")
    yield case("frames not a number", odd.replace(b"IS\x02\x001 ", b"IS\x02\x00xx"), "NumberOfFrames")
    yield case("huge number of frames", dicom(NumberOfFrames="2000000000"), "ceiling")
    yield case("no BitsAllocated", dicom(BitsAllocated=None), "BitsAllocated")
    colour = np.arange(45, dtype=np.uint8)
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    rgb = {**eight, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    yield case("colour", dicom(PixelData=colour.tobytes() + b"\0", **rgb), "colour")
    palette = {**eight, "PhotometricInterpretation": "PALETTE COLOR", "PixelData": colour[:15].tobytes() + b"\0"}
    yield case("palette", dicom(**palette), "PALETTE")
    pixel_at = good.rindex(struct.pack("<HH", 0x7FE0, 0x0010))
    endless = good[: pixel_at + 8] + b"\xff\xff\xff\xff" + good[pixel_at + 12 :]
    yield case("pixels of undefined length", endless, "PixelData")
    longer = good[: pixel_at + 8] + struct.pack("<I", 2**31) + good[pixel_at + 12 :]
    yield case("pixels longer than the file", longer, "ends within")
    yield case("nested thousands deep", _nested(20000), "board.dcm")
    bomb = dicom(syntax=DeflatedExplicitVRLittleEndian)
    at = _end_of_meta(bomb)
    packer = zlib.compressobj(wbits=-15)
    yield case("deflate bomb", bomb[:at] + packer.compress(b"\0" * 2**27) + packer.flush(), "unpacks")
    wrong = dicom_dataset()
    wrong.add_new("PixelData", "OB", pydicom.encaps.encapsulate([b"not a codestream"]))
    yield case("JPEG 2000 of junk", dicom(wrong, JPEG2000Lossless), "board.dcm")
    floats = dicom_dataset(PixelData=None, BitsStored=None, HighBit=None, PixelRepresentation=None, BitsAllocated=32)
    values = np.ones((3, 5), np.float32)
    values[0, 0] = np.nan
    floats.FloatPixelData = values.tobytes()
    yield case("float with NaN", dicom(floats), "1 NaN")


def _end_of_meta(data: bytes) -> int:
    at = 132
    while data[at : at + 2] == b"\x02\0":
        long = data[at + 4 : at + 6] in (b"OB", b"UN")
        head, size = (12, data[at + 8 : at + 12]) if long else (8, data[at + 6 : at + 8])
        at += head + int.from_bytes(size, "little")
    return at


def _dicom_accepted() -> Iterator[Case]:
    def case(title: str, data: bytes, pixels: NDArray[Any] = PIXELS, name: str = "board.dcm") -> Case:
        return Case(f"dicom {title}", name, data, pixels=pixels)

    big = dicom_dataset()
    big["PixelData"].value = PIXELS.astype(">u2").tobytes()
    yield case("explicit little endian", dicom())
    yield case("implicit", dicom(syntax=ImplicitVRLittleEndian))
    yield case("big endian", dicom(big, ExplicitVRBigEndian))
    yield case("deflated", dicom(syntax=DeflatedExplicitVRLittleEndian))
    yield case("without suffix", dicom(), name="IM0001")
    yield case("UID as name", dicom(), name="1.2.3.4")
    packed = dicom_dataset()
    dicom(packed)
    packed.compress(RLELossless, generate_instance_uid=False)
    yield case("RLE", dicom(packed, RLELossless))
    for dtype in ("u1", "i1", "i2", "u4", "i4"):
        values = (PIXELS % 120).astype(dtype) - (50 if dtype[0] == "i" else 0)
        values = values.astype(dtype)
        yield case(f"{dtype}", dicom(dicom_dataset(values)), values)
    stack = np.stack([PIXELS, PIXELS[::-1]])
    yield case("two frames", dicom(dicom_dataset(stack)), stack)
    twelve = PIXELS & 0x0FFF
    yield case("bits above BitsStored", dicom(BitsStored=12, HighBit=11), twelve)
    signed = (PIXELS % 4096).astype(np.int32)
    signed = np.where(signed >= 2048, signed - 4096, signed).astype(np.int16)
    yield case("signed 12 bits", dicom(BitsStored=12, HighBit=11, PixelRepresentation=1), signed)
    yield case("MONOCHROME1", dicom(PhotometricInterpretation="MONOCHROME1"))
    small = (PIXELS % 251).astype(np.uint8)
    rgb = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    equal = np.repeat(small[..., None], 3, axis=-1).tobytes() + b"\0"
    yield case("equal channels", dicom(PixelData=equal, PhotometricInterpretation="RGB", **rgb), small)
    floats = dicom_dataset(PixelData=None, BitsStored=None, HighBit=None, PixelRepresentation=None, BitsAllocated=32)
    values = PIXELS.astype(np.float32) / 7
    floats.FloatPixelData = values.tobytes()
    yield case("float pixels", dicom(floats), values)
    yield case("nested sixty deep", dicom(_deep()))


# All formats --------------------------------------------------------------------------------------


def _general_refused() -> Iterator[Case]:
    for name in ("board.tif", "board.dcm", "board.png", "board.jpg", "board.npy", "board.raw", "board"):
        yield Case(f"empty {name}", name, b"", "empty")
    for name, kind in (("board.tif", "TIFF"), ("board.dcm", "DICOM"), ("board.png", "PNG"), ("board.npy", "NPY")):
        yield Case(f"text named {name}", name, b"not an image at all\n", f"{kind} file by its content")
    yield Case("png named tif", "board.tif", png(PIXELS), "is a PNG file by its content; rename it to .png")
    yield Case("tiff named dcm", "board.dcm", tiff(), "is a TIFF file by its content; rename it to .tif")
    yield Case("dicom named png", "board.png", dicom(), "rename it to .dcm")
    yield Case("npy named jpg", "board.jpg", _saved(PIXELS), "rename it to .npy")
    yield Case("png named jpg", "board.jpg", png(PIXELS), "rename it to .png")
    yield Case("png without suffix", "board", png(PIXELS), "rename it to .png")
    yield Case("HDF5", "board.h5", b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5")
    yield Case("GIF", "board.gif", b"GIF89a" + bytes(20), "GIF")
    yield Case("unknown suffix", "board.xyz", b"\1\2\3", "no known image format")
    yield Case("raw without geometry", "board.raw", PIXELS.tobytes(), "`raw`")
    yield Case("cut jpeg", "board.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "JPEG")


def refused() -> list[Case]:
    """Every file that must be refused, with a part of the message."""
    return [*_general_refused(), *_tiff_refused(), *_png_refused(), *_npy_refused(), *_dicom_refused()]


def accepted() -> list[Case]:
    """Every odd file that must be read exactly, with its pixels."""
    return [*_tiff_accepted(), *_png_accepted(), *_npy_accepted(), *_dicom_accepted()]


def whole() -> list[Case]:
    """One small good file of each format, for cutting and flipping."""
    return [
        Case("tiff", "board.tif", tiff(), pixels=PIXELS),
        Case("deflate tiff", "board.tif", tiff(strips=[zlib.compress(PIXELS.tobytes())], change={259: (3, (8,))})),
        Case("png", "board.png", png(PIXELS), pixels=PIXELS),
        Case("npy", "board.npy", _saved(PIXELS), pixels=PIXELS),
        Case("dicom", "board.dcm", dicom(), pixels=PIXELS),
    ]
