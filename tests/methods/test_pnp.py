"""Plug-and-play: the data step in closed form, the splitting with an identity denoiser, the call pattern."""

import numpy as np
import pytest
import scipy.fft

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods import pnp, pnp_tv


def dct(image):
    return scipy.fft.dctn(image, norm="ortho")


def test_the_data_step_is_the_regularised_inverse(frame_of, blend, picture):
    """Zero gradient of |(y - H x)|^2 / N + rho |x - z|^2 at every frequency."""
    frame = frame_of(picture)
    z, rho = picture[::-1], 3e3
    fit, keep = pnp.data_step(frame, blend, rho)
    x = dct(fit(picture) + keep(z))
    # exact: the frame's own operator looks it up on a radial grid
    h = blend.transfer(frame.frequency_lp_mm, 1.0)
    n = frame.noise.power(frame.frequency_lp_mm, frame.mean_signal) / frame.pair.pixel_pitch_mm**2
    np.testing.assert_allclose(h * (dct(picture) - h * x) / n, rho * (x - dct(z)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(h * fit.transfer + keep.transfer, 1)
    expected = (h * dct(picture) / n + rho * dct(z)) / (h**2 / n + rho)
    np.testing.assert_allclose(x, expected, atol=1e-12)


def identity(channels, conditions):
    return channels[0]


@pytest.mark.parametrize("steps", [1, 3])
def test_identity_denoiser_is_iterated_regularisation(frame_of, blend, picture, steps):
    frame = frame_of(picture)
    h = frame.operator(blend).transfer
    seen = []

    def network(channels, conditions):
        seen.append(conditions)
        return channels[0]

    out = pnp.restore(frame, blend, network, steps=steps, trust=0.5)
    # what is left of the start after every round, from the noise levels the denoiser was told
    level2 = 10 ** (1.5 * (np.array([k[-1] for k in seen]) - pnp.channels.conditions(frame, blend)[-1]))
    own2 = frame.noise.power(frame.frequency_lp_mm, frame.mean_signal)
    ratio = [0.5 * own2 / (own2.mean() * k) for k in level2]
    left = np.prod([r / (h**2 + r) for r in ratio], axis=0)
    start = dct(frame.wiener_operator(blend)(picture))
    expected = dct(picture) / h * (1 - left) + left * start
    np.testing.assert_allclose(dct(out), expected, atol=1e-4)


def test_many_rounds_without_a_denoiser_invert(frame_of, blend, picture):
    frame = frame_of(picture)
    blurred = Frame(frame.operator(blend)(picture), frame.pair, frame.noise)
    out = pnp.restore(blurred, blend, identity, steps=400, trust=0.01)
    np.testing.assert_allclose(out, picture, atol=1e-3)


def test_call_pattern(frame_of, blend, picture):
    seen = []

    def network(channels, conditions):
        seen.append((channels, conditions))
        return 0.9 * channels[0]

    frame = frame_of(picture)
    pnp.restore(frame, blend, network, steps=5)
    plain = pnp.channels.conditions(frame, blend)
    linear = pnp.channels.linear_estimates(frame, blend)
    assert len(seen) == 5
    for channels, conditions in seen:
        assert conditions[0] == 0, "the denoiser's strength"
        np.testing.assert_array_equal(conditions[1:-2], plain[1:-2])
        np.testing.assert_allclose(channels[1], linear[0], atol=1e-12)
    told = np.array([k[-2:] for _, k in seen])
    assert np.all(np.diff(told, axis=0) < 0), "the level falls"
    np.testing.assert_allclose(told[-1] - plain[-2:], 2 * np.log10(pnp.LAST_LEVEL) / 1.5, atol=1e-5)


def test_without_a_network_total_variation_denoises(blend, frame_of):
    rng = np.random.default_rng(3)
    truth = np.kron(rng.uniform(0.3, 0.9, (6, 6)), np.ones((12, 12))).astype(np.float32)
    probe = frame_of(truth)
    frame = frame_of(probe.operator(blend)(truth) + probe.noise.draw(truth, rng))
    out = pnp_tv.restore(frame, blend)
    assert out.mean() == pytest.approx(frame.blurred.mean(), abs=1e-6)
    assert np.square(out - truth).mean() < 0.4 * np.square(frame.blurred - truth).mean()


@pytest.mark.parametrize("method", [pnp, pnp_tv])
@pytest.mark.parametrize("options", [{"steps": 0}, {"trust": 0.0}])
def test_bad_options(frame_of, blend, picture, options, method):
    with pytest.raises(SettingsError, match="both must be positive"):
        method.restore(frame_of(picture), blend, identity, **options)
