"""The edge of a board: strokes joined into loops, and which loops are the board."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Loop = NDArray[np.float64]

JOIN_MM = 0.05
"""Ends closer than this are one point: rounding of the layout program."""
GAP_MM = 1.0
"""Largest gap that is closed with a straight line, and said; a wider one is refused."""
_DRAWING_LOOPS = 100
"""A file with more loops than this is a drawing: its inner loops are parts and letters, not cut-outs."""


@dataclass(frozen=True)
class Edge:
    """Outline of a board.

    Parameters
    ----------
    boards : list of ndarray, each of shape (n, 2)
        Loops that hold the laminate [mm]; several for a panel.
    cutouts : list of ndarray, each of shape (n, 2)
        Loops inside them without laminate [mm].
    """

    boards: list[Loop]
    cutouts: list[Loop]

    @property
    def low(self) -> NDArray[np.float64]:
        """Lower left corner [mm]."""
        return np.min([b.min(axis=0) for b in self.boards], axis=0)

    @property
    def high(self) -> NDArray[np.float64]:
        """Upper right corner [mm]."""
        return np.max([b.max(axis=0) for b in self.boards], axis=0)


def box_edge(x0: float, y0: float, x1: float, y1: float) -> Edge:
    """A rectangular board."""
    return Edge([np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])], [])


def joined(strokes: Sequence[Loop], gap_mm: float = JOIN_MM) -> tuple[list[Loop], list[Loop]]:
    """Join open strokes into closed loops.

    Parameters
    ----------
    strokes : sequence of ndarray, each of shape (n, 2)
        Polylines [mm].
    gap_mm : float
        Ends closer than this are one point.

    Returns
    -------
    loops, open_chains : list of ndarray, each of shape (n, 2)
        Closed outlines [mm], largest box first; and strokes that close nothing.
    """
    strokes = _distinct(strokes)
    ends: dict[tuple[int, int], list[int]] = {}

    def key(point: Loop) -> tuple[int, int]:
        return math.floor(point[0] / gap_mm), math.floor(point[1] / gap_mm)

    for i, stroke in enumerate(strokes):
        for point in (stroke[0], stroke[-1]):
            ends.setdefault(key(point), []).append(i)
    unused = dict.fromkeys(range(len(strokes)))
    loops: list[Loop] = []
    chains: list[Loop] = []
    for first in range(len(strokes)):
        if first not in unused:
            continue
        del unused[first]
        chain = [np.asarray(strokes[first])]
        for _ in range(2):  # from its end, then from its beginning
            while not _closed(chain, gap_mm):
                found = _next(chain[-1][-1], strokes, ends, unused, key, gap_mm)
                if found is None:
                    break
                chain.append(found)
            if _closed(chain, gap_mm):
                break
            chain = [c[::-1] for c in chain[::-1]]
        points = np.concatenate(chain)
        (loops if _closed(chain, gap_mm) and len(points) > 3 else chains).append(points)
    return sorted(loops, key=_box_area, reverse=True), chains


def _distinct(strokes: Sequence[Loop]) -> list[Loop]:
    """Strokes with a length, each once: an edge drawn there and back again closes nothing."""
    kept: dict[tuple[float, ...], Loop] = {}
    for stroke in strokes:
        length = float(np.hypot(*np.diff(stroke, axis=0).T).sum())
        middle = stroke.mean(axis=0)
        ends = sorted([(round(p[0], 2), round(p[1], 2)) for p in (stroke[0], stroke[-1])])
        if length > 1e-6:
            kept.setdefault((*ends[0], *ends[1], *np.round(middle, 2).tolist(), round(length, 2)), stroke)
    return list(kept.values())


def _closed(chain: Sequence[Loop], gap_mm: float) -> bool:
    return math.dist(chain[0][0], chain[-1][-1]) <= gap_mm and sum(map(len, chain)) > 2


def _next(
    end: Loop, strokes: Sequence[Loop], ends: dict[tuple[int, int], list[int]], unused: dict[int, None],
    key: object, gap_mm: float,
) -> Loop | None:  # fmt: skip
    """The nearest unused stroke that begins or ends here, turned so that it begins here."""
    kx, ky = key(end)  # type: ignore[operator]
    near = [i for dx in (0, -1, 1) for dy in (0, -1, 1) for i in ends.get((kx + dx, ky + dy), ()) if i in unused]
    ranked = [(min(math.dist(strokes[i][0], end), math.dist(strokes[i][-1], end)), i) for i in near]
    if not ranked or min(ranked)[0] > gap_mm:
        return None
    chosen = min(ranked)[1]
    del unused[chosen]
    stroke = np.asarray(strokes[chosen])
    return stroke[::-1] if math.dist(stroke[-1], end) < math.dist(stroke[0], end) else stroke


def bridged(chains: Sequence[Loop], gap_mm: float = GAP_MM) -> tuple[list[Loop], float]:
    """Close loops across gaps, the smallest gaps first.

    Returns
    -------
    loops : list of ndarray
        Closed outlines [mm], largest box first.
    gap : float
        The widest gap that was closed [mm]; 0 if there was none.
    """
    ends = np.array([p for c in chains for p in (c[0], c[-1])]).reshape(-1, 2)
    if len(ends) == 0:
        return [], 0.0
    pairs = cKDTree(ends).query_pairs(gap_mm, output_type="ndarray")
    gaps = np.hypot(*(ends[pairs[:, 0]] - ends[pairs[:, 1]]).T)
    partner: dict[int, int] = {}
    for index in np.argsort(gaps, kind="stable").tolist():
        a, b = pairs[index].tolist()
        if a not in partner and b not in partner:
            partner[a], partner[b] = b, a
    loops, widest, seen = [], 0.0, set[int]()
    for first in range(len(chains)):
        points, at, jumps = [], 2 * first, []
        while at // 2 not in seen:
            seen.add(at // 2)
            chain = chains[at // 2]
            points.append(chain if at % 2 == 0 else chain[::-1])
            leaving = at ^ 1
            if leaving not in partner:
                break
            at = partner[leaving]
            jumps.append(math.dist(ends[leaving], ends[at]))
        else:
            if points and at == 2 * first and sum(map(len, points)) > 2:
                loops.append(np.concatenate(points))
                widest = max(widest, *jumps)
    return sorted(loops, key=_box_area, reverse=True), widest


def _box_area(loop: Loop) -> float:
    return float(np.prod(np.ptp(loop, axis=0)))


def widest_gap(chains: Sequence[Loop]) -> tuple[float, tuple[float, float]]:
    """How far the loneliest end of open strokes is from the next one [mm], and where it is."""
    ends = np.array([p for c in chains for p in (c[0], c[-1])]).reshape(-1, 2)
    apart, _ = cKDTree(ends).query(ends, k=2)
    worst = int(np.argmax(apart[:, 1]))
    return float(apart[worst, 1]), (float(ends[worst, 0]), float(ends[worst, 1]))


@dataclass(frozen=True)
class Content:
    """What a board must hold.

    Parameters
    ----------
    holes : ndarray, shape (n, 2)
        Centres of the holes [mm].
    copper : ndarray, shape (n, 2)
        Corners of the copper [mm].
    """

    holes: NDArray[np.float64]
    copper: NDArray[np.float64]

    def fills(self, loops: Sequence[Loop], ratio: float) -> bool:
        """Whether the box of all content is at least 1/`ratio` of that of loops: a sheet's border holds much else."""
        points = np.concatenate([self.copper, self.holes])
        return len(points) == 0 or _box_area(np.concatenate(loops)) <= ratio * _box_area(points)

    def any_in(self, loop: Loop) -> bool:
        """Whether the box of a loop holds any copper."""
        return bool(np.any(np.all((self.copper >= loop.min(axis=0)) & (self.copper <= loop.max(axis=0)), axis=1)))

    def within(self, loops: Sequence[Loop], margin_mm: float = 0.3) -> bool:
        """Whether boxes of loops hold (nearly) all holes and copper."""
        for points, share in ((self.holes, 0.95), (self.copper, 0.8)):
            if len(points):
                inside = np.zeros(len(points), dtype=bool)
                for loop in loops:
                    low, high = loop.min(axis=0) - margin_mm, loop.max(axis=0) + margin_mm
                    inside |= np.all((points >= low) & (points <= high), axis=1)
                if float(np.mean(inside)) < share:
                    return False
        return True


def edge_of(strokes: Sequence[Loop], content: Content, ratio: float = math.inf) -> tuple[Edge | None, str]:
    """The board's edge among the strokes of one file.

    Parameters
    ----------
    strokes : sequence of ndarray
        Centre lines [mm].
    content : Content
        What the edge must hold.
    ratio : float
        How much larger than the content the board may be, by the areas of their boxes.

    Returns
    -------
    edge : Edge or None
        None if no loop holds the content.
    note : str
        The gap that was closed; or, if the strokes lie round the content without closing, how far they are apart.
    """
    loops, chains = joined(strokes)
    edge = _fitting(loops, content, ratio)
    if edge is not None:
        return edge, ""
    more, gap = bridged(chains)
    edge = _fitting([*loops, *more], content, ratio)
    if edge is not None:
        return edge, f"a gap of {gap:.2f} mm closed"
    if chains and content.within([np.concatenate(chains)]) and content.fills(chains, ratio):
        apart, (x, y) = widest_gap(chains)
        return None, f"its pieces end {apart:.2f} mm apart at x {x:.2f}, y {y:.2f} mm; up to {GAP_MM:g} mm are closed"
    return None, ""


def _fitting(loops: Sequence[Loop], content: Content, ratio: float) -> Edge | None:
    """The smallest loop that holds the content, else the outermost loops if they hold it together."""
    holding = [loop for loop in loops if content.within([loop]) and content.fills([loop], ratio)]
    drawing = len(loops) > _DRAWING_LOOPS
    if holding:
        board = min(holding, key=_box_area)
        return Edge([board], [] if drawing else _inside(loops, [board]))
    outer = [a for a in loops if not any(_holds(b, a) for b in loops) and content.any_in(a)] if not drawing else []
    if len(outer) > 1 and content.within(outer, margin_mm=0.0) and content.fills(outer, ratio):
        return Edge(outer, _inside(loops, outer))
    return None


def _inside(loops: Sequence[Loop], boards: Sequence[Loop]) -> list[Loop]:
    return [loop for loop in loops if any(_holds(board, loop) for board in boards)]


def _holds(outer: Loop, inner: Loop) -> bool:
    """Whether the box of a loop lies within that of another."""
    return bool(np.all(inner.min(axis=0) > outer.min(axis=0)) and np.all(inner.max(axis=0) < outer.max(axis=0)))
