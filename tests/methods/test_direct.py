"""Regression: one call at full strength, and the mean is the measurement's."""

import numpy as np
import pytest

from coldray.frame import TrainingPair
from coldray.methods import direct


def test_one_call_on_the_blurred_frame_at_full_strength(frame_of, blend, picture):
    calls = []

    def network(channels, conditions):
        calls.append((channels, conditions))
        return channels[1]

    frame = frame_of(picture)
    out = direct.restore(frame, blend, network)
    assert len(calls) == 1
    assert calls[0][1][0] == 1
    np.testing.assert_array_equal(calls[0][0][0], picture)
    np.testing.assert_allclose(out, frame.wiener_operator(blend)(picture), atol=1e-12)


def test_the_answer_is_returned_with_the_measured_mean(frame_of, blend, picture):
    rng = np.random.default_rng(0)
    answer = 7 + rng.standard_normal(picture.shape)
    out = direct.restore(frame_of(picture), blend, lambda c, k: answer)
    assert out.mean() == pytest.approx(picture.mean(), abs=1e-12)
    np.testing.assert_allclose(out - answer, picture.mean() - answer.mean(), atol=1e-12)


def test_a_perfect_network_is_believed(frame_of, blend, picture):
    blurred = frame_of(picture).operator(blend)(picture)
    np.testing.assert_allclose(direct.restore(frame_of(blurred), blend, lambda c, k: picture), picture, atol=1e-12)


def test_it_is_trained_as_it_is_used(frame_of, blend, picture):
    sharp = picture.astype(np.float32)
    frame = frame_of(sharp)
    shown = direct.example(TrainingPair(frame, sharp, 0 * sharp), blend, np.random.default_rng(0))
    np.testing.assert_array_equal(shown.channels[0], frame.blurred)
    assert shown.conditions[0] == 1
