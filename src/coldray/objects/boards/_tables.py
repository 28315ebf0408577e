"""What families of boards draw from: by name a range (low, high), one value (value,), or a list to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from coldray.objects.boards._layout import Routing, edge, passive_groups, route, start, stitch, text
from coldray.objects.boards._place import Placer
from coldray.objects.boards._routing import Lanes
from coldray.objects.boards._stack import Board

Table = Mapping[str, Sequence[float] | Sequence[str]]

USUAL: Table = {
    "inner_um": (12.0, 35.0),  # foils of 1/3 to 1 oz/ft2, IPC-4562
    "planes": (0.4,),  # chance that an inner layer is a plane; assumed
    "pours": (0.4,),  # chance that a signal layer is poured; assumed
    "leaded": (0.2,),  # chance of Sn63Pb37 instead of SAC305; assumed
    "bus": (8,),  # most nets side by side; assumed
    "longest_mm": (14.0,),  # assumed
    "wander": (0.08,),  # chance of a jog per lane; assumed
    "drill_mm": (0.2, 0.3),  # usual small holes, IPC-2222
    "vias": (0.6,),  # chance of a via at the end of a net; assumed
    "headings": ["alternate"],  # layers run across each other; assumed
    "width": (0.35, 0.5),  # trace over lane; assumed
    "meanders": (0.05,),  # chance of another tuned net; assumed
    "text_mm": (0.8, 2.0),  # assumed
    "row": (8,),  # most passives in a row; assumed
    "capacitors": (0.5,),  # share of passives; assumed
}


class Sizes:
    """Draws from one table with one generator; an entry of one value is that value, and nothing is drawn.

    Parameters
    ----------
    table : mapping of str to tuple or list
        Entries of a family; what it leaves out is that of `USUAL`.
    rng : numpy Generator
    """

    def __init__(self, table: Table, rng: np.random.Generator) -> None:
        self.table, self.rng = {**USUAL, **table}, rng

    def span(self, name: str) -> tuple[float, float]:
        """Lowest and highest."""
        entry = self.table[name]
        return float(entry[0]), float(entry[-1])

    def real(self, name: str) -> float:
        """A number, uniform over its range."""
        low, high = self.span(name)
        return low if len(self.table[name]) == 1 else float(self.rng.uniform(low, high))

    def whole(self, name: str) -> int:
        """A whole number, uniform over its range with both ends."""
        low, high = self.span(name)
        return int(low) if len(self.table[name]) == 1 else int(self.rng.integers(int(low), int(high) + 1))

    def one(self, name: str, chances: str | None = None) -> float:
        """One of the numbers listed, equally likely unless another entry holds their chances."""
        p = None if chances is None else [float(v) for v in self.table[chances]]
        return float(self.rng.choice([float(v) for v in self.table[name]], p=p))

    def name(self, name: str) -> str:
        """One of the words listed."""
        words = self.words(name)
        return words[0] if len(words) == 1 else str(self.rng.choice(words))

    def words(self, name: str) -> tuple[str, ...]:
        """All words listed."""
        return tuple(str(v) for v in self.table[name])

    def happens(self, name: str) -> bool:
        """True with a chance."""
        return bool(self.rng.random() < self.real(name))

    # steps that most families share
    def bare(self, shape: tuple[int, int], pitch_mm: float, layers: int, substrate: str = "FR4") -> Board:
        """Empty board of this stack."""
        return start(
            shape, pitch_mm, self.rng, layers=layers, thickness=self.span("thickness_mm"), outer_um=self.span("outer_um"),
            inner_um=self.span("inner_um"), planes=self.real("planes"), pours=self.real("pours"), substrate=substrate,
            leaded=self.real("leaded"),
        )  # fmt: skip

    def begun(self, shape: tuple[int, int], pitch_mm: float, layers: int) -> tuple[Board, Placer]:
        """Empty board, perhaps with an edge in view, and what places parts on it."""
        board = self.bare(shape, pitch_mm, layers)
        placer = Placer(board)
        edge(board, placer, self.real("edge"))
        return board, placer

    def finished(self, board: Board, placer: Placer) -> None:
        """What comes last: passives, nets, stitching vias and letters."""
        self.passives(placer)
        self.stitched(board, placer, self.routed(board, placer))
        self.lettered(board, placer)

    def passives(self, placer: Placer) -> None:
        """Rows of capacitors and resistors."""
        passive_groups(
            placer, self.words("chips"), self.real("chips_per_cm2"), self.whole("row"), self.real("capacitors")
        )

    def routed(self, board: Board, placer: Placer, vias: float | None = None) -> list[Lanes | None]:
        """Nets on every signal layer."""
        how = Routing(
            self.span("lane_mm"), self.real("nets_per_cm2"), self.whole("bus"), self.real("longest_mm"),
            self.real("wander"), self.span("drill_mm"), self.real("vias") if vias is None else vias,
            self.name("headings"), self.span("width"), self.real("meanders"),
        )  # fmt: skip
        return route(board, placer, how)

    def stitched(self, board: Board, placer: Placer, lanes: list[Lanes | None]) -> None:
        """Ground vias where nothing else is."""
        stitch(board, placer, lanes, self.real("stitch_mm"), self.real("stitch_drill_mm"), self.real("stitched"))

    def lettered(self, board: Board, placer: Placer) -> None:
        """Part numbers in copper."""
        text(board, placer, self.whole("texts"), self.span("text_mm"))
