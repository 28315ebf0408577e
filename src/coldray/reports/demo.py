"""Pictures and the self-contained HTML report."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS = {
    "blurred": "thick screen, one frame",
    "wiener": "Wiener (measured NPS)",
    "direct": "network, one step",
    "cold": "cold sampling (default)",
    "reference": "thin screen, 20 frames",
    "truth": "noise-free truth",
}


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of a size in inches, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Any, dpi: int = 110) -> bytes:
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
    return slice(where[0], where[0] + side), slice(where[1], where[1] + side)


def before_after(images: dict[str, NDArray[np.float32]], results: dict[str, Any]) -> bytes:
    """Draw every image, the detail of one window below, on one grey scale; returns PNG bytes."""
    names = [n for n in ("blurred", "wiener", "cold", "reference") if n in images]
    truth = images["truth"]
    low, high = np.quantile(truth, [0.002, 0.998])
    window = busiest_window(truth, truth.shape[0] // 4)
    pitch = results["detectors"]["pixel_pitch_mm"]
    figure = new_figure(3.3 * len(names), 7.0)
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
    figure = new_figure(5.2, 3.4)
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
    figure = new_figure(3.2 * len(names), 3.5)
    axes = np.atleast_1d(figure.subplots(1, len(names)))
    for axis, name in zip(axes, names, strict=True):
        shown = axis.imshow(100 * (images[name] - truth), cmap="RdBu_r", vmin=-10, vmax=10, interpolation="nearest")
        axis.set_title(LABELS[name], fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(shown, ax=list(axes), shrink=0.8, label="error [% of open beam]")
    return png_bytes(figure)


def data_uri(png: bytes) -> str:
    """PNG bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>coldray demonstration</title>
<style>
 body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
 h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
 img { max-width: 100%; height: auto; } table { border-collapse: collapse; }
 td, th { padding: .3rem .9rem; border-bottom: 1px solid #d5dbe1; text-align: right; } td:first-child, th:first-child { text-align: left; }
 .note { background: #eef3f8; border-left: 4px solid #4b7db3; padding: .6rem 1rem; } code { font-size: .9em; }
 @media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } img { break-inside: avoid; } }
</style></head><body>
<h1>coldray demonstration: a thick-phosphor frame restored</h1>
<p class="note"><b>Simulated data.</b> A procedural board of the family <code>{{ r.board.family }}</code>, which the model has never seen, was
acquired at 70 kV by two simulated Gd<sub>2</sub>O<sub>2</sub>S:Tb detectors ({{ '%.0f'|format(r.detectors.pixel_pitch_mm * 1000) }} µm pixels):
one frame of {{ r.exposure_s }} s with the thick screen ({{ r.detectors.blurred }}, 134.55 mg/cm²) and, as reference, 20 frames of 1 s with the
thin one ({{ r.detectors.sharp }}, 33.91 mg/cm²).</p>
<h2>Before and after</h2><img alt="Blurred, Wiener, restored and reference images, whole and in detail" src="{{ picture }}">
<h2>Scores</h2>
<table><tr><th>image</th><th>PSNR [dB]</th><th>SSIM</th><th>SNR in box</th><th>steps</th><th>time [s]</th></tr>
{% for name, m in r.methods.items() %}<tr><td>{{ labels[name] }}</td><td>{{ '%.2f'|format(m.psnr_db) }}</td><td>{{ '%.4f'|format(m.ssim) }}</td>
<td>{{ '%.1f'|format(m.snr_in_box) }}</td><td>{{ m.steps }}</td><td>{{ '%.2f'|format(m.seconds) }}</td></tr>{% endfor %}</table>
<p>Against {{ r.reference }}; data range {{ r.convention.data_range }} (open beam), {{ r.convention.border_px }} px border left out,
{% if r.convention.match_gain %}one gain matched by least squares, {% endif %}SSIM after {{ r.convention.ssim }}. The box is
x, y, w, h = {{ r.snr_box_xywh|join(', ') }} px. A higher SNR after restoration is smoothing, not information.</p>
<h2>Where the error is</h2><img alt="Signed error maps" src="{{ errors }}">
<h2>The blur that was undone</h2><img alt="MTF of both detectors and their ratio" src="{{ curves }}">
<h2>What was done</h2>
<p>Model <code>{{ r.model.name }}</code>, sha256 <code>{{ r.model.sha256 }}</code>; coldray {{ r.coldray }}; random state {{ r.board.random_state }}.
Content above the frequencies where the thick screen's signal sinks below its noise is inferred from boards seen in training, not
measured: <code>coldray restore --provenance</code> writes the measured, linear and inferred parts as three layers.</p>
</body></html>
"""


def demo_report(results: dict[str, Any], images: dict[str, NDArray[np.float32]], picture: bytes) -> str:
    """One HTML page with everything inside."""
    import jinja2

    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(TEMPLATE)
    return template.render(
        r=results,
        labels=LABELS,
        picture=data_uri(picture),
        errors=data_uri(error_picture(images, ["blurred", "wiener", "cold"])),
        curves=data_uri(transfer_plot(results)),
    )
