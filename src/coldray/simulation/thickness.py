"""Objects as areal thickness maps of named materials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError


@dataclass(frozen=True)
class ThicknessMaps:
    """What the beam crosses: one thickness map per material, all on one grid.

    Parameters
    ----------
    thickness_mm : mapping of str to ndarray, each of shape (rows, cols)
        Path length in each material [mm], non-negative; names are columns of the attenuation table.
    grid_pitch_mm : float
        Grid step at the object plane [mm]; usually a quarter of the pixel pitch.
    name : str
        Where the object comes from (board name or family and random state).
    labels : mapping, optional
        Defect masks and other truth that travels with the object.

    Raises
    ------
    PhysicsError
        If maps differ in shape, are negative or not finite, or the grid step is not positive.
    """

    thickness_mm: Mapping[str, NDArray[np.float32]]
    grid_pitch_mm: float
    name: str = "object"
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.thickness_mm:
            raise PhysicsError("an object needs at least one material")
        if not self.grid_pitch_mm > 0:
            raise PhysicsError(f"grid step is {self.grid_pitch_mm} mm; it must be positive")
        shapes = {m.shape for m in self.thickness_mm.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise PhysicsError(f"thickness maps must share one 2-D shape; found {sorted(shapes)}")
        for material, thickness in self.thickness_mm.items():
            low = float(thickness.min())
            if not (low >= 0 and np.isfinite(float(thickness.max()))):
                raise PhysicsError(f"thickness of {material} must be finite and >= 0 mm; found minimum {low}")

    @property
    def shape(self) -> tuple[int, int]:
        """Grid shape (rows, cols)."""
        rows, cols = next(iter(self.thickness_mm.values())).shape
        return rows, cols
