"""Further materials for the simulator, through the optional package xraylib."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from coldray.errors import MissingExtraError, PhysicsError
from coldray.physics.source import Attenuation, attenuation


def with_compound(name: str, formula: str, density_g_cm3: float, table: Attenuation | None = None) -> Attenuation:
    """Attenuation table with one more material.

    Parameters
    ----------
    name : str
        What the material is called in thickness maps; none of the table's own.
    formula : str
        Chemical formula ("Pb", "In2O3") or a compound that xraylib lists ("Kapton Polyimide Film").
    density_g_cm3 : float
        Density [g/cm3].
    table : Attenuation, optional
        Table to add to; the built-in one by default.

    Returns
    -------
    Attenuation
        On the energies of `table`; pass it to `ScreenDetector.transmission`.

    Raises
    ------
    PhysicsError
        If the name is taken, the formula unknown or the density not positive.
    MissingExtraError
        If xraylib is not installed.

    References
    ----------
    Schoonjans et al., Spectrochim. Acta B 66 (2011) 776: total cross sections, as in the built-in table.
    """
    base = attenuation() if table is None else table
    if name in base.mass_cm2_g:
        raise PhysicsError(f"material {name!r} is in the attenuation table already; choose another name")
    if not 0 < density_g_cm3 < 30:
        raise PhysicsError(f"density of {name} is {density_g_cm3} g/cm3; it must be positive and below 30")
    try:
        import xraylib
    except ImportError:
        raise MissingExtraError("xraylib", "spectra", f"the attenuation of {formula}") from None
    try:
        mass = np.array([xraylib.CS_Total_CP(formula, float(e)) for e in base.energy_kev])
    except ValueError as problem:
        raise PhysicsError(f"{formula!r} is no formula or compound that xraylib knows ({problem})") from None
    return Attenuation(
        base.energy_kev,
        MappingProxyType({**base.mass_cm2_g, name: mass}),
        MappingProxyType({**base.density_g_cm3, name: float(density_g_cm3)}),
    )
