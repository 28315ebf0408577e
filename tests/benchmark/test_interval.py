"""The interval's calibration: it finds a known scale, keeps its promise for further objects, and refuses too few."""

import json
from pathlib import Path

import numpy as np
import pytest

from coldray.benchmark.interval import Errors, conformal, coverage, fit_scale, oracle_width
from coldray.errors import CheckpointError, MeasurementError
from coldray.restoration.interval_width import PARTS, IntervalScale
from coldray.restoration.model import Model

PIXELS = 900
MODEL = Model("m", Path("m.onnx"), {"even": {"clip": 25.0}}, "of a model")


def drawn(number, rng, *, spread=0.0, weight=4.0):
    """An object whose errors are Gaussian of variance noise + weight * slope, times a factor of its own."""
    parts = np.exp(rng.normal(-9, 1.5, (len(PARTS), PIXELS))).astype(np.float32)
    parts[0] = 1e-4
    sd = np.sqrt(parts[0] + weight * parts[PARTS.index("slope")]) * np.exp(spread * rng.standard_normal())
    error = (sd * rng.standard_normal(PIXELS)).astype(np.float32)
    edge, gate = sd > np.median(sd), (rng.random(PIXELS) > 0.3).astype(np.float32)
    return Errors(f"object {number}", "drawn", 1.0, parts, gate, error, edge, sd.astype(np.float32))


def objects(first, count, seed, **how):
    rng = np.random.default_rng(seed)
    return [drawn(first + k, rng, **how) for k in range(count)]


def fitted(found):
    """Few updates: the errors here are simple."""
    return fit_scale(found, updates=400)


@pytest.fixture(scope="module")
def scale():
    return fitted(objects(0, 40, 1))


def test_a_known_scale_is_found(scale):
    parts = objects(0, 1, 2)[0].parts
    wanted = 1.645 * np.sqrt(parts[0] + 4.0 * parts[PARTS.index("slope")])
    found = scale.half_width(parts, np.ones(PIXELS))
    assert np.median(found / wanted) == pytest.approx(1.0, abs=0.1)
    assert np.median(np.abs(found / wanted - 1)) < 0.2


def test_errors_that_are_the_noise_alone_get_its_quantile_anywhere(scale):
    """All that is beyond the noise is none: 1.645 standard deviations of it, at any noise and after any strip."""
    found = fitted(objects(0, 20, 21, weight=0.0))
    parts = objects(0, 1, 22, weight=0.0)[0].parts
    half = found.half_width(np.tile(parts, 90), np.ones(90 * PIXELS))
    np.testing.assert_allclose(half[:PIXELS], half[-PIXELS:], rtol=1e-5)
    assert np.median(half) / 0.01 == pytest.approx(1.645, rel=0.05)


def test_further_objects_are_covered_as_promised():
    """Objects that differ by 20 % in their errors: coverage over objects is 90 %, everywhere."""
    scale = conformal(fitted(objects(0, 30, 3, spread=0.2)), objects(30, 40, 4, spread=0.2), MODEL)
    found = coverage(scale, objects(100, 150, 5, spread=0.2))
    assert found["coverage"] == pytest.approx(0.91, abs=0.02)
    assert (
        scale.objects == 40
        and scale.model_sha256 == "of a model"
        and scale.model_settings_sha256 == MODEL.settings_sha256
    )
    assert all(0.87 < at["coverage"] < 0.95 for at in found["places"].values())
    assert set(found["places"]) == {"edges", "flats", "g = 0", "g > 0"}


def test_intervals_that_know_where_errors_are_large_are_narrower():
    scale = conformal(fitted(objects(0, 30, 6, weight=200.0)), objects(40, 30, 7, weight=200.0))
    assert coverage(scale, objects(80, 30, 8, weight=200.0))["width_over_constant"] < 0.85


def test_errors_that_are_alike_everywhere_leave_nothing_to_gain():
    alike = [Errors(**(vars(one) | {"nearby": np.full(PIXELS, 0.01, np.float32)})) for one in objects(0, 5, 16)]
    assert oracle_width(alike) == pytest.approx(1.0, abs=0.001)


def test_every_kind_counts_the_same():
    """Five frames of a kind whose errors are ten times as large, beside twenty of another that looks the same."""
    small, large = (objects(0, n, seed, weight=0.0) for n, seed in ((20, 23), (5, 24)))
    wild = [Errors(**(vars(one) | {"kind": "wild", "error": 10 * one.error})) for one in large]
    half = np.median(fitted(small + wild).half_width(small[0].parts, np.ones(PIXELS))) / 0.01
    assert half == pytest.approx(
        12.8, rel=0.15
    )  # |e| of both in equal parts exceeds it in one of ten; of all frames, 6.7


def test_every_kind_is_covered_not_only_the_mean_of_all(scale):
    """Ten objects whose errors are twice as large, among forty: their own coverage is what is promised."""
    hard = [Errors(**(vars(one) | {"kind": "hard", "error": 2 * one.error})) for one in objects(40, 10, 25)]
    mixed = objects(0, 40, 26) + hard
    alone, both = conformal(scale, objects(0, 40, 26)), conformal(scale, mixed)
    assert coverage(alone, hard)["coverage"] < 0.7
    assert coverage(both, hard)["coverage"] == pytest.approx(0.9, abs=0.005)


def test_frames_of_one_object_count_as_one(scale):
    rng = np.random.default_rng(9)
    with pytest.raises(MeasurementError, match="9 objects"):
        conformal(scale, [drawn(number % 9, rng) for number in range(30)])


def test_errors_that_no_factor_covers_are_refused(scale):
    wild = [Errors(**(vars(one) | {"error": one.error * 1e4})) for one in objects(20, 12, 12)]
    with pytest.raises(MeasurementError, match="too few"):
        conformal(scale, wild)


def test_the_file_holds_the_whole_calibration(scale):
    set_ = conformal(scale, objects(20, 12, 14), MODEL)
    assert IntervalScale.from_dict(json.loads(json.dumps(set_.to_dict()))) == set_


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "x"}, {"version": 1}, {"features": ["gate"]}, {"centre": [1.0]}, {"spread": [0.0] * 12},
        {"factor": float("nan")}, {"factor": -1.0}, {"layers": []}, {"layers": "none"}, {"objects": None},
        {"layers": [{"weights": [[1.0] * 12], "bias": [float("inf")]}]}, {"layers": [{"weights": [[1.0] * 11], "bias": [0.0]}]},
        {"layers": [{"weights": [[1.0] * 12] * 2, "bias": [0.0] * 2}]}, {"layers": [{"weights": [[1.0] * 12]}]},
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(changed, scale):
    with pytest.raises(CheckpointError):
        IntervalScale.from_dict(scale.to_dict() | changed)
