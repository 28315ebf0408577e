"""Conditions are kept inside what was trained, jointly, and the network counts less the farther they are."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.channels import RATIO_FREQUENCIES, conditions
from coldray.errors import CheckpointError
from coldray.frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.restoration.domain import (
    ALL_TO_RESTORE,
    FADE,
    NEAR,
    NOTHING_TO_RESTORE,
    Domain,
    KeptInside,
    asked_for,
    thinned,
)
from coldray.restoration.model import load_model


def line(rng):
    """Conditions on a line: two that always go together, strength first."""
    x = rng.uniform(-1, 1)
    return np.array([1.0, x, x])


@pytest.fixture(scope="module")
def domain():
    points, reach = thinned(line, 60, np.random.default_rng(0), 600)
    return Domain(np.array([-1.0, -1.0]), np.array([1.0, 1.0]), points, reach)


def test_what_training_draws_is_told_as_it_is(domain):
    rng = np.random.default_rng(1)
    for _ in range(50):
        told = line(rng).astype(np.float32)
        np.testing.assert_array_equal(domain.kept(told), told)
        assert domain.share(domain.distance(told)) == 1


def test_each_inside_its_span_is_not_enough(domain):
    odd = np.array([1.0, 0.7, -0.7])
    # the nearest point of the line is the origin
    assert abs(domain.distance(odd) - 0.7) < 0.05
    assert domain.share(domain.distance(odd)) == 0
    assert domain.distance(domain.kept(odd)) <= domain.reach + NEAR + 0.01


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 1))
def test_told_conditions_are_always_near_the_cloud(domain, a, b, strength):
    told = domain.kept(np.array([strength, a, b]))
    assert told[0] == np.float32(strength)
    assert np.abs(told[1:] - told[1:].mean()).max() <= 2 * (domain.reach + NEAR)
    assert np.abs(told[1:]).max() <= 1 + 2 * (domain.reach + NEAR)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-1e-4, 1e-4))
def test_kept_is_continuous(domain, a, b, step):
    here, there = (domain.kept(np.array([1.0, x, b])) for x in (a, a + step))
    # no faster than the anchor of a Gaussian of this width can move
    assert np.abs(here - there).max() <= 40 * abs(step) + 1e-6


def test_noise_whiter_than_any_trained_is_far_and_redder_noise_is_not(domain):
    """The network takes white noise for structure; two of its conditions are close to trained ones all the same."""
    told = replace(domain, ends=(0, 1))
    trained, whiter, redder = (np.array([1.0, 0.3 - d, 0.3 + d]) for d in (0.0, 0.06, -0.06))
    assert told.share(told.distance(trained)) == told.share(told.distance(redder)) == 1
    assert told.whiter(whiter[1:]) == pytest.approx(0.06, abs=1e-3)
    assert told.share(told.distance(whiter)) == 0
    assert domain.share(domain.distance(whiter)) == 1


@pytest.mark.parametrize("sd", [0.001, 0.01, 0.03, 0.1])
def test_the_shipped_model_counts_nothing_under_noise_whiter_than_its_training(pair, blend, sd):
    domain = load_model().domain
    low, high = domain.ends
    if np.min(domain.points[:, low] - domain.points[:, high]) < -0.8:
        pytest.skip("this model was trained on white noise")
    grey = np.full((16, 16), 0.6, dtype=np.float32)
    white = NoiseModel(FrequencyCurve([0.0, 20.0], np.full(2, (sd * 0.048) ** 2)), 0.0, 0.048, "flats")
    for noise, share in ((white, 0), (NoiseModel.of_detector(pair.blurred, 0.25), 1)):
        assert domain.share(domain.distance(conditions(Frame(grey, pair, noise), blend))) == share


@pytest.mark.parametrize(("part", "decades"), [(1.0, 0.0), (2.0, 0.0), (0.5, np.log10(2)), (0.25, np.log10(4))])
def test_a_ratio_far_below_any_trained_is_far_however_small_the_difference_is(part, decades):
    trained = np.full(len(RATIO_FREQUENCIES), 0.04)
    cloud = np.tile(2 * trained - 1, (5, 1))
    domain = Domain(cloud[0], cloud[0], cloud, 0.05)
    told = np.array([1.0, *(2 * part * trained - 1)])
    assert domain.deeper(domain.chosen(told)) == pytest.approx(decades, abs=1e-9)
    assert (domain.share(domain.distance(told)) == 1) == (decades == 0)


@pytest.mark.parametrize(
    ("loss", "share"), [(0.0, 0.0), (NOTHING_TO_RESTORE, 0.0), (0.175, 0.5), (ALL_TO_RESTORE, 1.0), (0.9, 1.0)]
)
def test_detectors_that_are_alike_ask_for_no_network(loss, share):
    """By the largest loss at any frequency, whatever the strength and the noise."""
    ratio = np.ones(len(RATIO_FREQUENCIES))
    ratio[-1] -= loss
    for rest in (-1.0, 1.0):
        assert asked_for(np.array([rest, *(2 * ratio - 1), rest, rest])) == pytest.approx(share, abs=1e-9)


def test_share_falls_once_from_one_to_zero(domain):
    shares = [domain.share(d) for d in np.linspace(0, domain.reach + NEAR + FADE + 0.1, 200)]
    assert shares[0] == 1 and shares[-1] == 0
    assert all(a >= b for a, b in pairwise(shares))
    assert domain.share(np.nan) == 0 and domain.share(np.inf) == 0


def test_a_model_without_a_cloud_is_kept_in_its_span():
    header = {"family": {"conditions_low": [1, -1, -1], "conditions_high": [1, 1, 1]}}
    box = Domain.of_header(header, [0, 1, 2])
    np.testing.assert_array_equal(box.anchor(np.array([3.0, -0.5])), [1.0, -0.5])
    assert Domain.of_header(header, [0, 1, 2, 3]) is None and Domain.of_header({}, [0, 1, 2]) is None


@pytest.mark.parametrize("cloud", [{"points": [[1.0]], "reach": 0.1}, {"points": [[1.0, np.nan]], "reach": 0.1},
                                   {"points": [[1.0, 1.0]], "reach": np.inf}])  # fmt: skip
def test_a_damaged_cloud_is_refused(cloud):
    header = {"family": {"conditions_low": [1, -1, -1], "conditions_high": [1, 1, 1], "cloud": cloud}}
    with pytest.raises(CheckpointError, match="damaged"):
        Domain.of_header(header, [0, 1, 2])


def test_the_predictor_is_told_what_is_kept(domain):
    heard = []

    def predictor(channels, conditions):
        heard.append(conditions)
        return channels[0]

    predictor.evaluations = 3
    kept = KeptInside(predictor, domain)
    kept((np.zeros((2, 2)),), np.array([0.5, 1.0, -1.0], dtype=np.float32))
    assert kept.evaluations == 3
    np.testing.assert_array_equal(heard[0], domain.kept(np.array([0.5, 1.0, -1.0])))
