"""From drawn layers to a board as the beam meets it: areal thickness maps of named materials."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.errors import PhysicsError
from coldray.objects.canvas import RANDOM_STATE_VERSION, Canvas, Frame, drawing_seed
from coldray.objects.components.joints import soldered_pin, void_profile
from coldray.objects.gerber.board import RasterBoard
from coldray.objects.gerber.bodies import place
from coldray.objects.gerber.build import BoardBuild
from coldray.objects.gerber.drills import Hole
from coldray.objects.gerber.find import find_parts
from coldray.objects.gerber.parts import Part
from coldray.simulation.thickness import ThicknessMaps

_METAL_IN_PASTE = 0.5
_VIA_MM = 0.35
_LARGE_PAD_MM2 = 2.5


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
    seed = drawing_seed(rng)
    row0, col0, rows, cols = (0, 0, *board.shape) if window is None else (int(v) for v in window)
    if rows < 1 or cols < 1:
        raise PhysicsError(f"window of {rows} x {cols} cells is empty; give at least one row and column")
    canvas = Canvas((rows, cols), board.grid_pitch_mm, board.origin_mm, (row0, col0), y_up=True)
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
        if not canvas.outside(part.x_mm, part.y_mm, part.reach_mm):
            own = np.random.default_rng([seed, 1, index])
            if own.random() < build.placed_fraction:
                voids += place(canvas, part, build, own)
    _pins(canvas, board, build, seed)
    labels = {
        "ball_voids": np.asarray(voids, dtype=np.float32).reshape(-1, 3),
        "random_state_version": RANDOM_STATE_VERSION,
    }
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
        ends = ((hole.x_mm, hole.y_mm), (hole.end_x_mm, hole.end_y_mm))
        wall = build.plating_mm if hole.plated else 0.0
        found = canvas.slot_cover(*ends, hole.diameter_mm + 2 * wall)
        if found is None:
            continue
        where, outer = found
        laminate[where] *= 1 - outer
        copper[where] *= 1 - outer
        if wall:
            copper[where] += outer * thickness
        plugged = wall and hole.diameter_mm <= _VIA_MM and _of_size(seed, 3, hole) < build.plugged_fraction
        bores.append((canvas.slot_cover(*ends, hole.diameter_mm), plugged))
    # A second pass, since a slot made of overlapping holes has no walls inside.
    for found, plugged in bores:
        if found is None:
            continue
        where, bore = found
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
        outer = Canvas((wide[2], wide[3]), pitch, canvas.corner, (wide[0], wide[1]), y_up=True)
        for part in parts:
            if part.kind == "balls" and part.side == side and not outer.outside(part.x_mm, part.y_mm, part.reach_mm):
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
            if canvas.outside(x, y, length):
                continue
            rng = np.random.default_rng([seed, 4 + side, int(i)])
            area = rng.uniform(0.0, 0.5) * build.voided_fraction * length * width
            while area > 0:
                size = min(rng.lognormal(math.log(0.25), 0.6), 0.4 * width)
                u, v = (rng.random(2) - 0.5) * (length - size, width - size)
                area -= 0.785 * size**2
                at = Frame(x, y, math.degrees(angle)).at(float(u), float(v))
                found = canvas.box(*at, size / 2, size / 2)
                if found is not None:
                    dx, dy = canvas.offsets(found, *at)
                    canvas.maps[build.solder][found] *= 1 - void_profile(size / 2)(np.hypot(dx, dy))


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
        if not canvas.outside(hole.x_mm, hole.y_mm, hole.diameter_mm):
            solder = (build.solder, 0.9 * build.board_thickness_mm)
            soldered_pin(canvas, (hole.x_mm, hole.y_mm), hole.diameter_mm, pin, solder, length)
