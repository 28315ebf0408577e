"""Detector tables as text: round trip, what spreadsheets write, and every refusal with its remedy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import DetectorError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.pair import DetectorPair
from coldray.physics.tables import check_axis, read_table, write_table

PITCH_MM = 0.05
F = np.linspace(0, 10, 41)
FALL = np.exp(-F / 4)


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=9), st.booleans())
def test_round_trip_is_exact(values, with_pitch):
    columns = {"frequency_lp_mm": np.arange(len(values)) * 0.1, "mtf": values, "mtf_low": values, "mtf_high": values}
    text = write_table(columns, PITCH_MM if with_pitch else None, ["two\nlines", "frequency, MTF"])
    found = read_table(text)
    assert list(found.columns) == list(columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(found.columns[name], column)
    assert found.pixel_pitch_mm == (PITCH_MM if with_pitch else None)


def test_what_is_missing_becomes_an_empty_cell():
    text = write_table({"element": ["1D", "2D"], "dip_percent": [99.5, None], "sd": [float("nan"), 1]})
    assert text == "element,dip_percent,sd\n1D,99.5,\n2D,,1.0\n"


@pytest.mark.parametrize(
    "content",
    [
        "frequency_lp_mm,mtf\n0,1\n5.5,0.25\n",
        "\ufefffrequency_lp_mm,mtf\r\n0,1\r\n5.5,0.25\r\n",
        "Frequency_lp_mm, MTF \n0,1\n5.5,0.25\n",
        "frequency_lp_mm;mtf\n0;1\n5,5;0,25\n",
        "sep=;\nfrequency_lp_mm;mtf\n0;1\n5,5;0,25\n",
        "sep=,\nfrequency_lp_mm,mtf\n0,1\n5.5,0.25\n",
        "frequency_lp_mm\tmtf\n0\t1\n5,5\t0.25\n",
        "frequency_lp_mm,mtf,,\n0,1,,\n5.5,0.25,,\n,,,\n",
        '"frequency_lp_mm";"mtf"\n"0";"1"\n"5,5";"0,25"\n',
        "# bench 3\nfrequency_lp_mm,mtf\n# first\n0,1\n\n5.5,2.5e-1\n",
    ],
)
def test_what_spreadsheets_write_is_read(content):
    found = read_table(content).curve("mtf")
    assert found.frequency_lp_mm.tolist() == [0, 5.5]
    assert found.value.tolist() == [1, 0.25]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("# only notes\n", "empty"),
        ("mtf,frequency_lp_mm\n1,0\n1,1\n", "columns must be"),
        ("frequency_lp_mm,mtf,mtf\n0,1,1\n1,1,1\n", "columns must be"),
        ("frequency_lp_mm,mtf,mtf_low\n0,1,1\n1,1,1\n", "needs both columns, mtf_low and mtf_high"),
        ("frequency_lp_mm,mtf\n0,0,1,0\n5,5,0,25\n", "decimal commas.*semicolons"),
        ('frequency_lp_mm,mtf\n"0,0","1,0"\n"5,5","0,25"\n', "decimal commas.*semicolons"),
        ("frequency_lp_mm,mtf\n0,100%\n5,25%\n", "percent as a fraction"),
        ("frequency_lp_mm,mtf\n0,1\n5,n/a\n", "n/a.*plain numbers"),
        ("frequency_lp_mm;mtf\n0;1\n1.000,5;0\n", "must be a number"),
        ("frequency_lp_mm,mtf\n0,1\n5\n", "1 numbers where the header names 2"),
        ("frequency_lp_mm,mtf\n0,1\n", "at least two rows"),
    ],
)
def test_what_is_refused_names_the_remedy(content, message):
    with pytest.raises(DetectorError, match=message):
        read_table(content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_table_as_unicode_text_is_read_and_a_workbook_is_named(tmp_path, encoding):
    path = tmp_path / "screen.txt"
    path.write_bytes("frequency_lp_mm\tmtf\r\n0\t1\r\n5,5\t0,25\r\n12\t0\r\n".encode(encoding))
    assert load_detector(path, pixel_pitch_mm=PITCH_MM).mtf.value.tolist() == [1, 0.25, 0]
    (tmp_path / "screen.csv").write_bytes(b"PK\x03\x04\x14\0\x06\0")
    with pytest.raises(DetectorError, match=r"screen\.csv: a spreadsheet's workbook"):
        load_detector(tmp_path / "screen.csv", pixel_pitch_mm=PITCH_MM)


def test_a_text_table_in_any_suffix_and_its_band_reach_the_detector(tmp_path):
    path = tmp_path / "screen.txt"
    columns = {
        "frequency_lp_mm": F,
        "mtf": FALL,
        "mtf_low": FALL - 0.01,
        "mtf_high": FALL + 0.01,
        "nnps_mm2": 1e-6 * FALL,
    }
    path.write_text(write_table(columns, PITCH_MM), encoding="utf-8")
    found = load_detector(path)
    assert found.pixel_pitch_mm == PITCH_MM
    np.testing.assert_array_equal(found.mtf.high, FALL + 0.01)
    np.testing.assert_array_equal(found.nnps.value, 1e-6 * FALL)
    assert load_detector(path, pixel_pitch_mm=0.06).pixel_pitch_mm == 0.06
    assert Detector.from_dict(found.to_dict()).to_dict() == found.to_dict()


def test_percent_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(write_table({"frequency_lp_mm": F, "mtf": 100 * FALL}), encoding="utf-8")
    with pytest.raises(DetectorError, match="divide percent by 100"):
        load_detector(path, pixel_pitch_mm=PITCH_MM)


@pytest.mark.parametrize("fall_lp_mm", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (PITCH_MM, "cycles/pixel; multiply by 20"),
        (10, "1/cm divide by 10"),
        (1000, "1/m by 1000"),
        (0.2, "measure the MTF to Nyquist"),
    ],
    ids=["cycles/pixel", "1/cm", "1/m", "another pitch"],
)
def test_frequencies_in_another_unit_are_refused(fall_lp_mm, factor, message):
    curve = FrequencyCurve(F * factor, np.exp(-F / fall_lp_mm))
    with pytest.raises(DetectorError, match=message):
        check_axis("mine", curve, PITCH_MM)


@pytest.mark.parametrize("loading", [5, 34, 135, 500])
@pytest.mark.parametrize("pitch_mm", [0.01, 0.048, 0.2, 0.4])
def test_no_screen_that_we_know_is_refused(loading, pitch_mm):
    mtf = load_detector(f"phosphor:{loading}", pixel_pitch_mm=pitch_mm).mtf
    check_axis("screen", mtf, pitch_mm)
    to_nyquist = mtf.frequency_lp_mm[mtf.frequency_lp_mm <= 0.5 / pitch_mm]
    check_axis("screen", FrequencyCurve(to_nyquist, mtf(to_nyquist)), pitch_mm)


@given(st.floats(0.02, 0.5), st.floats(0.6, 1.0), st.floats(0.0, 0.1))
def test_an_aperture_alone_is_never_refused(pitch_mm, side, sharpened):
    f = np.linspace(0, 2 / pitch_mm, 201)
    mtf = np.abs(np.sinc(side * f * pitch_mm)) * (1 + sharpened * np.minimum(f * pitch_mm, 1))
    check_axis("direct", FrequencyCurve(f, mtf), pitch_mm)


def test_a_table_cut_short_is_refused_unless_the_mtf_has_fallen():
    with pytest.raises(DetectorError, match=r"ends at 6 lp/mm with 0\.22, Nyquist is 10 lp/mm at 50 um"):
        check_axis("mine", FrequencyCurve(F[:25], FALL[:25]), PITCH_MM)
    check_axis("mine", FrequencyCurve(F[:25], np.exp(-F[:25])), PITCH_MM)


def test_exchanged_detectors_are_refused():
    thick, thin = (Detector(n, PITCH_MM, FrequencyCurve(F, np.exp(-F / c))) for n, c in (("thick", 2.0), ("thin", 4.0)))
    DetectorPair(thick, thin)
    DetectorPair(thick, thick)
    with pytest.raises(DetectorError, match="'thin', is sharper than 'thick', given as sharp.*exchange the two"):
        DetectorPair(thin, thick)


def test_equal_detectors_within_their_bands_may_be_in_any_order():
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = (
            Detector("d", PITCH_MM, FrequencyCurve(F, m, m - 0.02, m + 0.02))
            for m in (FALL + 0.01 * rng.standard_normal(41) * (F > 0) for _ in range(2))
        )
        DetectorPair(a, b)
        DetectorPair(b, a)
