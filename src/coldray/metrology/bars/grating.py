"""Phase-free harmonic fit of one bar group at any tilt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldray.errors import MeasurementError

HIGHEST_HARMONIC = 2.5
"""Harmonics are fitted up to this frequency [cycles/pixel] as long as the tilt keeps them apart."""
WORST_CONDITION = 30.0
DEGENERATE = 8.0
"""Condition of cosine and sine of the fundamental from which on the samples do not tell phase from amplitude: bars
near two pixels, along the grid, of which less than a fifth of a beat is seen."""
FEWEST_PERIODS = 1.4
SIGNIFICANT = 3.0
"""Amplitude of a harmonic over its standard error that lets it count."""
SIGNIFICANT_TAPER = 6.0
"""Change of the period along the bars over its standard uncertainty that counts."""
UNSEEN = 3.0
"""Mean square of what is left out with a harmonic below `SIGNIFICANT`, over that of its error."""
COLOUR_CYCLES = (2, 3, 4)
"""Distance of the places where noise is read from the wave vector [cycles over the group]."""
DIFFERENT = 0.2
"""Relative distance of two frequencies that are worth a fit each."""
CURVED = ((4.5, 4), (2.4, 2))
"""Degree of the slow variation across the bars from so many periods on."""

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Grating:
    """Fitted group: wave vector (v, u) [cycles/pixel], Fourier series of the profile, and its noise.

    `cosine` and `sine` belong to `order` and to phases counted from `origin` (row, column); `mean` is the
    level about which they swing. `colour` is the noise of an amplitude near the wave vector over that of white
    noise of the same deviation. `span` holds the extent across the bars and `periods` the part used
    [periods]. `taper` is the relative change of the frequency from end to end of the bars.
    """

    wave: tuple[float, float]
    mean: float
    order: NDArray[np.int64]
    cosine: Float
    sine: Float
    amplitude_sd: float
    residual_sd: float
    colour: float
    span: float
    periods: float
    origin: tuple[float, float]
    taper: float
    taper_sd: float

    @property
    def frequency(self) -> float:
        """Bar frequency [cycles/pixel]."""
        return float(np.hypot(*self.wave))

    @property
    def amplitude(self) -> Float:
        """Amplitude of every fitted harmonic."""
        return np.hypot(self.cosine, self.sine)

    @property
    def seen(self) -> Mask:
        """Harmonics that stand out of the noise, the fundamental always among them."""
        return np.asarray((self.order == 1) | (self.amplitude > SIGNIFICANT * self.amplitude_sd))

    @property
    def extreme_sd(self) -> float:
        """Standard uncertainty of half the distance of the extremes, from noise as it is near the bar frequency.

        The first odd harmonic that the noise hides may be up to three times its error and is left out of the extremes.
        """
        hidden = UNSEEN if np.any(~self.seen & (self.order % 2 == 1)) else 0.0
        return float(self.amplitude_sd * self.colour * np.sqrt(np.count_nonzero(self.seen) + hidden))

    def profile(self, phase: Float) -> Float:
        """Oversampled profile at phases [periods], from the harmonics that are seen."""
        angle = 2 * np.pi * np.outer(phase, self.order[self.seen])
        return np.asarray(self.mean + np.cos(angle) @ self.cosine[self.seen] + np.sin(angle) @ self.sine[self.seen])

    @property
    def tapered(self) -> float:
        """Share of the fundamental that is lost to bars that are not parallel, 0 within the noise."""
        if abs(self.taper) < SIGNIFICANT_TAPER * self.taper_sd:
            return 0.0
        return float((np.pi * self.periods * self.taper) ** 2 / 72)

    @property
    def alias(self) -> Grating:
        """The finer bars beyond Nyquist that have the same samples: one sampling frequency away."""
        v, u = self.wave
        wave = (v - np.copysign(1.0, v), u) if abs(v) > abs(u) else (v, u - np.copysign(1.0, u))
        finer = float(np.hypot(*wave)) / self.frequency
        return replace(self, wave=wave, span=self.span * finer, periods=self.periods * finer)

    @property
    def extremes(self) -> tuple[float, float]:
        """Smallest and largest value of the profile at the middle of space and bar.

        Noise moves a plain maximum outwards, so values are read at the phase of the fundamental,
        where a symmetric bar has its middle.
        """
        start = np.arctan2(self.sine[0], self.cosine[0]) / (2 * np.pi)
        top, bottom = self.profile(np.array([start, start + 0.5]))
        return float(min(top, bottom)), float(max(top, bottom))


def fit_grating(image: Float, mask: Mask, most_pixels: int = 60_000) -> Grating:
    """Fit the bars under a mask that covers them from the first to the last.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    mask : ndarray of bool, same shape
        One group.
    most_pixels : int
        Larger groups are fitted on that many pixels, drawn evenly.

    Returns
    -------
    Grating

    Raises
    ------
    MeasurementError
        If fewer than two periods lie under the mask, or no grating stands out.
    """
    y, x = (a.astype(np.float64) for a in np.nonzero(mask))
    values = image[mask]
    if values.size > most_pixels:
        drawn = np.random.default_rng(0).permutation(values.size)[:most_pixels]
        y, x, values = y[drawn], x[drawn], values[drawn]
    fits, failed = [], None
    for wave in _candidates(image, mask):
        try:
            fits.append(_fit(y, x, values, wave))
        except MeasurementError as error:
            failed = failed or error
    if not fits:
        raise failed or MeasurementError("no grating stands out in the region")
    return max(fits, key=lambda g: g.amplitude[0] / max(g.residual_sd, 1e-9 * abs(g.mean), 1e-300))


def _fit(y: Float, x: Float, values: Float, wave: tuple[float, float]) -> Grating:
    """Grating near a first wave vector."""
    wave = _refined(y, x, values, wave)
    inner, periods = _inner(y, x, wave)
    if periods < FEWEST_PERIODS or np.count_nonzero(inner) < 50:
        raise MeasurementError("fewer than two bar periods in the region; a CTF needs three or more bars")
    wave = _refined(y[inner], x[inner], values[inner], wave)
    inner, periods = _inner(y, x, wave)
    return _series(y[inner], x[inner], values[inner], wave, periods)


def _candidates(image: Float, mask: Mask) -> list[tuple[float, float]]:
    """Wave vectors of the strongest oscillation under the mask, on a padded DFT.

    The second one is looked for without the slow fall towards the ends of the group, which on screens
    with long tails is larger than fine bars, and with high frequencies preferred.
    """
    rows, cols = np.nonzero(mask)
    window = np.s_[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    region, inside = image[window], mask[window]
    v, u = np.mgrid[-1 : 1 : region.shape[0] * 1j, -1 : 1 : region.shape[1] * 1j]
    shape = tuple(scipy.fft.next_fast_len(2 * n, real=True) for n in region.shape)
    fv, fu = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    slow = np.hypot(fv * region.shape[0], fu * region.shape[1]) < 1.3
    found: list[tuple[float, float]] = []
    for degree, gain in ((1, np.ones(slow.shape)), (4, fv**2 + fu**2)):
        terms = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
        design = np.stack([v[inside] ** i * u[inside] ** j for i, j in terms], axis=1)
        flat = np.zeros(region.shape)
        flat[inside] = region[inside] - design @ np.linalg.lstsq(design, region[inside], rcond=None)[0]
        power = np.where(slow, 0.0, gain * np.abs(scipy.fft.rfft2(flat, shape)) ** 2)
        i, j = np.unravel_index(int(np.argmax(power)), power.shape)
        wave = (float(fv[i, 0]), float(fu[0, j]))
        if power[i, j] <= 0:
            continue
        if not found or abs(np.hypot(*wave) / np.hypot(*found[0]) - 1) > DIFFERENT:
            found.append(wave)
    if not found:
        raise MeasurementError("the region is constant; no bars to measure")
    return found


def _smooth(y: Float, x: Float, wave: tuple[float, float]) -> Float:
    """Slowly varying terms: a plane and, across enough bars, the fall towards the ends of the group."""
    frequency = np.hypot(*wave)
    across = (wave[0] * y + wave[1] * x) / frequency
    along = (wave[1] * y - wave[0] * x) / frequency
    across, along = (2 * (a - (a.max() + a.min()) / 2) / max(float(np.ptp(a)), 1.0) for a in (across, along))
    periods = float(np.ptp(wave[0] * y + wave[1] * x))
    degree = next((d for least, d in CURVED if periods >= least), 1)
    shapes = [np.polynomial.legendre.legval(across, np.eye(degree + 1)[n]) for n in range(1, degree + 1)]
    return np.stack([np.ones_like(across), along, *shapes], axis=1)


def _refined(y: Float, x: Float, values: Float, wave: tuple[float, float]) -> tuple[float, float]:
    """Least-squares wave vector: Gauss-Newton on phase, frequency and tilt of the fundamental."""
    yc, xc = y - y.mean(), x - x.mean()
    scale = np.array([max(np.ptp(y), 1.0), max(np.ptp(x), 1.0)])
    k = np.array(wave)
    smooth = _smooth(y, x, wave)
    count = smooth.shape[1]
    for _ in range(12):
        angle = 2 * np.pi * (k[0] * yc + k[1] * xc)
        c, s = np.cos(angle), np.sin(angle)
        base = np.concatenate([smooth, c[:, None], s[:, None]], axis=1)
        fit = _least_squares(base, values)
        slope = 2 * np.pi * (fit[count + 1] * c - fit[count] * s)
        design = np.concatenate([base, (slope * yc / scale[0])[:, None], (slope * xc / scale[1])[:, None]], axis=1)
        step = _least_squares(design, values - base @ fit)[count + 2 :] / scale
        step = np.clip(step, -0.25 / scale, 0.25 / scale)
        k = k + step
        if np.all(np.abs(step) * scale < 1e-7):
            break
    return float(k[0]), float(k[1])


def _least_squares(design: Float, values: Float) -> Float:
    """Least-squares coefficients of columns of like size by their normal equations, least in norm where they are dependent.

    On thousands of pixels this takes an eighth of the time of a decomposition of the columns, and the steps that use it
    correct themselves.
    """
    return np.asarray(np.linalg.lstsq(design.T @ design, design.T @ values, rcond=None)[0])


def _inner(y: Float, x: Float, wave: tuple[float, float]) -> tuple[Mask, float]:
    """Pixels of the inner bars, whole periods, ends of the bars left out; and the periods covered."""
    frequency = np.hypot(*wave)
    across = wave[0] * (y - y.mean()) + wave[1] * (x - x.mean())
    along = (wave[1] * (y - y.mean()) - wave[0] * (x - x.mean())) / frequency
    low, high = np.quantile(across, [0.005, 0.995])
    span = float(high - low)
    trim = 1.0 if span > 4.2 else 0.5 if span > 2.4 else 0.25 if span > 2 else 0.0
    left, right = np.quantile(along, [0.005, 0.995])
    ends = max(0.15 * (right - left), min(3.0, 0.3 * (right - left)))
    periods = float(np.floor((span - 2 * trim) * 2 + 1e-6) / 2) if span - 2 * trim >= 1 else span - 2 * trim
    middle = (low + high) / 2
    inside = (np.abs(across - middle) <= periods / 2) & (along > left + ends) & (along < right - ends)
    return inside, span


def _series(y: Float, x: Float, values: Float, wave: tuple[float, float], span: float) -> Grating:
    """Fit background, all harmonics that the sampling keeps apart, and the wave vector again with them."""
    yc, xc = y - y.mean(), x - x.mean()
    scale_y, scale_x = max(float(np.ptp(yc)), 1.0), max(float(np.ptp(xc)), 1.0)
    smooth = _smooth(y, x, wave)
    first = smooth.shape[1]
    frequency = float(np.hypot(*wave))
    most = max(1, min(int(HIGHEST_HARMONIC / frequency), 61, values.size // 8))
    order = np.arange(1, most + 1)
    order = order[(order % 2 == 1) | (order == 2)]
    for last in (False, False, True):
        phase = wave[0] * yc + wave[1] * xc
        design, order, normal, size = _separable(smooth, phase, order)
        fit = np.linalg.solve(normal, design.T @ values / size) / size
        residual = values - design @ fit
        if last:
            break
        count = order.size
        cosine, sine = fit[first : first + count], fit[first + count :]
        swing = design[:, first : first + count] @ (order * sine) - design[:, first + count :] @ (order * cosine)
        slope = 2 * np.pi * swing[:, None] * np.stack([yc / scale_y, xc / scale_x], axis=1)
        slope_left = slope - design @ (np.linalg.solve(normal, design.T @ slope / size[:, None]) / size[:, None])
        step = np.linalg.lstsq(slope_left, residual, rcond=1e-6)[0]
        step = np.clip(step, -0.2, 0.2)
        wave = (wave[0] + step[0] / scale_y, wave[1] + step[1] / scale_x)
    count = order.size
    sd = float(np.sqrt(residual @ residual / max(values.size - fit.size, 1)))
    taper, taper_sd = _taper(swing, slope, design, normal, size, residual, phase, wave[1] * yc - wave[0] * xc)
    variance = np.diag(np.linalg.inv(normal))[[first, first + count]]
    error = sd * np.sqrt(variance.max()) / size[first]
    colour = _colour(yc, xc, residual, wave)
    return Grating(
        wave,
        float(fit[0]),
        order,
        fit[first : first + count],
        fit[first + count :],
        float(error),
        sd,
        colour,
        span,
        float(np.ptp(phase)),
        (float(y.mean()), float(x.mean())),
        taper,
        taper_sd,
    )


def _colour(y: Float, x: Float, residual: Float, wave: tuple[float, float]) -> float:
    """Noise of an amplitude near a wave vector, over that of white noise of the same deviation.

    The residual is transformed at twelve places around the wave vector, some cycles over the group away.
    """
    frequency = float(np.hypot(*wave))
    (v, u), power = (part / frequency for part in wave), float(residual @ residual)
    if not power > 0:
        return 1.0
    around = [m * sign for m in COLOUR_CYCLES for sign in (-1, 1)]
    across, along = v * y + u * x, u * y - v * x
    steps = [(m / max(float(np.ptp(across)), 1.0), 0.0) for m in around]
    steps += [(0.0, m / max(float(np.ptp(along)), 1.0)) for m in around]
    turned = residual * np.exp(-2j * np.pi * frequency * across)
    found = [abs(turned @ np.exp(-2j * np.pi * (a * across + b * along))) ** 2 for a, b in steps]
    return float(np.sqrt(np.mean(found) / power))


def _taper(
    swing: Float, slope: Float, design: Float, normal: Float, size: Float, residual: Float, phase: Float, along: Float
) -> tuple[float, float]:
    """Relative change of the frequency from end to end of the bars, and its standard uncertainty, from the residuals."""
    length = max(float(np.ptp(along)), 1e-9)
    columns = np.concatenate([(2 * np.pi * swing * phase * along / length)[:, None], slope], axis=1)
    columns = columns - design @ (np.linalg.solve(normal, design.T @ columns / size[:, None]) / size[:, None])
    own = columns[:, 0] - columns[:, 1:] @ np.linalg.lstsq(columns[:, 1:], columns[:, 0], rcond=1e-6)[0]
    power = float(own @ own)
    if not power > 0:
        return 0.0, float("inf")
    return float(own @ residual) / power, float(np.sqrt(residual @ residual / residual.size / power))


def _separable(smooth: Float, phase: Float, order: NDArray[np.int64]) -> tuple[Float, NDArray[np.int64], Float, Float]:
    """Design matrix of as many harmonics as the sampling tells apart, and its scaled normal matrix.

    Harmonics are scaled by what they weigh at many phases, so that one sampled at its zeros alone does not pass.
    """
    angle = 2 * np.pi * np.outer(phase, order)
    cosine, sine = np.cos(angle), np.sin(angle)
    while True:
        count = order.size
        design = np.concatenate([smooth, cosine[:, :count], sine[:, :count]], axis=1)
        gram = design.T @ design
        size = np.sqrt(np.maximum(np.diag(gram), 1e-12))
        size[smooth.shape[1] :] = np.sqrt(phase.size / 2)
        normal = gram / np.outer(size, size)
        pair = np.ix_((smooth.shape[1], smooth.shape[1] + count), (smooth.shape[1], smooth.shape[1] + count))
        if not np.linalg.cond(normal[pair]) < DEGENERATE:
            raise MeasurementError("bars of two pixels along the pixel grid: their samples do not hold the amplitude")
        if count == 1 or np.linalg.cond(normal) < WORST_CONDITION:
            return design, order, normal, size
        order = order[:-1]
