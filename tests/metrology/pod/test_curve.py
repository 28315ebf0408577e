"""The bound of the likelihood ratio of a curve whose profile is known in closed form."""

import numpy as np
import pytest
from scipy.stats import norm

from coldray.metrology.pod.curve import FARTHEST, PodCurve


def curve(sd):
    """Log-likelihood a parabola over ln size, as that of a normal estimate of 0 with this deviation."""
    return PodCurve(
        np.array([0.0, 1.0]), np.diag([sd**2, 0.0]), 0.0,
        lambda p, x: norm.cdf(p[0] + p[1] * x), lambda p, wanted: (norm.ppf(wanted) - p[0]) / p[1],
        lambda x, wanted: -0.5 * (x / sd) ** 2, "normal",
    )  # fmt: skip


@pytest.mark.parametrize("sd", [0.01, 0.1, 1.0, 1.8, 2.4])
def test_the_bounds_of_a_normal_estimate_are_its_quantile(sd):
    found = curve(sd).size(0.5)
    expected = np.exp(norm.ppf(0.95) * sd)
    assert found.estimate_mm == pytest.approx(1.0)
    assert found.wald_mm == pytest.approx(expected) and found.likelihood_mm == pytest.approx(expected, rel=2e-6)


def test_there_is_no_bound_farther_than_is_sought():
    assert curve(1.02 * FARTHEST / norm.ppf(0.95)).size(0.5).likelihood_mm is None
