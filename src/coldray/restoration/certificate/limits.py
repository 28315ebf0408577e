"""What a certificate could have found: the faintest contradiction of a given size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.physics.transfer import TransferOperator, radial_operator, spectrum_of
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.chi_square import power, threshold
from coldray.restoration.certificate.residual import whitener
from coldray.restoration.certificate.tiles import BANDS, POOLED_TILES, TILE_PX, BandEnergy, band_energy, grids_of

DIAMETERS_PX = (2, 4, 8, 16)
"""Discs that the limits are quoted for [pixels]."""
POWER = 0.9
"""Chance with which a quoted contradiction is found."""
CELL_PX = POOLED_TILES * TILE_PX
OFFSETS_PX = (0, 4, 8, 12)
"""Places of a disc against the tiles, along rows and columns [pixels]."""
RASTER = (CELL_PX * len(OFFSETS_PX),) * 2
"""Pixels of a raster with one disc for every place [rows, columns]."""
SUBPIXELS = 5


@dataclass(frozen=True)
class Detectable:
    """The faintest disc in the result that contradicts the measurement detectably.

    Parameters
    ----------
    diameter_mm : float
        Diameter [mm].
    contrast : float
        Its least contrast, fraction of the open beam; infinite if no contrast is found.
    cnr : float
        Contrast over the standard deviation of one pixel of the measurement at the mean signal.
    """

    diameter_mm: float
    contrast: float
    cnr: float


def disc(diameter_px: float, shape: tuple[int, int], centre: tuple[float, float]) -> NDArray[np.float32]:
    """Disc of unit contrast with partly covered pixels at its rim.

    Parameters
    ----------
    diameter_px : float
        Diameter [pixels].
    shape : (rows, cols)
    centre : (row, col)
        Of the disc [pixels]; whole numbers are pixel centres.

    Returns
    -------
    ndarray, float32, shape (rows, cols)
        Covered share of every pixel.
    """
    out = np.zeros(shape, dtype=np.float32)
    reach = int(diameter_px / 2 + 2)
    place = [int(round(c)) for c in centre]
    rows, cols = (np.arange(max(p - reach, 0), min(p + reach + 1, n)) for p, n in zip(place, shape, strict=True))
    inside = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5
    v = ((rows[:, None] + inside).ravel() - centre[0])[:, None]
    u = (cols[:, None] + inside).ravel() - centre[1]
    covered = np.hypot(v, u) <= diameter_px / 2
    share = covered.reshape(rows.size, SUBPIXELS, cols.size, SUBPIXELS).mean(axis=(1, 3))
    out[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = share
    return out


def disc_energy(certificate: Certificate, diameters_px: Sequence[float]) -> NDArray[np.float64]:
    """Energy that discs of unit contrast in the result add to the tests over them.

    Parameters
    ----------
    certificate : Certificate
    diameters_px : sequence of float
        Diameters [pixels].

    Returns
    -------
    ndarray, shape (diameters, places, grids, bands)
        In units of the noise at the mean signal, for 16 places of a disc against the tiles; of every grid the tile that gets
        most.
    """
    return _disc_energy(whitened_blur(certificate), certificate.model_error.noise, tuple(diameters_px))


@lru_cache(maxsize=4)
def _disc_energy(
    seen_by_tests: TransferOperator, model_noise: float, diameters_px: tuple[float, ...]
) -> NDArray[np.float64]:
    """Energies for an operator, which is the same object from frame to frame of the same detectors and noise; not to be written to."""
    out = np.zeros((len(diameters_px), len(OFFSETS_PX) ** 2, len(grids_of(RASTER)) + 1, BANDS))
    for place, diameter in zip(out, diameters_px, strict=True):
        seen = seen_by_tests.of_spectrum(_spectrum_of_discs(diameter))
        seen /= np.sqrt(1.0 + model_noise)
        found: list[BandEnergy] = [band_energy(seen, grid) for grid in grids_of(seen.shape)]
        found.append(found[0].pooled())
        for number, energies in enumerate(found):
            # tiles belong to the disc in whose cell their middle lies; every cell has some
            firsts = [
                np.searchsorted(0.5 * (edges[1:] + edges[:-1]) // CELL_PX, np.arange(len(OFFSETS_PX)))
                for edges in (energies.grid.rows, energies.grid.cols)
            ]
            most = np.maximum.reduceat(np.maximum.reduceat(energies.energy, firsts[0], axis=1), firsts[1], axis=2)
            place[:, number] = most.reshape(BANDS, -1).T
    out.flags.writeable = False
    return out


def whitened_blur(certificate: Certificate) -> TransferOperator:
    """What the tests see of a change of the result, as an operator on a raster of discs."""
    white = whitener(certificate.frame, certificate.gain)
    pitch = certificate.frame.pair.pixel_pitch_mm
    frame = certificate.frame
    return radial_operator(
        lambda f: certificate.degradation.transfer(f, 1.0) * white(f), RASTER, pitch, frame.operators
    )


@lru_cache(maxsize=8)
def _spectrum_of_discs(diameter_px: float) -> NDArray[np.floating]:
    """Spectrum of an image of shape `RASTER` with one disc for every place against the tiles; not to be written to."""
    image = np.zeros(RASTER, dtype=np.float32)
    for i, down in enumerate(OFFSETS_PX):
        for j, across in enumerate(OFFSETS_PX):
            image += disc(diameter_px, RASTER, (CELL_PX * (i + 0.5) + down - 0.5, CELL_PX * (j + 0.5) + across - 0.5))
    found = spectrum_of(image)
    found.flags.writeable = False
    return found


def detectable(certificate: Certificate, diameters_px: tuple[int, ...] = DIAMETERS_PX) -> list[Detectable]:
    """Faintest discs whose presence or absence in the result is found with the chance `POWER`.

    Parameters
    ----------
    certificate : Certificate
    diameters_px : tuple of int
        Diameters [pixels].

    Returns
    -------
    list of Detectable
        Diameters that do not fit the image are left out.

    Notes
    -----
    At the mean signal, with the noise that the method leaves and the bias that the model error allows in the median tile, at the
    level of the smallest of all p-values (a second mark would need less), averaged over places of the disc against
    the tiles. Every place counts its best test only, so the true chance is rather higher.
    """
    levels = certificate.levels
    if len(levels) < 2 or certificate.tests == 0:
        return []
    level = certificate.level / certificate.tests
    # small images have no shifted grid
    numbers = [0, 1, 2] if len(levels) == 3 else [0, 2 if levels[1].pooled else 1]
    degrees, share, allowed = (np.zeros((len(levels), BANDS)) for _ in range(3))
    for number, tests in enumerate(levels):
        whole = tests.found.degrees
        for band in range(BANDS):
            valid = whole[band] > 0
            if certificate.tested[band] and valid.any():
                degrees[number, band] = np.median(whole[band][valid])
                share[number, band] = min(np.median(tests.found.energy[band][valid] / whole[band][valid]), 1.0)
                allowed[number, band] = np.median(tests.allowed[band][valid])
    noise = certificate.frame.noise.relative_sd(certificate.frame.mean_signal)
    usable = degrees > 0
    diameters = [d for d in diameters_px if d <= min(certificate.frame.shape) / 2]
    units = disc_energy(certificate, diameters)[:, :, numbers][..., usable]
    contrasts = _least_contrasts(units, degrees[usable], allowed[usable], share[usable], level)
    pitch = certificate.frame.pair.pixel_pitch_mm
    return [Detectable(d * pitch, c, c / noise) for d, c in zip(diameters, contrasts, strict=True)]


def _least_contrasts(
    units: NDArray[np.float64],
    degrees: NDArray[np.float64],
    allowed: NDArray[np.float64],
    share: NDArray[np.float64],
    level: float,
) -> list[float]:
    """Contrasts of discs at which the mean over their places of the best test's power is `POWER`; infinite beyond the open beam."""
    low, high = np.full(len(units), 1e-6), np.ones(len(units))
    limit = threshold(level, degrees, allowed)
    for _ in range(28):
        contrast = np.sqrt(low * high)
        seen = units * contrast[:, None, None] ** 2
        missed = power(seen, degrees, limit, share).max(axis=-1).mean(axis=-1) < POWER
        low, high = np.where(missed, contrast, low), np.where(missed, high, contrast)
    return [float(h) if h < 1.0 else float("inf") for h in high]
