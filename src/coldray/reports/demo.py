"""Pictures and the self-contained HTML report."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.reports.figures import empty_figure
from coldray.reports.html import data_uri, template
from coldray.scratch import tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {
    "blurred": "thick screen, one frame",
    "wiener": "Wiener (measured NPS)",
    "direct": "network, one step",
    "cold": "cold sampling (default)",
    "reference": "thin screen, 20 frames",
    "truth": "noise-free truth",
}


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """Return a figure as PNG."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def busiest_window(image: NDArray[np.floating], side: int) -> tuple[slice, slice]:
    """Return the window with the most fine structure, away from the border."""
    rows, cols = image.shape
    side = min(side, rows - 32, cols - 32)
    step = max(8, side // 4)
    best, where = -1.0, (16, 16)
    for r in range(16, rows - side - 15, step):
        for c in range(16, cols - side - 15, step):
            part = image[r : r + side, c : c + side]
            detail = float(np.abs(np.diff(part, axis=0)).mean() + np.abs(np.diff(part, axis=1)).mean())
            if detail > best:
                best, where = detail, (r, c)
        tidy()
    return slice(where[0], where[0] + side), slice(where[1], where[1] + side)


def before_after(images: dict[str, NDArray[np.float32]], results: dict[str, Any]) -> bytes:
    """Draw every image, the detail of one window below, on one grey scale; returns PNG bytes."""
    names = [n for n in ("blurred", "wiener", "cold", "reference") if n in images]
    truth = images["truth"]
    low, high = np.quantile(truth, [0.002, 0.998])
    window = busiest_window(truth, truth.shape[0] // 4)
    pitch = results["detectors"]["pixel_pitch_mm"]
    figure = empty_figure(3.3 * len(names), 7.0)
    axes = figure.subplots(2, len(names))
    for column, name in enumerate(names):
        for row, part in enumerate((images[name], images[name][window])):
            axis = axes[row, column]
            width, height = part.shape[1] * pitch, part.shape[0] * pitch
            axis.imshow(part, cmap="gray", vmin=low, vmax=high, extent=(0, width, height, 0), interpolation="nearest")
            axis.tick_params(labelsize=7)
            if column == 0:
                axis.set_ylabel("mm", fontsize=8)
        scores = results["methods"].get(name)
        note = f"\n{scores['psnr_db']:.2f} dB, SSIM {scores['ssim']:.3f}" if scores else "\nreference"
        axes[0, column].set_title(LABELS[name] + note, fontsize=9)
    exposure = results["exposure_s"]
    figure.suptitle(
        f"Simulated board, 70 kV, {pitch * 1e3:.0f} um pixels, {exposure:g} s per frame; scores against noise-free truth, "
        "data range = open beam",
        fontsize=9,
    )
    return png_bytes(figure)


def transfer_plot(results: dict[str, Any]) -> bytes:
    """MTF of both detectors and their ratio; returns PNG bytes."""
    curve = results["mtf"]
    frequency = np.array(curve["frequency_lp_mm"])
    sharp, blurred = np.array(curve["sharp"]), np.array(curve["blurred"])
    figure = empty_figure(5.2, 3.4)
    axis = figure.subplots()
    axis.plot(frequency, sharp, label=f"sharp: {results['detectors']['sharp']}")
    axis.plot(frequency, blurred, label=f"blurred: {results['detectors']['blurred']}")
    axis.plot(frequency, blurred / np.maximum(sharp, 0.02), "k--", label="ratio (the blur to undo)")
    axis.axvline(frequency[-1], color="0.6", lw=0.8)
    axis.text(frequency[-1], 0.98, "Nyquist ", ha="right", va="top", fontsize=8, color="0.4")
    axis.set(xlabel="spatial frequency [lp/mm]", ylabel="presampled MTF", xlim=(0, None), ylim=(0, 1.02))
    axis.legend(fontsize=8, frameon=False)
    return png_bytes(figure)


def error_picture(images: dict[str, NDArray[np.float32]], names: list[str]) -> bytes:
    """Signed error of each method against truth on one scale; returns PNG bytes."""
    truth = images["truth"]
    figure = empty_figure(3.2 * len(names), 3.5)
    axes = np.atleast_1d(figure.subplots(1, len(names)))
    for axis, name in zip(axes, names, strict=True):
        shown = axis.imshow(100 * (images[name] - truth), cmap="RdBu_r", vmin=-10, vmax=10, interpolation="nearest")
        axis.set_title(LABELS[name], fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(shown, ax=list(axes), shrink=0.8, label="error [% of open beam]")
    return png_bytes(figure)


def demo_report(results: dict[str, Any], images: dict[str, NDArray[np.float32]], picture: bytes) -> str:
    """One HTML page with everything inside."""
    page: str = template("demo.html").render(
        r=results,
        labels=LABELS,
        picture=data_uri(picture),
        errors=data_uri(error_picture(images, ["blurred", "wiener", "cold"])),
        curves=data_uri(transfer_plot(results)),
    )
    return page
