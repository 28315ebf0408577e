"""Geometry that all straight test targets share: distance along the normal, orientation, sums of strips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.objects._blur import Blur

Float = NDArray[np.float64]
Image = NDArray[np.float32]
Box = tuple[int, int, int, int]


def normal_distance(shape: tuple[int, int], angle_deg: float, centre_px: float | None) -> Float:
    """Distance [px] of every pixel centre along the normal of a nearly vertical line, tilted about the image centre."""
    rows, cols = shape
    if rows < 1 or cols < 1:
        raise PhysicsError(f"an image of {rows} x {cols} pixels cannot be made")
    if not -60 <= angle_deg <= 60:
        raise PhysicsError(f"a tilt of {angle_deg} deg is outside -60 to 60 deg; choose the other orientation instead")
    centre = (cols - 1) / 2 if centre_px is None else centre_px
    a = np.deg2rad(angle_deg)
    row = np.arange(rows)[:, None] - (rows - 1) / 2
    return np.asarray((np.arange(cols) - centre - np.tan(a) * row) * np.cos(a))


def turned(image: Float, orientation: str) -> Image:
    """As is, or transposed for a target that runs from side to side."""
    if orientation not in ("vertical", "horizontal"):
        raise PhysicsError(f"orientation is {orientation!r}; it must be 'vertical' or 'horizontal'")
    return np.ascontiguousarray(image if orientation == "vertical" else image.T, dtype=np.float32)


def before_turning(shape: tuple[int, int], orientation: str) -> tuple[int, int]:
    """Shape of the image in which the target runs from top to bottom."""
    return shape if orientation == "vertical" else (shape[1], shape[0])


def strips(left: Float, right: Float, depth: Float, blur: Blur, angle_deg: float) -> Callable[[Float], Float]:
    """Sum of strips [left, right] of given depth along the normal [px], as a function of distance.

    Evaluated through a cubic spline on 1/64 px (error below 1e-6) unless the blur leaves corners too sharp for that.
    """
    places, weights = np.concatenate([left, right]), np.concatenate([depth, -depth])

    def exact(d: Float) -> Float:
        total = np.zeros(np.shape(d))
        for place, weight in zip(places, weights, strict=True):
            total += weight * blur.edge(d - place, angle_deg)
        return total

    if float(blur.mtf(4.0)) > 0.01:
        return exact
    reach = float(np.abs(places).max()) + 40.0
    grid = np.arange(-reach, reach + 1 / 64, 1 / 64)
    wide = np.arange(-2 * reach, 2 * reach + 1 / 64, 1 / 64)
    edge = scipy.interpolate.CubicSpline(wide, blur.edge(wide, angle_deg))
    total = np.zeros(grid.size)
    for place, weight in zip(places, weights, strict=True):
        total += weight * edge(grid - place)
    profile = scipy.interpolate.CubicSpline(grid, total)
    return lambda d: np.asarray(profile(np.clip(d, -reach, reach)))
