"""Protocols of linearity, uniformity, wire indicators, task transfer, and blur without a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.metrology.wire_iqi import VISIBLE_CNR
from coldray.reports.figures import BLUE, GREY, ORANGE, STYLE, new_figure
from coldray.reports.measurements import Protocol, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from coldray.metrology.blurs import BlurSeparation
    from coldray.metrology.linearity import LinearityMeasurement
    from coldray.metrology.noise_mtf import NoiseMtf
    from coldray.metrology.transfer import TaskTransfer
    from coldray.metrology.uniformity import UniformityMeasurement
    from coldray.metrology.wire_iqi import WireIqiMeasurement
    from coldray.physics.curves import FrequencyCurve


def _drawn(columns: int, draw: Callable[[Any], None]) -> Figure:
    """A figure under our style."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure, axes = new_figure(4.6 * columns if columns > 1 else 4.6, 3.0, columns)
        draw(axes)
        return figure


def draw_linearity(axis: Axes, measured: LinearityMeasurement) -> None:
    """Deviation from the line over exposure."""
    axis.axhline(0, color=GREY, lw=0.8)
    axis.plot(measured.exposure, 100 * measured.deviation, "o-", color=BLUE, ms=3)
    axis.set(xscale="log", xlabel="exposure", ylabel="deviation from the line [%]")


def linearity_protocol(measured: LinearityMeasurement) -> Protocol:
    """Protocol of a conversion function."""
    return Protocol(
        "Linearity",
        (
            ("R²", f"{measured.r_squared:.6f}"),
            ("largest deviation from the line", percent(measured.largest_deviation)),
            ("slope", f"{measured.slope:.6g} ± {2 * measured.slope_sd:.2g} per exposure (k = 2)"),
            ("signal at no exposure", f"{measured.intercept:.4g} ± {2 * measured.intercept_sd:.2g} (k = 2)"),
            ("exposures", f"{measured.exposure.size}, {measured.exposure[0]:.4g} to {measured.exposure[-1]:.4g}"),
        ),
        lambda: _drawn(1, lambda axis: draw_linearity(axis, measured)),
        "Mean signal of flats over their exposure, straight line by relative least squares; follows the conversion function of "
        "IEC 62220-1-1:2015.",
        "Exposures",
        ("exposure", "signal", "deviation [%]"),
        tuple(
            (f"{x:.4g}", f"{y:.6g}", f"{100 * d:+.3f}")
            for x, y, d in zip(measured.exposure, measured.signal, measured.deviation, strict=True)
        ),
    )


def draw_tiles(axis: Axes, tiles: NDArray[np.float64], name: str) -> None:
    """Map of tiles, relative to their mean."""
    relative = 100 * (tiles / np.nanmean(tiles) - 1)
    most = max(float(np.nanmax(np.abs(relative))), 1e-6)
    drawn = axis.imshow(relative, cmap="RdBu_r", vmin=-most, vmax=most)
    axis.set_title(f"{name}, deviation from the mean [%]", loc="left")
    axis.set(xlabel="tile", ylabel="tile")
    axis.figure.colorbar(drawn, ax=axis, shrink=0.8)


def uniformity_protocol(measured: UniformityMeasurement, pixel_pitch_mm: float) -> Protocol:
    """Protocol of a uniformity map."""

    def draw(axes: Sequence[Axes]) -> None:
        draw_tiles(axes[0], measured.signal, "signal")
        draw_tiles(axes[1], measured.snr, "SNR")

    rows, cols = measured.signal.shape
    return Protocol(
        "Uniformity of a flat",
        (
            ("signal, global", percent(measured.signal_global)),
            ("signal, local", percent(measured.signal_local)),
            ("SNR, global", percent(measured.snr_global)),
            ("SNR, local", percent(measured.snr_local)),
            ("smallest SNR", number(measured.snr_smallest)),
            ("mean SNR", number(float(np.nanmean(measured.snr)))),
            ("tiles", f"{cols} x {rows} of {measured.tile_px} px ({measured.tile_px * pixel_pitch_mm:.3g} mm)"),
            (
                "noise",
                "from frame to frame" if measured.temporal else "of one image, second-order trend removed per tile",
            ),
        ),
        lambda: _drawn(2, draw),
        "Global: (largest − smallest) / mean of the tiles; local: largest difference of a tile from the mean of its neighbours, "
        "over the mean. After AAPM Report 150 as literature describes it.",
    )


def draw_wires(axis: Axes, measured: WireIqiMeasurement) -> None:
    """Profile across the wires with their numbers."""
    axis.plot(measured.position_mm, 100 * measured.depth, color=BLUE, lw=0.8)
    for wire in measured.wires:
        axis.annotate(
            f"W{wire.number}", (wire.position_mm, 100 * wire.contrast), ha="center", va="bottom", fontsize=7,
            color="black" if wire.visible else GREY,
        )  # fmt: skip
    axis.set(xlabel="place [mm]", ylabel="contrast [%]")


def iqi_protocol(measured: WireIqiMeasurement) -> Protocol:
    """Protocol of a wire indicator."""
    return Protocol(
        "Wire image quality indicator",
        (
            ("finest visible wire", "none" if measured.finest is None else f"W{measured.finest}"),
            ("distance of the wires", number(measured.spacing_mm, "mm")),
            ("wires", f"{measured.angle_deg:+.2f}° from the axis"),
        ),
        lambda: _drawn(1, lambda axis: draw_wires(axis, measured)),
        f"Profile along the wires by projection, each wire filtered with its own width; visible from a contrast-to-noise ratio of "
        f"{VISIBLE_CNR:g} on the profile (ours; the standard asks the eye). Diameters after ISO 19232-1, recalled.",
        "Wires",
        ("wire", "diameter [mm]", "contrast [%]", "CNR", "visible"),
        tuple(
            (f"W{w.number}", f"{w.diameter_mm:g}", f"{100 * w.contrast:.3f}", number(w.cnr, digits=3),
             "yes" if w.visible else "no")
            for w in measured.wires
        ),
    )  # fmt: skip


def draw_ttf(axis: Axes, measured: TaskTransfer) -> None:
    """TTF with its band, and times the contrast kept."""
    curve = measured.ttf
    if curve.low is not None and curve.high is not None:
        axis.fill_between(curve.frequency_lp_mm, curve.low, curve.high, color=BLUE, alpha=0.2, lw=0)
    axis.plot(curve.frequency_lp_mm, curve.value, color=BLUE, label="TTF, k = 2")
    axis.plot(curve.frequency_lp_mm, measured.response.value, color=ORANGE, ls="--", label="times the contrast kept")
    axis.set(xlabel="spatial frequency [lp/mm]", ylabel="task transfer", ylim=(0, None))
    axis.legend()


def ttf_protocol(measured: TaskTransfer, pixel_pitch_mm: float) -> Protocol:
    """Protocol of a task transfer."""
    nyquist = 0.5 / pixel_pitch_mm
    return Protocol(
        measured.name,
        (
            ("TTF 50 %", number(measured.ttf50_lp_mm, "lp/mm")),
            ("contrast kept", number(measured.contrast_kept, digits=4)),
            ("repeats", str(measured.repeats)),
            ("contrast of the edge", percent(measured.contrast)),
            ("Nyquist frequency", number(nyquist, "lp/mm")),
        ),
        lambda: _drawn(1, lambda axis: draw_ttf(axis, measured)),
        "Edge response of the mean of the repeats; 1 at zero for the step that is left, with the contrast kept beside it. It belongs "
        "to this contrast, dose and scene, and is no MTF. After AAPM Report 233.",
    )


def draw_band(axis: Axes, curve: FrequencyCurve, name: str, stated: FrequencyCurve | None = None) -> None:
    """A transfer with its band, and a stated one beside it."""
    if curve.low is not None and curve.high is not None:
        axis.fill_between(curve.frequency_lp_mm, curve.low, curve.high, color=BLUE, alpha=0.2, lw=0)
    axis.plot(curve.frequency_lp_mm, curve.value, color=BLUE, label=f"{name}, k = 2")
    if stated is not None:
        axis.plot(curve.frequency_lp_mm, stated(curve.frequency_lp_mm), color=ORANGE, ls="--", label="as stated")
    axis.set(xlabel="spatial frequency [lp/mm]", ylabel="transfer", ylim=(0, None))
    axis.legend()


def noise_mtf_protocol(measured: NoiseMtf, stated: FrequencyCurve | None) -> Protocol:
    """Protocol of a blur from noise."""
    return Protocol(
        "Blur without a target: transfer of noise",
        (
            ("transfer 50 %", number(measured.mtf.frequency_at(0.5), "lp/mm")),
            ("white part of the noise power", percent(measured.white_share)),
            ("exposures", str(measured.levels)),
        ),
        lambda: _drawn(1, lambda axis: draw_band(axis, measured.mtf, "noise transfer", stated)),
        "Temporal noise spectra of repeated flats; quanta and white read-out noise told apart by exposure, a Gaussian core with "
        "exponential tails and the pixel fitted with all aliases. It is the MTF where every quantum is blurred alike, and lies "
        "above it in thick screens; glare longer than a few pixels is not seen.",
    )


def blurs_protocol(measured: BlurSeparation) -> Protocol:
    """Protocol of two blurs told apart."""
    shape = measured.shape if measured.told else "not told, uniform and Gaussian agree alike"
    return Protocol(
        "Blur of source and detector",
        (
            ("focal spot", number(measured.spot_mm, "mm")),
            ("focal spot, k = 2", f"{measured.spot_low_mm:.3g} to {measured.spot_high_mm:.3g} mm"),
            ("shape of the spot", shape),
            ("MTF 50 % of the detector", number(measured.detector_mtf.frequency_at(0.5), "lp/mm")),
            ("rest over its uncertainty", number(measured.misfit, digits=2)),
        ),
        lambda: _drawn(1, lambda axis: draw_band(axis, measured.detector_mtf, "detector")),
        "The spot is seen (m - 1) times as large at the detector, whose own blur stays: both follow from the edges at all "
        "magnifications by least squares of the logarithms.",
    )
