"""Bodies of two-terminal components: capacitors, resistors, inductors, diodes. Lengths in mm, along the frame's u."""

from __future__ import annotations

import math

import numpy as np

from coldray.objects.canvas import Canvas, Frame, Point

CHIP_SIZES = {
    "0201": (0.6, 0.3, 0.2, 0.3),
    "0402": (1.0, 0.5, 0.25, 0.5),
    "0603": (1.6, 0.8, 0.35, 0.8),
    "0805": (2.0, 1.25, 0.4, 0.9),
    "1206": (3.2, 1.6, 0.5, 1.0),
    "1210": (3.2, 2.5, 0.7, 1.3),
}
"""Length, width (EIA size codes), lowest and highest body as makers list them."""
_PELLET = 0.33
"""Solid share of a sintered tantalum pellet: 5.5 of 16.65 g/cm3."""


def ceramic_capacitor(
    canvas: Canvas,
    frame: Frame,
    length: float,
    width: float,
    height: float,
    solder: str,
    *,
    dense: float = 0.5,
    nickel: float = 0.2,
    cap: float = 0.17,
) -> None:
    """Multilayer ceramic capacitor: BaTiO3, its nickel comb, plated end caps.

    Parameters
    ----------
    canvas : Canvas
    frame : Frame
    length, width, height : float
        Body [mm].
    solder : str
        What wets the caps.
    dense : float
        Attenuation of the dielectric as a share of solid BaTiO3: cover layers and class-1 ceramics have less.
    nickel : float
        Share of the height that is electrodes.
    cap : float
        Each end cap's share of the length.
    """
    canvas.rect("BaTiO3", frame, 0, 0, length, width, height * (1 - nickel) * dense)
    canvas.rect("Ni", frame, 0, 0, (1 - cap) * length, width * 0.8, height * nickel)
    for end in (-1, 1):
        u = end * (1 - cap) * length / 2
        canvas.rect("Cu", frame, u, 0, cap * length, width, 0.05)
        canvas.rect("Ni", frame, u, 0, cap * length, width, 0.01)
        canvas.rect(solder, frame, u, 0, cap * length, width, 0.02)
        canvas.rect("Cu", frame, end * (length / 2 - 0.012), 0, 0.025, width, height * 0.9)


def chip_resistor(
    canvas: Canvas, frame: Frame, length: float, width: float, height: float, solder: str, cap: float = 0.2
) -> None:
    """Thick-film resistor: alumina, silver under the wrap-round ends; `cap` is each end's share of the length."""
    canvas.rect("Al2O3", frame, 0, 0, length, width, height)
    for end in (-1, 1):
        u = end * (1 - cap) * length / 2
        canvas.rect("Ag", frame, u, 0, cap * length, width * 0.95, 0.02)
        canvas.rect("Ni", frame, u, 0, cap * length, width, 0.012)
        canvas.rect(solder, frame, u, 0, cap * length, width, 0.02)


def tantalum_capacitor(canvas: Canvas, frame: Frame, length: float, width: float, height: float) -> None:
    """Moulded tantalum capacitor: porous pellet with its wire, silver, bent leads."""
    canvas.rect("mold_compound", frame, 0, 0, length, width, height)
    canvas.rect("Ta", frame, 0.1 * length, 0, 0.58 * length, 0.75 * width, 0.65 * height * _PELLET)
    canvas.rect("Ag", frame, 0.1 * length, 0, 0.56 * length, 0.7 * width, 0.03)
    canvas.wire("Ta", [frame.at(-0.42 * length, 0), frame.at(-0.15 * length, 0)], 0.25)
    for end in (-1, 1):
        canvas.rect("Cu", frame, end * 0.42 * length, 0, 0.2 * length, 0.6 * width, 0.2)


def moulded_diode(canvas: Canvas, frame: Frame, length: float, width: float, height: float) -> None:
    """Moulded diode: die on one of two copper leads, a clip to the other."""
    canvas.rect("mold_compound", frame, 0, 0, length, width, height)
    canvas.rect("Cu", frame, -0.1 * length, 0, 0.5 * length, 0.6 * width, 0.12)
    canvas.rect("Si", frame, -0.1 * length, 0, 0.25 * length, 0.4 * width, 0.15)
    canvas.rect("Cu", frame, 0.15 * length, 0, 0.55 * length, 0.3 * width, 0.1)
    for end in (-1, 1):
        canvas.rect("Cu", frame, end * 0.42 * length, 0, 0.2 * length, 0.6 * width, 0.2)


def wound_inductor(
    canvas: Canvas,
    frame: Frame,
    size: float,
    core: float,
    wire: float,
    turns: float,
    layers: int,
    *,
    is_round: bool = False,
) -> None:
    """Shielded power inductor: copper turns about a post in ferrite or iron powder of `core` mm solid iron."""
    if is_round:
        canvas.disc("Fe", frame.x, frame.y, size * 0.98, core)
    else:
        canvas.rect("Fe", frame, 0, 0, size, size, core)
    canvas.disc("Fe", frame.x, frame.y, size * 0.4, core * 0.6)
    inner, outer = size * 0.22, size * 0.42
    step = max(wire * 1.08, (outer - inner) / turns)
    tail = (frame.x, frame.y)
    for k in range(layers):
        path = spiral(frame.x, frame.y, inner + 0.1 * wire * k, step, max(1.5, (outer - inner) / step))
        canvas.wire("Cu", path, wire)
        tail = path[-1]
    canvas.wire("Cu", [tail, frame.at(size * 0.48, 0.0)], wire)


def ferrite_bead(canvas: Canvas, frame: Frame, length: float, width: float, height: float) -> None:
    """Multilayer chip inductor: a fired ferrite (5 of 7.9 g/cm3, two thirds iron) about a silver coil."""
    canvas.rect("Fe", frame, 0, 0, length, width, 0.42 * height)
    canvas.rect("Ag", frame, 0, 0, 0.6 * length, 0.5 * width, 0.03)


def spiral(x: float, y: float, inner: float, step: float, turns: float) -> list[Point]:
    """Archimedean spiral [mm]."""
    angles = np.linspace(0, 2 * math.pi * turns, max(8, int(turns * 40)))
    radii = inner + step * angles / (2 * math.pi)
    return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(radii.tolist(), angles.tolist(), strict=True)]
