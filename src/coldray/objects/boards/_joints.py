"""Lands and holes of a board together with the solder on them."""

from __future__ import annotations

from coldray.objects.boards._stack import GROUND, SIGNAL, Board
from coldray.objects.canvas import Frame
from coldray.objects.components.joints import end_fillets, soldered_pin


def terminals(board: Board, frame: Frame, side: int, length: float, width: float, fillet: float, reach: float) -> None:
    """Pads, paste and fillets at both ends of a body."""
    pad_long = 0.28 * length + reach
    for end in (-1, 1):
        middle = end * (length / 2 + reach - pad_long / 2)
        board.layer(side).pad(frame, middle, 0.0, pad_long, width * 1.05)
        board.canvas.rect(board.solder, frame, middle, 0.0, pad_long * 0.95, width, 0.045)
    end_fillets(board.canvas, frame, length, width, fillet, reach, board.solder)


def hole_pin(board: Board, x: float, y: float, drill: float, lead: float, tall: float, net: int = SIGNAL) -> None:
    """Plated hole filled with solder round a lead."""
    board.via(x, y, drill, net, ring_mm=0.3, gap_mm=0.25, relief=net == GROUND)
    solder = board.thickness * float(board.rng.uniform(0.6, 1.0))
    soldered_pin(board.canvas, (x, y), drill, lead, (board.solder, solder), board.thickness + tall)
