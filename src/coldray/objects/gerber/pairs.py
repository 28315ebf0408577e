"""Two-ended parts on pairs of equal pads."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from coldray.objects.gerber.parts import Part, Side
from coldray.objects.gerber.placements import Placement

_SIZES_MM = {"0201": (0.6, 0.3), "0402": (1.0, 0.5), "0603": (1.6, 0.8), "0805": (2.0, 1.25), "1206": (3.2, 1.6)}


def placed_pairs(on: Side) -> list[Part]:
    """Two-ended parts of the pick-and-place file: the two equal free pads around each centre.

    The pads of the parts found are no longer free.
    """
    if not on.placements:
        return []
    pads, free = on.pads, on.free
    tree = cKDTree(pads[:, :2])
    parts = []
    for p in on.placements:
        family = _family(p)
        if not family:
            continue
        centre = np.array([p.x_mm, p.y_mm])
        near = np.array([i for i in tree.query_ball_point(centre, 4.0) if free[i]], dtype=np.int64)
        if len(near) < 2:
            continue
        # The other pad lies where the first is mirrored at the centre.
        away, mirror = tree.query(2 * centre - pads[near, :2])
        best: tuple[float, int, int] | None = None
        for off, i, j in zip(away.tolist(), near.tolist(), mirror.tolist(), strict=True):
            if i >= j or off > 0.24 or not free[j] or np.any(np.abs(pads[i, 2:4] / pads[j, 2:4] - 1) > 0.15):
                continue
            score = off / 2 + 0.02 * math.dist(pads[i, :2], pads[j, :2])
            if _faces(pads[i], pads[j]) and (best is None or score < best[0]):
                best = (score, i, j)
        if best is not None:
            _, i, j = best
            free[[i, j]] = False
            parts.append(_pair(on.name, pads[[i, j]], family, _size_code(p.package)))
    return parts


def _family(placement: Placement) -> str:
    """C, R, L or D of a two-ended part; empty for others."""
    found = re.match(r"(C|R|L|D|FB|FR)[A-Z]?_?\d", placement.designator)
    if not found or re.search(r"SOT|ARRAY|PACK|QF|SOIC", placement.package, re.IGNORECASE):
        return ""
    letter = found.group(1)
    return "L" if letter in ("L", "FB", "FR") else letter


def _size_code(package: str) -> str:
    """0402 and the like in a footprint text."""
    found = re.search(r"(0201|0402|0603|0805|1206)", package)
    return found.group(1) if found else ""


def lone_pairs(on: Side) -> list[Part]:
    """Pairs of equal free pads that are each other's nearest equal and stand apart from others.

    The pads of the parts found are no longer free.
    """
    pads, free = on.pads, on.free
    index = np.flatnonzero(free & (pads[:, 2] < 3.0) & (pads[:, 3] > 0.2) & _is_rectangle(pads))
    if len(index) < 2:
        return []
    points = pads[index, :2]
    partner: dict[int, int] = {}
    tree = cKDTree(points)
    for k in range(len(index)):
        gaps, near = tree.query(points[k], k=min(6, len(index)))
        for gap, m in zip(gaps[1:], near[1:], strict=True):
            i, j = index[k], index[m]
            equal = np.all(np.abs(pads[i, 2:4] / pads[j, 2:4] - 1) < 0.12)
            if equal and gap < 3.0 * pads[i, 2] + 0.3 and _faces(pads[i], pads[j]):
                partner[k] = int(m)
                break
    parts = []
    for k, m in partner.items():
        if k < m and partner.get(m) == k:
            pair = index[[k, m]]
            free[pair] = False
            parts.append(_pair(on.name, pads[pair]))
    return parts


def _pair(side: str, pads: NDArray[np.float64], family: str = "", size_code: str = "") -> Part:
    """A part across two pads."""
    centre = pads[:, :2].mean(axis=0)
    step = pads[1, :2] - pads[0, :2]
    gap = float(np.hypot(*step))
    angle = math.atan2(step[1], step[0])
    turned = abs(math.cos(float(pads[0, 4]) - angle)) < 0.7
    along, across = (pads[0, 3], pads[0, 2]) if turned else (pads[0, 2], pads[0, 3])
    if size_code in _SIZES_MM:
        body = _SIZES_MM[size_code]
    else:
        body = (gap + 0.25 * along, min(0.95 * across, 0.8 * gap + 0.2 * across))
        body = (body[0], min(body[1], 0.9 * body[0]))
    return Part(
        "pair",
        side,
        float(centre[0]),
        float(centre[1]),
        angle,
        gap + float(along),
        float(across),
        pads,
        family,
        size_code,
        float(body[0]),
        float(body[1]),
    )


def _is_rectangle(pads: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which openings fill the rectangle of their own second moments (thermal segments and fiducials do not)."""
    cos, sin = np.abs(np.cos(pads[:, 4])), np.abs(np.sin(pads[:, 4]))
    length, width = pads[:, 2], pads[:, 3]
    box = (length * cos + width * sin) * (length * sin + width * cos)
    filled = pads[:, 5] * box / (length * width)
    return (filled > 0.9) & (filled < 1.15)


def _faces(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether two pads lie along or across their own axes, not askew."""
    step = math.atan2(second[1] - first[1], second[0] - first[0])
    if first[2] / first[3] < 1.1:
        return True
    return min(abs(math.sin(2 * (step - first[4]))), 1.0) < 0.15
