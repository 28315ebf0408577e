"""Packages on regular fields of pads: ball grids and rows of leads."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from coldray.objects.gerber.parts import Part, Side
from coldray.objects.gerber.placements import Placement


def ball_grids(on: Side) -> list[Part]:
    """Lattices of equal round pads, 0.2 to 0.75 mm.

    The pads of the parts found are no longer free.
    """
    pads = on.pads
    length, width, fill = pads[:, 2], pads[:, 3], pads[:, 5]
    is_round = (length / width < 1.2) & (fill > 0.6) & (fill < 0.9) & (length > 0.16) & (length < 0.75)
    index = np.flatnonzero(is_round)
    if len(index) < 9:
        return []
    points = pads[index, :2]
    tree = cKDTree(points)
    nearest = tree.query(points, k=2)[0][:, 1]
    pairs = tree.query_pairs(2.2, output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    gap = np.linalg.norm(points[a] - points[b], axis=1)
    same = np.abs(length[index[a]] / length[index[b]] - 1) < 0.2
    linked = same & (gap < 2.6 * np.maximum(nearest[a], nearest[b]))
    grids = []
    for group in _joined(_groups(len(index), a[linked], b[linked]), points, nearest):
        gaps = nearest[group]
        pitch = float(np.median(gaps))
        if len(group) < 9 or not 0.3 <= pitch <= 1.6 or np.mean(np.abs(gaps / pitch - 1) < 0.12) < 0.7:
            continue
        members = index[group]
        centre = (pads[members, :2].min(axis=0) + pads[members, :2].max(axis=0)) / 2
        name = _package_at(centre, on.placements)
        if re.search(r"QF[NP]|LGA|SOIC|TSSOP", name, re.IGNORECASE):
            continue
        extent = np.ptp(pads[members, :2], axis=0)
        if extent.min() < 0.12 * extent.max() or extent.min() < 1.5 * pitch:
            continue
        ball_pads = pads[members].copy()
        ball_pads[:, 2] = np.median(ball_pads[:, 2]) * 2 / math.sqrt(3)
        on.free[members] = False
        grids.append(
            Part("balls", on.name, *map(float, centre), 0.0, *map(float, extent), ball_pads, pitch_mm=pitch)  # type: ignore[misc, call-arg, arg-type]
        )  # fmt: skip
    return grids


def _joined(
    groups: list[NDArray[np.int64]], points: NDArray[np.float64], nearest: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Groups of one ball grid as one: rings about a middle field, or two long blocks side by side."""
    joined: list[NDArray[np.int64]] = []
    for group in sorted((g for g in groups if len(g) >= 4), key=len, reverse=True):
        for i, members in enumerate(joined):
            if abs(np.median(nearest[group]) / np.median(nearest[members]) - 1) < 0.05 and _belong(
                points[members], points[group], float(np.median(nearest[members]))
            ):
                joined[i] = np.concatenate([members, group])
                break
        else:
            joined.append(group)
    return joined


def _belong(first: NDArray[np.float64], second: NDArray[np.float64], pitch_mm: float) -> bool:
    """Whether two fields of balls share a centre, or are equal long blocks up to 7 mm apart across their length."""
    apart = np.abs(first.min(axis=0) + first.max(axis=0) - second.min(axis=0) - second.max(axis=0)) / 2
    one, two = np.ptp(first, axis=0), np.ptp(second, axis=0)
    if np.hypot(*apart) < 1.5 * pitch_mm:
        return True
    long = int(one.argmax())
    equal = np.all(np.abs(one - two) < 0.6 * pitch_mm) and one[long] > 2.5 * one[1 - long]
    return bool(equal and apart[long] < 0.6 * pitch_mm and apart[1 - long] < 7.0)


def lead_rows(on: Side) -> list[Part]:
    """Packages: rows of equal, equally spaced pads that face an equal row, two or four rows about one centre.

    The pads of the parts found are no longer free.
    """
    pads = on.pads
    rows = _rows(pads, on.free)
    pairs = []
    for m, first in enumerate(rows):
        for n in range(m + 1, len(rows)):
            found = _opposite(pads, first, rows[n])
            if found is not None:
                pairs.append((found[0], m, n, found[1]))
    used: set[int] = set()
    chosen = []
    for distance, m, n, centre in sorted(pairs, key=lambda p: p[0]):
        if m not in used and n not in used:
            used |= {m, n}
            chosen.append((distance, rows[m], rows[n], centre))
    parts = []
    taken: set[int] = set()
    for i, (distance, first, second, centre) in enumerate(chosen):
        if i in taken:
            continue
        members = [np.concatenate([first, second])]
        crossing = None
        for j in range(i + 1, len(chosen)):
            if j not in taken and math.dist(centre, chosen[j][3]) < 0.3:
                crossing = chosen[j]
                taken.add(j)
                members.append(np.concatenate(crossing[1:3]))
                break
        name = _package_at(np.asarray(centre), on.placements)
        parts.append(_package(on.name, pads, np.concatenate(members), distance, first, centre, crossing, name))
        on.free[np.concatenate(members)] = False
    return parts


def _rows(pads: NDArray[np.float64], free: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Straight rows of at least three equal free pads at one pitch below 1.4 mm, lying across the row."""
    index = np.flatnonzero(free & (pads[:, 2] < 3.0) & (pads[:, 3] < 0.9))
    if len(index) < 3:
        return []
    found = cKDTree(pads[index, :2]).query_pairs(1.4, output_type="ndarray")
    if len(found) == 0:
        return []
    a, b = index[found[:, 0]], index[found[:, 1]]
    step = pads[b, :2] - pads[a, :2]
    gap = np.hypot(step[:, 0], step[:, 1])
    direction = np.arctan2(step[:, 1], step[:, 0])
    equal = np.all(np.abs(pads[a, 2:4] / pads[b, 2:4] - 1) < 0.15, axis=1)
    across = (np.abs(np.cos(direction - pads[a, 4])) < 0.08) & (pads[a, 2] / pads[a, 3] > 1.25)
    near = gap < 3.2 * pads[a, 3]
    linked = equal & across & near
    rows = []
    for group in _groups(len(pads), a[linked], b[linked]):
        if len(group) < 3:
            continue
        heading = float(pads[group[0], 4]) + math.pi / 2
        along = pads[group, 0] * math.cos(heading) + pads[group, 1] * math.sin(heading)
        rows.append(group[np.argsort(along)])
    return rows


def _opposite(
    pads: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[float, tuple[float, float]] | None:
    """Distance and midpoint of two rows that mirror each other."""
    if abs(len(first) - len(second)) > 1:
        return None
    one, two = pads[first], pads[second]
    angle = float(one[0, 4])
    if abs(math.sin(angle - float(two[0, 4]))) > 0.1 or abs(one[0, 2] / two[0, 2] - 1) > 0.2:
        return None
    step = two[:, :2].mean(axis=0) - one[:, :2].mean(axis=0)
    normal = abs(step[0] * math.cos(angle) + step[1] * math.sin(angle))
    lateral = abs(step[1] * math.cos(angle) - step[0] * math.sin(angle))
    row = float(np.hypot(*(one[-1, :2] - one[0, :2])))
    if not (lateral < 0.35 and 1.2 * one[0, 2] + 0.4 < normal < max(3.0 * row, 4.0) and normal < 25):
        return None
    middle = (one[:, :2].mean(axis=0) + two[:, :2].mean(axis=0)) / 2
    return float(normal), (float(middle[0]), float(middle[1]))


def _package(
    side: str,
    pads: NDArray[np.float64],
    members: NDArray[np.int64],
    distance: float,
    first: NDArray[np.int64],
    centre: tuple[float, float],
    crossing: tuple[float, NDArray[np.int64], NDArray[np.int64], tuple[float, float]] | None,
    name: str,
) -> Part:
    """A moulded package over its rows."""
    pad_length = float(pads[first[0], 2])
    pitch = float(np.median(np.hypot(*np.diff(pads[first, :2], axis=0).T)))
    row = float(np.hypot(*(pads[first[-1], :2] - pads[first[0], :2])))
    if crossing is None:
        width, inner_width = row + pitch, row + pitch
    else:
        width, inner_width = crossing[0] + pad_length, crossing[0] - pad_length
    array = re.search(r"RES|ARRAY|NET|CAY|EXB", name, re.IGNORECASE) or (
        not name and distance < 1.6 and len(first) == 4
    )
    return Part(
        "leads",
        side,
        *centre,
        float(pads[first[0], 4]),
        distance + pad_length,
        width,
        pads[members],
        family="R" if array and crossing is None else "",
        pitch_mm=pitch,
        inner_length_mm=distance - pad_length,
        inner_width_mm=inner_width,
        leadless=(pad_length < 1.1 and pitch <= 0.81) or bool(array),
    )


def _groups(count: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Connected groups of linked items."""
    graph = coo_matrix((np.ones(len(a), dtype=np.int8), (a, b)), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _package_at(centre: NDArray[np.float64], placements: list[Placement]) -> str:
    """Footprint text of the part placed at a point, or empty."""
    near = [p for p in placements if math.dist((p.x_mm, p.y_mm), tuple(centre)) < 0.6]
    return near[0].package if near else ""
