"""Shared entrance of the measurements: arrays or radiographs in, checked float64 frames out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.arrays import Scalar
from coldray.errors import ImageError, MeasurementError
from coldray.radiograph import Radiograph
from coldray.words import percent

Images: TypeAlias = NDArray[np.number] | Radiograph | Sequence[NDArray[np.number] | Radiograph]

SATURATED_FRACTION = 1e-3
"""Share of pixels at one common maximum above which an image counts as saturated."""
SPECKLE = 0.15
ROUNDING = 1e-9
"""Part of a mean that is arithmetic, which differs by processor: no deviation up to it is noise, and no amplitude bars."""
LEVELS_APART = 1.1
"""Ratio of two means above which flats are of two exposures."""


def as_frames(images: Images, mask: NDArray[np.bool_] | None = None) -> tuple[list[NDArray[np.number]], list[str]]:
    """Give a list of 2-D frames in their own dtype, and warnings about them.

    Parameters
    ----------
    images : ndarray (rows, cols) or (frames, rows, cols), Radiograph, or a sequence of them
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count; it may then be NaN.

    Returns
    -------
    frames : list of ndarray, each (rows, cols)
        float16 becomes float32, in which every step after this one can count.
    warnings : list of str
        Saturation, data marked as log-scaled.

    Raises
    ------
    ImageError
        If an image is not 2-D or 3-D, not a real number, holds NaN, or frames differ in shape.
    """
    several = [images] if isinstance(images, (np.ndarray, Radiograph)) else list(images)
    frames: list[NDArray[np.number]] = []
    warnings: list[str] = []
    for image in several:
        if isinstance(image, Radiograph):
            if (why := image.acquisition.not_proportional) is not None:
                warnings.append(f"the image is marked as {why}; this measurement needs linear intensities")
        pixels: NDArray[np.number] = np.asarray(image.pixels if isinstance(image, Radiograph) else image)
        if pixels.ndim not in (2, 3) or pixels.size == 0:
            raise ImageError(f"an image is (rows, cols) or (frames, rows, cols); found shape {pixels.shape}")
        if pixels.ndim == 3 and pixels.shape[-1] in (3, 4) and pixels.shape[0] > 4:
            raise ImageError(f"shape {pixels.shape} looks like a colour image; give one intensity channel")
        if pixels.dtype.kind not in "uif":
            raise ImageError(f"pixel type {pixels.dtype} is not an intensity; integers or floats are needed")
        if pixels.dtype == np.float16:
            pixels = pixels.astype(np.float32)
        frames.extend(pixels[None] if pixels.ndim == 2 else pixels)
    if not frames:
        raise ImageError("no image was given")
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        raise ImageError(f"frames differ in shape: {sorted(shapes)}; give frames of one detector")
    if mask is not None and mask.shape != frames[0].shape:
        raise ImageError(f"the mask has shape {mask.shape}, the image {frames[0].shape}")
    for frame in frames:
        if frame.dtype.kind == "f" and not np.all(np.isfinite(frame) if mask is None else np.isfinite(frame) | mask):
            raise ImageError("the image holds NaN or infinite pixels; correct or mask them first")
    saturated = max(
        saturated_fraction(frame if mask is None else np.where(mask, frame[~mask].min(), frame)) for frame in frames
    )
    if saturated > SATURATED_FRACTION:
        warnings.append(f"saturated: {percent(saturated)} of the pixels share the largest value")
    return frames, warnings


def joined_mask(images: Images, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Join what is not to count: the given mask, and what the radiographs know of themselves.

    Raises
    ------
    ImageError
        If shapes differ, or no pixel is left.
    """
    several = [images] if isinstance(images, (np.ndarray, Radiograph)) else list(images)
    found = [image.mask for image in several if isinstance(image, Radiograph) and image.mask is not None]
    found += [] if mask is None else [np.asarray(mask, dtype=bool)]
    if not found:
        return None
    if len({one.shape for one in found}) > 1:
        raise ImageError(f"masks differ in shape: {sorted({one.shape for one in found})}")
    joined = np.logical_or.reduce(found)
    if joined.all():
        raise ImageError("every pixel is masked (bad, replaced or padding); nothing is left to measure")
    return joined if joined.any() else None


def require_signal(images: Images) -> None:
    """Refuse inverted data where a measurement divides by the signal: where their zero lies is not known.

    Raises
    ------
    MeasurementError
    """
    several = [images] if isinstance(images, (np.ndarray, Radiograph)) else list(images)
    if any(isinstance(image, Radiograph) and image.acquisition.inverted for image in several):
        raise MeasurementError(
            "the image is inverted (values fall as the X-ray intensity rises), and nothing says where its zero is; "
            "export it so that values rise with the intensity"
        )


def as_frame(
    image: NDArray[np.number] | Radiograph, mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], list[str]]:
    """Give one float64 image; a stack is averaged, masked pixels are filled. Raises like `as_frames`."""
    frames, warnings = as_frames(image, mask)
    if len(frames) == 1:
        return filled(frames[0].astype(np.float64), mask), warnings
    mean = np.asarray(np.mean(frames, axis=0, dtype=np.float64))
    return filled(mean, mask), [*warnings, f"measured on the mean of {len(frames)} frames"]


def filled(image: NDArray[np.float64], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Put the weighted mean of good neighbours where an image is masked, so that targets can be looked for."""
    if mask is None:
        return image
    good = np.where(mask, 0.0, image)
    weight = scipy.ndimage.gaussian_filter((~mask).astype(np.float64), 1.0)
    mean = scipy.ndimage.gaussian_filter(good, 1.0) / np.maximum(weight, 1e-300)
    nearest = scipy.ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    return np.where(mask, np.where(weight > 0.01, mean, good[tuple(nearest)]), image)


def saturated_fraction(frame: NDArray[np.number]) -> float:
    """Share of pixels at the largest value, where that value looks like a limit.

    An integer image has a limit at 2^n - 1; elsewhere a cut-off noise leaves speckle at the top, while
    the even background of an ideal image does not.
    """
    if frame.size == 0 or frame.max() == frame.min():
        return 0.0
    top = frame == frame.max()
    share = float(np.count_nonzero(top)) / frame.size
    if share <= SATURATED_FRACTION:
        return share
    highest = int(frame.max()) if frame.dtype.kind in "ui" else 0
    if highest > 0 and highest & (highest + 1) == 0:
        return share
    if frame.ndim != 2 or np.count_nonzero(frame == frame[~top].max()) > 2 * np.count_nonzero(top):
        return 0.0  # the next level is fuller: few grey levels, not a limit
    edge = top[:, :-1] & ~top[:, 1:]
    return share if np.count_nonzero(edge) > SPECKLE * np.count_nonzero(top) else 0.0


def crop(image: NDArray[Scalar], roi: tuple[int, int, int, int] | None) -> NDArray[Scalar]:
    """Cut the region X, Y, W, H [pixels]; raises MeasurementError when it leaves the image."""
    if roi is None:
        return image
    x, y, width, height = (int(n) for n in roi)
    rows, cols = image.shape[-2:]
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > cols or y + height > rows:
        raise MeasurementError(f"ROI {x},{y},{width},{height} (X,Y,W,H) leaves the image of {cols} x {rows} pixels")
    return image[..., y : y + height, x : x + width]


def crop_mask(mask: NDArray[np.bool_] | None, roi: tuple[int, int, int, int] | None) -> NDArray[np.bool_] | None:
    """Cut the same region out of a mask, if there is one."""
    return None if mask is None else crop(mask, roi)


def check_pitch(pixel_pitch_mm: float) -> float:
    """Pixel pitch [mm] as a positive finite float, or MeasurementError."""
    if not (np.isfinite(pixel_pitch_mm) and pixel_pitch_mm > 0):
        raise MeasurementError(f"pixel pitch is {pixel_pitch_mm} mm; it must be positive")
    return float(pixel_pitch_mm)


def pages(images: Sequence[Radiograph]) -> list[Radiograph]:
    """Every page of every image as an image of its own."""
    return [
        image if image.pixels.ndim == 2 else image.with_pixels(page)
        for image in images
        for page in ([image.pixels] if image.pixels.ndim == 2 else image.pixels)
    ]


def by_level(frames: Sequence[Radiograph], offset: float = 0.0) -> list[list[Radiograph]]:
    """Group flats of several exposures by their mean above an offset, weakest first; 10 % apart is another level."""
    groups: list[list[Radiograph]] = []
    begins = 0.0
    means = [float(np.mean(f.pixels, dtype=np.float64)) - offset for f in frames]
    for mean, frame in sorted(zip(means, frames, strict=True), key=lambda item: item[0]):
        if not groups or mean > LEVELS_APART * begins:
            groups.append([])
            begins = mean
        groups[-1].append(frame)
    return groups
