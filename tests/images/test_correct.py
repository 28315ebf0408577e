"""Dark, gain, bad pixels and averaging against made detectors."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from coldray.errors import ImageError
from coldray.images.averaging import average_frames
from coldray.images.bad_pixels import find_bad_pixels, replace_bad_pixels
from coldray.images.correct import apply_calibration, calibrate, correct
from coldray.simulation.camera import Camera
from coldray.simulation.electronics import Electronics

from ..dataset.pairs_of_boards import OVERSAMPLING, screens, transmissions

SHAPE = (256, 256)


class Panel:
    """Detector with offset, gain and a slightly bent response."""

    def __init__(self, seed=0, bend=0.0):
        self.rng = np.random.default_rng(seed)
        self.gain = 1 + 0.05 * self.rng.standard_normal(SHAPE)
        self.offset = 100 + 5 * self.rng.standard_normal(SHAPE)
        self.bend = bend * (1 + 0.3 * self.rng.standard_normal(SHAPE))

    def shot(self, level, frames=1, noise=0.0):
        signal = level * self.gain
        clean = self.offset + signal * (1 - self.bend * signal / 4000)
        return clean + noise * self.rng.standard_normal((frames, *SHAPE))


def test_offset_and_gain_are_removed_exactly():
    panel = Panel()
    calibration = calibrate(panel.shot(0), panel.shot(2000))
    scene = np.linspace(200, 3000, 256)[None, :] * np.ones(SHAPE)
    corrected = apply_calibration(panel.offset + scene * panel.gain, calibration)
    assert np.allclose(corrected, scene * panel.gain.mean(), rtol=1e-5)
    assert calibration.noise_penalty == 3 and calibration.warnings


def test_several_levels_straighten_a_bent_response():
    panel = Panel(bend=0.15)
    one = calibrate(panel.shot(0), panel.shot(2000))
    many = calibrate(panel.shot(0), [panel.shot(level) for level in (3000, 250, 500, 1000, 2000)])
    assert np.all(np.diff(many.level) > 0)
    left = [apply_calibration(panel.shot(700)[0], c) for c in (one, many)]
    spread = [image.std() / image.mean() for image in left]
    assert spread[1] < spread[0] / 10
    assert spread[1] < 2e-3


def test_bad_pixel_classes():
    panel = Panel()
    flats, darks = panel.shot(2000, 12, 3.0), panel.shot(0, 40, 2.0)
    flats[:, 10, 20] = 100
    flats[:, 30, 40] += 1000
    flats[:, 50, 60] -= 1100
    darks[:, 70, 80] += 30 * panel.rng.standard_normal(40)
    flats[:, 100:115, 90] = 100
    flats[:, 150:153, 150:153] = 100
    flats[:, 151, 151] = panel.shot(2000, 12, 3.0)[:, 151, 151]
    bad = find_bad_pixels(darks, flats)
    assert bad.classes["dead"][10, 20] and bad.classes["over"][30, 40] and bad.classes["under"][50, 60]
    assert bad.classes["noisy"][70, 80] and bad.classes["neighbourhood"][151, 151]
    assert bad.count == 4 + 15 + 9
    assert bad.clusters == 2 and bad.lines == 1 and bad.relevant_clusters == 1


def test_nonuniform_and_lag_classes():
    rng = np.random.default_rng(0)
    flat, lag = 1000 + rng.standard_normal(SHAPE), 10 + 0.5 * rng.standard_normal(SHAPE)
    flat[5, 5] *= 1.02
    lag[9, 9] = 40
    bad = find_bad_pixels(corrected_flat=flat, lag_frame=lag)
    assert bad.classes["nonuniform"][5, 5] and bad.classes["lag"][9, 9] and bad.count == 2


def test_replacement_keeps_a_plane_and_good_pixels():
    y, x = np.mgrid[:40, :50]
    plane = 100.0 + 2 * x + 3 * y
    mask = np.zeros(plane.shape, bool)
    mask[10, 10] = mask[5:35, 25] = True
    broken = np.where(mask, np.nan, plane)
    fixed = replace_bad_pixels(broken, mask)
    assert np.allclose(fixed[~mask], plane[~mask])
    assert np.allclose(fixed[6:34], plane[6:34], atol=1e-3)
    assert np.isfinite(replace_bad_pixels(broken, ~np.eye(40, 50, dtype=bool) | mask)).any()
    with pytest.raises(ImageError, match="every pixel"):
        replace_bad_pixels(plane, np.ones(plane.shape, bool))


def test_purely_temporal_noise_stops_at_the_fiftieth_frame():
    frames = 1000 * (1 + 0.02 * np.random.default_rng(0).standard_normal((60, *SHAPE)))
    average = average_frames(frames, stop=True)
    assert 48 <= average.frames <= 53 and average.enough_frames == average.frames
    assert average.temporal_nsr == pytest.approx(0.02, rel=0.01)
    assert average.fixed_pattern_nsr < 5e-4
    assert average.nsr == pytest.approx(0.02 / np.sqrt(average.frames), rel=0.02)
    assert 1 - average.nsr_by_frame[19] / average.nsr_by_frame[18] == pytest.approx(0.025, abs=0.003)


def test_a_fixed_pattern_stops_early_and_is_named():
    rng = np.random.default_rng(1)
    fixed = 0.01 * rng.standard_normal(SHAPE)
    frames = 1000 * (1 + fixed + 0.01 * rng.standard_normal((20, *SHAPE)))
    average = average_frames(frames)
    assert average.frames == 20 and average.enough_frames < 12
    assert average.fixed_pattern_nsr == pytest.approx(0.01, rel=0.02)
    assert average.temporal_nsr == pytest.approx(0.01, rel=0.02)
    assert any("fixed pattern dominates" in w for w in average.warnings)


def test_an_object_in_the_frames_is_not_noise():
    rng = np.random.default_rng(2)
    scene = np.full(SHAPE, 1000.0)
    scene[60:120, 60:200] = 400
    frames = scene * (1 + 0.01 * rng.standard_normal((8, *SHAPE)))
    assert average_frames(frames).temporal_nsr == pytest.approx(0.01, rel=0.05)


def test_what_may_be_the_object_is_not_called_a_fixed_pattern():
    rng = np.random.default_rng(3)
    scene = 1000 * (1 + gaussian_filter(rng.standard_normal(SHAPE), 1.0))
    average = average_frames(scene * (1 + 0.005 * rng.standard_normal((8, *SHAPE))))
    assert average.is_structured
    (said,) = (w for w in average.warnings if "repeats in every frame" in w)
    assert "the finest detail of the object" in said and "gain correction" not in said


@pytest.mark.parametrize(
    ("radius_px", "size_px", "middle_px"),
    [(12, 256, 115), (14, 512, 230), (60, 256, 115), (30, 160, 40), (24, 160, 81.3)],
)
def test_what_is_open_in_a_small_disc_only_is_measured_there(radius_px, size_px, middle_px):
    """Nearly all is opaque, and the disc may hold no block of the usual size: edges of it are not noise."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:size_px, :size_px] - middle_px
    lit = np.where(x**2 + y**2 < radius_px**2, 9000.0, 0.0)
    average = average_frames([rng.normal(lit, np.sqrt(lit + 400.0)) for _ in range(8)])
    assert average.level == pytest.approx(9000, rel=0.01)
    assert average.temporal_nsr == pytest.approx(np.sqrt(9400) / 9000, rel=0.15)
    assert average.fixed_pattern_nsr < 0.3 * average.temporal_nsr
    assert not average.warnings


def test_where_nothing_is_evenly_lit_the_average_says_so():
    lit = np.where((np.indices((128, 128)) % 16 < 5).all(axis=0), 5000.0, 0.0)
    average = average_frames(np.random.default_rng(9).normal(lit, 20.0, (4, 128, 128)))
    assert any("evenly lit" in warning for warning in average.warnings)
    with pytest.raises(ImageError, match="nowhere 8 x 8 px.*positive"):
        average_frames(np.random.default_rng(9).normal(-1.0, 20.0, (4, 128, 128)))


@pytest.mark.parametrize(
    "family",
    ["sensor_mcu", *(pytest.param(family, marks=pytest.mark.slow) for family in ("memory_module", "discrete"))],
)
def test_structure_of_a_board_is_not_taken_for_a_fixed_pattern(family):
    """Blocks of a board are never flat; the rule must stop where it stops on a flat field all the same."""
    thin, _ = transmissions(family, 160)
    detector = screens()[0]
    pattern = Camera(detector, (160, 160), Electronics()).pattern.residual
    rng = np.random.default_rng(0)
    frames = [detector.frame(thin, OVERSAMPLING, 1.0, rng) * (1 + pattern) for _ in range(30)]
    average = average_frames(frames, stop=True)
    assert average.is_structured
    assert 14 <= average.frames <= 28
    assert average.fixed_pattern_nsr == pytest.approx(0.005, rel=0.25)
    assert average_frames(frames[:3], stop=True).frames == 3


def test_correct_end_to_end_gives_the_contract():
    panel = Panel(seed=4)
    flats = panel.shot(2000, 30, 4.0)
    flats[:, 40, 40] = 100
    result = correct(panel.shot(1500, 6, 15.0), calibrate(panel.shot(0, 30, 2.0), flats))
    out = result.to_json()
    assert {"frames", "nsr", "nsr_drop", "fixed_pattern_nsr", "temporal_nsr", "bad_pixels"} <= set(out)
    assert out["frames"] == 6 and out["bad_pixels"] == 1
    assert out["temporal_nsr"] == pytest.approx(0.01, rel=0.05)
    assert result.pixels.dtype == np.float32 and result.pixels.mean() == pytest.approx(1500, rel=0.01)
    assert out["nsr_drop"] == pytest.approx(1 - np.sqrt(5 / 6), abs=0.02)
    single = correct(panel.shot(1500)[0])
    assert single.average.nsr_drop is None and single.average.temporal_nsr is None


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: calibrate(), "none were given"),
        (lambda: calibrate(np.zeros((4, 4)), np.ones((5, 5))), "shape"),
        (lambda: calibrate(np.ones((8, 8)) * 9, np.ones((8, 8))), "swapped"),
        (lambda: correct([np.ones((8, 8)), np.ones((9, 9))]), "shape"),
        (lambda: correct(np.full((8, 8), np.nan)), "NaN"),
        (lambda: correct(-np.ones((8, 8))), "positive"),
        (lambda: find_bad_pixels(), "none were given"),
        (lambda: apply_calibration(np.ones((4, 4)), calibrate(np.zeros((5, 5)))), "shape"),
    ],
)
def test_wrong_input_is_refused(call, match):
    with pytest.raises(ImageError, match=match):
        call()
