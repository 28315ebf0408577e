"""TIFF, plain, tiled, BigTIFF and multi-page: stored values in, the same type out.

Reading keeps what the file stores (no inversion of MinIsWhite, no turning by the
Orientation tag) and says so in a history step. Writing puts the exact pixel pitch
into the resolution tags and the record of the image into its description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.files import write_atomically
from coldray.formats import _pitch, _record, _tiff_tags
from coldray.formats._kinds import check_kind
from coldray.formats._tiff_codecs import DEFLATE, PACKBITS, check_codec
from coldray.formats._tiff_layout import Layout, Page, stored_bytes
from coldray.formats._tiff_tags import NO_VALUE, TiffCarrier
from coldray.formats._values import calibrated, without_value
from coldray.radiograph import Radiograph
from coldray.reading import Location, check_declared, check_writable, checked, one_channel, opened, reading, refuse
from coldray.scratch import is_large, release, scratch_array, strips, tidy

if TYPE_CHECKING:
    from tifffile import TiffFile

suffixes: tuple[str, ...] = (".tif", ".tiff", ".btf", ".tf8")
"""File name endings this plug-in answers to."""

carries = frozenset({"pitch", "acquisition", "history", "mask"})
"""What a written file gives back when read."""

DTYPES = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64"
"""Pixel types that can be written."""

_GREY, _RGB = (0, 1), 2
_PHOTOMETRIC = {3: "a palette", 4: "a mask", 5: "a CMYK colour", 6: "a YCbCr colour", 8: "a CIELab colour"}
# On 16-bit flats level 4 is four times as fast as 6, and no larger.
_LEVEL = 4
_BUILT_IN = (1, *DEFLATE, PACKBITS)


def read(path: Location) -> Radiograph:
    """Read a greyscale TIFF file with its pixel pitch, record and tags.

    Parameters
    ----------
    path : path-like
        File ending in .tif, .tiff, .btf or .tf8.

    Returns
    -------
    Radiograph
        Stored values in native byte order, (rows, cols) for one page and
        (frames, rows, cols) for several. Resolution without a unit and the
        screen defaults 72 and 96 dpi leave the pitch unknown.

    Raises
    ------
    ImageReadError
        If the file is damaged, in colour, needs a decoder that is not
        installed, or holds anything that is not finite.

    References
    ----------
    TIFF revision 6.0 (Adobe, 1992); BigTIFF as in libtiff.
    """
    with opened(path) as (file, size), reading(path, "TIFF"):
        check_kind(path, file, {"TIFF": suffixes})
        layout = Layout(path, file, size)
        notes: list[str] = []
        numbers = _full_size(layout, notes)
        pages = [layout.pages[number] for number in numbers]
        description = _tiff_tags.description(layout, pages[0], notes)
        stack = _check_pages(layout, pages, description)
        calibration = _tiff_tags.calibration(layout, pages[0], description)
        pixels = checked(path, stack(layout, numbers, notes))
        blank = without_value(pixels, layout.text(pages[0], NO_VALUE) or None, "GDAL", notes)
        if calibration is not None:
            pixels = checked(path, calibrated(pixels, calibration, notes))
        foreign = _record.Record({}, (), _tiff_tags.source(layout, pages[0], description))
        record = _record.loads(description) or foreign
        recorded = record.known.get("pixel_pitch_mm")
        pitch = _tiff_tags.pitch_mm(layout, pages[0], description, recorded, notes)
        carrier = TiffCarrier(
            compressed=pages[0].compression != 1,
            differenced=pages[0].predictor != 1,
            photometric=pages[0].photometric if pages[0].photometric in _GREY else 1,
            tile=pages[0].segment if pages[0].tiled else None,
            source=record.source,
            carried=_tiff_tags.carried(layout, pages[0]),
        )
        mask = _record.mask_of(record, pixels, notes)
        acquisition = _record.acquire({**record.known, "pixel_pitch_mm": pitch}, notes)
        return Radiograph(pixels, acquisition, _record.noted(record.history, "tiff", notes), carrier, mask).with_mask(
            blank
        )


def _full_size(layout: Layout, notes: list[str]) -> list[int]:
    """Numbers of the pages that are images; thumbnails and masks are left out and noted."""
    numbers = [number for number, page in enumerate(layout.pages) if not page.reduced]
    if not numbers:
        return list(range(len(layout.pages)))
    if skipped := len(layout.pages) - len(numbers):
        notes.append(f"{skipped} reduced-size or mask pages were left out")
    return numbers


def _check_pages(
    layout: Layout, pages: list[Page], description: str
) -> Callable[[Layout, list[int], list[str]], NDArray[np.number]]:
    """Refuse what is not a stack of equal grey frames, before any pixel is decoded; says how to decode the rest."""
    path, first = layout.path, pages[0]
    for page in pages:
        if (page.rows, page.cols) != (first.rows, first.cols):
            sizes = f"{first.rows} x {first.cols} and {page.rows} x {page.cols}"
            raise refuse(path, f"has pages of different sizes ({sizes})", "save them as separate files")
        if (page.bits, page.sample_format, page.samples) != (first.bits, first.sample_format, first.samples):
            raise refuse(path, "has pages of different pixel types", "save them as separate files")
        if page.photometric not in (*_GREY, _RGB):
            kind = _PHOTOMETRIC.get(page.photometric, f"a photometric type {page.photometric}")
            raise refuse(path, f"is {kind} image", "save it as greyscale")
        if page.sample_format not in (1, 2, 3, 4) or page.bits == 1:
            kind = "1-bit" if page.bits == 1 else "complex"
            raise refuse(path, f"holds {kind} values, not intensities", "save it as 8 or 16 bit greyscale")
        _check_decoder(layout, page)
    frames = max(_tiff_tags.declared_frames(description, first), len(pages))
    check_declared(path, (frames, first.rows, first.cols), 1, 2**62)
    if _tiff_tags.declared_shape(description) == (first.samples, first.rows, first.cols) and first.planar == 2:
        return _planes if len(pages) == 1 else _decode
    if frames == len(pages):
        return _decode
    if len(pages) > 1 or not _is_plain(first):
        cause = f"declares {frames} frames but lists {len(pages)} pages"
        raise refuse(path, cause, "save it again as an ordinary multi-page TIFF")
    return partial(_contiguous, frames)


def _is_plain(page: Page) -> bool:
    """Whether the strips of a page are one block of uncompressed grey values, as writers of long stacks leave it."""
    joined = all(a + n == b for (a, n), (b, _) in pairwise(page.segments))
    return joined and page.compression == 1 and page.samples == 1 and page.bits in (8, 16, 32, 64) and not page.tiled


def _contiguous(frames: int, layout: Layout, numbers: list[int], notes: list[str]) -> NDArray[np.number]:
    """Frames of a stack with one directory: the others follow the first without a gap (ImageJ over 4 GB, tifffile)."""
    page = layout.pages[numbers[0]]
    kind = {2: "i", 3: "f"}.get(page.sample_format, "u")
    shape, start = (frames, page.rows, page.cols), page.segments[0][0]
    nbytes = check_declared(layout.path, shape, page.bits // 8, layout.size - start)
    layout.file.seek(start)
    data = layout.file.read(nbytes)
    notes.append(f"one directory for {frames} frames: they are read as lying one behind the other, as ImageJ does")
    return np.frombuffer(data, f"{layout.order}{kind}{page.bits // 8}").reshape(shape)


def _planes(layout: Layout, numbers: list[int], notes: list[str]) -> NDArray[np.number]:
    """Frames that a library took for colour planes because there are three or four of them."""
    import tifffile

    (number,) = numbers
    layout.check_segments(layout.pages[number])
    notes.append(
        f"{layout.pages[number].samples} colour planes are read as frames: the description speaks of an array of images"
    )
    layout.file.seek(0)
    with tifffile.TiffFile(layout.file) as tif:
        return np.moveaxis(_samples(layout, number, tif), -1, 0)


def _check_decoder(layout: Layout, page: Page) -> None:
    """Refuse samples that do not go with their compression; name the extra if the decoder is not installed."""
    check_codec(layout.path, page.compression, page.sample_format, page.bits, page.predictor)
    needs = page.compression not in _BUILT_IN or page.predictor == 3 or page.bits not in (8, 16, 32, 64)
    if needs and find_spec("imagecodecs") is None:
        what = f"compression {page.compression}, predictor {page.predictor}, {page.bits} bits"
        remedy = "pip install 'coldray[codecs]', or save it uncompressed"
        raise refuse(layout.path, f"needs the package imagecodecs ({what})", remedy)


def _decode(layout: Layout, numbers: list[int], notes: list[str]) -> NDArray[np.number]:
    """Decode the numbered pages, each checked against its directory first."""
    import tifffile

    stack: NDArray[np.number] | None = None
    layout.file.seek(0)
    with tifffile.TiffFile(layout.file) as tif:
        for k, number in enumerate(numbers):
            page = layout.pages[number]
            layout.check_segments(page)
            samples = _samples(layout, number, tif)
            frame = samples if page.samples == 1 else _grey(layout, page, samples, notes)
            if len(numbers) == 1:
                return frame
            if stack is None:
                shape, kind = (len(numbers), page.rows, page.cols), frame.dtype.newbyteorder("=")
                stack = scratch_array(shape, kind) if is_large(shape) else np.empty(shape, kind)
            stack[k] = frame
            release(stack)
    assert stack is not None
    return stack


def _samples(layout: Layout, number: int, tif: TiffFile) -> NDArray[np.number]:
    """Values of one page, (rows, cols) or (rows, cols, samples)."""
    page = layout.pages[number]
    large = is_large((page.rows, page.cols)) and page.samples == 1
    kept = scratch_array((page.rows, page.cols), tif.pages[number].dtype) if large else None
    samples: NDArray[np.number] = np.asarray(tif.pages[number].asarray(out=kept, maxworkers=1))
    release(kept)
    shape = (page.rows, page.cols) + ((page.samples,) if page.samples > 1 else ())
    if page.planar == 2 and page.samples > 1:
        samples = np.moveaxis(samples, 0, -1)
    if samples.shape != shape:
        raise refuse(layout.path, f"decodes to {samples.shape} instead of {shape}", "export it again")
    return samples


def _grey(layout: Layout, page: Page, samples: NDArray[np.number], notes: list[str]) -> NDArray[np.number]:
    """One channel of a page with several, where nothing is lost."""
    colours = 3 if page.photometric == _RGB else 1
    extra = page.samples - colours
    alpha = extra == 1 and page.extra_samples[:1] in ((1,), (2,))
    if extra and not alpha:
        raise refuse(layout.path, f"has {page.samples} samples per pixel", "save one channel as greyscale")
    frame, found = one_channel(layout.path, samples, alpha)
    notes.extend(note for note in found if note not in notes)
    return frame


def write(path: Location, radiograph: Radiograph) -> None:
    """Write a TIFF file whole or not at all; the same radiograph gives the same bytes.

    Parameters
    ----------
    path : path-like
        Final name; an older file there is replaced only at the very end.
    radiograph : Radiograph
        Any integer or float type up to 64 bits; a stack becomes pages.

    Raises
    ------
    ImageWriteError
        If the pixels are not finite or the disk does not take the file.

    Notes
    -----
    Little endian, no date. Pixel pitch as an exact rational per centimetre
    (49.5 um gives 20000/99). Compressed only if the source was, in tiles only if the source was; BigTIFF above 4 GB.
    """
    pixels = check_writable(path, radiograph.pixels, "TIFF", DTYPES, "convert it to float32 or uint16")
    carrier = radiograph.carrier if isinstance(radiograph.carrier, TiffCarrier) else None
    pitch = radiograph.acquisition.pixel_pitch_mm
    resolution = _pitch.pixels_per_cm(pitch) if pitch else None
    description = _record.dumps(radiograph, carrier.source if carrier else None)
    frames = pixels.shape[0] if pixels.ndim == 3 else 1
    tile = carrier.tile if carrier else None
    size = stored_bytes(pixels.shape, pixels.itemsize, tile) + len(description) + 1024 * frames
    options: dict[str, Any] = {"tile": tile}
    if carrier and carrier.compressed:
        options |= {"compression": "zlib", "compressionargs": {"level": _LEVEL}, "maxworkers": 1}
        options["predictor"] = carrier.differenced and pixels.dtype.kind != "f"

    def save(file: BinaryIO) -> None:
        import tifffile

        tifffile.imwrite(
            file,
            _in_parts(pixels, tile, "compression" in options) if is_large(pixels.shape) else pixels,
            shape=pixels.shape,
            dtype=pixels.dtype,
            bigtiff=size > 2**32 - 2**25,
            byteorder="<",
            photometric="miniswhite" if carrier and carrier.photometric == 0 else "minisblack",
            resolution=(resolution, resolution) if resolution else None,
            resolutionunit="CENTIMETER" if resolution else "NONE",
            description=description,
            metadata=None,
            software=_record.software(),
            extratags=carrier.carried if carrier else (),
            **options,
        )

    write_atomically(path, save)


def _in_parts(
    pixels: NDArray[np.number], tile: tuple[int, int] | None, compressed: bool
) -> Iterator[NDArray[np.number]]:
    """Pixels of a large image in the order of the file, as little of them in memory at once as its layout allows."""
    rows, cols = pixels.shape[-2:]
    for page in np.asarray(pixels).reshape(-1, rows, cols):
        if tile is None and compressed:
            yield page
            tidy()
        elif tile is None:
            yield from (page[strip] for strip in strips(page.shape))
        else:
            for strip in strips(page.shape, step=tile[0]):
                for first in range(strip.start, strip.stop, tile[0]):
                    part = page[first : first + tile[0]]
                    yield from (part[:, left : left + tile[1]] for left in range(0, cols, tile[1]))
