"""Dark, gain and bad-pixel correction of raw detector frames, and their average."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import ImageError
from coldray.images.averaging import FrameAverage, average_frames
from coldray.images.bad_pixels import BadPixels, classified, find_bad_pixels, replace_bad_pixels
from coldray.images.calibration_frames import (
    exposed_share,
    lone_levels,
    saturated_pixels,
    saturation,
    without_strangers,
)
from coldray.words import percent

ENOUGH_FLATS = 100
"""Flats (and darks) that keep the noise penalty of the correction under 1 % of the variance."""

MANY_BAD, MOST_BAD = 0.01, 0.2
"""Share of bad pixels that no detector has, and above which a corrected image would be made of neighbours."""

Float = NDArray[np.float64]
Frames = NDArray[np.number] | Sequence[NDArray[np.number]]


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
    exposures : tuple of int
        Which of the given exposures of flats are in `level`, in its order.
    """

    dark: Float
    response: Float
    level: Float
    bad_pixels: BadPixels
    noise_penalty: float
    warnings: tuple[str, ...] = ()
    exposures: tuple[int, ...] = ()

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

    def to_json(self) -> dict[str, Json]:
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
    dark_names: Sequence[str] = (),
    flat_names: Sequence[Sequence[str]] = (),
) -> Calibration:
    """Make a calibration from dark frames and flats at one or several exposures.

    Parameters
    ----------
    darks : ndarray (frames, rows, cols) or (rows, cols), or a sequence of images, optional
    flats : the same, for one exposure; or a list of 3-D stacks, one per exposure, optional
    bad_pixels : ndarray of bool, shape (rows, cols), optional
        Known bad pixels, joined to those that are found.
    dark_names : sequence of str, optional
        What each dark frame is called in messages.
    flat_names : sequence of sequences of str, optional
        The same for the flats, one sequence per exposure.

    Returns
    -------
    Calibration

    Raises
    ------
    ImageError
        If nothing is given, shapes differ, a flat is not above dark, the flats are saturated, frames of one role
        do not agree, or more than a fifth of the pixels are bad.

    Notes
    -----
    A frame that does not belong to the others (a dark with the beam on, a flat with an object in it, a single flat of
    another exposure) is left out, with a warning that names it.
    Several exposures give a piecewise-linear response per pixel; use them when the response departs
    from a straight line by over 0.5 %.
    """
    dark_stack = None if darks is None else _stack(darks).astype(np.float64)
    levels = [] if flats is None else _levels(flats)
    known = [] if bad_pixels is None else [np.asarray(bad_pixels, dtype=bool)]
    everything = [*([] if dark_stack is None else [dark_stack]), *levels, *known]
    if not everything:
        raise ImageError("a calibration needs dark frames, flats or a bad-pixel map; none were given")
    shapes = {a.shape[-2:] for a in everything}
    if len(shapes) != 1:
        raise ImageError(f"dark, flat and bad-pixel images must share one shape; found {sorted(shapes)}")
    shape = shapes.pop()
    warnings: list[str] = []
    dark_stack, flat_stacks = _belonging(dark_stack, levels, dark_names, flat_names, warnings)
    dark = np.zeros(shape) if dark_stack is None else dark_stack.mean(axis=0)
    kept = sorted(flat_stacks, key=lambda n: float(flat_stacks[n].mean()))
    levels = [flat_stacks[n] for n in kept]
    means = [level.mean(axis=0) - dark for level in levels]
    if means and not float(np.median(means[0])) > 0:
        raise ImageError("a flat is not brighter than the dark image; are dark and flat swapped?")
    if dark_stack is not None and levels and (lit := exposed_share(dark_stack, levels[-1])) > 0:
        warnings.append(
            f"the dark frames hold {percent(lit)} of the light of the flats, by their pattern and noise: they were taken with the "
            "beam on, or soon after it; take them with the beam off, else every value is off"
        )
    classes = {"known": known[0]} if known else {}
    saturated = np.logical_or.reduce([np.zeros(shape, bool), *(saturated_pixels(level, warnings) for level in levels)])
    if saturated.any():
        classes["saturated"] = saturated
    if dark_stack is not None or levels:
        classes = {**classes, **find_bad_pixels(dark_stack, levels[-1] if levels else None).classes}
    response = np.stack(means) if means else np.zeros((0, *shape))
    if means:
        classes["dead"] = classes["dead"] | ~np.all(np.diff(response, axis=0, prepend=0) > 0, axis=0)
    bad = classified({name: mask for name, mask in classes.items() if name != "neighbourhood"})
    if bad.mask.all():
        raise ImageError("every pixel is bad; the flats hold no usable signal")
    _check_share(bad, warnings)
    level = np.array([m[~bad.mask].mean() for m in means])
    penalty = _penalty(dark_stack, levels, warnings)
    return Calibration(dark, response, level, bad, penalty, tuple(warnings), tuple(kept))


def _penalty(darks: Float | None, levels: list[Float], warnings: list[str]) -> float:
    """Factor on the variance of a corrected frame, and what is missing from the calibration."""
    penalty = 1.0
    for name, stacks in (("flat", levels), ("dark", [] if darks is None else [darks])):
        if stacks:
            fewest = min(len(s) for s in stacks)
            penalty += 1 / fewest
            if fewest < ENOUGH_FLATS:
                warnings.append(f"{fewest} {name} frames add up to {100 / fewest:.1f} % to the noise variance")
    if darks is None:
        warnings.append("no dark frames: the offset was not corrected")
    if not levels:
        warnings.append("no flats: the gain was not corrected")
    return penalty


def _belonging(
    darks: Float | None,
    levels: list[Float],
    dark_names: Sequence[str],
    flat_names: Sequence[Sequence[str]],
    warnings: list[str],
) -> tuple[Float | None, dict[int, Float]]:
    """Dark frames, and flats by the number of their exposure, without those that do not belong to the others."""
    if darks is not None:
        kept, found = without_strangers(darks, "dark", dark_names)
        darks = darks[kept]
        warnings += found
    names = [*flat_names] if len(flat_names) == len(levels) else [()] * len(levels)
    lone = lone_levels([len(level) for level in levels])
    rest: dict[int, Float] = {}
    for n, (level, called) in enumerate(zip(levels, names, strict=True)):
        if n in lone:
            name = called[0] if len(called) == 1 else "one flat"
            warnings.append(
                f"{name} is of another level ({level.mean():.5g}) than the other flats: it was left out; give several "
                "flats of every exposure"
            )
            continue
        kept, found = without_strangers(level, "flat", called)
        rest[n] = level[kept]
        warnings += found
    return darks, rest


def _check_share(bad: BadPixels, warnings: list[str]) -> None:
    """Say when more pixels are bad than detectors have; refuse when the image would be made of neighbours."""
    share = bad.count / bad.mask.size
    if share <= MANY_BAD:
        return
    name, mask = max(bad.classes.items(), key=lambda item: int(np.count_nonzero(item[1])))
    what = f"{100 * share:.3g} % of the pixels are bad (most of them: {name}, {100 * mask.mean():.3g} %)"
    why = "are the flats collimated, saturated, or of another detector?"
    if share > MOST_BAD:
        raise ImageError(f"{what}; at most {100 * MOST_BAD:.0f} % can be replaced: {why}")
    warnings.append(f"{what} and are replaced by their neighbours: {why}")


def apply_calibration(image: NDArray[np.number], calibration: Calibration) -> NDArray[np.float32]:
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
    signal = np.asarray(image - calibration.dark, dtype=np.float64)
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
    stack = _stack(frames)
    warnings = saturation_warning(stack)
    if calibration is None:
        bad = classified({"known": np.zeros(stack.shape[1:], dtype=bool)})
        corrected: Iterable[NDArray[np.number]] = stack
    else:
        bad = calibration.bad_pixels
        warnings.extend(calibration.warnings)
        corrected = (apply_calibration(frame, calibration) for frame in stack)
    average = average_frames(list(corrected), stop=stop, mask=bad.mask)
    return Correction(average.mean, average, bad, (*warnings, *average.warnings))


def saturation_warning(stack: NDArray[np.number]) -> list[str]:
    """Say that raw frames reach the top of the detector's range: after correction nobody can see it any more."""
    share, top = max(saturation(frame) for frame in stack)
    if share == 0:
        return []
    return [f"saturated: {percent(share)} of the pixels of a raw frame are at {top:.6g}; they hold no measurement"]


def _even(signal: Float, response: Float, level: Float) -> Float:
    """Piecewise-linear map of each pixel's response onto the common levels, through zero."""
    out = signal * (level[0] / response[0])
    for low, high, low_level, high_level in zip(response[:-1], response[1:], level[:-1], level[1:], strict=True):
        slope = (high_level - low_level) / (high - low)
        out = np.where(signal > low, low_level + (signal - low) * slope, out)
    return out


def _stack(frames: Frames) -> NDArray[np.number]:
    """Frames as (n, rows, cols); refuses NaN and mixed shapes."""
    arrays = [np.asarray(f) for f in ([frames] if isinstance(frames, np.ndarray) else frames)]
    if not arrays or any(a.ndim not in (2, 3) for a in arrays) or len({a.shape[-2:] for a in arrays}) != 1:
        raise ImageError(f"frames must be images of one shape; found {[a.shape for a in arrays][:4]}")
    stack = np.concatenate([a[None] if a.ndim == 2 else a for a in arrays])
    if stack.dtype.kind not in "uif":
        raise ImageError(f"pixel type {stack.dtype} is not an intensity; integers or floats are needed")
    if stack.dtype.kind == "f" and not np.isfinite(stack).all():
        raise ImageError("a frame holds NaN or infinite pixels")
    return stack


def _levels(flats: Frames | Sequence[Frames]) -> list[Float]:
    """One stack per exposure: a list of 3-D stacks is several exposures, anything else is one."""
    if not isinstance(flats, np.ndarray) and len(flats) > 0 and all(np.ndim(f) == 3 for f in flats):
        return [_stack(level).astype(np.float64) for level in flats]  # type: ignore[arg-type]
    return [_stack(flats).astype(np.float64)]  # type: ignore[arg-type]
