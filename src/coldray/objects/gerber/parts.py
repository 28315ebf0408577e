"""A side of a board, and a part on it with the pads it stands on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.objects.canvas import Frame
from coldray.objects.gerber.placements import Placement


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a board while parts are sought on it.

    Parameters
    ----------
    name : str
        "top" or "bottom".
    pads : ndarray, shape (pads, 6)
        Rows of `RasterBoard.pads_top` or `pads_bottom`.
    free : ndarray of bool, shape (pads,)
        Which pads no part stands on yet; cleared in place.
    placements : list of Placement
        Of this side.
    """

    name: str
    pads: NDArray[np.float64]
    free: NDArray[np.bool_]
    placements: list[Placement]


@dataclass(frozen=True, eq=False)
class Part:
    """One part and the pads it stands on.

    Parameters
    ----------
    kind : str
        "balls" (ball grid), "pair" (two ends) or "leads" (rows of leads).
    side : str
        "top" or "bottom".
    x_mm, y_mm : float
        Centre [mm, board coordinates].
    angle_rad : float
        Direction of `length_mm`.
    length_mm, width_mm : float
        Extent over the pads [mm]; between ball centres for ball grids.
    pads : ndarray, shape (pads, 6)
        Rows of `RasterBoard.pads_top` or `pads_bottom`.
    family : str
        "C", "R", "L", "D", "none", or empty if unknown.
    size_code : str
        0402 and the like, or empty.
    body_length_mm, body_width_mm : float
        Body of a two-ended part [mm].
    pitch_mm : float
        Distance of balls or leads [mm].
    inner_length_mm, inner_width_mm : float
        Free extent between the rows of leads [mm].
    leadless : bool
        Whether the body covers its pads.
    """

    kind: str
    side: str
    x_mm: float
    y_mm: float
    angle_rad: float
    length_mm: float
    width_mm: float
    pads: NDArray[np.float64]
    family: str = ""
    size_code: str = ""
    body_length_mm: float = 0.0
    body_width_mm: float = 0.0
    pitch_mm: float = 0.0
    inner_length_mm: float = 0.0
    inner_width_mm: float = 0.0
    leadless: bool = False

    @property
    def reach_mm(self) -> float:
        """Radius that holds the whole part [mm]."""
        return 0.5 * math.hypot(self.length_mm, self.width_mm) + 2 * self.pitch_mm + 0.5

    @property
    def frame(self) -> Frame:
        """Where the part stands: u along its length, v along its width."""
        return Frame(self.x_mm, self.y_mm, math.degrees(self.angle_rad))
