"""The inspection in a report: numbers of every mark in millimetres, small pictures, decisions; safe text."""

import io

import numpy as np
import pytest
from PIL import Image

from coldray.metrology.inspection import Calibration, Inspection, Mark
from coldray.radiograph import Acquisition, Radiograph
from coldray.reports.blocks import Facts, Picture, Table
from coldray.reports.html import to_html
from coldray.reports.inspection import crops, inspected, inspection_report, inspection_section
from coldray.reports.pdf import to_pdf

SHA = "ab" * 32
MARKS = [
    Mark(kind="rectangle", points=[(10, 10), (30, 20)], defect="<b>void</b>", decision="rejected", threshold=150, text="left ball"),
    Mark(kind="distance", points=[(0, 0), (30, 40)]),
    Mark(kind="angle", points=[(10, 0), (0, 0), (0, 10)]),
    Mark(kind="point", points=[(5, 5)], defect="crack", decision="accepted"),
    Mark(kind="circle", points=[(90, 30), (110, 30)]),
    Mark(kind="polygon", points=[(50, 50), (60, 50), (50, 60)]),
]  # fmt: skip


@pytest.fixture
def image():
    pixels = np.full((64, 96), 100, dtype=np.uint16)
    pixels[10:15, 10:30] = 200
    return Radiograph(pixels, Acquisition(pixel_pitch_mm=0.1, magnification=2.0))


def test_every_mark_has_its_numbers_at_the_object(image):
    notes = Inspection(sha256=SHA, marks=MARKS, decision="rejected", inspector="N. N.", note="see ball")
    report = inspection_report(inspected(image, image.with_pixels(image.pixels + 1), notes), "scan.tif")
    assert report.verdict == "Rejected by N. N." and report.tone == "bad"
    assert report.statement == ("2 defects marked (1 rejected, 1 accepted).",)
    blocks = report.sections[0].blocks
    facts = dict(blocks[0].rows) if isinstance(blocks[0], Facts) else {}
    assert facts["Millimetres"] == "50 µm per pixel at the object, from the file" and facts["Note"] == "see ball"
    defects, measured = (b for b in blocks if isinstance(b, Table))
    assert defects.rows[0] == ("1", "<b>void</b>", "left ball", "1", "0.75", "1 × 0.5", "rejected")
    assert len(defects.pictures) == len(defects.rows) == 2 and all(p.startswith(b"\x89PNG") for p in defects.pictures)
    rows = {(row[0], row[5]): row for row in measured.rows}
    assert rows["1", "original"][2:] == ("1 × 0.5", "0.5", "–", "original", "150", "50.125", "2.9925", "50")
    assert rows["1", "restored"][6] == "151"
    assert rows["2", "–"][2] == "2.5" and rows["3", "–"][4] == "90.00"
    assert rows["6", "original"][3] == "0.125"
    assert rows["5", "original"][6:9] == ("100", "0", "–")  # reaches beyond the image: what is inside counts
    page = to_html(report)
    assert "<b>void" not in page and page.count("<img") == 3
    assert to_pdf(report).startswith(b"%PDF")
    assert isinstance(blocks[1], Picture)


def test_a_small_picture_shows_the_middle_of_its_mark_and_some_ground_around_it():
    pixels = np.full((200, 300), 100, dtype=np.uint16)
    pixels[60:100, 180:240] = 200
    mark = Mark(kind="ellipse", points=[(240, 100), (180, 60)], defect="void")
    found = inspected(Radiograph(pixels), None, Inspection(sha256=SHA, marks=[mark]))
    shown = np.asarray(Image.open(io.BytesIO(crops(found, mark)))) > 127
    rows, cols = np.nonzero(shown)
    assert rows.mean() == pytest.approx((shown.shape[0] - 1) / 2, abs=1)
    assert cols.mean() == pytest.approx((shown.shape[1] - 1) / 2, abs=1)
    assert shown.mean() == pytest.approx(40 * 60 / 96**2, rel=0.02)
    for corner in ((0, 0), (299.9, 199.9)):  # at the border of the image too
        edge = crops(found, Mark(kind="point", points=[corner], defect="void"))
        assert Image.open(io.BytesIO(edge)).size == (144, 144)


def test_a_known_length_wins_and_without_a_pitch_sizes_are_pixels(image):
    notes = Inspection(sha256=SHA, marks=[MARKS[1]])
    known = notes.model_copy(update={"calibration": Calibration(known_mm=5, between=[(0, 0), (30, 40)])})
    for one, told, size in ((known, "from a length of 5 mm", "5"), (notes, "unknown: sizes are in pixels", "50")):
        blocks = inspection_section(inspected(Radiograph(image.pixels), None, one))[0].blocks
        assert told in dict(blocks[0].rows)["Millimetres"]
        assert blocks[-1].rows[0][2] == size
    assert inspection_section(inspected(image, None, Inspection(sha256=SHA))) == []
    assert inspection_report(inspected(image, None, Inspection(sha256=SHA)), "a").verdict == "Not decided"
