"""Pictures of one restoration: images, layers, certificate, curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.reports.demo import busiest_window, new_figure, png_bytes
from coldray.reports.thumbnails import grey_range, shrunk
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.tiles import BAND_EDGES
from coldray.restoration.provenance import Provenance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
WIDTH_IN = 7.08
"""Text width of an A4 page [inch]."""
LEFT_IN, RIGHT_IN, BOTTOM_IN = 0.48, 0.12, 0.42
"""Margins for labels [inch]."""
DETAIL_PX = 112
MARK = "#d62728"
PLACES_DRAWN = 12


def _figure(height_in: float, across: int = 1, *, between_in: float = 0.36, top_in: float = 0.24) -> Figure:
    """Figure of panels side by side whose margins are stated: to work them out takes longer than all drawing."""
    figure = new_figure(WIDTH_IN, height_in, fitted=False)
    panel_in = (WIDTH_IN - LEFT_IN - RIGHT_IN - (across - 1) * between_in) / across
    figure.subplots_adjust(
        left=LEFT_IN / WIDTH_IN,
        right=1 - RIGHT_IN / WIDTH_IN,
        bottom=BOTTOM_IN / height_in,
        top=1 - top_in / height_in,
        wspace=between_in / panel_in,
    )
    return figure


def _show(
    axis: Axes, image: NDArray[np.floating], extent_mm: tuple[float, float, float, float], title: str, **how: Any
) -> Any:
    left, right, bottom, top = extent_mm
    drawn = axis.imshow(image, extent=(left, right, bottom, top), interpolation="nearest", **how)
    axis.set_title(title, fontsize=8)
    axis.tick_params(labelsize=6.5, length=2)
    return drawn


def _whole(certificate: Certificate) -> tuple[float, float, float, float]:
    rows, cols = certificate.frame.shape
    pitch = certificate.frame.pair.pixel_pitch_mm
    return 0.0, cols * pitch, rows * pitch, 0.0


def _height(certificate: Certificate, across: int, extra_in: float = 0.55) -> float:
    rows, cols = certificate.frame.shape
    return float(np.clip(WIDTH_IN / across * 0.92 * rows / cols, 0.8, 8.0)) + extra_in


def _boxes(axis: Axes, places: list[dict[str, Any]]) -> None:
    from matplotlib.patches import Rectangle

    for place in places[:PLACES_DRAWN]:
        corner = (place["x_mm"], place["y_mm"])
        axis.add_patch(Rectangle(corner, place["width_mm"], place["height_mm"], fill=False, ec=MARK, lw=0.9))


def images_picture(
    certificate: Certificate, restored: NDArray[np.floating], places: list[dict[str, Any]], reference: Any = None
) -> bytes:
    """Original, restored and, if given, reference on one grey scale; contradicted places framed; PNG."""
    shown = {"original": np.asarray(certificate.frame.blurred), "restored": restored}
    if reference is not None:
        shown["reference"] = reference
    low, high = grey_range(restored)
    figure = _figure(_height(certificate, len(shown)), len(shown))
    axes = np.atleast_1d(figure.subplots(1, len(shown)))
    for axis, (name, image) in zip(axes, shown.items(), strict=True):
        _show(axis, shrunk(image), _whole(certificate), name, cmap="gray", vmin=low, vmax=high)
        if name == "restored":
            _boxes(axis, places)
    for axis in axes:
        axis.set_xlabel("mm", fontsize=7)
    axes[0].set_ylabel("mm", fontsize=7)
    return png_bytes(figure, DPI)


def detail_picture(
    certificate: Certificate, restored: NDArray[np.floating], centre_px: tuple[int, int] | None, reference: Any = None
) -> bytes:
    """One window pixel by pixel: original, restored, (reference), whitened residual; PNG.

    Parameters
    ----------
    certificate : Certificate
    restored : ndarray, shape (rows, cols)
    centre_px : (row, col), optional
        Of the window; the busiest part of the image if not given.
    reference : ndarray, optional
    """
    rows, cols = certificate.frame.shape
    pitch = certificate.frame.pair.pixel_pitch_mm
    side = min(DETAIL_PX, rows, cols)
    if centre_px is None:
        if min(rows, cols) >= side + 64:
            window = busiest_window(restored, side)
            centre_px = (window[0].start + side // 2, window[1].start + side // 2)
        else:
            centre_px = (rows // 2, cols // 2)
    first = [int(np.clip(c - side // 2, 0, n - side)) for c, n in zip(centre_px, (rows, cols), strict=True)]
    part = (slice(first[0], first[0] + side), slice(first[1], first[1] + side))
    extent = (first[1] * pitch, (first[1] + side) * pitch, (first[0] + side) * pitch, first[0] * pitch)
    shown = {"original": np.asarray(certificate.frame.blurred), "restored": restored}
    if reference is not None:
        shown["reference"] = reference
    low, high = grey_range(restored[part])
    figure = _figure(WIDTH_IN / (len(shown) + 1) + 0.45, len(shown) + 1)
    axes = figure.subplots(1, len(shown) + 1)
    for axis, (name, image) in zip(axes, shown.items(), strict=False):
        _show(axis, image[part], extent, name, cmap="gray", vmin=low, vmax=high)
    drawn = _show(
        axes[-1], certificate.residual.whitened[part], extent, "residual / noise", cmap="RdBu_r", vmin=-5, vmax=5
    )
    figure.colorbar(drawn, ax=axes[-1], shrink=0.75).ax.tick_params(labelsize=6.5)
    for axis in axes:
        axis.set_xlabel("mm", fontsize=7)
    axes[0].set_ylabel("mm", fontsize=7)
    return png_bytes(figure, DPI)


def layers_picture(certificate: Certificate, parts: Provenance) -> bytes:
    """The provenance layers side by side: measured, linear part, prior part, under a gate the network's share; PNG."""
    count = len(parts.layers)
    figure = _figure(_height(certificate, count, 1.3), count)
    axes = figure.subplots(1, count)
    for number, (axis, layer, title) in enumerate(zip(axes, parts.layers, parts.names, strict=True)):
        if number == 0:
            low, high = grey_range(layer)
            how: dict[str, Any] = {"cmap": "gray", "vmin": 100 * low, "vmax": 100 * high}
        elif number == 3:
            how = {"cmap": "gray", "vmin": 0, "vmax": 100}
        else:
            span = 100 * max(float(np.quantile(np.abs(layer[::4, ::4]), 0.995)), 1e-4)
            how = {"cmap": "RdBu_r", "vmin": -span, "vmax": span}
        drawn = _show(axis, shrunk(100 * layer), _whole(certificate), title, **how)
        _bar(figure, drawn, axis, "% of the open beam" if number < 3 else "%")
        axis.set_xlabel("mm", fontsize=7)
    axes[0].set_ylabel("mm", fontsize=7)
    return png_bytes(figure, DPI)


def _bar(figure: Figure, drawn: Any, axis: Axes, label: str) -> None:
    bar = figure.colorbar(drawn, ax=axis, orientation="horizontal", shrink=0.85, aspect=26, pad=0.2)
    bar.set_label(label, fontsize=7)
    bar.ax.tick_params(labelsize=6.5)


def certificate_picture(certificate: Certificate) -> bytes:
    """Residual in units of its noise, and the evidence of contradiction; PNG."""
    figure = _figure(_height(certificate, 2, 1.3), 2)
    axes = figure.subplots(1, 2)
    coarse = shrunk(certificate.residual.whitened)
    residual = _show(axes[0], coarse, _whole(certificate), "residual / noise", cmap="RdBu_r", vmin=-4, vmax=4)
    top = max(4.0, float(certificate.evidence.max()))
    evidence = _show(
        axes[1],
        shrunk(certificate.evidence),
        _whole(certificate),
        "evidence of contradiction",
        cmap="inferno",
        vmin=0,
        vmax=top,
    )
    _bar(figure, residual, axes[0], "standard deviations of the noise")
    _bar(figure, evidence, axes[1], f"−log₁₀ of the adjusted p-value; marked from {-np.log10(certificate.level):.2g}")
    for axis in axes:
        axis.set_xlabel("mm", fontsize=7)
    axes[0].set_ylabel("mm", fontsize=7)
    return png_bytes(figure, DPI)


def curves_picture(certificate: Certificate) -> bytes:
    """MTF of both detectors with the band that is prior, and NNPS of the frame beside the contrast of objects; PNG."""
    frame, limit = certificate.frame, certificate.residual.verifiable_lp_mm
    pair = frame.pair
    nyquist = pair.blurred.nyquist_lp_mm
    f = np.linspace(0, nyquist, 201)
    figure = _figure(2.9, 2, between_in=0.7, top_in=0.1)
    left, right = figure.subplots(1, 2)
    left.plot(f, pair.sharp.mtf(f), label=f"sharp: {pair.sharp.name}")
    left.plot(f, pair.blurred.mtf(f), label=f"blurred: {pair.blurred.name}")
    ratio = certificate.degradation.transfer(f, 1.0)
    left.plot(f, ratio, "k--", lw=1, label="ratio H (the blur undone)")
    left.set(ylabel="presampled MTF (1 at zero)", ylim=(0, 1.02))
    mean = frame.mean_signal
    noise = frame.noise.power(f, mean) / mean**2
    right.semilogy(f[1:], noise[1:], label="noise of this frame")
    objects = frame.contrast_power(f[1:]) / mean**2
    right.semilogy(f[1:], ratio[1:] ** 2 * objects, "k--", lw=1, label="blurred objects, mean")
    right.set(ylabel="NNPS at the mean signal [mm²]")
    for axis in (left, right):
        axis.axvspan(limit, nyquist, color="0.9", zorder=0)
        axis.set(xlim=(0, nyquist), xlabel="spatial frequency [lp/mm]")
        axis.legend(fontsize=6.5, frameon=False, loc="upper right")
        axis.tick_params(labelsize=7)
        axis.xaxis.label.set_size(8)
        axis.yaxis.label.set_size(8)
    return png_bytes(figure, DPI)


def bands_picture(bands: list[dict[str, Any]]) -> bytes:
    """Residual energy per band over the noise, with what is allowed and what a linear estimate leaves; PNG."""
    figure = _figure(2.4, top_in=0.1)
    axis = figure.subplots()
    place = np.arange(len(bands))
    found = [np.nan if b["found_over_noise"] is None else b["found_over_noise"] for b in bands]
    colours = ["#4c78a8" if b["status"] == "tested" else "0.75" for b in bands]
    axis.bar(place, found, 0.62, color=colours, label="found, mean over the image")
    axis.plot(place, [b["linear_estimate_over_noise"] for b in bands], "k_", ms=22, label="a linear estimate leaves")
    allowed = [np.nan if b["allowed_over_noise"] is None else b["allowed_over_noise"] for b in bands]
    axis.plot(place, np.minimum(allowed, 2.0), "_", color=MARK, ms=22, label="noise and model error")
    axis.set_xticks(place, [f"{b['low_lp_mm']:.3g}–{b['high_lp_mm']:.3g}" for b in bands], fontsize=7)
    axis.set_xlabel("band [lp/mm]", fontsize=8)
    axis.set_ylabel("residual energy / noise", fontsize=8)
    axis.tick_params(axis="y", labelsize=7)
    axis.set_ylim(0, max(1.45, *(1.15 * v for v in found if np.isfinite(v)), 0.0))
    axis.legend(fontsize=6.5, frameon=False, ncols=3, loc="upper left")
    assert len(bands) == len(BAND_EDGES) - 1
    return png_bytes(figure, DPI)
