"""Reasons to distrust an edge measurement, each as one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtri

from coldray.metrology.edge.images import Located
from coldray.metrology.edge.line import EdgeLine
from coldray.metrology.edge.projection import Projection
from coldray.metrology.edge.transfer import Transfer

Sides: TypeAlias = tuple[NDArray[np.number], NDArray[np.number]]

FEW_ROWS = 100
ANGLES_DEG = (0.95, 10.05)
UNEVEN_STEP, UNEVEN_NOISE = 0.01, 5.0  # of the step, and of the noise between rows; correlated noise reaches 2.5
UNEVEN_ALONG = 0.05  # of the step
BOWED_PX = 0.1  # lowers the MTF at Nyquist by 0.4 %
ROUGH_LOSS = 0.006  # of the MTF
LEAST_TAIL, TAIL_NOISE = 0.002, 2.0  # of the line spread, and of its standard error, extrapolated and told
ANTICORRELATED_SD, ANTICORRELATED = 4.0, 0.004  # of neighbouring pixels: what sharpening leaves, and nothing else
COLUMN_NOISE, COLUMN_STEP = 8.0, 0.004  # over independent pixels (correlation over 4 px makes 4), and of the step
LONE_PIXELS = 2e-4  # share that is told
CLIPPED_MEAN = 0.005  # of the step
LEAST_CLIPPED = 0.02
NOISELESS = 1e-4  # of the step; a smaller spread is the foot of the response or rounding, and clipping it does no harm
MOST_CLIPPED, FEWEST_VALUES = 0.95, 50  # beyond these the noise of a clipped side is not known
DITHER = 0.4  # of a grey level: more noise smooths over the levels
FINE_LEVELS, COARSE_LEVELS = 1e-4, 0.005  # of the step: finer levels do no harm; coarser ones are told
LEAST_WIDTH_PX = 0.4
NEIGHBOURS, LEAST_FLAT_PX, THINNED = 4, 16, 8
MEDIAN_ROWS = 4  # every so many rows is enough for the level of a side
NOISY_EDGE = 3.0  # variance at the edge over that beside it; analytic edges 0.6 to 1.7, a 3 x 3 median 6
MODEL_PX = 0.012  # uncertainty of the place of a pixel that sharp edges, undersampled, leave


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


def of_pixels(images: Sequence[Located], sides: Sequence[Sides], snr: float) -> list[str]:
    """Bad pixels, clipping of either plateau, coarse grey levels, and rows that disagree, from the values as read."""
    found = []
    lines = sum(one.lines for one in images)
    if lines:
        found.append(
            f"{lines} rows or columns are dead, or copied or interpolated from their neighbours; they were left out "
            "(give their mask)"
        )
    share = sum(one.singles for one in images) / sum(one.pixels.size for one in images)
    if share > LONE_PIXELS:
        found.append(f"bad pixels: {100 * share:.2f} % lie far outside the noise and were left out (give their mask)")
    for bright, dark in sides:
        share, moved = _clipped(bright, dark, top=True)
        if moved > 0:
            found.append(
                f"{100 * share:.1f} % of the bright side is saturated at {bright.max():g}: the MTF is not reliable"
            )
        share, moved = _clipped(dark, bright, top=False)
        if moved > CLIPPED_MEAN:
            found.append(f"{100 * share:.1f} % of the dark side is clipped at {dark.min():g}: the MTF is not reliable")
        step = abs(_level(bright) - _level(dark))
        noise = max(_noise(bright), _noise(dark)) / step if step else 0.0
        if 1 / snr > max(UNEVEN_STEP, UNEVEN_NOISE * noise):
            found.append(
                f"the sides vary along the edge by {100 / snr:.0f} % of the step, far above their noise: another "
                "structure in the region, or an uneven field"
            )
        if found:
            break
    along = max(one.along for one in images)
    if along > UNEVEN_ALONG:
        found.append(
            f"the sides vary along the edge by {100 * along:.0f} % of the step: an uneven field, whose trend was taken off "
            "(correct the flat field)"
        )
    return found + _of_texture(images, 1 / snr)


def _of_texture(images: Sequence[Located], noise: float) -> list[str]:
    """Sharpening by the noise it leaves, and columns that differ, from the parts of the image beside the edge."""
    beside = [] if noise < NOISELESS else [_beside(one) for one in images]
    if not any(len(two) == 2 for two in beside):
        return []
    parts = [_flat(part) for two in beside for part in two]
    pairs = sum(part.size for part in parts)
    step = float(np.mean([abs(np.subtract(*(part.mean() for part in two))) for two in beside if len(two) == 2]))
    apart, expected = (max(one) for one in zip(*(_columns(part) for part in parts), strict=True))
    if apart > max(COLUMN_NOISE * expected, COLUMN_STEP * step):
        return [
            f"columns differ from their neighbours by {100 * apart / step:.1f} % of the step, far above their noise: the gain "
            "was not corrected; single frequencies may lie outside the band"
        ]
    correlation = sum(part.size * _neighbours(part) for part in parts) / pairs
    if correlation < -max(ANTICORRELATED_SD / np.sqrt(NEIGHBOURS * pairs), ANTICORRELATED):
        return [
            f"the noise of neighbouring pixels is opposed (correlation {correlation:.3f}): the image was sharpened; the MTF "
            "is that of the detector and the filter"
        ]
    return []


def _beside(one: Located) -> list[NDArray[np.float64]]:
    """Rectangles left and right of the edge and of its blur, bad pixels filled."""
    column = one.line.column(np.array([0.0, one.rows[1] - one.rows[0] - 1]))
    away = max(3.0, 4 * one.width_px)
    left, right = int(column.min() - away), int(np.ceil(column.max() + away))
    first, last = max(0, int(column.min() - one.half_px)), int(column.max() + one.half_px)
    parts = one.pixels[:, first : max(left, first)], one.pixels[:, right : max(last, right)]
    return [part for part in parts if min(part.shape) >= LEAST_FLAT_PX]


def _flat(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of a part when its slopes along both axes are taken off."""
    down, across = (np.linspace(-1, 1, n) for n in part.shape)
    tilt = part.mean(axis=1) @ down / (down @ down), part.mean(axis=0) @ across / (across @ across)
    return np.asarray(part - (part.mean() + tilt[1] * across) - (tilt[0] * down)[:, None])


def _neighbours(part: NDArray[np.float64]) -> float:
    """Mean correlation of a pixel with those beside, below and diagonally below it."""

    def product(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
        return float(np.einsum("ij,ij->", first, second))

    across = product(part[:, 1:], part[:, :-1]) + product(part[1:], part[:-1])
    diagonal = product(part[1:, 1:], part[:-1, :-1]) + product(part[1:, :-1], part[:-1, 1:])
    power = product(part, part)
    return (across + diagonal) / NEIGHBOURS / power if power else 0.0


def _columns(part: NDArray[np.float64]) -> tuple[float, float]:
    """Robust difference of the means of neighbouring columns, and what independent pixels would make of it."""
    profile, pixels = np.diff(part.mean(axis=0)), np.diff(part[::THINNED], axis=1)
    found, each = (1.4826 * float(np.median(np.abs(one))) for one in (profile, pixels))
    return found, each / np.sqrt(part.shape[0])


def clipping(sides: Sequence[Sides]) -> float:
    """By how much clipping, where it is slight, has moved the plateaus, over the step."""
    moved = [_clipped(b, d, top=True)[1] + _clipped(d, b, top=False)[1] for b, d in sides]
    return max((one for one in moved if np.isfinite(one)), default=0.0)


def coarseness(images: Sequence[Located], sides: Sequence[Sides]) -> float:
    """Grey level over the step where the noise is too small to smooth over the levels; 0 where it does."""
    largest = 0.0
    for one, (bright, dark) in zip(images, sides, strict=True):
        values = np.unique(one.raw[:: max(1, one.raw.shape[0] // 64)])
        level = float(np.diff(values.astype(np.float64)).min(initial=np.inf))
        if max(_noise(bright), _noise(dark)) < DITHER * level < np.inf:
            step = abs(_level(bright) - _level(dark))
            largest = max(largest, level / step if step else 0.0)
    return largest if largest > FINE_LEVELS else 0.0


def of_levels(level: float) -> list[str]:
    """Coarse grey levels, from `coarseness`."""
    if level < COARSE_LEVELS:
        return []
    return [f"grey levels are {100 * level:.1f} % of the step and wider than the noise: the band holds one level"]


def sides_of(one: Located, half_px: float) -> Sides:
    """Values of the bright and the dark side away from the edge, known bad pixels in their filled form."""
    row = np.arange(one.rows[1] - one.rows[0])
    column = np.rint(one.line.column(row.astype(np.float64))).astype(int)[:, None]
    near, far = min(max(3.0, 4 * one.width_px), half_px / 2), half_px
    offset = np.arange(int(np.ceil(near)), int(far) + 1)
    values = one.raw if one.bad is None else np.where(one.bad, np.abs(one.pixels).astype(one.raw.dtype), one.raw)
    right = values[row[:, None], np.clip(column + offset, 0, values.shape[1] - 1)]
    left = values[row[:, None], np.clip(column - offset, 0, values.shape[1] - 1)]
    return (right, left) if one.rising else (left, right)


def _level(side: NDArray[np.number]) -> float:
    """Median of a side."""
    return float(np.median(side[::MEDIAN_ROWS]))


def _noise(side: NDArray[np.number]) -> float:
    """Robust pixel noise far from the edge, from second differences down the rows."""
    change = np.diff(side[:, side.shape[1] // 2 :: 2].astype(np.float64), 2, axis=0)
    return float(1.4826 * np.median(np.abs(change)) / np.sqrt(6)) if change.size else 0.0


def _clipped(side: NDArray[np.number], other: NDArray[np.number], *, top: bool) -> tuple[float, float]:
    """Share of a plateau on its extreme value, and by how much of the step that moves its mean; infinite if unknown.

    Noise of standard deviation s clipped at c raises the mean by s (phi(z) + z Phi(z)), z = c / s; s follows from the
    values beyond the limit. A bright side all on one value was clipped if the dark side has noise.
    """
    extreme = side.max() if top else side.min()
    at = float((side == extreme).mean())
    if side.dtype.kind in "ui" and top and extreme == np.iinfo(side.dtype.str).max and at > 1e-3:
        return at, np.inf
    if at < LEAST_CLIPPED:
        return 0.0, 0.0
    rest = np.abs(side[side != extreme].astype(np.float64) - float(extreme))
    step = abs(_level(side) - _level(other))
    if rest.size < FEWEST_VALUES or at > MOST_CLIPPED:
        visible = 2.0 if side.dtype.kind in "ui" else 3e-4 * step
        return (at, np.inf) if top and _noise(other) > visible else (0.0, 0.0)
    if float((rest <= np.min(rest) * (1 + 1e-9)).sum()) / side.size > 0.3 * at:
        return 0.0, 0.0  # the next level is as full: grey levels as coarse as the noise
    z = float(ndtri(at))
    sd = float(np.median(rest)) / (float(ndtri(at + (1 - at) / 2)) - z)
    if sd < NOISELESS * step:
        return 0.0, 0.0
    return at, sd * float(np.exp(-z * z / 2) / np.sqrt(2 * np.pi) + z * at) / step


def of_transfer(
    result: Transfer, projection: Projection, snr: float, half_px: float, width_px: float, rough_px: float
) -> list[str]:
    """Straightness, plateaus, overshoot, asymmetry, noise and sampling."""
    found = []
    lost = float(np.max(result.mtf * np.expm1(2 * (np.pi * rough_px * result.frequency_px) ** 2)))
    if lost > ROUGH_LOSS:
        found.append(
            f"the rows lie off a straight edge by {rough_px:.2f} px rms, beyond their noise (rough, wavy, nicked or "
            f"stepped): the MTF is too low by up to {min(lost, 1.0):.2f}; the band reaches up to there"
        )
    elif _noisy_edge(projection, width_px):
        found.append(
            "the noise at the edge is far above that of its sides: a median or another non-linear filter, compression, "
            "or resampling; the MTF and its band are not those of the detector"
        )
    if result.slope > 0 and result.lower > 0:
        found.append(
            f"the plateaus are sloped by {100 * result.slope:.1f} % of the step: an uneven field, or glare that "
            "reaches farther than the half-length; a trend was taken off as for a field, and the band reaches down to "
            "what glare would give (correct the flat field, or choose a wider region)"
        )
    elif result.slope > 0:
        found.append(
            f"the plateaus are sloped by {100 * result.slope:.1f} % of the step: an uneven field, whose trend was "
            "taken off (correct the flat field)"
        )
    if result.tail > max(LEAST_TAIL, TAIL_NOISE * result.tail_noise):
        found.append(f"{100 * result.tail:.1f} % of the line spread lies beyond the half-length and was extrapolated")
    overshoot = _overshoot(projection, result)
    if overshoot > 0:
        found.append(f"the edge response overshoots by {100 * overshoot:.1f} %: the image was sharpened or filtered")
    peak = int(np.argmax(result.mtf))
    if result.mtf[peak] > 1.01 + 3 * result.standard_error[peak]:
        found.append(f"the MTF exceeds 1 (by {result.mtf[peak] - 1:.3f}): the image was sharpened or filtered")
    if result.asymmetry > 0:
        found.append(
            f"the line spread is asymmetric (out of phase: {100 * result.asymmetry:.1f} %): a read-out that lags, a "
            "ghost or a faint second edge, soft saturation or clipping of one side, or pixel values that are not "
            "linear; the MTF is the modulus, right for a read-out alone"
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


def _noisy_edge(projection: Projection, width_px: float) -> bool:
    """True if pixels scatter about the response at the edge far more than on both sides of it."""
    outer = max(1, projection.esf.size // 10)
    beside = max(float(projection.scatter[:outer].mean()), float(projection.scatter[-outer:].mean()))
    core = float(projection.scatter[np.abs(projection.distance_px) < 1.5].max())
    return core - (MODEL_PX / (2 * max(width_px, LEAST_WIDTH_PX))) ** 2 > NOISY_EDGE * beside


def _overshoot(projection: Projection, result: Transfer) -> float:
    """Largest excess over either plateau, if it stands out of the noise and is above 2 %."""
    few = max(1, round(0.5 / projection.step_px))
    esf = ndimage.uniform_filter1d(result.esf, few, mode="nearest")
    error = np.sqrt(np.maximum(projection.scatter, 0) / np.maximum(projection.count, 1) / few)
    excess = np.maximum(esf - 1, -esf) - 5 * error
    place = int(np.argmax(excess))
    return float(max(esf[place] - 1, -esf[place])) if excess[place] > 0.02 else 0.0
