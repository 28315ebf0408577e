"""The comparison's figures: images with SSIM maps and SNR boxes; transfer, noise and bars; quality against steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coldray.benchmark.paper.contestants import (
    BLURRED,
    COLD,
    DEFAULT,
    THIN_KEYS,
    VAN_CITTERT,
    WIENER,
    WIENER_TV,
)
from coldray.benchmark.paper.scores import flat_boxes
from coldray.metrology.metrics import Convention, gain_to, psnr_db, roi_snr, ssim_map
from coldray.physics.grids import nyquist_lp_mm
from coldray.reports.demo import busiest_window
from coldray.reports.figures import GREY, STYLE, new_figure, render
from coldray.simulation.paper import PITCH_MM

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#A5AA99", "#4B4B8F", "#80BA5A")
FIRST = (*THIN_KEYS, BLURRED, WIENER, WIENER_TV, VAN_CITTERT, COLD, DEFAULT)
"""Shown first and always; further models follow."""
SHOWN_PX = 160


def _extras(keys: Sequence[str]) -> list[str]:
    """Keys of models beside the main one."""
    known = {"wiener_scalar", "richardson_lucy", "unsupervised_wiener", "pnp_tv", "pnp", "indi", "one_step", *FIRST}
    return [k for k in keys if k not in known]


def image_figure(pictures: dict[str, Any], methods: dict[str, Any]) -> bytes:
    """One window of one board: every method's image with SNR boxes, its SSIM map below, its signed error below that.

    Parameters
    ----------
    pictures : dict
        "scene" and "images" by key, from `run_paper`.
    methods : dict
        Labels by key, from the results.

    Returns
    -------
    bytes
        PNG.
    """
    from matplotlib import rc_context
    from matplotlib.patches import Rectangle

    scene, images = pictures["scene"], pictures["images"]
    truth, how = scene.truths["truth"], Convention()
    keys = [k for k in FIRST if k in images] + _extras(list(images))
    columns = [*keys, "mean20"]
    shown = images | {"mean20": scene.truths["mean20"]}
    boxes = flat_boxes(truth)
    window = busiest_window(truth, min(SHOWN_PX, truth.shape[0] // 2))
    low, high = np.quantile(truth, [0.002, 0.998])
    with rc_context(STYLE):
        figure, _ = new_figure(1.75 * len(columns), 7.4)
        figure.clear()
        axes = figure.subplots(4, len(columns))
        for column, key in enumerate(columns):
            image = shown[key]
            value, field = ssim_map(image, truth, how)
            score = psnr_db(image, truth, how)
            label = "thin screen, 20 frames" if key == "mean20" else methods[key]["label"]
            whole, detail, map_axis, error_axis = axes[:, column]
            whole.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            for number, (x, y, w, h) in enumerate(boxes):
                whole.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, ec=COLOURS[number], lw=0.9))
            left, top = window[1].start, window[0].start
            whole.add_patch(
                Rectangle((left, top), window[1].stop - left, window[0].stop - top, fill=False, ec="w", lw=0.6)
            )
            ratios = " / ".join(f"{roi_snr(image, box):.0f}" for box in boxes)
            whole.set_title(
                _wrapped(label) + f"\n{score:.2f} dB, SSIM {value:.3f}\nSNR in boxes {ratios}", fontsize=6.5
            )
            detail.imshow(image[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            similarity = map_axis.imshow(field, cmap="viridis", vmin=0.4, vmax=1, interpolation="nearest")
            error = error_axis.imshow(
                (gain_to(image, truth) * image - truth)[window],
                cmap="RdBu_r",
                vmin=-0.1,
                vmax=0.1,
                interpolation="nearest",
            )
            for axis in (whole, detail, map_axis, error_axis):
                axis.set_xticks([])
                axis.set_yticks([])
        for axis, name in zip(
            axes[:, 0], ("image, SNR boxes", "window", "SSIM map", "error, gain matched"), strict=True
        ):
            axis.set_ylabel(name)
        figure.colorbar(similarity, ax=list(axes[2]), shrink=0.8, pad=0.01)
        figure.colorbar(error, ax=list(axes[3]), shrink=0.8, pad=0.01)
        figure.suptitle(
            f"{scene.board}, {scene.kind} pair, {scene.exposure_s:g} s; simulated; scores against the noise-free truth, "
            "data range = open beam", fontsize=8,
        )  # fmt: skip
        return render(figure, "png")


def _wrapped(label: str, width: int = 20) -> str:
    """Two lines, always, so that titles align."""
    words, first = label.split(" "), ""
    while words and len(first) + len(words[0]) <= width:
        first = f"{first} {words.pop(0)}".strip()
    return f"{first}\n{' '.join(words)}"


def fourier_figure(measured: dict[str, Any], methods: dict[str, Any]) -> bytes:
    """TTF at 80 and 5 % contrast, NNPS and CTF of every method, beside the detectors' own curves; PNG."""
    from matplotlib import rc_context

    sharp, limit = measured["sharp"], measured["limit_lp_mm"]
    nyquist = nyquist_lp_mm(PITCH_MM)
    keys = [k for k in (WIENER, WIENER_TV, "richardson_lucy", VAN_CITTERT, COLD, DEFAULT) if k in measured["methods"]]
    keys += _extras([k for k in measured["methods"]])
    colour = dict(zip(keys, COLOURS * 2, strict=False))
    with rc_context(STYLE):
        figure, _ = new_figure(9.6, 7.0)
        figure.clear()
        (strong, faint), (noise, bars) = figure.subplots(2, 2)
        f = np.array(sharp["frequency_lp_mm"])
        for axis, contrast in ((strong, 0.80), (faint, 0.05)):
            axis.plot(f, sharp["mtf"], color="k", lw=1.6, label="thin screen (MTF)")
            axis.plot(f, sharp["blurred_mtf"], color="k", lw=1.2, ls="--", label="thick screen (MTF)")
            top = 1.1
            for key in keys:
                curve = _transfer(measured["methods"][key], contrast)
                if curve is None:
                    continue
                x, y = np.array(curve["frequency_lp_mm"]), np.array(curve["value"])
                known = x <= limit
                axis.plot(x[known], y[known], color=colour[key], label=methods[key]["label"])
                beyond = x >= x[known][-1]
                axis.plot(x[beyond], y[beyond], color=colour[key], lw=0.8, ls=":")
                if "low" in curve:
                    axis.fill_between(x, curve["low"], curve["high"], color=colour[key], alpha=0.12, lw=0)
                top = max(top, float(y[x <= 0.9 * nyquist].max()) + 0.05)
            axis.set(xlim=(0, nyquist), ylim=(0, min(top, 2.0)), ylabel=f"apparent TTF, {100 * contrast:g} % edge")
            axis.axvline(limit, color=GREY, lw=0.8, ls="-.")
            axis.annotate("beyond: prior, not data", (limit, 0.98), (3, 0), xycoords=("data", "axes fraction"),
                          textcoords="offset points", fontsize=6.5, color=GREY, va="top")  # fmt: skip
        noise.semilogy(
            f[1:], np.array(sharp["nnps_20_frames_mm2"])[1:], color="k", lw=1.6, label="thin screen, 20 frames"
        )
        for key in [BLURRED, *keys]:
            if key not in measured["methods"]:
                continue
            flat = measured["methods"][key]["flat"]
            x, y = np.array(flat["frequency_lp_mm"]), np.array(flat["nnps_mm2"])
            style: dict[str, Any] = {"color": "k", "ls": "--"} if key == BLURRED else {"color": colour[key]}
            # the last bin holds a few corners of the frequency plane only
            noise.semilogy(x[:-1], np.maximum(y[:-1], 1e-12), label=methods[key]["label"], **style)
        noise.set(xlim=(0, nyquist), ylabel="NNPS in flats [mm²]")
        wanted = sharp["ctf"]
        x = np.array([g["frequency_lp_mm"] for g in wanted])
        bars.plot(x, [g["ctf"] for g in wanted], "k-", lw=1.6, marker="o", ms=3, label="thin screen")
        for key in [BLURRED, *keys]:
            if key in measured["methods"]:
                style = {"color": "k", "ls": "--"} if key == BLURRED else {"color": colour[key]}
                values = [g["ctf"] for g in measured["methods"][key]["ctf"]]
                bars.plot(x, values, marker="o", ms=2.5, label=methods[key]["label"], **style)
        bars.axvline(limit, color=GREY, lw=0.8, ls="-.")
        bars.set(xlim=(0, nyquist), ylim=(0, None), ylabel="CTF, 50 % bars")
        for axis in (strong, faint, noise, bars):
            axis.set_xlabel("spatial frequency [lp/mm]")
        handles, labels = noise.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        figure.suptitle(
            f"{measured['exposure_s']:g} s, {measured['repeats']} repeats of default and raw frame, {measured['peer_repeats']} of the others, bright side {measured['bright']:g} of the open beam; "
            "bands k = 2", fontsize=8,
        )  # fmt: skip
        return render(figure, "png")


def _transfer(found: dict[str, Any], contrast: float) -> dict[str, Any] | None:
    """Near-upright TTF at one contrast, if it was measured."""
    for curve in found["transfers"]:
        if curve["contrast"] == contrast and abs(curve["angle_deg"]) < 10 and "value" in curve:
            return dict(curve)
    return None


def steps_figure(entries: Sequence[dict[str, Any]]) -> bytes:
    """PSNR and SSIM of the samplers over the number of network evaluations; PNG."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure, axes = new_figure(7.0, 2.8, 2)
        for axis, field, label in zip(axes, ("psnr_db_truth", "ssim_truth"), ("PSNR [dB]", "SSIM"), strict=True):
            for number, sampler in enumerate(dict.fromkeys(e["sampler"] for e in entries)):
                here = sorted((e for e in entries if e["sampler"] == sampler), key=lambda e: e["steps"])
                axis.plot([e["steps"] for e in here], [e[field]["mean"] for e in here], marker="o", ms=3,
                          color=COLOURS[number], label=sampler)  # fmt: skip
            axis.set(xlabel="steps (network evaluations)", ylabel=label, xscale="log")
            counts = sorted({e["steps"] for e in entries})
            axis.set_xticks(counts, [str(c) for c in counts])
            axis.set_xticks([], minor=True)
        axes[0].legend()
        axes[0].set_title(f"acquired pairs, {entries[0]['exposure_s']:g} s, mean over boards", loc="left")
        return render(figure, "png")
