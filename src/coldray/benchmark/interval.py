"""Calibrate the interval of every pixel on objects with known truth, and ask how often it covers other objects'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.frame import Frame
from coldray.plugins import Degradation
from coldray.restoration.even import GatedResult, read
from coldray.restoration.gate_constants import EvenConstants
from coldray.restoration.interval import FEWEST_OBJECTS
from coldray.restoration.interval_width import (
    FEATURES,
    LEAST_SD,
    PARTS,
    IntervalScale,
    Layer,
    features,
    noise_variance,
    scale_parts,
    standardised,
)

if TYPE_CHECKING:
    import torch

    from coldray.restoration.model import Model

Float = NDArray[np.float64]

BORDER_PX = 8
"""Left out of every object: there the truth of a crop holds what the frame did not see."""
EVERY = 3
"""Of an object's pixels, one in how many the width is fitted on: neighbours know the same."""
HIDDEN, UPDATES, BATCH, LEARNING_RATE = 16, 2500, 8192, 5e-3
"""Of the small network behind the width, and of its training."""
LEAST_SPREAD = 1e-3
"""Added to the spread of a feature, which may be the same everywhere."""
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
        See `coldray.restoration.interval_width.PARTS`.
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


def fit_scale(found: Sequence[Errors], share: float = 0.9, updates: int = UPDATES) -> IntervalScale:
    """Fit the width of the interval; its factor is 1 until `conformal` sets it.

    Parameters
    ----------
    found : sequence of Errors
        Every kind of object counts the same, whatever the number of its frames.
    share : float
        Share of the pixels to be covered.
    updates : int
        Of the small network.

    Returns
    -------
    IntervalScale
        The share's conditional quantile of log(|error| / noise) given `coldray.restoration.interval_width.FEATURES`.

    Notes
    -----
    A small network by the pinball loss (Koenker and Bassett, Econometrica 46, 33 (1978)). A quantile goes through the logarithm
    unchanged, and in it errors of every size count alike. Needs torch.
    """
    import torch

    shown = np.concatenate([features(one.parts[:, ::EVERY], one.gate[::EVERY]) for one in found])
    noise = np.concatenate([noise_variance(one.parts[:, ::EVERY]) for one in found])
    error = np.abs(np.concatenate([one.error[::EVERY] for one in found]))
    wanted = np.log(np.maximum(error, LEAST_SD) / np.sqrt(noise))
    of_kind = Counter(one.kind for one in found)
    weight = np.concatenate([np.full(one.error[::EVERY].size, 1.0 / of_kind[one.kind]) for one in found])
    centre, spread = shown.mean(axis=0), shown.std(axis=0) + LEAST_SPREAD
    x = torch.from_numpy(standardised(shown, centre, spread))
    y, w = (torch.from_numpy(values.astype(np.float32)) for values in (wanted, weight / weight.mean()))
    draw = torch.Generator().manual_seed(0)
    net = _network(draw, float(np.quantile(wanted, share)))
    optimiser = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for _ in range(updates):
        at = torch.randint(0, len(y), (BATCH,), generator=draw)
        over = y[at] - net(x[at])[:, 0]
        loss = (w[at] * torch.maximum(share * over, (share - 1) * over)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    layers = tuple(
        Layer(tuple(map(tuple, part.weight.tolist())), tuple(part.bias.tolist()))
        for part in net
        if isinstance(part, torch.nn.Linear)
    )
    return IntervalScale(tuple(centre.tolist()), tuple(spread.tolist()), layers, share=share)


def _network(draw: torch.Generator, start: float) -> torch.nn.Sequential:
    """Two hidden layers that begin with one number everywhere."""
    import torch

    first, second = torch.nn.Linear(len(FEATURES), HIDDEN), torch.nn.Linear(HIDDEN, HIDDEN)
    last = torch.nn.Linear(HIDDEN, 1)
    for layer in (first, second):
        torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=draw)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, start)
    return torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.ReLU(), last)


def conformal(scale: IntervalScale, found: Sequence[Errors], model: Model | None = None) -> IntervalScale:
    """Set the factor on objects that the scale was not fitted on.

    Parameters
    ----------
    scale : IntervalScale
    found : sequence of Errors
        Frames of one object count as one.
    model : Model, optional
        Whose errors these are.

    Raises
    ------
    MeasurementError
        If there are fewer than ten objects, or no factor is enough.

    Notes
    -----
    Conformal risk control (Angelopoulos et al. 2022): the smallest factor for which (n m + 1) / (n + 1) <= 1 - share, m the mean
    over n objects of the share of pixels missed. For a further object drawn like these the expected share that is covered is
    at least `share`. Whoever inspects one kind of object is not helped by others that are easier: the factor is raised until
    m <= 1 - share for every kind of which there are ten objects, too.
    """
    names = sorted({one.name for one in found})
    if len(names) < FEWEST_OBJECTS:
        raise MeasurementError(
            f"{len(names)} objects; at least {FEWEST_OBJECTS} are needed to set the interval's factor"
        )
    ratios: dict[str, list[Float]] = {name: [] for name in names}
    kinds: dict[str, set[str]] = {}
    for one in found:
        ratios[one.name].append(np.sort(np.abs(one.error) / scale.half_width(one.parts, one.gate)))
        kinds.setdefault(one.kind, set()).add(one.name)
    most = 1 - scale.share
    corrected = ((len(names) + 1) * most - 1) / len(names)
    factors = [_least_factor([ratios[name] for name in names], corrected)]
    for some in kinds.values():
        if len(some) >= FEWEST_OBJECTS:
            factors.append(_least_factor([ratios[name] for name in some], most))
    if max(factors) >= LARGEST_FACTOR:
        raise MeasurementError(f"{len(names)} objects are too few for intervals that cover {100 * scale.share:g} %")
    made = replace(scale, factor=max(factors) * scale.factor, objects=len(names))
    if model is None:
        return made
    return replace(made, model_sha256=model.sha256, model_settings_sha256=model.settings_sha256)


def _least_factor(objects: Sequence[Sequence[Float]], missed: float) -> float:
    """The least factor with which no more than a share of the pixels is missed, mean over objects of mean over frames."""
    low, high = 0.0, LARGEST_FACTOR
    for _ in range(40):
        middle = 0.5 * (low + high)
        each = [np.mean([1 - np.searchsorted(r, middle, side="right") / r.size for r in frames]) for frames in objects]
        low, high = (low, middle) if np.mean(each) <= missed else (middle, high)
    return high


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
