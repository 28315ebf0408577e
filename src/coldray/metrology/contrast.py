"""SNR, normalised SNR, CNR and achievable contrast sensitivity in regions of interest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.arrays import Scalar
from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology import flat_checks
from coldray.metrology.inputs import ROUNDING, Images, as_frames, crop, crop_mask, filled, joined_mask, require_signal
from coldray.metrology.strays import without_strays
from coldray.physics.trend import Detrend

REFERENCE_UM = 88.6
"""Side of the square as large as a circle of 100 um: SNR_N refers to it."""
SMALLEST_REGION = 20
GROUP_SIDE = 20
FEWEST_GROUPS = 9
"""Groups from which on the trend of the region is fitted to them, and their median counts."""
MOST_FREEDOM = 394.0
"""Degrees of freedom of a group of white noise."""
ORDINARY = 2.0
"""Mean square of a group over the median up to which its spectrum counts; beyond lie bad pixels."""
LEAST_GOOD = 0.5
"""Share of unmasked pixels that a region, and a group within it, must have."""
NEAR_LIMIT = 1.0

Roi = tuple[int, int, int, int]


@dataclass(frozen=True)
class RegionNoise:
    """Signal and noise of one region.

    Parameters
    ----------
    mean, sd : float
        Mean and standard deviation of the pixels; the trend over the region is in the deviation.
    sd_detrended : float
        Median deviation of 20 x 20 groups after a second-order trend is removed.
    sd_noise : float
        Deviation from the second-order trend of the region: median of 20 x 20 groups, freed of the bias of a median.
    sd_noise_relative : float
        Relative standard uncertainty of `sd_noise`.
    mean_sd : float
        Standard uncertainty of the mean from the noise, correlation included.
    sd_temporal : float or None
        From the difference of frames over sqrt(2), without structure; None for one frame.
    pixels : int
    """

    mean: float
    sd: float
    sd_detrended: float
    sd_noise: float
    sd_noise_relative: float
    mean_sd: float
    sd_temporal: float | None
    pixels: int

    @property
    def snr(self) -> float:
        """Mean over standard deviation of the pixels of one image."""
        return _ratio(self.mean, self.sd)


@dataclass(frozen=True)
class ContrastMeasurement:
    """SNR of a signal region, and CNR against a background region.

    Parameters
    ----------
    signal : RegionNoise
    background : RegionNoise or None
    snr_n : float or None
        Mean over `sd_noise`, times 88.6 um / SRb; None where SRb is not given.
    snr_n_sd : float or None
        Its standard uncertainty from noise; that of SRb comes on top.
    cnr : float or None
        |mean difference| over the root mean square of `sd_noise` of both regions.
    cnr_sd : float or None
        Its standard uncertainty.
    contrast_sensitivity_percent : float or None
        Achievable contrast sensitivity CSa = recess depth / CNR; None where the depth is not given.
    warnings : tuple of str
    """

    signal: RegionNoise
    background: RegionNoise | None
    snr_n: float | None
    snr_n_sd: float | None
    cnr: float | None
    cnr_sd: float | None
    contrast_sensitivity_percent: float | None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure snr`."""
        return {
            "mean": self.signal.mean,
            "sd": self.signal.sd,
            "snr": self.signal.snr,
            "snr_n": self.snr_n,
            "cnr": self.cnr,
            "snr_n_sd": self.snr_n_sd,
            "cnr_sd": self.cnr_sd,
            "sd_noise": self.signal.sd_noise,
            "sd_detrended": self.signal.sd_detrended,
            "snr_detrended": _ratio(self.signal.mean, self.signal.sd_detrended),
            "sd_temporal": self.signal.sd_temporal,
            "contrast_sensitivity_percent": self.contrast_sensitivity_percent,
            "background_mean": None if self.background is None else self.background.mean,
            "background_sd": None if self.background is None else self.background.sd,
            "warnings": list(self.warnings),
        }


def contrast(
    images: Images,
    signal_roi: Roi | None = None,
    background_roi: Roi | None = None,
    *,
    srb_um: float | None = None,
    recess_percent: float | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> ContrastMeasurement:
    """Measure SNR in one region and CNR against another.

    Parameters
    ----------
    images : ndarray (rows, cols) or (frames, rows, cols), Radiograph, or a sequence of them
        Linear intensities; of several frames the first one is measured, and the noise of the pixel from
        frame to frame beside it.
    signal_roi, background_roi : X, Y, W, H [pixels], optional
        The whole image is the signal region by default.
    srb_um : float, optional
        Basic spatial resolution of the detector [um], for SNR_N.
    recess_percent : float, optional
        Depth of a recess (the signal region) in percent of the thickness around it (the background).
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count (bad or replaced); joined with the masks of the radiographs.

    Returns
    -------
    ContrastMeasurement

    Raises
    ------
    MeasurementError
        If a region leaves the image, is masked by more than a half or has fewer than 20 x 20 pixels, if the image
        is inverted, or a number is not positive.

    Notes
    -----
    SNR_N and CNR take the noise about the second-order trend of the region, as the median over groups of 20 x 20
    pixels: neither a trend nor single bad pixels count, and noise that is correlated over a few pixels counts whole.
    `snr` is the mean over the plain deviation.

    Sharpening lowers SRb and raises the noise, smoothing does the reverse, and SNR_N follows either;
    read it beside MTF and detectability.

    References
    ----------
    ASTM E2597/E2597M-22; ISO 17636-2; SNR_N as recalled there: SNR 88.6 um / SRb.
    """
    for name, value in (("srb_um", srb_um), ("recess_percent", recess_percent)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise MeasurementError(f"{name} is {value}; it must be positive")
    require_signal(images)
    mask = joined_mask(images, mask)
    frames, warnings = as_frames(images, mask)
    for roi in (signal_roi,) if background_roi is None else (signal_roi, background_roi):
        mask = _with_strays(frames[0], roi, mask, warnings)
    signal = _region(frames, signal_roi, mask)
    background = None if background_roi is None else _region(frames, background_roi, mask)
    cnr, cnr_sd = None, None
    if background is not None:
        noise = float(np.sqrt((signal.sd_noise**2 + background.sd_noise**2) / 2))
        cnr = _ratio(abs(signal.mean - background.mean), noise)
        relative = np.hypot(signal.sd_noise_relative, background.sd_noise_relative) / 2
        cnr_sd = float(np.hypot(cnr * relative, _ratio(np.hypot(signal.mean_sd, background.mean_sd), noise)))
    level = flat_checks.grey_level(crop(frames[0], signal_roi))
    if signal.sd_noise and level:
        warnings += flat_checks.of_levels(signal.sd_noise / level)
    if signal.sd == 0:
        warnings.append("the signal region has no noise: its SNR is infinite")
    elif signal.sd > 1.5 * signal.sd_detrended:
        warnings.append("half of the deviation in the signal region is trend or structure, not noise")
    if signal.mean <= 0:
        warnings.append("the mean of the signal region is not positive: offset-correct the image")
    sensitivity = None
    if recess_percent is not None:
        if cnr is None:
            raise MeasurementError("contrast sensitivity needs a background region beside the recess")
        sensitivity = _ratio(recess_percent, cnr)
        if cnr < NEAR_LIMIT:
            warnings.append("CNR is below 1: the contrast sensitivity is an extrapolation")
    snr_n = None if srb_um is None else _ratio(signal.mean, signal.sd_noise) * REFERENCE_UM / srb_um
    snr_n_sd = None if snr_n is None else snr_n * signal.sd_noise_relative
    return ContrastMeasurement(signal, background, snr_n, snr_n_sd, cnr, cnr_sd, sensitivity, tuple(warnings))


def _with_strays(
    frame: NDArray[np.number], roi: Roi | None, mask: NDArray[np.bool_] | None, warnings: list[str]
) -> NDArray[np.bool_] | None:
    """The mask with the columns and rows of a region that stand out along its whole length."""
    inside = crop_mask(mask, roi)
    _, found = without_strays(filled(crop(frame, roi).astype(np.float64), inside), inside, warnings)
    if found is inside or found is None:
        return mask
    joined = np.zeros(frame.shape, dtype=bool) if mask is None else mask.copy()
    crop(joined, roi)[...] |= found
    return joined


def _region(frames: list[NDArray[np.number]], roi: Roi | None, mask: NDArray[np.bool_] | None) -> RegionNoise:
    """Signal and noise of the pixels that count in one region of all frames."""
    bad = np.zeros(frames[0].shape, dtype=bool) if mask is None else mask
    good = ~crop(bad, roi)
    cut = np.stack([filled(crop(frame, roi).astype(np.float64), None if mask is None else ~good) for frame in frames])
    rows, cols = cut.shape[1:]
    if rows < SMALLEST_REGION or cols < SMALLEST_REGION:
        raise MeasurementError(
            f"the region is {cols} x {rows} pixels; {SMALLEST_REGION} x {SMALLEST_REGION} is the least"
        )
    if good.mean() < LEAST_GOOD:
        raise MeasurementError(f"{100 * (1 - good.mean()):.0f} % of the region is masked; choose another region")
    side = GROUP_SIDE

    def grouped(image: NDArray[Scalar]) -> NDArray[Scalar]:
        tiles = image[: rows // side * side, : cols // side * side].reshape(rows // side, side, cols // side, side)
        return tiles.swapaxes(1, 2)

    counted = grouped(good)
    residual = Detrend(side)(grouped(cut[0])) * counted
    share = counted.mean(axis=(-2, -1))
    freedom = np.maximum(counted.sum(axis=(-2, -1)) - 6, 1)
    deviation = (np.sum(residual**2, axis=(-2, -1)) / freedom)[share >= LEAST_GOOD]
    temporal = float(np.sqrt(np.mean(np.var(cut, axis=0, ddof=1)[good]))) if len(cut) > 1 else None
    values = cut[0][good]
    detrended = float(np.sqrt(np.median(deviation))) if deviation.size else float(values.std(ddof=1))
    noise, relative, freedom_each = _noise(grouped(cut[0]), counted) or (detrended, 0.0, MOST_FREEDOM)
    relative = relative or 1 / np.sqrt(2 * max(values.size - 6, 1))
    mean = float(values.mean())
    plain, detrended, noise = (
        deviation if deviation > ROUNDING * abs(mean) else 0.0
        for deviation in (float(values.std(ddof=1)), detrended, noise)
    )
    return RegionNoise(
        mean,
        plain,
        detrended,
        noise,
        float(relative),
        float(noise * np.sqrt(side**2 / freedom_each / values.size)),
        temporal,
        values.size,
    )


def _noise(groups: NDArray[np.float64], counted: NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """Noise about the trend of all groups, its relative uncertainty, and the degrees of freedom of one group.

    The trend is a second-order polynomial through the medians of the groups, and groups keep their means: noise with
    a correlation length far below the region then counts whole. Correlation leaves a group fewer degrees of freedom
    k than pixels; they follow from its spectrum, and the median of chi squared over k is (1 - 2/(9k))^3.
    """
    rows, cols, side = groups.shape[:3]
    if rows * cols < FEWEST_GROUPS or min(rows, cols) < 3:
        return None
    y = (np.arange(rows * side) - (rows * side - 1) / 2) / (rows * side)
    x = (np.arange(cols * side) - (cols * side - 1) / 2) / (cols * side)

    def terms(v: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.ones_like(v * u), v + 0 * u, u + 0 * v, v * u, v**2 + 0 * u, u**2 + 0 * v], axis=-1)

    middles = terms(y.reshape(rows, side).mean(axis=1)[:, None], x.reshape(cols, side).mean(axis=1)[None, :])
    level = np.median(groups, axis=(-2, -1))
    fit = np.linalg.lstsq(middles.reshape(-1, 6), level.ravel(), rcond=None)[0]
    trend = (terms(y[:, None], x[None, :]) @ fit).reshape(rows, side, cols, side).swapaxes(1, 2)
    rest = np.where(counted, groups - trend, 0.0)
    share = counted.mean(axis=(-2, -1))
    power = (np.sum(rest**2, axis=(-2, -1)) / np.maximum(counted.sum(axis=(-2, -1)), 1))[share >= LEAST_GOOD]
    typical = float(np.median(power))
    if power.size < FEWEST_GROUPS or typical <= 0:
        return None
    freedom = _freedom(rest[share >= LEAST_GOOD][power <= ORDINARY * typical])
    unbiased = typical / (1 - 2 / (9 * freedom)) ** 3 * power.size * freedom / max(power.size * freedom - 6, 1)
    # The median of n values has pi/2 times the variance of their mean.
    relative = float(np.sqrt(np.pi / 2 * 2 / (freedom * power.size)) / 2)
    return float(np.sqrt(unbiased)), relative, freedom


def _freedom(groups: NDArray[np.float64]) -> float:
    """Degrees of freedom of the mean square of a group: pixels^2 over the sum of rho^2 over all pairs of pixels.

    The correlation rho of the groups is taken up to half of their side; the estimate of n groups scatters, which adds to
    the sum, and the last factor takes it off.
    """
    side = groups.shape[-1]
    half = side // 2
    power = np.mean(np.abs(np.fft.fft2(groups, (2 * side, 2 * side))) ** 2, axis=0)
    covariance = np.fft.ifft2(power).real
    lags = np.arange(-half, half + 1)
    pairs = np.multiply.outer(side - np.abs(lags), side - np.abs(lags))
    rho = covariance[np.ix_(lags, lags)] / covariance[0, 0] * side**2 / pairs
    found = side**4 / float(np.sum(pairs * rho**2)) * (1 + lags.size**2 / side**2 / len(groups))
    return float(np.clip(found, 2.0, MOST_FREEDOM))


def _ratio(a: float, b: float) -> float:
    """Quotient a / b, infinite for b = 0."""
    return a / b if b != 0 else float("inf")
