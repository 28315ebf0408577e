"""What a part puts into the beam: balls, bodies, leads, dies and wires."""

from __future__ import annotations

import math

import numpy as np

from coldray.objects.gerber.build import BoardBuild
from coldray.objects.gerber.parts import Part
from coldray.objects.gerber.stamp import Canvas

_BODY_MM = {"0201": 0.3, "0402": 0.5, "0603": 0.8, "0805": 1.0, "1206": 1.2}


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
