"""Laws that every method obeys, whatever its network says."""

import numpy as np
import pytest

from coldray.degradations import mtf_blend
from coldray.errors import SettingsError
from coldray.methods import cold_naive, wiener
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.plugins import plugin, plugin_names

SMALL = {
    "ddim": {"steps": 3},
    "ddim_image": {"steps": 3},
    "unsupervised_wiener": {"iterations": 32},
    "tv": {},
    "cold": {"steps": 3},
    "cold_naive": {"steps": 3},
}
CASES = [(name, SMALL.get(name, {})) for name in plugin_names("method")] + [
    ("ddim", {"steps": 3, "eta": 1.0, "samples": 2}),
    ("wiener", {"noise": "scalar"}),
]


def wild(channels, conditions):
    """Non-linear, biased and mean-changing."""
    return 0.3 + np.tanh(2 * channels[0][::-1]) + 0.2 * channels[1] * (1 + conditions[0])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_mean_is_that_of_the_measurement(name, options, frame_of, blend, picture):
    out = plugin("method", name).restore(frame_of(picture), blend, wild, np.random.default_rng(0), **options)
    assert abs(float(out.mean()) - float(picture.mean())) < 1e-6
    assert np.abs(out - picture).max() > 1e-3


@pytest.mark.parametrize("steps", [1, 4])
def test_the_naive_sampler_returns_the_last_prediction(frame_of, blend, picture, steps):
    seen = []

    def oracle(channels, conditions):
        seen.append((np.array(channels[0]), float(conditions[0])))
        return picture

    frame = frame_of(picture + 0.01)
    out = cold_naive.restore(frame, blend, oracle, steps=steps)
    np.testing.assert_allclose(out, picture + 0.01, atol=1e-12)  # the measured mean, the predicted shape
    assert [s for _, s in seen] == [t / steps for t in range(steps, 0, -1)]
    for state, strength in seen[1:]:
        # the measurement is forgotten: the state is the prediction, blurred again
        np.testing.assert_allclose(
            state, frame.radial_operator(lambda f, s=strength: blend.transfer(f, s))(picture), atol=1e-9
        )


def test_identity_under_the_naive_sampler_is_blurred_again_and_again(frame_of, blend, picture):
    frame, steps = frame_of(picture), 5
    expected = picture
    for t in range(steps - 1, 0, -1):
        expected = frame.radial_operator(lambda f, s=t / steps: blend.transfer(f, s))(expected)
    out = cold_naive.restore(frame, blend, lambda c, _: c[0], steps=steps)
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_the_naive_sampler_needs_steps(frame_of, blend, picture):
    with pytest.raises(SettingsError, match="at least 1"):
        cold_naive.restore(frame_of(picture), blend, wild, steps=0)


def test_equal_detectors_leave_the_naive_sampler_nothing_to_blur(frame_of, picture):
    sharp = load_detector("gos34")
    pair = DetectorPair(sharp, sharp)
    same = mtf_blend.Degradation(pair)
    frame = frame_of(picture, pair)
    one, many = (cold_naive.restore(frame, same, lambda c, _: np.tanh(c[0]), steps=n) for n in (1, 2))
    again = np.tanh(np.tanh(picture))
    np.testing.assert_allclose(many, again + picture.mean() - again.mean(), atol=1e-9)
    assert np.abs(one - many).max() > 1e-3


@pytest.mark.parametrize("noise", ["mean", "local", "scalar"])
def test_more_regularisation_is_smoother(frame_of, blend, picture, noise):
    frame = frame_of(picture)
    rough = [np.std(np.diff(wiener.restore(frame, blend, noise=noise, regularisation=r))) for r in (0.1, 1, 10)]
    assert rough[0] > rough[1] > rough[2]


def test_regularisation_must_be_positive(frame_of, blend, picture):
    with pytest.raises(SettingsError, match="positive"):
        wiener.restore(frame_of(picture), blend, regularisation=0)
