"""Detectors: round trips through their files, every refusal, noise by dose, pairs."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import ColdrayError, DetectorError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, built_in_detectors, load_detector
from coldray.physics.pair import DetectorPair
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, spectrum_70kv

F = np.linspace(0, 15, 31)


def detector(**changes):
    values = {
        "name": "test",
        "pixel_pitch_mm": 0.05,
        "mtf": FrequencyCurve(F, np.exp(-F / 4)),
        "nnps": FrequencyCurve(F, 1e-6 * (0.2 + np.exp(-F / 2))),
        "nnps_exposure_s": 0.5,
        "electronic_fraction": 0.1,
        "loading_mg_cm2": 80.0,
        "description": "made up",
    }
    return Detector(**(values | changes))


def same(a, b):
    return a.to_dict() == b.to_dict()


def test_json_round_trip(tmp_path):
    for original in (detector(), detector(nnps=None, loading_mg_cm2=None)):
        path = tmp_path / "d.json"
        path.write_text(json.dumps(original.to_dict()), encoding="utf-8")
        assert same(load_detector(path), original)


def test_csv_round_trip(tmp_path):
    original = detector()
    path = tmp_path / "screen.csv"
    with open(path, "w", newline="", encoding="utf-8-sig") as handle:
        handle.write("# measured today\n")
        table = csv.writer(handle)
        table.writerow(["frequency_lp_mm", " mtf", "nnps_mm2 "])
        table.writerows(zip(F, original.mtf.value, original.nnps.value, strict=True))
    found = load_detector(path, pixel_pitch_mm=0.05)
    np.testing.assert_array_equal(found.mtf.value, original.mtf.value)
    np.testing.assert_array_equal(found.nnps.value, original.nnps.value)
    assert (found.name, found.pixel_pitch_mm) == ("screen", 0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_pitch_mm": 0.0}, "pitch"),
        ({"pixel_pitch_mm": float("nan")}, "pitch"),
        ({"pixel_pitch_mm": 11.0}, "pitch"),
        ({"mtf": FrequencyCurve(F, 0.8 * np.exp(-F))}, "at zero"),
        ({"mtf": FrequencyCurve([0, 1, 2], [1, 0.5, -0.2])}, "0 to 1.5"),
        ({"mtf": FrequencyCurve([0, 1, 2], [1, 1.8, 0.2])}, "0 to 1.5"),
        ({"nnps": FrequencyCurve([0, 1], [1e-6, -1e-6])}, "NNPS"),
        ({"nnps": FrequencyCurve([0, 1], [0, 0])}, "NNPS"),
        ({"nnps_exposure_s": 0.0}, "exposure"),
        ({"nnps_exposure_s": float("nan")}, "exposure"),
        ({"nnps_exposure_s": float("inf")}, "exposure"),
        ({"electronic_fraction": -0.1}, "electronic"),
        ({"electronic_fraction": 1.1}, "electronic"),
        ({"electronic_fraction": float("nan")}, "electronic"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(DetectorError, match=message):
        detector(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "'format' must be"),
        ({"version": 2}, "version 2"),
        ({"version": None}, "version None"),
        ({"pixel_pich_mm": 0.05}, "unknown keys.*pixel_pich_mm"),
        ({"name": ...}, "'name'"),
        ({"mtf": ...}, "'mtf'"),
        ({"pixel_pitch_mm": "wide"}, "invalid detector file"),
        ({"pixel_pitch_mm": None}, "invalid detector file"),
        ({"mtf": [1, 2, 3]}, "invalid detector file"),
        ({"mtf": {"value": [1, 0]}}, "frequency_lp_mm"),
        ({"mtf": {"frequency_lp_mm": [0, 1], "value": [1, "x"]}}, "invalid detector file"),
        ({"mtf": {"frequency_lp_mm": [0, 0], "value": [1, 1]}}, "increase"),
    ],
)
def test_a_wrong_detector_file_says_what_is_wrong(tmp_path, changes, message):
    data = {k: v for k, v in (detector().to_dict() | changes).items() if v is not ...}
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DetectorError, match=message) as found:
        load_detector(path)
    assert "wrong.json" in str(found.value)
    assert str(tmp_path) not in str(found.value)


def test_a_measurement_record_may_travel_along():
    assert same(Detector.from_dict(detector().to_dict() | {"measurement": {"edge": 1}}), detector())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"[]", "not a detector file"),
        ("a.json", b"\xff\xfe\x00", "not a text file"),
        ("a.csv", b"f,mtf\n0,1\n1,0.5\n", "columns must be"),
        ("a.csv", b"", "columns must be"),
        ("a.csv", b"frequency_lp_mm,mtf,noise\n0,1,2\n", "columns must be"),
        ("a.csv", b"frequency_lp_mm,mtf\n0,1\n1,much\n", "must be a number"),
        ("a.csv", b"frequency_lp_mm,mtf\n0,1\n", "at least two rows"),
        ("a.csv", b"frequency_lp_mm,mtf\n0,1,1\n1,1,1\n", "3 numbers where the header names 2"),
        ("a.csv", b"frequency_lp_mm,mtf\n0,1\n1\n", "number"),
        ("a.csv", b"frequency_lp_mm,mtf\n0,1\n1,nan\n", "NaN"),
        ("a.csv", b"frequency_lp_mm,mtf\n1,1\n0,0.5\n", "increase"),
        ("a.csv", b"frequency_lp_mm,mtf\n0,0.5\n1,0.5\n", "at zero"),
    ],
)
def test_broken_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DetectorError, match=message):
        load_detector(path, pixel_pitch_mm=0.05)


def test_pitch_and_name_are_asked_for(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("frequency_lp_mm,mtf\n0,1\n1,0.5\n")
    for source in (path, "phosphor:80"):
        with pytest.raises(DetectorError, match="pixel pitch"):
            load_detector(source)
    with pytest.raises(DetectorError, match="gos34"):
        load_detector("gos35")
    with pytest.raises(DetectorError, match="not a number"):
        load_detector("phosphor:thick", pixel_pitch_mm=0.05)
    for source, pitch in (
        ("phosphor:nan", 0.05),
        ("phosphor:9999", 0.05),
        ("phosphor:80", 0.0),
        ("phosphor:80", float("nan")),
    ):
        with pytest.raises(ColdrayError):
            load_detector(source, pixel_pitch_mm=pitch)


def test_the_built_in_detectors_are_the_screen_model():
    assert {"gos34", "gos135"} <= set(built_in_detectors())
    for name, loading in (("gos34", 33.91), ("gos135", 134.55)):
        stored, modelled = load_detector(name), load_detector(f"phosphor:{loading}", pixel_pitch_mm=0.048)
        assert stored.pixel_pitch_mm == 0.048
        f = np.linspace(0, 14, 57)
        np.testing.assert_allclose(stored.mtf(f), modelled.mtf(f), atol=1e-4)
        np.testing.assert_allclose(stored.nnps(f), modelled.nnps(f), rtol=1e-3)
        assert stored.electronic_fraction == pytest.approx(modelled.electronic_fraction, rel=0.01)


@pytest.mark.parametrize(("name", "dqe_1"), [("gos34", 0.25), ("gos135", 0.39)])
def test_dqe_of_the_built_in_detectors(name, dqe_1):
    found = load_detector(name)
    dqe = found.mtf(1.0) ** 2 / (AIR_KERMA_RATE_UGY_S * spectrum_70kv().fluence_mm2_ugy * found.nnps(1.0))
    assert float(dqe) == pytest.approx(dqe_1, abs=0.006)


@given(st.floats(0.01, 100), st.floats(0, 1))
def test_noise_power_by_dose(exposure_s, share):
    d = detector(electronic_fraction=share)
    f = F[F <= d.nyquist_lp_mm]
    reference, at = d.noise_power(f, 0.5), d.noise_power(f, exposure_s)
    np.testing.assert_allclose(reference[0] + reference[1], d.nnps(f), rtol=1e-12)
    np.testing.assert_allclose(at[0] * exposure_s, reference[0] * 0.5, rtol=1e-9)
    # below the least normal number digits are lost
    np.testing.assert_allclose(at[1] * exposure_s**2, reference[1] * 0.25, rtol=1e-9, atol=1e-300)


def test_the_electronic_share_is_a_share_of_the_band_integral():
    white = detector(nnps=FrequencyCurve([0, 20], [1e-6, 1e-6]), electronic_fraction=0.3)
    quantum, electronic = white.noise_power(F, 0.5)
    np.testing.assert_allclose(electronic, 0.3e-6, rtol=1e-9)
    np.testing.assert_allclose(quantum, 0.7e-6, rtol=1e-9)


def test_noise_needs_an_nnps_and_an_exposure():
    with pytest.raises(DetectorError, match="no NNPS"):
        detector(nnps=None).noise_power(F, 1.0)
    for exposure in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DetectorError, match="exposure"):
            detector().noise_power(F, exposure)


def test_a_pair_needs_equal_pitch():
    assert DetectorPair(detector(pixel_pitch_mm=0.0504), detector()).pixel_pitch_mm == 0.0504
    with pytest.raises(DetectorError, match="51 um.*50 um.*resample"):
        DetectorPair(detector(pixel_pitch_mm=0.051), detector())


def test_the_ratio_of_the_paper_levels_off_near_one_fifth(pair):
    found = pair.ratio([0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.42])
    assert found == pytest.approx([1, 0.870, 0.640, 0.365, 0.269, 0.219, 0.208, 0.208], abs=0.003)
    assert pair.ratio(14.7) == pytest.approx(0.21, abs=0.01)


def test_a_detector_of_ours_is_read_once_and_cannot_be_written_to():
    first, again = load_detector("gos135"), load_detector("gos135")
    assert first is again
    with pytest.raises(ValueError, match="read-only"):
        first.mtf.value[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        first.nnps.value[0] = 2.0
