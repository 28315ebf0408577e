"""Noise draws carry the power they are stated to have, and scale with the signal."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import load_detector
from coldray.physics.grids import dct_radial_frequency
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior

PITCH = 0.05


@pytest.fixture
def model():
    f = np.linspace(0, 20, 201)
    return NoiseModel(FrequencyCurve(f, 2e-6 * np.exp(-((f / 5) ** 2))), 1e-7, PITCH)


def power_of(field):
    return scipy.fft.dctn(field.astype(np.float64), norm="ortho") ** 2 * PITCH**2


@pytest.mark.parametrize("signal", [1.0, 0.3, 0.0])
def test_a_draw_has_the_stated_spectrum(model, signal):
    field = model.draw(np.full((512, 384), signal, dtype=np.float32), np.random.default_rng(2))
    assert field.dtype == np.float32
    f = dct_radial_frequency(field.shape, PITCH)
    ratio = power_of(field) / model.power(f, signal)
    assert ratio.mean() == pytest.approx(1, abs=0.012)
    for low, high in ((0.5, 3), (3, 6), (6, 14.2)):
        ring = (f >= low) & (f < high)
        assert ratio[ring].mean() == pytest.approx(1, abs=5 * np.sqrt(2 / ring.sum()))


def test_parseval_the_variance_is_the_integral_of_the_power(model):
    rng = np.random.default_rng(3)
    field = model.draw(np.ones((512, 512), dtype=np.float32), rng)
    expected = model.power(dct_radial_frequency(field.shape, PITCH), 1.0).mean() / PITCH**2
    assert field.var() == pytest.approx(expected, rel=0.03)
    assert model.relative_sd(1.0) == pytest.approx(np.sqrt(expected), rel=0.003)


def test_white_noise_has_no_neighbours():
    white = NoiseModel(FrequencyCurve([0, 20], [1e-6, 1e-6]), 0.0, PITCH)
    assert white.relative_sd(1.0) == pytest.approx(1e-3 / PITCH)
    field = white.draw(np.ones((256, 256), dtype=np.float32), np.random.default_rng(0))
    assert field.std() == pytest.approx(0.02, rel=0.02)
    assert abs(np.mean(field[1:] * field[:-1])) / field.var() < 0.02


@given(st.floats(0, 1), st.floats(0, 12))
def test_power_is_affine_in_the_signal(signal, frequency):
    f = np.linspace(0, 20, 201)
    m = NoiseModel(FrequencyCurve(f, 2e-6 * np.exp(-((f / 5) ** 2))), 1e-7, PITCH)
    at = float(m.power(frequency, signal))
    assert at == pytest.approx(signal * float(m.quantum(frequency)) + 1e-7, rel=1e-12)
    assert float(m.power(frequency, -signal)) == pytest.approx(1e-7)
    assert float(m.scaled(3).power(frequency, signal)) == pytest.approx(3 * at)


def test_dark_parts_are_quieter_than_bright_ones(model):
    signal = np.ones((128, 256), dtype=np.float32)
    signal[:, :128] = 0.04
    field = model.draw(signal, np.random.default_rng(1))
    dark, bright = field[:, 8:112].std(), field[:, 144:248].std()
    assert dark / bright == pytest.approx(model.relative_sd(0.04) / model.relative_sd(1.0), rel=0.08)


def test_a_negative_signal_draws_only_electronic_noise(model):
    field = model.draw(np.full((256, 256), -0.5, dtype=np.float32), np.random.default_rng(1))
    assert field.std() == pytest.approx(np.sqrt(1e-7) / PITCH, rel=0.02)


def test_draws_depend_on_the_generator_alone(model):
    signal = np.ones((16, 16), dtype=np.float32)
    one, two, other = (model.draw(signal, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


def test_a_draw_is_for_one_frame(model):
    with pytest.raises(PhysicsError, match="one frame"):
        model.draw(np.ones((2, 8, 8)), np.random.default_rng(0))


@pytest.mark.parametrize(("name", "relative_sd"), [("gos34", 0.0177), ("gos135", 0.0062)])
def test_open_field_noise_of_the_built_in_detectors(name, relative_sd):
    # the stored curve is the NNPS beside the axis, taken as radial: 2 to 3 % more noise than the full plane holds
    assert NoiseModel.of_detector(load_detector(name), 1.0).relative_sd() == pytest.approx(relative_sd, rel=0.04)


def test_noise_of_a_quarter_second_is_four_times_the_power():
    short, long = (NoiseModel.of_detector(load_detector("gos135"), t) for t in (0.25, 1.0))
    assert float(short.quantum(1.0)) == pytest.approx(4 * float(long.quantum(1.0)))
    assert short.electronic_mm2 == pytest.approx(16 * long.electronic_mm2)


def test_prior_halves_at_its_corner_and_falls_with_its_exponent():
    prior = ObjectPrior(0.2, 0.5, 3.0)
    assert prior([0.0, 0.5]) == pytest.approx([0.2, 0.1])
    assert prior(50.0) / prior(100.0) == pytest.approx(8, rel=1e-4)
    for wrong in ((0, 1, 1), (1, -1, 1), (1, 1, 0)):
        with pytest.raises(PhysicsError, match="must be positive"):
            ObjectPrior(*wrong)
