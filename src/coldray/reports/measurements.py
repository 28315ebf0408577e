"""A measurement as a protocol: its numbers with units, its figure, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from coldray import __version__
from coldray.document import Json
from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from coldray.images.correct import Correction
    from coldray.metrology.bars.ctf import BarsMeasurement
    from coldray.metrology.contrast import ContrastMeasurement, Roi
    from coldray.metrology.detector import DetectorMeasurement
    from coldray.metrology.dqe import DqeMeasurement
    from coldray.metrology.duplex.isrb import DuplexMeasurement
    from coldray.metrology.edge.mtf import EdgeMeasurement
    from coldray.metrology.noise import NoiseMeasurement
    from coldray.physics.curves import FrequencyCurve
    from coldray.radiograph import Radiograph

Row = tuple[str, str]


@dataclass(frozen=True)
class Protocol:
    """Everything a page about one measurement holds.

    Parameters
    ----------
    title : str
    rows : tuple of (quantity, value with unit)
    figure : callable
        Draws the figure when it is needed.
    method : str
        What was done, and after which standard.
    table_title : str
    columns : tuple of str
    table : tuple of tuple of str
        Curve or list of readings.
    warnings : tuple of str
    inputs : tuple of dict
        role, file and sha256 of every input.
    """

    title: str
    rows: tuple[Row, ...]
    figure: Callable[[], Figure]
    method: str
    table_title: str = ""
    columns: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    warnings: tuple[str, ...] = ()
    inputs: tuple[dict[str, Json], ...] = ()

    def of(self, inputs: Sequence[dict[str, Json]], warnings: Sequence[str]) -> Protocol:
        """The same of these input files, with everything that is to be said of them."""
        return replace(self, inputs=tuple(inputs), warnings=tuple(warnings))

    def report(self) -> Report:
        """The same as a report, from which HTML and PDF are made alike."""
        from coldray.reports.figures import render

        picture = Picture(render(self.figure(), "png"), self.title)
        sections = [Section("Result", (Facts(self.rows), picture))]
        if self.table:
            sections.append(Section(self.table_title, (Table(self.columns, self.table),)))
        sections.append(Section("Method", (Note(self.method),)))
        if self.inputs:
            files = tuple((str(one["role"]), str(one["file"]), str(one["sha256"])) for one in self.inputs)
            sections.append(Section("Inputs", (Table(("role", "file", "sha256"), files),)))
        words, tone = ("Measured, with warnings", "doubtful") if self.warnings else ("Measured", "good")
        return Report(self.title, f"coldray {__version__}", words, tone, self.warnings, tuple(sections))


def number(value: float | None, unit: str = "", digits: int = 4) -> str:
    """Value with its unit; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–" if value is None or np.isnan(value) else "infinite"
    return f"{value:.{digits}g} {unit}".rstrip()


def percent(value: float | None, digits: int = 3) -> str:
    """Fraction in percent."""
    return number(None if value is None else 100 * value, "%", digits)


def edge_protocol(measured: EdgeMeasurement, pixel_pitch_mm: float) -> Protocol:
    """Protocol of a slanted edge."""
    nyquist = 0.5 / pixel_pitch_mm

    def figure() -> Figure:
        from coldray.reports.figures import edge_figure

        return edge_figure(measured, pixel_pitch_mm)

    return Protocol(
        "Presampled MTF from slanted edges",
        (
            ("MTF 50 %", number(measured.mtf50_lp_mm, "lp/mm")),
            ("MTF 20 %", number(measured.mtf20_lp_mm, "lp/mm")),
            ("MTF 10 %", number(measured.mtf10_lp_mm, "lp/mm")),
            ("MTF at Nyquist", number(float(measured.mtf(nyquist)), digits=3)),
            ("Nyquist frequency", number(nyquist, "lp/mm")),
            ("pixel pitch", number(1e3 * pixel_pitch_mm, "µm")),
            ("edge", f"{measured.orientation}, {measured.angle_deg:+.3f}° from the axis"),
            ("rows across the edge", str(measured.rows)),
            ("half-length", number(measured.half_length_mm, "mm", 3)),
            ("signal step over noise", number(measured.snr, digits=3)),
        ),
        figure,
        "Follows the procedure of IEC 62220-1-1:2015 for the edge response: projection along the fitted edge, finite "
        "difference and binning corrected, pixel aperture kept, 1 at zero frequency for the step between the plateaus. "
        "The frequency runs along the edge normal.",
        "MTF",
        ("lp/mm", "MTF", "low (k = 2)", "high (k = 2)"),
        _tabulated(measured.mtf, nyquist, "{:.4f}"),
    )


def flat_protocol(measured: NoiseMeasurement) -> Protocol:
    """Protocol of flat fields."""
    nyquist = 0.5 / measured.pixel_pitch_mm

    def figure() -> Figure:
        from coldray.reports.figures import flat_figure

        return flat_figure(measured)

    rows: list[Row] = [
        ("mean signal", number(measured.mean_signal)),
        ("pixel noise, relative", percent(measured.pixel_relative_sd)),
    ]
    if measured.temporal_relative_sd is not None:
        rows += [
            ("  temporal part", percent(measured.temporal_relative_sd)),
            ("  fixed pattern", percent(measured.fixed_relative_sd)),
        ]
    rows += [
        ("NNPS, mean to Nyquist", number(float(measured.radial.value.mean()), "mm²", 3)),
        ("uncertainty of a point (1 sd)", percent(float(np.median(measured.relative_sd)), 2)),
        ("Nyquist frequency", number(nyquist, "lp/mm")),
        ("pixel pitch", number(1e3 * measured.pixel_pitch_mm, "µm")),
        ("regions", f"{measured.rois} of {measured.roi_size} x {measured.roi_size} px, {measured.frames} frame(s)"),
    ]
    return Protocol(
        "Normalised noise power from flat fields",
        tuple(rows),
        figure,
        "Follows the procedure of IEC 62220-1-1:2015: half-overlapping regions, second-order trend removed per region, "
        "7 lines on each side of an axis (the axis left out) at their true radial frequency; frames divided by their mean.",
        "NNPS beside the u axis [mm²]",
        ("lp/mm", "NNPS", "low (k = 2)", "high (k = 2)"),
        _tabulated(measured.nnps, nyquist, "{:.3e}"),
    )


def bars_protocol(measured: BarsMeasurement, pixel_pitch_mm: float) -> Protocol:
    """Protocol of a bar pattern."""

    def figure() -> Figure:
        from coldray.reports.figures import bars_figure

        return bars_figure(measured, pixel_pitch_mm)

    finest = measured.groups[-1]
    rows: list[Row] = [
        (f"CTF at {g.frequency_lp_mm:.3f} lp/mm", f"{g.ctf:.4f} ± {g.ctf_high - g.ctf:.4f}") for g in measured.groups
    ]
    rows += [
        ("plateaus", f"{measured.plateau[0]:.5g} and {measured.plateau[1]:.5g} ({measured.plateau_source})"),
        ("bars", f"{finest.angle_deg:+.2f}° from the axis"),
        ("pixel pitch", number(1e3 * pixel_pitch_mm, "µm")),
    ]
    return Protocol(
        "Contrast transfer of bar groups",
        tuple(rows),
        figure,
        "Harmonic series fitted to the pixels of the inner bars; CTF from bar and space middles over the plateaus, MTF by "
        "Coltman's series and, on its own, from the fundamental. A CTF is a square-wave response, not an MTF.",
        "Groups",
        ("lp/mm", "CTF", "± (k = 2)", "MTF (Coltman)", "MTF (fundamental)", "line pairs"),
        tuple(
            (
                f"{g.frequency_lp_mm:.4g}",
                f"{g.ctf:.4f}",
                f"{g.ctf_high - g.ctf:.4f}",
                f"{mtf:.4f}",
                f"{g.mtf:.4f}",
                f"{g.periods:.1f}",
            )
            for g, mtf in zip(measured.groups, measured.mtf, strict=True)
        ),
    )


def _band_um(low_mm: float | None, high_mm: float | None) -> str:
    """Band in micrometres."""
    return "–" if low_mm is None or high_mm is None else f"{1e3 * low_mm:.1f} to {1e3 * high_mm:.1f} µm"


def duplex_protocol(measured: DuplexMeasurement, pixel_pitch_mm: float) -> Protocol:
    """Protocol of a duplex-wire indicator."""

    def figure() -> Figure:
        from coldray.reports.figures import duplex_figure

        return duplex_figure(measured, pixel_pitch_mm)

    return Protocol(
        "Duplex-wire image quality indicator",
        (
            ("iSRb", number(_thousandfold(measured.isrb_mm), "µm", 3)),
            ("iSRb, k = 2", _band_um(measured.isrb_low_mm, measured.isrb_high_mm)),
            ("SRb", number(_thousandfold(measured.srb_mm), "µm", 3)),
            ("pairs found", str(len(measured.pairs))),
            ("wires", f"{measured.angle_deg:+.2f}° from the axis"),
            ("pixel pitch", number(1e3 * pixel_pitch_mm, "µm")),
        ),
        figure,
        "Profile along the wires by projection, dip 100 (A + B − 2C) / (A + B) per pair; SRb is the first pair with a dip "
        "under 20 %, iSRb where a quadratic through the neighbouring dips crosses 20 % (after ISO 19232-5, ASTM E2002).",
        "Pairs",
        ("element", "wire = gap [mm]", "dip [%]"),
        tuple((f"{p.element}D", f"{p.spacing_mm:g}", f"{p.dip_percent:.1f}") for p in measured.pairs),
    )


def snr_protocol(measured: ContrastMeasurement, image: Radiograph, regions: tuple[Roi | None, Roi | None]) -> Protocol:
    """Protocol of one or two regions."""

    def figure() -> Figure:
        from coldray.reports.figures import snr_figure

        return snr_figure(image.pixels, regions, measured, ("signal", "background"))

    signal, background = measured.signal, measured.background
    rows: list[Row] = [
        ("mean", number(signal.mean, digits=6)),
        ("standard deviation", number(signal.sd)),
        ("SNR", number(signal.snr)),
        ("SNR_N", number(measured.snr_n)),
        ("SNR, trend removed", number(signal.mean / signal.sd_detrended if signal.sd_detrended else None)),
    ]
    if signal.sd_temporal is not None:
        rows.append(("standard deviation, frame to frame", number(signal.sd_temporal)))
    if background is not None:
        rows += [
            ("background mean", number(background.mean, digits=6)),
            ("background standard deviation", number(background.sd)),
            ("CNR", number(measured.cnr)),
        ]
    if measured.contrast_sensitivity_percent is not None:
        rows.append(("contrast sensitivity CSa", number(measured.contrast_sensitivity_percent, "%", 3)))
    return Protocol(
        "Signal and noise in regions",
        tuple(rows),
        figure,
        "SNR is mean over standard deviation of the pixels; CNR is the difference of the means over the root mean square of "
        "both deviations; SNR_N = SNR · 88.6 µm / SRb. Sharpening and smoothing change SNR_N: read it beside the MTF.",
    )


def correct_protocol(result: Correction) -> Protocol:
    """Protocol of a correction and average."""
    average = result.average

    def figure() -> Figure:
        from coldray.reports.figures import average_figure

        return average_figure(average)

    enough = (
        "–" if average.frames == 1 else "not reached" if average.enough_frames is None else str(average.enough_frames)
    )
    return Protocol(
        "Corrected and averaged frames",
        (
            ("frames averaged", str(average.frames)),
            ("noise-to-signal ratio of the mean", percent(average.nsr)),
            ("  temporal part of one frame", percent(average.temporal_nsr)),
            ("  fixed pattern", percent(average.fixed_pattern_nsr)),
            ("drop by the last frame", percent(average.nsr_drop, 2)),
            ("frames after which the drop is under 1 %", enough),
            ("bad pixels replaced", str(result.bad_pixels.count)),
        ),
        figure,
        "(I − D) mean(F − D) / (F − D) with mean dark D and mean flat F, bad pixels by the classes of ASTM E2597, then the "
        "mean; noise in detrended blocks without structure, NSR² = fixed² + temporal² / n.",
        "Bad pixels",
        ("class", "pixels"),
        tuple((name.replace("_", " "), str(count)) for name, count in result.bad_pixels.to_json().items()),
    )


def dqe_protocol(measured: DqeMeasurement) -> Protocol:
    """Protocol of an NEQ or DQE."""
    best = measured.neq if measured.dqe is None else measured.dqe

    def figure() -> Figure:
        from coldray.reports.figures import draw_dqe, new_figure

        drawn, axis = new_figure(3.4, 2.6)
        draw_dqe(axis, measured)
        return drawn

    rows: list[Row] = [("what", measured.label), (f"largest {measured.label}", number(float(best.value.max())))]
    if measured.beam is not None:
        rows.append(("beam", f"{measured.beam.name} ({measured.beam.source})"))
    return Protocol(
        measured.label,
        tuple(rows),
        figure,
        "NEQ = MTF² / NNPS, DQE = NEQ / (SNR_in² · air kerma), after IEC 62220-1-1:2015.",
        measured.label,
        ("lp/mm", measured.label, "low (k = 2)", "high (k = 2)"),
        _tabulated(best, best.last_frequency_lp_mm, "{:.4g}"),
    )


def detector_protocol(measured: DetectorMeasurement) -> Protocol:
    """Protocol of a whole detector."""
    detector, edge, flat, neq = measured.detector, measured.edge, measured.flat, measured.neq
    nyquist = detector.nyquist_lp_mm

    def figure() -> Figure:
        from coldray.reports.figures import detector_figure

        bars = measured.bars[0] if measured.bars else None
        return detector_figure(detector.name, detector.pixel_pitch_mm, edge, flat, neq, bars)

    rows: list[Row] = [
        ("pixel pitch", number(1e3 * detector.pixel_pitch_mm, "µm")),
        ("MTF 50 %", number(edge.mtf50_lp_mm, "lp/mm")),
        ("MTF 10 %", number(edge.mtf10_lp_mm, "lp/mm")),
        ("MTF at Nyquist", number(float(edge.mtf(nyquist)), digits=3)),
        ("pixel noise, relative", percent(flat.pixel_relative_sd)),
        ("mean signal of the flats", number(flat.mean_signal)),
    ]
    if neq.dqe is not None and neq.beam is not None:
        rows += [
            ("DQE at 1 lp/mm", number(float(neq.dqe(1.0)), digits=3)),
            ("beam", f"{neq.beam.name}, {neq.beam.snr_in2_per_ugy_mm2:.0f} per mm² and µGy ({neq.beam.source})"),
            ("air kerma at the detector", number(neq.air_kerma_ugy, "µGy")),
        ]
    else:
        rows.append((f"{neq.label} at 1 lp/mm", number(float(neq.neq(1.0)), "per mm²", 3)))
    return Protocol(
        f"Detector {detector.name}",
        tuple(rows),
        figure,
        "MTF from slanted edges and NNPS from flat fields, both following the procedures of IEC 62220-1-1:2015; "
        "NEQ = MTF² / NNPS, DQE = NEQ / (SNR_in² · air kerma). Directions: u along the rows, v along the columns.",
        *_dqe_table(measured),
    )


def _dqe_table(measured: DetectorMeasurement) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Table at the frequencies of the standard; of the MTF alone where the pixels are too coarse for those."""
    rows = measured.dqe_rows
    if not rows:
        curve = _tabulated(measured.edge.mtf, measured.detector.nyquist_lp_mm, "{:.4f}")
        return "MTF", ("lp/mm", "MTF", "low (k = 2)", "high (k = 2)"), curve
    if rows[0].dqe is None:
        cells = tuple(
            (r.direction, f"{r.frequency_lp_mm:g}", f"{r.mtf:.4f}", f"{r.nnps_mm2:.3e}", f"{r.neq_per_mm2:.4g}")
            for r in rows
        )
        return "NEQ by direction", ("direction", "lp/mm", "MTF", "NNPS [mm²]", "NEQ [1/mm²]"), cells
    with_band = tuple(
        (r.direction, f"{r.frequency_lp_mm:g}", f"{r.mtf:.4f}", f"{r.nnps_mm2:.3e}", f"{r.dqe:.3f}",
         f"{r.dqe_low:.3f} to {r.dqe_high:.3f}")
        for r in rows
    )  # fmt: skip
    return "DQE by direction", ("direction", "lp/mm", "MTF", "NNPS [mm²]", "DQE", "k = 2"), with_band


def _thousandfold(value: float | None) -> float | None:
    return None if value is None else 1e3 * value


def _tabulated(curve: FrequencyCurve, nyquist_lp_mm: float, style: str) -> tuple[tuple[str, ...], ...]:
    """Curve and band at tenths of Nyquist, within the table."""
    first, last = curve.frequency_lp_mm[0], curve.last_frequency_lp_mm
    lines = []
    for place in np.linspace(0.1, 1.0, 10) * nyquist_lp_mm:
        if not first <= place <= last * (1 + 1e-9):
            continue
        cells = [style.format(float(curve(place)))]
        for band in (curve.low, curve.high):
            cells.append("–" if band is None else style.format(float(np.interp(place, curve.frequency_lp_mm, band))))
        lines.append((f"{place:.4g}", *cells))
    return tuple(lines)
