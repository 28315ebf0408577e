"""Laws of the cold sampler, for any network: derived in closed form, none is a snapshot."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from coldray.degradations import mtf_blend
from coldray.errors import ImageError, SettingsError
from coldray.frame import Frame, TrainingPair
from coldray.methods import cold
from coldray.methods._example import blend_example
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.physics.transfer import TransferOperator

STEPS = [1, 3, 20]


def zero(channels, conditions):
    return 0 * channels[0]


def identity(channels, conditions):
    return channels[0]


class Recorder:
    """Passes a predictor on and remembers what it was shown and what it said."""

    def __init__(self, predictor):
        self.predictor, self.states, self.strengths, self.answers = predictor, [], [], []

    def __call__(self, channels, conditions):
        self.states.append(np.array(channels[0]))
        self.strengths.append(float(conditions[0]))
        answer = self.predictor(channels, conditions)
        self.answers.append(np.array(answer))
        return answer


def wild(seed=0):
    """Non-linear, biased and different at every call, as an untrained network may be."""
    rng = np.random.default_rng(seed)

    def predict(channels, conditions):
        mixed = sum(rng.standard_normal() * c for c in channels)
        return np.tanh(3 * mixed[::-1]) + rng.standard_normal(mixed.shape) + 5 * conditions[0]

    return predict


def filtered(gain, image):
    return scipy.fft.idctn(gain * scipy.fft.dctn(image, norm="ortho"), norm="ortho")


@pytest.fixture
def blur(frame_of, blend, picture):
    return frame_of(picture).operator(blend)


@pytest.mark.parametrize("steps", STEPS)
def test_a_network_that_says_nothing_returns_the_measurement(frame_of, blend, picture, steps):
    np.testing.assert_allclose(cold.restore(frame_of(picture), blend, zero, steps=steps), picture, atol=1e-15)


@pytest.mark.parametrize("steps", STEPS)
def test_identity_network_has_the_gain_of_compound_interest(frame_of, blend, blur, picture, steps):
    out = cold.restore(frame_of(picture), blend, identity, steps=steps)
    np.testing.assert_allclose(out, filtered((1 + (1 - blur.transfer) / steps) ** steps, picture), atol=1e-12)


@pytest.mark.parametrize("steps", STEPS)
def test_oracle_returns_the_truth(frame_of, blend, blur, picture, steps):
    out = cold.restore(frame_of(blur(picture)), blend, lambda c, k: picture, steps=steps)
    np.testing.assert_allclose(out, picture, atol=1e-13)


@pytest.mark.parametrize("steps", STEPS)
def test_oracle_passes_the_noise_with_unit_gain(frame_of, blend, blur, picture, steps):
    noise = np.random.default_rng(1).standard_normal(picture.shape)
    out = cold.restore(frame_of(blur(picture) + noise), blend, lambda c, k: picture, steps=steps)
    np.testing.assert_allclose(out, picture + noise, atol=1e-12)


@pytest.mark.parametrize("steps", STEPS)
def test_an_inverting_network_inverts_whatever_the_steps(frame_of, blend, blur, picture, steps):
    left = iter(range(steps, 0, -1))

    def inverse(channels, conditions):
        return filtered(1 / (1 - next(left) / steps * (1 - blur.transfer)), channels[0])

    out = cold.restore(frame_of(picture), blend, inverse, steps=steps)
    np.testing.assert_allclose(out, filtered(1 / blur.transfer, picture), atol=1e-11)


@given(st.integers(1, 7), st.integers(0, 99))
def test_exact_decomposition_and_certificate(steps, seed):
    """out = y + (I - H) xbar = xbar + (y - H xbar), so |OUT - Y| <= |1 - H| |XBAR| at every frequency."""
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    blend = mtf_blend.Degradation(pair)
    y = np.random.default_rng(seed).uniform(0, 1, (13, 18))
    frame = Frame(y, pair, NoiseModel.of_detector(pair.blurred, 0.25))
    network = Recorder(wild(seed))
    out = cold.restore(frame, blend, network, steps=steps)
    h = frame.operator(blend)
    mean = np.mean(network.answers, axis=0)
    np.testing.assert_allclose(out, y + mean - h(mean), atol=1e-11)
    np.testing.assert_allclose(out, mean + (y - h(mean)), atol=1e-11)
    assert out.mean() == pytest.approx(y.mean(), abs=1e-12)
    dct = [np.abs(scipy.fft.dctn(x, norm="ortho")) for x in (out - y, mean)]
    assert np.all(dct[0] <= (1 - h.transfer) * dct[1] + 1e-10)
    residual = y - h(out)
    np.testing.assert_allclose(residual, (y - h(mean)) - h(y - h(mean)), atol=1e-10)


@pytest.mark.parametrize("steps", STEPS)
def test_frequencies_that_were_not_blurred_equal_the_measurement(frame_of, picture, steps):
    f = np.linspace(0, 15, 151)
    sharp = FrequencyCurve(f, np.exp(-f / 8))
    blurred = FrequencyCurve(f, np.where(f < 4, sharp.value, 0.4 * sharp.value))
    pair = DetectorPair(
        *(Detector(n, 0.048, m, FrequencyCurve(f, 1e-6 + 0 * f)) for n, m in (("a", blurred), ("b", sharp)))
    )
    degradation = mtf_blend.Degradation(pair)
    frame = frame_of(picture, pair)
    kept = frame.operator(degradation).transfer > 0.999
    assert 10 < kept.sum() < kept.size / 2
    out = cold.restore(frame, degradation, wild(), steps=steps)
    change = np.abs(scipy.fft.dctn(out - picture, norm="ortho"))
    assert change[kept].max() < 1e-11
    assert change[~kept].min() > 1e-6


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_call_pattern(frame_of, blend, blur, picture, steps):
    network = Recorder(wild())
    out = cold.restore(frame_of(picture), blend, network, steps=steps)
    assert network.strengths == pytest.approx([t / steps for t in range(steps, 0, -1)], abs=1e-6)
    np.testing.assert_array_equal(network.states[0], picture)
    path = [*network.states, out]
    for before, after, answer in zip(path[:-1], path[1:], network.answers, strict=True):
        assert np.abs(after - before).max() > 1e-3
        np.testing.assert_allclose(after - before, (answer - blur(answer)) / steps, atol=1e-11)


@pytest.mark.parametrize("steps", [1, 4])
def test_equal_detectors_return_the_input_bit_for_bit(frame_of, picture, steps):
    thick = load_detector("gos135")
    pair = DetectorPair(thick, thick)
    out = cold.restore(frame_of(picture, pair), mtf_blend.Degradation(pair), wild(), steps=steps)
    np.testing.assert_array_equal(out, picture)


def test_the_mtf_matters(frame_of, pair, blend, blur, picture):
    other = DetectorPair(load_detector("phosphor:80", pixel_pitch_mm=0.048), pair.sharp)
    one = cold.restore(frame_of(picture), blend, wild())
    two = cold.restore(frame_of(picture, other), mtf_blend.Degradation(other), wild())
    assert np.abs(one - two).max() > 0.05

    def shown(p):
        d = mtf_blend.Degradation(p)
        frame = frame_of(picture, p)
        return blend_example(TrainingPair(frame, picture, frame.operator(d)(picture)), d, 0.5)

    first, second = shown(pair), shown(other)
    for a, b in ((first.channels[0], second.channels[0]), (first.channels[1], second.channels[1])):
        assert np.abs(a - b).max() > 1e-3
    assert np.abs(first.conditions - second.conditions).max() > 0.01


class Constant:
    """Blur of one contrast at all frequencies but zero."""

    def __init__(self, contrast):
        self.contrast = contrast

    def transfer(self, f, strength):
        return np.where(np.asarray(f) == 0, 1.0, 1 - strength * (1 - self.contrast))


GAIN_TABLE = [
    (0.5, 0.1, {1: 1.714, 5: 1.760, 20: 1.770}),
    (0.3, 0.1, {1: 2.105, 5: 2.330, 20: 2.387}),
    (0.1, 0.01, {1: 5.50, 5: 6.35, 20: 6.88}),
    (0.1, 0.1, {1: 1.82, 5: 2.76, 20: 3.06}),
]


def wiener_network(contrast, noise):
    """Exact posterior mean of x0 given D_t x0 + n, unit signal power."""

    def predict(channels, conditions):
        d = 1 - float(conditions[0]) * (1 - contrast)
        return channels[0] * d / (d**2 + noise)

    return predict


@pytest.mark.parametrize(("contrast", "noise", "gains"), GAIN_TABLE)
def test_gain_with_a_perfect_linear_network(frame_of, contrast, noise, gains):
    y = np.random.default_rng(0).standard_normal((6, 6))
    y -= y.mean()
    for steps, expected in (*gains.items(), (1000, np.sqrt((1 + noise) / (contrast**2 + noise)))):
        out = cold.restore(frame_of(y), Constant(contrast), wiener_network(contrast, noise), steps=steps)
        gain = np.vdot(out, y) / np.vdot(y, y)
        np.testing.assert_allclose(out, gain * y, atol=1e-6)
        decimals = 1e-3 if contrast > 0.1 else 6e-3
        assert gain == pytest.approx(expected, abs=decimals)


@pytest.mark.parametrize("steps", STEPS)
def test_calibrated_gain_recovers_wiener_whatever_the_steps(frame_of, steps):
    """K = S_er / S_rr with e = x0 - xbar, r = y - H xbar turns any linear network into the Wiener filter."""
    contrast, noise = 0.3, 0.1
    y = np.random.default_rng(0).standard_normal((8, 9))
    y -= y.mean()
    frame, degradation = frame_of(y), Constant(contrast)
    nothing = TransferOperator(np.zeros(y.shape))
    network = wiener_network(contrast, noise)
    g = np.vdot(cold.restore(frame, degradation, network, steps=steps, consistency=nothing), y) / np.vdot(y, y)
    power = contrast**2 + noise
    k = TransferOperator(np.full(y.shape, (contrast - g * power) / ((1 - contrast * g) * power)))
    out = cold.restore(frame, degradation, network, steps=steps, consistency=k)
    np.testing.assert_allclose(out, contrast / power * y, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
def test_gain_limits(frame_of, blend, blur, picture, steps):
    def run(predictor, k=None):
        k = None if k is None else TransferOperator(k)
        return cold.restore(frame_of(picture), blend, predictor, steps=steps, consistency=k)

    ones = np.ones(picture.shape)
    np.testing.assert_allclose(run(wild(), ones), run(wild()), atol=1e-12)
    network = Recorder(wild())
    out = run(network, 0 * ones)
    np.testing.assert_allclose(out, np.mean(network.answers, axis=0), atol=1e-13)
    np.testing.assert_allclose(run(zero, 0.3 * ones), 0.3 * picture, atol=1e-13)
    np.testing.assert_allclose(run(zero, 1 / blur.transfer), filtered(1 / blur.transfer, picture), atol=1e-12)


@pytest.mark.parametrize("steps", [0, -1])
def test_at_least_one_step(frame_of, blend, picture, steps):
    with pytest.raises(SettingsError, match="at least 1"):
        cold.restore(frame_of(picture), blend, zero, steps=steps)


def test_one_frame_at_a_time(frame_of):
    with pytest.raises(ImageError, match="one frame"):
        frame_of(np.ones((2, 8, 8)))


def test_float32_stays_float32(frame_of, blend, picture):
    out = cold.restore(frame_of(picture.astype(np.float32)), blend, identity, steps=3)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, cold.restore(frame_of(picture), blend, identity, steps=3), atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("steps", [1, 3])
def test_torch_tensors_run_the_same_sampler(torch, frame_of, blend, picture, steps):
    def network(channels, conditions):
        return channels[0] * 0.5 + channels[1] ** 2 + float(conditions[0]) * channels[2]

    out = cold.restore(frame_of(torch.from_numpy(picture)), blend, network, steps=steps)
    assert isinstance(out, torch.Tensor)
    np.testing.assert_allclose(out.numpy(), cold.restore(frame_of(picture), blend, network, steps=steps), atol=1e-11)


def test_channels_and_conditions_are_what_the_network_was_promised(frame_of, blend, picture):
    seen = {}

    def look(channels, conditions):
        seen.update(channels=channels, conditions=conditions)
        return channels[0]

    frame = frame_of(picture)
    cold.restore(frame, blend, look)
    assert len(seen["channels"]) == 3
    np.testing.assert_allclose(seen["channels"][1], frame.wiener_operator(blend)(picture), atol=1e-12)
    plain, sharper = (np.linalg.norm(c - c.mean()) for c in seen["channels"][1:])
    assert sharper > plain
    assert seen["conditions"].shape == (len(cold.CONDITIONS),)
    assert seen["conditions"].dtype == np.float32
    f = np.arange(1, 9) / 16 / 0.048
    np.testing.assert_allclose(seen["conditions"][1:9], 2 * blend.transfer(f, 1.0) - 1, atol=1e-6)


def test_conditions_do_not_know_the_pitch(picture):
    """Two detectors with equal curves per pixel look equal."""
    found = []
    for pitch in (0.05, 0.1):
        f = np.linspace(0, 0.75, 76) / pitch
        noise = FrequencyCurve(f, pitch**2 * 1e-4 * np.exp(-2 * f * pitch))
        pair = DetectorPair(*(
            Detector(str(c), pitch, FrequencyCurve(f, np.exp(-c * f * pitch)), noise) for c in (3.0, 1.0)
        ))  # fmt: skip
        frame = Frame(picture, pair, NoiseModel.of_detector(pair.blurred, 1.0), ObjectPrior())
        cold.restore(frame, mtf_blend.Degradation(pair), lambda c, k: found.append(k) or c[0])
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@given(st.floats(0, 1))
def test_training_state_is_the_blend_plus_all_of_the_noise(strength):
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    blend = mtf_blend.Degradation(pair)
    rng = np.random.default_rng(0)
    sharp = rng.uniform(0, 1, (16, 24)).astype(np.float32)
    noise = (0.02 * rng.standard_normal(sharp.shape)).astype(np.float32)
    probe = Frame(sharp, pair, NoiseModel.of_detector(pair.blurred, 0.25))
    blurred = probe.operator(blend)(sharp)
    shown = blend_example(TrainingPair(Frame(blurred + noise, pair, probe.noise), sharp, blurred), blend, strength)
    np.testing.assert_allclose(shown.channels[0], probe.operator(blend, strength)(sharp) + noise, atol=2e-6)
    np.testing.assert_array_equal(shown.target, sharp)
    assert shown.conditions[0] == np.float32(strength)


def test_half_of_the_examples_start_at_full_strength(frame_of, blend, picture):
    rng = np.random.default_rng(0)
    small = picture[:8, :8].astype(np.float32)
    pair = TrainingPair(frame_of(small), small, small)
    strengths = np.array([float(cold.example(pair, blend, rng).conditions[0]) for _ in range(60)])
    assert 20 <= (strengths == 1).sum() <= 40
    assert 0 < strengths.min() < 0.2
