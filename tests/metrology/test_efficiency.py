"""Detection efficiency against closed forms: linear steps keep all of it, distortion noise takes its known share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from coldray.errors import MeasurementError
from coldray.metrology.efficiency import EDGES_CYCLES_PX, detection_efficiency

FRAMES, SIDE, ROI = 12, 160, 64


def noise(seed, frames=FRAMES):
    rng = np.random.default_rng(seed)
    return np.stack([gaussian_filter(rng.standard_normal((SIDE, SIDE)), 0.6) for _ in range(frames)])


def test_an_invertible_filter_keeps_everything():
    y = noise(0)
    found = detection_efficiency(y, 0.3 * gaussian_filter(y, (0, 0.8, 0.8)), roi_px=ROI)
    np.testing.assert_allclose(found.eta, 1, atol=0.03)
    assert abs(found.kurtosis) < 0.05
    low = found.frequency_cycles_px[1]
    assert found.gain[1] == pytest.approx(0.3 * np.exp(-2 * (np.pi * 0.8 * low) ** 2), rel=0.02)


@given(st.floats(0.05, 1.0), st.floats(-3.0, 3.0))
def test_scale_and_level_do_not_matter(scale, level):
    y = noise(1, 6)
    x = np.sign(y) * np.sqrt(np.abs(y))
    one = detection_efficiency(y, x, roi_px=ROI)
    other = detection_efficiency(scale * y + level, level - scale * x, roi_px=ROI)
    np.testing.assert_allclose(one.eta, other.eta, atol=1e-3)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_noise_that_is_added_takes_its_share(ratio):
    """A N^2/(A^2 N + D) with D = ratio N: of equal colour 1 / (1 + ratio) at every frequency."""
    y, other = noise(2), noise(3)
    found = detection_efficiency(y, y + np.sqrt(ratio) * other, roi_px=ROI)
    np.testing.assert_allclose(found.eta, 1 / (1 + ratio), atol=0.05)
    np.testing.assert_allclose(found.distortion, ratio, rtol=0.15)
    inside = [abs(e - 1 / (1 + ratio)) < 4 * s + 1e-3 for e, s in zip(found.eta, found.eta_sd, strict=True)]
    assert np.mean(inside) > 0.9


def test_a_hard_limiter_of_white_noise_keeps_two_over_pi():
    """Bussgang's own example: sign(n) = sqrt(2/pi) n / sd + g, so eta = 2/pi at every frequency for white noise."""
    rng = np.random.default_rng(4)
    y = rng.standard_normal((FRAMES, SIDE, SIDE))
    found = detection_efficiency(y, np.sign(y), roi_px=ROI)
    np.testing.assert_allclose(found.gain[3:], np.sqrt(2 / np.pi), rtol=0.03)
    np.testing.assert_allclose(found.eta[2:], 2 / np.pi, atol=0.03)


def test_a_constant_answer_keeps_nothing():
    found = detection_efficiency(noise(5, 6), np.full((6, SIDE, SIDE), 0.4), roi_px=ROI)
    assert max(found.eta) == 0
    assert found.noise_sd == 0 and found.kurtosis == 0


def test_a_fixed_pattern_does_not_count():
    y = noise(6)
    pattern = 5 * np.random.default_rng(7).standard_normal((SIDE, SIDE))
    found = detection_efficiency(y + pattern, y + 3 * pattern, roi_px=ROI)
    np.testing.assert_allclose(found.eta, 1, atol=1e-3)


def test_the_standard_deviation_is_that_of_repeats():
    found = [detection_efficiency(noise(k, 8), noise(k, 8) + noise(100 + k, 8), roi_px=ROI) for k in range(12)]
    spread = np.std([f.eta for f in found], axis=0, ddof=1)
    stated = np.mean([f.eta_sd for f in found], axis=0)
    assert 0.6 < np.sqrt(np.mean(spread**2) / np.mean(stated**2)) < 1.5


def test_what_it_says_of_its_rings():
    found = detection_efficiency(noise(8, 4), noise(8, 4), roi_px=ROI)
    assert all(a < b for a, b in zip(found.frequency_cycles_px, found.frequency_cycles_px[1:], strict=False))
    assert EDGES_CYCLES_PX[0] <= found.frequency_cycles_px[0] and found.frequency_cycles_px[-1] <= EDGES_CYCLES_PX[-1]
    assert found.lowest() == pytest.approx(1, abs=1e-3)
    assert found.at(0.2) == pytest.approx(1, abs=1e-3)
    assert set(found.to_json()) >= {"frequency_cycles_px", "eta", "eta_sd", "gain", "distortion", "frames"}


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [
        (np.zeros((5, 20, 20)), np.zeros((5, 20, 21)), "one shape"),
        (np.zeros((3, 200, 200)), np.zeros((3, 200, 200)), "at least 4"),
        (np.zeros((4, 90, 90)), np.zeros((4, 90, 90)), "need 96"),
        (np.full((4, 100, 100), np.nan), np.zeros((4, 100, 100)), "not finite"),
        (np.ones((4, 100, 100)), np.ones((4, 100, 100)), "all alike"),
    ],
)
def test_wrong_input_is_refused(y, x, words):
    with pytest.raises(MeasurementError, match=words):
        detection_efficiency(y, x, roi_px=ROI)
