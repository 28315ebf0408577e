"""Stencil openings as pads, and the placements moved onto them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from coldray.document import Json
from coldray.objects.gerber.placements import Placement
from coldray.objects.gerber.raster import Grid

_SIDES = ("top", "bottom")
_TWO_ENDED = re.compile(r"(C|R|L|D|FB|FR)\D*\d")


def find_pads(paste: NDArray[np.uint8], grid: Grid) -> NDArray[np.float64]:
    """Stencil openings as rectangles.

    Parameters
    ----------
    paste : ndarray of uint8, shape (rows, cols)
        Stencil mask.
    grid : Grid
        Its grid.

    Returns
    -------
    ndarray, shape (pads, 6)
        x, y, length, width [mm], angle of the length [rad], area share of the upright bounding box.
    """
    step = max(1, round(0.024 / grid.pitch_mm))
    cell = step * grid.pitch_mm
    solid = paste[step // 2 :: step, step // 2 :: step] > 127
    labels, count = ndimage.label(solid)
    boxes = ndimage.find_objects(labels)
    pads = np.zeros((count, 6))
    for i, box in enumerate(boxes):
        rows, cols = np.nonzero(labels[box] == i + 1)
        spread = np.array([[cols.var(), -np.cov(cols, rows, bias=True)[0, 1]], [0, rows.var()]]) + np.eye(2) / 12
        values, vectors = np.linalg.eigh(spread, UPLO="U")
        length, width = np.sqrt(12 * values[::-1]) * cell
        x = grid.left_mm + ((cols.mean() + box[1].start) * step + step // 2 + 0.5) * grid.pitch_mm
        y = grid.top_mm - ((rows.mean() + box[0].start) * step + step // 2 + 0.5) * grid.pitch_mm
        fill = len(rows) / ((box[0].stop - box[0].start) * (box[1].stop - box[1].start))
        pads[i] = x, y, length, width, math.atan2(vectors[1, 1], vectors[0, 1]) % math.pi, fill
    return pads


def register(placements: Sequence[Placement], pads: Mapping[str, Json]) -> list[Placement]:
    """Move placements into the frame of the copper: files differ in origin and in the sign of x below.

    The shift is the most frequent difference between a part's centre and the midpoint of two equal pads; with
    fewer than three parts in agreement, placements are not used.

    Parameters
    ----------
    placements : sequence of Placement
        In the frame of their own file.
    pads : mapping
        pads_top and pads_bottom: rows as of `find_pads`.

    Returns
    -------
    list of Placement
        In the frame of the copper; empty if too few agree.
    """
    middles = {s: _pair_middles(np.asarray(pads[f"pads_{s}"], dtype=np.float64).reshape(-1, 6)) for s in _SIDES}
    small = {
        s: np.array([[p.x_mm, p.y_mm] for p in placements if p.side == s and _TWO_ENDED.match(p.designator)])
        for s in _SIDES
    }
    best = (0, 1.0, np.zeros(2))
    for sign in (1.0, -1.0):
        gaps = np.concatenate(
            [
                (middles[s][:, None, :] - small[s].reshape(-1, 2) * (sign if s == "bottom" else 1.0, 1.0)).reshape(
                    -1, 2
                )
                for s in _SIDES
            ]
        )
        if len(gaps) == 0:
            continue
        low = gaps.min(axis=0) - 0.05
        cells = ((gaps - low) / 0.1).astype(np.int64)
        width = int(cells[:, 1].max()) + 1
        counts = np.bincount(cells[:, 0] * width + cells[:, 1])
        top = int(counts.argmax())
        centre = low + (np.array(divmod(top, width)) + 0.5) * 0.1
        near = np.all(np.abs(gaps - centre) < 0.1, axis=1)
        if counts[top] > best[0]:
            best = (int(counts[top]), sign, np.median(gaps[near], axis=0))
    votes, sign, (shift_x, shift_y) = best
    if votes < max(3, 0.2 * sum(map(len, small.values()))):
        return []
    return [
        replace(
            p,
            x_mm=(sign if p.side == "bottom" else 1.0) * p.x_mm + float(shift_x),
            y_mm=p.y_mm + float(shift_y),
        )
        for p in placements
    ]


def _pair_middles(pads: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midpoints of each pad and its nearest equals, up to 4 mm apart [mm]."""
    if len(pads) < 2:
        return np.zeros((0, 2))
    neighbours = min(6, len(pads))
    gaps, near = cKDTree(pads[:, :2]).query(pads[:, :2], k=neighbours, distance_upper_bound=4.0)
    pairs = np.stack([np.repeat(np.arange(len(pads)), neighbours), near.ravel()], axis=1)
    pairs = pairs[np.isfinite(gaps.ravel()) & (pairs[:, 0] < pairs[:, 1])]
    if len(pairs) == 0:
        return np.zeros((0, 2))
    first, second = pads[pairs[:, 0]], pads[pairs[:, 1]]
    equal = np.all(np.abs(first[:, 2:4] / second[:, 2:4] - 1) < 0.12, axis=1)
    return 0.5 * (first[equal, :2] + second[equal, :2])
