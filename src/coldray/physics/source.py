"""X-ray source and attenuation: tabulated spectrum, filtration, energy bins of a detector's response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError

AIR_KERMA_RATE_UGY_S = 42.56
"""Air-kerma rate at the detector of the paper's 70 kV beam [uGy/s]."""
TIN_K_EDGE_KEV = 29.2


def _table(name: str) -> list[str]:
    return (resources.files("coldray.physics") / "tables" / name).read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True, eq=False)
class Attenuation:
    """Mass attenuation of the known materials on one energy grid.

    Parameters
    ----------
    energy_kev : ndarray, shape (n,)
        Photon energy [keV].
    mass_cm2_g : mapping of str to ndarray, shape (n,)
        Total mass attenuation coefficient [cm2/g].
    density_g_cm3 : mapping of str to float
        Nominal density [g/cm3].
    """

    energy_kev: NDArray[np.float64]
    mass_cm2_g: Mapping[str, NDArray[np.float64]]
    density_g_cm3: Mapping[str, float]

    def linear_per_mm(self, material: str) -> NDArray[np.float64]:
        """Linear attenuation [1/mm] of a material at its nominal density, shape (n,).

        Raises
        ------
        PhysicsError
            If the material is not in the table.
        """
        if material not in self.mass_cm2_g:
            raise PhysicsError(
                f"material {material!r} is not in the attenuation table; known: {sorted(self.mass_cm2_g)}"
            )
        return self.mass_cm2_g[material] * self.density_g_cm3[material] / 10.0


@lru_cache(maxsize=1)
def attenuation() -> Attenuation:
    """Return the built-in attenuation table (xraylib 4.3.0, 22 materials, 0.5 keV grid)."""
    lines = [line for line in _table("attenuation.csv") if not line.startswith("#")]
    names = lines[0].split(",")[1:]
    density = lines[1].split(",")
    if density[0] != "density":
        raise PhysicsError("the second row of the attenuation table must be the density")
    values = np.array([[float(x) for x in line.split(",")] for line in lines[2:]])
    return Attenuation(
        values[:, 0],
        MappingProxyType({name: values[:, i + 1] for i, name in enumerate(names)}),
        MappingProxyType({name: float(density[i + 1]) for i, name in enumerate(names)}),
    )


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Photon fluence per air kerma.

    Parameters
    ----------
    energy_kev : ndarray, shape (n,)
        Bin centres [keV].
    photons_mm2_ugy : ndarray, shape (n,)
        Photons per mm2 and uGy in each bin.
    """

    energy_kev: NDArray[np.float64]
    photons_mm2_ugy: NDArray[np.float64]

    @property
    def fluence_mm2_ugy(self) -> float:
        """Total photons per mm2 and uGy."""
        return float(self.photons_mm2_ugy.sum())

    @property
    def mean_energy_kev(self) -> float:
        """Fluence-weighted mean photon energy [keV]."""
        return float((self.energy_kev * self.photons_mm2_ugy).sum() / self.fluence_mm2_ugy)

    def filtered(self, material: str, thickness_mm: float) -> Spectrum:
        """Spectrum behind a filter, phi(E) exp(-mu(E) t), per uGy in front of the filter."""
        if thickness_mm < 0:
            raise PhysicsError(f"filter thickness is {thickness_mm} mm; it must be >= 0")
        mu = np.interp(self.energy_kev, attenuation().energy_kev, attenuation().linear_per_mm(material))
        return Spectrum(self.energy_kev, self.photons_mm2_ugy * np.exp(-mu * thickness_mm))


@lru_cache(maxsize=1)
def spectrum_70kv() -> Spectrum:
    """Return the 70 kV tungsten spectrum (12 deg, 2.5 mm Al, 1 m air; spekpy 2.5.4, "kqp")."""
    rows = [
        line.split(",")
        for line in _table("spectrum_w70kv_12deg_2.5mmal.csv")
        if not line.startswith(("#", "E_keV")) and line
    ]
    energy, photons = np.array([[float(a), float(b)] for a, b in rows]).T
    used = photons > photons.max() * 1e-12
    return Spectrum(energy[used], photons[used])


@dataclass(frozen=True, eq=False)
class EnergyBins:
    """Effective energy bins of one detector's response.

    Parameters
    ----------
    weight : ndarray, shape (bins,)
        Share of the open-beam signal; sums to 1.
    per_mm : mapping of str to ndarray, shape (bins,)
        Mean linear attenuation of each material in each bin [1/mm].
    """

    weight: NDArray[np.float64]
    per_mm: Mapping[str, NDArray[np.float64]]


def energy_bins(
    response: NDArray[np.float64], spectrum: Spectrum, bins: int = 12, table: Attenuation | None = None
) -> EnergyBins:
    """Group a detector-weighted spectrum into bins that keep the transmission of thick parts.

    Parameters
    ----------
    response : ndarray, shape of the spectrum
        Mean signal per incident photon at each energy (absorbed fraction x energy x escape).
    spectrum : Spectrum
        Incident photons.
    bins : int
        Number of bins; 12 keep the transmission of boards and cells within 0.002 of the whole spectrum.
    table : Attenuation, optional
        Materials; the built-in table by default.

    Returns
    -------
    EnergyBins
        Weights and weighted-mean attenuation of every tabulated material.

    Notes
    -----
    One exponential instead of a bin's many errs by its weight times (spread of log mu)^2 at worst, so the
    bins share out (weight / E^2)^(1/3), mu falling as a power of E. No bin crosses the K edge of tin:
    that alone made an error of 0.01 behind solder.
    """
    if bins < 1:
        raise PhysicsError(f"{bins} energy bins were asked for; at least 1 is needed")
    table = attenuation() if table is None else table
    signal = np.asarray(response, dtype=np.float64) * spectrum.photons_mm2_ugy
    signal = signal / signal.sum()
    edges = _bin_numbers(spectrum.energy_kev, signal, bins)
    weight = np.asarray(np.bincount(edges, weights=signal, minlength=bins), dtype=np.float64)
    filled = weight > 0
    per_mm = {}
    for material in table.mass_cm2_g:
        mu = np.interp(spectrum.energy_kev, table.energy_kev, table.linear_per_mm(material))
        per_mm[material] = np.bincount(edges, weights=signal * mu, minlength=bins)[filled] / weight[filled]
    return EnergyBins(weight[filled], MappingProxyType(per_mm))


def _bin_numbers(energy_kev: NDArray[np.float64], signal: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Bin of every energy."""
    step = np.gradient(energy_kev) if energy_kev.size > 1 else np.ones(1)
    share = np.cbrt(signal / step / energy_kev**2) * step
    below = energy_kev < TIN_K_EDGE_KEV
    low = float(share[below].sum() / share.sum())
    first = min(max(round(bins * low), 1), bins - 1) if bins > 1 and 0 < low < 1 else 0
    parts = ((below, first, 0), (~below, bins - first, first)) if first else ((np.ones_like(below), bins, 0),)
    number = np.zeros(energy_kev.size, dtype=np.int64)
    for part, count, offset in parts:
        own = share[part] / share[part].sum()
        number[part] = offset + np.minimum((np.cumsum(own) - 0.5 * own) * count, count - 1e-9).astype(np.int64)
    return number
