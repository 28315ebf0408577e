"""What a panel remembers: image lag in the frames after the beam, and burn-in of a long exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.arrays import Scalar
from coldray.errors import MeasurementError
from coldray.metrology.panel.figure import Figure, with_sd

LAG, BURN_IN = "image lag", "burn-in"
LATER_S = 60.0
RIM_PX = 24
"""What is left out along the shadow of a plate and the border of the panel [px]."""
BLOCK_PX = 24
FEWEST_BLOCKS = 6

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lag:
    """Signal left after the beam went off.

    Parameters
    ----------
    time_s : ndarray, shape (n,)
        Middle of every frame, from the end of the exposure.
    left : ndarray, shape (n,)
        Mean signal as a share of that in the beam.
    left_sd : float
        Standard uncertainty of every value.
    figures : tuple of Figure
        First frame and 60 s, in percent.
    """

    time_s: Float
    left: Float
    left_sd: float
    figures: tuple[Figure, ...]


def image_lag(
    exposed: NDArray[np.number],
    after: NDArray[np.number],
    frame_time_s: float,
    *,
    offset_sd: float = 0.0,
    mask: Mask | None = None,
) -> Lag:
    """Image lag from corrected frames in the beam and after it.

    Parameters
    ----------
    exposed : ndarray, shape (frames, rows, cols)
        Last frames of the exposure, in equilibrium.
    after : ndarray, shape (frames, rows, cols)
        The frames that follow the end of the beam without a gap.
    frame_time_s : float
        Time from frame to frame [s].
    offset_sd : float
        Standard uncertainty of the mean offset of a frame [signal].
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    Lag

    Raises
    ------
    MeasurementError
        If there is no signal in the beam, no frame after it, or the frame time is not positive.

    References
    ----------
    ASTM E2597/E2597M-22, image lag, as its public preview and literature describe it.
    """
    if not frame_time_s > 0:
        raise MeasurementError(f"frame_time_s is {frame_time_s}; it must be positive")
    if np.ndim(exposed) != 3 or np.ndim(after) != 3 or len(after) < 2:
        raise MeasurementError("lag needs stacks of frames in the beam and, two or more, after it")
    good = np.ones(np.shape(exposed)[1:], dtype=bool) if mask is None else ~mask
    level = float(np.mean([np.mean(np.asarray(frame, dtype=np.float64)[good]) for frame in exposed]))
    if not level > 0:
        raise MeasurementError(f"the mean signal in the beam is {level:.4g}; correct the offset first")
    means = [float(np.mean(np.asarray(frame, dtype=np.float64)[good])) for frame in after]
    left: Float = np.array(means, dtype=np.float64) / np.float64(level)
    noise = _blocks(np.asarray(after[0], dtype=np.float64) - np.asarray(after[1], dtype=np.float64), good)[1]
    sd = float(np.hypot(noise / np.sqrt(2), offset_sd)) / level
    time: Float = np.asarray((np.arange(len(left)) + 0.5) * frame_time_s, dtype=np.float64)
    figures = [with_sd("lag.first", "image lag, first frame", 100 * float(left[0]), 100 * sd, "%", LAG)]
    if time[-1] >= LATER_S:
        value = 100 * float(np.interp(LATER_S, time, left))
        figures.append(with_sd("lag.60s", "image lag after 60 s", value, 100 * sd, "%", LAG))
    return Lag(time, left, sd, tuple(figures))


def burn_in(
    minutes: float,
    before: NDArray[np.number],
    plate: NDArray[np.number],
    after: NDArray[np.number],
    *,
    mask: Mask | None = None,
) -> Figure:
    """Burn-in: how much more a part of the panel responds that a long exposure hit, beside one that a plate covered.

    Parameters
    ----------
    minutes : float
        Time from the end of the long exposure [min].
    before, after : ndarray, shape (rows, cols)
        Corrected images of the open beam before and after it.
    plate : ndarray, shape (rows, cols)
        Corrected image of the long exposure, with the shadow of the plate.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    Figure
        In percent; the spread of blocks of either part gives the band.

    Raises
    ------
    MeasurementError
        If the plate casts no clear shadow, or either part is too small.

    References
    ----------
    ASTM E2597/E2597M-22, burn-in, as its public preview and literature describe it.
    """
    shadow = np.asarray(plate, dtype=np.float64)
    low, high = (float(q) for q in np.quantile(ndimage.uniform_filter(shadow, 5), [0.05, 0.95]))
    if not high > 2 * max(low, 0.0) or not high > 0:
        raise MeasurementError(
            f"the plate leaves {low:.4g} of {high:.4g}; its shadow must be under a half, and cover at least a tenth"
        )
    usable = np.ones(shadow.shape, dtype=bool)
    usable[:RIM_PX], usable[-RIM_PX:], usable[:, :RIM_PX], usable[:, -RIM_PX:] = False, False, False, False
    ratio = np.asarray(after, dtype=np.float64) / np.maximum(np.asarray(before, dtype=np.float64), 1e-12)
    parts = []
    for where in (shadow > (low + high) / 2, shadow < (low + high) / 2):
        inside = ndimage.binary_erosion(ndimage.binary_opening(where, iterations=3), iterations=RIM_PX) & usable
        if mask is not None:
            inside &= ~mask
        parts.append(_blocks(ratio, inside))
    (hit, hit_sd), (covered, covered_sd) = parts
    value = 100 * (hit / covered - 1)
    sd = 100 * float(np.hypot(hit_sd, covered_sd)) / covered
    return with_sd(f"burn_in.{minutes:g}min", f"burn-in after {minutes:g} min", value, sd, "%", BURN_IN)


def _blocks(image: Float, inside: Mask) -> tuple[float, float]:
    """Mean over blocks that lie mostly inside, and its standard uncertainty from their spread."""
    rows, cols = (n // BLOCK_PX for n in image.shape)
    cut = np.s_[: rows * BLOCK_PX, : cols * BLOCK_PX]

    def grouped(values: NDArray[Scalar]) -> NDArray[Scalar]:
        return values[cut].reshape(rows, BLOCK_PX, cols, BLOCK_PX).swapaxes(1, 2).reshape(-1, BLOCK_PX * BLOCK_PX)

    count = grouped(inside).sum(axis=1)
    used = count > BLOCK_PX * BLOCK_PX / 2
    if used.sum() < FEWEST_BLOCKS:
        raise MeasurementError(
            f"a part of the panel beside the plate's edge holds {int(used.sum())} blocks of {BLOCK_PX} px; "
            f"{FEWEST_BLOCKS} are needed"
        )
    means = grouped(np.where(inside, image, 0.0)).sum(axis=1)[used] / count[used]
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(means.size))
