"""Certificate: does the measurement contradict the restored image, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.frame import Frame, Gain
from coldray.plugins import Degradation
from coldray.restoration.certificate.chi_square import adjusted, tail, threshold
from coldray.restoration.certificate.residual import (
    LEAST_GAIN,
    ModelError,
    Residual,
    band_mean,
    residual_of,
    tile_frequency,
)
from coldray.restoration.certificate.tiles import (
    POOLED_TILES,
    BandEnergy,
    TileGrid,
    band_energy,
    grids_of,
    pool,
    tile_mean,
)
from coldray.scratch import zeros

LEVEL = 0.01
"""Chance that an image without any contradiction gets a mark; also the expected share of false marks among all."""


@dataclass(frozen=True, eq=False)
class TileTests:
    """Tests of one grid of tiles.

    Parameters
    ----------
    found : BandEnergy
        Energy of the residual in units of the noise that a true prediction leaves; no degrees of freedom where a
        tile was left out.
    allowed : ndarray, shape of ``found.energy``
        Energy that the model error explains.
    chance : ndarray, same shape
        Adjusted p-value; 1 where nothing was tested or found.
    pooled : bool
        Whether the tiles are sums of fine ones.
    """

    found: BandEnergy
    allowed: NDArray[np.float64]
    chance: NDArray[np.float64]
    pooled: bool


@dataclass(frozen=True, eq=False)
class Certificate:
    """What the measurement says about a restored image.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    gain : callable
        Share of a wrong prediction that the method leaves, over frequency [cycles/mm].
    model_error : ModelError
    residual : Residual
    levels : tuple of TileTests
        Fine tiles, the same shifted by half a tile, and coarse tiles; small images have fewer.
    tested : tuple of bool
        Per band, whether the method leaves enough of a wrong prediction to be tested.
    tests : int
        Number of tests.
    level : float
        See `LEVEL`.
    excluded : ndarray of bool, shape (rows, cols), optional
        Pixels that were not measured.
    linear : ndarray of bool, shape (rows, cols), optional
        Pixels where the result is a linear filter of the measurement.
    mean_shift : float
        Mean of the result minus mean of the measurement, fraction of the open beam.
    standing : ndarray, float32, shape (rows, cols), optional
        Evidence of an earlier test that this one cannot clear, since the result was corrected by that test's residual.
    """

    frame: Frame
    degradation: Degradation
    gain: Gain
    model_error: ModelError
    residual: Residual = field(repr=False)
    levels: tuple[TileTests, ...] = field(repr=False)
    tested: tuple[bool, ...]
    tests: int
    level: float
    excluded: NDArray[np.bool_] | None = field(repr=False)
    linear: NDArray[np.bool_] | None = field(repr=False)
    mean_shift: float
    standing: NDArray[np.float32] | None = field(default=None, repr=False)

    @cached_property
    def evidence(self) -> NDArray[np.float32]:
        """Map of -log10 of the smallest adjusted p-value of all tests over a pixel, at most 30; 0 where nothing was found.

        A coarse tile speaks only where no fine tile within it is marked.
        """
        out = zeros(self.frame.shape, np.float32)
        for grid, strength in self._strengths():
            if strength.any():
                np.maximum(out, grid.spread(strength, out.shape, 0.0), out=out)
        return out if self.standing is None else np.maximum(out, self.standing)

    @property
    def least_evidence(self) -> float:
        """Evidence from which a place is marked."""
        return -float(np.log10(self.level)) - 1e-6

    @cached_property
    def marked(self) -> NDArray[np.bool_]:
        """Pixels under a mark, shape (rows, cols): where `evidence` reaches the level."""
        out = zeros(self.frame.shape, np.bool_)
        for grid, strength in self._strengths():
            found = strength >= self.least_evidence
            if found.any():
                out |= grid.spread(found, out.shape, False)
        return out if self.standing is None else out | (self.standing >= self.least_evidence)

    def _strengths(self) -> Iterator[tuple[TileGrid, NDArray[np.float32]]]:
        """What `evidence` paints onto the pixels: -log10 of the smallest adjusted p-value of every tile."""
        for tests in self.levels:
            least = tests.chance.min(axis=0)
            if tests.pooled:
                fine = (self.levels[0].chance.min(axis=0) <= self.level).astype(np.float64)
                least = np.where(pool(fine, POOLED_TILES) > 0, 1.0, least)
            yield tests.found.grid, (-np.log10(np.maximum(least, 1e-30))).astype(np.float32)

    @cached_property
    def marked_share(self) -> float:
        """Share of the image under a mark."""
        return float(np.mean(self.marked))

    @property
    def excluded_share(self) -> float:
        """Share of the tiles that were left out because pixels in them were not measured."""
        if self.excluded is None:
            return 0.0
        return float(np.mean(tile_mean(self.excluded, self.levels[0].found.grid) > 0))

    @property
    def linear_share(self) -> float:
        """Share of the pixels where the result is a linear filter of the measurement, with nothing to certify."""
        return 0.0 if self.linear is None else float(np.mean(self.linear))


def certify(
    frame: Frame,
    degradation: Degradation,
    restored: NDArray[np.floating],
    *,
    gain: Gain | None = None,
    response: Callable[[NDArray[np.floating]], NDArray[np.float32]] | None = None,
    model_error: ModelError | None = None,
    excluded: NDArray[np.bool_] | None = None,
    linear: NDArray[np.bool_] | None = None,
    level: float = LEVEL,
) -> Certificate:
    """Test a restored image against its measurement.

    Parameters
    ----------
    frame : Frame
        The measurement y with its detectors and noise.
    degradation : object
        Offers ``transfer(frequency, strength)``: the blur H at strength 1.
    restored : ndarray, shape (rows, cols)
        The result, fraction of the open beam.
    gain : callable, optional
        Share of a wrong prediction that the method's own data-consistency step leaves, over frequency [cycles/mm]:
        1 - H K for cold sampling with the gain K; 1 by default.
    response : callable, optional
        Maps the result to the measurement's response before it is blurred, for images of another detector such as a
        thin-screen reference (`coldray.physics.response.ResponseCurve`). Restored images are in the measurement's own response
        and need none.
    model_error : ModelError, optional
        By the uncertainty of the frame's noise if not given.
    excluded : ndarray of bool, shape (rows, cols), optional
        Pixels that were not measured, such as saturated ones; tiles with any of them are not tested.
    linear : ndarray of bool, shape (rows, cols), optional
        Pixels where no network enters the result; tiles of such pixels alone count neither for nor against it.
    level : float
        Chance of any mark where nothing is wrong.

    Returns
    -------
    Certificate

    Raises
    ------
    ImageError
        If result and measurement differ in shape, or the result holds NaN or infinite pixels.

    Notes
    -----
    Were the prediction true, y - H out would be noise of power gain^2 N at the local signal, plus what the model error
    makes of the result. Whitened by that, its energy per tile and radial band is (noncentral) chi-square. Only an
    excess counts: a residual below the noise means that the result kept noise, not that the data contradict it.
    All tests together are controlled after Benjamini and Hochberg. See ``docs/theory/certificate.md``.
    """
    image = np.asanyarray(restored if response is None else response(restored), dtype=np.float32)
    if image.shape != frame.shape:
        raise ImageError(f"the result has {image.shape} pixels, its measurement {frame.shape}; they must be equal")
    bad = int(np.count_nonzero(~np.isfinite(image)))
    if bad:
        raise ImageError(f"{bad} of {image.size} pixels of the result are NaN or infinite; there is nothing to certify")
    kept: Gain = gain if gain is not None else np.ones_like
    allowance = model_error or ModelError.of(frame)
    residual, bias, signal = residual_of(frame, degradation, image, kept, allowance)
    assert bias is not None
    untested = (excluded, linear)
    raw = [_measure(residual, bias, signal, grid, allowance, untested) for grid in grids_of(frame.shape)]
    fine_grids = len(raw)
    fine, allowed = raw[0]
    if max(fine.grid.shape) > 1:
        raw.append((fine.pooled(), pool(allowed, POOLED_TILES)))
    frequency, place = tile_frequency(frame)
    open_share = band_mean((np.abs(kept(frequency)) >= LEAST_GAIN).astype(np.float64), place)
    tested = tuple(bool(s >= 0.5) for s in open_share)
    levels, tests = _adjust(raw, fine_grids, tested, level)
    measured = float(np.mean(frame.blurred, dtype=np.float64))
    return Certificate(
        frame=frame,
        degradation=degradation,
        gain=kept,
        model_error=allowance,
        residual=residual,
        levels=levels,
        tested=tested,
        tests=tests,
        level=level,
        excluded=excluded,
        linear=linear,
        mean_shift=float(np.mean(image, dtype=np.float64)) - measured,
    )


def tile_energy(
    frame: Frame,
    degradation: Degradation,
    restored: NDArray[np.float32],
    *,
    excluded: NDArray[np.bool_] | None = None,
    linear: NDArray[np.bool_] | None = None,
) -> BandEnergy:
    """Energy of a result's residual per tile and band, as `certify` finds it without a gain; nothing is tested.

    Parameters
    ----------
    frame : Frame
        The measurement y with its detectors and noise.
    degradation : object
        Offers ``transfer(frequency, strength)``: the blur H at strength 1.
    restored : ndarray, float32, shape (rows, cols)
        The result, fraction of the open beam.
    excluded, linear : ndarray of bool, shape (rows, cols), optional
        As for `certify`.

    Returns
    -------
    BandEnergy
        Of the first of the two cuts, in units of the whole noise.
    """
    allowance = ModelError.of(frame)
    residual, _, signal = residual_of(frame, degradation, restored, np.ones_like, allowance, biased=False)
    grid = grids_of(frame.shape)[0]
    return _measure(residual, None, signal, grid, allowance, (excluded, linear))[0]


def _measure(
    residual: Residual,
    bias: NDArray[np.float32] | None,
    signal: NDArray[np.float32],
    grid: TileGrid,
    allowance: ModelError,
    untested: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None],
) -> tuple[BandEnergy, NDArray[np.float64]]:
    """Energy of residual and allowed bias per tile and band, in units of the noise at the tile's signal."""
    doubt = 1.0 + allowance.noise_of_bands()[:, None, None]
    unit = doubt * residual.noise_power(tile_mean(signal, grid))
    found = band_energy(residual.whitened, grid)
    energy, degrees = found.energy / unit, found.degrees
    allowed = np.zeros_like(energy) if bias is None else band_energy(bias, grid).energy / unit
    excluded, linear = untested
    kept = np.ones(grid.shape, dtype=bool)
    if excluded is not None and excluded.any():
        kept &= tile_mean(excluded, grid) == 0
    if linear is not None and linear.any():
        kept &= tile_mean(linear, grid) < 1
    if not kept.all():
        energy, degrees, allowed = energy * kept, degrees * kept, allowed * kept
    return BandEnergy(grid, energy, degrees), allowed


def _adjust(
    raw: list[tuple[BandEnergy, NDArray[np.float64]]], fine_grids: int, tested: tuple[bool, ...], level: float
) -> tuple[tuple[TileTests, ...], int]:
    """Adjusted p-values of all tests; only tests that could be marked are worked out."""
    keep = np.array(tested)[:, None, None]
    tests = sum(int(np.count_nonzero((found.degrees > 0) & keep)) for found, _ in raw)
    places, chances = [], []
    for found, allowed in raw:
        # below what noise alone reaches with chance `level` no adjusted value can be as small as `level`
        degrees = found.degrees.astype(np.intp)
        present = np.flatnonzero(np.bincount(degrees.ravel()))
        limits = np.full(degrees.max() + 1, np.inf)
        limits[present] = np.where(present > 0, threshold(level, np.maximum(present, 1)), np.inf)
        where = np.nonzero((found.energy > limits[degrees]) & keep)
        places.append(where)
        chances.append(tail(found.energy[where], found.degrees[where], allowed[where]))
    values = adjusted(np.concatenate(chances), tests)
    levels, first = [], 0
    for number, ((found, allowed), where) in enumerate(zip(raw, places, strict=True)):
        chance = np.ones_like(found.energy)
        chance[where] = values[first : first + where[0].size]
        first += where[0].size
        levels.append(TileTests(found, allowed, chance, pooled=number >= fine_grids))
    return tuple(levels), tests
