"""Before pydicom: the meta group of a DICOM file, read by hand and within limits."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from coldray.reading import Location, max_pixels, refuse

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

RECORD_GROUP = 0x0099
RECORD_CREATOR = "COLDRAY"
RECORD_ELEMENT = 0x01

_DEFLATED = "1.2.840.10008.1.2.1.99"
_LONGEST_ELEMENT = 2**16
_BEGINS = 2**22
_LONG_VR = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_SHORT_VR = (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
             b"SS", b"ST", b"TM", b"UI", b"UL", b"US")  # fmt: skip
_AGAIN = "export it again"


def transfer_syntax(path: Location, file: BinaryIO, size: int) -> tuple[str, int]:
    """Transfer syntax from the meta group, and the length of the object; a deflated one is unpacked under a limit.

    Parameters
    ----------
    path : path-like
        Named in messages.
    file : binary file
        Left at its start.
    size : int
        Length of the file [bytes].

    Returns
    -------
    syntax : str
        TransferSyntaxUID.
    length : int
        Bytes that the object has, unpacked if it is deflated.

    Raises
    ------
    ImageReadError
        If the group is damaged or does not name a transfer syntax.
    """
    file.seek(132)
    syntax = ""
    while True:
        start = file.tell()
        head = file.read(8)
        if head[:2] != b"\x02\0" or len(head) < 8:
            break
        if head[4:6] in _LONG_VR:
            length = int.from_bytes(file.read(4), "little")
        elif head[4:6] in _SHORT_VR:
            length = int.from_bytes(head[6:8], "little")
        else:
            raise refuse(path, f"has a meta element of the impossible type {head[4:6]!r}", _AGAIN)
        if length > _LONGEST_ELEMENT or file.tell() + length > size:
            raise refuse(path, f"has a meta element of {length} bytes", _AGAIN)
        value = file.read(length)
        if head[2:4] == b"\x10\0":
            syntax = value.decode("ascii", "replace").strip("\0 ")
    if not syntax:
        raise refuse(path, "does not name its transfer syntax", _AGAIN)
    if syntax == _DEFLATED:
        size = start + _deflated_bytes(path, file, start, size)
    file.seek(0)
    return syntax, size


def _deflated_bytes(path: Location, file: BinaryIO, start: int, size: int) -> int:
    """Unpack in pieces, keeping only the first, count them, and refuse what grows beyond the image it declares."""
    limit, begins = max(2**26, 64 * size), b""
    file.seek(start)
    inflater, found = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof and (data := inflater.unconsumed_tail or file.read(2**16)):
        piece = inflater.decompress(data, 2**20)
        begins = begins + piece if len(begins) < _BEGINS else begins
        found += len(piece)
        if found > limit:
            limit = max(limit, 2**26 + _declared_bytes(begins))
        if found > limit:
            raise refuse(path, f"unpacks to more than {limit} bytes", "export it uncompressed")
    return found


def _declared_bytes(begins: bytes) -> int:
    """Bytes of the pixels that the beginning of an unpacked object declares; 0 if it does not, or beyond any image."""
    from pydicom.filereader import read_dataset

    try:
        found = read_dataset(BytesIO(begins), False, True, stop_when=lambda tag, vr, length: tag >= 0x7FE00000)
        pixels = int(found.Rows) * int(found.Columns) * int(found.get("NumberOfFrames") or 1)
        nbytes = pixels * int(found.SamplesPerPixel) * int(found.BitsAllocated) // 8
    except Exception:  # pydicom raises many types for malformed elements
        return 0
    return nbytes if 0 < pixels <= max_pixels() else 0


def decoder_package(syntax: str) -> str:
    """Packages that give pydicom a decoder for a transfer syntax."""
    if syntax.startswith("1.2.840.10008.1.2.4.8"):
        return "pyjpegls"
    if syntax.startswith(("1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20")):
        return "pylibjpeg pylibjpeg-openjpeg"
    return "pylibjpeg pylibjpeg-libjpeg"


def private_record(dataset: Dataset) -> str:
    """JSON record that our writer left in its private block, or nothing."""
    try:
        value = dataset.private_block(RECORD_GROUP, RECORD_CREATOR)[RECORD_ELEMENT].value
    except KeyError:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
