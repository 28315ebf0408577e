"""Notes on an image: what they may hold, how millimetres come about, and the file beside the image."""

import json

import pytest

from coldray.errors import MetadataError
from coldray.metrology.inspection import (
    Calibration,
    Inspection,
    Mark,
    checked_inspection,
    inspection_path,
    read_inspection,
    write_inspection,
)

SHA = "ab" * 32
VOID = {"kind": "circle", "points": [[1, 2], [5, 2]], "defect": "void", "decision": "rejected", "threshold": 20000}


def document(**changed):
    return {"format": "coldray inspection", "version": 1, "sha256": SHA, "marks": [VOID]} | changed


def test_what_is_written_is_read_again_and_the_image_is_not_touched(tmp_path):
    image = tmp_path / "scan.tif"
    image.write_bytes(b"image")
    found = checked_inspection(document(decision="accepted", inspector="N. N.", note="two\nlines"), "notes")
    assert read_inspection(image, SHA) is None
    assert write_inspection(image, found) == tmp_path / "scan.tif.inspection.json"
    assert read_inspection(image, SHA) == found and not found.is_empty
    assert [mark.defect for mark in found.defects] == ["void"]
    assert image.read_bytes() == b"image"
    with pytest.raises(MetadataError, match="another content"):
        read_inspection(image, "cd" * 32)
    inspection_path(image).write_text(inspection_path(image).read_text()[:-5])
    with pytest.raises(MetadataError, match="scan.tif.inspection.json"):
        read_inspection(image, SHA)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "format"),
        ({"sha256": "x"}, "sha256"),
        ({"approved": True}, "approved"),
        ({"marks": [VOID | {"points": [[1, 2]]}]}, "1 points; it needs 2"),
        ({"marks": [VOID | {"kind": "star"}]}, "kind"),
        ({"marks": [VOID | {"kind": "distance"}]}, "no inside"),
        ({"marks": [VOID | {"points": [[1, 2], [float("nan"), 3]]}]}, "points"),
        ({"marks": [VOID | {"decision": "maybe"}]}, "decision"),
        ({"marks": [VOID] * 501}, "marks"),
        ({"calibration": {"known_mm": 1}}, "two ends"),
        ({"calibration": {}}, "magnification"),
        ({"calibration": {"magnification": 2, "known_mm": 1, "between": [[0, 0], [1, 1]]}}, "magnification"),
        ({"calibration": {"known_mm": 1, "between": [[1, 1], [1, 1]]}}, "same point"),
        ({"calibration": {"magnification": -1}}, "magnification"),
    ],
)
def test_what_is_no_inspection_is_refused_by_name(wrong, said):
    with pytest.raises(MetadataError, match=said):
        checked_inspection(document(**wrong), "notes")


def test_text_is_read_as_json_and_nothing_else():
    assert checked_inspection(json.dumps(document()).encode(), "notes").marks[0].threshold == 20000
    for text in (b"[]", b"{", b"null"):
        with pytest.raises(MetadataError):
            checked_inspection(text, "notes")


def test_millimetres_come_from_a_known_length_a_magnification_or_the_file():
    plain = Inspection(sha256=SHA)
    assert plain.is_empty
    assert plain.pixel_mm(0.1) == 0.1 and plain.pixel_mm(0.1, 2.0) == 0.05 and plain.pixel_mm(None) is None
    magnified = plain.model_copy(update={"calibration": Calibration(magnification=4)})
    assert magnified.pixel_mm(0.1, 2.0) == 0.025 and magnified.pixel_mm(None) is None
    known = plain.model_copy(update={"calibration": Calibration(known_mm=3, between=[(0, 0), (30, 40)])})
    assert known.pixel_mm(None) == pytest.approx(0.06) and known.pixel_mm(0.1, 2.0) == pytest.approx(0.06)


def test_a_mark_without_a_class_is_a_measurement_and_no_defect():
    noted = Inspection(sha256=SHA, marks=[Mark(kind="distance", points=[(0, 0), (3, 4)])])
    assert noted.defects == [] and not noted.is_empty
