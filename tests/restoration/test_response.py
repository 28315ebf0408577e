"""Results in the sharp detector's energy response: the curve's inverse, after the certificate, recorded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coldray
from coldray.errors import MetadataError
from coldray.physics.response import ResponseCurve, hardened, law_curve, response_of

LAW = "hardening:0.158,0.67"
SCENE = np.full((96, 96), 0.5, dtype=np.float32)
SCENE[24:72, 24:72] *= 0.6
IMAGE = coldray.degrade(SCENE, pixel_pitch_mm=0.048, exposure_s=1.0, random_state=5).pixels
STATED = {"method": "wiener", "pixel_pitch_mm": 0.048, "exposure_s": 1.0}


@settings(max_examples=50, deadline=None)
@given(
    a=st.floats(-0.5, 0.7),
    c=st.floats(0.05, 3.0),
    at=st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20),
)
def test_the_inverse_undoes_the_curve(a, c, at):
    curve = law_curve(a, c)
    signal = np.array(at)
    back = curve.inverse(curve(signal))
    inside = signal > 1e-3
    np.testing.assert_allclose(back[inside], signal[inside], atol=2e-4)
    assert np.all(np.diff(curve.inverse(np.linspace(-0.2, 1.2, 200))) > 0)


def test_the_curve_of_the_law_is_the_law():
    signal = np.linspace(0.01, 1, 300)
    np.testing.assert_allclose(law_curve(0.158, 0.67)(signal), hardened(signal, 0.158, 0.67), atol=1e-5)


def test_the_law_states_what_a_fitted_curve_states():
    found, plain = law_curve(0.158, 0.67), law_curve(0.0, 1.0)
    assert found.rms["unmatched"] > found.rms["gain"] > found.rms["curve"] == 0
    assert found.removed_db > 100
    assert plain.gain == 1.0 and max(plain.rms.values()) == 0


def test_the_result_is_mapped_and_the_certificate_is_the_same():
    plain = coldray.restore(IMAGE, **STATED)
    mapped = coldray.restore(IMAGE, response=LAW, **STATED)
    curve = response_of(LAW)
    np.testing.assert_array_equal(np.asarray(mapped), curve.inverse(np.asarray(plain)))
    before, after = plain.consistency, dict(mapped.consistency)
    assert after.pop("response") == "judged before the curve"
    statement = after.pop("statement")
    assert statement.startswith(before["statement"]) and "judged before the response curve" in statement
    assert {k: v for k, v in before.items() if k != "statement"} == after
    recorded = ResponseCurve.from_dict(mapped.image.history[-1].details["response"])
    np.testing.assert_allclose(recorded.inverse(IMAGE), curve.inverse(IMAGE), atol=1e-5)
    assert "response" not in plain.image.history[-1].details and "response" not in before


def test_what_was_not_judged_was_not_judged_before_the_curve_either():
    found = coldray.Restorer(response=LAW, **STATED).restore(IMAGE, judged=False)
    assert found.verdict == "not judged" and "response" not in found.consistency
    assert "judged before" not in found.consistency["statement"]
    assert "response" in found.image.history[-1].details


def test_a_mapped_result_is_certified_as_what_it_was():
    """`certify` brings it back by its history; without that the measurement contradicts it."""
    plain, mapped = (coldray.restore(IMAGE, response=curve, **STATED).image for curve in (None, "hardening:0.5,0.3"))
    known = {"pixel_pitch_mm": 0.048, "exposure_s": 1.0}
    wanted = coldray.certify(IMAGE, plain, **known)["marked_share"]
    assert coldray.certify(IMAGE, mapped, **known)["marked_share"] == wanted < 0.5
    assert coldray.certify(IMAGE, mapped.pixels, **known)["marked_share"] > 0.9


def test_a_wedge_is_read_and_pixels_keep_their_type(tmp_path):
    wedge = tmp_path / "wedge.csv"
    levels = np.linspace(0.1, 0.9, 9)
    wedge.write_text("# steel\nsharp,blurred\n" + "".join(f"{x},{x**0.9}\n" for x in levels))
    stored = np.rint(IMAGE * 60000).astype(np.uint16)
    found = coldray.restore(stored, response=wedge, open_beam=60000, **STATED)
    plain = coldray.restore(stored, open_beam=60000, **STATED)
    assert np.asarray(found).dtype == np.uint16
    wanted = (np.asarray(plain) / 60000) ** (1 / 0.9) * 60000
    assert np.max(np.abs(np.asarray(found) - wanted)) < 0.004 * 60000
    assert not [w for w in found.warnings if "response" in w]


def test_a_curve_of_other_detectors_is_told(tmp_path):
    import json

    place = tmp_path / "response.json"
    place.write_text(json.dumps(law_curve(0.1, 1.0).to_dict() | {"sharp": "thin-7"}))
    assert any("'thin-7', not 'gos34'" in w for w in coldray.restore(IMAGE, response=place, **STATED).warnings)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "thin,thick\n0.1,0.2\n0.5,0.6\n", "sharp,blurred"),
        ("a.csv", "sharp,blurred\n0.5,x\n", "sharp,blurred"),
        ("a.csv", "sharp,blurred\n0.5,nan\n0.2,0.1\n", "sharp,blurred"),
        ("a.csv", "sharp,blurred\n0.5,0.5\n", "two or more"),
        ("a.csv", "", "sharp,blurred"),
        ("a.json", "{}", "not a response file"),
    ],
)
def test_what_is_no_curve_is_refused_by_name(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(MetadataError, match=says) as caught:
        coldray.restore(IMAGE, response=tmp_path / name, **STATED)
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "text", ["hardening:0.1", "hardening:a,1", "hardening:0.9,1", "hardening:0.1,nan", "none.json"]
)
def test_impossible_curves_are_refused(text):
    with pytest.raises(MetadataError):
        coldray.Restorer(response=text, **STATED)
