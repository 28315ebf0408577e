"""Tails of a screen's line spread around wire pairs: what lies between two pairs is not the open field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

REACH_PX = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Decay lengths [px] of the exponentials a tail is made of; a longer one is not told from the background."""
CLEAR_PX = 3.0
"""Distance from a wire [px] beyond which the profile is tail or background."""
FEWEST = 24
"""Points of the profile outside the pairs below which no tail is fitted."""
WORTH = 30.0
"""Fall of chi squared that a tail must bring; five amplitudes fitted to noise bring about five."""
ROUNDS = 8
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(6)
_T = (_NODE + 1) * np.pi / 4
STRIP = (np.ones(1), np.ones(1))
ROUND = (np.cos(_T), _WEIGHT * np.cos(_T) ** 2)
"""Wire as strips of even depth: their widths over the diameter, and parts of the area; ROUND is a circle's chord."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Halo:
    """Background and tails of a profile across wire pairs.

    Parameters
    ----------
    background : ndarray, shape (n,)
        Depth of the open field.
    tails : ndarray, shape (pairs, n)
        Depth that the tail of each pair adds.
    """

    background: Float
    tails: Float

    def alone(self, depth: Float, pair: int) -> Float:
        """The profile as it would be with this pair only, above the open field."""
        return np.asarray(depth - self.background - (self.tails.sum(axis=0) - self.tails[pair]))


def halo(position_px: Float, depth: Float, middle_px: Float, spacing_px: Float) -> Halo | None:
    """Fit the open field and the tails of wire pairs to the profile outside of them.

    Parameters
    ----------
    position_px, depth : ndarray, shape (n,)
        Profile across the wires, about 0 on the open field.
    middle_px, spacing_px : ndarray, shape (pairs,)
        Middle gap and wire diameter of every pair.

    Returns
    -------
    Halo or None
        None if too little of the profile lies outside the pairs.

    Notes
    -----
    All pairs share one line spread; its tail is a sum of two-sided exponentials with amplitudes of at least
    zero, and each pair counts by its area. Wires are round or, if that fits better, strips (thick wires that
    let little through look like strips). The open field is a parabola, so that the one taken out of the
    image before (which follows the tails of a crowded indicator) does no harm. Without a tail that the noise
    allows to see, only the parabola is fitted.
    """
    beyond = np.abs(position_px - middle_px[:, None]) - 1.5 * spacing_px[:, None]
    open_field = np.all(beyond > CLEAR_PX, axis=0)
    if np.count_nonzero(open_field) < FEWEST:
        return None
    inside = beyond <= CLEAR_PX
    step = np.gradient(position_px)
    u = 2 * (position_px - position_px[0]) / (position_px[-1] - position_px[0]) - 1
    parabola = np.stack([np.ones_like(u), u, u * u], axis=1)
    at = position_px - middle_px[:, None]
    plain = np.linalg.lstsq(parabola[open_field], depth[open_field], rcond=None)[0]
    rest_plain = float(np.sum((depth - parabola @ plain)[open_field] ** 2))
    best = Halo(parabola @ plain, np.zeros(at.shape))
    least = rest_plain
    for form in (ROUND, STRIP):
        shapes = np.stack([_spread(at, spacing_px[:, None], reach, form) for reach in REACH_PX])
        kept = np.stack([_kept(spacing_px, reach, form) for reach in REACH_PX])
        field, amplitude, tails = parabola @ plain, np.zeros(len(REACH_PX)), np.zeros(at.shape)
        rest = rest_plain
        for _ in range(ROUNDS):
            others = tails.sum(axis=0) - tails
            core = np.sum(np.where(inside, (depth - field - others) * step, 0.0), axis=1)
            area = np.maximum(core, 0.0) / np.maximum(1 - amplitude @ (1 - kept), 0.3)
            columns = np.einsum("k,jkx->xj", area, shapes)
            design = np.concatenate([parabola, -parabola, columns], axis=1)
            found, norm = nnls(design[open_field], depth[open_field])
            field, amplitude, rest = parabola @ (found[:3] - found[3:6]), found[6:], float(norm) ** 2
            tails = np.einsum("j,k,jkx->kx", amplitude, area, shapes)
        freedom = max(int(np.count_nonzero(open_field)) - 3 - int(np.count_nonzero(amplitude)), 1)
        if rest < least and rest_plain - rest >= WORTH * rest / freedom:
            best, least = Halo(field, tails), rest
    return best


def _spread(at: Float, spacing: Float, reach: float, form: tuple[Float, Float]) -> Float:
    """Two wires, together of area 1, under a two-sided exponential."""

    def step(x: Float) -> Float:
        fade = 0.5 * np.exp(-np.abs(x) / reach)
        return np.asarray(np.where(x < 0, fade, 1 - fade))

    total = np.zeros(np.broadcast_shapes(at.shape, spacing.shape))
    part = form[1] / form[1].sum()
    for side in (-1, 1):
        for share, weight in zip(form[0], part, strict=True):
            half, off = share * spacing / 2, at - side * spacing
            total += weight * (step(off + half) - step(off - half)) / (4 * half)
    return np.asarray(total)


def _kept(spacing: Float, reach: float, form: tuple[Float, Float]) -> Float:
    """Part of a pair's spread that stays within `CLEAR_PX` of its wires."""
    x = np.linspace(-1, 1, 401) * (1.5 * spacing[:, None] + CLEAR_PX)
    return np.asarray(np.trapezoid(_spread(x, spacing[:, None], reach, form), x, axis=1))
