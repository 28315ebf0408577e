"""SNR, SNR_N, CNR and contrast sensitivity against known signals."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.errors import MeasurementError
from coldray.metrology.contrast import contrast

SIGNAL, BACKGROUND = (0, 0, 100, 200), (100, 0, 100, 200)


@pytest.fixture(scope="module")
def image():
    step = np.where(np.arange(200) < 100, 900.0, 1000.0)[None, :]
    return step + 10 * np.random.default_rng(0).standard_normal((200, 200))


def test_snr_and_cnr(image):
    m = contrast(image, SIGNAL, BACKGROUND, srb_um=50)
    assert m.signal.snr == pytest.approx(90, rel=0.02)
    assert m.cnr == pytest.approx(10, rel=0.03)
    assert m.snr_n == pytest.approx(m.signal.snr * 88.6 / 50, rel=0.02)
    assert m.signal.sd_detrended == pytest.approx(10, rel=0.05)


def test_contrast_sensitivity(image):
    m = contrast(image, SIGNAL, BACKGROUND, recess_percent=5)
    assert m.contrast_sensitivity_percent == pytest.approx(5 / m.cnr)


def test_frame_noise_ignores_structure():
    rng = np.random.default_rng(1)
    frames = 1000 + 30 * rng.standard_normal((80, 80)) + 5 * rng.standard_normal((6, 80, 80))
    m = contrast(frames)
    assert m.signal.sd_temporal == pytest.approx(5, rel=0.03)
    assert m.signal.sd == pytest.approx(np.hypot(30, 5), rel=0.03)


def test_trend_is_flagged_and_no_srb_gives_no_snr_n():
    ramp = np.linspace(900, 1100, 120)[None, :] + np.random.default_rng(0).standard_normal((60, 120))
    m = contrast(ramp)
    assert m.snr_n is None and m.cnr is None
    assert any("trend" in w for w in m.warnings)
    assert m.signal.sd_detrended == pytest.approx(1, rel=0.05)
    assert {"mean", "sd", "snr", "snr_n", "cnr"} <= set(m.to_json())


@pytest.mark.parametrize("roi", [(150, 0, 100, 100), (0, 0, 10, 100), (-1, 0, 50, 50)])
def test_wrong_regions_are_refused(image, roi):
    with pytest.raises(MeasurementError, match=r"ROI|region"):
        contrast(image, roi)


def test_wrong_numbers_are_refused(image):
    with pytest.raises(MeasurementError, match="srb_um"):
        contrast(image, SIGNAL, srb_um=0)
    with pytest.raises(MeasurementError, match="background"):
        contrast(image, SIGNAL, recess_percent=5)


def grain(seed, sigma, side=200):
    """Noise of variance 1, white or Gauss-correlated with sigma pixels."""
    field = np.random.default_rng(seed).standard_normal((side, side))
    if not sigma:
        return field
    impulse = np.zeros((64, 64))
    impulse[32, 32] = 1
    return gaussian_filter(field, sigma, mode="wrap") / np.sqrt(np.sum(gaussian_filter(impulse, sigma) ** 2))


@pytest.mark.parametrize(("sigma", "trend", "dead"), [(0, 0, 0), (0, 0.05, 0), (0, 0, 1), (2, 0, 0), (2, 0.05, 1)])
def test_snr_n_is_that_of_the_noise_alone(sigma, trend, dead):
    """SNR 150 on 200 x 200 pixels under a trend, one dead pixel, and noise correlated over 2 pixels."""
    found, held = [], []
    for seed in range(50):
        frame = 150 + grain(seed, sigma) + 150 * trend * np.linspace(-0.5, 0.5, 200)
        frame[37, 99] = 0 if dead else frame[37, 99]
        m = contrast(frame, srb_um=88.6)
        found.append(m.snr_n)
        held.append(abs(m.snr_n - 150) < 2 * m.snr_n_sd)
    assert np.mean(found) == pytest.approx(150, rel=0.02)
    assert np.mean(held) > 0.85


def test_the_band_of_the_cnr_holds_the_truth():
    held = []
    for seed in range(50):
        frame = np.where(np.arange(200) < 100, 150.0, 160.0) + grain(seed, 0)
        m = contrast(frame, SIGNAL, BACKGROUND)
        held.append(abs(m.cnr - 10) < 2 * m.cnr_sd)
    assert 0.85 < np.mean(held)


@pytest.mark.parametrize(("level", "told"), [(0.1, False), (0.5, False), (2.0, True)])
@pytest.mark.parametrize("stored", [np.uint16, np.float32])
def test_noise_below_one_grey_level_is_told(level, told, stored):
    noisy = np.rint((150 + np.random.default_rng(4).standard_normal((100, 100))) / level).astype(stored)
    found = contrast(noisy, srb_um=88.6)
    assert any("grey levels" in w for w in found.warnings) == told
    if not told:
        assert found.snr_n == pytest.approx(150, rel=0.05)
