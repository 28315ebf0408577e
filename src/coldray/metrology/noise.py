"""NNPS from flat fields: 14-line curves, radial average, map, temporal and fixed-pattern parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology import flat_checks, spectra
from coldray.metrology.inputs import Images, as_frames, check_pitch, joined_mask, require_signal
from coldray.metrology.lag import lag_warning
from coldray.metrology.leakage import windowed
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import dft_axes, radial_average

WIDE_SPREAD = 0.1
"""Statistical spread of a point that is told; the band holds it, and the 4 million pixels of IEC 62220-1-1 give 0.03."""
ANISOTROPY = 0.1
LINES, ON_AXIS = 1.25, 1.5
"""Noise beside and on an axis, over that of other directions, that is told."""
LINES_BETWEEN = (0.15, 0.35)
"""Where they are compared [cycles/pixel]: neither a trend nor aliasing weighs much there."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseMeasurement:
    """Normalised noise power of a flat field and what it is worth.

    Parameters
    ----------
    nnps : FrequencyCurve
        Mean of 7 lines on each side of the u axis at their true radial frequency [mm2], k = 2 band.
    nnps_vertical : FrequencyCurve
        The same beside the v axis.
    windowed, windowed_vertical : FrequencyCurve
        As `nnps` and `nnps_vertical` under a Hann window, from part of the regions where nothing leaks: less exact, but
        free of what leaks from strong low frequencies into weak high ones [mm2].
    leaks_above_lp_mm : float or None
        Frequency from which `nnps` is seen to be above `windowed`.
    radial : FrequencyCurve
        Average over rings, both axes left out [mm2].
    row_axis, column_axis : FrequencyCurve
        The lines v = 0 and u = 0 [mm2], where column and row structure shows; the lowest two bins
        lack what the detrend took.
    nnps_map : ndarray, shape (roi_size, roi_size)
        NNPS(v, u) [mm2], zero frequency in the middle.
    temporal, fixed_pattern : FrequencyCurve or None
        Parts of `nnps` that change from frame to frame and that do not; None for one frame. The
        fixed part is a difference of estimates and may dip below zero.
    mean_signal : float
        Mean pixel value.
    pixel_relative_sd : float
        Standard deviation of the detrended pixel over the mean.
    temporal_relative_sd, fixed_relative_sd : float or None
        Its two parts.
    relative_sd : ndarray
        Expected statistical relative standard deviation of each point of `nnps`.
    parseval_error : float
        | integral of the NNPS / relative pixel variance - 1 |, before masking is made up for.
    pixel_pitch_mm : float
    roi_size, rois, frames : int
    independent_rois : float
        Non-overlapping ROIs worth the same number of samples, all frames together.
    warnings : tuple of str
    """

    nnps: FrequencyCurve
    nnps_vertical: FrequencyCurve
    windowed: FrequencyCurve
    windowed_vertical: FrequencyCurve
    leaks_above_lp_mm: float | None
    radial: FrequencyCurve
    row_axis: FrequencyCurve
    column_axis: FrequencyCurve
    nnps_map: Float
    temporal: FrequencyCurve | None
    fixed_pattern: FrequencyCurve | None
    mean_signal: float
    pixel_relative_sd: float
    temporal_relative_sd: float | None
    fixed_relative_sd: float | None
    relative_sd: Float
    parseval_error: float
    pixel_pitch_mm: float
    roi_size: int
    rois: int
    frames: int
    independent_rois: float
    warnings: tuple[str, ...] = ()

    @property
    def unleaked(self) -> FrequencyCurve:
        """`windowed` where anything leaks, which takes from strong frequencies what it adds to weak ones; else `nnps`."""
        return self.nnps if self.leaks_above_lp_mm is None else self.windowed

    @property
    def unleaked_vertical(self) -> FrequencyCurve:
        """`windowed_vertical` or `nnps_vertical` in the same way."""
        return self.nnps_vertical if self.leaks_above_lp_mm is None else self.windowed_vertical

    @property
    def pixel_variance(self) -> float:
        """Variance of the detrended pixel [signal^2]."""
        return (self.pixel_relative_sd * self.mean_signal) ** 2

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure flat`."""

        def values(curve: FrequencyCurve | None) -> list[float] | None:
            return None if curve is None else curve.value.tolist()

        return {
            "frequency_lp_mm": self.nnps.frequency_lp_mm.tolist(),
            "nnps_mm2": values(self.nnps),
            "relative_sd": self.relative_sd.tolist(),
            "mean_signal": self.mean_signal,
            "radial_frequency_lp_mm": self.radial.frequency_lp_mm.tolist(),
            "radial_nnps_mm2": values(self.radial),
            "nnps_windowed_mm2": values(self.windowed),
            "nnps_vertical_mm2": values(self.nnps_vertical),
            "temporal_nnps_mm2": values(self.temporal),
            "fixed_pattern_nnps_mm2": values(self.fixed_pattern),
            "axis_frequency_lp_mm": self.row_axis.frequency_lp_mm.tolist(),
            "row_axis_nnps_mm2": values(self.row_axis),
            "column_axis_nnps_mm2": values(self.column_axis),
            "pixel_relative_sd": self.pixel_relative_sd,
            "temporal_relative_sd": self.temporal_relative_sd,
            "fixed_relative_sd": self.fixed_relative_sd,
            "parseval_error": self.parseval_error,
            "pixel_pitch_mm": self.pixel_pitch_mm,
            "roi_size": self.roi_size,
            "rois": self.rois,
            "frames": self.frames,
            "warnings": list(self.warnings),
        }


def flat_nnps(
    frames: Images, pixel_pitch_mm: float, roi_size: int = 256, mask: NDArray[np.bool_] | None = None
) -> NoiseMeasurement:
    """NNPS of one or several flat fields, and its temporal and fixed-pattern parts.

    Parameters
    ----------
    frames : ndarray (rows, cols) or (frames, rows, cols), Radiograph, or a sequence of them
        Linear flat fields of one detector at one exposure, offset-, gain- and bad-pixel-corrected.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    roi_size : int
        Side of the regions [pixels], overlapping by half. A smaller flat is measured with the largest
        of 128 or 64 that fits, with a warning.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count (bad or replaced); joined with the masks of the radiographs.

    Returns
    -------
    NoiseMeasurement

    Raises
    ------
    MeasurementError
        If the flat is smaller than 64 x 64, inverted, has no noise, no positive mean, no usable region, or too many
        bad pixels.
    ImageError
        If `frames` is not an image or a stack of equal images.

    Notes
    -----
    A second-order polynomial is fitted to and subtracted from every region. Frames are divided by
    their own mean, so a drifting tube does not count as noise. With n frames the temporal part is
    (mean |X_i|^2 - |mean X_i|^2) n/(n-1), unbiased, from the same transforms; the fixed part is the rest.
    Masked pixels are set to the fitted trend and the lost power is made up by the valid fraction; pixels far outside
    the noise of their neighbours (bad ones, direct hits) are masked, and reported.
    Follows the procedure of IEC 62220-1-1, with these deviations: the trend is fitted per region; bins are
    one frequency step wide (1 / (roi_size pitch)), not merged.

    References
    ----------
    IEC 62220-1-1:2015; Dobbins et al., Med. Phys. 33 (2006), doi:10.1118/1.2188816.
    """
    pitch = check_pitch(pixel_pitch_mm)
    require_signal(frames)
    mask = joined_mask(frames, mask)
    stack, warnings = as_frames(frames, mask)
    mask = flat_checks.without_outliers(stack, mask, warnings)
    size, places = _regions(stack[0], roi_size, mask, warnings)
    means = _means(stack, places, size, mask, warnings)
    warnings += lag_warning(stack, means, places, size, mask)
    power = spectra.accumulate(stack, means, places, mask, size)
    if power.variance <= 1e-20:
        raise MeasurementError("the flat field has no noise: every region equals its fitted trend")
    total = power.total * (pitch**2 / power.valid)
    temporal = None if power.temporal is None else power.temporal * (pitch**2 / power.valid)

    lines = spectra.Lines(size, pitch)
    value = lines.average(total, horizontal=True)
    vertical = lines.average(total, horizontal=False)
    t_lines = None if temporal is None else lines.average(temporal, horizontal=True)
    spread = _frame_spread(total, temporal, len(stack))
    relative_sd = np.sqrt(spread / (lines.count * spectra.independent_regions(places, size)))
    typical_sd = float(np.median(relative_sd))
    sd, temporal_sd, fixed_sd = _deviations(total, temporal, pitch)
    look = windowed(stack, means, places, mask, lines, value, spread)
    level = flat_checks.grey_level(stack[0])
    warnings += flat_checks.words(look, sd * float(means.mean()) / level if level else np.inf)
    independent = spectra.covered_pixels(places, size)
    radial = _radial(total, pitch, spread / (independent / size**2))
    rows, columns = _axis(total[0], pitch), _axis(total[:, 0], pitch)
    warnings += _directions(lines.frequency, value, vertical, (radial, rows, columns), typical_sd, pitch)
    warnings += _of_spread(sd, temporal_sd, fixed_sd, typical_sd)
    return NoiseMeasurement(
        nnps=_banded(lines.frequency, value, relative_sd),
        leaks_above_lp_mm=look.above_lp_mm,
        windowed=_banded(lines.frequency, look.horizontal, look.relative_sd),
        windowed_vertical=_banded(lines.frequency, look.vertical, look.relative_sd),
        nnps_vertical=_banded(lines.frequency, vertical, relative_sd),
        radial=radial,
        row_axis=rows,
        column_axis=columns,
        nnps_map=np.fft.fftshift(total),
        temporal=None if t_lines is None else FrequencyCurve(lines.frequency, t_lines),
        fixed_pattern=None if t_lines is None else FrequencyCurve(lines.frequency, value - t_lines),
        mean_signal=float(means.mean()),
        pixel_relative_sd=sd,
        temporal_relative_sd=temporal_sd,
        fixed_relative_sd=fixed_sd,
        relative_sd=relative_sd,
        parseval_error=abs(float(power.total.mean()) / power.variance - 1),
        pixel_pitch_mm=pitch,
        roi_size=size,
        rois=len(places),
        frames=len(stack),
        independent_rois=independent / size**2 * len(stack),
        warnings=tuple(warnings),
    )


def _directions(
    frequency: Float,
    value: Float,
    vertical: Float,
    around: tuple[FrequencyCurve, FrequencyCurve, FrequencyCurve],
    typical_sd: float,
    pitch: float,
) -> list[str]:
    """Sentences on noise that depends on direction: both axes, what lies beside them, and what lies on one of them."""
    radial, rows, columns = around
    found = []
    ratio = float(vertical.mean() / value.mean())
    if abs(np.log(ratio)) > ANISOTROPY:
        found.append(f"the noise is anisotropic: vertical over horizontal NNPS is {ratio:.2f}")
    beside = _excess(FrequencyCurve(frequency, (value + vertical) / 2), radial, pitch)
    if beside > LINES * (1 + 2 * typical_sd):
        return [
            *found,
            f"noise beside the axes is {beside:.2f} times that of other directions: row and column structure, or an "
            "uneven field that the trend of the regions does not follow; the radial average is freer of both",
        ]
    return found + [
        f"{name} structure, or an uneven field: noise along whole {name}s is {excess:.1f} times the rest"
        for name, excess in (("column", _excess(rows, radial, pitch)), ("row", _excess(columns, radial, pitch)))
        if excess > ON_AXIS
    ]


def _regions(
    frame: NDArray[np.number], asked: int, mask: NDArray[np.bool_] | None, warnings: list[str]
) -> tuple[int, list[tuple[int, int]]]:
    """Largest region side of which a flat region fits, and the regions; warns when it is not the one asked for."""
    smallest = spectra.SMALLEST_ROI
    if asked < smallest or asked % 2:
        raise MeasurementError(f"roi_size is {asked}; an even number of at least {smallest} pixels is needed")
    rows, cols = frame.shape
    if min(rows, cols) < smallest:
        raise MeasurementError(
            f"the flat is {cols} x {rows} pixels; NNPS needs at least {smallest} x {smallest}, better 2048 x 2048"
        )
    for size in dict.fromkeys((asked, 128, 64)):
        if size > min(asked, rows, cols):
            continue
        places, left_out = spectra.usable(frame, size, mask)
        if not places:
            continue
        if size < asked:
            warnings.append(f"no flat {asked} x {asked} region in {cols} x {rows} pixels: regions of {size} instead")
        if left_out:
            warnings.append(
                f"{left_out} of {left_out + len(places)} regions left out: masked, outside the beam, or not flat"
            )
        return size, places
    raise MeasurementError("no region is flat: the image holds an object; give an open field")


def _means(
    stack: Sequence[NDArray[np.number]] | NDArray[np.number],
    places: list[tuple[int, int]],
    size: int,
    mask: NDArray[np.bool_] | None,
    warnings: list[str],
) -> Float:
    """Mean signal of every frame; warns where frames differ."""
    means = np.array([_mean(frame, places, size, mask) for frame in stack])
    if not np.all(means > 0):
        raise MeasurementError(f"the mean is {means.min():.4g}; NNPS needs linear, positive, offset-corrected data")
    if np.ptp(means) > 0.05 * means.mean():
        warnings.append(f"the mean signal varies by {100 * np.ptp(means) / means.mean():.1f} % between frames")
    return means


def _mean(frame: NDArray[np.number], places: list[tuple[int, int]], size: int, mask: NDArray[np.bool_] | None) -> float:
    """Mean of the unmasked pixels of the regions, every region counted once."""
    total, count = 0.0, 0
    for y, x in places:
        region = frame[y : y + size, x : x + size]
        if mask is not None:
            region = region[~mask[y : y + size, x : x + size]]
        total += float(region.sum(dtype=np.float64))
        count += region.size
    return total / count


def _deviations(total: Float, temporal: Float | None, pitch: float) -> tuple[float, float | None, float | None]:
    """Relative standard deviation of a pixel, and its temporal and fixed parts."""
    variance = float(total.mean()) / pitch**2
    if temporal is None:
        return float(np.sqrt(variance)), None, None
    of_time = max(float(temporal.mean()) / pitch**2, 0.0)
    return float(np.sqrt(variance)), float(np.sqrt(of_time)), float(np.sqrt(max(variance - of_time, 0.0)))


def _of_spread(sd: float, temporal_sd: float | None, fixed_sd: float | None, typical_sd: float) -> list[str]:
    """Sentences on a strong fixed pattern and on too few samples."""
    found = []
    if temporal_sd is not None and fixed_sd is not None and fixed_sd > temporal_sd:
        share = 100 * (fixed_sd / sd) ** 2
        found.append(f"fixed pattern dominates: {share:.0f} % of the noise power repeats in every frame")
    if typical_sd > WIDE_SPREAD:
        found.append(
            f"the statistical spread is {100 * typical_sd:.0f} % per point: take more frames or a larger field "
            "(the 4 million independent pixels of IEC 62220-1-1 give 3 %)"
        )
    return found


def _frame_spread(total: Float, temporal: Float | None, frames: int) -> float:
    """Variance of a power estimate over that of one frame: F repeats in all frames, T does not."""
    if temporal is None:
        return 1.0
    share = float(np.clip(temporal.mean() / total.mean(), 0.0, 1.0))
    fixed = 1 - share
    return (share**2 + 2 * share * fixed) / frames + fixed**2


def _excess(curve: FrequencyCurve, radial: FrequencyCurve, pitch: float) -> float:
    """Median of a curve along an axis over the radial average."""
    low, high = (f / pitch for f in LINES_BETWEEN)
    inside = (curve.frequency_lp_mm > low) & (curve.frequency_lp_mm < high)
    return float(np.median(curve.value[inside] / np.maximum(radial(curve.frequency_lp_mm[inside]), 1e-300)))


def _banded(frequency: Float, value: Float, relative_sd: Float) -> FrequencyCurve:
    """Curve with its k = 2 statistical band."""
    return FrequencyCurve(frequency, value, value * (1 - 2 * relative_sd), value * (1 + 2 * relative_sd))


def _radial(total: Float, pitch: float, spread_per_sample: float) -> FrequencyCurve:
    """Ring average without the axes, in steps of 1 / (n pitch) up to Nyquist; half the samples are independent."""
    size = total.shape[0]
    v, u = dft_axes((size, size), pitch)
    step = 1 / (size * pitch)
    radius = np.hypot(v, u)[1:, 1:] + step / 2  # rings centred on whole steps
    frequency, value, count = radial_average(total[1:, 1:], radius, step, 0.5 / pitch)
    return _banded(frequency - step / 2, value, np.sqrt(spread_per_sample * 2 / count))


def _axis(line: Float, pitch: float) -> FrequencyCurve:
    """On-axis line of an unshifted spectrum, zero frequency left out."""
    size = line.size
    return FrequencyCurve(np.arange(1, size // 2 + 1) / (size * pitch), line[1 : size // 2 + 1])
