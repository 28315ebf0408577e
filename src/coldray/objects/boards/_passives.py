"""Two-terminal parts, inductors, crystals and capacitors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.objects.boards._joints import hole_pin, terminals
from coldray.objects.boards._place import Part
from coldray.objects.boards._stack import Board
from coldray.objects.canvas import Frame
from coldray.objects.components.joints import dome
from coldray.objects.components.passives import (
    CHIP_SIZES,
    ceramic_capacitor,
    chip_resistor,
    tantalum_capacitor,
    wound_inductor,
)

CERAMIC = {"dense": (0.25, 0.75), "nickel": (0.12, 0.3), "cap": (0.12, 0.22)}
"""Ranges that ceramic capacitors are drawn from (assumed; see `ceramic_capacitor`)."""


def paste(rng: np.random.Generator, size: str) -> Part:
    """Unpopulated footprint with a paste deposit."""
    length, width, _, _ = CHIP_SIZES[size]
    thickness = float(rng.uniform(0.05, 0.12))

    def draw(board: Board, frame: Frame, side: int) -> None:
        for end in (-1, 1):
            board.layer(side).pad(frame, end * 0.42 * length, 0.0, 0.5 * length, width * 1.05)
            board.canvas.rect(
                board.solder, frame, end * 0.42 * length, 0.0, 0.45 * length, width * 0.95, thickness, dome
            )

    return Part(1.4 * length, 1.1 * width, draw)


def mlcc(rng: np.random.Generator, size: str) -> Part:
    """Ceramic capacitor: BaTiO3, Ni comb, plated end caps, fillets."""
    length, width, low, high = CHIP_SIZES[size]
    body, reach = float(rng.uniform(low, high)), float(rng.uniform(0.12, 0.3)) * min(1.0, length)
    made = {name: float(rng.uniform(*span)) for name, span in CERAMIC.items()}
    shift = rng.normal(0, 0.02, 2)
    skew = float(rng.normal(0, 1.2))

    def draw(board: Board, frame: Frame, side: int) -> None:
        terminals(board, frame, side, length, width, 0.5 * body, reach)
        f = frame.moved(float(shift[0]), float(shift[1]), skew)
        ceramic_capacitor(board.canvas, f, length, width, body, board.solder, **made)

    return Part(length + 2 * reach, width * 1.05, draw)


def resistor(rng: np.random.Generator, size: str) -> Part:
    """Chip resistor: alumina, silver under the wrap-round ends."""
    length, width, low, high = CHIP_SIZES[size]
    body, reach = float(rng.uniform(low, 0.6 * high + 0.4 * low)), float(rng.uniform(0.12, 0.28)) * min(1.0, length)
    cap = float(rng.uniform(0.15, 0.25))
    skew = float(rng.normal(0, 1.5))

    def draw(board: Board, frame: Frame, side: int) -> None:
        terminals(board, frame, side, length, width, 0.55 * body, reach)
        chip_resistor(board.canvas, frame.moved(0, 0, skew), length, width, body, board.solder, cap)

    return Part(length + 2 * reach, width * 1.05, draw)


def chip(rng: np.random.Generator, sizes: tuple[str, ...], capacitors: float = 0.5, bare: float = 0.05) -> Part:
    """Capacitor, resistor, or bare footprint of a random size."""
    size, kind = str(rng.choice(sizes)), rng.random()
    if kind < bare:
        return paste(rng, size)
    return mlcc(rng, size) if kind < bare + (1 - bare) * capacitors else resistor(rng, size)


def tantalum(rng: np.random.Generator) -> Part:
    """Moulded tantalum capacitor: porous pellet, wire, bent leads."""
    scale = float(rng.uniform(0.8, 1.6))
    length, width, tall = 3.5 * scale, 2.6 * scale, 1.6 * scale

    def draw(board: Board, frame: Frame, side: int) -> None:
        terminals(board, frame, side, length, width * 0.7, 0.25, 0.5)
        tantalum_capacitor(board.canvas, frame, length, width, tall)

    return Part(length + 1.1, width, draw)


def inductor(rng: np.random.Generator, size_mm: float) -> Part:
    """Shielded power inductor: copper turns in or around a ferrite or iron-powder body."""
    wire = float(rng.uniform(0.05, 0.09)) * size_mm
    turns = int(rng.integers(3, 8))
    tall = float(rng.uniform(0.25, 0.5)) * min(size_mm, 5.0)
    core = float(rng.uniform(0.12, 0.3))
    layers = int(rng.integers(1, 4))
    round_body = bool(rng.random() < 0.4)

    def draw(board: Board, frame: Frame, side: int) -> None:
        terminals(board, frame, side, size_mm, size_mm * float(rng.uniform(0.3, 0.8)), 0.25, 0.3)
        wound_inductor(board.canvas, frame, size_mm, tall * core, wire, turns, layers, is_round=round_body)

    return Part(size_mm + 0.7, size_mm, draw)


def wound_chip(rng: np.random.Generator, size: str = "0603") -> Part:
    """Open wire-wound chip inductor: turns across an alumina former."""
    length, width, _, high = CHIP_SIZES[size]
    wire, turns = float(rng.uniform(0.04, 0.08)), int(rng.integers(5, 12))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        terminals(board, frame, side, length, width, 0.3 * high, 0.2)
        c.rect("Al2O3", frame, 0, 0, length, width, 0.5 * high)
        for k in range(turns):
            u = (k / max(turns - 1, 1) - 0.5) * 0.55 * length
            c.wire("Cu", [frame.at(u, -width / 2), frame.at(u + 0.02, width / 2)], wire)
            c.wire("Cu", [frame.at(u + 0.03, -width / 2), frame.at(u + 0.05, width / 2)], wire)

    return Part(length + 0.4, width, draw)


def crystal(rng: np.random.Generator) -> Part:
    """Quartz crystal or oscillator: ceramic tub, metal lid, four pads."""
    length = float(rng.choice([2.0, 2.5, 3.2, 5.0]))
    width = length * float(rng.uniform(0.62, 0.8))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        c.rect("Al2O3", frame, 0, 0, length, width, 0.25)
        for end in (-1, 1):
            c.rect("Al2O3", frame, end * (length / 2 - 0.15), 0, 0.3, width, 0.45)
            c.rect("Al2O3", frame, 0, end * (width / 2 - 0.15), length - 0.6, 0.3, 0.45)
            for up in (-1, 1):
                board.layer(side).pad(frame, end * 0.34 * length, up * 0.3 * width, 0.36 * length, 0.42 * width)
                c.rect(board.solder, frame, end * 0.34 * length, up * 0.3 * width, 0.33 * length, 0.38 * width, 0.06)
        c.rect("Fe", frame, 0, 0, length * 0.92, width * 0.9, 0.08)
        c.rect("Ag", frame, 0, 0, length * 0.4, width * 0.4, 0.002)

    return Part(length + 0.2, width + 0.2, draw)


def can_capacitor(rng: np.random.Generator, diameter: float) -> Part:
    """Aluminium electrolytic: can, wound foil, base, two leads."""
    tall = diameter * float(rng.uniform(0.8, 1.3))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        c.ring("Al", frame.x, frame.y, diameter, diameter - 0.6, tall)
        c.disc("Al", frame.x, frame.y, diameter * 0.9, tall * 0.45)
        c.rect("mold_compound", frame, 0, 0, diameter * 1.05, diameter * 1.05, 0.6)
        for end in (-1, 1):
            board.layer(side).pad(frame, end * 0.38 * diameter, 0, 0.45 * diameter, 0.9)
            c.rect(board.solder, frame, end * 0.42 * diameter, 0, 0.36 * diameter, 0.75, 0.1)
            c.rect("Cu", frame, end * 0.36 * diameter, 0, 0.42 * diameter, 0.5, 0.2)
            c.disc("Fe", *frame.at(end * 0.16 * diameter, 0), 0.5, 0.5)

    return Part(diameter * 1.2, diameter * 1.1, draw)


def axial(rng: np.random.Generator) -> Part:
    """Axial resistor or diode: ceramic or glass rod, end caps, two leads in holes."""
    span, body, thick = float(rng.choice([7.62, 10.16])), float(rng.uniform(3.2, 6.3)), float(rng.uniform(1.6, 2.4))
    diode = rng.random() < 0.4

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas

        def rod(_: NDArray, v: NDArray) -> NDArray:
            return np.sqrt(np.maximum(1 - 4 * v * v, 0))

        c.rect("Al2O3", frame, 0, 0, body, thick, 0.5 * thick if not diode else 0.25 * thick, rod)
        for end in (-1, 1):
            hole = frame.at(end * span / 2, 0)
            hole_pin(board, *hole, 0.8, 0.55, 0.5)
            c.wire("Cu", [hole, frame.at(end * body / 2 * (0.2 if diode else 0.95), 0)], 0.55)
            if not diode:
                c.rect("Fe", frame, end * (body / 2 - 0.4), 0, 0.8, thick, 0.35, rod)
        if diode:
            c.rect("Cu", frame, 0, 0, 0.5 * body, 0.7 * thick, 0.5 * thick, rod)

    return Part(span + 1.6, max(thick, 1.6), draw, through=True)
