"""FITS: the first image of a file, one frame or a stack (extra `science`)."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.files import write_atomically
from coldray.formats import _pitch, _record
from coldray.formats._kinds import check_kind
from coldray.radiograph import Radiograph
from coldray.reading import (
    DEFLATE_RATIO,
    Location,
    check_declared,
    check_writable,
    checked,
    needs_extra,
    opened,
    reading,
    refuse,
)

if TYPE_CHECKING:
    from astropy.io.fits import Header

suffixes: tuple[str, ...] = (".fits", ".fit", ".fts")
"""File name endings this plug-in answers to."""

carries: frozenset[str] = frozenset()
"""What a written file gives back when read: pixels alone."""

DTYPES = "uint8 int16 uint16 int32 uint32 int64 float32 float64"
"""Pixel types that can be written."""


def read(path: Location) -> Radiograph:
    """Read the first two- or three-dimensional image of a FITS file.

    Parameters
    ----------
    path : path-like
        File ending in .fits, .fit or .fts.

    Returns
    -------
    Radiograph
        Rows in the order of the file. BZERO alone gives unsigned integers; BSCALE is applied and noted. Exposure from
        EXPTIME [s], pixel pitch from XPIXSZ and YPIXSZ [um].

    Raises
    ------
    ImageReadError
        If the file is damaged, holds no image, or astropy is not installed.

    References
    ----------
    FITS standard 4.0 (IAU FITS Working Group, 2018).
    """
    with opened(path) as (file, size), reading(path, "FITS"):
        check_kind(path, file, {"FITS": suffixes})
        needs_extra(path, "astropy")
        from astropy.io import fits

        notes: list[str] = []
        with fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=True) as units:
            images = [unit for unit in units if unit.is_image and len(unit.shape) in (2, 3)]
            if not images:
                raise refuse(path, "holds no two- or three-dimensional image", "give an image")
            unit = images[0]
            if len(images) > 1:
                notes.append(f"{len(images) - 1} further images of the file were left out")
            header = unit.header
            kind = int(header.get("ZBITPIX", header["BITPIX"]))
            bits, stored = abs(kind), header.get("BLANK") if kind > 0 else None
            packed = DEFLATE_RATIO if isinstance(unit, fits.CompImageHDU) else 1
            check_declared(path, tuple(unit.shape), bits // 8, size, packed)
            slope, zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
            if slope != 1:
                notes.append(f"scale of the file applied: value = {zero:.9g} + {slope:.9g} x stored value")
            values: NDArray[np.number] = np.array(unit.data)
            blank = _blank(values, stored, slope, zero)
            pixels = checked(path, values)
            if blank is not None:
                notes.append(f"{100 * blank.mean():.3g} % of the image is blank (BLANK), not signal: it is masked")
        known: dict[str, Json] = {"exposure_s": _number(header, "EXPTIME")}
        x, y = _number(header, "XPIXSZ"), _number(header, "YPIXSZ")
        if x is not None:
            known["pixel_pitch_mm"] = _pitch.square_pitch(x * 1e-3, (y or x) * 1e-3, "XPIXSZ", notes)
        acquisition = _record.acquire(known, notes)
        return Radiograph(pixels, acquisition, _record.noted((), "fits", notes)).with_mask(blank)


def _blank(
    values: NDArray[np.number], stored: int | float | str | bool | None, slope: float, zero: float
) -> NDArray[np.bool_] | None:
    """Where a frame of integers has no value, or None; what stands for none gets its number back."""
    if not isinstance(stored, int) or isinstance(stored, bool):
        return None
    number = zero + slope * stored
    off: NDArray[np.bool_] = np.isnan(values) if values.dtype.kind == "f" else values == number
    values[off] = number
    off = off if off.ndim == 2 else np.any(off, axis=0)
    return off if off.any() else None


def _number(header: Header, name: str) -> float | None:
    value = header.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None


def write(path: Location, radiograph: Radiograph) -> None:
    """Write the pixels whole or not at all; pitch and history do not go along.

    Parameters
    ----------
    path : path-like
        Final name.
    radiograph : Radiograph
        Integers up to 64 bits or floats of 32 and 64 bits.

    Raises
    ------
    ImageWriteError
        If the pixels are of another type or not finite, or the disk does not take the file.
    """
    needs_extra(path, "astropy", writing=True)
    pixels = check_writable(path, radiograph.pixels, "FITS", DTYPES, "write TIFF, or convert it to float32")

    def save(file: BinaryIO) -> None:
        from astropy.io import fits

        buffer = BytesIO()
        fits.PrimaryHDU(pixels).writeto(buffer)
        file.write(buffer.getbuffer())

    write_atomically(path, save)
