"""A U-shaped network over a frame of any height: every level goes over the rows strip by strip, and none is kept whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Run = Callable[["Stage", tuple[Float, ...]], tuple[Float, ...]]
"""Evaluates a stage on features of shape (channels, rows, cols)."""

STRIP_ROWS = 128
"""Rows of a level that a strip answers for, a multiple of the grid: more costs memory, fewer cost margins."""
GRID_ROWS = 8
"""Strips begin on multiples of it: transforms of four rows lie as in the whole, on this level and on the next coarser one."""


@dataclass(frozen=True)
class Stage:
    """A part of the network between two grids.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Features that go in and come out.
    margin : int
        Rows beyond a strip that its last bits may depend on, at most, a multiple of `GRID_ROWS`.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    margin: int


@dataclass(frozen=True)
class Ladder:
    """The stages of a U-shaped network.

    Parameters
    ----------
    down : tuple of Stage
        From the finest level on; each gives the features that skip the coarser levels, and those of the next one, half as
        many rows.
    middle : Stage
    up : tuple of Stage
        From the finest level on; each takes the answer of the next coarser level and what skipped it.
    """

    down: tuple[Stage, ...]
    middle: Stage
    up: tuple[Stage, ...]


class _Rows:
    """Rows that come piece by piece; those that were passed are forgotten."""

    def __init__(self, source: Iterator[Float]) -> None:
        self._source = source
        self._kept: list[Float] = []
        self._first = 0

    def between(self, top: int, bottom: int) -> Float:
        """Rows `top` to `bottom` - 1; no call may ask for rows above an earlier one's."""
        while self._kept and self._first + self._kept[0].shape[1] <= top:
            self._first += self._kept.pop(0).shape[1]
        while self._first + sum(piece.shape[1] for piece in self._kept) < bottom:
            self._kept.append(next(self._source))
        wanted, at = [], self._first
        for piece in self._kept:
            # whole in memory: what comes next reads it in place
            wanted.append(piece[:, max(top - at, 0) : max(bottom - at, 0)])
            at += piece.shape[1]
        return np.concatenate(wanted, axis=1)


def answers(ladder: Ladder, source: Iterator[Float], rows: int, run: Run, level: int = 0) -> Iterator[Float]:
    """Evaluate a network from a level on.

    Parameters
    ----------
    ladder : Ladder
    source : iterator of ndarray, each of shape (channels, rows of the piece, cols)
        Rows of the level's features, in order.
    rows : int
        In all.
    run : callable
    level : int
        0 is the finest.

    Yields
    ------
    ndarray, shape (channels, rows of the strip, cols)
        What the level answers, in order.

    Notes
    -----
    A strip is evaluated with a margin, where its stage has one: what it answers is, to the last bit, what the stage answers
    on all rows at once. Memory goes with the width of the frame alone.
    """
    if level == len(ladder.down):
        yield from (out for (out,) in _strips(ladder.middle, [(_Rows(source), 1)], rows, run))
        return
    skipped: deque[Float] = deque()

    def descended() -> Iterator[Float]:
        for skip, coarse in _strips(ladder.down[level], [(_Rows(source), 1)], rows, run):
            skipped.append(skip)
            yield coarse

    def passed() -> Iterator[Float]:
        while skipped:
            yield skipped.popleft()

    below = answers(ladder, descended(), rows // 2, run, level + 1)
    # the coarse rows first: they draw the fine ones after them
    both = [(_Rows(below), 2), (_Rows(passed()), 1)]
    yield from (out for (out,) in _strips(ladder.up[level], both, rows, run))


def _strips(stage: Stage, sources: list[tuple[_Rows, int]], rows: int, run: Run) -> Iterator[tuple[Float, ...]]:
    """What a stage answers, strip by strip, from sources that have so many times fewer rows."""
    parts = -(-rows // STRIP_ROWS)
    # the first strip as tall as the rest: engines find the memory of one strip for the next
    seen = -(-rows // (parts * GRID_ROWS)) * GRID_ROWS + 2 * stage.margin
    last = 0
    while last < rows:
        first, top = last, max(last - stage.margin, 0)
        bottom = min(top + seen, rows)
        last = rows if bottom == rows else bottom - stage.margin
        found = run(stage, tuple(source.between(top // fold, bottom // fold) for source, fold in sources))
        cut = []
        for features in found:
            # features of the next coarser level have half the rows
            fold = (bottom - top) // features.shape[1]
            cut.append(features[:, (first - top) // fold : (last - top) // fold])
        yield tuple(cut)
