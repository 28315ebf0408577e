"""From an oversampled edge response to the MTF and its band.

The line spread l(d) is smoothed by a kernel whose width s(d) grows with the distance from the edge. A kernel
that spreads each bin's mass without losing any multiplies its contribution at frequency f by its own transfer
K(s(d) f), so the smoothed MTF is

    F(f) = sum over bins of l(d) K(s(d) f) exp(-2 pi i f d):

no smoothed curve is ever built, the mass at f = 0 is exact, and what the smoothing costs in noise and in bias
is explicit. K is a twiced Gaussian, 1 - (1 - G)^2: flat to fourth order, so slow tails pass without bias.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.metrology.edge.asymmetry import out_of_phase
from coldray.metrology.edge.ends import PLATEAU, read_ends, tail_shape
from coldray.metrology.edge.projection import Projection

Float = NDArray[np.float64]

# Kernel width per distance beyond the onset, and the onset in 25-75 % widths of the edge. Chosen on analytic
# Gaussian, exponential and glare line spreads: bias <= 0.0006, noise at Nyquist about a quarter below a box kernel
# of half-width 0.15 per px from 2.5 widths.
SMOOTHING = 0.24
ONSET_WIDTHS = 1.75
LEAST_ONSET_PX = 1.25
BLOCK_STARTS = (0.04, 0.08, 0.16, 0.3)  # cycles/px; from each on, only bins the kernel lets through are summed
LEAST_SYSTEMATIC = 5e-5  # interpolation, on noise-free analytic edges
SMOOTHING_SYSTEMATIC = 0.006  # of the line spread beyond the onset; the bias on analytic edges is up to 0.01 of it
TAIL_SYSTEMATIC = 0.3  # of what was extrapolated
TREND_SYSTEMATIC = 0.1  # of what was taken off a sloped field


@dataclass(frozen=True)
class Transfer:
    """MTF on a frequency grid in cycles/pixel with the parts of its uncertainty.

    Parameters
    ----------
    frequency_px, mtf : ndarray, shape (n,)
    standard_error : ndarray, shape (n,)
        One standard deviation from noise.
    systematic : ndarray, shape (n,)
        One standard deviation from smoothing, interpolation and the unseen ends of the line spread.
    coverage_factor : float
        Student factor that stands for k = 2 with this many groups.
    tail : float
        Share of the line spread that was extrapolated beyond the ends.
    tail_noise : float
        Standard error of that share.
    slope : float
        Signal change along the half-length taken off a sloped field, as a share of the step.
    lower, higher : float
        What the MTF loses or gains, as a share, if the ends are read the other way: glare for a slope, or a slope for
        a tail.
    asymmetry : float
        Rms of the part of the transform out of phase with the edge over that of the MTF; 0 where noise explains it.
    origin_px : float
        Centroid of the line spread on the projection's axis.
    esf : ndarray, shape (bins,)
        Edge response from 0 to 1, field slopes taken off.
    """

    frequency_px: Float
    mtf: Float
    standard_error: Float
    systematic: Float
    coverage_factor: float
    tail: float
    tail_noise: float
    slope: float
    lower: float
    higher: float
    asymmetry: float
    origin_px: float
    esf: Float


def smoothing_width(distance_px: Float, width_px: float) -> Float:
    """Standard deviation [px] of the smoothing kernel at a distance from an edge of a 25-75 % width."""
    return np.asarray(SMOOTHING * np.maximum(distance_px - max(LEAST_ONSET_PX, ONSET_WIDTHS * width_px), 0))


def _kernel(x: Float) -> Float:
    """Transfer of the twiced Gaussian kernel at (standard deviation x frequency)."""
    gauss = np.exp(-2 * (np.pi * x) ** 2)
    return np.asarray(gauss * (2 - gauss))


def _windowed_waves(
    frequency_px: Float, offset_px: Float, width_px: float, ramp: Float
) -> list[tuple[slice, slice, NDArray[np.complex128]]]:
    """K(s(d) f) ramp(d) exp(-2 pi i f d) as blocks (frequencies, bins, values); what is left out is below 1e-8.

    The frequency grid is regular from 0, so the waves of a block follow from the first by multiplication.
    """
    sigma = smoothing_width(np.abs(offset_px), width_px)
    turn = np.exp(-2j * np.pi * (frequency_px[1] - frequency_px[0]) * offset_px)
    border = [0, *np.unique(np.searchsorted(frequency_px, BLOCK_STARTS)).tolist(), frequency_px.size]
    blocks = []
    for first, last in itertools.pairwise(border):
        lowest = frequency_px[first]
        used = np.flatnonzero(sigma * lowest <= 1.0)
        bins = slice(int(used[0]), int(used[-1]) + 1)
        wave = np.broadcast_to(turn[bins], (last - first, bins.stop - bins.start)).copy()
        wave[0] = np.exp(-2j * np.pi * lowest * offset_px[bins])
        wave = np.cumprod(wave, axis=0)
        wave *= _kernel(sigma[bins] * frequency_px[first:last, None]) * ramp[bins]
        blocks.append((slice(first, last), bins, wave))
    return blocks


def transform(projection: Projection, half_px: float, width_px: float, frequency_px: Float) -> Transfer:
    """MTF and its uncertainty from a projected edge.

    Parameters
    ----------
    projection : Projection
    half_px : float
        Half-length [px].
    width_px : float
        25-75 % width of the edge [px].
    frequency_px : ndarray, shape (n,)
        Frequencies along the normal [cycles/px], starting at 0.

    Returns
    -------
    Transfer

    Notes
    -----
    Noise: every step is linear in the edge response but for the division by the plateau difference, which is
    linearised. The sum over groups of rows of the squared effect of each group's deviation is the variance a
    wild bootstrap over row groups converges to (Liu 1988), without its random numbers. The MTF is the part of
    the transform in phase with the edge, not its modulus, which noise would lift where the MTF is small.
    """
    step = projection.step_px
    pixel_error = np.sqrt(np.maximum(projection.scatter, 0) / np.maximum(projection.count, 1))
    ends = read_ends(projection, half_px)
    distance = projection.distance_px
    edges = distance[:-1] + step / 2
    esf = ends.levelled(distance, projection.esf)
    lsf = np.diff(esf)
    onset = max(LEAST_ONSET_PX, ONSET_WIDTHS * width_px)
    core = np.abs(edges) < onset + 2
    origin = float((lsf[core] * edges[core]).sum() / lsf[core].sum())
    zone = PLATEAU * half_px
    ramp = np.clip((half_px - np.abs(edges)) / zone, 0, 1)
    # Transfer of the finite difference and of averaging over a bin; both are divided out.
    bin_width = np.sqrt(12 * projection.spread_px2)
    correction = np.sinc(frequency_px * step) * np.sinc(frequency_px * bin_width)
    blocks = _windowed_waves(frequency_px, edges - origin, width_px, ramp)
    complex_mtf = np.concatenate([wave @ lsf[bins] for _, bins, wave in blocks]) / correction
    shift = np.exp(-1j * _smooth_phase(frequency_px, complex_mtf, 1))
    straight = complex_mtf * shift
    phase = _smooth_phase(frequency_px, complex_mtf, 2)
    complex_mtf = complex_mtf * np.exp(-1j * phase)
    plateau = float(complex_mtf[0].real)
    total = plateau + ends.tail
    tail = ends.tail * tail_shape(frequency_px, half_px, ends)
    signed = (complex_mtf.real + tail) / total

    grouped, white = _noise_power(blocks, np.exp(-1j * phase) / correction, signed, projection.deviation, pixel_error)
    grouped, white = grouped / total**2, white / total**2
    error = _pooled_error(frequency_px, grouped, white)
    flipped = signed < -3 * error  # contrast reversal beyond the noise: the modulus is meant
    mtf = np.where(flipped, -signed, np.maximum(signed, 0.0))
    asymmetry = out_of_phase(
        frequency_px, straight.imag / total, mtf, error, blocks, shift / correction / total, projection.deviation
    )
    if asymmetry:
        mtf = np.sqrt(mtf**2 + np.maximum((complex_mtf.imag / total) ** 2 - error**2, 0))
    smoothed = abs(1 - float(lsf[np.abs(edges - origin) < onset].sum()) / total)
    tail_share = ends.tail / total
    constant = np.linalg.norm([LEAST_SYSTEMATIC, SMOOTHING_SYSTEMATIC * smoothed, TAIL_SYSTEMATIC * tail_share])
    systematic = np.hypot(constant, np.hypot(TREND_SYSTEMATIC * ends.change, ends.noise) / total * mtf)
    systematic[0] = 0.0
    groups = projection.deviation.shape[0]
    outer = np.abs(distance) > half_px - zone
    dark = float(esf[outer & (distance < 0)].mean())
    return Transfer(
        frequency_px,
        mtf,
        error,
        systematic,
        2.0 * (1 + 1 / max(groups - 1, 1)),
        tail_share,
        ends.tail_noise / total,
        ends.change / total,
        ends.if_tail / (total + ends.if_tail),
        ends.if_slope / max(total - ends.if_slope, total / 2),
        asymmetry,
        origin,
        (esf - dark) / total,
    )


def _noise_power(
    blocks: list[tuple[slice, slice, NDArray[np.complex128]]],
    factor: NDArray[np.complex128],
    mtf: Float,
    deviation: Float,
    error: Float,
) -> tuple[Float, Float]:
    """Variance of the MTF times the squared step: from the groups of rows, and as it would be for white noise.

    The response of the MTF to the edge response is r(f) - M(f) r(0): the second part is the division by the plateaus.
    """
    group = np.zeros((deviation.shape[0], mtf.size))
    own, cross = np.zeros(mtf.size), np.zeros(mtf.size)
    plateau: Float = np.zeros(0)
    for rows, bins, wave in blocks:
        basis = wave.real * factor.real[rows, None] - wave.imag * factor.imag[rows, None]
        response = np.zeros((basis.shape[0], basis.shape[1] + 1))
        response[:, 1:] += basis
        response[:, :-1] -= basis
        if rows.start == 0:
            plateau = response[0].copy()
        cells = slice(bins.start, bins.stop + 1)
        group[:, rows] = deviation[:, cells] @ response.T
        weighted = response * error[cells]
        own[rows] = (weighted * weighted).sum(axis=1)
        cross[rows] = weighted @ (plateau[cells] * error[cells])
    group -= mtf * group[:, :1]
    return np.asarray((group * group).sum(axis=0)), np.maximum(own - 2 * mtf * cross + mtf**2 * own[0], 0)


def _smooth_phase(frequency_px: Float, transform_: NDArray[np.complex128], terms: int) -> Float:
    """Phase of `terms` odd powers of frequency that fits the transform modulo pi, weighted by signal to noise."""
    f = np.maximum(frequency_px, frequency_px[1])
    weight = np.abs(transform_) / f
    design = np.stack([frequency_px ** (2 * k + 1) for k in range(terms)], axis=1)
    phase = np.zeros(frequency_px.size)
    for _ in range(3):
        turned = transform_ * np.exp(-1j * phase)
        rest = np.angle(turned * turned) / 2
        phase = phase + design @ np.linalg.lstsq(design * weight[:, None], rest * weight, rcond=None)[0]
    return phase


def _pooled_error(frequency_px: Float, grouped: Float, white: Float) -> Float:
    """Standard error whose ratio to the white-noise model is smooth over frequency.

    The ratio follows the noise spectrum along the normal, which is smooth; averaging it over neighbouring
    frequencies makes a few groups of rows worth many.
    """
    step = frequency_px[1] - frequency_px[0]
    usable = white > 0
    ratio = np.where(usable, grouped / np.where(usable, white, 1.0), 1.0)
    if ratio.size > 1:
        ratio[0] = ratio[1]
    ratio = ndimage.gaussian_filter1d(ratio, 0.03 / step, mode="nearest")
    return np.asarray(np.sqrt(np.maximum(ratio * white, 0)))
