"""DICONDE names: what inspectors call the elements that DICOM names after patients.

The private names follow the dictionary of 2010 that DCMTK ships (diconde.dic); ASTM E2699 was revised in 2023. An
element that is not listed here is shown by its tag and carried byte for byte like every other.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import DataElement
    from pydicom.dataset import Dataset

STANDARD = {
    "Component name": "PatientName",
    "Component ID": "PatientID",
    "Component manufacturing date": "PatientBirthDate",
    "Other component IDs": "OtherPatientIDs",
    "Component notes": "PatientComments",
    "Material name": "EthnicGroup",
    "Company": "InstitutionName",
    "Department": "InstitutionalDepartmentName",
    "Component owner": "ReferringPhysicianName",
    "Inspecting company": "PhysiciansOfRecord",
    "Inspector": "PerformingPhysicianName",
    "Certifying inspector": "NameOfPhysiciansReadingStudy",
    "Examination notes": "StudyComments",
    "Order": "AccessionNumber",
    "Study ID": "StudyID",
    "Scanner ID": "GantryID",
    "Study date": "StudyDate",
    "Acquisition date": "AcquisitionDate",
    "Study description": "StudyDescription",
    "Series description": "SeriesDescription",
    "Modality": "Modality",
    "Manufacturer": "Manufacturer",
    "Model": "ManufacturerModelName",
    "Detector ID": "DetectorID",
    "Detector type": "DetectorType",
    "Detector configuration": "DetectorConfiguration",
    "Tube voltage [kV]": "KVP",
    "Tube current [mA]": "XRayTubeCurrent",
    "Exposure time [ms]": "ExposureTime",
    "Source to detector [mm]": "DistanceSourceToDetector",
    "Source to object [mm]": "DistanceSourceToPatient",
    "Filter material": "FilterMaterial",
    "Image type": "ImageType",
    "Derivation": "DerivationDescription",
}
"""DICONDE name (ASTM E2339) or plain words, and DICOM keyword, in the order they are shown."""

_DETECTOR, _CALIBRATION = "astm.org/diconde/iod/NdeDxDetector", "astm.org/diconde/iod/NdeDxCalibrationData"
_COMPONENT = "astm.org/diconde/iod/Component"
PRIVATE = {
    (0x0009, _DETECTOR, 0x11): ("DS", "Internal detector frame time"),
    (0x0009, _DETECTOR, 0x12): ("DS", "Number of frames integrated"),
    (0x0009, _CALIBRATION, 0x71): ("DS", "kV used in gain calibration"),
    (0x0009, _CALIBRATION, 0x72): ("DS", "mAs used in gain calibration"),
    (0x0009, _CALIBRATION, 0x73): ("DS", "Frames of gain calibration"),
    (0x0009, _CALIBRATION, 0x74): ("LO", "Filter material in gain calibration"),
    (0x0009, _CALIBRATION, 0x75): ("DS", "Filter thickness in gain calibration"),
    (0x0009, _CALIBRATION, 0x76): ("DA", "Date of gain calibration"),
    (0x0009, _CALIBRATION, 0x77): ("TM", "Time of gain calibration"),
    (0x0009, _CALIBRATION, 0x99): ("LT", "Calibration notes"),
    (0x0011, _COMPONENT, 0x28): ("ST", "Component manufacturer"),
    (0x0011, _COMPONENT, 0x30): ("DS", "Component thickness"),
    (0x0011, _COMPONENT, 0x42): ("ST", "Material grade"),
    (0x0011, _COMPONENT, 0x46): ("LT", "Material notes"),
}
"""Text and numbers of the private blocks (ASTM E2699) by group, creator and element: type and name."""

_LONGEST = 200


def named(dataset: Dataset) -> dict[str, str]:
    """Elements of an object under the names inspectors use.

    Parameters
    ----------
    dataset : Dataset
        It is not changed, and no element of it is decoded in place.

    Returns
    -------
    dict of str to str
        Only what is present and not empty; text on one line, cut at 200 characters.
    """
    found: dict[str, str] = {}
    for name, keyword in STANDARD.items():
        if keyword in dataset:
            found[name] = _shown(_value(dataset, keyword))
    for (group, creator, element), (kind, name) in PRIVATE.items():
        try:
            tag = dataset.private_block(group, creator).get_tag(element)
            if tag in dataset:
                found[name] = _shown(_private(dataset.get_item(tag), kind))
        except Exception:  # damaged private data are carried, not shown
            continue
    return {name: text for name, text in found.items() if text}


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:  # pydicom raises many types for malformed values
        return "(malformed)"


def _private(element: DataElement, kind: str) -> Any:
    """Value of a private element that may have been stored as unknown bytes."""
    value = element.value
    return value.decode("latin-1").strip("\0 ") if isinstance(value, bytes) and kind != "OB" else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    parts = value if isinstance(value, MutableSequence) else [value]
    text = " ".join(" \\ ".join(str(part) for part in parts).split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
