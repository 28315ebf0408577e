"""The reach that acts: measured on contents that no measurement could outdo, and stated by the shipped model."""

import numpy as np
import pytest

from coldray.errors import ImageError
from coldray.restoration.engines import OnnxEngine
from coldray.restoration.model import load_model
from coldray.training.export import parity_input
from coldray.training.reach import acting_reach


class Box:
    """Sum of two pixels at a distance; its formal reach says more."""

    stride = alignment = 8

    def __init__(self, distance, radius, gain=1.0):
        self.distance, self.radius, self.gain = distance, radius, gain

    def run(self, channels, conditions):
        return channels[:, :1] + self.gain * np.roll(channels[:, :1], self.distance, axis=-1)


def image(radius):
    return np.random.default_rng(5).uniform(0.3, 0.7, (1, 3, 2 * radius + 40, 2 * radius + 40)).astype(np.float32)


@pytest.mark.parametrize(("distance", "reach"), [(40, 40), (33, 40), (32, 32), (3, 8), (0, 8)])
def test_the_distance_at_which_content_acts_is_found(distance, reach):
    assert acting_reach(Box(distance, 64), image(64), np.zeros((1, 1), np.float32)) == reach


def test_what_changes_less_than_half_a_step_of_16_bits_does_not_act():
    conditions = np.zeros((1, 1), np.float32)
    assert acting_reach(Box(40, 48, 0.3 / 65535), image(48), conditions) == 8
    assert acting_reach(Box(40, 48, 2.0 / 65535), image(48), conditions) == 40


def test_too_small_an_image_is_refused():
    with pytest.raises(ImageError, match="168 per side"):
        acting_reach(Box(3, 72), image(40), np.zeros((1, 1), np.float32))


SHIPPED = pytest.mark.parametrize(("name", "formal_px"), [("compact", 149), ("compact-0.1", 100)])


@SHIPPED
def test_shipped_models_state_their_reach(name, formal_px):
    model = load_model(name)
    stated = model.header["reach"]
    assert stated["formal_px"] == model.header["radius"] == formal_px
    assert 0 < stated["acting_px"] == model.reach <= formal_px


@pytest.mark.slow
@SHIPPED
def test_shipped_models_state_what_acts(name, formal_px):
    model = load_model(name)
    formal = OnnxEngine(model.path, model.engine.stride, formal_px)
    side = 2 * formal.stride * -(-formal_px // formal.stride) + 5 * formal.stride
    found = acting_reach(formal, *parity_input(model.header["network"]["settings"], side))
    assert found == model.reach
