"""Channelised Hotelling observer: detectability measured on images, for non-linear restorers too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import eval_laguerre

from coldray.document import Json
from coldray.errors import MeasurementError

IMAGES_PER_CHANNEL = 10
BOOTSTRAPS = 200

Float = NDArray[np.float64]


@dataclass(frozen=True)
class HotellingResult:
    """Detectability of a channelised Hotelling observer on held-out images.

    Parameters
    ----------
    d_prime, low, high : float
        Index and its 95 % bootstrap interval over images, training repeated.
    auc : float
        Share of image pairs ranked rightly.
    channels, images : int
        Channels, and images of the smaller class.
    warnings : tuple of str
    """

    d_prime: float
    low: float
    high: float
    auc: float
    channels: int
    images: int
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((n, getattr(self, n)) for n in self.__dataclass_fields__)
        }


def laguerre_gauss_channels(shape: tuple[int, int], width_px: float, count: int = 6) -> Float:
    """Rotation-symmetric channels for compact objects.

    Parameters
    ----------
    shape : (rows, cols)
    width_px : float
        Width a of exp(-pi r^2 / a^2) [pixels]; a Gaussian spot of standard deviation s has a^2 = 2 pi s^2.
    count : int
        Number of orders.

    Returns
    -------
    ndarray, shape (count, rows, cols)
        Each of unit energy, centred in the image.

    References
    ----------
    Barrett and Myers, Foundations of Image Science (2004), 14.3.
    """
    y, x = _grid(shape)
    g = 2 * np.pi * (x**2 + y**2) / width_px**2
    return _unit(np.stack([np.exp(-g / 2) * eval_laguerre(order, g) for order in range(count)]))


def dog_channels(shape: tuple[int, int], count: int = 6, lowest: float = 0.015, ratio: float = 1.6) -> Float:
    """Difference-of-Gaussians channels, octave-like bands from `lowest` [cycles/pixel] upwards.

    Parameters
    ----------
    shape : (rows, cols)
    count : int
    lowest : float
        Standard deviation of the first band in frequency [cycles/pixel].
    ratio : float
        Of one band to the next.

    Returns
    -------
    ndarray, shape (count, rows, cols)

    References
    ----------
    Abbey and Barrett, J. Opt. Soc. Am. A 18 (2001) 473 (sparse and dense DOG).
    """
    y, x = _grid(shape)
    r2 = x**2 + y**2

    def spot(sigma_f: float) -> Float:
        return np.asarray(sigma_f**2 * np.exp(-2 * np.pi**2 * sigma_f**2 * r2))

    return _unit(np.stack([spot(lowest * ratio ** (k + 1)) - spot(lowest * ratio**k) for k in range(count)]))


def gabor_channels(
    shape: tuple[int, int],
    frequencies: ArrayLike = (0.03, 0.06, 0.12, 0.24),
    angles_deg: ArrayLike = (0.0, 45.0, 90.0, 135.0),
    phases: ArrayLike = (0.0,),
) -> Float:
    """Oriented channels for cracks and lines.

    Parameters
    ----------
    shape : (rows, cols)
    frequencies : array_like
        Centre frequencies [cycles/pixel], one octave wide each.
    angles_deg, phases : array_like
        Orientation of the wave vector from x [degrees] and phase [radians]; 0 is even.

    Returns
    -------
    ndarray, shape (frequencies x angles x phases, rows, cols)

    References
    ----------
    Eckstein et al., Med. Phys. 25 (1998) 1393: octave-wide Gabor channels.
    """
    y, x = _grid(shape)
    out: list[Float] = []
    for f in np.atleast_1d(np.asarray(frequencies, dtype=np.float64)):
        width = 0.56 / f
        envelope = np.exp(-4 * np.log(2) * (x**2 + y**2) / width**2)
        for angle in np.radians(np.atleast_1d(np.asarray(angles_deg, dtype=np.float64))):
            wave = 2 * np.pi * f * (x * np.cos(angle) + y * np.sin(angle))
            out.extend(envelope * np.cos(wave + p) for p in np.atleast_1d(np.asarray(phases, dtype=np.float64)))
    return _unit(np.stack(out))


def hotelling_observer(
    present: NDArray[np.number],
    absent: NDArray[np.number],
    channels: Float,
    *,
    bootstraps: int = BOOTSTRAPS,
    rng: np.random.Generator | int = 0,
) -> HotellingResult:
    """Detectability by a channelised Hotelling observer, trained and tested on different images.

    Parameters
    ----------
    present, absent : ndarray, shape (images, rows, cols)
        Images with and without the object, centred on where it is; independent noise.
    channels : ndarray, shape (channels, rows, cols)
    bootstraps : int
        Resamplings of images for the interval.
    rng : Generator or int
        Splits the images and resamples them.

    Returns
    -------
    HotellingResult

    Raises
    ------
    MeasurementError
        If shapes differ or there are too few images to train on (fewer than channels + 2 per half).

    Notes
    -----
    Images are split in half; each half is tested with the template w = K^-1 dv of the other, and the
    two d' = (difference of mean scores) / (root mean variance) are averaged. Held-out d' errs low with
    few images: ten or more images per class and channel are advised.

    References
    ----------
    Barrett and Myers (2004); Gallas and Barrett, J. Opt. Soc. Am. A 20 (2003) 1725.
    """
    generator = np.random.default_rng(rng)
    if present.ndim != 3 or absent.ndim != 3 or present.shape[1:] != absent.shape[1:]:
        raise MeasurementError(
            f"classes need shapes (images, rows, cols) of one size; found {present.shape}, {absent.shape}"
        )
    if channels.ndim != 3 or channels.shape[1:] != present.shape[1:]:
        raise MeasurementError(f"channels have shape {channels.shape}, images {present.shape[1:]}")
    count = len(channels)
    fewest = min(len(present), len(absent))
    if fewest // 2 < count + 2:
        raise MeasurementError(
            f"{fewest} images per class are too few for {count} channels; {2 * (count + 2)} are the least, "
            f"{2 * IMAGES_PER_CHANNEL * count} are advised"
        )
    flat = channels.reshape(count, -1).T
    with_object = generator.permutation(np.asarray(present, dtype=np.float64).reshape(len(present), -1) @ flat)
    without = generator.permutation(np.asarray(absent, dtype=np.float64).reshape(len(absent), -1) @ flat)
    halves = [(half[: len(half) // 2], half[len(half) // 2 :]) for half in (with_object, without)]
    d_prime, auc = _crossed(*halves[0], *halves[1])
    spread = []
    for _ in range(bootstraps):
        again = [tuple(part[generator.integers(len(part), size=len(part))] for part in pair) for pair in halves]
        spread.append(_crossed(*again[0], *again[1])[0])
    low, high = np.quantile(spread, [0.025, 0.975]) if spread else (np.nan, np.nan)
    warnings = []
    if fewest < 2 * IMAGES_PER_CHANNEL * count:
        warnings.append(
            f"{fewest} images per class for {count} channels: d' errs low; use {2 * IMAGES_PER_CHANNEL * count} or more"
        )
    return HotellingResult(d_prime, float(low), float(high), auc, count, fewest, tuple(warnings))


def hotelling_template(present: Float, absent: Float, difference: Float | None = None) -> Float:
    """Template w = K^-1 dv of a channelised Hotelling observer, scaled so that scores have unit variance.

    Parameters
    ----------
    present, absent : ndarray, shape (images, channels)
        Channel outputs to learn from; K is the mean of their covariances.
    difference : ndarray, shape (channels,), optional
        What the object adds to the channels, dv; the difference of the means by default.

    Returns
    -------
    ndarray, shape (channels,)
    """
    scatter = np.atleast_2d((np.cov(present, rowvar=False) + np.cov(absent, rowvar=False)) / 2)
    if difference is None:
        difference = present.mean(axis=0) - absent.mean(axis=0)
    template = np.linalg.pinv(scatter, hermitian=True) @ difference
    return np.asarray(template / np.sqrt(max(float(template @ scatter @ template), 1e-30)))


def crossed_scores(present: Float, absent: Float, features: Float) -> tuple[Float, Float]:
    """Scores of a channelised Hotelling observer, every image with a template learnt on the other half.

    Parameters
    ----------
    present, absent : ndarray, shape (images, rows, cols)
    features : ndarray, shape (channels, rows, cols)
    """
    flat = features.reshape(len(features), -1).T
    yes, no = (part.reshape(len(part), -1).astype(np.float64) @ flat for part in (present, absent))
    scores = [np.empty(len(yes)), np.empty(len(no))]
    for half in (0, 1):
        learn = [part[half::2] for part in (yes, no)]
        # both templates on one scale, so that scores of the two halves may be ranked together
        template = hotelling_template(*learn)
        for score, part in zip(scores, (yes, no), strict=True):
            score[1 - half :: 2] = (part[1 - half :: 2] - learn[1].mean(axis=0)) @ template
    return scores[0], scores[1]


def _crossed(present_a: Float, present_b: Float, absent_a: Float, absent_b: Float) -> tuple[float, float]:
    """Mean d' and AUC of testing each half with the template of the other."""
    results = [_tested(present_a, absent_a, present_b, absent_b), _tested(present_b, absent_b, present_a, absent_a)]
    d_prime, auc = np.mean(results, axis=0)
    return float(d_prime), float(auc)


def _tested(train_present: Float, train_absent: Float, present: Float, absent: Float) -> tuple[float, float]:
    """Index d' and AUC on test channel outputs with the template of the training ones."""
    template = hotelling_template(train_present, train_absent)
    yes, no = present @ template, absent @ template
    noise = np.sqrt((yes.var(ddof=1) + no.var(ddof=1)) / 2)
    d_prime = float((yes.mean() - no.mean()) / noise) if noise > 0 else 0.0
    ordered = np.sort(no)
    rank = np.searchsorted(ordered, yes, side="left") + np.searchsorted(ordered, yes, side="right")
    return d_prime, float(rank.mean() / (2 * no.size))


def _grid(shape: tuple[int, int]) -> tuple[Float, Float]:
    """Pixel coordinates about the image centre, shapes (rows, 1) and (1, cols)."""
    rows, cols = shape
    return np.linspace(-1, 1, rows)[:, None] * (rows - 1) / 2, np.linspace(-1, 1, cols)[None, :] * (cols - 1) / 2


def _unit(channels: Float) -> Float:
    """Channels of unit energy."""
    return np.asarray(channels / np.sqrt(np.sum(channels**2, axis=(1, 2), keepdims=True)))
