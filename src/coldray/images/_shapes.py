"""Pixels predicted by what the rest of the same image shows: weights of least squared error by the shape of the surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

REACH_PX = 2
"""A shape is that of the pixels up to this distance, the middle left out."""
SHAPES = 128
LOOKED_AT, EXAMPLES = 60_000, 12_000
"""Pixels that are drawn, and those of them with structure around that are learned from, each in eight orientations."""
LEAST_EXAMPLES = 20 * SHAPES
SORTED, ROUNDS = 20_000, 6
"""Examples that shapes are sorted by, and how often."""
RIDGE = 1e-4
"""Share of the examples' mean power that is added to their covariance."""
STRUCTURE = 1.5
"""Power around a pixel, in powers of the noise, from which on there is a shape to be told."""


@cache
def _offsets() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the surroundings."""
    side = np.arange(-REACH_PX, REACH_PX + 1)
    down, across = (o.ravel() for o in np.meshgrid(side, side, indexing="ij"))
    around = (down != 0) | (across != 0)
    return down[around], across[around]


@cache
def _orientations() -> tuple[NDArray[np.intp], ...]:
    """Orders of the surroundings in which they are turned and mirrored."""
    down, across = _offsets()
    place = {(int(i), int(j)): n for n, (i, j) in enumerate(zip(down, across, strict=True))}
    pairs = [(a, b) for a, b in ((down, across), (across, down))]
    turned = [(p * a, q * b) for a, b in pairs for p in (1, -1) for q in (1, -1)]
    return tuple(np.array([place[int(i), int(j)] for i, j in zip(a, b, strict=True)]) for a, b in turned)


def surroundings(image: Float, where: NDArray[np.intp]) -> tuple[Float, Float]:
    """Pixels around places in the flat image less their mean, and that mean; beyond the border the image is mirrored."""
    down, across = _offsets()
    padded = np.pad(image, REACH_PX, mode="reflect")
    row, col = np.divmod(where, image.shape[1])
    near = padded[row[:, None] + down + REACH_PX, col[:, None] + across + REACH_PX]
    mean = near.mean(axis=1)
    return near - mean[:, None], mean


@dataclass(frozen=True, eq=False)
class Shapes:
    """What surrounds the pixels of one image, sorted by shape, and how the middle follows from each.

    Parameters
    ----------
    units : ndarray, shape (SHAPES, surroundings)
        Of length 1.
    weights : ndarray, same shape
        Of the surroundings in the prediction of the middle, both less the surroundings' mean.
    """

    units: Float
    weights: Float

    def middle(self, near: Float, mean: Float) -> Float:
        """Prediction of pixels from their `surroundings`."""
        return np.asarray(mean + np.einsum("ij,ij->i", near, self.weights[_nearest(_unit(near), self.units)]))


def has_shape(near: Float, variance: Float) -> NDArray[np.bool_]:
    """Where surroundings show more than noise of this variance."""
    return np.asarray(np.einsum("ij,ij->i", near, near) > STRUCTURE * near.shape[1] * variance)


def learn(image: Float, where: NDArray[np.intp], variance: Float) -> Shapes | None:
    """Sort the surroundings of measured pixels by shape, and find the weights of least squared error for each.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    where : ndarray of int
        Measured pixels, places in the flat image.
    variance : ndarray
        Of the noise in each of them.

    Returns
    -------
    Shapes or None
        None where too few surroundings show more than noise.

    Notes
    -----
    Surroundings of length 1 are sorted by their largest product with the mean of each shape (spherical k-means). The weights of
    a shape are those of all examples, corrected by its own with a ridge, so a shape with few examples stays with all.

    References
    ----------
    Dhillon and Modha, Machine Learning 42 (2001) 143; Romano et al., IEEE Trans. Comput. Imaging 3 (2017) 110.
    """
    rng = np.random.default_rng(0)
    drawn = np.arange(where.size) if where.size <= LOOKED_AT else rng.choice(where.size, LOOKED_AT, replace=False)
    near, mean = surroundings(image, where[drawn])
    shown = np.flatnonzero(has_shape(near, variance[drawn]))
    if shown.size < LEAST_EXAMPLES:
        return None
    if shown.size > EXAMPLES:
        shown = rng.choice(shown, EXAMPLES, replace=False)
    middle = np.tile(image.ravel()[where[drawn[shown]]] - mean[shown], len(_orientations()))
    near = np.concatenate([near[shown][:, order] for order in _orientations()])
    unit = _unit(near)
    units = _sorted_shapes(unit, rng)
    power = near.T @ near
    ridge = RIDGE * float(np.mean(np.diag(power))) * np.eye(near.shape[1])
    common = np.linalg.solve(power + ridge, near.T @ middle)
    weights = np.tile(common, (SHAPES, 1))
    for shape, of_it in enumerate(_groups(_nearest(unit, units))):
        own, rest = near[of_it], middle[of_it] - near[of_it] @ common
        weights[shape] += np.linalg.solve(own.T @ own + ridge / SHAPES, own.T @ rest)
    return Shapes(units, weights)


def _sorted_shapes(unit: Float, rng: np.random.Generator) -> Float:
    """Mean shapes of some of the examples."""
    units = unit[rng.choice(len(unit), SHAPES, replace=False)]
    some = unit[rng.choice(len(unit), min(len(unit), SORTED), replace=False)]
    for _ in range(ROUNDS):
        groups = _groups(_nearest(some, units))
        units = _unit(np.stack([some[g].sum(axis=0) if g.size else u for g, u in zip(groups, units, strict=True)]))
    return units


def _unit(near: Float) -> Float:
    return near / np.maximum(np.linalg.norm(near, axis=1, keepdims=True), 1e-30)


def _nearest(unit: Float, units: Float) -> NDArray[np.intp]:
    return np.asarray((unit @ units.T).argmax(axis=1))


def _groups(shape: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Which examples have each shape."""
    order = np.argsort(shape, kind="stable")
    return np.split(order, np.searchsorted(shape[order], np.arange(1, SHAPES)))
