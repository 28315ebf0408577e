"""Model observers against closed forms in white noise."""

import numpy as np
import pytest

from coldray.errors import MeasurementError
from coldray.metrology.detectability import Eye, detectability
from coldray.metrology.observer import dog_channels, gabor_channels, hotelling_observer, laguerre_gauss_channels
from coldray.metrology.tasks import disc, gaussian, line
from coldray.physics.curves import FrequencyCurve

PITCH = 0.05
F = np.linspace(0, 15, 301)
IDEAL = FrequencyCurve(F, np.ones(301))
WHITE = FrequencyCurve(F, np.full(301, (0.02 * PITCH) ** 2))


def test_known_signal_in_white_noise():
    y = np.arange(-40, 41) * PITCH
    signal = 0.05 * np.exp(-(y[:, None] ** 2 + y**2) / (2 * 0.1**2))
    truth = np.sqrt(np.sum(signal**2)) / 0.02
    for observer in ("npw", "pw"):
        assert detectability(IDEAL, WHITE, gaussian(0.1, 0.05), PITCH, observer=observer).d_prime == pytest.approx(
            truth, rel=1e-6
        )


@pytest.mark.parametrize(("task", "area"), [(disc(3.0, 0.05), np.pi * 2.25), (line(0.6, 3.0, 0.05, 20), 1.8)])
def test_objects_with_sharp_edges(task, area):
    result = detectability(IDEAL, WHITE, task, PITCH)
    assert result.d_prime == pytest.approx(0.05 * np.sqrt(area) / (0.02 * PITCH), rel=0.02)
    assert 0.5 < result.auc <= 1


def test_npw_loses_to_prewhitening_in_coloured_noise_and_ties_in_white():
    coloured = FrequencyCurve(F, WHITE.value * (0.1 + np.exp(-((F / 2) ** 2))))
    blur = FrequencyCurve(F, np.exp(-((F / 4) ** 2)))
    task = disc(0.3, 0.05)
    npw, pw = (detectability(blur, coloured, task, PITCH, observer=o).d_prime for o in ("npw", "pw"))
    assert npw < pw
    npw, pw = (detectability(blur, WHITE, task, PITCH, observer=o).d_prime for o in ("npw", "pw"))
    assert npw == pytest.approx(pw, rel=1e-9)


def test_the_eye_matters_only_by_its_shape():
    eye = Eye()
    rho = np.linspace(0.1, 20, 400)
    assert eye.response(rho).max() == pytest.approx(1, abs=1e-3)
    npwe = detectability(IDEAL, WHITE, disc(1, 0.05), PITCH, observer="npwe").d_prime
    assert npwe < detectability(IDEAL, WHITE, disc(1, 0.05), PITCH).d_prime


def test_blurred_tasks_are_harder():
    sharp, soft = disc(0.2, 0.05), disc(0.2, 0.05).blurred(0.05)
    assert detectability(IDEAL, WHITE, soft, PITCH).d_prime < detectability(IDEAL, WHITE, sharp, PITCH).d_prime


def test_hotelling_observer_finds_a_known_signal():
    rng = np.random.default_rng(0)
    y = np.arange(24) - 11.5
    signal = 0.55 * np.exp(-(y[:, None] ** 2 + y**2) / 18)
    absent, present = rng.standard_normal((2, 8000, 24, 24))
    channels = laguerre_gauss_channels((24, 24), np.sqrt(2 * np.pi) * 3, 5)
    result = hotelling_observer(present + signal, absent, channels, bootstraps=50, rng=1)
    truth = np.sqrt(np.sum(signal**2))
    assert result.d_prime == pytest.approx(truth, rel=0.02)
    assert result.low < truth < result.high
    assert not result.warnings


@pytest.mark.parametrize(
    "channels", [dog_channels((32, 32)), gabor_channels((32, 32)), laguerre_gauss_channels((32, 32), 9)]
)
def test_channels_have_unit_energy_and_no_signal_is_not_seen(channels):
    assert np.sum(channels**2, axis=(1, 2)) == pytest.approx(np.ones(len(channels)))
    rng = np.random.default_rng(2)
    result = hotelling_observer(*rng.standard_normal((2, 400, 32, 32)), channels, bootstraps=30)
    assert abs(result.d_prime) < 0.25
    assert result.auc == pytest.approx(0.5, abs=0.08)


def test_the_same_generator_gives_the_same_result():
    images = np.random.default_rng(2).standard_normal((2, 60, 16, 16))
    channels = laguerre_gauss_channels((16, 16), 6, 3)
    assert hotelling_observer(*images, channels, rng=3) == hotelling_observer(*images, channels, rng=3)


def test_wrong_input_is_refused():
    rng = np.random.default_rng(0)
    channels = laguerre_gauss_channels((16, 16), 6, 6)
    with pytest.raises(MeasurementError, match="too few"):
        hotelling_observer(*rng.standard_normal((2, 10, 16, 16)), channels)
    with pytest.raises(MeasurementError, match="shape"):
        hotelling_observer(*rng.standard_normal((2, 100, 15, 16)), channels)
    with pytest.raises(MeasurementError, match="unknown"):
        detectability(IDEAL, WHITE, disc(1, 0.1), PITCH, observer="eyeball")  # type: ignore[arg-type]
    with pytest.raises(MeasurementError, match="positive"):
        disc(-1, 0.1)
    few = hotelling_observer(*rng.standard_normal((2, 40, 16, 16)), channels, bootstraps=5)
    assert few.warnings
