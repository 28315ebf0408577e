"""Repeated frames of one scene: their mean, laid on each other where they moved, and what changes from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import ImageError, MeasurementError
from coldray.images.averaging import average_frames
from coldray.images.registration import SMALLEST_PX, Registration, register, resample
from coldray.images.scale import ROUNDING_VARIANCE
from coldray.radiograph import Acquisition, Radiograph, Step

BLOCK_PX = 32
"""Side of the blocks in which the power of differences is measured; a small image has smaller ones."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ChangingPower:
    """Power that changes from frame to frame, block by block.

    Parameters
    ----------
    signal : ndarray, shape (blocks,)
        Mean of every block [stored values].
    power : ndarray, shape (blocks, n, n)
        Mean power of the cosine spectrum of one frame's changing part [stored values squared, pixel^2].
    frames : int
        Frames it was measured on.
    rounding : float
        Variance that rounding adds to the mean [stored values squared].
    """

    signal: Float
    power: Float
    frames: int
    rounding: float = 0.0


@dataclass(frozen=True, eq=False)
class Repeats:
    """Mean of repeated frames as one radiograph.

    Parameters
    ----------
    image : Radiograph
        The mean, in the frames' units and type; its acquisition counts all frames, its history says "average".
    changing : ChangingPower
    moved : tuple of Registration
        Where every frame lies on the first.
    warnings : tuple of str
    """

    image: Radiograph
    changing: ChangingPower
    moved: tuple[Registration, ...]
    warnings: tuple[str, ...]


def average_repeats(images: Sequence[Radiograph]) -> Repeats:
    """Average repeated frames of one scene; frames that moved are registered to the first one.

    Parameters
    ----------
    images : sequence of Radiograph
        Frames or stacks of one scene at one exposure, of one shape and type; two frames or more in all.

    Returns
    -------
    Repeats
        Where frames moved, the mean holds the part that all of them show.

    Raises
    ------
    ImageError
        If there is one frame only, frames differ in shape, type or acquisition, pixels are not finite, or frames moved so
        far that they share no part.

    Notes
    -----
    A difference of frames in turn holds their noise alone: neither the object nor a fixed pattern. It is brought to one
    level first, as tubes drift.
    """
    frames, acquisition = _frames(images)
    moved, warnings = _registered(frames)
    rows, cols = _common(frames[0].shape, moved)
    laid = [
        (frame if place.is_identity else resample(frame, place))[rows, cols]
        for frame, place in zip(frames, moved, strict=True)
    ]
    average = average_frames(laid)
    spectra = _Differences(laid[0].shape)
    for frame in laid:
        spectra.add(np.asarray(frame, dtype=np.float64))
    dtype = frames[0].dtype
    exact = dtype.kind == "f"
    pixels = average.mean.astype(dtype) if exact else np.rint(average.mean).astype(dtype)
    first = images[0]
    details: dict[str, Json] = {
        "frames": len(frames),
        "registered": sum(not place.is_identity for place in moved),
        "nsr": average.nsr,
        "fixed_pattern_nsr": average.fixed_pattern_nsr,
        "temporal_nsr": average.temporal_nsr,
    }
    if details["registered"]:
        details["moved"] = [place.to_dict() for place in moved]
    image = first.with_pixels(pixels, Step("average", details))
    for other in images[1:]:
        image = image.with_mask(other.mask if other.mask is not None and other.mask.shape == pixels.shape else None)
    image = image.with_acquisition(frames=acquisition.frames * len(frames))
    changing = spectra.found(average.mean, 0.0 if exact else ROUNDING_VARIANCE)
    return Repeats(image, changing, moved, (*warnings, *average.warnings))


def _frames(images: Sequence[Radiograph]) -> tuple[list[NDArray[np.number]], Acquisition]:
    """All frames of one shape, type and acquisition."""
    frames = [f for i in images for f in (i.pixels if i.pixels.ndim == 3 else i.pixels[None])]
    if len(frames) < 2:
        raise ImageError(f"an average needs two frames of the scene or more; found {len(frames)}")
    kinds = sorted({f"{f.shape} {f.dtype}" for f in frames})
    if len(kinds) > 1:
        raise ImageError(f"an average needs frames of one shape and pixel type; found {', '.join(kinds)}")
    if any(not np.isfinite(f).all() for f in frames):
        raise ImageError("a frame holds NaN or infinite pixels; correct bad pixels first (coldray correct)")
    for name in (field.name for field in fields(Acquisition)):
        found = {getattr(i.acquisition, name) for i in images}
        if len(found) > 1:
            raise ImageError(
                f"an average needs frames taken alike; {name} differs: {', '.join(sorted(map(str, found)))}"
            )
    return frames, images[0].acquisition


def _registered(frames: list[NDArray[np.number]]) -> tuple[tuple[Registration, ...], list[str]]:
    """Where every frame lies on the first, and frames of which nobody can tell."""
    found, unknown = [Registration()], 0
    level = float(np.mean(frames[0])) or 1.0
    for frame in frames[1:]:
        place = Registration()
        if min(frame.shape) >= SMALLEST_PX:
            try:
                place = register(frame / level, frames[0] / level)
            except MeasurementError:
                unknown += 1
        found.append(place)
    if unknown == 0:
        return tuple(found), []
    return tuple(found), [
        f"{unknown} of {len(frames)} frames show too little beside their noise to be registered; they are averaged as they lie"
    ]


def _common(shape: tuple[int, ...], moved: Sequence[Registration]) -> tuple[slice, slice]:
    """Part that all frames show."""
    seen = [place.seen((shape[0], shape[1])) for place in moved]
    rows, cols = (slice(max(s[axis].start for s in seen), min(s[axis].stop for s in seen)) for axis in (0, 1))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        raise ImageError("the frames moved so far that they share no part; give frames of one scene")
    return rows, cols


class _Differences:
    """Power of the differences of frames in turn, block by block."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._size = min(BLOCK_PX, *shape)
        self._last: Float | None = None
        self._power: Float | float = 0.0
        self._count = 0

    def add(self, frame: Float) -> None:
        """Take in one more frame."""
        if self._last is not None:
            gain = float(np.vdot(self._last, frame)) / max(float(np.vdot(self._last, self._last)), 1e-30)
            changed = self._blocks((frame - gain * self._last) / np.sqrt(1 + gain**2))
            self._power = self._power + scipy.fft.dctn(changed, axes=(1, 2), norm="ortho") ** 2
            self._count += 1
        self._last = frame

    def found(self, mean: NDArray[np.floating], rounding: float) -> ChangingPower:
        """What was measured, beside the mean of all frames."""
        power = np.asarray(self._power / self._count)
        return ChangingPower(
            self._blocks(np.asarray(mean, dtype=np.float64)).mean(axis=(1, 2)), power, self._count + 1, rounding
        )

    def _blocks(self, image: Float) -> Float:
        n = self._size
        rows, cols = (side // n * n for side in image.shape)
        tiles = image[:rows, :cols].reshape(rows // n, n, cols // n, n)
        return np.asarray(tiles.swapaxes(1, 2).reshape(-1, n, n))
