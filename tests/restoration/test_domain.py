"""Conditions are kept inside what was trained, jointly, and the network counts less the farther they are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import CheckpointError
from coldray.restoration.domain import FADE, NEAR, Domain, KeptInside, thinned


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
