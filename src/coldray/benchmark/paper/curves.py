"""The comparison's curves: transfer at two contrasts, noise and bars of every method, told apart in grey as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, THIN_KEYS, THIN_RAW, WIENER, papers_rows
from coldray.benchmark.paper.figures import COLOURS, WIDTH_IN
from coldray.benchmark.paper.fourier import contrasts
from coldray.benchmark.paper.looks import Dash, Look
from coldray.benchmark.paper.record import Bars, Flat, Fourier, Measured, Method, Sharp, Transfer
from coldray.physics.grids import nyquist_lp_mm
from coldray.reports.figures import GREY, STYLE, empty_figure
from coldray.simulation.paper import PITCH_MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES: tuple[Dash, ...] = (
    "-",
    (0, (6, 1.5)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (2, 1)),
    (0, (1, 1)),
)
MARKERS = "os^vDP<>X*"
MARKED_EVERY = 9
STRONG, FAINT = 0.80, 0.05


def styles(keys: Sequence[str]) -> dict[str, Look]:
    """Colour, dashes and marker of every row: no two rows share all three, nor colour and dashes.

    The frames as they are, are black and grey; the default is thicker than all. The first sheet's rows take the first colours.
    """
    look: dict[str, Look] = {}
    palette = COLOURS[1:6]
    others = [k for k in dict.fromkeys((*sheets_of(keys)[""], *keys)) if k not in (BLURRED, DEFAULT, *THIN_KEYS)]
    for number, key in enumerate(others):
        dash = DASHES[(number + number // len(palette)) % len(DASHES)]
        look[key] = {"color": palette[number % len(palette)], "ls": dash, "marker": MARKERS[number % len(MARKERS)]}
    for number, key in enumerate(THIN_KEYS):
        look[key] = {"color": "0.5", "ls": DASHES[number], "marker": MARKERS[number], "mfc": "w"}
    look[THIN_RAW] = {"color": "0.5", "ls": DASHES[0], "marker": None, "lw": 1.8}
    look[BLURRED] = {"color": "k", "ls": DASHES[1], "marker": None, "lw": 1.8}
    look[DEFAULT] = {"color": COLOURS[0], "ls": DASHES[0], "marker": None, "lw": 2.4, "zorder": 5}
    return {key: {"lw": 1.1, "ms": 4, **look[key]} for key in keys}


def _spread(number: int) -> tuple[int, int]:
    """Where the markers of one curve stand, so that those of equal curves do not cover each other."""
    return 1 + number % MARKED_EVERY, MARKED_EVERY


def sheets_of(keys: Sequence[str]) -> dict[str, list[str]]:
    """Which rows stand on which sheet: the paper's methods and the default, the others; the frames as they are, on both."""
    frames = (THIN_RAW, BLURRED)
    papers = (*papers_rows(keys).values(), WIENER, DEFAULT)
    first = [key for key in keys if key in frames or key in papers]
    others = [key for key in keys if key in frames or key not in papers]
    return {"": first} | ({"others": others} if set(others) - set(frames) else {})


def fourier_figures(measured: Fourier, methods: Mapping[str, Method]) -> dict[str, Figure]:
    """Fig. 3 for every row: TTF at 80 and 5 % contrast, NNPS and CTF; below what all agree on, the difference from the thin screen.

    Parameters
    ----------
    measured : dict
        From `coldray.benchmark.paper.fourier.measure`.
    methods : dict
        Labels by key, from the results.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By the name of its sheet, the first one without a name; see `sheets_of`.
    """
    look = styles(list(measured["methods"]))
    return {name: _sheet(measured, methods, {k: look[k] for k in keys}) for name, keys in sheets_of(list(look)).items()}


def _sheet(measured: Fourier, methods: Mapping[str, Method], look: Mapping[str, Look]) -> Figure:
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = empty_figure(WIDTH_IN, 8.6)
        (strong, off), (faint, noise), (bars, missed) = figure.subplots(3, 2)
        for number, (key, style) in enumerate(look.items()):
            found, label = measured["methods"][key], methods[key]["label"]
            spread: Look = {**style, "markevery": _spread(number)}
            _draw_transfer((strong, off, faint), measured, found, spread)
            _draw_noise(noise, found["flat"], {**spread, "label": label})
            _draw_bars((bars, missed), measured["sharp"]["ctf"], found["ctf"], style)
        _draw_sharp((strong, faint, noise, bars), measured["sharp"])
        _name_axes({"a": strong, "b": off, "c": faint, "d": noise, "e": bars, "f": missed}, measured["limit_lp_mm"])
        handles, labels = noise.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=7, handlelength=4)
        figure.suptitle(
            f"{measured['exposure_s']:g} s, simulated targets, bright side {measured['bright']:g} of the open beam; "
            f"{_repeats(measured)}",
            fontsize=8,
        )
        return figure


def _repeats(measured: Fourier) -> str:
    repeats, peers = measured["repeats"], measured["peer_repeats"]
    return f"{repeats} repeats" + (
        "" if peers == repeats else f" of the default and the raw frame, {peers} of the others"
    )


def _draw_transfer(axes: Sequence[Axes], measured: Fourier, found: Measured, style: Look) -> None:
    """TTF of the 80 % edge, its difference from the thin screen's MTF, and TTF of the 5 % edge."""
    strong, off, faint = axes
    mtf = np.array(measured["sharp"]["mtf"])
    for axis, contrast in ((strong, STRONG), (faint, FAINT)):
        curve = transfer_of(found, contrast)
        if curve is None:
            continue
        x, y = np.array(curve["frequency_lp_mm"]), np.array(curve["value"])
        axis.plot(x, y, **style)
        if axis is strong:
            off.plot(x, y * curve["contrast_kept"] - mtf, **style)


def _draw_noise(axis: Axes, flat: Flat, style: Look) -> None:
    x, y = np.array(flat["frequency_lp_mm"]), np.array(flat["nnps_mm2"])
    # the last bin holds a few corners of the frequency plane only
    axis.semilogy(x[:-1], np.maximum(y[:-1], 1e-12), **style)


def _draw_bars(axes: Sequence[Axes], sharp: Sequence[Bars], found: Sequence[Bars], style: Look) -> None:
    bars, missed = axes
    x = np.array([g["frequency_lp_mm"] for g in sharp])
    values, wanted = contrasts(found), contrasts(sharp)
    bars.plot(x, values, **style)
    missed.plot(x, values - wanted, **style)


def _draw_sharp(axes: Sequence[Axes], sharp: Sharp) -> None:
    """The thin screen's own curves, without noise; its noise as the mean of 20 frames."""
    strong, faint, noise, bars = axes
    f = np.array(sharp["frequency_lp_mm"])
    truth: Look = {"color": "k", "lw": 2.0, "zorder": 4}
    for axis in (strong, faint):
        axis.plot(f, sharp["mtf"], **truth)
    noise.semilogy(
        f[1:], np.array(sharp["nnps_20_frames_mm2"])[1:], **truth, label="thin screen: MTF, CTF; NNPS of 20 frames"
    )
    groups = sharp["ctf"]
    bars.plot([g["frequency_lp_mm"] for g in groups], contrasts(groups), **truth)


def _name_axes(axes: dict[str, Axes], limit_lp_mm: float) -> None:
    """Letters, labels, limits, and the region where a curve is prior and not data."""
    nyquist = nyquist_lp_mm(PITCH_MM)
    labels = {
        "a": f"apparent TTF, {100 * STRONG:g} % edge", "b": "80 % response minus thin MTF",
        "c": f"apparent TTF, {100 * FAINT:g} % edge", "d": "NNPS in flats [mm²]",
        "e": "CTF, bars of 50 %", "f": "CTF minus thin CTF",
    }  # fmt: skip
    for letter, axis in axes.items():
        axis.set(xlabel="spatial frequency [lp/mm]", xlim=(0, nyquist))
        axis.set_ylabel(labels[letter])
        axis.set_title(f"({letter})", loc="left", fontweight="bold")
        if letter in "bf":
            axis.axhline(0, color="k", lw=1)
            axis.set_ylim(-0.35, 0.2)
        elif letter in "ac":
            axis.set_ylim(0, 1.3)
        elif letter == "e":
            axis.set_ylim(0, None)
        if letter != "d":
            axis.axvspan(limit_lp_mm, nyquist, color=GREY, alpha=0.12, lw=0)
            axis.annotate("prior, not data", (limit_lp_mm, 0.98), (3, 0), xycoords=("data", "axes fraction"),
                          textcoords="offset points", fontsize=7, color=GREY, va="top")  # fmt: skip


def transfer_of(found: Measured, contrast: float) -> Transfer | None:
    """Near-upright TTF at one contrast, if it was measured."""
    for curve in found["transfers"]:
        if curve["contrast"] == contrast and abs(curve["angle_deg"]) < 10 and "value" in curve:
            return curve
    return None
