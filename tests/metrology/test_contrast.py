"""SNR, SNR_N, CNR and contrast sensitivity against known signals."""

import numpy as np
import pytest

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
    assert m.snr_n == pytest.approx(m.signal.snr * 88.6 / 50)
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
