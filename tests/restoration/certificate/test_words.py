"""The verdict in words and numbers: for every case a user can meet."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from coldray.restoration.certificate.certify import certify
from coldray.restoration.certificate.limits import disc
from coldray.restoration.certificate.words import CONSISTENT, CONTRADICTED, LOCAL, UNTESTABLE, marked_places, summary

PITCH_MM = 0.048


@pytest.fixture
def seen(frame_of, blend):
    """Frame and truth of a plain board with a pad, at 0.25 s."""
    truth = np.full((160, 200), 0.7, dtype=np.float32)
    truth[50:90, 30:80] = 0.4
    probe = frame_of(truth)
    blurred = probe.operator(blend)(truth)
    return frame_of(blurred + probe.noise.draw(blurred, np.random.default_rng(0))), truth


def test_a_consistent_result_is_said_with_its_limits(seen, blend):
    frame, truth = seen
    found = summary(certify(frame, blend, truth))
    assert json.loads(json.dumps(found)) == found
    assert found["verdict"] == CONSISTENT and found["place_count"] == 0 and found["marked_share"] == 0
    text = found["statement"]
    assert f"no mark in {found['tests']} tests" in text and "at most 1 %" in text
    assert f"CNR {found['detectable'][-1]['cnr']:.2g}" in text and "90 % chance" in text
    assert f"{found['verifiable_to_lp_mm']:.3g} lp/mm" in text
    assert "does not prove a detail true" in text
    assert 0 <= found["unverifiable_share_of_prior"] <= 1
    assert found["model_error"] == {"transfer": 0.01, "noise": 0.05}


@pytest.mark.parametrize(("shift", "told"), [(4e-8, 0.0), (-9e-8, 0.0), (-1.2345e-5, -1.23e-5), (2e-7, 2e-7)])
def test_a_shift_of_the_mean_is_no_noise_of_rounding(seen, blend, shift, told):
    frame, truth = seen
    assert summary(replace(certify(frame, blend, truth), mean_shift=shift))["mean_shift"] == told


def test_bands_state_what_was_found_and_what_a_linear_estimate_leaves(seen, blend):
    frame, truth = seen
    bands = summary(certify(frame, blend, truth))["bands"]
    assert bands[0]["low_lp_mm"] == 0 and bands[-1]["high_lp_mm"] == pytest.approx(0.5**0.5 / PITCH_MM, rel=1e-3)
    assert all(a["high_lp_mm"] == b["low_lp_mm"] for a, b in pairwise(bands))
    assert all(b["status"] == "tested" for b in bands)
    # 4 standard errors of 120 tiles with 4 to 116 degrees of freedom each
    for band, degrees in zip(bands, (4, 9, 26, 44, 57, 116), strict=True):
        assert band["found_over_noise"] == pytest.approx(1 / 1.05, abs=4 * (2 / (120 * degrees)) ** 0.5)
    shares = [b["linear_estimate_over_noise"] for b in bands]
    assert shares == sorted(shares) and shares[0] < 0.05 < 0.9 < shares[-1] <= 1
    linear = summary(certify(frame, blend, frame.wiener_operator(blend)(frame.blurred)))["bands"]
    assert linear[0]["found_over_noise"] < 0.3 and linear[-1]["found_over_noise"] > 0.6


def test_places_are_where_something_is_wrong(seen, blend):
    frame, truth = seen
    wrong = truth + 0.4 * disc(10, truth.shape, (120.0, 150.0)) - 0.4 * disc(10, truth.shape, (30.0, 120.0))
    found = summary(certify(frame, blend, wrong))
    assert found["verdict"] == LOCAL and found["place_count"] == 2 == len(found["places"])
    assert "contradicts this result in 2 places" in found["statement"] and "original" in found["statement"]
    for row, col, side in ((120, 150, "darker"), (30, 120, "brighter")):
        place = next(p for p in found["places"] if p["measurement"] == side)
        assert place["x_px"] <= col < place["x_px"] + place["width_px"]
        assert place["y_px"] <= row < place["y_px"] + place["height_px"]
        assert place["x_mm"] == pytest.approx(place["x_px"] * PITCH_MM, rel=1e-3)
        assert place["chance"] <= 0.01 and place["energy_over_expected"] > 1


def test_places_beyond_the_list_are_counted(seen, blend):
    frame, truth = seen
    wrong = truth.copy()
    for row in range(12, 160, 32):
        for col in range(12, 200, 32):
            wrong += 0.6 * disc(4, truth.shape, (float(row), float(col)))
    places, count = marked_places(certify(frame, blend, wrong))
    assert len(places) == min(count, 20) and count >= 1
    assert [p["chance"] for p in places] == sorted(p["chance"] for p in places)


def test_a_frame_that_fits_nowhere_puts_the_model_in_doubt(seen, blend, frame_of):
    frame, truth = seen
    found = summary(certify(frame_of(frame.blurred, exposure_s=25.0), blend, truth))
    assert found["verdict"] == CONTRADICTED and found["marked_share"] > 0.5
    assert "exposure or open beam do not fit" in found["statement"]
    assert "is found with" not in found["statement"]


def test_noise_stated_far_too_high_is_called_lenient(seen, blend, frame_of):
    frame, truth = seen
    found = summary(certify(frame_of(frame.blurred, exposure_s=0.08), blend, truth))
    assert found["verdict"] == CONSISTENT and "is lenient" in found["statement"]
    assert 0.1 < found["noise_found"] < 0.5
    right = summary(certify(frame, blend, truth))
    assert right["noise_found"] == pytest.approx(1.05, abs=0.07) and "lenient" not in right["statement"]
    void = summary(certify(frame_of(frame.blurred, exposure_s=0.005), blend, truth))
    assert void["verdict"] == UNTESTABLE and "right exposure" in void["statement"]


def test_kept_noise_does_not_look_like_overstated_noise(seen, blend):
    """What is found is the measurement's own noise, whatever the result did with it."""
    frame, _ = seen
    sharpened = frame.wiener_operator(blend, regularisation=1e-3)(frame.blurred)
    found = summary(certify(frame, blend, sharpened))
    assert found["verdict"] == CONSISTENT and found["bands"][-1]["found_over_noise"] < 0.3
    assert found["noise_found"] == pytest.approx(1.05, abs=0.07)


def test_what_cannot_be_tested_is_named(seen, blend):
    frame, truth = seen
    limit = 0.11 / PITCH_MM
    found = summary(certify(frame, blend, truth, gain=lambda f: np.where(f < limit, 0.05, 1.0)))
    assert [b["status"] for b in found["bands"]][:3] == ["not testable (gain below 0.1)"] * 2 + ["tested"]
    assert (
        "Not testable, because the method itself ties it to the data: 0 to 0.958, 0.958 to 2.29 lp/mm"
        in found["statement"]
    )
    nothing = summary(certify(frame, blend, truth, gain=lambda f: 0 * f))
    assert nothing["verdict"] == UNTESTABLE and nothing["statement"].startswith("Nothing could be tested")


def test_saturated_tiles_are_counted(seen, blend):
    frame, truth = seen
    mask = np.zeros(truth.shape, dtype=bool)
    mask[:16, :32] = True
    found = summary(certify(frame, blend, truth, excluded=mask))
    assert found["excluded_share"] == pytest.approx(0.01667, abs=0.006)
    assert "saturated" in found["statement"]
