"""Pictures of one restoration: images, layers, certificate, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.reports.canvas import (
    DIVERGING,
    DPI,
    GLOWING,
    GREY,
    INK,
    Box,
    Canvas,
    Colour,
    Curve,
    Shades,
    fitted,
    legend,
    pixels,
    plot,
    rgb,
    said,
    ticks,
)
from coldray.reports.demo import busiest_window
from coldray.reports.thumbnails import grey_range
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.tiles import BAND_EDGES
from coldray.restoration.provenance import Provenance

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH_IN = 7.08
"""Text width of an A4 page [inch]."""
LEFT_IN, RIGHT_IN, TOP_IN, BETWEEN_IN = 0.48, 0.12, 0.24, 0.16
"""Margins for words, and room between panels [inch]."""
SCALE_IN, BAR_IN = 0.42, 0.5
"""Room for the scale below a panel, and for a colour bar with its own below that [inch]."""
HIGHEST_IN = 8.0
BAR_PX = 14
DETAIL_PX = 112
MARK, BLUE, ORANGE, PALE = rgb("d62728"), rgb("1f77b4"), rgb("ff7f0e"), rgb("bfbfbf")
FOUND = rgb("4c78a8")
PLACES_DRAWN = 12

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top [mm]."""


@dataclass(frozen=True, eq=False)
class Panel:
    """An image to be shown beside others.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    title : str
    shades : Shades
    bar : str
        What a colour bar below it says; none if empty.
    places : sequence of mapping
        Places to be framed.
    """

    image: NDArray[np.number]
    title: str
    shades: Shades
    bar: str = ""
    places: Sequence[Mapping[str, Any]] = ()


def _side_by_side(panels: Sequence[Panel], extent_mm: Extent) -> bytes:
    """Panels of one extent in a row, with scales in mm."""
    rows, cols = panels[0].image.shape
    room = (WIDTH_IN - LEFT_IN - RIGHT_IN - (len(panels) - 1) * BETWEEN_IN) / len(panels)
    scale = min(pixels(room) / cols, pixels(HIGHEST_IN) / rows)
    width, height = max(round(cols * scale), 1), max(round(rows * scale), 1)
    below = SCALE_IN + (BAR_IN if any(panel.bar for panel in panels) else 0.0)
    canvas = Canvas(WIDTH_IN, TOP_IN + height / DPI + below)
    for number, panel in enumerate(panels):
        left = pixels(LEFT_IN + number * (room + BETWEEN_IN)) + (pixels(room) - width) // 2
        box = Box(left, pixels(TOP_IN), width, height)
        canvas.paint(box, panel.shades(fitted(panel.image, width, height)))
        _frames(canvas, box, panel.places, extent_mm)
        canvas.frame(box)
        canvas.text(left + width / 2, box.top - 8, panel.title, 8, "ms")
        _scales(canvas, box, extent_mm, number == 0)
        if panel.bar:
            _bar(canvas, Box(left, box.bottom + pixels(SCALE_IN) + 6, width, BAR_PX), panel)
    return canvas.png()


def _scales(canvas: Canvas, box: Box, extent_mm: Extent, first: bool) -> None:
    """Scales of a panel; words at the left of the first one alone, since all show the same rows."""
    left, right, bottom, top = extent_mm
    across = [((x - left) / (right - left) * box.width, said(x)) for x in ticks(left, right)]
    down = [((y - top) / (bottom - top) * box.height, said(y) if first else "") for y in ticks(top, bottom)]
    canvas.across(box, across, 6.5)
    canvas.down(box, down, 6.5)
    canvas.text(box.left + box.width / 2, box.bottom + 27, "mm", 7, "ma")
    if first:
        canvas.turned_text(box.left - 58, box.top + box.height / 2, "mm", 7)


def _frames(canvas: Canvas, box: Box, places: Sequence[Mapping[str, Any]], extent_mm: Extent) -> None:
    left, right, bottom, top = extent_mm
    across, down = box.width / (right - left), box.height / (bottom - top)
    for place in places[:PLACES_DRAWN]:
        x, y = (place["x_mm"] - left) * across, (place["y_mm"] - top) * down
        size = max(round(place["width_mm"] * across), 3), max(round(place["height_mm"] * down), 3)
        canvas.frame(Box(box.left + round(x), box.top + round(y), *size), MARK, 2)


def _bar(canvas: Canvas, box: Box, panel: Panel) -> None:
    low, high = panel.shades.low, panel.shades.high
    values = np.broadcast_to(np.linspace(low, high, box.width), (box.height, box.width))
    canvas.paint(box, panel.shades(values))
    canvas.frame(box)
    canvas.across(box, [((v - low) / (high - low) * box.width, said(v)) for v in ticks(low, high)], 6.5)
    canvas.text(box.left + box.width / 2, box.bottom + 27, panel.bar, 7, "ma")


def _whole(certificate: Certificate) -> Extent:
    rows, cols = certificate.frame.shape
    pitch = certificate.frame.pair.pixel_pitch_mm
    return 0.0, cols * pitch, rows * pitch, 0.0


def images_picture(
    certificate: Certificate,
    restored: NDArray[np.floating],
    places: Sequence[Mapping[str, Any]],
    reference: NDArray[np.number] | None = None,
) -> bytes:
    """Original, restored and, if given, reference on one grey scale; contradicted places framed; PNG."""
    shades = Shades(GREY, *grey_range(restored))
    panels = [
        Panel(np.asarray(certificate.frame.blurred), "original", shades),
        Panel(restored, "restored", shades, places=places),
    ]
    if reference is not None:
        panels.append(Panel(reference, "reference", shades))
    return _side_by_side(panels, _whole(certificate))


def detail_picture(
    certificate: Certificate,
    restored: NDArray[np.floating],
    centre_px: tuple[int, int] | None,
    reference: NDArray[np.number] | None = None,
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
    shades = Shades(GREY, *grey_range(restored[part]))
    images = {"original": np.asarray(certificate.frame.blurred), "restored": restored}
    if reference is not None:
        images["reference"] = reference
    panels = [Panel(image[part], name, shades) for name, image in images.items()]
    residual = Shades(DIVERGING, -5.0, 5.0)
    whitened = certificate.residual.whitened[part]
    return _side_by_side([*panels, Panel(whitened, "residual / noise", residual, "standard deviations")], extent)


def layers_picture(certificate: Certificate, parts: Provenance) -> bytes:
    """The provenance layers side by side: measured, linear part, prior part, under a gate the network's share; PNG."""
    panels = []
    for number, (layer, title) in enumerate(zip(parts.layers, parts.names, strict=True)):
        if number == 0:
            low, high = grey_range(layer)
            shades = Shades(GREY, 100 * low, 100 * high)
        elif number == 3:
            shades = Shades(GREY, 0.0, 100.0)
        else:
            most = 100 * max(float(np.quantile(np.abs(layer[::4, ::4]), 0.995)), 1e-4)
            shades = Shades(DIVERGING, -most, most)
        panels.append(Panel(100 * layer, title, shades, "% of the open beam" if number < 3 else "%"))
    return _side_by_side(panels, _whole(certificate))


def certificate_picture(certificate: Certificate) -> bytes:
    """Residual in units of its noise, and the evidence of contradiction; PNG."""
    top = max(4.0, float(certificate.evidence.max()))
    marked = f"−log₁₀ of the adjusted p-value; marked from {-np.log10(certificate.level):.2g}"
    panels = [
        Panel(
            certificate.residual.whitened,
            "residual / noise",
            Shades(DIVERGING, -4.0, 4.0),
            "standard deviations of the noise",
        ),
        Panel(certificate.evidence, "evidence of contradiction", Shades(GLOWING, 0.0, top), marked),
    ]
    return _side_by_side(panels, _whole(certificate))


def curves_picture(certificate: Certificate) -> bytes:
    """MTF of both detectors with the band that is prior, and NNPS of the frame beside the contrast of objects; PNG."""
    frame, limit = certificate.frame, certificate.residual.verifiable_lp_mm
    pair, nyquist = frame.pair, frame.pair.blurred.nyquist_lp_mm
    f = np.linspace(0, nyquist, 201)
    ratio = certificate.degradation.transfer(f, 1.0)
    mean = frame.mean_signal
    noise = np.log10(np.maximum(frame.noise.power(f, mean) / mean**2, 1e-30))[1:]
    objects = np.log10(np.maximum(ratio[1:] ** 2 * frame.contrast_power(f[1:]) / mean**2, 1e-30))
    canvas, width = Canvas(WIDTH_IN, 2.9), (WIDTH_IN - LEFT_IN - RIGHT_IN - 0.7) / 2
    boxes = [Box(pixels(LEFT_IN + n * (width + 0.7)), pixels(0.1), pixels(width), pixels(2.36)) for n in (0, 1)]
    shaded, span = (min(limit, nyquist), nyquist), (0.0, nyquist)
    both = np.concatenate([noise, objects])
    plot(
        canvas,
        boxes[0],
        [
            Curve(f, pair.sharp.mtf(f), f"sharp: {pair.sharp.name}", BLUE),
            Curve(f, pair.blurred.mtf(f), f"blurred: {pair.blurred.name}", ORANGE),
            Curve(f, ratio, "ratio H (the blur undone)", INK, dashed=True),
        ],
        (span, (0.0, 1.02)),
        ("spatial frequency [lp/mm]", "presampled MTF (1 at zero)"),
        shaded=shaded,
    )
    plot(
        canvas,
        boxes[1],
        [
            Curve(f[1:], noise, "noise of this frame", BLUE),
            Curve(f[1:], objects, "blurred objects, mean", INK, dashed=True),
        ],
        (span, (float(both.min()) - 0.1, float(both.max()) + 0.1)),
        ("spatial frequency [lp/mm]", "NNPS at the mean signal [mm²]"),
        shaded=shaded,
        powers=True,
    )
    return canvas.png()


def bands_picture(bands: Sequence[Mapping[str, Any]]) -> bytes:
    """Residual energy per band over the noise, with what is allowed and what a linear estimate leaves; PNG."""
    assert len(bands) == len(BAND_EDGES) - 1
    found = [b["found_over_noise"] for b in bands]
    top = max(1.45, *(1.15 * v for v in found if v is not None))
    canvas = Canvas(WIDTH_IN, 2.4)
    box = Box(pixels(LEFT_IN), pixels(0.1), pixels(WIDTH_IN - LEFT_IN - RIGHT_IN), pixels(1.86))
    step = box.width / len(bands)
    words = [f"{b['low_lp_mm']:.3g}–{b['high_lp_mm']:.3g}" for b in bands]

    def height(value: float) -> float:
        return box.height * (1 - value / top)

    def draw(pen: ImageDraw, scale: int) -> None:
        for number, band in enumerate(bands):
            middle = scale * step * (number + 0.5)
            if found[number] is not None:
                colour = FOUND if band["status"] == "tested" else PALE
                half = 0.31 * step * scale
                pen.rectangle(
                    (middle - half, scale * height(found[number]), middle + half, scale * box.height), fill=colour
                )
            for key, mark in (("linear_estimate_over_noise", INK), ("allowed_over_noise", MARK)):
                if band[key] is not None and band[key] == band[key]:
                    y = scale * height(min(band[key], 2.0))
                    pen.line((middle - 24 * scale, y, middle + 24 * scale, y), fill=mark, width=2 * scale)

    canvas.smooth(box, draw)
    canvas.frame(box)
    canvas.across(box, [(step * (n + 0.5), text) for n, text in enumerate(words)], 7)
    canvas.down(box, [(height(v), said(v)) for v in ticks(0.0, top)], 7)
    canvas.text(box.left + box.width / 2, box.bottom + 34, "band [lp/mm]", 8, "ma")
    canvas.turned_text(box.left - 58, box.top + box.height / 2, "residual energy / noise", 8)
    entries: list[tuple[str, Colour, bool]] = [
        ("found, mean over the image", FOUND, False),
        ("a linear estimate leaves", INK, False),
        ("noise and model error", MARK, False),
    ]
    legend(canvas, box, entries)
    return canvas.png()
