"""Tiles and bands: an exact partition of pixels and of energy, for any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.restoration.certificate import tiles
from coldray.restoration.certificate.tiles import (
    BAND_EDGES,
    BANDS,
    TILE_PX,
    band_energy,
    band_power,
    bands_of_tile,
    grids_of,
    tile_mean,
)

sides = st.integers(1, 131)


@given(rows=sides, cols=sides)
def test_the_first_grid_covers_every_pixel_once_and_no_tile_is_small(rows, cols):
    whole, *rest = grids_of((rows, cols))
    for edges, length in ((whole.rows, rows), (whole.cols, cols)):
        assert edges[0] == 0 and edges[-1] == length
        steps = np.diff(edges)
        assert steps.min() >= min(TILE_PX, length)
        assert steps.max() - steps.min() <= 1
    for grid in rest:
        assert grid.rows[0] == grid.cols[0] == TILE_PX // 2
        assert grid.rows[-1] == rows - TILE_PX // 2 and grid.cols[-1] == cols - TILE_PX // 2


@given(rows=sides, cols=sides, seed=st.integers(0, 99))
def test_energy_and_degrees_add_up_to_the_image(rows, cols, seed):
    image = np.random.default_rng(seed).standard_normal((rows, cols)).astype(np.float32)
    found = band_energy(image, grids_of((rows, cols))[0])
    assert found.degrees.sum() == rows * cols
    assert found.energy.sum() == pytest.approx(np.sum(image.astype(float) ** 2), rel=1e-5)
    pooled = found.pooled()
    assert pooled.energy.sum() == pytest.approx(found.energy.sum(), rel=1e-9)
    assert pooled.degrees.sum() == rows * cols
    assert pooled.grid.shape == tuple(-(-n // 4) for n in found.grid.shape)


def test_every_tile_holds_its_own_energy():
    image = np.random.default_rng(0).standard_normal((51, 70)).astype(np.float32)
    for grid in grids_of(image.shape):
        found = band_energy(image, grid)
        means = tile_mean(image, grid)
        for i, (r0, r1) in enumerate(zip(grid.rows, grid.rows[1:], strict=False)):
            for j, (c0, c1) in enumerate(zip(grid.cols, grid.cols[1:], strict=False)):
                part = image[r0:r1, c0:c1].astype(float)
                assert found.energy[:, i, j].sum() == pytest.approx(np.sum(part**2), rel=1e-5)
                assert found.degrees[:, i, j].sum() == part.size
                assert means[i, j] == pytest.approx(part.mean(), abs=1e-6)


@pytest.mark.parametrize("frequency", [0.0, 0.08, 0.15, 0.25, 0.35, 0.48])
def test_a_wave_lands_in_its_band(frequency):
    """Coefficient k of a tile of 16 stands for k / 32 cycles/pixel."""
    k = round(frequency * 32)
    wave = np.cos(np.pi * k * (np.arange(64) % 16 + 0.5) / 16)
    image = np.tile(wave, (48, 1)).astype(np.float32)
    found = band_energy(image, grids_of(image.shape)[0])
    band = int(np.digitize(k / 32, BAND_EDGES[1:-1]))
    share = found.energy[band] / found.energy.sum(axis=0)
    assert share.min() > 0.999


def test_every_coefficient_of_a_tile_has_a_band():
    place = bands_of_tile(TILE_PX, TILE_PX)
    assert place.min() == 0 and place.max() == BANDS - 1
    assert np.hypot(*[(TILE_PX - 1) / (2 * TILE_PX)] * 2) < BAND_EDGES[-1]


def test_values_are_painted_where_the_tiles_lie():
    grid = grids_of((40, 50))[1]
    values = np.arange(np.prod(grid.shape), dtype=float).reshape(grid.shape)
    painted = grid.spread(values, (40, 50), -1.0)
    assert painted[0, 0] == -1 and painted[8, 8] == values[0, 0] and painted[31, 41] == values[-1, -1]
    assert np.all(painted[32:] == -1) and np.all(painted[:, 42:] == -1)


def test_leakage_of_coloured_noise_is_known():
    """Blue noise leaks into the low bands of a tile; the mean over many tiles meets the closed form."""
    assert band_power(np.ones((64, 64))) == pytest.approx(1, abs=1e-6)
    side = 1024
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    noise = np.random.default_rng(0).standard_normal((side, side))
    blue = np.fft.ifft2(np.fft.fft2(noise) * np.sqrt(frequency**2)).real.astype(np.float32)
    found = band_energy(blue, grids_of(blue.shape)[0])
    mean = found.energy.sum(axis=(1, 2)) / found.degrees.sum(axis=(1, 2))
    coarse = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    np.testing.assert_allclose(mean, band_power(coarse**2), rtol=0.03)


def test_strips_change_nothing(monkeypatch):
    image = np.random.default_rng(3).standard_normal((133, 90)).astype(np.float32)
    grid = grids_of(image.shape)[0]
    whole = band_energy(image, grid)
    monkeypatch.setattr(tiles, "STRIP_PIXELS", 2000)
    pieces = band_energy(image, grid)
    np.testing.assert_allclose(pieces.energy, whole.energy, rtol=1e-5)
    np.testing.assert_array_equal(pieces.degrees, whole.degrees)
