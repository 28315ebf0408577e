"""Frequency grids against the waves they name; ring averages against sums."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from coldray.errors import PhysicsError
from coldray.physics.grids import dct_axes, dct_radial_frequency, dft_axes, nyquist_lp_mm, radial_average

SIDES = st.integers(1, 24)


@given(SIDES, SIDES, st.data())
def test_a_cosine_of_a_grid_frequency_is_one_dct_coefficient(rows, cols, data):
    pitch = 0.048
    v, u = dct_axes((rows, cols), pitch)
    i, j = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    y, x = (np.arange(rows) + 0.5) * pitch, (np.arange(cols) + 0.5) * pitch
    wave = np.cos(2 * np.pi * v[i, 0] * y)[:, None] * np.cos(2 * np.pi * u[0, j] * x)[None, :]
    spectrum = np.abs(scipy.fft.dctn(wave, norm="ortho"))
    assert spectrum[i, j] == pytest.approx(np.linalg.norm(wave), rel=1e-9)
    spectrum[i, j] = 0
    assert spectrum.max() < 1e-9 * np.linalg.norm(wave)


@given(SIDES, SIDES)
def test_a_wave_of_a_grid_frequency_is_one_dft_coefficient(rows, cols):
    pitch = 0.1
    v, u = dft_axes((rows, cols), pitch)
    i, j = rows // 2, cols // 3
    wave = np.exp(2j * np.pi * pitch * (v[i, 0] * np.arange(rows)[:, None] + u[0, j] * np.arange(cols)))
    spectrum = np.abs(np.fft.fft2(wave)) / wave.size
    assert spectrum[i, j] == pytest.approx(1)
    assert spectrum.sum() == pytest.approx(1)


def test_dct_frequencies_run_from_zero_to_just_below_nyquist():
    radial = dct_radial_frequency((10, 20), 0.05)
    assert radial[0, 0] == 0
    assert radial[-1, 0] == pytest.approx(10 * 0.9)
    assert radial[0, -1] == pytest.approx(10 * 0.95)
    assert radial[3, 4] == pytest.approx(np.hypot(3.0, 2.0))


@pytest.mark.parametrize("pitch", [0, -0.1, float("nan")])
def test_a_pitch_must_be_positive(pitch):
    for ask in (nyquist_lp_mm, lambda p: dct_axes((4, 4), p), lambda p: dft_axes((4, 4), p)):
        with pytest.raises(PhysicsError, match="must be positive"):
            ask(pitch)


@given(st.floats(0.01, 1), st.floats(0.2, 3))
def test_ring_averages_add_up_to_the_whole(width, maximum):
    frequency = dct_radial_frequency((16, 12), 0.25)
    values = np.random.default_rng(1).uniform(size=frequency.shape)
    place, mean, count = radial_average(values, frequency, width, maximum)
    inside = frequency <= maximum
    assert count.sum() == inside.sum()
    assert (mean * count).sum() == pytest.approx(values[inside].sum())
    assert (place * count).sum() == pytest.approx(frequency[inside].sum(), abs=1e-12)
    assert np.all(np.diff(place) > 0)


def test_ring_average_of_a_linear_spectrum_lies_on_its_line():
    frequency = dct_radial_frequency((32, 32), 0.05)
    place, mean, _ = radial_average(3 * frequency + 1, frequency, 0.5, 10.0)
    assert mean == pytest.approx(3 * place + 1)
