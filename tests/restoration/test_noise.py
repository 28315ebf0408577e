"""Noise of the frame at hand: found again within 15 %, and who is asked first."""

import numpy as np
import pytest
import scipy.ndimage

from coldray.errors import DetectorError, MeasurementError
from coldray.images.repeats import average_repeats
from coldray.objects.boards import procedural_board
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.screen import gos_screen
from coldray.radiograph import Radiograph
from coldray.restoration import noise_blocks
from coldray.restoration.fixed_pattern import shared_pattern
from coldray.restoration.noise import (
    choose_noise,
    noise_factor,
    noise_of_flats,
    noise_of_image,
    noise_of_repeats,
    octave_ratios,
    reference_noise,
    white_noise,
)
from coldray.restoration.noise_as_recorded import noise_as_in_0_1
from coldray.simulation.detector import ScreenDetector

PITCH = 0.048
DETECTOR = load_detector("gos135")
EXPOSURES = [0.05, 0.25, 1.0]


@pytest.fixture(scope="module")
def board():
    """Transmission with pads, traces and a dense part, 160 x 160 pixels at oversampling 3."""
    fine = np.full((480, 480), 0.75, dtype=np.float32)
    fine[60:90, :] = 0.5
    fine[:, 200:206] = 0.55
    fine[300:420, 300:420] = 0.15
    rng = np.random.default_rng(0)
    for _ in range(30):
        r, c = rng.integers(0, 440, 2)
        fine[r : r + 24, c : c + 24] *= 0.8
    return fine


@pytest.fixture(scope="module")
def screen():
    return ScreenDetector.gos(134.55, PITCH)


@pytest.mark.parametrize("exposure_s", EXPOSURES)
def test_noise_factor_of_simulated_frames(board, screen, exposure_s):
    image = screen.frame(board, 3, exposure_s, np.random.default_rng(5))
    assert noise_factor(image, NoiseModel.of_detector(DETECTOR, exposure_s)) == pytest.approx(1, abs=0.15)


def test_noise_factor_follows_the_exposure_and_the_model(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    model = NoiseModel.of_detector(DETECTOR, 0.25)
    once = noise_factor(image, model)
    assert noise_factor(image, model.scaled(3)) == pytest.approx(once / 3, rel=0.02)
    assert noise_factor(image, NoiseModel.of_detector(DETECTOR, 1.0)) == pytest.approx(4, rel=0.2)


def test_noise_of_an_image_has_the_right_level(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(6))
    found, truth = noise_of_image(image, DETECTOR), NoiseModel.of_detector(DETECTOR, 0.25)
    assert found.source == "estimated"
    assert float(found.power(5.0, 0.7)) == pytest.approx(float(truth.power(5.0, 0.7)), rel=0.15)


def test_images_that_cannot_tell():
    model = reference_noise(DETECTOR)
    with pytest.raises(MeasurementError, match="64x64"):
        noise_factor(np.ones((63, 200)), model)
    with pytest.raises(MeasurementError, match="no signal"):
        noise_factor(np.zeros((64, 64)), model)
    found, warnings = choose_noise(np.ones((8, 8), dtype=np.float32), DETECTOR)
    assert len(warnings) == 1
    assert "reference exposure" in warnings[0]
    assert found.relative_sd() == pytest.approx(model.relative_sd())


def test_white_flats_give_a_white_model():
    sd = 0.01
    flats = 800 * (1 + sd * np.random.default_rng(0).standard_normal((4, 256, 256)))
    detector = Detector("d", PITCH, FrequencyCurve([0, 15], [1, 0.2]))
    model = noise_of_flats(flats, detector)
    assert model.source == "flats"
    assert model.electronic_mm2 == 0
    assert model.pixel_pitch_mm == PITCH
    expected = (sd * PITCH) ** 2
    for f in (0.5, 2.0, 5.0, 10.0):
        assert float(model.quantum(f)) == pytest.approx(expected, rel=0.1)
    assert model.relative_sd() == pytest.approx(sd, rel=0.03)


def test_one_flat_is_enough_and_the_electronic_share_is_split_off():
    flat = 800 * (1 + 0.01 * np.random.default_rng(0).standard_normal((256, 256)))
    detector = Detector("d", PITCH, FrequencyCurve([0, 15], [1, 0.2]), electronic_fraction=0.25)
    model = noise_of_flats(flat, detector)
    assert model.electronic_mm2 == pytest.approx(0.25 * (0.01 * PITCH) ** 2, rel=0.05)
    assert model.relative_sd(1.0) == pytest.approx(0.01, rel=0.05)
    assert model.relative_sd(0.0) == pytest.approx(0.005, rel=0.05)


def test_flats_of_the_simulator_give_the_detectors_own_curve(screen):
    flats = screen.frame(np.ones((768, 768), dtype=np.float32), 3, 0.25, np.random.default_rng(3))
    found, truth = noise_of_flats(flats, DETECTOR), NoiseModel.of_detector(DETECTOR, 0.25)
    # rings near 2 lp/mm hold a few hundred coefficients each
    for low, high in ((1.0, 2.5), (2.5, 5.0), (5.0, 9.0)):
        f = np.linspace(low, high, 25)
        assert np.mean(found.power(f, 1.0) / truth.power(f, 1.0)) == pytest.approx(1, abs=0.12)


def test_who_is_asked_first_and_when_they_disagree(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    stated, warnings = choose_noise(image, DETECTOR, exposure_s=0.25)
    assert (stated.source, warnings) == ("exposure", [])
    for wrong in (1.0, 0.025):
        used, warnings = choose_noise(image, DETECTOR, exposure_s=wrong)
        assert len(warnings) == 1
        assert "times the noise power" in warnings[0]
        assert used.source == "estimated"
        assert float(used.power(5.0, 0.7)) == pytest.approx(float(stated.power(5.0, 0.7)), rel=0.15)
    estimated, warnings = choose_noise(image, DETECTOR)
    assert (estimated.source, warnings) == ("estimated", [])
    flats = screen.frame(np.ones((480, 480), dtype=np.float32), 3, 0.25, np.random.default_rng(0))
    assert choose_noise(image, DETECTOR, exposure_s=1.0, flats=flats)[0].source == "flats"


def test_what_every_flat_shows_alike_is_no_noise(board, screen):
    rng = np.random.default_rng(8)
    flats = np.stack([screen.frame(np.ones((480, 480), dtype=np.float32), 3, 0.25, rng) for _ in range(3)])
    pattern = 1 + 0.03 * rng.standard_normal((160, 160)) + np.linspace(0, 0.2, 160)
    bare, patterned = noise_of_flats(flats, DETECTOR), noise_of_flats(flats * pattern, DETECTOR)
    for f in (1.0, 3.0, 8.0):
        assert float(patterned.power(f, 1.0)) == pytest.approx(float(bare.power(f, 1.0)), rel=0.1)
    # one flat alone cannot tell: the image, which was corrected for the pattern, decides, and that is said
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    used, warnings = choose_noise(image, DETECTOR, flats=flats[0] * pattern)
    assert used.source == "estimated"
    assert "one flat field cannot tell" in warnings[0]
    assert choose_noise(image, DETECTOR, flats=flats * pattern)[0].source == "flats"


def test_an_image_that_shows_the_pattern_of_the_flats_is_not_corrected_and_that_is_said(board, screen):
    rng = np.random.default_rng(8)
    gain = 1 + 0.02 * rng.standard_normal((160, 160))
    raw = screen.frame(board, 3, 0.25, np.random.default_rng(5)) * gain
    flats = np.stack([screen.frame(np.ones((480, 480), dtype=np.float32), 3, 0.25, rng) for _ in range(3)]) * gain
    for given in (flats, flats[0]):
        used, warnings = choose_noise(raw, DETECTOR, flats=given)
        assert used.source == "estimated"
        assert len(warnings) == 1 and "coldray correct --flat" in warnings[0]
    corrected = raw / flats.mean(axis=0)
    assert choose_noise(corrected, DETECTOR, flats=flats)[1] == []


@pytest.mark.parametrize("pattern", [0.0, 0.004, 0.02])
def test_the_share_of_a_pattern_is_its_variance_over_all(pattern):
    rng = np.random.default_rng(1)
    gain = 1 + pattern * rng.standard_normal((300, 300))
    scene = np.where(np.indices((300, 300))[0] < 150, 0.4, 0.8)
    image, *flats = (gain * level * (1 + 0.008 * rng.standard_normal((300, 300))) for level in (scene, 1.0, 1.0))
    share = shared_pattern(image, np.stack(flats))
    if pattern == 0:
        assert share is None
    else:
        assert share == pytest.approx(pattern**2 / (pattern**2 + 0.008**2), rel=0.1)
    assert shared_pattern(flats[0], np.stack(flats)) is None
    assert shared_pattern(image[:-1], np.stack(flats)) is None


def test_a_mean_of_frames_holds_their_noise_divided_by_their_number(board, screen):
    rng = np.random.default_rng(4)
    mean = np.mean([screen.frame(board, 3, 0.05, rng) for _ in range(8)], axis=0)
    used, warnings = choose_noise(mean, DETECTOR, exposure_s=0.05, frames=8)
    assert (used.source, warnings) == ("exposure", [])
    one = NoiseModel.of_detector(DETECTOR, 0.05)
    assert float(used.power(3.0, 0.5)) == pytest.approx(float(one.power(3.0, 0.5)) / 8)
    _, warnings = choose_noise(mean, DETECTOR, exposure_s=0.05)
    assert "number of averaged frames" in warnings[0]


@pytest.mark.parametrize("sd", [0.004, 0.03, 0.2])
def test_white_noise_of_any_strength_is_found_in_a_board(board, screen, sd):
    image = screen.image(board, 3) + sd * np.random.default_rng(1).standard_normal((160, 160))
    bare = Detector("bare", PITCH, DETECTOR.mtf)
    for detector in (DETECTOR, bare):
        found = noise_of_image(image, detector)
        for f in (3.0, 7.0, 10.0):
            assert float(found.power(f, float(image.mean()))) == pytest.approx((sd * PITCH) ** 2, rel=0.3)


def test_an_mtf_alone_gives_level_and_colour_with_an_honest_uncertainty(board, screen):
    image = screen.frame(board, 3, 0.05, np.random.default_rng(7))
    found = noise_of_image(image, Detector("bare", PITCH, DETECTOR.mtf))
    flats = np.stack([screen.frame(np.ones((480, 480), np.float32), 3, 0.05, np.random.default_rng(i)) for i in (1, 2)])
    truth = noise_of_flats(flats, DETECTOR)
    for f in (2.0, 4.0, 8.0):
        near = np.linspace(0.8 * f, 1.2 * f, 20)
        ratio = float(np.mean(found.power(near, 0.6)) / np.mean(truth.power(near, 0.6)))
        assert abs(np.log(ratio)) < 3 * float(found.error(f)) + 0.1
        assert 0.01 < float(found.error(f)) < 0.5


@pytest.mark.parametrize("exposure_s", [1.0, pytest.param(0.25, marks=pytest.mark.slow)])
def test_noise_of_a_board_without_quiet_ground_is_held_by_high_bands_and_family(exposure_s):
    """Structure in every block of large pixels once read as 2.8 times the noise in the lowest octave."""
    pitch, loading = 0.125, 200.0
    screen = ScreenDetector.gos(loading, pitch)
    frequency = np.linspace(0, 0.5 / pitch, 60)
    bare = Detector(
        "bare", pitch, FrequencyCurve(frequency, gos_screen(loading).mtf(frequency) * np.sinc(frequency * pitch))
    )
    boards = [screen.transmission(procedural_board("memory_module", (640, 640), pitch / 5, n)) for n in range(5)]
    air = np.ones_like(boards[0])
    flats = [screen.frame(air, 5, exposure_s, np.random.default_rng(i)) for i in range(4)]
    known, found = noise_of_flats(np.stack(flats), bare), []
    for passed in boards:
        image = screen.frame(passed, 5, exposure_s, np.random.default_rng(5))
        found.append(octave_ratios(noise_of_image(image, bare), known, float(image.mean())))
    # single boards reach 2.0 at 1 s; what a median holds is the kind
    ratio = np.median(found, axis=0)
    assert np.all((ratio > 0.8) & (ratio < 1.6)), ratio


def test_the_noise_of_an_image_scales_with_it(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    one, scaled = (noise_of_image(k * image, Detector("bare", PITCH, DETECTOR.mtf)) for k in (1.0, 0.5))
    for f in (1.0, 5.0):
        assert float(scaled.power(f, 0.35)) == pytest.approx(float(one.power(f, 0.7)) / 4, rel=0.05)


def test_hits_and_dead_pixels_do_not_count_as_noise(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    rng = np.random.default_rng(9)
    struck = np.where(rng.random(image.shape) < 0.02, image + rng.uniform(0.3, 0.6, image.shape), image)
    once, again = (noise_of_image(i, DETECTOR) for i in (image, struck))
    assert float(again.power(5.0, 0.7)) == pytest.approx(float(once.power(5.0, 0.7)), rel=0.2)


def test_constant_and_cut_off_parts_are_no_quiet_parts(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    padded = np.pad(image, 64)
    clipped = image.copy()
    clipped[64:, :96] = image.max()
    for changed in (padded, clipped):
        assert float(noise_of_image(changed, DETECTOR).power(5.0, 0.7)) == pytest.approx(
            float(noise_of_image(image, DETECTOR).power(5.0, 0.7)), rel=0.2
        )
    with pytest.raises(MeasurementError, match="no noise"):
        noise_of_image(np.full((128, 128), 0.5), DETECTOR)


def test_a_detector_without_nnps():
    bare = Detector("bare", PITCH, FrequencyCurve([0, 15], [1, 0.2]))
    assert reference_noise(bare).relative_sd() == pytest.approx(0.01)
    assert white_noise(bare, 0.03).relative_sd(1.0) == pytest.approx(0.03)
    with pytest.raises(DetectorError, match="no NNPS"):
        choose_noise(np.ones((64, 64), dtype=np.float32), bare, exposure_s=1.0)
    image = 0.8 * (1 + 0.02 * np.random.default_rng(0).standard_normal((128, 128)))
    # white noise of variance (0.016)^2 at signal 0.8
    assert float(noise_of_image(image, bare).power(5.0, 0.8)) == pytest.approx((0.016 * PITCH) ** 2, rel=0.1)


def test_records_of_version_0_1_get_the_noise_that_it_took(board, screen):
    image = screen.frame(board, 3, 0.25, np.random.default_rng(5))
    truth = NoiseModel.of_detector(DETECTOR, 0.25)
    found = noise_as_in_0_1(image, DETECTOR)
    assert found.source == "estimated"
    assert float(found.power(5.0, 0.7)) == pytest.approx(float(truth.power(5.0, 0.7)), rel=0.15)
    # stated noise was believed, and a shape without any was white
    assert float(noise_as_in_0_1(image, DETECTOR, exposure_s=9.0).power(5.0, 1.0)) == pytest.approx(
        float(NoiseModel.of_detector(DETECTOR, 9.0).power(5.0, 1.0))
    )
    bare = noise_as_in_0_1(image, Detector("bare", PITCH, DETECTOR.mtf))
    assert float(bare.power(1.0, 1.0)) == float(bare.power(9.0, 1.0))
    assert noise_as_in_0_1(np.ones((8, 8)), DETECTOR).relative_sd() == reference_noise(DETECTOR).relative_sd()


def repeated(board, screen, exposure_s, count, pattern=0.0):
    """Frames of the board with a pattern that all of them show."""
    rng = np.random.default_rng(12)
    fixed = pattern * rng.standard_normal((160, 160))
    clean, noise = screen.image(board, 3), NoiseModel.of_detector(DETECTOR, exposure_s)
    stack = np.stack([clean + noise.draw(clean, rng) + fixed for _ in range(count)])
    return average_repeats([Radiograph(stack.astype(np.float32))])


# the longer the exposure, the weaker the noise beside what the frames show alike
@pytest.mark.parametrize("exposure_s", [1.0, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.05, 0.25))])
def test_repeated_frames_tell_their_noise_whatever_they_show_alike(board, screen, exposure_s):
    repeats = repeated(board, screen, exposure_s, 8, pattern=0.01)
    found = noise_of_repeats(repeats.changing, DETECTOR)
    true = NoiseModel.of_detector(DETECTOR, exposure_s)
    ratios = octave_ratios(found, true, float(repeats.image.pixels.mean()))
    assert ratios == pytest.approx(1, abs=0.15)
    assert ratios[-1] == pytest.approx(1, abs=0.05)


def test_a_mean_has_the_noise_of_its_frames_over_their_number(board, screen):
    repeats = repeated(board, screen, 0.25, 8)
    one = noise_of_repeats(repeats.changing, DETECTOR)
    mean, warnings = choose_noise(repeats.image.pixels, DETECTOR, 0.25, None, 8, repeats.changing)
    assert mean.source == "frames" and warnings == []
    assert mean.relative_sd() == pytest.approx(one.relative_sd() / np.sqrt(8), rel=1e-6)
    _, warnings = choose_noise(repeats.image.pixels, DETECTOR, 2.5, None, 8, repeats.changing)
    assert "the frames differ by" in warnings[0]


def test_equal_frames_tell_no_noise():
    stack = np.full((3, 64, 64), 0.5, dtype=np.float32)
    with pytest.raises(MeasurementError, match="equal each other"):
        noise_of_repeats(average_repeats([Radiograph(stack)]).changing, DETECTOR)


def test_a_hit_in_a_quiet_block_gives_way_to_the_median_around_it():
    blocks = np.random.default_rng(4).normal(0.5, 0.01, (7, 16, 16)).astype(np.float32)
    blocks[2, 5, 9], blocks[4, 0, 15] = 0.9, 0.1
    before, median = blocks.copy(), scipy.ndimage.median_filter(blocks, size=(1, 3, 3), mode="nearest")
    noise_blocks._remove_hits(blocks)
    changed = blocks != before
    assert changed[2, 5, 9] and changed[4, 0, 15] and changed.sum() < 20
    np.testing.assert_array_equal(blocks[changed], median[changed])
