"""PNG (read, write) and JPEG (read): grey images of 8 or 16 bits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.files import write_atomically
from coldray.formats import _pitch, _png, _record
from coldray.formats._kinds import check_kind
from coldray.radiograph import Radiograph
from coldray.reading import (
    Location,
    check_declared,
    check_writable,
    checked,
    one_channel,
    opened,
    reading,
    refuse,
    refuse_writing,
)

read_only: tuple[str, ...] = (".jpg", ".jpeg")
"""File name endings that are read but never written: JPEG would change the pixels."""

suffixes: tuple[str, ...] = (".png", *read_only)
"""File name endings this plug-in answers to."""

carries = frozenset({"pitch", "acquisition", "history", "mask"})
"""What a written file gives back when read."""

DTYPES = "uint8 uint16"
"""Pixel types that can be written."""

# On 16-bit flats level 4 is three times as fast as 6, and no larger.
_LEVEL = 4

# A JPEG block of 64 pixels takes at least some bits; the same bound as for deflate is generous.
_JPEG_RATIO = 1032


def read(path: Location) -> Radiograph:
    """Read a PNG or JPEG file that is grey, or whose colour channels are all equal.

    Parameters
    ----------
    path : path-like
        File ending in .png, .jpg or .jpeg; its content must agree.

    Returns
    -------
    Radiograph
        uint8 or uint16 stored values, (rows, cols); pixel pitch from pHYs or
        the JFIF density, unless that is a program's default of 72 or 96 dpi.

    Raises
    ------
    ImageReadError
        If the file is damaged, in colour, has a palette or true transparency,
        or holds less than 8 bits or colour of 16 bits.

    References
    ----------
    Portable Network Graphics, third edition (W3C).
    """
    with opened(path) as (file, size), reading(path, "JPEG" if _is_jpeg(path) else "PNG"):
        kind = check_kind(path, file, {"PNG": (".png",), "JPEG": read_only})
        return _read_png(path, file, size) if kind == "PNG" else _read_jpeg(path, file, size)


def _is_jpeg(path: Location) -> bool:
    return Path(path).suffix.lower() in read_only


def _read_png(path: Location, file: BinaryIO, size: int) -> Radiograph:
    """Check every chunk, then let Pillow undo the row filters."""
    from PIL import PngImagePlugin

    png = _png.parse(path, file, size)
    notes: list[str] = []
    if png.colour_type == _png.PALETTE:
        raise refuse(path, "is a palette image", "save it as greyscale")
    if png.bits < 8:
        raise refuse(path, f"has {png.bits} bits per pixel", "save it as 8 or 16 bit greyscale")
    if png.animated:
        raise refuse(path, "is animated", "save one frame")
    bits, colour_type = png.bits, png.colour_type
    if bits == 16 and colour_type in (_png.RGB, _png.RGBA):
        raise refuse(path, "is a 16-bit colour PNG, which cannot be read without loss", "save it as 16 bit greyscale")
    if bits == 16 and colour_type == _png.GREY_ALPHA:
        bits, colour_type = 8, _png.RGBA  # the same 4 bytes a pixel, which Pillow does not cut to 8 bits
    image = PngImagePlugin.PngImageFile(io.BytesIO(png.rebuilt(bits, colour_type)))
    pixels: NDArray[np.number] = np.asarray(image)
    if png.bits == 16 and png.colour_type == _png.GREY_ALPHA:
        pixels = pixels.view(">u2")
    if png.colour_type != _png.GREY:
        alpha = png.colour_type in (_png.GREY_ALPHA, _png.RGBA)
        pixels, notes = one_channel(path, pixels, alpha)
    if png.transparent_key:
        notes.append("a transparent grey level was ignored")
    if png.gamma and abs(png.gamma - 1) > 0.01:
        notes.append(
            f"values are said to be encoded for a display (gAMA or sRGB, exponent {png.gamma:.3g}); they are kept as "
            "stored, which is right only if they are linear in the dose all the same"
        )
    if png.trailing:
        notes.append("data after the end of the image was ignored")
    if pixels.shape != (png.rows, png.cols) or pixels.dtype.itemsize * 8 != png.bits:
        raise refuse(path, f"decodes to {pixels.shape} {pixels.dtype}", "export it again as greyscale")
    record = _record.loads(png.record) or _record.Record({}, (), {})
    pitch = _png_pitch(png, record.known.get("pixel_pitch_mm"), notes)
    pixels = checked(path, pixels)
    mask = _record.mask_of(record, pixels, notes)
    acquisition = _record.acquire({**record.known, "pixel_pitch_mm": pitch}, notes)
    return Radiograph(pixels, acquisition, _record.noted(record.history, "png", notes), mask=mask)


def _png_pitch(png: _png.PngFile, recorded: float | None, notes: list[str]) -> float | None:
    """Pixel pitch [mm] from pHYs; our record holds the digits that pHYs rounds away."""
    if png.pixels_per_metre is None:
        return recorded
    if recorded is not None and png.pixels_per_metre == (round(1000 / recorded),) * 2:
        return recorded
    return _pitch.from_density(*png.pixels_per_metre, 1000.0, "pHYs", notes)


def _read_jpeg(path: Location, file: BinaryIO, size: int) -> Radiograph:
    """Decode a JPEG whose declared size is plausible; lossy, and said so."""
    from PIL import JpegImagePlugin

    image = JpegImagePlugin.JpegImageFile(file)
    cols, rows = image.size
    check_declared(path, (rows, cols), len(image.getbands()), size, _JPEG_RATIO)
    if image.mode not in ("L", "RGB"):
        raise refuse(path, f"is a {image.mode} colour JPEG", "save it as greyscale")
    pixels: NDArray[np.number] = np.asarray(image)
    notes = ["JPEG: pixels were changed by lossy compression"]
    if image.mode == "RGB":
        pixels, found = one_channel(path, pixels, alpha=False)
        notes += found
    if (orientation := image.getexif().get(274, 1)) != 1:
        notes.append(f"Orientation is {orientation}: rows and columns are kept as stored")
    unit_mm = {1: _pitch.MM_PER_INCH, 2: 10.0}.get(image.info.get("jfif_unit", 0))
    x, y = image.info.get("jfif_density", (0, 0))
    pitch = _pitch.from_density(x, y, unit_mm, "JFIF density", notes) if unit_mm else None
    acquisition = _record.acquire({"pixel_pitch_mm": pitch}, notes)
    return Radiograph(checked(path, pixels), acquisition, _record.noted((), "jpeg", notes))


def write(path: Location, radiograph: Radiograph) -> None:
    """Write a greyscale PNG whole or not at all; the same radiograph gives the same bytes.

    Parameters
    ----------
    path : path-like
        Final name, ending in .png.
    radiograph : Radiograph
        One frame of uint8 or uint16.

    Raises
    ------
    ImageWriteError
        For a JPEG name, several frames or another type; TIFF takes all of them.

    Notes
    -----
    pHYs holds whole pixels per metre; the exact pitch, the acquisition and the
    history are in a text chunk named coldray.
    """
    if _is_jpeg(path):
        raise refuse_writing(path, "is not written: JPEG would change its pixels", "write TIFF or PNG instead")
    if radiograph.pixels.ndim != 2:
        frames = radiograph.pixels.shape[0]
        raise refuse_writing(
            path, f"cannot be written: PNG holds one frame, not {frames}", "write a multi-page TIFF instead"
        )
    pixels = check_writable(path, radiograph.pixels, "PNG", DTYPES, "write TIFF, or convert it to uint16")
    pitch = radiograph.acquisition.pixel_pitch_mm

    def save(file: BinaryIO) -> None:
        from PIL import Image, PngImagePlugin

        extra = PngImagePlugin.PngInfo()
        if pitch and 0 < (density := round(1000 / pitch)) < 2**31:
            extra.add(b"pHYs", density.to_bytes(4, "big") * 2 + b"\x01")
        extra.add(b"iTXt", _png.RECORD_KEYWORD + b"\0\0\0\0\0" + _record.dumps(radiograph).encode("ascii"))
        Image.fromarray(pixels).save(file, format="PNG", pnginfo=extra, compress_level=_LEVEL)

    write_atomically(path, save)
