"""Presampled MTF from slanted edges: edge response → line spread → transfer, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError, MetadataError
from coldray.metrology.edge import checks
from coldray.metrology.edge.images import LONGEST_HALF_PX, Located, checked, locate
from coldray.metrology.edge.line import EdgeLine
from coldray.metrology.edge.projection import Grid, Projection, Sums, choose_grid, gather, project
from coldray.metrology.edge.transfer import Transfer, smoothing_width, transform
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Radiograph

Float = NDArray[np.float64]
Roi = tuple[int, int, int, int]

FREQUENCY_STEP = 0.005  # cycles/px
CLIPPED_TOE = 1.5  # error of the MTF over what clipping moved a plateau by: the toe of the response is lost too
UNLIKE = 1.3  # steps of two edges, one over the other, that tell whether pixel values are linear
DIFFERENT, LEAST_DIFFERENCE = 5.0, 0.01  # of their MTFs, in standard errors and in the MTF
NOT_AN_EDGE = 0.5  # of the step, changed along a plateau


@dataclass(frozen=True, eq=False)
class EdgeMeasurement:
    """A presampled MTF, how it was obtained, and what to distrust.

    Parameters
    ----------
    mtf : FrequencyCurve
        Presampled MTF along the edge normal, 0 to Nyquist [cycles/mm], with its k = 2 band.
    mtf50_lp_mm, mtf20_lp_mm, mtf10_lp_mm : float or None
        First frequency [cycles/mm] where the MTF falls below 0.5, 0.2, 0.1; None if not before Nyquist.
    angle_deg : float
        Signed angle to the nearest axis: positive if the column grows with the row (a nearly vertical edge),
        or the row with the column (a nearly horizontal one). The mean over all images.
    orientation : str
        ``"vertical"`` if the edge runs from top to bottom, ``"horizontal"`` if from side to side, ``"diagonal"`` if
        it lies nearer to a diagonal of the pixels.
    rows : int
        Pixel lines across the edge, of all images together.
    half_length_mm : float
        Distance from the edge to either end of the analysed line spread [mm].
    snr : float
        Signal step over the pixel noise (rms of both sides); infinite without noise.
    warnings : tuple of str
        Why this result may be wrong; empty if nothing was found.
    distance_mm : ndarray, shape (n,)
        Distance from the edge along its normal [mm]; the signal rises with it.
    esf : ndarray, shape (n,)
        Edge response, 0 on the dark plateau, 1 on the bright one.
    lsf_per_mm : ndarray, shape (n,)
        Line spread [1/mm], smoothed in proportion to the distance as for the MTF.
    dark, bright : float
        Levels of the two plateaus [signal], the mean over all images.
    """

    mtf: FrequencyCurve
    mtf50_lp_mm: float | None
    mtf20_lp_mm: float | None
    mtf10_lp_mm: float | None
    angle_deg: float
    orientation: str
    rows: int
    half_length_mm: float
    snr: float
    warnings: tuple[str, ...]
    distance_mm: Float
    esf: Float
    lsf_per_mm: Float
    dark: float
    bright: float

    def to_json(self) -> dict[str, Json]:
        """JSON-able form with the keys of the command-line contract."""
        assert self.mtf.low is not None and self.mtf.high is not None
        return {
            "frequency_lp_mm": self.mtf.frequency_lp_mm.tolist(),
            "mtf": self.mtf.value.tolist(),
            "mtf_low": self.mtf.low.tolist(),
            "mtf_high": self.mtf.high.tolist(),
            "mtf50_lp_mm": self.mtf50_lp_mm,
            "mtf20_lp_mm": self.mtf20_lp_mm,
            "mtf10_lp_mm": self.mtf10_lp_mm,
            "angle_deg": self.angle_deg,
            "orientation": self.orientation,
            "rows": self.rows,
            "half_length_mm": self.half_length_mm,
            "snr": self.snr if np.isfinite(self.snr) else None,
            "dark": self.dark,
            "bright": self.bright,
            "warnings": list(self.warnings),
        }


def _angle_deg(line: EdgeLine) -> float:
    """Signed angle to the nearest axis of the image."""
    if not line.lattice.diagonal:
        return line.angle_deg
    return (45 - abs(line.angle_deg)) * (-1 if line.lattice.mirrored else 1)


def _orientation(located: Located) -> str:
    if located.line.lattice.diagonal:
        return "diagonal"
    return "vertical" if located.vertical else "horizontal"


def _normalised(sums: Sums) -> tuple[Sums, tuple[float, float]]:
    """Sums with the plateaus of this image at 0 and 1, so that images of unlike contrast can be joined; their levels."""
    count, value = sums.count.sum(axis=0), sums.value.sum(axis=0)
    outer = max(1, count.size // 10)
    low = value[:outer].sum() / max(count[:outer].sum(), 1)
    high = value[-outer:].sum() / max(count[-outer:].sum(), 1)
    if not high > low:
        raise MeasurementError("the two sides of the edge do not differ; choose another region")
    return sums.rescaled(float(low), float(high)), (float(low), float(high))


def _linearity(parts: list[Sums], steps: Float, grid: Grid, half: float, width: float, frequency: Float) -> list[str]:
    """One sentence if edges of unlike contrast differ in their MTF beyond the noise: values are not linear."""
    weak, strong = int(np.argmin(steps)), int(np.argmax(steps))
    if steps[strong] < UNLIKE * steps[weak]:
        return []
    first, second = (transform(project(parts[i], grid), half, width, frequency) for i in (weak, strong))
    apart = np.abs(first.mtf - second.mtf)
    spread = np.hypot(first.standard_error, second.standard_error)
    place = int(np.argmax(apart - DIFFERENT * spread))
    if apart[place] < max(DIFFERENT * spread[place], LEAST_DIFFERENCE):
        return []
    return [
        f"edges of unlike contrast give MTFs that differ by {apart[place]:.3f}: pixel values are not linear, or a "
        "non-linear filter was at work"
    ]


def edge_mtf(
    image: Radiograph | NDArray[np.number] | Sequence[Radiograph | NDArray[np.number]],
    pixel_pitch_mm: float | None = None,
    roi: Roi | None = None,
    *,
    mask: NDArray[np.bool_] | None = None,
    half_length_mm: float | None = None,
) -> EdgeMeasurement:
    """Measure the presampled MTF of a detector from one or several slanted edges.

    Parameters
    ----------
    image : Radiograph or ndarray of shape (rows, cols), or a sequence of them
        Linear pixel values, corrected for offset, gain and bad pixels but not filtered. Several images
        (frames of one edge, or different edges) are combined in the edge response, never in the MTF.
    pixel_pitch_mm : float, optional
        Pixel pitch [mm]; taken from the Radiograph if not given.
    roi : (x, y, width, height), optional
        Region [px] to look in, the same for all images; the whole image if not given.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel must not count (bad or replaced), in all images; joined with the mask of a Radiograph.
    half_length_mm : float, optional
        Largest distance from the edge to use [mm], at most 560 pixels; as far as the image, the next structure
        or 512 pixels allow by default.

    Returns
    -------
    EdgeMeasurement

    Raises
    ------
    MeasurementError
        If there is no edge, the region is too small, or the data are marked as log-scaled.
    ImageError
        If an image is not two-dimensional, real and finite.
    MetadataError
        If no pixel pitch is known, or it is not positive.

    Notes
    -----
    Follows the procedure of IEC 62220-1-1:2015 (edge 1.5 to 3 degrees off the axis, averaging of edge
    responses only) with a projection instead of row interleaving. Both the finite difference and the averaging
    over a bin are corrected; the pixel aperture is part of the presampled MTF and stays in. Frequencies run along
    the edge normal.

    The MTF is 1 at zero for the step between the plateaus (mean over the outer fifth of the half-length). Where
    the response is seen to be cut off before its plateau an exponential tail is added; where the field is seen
    to be sloped a trend from the edge outwards is taken off; both are reported, and where the data do not tell one
    from the other the band holds both. A line spread that is asymmetric beyond its noise is read by its modulus.
    Masked pixels, lines that are dead or repeat their neighbours, and single outliers do not count.

    The band covers noise (wild bootstrap over groups of rows, in closed form), smoothing, interpolation, the
    unseen ends, rows that lie off a straight line, coarse grey levels and slight clipping. It does not cover scatter
    from the edge, or pixel values that are not linear: two edges of unlike contrast tell those.

    References
    ----------
    IEC 62220-1-1:2015; Samei, Flynn, Reimann, Med. Phys. 25 (1998) 102; Cunningham and Fenster,
    Med. Phys. 14 (1987) 533 (finite difference); Buhr et al., Med. Phys. 30 (2003) 2323.
    """
    images = [image] if isinstance(image, Radiograph | np.ndarray) else list(image)
    if not images:
        raise MeasurementError("no image was given")
    pitch = _pitch(images, pixel_pitch_mm)
    if half_length_mm is not None and not half_length_mm > 0:
        raise MeasurementError(f"half-length is {half_length_mm} mm; it must be positive")
    located = [locate(*checked(one, roi, mask)) for one in images]
    if len({one.line.lattice.diagonal for one in located}) > 1:
        raise MeasurementError("a diagonal edge cannot be combined with upright or lying ones; measure them apart")
    half, width = _extent(located, LONGEST_HALF_PX if half_length_mm is None else half_length_mm / pitch)
    grid = choose_grid([(one.line, one.rows) for one in located], half)
    half = -grid.start
    gathered = [_normalised(gather(one.pixels, one.line, one.rows, grid, one.bad)) for one in located]
    parts, levels = [own for own, _ in gathered], np.array([both for _, both in gathered])
    sums = parts[0]
    for own in parts[1:]:
        sums = sums.joined(own)
    projection = project(sums, grid)
    frequency = np.linspace(0.0, 0.5, round(0.5 / FREQUENCY_STEP) + 1)
    result = transform(projection, half, width, frequency)
    if result.slope > NOT_AN_EDGE:
        raise MeasurementError(
            f"what was found is not an edge between two plateaus: the signal beside it changes by "
            f"{100 * result.slope:.0f} % of the step; choose a region that holds one edge"
        )
    rough = float(np.sqrt(np.mean([one.line.rough_px**2 for one in located])))
    sides = [checks.sides_of(one, half) for one in located]
    level, clipped = checks.coarseness(located, sides), checks.clipping(sides)
    curve = _curve(result, pitch, rough, level, clipped)
    rows = sum(one.rows[1] - one.rows[0] for one in located)
    snr = _snr(projection)
    warnings = [
        *checks.of_lines([one.line for one in located], [one.vertical for one in located], rows),
        *checks.of_pixels(located, sides, snr),
        *checks.of_levels(level),
        *_linearity(parts, levels[:, 1] - levels[:, 0], grid, half, width, frequency),
        *checks.of_transfer(result, projection, snr, half, width, rough),
    ]
    return EdgeMeasurement(
        curve,
        curve.frequency_at(0.5),
        curve.frequency_at(0.2),
        curve.frequency_at(0.1),
        float(np.mean([_angle_deg(one.line) for one in located])),
        _orientation(located[0]),
        rows,
        float(half * pitch),
        snr,
        tuple(warnings),
        (projection.distance_px - result.origin_px) * pitch,
        result.esf,
        _smoothed_lsf(projection, result, width) / pitch,
        *(float(one) for one in levels.mean(axis=0)),
    )


def _extent(located: Sequence[Located], longest_px: float) -> tuple[float, float]:
    """Half-length that all images allow and the width of the edge [px]."""
    half = min(longest_px, *(one.half_px for one in located))
    width = float(np.median([one.width_px for one in located]))
    if half < max(4.0, 3 * width):
        raise MeasurementError(
            f"the analysed half-length is {half:.1f} px and the edge {width:.1f} px wide (25-75 %); at least 4 px and "
            "three widths of flat signal are needed on both sides: choose a wider region"
        )
    return half, width


def _pitch(images: Sequence[Radiograph | NDArray[np.number]], pixel_pitch_mm: float | None) -> float:
    """Given pitch, or the one all radiographs share."""
    if pixel_pitch_mm is None:
        known = {one.acquisition.pixel_pitch_mm for one in images if isinstance(one, Radiograph)} - {None}
        if len(known) != 1:
            raise MetadataError("the pixel pitch is not known; give `pixel_pitch_mm`")
        pixel_pitch_mm = known.pop()
    if pixel_pitch_mm is None or not (np.isfinite(pixel_pitch_mm) and pixel_pitch_mm > 0):
        raise MetadataError(f"pixel pitch is {pixel_pitch_mm} mm; it must be positive")
    return float(pixel_pitch_mm)


def _curve(result: Transfer, pitch: float, rough_px: float, level: float, clipped: float) -> FrequencyCurve:
    """MTF in cycles/mm with its k = 2 band; the band never leaves the physical range below.

    Rows that lie off the line by r px rms lower the MTF by exp(-2 (pi r f)^2), whatever the order they come in; the
    band reaches up to what it would be without. It reaches to the other reading of the ends of the response as well, and
    holds one grey level where noise does not smooth over the levels and what clipping moved the plateaus by (both over
    the step).
    """
    half_width = result.coverage_factor * np.hypot(result.standard_error, result.systematic)
    half_width[1:] += level + CLIPPED_TOE * clipped
    straight = np.minimum(result.mtf * np.expm1(2 * (np.pi * rough_px * result.frequency_px) ** 2), 1.0)
    other = np.where(result.frequency_px > 0, result.mtf, 0.0)
    low = np.maximum(result.mtf - half_width - other * result.lower, 0.0)
    high = result.mtf + half_width + other * result.higher + straight
    return FrequencyCurve(result.frequency_px / pitch, result.mtf, low, high)


def _snr(projection: Projection) -> float:
    """Step over the rms pixel noise of the two sides; the response runs from 0 to 1."""
    outer = max(1, projection.esf.size // 10)
    variance = (projection.scatter[:outer].mean() + projection.scatter[-outer:].mean()) / 2
    return float(1 / np.sqrt(variance)) if variance > 1e-14 else float("inf")


def _smoothed_lsf(projection: Projection, result: Transfer, width_px: float) -> Float:
    """Line spread [1/px] on the bins: chord slopes of the response, wider with the distance from the edge."""
    distance = projection.distance_px
    # A box of half-width sqrt(3) s has the standard deviation s.
    half = np.maximum(np.sqrt(3) * smoothing_width(np.abs(distance - result.origin_px), width_px), projection.step_px)
    low, high = np.maximum(distance - half, distance[0]), np.minimum(distance + half, distance[-1])
    rise = np.interp(high, distance, result.esf) - np.interp(low, distance, result.esf)
    return np.asarray(rise / (high - low))
