"""The comparison's pictures: the path of Fig. 1, images with SSIM maps and SNR boxes, quality against steps, exposure, loading."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from coldray.benchmark.paper.contestants import (
    BLURRED,
    DEFAULT,
    THIN_KEYS,
    THIN_NETWORK,
    THIN_RAW,
    THIN_WIENER,
    WIENER,
    WIENER_TV,
    papers_rows,
)
from coldray.benchmark.paper.looks import Look
from coldray.benchmark.paper.path import Pictures, Walk
from coldray.benchmark.paper.record import Entry, Method, Score, Worth
from coldray.benchmark.paper.scenes import EXPOSURES_S, OWN, Image, Scene
from coldray.benchmark.paper.scores import flat_boxes
from coldray.benchmark.statistics import FEWEST_BOARDS
from coldray.metrology.metrics import Convention, gain_to, psnr_db, roi_snr, ssim_map
from coldray.reports.demo import busiest_window
from coldray.reports.figures import STYLE, empty_figure, new_figure
from coldray.simulation.paper import PITCH_MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, told apart by all readers."""
LEFT_OUT = ("pnp_tv", "one_step", "coldray_network", "coldray_detail", "richardson_lucy", "unsupervised_wiener")
"""Rows without images: their tables and curves say enough."""
REFERENCES = ("mean20", "truth")
SHOWN_PX = 160
PER_SHEET = 5
"""Methods side by side: at the width of the page their titles can be read."""
UNBROKEN = "\N{NO-BREAK SPACE}"
WIDTH_IN = 7.1
"""180 mm, two columns of a journal: letters keep the size that they are drawn in."""
ERROR_SPAN = 0.1
WORTH_FIELDS: tuple[tuple[Score, str], ...] = (("psnr_db_truth", "PSNR [dB]"), ("ssim_truth", "SSIM"))
BANDED = (THIN_RAW, DEFAULT)
"""Curves over exposure that show their interval; bands of all would cover each other."""
WORTH_LOOK: dict[str, Look] = {
    THIN_RAW: {"color": "0.5", "marker": "o"},
    THIN_WIENER: {"color": COLOURS[3], "marker": "v"},
    THIN_NETWORK: {"color": COLOURS[2], "marker": "^"},
    BLURRED: {"color": "k", "marker": "s"},
    WIENER: {"color": COLOURS[1], "marker": "D"},
    DEFAULT: {"color": COLOURS[0], "marker": "P", "lw": 2.0},
}


def shown_keys(images: Mapping[str, Image], methods: Collection[str]) -> list[str]:
    """Order of the images: the raw frame and the paper's methods, the default and the linear ones, references, then the rest."""
    first = [BLURRED, *papers_rows(methods).values(), DEFAULT, WIENER, WIENER_TV, *REFERENCES, *THIN_KEYS]
    rest = [key for key in images if key not in first and key not in LEFT_OUT]
    return [key for key in (*first, *rest) if key in images or key in REFERENCES]


def image_figures(pictures: Pictures, methods: Mapping[str, Method]) -> list[Figure]:
    """One board, five methods on a sheet: every method's image with SNR boxes, a window of it, its SSIM map and its signed error.

    Parameters
    ----------
    pictures : dict
        "scene" and "images" by key, from `run_paper`.
    methods : dict
        Labels by key, from the results.

    Returns
    -------
    list of matplotlib.figure.Figure
    """
    scene, images = pictures["scene"], pictures["images"]
    labels = {
        "mean20": "thin screen, mean of frames",
        "truth": "truth: see the text" if scene.kind == OWN else "truth, without noise",
    }
    named = {key: (label, scene.truths[key]) for key, label in labels.items() if key in scene.truths}
    named |= {key: (methods[key]["label"], image) for key, image in images.items()}
    shown = [named[key] for key in shown_keys(images, methods) if key in named]
    sheets = [shown[i : i + PER_SHEET] for i in range(0, len(shown), PER_SHEET)]
    return [_image_sheet(sheet, scene, number * PER_SHEET) for number, sheet in enumerate(sheets)]


def _image_sheet(sheet: Sequence[tuple[str, Image]], scene: Scene, first: int) -> Figure:
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = empty_figure(WIDTH_IN, 6.4)
        _image_block(figure, sheet, scene, first)
        simulated = "" if scene.kind == OWN else ", simulated"
        figure.suptitle(
            f"{scene.board}, {scene.kind} pair, {scene.exposure_s:g} s{simulated}; PSNR and SSIM against the truth",
            fontsize=8,
        )
        return figure


def _image_block(figure: Figure, block: Sequence[tuple[str, Image]], scene: Scene, first: int) -> None:
    """One row of methods: image, window, SSIM map, error."""
    from matplotlib.patches import Rectangle

    truth, how = scene.truths["truth"], Convention()
    boxes, window = flat_boxes(truth), busiest_window(truth, min(SHOWN_PX, truth.shape[0] // 2))
    low, high = np.quantile(truth, [0.002, 0.998])
    grey: dict[str, str | float] = {"cmap": "gray", "vmin": low, "vmax": high, "interpolation": "nearest"}
    axes = figure.subplots(4, PER_SHEET)
    for column in range(PER_SHEET):
        if column >= len(block):
            for axis in axes[:, column]:
                axis.set_axis_off()
            continue
        label, image = block[column]
        whole, detail, map_axis, error_axis = axes[:, column]
        value, field = ssim_map(image, truth, how)
        whole.imshow(image, **grey)
        for number, (x, y, w, h) in enumerate(boxes):
            whole.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, ec=COLOURS[number], lw=1.0))
        left, top, side = window[1].start, window[0].start, window[1].stop - window[1].start
        whole.add_patch(Rectangle((left, top), side, side, fill=False, ec="w", lw=0.8))
        is_truth = image is truth
        score = "" if is_truth else f"{psnr_db(image, truth, how):.2f} dB, SSIM {value:.3f}"
        ratios = " / ".join("∞" if not np.isfinite(r) else f"{r:.0f}" for r in (roi_snr(image, box) for box in boxes))
        whole.set_title(f"({_letter(first + column)}) {_wrapped(label)}\n{score}\nSNR {ratios}", fontsize=7)
        detail.imshow(image[window], **grey)
        similarity = map_axis.imshow(field, cmap="viridis", vmin=0.4, vmax=1, interpolation="nearest")
        off = (gain_to(image, truth) * image - truth)[window]
        error = error_axis.imshow(off, cmap="RdBu_r", vmin=-ERROR_SPAN, vmax=ERROR_SPAN, interpolation="nearest")
        for axis in axes[:, column]:
            axis.set_xticks([])
            axis.set_yticks([])
    _scale_bar(axes[0, 0], truth.shape[1])
    for axis, name in zip(axes[:, 0], ("image, SNR boxes", "window", "SSIM map", "error in window"), strict=True):
        axis.set_ylabel(name)
    figure.colorbar(similarity, ax=list(axes[2]), shrink=0.8, pad=0.01, label="SSIM")
    figure.colorbar(error, ax=list(axes[3]), shrink=0.8, pad=0.01, label="of the open beam")


def _letter(number: int) -> str:
    return chr(ord("a") + number)


def _scale_bar(axis: Axes, columns: int) -> None:
    """A bar of whole millimetres, about a quarter of the image."""
    length_mm = max(1, round(columns * PITCH_MM / 4))
    start, row = columns * 0.05, columns * 0.95
    axis.plot([start, start + length_mm / PITCH_MM], [row, row], color="w", lw=3, solid_capstyle="butt")
    axis.annotate(f"{length_mm} mm", (start, row), (0, 4), textcoords="offset points", color="w", fontsize=7)


def _wrapped(label: str, width: int = 18, lines: int = 3) -> str:
    """A fixed number of lines, so that titles align; what does not fit goes to the last one."""
    words = label.replace(" = ", f"{UNBROKEN}={UNBROKEN}").split(" ")
    out: list[str] = []
    while len(out) < lines - 1:
        line = ""
        while words and len(line) + len(words[0]) <= width:
            line = f"{line} {words.pop(0)}".strip()
        out.append(line)
    return "\n".join([*out, " ".join(words)])


def path_figure(path: Walk) -> Figure:
    """Fig. 1: the states D_t(x_0) forward, and those of the samplers in reverse with the predictions they come from.

    Parameters
    ----------
    path : dict
        From `coldray.benchmark.paper.path.path_of`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import rc_context

    truth, rows = path["truth"], path["rows"]
    low, high = np.quantile(truth, [0.002, 0.998])
    columns = max(len(row["images"]) for row in rows)
    with rc_context(STYLE):
        figure = empty_figure(WIDTH_IN, 1.65 * len(rows) + 0.3)
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for line, row in zip(axes, rows, strict=True):
            for axis in line:
                axis.set_axis_off()
            for place, (name, image) in enumerate(row["images"]):
                axis = line[place]
                axis.set_axis_on()
                axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
                axis.set_xticks([])
                axis.set_yticks([])
                axis.set_title(name, fontsize=7)
            line[0].set_ylabel(_wrapped(row["name"], 20, 2), fontsize=7)
        simulated = "" if path["kind"] == OWN else ", simulated"
        figure.suptitle(f"{path['board']}, {path['exposure_s']:g} s{simulated}", fontsize=8)
        return figure


def steps_figure(entries: Sequence[Entry]) -> Figure:
    """PSNR and SSIM of the samplers over the number of their steps; a mean of draws takes them for each draw."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        samplers = list(dict.fromkeys(e["sampler"] for e in entries))
        figure, axes = new_figure(WIDTH_IN, 2.3 + 0.15 * ((len(samplers) + 1) // 2), 2)
        for axis, (field, label) in zip(axes, WORTH_FIELDS, strict=True):
            for number, sampler in enumerate(samplers):
                here = sorted((e for e in entries if e["sampler"] == sampler), key=lambda e: e["steps"])
                axis.plot([e["steps"] for e in here], [e[field]["mean"] for e in here], marker="os^D"[number % 4], ms=4,
                          ls=("-", "--", "-.", ":")[number % 4], color=COLOURS[number], label=sampler)  # fmt: skip
            axis.set(xlabel="steps, one evaluation of the network each", ylabel=label, xscale="log")
            counts = sorted({e["steps"] for e in entries})
            axis.set_xticks(counts, [str(c) for c in counts])
            axis.set_xticks([], minor=True)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, handlelength=4)
        axes[0].set_title(f"acquired pairs, {entries[0]['exposure_s']:g} s, mean over boards", loc="left")
        return figure


def worth_figure(worth: Worth, methods: Mapping[str, Method]) -> Figure:
    """Quality of thin, thick and restored frames over exposure, detection over exposure, and quality over phosphor loading.

    Parameters
    ----------
    worth : dict
        From `coldray.benchmark.paper.worth.measure_worth`.
    methods : dict
        Labels by key, from the results.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = empty_figure(WIDTH_IN, 5.4)
        axes = figure.subplots(2, 3)
        for axis, (field, label) in zip(axes[0], WORTH_FIELDS, strict=False):
            _draw_over(axis, worth["exposure"], "exposure_s", field, methods)
            axis.axvline(worth["reference_s"], color="0.6", lw=0.8)
            axis.set(xlabel="exposure [s]", ylabel=label, xscale="log")
            axis.set_xticks(EXPOSURES_S, [f"{e:g}" for e in EXPOSURES_S])
        detection, seen = worth["detection"], axes[0, 2]
        seen.plot(detection["void_mm"], detection["saved"], color="k", marker="s", ms=4)
        seen.axhline(1, color="0.6", lw=0.8)
        seen.set(
            xlabel="void [mm]", ylabel="exposure saved by the thick screen\nat equal detection, factor", xscale="log"
        )
        seen.set_xticks(detection["void_mm"], [f"{mm:.2g}" for mm in detection["void_mm"]])
        seen.set_xticks([], minor=True)
        for axis, (field, label) in zip(axes[1], WORTH_FIELDS, strict=False):
            for number, exposure in enumerate(dict.fromkeys(e["exposure_s"] for e in worth["loading"])):
                here = [e for e in worth["loading"] if e["exposure_s"] == exposure]
                _draw_over(axis, here, "loading_mg_cm2", field, methods, ls=("-", "--", ":")[number])
            axis.set(xlabel="phosphor loading [mg/cm²]", ylabel=label)
        axes[1, 2].set_axis_off()
        lines, labels = axes[0, 0].get_legend_handles_labels()
        exposures = [f"{e:g} s" for e in dict.fromkeys(e["exposure_s"] for e in worth["loading"])]
        axes[1, 2].legend(
            lines, labels, loc="upper left", title="Lower row: " + ", dashed: ".join(exposures), fontsize=7
        )
        for row, entries in ((0, worth["exposure"]), (1, worth["loading"])):
            for axis, (field, _) in zip(axes[row], WORTH_FIELDS, strict=False):
                # bands of few boards are wider than everything there is to see
                means = [e[field]["mean"] for e in entries]
                room = 0.08 * (max(means) - min(means))
                axis.set_ylim(min(means) - room, max(means) + room)
        for letter, axis in zip("abcde", axes.flat, strict=False):
            axis.set_title(f"({letter})", loc="left", fontweight="bold")
        figure.suptitle("acquired pairs, simulated; means over boards, bands: 95 % intervals", fontsize=8)
        return figure


def _draw_over(
    axis: Axes, entries: Sequence[Entry], along: Literal["exposure_s", "loading_mg_cm2"], field: Score,
    methods: Mapping[str, Method], ls: str = "-",
) -> None:  # fmt: skip
    """One curve per method, with its interval as a band; methods have the same look wherever they stand."""
    for key in dict.fromkeys(e["method"] for e in entries):
        here = sorted((e for e in entries if e["method"] == key), key=lambda e: e[along])
        x = [e[along] for e in here]
        style: Look = {"ls": ls, "label": methods[key]["label"], "ms": 4, **WORTH_LOOK[key]}
        axis.plot(x, [e[field]["mean"] for e in here], **style)
        if key in BANDED and all(e[field]["count"] >= FEWEST_BOARDS for e in here):
            low, high = ([e[field][end] for e in here] for end in ("low", "high"))
            axis.fill_between(x, low, high, color=style["color"], alpha=0.1, lw=0)
