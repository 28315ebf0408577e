"""Pixels predicted by the shape of what surrounds them, from the rest of the same image."""

import numpy as np
import pytest

from coldray.images import hits
from coldray.images._shapes import LEAST_EXAMPLES, has_shape, learn, surroundings
from coldray.images.hits import find_hits
from coldray.objects.boards import procedural_board
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.transfer import radial_operator
from coldray.simulation.detector import ScreenDetector


def test_a_middle_that_follows_from_its_surroundings_is_learned():
    """A plane wave obeys one linear law, cos(a) + cos(b) times twice the middle is the sum of the four neighbours."""
    rows, cols = np.indices((96, 96))
    image = 0.5 + 0.2 * np.cos(0.9 * rows + 0.4 * cols) + 0.1 * np.cos(0.4 * rows - 0.9 * cols)
    inside = np.arange(image.size).reshape(image.shape)[2:-2, 2:-2].ravel()
    shapes = learn(image, inside, np.full(inside.size, 1e-6))
    near, mean = surroundings(image, inside)
    assert np.abs(shapes.middle(near, mean) - image.flat[inside]).max() < 1e-3


def test_surroundings_beyond_the_border_are_mirrored():
    image = np.arange(64.0).reshape(8, 8)
    near, mean = surroundings(image, np.array([0]))
    assert mean[0] + near[0].max() == 18.0 and mean[0] + near[0].min() == 1.0


@pytest.mark.parametrize("side", [16, 200])
def test_noise_alone_and_too_few_examples_teach_nothing(side):
    image = 0.5 + 0.01 * np.random.default_rng(1).standard_normal((side, side))
    variance = 1e-4 if side == 200 else 1e-8
    assert has_shape(surroundings(image, np.arange(image.size))[0], np.float64(variance)).mean() < (side == 16) + 0.05
    assert side**2 < LEAST_EXAMPLES or side == 200
    assert learn(image, np.arange(image.size), np.full(image.size, variance)) is None


@pytest.fixture(scope="module")
def needles_frame():
    """A fine simulated board before needles at 100 um, without noise and with."""
    pitch = 0.1
    frequency = np.linspace(0, 7.5, 76)
    mtf = FrequencyCurve(frequency, 1 / (1 + (frequency / 1.3) ** 1.7))
    noise = NoiseModel(FrequencyCurve(frequency, 0.004**2 * pitch**2 * (0.3 + 0.7 * mtf.value**2)), 0.0, pitch)
    board = procedural_board("dense_bga", (640, 640), 0.025, 3)
    passed = ScreenDetector.gos(33.91, pitch).transmission(board).reshape(160, 4, 160, 4).mean(axis=(1, 3))
    clean = radial_operator(mtf, passed.shape, pitch)(passed)
    return clean, clean + noise.draw(clean, np.random.default_rng(6)), mtf, noise


def error(clean, filled, where):
    return np.sqrt(np.mean((filled - clean)[where] ** 2))


def test_balls_teach_what_balls_are(needles_frame, monkeypatch):
    clean, frame, mtf, noise = needles_frame
    where = np.random.default_rng(2).random(frame.shape) < 0.02
    learned = find_hits(np.where(where, 0.0, frame), mtf, noise, known=where).filled
    again = find_hits(np.where(where, 5.0, frame), mtf, noise, known=where).filled
    monkeypatch.setattr(hits, "LEARNED_FROM", 1.0)
    linear = find_hits(frame, mtf, noise, known=where).filled
    assert error(clean, learned, where) < 0.85 * error(clean, linear, where)
    np.testing.assert_array_equal(learned, again)
    np.testing.assert_array_equal(learned[~where], linear[~where])


def test_clusters_and_what_adjoins_padding_stay_with_the_neighbours(needles_frame, monkeypatch):
    _, frame, mtf, noise = needles_frame
    known = np.zeros(frame.shape, dtype=bool)
    known[20:24, 20:150] = known[:, 60:90] = True
    known[40:140:6, 20:50:5] = True
    learned = find_hits(frame, mtf, noise, known=known).filled
    monkeypatch.setattr(hits, "LEARNED_FROM", 1.0)
    linear = find_hits(frame, mtf, noise, known=known).filled
    changed = learned != linear
    assert changed[40:140:6, 20:50:5].mean() > 0.3
    changed[40:140:6, 20:50:5] = False
    assert not changed.any()


def test_a_few_hits_are_not_worth_learning_for(needles_frame, monkeypatch):
    _, frame, mtf, noise = needles_frame
    known = np.random.default_rng(2).random(frame.shape) < 0.001
    monkeypatch.setattr(hits, "learn", None)
    assert not find_hits(frame, mtf, noise, known=known).mask.any()
