"""The gain K(u) of the data-consistency step, and the re-blurred residual."""

import numpy as np
import pytest

from coldray.methods._frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.restore.consistency import consistency_gain, reblur_residual


def constant(value):
    return FrequencyCurve([0, 1], [value, value])


@pytest.fixture
def frame(frame_of, picture):
    return frame_of(picture)


def test_without_calibration_it_is_the_papers_sampler(frame, blend):
    assert consistency_gain(frame, blend, None) is None


def test_a_perfect_prediction_needs_only_the_mean_of_the_measurement(frame, blend):
    gain = consistency_gain(frame, blend, constant(0.0)).transfer
    assert gain[0, 0] == 1
    assert np.abs(gain.ravel()[1:]).max() == 0


def test_a_hopeless_prediction_is_replaced_by_the_inverse_filter(frame, blend):
    gain = consistency_gain(frame, blend, constant(1e15)).transfer
    np.testing.assert_allclose(gain, 1 / frame.operator(blend).transfer, rtol=1e-6)


def test_gain_minimises_the_expected_error(frame, blend):
    """d/dK of (1 - K H)^2 P_e + K^2 N is zero, and K lies between 0 and 1/H."""
    ratio = FrequencyCurve([0, 0.2, 0.7], [1.5, 0.7, 0.3])
    k = consistency_gain(frame, blend, ratio).transfer
    f, h = frame.frequency_lp_mm, frame.operator(blend).transfer
    noise = frame.noise.power(f, frame.mean_signal)
    signal = frame.prior(f) * frame.pair.sharp.mtf(f) ** 2
    error = ratio(f * frame.pair.pixel_pitch_mm) * signal * noise / (h**2 * signal + noise)

    def cost(k):
        return (1 - k * h) ** 2 * error + k**2 * noise

    rest = np.ones(k.shape, bool)
    rest[0, 0] = False
    assert np.all((k >= 0) & (k <= 1 / h + 1e-12))
    for other in (0.99 * k, 1.01 * k, 0 * k, np.ones_like(k)):
        assert np.all(cost(k)[rest] <= cost(other)[rest] * (1 + 1e-12))
    np.testing.assert_allclose(((1 - k * h) * h * error - k * noise)[rest], 0, atol=1e-18)


def test_more_noise_trusts_the_measurement_less(frame, blend):
    loud = Frame(frame.blurred, frame.pair, frame.noise.scaled(100))
    quiet_gain, loud_gain = (consistency_gain(f, blend, constant(1.0)).transfer for f in (frame, loud))
    assert np.all(loud_gain <= quiet_gain + 1e-12)
    assert loud_gain.mean() < 0.9 * quiet_gain.mean()


def test_the_noise_free_truth_leaves_a_residual_of_one_noise(frame_of, pair, blend):
    truth = np.kron(np.random.default_rng(0).uniform(0.2, 0.9, (16, 16)), np.ones((12, 12))).astype(np.float32)
    probe = frame_of(truth)
    blurred = probe.operator(blend)(truth)
    noise = probe.noise.draw(blurred, np.random.default_rng(1))
    found = reblur_residual(frame_of(blurred + noise), blend, truth)
    assert found["residual_over_noise"] == pytest.approx(1, abs=0.05)
    assert found["mean_shift"] == pytest.approx(truth.mean() - (blurred + noise).mean(), abs=1e-6)
    exact = reblur_residual(frame_of(blurred), blend, truth)
    assert exact["residual_over_noise"] < 0.01


def test_a_wrong_result_contradicts_the_measurement(frame_of, blend, picture):
    frame = frame_of(picture)
    assert reblur_residual(frame, blend, picture[::-1])["residual_over_noise"] > 5
    assert reblur_residual(frame, blend, picture + 0.1)["mean_shift"] == pytest.approx(0.1)
