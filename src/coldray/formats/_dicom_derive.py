"""The data set of a derived DICOM object: what it came from, what was done, who did it."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from coldray.document import Json
from coldray.formats import _record
from coldray.formats._dicom_meta import RECORD_CREATOR, RECORD_ELEMENT, RECORD_GROUP
from coldray.radiograph import Acquisition, Radiograph

_DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MULTI_FRAME_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
_MULTI_FRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"

# They described the old object: offset tables, icons, extremes, checksums, signatures, when and by whom it was made.
_NOT_CARRIED = (
    "PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "IconImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue", "PlanarConfiguration",
    "MACParametersSequence", "DigitalSignaturesSequence", "DataSetTrailingPadding", "LossyImageCompressionMethod",
    "InstanceCreationDate", "InstanceCreationTime", "InstanceCreatorUID",
)  # fmt: skip

# Bytes per word of the types whose values pydicom leaves as they are stored.
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

# Settings that tell one derived series of a source series from another.
_SERIES_KEYS = ("method", "model", "model_sha256", "blurred", "sharp", "strength", "steps")


def derived(
    radiograph: Radiograph, pixels: NDArray[np.number], source: Dataset | None, stated: Mapping[str, Json]
) -> Dataset:
    """Build the object to be written; the source is copied, never changed.

    Parameters
    ----------
    radiograph : Radiograph
        Its acquisition and history go into tags and into a private record.
    pixels : ndarray
        Integers of up to 32 bits, native byte order.
    source : Dataset, optional
        Data set of the original, without pixels.
    stated : mapping
        Acquisition as the tags of `source` already state it; only what differs is changed.

    Returns
    -------
    Dataset
        Complete, with meta group and zero preamble.

    References
    ----------
    DICOM PS3.3 C.7.6.1 (derivation), C.12.1 (SOP common), B.5 (UUID-derived UIDs); ASTM E2699.
    """
    record = _record.dumps(radiograph)
    data = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    layout = f"{pixels.shape} {pixels.dtype.name}"
    uid = _uid(data, layout, record, _text(source, "SOPInstanceUID"), _record.software())
    dataset = _copied(source) if source is not None else _created(radiograph, pixels, uid)
    if source is not None:
        _refer_to(dataset, source)
        dataset.SeriesInstanceUID = _series_uid(radiograph, source, uid)
        dataset.SeriesDescription = _series_description(radiograph, _text(source, "SeriesDescription"))
    dataset.SOPInstanceUID = uid
    dataset.ImageType = ["DERIVED", "PRIMARY", *list(dataset.get("ImageType") or [])[2:]]
    dataset.DerivationDescription = _in_words(radiograph, _text(source, "DerivationDescription"))
    _add_derivation_codes(dataset, radiograph)
    dataset.ContributingEquipmentSequence = Sequence(
        [*(dataset.get("ContributingEquipmentSequence") or []), _equipment(radiograph)]
    )
    _state(dataset, radiograph.acquisition, stated)
    _put_pixels(dataset, pixels, data)
    # of a copy, pydicom's block still writes into the original; its tag is right for both
    tag = dataset.private_block(RECORD_GROUP, RECORD_CREATOR, create=True).get_tag(RECORD_ELEMENT)
    dataset.add_new(tag, "UT", record)
    dataset.preamble = b"\0" * 128
    dataset.file_meta = _meta(dataset)
    return dataset


def _uid(*parts: bytes | str) -> UID:
    """UID from a hash of content: the same content gives the same UID (PS3.5 B.2)."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return UID(f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}")


def _text(dataset: Dataset | None, name: str) -> str:
    return str(dataset.get(name) or "") if dataset is not None else ""


def _copied(source: Dataset) -> Dataset:
    """Deep copy without what only described the old object, in little endian."""
    dataset = copy.deepcopy(source)
    for name in _NOT_CARRIED:
        if name in dataset:
            delattr(dataset, name)
    if dataset.original_encoding[1] is False:
        # numbers become numbers when they are looked at; words of the other O types stay bytes and are turned here
        for element in dataset.iterall():
            if element.VR in _WORDS and isinstance(element.value, bytes):
                width = _WORDS[element.VR]
                words = np.frombuffer(element.value[: len(element.value) // width * width], f">u{width}")
                element.value = words.astype(f"<u{width}").tobytes() + element.value[words.nbytes :]
        dataset.set_original_encoding(False, True, dataset.original_character_set)
    return dataset


def _refer_to(dataset: Dataset, source: Dataset) -> None:
    """Name the source image (CID 7202: source image for image processing operation)."""
    if not (_text(source, "SOPInstanceUID") and _text(source, "SOPClassUID")):
        return
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = Sequence([_code("121322", "Source image for image processing operation")])
    dataset.SourceImageSequence = Sequence([item])


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _series_uid(radiograph: Radiograph, source: Dataset, uid: UID) -> UID:
    """One series for all images of a source series that were treated alike."""
    series = _text(source, "SeriesInstanceUID")
    if not series:
        return _uid("series", uid)
    steps = [
        [step.verb, {key: _record.plain(step.details[key]) for key in _SERIES_KEYS if key in step.details}]
        for step in radiograph.history
        if step.verb != "read"
    ]
    return _uid("series", series, json.dumps(steps, sort_keys=True), _record.software())


def _series_description(radiograph: Radiograph, old: str) -> str:
    """At most 64 characters (LO), saying first that this is not the original."""
    prefix = "RESTORED" if any(step.verb == "restore" for step in radiograph.history) else "DERIVED"
    while old.startswith(("RESTORED", "DERIVED")):
        old = old.partition(" ")[2]
    return f"{prefix} {old}".strip()[:64]


def _in_words(radiograph: Radiograph, old: str = "") -> str:
    """History as one line of at most 1024 characters (ST)."""
    said = []
    for step in radiograph.history:
        details = ", ".join(
            f"{key} {value}" for key, value in step.details.items() if isinstance(value, (str, int, float))
        )
        said.append(f"{step.verb} ({details})" if details else step.verb)
    words = f"{'; '.join(said) or 'copied'}; by {_record.software()}"
    if old and "coldray" not in old:
        words = f"{old}; {words}"
    words = words.encode("ascii", "backslashreplace").decode().replace("\n", " ")
    return words if len(words) <= 1024 else words[:1000] + " ... [cut]"


# CID 7203, image derivation: the nearest codes there are; the description says exactly what was done.
_DERIVATIONS = {"restore": ("113086", "Edge enhancement"), "degrade": ("113087", "Smoothing")}


def _add_derivation_codes(dataset: Dataset, radiograph: Radiograph) -> None:
    """Append what our own steps amount to, once each, to the codes of earlier derivations."""
    codes = list(dataset.get("DerivationCodeSequence") or [])
    known = {str(item.get("CodeValue", "")) for item in codes}
    for step in radiograph.history:
        if step.verb in _DERIVATIONS and _DERIVATIONS[step.verb][0] not in known:
            codes.append(_code(*_DERIVATIONS[step.verb]))
            known.add(_DERIVATIONS[step.verb][0])
    if codes:
        dataset.DerivationCodeSequence = Sequence(codes)


def _equipment(radiograph: Radiograph) -> Dataset:
    """One item of ContributingEquipmentSequence: this program (PS3.3 C.12.1)."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = Sequence([_code("109102", "Processing Equipment")])
    item.Manufacturer = item.ManufacturerModelName = "coldray"
    versions = [_record.software().partition(" ")[2]]
    versions += [str(s.details["model_sha256"])[:64] for s in radiograph.history if "model_sha256" in s.details]
    item.SoftwareVersions = versions
    item.ContributionDescription = _in_words(radiograph)
    return item


def _state(dataset: Dataset, acquisition: Acquisition, stated: Mapping[str, Any]) -> None:
    """Put into tags what the radiograph knows and the tags do not say already."""

    def news(name: str) -> bool:
        new, old = getattr(acquisition, name), stated.get(name)
        return new is not None and not (old is not None and math.isclose(new, old, rel_tol=1e-9))

    if news("pixel_pitch_mm"):
        dataset.ImagerPixelSpacing = [format_number_as_ds(float(acquisition.pixel_pitch_mm or 0.0))] * 2
    if news("tube_voltage_kv"):
        dataset.KVP = format_number_as_ds(float(acquisition.tube_voltage_kv or 0.0))
    if news("exposure_s"):
        microseconds = 1e6 * float(acquisition.exposure_s or 0.0)
        dataset.ExposureTimeInuS = format_number_as_ds(microseconds)
        dataset.ExposureTime = round(microseconds / 1000)
    if news("magnification") and (acquisition.magnification != 1 or stated.get("magnification")):
        dataset.EstimatedRadiographicMagnificationFactor = format_number_as_ds(float(acquisition.magnification))
    if acquisition.linear is not None and acquisition.linear != stated.get("linear"):
        dataset.PixelIntensityRelationship = "LIN" if acquisition.linear else "LOG"
        dataset.PixelIntensityRelationshipSign = -1 if acquisition.inverted else 1


def _put_pixels(dataset: Dataset, pixels: NDArray[np.number], data: bytes) -> None:
    """Pixel data and the tags that describe them; BitsStored grows only if the values need it."""
    bits = 8 * pixels.dtype.itemsize
    signed = int(pixels.dtype.kind == "i")
    stored = int(dataset.get("BitsStored") or bits)
    same = int(dataset.get("BitsAllocated") or 0) == bits and int(dataset.get("PixelRepresentation") or 0) == signed
    low, high = int(pixels.min()), int(pixels.max())
    if not same or not -signed * 2 ** (stored - signed) <= low <= high < 2 ** (stored - signed):
        stored = bits
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = pixels.shape[0]
    elif "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = 1
    dataset.SamplesPerPixel = 1
    if dataset.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, stored, stored - 1
    dataset.PixelRepresentation = signed
    dataset.add_new("PixelData", "OW" if bits > 8 else "OB", data + b"\0" * (len(data) % 2))


def _created(radiograph: Radiograph, pixels: NDArray[np.number], uid: UID) -> Dataset:
    """A minimal object for pixels that were no DICOM before.

    Digital X-Ray for processing if pitch and linearity are known and the pixels
    are one unsigned frame of up to 16 bits, as that object demands; else a
    secondary capture, which claims nothing.
    """
    acquisition = radiograph.acquisition
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid("study", uid), _uid("series", uid)
    for name in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "ReferringPhysicianName", "AccessionNumber", "SeriesNumber", "InstanceNumber", "Manufacturer", "ContentDate",
        "ContentTime",
    ):  # fmt: skip
        setattr(dataset, name, None)
    dataset.Modality = "DX"
    dataset.SeriesDescription = _series_description(radiograph, "")
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    digital = acquisition.pixel_pitch_mm and acquisition.linear is not None
    if digital and pixels.ndim == 2 and pixels.dtype.name in ("uint8", "uint16"):
        dataset.SOPClassUID = _DX_FOR_PROCESSING
        dataset.PresentationIntentType = "FOR PROCESSING"
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.ImageLaterality = "U"
        dataset.PatientOrientation = ["L", "F"]  # nominal: demanded, though a component has no left and no feet
        dataset.ImageType = ["DERIVED", "PRIMARY", ""]
        for name in ("DetectorType", "PositionerType", "BodyPartExamined"):
            setattr(dataset, name, None)
        for name in ("AnatomicRegionSequence", "AcquisitionContextSequence"):
            setattr(dataset, name, Sequence())
        return dataset
    dataset.PatientOrientation = dataset.Laterality = None
    dataset.ConversionType = "WSD"
    dataset.SOPClassUID = _SECONDARY_CAPTURE
    if pixels.ndim == 3 and pixels.dtype.name in ("uint8", "uint16"):
        dataset.SOPClassUID = _MULTI_FRAME_BYTE if pixels.dtype == np.uint8 else _MULTI_FRAME_WORD
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.PageNumberVector = list(range(1, pixels.shape[0] + 1))
        dataset.FrameIncrementPointer = 0x00182001  # PageNumberVector
    return dataset


def _meta(dataset: Dataset) -> FileMetaDataset:
    """Meta group that names this program."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_text(dataset, "SOPClassUID") or _SECONDARY_CAPTURE)
    meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("coldray implementation")
    meta.ImplementationVersionName = "COLDRAY"
    return meta
