"""Polychromatic transmission of an object: the signal behind it as a fraction of the open beam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.source import EnergyBins
from coldray.simulation.cascade import in_order, strips
from coldray.simulation.thickness import ThicknessMaps


def transmission(maps: ThicknessMaps, bins: EnergyBins, workers: int | None = 1) -> NDArray[np.float32]:
    """Detected signal behind an object, as a fraction of the open beam.

    Parameters
    ----------
    maps : ThicknessMaps
        Thickness of each material [mm].
    bins : EnergyBins
        Detector-weighted energy bins.
    workers : int, optional
        Threads; None means one per core. The result does not depend on it.

    Returns
    -------
    ndarray, float32, shape of the maps
        sum_b w_b exp(-sum_m mu_mb t_m); 1 where nothing is in the beam.

    Raises
    ------
    PhysicsError
        If a material is not in the attenuation table.

    Notes
    -----
    The exponential comes before any blur or down-sampling: averaging thickness first would bias
    the transmission of fine detail upwards.
    """
    for material in maps.thickness_mm:
        if material not in bins.per_mm:
            raise PhysicsError(f"material {material!r} is not in the attenuation table; known: {sorted(bins.per_mm)}")
    out = np.ones(maps.shape, dtype=np.float32)
    weight = bins.weight.astype(np.float32)

    def attenuate(part: slice) -> None:
        present = {m: t[part] for m, t in maps.thickness_mm.items() if t[part].any()}
        if present:
            mu = np.array([bins.per_mm[m] for m in present], dtype=np.float32)
            stack = np.stack([t.ravel() for t in present.values()]).astype(np.float32, copy=False)
            attenuated = -(mu.T @ stack)
            np.exp(attenuated, out=attenuated)
            out[part] = (weight @ attenuated).reshape(out[part].shape)

    for _ in in_order(attenuate, strips(maps.shape, 2**16), workers):
        pass
    return out
