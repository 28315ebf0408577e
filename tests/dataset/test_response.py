"""Response matching: the curve is monotone, kept with the pair, and removes most of the hardening mismatch."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.dataset.response import CalibrationImage, fit_response
from coldray.dataset.simulated import CALIBRATION_FAMILIES
from coldray.errors import MeasurementError, MetadataError
from coldray.objects.boards import ROLES
from coldray.physics.response import ResponseCurve, fit_levels, hardened, load_response
from coldray.simulation.thickness import ThicknessMaps

from .pairs_of_boards import OVERSAMPLING, PITCH, detectors, screens, seen, transmissions


def psnr_db(a, b):
    return -10 * np.log10(np.mean((a - b)[8:-8, 8:-8] ** 2))


def fitted(families, seed):
    """Curve of noisy pairs of boards, and the brightest signal that they show."""
    rng, sharp, blurred = np.random.default_rng(1), *screens()
    images, brightest = [], 0.0
    for family in families:
        thin, thick = transmissions(family, 160, seed)
        images.append(
            CalibrationImage(
                family,
                sharp.frame(thin, OVERSAMPLING, 1.0, rng, frames=20),
                blurred.frame(thick, OVERSAMPLING, 1.0, rng),
                detectors(),
            )
        )
        brightest = max(brightest, float(thin.max()))
    return fit_response(images, sharp="gos34", blurred="gos135"), brightest


@pytest.fixture(scope="module")
def curve():
    # a random state whose boards are of the usual laminate: brominated ones follow another curve
    return fitted(CALIBRATION_FAMILIES, 5)[0]


@pytest.mark.parametrize("family", sorted(name for name, role in ROLES.items() if role == "test"))
def test_the_curve_removes_most_of_the_hardening_mismatch_on_boards_it_never_saw(curve, family):
    thin, _, target = seen(family)
    before, gain, after = (psnr_db(x, target) for x in (thin, curve.gain * thin, curve(thin)))
    assert after >= before + 14
    assert after >= gain + 3
    assert curve.removed_db > 16


def test_a_signal_that_no_calibration_board_shows_follows_the_hardening_law():
    """Both boards are dark; laminate alone lies in the gap between them and the open beam."""
    curve, brightest = fitted(CALIBRATION_FAMILIES[:2], 4)
    sharp, blurred = screens()
    mm = np.linspace(0.2, 4.0, 12, dtype=np.float32)
    laminate = ThicknessMaps({"FR4": np.tile(mm, (4, 1))}, PITCH / OVERSAMPLING)
    thin, thick = (s.transmission(laminate)[0] for s in (sharp, blurred))
    assert thin.max() > 0.9 > brightest
    # laminate and copper differ by as much: one curve cannot serve both better
    assert np.abs(curve(thin) - thick).max() < 0.005
    assert np.abs(thin - thick).max() > 0.03


def test_the_hardening_law_describes_one_material():
    sharp, blurred = screens()
    mm = np.geomspace(0.05, 40, 60, dtype=np.float32)
    for material, a, c in (("FR4", 0.158, 0.67),):
        maps = ThicknessMaps({material: np.tile(mm, (4, 1))}, PITCH / OVERSAMPLING)
        thin, thick = (s.transmission(maps)[0] for s in (sharp, blurred))
        np.testing.assert_allclose(hardened(thin, a, c), thick, atol=1e-3)
    assert hardened(np.array([0.0, 1.0, -0.1]), 0.158, 0.67) == pytest.approx(
        [0, 1, -0.1 * (1e-4) ** (-0.158 * 1e-4**0.67)]
    )


def test_the_curve_rises_and_keeps_dark_and_open_beam(curve):
    x = np.linspace(-0.2, 1.3, 2001)
    assert np.all(np.diff(curve(x)) > 0)
    assert curve(0.0) == pytest.approx(0, abs=1e-6)
    assert curve(1.0) == pytest.approx(1, abs=2e-3)
    # the thick screen sees a harder beam: more gets through
    assert curve.gain > 1


def test_the_file_gives_the_same_curve_back(curve, tmp_path):
    path = tmp_path / "response.json"
    path.write_text(json.dumps(curve.to_dict()))
    back = load_response(path)
    x = np.linspace(-0.1, 1.2, 301)
    np.testing.assert_allclose(back(x), curve(x), atol=1e-6)
    assert back.boards == CALIBRATION_FAMILIES
    assert (back.sharp, back.blurred) == ("gos34", "gos135")


@given(st.lists(st.floats(0.03, 0.97), min_size=2, max_size=12, unique=True), st.floats(0.6, 1.0))
def test_a_step_wedge_gives_its_own_levels_back(levels, power):
    x = np.sort(np.array(levels))
    if np.diff(x).min() < 0.005:
        x = np.linspace(x[0], x[0] + 0.5 * (1 - x[0]), len(x))
    curve = fit_levels(x, x**power, sharp="a", blurred="b")
    np.testing.assert_allclose(curve(x), x**power, atol=1e-4)
    assert np.all(np.diff(curve(np.linspace(0, 1, 101))) > 0)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(MeasurementError, match="no calibration"):
        fit_response([], sharp="a", blurred="b")
    flat = CalibrationImage("flat", np.ones((64, 64)), np.ones((64, 64)), detectors())
    with pytest.raises(MeasurementError, match="one signal level"):
        fit_response([flat], sharp="a", blurred="b")
    with pytest.raises(MeasurementError, match="step wedge"):
        fit_levels([0.5], [0.5], sharp="a", blurred="b")


@pytest.mark.parametrize(
    "change", [{"format": "x"}, {"version": 9}, {"signal": [0, 0.5, 0.5]}, {"response": [0, 1]}, {"gain": None}]
)
def test_broken_files_are_refused(change, tmp_path):
    good = ResponseCurve(np.array([0, 0.5, 1]), np.array([0, 0.6, 1]), "a", "b", 1.0, ("w",), {}).to_dict()
    path = tmp_path / "r.json"
    path.write_text(json.dumps(good | change))
    with pytest.raises(MetadataError, match=r"r\.json"):
        load_response(path)
    path.write_text("{")
    with pytest.raises(MetadataError, match=r"r\.json: not valid JSON"):
        load_response(path)
