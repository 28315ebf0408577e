"""DICONDE in and out: what an auditor's tools see of a derived object (ASTM E2339, E2699; DICOM PS3.3)."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from coldray.formats import named_tags, read_image, write_image
from coldray.radiograph import Acquisition, Radiograph, Step

PIXELS = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8) * 700
RESTORE = Step("restore", {"method": "cold", "steps": 1, "model_sha256": "ab" * 32})
DETECTOR, CALIBRATION = "astm.org/diconde/iod/NdeDxDetector", "astm.org/diconde/iod/NdeDxCalibrationData"
DICTIONARY = "/usr/share/libdcmtk17/dicom.dic"
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def needs(tool: str) -> Any:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def component() -> Dataset:
    """A complete digital X-ray object of a component, with private blocks of ASTM and of a maker."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1.1", "1.2.3.4.5"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    made.SpecificCharacterSet = "ISO_IR 100"
    made.PatientName, made.PatientID = "Board^Seven", "C-7"
    made.PatientBirthDate, made.PatientSex, made.EthnicGroup = "20260102", "O", "FR4"
    made.StudyDate, made.StudyTime, made.StudyID = "20261120", "101500", "S1"
    made.AcquisitionDate, made.ContentDate, made.ContentTime = "20261120", "20261120", "101501"
    made.InstanceCreationDate, made.InstanceCreationTime = "20261120", "101502"
    made.ReferringPhysicianName, made.PerformingPhysicianName = "Owner^Ltd", "Müller^Ida"
    made.InstitutionName, made.Manufacturer, made.ManufacturerModelName = "Inspect Ltd", "Maker", "Panel 1"
    made.AccessionNumber, made.SeriesNumber, made.InstanceNumber = "A1", "1", "1"
    made.Modality, made.SeriesDescription, made.PresentationIntentType = "DX", "Board 7", "FOR PROCESSING"
    made.ImageType, made.ImageLaterality = ["ORIGINAL", "PRIMARY", ""], "U"
    made.PatientOrientation, made.BodyPartExamined = ["L", "F"], None
    made.AnatomicRegionSequence = made.AcquisitionContextSequence = Sequence()
    made.DetectorType, made.DetectorID, made.PositionerType = "SCINTILLATOR", "D-11", None
    made.KVP, made.ExposureTime, made.ImagerPixelSpacing = "70", "250", ["0.048", "0.048"]
    made.PixelIntensityRelationship, made.PixelIntensityRelationshipSign = "LIN", 1
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "US"
    made.PresentationLUTShape, made.LossyImageCompression, made.BurnedInAnnotation = "IDENTITY", "00", "NO"
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = PIXELS.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = Sequence([code("109101", "Acquisition Equipment")])
    equipment.Manufacturer = "Maker"
    made.ContributingEquipmentSequence = Sequence([equipment])
    block = made.private_block(0x0009, DETECTOR, create=True)
    block.add_new(0x11, "DS", "66.6 ")
    block.add_new(0x12, "DS", "16")
    temperature = Dataset()
    inner = temperature.private_block(0x0009, DETECTOR, create=True)
    inner.add_new(0x28, "DS", "31.5")
    block.add_new(0x20, "SQ", Sequence([temperature]))
    block = made.private_block(0x0009, CALIBRATION, create=True)
    block.add_new(0x80, "OB", bytes(range(48)))
    block.add_new(0x99, "LT", "  calibrated at noon\r\nby B. ")
    block = made.private_block(0x0011, "astm.org/diconde/iod/Component", create=True)
    block.add_new(0x42, "ST", "TG 150")
    block = made.private_block(0x0021, "Maker 1.0", create=True)
    block.add_new(0x01, "US", [1, 515])
    block.add_new(0x02, "OW", np.arange(4, dtype=np.uint16).tobytes())
    block = made.private_block(0x0099, "COLDRAY of another firm", create=True)
    block.add_new(0x01, "UN", b"\0\xff\x00\x01 not ours ")
    return made


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def encoded(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.add_new("PixelData", "OW", PIXELS.astype(f"{order}u2").tobytes())
    words = dataset.private_block(0x0021, "Maker 1.0")
    words[0x02].value = np.arange(4).astype(f"{order}u2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def private_bytes(path: Path) -> dict[tuple[int, int], bytes]:
    """Stored bytes of every private element of the outer data set that is not a sequence, and not ours."""
    dataset = pydicom.dcmread(path)
    ours = dataset.private_block(0x0099, "COLDRAY").get_tag(1) if "COLDRAY" in str(dataset.get((0x99, 0x11))) else None
    found = {}
    for tag in dataset.keys():
        element = dataset.get_item(tag)
        if tag.is_private and tag != ours and element.VR != "SQ" and tag.element > 0xFF:
            found[(tag.group, tag.element)] = element.value
    return found


@pytest.fixture(params=SYNTAXES)
def derived(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A source in every transfer syntax, and the object restored from it."""
    (tmp_path / "source.dcm").write_bytes(encoded(component(), SYNTAXES[request.param]))
    source = read_image(tmp_path / "source.dcm")
    np.testing.assert_array_equal(source.pixels, PIXELS)
    write_image(tmp_path / "derived.dcm", source.with_pixels(PIXELS[::-1].copy(), RESTORE))
    return tmp_path / "source.dcm", tmp_path / "derived.dcm"


def test_private_blocks_are_kept_byte_for_byte(derived: tuple[Path, Path], request: pytest.FixtureRequest) -> None:
    before, after = (private_bytes(path) for path in derived)
    assert len(before) >= 8
    numbers = [(0x0021, 0x1001), (0x0021, 0x1002)]
    if "big endian" in request.node.name:  # the same numbers, in the byte order of the derived object
        for tag in numbers:
            before[tag] = np.frombuffer(before[tag], ">u2").astype("<u2").tobytes()
    assert {tag: after[tag] for tag in before} == before
    source, out = (pydicom.dcmread(path).private_block(0x0009, DETECTOR)[0x20] for path in derived)
    if source.VR == "SQ":
        assert str(out.value[0].private_block(0x0009, DETECTOR)[0x28].value) == "31.5"
    else:  # implicit VR: a reader without ASTM's dictionary cannot know that it is a sequence
        assert out.VR == source.VR == "UN" and out.value == source.value and b"31.5" in out.value
    assert pydicom.dcmread(derived[1]).private_block(0x0099, "COLDRAY")[1].value.startswith('{"coldray":')


def test_the_derived_object_says_what_it_is(derived: tuple[Path, Path]) -> None:
    source, out = (pydicom.dcmread(path) for path in derived)
    assert out.preamble == bytes(128) and out.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert list(out.ImageType)[:2] == ["DERIVED", "PRIMARY"]
    assert out.SOPInstanceUID != source.SOPInstanceUID and out.SeriesInstanceUID != source.SeriesInstanceUID
    assert out.StudyInstanceUID == source.StudyInstanceUID
    assert out.SOPInstanceUID.startswith("2.25.") and UID(out.SOPInstanceUID).is_valid
    assert [str(i.ReferencedSOPInstanceUID) for i in out.SourceImageSequence] == [source.SOPInstanceUID]
    assert [i.CodeValue for i in out.DerivationCodeSequence] == ["113086"]
    assert "restore (method cold" in out.DerivationDescription
    first, ours = out.ContributingEquipmentSequence
    assert first == source.ContributingEquipmentSequence[0]
    assert ours.Manufacturer == "coldray" and ours.SoftwareVersions[1] == "ab" * 32
    assert out.SeriesDescription == "RESTORED Board 7"
    for name in ("InstanceCreationDate", "InstanceCreationTime"):
        assert name not in out, "the old object's time of making is not the new one's"
    for name in ("PatientName", "PerformingPhysicianName", "EthnicGroup", "ContentDate", "DetectorID", "KVP"):
        assert out[name].value == source[name].value
    np.testing.assert_array_equal(out.pixel_array, PIXELS[::-1])


def test_the_same_content_gives_the_same_uids_and_other_content_others(tmp_path: Path) -> None:
    (tmp_path / "source.dcm").write_bytes(encoded(component()))
    source, uids = read_image(tmp_path / "source.dcm"), []
    other = Step("restore", {"method": "cold", "steps": 1, "model_sha256": "cd" * 32})
    for pixels, step in ((PIXELS, RESTORE), (PIXELS, RESTORE), (PIXELS + 1, RESTORE), (PIXELS, other)):
        write_image(tmp_path / "out.dcm", source.with_pixels(pixels, step))
        uids.append(pydicom.dcmread(tmp_path / "out.dcm").SOPInstanceUID)
    assert uids[0] == uids[1] and len(set(uids)) == 3


def test_codes_of_earlier_derivations_are_kept_and_ours_added_once(tmp_path: Path) -> None:
    made = component()
    made.DerivationCodeSequence = Sequence([code("113085", "Spatial resampling")])
    (tmp_path / "a.dcm").write_bytes(encoded(made))
    write_image(tmp_path / "b.dcm", read_image(tmp_path / "a.dcm").with_pixels(PIXELS, RESTORE))
    write_image(tmp_path / "c.dcm", read_image(tmp_path / "b.dcm").with_pixels(PIXELS, RESTORE))
    found = pydicom.dcmread(tmp_path / "c.dcm")
    assert [item.CodeValue for item in found.DerivationCodeSequence] == ["113085", "113086"]
    assert [i.Manufacturer for i in found.ContributingEquipmentSequence] == ["Maker", "coldray", "coldray"]


def test_a_record_read_from_an_object_gives_way_to_the_new_one_and_stays_in_the_original(tmp_path: Path) -> None:
    step = Step("correct", {"frames": 4})
    write_image(tmp_path / "a.dcm", Radiograph(PIXELS, Acquisition(pixel_pitch_mm=0.1)).with_pixels(PIXELS, step))
    original = read_image(tmp_path / "a.dcm")
    for name in ("b.dcm", "c.dcm"):
        write_image(tmp_path / name, original.with_pixels(PIXELS, RESTORE))
        assert read_image(tmp_path / name).history == (step, RESTORE)
    assert (tmp_path / "b.dcm").read_bytes() == (tmp_path / "c.dcm").read_bytes()
    write_image(tmp_path / "again.dcm", original)
    assert read_image(tmp_path / "again.dcm").history == (step,)


def test_inspectors_names(tmp_path: Path) -> None:
    (tmp_path / "source.dcm").write_bytes(encoded(component(), ImplicitVRLittleEndian))
    image = read_image(tmp_path / "source.dcm")
    tags = named_tags(image)
    assert tags["Component name"] == "Board^Seven" and tags["Component ID"] == "C-7"
    assert tags["Component manufacturing date"] == "20260102" and tags["Material name"] == "FR4"
    assert tags["Inspector"] == "Müller^Ida" and tags["Company"] == "Inspect Ltd"
    assert tags["Order"] == "A1" and tags["Study ID"] == "S1"
    assert tags["Number of frames integrated"] == "16" and tags["Material grade"] == "TG 150"
    assert tags["Calibration notes"] == "calibrated at noon by B."
    write_image(tmp_path / "out.dcm", image.with_pixels(PIXELS, RESTORE))
    source, out = private_bytes(tmp_path / "source.dcm"), private_bytes(tmp_path / "out.dcm")
    assert {tag: out[tag] for tag in source} == source, "looking at them changes nothing"
    assert named_tags(Radiograph(PIXELS)) == {}


@needs("dciodvfy")
def test_dciodvfy_finds_no_error(derived: tuple[Path, Path], tmp_path: Path) -> None:
    acquisition = Acquisition(pixel_pitch_mm=0.048, tube_voltage_kv=70, exposure_s=0.25, linear=True)
    write_image(tmp_path / "created.dcm", Radiograph(PIXELS, acquisition, (RESTORE,)))
    for path in (derived[1], tmp_path / "created.dcm"):
        told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")]
        assert not errors, f"{path.name}: {errors}"


@needs("dcmdump")
def test_dcmdump_reads_every_element_under_its_diconde_name(derived: tuple[Path, Path]) -> None:
    dictionaries = [p for p in (DICTIONARY, DICTIONARY.replace("dicom.dic", "diconde.dic")) if os.path.exists(p)]
    environment = os.environ | {"DCMDICTPATH": ":".join(dictionaries)}
    told = subprocess.run(
        ["dcmdump", "--quiet", str(derived[1])], capture_output=True, env=environment, check=True
    ).stdout.decode("latin-1")
    assert "DERIVED\\PRIMARY" in told and "[RESTORED Board 7]" in told and "[Board^Seven]" in told
    assert "113086" in told and "(0008,2112)" in told and "(0018,a001)" in told
    if len(dictionaries) == 2:
        assert "ComponentName" in told and "NumberOfFramesIntegrated" in told and "MaterialGrade" in told


REAL = Path(__file__).parents[3] / "shared" / "data" / "real" / "qa_phantoms_pylinac_mit"


@needs("dciodvfy")
@pytest.mark.parametrize("name", ["leeds_tor18_kv.dcm", "qc3_mv.dcm"])
def test_a_real_object_gains_no_error(name: str, tmp_path: Path) -> None:
    if not (REAL / name).is_file():
        pytest.skip("real radiographs are not at hand")
    image = read_image(REAL / name)
    write_image(tmp_path / name, image.with_pixels(image.pixels, RESTORE))
    errors = []
    for path in (REAL / name, tmp_path / name):
        told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        errors.append(sorted(line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")))
    assert errors[1] == errors[0]
    before, after = private_bytes(REAL / name), private_bytes(tmp_path / name)
    assert {tag: after[tag] for tag in before} == before
