"""The calibrated gain is no worse than the network alone or the paper's K = 1 on the fields it was fitted on."""

import numpy as np
import pytest

from coldray.degradations.mtf_blend import Degradation
from coldray.frame import Frame, TrainingPair
from coldray.gain import consistency_gain, unshared_gain
from coldray.methods import cold
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import radial_operator
from coldray.training.calibrate import calibrate_consistency

PAIR = DetectorPair(load_detector("gos135"), load_detector("gos34"))
DEGRADATION = Degradation(PAIR)


class Fields:
    """Three fields of blocks, seen anew at every exposure."""

    def __len__(self):
        return 3

    def looks(self):
        return {"long": 1.0, "middle": 0.25, "short": 0.05}

    def pair(self, number, rng, exposure_s):
        blocks = np.random.default_rng(number).uniform(0.2, 0.9, (12, 12))
        sharp = np.kron(blocks, np.ones((8, 8))).astype(np.float32)
        blurred = radial_operator(lambda f: DEGRADATION.transfer(f, 1.0), sharp.shape, PAIR.pixel_pitch_mm)(sharp)
        noise = NoiseModel.of_detector(PAIR.blurred, exposure_s)
        return TrainingPair(Frame(blurred + noise.draw(sharp, rng), PAIR, noise), sharp, blurred), DEGRADATION


def lazy(channels, conditions):
    """A network that returns the measurement: much is left to correct."""
    return channels[0]


def linear(channels, conditions):
    """A network that returns the Wiener estimate: nearly all has been used."""
    return channels[1]


def sharper(channels, conditions):
    """A network that has amplified the noise."""
    return channels[2]


def constant(channels, conditions):
    """A network that knows nothing, so that only the data can help."""
    return np.full_like(channels[0], 0.5)


@pytest.mark.parametrize("network", [lazy, linear, sharper, constant])
def test_no_worse_than_either_and_equal_to_what_the_sampler_does(network):
    found = calibrate_consistency(network, unshared_gain, Fields())
    errors = found.relative_error
    assert errors["calibrated"] <= min(errors["network"], errors["paper"])
    measured = {"calibrated": [], "network": [], "paper": []}
    for exposure in (1.0, 0.25, 0.05):
        for number in range(3):
            pair, _ = Fields().pair(number, np.random.default_rng([13, number]), exposure)
            frame = pair.frame
            flat = frame.radial_operator(lambda f: np.where(f == 0, 1.0, 0.0))
            gains = {
                "calibrated": consistency_gain(frame, DEGRADATION, found.share),
                "network": flat,
                "paper": None,
            }
            error = {
                name: np.sum((cold.restore(frame, DEGRADATION, network, consistency=gain) - pair.sharp) ** 2)
                for name, gain in gains.items()
            }
            for name, value in error.items():
                measured[name].append(value / error["network"])
    for name, values in measured.items():
        # the share is constant in a bin when it is fitted, and interpolated between bins when it is used
        assert np.mean(values) == pytest.approx(errors[name], rel=0.03 if name == "calibrated" else 1e-3)


def test_a_network_that_left_much_is_corrected_more():
    left, used = (
        calibrate_consistency(n, unshared_gain, Fields()).relative_error["calibrated"] for n in (lazy, linear)
    )
    assert left < used < 1


class Measured(Fields):
    """The same fields, each measured once."""

    def __init__(self):
        self.drawn = []

    def looks(self):
        return {"own_exposure": None}

    def pair(self, number, rng, exposure_s):
        assert exposure_s is None
        self.drawn.append(number)
        return super().pair(number, rng, 0.25)


def test_a_measured_field_counts_once():
    """Counted again at every exposure that a simulation would draw, one measurement would look like three."""
    fields = Measured()
    found = calibrate_consistency(lazy, unshared_gain, fields)
    assert fields.drawn == [0, 1, 2]
    assert found.relative_error["calibrated"] < found.relative_error["network"]
