"""Calibration objects as thickness maps: step wedge, slanted edge, bars and duplex wires."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.objects._line_targets import DUPLEX_SPACING_MM
from coldray.objects.canvas import Canvas, Frame
from coldray.physics.source import attenuation
from coldray.simulation.thickness import ThicknessMaps


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
    cover = np.zeros(shape, dtype=np.bool_)
    middle = Frame(width / 2 - np.cos(a) * length / 2, height / 2 + np.sin(a) * length / 2, -angle_deg)
    found = Canvas(shape, grid_pitch_mm).plate_cover(middle, length, length)
    if found is not None:
        cover[found[0]] = found[1] > 0.5
    return ThicknessMaps({material: cover.astype(np.float32) * np.float32(thickness_mm)}, grid_pitch_mm, "edge")


def bars_object(
    rows: int,
    grid_pitch_mm: float,
    frequencies_lp_mm: Sequence[float],
    *,
    count: int = 8,
    angle_deg: float = 3.0,
    margin_mm: float = 1.5,
    thickness_mm: float = 0.03,
    material: str = "W",
) -> ThicknessMaps:
    """Groups of bars side by side, with a wide bar on the left; the width follows from the groups.

    Parameters
    ----------
    rows : int
        Grid rows; bars run along them.
    grid_pitch_mm : float
        Grid step [mm].
    frequencies_lp_mm : sequence of float
        One group each, from left to right, along the normal of the bars, at the object [lp/mm].
    count : int
        Bars of a group.
    angle_deg : float
        Tilt of the bars against the columns.
    margin_mm : float
        Clear space beside a group and half the width of the wide bar [mm].
    thickness_mm : float
        Foil [mm].
    material : str
        A column of the attenuation table.

    Returns
    -------
    ThicknessMaps
        `labels["groups"]` lists (frequency [lp/mm], first column, last column + 1) of what holds a group in every
        row.

    Raises
    ------
    PhysicsError
        If there is no group, a frequency is not positive or has bars under two cells, or a size is impossible.

    Notes
    -----
    As for the edge, a cell is wholly foil or air.
    """
    attenuation().linear_per_mm(material)
    frequencies = np.asarray(frequencies_lp_mm, dtype=np.float64)
    finest = 0.25 / grid_pitch_mm
    if frequencies.size == 0 or not np.all((frequencies > 0) & (frequencies <= finest)):
        raise PhysicsError(
            f"bars of {frequencies.tolist()} lp/mm; on a grid of {grid_pitch_mm:.4g} mm they must be positive and at most "
            f"{finest:.4g}"
        )
    if rows < 1 or count < 1 or not abs(angle_deg) <= 45 or not (margin_mm > 0 and 0 < thickness_mm < np.inf):
        raise PhysicsError(
            f"{rows} rows, {count} bars, {angle_deg} deg, {margin_mm} mm apart and {thickness_mm} mm thick: rows, bars and "
            "sizes must be positive, the tilt -45 to 45 deg"
        )
    slack = 0.5 * rows * grid_pitch_mm * abs(np.tan(np.radians(angle_deg)))
    left, right, spans = [slack + margin_mm], [slack + 3 * margin_mm], []
    place = slack + 4 * margin_mm
    for frequency in frequencies:
        edges = place + np.arange(2 * count) / (2 * frequency)
        left.extend(edges[0::2])
        right.extend(edges[1::2])
        spans.append((place - slack, float(edges[-1]) + slack))
        place = float(edges[-1]) + margin_mm
    cols = int(np.ceil((place + slack) / grid_pitch_mm))
    distance = _along_normal((rows, cols), grid_pitch_mm, angle_deg)
    foil = np.zeros((rows, cols), dtype=bool)
    for start, end in zip(left, right, strict=True):
        foil |= (distance >= start) & (distance < end)
    groups = tuple(
        (float(f), int(np.floor(a / grid_pitch_mm)), int(np.ceil(b / grid_pitch_mm)))
        for f, (a, b) in zip(frequencies, spans, strict=True)
    )
    maps = {material: foil.astype(np.float32) * np.float32(thickness_mm)}
    return ThicknessMaps(maps, grid_pitch_mm, "bars", {"groups": groups})


def duplex_object(
    rows: int,
    grid_pitch_mm: float,
    *,
    spacing_mm: Sequence[float] = DUPLEX_SPACING_MM,
    angle_deg: float = 3.0,
    margin_mm: float = 0.8,
    material: str = "W",
) -> ThicknessMaps:
    """Pairs of round wires of falling diameter side by side; the width follows from them.

    Parameters
    ----------
    rows : int
        Grid rows; wires run along them.
    grid_pitch_mm : float
        Grid step [mm].
    spacing_mm : sequence of float
        Wire diameter = gap of every pair [mm]; ISO 19232-5 by default.
    angle_deg : float
        Tilt of the wires against the columns.
    margin_mm : float
        Clear space between pairs [mm].
    material : str
        A column of the attenuation table; the standard has tungsten and platinum.

    Returns
    -------
    ThicknessMaps
        `labels["pairs"]` lists (spacing [mm], column of the gap's middle at the middle row).

    Raises
    ------
    PhysicsError
        If a spacing is not positive, or a size is impossible.
    """
    attenuation().linear_per_mm(material)
    if not len(spacing_mm) or not all(np.isfinite(d) and d > 0 for d in spacing_mm):
        raise PhysicsError(f"wire pairs of {list(spacing_mm)} mm; at least one is needed, all positive")
    if rows < 1 or not abs(angle_deg) <= 45 or not margin_mm > 0:
        raise PhysicsError(
            f"{rows} rows, {angle_deg} deg and {margin_mm} mm apart: rows and distance must be positive, the tilt -45 to 45 deg"
        )
    slack = 0.5 * rows * grid_pitch_mm * abs(np.tan(np.radians(angle_deg)))
    middles, place = [], slack + 2 * margin_mm
    for d in spacing_mm:
        middles.append(place + 1.5 * d)
        place += 3 * d + margin_mm
    cols = int(np.ceil((place + slack + margin_mm) / grid_pitch_mm))
    distance = _along_normal((rows, cols), grid_pitch_mm, angle_deg)
    thickness = np.zeros((rows, cols), dtype=np.float32)
    for d, middle in zip(spacing_mm, middles, strict=True):
        for wire in (middle - d, middle + d):
            thickness += 2 * np.sqrt(np.maximum(np.float32(d / 2) ** 2 - (distance - np.float32(wire)) ** 2, 0))
    pairs = tuple((float(d), m / grid_pitch_mm - 0.5) for d, m in zip(spacing_mm, middles, strict=True))
    return ThicknessMaps({material: thickness}, grid_pitch_mm, "duplex", {"pairs": pairs})


def _along_normal(shape: tuple[int, int], step_mm: float, angle_deg: float) -> NDArray[np.float32]:
    """Distance of every cell's centre along the normal of lines tilted about the middle row and column [mm].

    A line through the grid's middle keeps its column there, so that places along the middle row are columns.
    """
    rows, cols = shape
    a = np.radians(angle_deg)
    centre = 0.5 * cols * step_mm
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5 - 0.5 * rows) * step_mm
    x = (np.arange(cols, dtype=np.float32)[None, :] + 0.5) * step_mm - centre
    return np.asarray(centre + x * np.cos(a) - y * np.sin(a), dtype=np.float32)
