"""Simulated frames against the closed form of their own physics."""

import numpy as np
import pytest
import scipy.fft

from coldray.errors import PhysicsError
from coldray.physics.grids import dct_axes, dct_radial_frequency
from coldray.physics.screen import gos_screen, open_beam_nnps
from coldray.physics.source import AIR_KERMA_RATE_UGY_S
from coldray.simulation.acquire import acquire_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.thickness import ThicknessMaps

PITCH = 0.048
SIDE = 192


def flat(level=1.0, side=SIDE, oversampling=3):
    return np.full((side * oversampling, side * oversampling), level, dtype=np.float32)


@pytest.mark.parametrize(
    ("loading", "exposure_s", "level"), [(33.91, 1.0, 1.0), (134.55, 0.05, 1.0), (134.55, 0.25, 0.2)]
)
def test_flat_frame_has_the_closed_form_nnps(loading, exposure_s, level):
    detector = ScreenDetector.gos(loading, PITCH)
    image = detector.frame(flat(level), 3, exposure_s, np.random.default_rng(11))
    assert image.dtype == np.float32
    v, u = dct_axes(image.shape, PITCH)
    quantum, electronic = open_beam_nnps(gos_screen(loading), PITCH, AIR_KERMA_RATE_UGY_S * exposure_s, u, v)
    expected = quantum * level + electronic
    assert image.mean() == pytest.approx(level, abs=6 * np.sqrt(expected[0, 0]) / (SIDE * PITCH))
    ratio = scipy.fft.dctn(image.astype(np.float64), norm="ortho") ** 2 * PITCH**2 / expected
    ratio[0, 0] = 1
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    f = np.hypot(u, v)
    for low, high in ((0.2, 3), (3, 6), (6, 10), (10, 15)):
        ring = (f >= low) & (f < high)
        assert ratio[ring].mean() == pytest.approx(1, abs=0.02 + 4 * np.sqrt(2 / ring.sum()))


@pytest.mark.parametrize(("loading", "relative_sd"), [(33.91, 0.0177), (134.55, 0.0062)])
def test_one_second_frame_of_the_open_beam(loading, relative_sd):
    image = ScreenDetector.gos(loading, PITCH).frame(flat(side=128), 3, 1.0, np.random.default_rng(1))
    assert image.std() == pytest.approx(relative_sd, rel=0.06)


def test_a_mean_of_frames_has_its_share_of_the_variance():
    detector = ScreenDetector.gos(134.55, PITCH)
    one, many = (detector.frame(flat(side=128), 3, 0.05, np.random.default_rng(n), frames=n) for n in (1, 16))
    assert one.var() / many.var() == pytest.approx(16, rel=0.15)


def test_a_constant_stays_and_a_cosine_shrinks_by_the_mtf():
    detector = ScreenDetector.gos(134.55, PITCH)
    np.testing.assert_allclose(detector.image(flat(0.37, 32), 3), 0.37, rtol=1e-5)
    fine, coarse = 64 * 3, 64
    for k in (4, 16, 40):
        f = k / (2 * coarse * PITCH)
        wave = np.cos(np.pi * k * (np.arange(fine) + 0.5) / fine)[None].repeat(fine, 0)
        expected = np.cos(np.pi * k * (np.arange(coarse) + 0.5) / coarse)
        gain = float(detector.screen.mtf(f)) * np.sinc(PITCH * f)
        np.testing.assert_allclose(detector.image(wave, 3)[7], gain * expected, atol=2e-5)


def test_detail_finer_than_a_pixel_aliases():
    detector = ScreenDetector.gos(33.91, PITCH)
    fine, coarse, k = 96 * 3, 96, 120
    wave = np.cos(np.pi * k * (np.arange(fine) + 0.5) / fine)[None].repeat(fine, 0)
    f = k / (2 * coarse * PITCH)
    seen = scipy.fft.dctn(detector.image(wave, 3).astype(np.float64), norm="ortho")[0]
    assert np.argmax(np.abs(seen)) == 2 * coarse - k
    expected = float(detector.screen.mtf(f)) * np.sinc(PITCH * f) * coarse / np.sqrt(2)
    assert np.abs(seen).max() == pytest.approx(expected, rel=1e-3)


def test_mirrored_object_gives_the_mirrored_image():
    detector = ScreenDetector.gos(33.91, PITCH)
    fine = np.random.default_rng(0).uniform(size=(36, 48)).astype(np.float32)
    image = detector.image(fine, 3)
    assert image.shape == (12, 16)
    np.testing.assert_allclose(detector.image(fine[::-1, ::-1], 3), image[::-1, ::-1], atol=1e-5)


def test_stretch_moves_the_screen_along_frequency_but_not_the_pixel():
    plain, stretched = ScreenDetector.gos(80.0, PITCH), ScreenDetector.gos(80.0, PITCH, 1.25)
    wave = np.cos(np.pi * 20 * (np.arange(192) + 0.5) / 192)[None].repeat(192, 0)
    f = 20 / (2 * 64 * PITCH)
    gain = stretched.image(wave, 3)[:, :1] / plain.image(wave, 3)[:, :1]
    np.testing.assert_allclose(gain, float(plain.screen.mtf(f / 1.25) / plain.screen.mtf(f)), rtol=1e-3)


def test_same_generator_same_frame():
    detector = ScreenDetector.gos(80.0, PITCH)
    a, b, c = (detector.frame(flat(0.5, 16), 3, 0.1, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.any(a != c)


def test_refusals():
    detector = ScreenDetector.gos(80.0, PITCH)
    rng = np.random.default_rng(0)
    with pytest.raises(PhysicsError, match="not a multiple"):
        detector.image(np.ones((10, 12), dtype=np.float32), 3)
    for exposure, frames in ((0.0, 1), (-1.0, 1), (1.0, 0)):
        with pytest.raises(PhysicsError, match="must be positive"):
            detector.frame(flat(1.0, 8), 3, exposure, rng, frames=frames)


def test_an_acquired_pair_is_registered_and_obeys_equation_1(pair):
    copper = np.kron(np.random.default_rng(4).integers(0, 2, (12, 12)) * 0.07, np.ones((24, 24))).astype(np.float32)
    maps = ThicknessMaps({"Cu": copper, "FR4": np.full(copper.shape, 1.6, np.float32)}, PITCH / 3)
    thin, thick = ScreenDetector.gos(33.91, PITCH), ScreenDetector.gos(134.55, PITCH)
    found = acquire_pair(maps, thin, thick, 3, np.random.default_rng(0), exposure_s=0.25)
    shape = (96, 96)
    assert {a.shape for a in (found.sharp, found.blurred, found.sharp_truth, found.blurred_truth, found.target)} == {
        shape
    }
    ratio = pair.ratio(dct_radial_frequency(shape, PITCH))
    reblurred = scipy.fft.idctn(scipy.fft.dctn(found.target.astype(np.float64), norm="ortho") * ratio, norm="ortho")
    assert np.abs(reblurred - found.blurred_truth).max() < 0.03 * np.ptp(found.blurred_truth)
    assert np.sqrt(np.mean((reblurred - found.blurred_truth) ** 2)) < 0.005 * np.ptp(found.blurred_truth)
    assert np.mean(found.blurred - found.blurred_truth) == pytest.approx(0, abs=1e-3)
    assert np.std(found.sharp - found.sharp_truth) < np.std(found.blurred - found.blurred_truth)
    # hardening: the thick screen sees more of what copper lets through
    assert np.all(found.target.mean() > found.sharp_truth.mean())
