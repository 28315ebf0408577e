"""The report of a stability check: what has changed, each figure with its limits, and the chart of its trend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from coldray import __version__
from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table
from coldray.reports.figures import BLUE, GREY, ORANGE, RED, STYLE, empty_figure, render
from coldray.reports.measurements import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from coldray.metrology.stability import Verdict

COLUMNS, MOST_DRAWN = 3, 24
WORDS = {True: "changed", False: "not changed", None: "cannot be told"}
METHOD = (
    "Occasions: a value lies outside the prediction interval of the baseline (Student's distribution, so that the scatter from "
    "set-up to set-up counts as it was), or a straight line through all occasions rises or falls. Archives: rank sums of the "
    "images, shares by Fisher's exact test. Occasions, or images, are taken to be independent of each other."
)


def overall(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether anything has changed; None where nothing can be told."""
    said = [one.changed for one in verdicts]
    return True if True in said else False if False in said else None


def statement(verdicts: Sequence[Verdict], false_alarms: float) -> str:
    """The verdict in one sentence, with its error rate."""
    changed = [one.history.name for one in verdicts if one.changed]
    if changed:
        return (
            f"Changed: {', '.join(changed)}. If nothing had changed, the chance that anything is called changed here is at most "
            f"{100 * false_alarms:.3g} %."
        )
    if overall(verdicts) is None:
        return "Nothing can be told: the baseline has too few occasions or images, and no bands."
    return (
        f"Not changed, as far as the limits tell; changes within them are not seen. The chance of a false alarm was held at "
        f"{100 * false_alarms:.3g} % over all figures and occasions together."
    )


def stability_report(
    verdicts: Sequence[Verdict], occasions: Sequence[str], before: Sequence[str], false_alarms: float,
    inputs: Sequence[tuple[str, str]], warnings: Sequence[str],
) -> Report:  # fmt: skip
    """Lay out the report.

    Parameters
    ----------
    verdicts : sequence of Verdict
    occasions, before : sequence of str
        Names of the new occasions and of those of the baseline.
    false_alarms : float
    inputs : sequence of (str, str)
        Name and hash of every file.
    warnings : sequence of str
    """
    rows = tuple(_row(one, occasions) for one in verdicts)
    table = Table(("figure", "unit", "baseline", "± SD", "now", "limits", "verdict", "since or why"), rows)
    sections = [
        Section("Figures", (table, Picture(render(trend_figure(verdicts), "png"), "Values in order: baseline grey, new ones blue, "
                            "changed ones red; shaded: limits of an unchanged figure; dashed: tolerance.")))
    ]  # fmt: skip
    if warnings:
        sections.append(Section("Warnings", tuple(Note(text) for text in warnings)))
    sections += [
        Section("Method", (Note(METHOD),)),
        Section("Occasions", (Facts((("baseline", ", ".join(before)), ("new", ", ".join(occasions)))),)),
    ]
    if inputs:
        sections.append(Section("Inputs", (Facts(tuple((name, f"sha256 {digest}") for name, digest in inputs)),)))
    found = overall(verdicts)
    beyond = any(one.beyond_tolerance for one in verdicts)
    tone = "bad" if beyond else {True: "doubtful", False: "good", None: "unknown"}[found]
    verdict = WORDS[found].capitalize() + (", beyond tolerance" if beyond else "")
    said = (statement(verdicts, false_alarms),)
    return Report("Stability", f"coldray {__version__}", verdict, tone, said, tuple(sections))


def _row(one: Verdict, occasions: Sequence[str]) -> tuple[str, ...]:
    own = one.history
    limits = "–" if one.limit is None else f"{number(one.limit[0])} to {number(one.limit[1])}"
    why = [occasions[k] for k in one.changed_on] + ["drift"] * one.drifting
    why += [f"{occasions[k]} beyond tolerance" for k in one.beyond_tolerance]
    return (
        own.name, own.unit, number(own.baseline_mean), number(own.baseline_scatter, digits=2), number(own.latest), limits,
        WORDS[one.changed], ", ".join(why) or one.note,
    )  # fmt: skip


def trend_figure(verdicts: Sequence[Verdict]) -> Figure:
    """One chart for each figure, changed ones first."""
    from matplotlib import rc_context

    shown = sorted(verdicts, key=lambda one: not one.changed)[:MOST_DRAWN]
    rows = -(-len(shown) // COLUMNS)
    with rc_context(STYLE):
        figure = empty_figure(7.2, 1.7 * rows + 0.3)
        for place, one in enumerate(shown):
            _draw(figure.add_subplot(rows, COLUMNS, place + 1), one)
        return figure


def _draw(axis: Axes, one: Verdict) -> None:
    own = one.history
    count = len(own.baseline)
    axis.plot(range(1, count + 1), own.baseline, "o", color=GREY, ms=2.5)
    if one.limit is not None:
        axis.axhspan(*one.limit, color=BLUE, alpha=0.1, lw=0)
    at = count
    for k, values in enumerate(own.new):
        colour = RED if k in one.changed_on else BLUE
        place = np.arange(at + 1, at + 1 + len(values))
        axis.plot(place, values, "o", color=colour, ms=2.5)
        if own.images and values:
            axis.plot(place[[0, -1]], [np.mean(values)] * 2, color=colour, lw=1)
        at += max(len(values), 1)
    for value in own.tolerance:
        if value is not None:
            axis.axhline(value, color=ORANGE, ls="--", lw=0.8)
    axis.set_title(f"{own.name}" + (f" [{own.unit}]" if own.unit else ""), color=RED if one.changed else "black")
    axis.set_xlabel("image" if own.images else "occasion")
