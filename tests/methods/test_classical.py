"""Richardson-Lucy, total variation and unsupervised Wiener: they keep the mean, sharpen and know their borders."""

import numpy as np
import pytest

from coldray.errors import SettingsError
from coldray.frame import Frame
from coldray.methods import richardson_lucy, tv, unsupervised_wiener, wiener
from coldray.methods._psf import inner, mirrored, point_spread

ALL = [richardson_lucy, tv, unsupervised_wiener]


@pytest.fixture
def scene(pair, blend, frame_of):
    """Truth, blurred truth with the frame's own noise, at 1 s."""
    rng = np.random.default_rng(3)
    truth = np.kron(rng.uniform(0.3, 0.9, (8, 8)), np.ones((12, 12))).astype(np.float32)
    probe = frame_of(truth, exposure_s=1.0)
    blurred = probe.operator(blend)(truth) + probe.noise.draw(truth, rng)
    return truth, frame_of(blurred, exposure_s=1.0)


def error(image, truth):
    return float(np.square(np.asarray(image) - truth).mean())


@pytest.mark.parametrize("method", ALL)
def test_it_sharpens_and_keeps_the_mean(scene, blend, method):
    truth, frame = scene
    out = method.restore(frame, blend, rng=np.random.default_rng(0))
    assert out.shape == frame.shape and out.dtype == np.float32
    assert out.mean() == pytest.approx(frame.blurred.mean(), abs=1e-6)
    assert error(out, truth) < 0.5 * error(frame.blurred, truth)
    gradient = [np.abs(np.diff(i, axis=1)).max() for i in (frame.blurred, out)]
    assert gradient[1] > 1.3 * gradient[0]


@pytest.mark.parametrize("method", ALL)
def test_a_constant_stays(frame_of, blend, method):
    flat = np.full((40, 48), 0.42)
    out = method.restore(frame_of(flat), blend, rng=np.random.default_rng(0))
    np.testing.assert_allclose(out, flat, atol=2e-3)


@pytest.mark.parametrize("method", ALL)
def test_no_border_wraps_onto_the_other(blend, frame_of, method):
    """A ramp's ends differ; the error at the border stays that of a mirrored border."""
    ramp = np.repeat(np.linspace(0.2, 0.9, 96)[None], 64, axis=0)
    frame = frame_of(frame_of(ramp).operator(blend)(ramp))
    out = method.restore(frame, blend, rng=np.random.default_rng(0))
    assert np.abs(out - ramp).max() < 0.05


@pytest.mark.parametrize("method", ALL)
def test_bright_data_are_not_clipped(frame_of, blend, picture, method):
    bright = 3 * picture
    out = method.restore(frame_of(bright), blend, rng=np.random.default_rng(0))
    assert out.max() > 2


def test_point_spread_is_the_transfer_function(frame_of, blend, picture):
    psf = point_spread(frame_of(picture), blend)
    side = psf.shape[0]
    assert psf.shape == (side, side) and side % 2 == 1 and psf.min() >= 0
    assert psf.sum() == pytest.approx(1)
    np.testing.assert_allclose(psf, psf.T, atol=1e-15)
    np.testing.assert_allclose(psf, psf[::-1], atol=1e-15)
    whole = np.zeros((255, 255))
    whole[:side, :side] = psf
    found = np.abs(np.fft.fft2(whole))[0, :128]
    f = np.fft.fftfreq(255, frame_of(picture).pair.pixel_pitch_mm)[:128]
    np.testing.assert_allclose(found, blend.transfer(f, 1.0), atol=0.015)


@pytest.mark.parametrize("margin", [0, 3, 70])
def test_mirrored_border(margin):
    image = np.arange(30.0).reshape(5, 6)
    wide = mirrored(image, margin)
    np.testing.assert_array_equal(inner(wide, margin), image)
    if margin == 3:
        np.testing.assert_array_equal(wide[3:-3, 2::-1][:, :3], image[:, :3])


def test_more_iterations_are_sharper_and_noisier(scene, blend):
    _, frame = scene
    few, many = (richardson_lucy.restore(frame, blend, steps=n) for n in (3, 30))
    assert np.std(np.diff(many)) > 1.2 * np.std(np.diff(few))


def test_tv_weight_follows_the_noise(scene, blend):
    _, frame = scene
    filtered = frame.wiener_operator(blend, regularisation=tv.REGULARISATION)
    sd = tv.filtered_noise_sd(frame, filtered.transfer)
    rng = np.random.default_rng(0)
    flat = np.full((128, 128), np.float32(frame.mean_signal))
    noisy = Frame(frame.noise.draw(flat, rng), frame.pair, frame.noise)
    op = Frame(flat, frame.pair, frame.noise).wiener_operator(blend, regularisation=tv.REGULARISATION)
    assert np.std(op(noisy.blurred)) == pytest.approx(sd, rel=0.05)
    quadrupled = Frame(frame.blurred, frame.pair, frame.noise.scaled(4.0))
    assert tv.filtered_noise_sd(quadrupled, filtered.transfer) == pytest.approx(2 * sd, rel=1e-6)


def test_tv_without_weight_is_the_linear_filter(scene, blend):
    _, frame = scene
    out = tv.restore(frame, blend, weight=0.0, regularisation=1.0)
    np.testing.assert_allclose(out, wiener.restore(frame, blend, noise="mean"), atol=1e-6)


def test_unsupervised_wiener_draws(scene, blend):
    _, frame = scene
    one, two, again = (unsupervised_wiener.restore(frame, blend, rng=np.random.default_rng(s)) for s in (1, 2, 1))
    np.testing.assert_array_equal(one, again)
    assert 0 < np.abs(one - two).max() < 0.1
    with pytest.raises(SettingsError, match="random state"):
        unsupervised_wiener.restore(frame, blend)


def test_bad_options(frame_of, blend, picture):
    frame = frame_of(picture)
    for call in (
        lambda: richardson_lucy.restore(frame, blend, steps=0),
        lambda: tv.restore(frame, blend, weight=-1.0),
        lambda: tv.restore(frame, blend, regularisation=0.0),
        lambda: unsupervised_wiener.restore(frame, blend, rng=np.random.default_rng(0), iterations=5),
    ):
        with pytest.raises(SettingsError):
            call()
