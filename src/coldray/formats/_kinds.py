"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from coldray.reading import Location, refuse

_EXPORT = "export it as TIFF"

# Name, offset, magic bytes, what to do when it turns up under another name.
_KINDS: tuple[tuple[str, int, bytes, str], ...] = (
    ("TIFF", 0, b"II*\0", "rename it to .tif"),
    ("TIFF", 0, b"MM\0*", "rename it to .tif"),
    ("TIFF", 0, b"II+\0", "rename it to .tif"),
    ("TIFF", 0, b"MM\0+", "rename it to .tif"),
    ("DICOM", 128, b"DICM", "rename it to .dcm"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n", "rename it to .png"),
    ("JPEG", 0, b"\xff\xd8\xff", "rename it to .jpg"),
    ("NPY", 0, b"\x93NUMPY", "rename it to .npy"),
    ("ZIP or NPZ", 0, b"PK\x03\x04", "take its image out; save a single array with numpy.save as .npy"),
    ("HDF5", 0, b"\x89HDF\r\n\x1a\n", "rename it to .h5"),
    ("FITS", 0, b"SIMPLE  =", "rename it to .fits"),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  ", _EXPORT),
    ("GIF", 0, b"GIF8", _EXPORT),
    ("BMP", 0, b"BM", _EXPORT),
    ("PDF", 0, b"%PDF", _EXPORT),
    ("gzip", 0, b"\x1f\x8b", "unpack it"),
    ("pickle", 0, b"\x80\x03", "pickles can run code and are never opened"),
    ("pickle", 0, b"\x80\x04", "pickles can run code and are never opened"),
    ("pickle", 0, b"\x80\x05", "pickles can run code and are never opened"),
)


def kinds_of(file: BinaryIO) -> dict[str, str]:
    """Formats that the first bytes of an open file announce, each with its remedy."""
    file.seek(0)
    head = file.read(132)
    file.seek(0)
    return {name: remedy for name, offset, magic, remedy in _KINDS if head[offset : offset + len(magic)] == magic}


def is_a(kind: str) -> str:
    """Say what a file is: "is a PNG file by its content"."""
    return f"is {'an' if kind in ('HDF5', 'NPY') else 'a'} {kind} file by its content"


def check_kind(path: Location, file: BinaryIO, accepted: Mapping[str, tuple[str, ...]]) -> str:
    """Require that content and file name agree.

    Parameters
    ----------
    path : path-like
        Its suffix is compared with the content.
    file : binary file
        Open for reading; left at its start.
    accepted : mapping of str to tuple of str
        Kinds the caller reads, and the suffixes each may bear. A suffix that
        belongs to none of them is no contradiction (a DICOM file often has none).

    Returns
    -------
    str
        The kind found.

    Raises
    ------
    ImageReadError
        Naming what the file really is.
    """
    suffix = Path(path).suffix.lower()
    found = kinds_of(file)
    for kind in found:
        if kind in accepted and (suffix in accepted[kind] or not any(suffix in each for each in accepted.values())):
            return kind
    for kind, remedy in found.items():
        raise refuse(path, is_a(kind), remedy)
    wanted = next((kind for kind, suffixes in accepted.items() if suffix in suffixes), next(iter(accepted)))
    head = file.read(132)
    file.seek(0)
    text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    looks = "it is text" if text else f"it begins with {head[:8].hex(' ')}"
    raise refuse(path, f"is not {is_a(wanted)[3:]} ({looks})", f"export it again as {wanted}")
