"""Colours of quantum noise that an MTF allows: white for a sharp screen, MTF^2 where depths are alike, the cascade's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.physics.curves import FrequencyCurve
from coldray.physics.quantum_noise import expected_depth_alike, quantum_shape
from coldray.physics.screen import gos_screen, open_beam_nnps

PITCH = 0.1


def screen_table(loading, pitch):
    f = np.linspace(0, 0.5 / pitch, 60)
    return FrequencyCurve(f, gos_screen(loading).mtf(f) * np.sinc(pitch * f))


@given(st.floats(0, 1))
def test_a_pixel_alone_gives_white_noise(alike):
    f = np.linspace(0, 0.7 / PITCH, 200)
    shape = quantum_shape(FrequencyCurve(f, np.sinc(f * PITCH)), PITCH)
    np.testing.assert_allclose(shape(alike), 1.0, atol=2e-3)


def test_depths_that_blur_alike_give_the_squared_mtf():
    # so blurred that neither aperture nor replicas matter
    f = np.linspace(0, 0.7 / PITCH, 400)
    mtf = np.exp(-((f / 1.0) ** 2))
    shape = quantum_shape(FrequencyCurve(f, mtf * np.sinc(f * PITCH)), PITCH)
    low = shape.frequency < 0.1
    expected = np.exp(-2 * (shape.frequency[low] / PITCH) ** 2)
    np.testing.assert_allclose(shape(1.0)[low] / np.sinc(shape.frequency[low]) ** 2, expected, rtol=0.03)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_more_depths_differ_the_more_noise_is_left_at_high_frequency(one, other):
    shape = quantum_shape(screen_table(80.0, PITCH), PITCH)
    low, high = sorted((one, other))
    assert np.all(shape(low) >= shape(high) - 1e-12)
    assert np.all(shape(high) > 0)


@pytest.mark.parametrize(("loading", "pitch"), [(34.0, 0.05), (80.0, 0.1), (134.55, 0.05), (200.0, 0.125)])
def test_a_member_of_the_family_follows_the_parallel_cascade(loading, pitch):
    shape = quantum_shape(screen_table(loading, pitch), pitch)
    angle = (np.arange(24) + 0.5) * (np.pi / 4 / 24)
    inside = shape.frequency <= 0.5
    f = shape.frequency[inside, None] / pitch
    truth = open_beam_nnps(gos_screen(loading), pitch, 1e6, f * np.sin(angle), f * np.cos(angle))[0].mean(axis=1)
    # light quanta are white after the screen
    members = np.array([(shape(m)[inside] + w) / truth for m in np.linspace(0, 1, 101) for w in (0, 0.002, 0.005)])
    members /= np.exp(np.log(members).mean(axis=1, keepdims=True))
    assert np.abs(np.log(members)).max(axis=1).min() < 0.075


def test_thicker_screens_are_expected_to_differ_more_in_depth():
    expected = [expected_depth_alike(screen_table(loading, 0.05), 0.05) for loading in (34.0, 80.0, 134.55, 200.0)]
    assert expected == sorted(expected, reverse=True)
    np.testing.assert_allclose(expected, [0.66, 0.53, 0.43, 0.365], atol=0.04)
