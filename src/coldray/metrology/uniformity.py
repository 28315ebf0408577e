"""Uniformity of a flat: signal and signal-to-noise ratio over the panel, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.arrays import Scalar
from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.inputs import ROUNDING, Images, as_frames, check_pitch, joined_mask, require_signal
from coldray.physics.trend import Detrend

TILE_MM = 10.0
FEWEST_TILES, LEAST_PX = 3, 20
LEAST_GOOD = 0.5

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UniformityMeasurement:
    """Signal and SNR of the tiles of a flat.

    Parameters
    ----------
    tile_px : int
        Side of a tile [px].
    signal, snr : ndarray, shape (rows, cols) of tiles
        NaN where more than half of a tile is masked.
    signal_global, snr_global : float
        (Largest - smallest) over the mean, of all tiles.
    signal_local, snr_local : float
        Largest difference of a tile from the mean of its neighbours, over the mean of all.
    snr_smallest : float
    temporal : bool
        Whether the noise is that from frame to frame, without the fixed pattern.
    warnings : tuple of str
    """

    tile_px: int
    signal: Float
    snr: Float
    signal_global: float
    signal_local: float
    snr_global: float
    snr_local: float
    snr_smallest: float
    temporal: bool
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure uniformity`."""
        return {
            "tile_px": self.tile_px,
            "signal": self.signal.tolist(),
            "snr": self.snr.tolist(),
            "signal_global": self.signal_global,
            "signal_local": self.signal_local,
            "snr_global": self.snr_global,
            "snr_local": self.snr_local,
            "snr_smallest": self.snr_smallest,
            "noise": "temporal" if self.temporal else "of one image",
            "warnings": list(self.warnings),
        }


def uniformity(
    images: Images, pixel_pitch_mm: float, *, tile_mm: float = TILE_MM, mask: NDArray[np.bool_] | None = None
) -> UniformityMeasurement:
    """Signal and SNR over the panel.

    Parameters
    ----------
    images : ndarray (rows, cols) or (frames, rows, cols), Radiograph, or a sequence of them
        Corrected flats of one exposure. Of several frames the signal is that of their mean, the noise that from frame to
        frame.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    tile_mm : float
        Side of the tiles [mm]; smaller where the panel holds fewer than 3 x 3 of them.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count; joined with the masks of the radiographs.

    Returns
    -------
    UniformityMeasurement

    Raises
    ------
    MeasurementError
        If the image is smaller than 3 x 3 tiles of 20 pixels, or has no positive signal.

    References
    ----------
    AAPM Report 150, signal and SNR non-uniformity, as literature describes it.
    """
    pitch = check_pitch(pixel_pitch_mm)
    if not (np.isfinite(tile_mm) and tile_mm > 0):
        raise MeasurementError(f"tile_mm is {tile_mm}; it must be positive")
    require_signal(images)
    mask = joined_mask(images, mask)
    frames, warnings = as_frames(images, mask)
    rows, cols = frames[0].shape
    side = int(min(max(round(tile_mm / pitch), LEAST_PX), min(rows, cols) // FEWEST_TILES))
    if side < LEAST_PX:
        raise MeasurementError(
            f"the image has {cols} x {rows} pixels; {FEWEST_TILES} x {FEWEST_TILES} tiles of {LEAST_PX} px are the least"
        )
    if side * pitch < 0.9 * tile_mm:
        warnings.append(
            f"tiles of {side * pitch:.3g} mm in place of {tile_mm:.3g} mm: the panel holds too few of those"
        )
    good = _tiles(np.ones((rows, cols), dtype=bool) if mask is None else ~mask, side)
    share = good.mean(axis=(-2, -1))
    counted = np.where(share >= LEAST_GOOD, good.sum(axis=(-2, -1)), np.nan)
    stack = np.stack([np.where(good, _tiles(frame.astype(np.float64), side), 0.0) for frame in frames])
    level = stack.sum(axis=(0, -2, -1)) / len(frames) / counted
    if not np.nanmin(level) > 0:
        raise MeasurementError("a tile has no positive signal; correct the offset, and give a flat")
    temporal = len(frames) > 1
    if temporal:
        variance = stack.var(axis=0, ddof=1).sum(axis=(-2, -1)) / counted
    else:
        rest = Detrend(side)(np.where(good, stack[0], level[..., None, None])) * good
        variance = np.sum(rest**2, axis=(-2, -1)) / np.maximum(counted - 6, 1)
    if not np.nanmin(variance / level**2) > ROUNDING**2:
        raise MeasurementError("a tile has no noise; a flat of a detector has")
    snr = level / np.sqrt(variance)
    return UniformityMeasurement(
        side, level, snr, _spread(level), _local(level), _spread(snr), _local(snr), float(np.nanmin(snr)), temporal,
        tuple(warnings),
    )  # fmt: skip


def _tiles(image: NDArray[Scalar], side: int) -> NDArray[Scalar]:
    """Whole tiles around the centre, shape (rows, cols, side, side)."""
    rows, cols = (n // side for n in image.shape)
    top, left = (image.shape[0] - rows * side) // 2, (image.shape[1] - cols * side) // 2
    cut = image[top : top + rows * side, left : left + cols * side]
    return cut.reshape(rows, side, cols, side).swapaxes(1, 2)


def _spread(tiles: Float) -> float:
    return float((np.nanmax(tiles) - np.nanmin(tiles)) / np.nanmean(tiles))


def _local(tiles: Float) -> float:
    """Largest difference of a tile from the mean of the neighbours it has, over the mean."""
    known = ~np.isnan(tiles)
    kernel = np.ones((3, 3))
    kernel[1, 1] = 0
    total = ndimage.convolve(np.where(known, tiles, 0.0), kernel, mode="constant")
    count = ndimage.convolve(known.astype(np.float64), kernel, mode="constant")
    off = np.abs(tiles - total / np.maximum(count, 1))[known & (count > 0)]
    return float(off.max() / np.nanmean(tiles)) if off.size else 0.0
