"""One figure per measurement, fit for a paper: lp/mm axes, Nyquist line, k = 2 bands, units."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from coldray.images.averaging import FrameAverage
    from coldray.metrology.bars.ctf import BarsMeasurement
    from coldray.metrology.contrast import ContrastMeasurement, Roi
    from coldray.metrology.dqe import DqeMeasurement
    from coldray.metrology.duplex.isrb import DuplexMeasurement
    from coldray.metrology.edge.mtf import EdgeMeasurement
    from coldray.metrology.noise import NoiseMeasurement
    from coldray.physics.curves import FrequencyCurve

Given = ParamSpec("Given")
Drawn = TypeVar("Drawn")

# Okabe and Ito's colours, told apart by all readers and in grey.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "0.45"
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "coldray",
}
DPI = 200
SHOWN_LSF = 0.003
"""The edge panel reaches to where the line spread has fallen to this share of its peak."""

LEFT_OF_NYQUIST: dict[str, Any] = {"loc": "upper right", "bbox_to_anchor": (0.92, 1.0), "borderaxespad": 0.2}
LEAST_FIXED = 0.1
"""A fixed pattern below this share of the noise is not drawn: its curve is the scatter of the estimate."""


def _styled(draw: Callable[Given, Drawn]) -> Callable[Given, Drawn]:
    """Draw under our style: texts and lines take it when they are made."""

    @wraps(draw)
    def drawn(*args: Given.args, **options: Given.kwargs) -> Drawn:
        from matplotlib import rc_context

        with rc_context(STYLE):
            return draw(*args, **options)

    return drawn


def empty_figure(width_in: float, height_in: float) -> Figure:
    """Figure without a display and without axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_figure(width_in: float, height_in: float, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Figure without a display, and its axes side by side."""
    figure = empty_figure(width_in, height_in)
    return figure, figure.subplots(1, columns, **options)


def render(figure: Figure, kind: str) -> bytes:
    """Encode a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    kind : {"png", "pdf", "svg"}

    Returns
    -------
    bytes
        The same for the same figure: no date is written.
    """
    from matplotlib import rc_context

    undated = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    out = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(out, format=kind, dpi=DPI, metadata=undated[kind])
    return out.getvalue()


def _frequency_axis(axis: Axes, nyquist_lp_mm: float, label: str, reach: float = 1.07) -> None:
    """Spatial frequency from zero with a line at Nyquist."""
    axis.axvline(nyquist_lp_mm, color=GREY, lw=0.8, ls=":")
    axis.annotate(
        "Nyquist",
        (nyquist_lp_mm, 1),
        (2, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left",
        va="top",
        rotation=90,
        fontsize=7,
        color=GREY,
    )
    axis.set(xlabel="spatial frequency [lp/mm]", ylabel=label, xlim=(0, reach * nyquist_lp_mm))


def _band(axis: Axes, curve: FrequencyCurve, colour: str, label: str, **style: Any) -> None:
    """Curve and, where it has one, its k = 2 band."""
    axis.plot(curve.frequency_lp_mm, curve.value, color=colour, label=label, **style)
    if curve.low is not None and curve.high is not None:
        axis.fill_between(curve.frequency_lp_mm, curve.low, curve.high, color=colour, alpha=0.22, lw=0)


def draw_mtf(axis: Axes, measured: EdgeMeasurement, pixel_pitch_mm: float) -> None:
    """Presampled MTF with band, Nyquist and the 50 and 10 % points."""
    _band(axis, measured.mtf, BLUE, "presampled MTF, band k = 2")
    for level, place in ((0.5, measured.mtf50_lp_mm), (0.1, measured.mtf10_lp_mm)):
        if place is not None:
            axis.plot([0, place, place], [level, level, 0], color=GREY, lw=0.7, ls="--")
            axis.annotate(f"{place:.3g} lp/mm", (place, level), (3, 3), textcoords="offset points", fontsize=7)
    _frequency_axis(axis, 0.5 / pixel_pitch_mm, "MTF")
    axis.set_ylim(0, max(1.05, 1.05 * float(measured.mtf.value.max())))


def draw_nnps(axis: Axes, measured: NoiseMeasurement) -> None:
    """NNPS beside both axes and its parts, on a logarithmic scale."""
    _band(axis, measured.nnps, BLUE, "beside the u axis, k = 2")
    vertical = measured.nnps_vertical
    axis.plot(vertical.frequency_lp_mm, vertical.value, color=ORANGE, lw=0.9, label="beside the v axis")
    axis.plot(measured.radial.frequency_lp_mm, measured.radial.value, color="k", lw=0.9, label="radial average")
    share = (measured.fixed_relative_sd or 0.0) / measured.pixel_relative_sd
    parts = [(measured.temporal, GREEN, "temporal")]
    if share > LEAST_FIXED:
        parts.append((measured.fixed_pattern, RED, "fixed pattern"))
    lowest = [measured.nnps.value, measured.radial.value]
    for curve, colour, name in parts:
        if curve is not None:
            shown = np.where(curve.value > 0, curve.value, np.nan)
            axis.plot(curve.frequency_lp_mm, shown, color=colour, lw=0.9, ls="--", label=name)
            lowest.append(shown[np.isfinite(shown)])
    axis.set_yscale("log")
    top = float(measured.nnps.value.max())
    bottom = min(float(np.quantile(values, 0.05)) for values in lowest)
    axis.set_ylim(max(bottom / 20, 1e-5 * top), 2 * top)
    _frequency_axis(axis, 0.5 / measured.pixel_pitch_mm, "NNPS [mm²]")


def draw_ctf(axis: Axes, measured: BarsMeasurement, pixel_pitch_mm: float) -> None:
    """CTF of every group with k = 2 bars, and both MTFs that follow from it."""
    frequency = np.array([g.frequency_lp_mm for g in measured.groups])
    ctf = np.array([g.ctf for g in measured.groups])
    spread = np.array([g.ctf_high - g.ctf for g in measured.groups])
    axis.errorbar(frequency, ctf, spread, color=BLUE, fmt="o-", ms=4, capsize=2, lw=0.9, label="CTF, bars k = 2")
    axis.plot(frequency, measured.mtf, color=RED, marker="s", ms=3.5, ls="--", lw=0.9, label="MTF by Coltman's series")
    axis.plot(frequency, [g.mtf for g in measured.groups], "k^", ms=3.5, mfc="none", label="MTF by the fundamental")
    nyquist = 0.5 / pixel_pitch_mm
    _frequency_axis(axis, nyquist, "contrast transfer", max(1.07, 1.05 * float(frequency.max()) / nyquist))
    axis.set_ylim(0, max(1.08, 1.05 * float((ctf + spread).max())))


@_styled
def edge_figure(measured: EdgeMeasurement, pixel_pitch_mm: float) -> Figure:
    """MTF with its band, beside the edge response and the line spread."""
    figure, (left, right) = new_figure(7.0, 2.9, 2, width_ratios=(1.5, 1))
    draw_mtf(left, measured, pixel_pitch_mm)
    left.legend(**LEFT_OF_NYQUIST)
    peak = float(measured.lsf_per_mm.max())
    wide = np.abs(measured.distance_mm[measured.lsf_per_mm > SHOWN_LSF * peak])
    reach = min(float(np.abs(measured.distance_mm).max()), 1.2 * float(wide.max()) + pixel_pitch_mm)
    inside = np.abs(measured.distance_mm) <= reach
    x = measured.distance_mm[inside]
    right.plot(x, measured.esf[inside], color=BLUE, label="edge response")
    right.plot(x, measured.lsf_per_mm[inside] / peak, color=RED, ls="--", lw=0.9, label="line spread / peak")
    right.set(xlabel="distance from the edge [mm]", xlim=(-reach, reach), ylim=(-0.05, 1.32))
    right.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    right.legend(loc="upper left")
    left.set_title(
        f"{measured.orientation} edge at {measured.angle_deg:+.2f}°, {pixel_pitch_mm * 1e3:.4g} µm pixels", loc="left"
    )
    right.set_title(f"{measured.rows} rows, half-length {measured.half_length_mm:.3g} mm", loc="left")
    return figure


@_styled
def flat_figure(measured: NoiseMeasurement) -> Figure:
    """NNPS curves beside the two-dimensional map."""
    figure, (left, right) = new_figure(7.0, 2.9, 2, width_ratios=(1.5, 1))
    draw_nnps(left, measured)
    left.legend(loc="lower left", ncols=2, columnspacing=1.0, handlelength=1.5)
    pages = "1 frame" if measured.frames == 1 else f"{measured.frames} frames"
    left.set_title(
        f"{pages}, {measured.rois} regions of {measured.roi_size}², {measured.pixel_pitch_mm * 1e3:.4g} µm pixels",
        loc="left",
    )
    nyquist = 0.5 / measured.pixel_pitch_mm
    level = float(np.median(measured.nnps_map))
    decibel = 10 * np.log10(np.maximum(measured.nnps_map, 1e-6 * level) / level)
    low, high = np.quantile(decibel, [0.01, 0.995])
    extent = (-nyquist, nyquist, nyquist, -nyquist)
    shown = right.imshow(decibel, cmap="viridis", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    right.set(xlabel="u [lp/mm]", ylabel="v [lp/mm]", title="NNPS map")
    figure.colorbar(shown, ax=right, shrink=0.85, label="dB above the median")
    return figure


@_styled
def bars_figure(measured: BarsMeasurement, pixel_pitch_mm: float) -> Figure:
    """CTF and MTF of the bar groups."""
    figure, axis = new_figure(4.6, 3.0)
    draw_ctf(axis, measured, pixel_pitch_mm)
    axis.legend(**LEFT_OF_NYQUIST)
    angle = float(np.median([g.angle_deg for g in measured.groups]))
    axis.set_title(
        f"{len(measured.groups)} bar groups at {angle:+.1f}°, {pixel_pitch_mm * 1e3:.4g} µm pixels", loc="left"
    )
    return figure


@_styled
def duplex_figure(measured: DuplexMeasurement, pixel_pitch_mm: float) -> Figure:
    """Profile across the wires, and the dips against the spacing."""
    figure, (left, right) = new_figure(7.0, 2.9, 2, width_ratios=(1.6, 1))
    left.plot(measured.position_mm, measured.depth, color=BLUE, lw=0.8)
    top = float(measured.depth.max())
    for pair in measured.pairs:
        left.annotate(f"{pair.element}", (pair.position_mm, 1.03 * top), ha="center", va="bottom", fontsize=6)
    left.set(xlabel="position across the wires [mm]", ylabel="depth below the background", ylim=(None, 1.14 * top))
    left.set_title(f"profile by pair number, wires at {measured.angle_deg:+.2f}°", loc="left")
    spacing = np.array([p.spacing_mm for p in measured.pairs])
    right.plot(spacing, [p.dip_percent for p in measured.pairs], "o-", color=BLUE, ms=3.5, lw=0.9)
    right.axhline(20, color=GREY, lw=0.8, ls="--")
    right.annotate("20 %", (1, 20), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right")
    if measured.isrb_mm is not None:
        right.axvline(measured.isrb_mm, color=RED, lw=0.9)
        right.annotate(
            f"iSRb {measured.isrb_mm * 1e3:.3g} µm",
            (measured.isrb_mm, 0.97),
            (3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            rotation=90,
            color=RED,
            fontsize=7,
        )
    right.set_xscale("log")
    right.set_xticks(spacing, [f"{s:g}" for s in spacing], rotation=90)
    right.set_xticks([], minor=True)
    right.set(xlabel="wire diameter = gap [mm]", ylabel="dip [%]", ylim=(-3, 103))
    right.set_title(f"{pixel_pitch_mm * 1e3:.4g} µm pixels", loc="left")
    return figure


@_styled
def snr_figure(
    image: NDArray[np.number], regions: Sequence[Roi | None], measured: ContrastMeasurement, labels: Sequence[str]
) -> Figure:
    """Where the regions lie, and the pixel values inside them."""
    from matplotlib.patches import Rectangle

    figure, (left, right) = new_figure(7.0, 2.9, 2, width_ratios=(1, 1.2))
    low, high = np.quantile(image, [0.005, 0.995])
    left.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest")
    left.set(xlabel="column [px]", ylabel="row [px]")
    rows, cols = image.shape
    for roi, noise, colour, name in zip(
        regions, (measured.signal, measured.background), (ORANGE, BLUE), labels, strict=False
    ):
        if noise is None:
            continue
        x, y, width, height = roi or (0, 0, cols, rows)
        left.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, ec=colour, lw=1.2))
        values = image[y : y + height, x : x + width].ravel()
        count = int(np.clip(np.sqrt(values.size), 10, 80))
        right.hist(
            values, bins=count, density=True, histtype="step", color=colour, label=f"{name}: SNR {noise.snr:.4g}"
        )
        right.axvline(noise.mean, color=colour, lw=0.8, ls="--")
    right.set(xlabel="pixel value", ylabel="density")
    right.set_yticks([])
    right.set_ylim(0, 1.25 * right.get_ylim()[1])
    right.legend(loc="upper left")
    left.set_title("regions", loc="left")
    right.set_title(
        "pixel values, means dashed" + ("" if measured.cnr is None else f", CNR {measured.cnr:.3g}"), loc="left"
    )
    return figure


@_styled
def average_figure(average: FrameAverage) -> Figure:
    """Noise-to-signal ratio of the mean against the number of frames, with its two parts."""
    figure, axis = new_figure(4.6, 3.0)
    n = np.arange(1, average.frames + 1)
    axis.plot(n, 100 * np.array(average.nsr_by_frame), "o-", color=BLUE, ms=3, label="mean of n frames")
    if average.temporal_nsr is not None and average.fixed_pattern_nsr is not None:
        axis.plot(n, 100 * average.temporal_nsr / np.sqrt(n), color=GREEN, ls="--", lw=0.9, label="temporal / √n")
        if average.fixed_pattern_nsr > 0:
            axis.axhline(100 * average.fixed_pattern_nsr, color=RED, ls="--", lw=0.9, label="fixed pattern")
    if average.enough_frames is not None:
        axis.axvline(average.enough_frames, color=GREY, lw=0.8, ls=":", label="drop under 1 %")
    axis.set(xlabel="frames n", ylabel="noise-to-signal ratio [%]")
    axis.set_ylim(0, 1.1 * 100 * max(average.nsr_by_frame))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(loc="best")
    axis.set_title("averaging", loc="left")
    return figure


def draw_dqe(axis: Axes, measured: DqeMeasurement) -> None:
    """NEQ or DQE with its band."""
    curve, label = (measured.neq, f"{measured.label} [1/mm²]") if measured.dqe is None else (measured.dqe, "DQE")
    _band(axis, curve, BLUE, "band k = 2")
    most = float(np.quantile(curve.value, 0.98))
    axis.set_ylim(0, 1.25 * most if measured.dqe is None else max(1.0, 1.1 * most))
    axis.set(xlabel="spatial frequency [lp/mm]", ylabel=label)


@_styled
def detector_figure(
    name: str,
    pixel_pitch_mm: float,
    edge: EdgeMeasurement,
    flat: NoiseMeasurement,
    neq: DqeMeasurement,
    bars: BarsMeasurement | None = None,
) -> Figure:
    """MTF, NNPS and NEQ or DQE of one detector."""
    figure, (first, second, third) = new_figure(9.6, 3.0, 3)
    draw_mtf(first, edge, pixel_pitch_mm)
    if bars is not None:
        place = [g.frequency_lp_mm for g in bars.groups]
        first.plot(place, [g.mtf for g in bars.groups], "k^", ms=3.5, mfc="none", label="bars, fundamental")
    first.legend(**LEFT_OF_NYQUIST)
    first.set_title(f"{name}: {pixel_pitch_mm * 1e3:.4g} µm pixels", loc="left")
    draw_nnps(second, flat)
    second.legend(loc="lower left", ncols=2, columnspacing=0.6, handlelength=1.1, fontsize=6.5)
    second.set_title(f"{flat.frames} flat frames", loc="left")
    draw_dqe(third, neq)
    _frequency_axis(third, 0.5 / pixel_pitch_mm, third.get_ylabel())
    if neq.dqe is not None and neq.beam is not None:
        third.set_title(f"{neq.beam.name}, {neq.air_kerma_ugy:.4g} µGy", loc="left")
    third.legend(**LEFT_OF_NYQUIST)
    return figure
