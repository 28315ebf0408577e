"""Blur of a focal spot at the detector and in the plane of the object, in closed form."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import coldray
from coldray.degradations.focal_spot import Degradation, with_argument
from coldray.errors import PluginError, SettingsError
from coldray.frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.physics.focal_spot import FocalSpot
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import degradation_of
from coldray.radiograph import Radiograph

PITCH_MM = 0.05
F = np.linspace(0, 15, 301)


def gaussian_detector(name, sigma_mm):
    return dataclasses.replace(
        coldray.load_detector("gos34"),
        name=name,
        pixel_pitch_mm=PITCH_MM,
        mtf=FrequencyCurve(F, np.exp(-2 * (np.pi * sigma_mm * F) ** 2)),
    )


THICK, THIN = gaussian_detector("thick", 0.05), gaussian_detector("thin", 0.02)
PAIR = DetectorPair(THICK, THIN)


def test_gaussian_blurs_add_in_squares():
    """Detector and spot together are one Gaussian of the summed variance."""
    blur = with_argument("100,1.8,gaussian")(PAIR)
    variance = 0.05**2 - 0.02**2 + (0.08 / 2.3548) ** 2
    f = np.linspace(0, 3, 40)
    wanted = np.exp(-2 * np.pi**2 * variance * f**2)
    np.testing.assert_allclose(blur.transfer(f, 1.0), np.maximum(wanted, PAIR.floor), rtol=1e-3)
    np.testing.assert_allclose(blur.transfer(f, 0.3), 0.7 + 0.3 * blur.transfer(f, 1.0))


@pytest.mark.parametrize("argument", ["80,1", "0,5", "0,5,gaussian"])
def test_without_a_shadow_it_is_the_blend(argument):
    np.testing.assert_allclose(
        with_argument(argument)(PAIR).transfer(F, 0.7), degradation_of("mtf_blend")(PAIR).transfer(F, 0.7)
    )


def test_in_the_plane_of_the_object():
    """At M the object's frequencies are M times those at the detector; far away only the spot is left: 0.5 at 0.6034 / w."""
    geometry = FocalSpot(60, 4)
    seen = geometry.object_plane(THICK.mtf)
    f = np.linspace(0.1, 4, 20)
    np.testing.assert_allclose(seen(4 * f), THICK.mtf(f) * np.sinc(0.18 * f), atol=2e-3)
    sharp = gaussian_detector("ideal", 1e-4)
    alone = FocalSpot(500, 20).object_plane(sharp.mtf).frequency_at(0.5)
    assert alone == pytest.approx(0.6034 / (0.5 * 19 / 20), rel=0.01)


@settings(max_examples=60, deadline=None)
@given(
    spot_um=st.floats(0, 5000),
    magnification=st.floats(1, 20),
    shape=st.sampled_from(["uniform", "gaussian"]),
    strength=st.floats(0, 1),
)
def test_it_never_rises_and_keeps_the_mean(spot_um, magnification, shape, strength):
    transfer = Degradation(PAIR, FocalSpot(spot_um, magnification, shape)).transfer(F, strength)
    assert transfer[0] == 1
    assert transfer.min() >= min(PAIR.floor, 1 - strength * (1 - PAIR.floor)) - 1e-12
    assert np.all(np.diff(transfer) <= 1e-9)


@pytest.mark.parametrize(
    "argument",
    ["80", "80,", "a,2", "80,0.5", "80,21", "-1,2", "6000,2", "80,2,round", "80,2,uniform,x", "nan,2", "80,nan"],
)
def test_impossible_geometries_are_refused(argument):
    with pytest.raises(SettingsError):
        degradation_of(f"focal_spot:{argument}")


@pytest.mark.parametrize(
    ("stated", "says"), [("focal_spot", "SPOT_UM,MAGNIFICATION"), ("mtf_blend:3", "takes no argument")]
)
def test_arguments_belong_to_those_that_take_them(stated, says):
    with pytest.raises(PluginError, match=says):
        degradation_of(stated)


def test_every_direction_keeps_the_geometry():
    curves = (THICK.mtf, FrequencyCurve(F, np.exp(-2 * (np.pi * 0.06 * F) ** 2)))
    pair = DetectorPair(dataclasses.replace(THICK, mtf_along=curves), THIN)
    frame = Frame(np.full((16, 16), 0.5, np.float32), pair, NoiseModel.of_detector(THICK, 1.0))
    blur = with_argument("100,1.8")(pair)
    assert {part.geometry for _, part in frame.by_direction(blur)} == {blur.geometry}
    assert blur.transfer(F, 1.0)[40] < Degradation(pair).transfer(F, 1.0)[40]


def test_what_the_spot_blurred_is_restored_and_recorded():
    """On its own image the plug-in comes nearer to the truth than the detectors' ratio alone, and says what was assumed."""
    rng = np.random.default_rng(3)
    blocks = np.kron(rng.uniform(0.3, 0.9, (24, 24)), np.ones((8, 8)))
    truth = Radiograph(gaussian_filter(blocks, 1.0).astype(np.float32))
    stated = {"pixel_pitch_mm": PITCH_MM}
    blurred = coldray.degrade(truth, THICK, THIN, degradation="focal_spot:100,2", **stated)
    noisy = blurred.pixels + rng.normal(0, 0.002, truth.shape).astype(np.float32)
    error, details = {}, {}
    for degradation in ("focal_spot:100,2", "mtf_blend"):
        found = coldray.restore(noisy, THICK, THIN, method="wiener", degradation=degradation, **stated)
        error[degradation] = float(np.std(np.asarray(found) - truth.pixels))
        details[degradation] = found.image.history[-1].details
    assert error["focal_spot:100,2"] < 0.7 * error["mtf_blend"]
    said = details["focal_spot:100,2"]
    assert said["degradation"] == "focal_spot:100,2"
    assert said["geometry"]["unsharpness_mm"] == 0.1
    assert said["geometry"]["object_pixel_mm"] == PITCH_MM / 2
    mtf50 = said["geometry"]["object_mtf50_lp_mm"]
    assert mtf50["restored_towards"] == pytest.approx(2 * THIN.mtf.frequency_at(0.5), rel=1e-3)
    assert mtf50["restored_towards"] > mtf50["measured"] > 0
    assert "geometry" not in details["mtf_blend"]
