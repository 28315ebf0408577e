"""The certificate: honest about truth, sharp on planted and erased structure, on simulated frames."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from coldray.errors import ImageError
from coldray.frame import Frame
from coldray.gain import residual_gain
from coldray.methods import cold, wiener
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.response import ResponseCurve
from coldray.restoration.certificate.certify import certify, tile_energy
from coldray.restoration.certificate.limits import disc
from coldray.restoration.certificate.residual import ModelError

NOTHING = ModelError(transfer=0.0, noise=0.0)


def board(shape, seed=0):
    """Rectangles of random transmission on a board, float32."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, 0.8, dtype=np.float32)
    for _ in range(shape[0] * shape[1] // 500):
        r, c, h, w = *rng.integers(0, shape), *rng.integers(3, 24, 2)
        image[r : r + h, c : c + w] *= np.float32(rng.uniform(0.35, 1))
    return np.maximum(image, 0.03)


def measured(truth, frame_of, blend, seed, exposure_s=0.25):
    """Frame of a truth: blurred exactly, with noise drawn at the local signal."""
    probe = frame_of(truth, exposure_s=exposure_s)
    blurred = probe.operator(blend)(truth)
    return frame_of(blurred + probe.noise.draw(blurred, np.random.default_rng(seed)), exposure_s=exposure_s)


def test_energies_of_a_truth_are_chi_square(frame_of, blend):
    """Uniform p-values per tile and band (Kolmogorov-Smirnov), at two doses."""
    truth = board((144, 160))
    for exposure_s in (1.0, 0.05):
        chances = [[] for _ in range(6)]
        for seed in range(6):
            found = certify(measured(truth, frame_of, blend, seed, exposure_s), blend, truth, model_error=NOTHING)
            energy = found.levels[0].found
            for band in range(6):
                chances[band].append(scipy.stats.chi2.sf(energy.energy[band], energy.degrees[band]).ravel())
        for band in chances:
            assert scipy.stats.kstest(np.concatenate(band), "uniform").statistic < 0.075


@pytest.mark.parametrize("runs", [100, pytest.param(250, marks=pytest.mark.slow)])
def test_truth_is_marked_as_often_as_stated(frame_of, blend, runs):
    """1 % of the images at the level used; close to 20 % at a level of 20 %, so the rate is honest and not idle."""
    truth = board((80, 96), 1)
    counts = {0.01: 0, 0.2: 0}
    for seed in range(runs):
        frame = measured(truth, frame_of, blend, 1000 + seed)
        found = certify(frame, blend, truth, model_error=NOTHING, level=0.2)
        counts[0.2] += found.marked_share > 0
        # the level is a threshold on the evidence alone: the test after next compares the two place by place
        counts[0.01] += found.evidence.max() >= 2
    assert counts[0.01] <= scipy.stats.binom.isf(0.001, runs, 0.01)
    assert scipy.stats.binom.isf(0.999, runs, 0.08) <= counts[0.2] <= scipy.stats.binom.isf(0.001, runs, 0.2)


def test_a_model_error_within_the_floor_is_no_contradiction(frame_of, blend):
    """1 % of contrast lost at every frequency is allowed by default, and found when nothing is allowed."""
    truth = board((160, 176), 2)
    frame = measured(truth, frame_of, blend, 3, exposure_s=4.0)
    wrong = truth + 0.01 * (truth - truth.mean())
    assert certify(frame, blend, wrong).marked_share == 0
    assert certify(frame, blend, wrong, model_error=NOTHING).marked_share > 0
    assert certify(frame, blend, truth + 0.05 * (truth - truth.mean())).marked_share > 0


def test_planted_structure_is_found_where_it_is(frame_of, blend):
    truth = board((128, 150), 4)
    frame = measured(truth, frame_of, blend, 5)
    false = truth + 0.25 * disc(8, truth.shape, (70.0, 90.0))
    found = certify(frame, blend, false)
    marked = found.marked
    assert marked[70, 90] and not marked[:40].any() and not marked[:, :50].any()
    np.testing.assert_array_equal(marked, found.evidence >= -np.log10(found.level) - 1e-6)


def test_erased_structure_is_found_where_it_was(frame_of, blend):
    erased = board((128, 150), 6)
    erased[40:80, 60:100] = 0.8
    truth = erased - 0.25 * disc(8, erased.shape, (60.0, 80.0))
    frame = measured(truth, frame_of, blend, 7)
    assert certify(frame, blend, truth).marked_share == 0
    assert certify(frame, blend, erased).marked[60, 80]


def test_a_noisy_result_is_no_contradiction(frame_of, blend):
    """What kept all noise, or fitted it, has a small residual."""
    truth = board((96, 96), 8)
    frame = measured(truth, frame_of, blend, 9)
    sharpened = frame.wiener_operator(blend, regularisation=1e-3)(frame.blurred)
    found = certify(frame, blend, sharpened)
    assert found.marked_share == 0
    assert found.residual.residual_over_noise < 0.2
    assert certify(frame, blend, truth).residual.residual_over_noise == pytest.approx(1, abs=0.05)


def test_dark_and_bright_halves_are_measured_by_their_own_noise(frame_of, blend):
    truth = np.full((128, 256), 0.9, dtype=np.float32)
    truth[:, 128:] = 0.01
    energy, degrees = np.zeros((6, 8, 16)), np.zeros((6, 8, 16))
    for seed in range(8):
        found = certify(measured(truth, frame_of, blend, seed), blend, truth, model_error=NOTHING).levels[0].found
        energy, degrees = energy + found.energy, degrees + found.degrees
    for half in (slice(0, 7), slice(9, 16)):
        ratio = energy[:, :, half].sum(axis=(1, 2)) / degrees[:, :, half].sum(axis=(1, 2))
        spread = np.sqrt(2 / degrees[:, :, half].sum(axis=(1, 2)))
        np.testing.assert_array_less(np.abs(ratio - 1), 4 * spread + 0.02)


def test_the_papers_sampler_is_judged_by_its_prediction(frame_of, blend):
    """out = y + (I - H) xbar is tied to y; whitened by (1 - H)^2 N it tells as much as xbar itself."""
    truth = board((128, 128), 10)
    frame = measured(truth, frame_of, blend, 11)
    prediction = truth + 0.15 * disc(8, truth.shape, (64.0, 64.0))
    out = cold.restore(frame, blend, lambda channels, conditions: prediction, steps=1)
    gain = residual_gain(frame, blend, None)
    direct = certify(frame, blend, prediction)
    tied = certify(frame, blend, out, gain=gain)
    # the local signal is that of either result, so units differ by what the disc adds to it
    np.testing.assert_allclose(tied.levels[0].found.energy[2:], direct.levels[0].found.energy[2:], rtol=0.06, atol=0.5)
    assert tied.marked[64, 64]
    assert not certify(frame, blend, out).marked[64, 64]


def test_bands_that_the_method_ties_to_the_data_are_not_tested(frame_of, blend):
    truth = board((96, 96))
    frame = measured(truth, frame_of, blend, 0)
    nyquist = frame.pair.blurred.nyquist_lp_mm
    found = certify(frame, blend, truth, gain=lambda f: np.where(f < 0.4 * nyquist, 0.05, 1.0))
    assert found.tested == (False, False, False, True, True, True)
    whole = certify(frame, blend, truth)
    assert whole.tested == (True,) * 6
    assert found.tests == whole.tests // 2
    none = certify(frame, blend, 0 * truth, gain=lambda f: 0 * f)
    assert none.tests == 0 and none.marked_share == 0


def test_unmeasured_pixels_are_left_out(frame_of, blend):
    truth = board((96, 128), 3)
    frame = measured(truth, frame_of, blend, 1)
    false = truth + 0.4 * disc(6, truth.shape, (24.0, 24.0))
    mask = np.zeros(truth.shape, dtype=bool)
    mask[16:32, 16:32] = True
    whole, partly = certify(frame, blend, false), certify(frame, blend, false, excluded=mask)
    assert whole.marked[24, 24] and whole.excluded_share == 0
    assert not partly.marked[24, 24] and partly.tests < whole.tests
    assert partly.excluded_share == pytest.approx(1 / 48)


def test_the_energy_of_tiles_alone_is_that_of_the_certificate(frame_of, blend, picture):
    truth = picture.astype(np.float32)
    excluded, linear = np.zeros(picture.shape, bool), np.zeros(picture.shape, bool)
    excluded[:3, :3], linear[:, 20:] = True, True
    frame = measured(picture, frame_of, blend, 4)
    whole = certify(frame, blend, truth, excluded=excluded, linear=linear)
    alone = tile_energy(frame, blend, truth, excluded=excluded, linear=linear)
    assert all(whole.tested) and np.array_equal(alone.energy, whole.levels[0].found.energy)
    assert np.array_equal(alone.degrees, whole.levels[0].found.degrees)


def test_an_image_of_the_other_response_needs_its_map(frame_of, blend):
    curve = ResponseCurve(
        [0, 0.5, 1.0], [0, 0.4, 1.0], "thin", "thick", 1.0, ("test",), {"unmatched": 0.1, "curve": 0.01}
    )
    sharp = board((96, 128), 5)
    frame = measured(curve(sharp), frame_of, blend, 6)
    assert certify(frame, blend, sharp, response=curve).marked_share == 0
    assert certify(frame, blend, sharp).marked_share > 0.2


def test_wrong_detectors_are_contradicted(frame_of, blend, pair):
    """A frame that is not blurred at all does not fit the stated thick screen."""
    truth = board((128, 128), 7)
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    frame = frame_of(truth + noise.draw(truth, np.random.default_rng(0)))
    assert certify(frame, blend, truth).marked_share > 0.3


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (15, 33), (16, 16), (31, 64), (77, 101)])
def test_any_size_is_certified_twice_alike(frame_of, blend, shape):
    truth = board(shape)
    frame = measured(truth, frame_of, blend, 2)
    first, second = (certify(frame, blend, wiener.restore(frame, blend)) for _ in range(2))
    assert first.tests > 0 and first.evidence.shape == shape
    np.testing.assert_array_equal(first.evidence, second.evidence)
    np.testing.assert_array_equal(first.residual.whitened, second.residual.whitened)


def test_result_and_measurement_must_have_one_shape(frame_of, blend, picture):
    with pytest.raises(ImageError, match="must be equal"):
        certify(frame_of(picture), blend, picture[1:])


def test_noise_from_the_image_itself_is_trusted_less(frame_of, blend, picture):
    stated = frame_of(picture)
    doubt = FrequencyCurve([0.0, 15.0], [0.1, 0.1])
    noise = replace(stated.noise, source="estimated", relative_error=doubt)
    estimated = Frame(picture, stated.pair, noise)
    assert certify(estimated, blend, picture).model_error.noise == pytest.approx(0.2)
    assert certify(stated, blend, picture).model_error.noise == pytest.approx(0.05)


def test_detectors_that_state_a_band_of_their_mtf_widen_the_allowance(frame_of, blend, pair):
    curve = pair.blurred.mtf
    loose = FrequencyCurve(curve.frequency_lp_mm, curve.value, 0.9 * curve.value, 1.1 * curve.value)
    uncertain = replace(pair, blurred=replace(pair.blurred, mtf=loose))
    truth = board((128, 128), 2)
    frame = measured(truth, frame_of, blend, 3, exposure_s=4.0)
    wrong = truth + 0.06 * (truth - truth.mean())
    assert certify(frame, blend, wrong).marked_share > 0
    assert certify(Frame(frame.blurred, uncertain, frame.noise), blend, wrong).marked_share == 0
