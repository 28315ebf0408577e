"""Which parts sit on a board, from its stencil openings and, if there are any, its placements."""

from __future__ import annotations

import functools

import numpy as np

from coldray.objects.gerber.board import RasterBoard
from coldray.objects.gerber.packages import ball_grids, lead_rows
from coldray.objects.gerber.pairs import lone_pairs, placed_pairs
from coldray.objects.gerber.parts import Part, Side


@functools.lru_cache(maxsize=8)
def find_parts(board: RasterBoard) -> tuple[Part, ...]:
    """Parts of a board, both sides, in a fixed order.

    Parameters
    ----------
    board : RasterBoard
        Its pads and placements are used.

    Returns
    -------
    tuple of Part
        Ball grids, then two-ended parts, then packages with rows of leads; a pad belongs to one part at most.
    """
    parts: list[Part] = []
    for side, pads in (("top", board.pads_top), ("bottom", board.pads_bottom)):
        if len(pads) == 0:
            continue
        placements = [p for p in board.placements if p.side == side]
        on = Side(side, pads, np.ones(len(pads), dtype=bool), placements)
        for find in (ball_grids, placed_pairs, lead_rows, lone_pairs):
            parts += find(on)
    return tuple(parts)
