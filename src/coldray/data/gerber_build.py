"""From drawn layers to a board as the beam meets it: areal thickness maps of named materials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.data.gerber_board import Hole, RasterBoard
from coldray.data.gerber_parts import Part, find_parts
from coldray.data.gerber_stamp import Canvas
from coldray.errors import PhysicsError
from coldray.physics.objects import ThicknessMaps

_METAL_IN_PASTE = 0.5
_VIA_MM = 0.35
_LARGE_PAD_MM2 = 2.5
_SOLDERS = ("SAC305", "Sn63Pb37")
_BODY_MM = {"0201": 0.3, "0402": 0.5, "0603": 0.8, "0805": 1.0, "1206": 1.2}


@dataclass(frozen=True)
class BoardBuild:
    """How one copy of a board is made; the default is a faithful, fully placed lead-free build.

    Parameters
    ----------
    board_thickness_mm : float
        Laminate with its inner copper [mm].
    copper_outer_mm, copper_inner_mm : float
        Foil thickness [mm].
    copper_spread : float
        Relative standard deviation of the foil thickness from layer to layer.
    plating_mm : float
        Wall of plated holes [mm].
    paste_mm : float
        Stencil thickness [mm]; half of the paste is metal.
    solder : str
        "SAC305" or "Sn63Pb37".
    misregistration_mm : float
        Standard deviation of each layer's shift along x and y [mm].
    inner_layers_kept : float
        Share of inner copper layers present, 0 to 1.
    placed_fraction : float
        Share of parts present, 0 to 1.
    ball_fraction : float
        Share of balls present under placed ball-grid parts, 0 to 1.
    voided_fraction : float
        Share of balls with one to three voids, 0 to 1.
    void_diameter_low, void_diameter_high : float
        Range of the void diameter as a share of the ball diameter.
    pinned_fraction : float
        Share of hole sizes above 0.6 mm that carry soldered pins, 0 to 1.
    wire_fraction : float
        Share of moulded parts with gold wires (the others have copper ones) and of ball grids that are wire-bonded.
    plugged_fraction : float
        Share of via sizes (up to 0.35 mm) filled with resin, 0 to 1.
    """

    board_thickness_mm: float = 1.6
    copper_outer_mm: float = 0.035
    copper_inner_mm: float = 0.018
    copper_spread: float = 0.0
    plating_mm: float = 0.025
    paste_mm: float = 0.12
    solder: str = "SAC305"
    misregistration_mm: float = 0.0
    inner_layers_kept: float = 1.0
    placed_fraction: float = 1.0
    ball_fraction: float = 1.0
    voided_fraction: float = 0.3
    void_diameter_low: float = 0.10
    void_diameter_high: float = 0.50
    pinned_fraction: float = 0.0
    wire_fraction: float = 0.5
    plugged_fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.solder not in _SOLDERS:
            raise PhysicsError(f"solder is {self.solder!r}; choose one of {_SOLDERS}")
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "solder":
                continue
            share = not f.name.endswith("_mm") and f.name != "copper_spread"
            if not (math.isfinite(value) and value >= 0 and (value <= 1 or not share)):
                raise PhysicsError(f"{f.name} is {value}; it must be {'0 to 1' if share else 'finite and >= 0'}")
        if self.void_diameter_low > self.void_diameter_high:
            raise PhysicsError("void_diameter_low is above void_diameter_high; swap them")

    @classmethod
    def draw(cls, rng: np.random.Generator | int) -> BoardBuild:
        """A build varied within what fabricators deliver.

        Parameters
        ----------
        rng : numpy Generator or int
            Source of randomness.

        Returns
        -------
        BoardBuild
            Foils 12-70 um, boards 0.8-1.6 mm, plating 18-30 um, stencils 100-150 um, layer shifts up to 50 um.
        """
        rng = np.random.default_rng(rng)
        return cls(
            board_thickness_mm=float(rng.choice([0.8, 1.0, 1.2, 1.6], p=[0.2, 0.2, 0.1, 0.5])),
            copper_outer_mm=float(rng.choice([0.018, 0.035, 0.05, 0.07], p=[0.25, 0.5, 0.15, 0.1])),
            copper_inner_mm=float(rng.choice([0.012, 0.018, 0.035], p=[0.2, 0.5, 0.3])),
            copper_spread=float(rng.uniform(0.0, 0.1)),
            plating_mm=float(rng.uniform(0.018, 0.030)),
            paste_mm=float(rng.uniform(0.10, 0.15)),
            solder=str(rng.choice(_SOLDERS, p=[0.75, 0.25])),
            misregistration_mm=float(rng.uniform(0.0, 0.05)),
            inner_layers_kept=float(rng.choice([1.0, rng.uniform(0.0, 1.0)])),
            placed_fraction=float(rng.choice([1.0, rng.uniform(0.3, 1.0)])),
            ball_fraction=float(rng.choice([1.0, rng.uniform(0.9, 1.0)])),
            voided_fraction=float(rng.uniform(0.0, 0.6)),
            void_diameter_low=0.10,
            void_diameter_high=float(rng.uniform(0.25, 0.60)),
            pinned_fraction=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
            wire_fraction=float(rng.uniform(0.0, 1.0)),
            plugged_fraction=float(rng.choice([0.0, 1.0], p=[0.7, 0.3])),
        )


def build_object(
    board: RasterBoard,
    build: BoardBuild,
    rng: np.random.Generator | int,
    window: tuple[int, int, int, int] | None = None,
) -> ThicknessMaps:
    """Thickness of every material along the beam, seen from the top side.

    Parameters
    ----------
    board : RasterBoard
        Drawn layers.
    build : BoardBuild
        Physical choices.
    rng : numpy Generator or int
        Decides which parts, voids and shifts occur. One number is taken from it, so windows built with equally
        seeded generators are pieces of one and the same board.
    window : tuple of int, optional
        (row0, col0, rows, cols) in grid cells; may reach over the edge, where there is air. Whole board if absent.

    Returns
    -------
    ThicknessMaps
        Materials Cu, FR4, solder and those of the parts in view [mm]. `labels["ball_voids"]` holds row, column and
        diameter [cells] of every void, shape (voids, 3).

    Raises
    ------
    PhysicsError
        If the window is empty or not on whole cells.
    """
    seed = int(np.random.default_rng(rng).integers(2**63))
    row0, col0, rows, cols = (0, 0, *board.shape) if window is None else (int(v) for v in window)
    if rows < 1 or cols < 1:
        raise PhysicsError(f"window of {rows} x {cols} cells is empty; give at least one row and column")
    canvas = Canvas(
        board.origin_mm[0] + col0 * board.grid_pitch_mm,
        board.origin_mm[1] - row0 * board.grid_pitch_mm,
        board.grid_pitch_mm,
        rows,
        cols,
    )
    view = (row0, col0, rows, cols)
    stream = np.random.default_rng([seed, 0])
    canvas.maps["Cu"] = _copper(board, build, stream, view)
    fr4 = _cut(board.outline, view).astype(np.float32)
    canvas.maps["Cu"] *= fr4 > 0
    fr4 *= np.float32(build.board_thickness_mm / 255)
    canvas.maps["FR4"] = fr4
    _drill(canvas, board, build, seed)
    parts = find_parts(board)
    _solder(canvas, board, build, parts, view)
    _pad_voids(canvas, board, build, seed)
    voids: list[tuple[float, float, float]] = []
    for index, part in enumerate(parts):
        if canvas.sees(part.x_mm, part.y_mm, part.reach_mm):
            own = np.random.default_rng([seed, 1, index])
            if own.random() < build.placed_fraction:
                voids += _place(canvas, part, build, own)
    _pins(canvas, board, build, seed)
    labels = {"ball_voids": np.asarray(voids, dtype=np.float32).reshape(-1, 3)}
    crossed = {m: t for m, t in canvas.maps.items() if m in ("Cu", "FR4") or t.any()}
    return ThicknessMaps(crossed, board.grid_pitch_mm, board.name, labels)


def _cut(mask: NDArray[np.uint8], view: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Window of a mask, zero outside the board."""
    row0, col0, rows, cols = view
    top, left = max(row0, 0), max(col0, 0)
    bottom, right = min(row0 + rows, mask.shape[0]), min(col0 + cols, mask.shape[1])
    if (top, left, bottom, right) == (row0, col0, row0 + rows, col0 + cols):
        return np.asarray(mask[top:bottom, left:right])
    piece = np.zeros((rows, cols), dtype=np.uint8)
    if bottom > top and right > left:
        piece[top - row0 : bottom - row0, left - col0 : right - col0] = mask[top:bottom, left:right]
    return piece


def _copper(
    board: RasterBoard, build: BoardBuild, rng: np.random.Generator, view: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Foil of all layers [mm], each with its own shift and thickness."""
    total = np.zeros(view[2:], dtype=np.float32)
    n = len(board.copper)
    for i, mask in enumerate(board.copper):
        outer = i in (0, n - 1)
        thickness = (build.copper_outer_mm if outer else build.copper_inner_mm) * max(
            0.2, 1 + build.copper_spread * rng.standard_normal()
        )
        shift = np.round(rng.normal(size=2) * build.misregistration_mm / board.grid_pitch_mm).astype(int)
        kept = rng.random() < build.inner_layers_kept
        if outer or kept:
            piece = _cut(mask, (view[0] + int(shift[0]), view[1] + int(shift[1]), view[2], view[3]))
            total += piece * np.float32(thickness / 255)
    return total


def _drill(canvas: Canvas, board: RasterBoard, build: BoardBuild, seed: int) -> None:
    """Take holes out of copper and laminate, and line the plated ones."""
    copper, laminate = canvas.maps["Cu"], canvas.maps["FR4"]
    thickness = np.float32(build.board_thickness_mm)
    bores = []
    for hole in board.holes:
        ends = (hole.x_mm, hole.y_mm, hole.end_x_mm, hole.end_y_mm)
        wall = build.plating_mm if hole.plated else 0.0
        found = canvas.stroke(*ends, hole.diameter_mm + 2 * wall)
        if found is None:
            continue
        where, outer = found
        inside = canvas.stroke(*ends, hole.diameter_mm, where)
        assert inside is not None
        bore = inside[1]
        laminate[where] *= 1 - outer
        copper[where] *= 1 - outer
        if wall:
            copper[where] += (outer - bore) * thickness
        plugged = wall and hole.diameter_mm <= _VIA_MM and _of_size(seed, 3, hole) < build.plugged_fraction
        bores.append((where, bore, plugged))
    # A second pass, since a slot made of overlapping holes has no walls inside.
    for where, bore, plugged in bores:
        copper[where] *= 1 - bore
        if plugged:
            laminate[where] += bore * thickness


def _of_size(seed: int, purpose: int, hole: Hole) -> float:
    """A random number from 0 to 1 that all holes of one size share."""
    return float(np.random.default_rng([seed, purpose, round(hole.diameter_mm * 1e4)]).random())


def _solder(
    canvas: Canvas, board: RasterBoard, build: BoardBuild, parts: Sequence[Part], view: tuple[int, int, int, int]
) -> None:
    """Reflowed paste: half the stencil's height, rounded at the edge; ball pads are left to their balls."""
    pitch = board.grid_pitch_mm
    border = math.ceil(0.15 / pitch)
    wide = (view[0] - border, view[1] - border, view[2] + 2 * border, view[3] + 2 * border)
    total = np.zeros(view[2:], dtype=np.float32)
    for side, mask in (("top", board.paste_top), ("bottom", board.paste_bottom)):
        paste = _cut(mask, wide)
        if not paste.any():
            continue
        paste = paste.copy()
        outer = Canvas(canvas.left_mm - border * pitch, canvas.top_mm + border * pitch, pitch, wide[2], wide[3])
        for part in parts:
            if part.kind == "balls" and part.side == side and outer.sees(part.x_mm, part.y_mm, part.reach_mm):
                for x, y, d in part.pads[:, :3]:
                    found = outer.box(x, y, 0.6 * d, 0.6 * d)
                    if found is not None:
                        paste[found] = 0
        round_off = max(1, round(0.06 / pitch)) | 1
        smooth = ndimage.uniform_filter(ndimage.uniform_filter(paste, round_off), round_off)
        height = (smooth.astype(np.float32) / 255) ** 0.7 * (paste > 0)
        total += height[border : border + view[2], border : border + view[3]] * np.float32(
            _METAL_IN_PASTE * build.paste_mm * 1.15
        )
    canvas.maps[build.solder] = total


def _pad_voids(canvas: Canvas, board: RasterBoard, build: BoardBuild, seed: int) -> None:
    """Flat gas voids in the solder of large pads, mostly under dies."""
    if build.voided_fraction <= 0:
        return
    for side, pads in enumerate((board.pads_top, board.pads_bottom)):
        for i in np.flatnonzero(pads[:, 2] * pads[:, 3] > _LARGE_PAD_MM2):
            x, y, length, width, angle = map(float, pads[i, :5])
            if not canvas.sees(x, y, length):
                continue
            rng = np.random.default_rng([seed, 4 + side, int(i)])
            area = rng.uniform(0.0, 0.5) * build.voided_fraction * length * width
            while area > 0:
                size = min(rng.lognormal(math.log(0.25), 0.6), 0.4 * width)
                u, v = (rng.random(2) - 0.5) * (length - size, width - size)
                vx = x + u * math.cos(angle) - v * math.sin(angle)
                vy = y + u * math.sin(angle) + v * math.cos(angle)
                found = canvas.stroke(vx, vy, vx, vy, size)
                area -= 0.785 * size**2
                if found is not None:
                    canvas.maps[build.solder][found[0]] *= 1 - 0.9 * found[1]


def _place(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Put one part on the board; returns its voids as row, column, diameter [cells]."""
    if part.kind == "balls":
        return _balls(canvas, part, build, rng)
    if part.kind == "pair":
        _chip(canvas, part, build, rng)
    elif part.kind == "leads":
        _moulded(canvas, part, build, rng)
    return []


def _balls(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Solder balls with voids under a laminate, a die and a moulding."""
    diameter = min(1.25 * part.pads[0, 2], 0.64 * part.pitch_mm) * rng.uniform(0.95, 1.05)
    solder = build.solder
    voids = []
    count = len(part.pads)
    present = rng.random(count) < build.ball_fraction
    voided = rng.random(count) < build.voided_fraction
    spread = rng.normal(1.0, 0.02, count)
    draws = rng.random((count, 3, 3))
    number = rng.integers(1, 4, count)
    for i, (x, y) in enumerate(part.pads[:, :2]):
        d = diameter * max(0.8, spread[i])
        if not present[i] or not canvas.sees(x, y, d):
            continue
        canvas.add_sphere(solder, x, y, d)
        for k in range(number[i] if voided[i] else 0):
            size = d * (build.void_diameter_low + (build.void_diameter_high - build.void_diameter_low) * draws[i, k, 0])
            size /= 1 + 0.5 * k
            away = 0.45 * max(0.0, d - size) * math.sqrt(draws[i, k, 1])
            angle = 2 * math.pi * draws[i, k, 2]
            vx, vy = x + away * math.cos(angle), y + away * math.sin(angle)
            canvas.add_sphere(solder, vx, vy, size, -1.0)
            voids.append((*canvas.cell_of(vx, vy), size / canvas.pitch_mm))
    margin = part.pitch_mm * rng.uniform(0.6, 1.0)
    length, width = part.length_mm + 2 * margin, part.width_mm + 2 * margin
    canvas.add_box("FR4", part.x_mm, part.y_mm, length, width, part.angle_rad, rng.uniform(0.25, 0.5))
    canvas.add_box("mold_compound", part.x_mm, part.y_mm, length, width, part.angle_rad, rng.uniform(0.5, 0.9))
    die = rng.uniform(0.35, 0.65)
    canvas.add_box("Si", part.x_mm, part.y_mm, die * length, die * width, part.angle_rad, rng.uniform(0.15, 0.3))
    if rng.random() < build.wire_fraction:
        _wires(canvas, part, die * length, die * width, 0.8 * length, 0.8 * width, "Au", rng)
    return voids


def _wires(
    canvas: Canvas,
    part: Part,
    die_length: float,
    die_width: float,
    outer_length: float,
    outer_width: float,
    metal: str,
    rng: np.random.Generator,
) -> None:
    """Bond wires fanning out from the rim of a die."""
    wire_mm = float(rng.choice([0.018, 0.025, 0.033]))
    step = rng.uniform(0.15, 0.3)
    for along, across in ((0, 1), (1, 0)):
        inner = (die_length, die_width)
        outer = (outer_length, outer_width)
        n = max(2, int(inner[along] * 0.9 / step))
        for t in np.linspace(-0.45, 0.45, n):
            for sign in (-1, 1):
                start, end = [0.0, 0.0], [0.0, 0.0]
                start[along], start[across] = t * inner[along], sign * 0.47 * inner[across]
                end[along], end[across] = t * outer[along], sign * 0.5 * outer[across]
                (x1, y1), (x2, y2) = part.to_board(*start), part.to_board(*end)
                canvas.add_stroke(metal, x1, y1, x2, y2, wire_mm, 0.785 * wire_mm)


def _chip(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> None:
    """A two-ended part: capacitor, resistor, inductor or diode, with end caps and fillets."""
    if part.family:
        kind = part.family
    elif part.body_length_mm > 3.0:
        kind = str(rng.choice(["C", "L", "D", "none"], p=[0.25, 0.3, 0.3, 0.15]))
    else:
        kind = str(rng.choice(["C", "R", "none"], p=[0.45, 0.4, 0.15]))
    if kind == "none":
        return
    x, y, angle, solder = part.x_mm, part.y_mm, part.angle_rad, build.solder
    length, width = part.body_length_mm, part.body_width_mm
    cap = 0.22 * length
    height = min(1.25, _BODY_MM.get(part.size_code, 0.9 * width)) * rng.uniform(0.8, 1.1)
    if kind == "C":
        if length > 3.0 and rng.random() < 0.5:
            canvas.add_box("mold_compound", x, y, length, width, angle, 0.5 * height)
            canvas.add_box("Ta", x - 0.05 * length, y, 0.6 * length, 0.7 * width, angle, 0.3 * height)
        else:
            fill = rng.uniform(0.35, 0.9)
            canvas.add_box("BaTiO3", x, y, length, width, angle, min(0.8, 0.75 * height * fill))
            canvas.add_box("Ni", x, y, 0.9 * length, 0.8 * width, angle, 0.08 * height * fill)
    elif kind == "R":
        canvas.add_box("Al2O3", x, y, length, width, angle, rng.uniform(0.3, 0.4))
        height = 0.4
    elif kind == "L":
        canvas.add_box("Fe", x, y, length, width, angle, rng.uniform(0.1, 0.3) * height)
        canvas.add_box("Ag", x, y, 0.6 * length, 0.5 * width, angle, 0.03)
    else:
        canvas.add_box("mold_compound", x, y, length, width, angle, height)
        canvas.add_box("Cu", x - 0.1 * length, y, 0.5 * length, 0.6 * width, angle, 0.12)
        canvas.add_box("Si", x - 0.1 * length, y, 0.25 * length, 0.4 * width, angle, 0.15)
    for sign in (-1, 1):
        end = part.to_board(sign * (length - cap) / 2, 0.0)
        metal = rng.uniform(0.03, 0.06)
        canvas.add_box("Ni", *end, cap, width, angle, 0.4 * metal)
        canvas.add_box("Cu", *end, cap, width, angle, metal)
        tip = part.to_board(sign * (length / 2 - 0.01), 0.0)
        canvas.add_box("Cu", *tip, 0.02, width, angle, 0.5 * height)
        reach = min(0.35 * height + 0.05, max(0.05, (part.length_mm - length) / 2))
        canvas.add_fillet(solder, *tip, sign * reach, 0.95 * width, angle, 0.7 * height * rng.uniform(0.5, 1.0))


def _moulded(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> None:
    """A leaded or leadless moulded package: leads, paddle, die and wires; or a chip array."""
    if part.family == "R":
        canvas.add_box(
            "Al2O3", part.x_mm, part.y_mm, 0.9 * part.length_mm, part.width_mm, part.angle_rad, rng.uniform(0.3, 0.4)
        )
        for px, py, pl, pw, pa in part.pads[:, :5]:
            canvas.add_box("Cu", px, py, 0.5 * pl, 0.9 * pw, pa, 0.05)
            canvas.add_box(build.solder, px, py, 0.8 * pl, 0.9 * pw, pa, 0.04)
        return
    leadless = part.leadless
    inner_l, inner_w = part.inner_length_mm, part.inner_width_mm
    body_l = part.length_mm - 0.1 if leadless else max(0.5, inner_l - 0.2)
    body_w = part.width_mm - 0.1 if leadless else max(0.5, inner_w - 0.2)
    metal_mm = rng.uniform(0.12, 0.2)
    x, y, angle = part.x_mm, part.y_mm, part.angle_rad
    canvas.add_box("mold_compound", x, y, body_l, body_w, angle, rng.uniform(0.7, 1.1))
    paddle = rng.uniform(0.5, 0.65)
    pad_l, pad_w = paddle * min(body_l, inner_l), paddle * min(body_w, inner_w)
    canvas.add_box("Cu", x, y, pad_l, pad_w, angle, metal_mm)
    die_l, die_w = pad_l * rng.uniform(0.6, 0.9), pad_w * rng.uniform(0.6, 0.9)
    canvas.add_box("Si", x, y, die_l, die_w, angle, rng.uniform(0.15, 0.3))
    metal = "Au" if rng.random() < build.wire_fraction else "Cu"
    wire_mm = float(rng.choice([0.018, 0.025, 0.033]))
    for pad in part.pads:
        px, py, pl, pw, pa = pad[:5]
        u, v = part.to_part(px, py)
        du, dv = part.to_part(px + math.cos(pa), py + math.sin(pa))
        lu, lv = du - u, dv - v
        inward = -1.0 if u * lu + v * lv > 0 else 1.0
        reach = min(1.2, 0.25 * min(body_l, body_w))
        # The lead runs from the pad's middle along the pad, under the body, towards the paddle.
        end = (px + inward * math.cos(pa) * (pl / 2 + reach), py + inward * math.sin(pa) * (pl / 2 + reach))
        eu, ev = part.to_part(*end)
        if not leadless or max(abs(eu) / pad_l, abs(ev) / pad_w) > 0.55:
            start = (px - inward * math.cos(pa) * pl * 0.25, py - inward * math.sin(pa) * pl * 0.25)
            canvas.add_stroke("Cu", *start, *end, 0.8 * pw, metal_mm)
        inside = min(1.0, 1 / max(abs(eu) / (0.45 * die_l), abs(ev) / (0.45 * die_w), 1e-6))
        bond = part.to_board(eu * inside, ev * inside)
        canvas.add_stroke(metal, *bond, *end, wire_mm, 0.785 * wire_mm)
        canvas.add_box(build.solder, px, py, 0.7 * pl, 0.8 * pw, pa, 0.04)


def _pins(canvas: Canvas, board: RasterBoard, build: BoardBuild, seed: int) -> None:
    """Soldered copper pins in large plated holes, all holes of a size alike."""
    if build.pinned_fraction <= 0:
        return
    for hole in board.holes:
        if not (hole.plated and hole.is_round and 0.6 < hole.diameter_mm < 1.6):
            continue
        size = np.random.default_rng([seed, 2, round(hole.diameter_mm * 1e4)])
        if size.random() >= build.pinned_fraction:
            continue
        pin = hole.diameter_mm * size.uniform(0.6, 0.8)
        length = build.board_thickness_mm + size.uniform(1.0, 3.0)
        if canvas.sees(hole.x_mm, hole.y_mm, hole.diameter_mm):
            _pin(canvas, hole, build, pin, length)


def _pin(canvas: Canvas, hole: Hole, build: BoardBuild, pin_mm: float, length_mm: float) -> None:
    """One pin and the solder around it."""
    x, y = hole.x_mm, hole.y_mm
    found = canvas.stroke(x, y, x, y, hole.diameter_mm)
    if found is None:
        return
    where, bore = found
    inside = canvas.stroke(x, y, x, y, pin_mm, where)
    assert inside is not None
    core = inside[1]
    canvas.add(build.solder, where, np.maximum(bore - core, 0) * np.float32(0.9 * build.board_thickness_mm))
    canvas.add("Cu", where, core * np.float32(length_mm))
