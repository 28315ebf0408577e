"""Raw frames of a camera against the closed form of their noise, and against their own patterns."""

import numpy as np
import pytest

from coldray.errors import PhysicsError
from coldray.images.correct import calibrate
from coldray.metrology.edge.mtf import edge_mtf
from coldray.physics.screen import open_beam_nnps
from coldray.physics.source import AIR_KERMA_RATE_UGY_S
from coldray.simulation.camera import Camera
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.electronics import HIT_ELECTRONS, Electronics

PITCH = 0.048
LOADINGS = (33.91, 134.55)
ROI = 32
QUIET = Electronics(bad_fraction=0.0, cluster_fraction=0.0, lag=0.0)


def open_beam(side, oversampling=3):
    return np.ones((side * oversampling,) * 2, dtype=np.float32)


def camera(loading=134.55, side=64, electronics=QUIET):
    return Camera(ScreenDetector.gos(loading, PITCH), (side, side), electronics)


def to_electrons(cam, raw, exposure_s):
    p = cam.pattern
    return raw * cam.electronics.electrons_per_dn - p.offset - p.dark_current * exposure_s


def half_overlapping(image):
    """Hann-windowed spectra of all regions, away from the mirrored border."""
    window = np.hanning(ROI + 1)[:-1]
    window = window[:, None] * window
    starts = range(8, image.shape[0] - ROI - 7, ROI // 2)
    found = [
        np.abs(np.fft.fft2((image[i : i + ROI, j : j + ROI] - image[i : i + ROI, j : j + ROI].mean()) * window)) ** 2
        for i in starts
        for j in starts
    ]
    return np.mean(found, axis=0) * PITCH**2 / (window**2).sum(), len(found), window


def expected_periodogram(nnps, window):
    """Closed form as a window of this size sees it: the covariance times the window's autocorrelation."""
    n = 4 * ROI
    f = np.fft.fftfreq(n, PITCH)
    covariance = np.fft.ifft2(nnps(f[None, :], f[:, None]))
    own = np.fft.ifft2(np.abs(np.fft.fft2(window, (n, n))) ** 2).real / (window**2).sum()
    return np.fft.fft2(covariance * own).real[::4, ::4]


@pytest.mark.parametrize("loading", LOADINGS)
def test_raw_flats_have_the_closed_form_nnps_over_200_regions(loading):
    cam = camera(loading, 288)
    raw = cam.flats(1.0, 1, oversampling=3)[0]
    assert raw.dtype == np.uint16
    full = cam.detector.open_beam_electrons(AIR_KERMA_RATE_UGY_S)
    image = to_electrons(cam, raw, 1.0) / (cam.pattern.gain * cam.beam) / full
    assert image.mean() == pytest.approx(1, abs=2e-3)

    def nnps(u, v):
        # rounding and dark current join the electronic noise
        white = np.sqrt(200.0**2 + cam.electronics.electrons_per_dn**2 / 12 + 500.0)
        return sum(open_beam_nnps(cam.detector.screen, PITCH, AIR_KERMA_RATE_UGY_S, u, v, read_noise_electrons=white))

    measured, regions, window = half_overlapping(image)
    assert regions >= 200
    ratio = measured / expected_periodogram(nnps, window)
    keep = np.ones_like(ratio, dtype=bool)
    keep[np.ix_([0, 1, -1], [0, 1, -1])] = False  # the mean was taken out
    assert ratio[keep].mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("loading", LOADINGS)
def test_the_residual_pattern_stops_averaging_near_20_frames(loading):
    cam = camera(loading, 96, Electronics(random_state=3))
    fixed = cam.pattern.residual.var()
    assert np.sqrt(fixed) == pytest.approx(cam.electronics.residual_of(cam.detector), rel=0.05)
    single = camera(loading, 96).corrected(open_beam(96), 3, 1.0) / (1 + camera(loading, 96).pattern.residual)
    temporal = single.var()
    assert fixed >= 0.075 * temporal
    drop = [1 - np.sqrt((temporal / n + fixed) / (temporal / (n - 1) + fixed)) for n in range(2, 40)]
    assert 14 <= 2 + int(np.argmax(np.array(drop) < 0.01)) <= 21


def test_the_residual_pattern_has_its_closed_form_spectrum():
    cam = camera(134.55, 256, Electronics(correlated_share=1.0))
    measured, _, window = half_overlapping(cam.pattern.residual.astype(np.float64))
    expected = expected_periodogram(lambda u, v: cam.electronics.fixed_pattern_nnps(cam.detector, u, v), window)
    assert np.mean(measured[3:-2, 3:-2] / expected[3:-2, 3:-2]) == pytest.approx(1, abs=0.03)
    axis = (np.arange(64) + 0.5) / 64 / (2 * PITCH)
    power = cam.electronics.fixed_pattern_nnps(cam.detector, axis, axis[:, None])
    assert power.mean() / PITCH**2 == pytest.approx(cam.electronics.residual_of(cam.detector) ** 2, rel=0.01)


@pytest.mark.parametrize("loading", LOADINGS)
def test_an_edge_measures_the_detector_curve(loading):
    side, oversampling = 192, 4
    cells = side * oversampling
    y, x = (np.arange(cells) + 0.5 - cells / 2)[:, None], (np.arange(cells) + 0.5 - cells / 2)[None, :]
    angle = np.radians(3.0)
    fine = 0.05 + 0.95 * np.clip(np.cos(angle) * x - np.sin(angle) * y + 0.5, 0, 1)
    detector = ScreenDetector.gos(loading, PITCH)
    found = edge_mtf(detector.image(fine, oversampling), PITCH)
    f = np.linspace(0.2, 0.5 / PITCH, 60)
    truth = detector.screen.mtf(f) * np.sinc(PITCH * f * np.cos(angle)) * np.sinc(PITCH * f * np.sin(angle))
    assert np.abs(found.mtf(f) - truth).max() < 0.01


def test_frames_depend_on_neither_workers_nor_company():
    cam = camera(electronics=Electronics(random_state=7), side=32)
    fine = np.linspace(0.2, 1, 96 * 96, dtype=np.float32).reshape(96, 96)
    four = cam.expose(fine, 3, 0.5, frames=4, workers=1)
    np.testing.assert_array_equal(four, cam.expose(fine, 3, 0.5, frames=4, workers=3))
    again = camera(electronics=Electronics(random_state=7), side=32)
    np.testing.assert_array_equal(four[:2], again.expose(fine, 3, 0.5, frames=2))
    quiet = camera(electronics=Electronics(lag=0.0), side=32)
    later = quiet.expose(fine, 3, 0.5, frames=1, first=2)
    np.testing.assert_array_equal(quiet.expose(fine, 3, 0.5, frames=3)[2], later[0])
    assert np.any(four[0] != four[1])
    other = camera(electronics=Electronics(random_state=8), side=32)
    assert np.any(other.pattern.gain != cam.pattern.gain)


def test_gain_offset_and_shading_are_what_was_asked_for():
    cam = camera(side=256, electronics=Electronics(gain_spread=0.03, column_offset_electrons=500.0, shading=0.15))
    p = cam.pattern
    assert p.gain.std() == pytest.approx(0.03, rel=0.03)
    assert p.gain.mean() == pytest.approx(1, abs=1e-3)
    # one third of the variance is shared with neighbours, in proportion to the screen's blur
    near = np.mean((p.gain[:, 1:] - 1) * (p.gain[:, :-1] - 1)) / p.gain.var()
    assert 0.15 < near < 1 / 3
    assert p.offset.mean(axis=0).std() == pytest.approx(500, rel=0.2)
    assert 1 - cam.beam[-1, 128] / cam.beam[0, 128] == pytest.approx(0.15, abs=0.03)
    assert cam.beam.mean() == pytest.approx(1, abs=1e-5)


def test_darks_show_offset_current_and_read_noise_only():
    cam = camera(side=64)
    darks = cam.darks(2.0, 8).astype(np.float64) * cam.electronics.electrons_per_dn
    expected = cam.pattern.offset + cam.pattern.dark_current * 2
    assert np.abs(darks.mean(axis=0) - expected).std() < 100
    step = cam.electronics.electrons_per_dn
    assert darks.std(axis=0).mean() == pytest.approx(np.sqrt(200**2 + 1000 + step**2 / 12), rel=0.1)


def test_bad_pixels_are_found_by_the_correction():
    cam = camera(side=96, electronics=Electronics(bad_fraction=3e-3, cluster_fraction=2e-4, random_state=1))
    assert cam.pattern.dead.sum() > 5 and cam.pattern.hot.sum() > 5
    found = calibrate(cam.darks(1.5, 6), cam.flats(1.5, 6, oversampling=2)).bad_pixels.mask
    full = cam.pattern.dark_current * 1.5 + cam.pattern.offset > cam.electronics.full_well_electrons
    assert full.any()
    assert found[cam.pattern.dead | full].mean() > 0.95
    assert found[~cam.pattern.bad].mean() < 0.01


def test_direct_hits_are_as_many_and_as_large_as_their_rate_says():
    """The same panel with and without: hits and read noise differ; N hits deposit N/2 of the largest on average."""
    hit = Electronics(bad_fraction=0.0, cluster_fraction=0.0, lag=0.0, direct_hits_s=0.08)
    for exposure in (0.25, 1.0):
        clean, struck = (camera(side=128, electronics=e) for e in (QUIET, hit))
        frames = [cam.expose(open_beam(128), 3, exposure)[0] for cam in (clean, struck)]
        more = (frames[1].astype(float) - frames[0]) * hit.electrons_per_dn / struck.pattern.gain
        count = 128**2 * 0.08 * exposure
        assert more.sum() == pytest.approx(count * HIT_ELECTRONS / 2, rel=5 / np.sqrt(count))
        fine = np.ones((384, 384), np.float32)
        far = struck.corrected(fine, 3, exposure) - clean.corrected(fine, 3, exposure)
        full = struck.detector.open_beam_electrons(AIR_KERMA_RATE_UGY_S * exposure)
        assert np.mean(far > 0.02 * HIT_ELECTRONS / full) == pytest.approx(0.08 * exposure, rel=0.2)


def test_tiles_meet_in_a_step_that_flats_do_not_see():
    step = Electronics(bad_fraction=0.0, cluster_fraction=0.0, lag=0.0, residual_spread=0.0, stitch_step=0.01)
    left = camera(electronics=step).pattern.residual
    np.testing.assert_allclose(left[:, :32], -0.005, atol=1e-7)
    np.testing.assert_allclose(left[:, 32:], 0.005, atol=1e-7)
    assert np.allclose(camera(electronics=step).pattern.gain, camera().pattern.gain)


def test_lag_carries_the_last_scene_over():
    e = Electronics(lag=0.01, bad_fraction=0.0, cluster_fraction=0.0)
    cam = camera(side=32, electronics=e)
    ghost = np.zeros((32, 32))
    ghost[8:24, 8:24] = 1e6
    dim = np.full((96, 96), 0.05, dtype=np.float32)
    clean, after = (cam.expose(dim, 3, 0.1, previous_electrons=g)[0].astype(float) for g in (0 * ghost, ghost))
    seen = (after - clean) * e.electrons_per_dn / cam.pattern.gain
    assert seen[8:24, 8:24].mean() == pytest.approx(1e4, rel=0.02)
    assert abs(seen[:7].mean()) < 50


def test_full_well_and_digitiser_limit_the_signal():
    cam = camera(side=16, electronics=Electronics(adc_bits=12))
    assert cam.flats(30.0, 1, oversampling=2).min() == 4095
    assert cam.flats(0.1, 1, oversampling=2).max() < 4095


def test_refusals():
    for name, value in (
        ("gain_spread", -0.1),
        ("lag", 1.5),
        ("adc_bits", 20),
        ("full_well_electrons", 10.0),
        ("shading", np.nan),
    ):
        with pytest.raises(PhysicsError, match=name if name != "full_well_electrons" else "full well"):
            Electronics(**{name: value})
    cam = camera(side=16)
    with pytest.raises(PhysicsError, match="fine grid"):
        cam.expose(open_beam(15), 3, 1.0)
    with pytest.raises(PhysicsError, match="must be positive"):
        cam.darks(0.0, 1)
    with pytest.raises(PhysicsError, match="must be positive"):
        cam.expose(open_beam(16), 3, 1.0, frames=0)
    with pytest.raises(PhysicsError, match="previous"):
        cam.expose(open_beam(16), 3, 1.0, previous_electrons=np.zeros((2, 2)))
    with pytest.raises(PhysicsError, match="kerma"):
        cam.detector.electrons(open_beam(16), 3, 0.0, np.random.default_rng(0))
