"""Dark, gain and bad-pixel correction of raw detector frames, and their average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.data.averaging import FrameAverage, average_frames
from coldray.data.bad_pixels import BadPixels, classified, find_bad_pixels, replace_bad_pixels
from coldray.errors import ImageError

ENOUGH_FLATS = 100
"""Flats (and darks) that keep the noise penalty of the correction under 1 % of the variance."""

Float = NDArray[np.float64]
Frames = NDArray[Any] | Sequence[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a detector's raw values must lose to become linear and even.

    Parameters
    ----------
    dark : ndarray, shape (rows, cols)
        Mean dark image; zero when none was given.
    response : ndarray, shape (levels, rows, cols)
        Mean flats minus dark, weakest first; may be empty.
    level : ndarray, shape (levels,)
        Target value of each flat: the mean of its good pixels.
    bad_pixels : BadPixels
    noise_penalty : float
        Factor on the variance of a corrected frame: 1 + 1/flats + 1/darks.
    warnings : tuple of str
    """

    dark: Float
    response: Float
    level: Float
    bad_pixels: BadPixels
    noise_penalty: float
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Image shape (rows, cols)."""
        rows, cols = self.dark.shape
        return rows, cols


@dataclass(frozen=True, eq=False)
class Correction:
    """Corrected mean of repeated frames.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, cols)
        In the detector's units above dark.
    average : FrameAverage
        Frames used and their noise.
    bad_pixels : BadPixels
        Pixels that were replaced.
    warnings : tuple of str
    """

    pixels: NDArray[np.float32]
    average: FrameAverage
    bad_pixels: BadPixels
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-able result with the keys of `coldray correct`."""
        average = self.average
        return {
            "frames": average.frames,
            "nsr": average.nsr,
            "nsr_drop": average.nsr_drop,
            "fixed_pattern_nsr": average.fixed_pattern_nsr,
            "temporal_nsr": average.temporal_nsr,
            "enough_frames": average.enough_frames,
            "bad_pixels": self.bad_pixels.count,
            "bad_pixel_classes": self.bad_pixels.to_json(),
            "warnings": list(self.warnings),
        }


def calibrate(
    darks: Frames | None = None,
    flats: Frames | Sequence[Frames] | None = None,
    *,
    bad_pixels: NDArray[np.bool_] | None = None,
) -> Calibration:
    """Make a calibration from dark frames and flats at one or several exposures.

    Parameters
    ----------
    darks : ndarray (frames, rows, cols) or (rows, cols), or a sequence of images, optional
    flats : the same, for one exposure; or a list of 3-D stacks, one per exposure, optional
    bad_pixels : ndarray of bool, shape (rows, cols), optional
        Known bad pixels, joined to those that are found.

    Returns
    -------
    Calibration

    Raises
    ------
    ImageError
        If nothing is given, shapes differ, or a flat is not above dark.

    Notes
    -----
    Several exposures give a piecewise-linear response per pixel; use them when the response departs
    from a straight line by over 0.5 %.
    """
    dark_stack = None if darks is None else _stack(darks)
    levels = [] if flats is None else _levels(flats)
    known = [] if bad_pixels is None else [np.asarray(bad_pixels, dtype=bool)]
    everything = [*([] if dark_stack is None else [dark_stack]), *levels, *known]
    if not everything:
        raise ImageError("a calibration needs dark frames, flats or a bad-pixel map; none were given")
    shapes = {a.shape[-2:] for a in everything}
    if len(shapes) != 1:
        raise ImageError(f"dark, flat and bad-pixel images must share one shape; found {sorted(shapes)}")
    shape = shapes.pop()
    dark = np.zeros(shape) if dark_stack is None else dark_stack.mean(axis=0)
    means = sorted((level.mean(axis=0) - dark for level in levels), key=lambda m: float(m.mean()))
    if means and not float(np.median(means[0])) > 0:
        raise ImageError("a flat is not brighter than the dark image; are dark and flat swapped?")
    brightest = max(levels, key=lambda s: float(s.mean()), default=None)
    classes = {"known": known[0]} if known else {}
    if dark_stack is not None or brightest is not None:
        classes = {**classes, **find_bad_pixels(dark_stack, brightest).classes}
    response = np.stack(means) if means else np.zeros((0, *shape))
    if means:
        classes["dead"] = classes["dead"] | ~np.all(np.diff(response, axis=0, prepend=0) > 0, axis=0)
    bad = classified({name: mask for name, mask in classes.items() if name != "neighbourhood"})
    if bad.mask.all():
        raise ImageError("every pixel is bad; the flats hold no usable signal")
    level = np.array([m[~bad.mask].mean() for m in means])
    warnings: list[str] = []
    penalty = 1.0
    for name, stacks in (("flat", levels), ("dark", [] if dark_stack is None else [dark_stack])):
        if stacks:
            fewest = min(len(s) for s in stacks)
            penalty += 1 / fewest
            if fewest < ENOUGH_FLATS:
                warnings.append(f"{fewest} {name} frames add up to {100 / fewest:.1f} % to the noise variance")
    if dark_stack is None:
        warnings.append("no dark frames: the offset was not corrected")
    if not levels:
        warnings.append("no flats: the gain was not corrected")
    return Calibration(dark, response, level, bad, penalty, tuple(warnings))


def apply_calibration(image: NDArray[Any], calibration: Calibration) -> NDArray[np.float32]:
    """Correct offset, gain and bad pixels.

    Parameters
    ----------
    image : ndarray, shape (rows, cols) or (frames, rows, cols)
        Raw values.
    calibration : Calibration

    Returns
    -------
    ndarray of float32, shape of `image`
        (I - D) mean(F - D) / (F - D) for one flat; with several, linear between the levels of each
        pixel and beyond the last along its last segment. Nothing is clipped.

    Raises
    ------
    ImageError
        If shapes differ.
    """
    if image.shape[-2:] != calibration.shape:
        raise ImageError(f"the image has shape {image.shape[-2:]}, the calibration {calibration.shape}")
    signal = image - calibration.dark
    good = ~calibration.bad_pixels.mask
    if len(calibration.level):
        signal = _even(
            signal, np.where(good, calibration.response, calibration.level[:, None, None]), calibration.level
        )
    return replace_bad_pixels(signal, calibration.bad_pixels.mask) if not good.all() else signal.astype(np.float32)


def correct(frames: Frames, calibration: Calibration | None = None, *, stop: bool = False) -> Correction:
    """Correct frames and average them by the paper's rule.

    Parameters
    ----------
    frames : ndarray (rows, cols) or (frames, rows, cols), or a sequence of (rows, cols)
        Raw frames of one scene at one exposure.
    calibration : Calibration, optional
        None only averages.
    stop : bool
        End the average when the noise-to-signal ratio falls by less than 1 %.

    Returns
    -------
    Correction

    Raises
    ------
    ImageError
        If shapes differ, a pixel is NaN or infinite, or the corrected signal is not positive.

    References
    ----------
    ASTM E2597/E2597M-22; Oh et al., diffusion-inspired deblur model for X-ray detectors.
    """
    stack = _stack(frames, dtype=None)
    warnings: list[str] = []
    if calibration is None:
        bad = classified({"known": np.zeros(stack.shape[1:], dtype=bool)})
        corrected: Any = stack
    else:
        bad = calibration.bad_pixels
        warnings.extend(calibration.warnings)
        corrected = (apply_calibration(frame, calibration) for frame in stack)
    average = average_frames(list(corrected), stop=stop, mask=bad.mask)
    return Correction(average.mean, average, bad, (*warnings, *average.warnings))


def _even(signal: Float, response: Float, level: Float) -> Float:
    """Piecewise-linear map of each pixel's response onto the common levels, through zero."""
    out = signal * (level[0] / response[0])
    for low, high, low_level, high_level in zip(response[:-1], response[1:], level[:-1], level[1:], strict=True):
        slope = (high_level - low_level) / (high - low)
        out = np.where(signal > low, low_level + (signal - low) * slope, out)
    return out


def _stack(frames: Frames, dtype: Any = np.float64) -> NDArray[Any]:
    """Frames as (n, rows, cols); refuses NaN and mixed shapes."""
    arrays = [np.asarray(f) for f in ([frames] if isinstance(frames, np.ndarray) else frames)]
    if not arrays or any(a.ndim not in (2, 3) for a in arrays) or len({a.shape[-2:] for a in arrays}) != 1:
        raise ImageError(f"frames must be images of one shape; found {[a.shape for a in arrays][:4]}")
    stack = np.concatenate([a[None] if a.ndim == 2 else a for a in arrays])
    if stack.dtype.kind not in "uif":
        raise ImageError(f"pixel type {stack.dtype} is not an intensity; integers or floats are needed")
    if stack.dtype.kind == "f" and not np.isfinite(stack).all():
        raise ImageError("a frame holds NaN or infinite pixels")
    return stack if dtype is None else stack.astype(dtype)


def _levels(flats: Frames | Sequence[Frames]) -> list[Float]:
    """One stack per exposure: a list of 3-D stacks is several exposures, anything else is one."""
    if not isinstance(flats, np.ndarray) and len(flats) > 0 and all(np.ndim(f) == 3 for f in flats):
        return [_stack(level) for level in flats]  # type: ignore[arg-type]
    return [_stack(flats)]  # type: ignore[arg-type]
