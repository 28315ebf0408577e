"""The gain K(u) of the data-consistency step, and what it leaves of a wrong prediction."""

import numpy as np
import pytest

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.gain import DETAIL_SHARE, consistency_gain, residual_gain, share_of, unshared_gain
from coldray.physics.curves import FrequencyCurve
from coldray.restoration.gate_constants import MOST_SHARE
from coldray.settings import GAINS


def constant(value):
    return FrequencyCurve([0, 1], [value, value])


@pytest.fixture
def frame(frame_of, picture):
    return frame_of(picture)


def test_without_calibration_it_is_the_papers_sampler(frame, blend):
    assert consistency_gain(frame, blend, None) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_scales_the_gain_and_the_mean_stays_measured(frame, blend, share):
    gain = consistency_gain(frame, blend, constant(share)).transfer
    whole = consistency_gain(frame, blend, constant(1.0)).transfer
    assert gain[0, 0] == 1
    np.testing.assert_allclose(gain.ravel()[1:], share * whole.ravel()[1:], rtol=1e-6)


def test_the_share_is_told_in_cycles_per_pixel(frame, blend):
    step = FrequencyCurve([0, 0.25, 0.2501, 1.0], [1, 1, 0, 0])
    gain = consistency_gain(frame, blend, step).transfer
    f_px = frame.frequency_lp_mm * frame.pair.pixel_pitch_mm
    assert np.all(gain[f_px < 0.249] > 0)
    assert np.all(gain[f_px > 0.251] == 0)


def test_unshared_gain_minimises_the_error_of_a_wiener_prediction(frame, blend):
    """d/dK of (1 - K H)^2 P_e + K^2 N is zero, and K lies between 0 and 1/H."""
    f = np.linspace(0.1, 14, 200)
    k, h = unshared_gain(frame, blend, f), blend.transfer(f, 1.0)
    noise = frame.noise.power(f, frame.mean_signal)
    signal = frame.prior(f) * frame.pair.sharp.mtf(f) ** 2
    error = signal * noise / (h**2 * signal + noise)

    def cost(k):
        return (1 - k * h) ** 2 * error + k**2 * noise

    assert np.all((k >= 0) & (k <= 1 / h))
    for other in (0.99 * k, 1.01 * k, 0 * k, np.ones_like(k)):
        assert np.all(cost(k) <= cost(other))
    assert float(unshared_gain(frame, blend, np.zeros(1))[0]) == 1


def test_gain_without_and_with_overwhelming_noise(frame, blend):
    """Towards no noise the Wiener error is N / H^2, so K H is 1/2; towards all noise it is S, so K is H S / N -> 0."""
    f = np.linspace(0.1, 10, 50)
    h = blend.transfer(f, 1.0)
    quiet, loud = (Frame(frame.blurred, frame.pair, frame.noise.scaled(s)) for s in (1e-14, 1e14))
    np.testing.assert_allclose(unshared_gain(quiet, blend, f) * h, 0.5, rtol=1e-3)
    assert unshared_gain(loud, blend, f).max() < 1e-6


def test_more_noise_trusts_the_measurement_less(frame, blend):
    f = np.linspace(0.1, 14, 100)
    loud = Frame(frame.blurred, frame.pair, frame.noise.scaled(100))
    assert np.all(unshared_gain(loud, blend, f) < unshared_gain(frame, blend, f))


def test_a_wrong_prediction_is_left_by_one_minus_h_k(frame, blend):
    """out = xbar + K (y - H xbar) gives y - H out = (1 - H K) (y - H xbar), for the paper's K and a calibrated one."""
    rng = np.random.default_rng(4)
    prediction = frame.blurred + rng.normal(0, 0.05, frame.shape)
    blur = frame.operator(blend)
    for share in (None, constant(0.4)):
        step = consistency_gain(frame, blend, share)
        rest = frame.blurred - blur(prediction)
        out = prediction + (rest if step is None else step(rest))
        left = frame.radial_operator(residual_gain(frame, blend, share))(rest)
        np.testing.assert_allclose(frame.blurred - blur(out), left, atol=2e-6)


def test_the_choices_of_the_gain():
    own = FrequencyCurve([0.1, 0.4], [0.0, 0.7])
    assert share_of("calibrated", own) is own
    assert share_of("paper", own) is None
    assert all(share_of(choice, None) is None for choice in GAINS if choice != "network")
    for calibrated in (own, None):
        np.testing.assert_array_equal(share_of("network", calibrated)(np.array([0.1, 0.5])), 0)
    np.testing.assert_allclose(share_of("detail", own).value, [DETAIL_SHARE, 0.7])
    least = FrequencyCurve([0.0, 0.2, 1.0], [0.9, 0.3, 0.3])
    at = np.array([0.05, 0.1, 0.2, 0.4, 0.7])
    np.testing.assert_allclose(share_of("calibrated", own, least)(at), [0.75, 0.6, 0.3, 0.7, 0.7])
    np.testing.assert_allclose(share_of("detail", own, least)(at), [0.75, 0.6, DETAIL_SHARE, 0.7, 0.7])
    assert share_of("paper", own, least) is None
    with pytest.raises(SettingsError, match="choose one of calibrated, detail, paper"):
        share_of("strong", own)


def test_detail_puts_back_what_the_network_took_for_noise(frame, blend):
    """A network that answers with the mean alone: the result still follows the measurement, at the gain's share."""
    nothing = FrequencyCurve([0.1, 0.4], [0.0, 0.0])
    gain = consistency_gain(frame, blend, share_of("detail", nothing))
    mean = np.full_like(frame.blurred, frame.blurred.mean())
    added = gain(frame.blurred - frame.operator(blend)(mean))
    full = consistency_gain(frame, blend, FrequencyCurve([0.1, 0.4], [1.0, 1.0]))(frame.blurred - mean)
    np.testing.assert_allclose(added, DETAIL_SHARE * full, atol=1e-6)
    assert added.std() > 0


def test_no_share_that_a_model_may_carry_lets_an_error_grow(frame, blend):
    """Left of a wrong prediction is 1 - H K; with K = s K_0 and H K_0 within 0 to 1 it stays within -1 to 1 up to s = 2."""
    frequency = frame.frequency_lp_mm
    for share in (0.0, 1.0, MOST_SHARE):
        left = residual_gain(frame, blend, FrequencyCurve([0.0, 1.0], [share, share]))(frequency)
        assert -1 <= left.min() <= left.max() <= 1
