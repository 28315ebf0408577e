"""Objects of every kind seen by both screens of the paper's pair."""

from __future__ import annotations

import zlib

from coldray.benchmark.paper.scenes import screens
from coldray.objects.boards import ROLES, procedural_board
from coldray.objects.kinds import draw_kind
from coldray.simulation.acquire import PairProjection, project_pair
from coldray.simulation.paper import PITCH_MM

OVERSAMPLING = 3
BOARD = "board"


def seen(kind: str, number: int, role: str, side_px: int) -> tuple[str, PairProjection]:
    """Name and projections of object `number` of a kind: a board of the role's families in turn, or another kind's draw."""
    cells, grid_mm = (side_px * OVERSAMPLING, side_px * OVERSAMPLING), PITCH_MM / OVERSAMPLING
    if kind == BOARD:
        families = sorted(name for name, known in ROLES.items() if known == role)
        family = families[number % len(families)]
        maps = procedural_board(family, cells, grid_mm, zlib.crc32(f"{role} {number}".encode()) % 100_000)
        name = f"{family}-{number}"
    else:
        maps = draw_kind(kind, cells, grid_mm, 9000 + number, role)
        name = maps.name
    return name, project_pair(maps, *screens(), OVERSAMPLING, workers=1)
