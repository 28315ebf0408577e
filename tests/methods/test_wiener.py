"""The linear filters: theoretical error on Gaussian fields, limits, kept mean."""

import numpy as np
import pytest
import scipy.fft

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods import wiener
from coldray.physics.noise import NoiseModel

SHAPE = (192, 192)
LEVEL = 0.3


@pytest.fixture(scope="module")
def gaussian_world(pair, blend):
    """Fields with exactly the prior's spectrum, blurred, with noise of one signal level."""
    rng = np.random.default_rng(8)
    noise = NoiseModel.of_detector(pair.blurred, 0.05)
    probe = Frame(np.full(SHAPE, LEVEL), pair, noise)
    f, pitch = probe.frequency_lp_mm, pair.pixel_pitch_mm
    signal = probe.prior(f) * pair.sharp.mtf(f) ** 2
    signal[0, 0] = 0
    h = probe.operator(blend)
    worlds = []
    for _ in range(4):
        x = LEVEL + scipy.fft.idctn(np.sqrt(signal) / pitch * rng.standard_normal(SHAPE), norm="ortho")
        y = h(x) + noise.draw(np.full(SHAPE, LEVEL), rng)
        # the noise at the mean would otherwise follow the drawn mean
        worlds.append((x, Frame(y + LEVEL - y.mean(), pair, noise), y.mean() - LEVEL))
    power = noise.power(f, LEVEL)
    theory = signal * power / (h.transfer**2 * signal + power) / pitch**2
    return worlds, theory


def errors(world, restore):
    found = []
    for x, frame, shift in world:
        e = restore(frame) + shift - x
        found.append(scipy.fft.dctn(e - e.mean(), norm="ortho") ** 2)
    return np.mean(found, axis=0)


def test_the_filter_reaches_the_theoretical_minimum(gaussian_world, blend):
    worlds, theory = gaussian_world
    found = errors(worlds, lambda frame: wiener.restore(frame, blend, noise="mean"))
    assert found.sum() == pytest.approx(theory.sum(), rel=0.01)
    high = theory.size // 2
    assert found.ravel()[high:].sum() == pytest.approx(theory.ravel()[high:].sum(), rel=0.02)


def test_no_other_regularisation_and_no_scalar_does_better(gaussian_world, blend):
    worlds, _ = gaussian_world
    best = errors(worlds, lambda frame: wiener.restore(frame, blend, noise="mean")).sum()
    for factor in (0.5, 2.0):
        other = errors(worlds, lambda f, k=factor: f.wiener_operator(blend, regularisation=k)(f.blurred)).sum()
        assert other > best * 1.005
    assert errors(worlds, lambda frame: wiener.restore(frame, blend, noise="scalar")).sum() > best
    assert errors(worlds, lambda frame: frame.blurred).sum() > best


@pytest.mark.parametrize("noise", ["local", "mean", "scalar"])
def test_the_mean_is_kept(frame_of, blend, picture, noise):
    out = wiener.restore(frame_of(picture), blend, noise=noise)
    assert out.mean() == pytest.approx(picture.mean(), abs=1e-12)
    constant = np.full((40, 40), 0.42)
    np.testing.assert_allclose(wiener.restore(frame_of(constant), blend, noise=noise), constant, atol=1e-12)


def test_one_noise_ratio_is_one_linear_filter_for_every_image(frame_of, blend, picture):
    """Its noise spectrum in flats and its transfer at edges belong together; more noise or a longer exposure change it."""
    step = np.where(np.arange(picture.shape[1]) < picture.shape[1] // 2, 0.2, 0.9) * np.ones_like(picture)
    filters = [wiener.scalar_operator(frame_of(image), blend).transfer for image in (picture, step, 0.5 + 0 * picture)]
    for other in filters[1:]:
        np.testing.assert_array_equal(other, filters[0])
    frame = frame_of(picture)
    louder = wiener.scalar_operator(frame.told(frame.noise.scaled(4.0)), blend).transfer
    assert np.all(louder[1:, 1:] < filters[0][1:, 1:])
    h, ratio = frame.operator(blend).transfer, (1 / filters[0] - frame.operator(blend).transfer)
    np.testing.assert_allclose((ratio * h)[1:, 1:], (ratio * h)[1, 1], rtol=1e-4)  # one NSR at all frequencies


@pytest.mark.parametrize("level", wiener.SIGNAL_LEVELS)
def test_local_filter_on_a_level_is_the_mean_filter_of_that_level(frame_of, blend, level):
    y = level * (1 + 1e-6 * np.random.default_rng(0).standard_normal((48, 48)))
    frame = frame_of(y)
    local, mean = (wiener.restore(frame, blend, noise=n) - y.mean() for n in ("local", "mean"))
    np.testing.assert_allclose(local, mean, atol=1e-3 * np.abs(mean).max())


def test_without_noise_it_inverts_and_with_much_it_only_keeps_the_mean(frame_of, blend, picture):
    frame = frame_of(picture)
    h = frame.operator(blend)
    quiet = Frame(h(picture), frame.pair, frame.noise.scaled(1e-14))
    np.testing.assert_allclose(wiener.restore(quiet, blend, noise="mean"), picture, atol=1e-6)
    loud = Frame(h(picture), frame.pair, frame.noise.scaled(1e14))
    np.testing.assert_allclose(wiener.restore(loud, blend, noise="mean"), picture.mean(), atol=1e-4)


def test_dark_regions_are_restored_more_cautiously(frame_of, blend):
    detail = 1e-4 * np.random.default_rng(0).standard_normal((64, 64))
    gain = [np.std(wiener.restore(frame_of(level + detail), blend)) for level in (0.03, 1.0)]
    assert gain[0] != pytest.approx(gain[1], rel=0.05)


def test_local_is_the_default(frame_of, blend, picture):
    np.testing.assert_array_equal(
        wiener.restore(frame_of(picture), blend), wiener.restore(frame_of(picture), blend, noise="local")
    )


def test_an_unknown_choice_is_refused(frame_of, blend, picture):
    with pytest.raises(SettingsError, match="local, mean or scalar"):
        wiener.restore(frame_of(picture), blend, noise="medium")
