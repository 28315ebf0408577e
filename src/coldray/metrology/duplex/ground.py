"""Background of a wire indicator: turned upright, levelled, and cut to the middle of its wires."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import MeasurementError
from coldray.metrology.duplex.profile import tilt_of_lines

LINE_PART = 0.6
"""Part of the wire length that is used."""

Float = NDArray[np.float64]


def upright(region: Float) -> Float:
    """Turn a region so that its lines run along the rows' direction of counting (near columns)."""
    smooth = ndimage.gaussian_filter(region, 1.5, mode="nearest")
    return region if np.var(np.diff(smooth, axis=1)) >= np.var(np.diff(smooth, axis=0)) else region.T.copy()


def depth_below_background(region: Float) -> Float:
    """1 - signal / background, with a quadratic background fitted to what is no wire; wires positive."""
    rows, cols = region.shape
    step = max(1, int(np.sqrt(region.size / 40_000)))
    smooth = ndimage.uniform_filter(region, max(3, step), mode="nearest")
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j]

    def design(v: Float, u: Float) -> Float:
        return np.stack([np.ones_like(v), v, u, v * u, v**2, u**2], axis=-1)

    thin = np.s_[::step, ::step]
    basis, values = design(y[thin].ravel(), x[thin].ravel()), smooth[thin].ravel()
    ordered = np.sort(values)
    quarter = max(values.size // 4, 1)
    level = float(np.median(ordered[int(np.argmin(ordered[quarter:] - ordered[:-quarter])) :][:quarter]))
    keep = np.abs(values - level) <= max(2 * float(np.quantile(np.abs(values - level), 0.4)), 1e-12 * abs(level))
    for _ in range(15):
        known = basis[keep]
        # normal equations, a fifth of the time: the columns lie within -1 to 1 and are far from alike
        fit = np.linalg.lstsq(known.T @ known, known.T @ values[keep], rcond=None)[0]
        residual = values - basis @ fit
        spread = 1.4826 * float(np.median(np.abs(residual[keep])))
        new = np.abs(residual) <= 3 * spread + 1e-9 * abs(level)
        if np.array_equal(new, keep) or np.count_nonzero(new) < 20:
            break
        keep = new
    background = design(y, x) @ fit
    if not np.all(background > 0):
        raise MeasurementError("the background is not positive; a duplex wire needs linear intensities")
    depth = 1 - region / background
    return depth if abs(np.quantile(depth, 0.98)) >= abs(np.quantile(depth, 0.02)) else -depth


def directions_deg(region: Float) -> list[float]:
    """Direction of the lines of a region: 0 along its columns, 90 along its rows."""
    turned = upright(region)
    tilt = tilt_of_lines(depth_below_background(turned))
    return [tilt if turned is region else 90 - tilt]


def wire_rows(depth: Float) -> tuple[int, int]:
    """Rows of the middle part of the wires."""
    smooth = ndimage.gaussian_filter(depth, 2.0, mode="nearest")
    wire = smooth > 0.3 * float(np.quantile(smooth, 0.99))
    count = ndimage.uniform_filter1d(wire.sum(axis=1).astype(np.float64), 5, mode="nearest")
    seen = np.flatnonzero(count > 0.5 * float(np.quantile(count, 0.9)))
    top, bottom = (int(seen[0]), int(seen[-1]) + 1) if seen.size else (0, depth.shape[0])
    cut = (1 - LINE_PART) / 2 * (bottom - top)
    start, stop = int(top + cut), int(np.ceil(bottom - cut))
    return (start, stop) if stop - start >= 8 else (top, max(bottom, top + 1))


def baseline(depth: Float) -> Float:
    """Straight line through what lies between the pairs of a profile."""
    x = np.linspace(-1, 1, depth.size)
    keep = depth <= np.quantile(depth, 0.5)
    for _ in range(10):
        fit = np.polynomial.polynomial.polyfit(x[keep], depth[keep], 1)
        residual = depth - np.polynomial.polynomial.polyval(x, fit)
        spread = 1.4826 * float(np.median(np.abs(residual[keep])))
        keep = np.abs(residual) <= 2.5 * spread + 1e-12
        if np.count_nonzero(keep) < 8:
            break
    return np.asarray(np.polynomial.polynomial.polyval(x, fit))
