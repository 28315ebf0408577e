"""A study as a page: a90 by kind and arm, the curves, the readings, and where the smallest defect is still found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from coldray import __version__
from coldray.benchmark.pod.curves import ANALYSES, LARGEST_READING, LEAST_READING
from coldray.benchmark.pod.defects import KINDS
from coldray.benchmark.pod.reading import FALSE_CALLS
from coldray.benchmark.pod.study import ARMS, RAW, RESTORED, Study
from coldray.document import Json
from coldray.metrology.pod.curve import DETECTION
from coldray.reports.blocks import Facts, Note, Picture, Report, Section, Table
from coldray.reports.figures import BLUE, GREEN, GREY, ORANGE, STYLE, new_figure, render
from coldray.reports.measurements import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = dict(zip(ARMS, (GREY, BLUE, ORANGE), strict=True))
WORDS = {"hit_miss": "hit/miss", "signal_response": "signal response"}
LARGER = 1.05
"""The restored a90 over the raw one above which the page says so."""
METHOD = (
    "Simulated defects of known size and contrast go through the stated forward model (their spectrum times the sharp "
    "detector's MTF times the blur) into the measured image, each scaled by the signal where it lies, voids and cracks with the "
    "noise of the quanta they let through. The image without defects, and with them, is read raw, after a Wiener filter and "
    "after the restoration by a channelised Hotelling observer that knows kind, size and place, and whether the measurement shows "
    "structure there, but not the ground. Its templates are learnt on the other half of the image, for even ground and for structure. All arms are read at one false-call rate, {rate} of the defect-sized sites of this "
    "image without defects. POD by hit/miss (likeliest of logit, probit and cloglog in ln size) and by signal response (readings "
    "below {least} and above {largest} of the threshold censored), after MIL-HDBK-1823A; a90/95 is the one-sided bound of the likelihood ratio, widened "
    "by the uncertainty of the threshold. Conformity to the handbook is not claimed: inspectors, not models, are qualified by it."
)


def pod_report(study: Study, inputs: Sequence[Mapping[str, Json]] = ()) -> Report:
    """Lay out a study.

    Parameters
    ----------
    study : Study
    inputs : sequence of dict
        role, file and sha256 of the files read.
    """
    worse = larger_when_restored(study)
    tone = "doubtful" if worse or study.warnings else "good"
    words = "Restoring costs detection" if worse else "Measured, with warnings" if study.warnings else "Measured"
    sections = [
        Section("Smallest defects found", (_table(study), _facts(study), Note(_kinds(study)))),
        Section("Probability of detection", (Picture(render(curves_figure(study), "png"), "Probability of detection over size"),)),
        Section("Where they are found", (Picture(render(maps_figure(study), "png"), _map_words(study)),)),
        Section("Method", (Note(METHOD.format(rate=percent(FALSE_CALLS), least=LEAST_READING, largest=LARGEST_READING)),)),
    ]  # fmt: skip
    if inputs:
        files = tuple((str(one["role"]), str(one["file"]), str(one["sha256"])) for one in inputs)
        sections.append(Section("Inputs", (Table(("role", "file", "sha256"), files),)))
    title = "Probability of detection: simulated defects in a measured image"
    return Report(title, f"coldray {__version__}", words, tone, (*worse, *study.warnings), tuple(sections))


def larger_when_restored(study: Study) -> tuple[str, ...]:
    """Sentences for the curves whose a90 is larger restored than raw."""
    found = []
    for kind in study.sizes_mm:
        for analysis in ANALYSES:
            raw, restored = (study.of(kind, arm, analysis).a90_mm for arm in (RAW, RESTORED))
            if raw is not None and (restored is None or restored > LARGER * raw):
                found.append(
                    f"{kind} by {WORDS[analysis]}: a90 is {number(raw, 'mm', 3)} raw and {number(restored, 'mm', 3)} restored"
                )
    return tuple(found)


def _table(study: Study) -> Table:
    """a90 and a90/95 by kind, analysis and arm."""
    rows = []
    for kind in study.sizes_mm:
        for analysis in ANALYSES:
            fits = [study.of(kind, arm, analysis) for arm in study.arms]
            cells = [f"{number(f.a90_mm, digits=3)} / {number(f.a90_95_mm, digits=3)}" for f in fits]
            notes = "; ".join(dict.fromkeys(f"{f.arm}: {f.note}" for f in fits if f.note))
            rows.append((kind, WORDS[analysis], *cells, notes or "–"))
    return Table(
        ("kind", "analysis", *(f"{arm}: a90 / a90/95 [mm]" for arm in study.arms), "remarks"),
        tuple(rows),
        "a90: found with 90 % probability; a90/95: its upper bound of 95 % confidence.",
    )


def _facts(study: Study) -> Facts:
    asked, pitch = study.question, study.pair.pixel_pitch_mm
    contrast = percent(asked.contrast) if asked.contrast_per_mm is None else f"{percent(asked.contrast_per_mm)} per mm"
    limits = [
        (f"{kind}: a90 on even ground, raw, by noise alone", number(size, "mm", 3))
        for kind, size in study.even_ground_mm.items()
    ]
    return Facts(
        (
            ("contrast before blur", contrast),
            ("detectors", f"{study.pair.blurred.name} to {study.pair.sharp.name}, {1e3 * pitch:.4g} µm pixels"),
            ("noise", study.noise_source),
            ("false-call rate", f"{percent(FALSE_CALLS)} of the sites, in every arm"),
            ("defects", f"{sum(one.value.size for one in next(iter(study.readings.values())).values())} of each kind, in "
                        f"{study.frames} frames, {study.places} disjoint places"),
            *(() if study.structured_share is None else (("ground with structure", f"{percent(study.structured_share)} of the image"),)),
            *limits,
        )
    )  # fmt: skip


def _kinds(study: Study) -> str:
    return "; ".join(f"{kind}: {KINDS[kind].words}" for kind in study.sizes_mm) + ". All are simulated."


def _map_words(study: Study) -> str:
    kind = next(iter(study.sizes_mm))
    return (
        f"The image, and the smallest {kind} found with 90 % probability in each place [mm]; hatched where even the largest is "
        "not, empty where nothing was read"
    )


def curves_figure(study: Study) -> Figure:
    """POD by hit/miss with the share found at each size; one panel for each kind."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        kinds = list(study.sizes_mm)
        figure, axes = new_figure(2.5 * len(kinds) + 0.6, 2.8, len(kinds), squeeze=False)
        for axis, kind in zip(axes[0], kinds, strict=True):
            draw_pod(axis, study, kind)
        axes[0][0].set_ylabel("probability of detection")
        axes[0][0].legend(loc="lower right")
    return figure


def draw_pod(axis: Axes, study: Study, kind: str) -> None:
    """POD of one kind by hit/miss, all arms, with a90 and its bound."""
    sizes = np.array(study.sizes_mm[kind])
    fine = np.geomspace(sizes[0], sizes[-1], 200)
    for arm in study.arms:
        found = study.of(kind, arm, "hit_miss")
        share = [float(np.mean(study.readings[kind, arm][size].value > 1)) for size in sizes]
        axis.plot(sizes, share, "o", ms=3, color=COLOURS[arm], mfc="none")
        if found.curve is not None:
            axis.plot(fine, found.curve(fine), color=COLOURS[arm], label=arm)
        if found.a90_mm is not None and found.a90_95_mm is not None:
            axis.plot([found.a90_mm, found.a90_95_mm], [DETECTION, DETECTION], color=COLOURS[arm], lw=3, alpha=0.5)
    axis.axhline(DETECTION, color=GREEN, lw=0.6, ls=":")
    axis.set(xscale="log", xlabel="size [mm]", ylim=(-0.03, 1.03), title=kind)
    axis.set_xticks(sizes[::2], [f"{size:.2g}" for size in sizes[::2]])
    axis.set_xticks([], minor=True)


def maps_figure(study: Study) -> Figure:
    """The image, and the map of the first kind for every arm."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        kind, pitch = next(iter(study.sizes_mm)), study.pair.pixel_pitch_mm
        rows, cols = study.frame.shape
        figure, axes = new_figure(1.9 * (1 + len(study.arms)) + 0.6, 2.4, 1 + len(study.arms))
        low, high = np.quantile(study.frame[::2, ::2], [0.005, 0.995])
        extent = (0, cols * pitch, rows * pitch, 0)
        axes[0].imshow(study.frame, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), extent=extent)
        axes[0].set_title("image")
        sizes, drawn = study.sizes_mm[kind], None
        for axis, arm in zip(axes[1:], study.arms, strict=True):
            found = study.maps[kind, arm]
            cell = study.spacing_px * pitch
            whole = (0, found.shape[1] * cell, found.shape[0] * cell, 0)
            shown = np.ma.masked_invalid(found)
            drawn = axis.imshow(shown, cmap="viridis_r", vmin=sizes[0], vmax=sizes[-1], extent=whole)
            lost = np.ma.masked_where(~np.isinf(found), np.ones(found.shape))
            x, y = ((np.arange(n) + 0.5) * cell for n in found.shape[::-1])
            axis.contourf(x, y, lost.filled(0.0), levels=[0.5, 1.5], hatches=["////"], colors="none")
            axis.set(title=arm, xlim=(0, cols * pitch), ylim=(rows * pitch, 0))
        assert drawn is not None
        figure.colorbar(drawn, ax=list(axes[1:]), label="mm", shrink=0.8)
        for axis in axes:
            axis.set_xlabel("mm")
    return figure
