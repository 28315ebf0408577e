"""InDI: one step is regression, many steps reach the limits derived for exact linear networks."""

import numpy as np
import pytest

from coldray.errors import SettingsError
from coldray.frame import Frame, TrainingPair
from coldray.methods import direct, indi


class Constant:
    """Blur of one contrast at all frequencies but zero."""

    def __init__(self, contrast):
        self.contrast = contrast

    def transfer(self, f, strength):
        return np.where(np.asarray(f) == 0, 1.0, 1 - strength * (1 - self.contrast))


def exact(contrast, noise):
    """Posterior mean of x0 given (1 - t) x0 + t (H x0 + n), unit signal power."""

    def predict(channels, conditions):
        t = float(conditions[0])
        d = 1 - t * (1 - contrast)
        return channels[0] * d / (d**2 + t**2 * noise)

    return predict


GAINS = [
    (0.5, 0.1, {1: 1.429, 5: 1.633, 20: 1.676}),
    (0.3, 0.1, {1: 1.579, 5: 2.114, 20: 2.248}),
    (0.1, 0.01, {1: 5.00, 5: 6.09, 20: 6.78}),
    (0.1, 0.1, {1: 0.91, 5: 2.38, 20: 2.85}),
]


@pytest.mark.parametrize(("contrast", "noise", "gains"), GAINS)
def test_gain_with_an_exact_linear_network(frame_of, contrast, noise, gains):
    y = np.random.default_rng(0).standard_normal((4, 4))
    y -= y.mean()
    for steps, expected in (*gains.items(), (4000, np.sqrt(1 / (contrast**2 + noise)))):
        out = indi.restore(frame_of(y), Constant(contrast), exact(contrast, noise), steps=steps)
        gain = np.vdot(out, y) / np.vdot(y, y)
        np.testing.assert_allclose(out, gain * y, atol=1e-6)
        assert gain == pytest.approx(expected, abs=1e-3 if contrast > 0.1 else 6e-3)


def test_one_step_is_regression(frame_of, blend, picture):
    def network(channels, conditions):
        assert conditions[0] == 1
        return np.tanh(channels[0] + channels[1] - channels[2])

    frame = frame_of(picture)
    np.testing.assert_allclose(indi.restore(frame, blend, network, steps=1), direct.restore(frame, blend, network))


@pytest.mark.parametrize("steps", [1, 3, 20])
def test_oracle_returns_the_truth_and_drops_the_noise(frame_of, blend, picture, steps):
    noise = np.random.default_rng(1).standard_normal(picture.shape)
    y = frame_of(picture).operator(blend)(picture) + noise - noise.mean()
    out = indi.restore(frame_of(y), blend, lambda c, k: picture, steps=steps)
    np.testing.assert_allclose(out, picture, atol=1e-12)


def test_an_inverting_network_inverts_whatever_the_steps(frame_of, blend, picture):
    frame = frame_of(picture)
    blurred = frame.operator(blend)(picture)

    def invert(channels, conditions):
        op = frame.operator(blend, float(conditions[0]))
        return type(op)(1 / op.transfer)(channels[0])

    for steps in (1, 3, 20):
        np.testing.assert_allclose(indi.restore(frame_of(blurred), blend, invert, steps=steps), picture, atol=1e-6)


def test_call_pattern(frame_of, blend, picture):
    states, told, answers = [], [], []

    def network(channels, conditions):
        states.append(channels[0])
        told.append(float(conditions[0]))
        answers.append(np.cos(7 * channels[0]))
        return answers[-1]

    indi.restore(frame_of(picture), blend, network, steps=5)
    assert told == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    for i in range(4):
        t = (5 - i) / 5
        expected = (0.2 / t) * answers[i] + (1 - 0.2 / t) * states[i]
        np.testing.assert_allclose(states[i + 1], expected, atol=1e-12)


def test_the_example_lets_the_noise_fade(pair, blend, picture):
    sharp = picture.astype(np.float32)
    rng = np.random.default_rng(0)
    from coldray.physics.noise import NoiseModel

    frame = Frame(sharp + np.float32(0.3), pair, NoiseModel.of_detector(pair.blurred, 0.25))
    strengths = set()
    for _ in range(12):
        shown = indi.example(TrainingPair(frame, sharp, sharp), blend, rng, full_strength_share=0.0, levels=4)
        t = float(shown.conditions[0])
        strengths.add(t)
        np.testing.assert_allclose(shown.channels[0], sharp + t * 0.3, atol=1e-6)
        np.testing.assert_array_equal(shown.target, sharp)
    assert strengths == {0.25, 0.5, 0.75, 1.0}


def test_at_least_one_step(frame_of, blend, picture):
    with pytest.raises(SettingsError, match="at least 1"):
        indi.restore(frame_of(picture), blend, lambda c, k: c[0], steps=0)
