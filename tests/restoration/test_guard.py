"""What is written is finite and within limits, and the linear filter stands in where the network fails."""

from dataclasses import replace

import numpy as np
import pytest
import scipy
from scipy.ndimage import gaussian_filter

from coldray.errors import CheckpointError, ImageError, RefusalError
from coldray.frame import Frame
from coldray.images.scale import Scale
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.answer import NETWORK_CONTRADICTED, NETWORK_CORRECTED
from coldray.restoration.certificate.certify import certify
from coldray.restoration.certificate.words import MUCH_OF_THE_IMAGE
from coldray.restoration.guard import RAMP_PX, at_limit, linear_filter, ramp, written
from coldray.restoration.pipeline import CONTRADICTED_EVERYWHERE, Job, restore
from coldray.settings import CONTRADICTIONS

OPEN_BEAM = 50000.0
SCALE = Scale(OPEN_BEAM, np.dtype(np.uint16), "file")


@pytest.fixture
def scene(frame_of, blend, pair):
    """Truth, measured fraction and radiograph of squares at 0.25 s; simulated."""
    squares = np.kron(np.random.default_rng(7).uniform(0.3, 0.9, (6, 8)), np.ones((20, 20)))
    truth = gaussian_filter(squares, 1.2).astype(np.float32)
    blurred = frame_of(truth).operator(blend)(truth)
    measured = blurred + NoiseModel.of_detector(pair.blurred, 0.25).draw(blurred, np.random.default_rng(0))
    stored = np.rint(measured * OPEN_BEAM).astype(np.uint16)
    return truth, Radiograph(stored, Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True))


@pytest.fixture
def job(answers):
    """Job at 0.25 s whose network is a function, without the gate."""

    def build(change, **settings):
        known = {"method": "cold", "exposure_s": 0.25, "keep_certificate": True, "even": "network"}
        return Job(**known | {"model": answers(change)} | settings)

    return build


def wiener(radiograph):
    return restore(radiograph, Job(method="wiener", exposure_s=0.25)).image.pixels.astype(float)


def invented(image):
    """Add what the measurement denies: a bright block."""
    image[44:52, 60:70] += 0.3
    return image


def test_what_is_written_is_compared_with_the_input():
    stored = np.full((10, 10), 65000, dtype=np.uint16)
    stored[0, :5], stored[1, 0] = 65535, 0
    result = stored / OPEN_BEAM
    result[0], result[1, :2] = 2.0, -0.1
    found = written(stored, result, SCALE)
    # ten above and two below; of these five and one were at a limit before
    assert found.clipped == 12 and found.newly_clipped_share == pytest.approx(0.06)
    assert "6 % of the pixels" in found.fault and "0 to 65535" in found.fault
    np.testing.assert_array_equal(found.fraction, SCALE.to_fraction(found.pixels))
    assert at_limit(stored).sum() == 6 and at_limit(result) is None


def test_a_moved_mean_is_a_fault():
    stored = np.full((10, 10), 30000, dtype=np.uint16)
    assert written(stored, stored * 1.004 / OPEN_BEAM, SCALE).fault is None
    assert "the mean would move by +0.6 %" in written(stored, stored * 1.006 / OPEN_BEAM, SCALE).fault


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_is_stored_or_certified(value, scene, frame_of, blend):
    truth, _ = scene
    bad = truth.copy()
    bad[3, 4] = value
    with pytest.raises(ImageError, match="1 of 19200 pixels to be written are NaN or infinite"):
        SCALE.to_stored(bad)
    with pytest.raises(ImageError, match="NaN or infinite; there is nothing to certify"):
        certify(frame_of(truth), blend, bad)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_answers_without_numbers_restores_nothing(value, scene, monkeypatch):
    from coldray.restoration.model import OnnxEngine, load_model

    def run(self, channels, conditions):
        answer = channels[:, :1].copy()
        answer[0, 0, 5, 5] = value
        return answer

    monkeypatch.setenv("COLDRAY_ENGINE", "onnxruntime")
    monkeypatch.setattr(OnnxEngine, "run", run)
    with pytest.raises(CheckpointError, match="the network answers with 1 values that are NaN or infinite"):
        restore(scene[1], Job(method="cold", model=load_model(), exposure_s=0.25))


def test_where_the_network_is_contradicted_the_linear_filter_stands_in(scene, job):
    truth, radiograph = scene
    found = restore(radiograph, job(invented, on_contradiction="linear"))
    kept = restore(radiograph, job(invented, on_contradiction="keep"))
    assert found.consistency["network"]["verdict"] == kept.consistency["verdict"] == "contradicted in places"
    assert found.consistency["verdict"] == "consistent"
    assert 0.02 < found.replaced_share < 0.25 and kept.replaced_share == 0
    place, linear = np.s_[44:52, 60:70], wiener(radiograph)
    error = {
        name: np.sqrt(np.mean((image[place] - truth[place] * OPEN_BEAM) ** 2))
        for name, image in (
            ("found", found.image.pixels),
            ("kept", kept.image.pixels.astype(float)),
            ("linear", linear),
        )
    }
    assert error["found"] <= 1.01 * error["linear"] < 0.2 * error["kept"]
    whole = found.replaced == 1
    np.testing.assert_allclose(found.image.pixels[whole], linear[whole], atol=1)
    # elsewhere the network stays, but for the level that it took from everywhere for what it invented
    moved = found.image.pixels.astype(float) - kept.image.pixels
    level = 0.3 * 8 * 10 / truth.size * OPEN_BEAM
    np.testing.assert_allclose(moved[found.replaced == 0], level, atol=0.1 * level + 1)
    # what is written is what is certified
    np.testing.assert_array_equal(found.certificate.marked, np.zeros_like(whole))
    with pytest.raises(RefusalError, match="contradicts the network in"):
        restore(radiograph, job(invented, on_contradiction="refuse"))


@pytest.fixture
def errors(job):
    """Root mean square error where the measurement contradicts the network, by what is done about it; the default's result too."""

    def found_of(scene, place, change, even="network"):
        truth, radiograph = scene
        ways = {way: restore(radiograph, job(change, on_contradiction=way, even=even)) for way in CONTRADICTIONS[:3]}
        images = {way: found.image.pixels / OPEN_BEAM for way, found in ways.items()}
        images["wiener"] = wiener(radiograph) / OPEN_BEAM
        where = ways["keep"].certificate.marked if place is None else place
        return {way: np.sqrt(np.mean((image - truth)[where] ** 2)) for way, image in images.items()}, ways["correct"]

    return found_of


@pytest.mark.parametrize("amplitude", [0.3, 0.1])
def test_what_the_network_invents_is_lessened_and_goes_where_it_is_plain(scene, amplitude, errors):
    def change(image):
        image[44:52, 60:70] += amplitude
        return image

    error, found = errors(scene, np.s_[44:52, 60:70], change)
    assert error["correct"] < 0.85 * error["keep"]
    if amplitude == 0.3:
        assert found.replaced_share > 0 and error["correct"] <= 1.01 * error["wiener"]


@pytest.mark.parametrize("even", ["network", "linear"])
def test_a_network_that_knows_more_than_the_linear_filter_is_corrected_and_its_marks_stay(scene, even, job, errors):
    """Small faults of a network that else has the truth."""
    truth, radiograph = scene
    waves = 0.02 * np.cos(0.35 * np.arange(truth.shape[1])).astype(np.float32)

    error, found = errors(scene, None, lambda image: truth + waves, even)
    assert (
        error["correct"] < {"network": 0.9, "linear": 1.0}[even] * error["keep"] and error["correct"] < error["wiener"]
    )
    network = found.consistency["network"]
    assert network["corrected_share"] > 0.2 and found.corrected_share == pytest.approx(
        network["corrected_share"], abs=1e-4
    )
    assert not np.any((found.corrected > 0) & (found.replaced == 1))
    # the residual made the correction: it cannot clear the marks
    kept = restore(radiograph, job(lambda image: truth + waves, on_contradiction="keep", even=even))
    whole = found.replaced == 0
    assert np.array_equal(found.certificate.marked[whole], kept.certificate.marked[whole])
    assert found.image.pixels.mean() == pytest.approx(kept.image.pixels.mean(), rel=2e-4)
    if network["marked_share"] >= MUCH_OF_THE_IMAGE:
        assert NETWORK_CORRECTED in found.warnings


def test_a_network_that_knows_the_sound_object_by_heart_is_corrected_where_a_part_is_missing(
    frame_of, blend, pair, scene, errors
):
    sound, radiograph = scene
    truth = sound.copy()
    truth[30:42, 50:66] += 0.08
    truth[80:84, 20:120] -= 0.06
    blurred = frame_of(truth).operator(blend)(truth)
    measured = blurred + NoiseModel.of_detector(pair.blurred, 0.25).draw(blurred, np.random.default_rng(4))
    changed = radiograph.with_pixels(np.rint(measured * OPEN_BEAM).astype(np.uint16))
    error, found = errors((truth, changed), None, lambda image: sound.copy())
    assert error["correct"] < 0.9 * error["keep"]
    assert np.mean((found.corrected > 0) | (found.replaced > 0)) >= 0.2 * found.consistency["network"]["marked_share"]


def checkerboard(image):
    return (np.indices(image.shape).sum(axis=0) % 2 * 4.0 - 1.5).astype(np.float32)


@pytest.mark.parametrize("way", ["correct", "linear"])
@pytest.mark.parametrize("change", [checkerboard, lambda x: x + 0.2 * np.sin(np.arange(x.shape[1])), lambda x: 0 * x])
def test_a_network_that_is_wrong_everywhere_gives_the_linear_result_and_says_so_first(change, way, scene, job):
    found = restore(scene[1], job(change, on_contradiction=way))
    np.testing.assert_array_equal(found.image.pixels, wiener(scene[1]))
    assert found.replaced_share == 1
    assert found.warnings[0] == NETWORK_CONTRADICTED


def test_a_correction_that_cannot_be_written_gives_way_to_the_linear_filter(scene, monkeypatch, job):
    """What is written is what must not clip, whatever the network's own result did."""
    from coldray.restoration import answer

    steep = 10 * (checkerboard(scene[0]) - np.float32(0.5))
    monkeypatch.setattr(answer, "_correction", lambda case, image: steep)
    found = restore(scene[1], job(invented))
    np.testing.assert_array_equal(found.image.pixels, wiener(scene[1]))
    assert found.replaced_share == 1 and found.corrected_share == 0
    assert any(w.startswith("the network's result is not written") and "leave the range" in w for w in found.warnings)


def test_a_result_that_cannot_be_right_is_not_written(scene, answers):
    """Tables that do not belong to the image: a hundredfold exposure, sharpened until pixels leave the range."""
    radiograph = scene[1]
    dark = radiograph.with_pixels((radiograph.pixels // 40).astype(np.uint16), *radiograph.history[:0])
    noisy = np.random.default_rng(3).poisson(2.0, dark.pixels.shape).astype(np.uint16)
    for method, model in (("wiener", None), ("cold", answers())):
        with pytest.raises(RefusalError, match="leave the range 0 to 65535"):
            restore(replace(dark, pixels=noisy), Job(method=method, model=model, exposure_s=1000.0, even="network"))


def test_safeguards_off_repeats_version_0_1(scene, job):
    found = restore(scene[1], job(checkerboard, safeguards=False))
    assert found.clipped_pixels > 0.9 * scene[0].size and found.consistency["verdict"] == "contradicted"
    assert "network" not in found.consistency


def test_a_contradicted_linear_result_says_so_first(scene):
    """The measurement holds a pattern that no blur lets through."""
    truth, radiograph = scene
    ripple = radiograph.pixels + (4000 * np.cos(np.pi * np.arange(truth.shape[1]))).astype(np.int32)
    found = restore(replace(radiograph, pixels=ripple.astype(np.uint16)), Job(method="wiener", exposure_s=0.25))
    assert found.warnings[0] == CONTRADICTED_EVERYWHERE


@pytest.mark.parametrize(("shape", "share"), [((5, 7), 0.5), ((3, 60), 0.02), ((60, 3), 0.02), ((90, 110), 0.001)])
def test_a_ramp_goes_by_the_distance_to_the_nearest_mark(shape, share):
    marked = np.random.default_rng(1).random(shape) < share
    marked[shape[0] // 2, 1] = True
    wanted = np.clip(1.0 - scipy.ndimage.distance_transform_edt(~marked) / RAMP_PX, 0.0, 1.0)
    assert np.array_equal(ramp(marked), wanted.astype(np.float32))


def test_a_ramp_covers_the_marks_and_ends():
    marked = np.zeros((40, 50), dtype=bool)
    marked[20, 25] = True
    weight = ramp(marked)
    assert weight[20, 25] == 1 and weight[20, 25 + RAMP_PX] == 0 and 0 < weight[20, 26] < 1
    assert not ramp(np.zeros((4, 4), dtype=bool)).any()


def test_the_noise_of_every_frame_of_a_stack_is_recorded(scene, pair):
    """Whatever their order, both frames' noise is in the history."""
    radiograph = scene[1]
    quiet = radiograph.pixels
    loud = np.clip(quiet + np.random.default_rng(1).normal(0, 1500, quiet.shape), 0, 65535).astype(np.uint16)
    recorded = []
    for order in ((quiet, loud), (loud, quiet)):
        stack = Radiograph(np.stack(order), radiograph.acquisition)
        recorded.append(restore(stack, Job(method="wiener")).image.history[-1].details["noise_relative_sd"])
    assert recorded[0] == recorded[1][::-1] and recorded[0][1] > 1.5 * recorded[0][0]


def test_the_linear_filter_is_the_method_of_that_name(scene, frame_of, blend):
    from coldray.plugins import plugin

    frame = frame_of(scene[0])
    np.testing.assert_array_equal(linear_filter(frame, blend), plugin("method", "wiener").restore(frame, blend))


def test_the_linear_filter_aims_at_the_same_from_either_side(pair, blend, scene):
    """Of tables trusted in part: the frame, and the frame as the blur of what a result aims at."""
    mtf = pair.blurred.mtf
    unsure = FrequencyCurve(mtf.frequency_lp_mm, mtf.value, 0.4 * mtf.value, np.minimum(1.6 * mtf.value, 1.0))
    part = DetectorPair(replace(pair.blurred, mtf=unsure), pair.sharp)
    measured = (scene[1].pixels / OPEN_BEAM).astype(np.float32)
    frame = Frame(measured, part, NoiseModel.of_detector(part.blurred, 0.25))
    assert not part.fully_trusted
    here = linear_filter(frame, type(blend)(part))
    there = linear_filter(frame.as_restored(), type(blend)(part.as_restored()))
    np.testing.assert_allclose(there, here, atol=1e-4)
