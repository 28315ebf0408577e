"""Panels, scales, curves and marks drawn straight into pixels: what a report needs of a plotting library, at a tenth of its time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from coldray.reports.thumbnails import shrunk

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

DPI = 150
FINE = 3
"""Curves are drawn so many times larger, then averaged: their rims are smooth."""
PNG_LEVEL = 3
"""Of zlib: larger ones take twice the time for some percent of the bytes."""
INK, SOFT, PAPER = (0, 0, 0), (229, 229, 229), (255, 255, 255)
LARGE_PIXELS = 2**22
MOST_TICKS = 5
TICK_PX = 4
STEPS = (1, 2, 5, 10)
GREY = ("000000", "ffffff")
DIVERGING = tuple("053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f".split())
"""ColorBrewer's RdBu, blue below zero (Harrower and Brewer, Cartographic Journal 40, 27, 2003)."""
GLOWING = tuple("000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4".split())


Floats = TypeVar("Floats", float, NDArray[np.floating])
"""A place on a scale, or many."""


def fonts() -> dict[str, Path]:
    """Fonts that know Greek, micro and minus signs, by style; they come with matplotlib."""
    found = find_spec("matplotlib")
    assert found is not None and found.origin is not None
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    return {"": folder / "DejaVuSans.ttf", "B": folder / "DejaVuSans-Bold.ttf"}


@cache
def _font(pixels: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(fonts()[""]), pixels)


def rgb(code: str) -> Colour:
    """Colour of a six-digit code."""
    red, green, blue = bytes.fromhex(code)
    return red, green, blue


@cache
def ramp(codes: tuple[str, ...]) -> NDArray[np.uint8]:
    """256 colours from the first to the last of some, shape (256, 3)."""
    stops = np.array([rgb(code) for code in codes], dtype=np.float64)
    place = np.linspace(0, len(codes) - 1, 256)
    return np.stack([np.rint(np.interp(place, np.arange(len(codes)), c)) for c in stops.T], axis=1).astype(np.uint8)


def ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round values between two, at most so many steps apart.

    Examples
    --------
    >>> from coldray.reports.canvas import ticks
    >>> ticks(0.0, 49.2), ticks(-4.0, 4.0)
    ([0.0, 10.0, 20.0, 30.0, 40.0], [-4.0, -2.0, 0.0, 2.0, 4.0])
    """
    least = (high - low) / most
    decade = 10.0 ** np.floor(np.log10(least))
    step = next(s * decade for s in STEPS if s * decade >= least * (1 - 1e-9))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [round(float(n * step), 12) + 0.0 for n in np.arange(first, last + 1)]


def said(value: float) -> str:
    """A number on a scale."""
    return f"{value:g}".replace("-", "−")


def power(exponent: float) -> str:
    """A power of ten on a scale."""
    return "10" + f"{exponent:.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


@dataclass(frozen=True)
class Box:
    """A part of a canvas [pixels]."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column beyond it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row beyond it."""
        return self.top + self.height


@dataclass(frozen=True)
class Shades:
    """How values become colours: the first of some at `low`, the last at `high`."""

    colours: tuple[str, ...]
    low: float
    high: float

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Colours of values, shape (..., 3)."""
        place = (np.asarray(values, dtype=np.float32) - np.float32(self.low)) * np.float32(255 / (self.high - self.low))
        return ramp(self.colours)[np.clip(np.rint(place), 0, 255).astype(np.uint8)]


def fitted(image: NDArray[np.number], width: int, height: int) -> NDArray[np.float32]:
    """Image at another size: averaged where it shrinks, pixels repeated where it grows."""
    from PIL import Image

    # whole copies of very large images take memory that the restoration has left none of
    small = shrunk(image) if image.size > LARGE_PIXELS else image
    shown = Image.fromarray(np.ascontiguousarray(small, dtype=np.float32))
    how = Image.Resampling.BOX if width < shown.width else Image.Resampling.NEAREST
    return np.asarray(shown.resize((width, height), how))


def pixels(inches: float) -> int:
    """Pixels of a length [inch]."""
    return round(inches * DPI)


class Canvas:
    """White paper of a size [inch]."""

    def __init__(self, width_in: float, height_in: float) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", (pixels(width_in), pixels(height_in)), PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def png(self) -> bytes:
        """The picture as PNG, without transparency, which a PDF would have to take out again."""
        out = io.BytesIO()
        self.image.save(out, format="png", dpi=(DPI, DPI), compress_level=PNG_LEVEL)
        return out.getvalue()

    def text(self, x: float, y: float, text: str, points: float, anchor: str = "mm", colour: Colour = INK) -> None:
        """Write a line; the anchor says which part of it lies there, as in Pillow (``lmr`` and ``asmd``)."""
        self._draw.text((x, y), text, fill=colour, font=_font(round(points * DPI / 72)), anchor=anchor)

    def turned_text(self, x: float, y: float, text: str, points: float) -> None:
        """Write a line upwards, its middle there."""
        from PIL import Image, ImageDraw

        font = _font(round(points * DPI / 72))
        left, top, right, bottom = font.getbbox(text)
        part = Image.new("RGB", (int(right - left) + 2, int(bottom - top) + 2), PAPER)
        ImageDraw.Draw(part).text((1 - left, 1 - top), text, fill=INK, font=font)
        part = part.transpose(Image.Transpose.ROTATE_90)
        self.image.paste(part, (round(x - part.width / 2), round(y - part.height / 2)))

    def frame(self, box: Box, colour: Colour = INK, width: int = 1) -> None:
        """Draw the rim of a part."""
        self._draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), outline=colour, width=width)

    def paint(self, box: Box, colours: NDArray[np.uint8]) -> None:
        """Put colours, shape (height, width, 3), into a part."""
        from PIL import Image

        self.image.paste(Image.fromarray(colours), (box.left, box.top))

    def across(self, box: Box, places: Sequence[tuple[float, str]], points: float, below_px: int = 3) -> None:
        """Marks and their words under a part: columns from its left."""
        for place, text in places:
            x = box.left + place
            self._draw.line((x, box.bottom, x, box.bottom + TICK_PX), fill=INK)
            self.text(x, box.bottom + TICK_PX + below_px, text, points, "ma")

    def down(self, box: Box, places: Sequence[tuple[float, str]], points: float) -> None:
        """Marks and their words at the left of a part: rows from its top."""
        for place, text in places:
            y = box.top + place
            self._draw.line((box.left - TICK_PX, y, box.left - 1, y), fill=INK)
            if text:
                self.text(box.left - TICK_PX - 4, y, text, points, "rm")

    def smooth(self, box: Box, draw: Callable[[ImageDraw, int], None]) -> None:
        """Draw with smooth rims into a part: ``draw(pen, scale)`` with a pen of Pillow and so many of its pixels per pixel."""
        from PIL import ImageDraw

        part = self.image.crop((box.left, box.top, box.right, box.bottom))
        part = part.resize((FINE * box.width, FINE * box.height))
        draw(ImageDraw.Draw(part), FINE)
        self.image.paste(part.reduce(FINE), (box.left, box.top))


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve of a plot.

    Parameters
    ----------
    x, y : ndarray
    label : str
    colour : (red, green, blue)
    dashed : bool
    """

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    label: str
    colour: Colour
    dashed: bool = False


DASH_PX, GAP_PX = 8, 4


def plot(
    canvas: Canvas,
    box: Box,
    curves: Sequence[Curve],
    span: tuple[tuple[float, float], tuple[float, float]],
    labels: tuple[str, str],
    *,
    shaded: tuple[float, float] | None = None,
    powers: bool = False,
) -> None:
    """Draw curves with scales, words and a legend at the upper right.

    Parameters
    ----------
    canvas : Canvas
    box : Box
    curves : sequence of Curve
    span : ((low, high), (low, high))
        Of x and of y.
    labels : (str, str)
        Of the scales.
    shaded : (float, float), optional
        Stretch of x on grey ground.
    powers : bool
        Whether y is told as a power of ten, of which it is the exponent.
    """
    (left, right), (bottom, top) = span
    rows = [y for y in ticks(bottom, top, MOST_TICKS + 1) if not powers or y == round(y)]

    def across(x: Floats) -> Floats:
        return (x - left) / (right - left) * box.width

    def down(y: Floats) -> Floats:
        return (top - y) / (top - bottom) * box.height

    def draw(pen: ImageDraw, scale: int) -> None:
        if shaded is not None:
            first, last = (scale * across(x) for x in shaded)
            pen.rectangle((first, 0, last, scale * box.height), fill=SOFT)
        for curve in curves:
            line(pen, np.stack([across(curve.x), down(curve.y)], axis=1) * scale, curve, scale)

    canvas.smooth(box, draw)
    canvas.frame(box)
    canvas.across(box, [(across(x), said(x)) for x in ticks(left, right, MOST_TICKS + 1)], 7)
    canvas.down(box, [(down(y), power(y) if powers else said(y)) for y in rows], 7)
    canvas.text(box.left + box.width / 2, box.bottom + 34, labels[0], 8, "ma")
    canvas.turned_text(box.left - 58, box.top + box.height / 2, labels[1], 8)
    legend(canvas, box, [(c.label, c.colour, c.dashed) for c in curves])


def line(pen: ImageDraw, points: NDArray[np.floating], curve: Curve, scale: int) -> None:
    """Draw a curve through points [pixels of the pen]."""
    width = scale * (1 if curve.dashed else 2)
    if not curve.dashed:
        pen.line([tuple(p) for p in points.tolist()], fill=curve.colour, width=width, joint="curve")
        return
    length = np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    for first in np.arange(0.0, length[-1], scale * (DASH_PX + GAP_PX)):
        at = np.linspace(first, min(first + scale * DASH_PX, length[-1]), 5)
        part = np.stack([np.interp(at, length, axis) for axis in points.T], axis=1)
        pen.line([tuple(p) for p in part.tolist()], fill=curve.colour, width=width)


def legend(canvas: Canvas, box: Box, entries: Sequence[tuple[str, Colour, bool]]) -> None:
    """Words for curves, one below the other at the upper right."""
    size = 6.5
    widest = max(_font(round(size * DPI / 72)).getlength(text) for text, _, _ in entries)
    left = box.right - widest - 60
    for number, (text, colour, dashed) in enumerate(entries):
        y = box.top + 18 + 20 * number
        part = Box(round(left), y - 3, 40, 6)
        curve = Curve(np.zeros(1), np.zeros(1), text, colour, dashed)

        def draw(pen: ImageDraw, scale: int, curve: Curve = curve) -> None:
            line(pen, np.array([[0.0, 3.0], [40.0, 3.0]]) * scale, curve, scale)

        canvas.smooth(part, draw)
        canvas.text(left + 48, y, text, size, "lm")
