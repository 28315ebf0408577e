"""Which components stand on the lands of a fabricated board, and how large they are."""

from __future__ import annotations

import math

import numpy as np

from coldray.objects.canvas import Canvas, Frame, Point
from coldray.objects.components.joints import SIDES_DEG, bond_fan, bubbles, end_fillets
from coldray.objects.components.packages import LeadframePackage, ball_grid_substrate, resistor_array
from coldray.objects.components.passives import (
    CHIP_SIZES,
    ceramic_capacitor,
    chip_resistor,
    ferrite_bead,
    moulded_diode,
    tantalum_capacitor,
    wound_inductor,
)
from coldray.objects.gerber.build import BoardBuild
from coldray.objects.gerber.parts import Part

_LARGE_MM = 3.0
"""Two-terminal bodies longer than this are moulded or wound ones (EIA 1206 is the longest common ceramic one)."""


def place(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Put one part on the board.

    Parameters
    ----------
    canvas : Canvas
        Takes the thickness of every material [mm].
    part : Part
    build : BoardBuild
    rng : numpy Generator
        Of this part alone.

    Returns
    -------
    list of tuple of float
        Voids as row, column, diameter [cells].
    """
    if part.kind == "balls":
        return _balls(canvas, part, build, rng)
    if part.kind == "pair":
        _two_terminal(canvas, part, build, rng)
    elif part.family == "R":
        lands = [(Frame(x, y, math.degrees(a)), long, wide) for x, y, long, wide, a in part.pads[:, :5].tolist()]
        thickness = float(rng.uniform(0.3, 0.4))
        resistor_array(canvas, part.frame, 0.9 * part.length_mm, part.width_mm, thickness, lands, build.solder)
    elif part.kind == "leads":
        _leadframe(canvas, part, build, rng)
    return []


def _balls(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Solder balls with voids under a laminate, a die and a moulding."""
    diameter = min(1.25 * part.pads[0, 2], 0.64 * part.pitch_mm) * rng.uniform(0.95, 1.05)
    count = len(part.pads)
    present = rng.random(count) < build.ball_fraction
    voided = rng.random(count) < build.voided_fraction
    # whole per cent, so that equal balls are worked out once
    sizes = diameter * np.maximum(0.8, np.round(rng.normal(1.0, 0.02, count), 2))
    found = []
    for (x, y), size, has_voids in zip(
        part.pads[present, :2].tolist(), sizes[present].tolist(), voided[present], strict=True
    ):
        voids = bubbles(rng, size, build.void_diameter_low, build.void_diameter_high, 3) if has_voids else []
        if not canvas.outside(x, y, size):
            canvas.ball(build.solder, x, y, size, voids=voids)
            found += [(*canvas.cell_of(x + dx, y + dy), d / canvas.pitch) for dx, dy, d in voids]
    margin = part.pitch_mm * float(rng.uniform(0.6, 1.0))
    length, width = part.length_mm + 2 * margin, part.width_mm + 2 * margin
    ball_grid_substrate(canvas, part.frame, length, width)
    share = float(rng.uniform(0.35, 0.65))
    die = (share * length, share * width)
    canvas.rect("Si", part.frame, 0, 0, *die, float(rng.uniform(0.15, 0.3)))
    if rng.random() < build.wire_fraction:
        reach, spread = 0.4 * min(length, width) - min(die) / 2, float(rng.uniform(1.1, 1.9))
        step = float(rng.uniform(0.15, 0.3))
        bond_fan(canvas, part.frame, *die, reach, rng, step=step, spread=spread, metals=("Au",))
    return found


def _two_terminal(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> None:
    """A capacitor, resistor, inductor or diode between its fillets."""
    length, width, solder = part.body_length_mm, part.body_width_mm, build.solder
    large = length > _LARGE_MM
    if part.family:
        kind = part.family
    elif large:
        kind = str(rng.choice(["C", "L", "D", "none"], p=[0.25, 0.3, 0.3, 0.15]))
    else:
        kind = str(rng.choice(["C", "R", "none"], p=[0.45, 0.4, 0.15]))
    if kind == "none":
        return
    _, _, low, high = CHIP_SIZES.get(part.size_code, (0, 0, 0.7 * min(width, 1.5), min(width, 1.5)))
    height, frame = float(rng.uniform(low, high)), part.frame
    reach = max(0.05, min(0.35 * height + 0.05, (part.length_mm - length) / 2))
    end_fillets(canvas, frame, length, width, 0.5 * height * float(rng.uniform(0.6, 1.2)), reach, solder)
    if kind == "R":
        chip_resistor(canvas, frame, length, width, min(height, 0.5), solder)
    elif kind == "D":
        moulded_diode(canvas, frame, length, width, height)
    elif kind == "L" and large:
        size = min(length, width)
        wire, turns = 0.07 * size, float(rng.integers(3, 8))
        wound_inductor(
            canvas, frame, size, float(rng.uniform(0.12, 0.3)) * height, wire, turns, int(rng.integers(1, 4))
        )
    elif kind == "L":
        ferrite_bead(canvas, frame, length, width, height)
    elif large and rng.random() < 0.5:
        tantalum_capacitor(canvas, frame, length, width, height)
    else:
        ceramic_capacitor(canvas, frame, length, width, height, solder, dense=float(rng.uniform(0.25, 0.75)))


def _leadframe(canvas: Canvas, part: Part, build: BoardBuild, rng: np.random.Generator) -> None:
    """A moulded package whose leads end on the lands."""
    bent = not part.leadless
    length, width = (
        max(0.5, inner - 0.2) if bent else whole - 0.1
        for whole, inner in ((part.length_mm, part.inner_length_mm), (part.width_mm, part.inner_width_mm))
    )
    land_length, land_width = (float(np.median(part.pads[:, k])) for k in (2, 3))
    paddle = float(rng.uniform(0.5, 0.65)) * min(length, width, part.inner_length_mm, part.inner_width_mm)
    die = paddle * float(rng.uniform(0.6, 0.9))
    made = LeadframePackage(
        length,
        width,
        tall=float(rng.uniform(0.7, 1.1)),
        paddle=(paddle, paddle),
        die=(die, die),
        metal=float(rng.uniform(0.12, 0.2)),
        lead=0.8 * land_width,
        foot=(0.5 if bent else 0.8) * land_length,
        has_leads=bent,
        die_thickness=float(rng.uniform(0.15, 0.3)),
    )
    metal = "Au" if rng.random() < build.wire_fraction else "Cu"
    made.body(canvas, part.frame)
    made.leads(canvas, part.frame, _by_side(part), build.solder, rng, metals=(metal,))


def _by_side(part: Part) -> list[list[Point]]:
    """Middle of each land in the frame of its side, v outwards [mm]."""
    rows: list[list[Point]] = [[] for _ in SIDES_DEG]
    for x, y, _, _, angle in part.pads[:, :5].tolist():
        u, v = part.frame.local(x, y)
        lies_along_u = abs(math.cos(angle - part.angle_rad)) > 0.7
        side = (3 if u > 0 else 1) if lies_along_u else (0 if v > 0 else 2)
        rows[side].append(Frame(0, 0, SIDES_DEG[side]).local(u, v))
    return [sorted(row) for row in rows]
