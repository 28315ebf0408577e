"""Run a network of finite reach over a frame of any size, tile by tile, without seams."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coldray.errors import CheckpointError
from coldray.scratch import copied, give_back, is_large

TILE_BUDGET_PIXELS = 1_600_000
"""Largest tile with its margin; bounds the memory of the network's features."""
MOST_PARTS = 24
"""Most windows down or across that are tried; a budget too small for them gets windows of about four margins."""
BORDER_PX = 32
"""How far the mirrored frame goes on beyond its border before the network's own zero padding; training windows get 8."""


class Engine(Protocol):
    """Runs a network on one tile."""

    @property
    def stride(self) -> int:
        """Grid of the network [pixels]."""
        ...

    @property
    def radius(self) -> int:
        """Reach of the network that tiles allow for [pixels]."""
        ...

    @property
    def alignment(self) -> int:
        """Grid, a multiple of `stride`, on which windows must begin for their pixels to be the same to the last bit."""
        ...

    def run(self, channels: NDArray[np.float32], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (1, 1, rows, cols) for channels (1, channels, rows, cols) and conditions (1, conditions)."""
        ...


def mirrored(first: int, last: int, length: int) -> NDArray[np.intp]:
    """Indices first..last-1 of a half-sample symmetric extension of 0..length-1, any distance out.

    Parameters
    ----------
    first, last : int
        Where the extension is read.
    length : int
        Of what is extended.

    Returns
    -------
    ndarray of int, shape (last - first,)
    """
    place = np.arange(first, last) % (2 * length)
    return np.where(place < length, place, 2 * length - 1 - place)


@runtime_checkable
class RowEngine(Engine, Protocol):
    """An engine that reads a tile and answers row strip by row strip."""

    @property
    def budget_pixels(self) -> int | None:
        """Largest tile [pixels]; None where memory goes with the width alone."""
        ...

    @property
    def widest_px(self) -> int | None:
        """Widest tile [pixels]; None if only its area counts."""
        ...

    def answers(
        self, read: Callable[[int, int], NDArray[np.float32]], rows: int, conditions: NDArray[np.float32]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the answer's rows in order; ``read(first, last)`` gives rows of all channels."""
        ...


def _in_one_piece(
    engine: Engine, read: Callable[[int, int], NDArray[np.float32]], rows: int, conditions: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """The answer of an engine that takes a tile at once."""
    tile = read(0, rows)
    answer = engine.run(tile[None], conditions)
    if answer.shape != (1, 1, *tile.shape[1:]):
        raise CheckpointError(
            f"the network answers a tile of {tile.shape[1]} x {tile.shape[2]} pixels with an array of shape "
            f"{answer.shape}, not with one image of that size; choose another model"
        )
    yield answer[0, 0]


@dataclass(frozen=True)
class Window:
    """What one tile sees of one axis, and what it answers for [pixels].

    Parameters
    ----------
    top, bottom : int
        First seen, and first no longer seen; may lie beyond the frame.
    first, last : int
        First answered for, and first no longer answered for.
    """

    top: int
    bottom: int
    first: int
    last: int


def windows(length: int, parts: int, stride: int, alignment: int, halo: int, border: int) -> list[Window]:
    """Cut an axis into at most `parts` windows of one size.

    Parameters
    ----------
    length, parts : int
    stride : int
        Grid of the network; the far side is filled up to it.
    alignment : int
        Windows begin on multiples of it from the first.
    halo, border : int
        Least margin inside the frame, and how far the frame is extended on either side; multiples of `stride`.

    Returns
    -------
    list of Window
        They answer for 0..length once, in order.
    """
    whole = -(-length // stride) * stride + 2 * border
    moves = 0 if parts == 1 else max((whole - -(-(whole + 2 * halo * (parts - 1)) // parts)) // alignment, 0)
    while moves and -(-moves // (parts - 1)) * alignment > whole - moves * alignment - 2 * halo:
        moves -= 1
    size = whole - moves * alignment
    tops = sorted({-border + alignment * (i * moves // max(parts - 1, 1)) for i in range(parts)})
    starts = [0, *(top + halo for top in tops[1:]), length]
    return [Window(top, top + size, starts[i], starts[i + 1]) for i, top in enumerate(tops)]


class _Cut(NamedTuple):
    """An axis cut into windows, and what tiles of them cost.

    Parameters
    ----------
    windows : list of Window
    side : int
        What each of them sees [pixels].
    first_cells : list of int
        First cell of the network's grid that each of them answers for.
    most_cells : int
        Largest number of cells that one of them answers for.
    """

    windows: list[Window]
    side: int
    first_cells: list[int]
    most_cells: int


@lru_cache(maxsize=256)
def _cut(length: int, parts: int, stride: int, alignment: int, halo: int, border: int) -> _Cut:
    """Cut of an axis as by `windows`."""
    found = windows(length, parts, stride, alignment, halo, border)
    first = [w.first // stride for w in found]
    most = int(np.diff([*first, -(-length // stride)]).max())
    return _Cut(found, found[0].bottom - found[0].top, first, most)


class _Counts:
    """How many cells of a mask lie in the parts of a cut, for many cuts."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self._above = np.pad(mask.cumsum(axis=0, dtype=np.intp), ((1, 0), (0, 0)))
        self._strips: dict[tuple[int, ...], NDArray[np.intp]] = {}

    def within(self, down: Sequence[int], across: Sequence[int]) -> NDArray[np.intp]:
        """Counts of parts that begin at these rows and columns, shape (parts down, parts across)."""
        key = tuple(down)
        if key not in self._strips:
            strips = np.diff(self._above[[*down, -1]], axis=0)
            self._strips[key] = np.pad(strips.cumsum(axis=1), ((0, 0), (1, 0)))
        return np.diff(self._strips[key][:, [*across, -1]], axis=1)


def _look(image: NDArray[np.floating], down: Window, across: Window, out: NDArray[np.float32]) -> None:
    """Copy what a tile sees of an image, its half-sample symmetric extension included."""
    rows, cols = (mirrored(w.top, w.bottom, n) for w, n in zip((down, across), image.shape, strict=True))
    (top, bottom), (left, right) = (
        (min(max(0, -w.top), w.bottom - w.top), min(max(0, n - w.top), w.bottom - w.top))
        for w, n in zip((down, across), image.shape, strict=True)
    )
    inside = slice(top, bottom), slice(left, right)
    own = slice(across.top + left, across.top + right)
    # the frame's own pixels are copied faster as a whole than one by one
    out[inside] = image[down.top + top : down.top + bottom, own]
    for beyond in (slice(0, inside[0].start), slice(inside[0].stop, None)):
        out[beyond, inside[1]] = image[rows[beyond], own]
    for beyond in (slice(0, inside[1].start), slice(inside[1].stop, None)):
        out[:, beyond] = image[np.ix_(rows, cols[beyond])]


def _seen(
    images: Sequence[NDArray[np.floating]], down: Window, across: Window, first: int, last: int
) -> NDArray[np.float32]:
    """Rows of what a tile sees of all images."""
    seen = np.empty((len(images), last - first, across.bottom - across.top), dtype=np.float32)
    part = Window(down.top + first, down.top + last, 0, 0)
    for image, rows in zip(images, seen, strict=True):
        _look(image, part, across, rows)
    return seen


class TiledPredictor:
    """A network as a function of whole frames.

    Parameters
    ----------
    engine : Engine
        Runs the network on one tile; states its stride and its reach.
    budget_pixels : int, optional
        Largest tile including its margin [pixels]; what the engine's memory allows by default.
    progress : callable, optional
        Told after every tile how many evaluations are done, fractions included; may raise to stop.
    told : sequence of int, optional
        Places of the conditions that the network knows among those it is called with; all of them by default.

    Attributes
    ----------
    needed : ndarray of bool, shape (ceil(rows / stride), ceil(cols / stride)), optional
        Cells of the network's grid where its answer counts. Elsewhere the result is the image that the network corrects,
        ``channels[base]``, and tiles without a needed cell are not run; everything is needed by default.
    base : int
        Number of that channel.
    note : str
        What the engine has to say about itself; usually empty.
    tiles_run, tiles_spared : int
        Tiles that the network was run on and tiles that it was not, so far.

    Notes
    -----
    The network sees the half-sample symmetric extension of the frame as far as `border`, then its own zero
    padding. A tile carries a margin of at least the network's reach, cut off where the extension ends, and its
    origin lies on the alignment grid. Its inner pixels therefore equal those of the untiled result up to the rounding of
    the convolution kernels, and a small frame does not pay for a margin of the whole reach. All tiles of a frame have
    one size, so that an engine can keep its memory from tile to tile.
    """

    def __init__(
        self,
        engine: Engine,
        budget_pixels: int | None = None,
        progress: Callable[[float], None] | None = None,
        told: Sequence[int] | None = None,
    ) -> None:
        self._engine = engine
        self._told = None if told is None else list(told)
        widest = None
        if budget_pixels is None and isinstance(engine, RowEngine):
            budget_pixels, widest = engine.budget_pixels, engine.widest_px
        elif budget_pixels is None:
            budget_pixels = TILE_BUDGET_PIXELS
        self._budget = sys.maxsize if budget_pixels is None else budget_pixels
        self._widest = sys.maxsize if widest is None else widest
        self._progress = progress
        self.stride = stride = engine.stride
        self.halo = -(-engine.radius // stride) * stride
        self.border = min(-(-BORDER_PX // stride) * stride, self.halo)
        self.evaluations = 0
        self.note: str = getattr(engine, "note", "")
        self.needed: NDArray[np.bool_] | None = None
        self.base = 0
        self.tiles_run = self.tiles_spared = self._spared_each = 0

    def __call__(
        self, channels: tuple[NDArray[np.floating], ...], conditions: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Predict a frame.

        Parameters
        ----------
        channels : tuple of ndarray, each of shape (rows, cols)
        conditions : ndarray, shape (conditions,)

        Returns
        -------
        ndarray, float32, shape (rows, cols)

        Raises
        ------
        CheckpointError
            If the network answers with NaN or infinite values, or not with one image of the tile's size.
        """
        images = [np.asarray(image) for image in channels]
        rows, cols = images[0].shape
        out = copied(channels[self.base], np.float32)
        self.evaluations += 1
        told = (conditions if self._told is None else conditions[self._told])[None].astype(np.float32)
        tiles = self._tiles(rows, cols)
        self.tiles_run += len(tiles)
        self.tiles_spared += self._spared_each
        for number, (down, across) in enumerate(tiles):
            rows_of_tile = down.bottom - down.top
            read = partial(_seen, images, down, across)
            if isinstance(self._engine, RowEngine):
                strips = self._engine.answers(read, rows_of_tile, told)
            else:
                strips = _in_one_piece(self._engine, read, rows_of_tile, told)
            top = down.top
            for answer in strips:
                if not np.isfinite(answer).all():
                    raise CheckpointError(
                        f"the network answers with {int(np.count_nonzero(~np.isfinite(answer)))} values that are NaN or "
                        "infinite; choose another model, or a method without one, such as 'wiener'"
                    )
                self._place(out, answer, top, down, across)
                top += answer.shape[0]
                give_back()
                if self._progress is not None:
                    done = (number + (top - down.top) / rows_of_tile) / len(tiles)
                    self._progress(self.evaluations - 1 + done)
        if is_large(out.shape) and hasattr(self._engine, "forget"):
            self._engine.forget()
        return out

    def _place(
        self, out: NDArray[np.float32], answer: NDArray[np.float32], top: int, down: Window, across: Window
    ) -> None:
        """Copy the rows of an answer that a tile answers for and that are needed."""
        first, last = max(down.first, top), min(down.last, top + answer.shape[0])
        if first >= last:
            return
        inner = answer[first - top : last - top, across.first - across.top : across.last - across.top]
        place = out[first:last, across.first : across.last]
        needed = self._needed_pixels(first, last, across)
        if needed is None:
            place[...] = inner
        else:
            np.copyto(place, inner, where=needed)

    def _needed_pixels(self, first: int, last: int, across: Window) -> NDArray[np.bool_] | None:
        """Pixels of some rows that a tile answers for and whose cells are needed; None if all are."""
        if self.needed is None:
            return None
        rows, cols = np.arange(first, last) // self.stride, np.arange(across.first, across.last) // self.stride
        if self.needed[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].all():
            return None
        return self.needed[np.ix_(rows, cols)]

    def _tiles(self, rows: int, cols: int) -> list[tuple[Window, Window]]:
        """Tiles to run, by the cut that costs least within the budget."""
        best: list[tuple[Window, Window]] | None = None
        least = 0
        needed = self.needed
        if needed is None:
            needed = np.ones(tuple(-(-n // self.stride) for n in (rows, cols)), bool)
        counts, all_needed = _Counts(needed), int(np.count_nonzero(needed))
        for down, across in self._cuts(rows, cols):
            size = down.side * across.side
            # a cut has at least as many tiles to run as the needed cells fill
            if best is not None and -(-all_needed // (down.most_cells * across.most_cells)) * size >= least:
                continue
            wanted = counts.within(down.first_cells, across.first_cells) > 0
            cost = int(np.count_nonzero(wanted)) * size
            if best is None or cost < least:
                best = [(down.windows[i], across.windows[j]) for i, j in np.argwhere(wanted)]
                least, self._spared_each = cost, wanted.size - len(best)
        assert best is not None
        return best

    def _cuts(self, rows: int, cols: int) -> Iterator[tuple[_Cut, _Cut]]:
        """Cuts of both axes within the budget, or one of square tiles of twice the margin if there is none."""

        def cut(length: int, parts: int) -> _Cut:
            return _cut(length, parts, self.stride, self._engine.alignment, self.halo, self.border)

        downs, acrosses = ([cut(n, parts) for parts in range(1, MOST_PARTS + 1)] for n in (rows, cols))
        fits = False
        # a frame that lies on disk leaves the network less memory too
        widest = self._widest // 2 if is_large((rows, cols)) else self._widest
        for down in downs:
            for across in acrosses:
                if down.side * across.side <= self._budget and across.side <= widest:
                    fits = True
                    yield down, across
        if not fits:
            least = max(2 * self.halo, self._engine.alignment)
            high = max(least, int(self._budget**0.5) - 2 * self.halo)
            # windows begin on the alignment grid, and are that much wider
            wide = max(least, min(high, widest - 2 * self.halo - 2 * self._engine.alignment))
            yield cut(rows, -(-rows // high)), cut(cols, -(-cols // wide))
