"""Calibrate the interval of every pixel on objects with known truth, and ask how often it covers other objects'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.frame import Frame
from coldray.plugins import Degradation
from coldray.restoration.even import GatedResult, read
from coldray.restoration.evidence import EvenConstants
from coldray.restoration.interval import FEWEST_OBJECTS, LEAST_SD, PARTS, IntervalScale, scale_parts

Float = NDArray[np.float64]

BORDER_PX = 8
"""Left out of every object: there the truth of a crop holds what the frame did not see."""
ROUNDS = 100
EVERY = 5
"""Of an object's pixels, one in how many the scale is fitted on."""
PLACES = 9
LEAST_IN_PLACE = 100
"""Pixels that a place of the scale needs for a factor of its own."""
LARGEST_FACTOR = 20.0
EDGE_SIGMAS = 5.0
"""Slope of the truth per pixel, in standard deviations of the noise of one pixel, from which it is an edge."""
ORACLE_PX = 3.0
"""Width of the neighbourhood of `Errors.nearby` [pixels]."""
LEAST_SHARE = 0.01
"""Of the pixels, from which a place such as edges is judged by itself."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one restored frame, and what is known of every pixel of it.

    Parameters
    ----------
    name, kind : str
        Of the object; several frames may be of one.
    exposure_s : float
    parts : ndarray, float32, shape (10, pixels)
        See `coldray.restoration.interval.PARTS`.
    gate, error : ndarray, float32, shape (pixels,)
    edge : ndarray of bool, shape (pixels,)
        Where the truth has an edge.
    nearby : ndarray, float32, shape (pixels,)
        Root mean square of the errors around every pixel: what no interval can know.
    promised : bool
        Whether the frame shows the noise that is stated; otherwise `restore` says that the coverage is not known.
    """

    name: str
    kind: str
    exposure_s: float
    parts: NDArray[np.float32]
    gate: NDArray[np.float32]
    error: NDArray[np.float32]
    edge: NDArray[np.bool_]
    nearby: NDArray[np.float32]
    promised: bool = True


def errors_of(
    frame: Frame,
    degradation: Degradation,
    constants: EvenConstants,
    result: NDArray[np.floating],
    truth: NDArray[np.floating],
    *,
    name: str,
    kind: str,
    exposure_s: float,
) -> Errors:
    """Compare a result of a network under the gate with the noise-free sharp image in the blurred detector's response.

    Parameters
    ----------
    frame : Frame
        What was restored.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    constants : EvenConstants
        Of the gate.
    result, truth : ndarray, shape (rows, cols)
    name, kind, exposure_s
        As of `Errors`.
    """
    reading = read(frame, degradation, constants)
    out = np.asarray(result, dtype=np.float32)
    claim = out - (reading.measured + reading.linear)
    gated = GatedResult(out, reading.measured, reading.linear, claim, reading.gate, reading.evidence)
    inner = (slice(BORDER_PX, -BORDER_PX),) * 2
    parts = scale_parts(frame, degradation, gated, constants)[(slice(None), *inner)]
    down, across = np.gradient(np.asarray(truth, dtype=np.float64))
    edge = np.hypot(down, across)[inner] > EDGE_SIGMAS * frame.noise.relative_sd(frame.mean_signal)
    error = (out - truth)[inner].astype(np.float32)
    nearby = np.sqrt(gaussian_filter(np.square(error), ORACLE_PX))
    gate, flat = gated.gate[inner].ravel(), parts.reshape(len(PARTS), -1)
    promised = not reading.evidence.power.warnings()
    return Errors(name, kind, exposure_s, flat, gate, error.ravel(), edge.ravel(), nearby.ravel(), promised)


def fit_scale(found: Sequence[Errors], share: float = 0.9) -> IntervalScale:
    """Fit the scale of the errors; its factor is 1 until `conformal` sets it.

    Parameters
    ----------
    found : sequence of Errors
    share : float
        Share of the pixels to be covered.

    Notes
    -----
    The weights minimise the sum of log s^2 + e^2 / s^2, s^2 = sum w_k f_k (Gaussian errors of variance s^2), by
    multiplicative steps that never raise it. Then the share's quantile of |e| / s along log(s / noise), with the gate shut
    and not.
    """
    # neighbours know the same
    parts = np.concatenate([one.parts[:, ::EVERY] for one in found], axis=1).astype(np.float64)
    error = np.concatenate([one.error[::EVERY] for one in found]).astype(np.float64)
    gate = np.concatenate([one.gate[::EVERY] for one in found])
    unit = np.maximum(parts.mean(axis=1), LEAST_SD**2)
    scaled = parts / unit[:, None]
    squared = error**2
    weights = np.full(len(PARTS), squared.mean() / len(PARTS))
    for _ in range(ROUNDS):
        inverse = 1.0 / np.maximum(weights @ scaled, LEAST_SD**2)
        weights *= np.sqrt(scaled @ (squared * inverse**2) / np.maximum(scaled @ inverse, 1e-30))
    ones = (1.0,) * PLACES
    scale = IntervalScale(tuple((weights / unit).tolist()), tuple(np.arange(float(PLACES))), ones, ones, share=share)
    size, place = scale.scale(parts)
    at = np.quantile(place, np.linspace(0.02, 0.98, PLACES))
    at += 1e-6 * np.arange(PLACES)
    ratio = np.abs(error) / size
    shut, opened = (_factors(place[kept], ratio[kept], at, share) for kept in (gate == 0, gate > 0))
    return replace(scale, places=tuple(at.tolist()), shut=shut, opened=opened)


def _factors(place: Float, ratio: Float, at: Float, share: float) -> tuple[float, ...]:
    """Quantile of a ratio around every place; that of all where a place has few pixels."""
    if not ratio.size:
        return (1.0,) * len(at)
    whole = float(np.quantile(ratio, share))
    bounds = np.concatenate([[-np.inf], 0.5 * (at[1:] + at[:-1]), [np.inf]])
    out = []
    for low, high in pairwise(bounds):
        near = ratio[(place >= low) & (place < high)]
        out.append(float(np.quantile(near, share)) if near.size >= LEAST_IN_PLACE else whole)
    return tuple(out)


def conformal(scale: IntervalScale, found: Sequence[Errors], model_sha256: str = "") -> IntervalScale:
    """Set the factor on objects that the scale was not fitted on.

    Parameters
    ----------
    scale : IntervalScale
    found : sequence of Errors
        Frames of one object count as one.
    model_sha256 : str

    Raises
    ------
    MeasurementError
        If there are fewer than ten objects, or no factor is enough.

    Notes
    -----
    Conformal risk control (Angelopoulos et al. 2022): the smallest factor for which (n m + 1) / (n + 1) <= 1 - share, m the mean
    over n objects of the share of pixels missed. For a further object drawn like these the expected share that is covered is
    at least `share`.
    """
    names = sorted({one.name for one in found})
    if len(names) < FEWEST_OBJECTS:
        raise MeasurementError(
            f"{len(names)} objects; at least {FEWEST_OBJECTS} are needed to set the interval's factor"
        )
    ratios = [np.sort(np.abs(one.error) / scale.half_width(one.parts, one.gate)) for one in found]

    def missed(factor: float) -> float:
        each = [1 - np.searchsorted(r, factor, side="right") / r.size for r in ratios]
        of_object = [np.mean([m for m, one in zip(each, found, strict=True) if one.name == name]) for name in names]
        return float((len(names) * np.mean(of_object) + 1) / (len(names) + 1))

    low, high = 0.0, LARGEST_FACTOR
    if missed(high) > 1 - scale.share:
        raise MeasurementError(f"{len(names)} objects are too few for intervals that cover {100 * scale.share:g} %")
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if missed(middle) <= 1 - scale.share else (middle, high)
    return replace(scale, factor=high * scale.factor, objects=len(names), model_sha256=model_sha256)


def coverage(scale: IntervalScale, found: Sequence[Errors]) -> dict[str, Json]:
    """Coverage and mean width over objects, and the best constant width with the same coverage.

    Parameters
    ----------
    scale : IntervalScale
        Calibrated scale of the interval.
    found : sequence of Errors
        One for each object.

    Returns
    -------
    dict
        ``objects``, ``coverage`` with its standard error ``coverage_se`` over objects, ``width_over_constant``, and ``places``: coverage
        of all pixels at edges, beside them, and where the gate is shut or not, where they are at least 1 % of the pixels.
    """
    widths = [scale.half_width(one.parts, one.gate) for one in found]
    inside = [np.abs(one.error) <= width for one, width in zip(found, widths, strict=True)]
    names = sorted({one.name for one in found})
    shares = np.array([inner.mean() for inner in inside])
    of_object = np.array([np.mean([s for s, one in zip(shares, found, strict=True) if one.name == n]) for n in names])
    every = np.concatenate(inside)
    error = np.abs(np.concatenate([one.error for one in found]))
    width = np.concatenate(widths)
    constant = float(np.quantile(error, every.mean()))
    edge = np.concatenate([one.edge for one in found])
    shut = np.concatenate([one.gate == 0 for one in found])
    places: Mapping[str, NDArray[np.bool_]] = {"edges": edge, "flats": ~edge, "g = 0": shut, "g > 0": ~shut}
    return {
        "objects": len(names),
        "coverage": round(float(of_object.mean()), 4),
        "coverage_se": round(float(of_object.std(ddof=1) / np.sqrt(len(names))), 4) if len(names) > 1 else None,
        "mean_half_width": round(float(width.mean()), 6),
        "width_over_constant": round(float(width.mean() / constant), 3),
        "places": {
            name: {"coverage": round(float(every[at].mean()), 4), "share": round(float(at.mean()), 4)}
            for name, at in places.items()
            if at.mean() >= LEAST_SHARE
        },
    }


def oracle_width(found: Sequence[Errors], share: float = 0.9) -> float:
    """Mean width over the best constant one if the root mean square of the errors around every pixel were known.

    No interval that is calibrated on other objects can know it: what is left is how little the errors vary from place to place.

    Parameters
    ----------
    found : sequence of Errors
        One for each object.
    share : float
        Share of the pixels that the interval is to hold.

    Returns
    -------
    float
    """
    error = np.abs(np.concatenate([one.error for one in found]))
    nearby = np.maximum(np.concatenate([one.nearby for one in found]), LEAST_SD)
    width = nearby * np.quantile(error / nearby, share)
    return round(float(width.mean() / np.quantile(error, share)), 3)
