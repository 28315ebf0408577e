"""The recursive mean of a stream: its noise is that of its weights, and it begins anew when something moves; all simulated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import ImageError, SettingsError
from coldray.images.recursive import STEPS_PER_OCTAVE, RecursiveMean, RunningMean
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel

NOISE = NoiseModel.of_detector(load_detector("gos135"), 0.25)
SHAPE = (64, 80)
SCENE = np.full(SHAPE, 0.6, dtype=np.float32)
SCENE[20:44, 30:60] = 0.35


def frames(scene, count, random_state=0):
    rng = np.random.default_rng(random_state)
    return [scene + NOISE.draw(scene, rng) for _ in range(count)]


@given(weight=st.floats(0.01, 1.0), count=st.integers(1, 60))
def test_the_power_is_the_sum_of_the_squared_weights(weight, count):
    """Every frame marks a pixel of its own, too weakly to move anything: the mean shows the weight of each."""
    mean = RecursiveMean(weight, NOISE)
    for number in range(count):
        frame = np.full((16, 64), 0.5, dtype=np.float32)
        frame[7, number] += 0.01
        found = mean.add(frame)
    weights = (found.image[7, :count].astype(np.float64) - 0.5) / 0.01
    assert found.frames == count and not found.moved
    assert weights.sum() == pytest.approx(1.0, abs=1e-3)
    assert found.power == pytest.approx(float(weights @ weights), abs=1e-3)


def test_the_first_frames_count_alike_and_the_power_ends_at_its_limit():
    mean = RecursiveMean(0.125, NOISE)
    powers = [mean.add(SCENE).power for _ in range(80)]
    assert powers[:8] == pytest.approx([1 / n for n in range(1, 9)])
    assert powers[-1] == pytest.approx(0.125 / (2 - 0.125), rel=1e-6)


def test_the_noise_of_the_mean_is_what_it_says():
    mean, means = RecursiveMean(0.2, NOISE), []
    for number, frame in enumerate(frames(SCENE, 120)):
        found = mean.add(frame)
        if number >= 20 and number % 10 == 0:
            means.append(found.image - SCENE)
    assert found.frames == 120
    one = np.var(frames(SCENE, 10, 7) - SCENE)
    assert np.var(means) / one == pytest.approx(found.power, rel=0.05)


@given(power=st.floats(1e-4, 1.0))
def test_the_stated_number_of_frames_is_never_too_large_and_a_step_too_small_at_most(power):
    found = RunningMean(SCENE, power, 1).independent
    assert 1.0 <= 1 / power / found * (1 + 1e-9) and 1 / power / found <= 2 ** (1 / STEPS_PER_OCTAVE) * (1 + 1e-9)
    assert RunningMean(SCENE, 1.0, 1).independent == 1.0


def test_all_late_means_of_a_scene_state_one_noise():
    mean = RecursiveMean(0.1, NOISE)
    early = [mean.add(SCENE).independent for _ in range(60)]
    assert early == sorted(early) and len(set(early)) < 10 + STEPS_PER_OCTAVE
    assert {mean.add(SCENE).independent for _ in range(50)} == {early[-1]}


def test_a_part_that_moves_begins_anew_and_noise_and_a_tube_that_drifts_do_not():
    mean = RecursiveMean(0.1, NOISE)
    assert not any(mean.add(frame).moved for frame in frames(SCENE, 60))
    assert not any(mean.add(1.03 * frame).moved for frame in frames(SCENE, 20, 1))
    shifted = np.roll(SCENE, 6, axis=1)
    found = [mean.add(frame) for frame in frames(shifted, 3, 2)]
    assert [one.moved for one in found] == [True, False, False]
    assert [one.frames for one in found] == [1, 2, 3]
    assert found[0].power == 1.0


def test_another_level_is_another_scene():
    mean = RecursiveMean(0.1, NOISE)
    mean.add(SCENE)
    assert mean.add(0.5 * SCENE).moved


def test_a_direct_hit_moves_nothing():
    mean = RecursiveMean(0.1, NOISE)
    for frame in frames(SCENE, 12):
        mean.add(frame)
    hit = frames(SCENE, 1, 5)[0]
    hit[10, 10] += 3.0
    assert not mean.add(hit).moved


def test_a_frame_of_another_shape_leaves_the_mean_as_it_was():
    mean = RecursiveMean(0.5, NOISE)
    before = mean.add(SCENE)
    with pytest.raises(ImageError, match=r"shape \(64, 79\); \(64, 80\) is needed"):
        mean.add(SCENE[:, 1:])
    assert mean.add(SCENE).frames == before.frames + 1


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.5, math.nan])
def test_weights_outside_their_range_are_refused(weight):
    with pytest.raises(SettingsError, match="over 0 and at most 1"):
        RecursiveMean(weight, NOISE)
