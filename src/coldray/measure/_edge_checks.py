"""Reasons to distrust an edge measurement, each as one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.measure._edge_line import EdgeLine
from coldray.measure._edge_transfer import Transfer
from coldray.measure._projection import Projection

FEW_ROWS = 100
ANGLES_DEG = (0.95, 10.05)
UNEVEN_STEP, UNEVEN_NOISE = 0.01, 5.0  # of the step, and of the noise between rows; correlated noise reaches 2.5
BOWED_PX = 0.1  # lowers the MTF at Nyquist by 0.4 %


def of_lines(lines: Sequence[EdgeLine], vertical: Sequence[bool], rows: int) -> list[str]:
    """Geometry: angle, bow, number of rows, certainty of the angle, mixed orientations."""
    found = []
    odd = [line for line in lines if not ANGLES_DEG[0] <= abs(line.angle_deg) <= ANGLES_DEG[1]]
    if odd:
        name = "edge angle to the diagonal" if odd[0].lattice.diagonal else "edge angle"
        found.append(
            f"{name} {odd[0].angle_deg:.2f} deg is outside 1 to 10 deg: sub-pixel positions are unevenly covered"
        )
    bow = max(lines, key=lambda line: abs(line.sag_px))
    if abs(bow.sag_px) > max(BOWED_PX, 4 * bow.sag_sd_px):
        found.append(f"the edge is curved: it bows by {abs(bow.sag_px):.2f} px, which lowers the MTF")
    if rows < FEW_ROWS:
        found.append(f"only {rows} rows cross the edge; {FEW_ROWS} or more are recommended")
    smear = max(line.slope_sd * line.lattice.column_px * (rows / len(lines)) for line in lines)
    if smear > 0.1:
        found.append(f"the edge angle is uncertain: its standard deviation shifts the ends by {smear:.2f} px")
    if any(vertical) and not all(vertical):
        found.append("vertical and horizontal edges were combined: the result holds only if the blur is isotropic")
    return found


def of_pixels(
    images: Iterable[tuple[NDArray[Any], EdgeLine, tuple[int, int], bool]],
    half_px: float,
    width_px: float,
    snr: float,
) -> list[str]:
    """Clipping of either plateau, bad pixels, and rows that disagree, from the raw values of each image."""
    found = []
    for raw, line, rows, rising in images:
        row = np.arange(*rows)
        column = line.column(row.astype(np.float64))
        near, far = min(max(3.0, 4 * width_px), half_px / 2), half_px
        offset = np.arange(int(np.ceil(near)), int(far) + 1)
        right = raw[row[:, None], np.clip(np.rint(column).astype(int)[:, None] + offset, 0, raw.shape[1] - 1)]
        left = raw[row[:, None], np.clip(np.rint(column).astype(int)[:, None] - offset, 0, raw.shape[1] - 1)]
        bright, dark = (right, left) if rising else (left, right)
        share = _clipped(bright, dark, top=True)
        if share:
            found.append(
                f"{100 * share:.1f} % of the bright side is saturated at {bright.max():g}: the MTF is not reliable"
            )
        share = _clipped(dark, bright, top=False)
        if share:
            found.append(f"{100 * share:.1f} % of the dark side is clipped at {dark.min():g}: the MTF is not reliable")
        share = max(_outlying(left), _outlying(right))
        if share:
            found.append(f"{100 * share:.2f} % of the pixels lie far outside the noise: replace bad pixels first")
        step = abs(float(np.median(bright)) - float(np.median(dark)))
        noise = max(_noise(bright), _noise(dark)) / step if step else 0.0
        if 1 / snr > max(UNEVEN_STEP, UNEVEN_NOISE * noise):
            found.append(
                f"the sides vary along the edge by {100 / snr:.0f} % of the step, far above their noise: another "
                "structure in the region, or an uneven field"
            )
        if found:
            break
    return found


def _outlying(side: NDArray[Any]) -> float:
    """Share of pixels beyond 8 robust standard deviations of the difference to both neighbours in their column."""
    value = side.astype(np.float64)
    change = value[1:-1] - (value[2:] + value[:-2]) / 2
    spread = 1.4826 * float(np.median(np.abs(change)))
    share = float((np.abs(change) > 8 * spread).mean() / 3) if spread > 0 else 0.0
    return share if 2e-4 < share < 5e-3 and spread > 1e-4 * float(np.ptp(value)) else 0.0


def _noise(side: NDArray[Any]) -> float:
    """Robust pixel noise far from the edge, from second differences down the rows."""
    change = np.diff(side[:, side.shape[1] // 2 :].astype(np.float64), 2, axis=0)
    return float(1.4826 * np.median(np.abs(change)) / np.sqrt(6)) if change.size else 0.0


def _clipped(side: NDArray[Any], other: NDArray[Any], *, top: bool) -> float:
    """Share of a plateau on its extreme value, if its noise or that of the other side says it should not be."""
    extreme = side.max() if top else side.min()
    at = float((side == extreme).mean())
    if side.dtype.kind in "ui" and top and extreme == np.iinfo(side.dtype).max and at > 1e-3:
        return at
    if at < 0.02:
        return 0.0
    step = abs(float(np.median(side)) - float(np.median(other)))
    least = 0.7 if side.dtype.kind in "ui" else 1e-4 * step
    if at > 0.5 and _noise(side) < least:
        return at if top and _noise(other) > 3 * least else 0.0
    if _noise(side) < least:
        return 0.0
    rest = side[side != extreme]
    if rest.size == 0:
        return at
    neighbour = rest.max() if top else rest.min()
    return at if float((side == neighbour).mean()) < 0.3 * at else 0.0


def of_transfer(result: Transfer, projection: Projection, snr: float, half_px: float) -> list[str]:
    """Plateaus, overshoot, asymmetry, noise and sampling."""
    found = []
    if result.slope > 0:
        found.append(
            f"the plateaus are sloped by {100 * result.slope:.1f} % of the step; a straight line was taken off "
            "(correct the flat field)"
        )
    if result.tail > 0.002:
        found.append(f"{100 * result.tail:.1f} % of the line spread lies beyond the half-length and was extrapolated")
    overshoot = _overshoot(projection, result)
    if overshoot > 0:
        found.append(f"the edge response overshoots by {100 * overshoot:.1f} %: the image was sharpened or filtered")
    peak = int(np.argmax(result.mtf))
    if result.mtf[peak] > 1.01 + 3 * result.standard_error[peak]:
        found.append(f"the MTF exceeds 1 (by {result.mtf[peak] - 1:.3f}): the image was sharpened or filtered")
    if result.asymmetry > 0.05:
        found.append(
            f"the line spread is asymmetric ({100 * result.asymmetry:.0f} %): "
            "check that the pixel values are linear, not log-scaled"
        )
    widest = 2 * float(result.standard_error.max())
    if widest > 0.1 or snr < 8:
        found.append(
            f"noise is too high (signal step {snr:.1f} x noise): the band is up to +-{widest:.2f} wide; "
            "average more frames or rows"
        )
    if projection.empty > 0.02:
        found.append(f"{100 * projection.empty:.0f} % of the sub-pixel bins are empty: use more rows or another angle")
    if half_px < 25:
        found.append(f"the half-length is only {half_px:.0f} px: long tails of the line spread are not seen")
    return found


def _overshoot(projection: Projection, result: Transfer) -> float:
    """Largest excess over either plateau, if it stands out of the noise and is above 2 %."""
    few = max(1, round(0.5 / projection.step_px))
    esf = ndimage.uniform_filter1d(result.esf, few, mode="nearest")
    error = np.sqrt(np.maximum(projection.scatter, 0) / np.maximum(projection.count, 1) / few)
    excess = np.maximum(esf - 1, -esf) - 5 * error
    place = int(np.argmax(excess))
    return float(max(esf[place] - 1, -esf[place])) if excess[place] > 0.02 else 0.0
