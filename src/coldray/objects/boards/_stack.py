"""Copper layers, vias and outline of one board, flattened into Cu and FR4 thickness."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from coldray.objects.canvas import Canvas, Frame

Points = list[tuple[float, float]]
GROUND, POWER, SIGNAL = 0, 1, 2


@dataclass
class Layer:
    """One copper layer: what is poured, what is kept clear, what is drawn. All lengths in mm."""

    thickness_mm: float
    net: int = SIGNAL
    full: bool = False
    clearance_mm: float = 0.15
    shift_mm: tuple[float, float] = (0.0, 0.0)
    hatch: tuple[float, float, float] | None = None  # pitch, line width, angle [deg]
    fills: list[Points] = field(default_factory=list)
    gaps: list[tuple[Points, float]] = field(default_factory=list)
    strokes: list[tuple[Points, float]] = field(default_factory=list)
    discs: list[tuple[float, float, float, float]] = field(default_factory=list)  # x, y, copper, clear diameter
    patches: list[Points] = field(default_factory=list)

    def pad(self, frame: Frame, u: float, v: float, width: float, height: float) -> None:
        """Rectangular pad with clearance."""
        self.patches.append(frame.corners(u, v, width, height))


@dataclass
class Via:
    """Plated hole; `span` are the first and last copper layers, and `depth` the drilled fraction of the board."""

    x: float
    y: float
    drill_mm: float
    pad_mm: float
    antipad_mm: float
    plating_mm: float
    net: int = SIGNAL
    span: tuple[int, int] = (0, 99)
    depth: float = 1.0
    filled: bool = False
    relief: bool = False


class _Pen:
    """Pillow drawing in mm at `scale` sub-cells per mm; odd widths are dithered so areas are right on average."""

    def __init__(self, image: Image.Image, scale: float, shift: tuple[float, float], rng: np.random.Generator) -> None:
        self.draw = ImageDraw.Draw(image)
        self.scale, self.rng = scale, rng
        self.dx, self.dy = shift

    def _xy(self, points: Points) -> list[tuple[int, int]]:
        s = self.scale
        return [(math.floor((x + self.dx) * s), math.floor((y + self.dy) * s)) for x, y in points]

    def line(self, points: Points, width: float, fill: int) -> None:
        w = max(1, math.floor(width * self.scale + self.rng.random()))
        self.draw.line(self._xy(points), fill, w, joint="curve" if w > 3 and len(points) > 2 else None)

    def disc(self, x: float, y: float, diameter: float, fill: int) -> None:
        n = max(1, math.floor(diameter * self.scale + self.rng.random()))
        x0 = round((x + self.dx) * self.scale - n / 2)
        y0 = round((y + self.dy) * self.scale - n / 2)
        self.draw.ellipse((x0, y0, x0 + n - 1, y0 + n - 1), fill)

    def polygon(self, points: Points, fill: int, grow: float = 0.0) -> None:
        """Filled polygon, pulled in by half a sub-cell because Pillow paints its border; grown by a thick border."""
        s = self.scale
        xs = [(x + self.dx) * s - 0.5 for x, _ in points]
        ys = [(y + self.dy) * s - 0.5 for _, y in points]
        cx, cy = sum(xs) / len(xs), sum(ys) / len(ys)
        pulled = [
            (round(x - 0.5 * math.copysign(min(1, abs(x - cx)), x - cx)),
             round(y - 0.5 * math.copysign(min(1, abs(y - cy)), y - cy)))
            for x, y in zip(xs, ys, strict=True)
        ]  # fmt: skip
        self.draw.polygon(pulled, fill)
        if grow > 0:
            self.draw.line([*pulled, pulled[0], pulled[1]], fill, max(1, round(2 * grow * s)), joint="curve")


class Board:
    """A board being built: canvas for parts, copper layers, vias and cut-outs.

    `substrate` names the insulator (or metal core), `solder` the alloy of its joints, and `plug` what
    fills small holes: "air", "resin" or "solder".
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pitch_mm: float,
        rng: np.random.Generator,
        *,
        thickness_mm: float,
        layers: list[Layer],
        substrate: dict[str, float] | None = None,
        solder: str = "SAC305",
        plating_mm: float = 0.025,
        plug: str = "air",
    ) -> None:
        self.canvas = Canvas(shape, pitch_mm)
        self.rng = rng
        self.thickness = thickness_mm
        self.layers = layers
        self.substrate = substrate or {"FR4": thickness_mm}
        self.solder = solder
        self.plating = plating_mm
        self.plug = plug
        self._near: dict[tuple[int, int], list[Via]] = {}
        self.vias: list[Via] = []
        self.cuts: list[Points] = []
        self.slots: list[tuple[Points, float]] = []
        self.holes: list[tuple[float, float, float]] = []

    @property
    def width(self) -> float:
        """Width of the grid [mm]."""
        return self.canvas.width

    @property
    def height(self) -> float:
        """Height of the grid [mm]."""
        return self.canvas.height

    def layer(self, side: int) -> Layer:
        """Outer copper of a side: 0 top, 1 bottom."""
        return self.layers[0] if side == 0 else self.layers[-1]

    def via(self, x: float, y: float, drill_mm: float, net: int = SIGNAL, **more: Any) -> None:
        """Add a plated hole with usual pad and antipad."""
        if self.canvas.outside(x, y, 3.0):
            return
        ring = more.pop("ring_mm", max(0.09, 0.45 * drill_mm))
        gap = more.pop("gap_mm", max(0.1, 0.6 * drill_mm))
        pad = drill_mm + 2 * ring
        via = Via(x, y, drill_mm, pad, pad + 2 * gap, self.plating, net, **more)
        self.vias.append(via)
        self._near.setdefault((int(x // 1), int(y // 1)), []).append(via)

    def room(self, x: float, y: float, drill_mm: float) -> bool:
        """True if a new hole here would keep its distance from all others."""
        i, j = int(x // 1), int(y // 1)
        for a in (i - 1, i, i + 1):
            for b in (j - 1, j, j + 1):
                for v in self._near.get((a, b), ()):
                    if (v.x - x) ** 2 + (v.y - y) ** 2 < (v.pad_mm / 2 + drill_mm + 0.1) ** 2:
                        return False
        return True

    def finish(self) -> dict[str, NDArray[np.float32]]:
        """Flatten layers, vias and outline; returns every map [mm]."""
        canvas = self.canvas
        cells = max(1, min(4, math.ceil(canvas.pitch / 0.009)))
        rows, cols = canvas.shape
        # one sheet for all: pages that are touched for the first time cost more than what is drawn on them
        sheet = Image.new("L", (cols * cells, rows * cells))
        outline = self._outline(sheet, cells)
        copper = np.zeros(canvas.shape, np.float32)
        for k, layer in enumerate(self.layers):
            cover = np.asarray(self._draw_layer(k, layer, sheet, cells), np.float32)
            cover *= np.float32(layer.thickness_mm / 255)
            copper += cover
        base = np.ones(canvas.shape, np.float32)
        for via in self.vias:
            self._drill(copper, base, via)
        if outline is not None:
            copper *= outline
            base *= outline
        canvas.map("Cu")[...] += copper
        for material, thickness in self.substrate.items():
            canvas.map(material)[...] += base * np.float32(thickness)
        for found in canvas.maps.values():
            np.maximum(found, 0.0, out=found)
        return canvas.maps

    def _drill(self, copper: NDArray[np.float32], base: NDArray[np.float32], via: Via) -> None:
        """Remove board and planes, add the plated barrel."""
        canvas, at = self.canvas, (via.x, via.y)
        found = canvas.disc_cover(*at, via.drill_mm)
        if found is None:
            return
        window, hole = found
        copper[window] *= 1 - np.float32(via.depth) * hole
        if self.plug != "resin" or via.drill_mm > 0.35:
            base[window] *= 1 - np.float32(via.depth) * hole
        height = self.thickness * via.depth
        inner = 0.0 if via.filled else max(0.0, via.drill_mm - 2 * via.plating_mm)
        if self.plug == "solder" and 0.1 < inner < 0.4 and self.rng.random() < 0.5:
            canvas.disc(self.solder, *at, inner, height * float(self.rng.uniform(0.2, 0.9)))
        barrel = canvas.ring_cover(*at, via.drill_mm, inner)
        if barrel is not None:
            copper[barrel[0]] += barrel[1] * np.float32(height)

    def _draw_layer(self, index: int, layer: Layer, sheet: Image.Image, cells: int) -> Image.Image:
        """Coverage of one layer, 0-255, at grid resolution; what was on the sheet goes."""
        poured = layer.full or bool(layer.fills) or layer.hatch is not None
        sheet.paste(255 if layer.full and layer.hatch is None else 0, (0, 0, *sheet.size))
        pen = _Pen(sheet, cells / self.canvas.pitch, layer.shift_mm, self.rng)
        for fill in layer.fills:
            pen.polygon(fill, 255)
        if layer.hatch is not None:
            self._hatch(pen, *layer.hatch)
        vias = [v for v in self.vias if v.span[0] <= index <= v.span[1]]
        if poured:
            for points, width in layer.gaps:
                pen.line(points, width, 0)
            for cut in self.cuts:
                pen.polygon(cut, 0, grow=0.3)
            for points, width in self.slots:
                pen.line(points, width + 0.6, 0)
            for x, y, size in self.holes:
                pen.disc(x, y, size + 0.8, 0)
            for points, width in layer.strokes:
                pen.line(points, width + 2 * layer.clearance_mm, 0)
            for x, y, _, clear in layer.discs:
                pen.disc(x, y, clear, 0)
            for patch in layer.patches:
                pen.polygon(patch, 0, grow=layer.clearance_mm)
            for via in vias:
                if via.net != layer.net or via.relief:
                    pen.disc(via.x, via.y, via.antipad_mm, 0)
        for points, width in layer.strokes:
            pen.line(points, width, 255)
        for x, y, size, _ in layer.discs:
            pen.disc(x, y, size, 255)
        for patch in layer.patches:
            pen.polygon(patch, 255)
        outer = index in (0, len(self.layers) - 1)
        for via in vias:
            if via.relief and via.net == layer.net:
                h = via.antipad_mm / 2 + 0.05
                pen.line([(via.x - h, via.y), (via.x + h, via.y)], 0.25, 255)
                pen.line([(via.x, via.y - h), (via.x, via.y + h)], 0.25, 255)
            if outer or not layer.full:
                pen.disc(via.x, via.y, via.pad_mm, 255)
        return sheet.reduce(cells) if cells > 1 else sheet

    def _hatch(self, pen: _Pen, pitch: float, width: float, angle_deg: float) -> None:
        """Crossed lines over the whole grid."""
        reach = math.hypot(self.width, self.height)
        phase = self.rng.random() * pitch
        for turn in (0.0, 90.0):
            frame = Frame(self.width / 2, self.height / 2, angle_deg + turn)
            for k in range(-math.ceil(reach / 2 / pitch), math.ceil(reach / 2 / pitch) + 1):
                v = k * pitch + phase
                pen.line([frame.at(-reach / 2, v), frame.at(reach / 2, v)], width, 255)

    def _outline(self, sheet: Image.Image, cells: int) -> NDArray[np.float32] | None:
        """1 on the board, 0 in free air; None if the board fills the grid. What was on the sheet goes."""
        if not (self.cuts or self.slots or self.holes):
            return None
        sheet.paste(255, (0, 0, *sheet.size))
        pen = _Pen(sheet, cells / self.canvas.pitch, (0.0, 0.0), self.rng)
        for cut in self.cuts:
            pen.polygon(cut, 0)
        for points, width in self.slots:
            pen.line(points, width, 0)
            for x, y in points:
                pen.disc(x, y, width, 0)
        for x, y, size in self.holes:
            pen.disc(x, y, size, 0)
        small = sheet.reduce(cells) if cells > 1 else sheet
        return np.asarray(small, np.float32) / np.float32(255)
