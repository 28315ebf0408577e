"""A trial as a page: arms with bands, what they differ by, every reader, and what is not claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coldray import __version__
from coldray.benchmark.trial.analysis import FIGURES, Analysis, Figure
from coldray.document import Json
from coldray.metrology.readers.mrmc import Band, Mrmc
from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table
from coldray.reports.figures import BLUE, GREY, ORANGE, STYLE, new_figure, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

COLOURS = (GREY, BLUE, ORANGE)
METHOD = (
    "Every reader read every case in every arm, in blocks apart in time, in an order drawn anew for each; the arms take turns "
    "over the blocks in Latin squares. Names, sizes, headers and times of the images tell nothing of arm or truth, whose hash was "
    "published with the package. Figures of merit by reader and arm; covariance of their errors by leaving out one case at a "
    "time; analysis of variance after Obuchowski and Rockette with the degrees of freedom of Hillis (2007). Bands are of 95 % each, "
    "not of all together: with three arms the comparison restored minus raw is the one to be planned."
)
NOT_CLAIMED = (
    "A band speaks of readers like these, of cases like these and of the rates of defects and controls that were shown. That two arms do "
    "not differ is not shown by a band that holds zero: it is no wider claim than the band itself. Readers may tell an arm by "
    "its looks; blindness is to names and order. {defects} Whether a procedure is qualified is not said."
)
DEFECTS = {
    "simulated": "The defects are simulated and put into measured images: how often real ones are found is not said.",
    "known": "The defects are those that a table stated; what it leaves out counts as none.",
}


def trial_report(found: Analysis, inputs: Sequence[Mapping[str, Json]] = ()) -> Report:
    """Lay out a trial.

    Parameters
    ----------
    found : Analysis
    inputs : sequence of dict
        role, file and sha256 of the files read.
    """
    sections = [Section(_heading(one), _blocks(found, one)) for one in found.figures]
    sections += [
        Section("The trial", (_facts(found),)),
        Section("Method", (Note(METHOD),)),
        Section("What is not claimed", (Note(NOT_CLAIMED.format(defects=DEFECTS[found.sealed.defects])),)),
    ]
    if inputs:
        files = tuple((str(one["role"]), str(one["file"]), str(one["sha256"])) for one in inputs)
        sections.append(Section("Inputs", (Table(("role", "file", "sha256"), files),)))
    words, tone = _verdict(found)
    count, whose = len(found.readers), "simulated " if found.read_by == "simulated" else ""
    return Report(
        f"Blind trial of {count} {whose}reader{'' if count == 1 else 's'}: {', '.join(found.arms)}",
        f"coldray {__version__}, trial {found.manifest.id}",
        words,
        tone,
        (*(_sentence(found, one) for one in found.figures), *found.warnings),
        tuple(sections),
    )


def _verdict(found: Analysis) -> tuple[str, str]:
    """A few words on the last arm against the first, by the first figure."""
    if found.read_by == "simulated":
        return "Simulated readers", "unknown"
    band = found.figures[0].main.differences[len(found.arms) - 1, 0]
    if band.low is None or band.high is None:
        return "No band can be given", "unknown"
    if band.low > 0:
        return f"{found.arms[-1].capitalize()} reads better than {found.arms[0]}", "good"
    if band.high < 0:
        return f"{found.arms[-1].capitalize()} reads worse than {found.arms[0]}", "bad"
    return "No difference is shown", "doubtful"


def _sentence(found: Analysis, one: Figure) -> str:
    band = one.main.differences[len(found.arms) - 1, 0]
    return (
        f"{_heading(one).partition(',')[0]}: {found.arms[-1]} minus {found.arms[0]} {banded(band, sign='+')}, "
        f"95 % band{'' if one.random else ' for these readers alone'}."
    )


def _heading(one: Figure) -> str:
    return FIGURES[one.name][:1].upper() + FIGURES[one.name][1:]


def _blocks(found: Analysis, one: Figure) -> tuple[Note | Facts | Table | Picture, ...]:
    arms = Table(
        ("arm", "mean and 95 % band", *found.readers),
        tuple(
            (arm, banded(band), *(f"{value:.3f}" for value in row))
            for arm, band, row in zip(found.arms, one.main.arms, one.by_reader, strict=True)
        ),
        "One column for each reader. A band of a mean may reach beyond 1, which no figure does.",
    )
    return (
        arms,
        _differences(found, one),
        Picture(render(bands_figure(found, one), "png"), "Every reader, and the means"),
    )


def _differences(found: Analysis, one: Figure) -> Table:
    analyses = [("readers and cases like these", one.random), ("these readers, cases like these", one.fixed)]
    rows = [
        (f"{found.arms[i]} - {found.arms[j]}", whom, banded(band, sign="+"), _chance(band), _freedom(band))
        for whom, analysis in analyses
        if analysis is not None
        for (i, j), band in analysis.differences.items()
    ]
    return Table(
        ("difference", "speaks of", "value and 95 % band", "p", "degrees of freedom"), tuple(rows), _overall(one.main)
    )


def _overall(found: Mrmc) -> str:
    if found.f != found.f:
        return "Nothing scatters: the arms cannot be tested."
    return f"All arms alike: F = {found.f:.2f}, p = {found.p:.3f}."


def _facts(found: Analysis) -> Facts:
    defective = [one for one in found.sealed.cases if one.defects]
    model = found.sealed.model
    rows = [
        ("cases", f"{len(defective)} with defects, {len(found.sealed.cases) - len(defective)} controls"),
        ("defects", f"{sum(len(one.defects) for one in defective)}, {found.sealed.defects}"),
        ("a mark lies on a defect", f"within {found.sealed.tolerance_px:g} pixels of its rim"),
        ("between blocks", f"{found.manifest.washout_days:g} days were planned"),
        ("sealed truth", f"sha256 {found.manifest.commitment}, as published with the package"),
        ("model", f"{model['name']}, sha256 {model['sha256']}" if model else "none"),
    ]
    rows += [(f"time for an image, {arm}", f"{value:.3g} s, median") for arm, value in found.seconds.items()]
    if (parts := found.figures[0].main.components) is not None:
        rows.append(
            (
                "variance components",
                f"reader {parts.reader:.2e}, arm by reader {parts.arm_by_reader:.2e}, error {parts.error:.2e}, covariances "
                f"{parts.cov1:.2e}, {parts.cov2:.2e}, {parts.cov3:.2e}",
            )
        )
    return Facts(tuple(rows))


def banded(band: Band, sign: str = "") -> str:
    """Value and ends of a band, in words."""
    if band.low is None or band.high is None:
        return f"{band.value:{sign}.3f} (no band: nothing scatters)"
    return f"{band.value:{sign}.3f} ({band.low:{sign}.3f} to {band.high:{sign}.3f})"


def _chance(band: Band) -> str:
    return "–" if band.p is None else f"{band.p:.3f}"


def _freedom(band: Band) -> str:
    return f"{band.degrees_of_freedom:.1f}" if band.degrees_of_freedom < 1e6 else "infinite"


def bands_figure(found: Analysis, one: Figure) -> Drawing:
    """Every reader as a point, the mean with its band beside them; one place for each arm."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure, axis = new_figure(6.0, 2.6)
        for i, (band, colour) in enumerate(zip(one.main.arms, COLOURS, strict=False)):
            axis.plot([i - 0.15] * len(found.readers), one.by_reader[i], "o", ms=3, mfc="none", color=colour)
            if band.low is not None:
                axis.plot([i + 0.1] * 2, [band.low, band.high], color=colour, lw=2)
            axis.plot([i + 0.1], [band.value], "s", ms=5, color=colour)
        for row in one.by_reader.T:
            axis.plot([i - 0.15 for i in range(len(found.arms))], row, lw=0.4, color=GREY)
        axis.set_xticks(range(len(found.arms)), found.arms)
        axis.set(ylabel=one.name, xlim=(-0.5, len(found.arms) - 0.5), title="95 % bands")
    return figure
