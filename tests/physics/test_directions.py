"""MTFs of two directions: elliptic between, radial as before when equal, in operator, filter, certificate and files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from coldray.dataset.patches import exchanges_axes, turned
from coldray.degradations.mtf_blend import Degradation
from coldray.errors import DetectorError
from coldray.frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.grids import dct_axes
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.tables import write_table
from coldray.restoration.certificate.certify import certify

PITCH_MM = 0.05
F = np.linspace(0, 14.5, 291)


def gaussian(sigma_mm):
    return FrequencyCurve(F, np.exp(-2 * (np.pi * sigma_mm * F) ** 2))


def pair_of(across_mm, down_mm, sharp_mm=0.02):
    blurred = Detector(
        "thick", PITCH_MM, gaussian(0.5 * (across_mm + down_mm)), mtf_along=(gaussian(across_mm), gaussian(down_mm))
    )
    return DetectorPair(blurred, Detector("thin", PITCH_MM, gaussian(sharp_mm)))


def frame_for(pair, image, power_mm2=1e-8):
    return Frame(image, pair, NoiseModel(FrequencyCurve([0, 15], [power_mm2] * 2), 0.0, PITCH_MM))


@given(st.floats(0.025, 0.045), st.floats(0.025, 0.045))
def test_gaussian_blurs_have_elliptic_contours(across_mm, down_mm):
    pair = pair_of(across_mm, down_mm)
    found = frame_for(pair, np.ones((24, 36))).operator(Degradation(pair)).transfer
    v, u = dct_axes((24, 36), PITCH_MM)
    exact = np.exp(-2 * np.pi**2 * (across_mm**2 * u**2 + down_mm**2 * v**2 - 0.02**2 * (u**2 + v**2)))
    # where neither axis has reached the floor
    inside = np.exp(-2 * np.pi**2 * (max(across_mm, down_mm) ** 2 - 0.02**2) * (u**2 + v**2)) > 0.025
    np.testing.assert_allclose(found[inside], exact[inside], rtol=0.02)


@pytest.mark.parametrize("shape", [(40, 56), (33, 1), (1, 40)])
def test_equal_directions_are_the_radial_operator(pair, shape):
    blurred = replace(pair.blurred, mtf_along=(pair.blurred.mtf, pair.blurred.mtf))
    twice = DetectorPair(blurred, pair.sharp)
    image = np.random.default_rng(0).uniform(0.2, 0.8, shape)
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    one, other = (Frame(image, p, noise) for p in (pair, twice))
    for make in (lambda f, d: f.operator(d), lambda f, d: f.operator(d, 0.3), lambda f, d: f.wiener_operator(d)):
        radial, both = make(one, Degradation(pair)), make(other, Degradation(twice))
        np.testing.assert_allclose(both.transfer, radial.transfer, rtol=1e-12, atol=1e-14)
    assert twice.fully_trusted
    assert twice.notes() == []


def test_turning_the_image_is_exchanging_the_directions():
    image = np.random.default_rng(1).uniform(0.2, 0.8, (30, 44))
    one, other = pair_of(0.045, 0.03), pair_of(0.03, 0.045)
    straight = frame_for(one, image).wiener_operator(Degradation(one))(image)
    turned = frame_for(other, image.T).wiener_operator(Degradation(other))(image.T)
    np.testing.assert_allclose(turned.T, straight, atol=1e-12)


@pytest.mark.parametrize("variant", range(8))
def test_a_turned_image_is_one_of_the_turned_pair(variant):
    pair = pair_of(0.045, 0.03)
    image = np.random.default_rng(3).uniform(0.2, 0.9, (24, 24))
    here = pair.turned() if exchanges_axes(variant) else pair
    blurred, seen = (frame_for(p, image).operator(Degradation(p)) for p in (pair, here))
    np.testing.assert_allclose(seen(turned(image, variant)), turned(blurred(image), variant), atol=1e-12)


def test_both_directions_restore_and_certify_better_than_their_mean():
    rng = np.random.default_rng(2)
    truth = np.kron(rng.uniform(0.2, 0.9, (12, 12)), np.ones((16, 16)))
    truth = scipy.fft.idctn(
        scipy.fft.dctn(truth, norm="ortho") * gaussian(0.05)(np.hypot(*dct_axes(truth.shape, PITCH_MM))), norm="ortho"
    )
    pair = pair_of(0.08, 0.065)
    mean = DetectorPair(replace(pair.blurred, mtf_along=None), pair.sharp)
    blurred = frame_for(pair, truth).operator(Degradation(pair))(truth)
    blurred = blurred + frame_for(pair, truth).noise.draw(blurred.astype(np.float32), rng)
    errors, marked = [], []
    for used in (pair, mean):
        frame = frame_for(used, blurred.astype(np.float32))
        restored = frame.wiener_operator(Degradation(used))(frame.blurred)
        errors.append(np.std(restored - truth))
        judged = frame_for(pair, frame.blurred)
        marked.append(certify(judged, Degradation(pair), restored).marked_share)
    assert errors[0] < 0.9 * errors[1]
    assert marked[0] == 0 < marked[1]


def test_without_trust_in_one_direction_nothing_is_sharpened_along_it():
    table = gaussian(0.05).value
    sure, unsure = (FrequencyCurve(F, table, table - e * (F > 0), table + e * (F > 0)) for e in (1e-6, 0.4))
    blurred = Detector("thick", PITCH_MM, gaussian(0.05), mtf_along=(sure, unsure))
    pair = DetectorPair(blurred, Detector("thin", PITCH_MM, gaussian(0.02)))
    assert not pair.fully_trusted
    image = np.random.default_rng(3).uniform(0.2, 0.8, (64, 64))
    frame = frame_for(pair, image)
    gain = frame.wiener_operator(Degradation(pair)).transfer * scipy.fft.dctn(
        frame.towards_aim(scipy.fft.idctn(np.ones((64, 64)), norm="ortho")), norm="ortho"
    )
    at = int(5.0 / 10 * 64)
    assert gain[0, at] > 1.5
    assert gain[at, 0] <= 1 + 1e-6


def test_files_carry_both_directions(tmp_path):
    detector = pair_of(0.05, 0.04).blurred
    path = tmp_path / "d.json"
    path.write_text(json.dumps(detector.to_dict()), encoding="utf-8")
    assert load_detector(path).to_dict() == detector.to_dict()
    columns = {"frequency_lp_mm": F, "mtf": detector.mtf.value}
    columns |= {"mtf_horizontal": detector.mtf_along[0].value, "mtf_vertical": detector.mtf_along[1].value}
    table = tmp_path / "d.csv"
    table.write_text(write_table(columns, PITCH_MM), encoding="utf-8")
    again = load_detector(table)
    for one, other in zip(again.mtf_along, detector.mtf_along, strict=True):
        np.testing.assert_array_equal(one.value, other.value)
    half = {k: v for k, v in detector.to_dict().items() if k != "mtf_vertical"}
    with pytest.raises(DetectorError, match="mtf_horizontal and mtf_vertical"):
        Detector.from_dict(half)
    table.write_text(write_table({k: v for k, v in columns.items() if k != "mtf_horizontal"}), encoding="utf-8")
    with pytest.raises(DetectorError, match="mtf_horizontal and mtf_vertical"):
        load_detector(table, pixel_pitch_mm=PITCH_MM)


@pytest.mark.parametrize(("across_mm", "told"), [(0.0408, False), (0.0436, True)])
def test_a_difference_above_five_percent_is_told(across_mm, told):
    pair = pair_of(across_mm, 0.04)
    assert pair.blurred.anisotropy == pytest.approx(2 * (across_mm - 0.04) / (across_mm + 0.04), rel=0.03)
    assert any("'thick' differs by" in note for note in pair.notes()) is told
