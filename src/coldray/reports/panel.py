"""The sheet of a panel as makers publish it: figures at a glance, the radar chart, the curves, and all figures with bands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from coldray import __version__
from coldray.document import Json
from coldray.metrology.panel.figure import BASIS, STANDARD, Figure, over_panels
from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table
from coldray.reports.figures import BLUE, GREEN, GREY, ORANGE, RED, STYLE, render
from coldray.reports.measurements import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from coldray.metrology.panel.sheet import PanelMeasurement

COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9")
MOST_PANELS = len(COLOURS)
AXES = (
    ("isrb", "iSRb [µm]", 400.0, 25.0),
    ("efficiency.", "SNR_N at 1 mGy", 50.0, 2000.0),
    ("csa.", "best CSa [%]", 2.0, 0.05),
    ("smtr2.", "SMTR 2 % [mm]", 3.0, 100.0),
    ("lag.first", "lag, 1st frame [%]", 5.0, 0.05),
    ("burn_in.", "burn-in [%]", 5.0, 0.05),
    ("isr", "int. scatter [%]", 20.0, 1.0),
    ("bad.total", "bad pixels", 1e5, 10.0),
)
"""Axes of the radar chart: key or its beginning, label, value at the centre and at the rim; logarithmic."""
NOT_CLAIMED = (
    f"Every figure follows {STANDARD} {BASIS}. Conformity to the standard is not claimed: beam qualities, times and geometry "
    "are those of the acquisitions, and limits marked as recalled must be checked against a licensed copy."
)


def panel_report(
    panels: Sequence[PanelMeasurement], inputs: Sequence[Mapping[str, Json]], warnings: Sequence[str]
) -> Report:
    """Lay out the sheet of one panel, or of several of one type.

    Parameters
    ----------
    panels : sequence of PanelMeasurement
    inputs : sequence of dict
        role, file and sha256 of every file read.
    warnings : sequence of str
        What the reading of the files remarked.
    """
    single = len(panels) == 1
    found = over_panels([panel.figures for panel in panels])
    known = sum(f.value is not None for panel in panels for f in panel.figures)
    total = sum(len(panel.figures) for panel in panels)
    told = [*warnings, *(w if single else f"{panel.name}: {w}" for panel in panels for w in panel.warnings)]
    sections = [
        Section(
            "At a glance",
            (
                _glance(panels),
                Picture(render(panel_figure(panels), "png"), "Radar chart (scales on its axes are ours, best at the rim), SNR_N over air "
                        "kerma, contrast sensitivity over thickness at the longest time, and lag."),
            ),
        ),
        *(
            Section(factor[0].upper() + factor[1:], (_table([f.figure for f in found if f.figure.factor == factor], panels),))
            for factor in dict.fromkeys(one.figure.factor for one in found)
        ),
    ]  # fmt: skip
    if told:
        sections.append(Section("Warnings", tuple(Note(text) for text in told)))
    sections.append(Section("What is not claimed", (Note(NOT_CLAIMED),)))
    sections.append(Section("Inputs", (Facts(tuple((str(i["file"]), f"sha256 {i['sha256']}") for i in inputs)),)))
    names = ", ".join(panel.name for panel in panels)
    return Report(
        title=f"Panel characterisation: {names}",
        subtitle=f"after {STANDARD}, {BASIS}; coldray {__version__}",
        verdict=f"{known} of {total} figures measured",
        tone="good" if known == total and not told else "doubtful",
        statement=("Every figure stands with its k = 2 band.",)
        + (() if single else ("Several panels: their mean, and the standard deviation from panel to panel.",)),
        sections=tuple(sections),
    )


def panel_csv(panels: Sequence[PanelMeasurement]) -> str:
    """All figures of all panels as a table."""
    from coldray.physics.tables import write_table

    rows = [(panel.name, figure) for panel in panels for figure in panel.figures]
    columns: dict[str, list[Any]] = {"panel": [name for name, _ in rows]}
    for key in ("key", "value", "low", "high", "unit", "factor", "note"):
        columns[key] = [getattr(figure, key) for _, figure in rows]
    return write_table(columns, None, [NOT_CLAIMED])


def headline(figures: Sequence[Figure]) -> list[Figure]:
    """Figures of the first page: the wedges by their longest time and their best step alone."""
    longest: dict[str, float] = {}
    for figure in figures:
        if figure.key.startswith("csa."):
            material, time = _wedge_of(figure)
            longest[material] = max(longest.get(material, 0.0), time)
    out, best = [], dict[str, Figure]()
    for figure in figures:
        if figure.key.startswith(("csa.", "smtr", "iso_mtl")):
            material, time = _wedge_of(figure)
            if time != longest.get(material):
                continue
            if figure.key.startswith("csa."):
                held = best.get(material)
                if figure.value is not None and (held is None or held.value is None or figure.value < held.value):
                    best[material] = figure
                continue
        if figure.key.startswith("bad.") and figure.key not in ("bad.total", "bad.relevant_clusters", "bad.lines"):
            continue
        out.append(figure)
    place = next((k for k, f in enumerate(out) if f.key.startswith("smtr")), len(out))
    return out[:place] + list(best.values()) + out[place:]


def _wedge_of(figure: Figure) -> tuple[str, float]:
    """Material and integration time [s] of a figure of a wedge, by its key."""
    material, _, rest = figure.key.partition(".")[2].partition(".")
    seconds, mark, _ = rest.partition("s")
    while mark and not _is_number(seconds):
        more, _, rest = rest.partition(".")
        material, (seconds, mark, _) = f"{material}.{more}", rest.partition("s")
    return material, float(seconds)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cells(figure: Figure) -> tuple[str, str]:
    """Value and band with the digits that the band allows."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "–", figure.note
    half = (figure.high - figure.low) / 2
    if half <= 0:
        return number(figure.value, digits=6), "exact"
    digits = int(np.clip(1 - np.floor(np.log10(half)), 0, 6))
    return f"{figure.value:.{digits}f}", f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"


def _table(figures: Iterable[Figure], panels: Sequence[PanelMeasurement]) -> Table:
    """Figures with bands for one panel; with mean, spread and the value of each for several."""
    figures = list(figures)
    note = f"{STANDARD}, {figures[0].factor}, {BASIS}." if figures else ""
    if len(panels) == 1:
        rows = tuple((f.name, *_cells(f), f.unit) for f in figures)
        return Table(("figure", "value", "k = 2 band", "unit"), rows, note)
    spreads = {s.figure.key: s for s in over_panels([panel.figures for panel in panels])}
    lines = []
    for figure in figures:
        spread = spreads[figure.key]
        each = tuple("–" if v is None else number(v) for v in spread.values)
        lines.append((figure.name, number(spread.mean), number(spread.sd, digits=2), *each, figure.unit))
    return Table(("figure", "mean", "SD of panels", *(panel.name for panel in panels), "unit"), tuple(lines), note)


def _glance(panels: Sequence[PanelMeasurement]) -> Table:
    table = _table(headline(panels[0].figures), panels)
    return Table(table.columns, table.rows)


def axis_value(figures: Sequence[Figure], beginning: str) -> float | None:
    """Value on an axis of the radar chart: of the first figure of that key, or the best of a wedge's."""
    named = beginning.endswith(".")
    of_axis = [f for f in figures if (f.key.startswith(beginning) if named else f.key == beginning)]
    values = [f.value for f in of_axis if f.value is not None]
    if not values:
        return None
    return min(values) if beginning == "csa." else max(values) if beginning == "smtr2." else values[0]


def panel_figure(panels: Sequence[PanelMeasurement]) -> Drawing:
    """Radar chart, SNR_N over air kerma, contrast sensitivity over thickness, and lag."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    with rc_context(STYLE):
        drawing = Drawing(figsize=(7.2, 4.5), layout="constrained")
        FigureCanvasAgg(drawing)
        radar = drawing.add_subplot(2, 2, 1, projection="polar")
        _radar(radar, panels[:MOST_PANELS])
        _efficiency(drawing.add_subplot(2, 2, 2), panels[:MOST_PANELS])
        _sensitivity(drawing.add_subplot(2, 2, 3), panels[0])
        _lag(drawing.add_subplot(2, 2, 4), panels[:MOST_PANELS])
        return drawing


def _radar(axis: Any, panels: Sequence[PanelMeasurement]) -> None:
    angles = np.linspace(0, 2 * np.pi, len(AXES), endpoint=False)
    axis.set_theta_zero_location("N")
    axis.set_theta_direction(-1)
    for colour, panel in zip(COLOURS, panels, strict=False):
        score = []
        for beginning, _, worst, best in AXES:
            value = axis_value(panel.figures, beginning)
            at = np.nan if value is None else np.log(max(value, 1e-9) / worst) / np.log(best / worst)
            score.append(float(np.clip(at, 0, 1)))
        closed = np.r_[score, score[0]]
        axis.plot(np.r_[angles, angles[0]], closed, color=colour, marker="o", markersize=2.5, label=panel.name)
        axis.fill(np.r_[angles, angles[0]], np.nan_to_num(closed), color=colour, alpha=0.12)
    axis.set_ylim(0, 1)
    axis.set_yticks([0.25, 0.5, 0.75, 1.0], [""] * 4)
    axis.set_xticks(angles, [f"{label}\n{worst:g} … {best:g}" for _, label, worst, best in AXES], fontsize=6)
    for text, angle in zip(axis.get_xticklabels(), angles, strict=True):
        text.set_horizontalalignment("center" if abs(np.sin(angle)) < 0.1 else "left" if np.sin(angle) > 0 else "right")
    axis.tick_params(pad=-2)
    axis.grid(color="0.85", linewidth=0.6)
    axis.spines["polar"].set_color("0.7")
    if len(panels) > 1:
        axis.legend(loc="upper left", bbox_to_anchor=(-0.75, 1.18), fontsize=6)


def _efficiency(axis: Axes, panels: Sequence[PanelMeasurement]) -> None:
    axis.set_title("efficiency")
    axis.set_xlabel("√(air kerma / mGy)")
    axis.set_ylabel("SNR_N")
    drawn = False
    for panel in panels:
        for colour, one in zip(COLOURS, panel.efficiencies, strict=False):
            root = np.sqrt(one.air_kerma_mgy)
            label = f"{one.beam}, R² {one.r_squared:.4f}" if panel is panels[0] else None
            axis.errorbar(root, one.snr_n, 2 * one.snr_n_sd, fmt="o", markersize=3, color=colour, label=label)
            axis.plot([0, root.max()], [0, root.max() * float(one.at_1_mgy.value or 0)], color=colour, linewidth=0.8)
            drawn = True
    axis.set_xlim(0), axis.set_ylim(0)
    _end(axis, drawn, "no exposures")


def _sensitivity(axis: Axes, panel: PanelMeasurement) -> None:
    axis.set_title("contrast sensitivity, longest time" + ("" if panel.name == "" else f", {panel.name}"))
    axis.set_xlabel("thickness [mm]")
    axis.set_ylabel("CSa [%]")
    longest = {w.material: max(o.time_s for o in panel.wedges if o.material == w.material) for w in panel.wedges}
    shown = [w for w in panel.wedges if w.time_s == longest[w.material]]
    for colour, wedge in zip(COLOURS, shown, strict=False):
        known = [(s.thickness_mm, f) for s, f in zip(wedge.steps, wedge.figures, strict=False) if f.value is not None]
        if not known:
            continue
        value = np.array([f.value for _, f in known])
        band = np.array(
            [[float(f.value or 0) - float(f.low or 0), float(f.high or 0) - float(f.value or 0)] for _, f in known]
        )
        axis.errorbar([t for t, _ in known], value, band.T, fmt="o-", markersize=3, color=colour,
                      label=f"{wedge.material}, {wedge.time_s:g} s")  # fmt: skip
    axis.set_yscale("log")
    _end(axis, bool(shown), "no wedge")


def _lag(axis: Axes, panels: Sequence[PanelMeasurement]) -> None:
    axis.set_title("image lag")
    axis.set_xlabel("time after the beam [s]")
    axis.set_ylabel("signal left [%]")
    drawn = False
    for colour, panel in zip(COLOURS, panels, strict=False):
        if panel.lag is None:
            continue
        seen = panel.lag.left > 0
        axis.plot(panel.lag.time_s[seen], 100 * panel.lag.left[seen], ".-", markersize=3, color=colour,
                  label=panel.name if len(panels) > 1 else None)  # fmt: skip
        drawn = True
    axis.set_yscale("log")
    _end(axis, drawn, "no lag frames")


def _end(axis: Axes, drawn: bool, otherwise: str) -> None:
    """Legend, or a word where there is nothing to draw."""
    if not drawn:
        axis.set_axis_off()
        axis.text(0.5, 0.5, otherwise, transform=axis.transAxes, ha="center", color=GREY)
    elif axis.get_legend_handles_labels()[0]:
        axis.legend()
