"""DICOM and DICONDE: stored values in, a derived object out.

Neither the rescale function, MONOCHROME1 nor a window is applied: they are for the
display. What they would do is said in a history step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.files import write_atomically
from coldray.formats import _dicom_meta, _dicom_padding, _pitch, _record
from coldray.formats._codestream import check_codestream
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

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

suffixes: tuple[str, ...] = (".dcm", ".dicom", ".dic")
"""File name endings this plug-in answers to."""

carries = frozenset({"pitch", "acquisition", "history", "mask"})
"""What a written file gives back when read."""

DTYPES = "uint8 uint16 uint32 int8 int16 int32"
"""Pixel types that can be written."""

_AGAIN = "export it again"
# Bytes that one byte of an RLE segment can become (PS3.5 annex G). Codestreams state their own size instead.
_RLE_RATIO = 64
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# Tried in this order. The first two are stated at the detector, as MTFs are (PS3.3 C.8.11.4, 10.7.1.3).
_SPACINGS = (
    ("ImagerPixelSpacing", None),
    ("DetectorElementSpacing", None),
    ("ImagePlanePixelSpacing", "pixel pitch is from ImagePlanePixelSpacing, stated at the RT image plane"),
    ("PixelSpacing", "pixel pitch is from PixelSpacing, which may be stated at the object, not at the detector"),
)


@dataclass(frozen=True)
class DicomCarrier:
    """The data set of the source without its pixels, given back to the DICOM writer."""

    dataset: Dataset

    def tags(self) -> dict[str, str]:
        """Elements for people to read, under their DICONDE names."""
        from coldray.formats._diconde import named

        return named(self.dataset)


def read(path: Location) -> Radiograph:
    """Read the stored values of a greyscale DICOM or DICONDE object.

    Parameters
    ----------
    path : path-like
        A DICOM part 10 file, under any name without a suffix of another format.

    Returns
    -------
    Radiograph
        Stored values, (rows, cols) or (frames, rows, cols). Pixel pitch at the
        detector, tube voltage, exposure, magnification and linearity as far as
        the object states them.

    Raises
    ------
    ImageReadError
        If the object is damaged, in colour, without pixels, or compressed by a
        method whose decoder is not installed.

    References
    ----------
    DICOM PS3.3 and PS3.5; ASTM E2339 and E2699 (DICONDE) use the same tags.
    """
    with opened(path) as (file, size), reading(path, "DICOM"):
        check_kind(path, file, {"DICOM": suffixes})
        notes: list[str] = []
        dataset = _dataset(path, file, size, notes)
        pixels = checked(path, _pixels(path, dataset, notes))
        padding = _dicom_padding.padded(dataset, pixels, notes)
        for name in _PIXELS:
            if name in dataset:
                delattr(dataset, name)
        _remark(dataset, notes)
        record = _record.loads(_dicom_meta.private_record(dataset)) or _record.Record({}, (), {})
        mask = _record.mask_of(record, pixels, notes)
        acquisition = _record.acquire(_merged(record.known, stated(dataset, notes)), notes)
        history = _record.noted(record.history, "dicom", notes)
        return Radiograph(pixels, acquisition, history, DicomCarrier(dataset), mask).with_mask(padding)


def _dataset(path: Location, file: BinaryIO, size: int, notes: list[str]) -> Dataset:
    """Parse the object: first without pixels, to compare what it declares with what it has."""
    import pydicom
    from pydicom.datadict import keyword_for_tag
    from pydicom.dataelem import RawDataElement
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    uid, unpacked = _dicom_meta.transfer_syntax(path, file, size)
    syntax = UID(uid)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise refuse(path, f"has the unknown transfer syntax {syntax}", "export it uncompressed") from error
    header = pydicom.dcmread(file, stop_before_pixels=True)
    check_header(path, header, syntax, unpacked)
    if syntax.is_encapsulated and not decoder.is_available:
        package = _dicom_meta.decoder_package(syntax)
        raise refuse(path, f"is compressed ({syntax.name})", f"pip install {package}, or export it uncompressed")
    file.seek(0)
    dataset = pydicom.dcmread(file)
    raw = [element for element in dataset.values() if isinstance(element, RawDataElement)]
    pixels_at = [element.value_tell for element in raw if keyword_for_tag(element.tag) in _PIXELS]
    for element in raw:
        if element.length not in (len(element.value or b""), 0xFFFFFFFF):
            if not any(element.value_tell > at for at in pixels_at):
                raise refuse(path, f"ends within its element {element.tag}", "it was cut; copy it again")
            del dataset[element.tag]
            notes.append("what follows the pixels is no DICOM element and was left out")
    return dataset


def _integer(path: Location, dataset: Dataset, name: str, default: int | None = None) -> int:
    """Value of a required whole number."""
    value = dataset.get(name)
    if value is None and default is not None:
        return default
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise refuse(path, f"has no usable {name}" if value is None else f"has {name} {value!r}", _AGAIN) from error


def check_header(path: Location, dataset: Dataset, syntax: UID, size: int) -> None:
    """Compare rows, columns, frames and bits of an object with each other and with its length; no pixel is looked at.

    Parameters
    ----------
    path : path-like
        Named in messages.
    dataset : pydicom Dataset
        The elements before the pixels.
    syntax : UID
        Transfer syntax.
    size : int
        Length of the object [bytes], unpacked if it is deflated.

    Raises
    ------
    ImageReadError
        If they do not fit, or it is no image.
    """
    from pydicom.uid import RLELossless

    stored = _RLE_RATIO * size if syntax == RLELossless else 2**62 if syntax.is_encapsulated else size
    if "Rows" not in dataset and "Columns" not in dataset:
        raise refuse(path, "is a DICOM object without an image", "give an image object")
    rows, cols = _integer(path, dataset, "Rows"), _integer(path, dataset, "Columns")
    frames, samples = _integer(path, dataset, "NumberOfFrames", 1), _integer(path, dataset, "SamplesPerPixel", 1)
    allocated = _integer(path, dataset, "BitsAllocated")
    signed = _integer(path, dataset, "PixelRepresentation", 0)
    bits = _integer(path, dataset, "BitsStored", allocated)
    high = _integer(path, dataset, "HighBit", bits - 1)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if allocated not in (8, 16, 32, 64) or not 1 <= bits <= allocated or high != bits - 1 or signed not in (0, 1):
        found = f"BitsAllocated {allocated}, BitsStored {bits}, HighBit {high}, PixelRepresentation {signed}"
        raise refuse(path, f"has {found}, which do not fit together", _AGAIN)
    if (samples, photometric) not in ((1, "MONOCHROME1"), (1, "MONOCHROME2"), (3, "RGB")):
        kind = photometric or "no PhotometricInterpretation"
        raise refuse(path, f"has {samples} samples per pixel and {kind}", "save it as MONOCHROME2")
    shape = (rows, cols) if frames == 1 else (frames, rows, cols)
    check_declared(path, shape, samples * allocated // 8, stored)


def verbs_of(dataset: Dataset) -> list[str]:
    """What coldray did to an object before, oldest first, by the record in its private block; nothing for others' objects."""
    record = _record.loads(_dicom_meta.private_record(dataset))
    return [step.verb for step in record.history] if record is not None else []


def _pixels(path: Location, dataset: Dataset, notes: list[str]) -> NDArray[np.number]:
    """Stored values; bits that do not belong to the sample are left out (PS3.5 8.1.1)."""
    names = [name for name in _PIXELS if name in dataset]
    if len(names) != 1:
        found_names = " and ".join(names) or "no PixelData"
        raise refuse(path, f"has {found_names}", "export it again with one set of pixels")
    rows, cols = int(dataset.Rows), int(dataset.Columns)
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    value = dataset[names[0]].value
    needed = frames * rows * cols * samples * int(dataset.BitsAllocated) // 8
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _check_frames(path, dataset, value, (frames, rows, cols, samples))
    elif len(value) < needed:
        raise refuse(path, f"has PixelData of {len(value)} bytes where {needed} are declared", _AGAIN)
    elif (excess := len(value) - needed - needed % 2) > 0:
        if len(value) % needed == 0:
            cause = f"has PixelData of {len(value)} bytes, {len(value) // needed} times the {needed} that are declared"
            raise refuse(path, cause, "state the number of frames, and " + _AGAIN)
        notes.append(f"{excess} bytes after the pixels were left out")
    pixels: NDArray[np.number] = np.asarray(dataset.pixel_array)
    if samples > 1:
        pixels, found = one_channel(path, pixels, alpha=False)
        notes += found
    shape = (rows, cols) if frames == 1 else (frames, rows, cols)
    if pixels.shape != shape:
        raise refuse(path, f"decodes to {pixels.shape} instead of {shape}", _AGAIN)
    return pixels


def _check_frames(path: Location, dataset: Dataset, value: bytes, shape: tuple[int, int, int, int]) -> None:
    """Require that there are as many compressed frames as declared, and that each states the declared size."""
    from pydicom.encaps import generate_frames
    from pydicom.uid import RLELossless

    frames, rows, cols, samples = shape
    extended = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        extended = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    found = 0
    for frame in generate_frames(value, number_of_frames=frames, extended_offsets=extended):
        found += 1
        if dataset.file_meta.TransferSyntaxUID != RLELossless:
            check_codestream(path, frame, rows, cols, samples)
    if found != frames:
        raise refuse(path, f"holds {found} compressed frames where {frames} are declared", _AGAIN)


def _remark(dataset: Dataset, notes: list[str]) -> None:
    """Say what a display would do to these values and we do not."""
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    if (slope is not None and slope != 1) or (intercept is not None and intercept != 0):
        notes.append(f"stored values are kept: RescaleSlope {slope}, RescaleIntercept {intercept} not applied")
    if "ModalityLUTSequence" in dataset:
        notes.append("stored values are kept: the modality look-up table is not applied")
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("MONOCHROME1: stored values are kept, larger means darker on a display")
    if str(dataset.get("LossyImageCompression", "")) == "01":
        notes.append("pixels were changed by lossy compression before")


def _number(dataset: Dataset, name: str) -> float | None:
    """A finite number, or nothing: damaged text counts as absent."""
    try:
        value = float(dataset.get(name))  # type: ignore[arg-type]
    except Exception:  # pydicom raises many types for malformed decimal strings
        return None
    return value if math.isfinite(value) else None


def _positive(dataset: Dataset, name: str, unit: float = 1.0) -> float | None:
    value = _number(dataset, name)
    return value * unit if value is not None and value > 0 else None


def stated(dataset: Dataset, notes: list[str]) -> dict[str, Json]:
    """Acquisition as the standard tags state it; None where they do not.

    Parameters
    ----------
    dataset : pydicom Dataset
        Not changed.
    notes : list of str
        Is told of doubtful sources.

    Returns
    -------
    dict
        Fields of `Acquisition`, lengths in mm, times in s, voltage in kV.
    """
    known: dict[str, Json] = {
        "pixel_pitch_mm": None,
        "tube_voltage_kv": _positive(dataset, "KVP"),
        "exposure_s": _positive(dataset, "ExposureTimeInuS", 1e-6) or _positive(dataset, "ExposureTime", 1e-3),
        "magnification": _positive(dataset, "EstimatedRadiographicMagnificationFactor"),
        "linear": None,
        "inverted": None,
    }
    for name, remark in _SPACINGS:
        try:
            rows_mm, columns_mm = (float(value) for value in dataset[name].value)
        except Exception:  # absent, empty, one number, or malformed
            continue
        known["pixel_pitch_mm"] = _pitch.square_pitch(columns_mm, rows_mm, name, notes)
        if remark:
            notes.append(remark)
        break
    if known["pixel_pitch_mm"] is None and (aspect := _aspect(dataset)) not in (None, 1.0):
        notes.append(f"PixelAspectRatio says that pixels are not square ({aspect:.4g} times as high as wide)")
    relation = str(dataset.get("PixelIntensityRelationship", "")).upper()
    if relation in ("LIN", "LOG", "DISP"):
        known["linear"] = relation == "LIN"
        if relation == "LIN" and _number(dataset, "PixelIntensityRelationshipSign") == -1:
            known["inverted"] = True
            notes.append("pixel values fall as the X-ray intensity rises (PixelIntensityRelationshipSign -1)")
    return known


def _aspect(dataset: Dataset) -> float | None:
    """Height of a pixel over its width; None if it is not stated."""
    try:
        high, wide = (float(value) for value in dataset.PixelAspectRatio)
        return high / wide if high > 0 and wide > 0 else None
    except Exception:  # absent, one number, or malformed
        return None


def _merged(recorded: Mapping[str, Json], known: Mapping[str, Json]) -> dict[str, Json]:
    """Standard tags win over our private record, unless the record only has more digits."""
    merged = dict(recorded)
    for name, value in known.items():
        old = recorded.get(name)
        same = isinstance(value, float) and isinstance(old, (int, float)) and math.isclose(old, value, rel_tol=1e-9)
        if value is not None and not same:
            merged[name] = value
    return merged


def write(path: Location, radiograph: Radiograph) -> None:
    """Write a derived DICOM object whole or not at all; the same radiograph gives the same bytes.

    Parameters
    ----------
    path : path-like
        Final name.
    radiograph : Radiograph
        Integers of up to 32 bits. From a DICOM source: its data set, copied,
        with new identifiers and its derivation. From another source: a minimal
        digital X-ray object, or a secondary capture where that would claim more
        than is known.

    Raises
    ------
    ImageWriteError
        For floating-point pixels (write TIFF), or if the disk does not take the file.

    Notes
    -----
    SOPInstanceUID and SeriesInstanceUID come from a hash of content and history;
    Explicit VR Little Endian; the 128 bytes of preamble are zero; no time of writing.
    """
    from coldray.formats import _dicom_derive

    pixels = check_writable(path, radiograph.pixels, "DICOM", DTYPES, "write TIFF, or convert it to uint16")
    if pixels.nbytes > 2**32 - 2**16:
        raise refuse_writing(
            path, f"cannot be written: DICOM does not hold {pixels.nbytes} bytes of pixels", "write TIFF instead"
        )

    def save(file: BinaryIO) -> None:
        source = radiograph.carrier.dataset if isinstance(radiograph.carrier, DicomCarrier) else None
        dataset = _dicom_derive.derived(radiograph, pixels, source, stated(source, []) if source is not None else {})
        dataset.save_as(file, enforce_file_format=True, implicit_vr=False, little_endian=True)

    write_atomically(path, save)
