"""Shapes that people draw on an image: lengths, angles, areas, and statistics of the pixels inside.

Coordinates are (x, y) in pixels with pixel (column 0, row 0) covering 0 to 1 in both directions. A pixel belongs to a shape
when its centre lies inside. `app/viewer/static/shapes.js` has the same formulas for the page; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from coldray.errors import SettingsError

Kind: TypeAlias = Literal["rectangle", "ellipse", "circle", "polygon", "distance", "angle", "point"]
Points: TypeAlias = Sequence[tuple[float, float]]

MOST_POINTS = 200
POINTS: dict[str, tuple[int, int]] = {
    "rectangle": (2, 2), "ellipse": (2, 2), "circle": (2, 2), "polygon": (3, MOST_POINTS), "distance": (2, 2), "angle": (3, 3),
    "point": (1, 1),
}  # fmt: skip
"""Fewest and most points of each kind: opposite corners of the box of rectangle and ellipse, ends of a diameter of a circle,
corners of a polygon, ends of a distance, first arm, vertex and second arm of an angle."""
CLOSED = ("rectangle", "ellipse", "circle", "polygon")
"""Kinds with an inside."""


def check_points(kind: str, points: Points) -> None:
    """Check that a shape of this kind has so many points.

    Raises
    ------
    SettingsError
        If there are too few or too many, or the kind is unknown.
    """
    if kind not in POINTS:
        raise SettingsError(f"no shape {kind!r}; choose one of {', '.join(POINTS)}")
    fewest, most = POINTS[kind]
    if not fewest <= len(points) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise SettingsError(f"a shape `{kind}` has {len(points)} points; it needs {wanted}")


def measures(kind: str, points: Points) -> dict[str, float]:
    """What follows from the outline of a shape alone.

    Parameters
    ----------
    kind : str
        One of `POINTS`.
    points : sequence of (float, float)
        As `POINTS` says [px].

    Returns
    -------
    dict
        ``width_px``, ``height_px`` (rectangle, ellipse), ``diameter_px`` (circle), ``perimeter_px`` (polygon) and
        ``area_px2`` of what has an inside; ``length_px`` of a distance; ``angle_deg``, 0 to 180, of an angle.

    Raises
    ------
    SettingsError
        If the number of points does not fit.

    Notes
    -----
    The area of a polygon is half of the absolute sum of x_i y_(i+1) - x_(i+1) y_i (shoelace); one that crosses itself counts
    what it surrounds twice in opposite sense as nothing.
    """
    check_points(kind, points)
    if kind == "point":
        return {}
    (x0, y0), (x1, y1) = points[0], points[1]
    if kind == "distance":
        return {"length_px": math.hypot(x1 - x0, y1 - y0)}
    if kind == "angle":
        return {"angle_deg": _angle_deg(points)}
    if kind == "circle":
        diameter = math.hypot(x1 - x0, y1 - y0)
        return {"diameter_px": diameter, "area_px2": math.pi * diameter**2 / 4}
    if kind == "polygon":
        turned = [*points[1:], points[0]]
        twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, turned, strict=True))
        perimeter = sum(math.hypot(b[0] - a[0], b[1] - a[1]) for a, b in zip(points, turned, strict=True))
        return {"perimeter_px": perimeter, "area_px2": abs(twice) / 2}
    width, height = abs(x1 - x0), abs(y1 - y0)
    share = math.pi / 4 if kind == "ellipse" else 1.0
    return {"width_px": width, "height_px": height, "area_px2": share * width * height}


def _angle_deg(points: Points) -> float:
    """Angle at the second of three points, 0 to 180 degrees; NaN if an arm has no length."""
    (ax, ay), (vx, vy), (bx, by) = points
    first, second = (ax - vx, ay - vy), (bx - vx, by - vy)
    if not any(first) or not any(second):
        return math.nan
    cross, dot = first[0] * second[1] - first[1] * second[0], first[0] * second[0] + first[1] * second[1]
    return abs(math.degrees(math.atan2(cross, dot)))


def inside(kind: str, points: Points, shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Pixels of an image whose centres lie in a closed shape.

    Parameters
    ----------
    kind : str
        One of `CLOSED`.
    points : sequence of (float, float)
        [px]
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    window : (slice, slice)
        Rows and columns of the box around the shape, cut to the image.
    mask : ndarray of bool
        Of the shape of that window.

    Raises
    ------
    SettingsError
        If the kind has no inside, or the number of points does not fit.
    """
    check_points(kind, points)
    if kind not in CLOSED:
        raise SettingsError(f"a shape `{kind}` has no inside; choose one of {', '.join(CLOSED)}")
    left, top, right, bottom = _box(kind, points)
    columns = slice(max(0, math.floor(left)), max(0, min(shape[1], math.ceil(right))))
    rows = slice(max(0, math.floor(top)), max(0, min(shape[0], math.ceil(bottom))))
    y, x = (np.arange(s.start, max(s.start, s.stop)) + 0.5 for s in (rows, columns))
    x, y = x[None, :], y[:, None]
    if kind == "polygon":
        return (rows, columns), _in_polygon(points, x, y)
    if kind == "rectangle":
        mask = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        return (rows, columns), mask
    a, b = (right - left) / 2, (bottom - top) / 2
    if not (a > 0 and b > 0):
        return (rows, columns), np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    mask = ((x - (left + right) / 2) / a) ** 2 + ((y - (top + bottom) / 2) / b) ** 2 <= 1
    return (rows, columns), mask


def _box(kind: str, points: Points) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a closed shape [px]."""
    if kind == "circle":
        (x0, y0), (x1, y1) = points
        radius = math.hypot(x1 - x0, y1 - y0) / 2
        return (x0 + x1) / 2 - radius, (y0 + y1) / 2 - radius, (x0 + x1) / 2 + radius, (y0 + y1) / 2 + radius
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _in_polygon(points: Points, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Even-odd rule: an odd number of edges lies to the right."""
    mask = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if y0 == y1:
            continue
        mask ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return mask


@dataclass(frozen=True)
class Region:
    """Statistics of the pixels in a closed shape.

    Parameters
    ----------
    pixels : int
        How many.
    mean, sd, minimum, maximum : float
        Stored values; the SD with pixels - 1; NaN of fewer pixels than it needs.
    void_share : float
        Share of the pixels beyond the threshold, 0 to 1; NaN without one.
    """

    pixels: int
    mean: float
    sd: float
    minimum: float
    maximum: float
    void_share: float

    @property
    def snr(self) -> float:
        """Mean over SD."""
        return self.mean / self.sd if self.sd > 0 else math.nan


def region(
    image: NDArray[np.generic],
    kind: str,
    points: Points,
    threshold: float | None = None,
    voids: Literal["brighter", "darker"] = "brighter",
) -> Region:
    """Statistics of the pixels in a closed shape, and the share of them that is void.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    kind : str
        One of `CLOSED`.
    points : sequence of (float, float)
        [px]
    threshold : float, optional
        Stored value that parts void from solid; what equals it is solid.
    voids : {"brighter", "darker"}
        On which side of it a void lies: in a transmission image a void is brighter.

    Returns
    -------
    Region

    Raises
    ------
    SettingsError
        If the shape has no inside, or the number of points does not fit.

    References
    ----------
    IPC-7095: the void percentage of a ball is the area of its voids over the area of the ball in the X-ray image.
    """
    window, mask = inside(kind, points, (image.shape[0], image.shape[1]))
    values = np.asarray(image[window][mask], dtype=np.float64)
    if not values.size:
        return Region(0, math.nan, math.nan, math.nan, math.nan, math.nan)
    share = math.nan
    if threshold is not None:
        share = float(np.mean(values > threshold if voids == "brighter" else values < threshold))
    sd = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return Region(values.size, float(values.mean()), sd, float(values.min()), float(values.max()), share)
