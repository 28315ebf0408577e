"""Spectra of other tube voltages, through the optional package spekpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from coldray.errors import MissingExtraError, PhysicsError
from coldray.physics.source import Spectrum, spectrum_70kv


@lru_cache(maxsize=16)
def tube_spectrum(
    tube_voltage_kv: float, *, aluminium_mm: float = 2.5, anode_angle_deg: float = 12.0, air_mm: float = 1000.0
) -> Spectrum:
    """Photons per air kerma behind a tungsten tube.

    Parameters
    ----------
    tube_voltage_kv : float
        Tube voltage [kV], 20 to 300.
    aluminium_mm : float
        Total filtration [mm Al]; not zero, or the L lines rule the spectrum.
    anode_angle_deg : float
        Anode angle [deg].
    air_mm : float
        Air between tube and detector [mm].

    Returns
    -------
    Spectrum
        The built-in table for its own settings (70 kV, 2.5 mm Al, 12 deg, 1 m of air); otherwise spekpy's
        physics model "kqp" on a 0.5 keV grid, so that both agree.

    Raises
    ------
    PhysicsError
        If a value is out of range.
    MissingExtraError
        If spekpy is needed and not installed.
    """
    if not 20 <= tube_voltage_kv <= 300:
        raise PhysicsError(f"tube voltage is {tube_voltage_kv} kV; the model holds from 20 to 300")
    if not 0.1 <= aluminium_mm <= 50:
        raise PhysicsError(f"filtration is {aluminium_mm} mm Al; it must be 0.1 to 50")
    if not (4 <= anode_angle_deg <= 45 and 0 <= air_mm <= 10000):
        raise PhysicsError(
            f"anode angle {anode_angle_deg} deg and air {air_mm} mm must lie within 4 to 45 and 0 to 10000"
        )
    if (tube_voltage_kv, aluminium_mm, anode_angle_deg, air_mm) == (70.0, 2.5, 12.0, 1000.0):
        return spectrum_70kv()
    try:
        import spekpy
    except ImportError:
        raise MissingExtraError("spekpy", "spectra", f"a {tube_voltage_kv:g} kV spectrum") from None
    model = spekpy.Spek(kvp=tube_voltage_kv, th=anode_angle_deg, dk=0.5, physics="kqp", z=100.0)
    model.multi_filter((("Al", aluminium_mm), ("Air", air_mm)))
    energy, fluence = model.get_spectrum(diff=False)
    kerma = float(model.get_kerma())
    # spekpy gives photons per cm2 and bin, and uGy, for the same load
    return Spectrum(np.asarray(energy, dtype=np.float64), np.asarray(fluence, dtype=np.float64) / 100.0 / kerma)
