"""Conditional diffusion: the published step, the schedule, exact sampling with an exact network."""

import importlib.util
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.fft

from coldray.errors import SettingsError
from coldray.frame import Frame, TrainingPair
from coldray.methods import ddim, ddim_image
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior

SHAPE = (48, 48)
LEVEL = 0.5
WIDER = 2000.0
"""Factor on signal and noise power of the Gaussian world, so that its posterior is wider than the last steps."""


def published_step(x, eps, a, a_next, eta, z):
    """Song et al. 2021, eq. 12 with sigma of eq. 16, written down again from the paper."""
    sigma = eta * ((1 - a_next) / (1 - a)) ** 0.5 * (1 - a / a_next) ** 0.5
    predicted = (x - (1 - a) ** 0.5 * eps) / a**0.5
    towards = (1 - a_next - sigma**2) ** 0.5 * eps
    return a_next**0.5 * predicted + towards + sigma * z


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_every_step_is_the_published_one(eta, steps):
    rng = np.random.default_rng(0)
    kept = ddim.schedule()
    path = ddim.levels(steps)
    x = rng.standard_normal((9, 11))
    for now, after in pairwise(path):
        eps, z = rng.standard_normal((2, 9, 11))
        expected = published_step(x, eps, kept[now], kept[after], eta, z)
        x = ddim.step(x, eps, kept[now], kept[after], eta=eta, noise=z)
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("diffusers") is None, reason="diffusers is not installed")
@pytest.mark.torch
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_every_step_is_that_of_diffusers(torch, eta):
    from diffusers import DDIMScheduler

    other = DDIMScheduler(
        num_train_timesteps=ddim.LENGTH, beta_start=ddim.FIRST_BETA, beta_end=ddim.LAST_BETA,
        clip_sample=False, timestep_spacing="trailing",
    )  # fmt: skip
    other.set_timesteps(50)
    kept, path = ddim.schedule(), ddim.levels(50)
    assert [int(t) + 1 for t in other.timesteps] == path[:-1]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 1, 8, 8))
    for t, now, after in zip(other.timesteps, path[:-1], path[1:], strict=True):
        eps, z = (rng.standard_normal(x.shape) for _ in range(2))
        theirs = other.step(
            torch.from_numpy(eps), t, torch.from_numpy(x), eta=eta, variance_noise=torch.from_numpy(z)
        ).prev_sample
        x = ddim.step(x, eps, kept[now], kept[after], eta=eta, noise=z)
        np.testing.assert_allclose(x, theirs.numpy(), rtol=1e-6, atol=1e-6)


def test_clipping_derives_the_noise_again():
    rng = np.random.default_rng(0)
    x, eps = 2 * rng.standard_normal((2, 30, 30))
    a, b = 0.4, 0.7
    sharp = np.clip((x - 0.6**0.5 * eps) / a**0.5, -1, 1)
    again = (x - a**0.5 * sharp) / 0.6**0.5
    np.testing.assert_allclose(ddim.step(x, eps, a, b, clip=True), b**0.5 * sharp + 0.3**0.5 * again, atol=1e-12)
    assert np.abs(ddim.step(x, eps, a, b) - ddim.step(x, eps, a, b, clip=True)).max() > 0.1


def test_schedule_and_levels():
    kept = ddim.schedule()
    beta = 1 - kept[1:] / kept[:-1]
    np.testing.assert_allclose(beta, np.linspace(1e-6, 1e-2, 2000), atol=1e-12)
    assert kept[0] == 1 and kept[-1] < 1e-4
    for steps in (1, 3, 50, 2000):
        path = ddim.levels(steps)
        assert (path[0], path[-1], len(path)) == (2000, 0, steps + 1)
        assert all(a > b for a, b in pairwise(path))
    angles = [ddim.noise_angle(k) for k in kept]
    assert angles[0] == 0 and 0.99 < angles[-1] < 1
    assert np.all(np.diff(angles) > 0)


@pytest.mark.parametrize("steps", [0, 2001])
def test_steps_out_of_range_are_refused(steps):
    with pytest.raises(SettingsError, match="1 to 2000"):
        ddim.levels(steps)


@pytest.fixture(scope="module")
def gaussian_world(pair, blend):
    """Fields with exactly the prior's spectrum, blurred, noisy, and the exact noise prediction for them."""
    rng = np.random.default_rng(4)
    # the last DDIM step jumps to the mean of what is still open; a posterior narrower than that is lost
    noise = NoiseModel.of_detector(pair.blurred, 0.05).scaled(WIDER)
    prior = replace(ObjectPrior(), amplitude_mm2=WIDER * ObjectPrior().amplitude_mm2)
    probe = Frame(np.full(SHAPE, LEVEL), pair, noise, prior)
    f, pitch = probe.frequency_lp_mm, pair.pixel_pitch_mm
    signal = probe.prior(f) * np.maximum(pair.sharp.mtf(f), pair.floor) ** 2 / pitch**2
    signal[0, 0] = 0
    power = noise.power(f, LEVEL) / pitch**2
    h = probe.operator(blend).transfer
    variance = 4 * signal * power / (h**2 * signal + power)  # images are scaled to -1 ... 1
    x = LEVEL + scipy.fft.idctn(np.sqrt(signal) * rng.standard_normal(SHAPE), norm="ortho")
    n = np.sqrt(power) * rng.standard_normal(SHAPE)
    n[0, 0] = 0
    y = probe.operator(blend)(x) + scipy.fft.idctn(n, norm="ortho")
    frame = Frame(y, pair, noise, prior)

    def exact(channels, conditions):
        """E[eps | x_t, y] from the posterior N(linear estimate, variance) of every coefficient."""
        kept = np.cos(np.pi / 2 * float(conditions[0])) ** 2
        a, s2 = np.sqrt(kept), 1 - kept
        mean, state = (scipy.fft.dctn(np.asarray(c, float), norm="ortho") for c in (channels[2], channels[1]))
        best = mean + a * variance / (a**2 * variance + s2) * (state - a * mean)
        return scipy.fft.idctn((state - a * best) / np.sqrt(s2), norm="ortho")

    return frame, x, exact, variance / 4


def error(image, other, variance):
    """Mean square difference of all coefficients but the mean, in units of the posterior variance."""
    difference = scipy.fft.dctn(image - other, norm="ortho").ravel()[1:]
    return float(np.mean(difference**2 / variance.ravel()[1:]))


@pytest.mark.parametrize(("eta", "steps"), [(0.0, 250), (1.0, 800)])
def test_one_sample_has_twice_the_error_of_the_posterior_mean(gaussian_world, blend, eta, steps):
    frame, truth, exact, variance = gaussian_world
    mean = frame.wiener_operator(blend)(frame.blurred)
    out = ddim.restore(frame, blend, exact, np.random.default_rng(1), steps=steps, eta=eta, clip=False)
    assert error(mean, truth, variance) == pytest.approx(1, rel=0.1)
    assert error(out, mean, variance) == pytest.approx(1, rel=0.1)
    loss_db = 10 * np.log10(error(out, truth, variance) / error(mean, truth, variance))
    assert loss_db == pytest.approx(3.01, abs=0.25)


def test_the_mean_of_samples_approaches_the_posterior_mean(gaussian_world, blend):
    frame, _, exact, variance = gaussian_world
    mean = frame.wiener_operator(blend)(frame.blurred)
    out = ddim.restore(frame, blend, exact, np.random.default_rng(2), steps=150, samples=4, clip=False)
    assert error(out, mean, variance) == pytest.approx(1 / 4, rel=0.1)


def half(channels, conditions):
    return 0.5 * channels[1] + 0.1 * channels[0] * conditions[0]


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_random_states(frame_of, blend, picture, eta):
    def run(seed):
        return ddim.restore(frame_of(picture), blend, half, np.random.default_rng(seed), steps=5, eta=eta)

    np.testing.assert_array_equal(run(1), run(1))
    assert np.abs(run(1) - run(2)).max() > 0.01
    assert run(1).mean() == pytest.approx(picture.mean(), abs=1e-12)


def test_eta_adds_noise_on_the_way(frame_of, blend, picture):
    one, two = (
        ddim.restore(frame_of(picture), blend, half, np.random.default_rng(1), steps=5, eta=eta) for eta in (0.0, 1.0)
    )
    assert np.abs(one - two).max() > 0.01


def test_call_pattern(frame_of, blend, picture):
    told, conditions_seen = [], []

    def network(channels, conditions):
        told.append(float(conditions[0]))
        conditions_seen.append(channels[0])
        return channels[1]

    ddim.restore(frame_of(picture), blend, network, np.random.default_rng(0), steps=4, samples=3)
    kept = ddim.schedule()
    expected = [ddim.noise_angle(kept[t]) for t in (2000, 1500, 1000, 500)] * 3
    assert told == pytest.approx(expected, abs=1e-6)
    for shown in conditions_seen:
        np.testing.assert_allclose(shown, 2 * picture - 1)


def test_the_example_is_the_noising_the_sampler_undoes(frame_of, blend, picture):
    sharp = picture.astype(np.float32)
    rng = np.random.default_rng(0)
    angles = []
    for _ in range(15):
        shown = ddim.example(TrainingPair(frame_of(sharp), sharp, sharp), blend, rng)
        angles.append(float(shown.conditions[0]))
        kept = np.cos(np.pi / 2 * angles[-1]) ** 2
        np.testing.assert_allclose(
            shown.channels[1], np.sqrt(kept) * (2 * sharp - 1) + np.sqrt(1 - kept) * shown.target, atol=1e-4
        )
    assert abs(shown.target.mean()) < 0.1 and shown.target.std() == pytest.approx(1, abs=0.05)
    assert min(angles) < 0.5 and max(angles) > 0.9
    np.testing.assert_allclose(shown.channels[0], 2 * sharp - 1)


def test_an_answer_with_the_image_is_the_same_sampler(gaussian_world, blend):
    """The same network said in the other words: x_0 = (x_t - sqrt(1 - abar) eps) / sqrt(abar)."""
    frame, _, exact, _ = gaussian_world

    def image(channels, conditions):
        signal = np.cos(np.pi / 2 * float(conditions[0]))
        return (channels[ddim_image.STATE] - np.sqrt(1 - signal**2) * exact(channels, conditions)) / signal

    for options in ({"steps": 6}, {"steps": 5, "eta": 1.0, "samples": 2}, {"steps": 4, "clip": False}):
        by_noise = ddim.restore(frame, blend, exact, np.random.default_rng(1), **options)
        by_image = ddim_image.restore(frame, blend, image, np.random.default_rng(1), **options)
        np.testing.assert_allclose(by_image, by_noise, atol=1e-9)


def test_the_example_with_the_image_is_the_other_half_of_the_same_state(frame_of, blend, picture):
    sharp = picture.astype(np.float32)
    pair = TrainingPair(frame_of(sharp), sharp, sharp)
    noise, image = (m.example(pair, blend, np.random.default_rng(5)) for m in (ddim, ddim_image))
    np.testing.assert_array_equal(noise.channels, image.channels)
    np.testing.assert_array_equal(noise.conditions, image.conditions)
    signal = np.cos(np.pi / 2 * float(noise.conditions[0]))
    state = signal * image.target + np.sqrt(1 - signal**2) * noise.target
    np.testing.assert_allclose(image.channels[ddim_image.STATE], state, atol=1e-5)


@pytest.mark.parametrize("options", [{"samples": 0}, {"eta": 1.5}, {"steps": 0}])
def test_bad_options(frame_of, blend, picture, options):
    with pytest.raises(SettingsError):
        ddim.restore(frame_of(picture), blend, half, np.random.default_rng(0), **options)


def test_it_asks_for_a_random_state(frame_of, blend, picture):
    with pytest.raises(SettingsError, match="random state"):
        ddim.restore(frame_of(picture), blend, half)


@pytest.mark.torch
def test_torch_tensors_get_the_same_noise(torch, frame_of, blend, picture):
    one = ddim.restore(frame_of(picture), blend, half, np.random.default_rng(3), steps=4, eta=1.0)
    two = ddim.restore(frame_of(torch.from_numpy(picture)), blend, half, np.random.default_rng(3), steps=4, eta=1.0)
    assert isinstance(two, torch.Tensor)
    np.testing.assert_allclose(two.numpy(), one, atol=1e-10)
