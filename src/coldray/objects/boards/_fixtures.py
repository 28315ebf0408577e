"""Connectors, shields, holes and marks."""

from __future__ import annotations

import math

import numpy as np

from coldray.objects.boards._joints import hole_pin
from coldray.objects.boards._place import Part
from coldray.objects.boards._stack import GROUND, SIGNAL, Board
from coldray.objects.canvas import Frame
from coldray.objects.components.joints import dome


def header(rng: np.random.Generator, columns: int, rows: int, pitch: float = 2.54) -> Part:
    """Through-hole connector: rows of pins in a plastic body."""
    drill, tall = 0.4 * pitch + float(rng.uniform(-0.05, 0.1)), float(rng.uniform(1.0, 3.0))
    present = rng.random((rows, columns)) > 0.05
    ground = rng.random((rows, columns)) < 0.15
    stagger = float(rng.choice([0.0, 0.0, 0.5])) * pitch

    def draw(board: Board, frame: Frame, side: int) -> None:
        board.canvas.rect("mold_compound", frame, 0, 0, (columns + 0.5) * pitch, (rows + 0.5) * pitch, 1.2)
        for r in range(rows):
            for k in range(columns):
                x, y = frame.at((k - (columns - 1) / 2) * pitch + stagger * (r % 2), (r - (rows - 1) / 2) * pitch)
                if present[r, k]:
                    hole_pin(board, x, y, drill, 0.62 * drill, tall, GROUND if ground[r, k] else SIGNAL)
                else:
                    board.via(x, y, drill, ring_mm=0.3)

    return Part((columns + 1) * pitch, (rows + 1) * pitch, draw, through=True)


def press_fit(rng: np.random.Generator, columns: int, rows: int, pitch: float) -> Part:
    """Backplane connector: dense press-fit holes, needle-eye pins, shield blades."""
    drill = float(rng.uniform(0.3, 0.4)) * pitch
    blades = rng.random() < 0.5

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        c.rect("mold_compound", frame, 0, 0, (columns + 0.6) * pitch, (rows + 0.6) * pitch, 2.0)
        for r in range(rows):
            for k in range(columns):
                f = frame.moved((k - (columns - 1) / 2) * pitch, (r - (rows - 1) / 2) * pitch)
                board.via(f.x, f.y, drill, GROUND if (r + k) % 3 == 0 else SIGNAL, ring_mm=0.12, gap_mm=0.15)
                for s in (-1, 1):
                    c.rect("Cu", f, 0, s * drill * 0.27, drill * 0.3, drill * 0.2, board.thickness * 0.8)
            if blades:
                c.rect("Cu", frame, 0, (r - (rows - 1) / 2 + 0.5) * pitch, columns * pitch, 0.15, 1.2)

    return Part((columns + 1) * pitch, (rows + 1) * pitch, draw, through=True)


def surface_connector(rng: np.random.Generator, pins: int, pitch: float) -> Part:
    """Fine-pitch or board-to-board connector: bent contacts, plastic body, anchors."""
    lead, double = 0.5 * pitch, rng.random() < 0.6
    deep = float(rng.uniform(2.0, 4.0))
    metal = float(rng.uniform(0.12, 0.25))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        c.rect("mold_compound", frame, 0, 0, (pins + 1) * pitch, deep, 0.7)
        for row in (-1, 1) if double else (1,):
            for k in range(pins):
                u = (k - (pins - 1) / 2) * pitch
                board.layer(side).pad(frame, u, row * (deep / 2 + 0.3), lead * 1.2, 1.0)
                c.rect(board.solder, frame, u, row * (deep / 2 + 0.3), lead * 1.1, 0.9, 0.07)
                c.rect("Cu", frame, u, row * deep * 0.33, lead, deep * 0.55, metal)
                c.rect("Cu", frame, u, row * deep * 0.14, lead, 0.18, 4 * metal)
        for end in (-1, 1):
            u = end * ((pins + 1) / 2 * pitch + 0.3)
            board.layer(side).pad(frame, u, 0, 0.9, 1.6)
            c.rect("Cu", frame, u, 0, 0.7, 1.4, 0.25)
            c.rect(board.solder, frame, u, 0, 0.85, 1.5, 0.08)

    return Part((pins + 1) * pitch + 1.8, deep + 1.8, draw)


def shield_can(rng: np.random.Generator, width: float, height: float) -> Part:
    """Shield: thin lid with holes, walls seen on edge, soldered feet."""
    lid, wall = float(rng.uniform(0.1, 0.2)), float(rng.uniform(0.8, 1.6))
    metal = str(rng.choice(["Fe", "Ni"]))
    fence = bool(rng.random() < 0.5)
    pierced = rng.random() < 0.5

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        if not fence:
            c.rect(metal, frame, 0, 0, width, height, lid)
            if pierced and metal in c.maps:
                for u in np.arange(-width / 2 + 1.5, width / 2 - 1, 2.0):
                    for v in np.arange(-height / 2 + 1.5, height / 2 - 1, 2.0):
                        c.disc(metal, *frame.at(float(u), float(v)), 0.9, -lid)
        for end in (-1, 1):
            for f, long in ((frame.moved(0, end * height / 2), width), (frame.moved(end * width / 2, 0, 90), height)):
                c.rect(metal, f, 0, 0, long, 0.18, wall)
                board.layer(side).pad(f, 0, 0, long, 0.8)
                n = max(1, int(long / 2.2))
                for k in range(n):
                    c.rect(board.solder, f, (k - (n - 1) / 2) * long / n, 0, 0.65 * long / n, 0.6, 0.12, dome)

    return Part(width + 1.0, height + 1.0, draw)


def mounting_hole(rng: np.random.Generator) -> Part:
    """Large hole with copper ring and a circle of small vias."""
    size = float(rng.choice([2.2, 2.7, 3.2]))
    plated = rng.random() < 0.6

    def draw(board: Board, frame: Frame, side: int) -> None:
        if plated:
            board.via(frame.x, frame.y, size, GROUND, ring_mm=1.2, gap_mm=0.3)
            for k in range(8):
                a = k * math.pi / 4
                board.via(
                    frame.x + (size / 2 + 0.7) * math.cos(a), frame.y + (size / 2 + 0.7) * math.sin(a), 0.4, GROUND
                )
        else:
            board.holes.append((frame.x, frame.y, size))

    return Part(size + 2.6, size + 2.6, draw, through=True)


def fiducial(rng: np.random.Generator) -> Part:
    """Round copper mark in a clear field."""
    size = float(rng.choice([0.8, 1.0, 1.5]))

    def draw(board: Board, frame: Frame, side: int) -> None:
        board.layer(side).discs.append((frame.x, frame.y, size, 2 * size))

    return Part(2 * size, 2 * size, draw)


def terminal(rng: np.random.Generator) -> Part:
    """Soldered copper terminal block or pin seen end-on."""
    size = float(rng.uniform(1.0, 2.5))
    tall = float(rng.uniform(0.8, 2.0))

    def draw(board: Board, frame: Frame, side: int) -> None:
        c = board.canvas
        c.disc(board.solder, frame.x, frame.y, 1.4 * size, 0.1)
        c.ring("Cu", frame.x, frame.y, size, 0.6 * size, tall)

    return Part(1.6 * size, 1.6 * size, draw)
