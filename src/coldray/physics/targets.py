"""Calibration objects as thickness maps: step wedge and slanted edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coldray.errors import PhysicsError
from coldray.physics._cell_parts import Sheet
from coldray.physics.objects import ThicknessMaps
from coldray.physics.source import attenuation


def step_wedge_object(
    shape: tuple[int, int], grid_pitch_mm: float, steps_mm: Sequence[float], material: str = "Al"
) -> ThicknessMaps:
    """Step wedge: plateaus of known thickness side by side along the columns.

    Parameters
    ----------
    shape : (rows, cols)
        Grid.
    grid_pitch_mm : float
        Grid step [mm].
    steps_mm : sequence of float
        Thickness of every step [mm], from left to right.
    material : str
        A column of the attenuation table.

    Returns
    -------
    ThicknessMaps
        `labels["steps"]` lists (first column, last column + 1, thickness [mm]).

    Raises
    ------
    PhysicsError
        If there is no step, one is negative, or the material is unknown.
    """
    attenuation().linear_per_mm(material)
    if not len(steps_mm) or not all(np.isfinite(t) and t >= 0 for t in steps_mm) or len(steps_mm) > shape[1]:
        raise PhysicsError(f"steps of {list(steps_mm)} mm; at least one is needed, all finite and >= 0 mm")
    borders = np.linspace(0, shape[1], len(steps_mm) + 1).round().astype(int)
    thickness = np.zeros(shape, dtype=np.float32)
    for t, first, last in zip(steps_mm, borders[:-1], borders[1:], strict=True):
        thickness[:, first:last] = t
    steps = tuple((int(a), int(b), float(t)) for a, b, t in zip(borders[:-1], borders[1:], steps_mm, strict=True))
    return ThicknessMaps({material: thickness}, grid_pitch_mm, "step wedge", {"steps": steps})


def edge_object(
    shape: tuple[int, int], grid_pitch_mm: float, angle_deg: float = 3.0, thickness_mm: float = 1.0, material: str = "W"
) -> ThicknessMaps:
    """Plate that covers the left half of the field, its edge tilted against the columns.

    Parameters
    ----------
    shape : (rows, cols)
        Grid.
    grid_pitch_mm : float
        Grid step [mm].
    angle_deg : float
        Tilt of the edge; the column grows with the row if positive.
    thickness_mm : float
        Plate [mm].
    material : str
        A column of the attenuation table.

    Returns
    -------
    ThicknessMaps

    Raises
    ------
    PhysicsError
        If the angle or thickness is impossible or the material unknown.

    Notes
    -----
    A cell that the edge crosses is wholly plate or air: the exponential of a mean thickness is not the
    mean transmission. The staircase is a quarter of a pixel or less and averages out along the edge.
    """
    attenuation().linear_per_mm(material)
    if not abs(angle_deg) <= 45 or not 0 < thickness_mm < np.inf:
        raise PhysicsError(
            f"edge at {angle_deg} deg, {thickness_mm} mm thick; needed: -45 to 45 deg and a positive thickness"
        )
    height, width = shape[0] * grid_pitch_mm, shape[1] * grid_pitch_mm
    length = 4 * (height + width)
    a = np.radians(angle_deg)
    plate = Sheet(
        height / 2 + np.sin(a) * length / 2, width / 2 - np.cos(a) * length / 2, length, length, -angle_deg, 0.0
    )
    cover = plate.cover((slice(0, shape[0]), slice(0, shape[1])), grid_pitch_mm) > 0.5
    return ThicknessMaps({material: cover.astype(np.float32) * np.float32(thickness_mm)}, grid_pitch_mm, "edge")
