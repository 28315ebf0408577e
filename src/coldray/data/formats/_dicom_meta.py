"""Before pydicom: the meta group of a DICOM file, read by hand and within limits."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

from coldray.data.formats._safe import Location, refuse

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

RECORD_GROUP = 0x0099
RECORD_CREATOR = "COLDRAY"
RECORD_ELEMENT = 0x01

_DEFLATED = "1.2.840.10008.1.2.1.99"
_LONGEST_ELEMENT = 2**16
_LONG_VR = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_SHORT_VR = (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
             b"SS", b"ST", b"TM", b"UI", b"UL", b"US")  # fmt: skip
_AGAIN = "export it again"


def transfer_syntax(path: Location, file: BinaryIO, size: int) -> str:
    """Transfer syntax from the meta group; a deflated object is unpacked once, under a limit.

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
    str
        TransferSyntaxUID.

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
        _check_deflated(path, file, start, size)
    file.seek(0)
    return syntax


def _check_deflated(path: Location, file: BinaryIO, start: int, size: int) -> None:
    """Unpack in pieces, keeping none, and refuse what grows out of proportion."""
    limit = max(2**26, 64 * size)
    file.seek(start)
    inflater, found = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof and (data := inflater.unconsumed_tail or file.read(2**16)):
        found += len(inflater.decompress(data, 2**20))
        if found > limit:
            raise refuse(path, f"unpacks to more than {limit} bytes", "export it uncompressed")


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
