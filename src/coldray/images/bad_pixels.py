"""Bad pixels by the classes of ASTM E2597, their clusters, and their replacement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import ImageError

OVER_RESPONSE, UNDER_RESPONSE, DEAD_RESPONSE = 1.3, 0.6, 0.05
"""Response over the local median beyond which a pixel is over-, under-responding or dead."""
NOISY_FACTOR = 6.0
NONUNIFORM = 0.01
LAG_FACTOR = 2.0
MEDIAN_BLOCK = 21
FEWEST_FRAMES_FOR_NOISE = 10
LINE_LENGTH = 10
GOOD_NEIGHBOURS = 5
"""A bad pixel with fewer good neighbours cannot be replaced well from 3 x 3."""

Mask = NDArray[np.bool_]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BadPixels:
    """Map of bad pixels and why they are bad.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, cols)
        True where bad for any reason.
    classes : mapping of str to ndarray of bool
        One mask per class: dead, over, under, noisy, nonuniform, lag, neighbourhood.
    clusters, relevant_clusters, lines : int
        Groups of two or more touching bad pixels; those that hold a pixel with fewer than five good
        neighbours; those that are straight and at least ten pixels long.
    """

    mask: Mask
    classes: Mapping[str, Mask]
    clusters: int
    relevant_clusters: int
    lines: int

    @property
    def count(self) -> int:
        """Number of bad pixels."""
        return int(np.count_nonzero(self.mask))

    def to_json(self) -> dict[str, int]:
        """Counts per class, JSON-able."""
        return {
            "total": self.count,
            **{name: int(np.count_nonzero(mask)) for name, mask in self.classes.items()},
            "clusters": self.clusters,
            "relevant_clusters": self.relevant_clusters,
            "lines": self.lines,
        }


def find_bad_pixels(
    darks: NDArray[np.number] | None = None,
    flats: NDArray[np.number] | None = None,
    *,
    corrected_flat: NDArray[np.number] | None = None,
    lag_frame: NDArray[np.number] | None = None,
) -> BadPixels:
    """Classify pixels from dark frames, flat frames, a corrected flat and a frame after shut-off.

    Parameters
    ----------
    darks, flats : ndarray, shape (frames, rows, cols) or (rows, cols), optional
        Raw dark and flat frames. Without darks the flats are taken as offset-corrected; the noisy
        class needs ten or more darks (the standard asks for 30 to 100).
    corrected_flat : ndarray, shape (rows, cols), optional
        Low-noise flat after correction with *other* flats, for the nonuniform class.
    lag_frame : ndarray, shape (rows, cols), optional
        First offset-corrected frame after the beam went off.

    Returns
    -------
    BadPixels

    Raises
    ------
    ImageError
        If nothing is given or shapes differ.

    Notes
    -----
    Rules: response over 1.3 or under 0.6 of the median of 21 x 21 neighbours; dead: under 0.05 of it or
    of the bright part of the field (where there is no beam at all), or constant in ten or more flats;
    noisy: dark SD over 6 median SDs; nonuniform: over 1 % off the 9 x 9 median (and over 6 robust SDs, so
    that the flat's own noise is not called bad); lag: over 2 times the 9 x 9 median; neighbourhood: all
    eight neighbours bad. The 21 x 21 medians are taken on blocks and interpolated.

    References
    ----------
    ASTM E2597/E2597M-22, bad pixel classes.
    """
    given = [np.asarray(a) for a in (darks, flats, corrected_flat, lag_frame) if a is not None]
    if not given:
        raise ImageError("bad pixels are found from dark or flat frames; none were given")
    shapes = {a.shape[-2:] for a in given}
    if len(shapes) != 1 or any(a.ndim not in (2, 3) for a in given):
        raise ImageError(f"dark, flat and lag frames must share one image shape; found {sorted(shapes)}")
    shape = shapes.pop()
    classes: dict[str, Mask] = {
        name: np.zeros(shape, dtype=bool) for name in ("dead", "over", "under", "noisy", "nonuniform", "lag")
    }
    dark = 0.0 if darks is None else _stack(darks).mean(axis=0)
    if flats is not None:
        stack = _stack(flats)
        response = stack.mean(axis=0) - dark
        least = max(DEAD_RESPONSE * float(np.quantile(response, 0.9)), 1e-9)
        relative = response / np.maximum(_block_median(response), least)
        classes["dead"] = ~(relative >= DEAD_RESPONSE) | (response < least)
        if len(stack) >= FEWEST_FRAMES_FOR_NOISE:
            classes["dead"] |= np.ptp(stack, axis=0) == 0
        classes["over"] = relative > OVER_RESPONSE
        classes["under"] = (relative < UNDER_RESPONSE) & ~classes["dead"]
    if darks is not None and _stack(darks).shape[0] >= FEWEST_FRAMES_FOR_NOISE:
        sd = _stack(darks).std(axis=0, ddof=1)
        classes["noisy"] = sd > NOISY_FACTOR * max(float(np.median(sd)), np.finfo(np.float64).tiny)
    if corrected_flat is not None:
        image = np.asarray(corrected_flat, dtype=np.float64)
        deviation = image / scipy.ndimage.median_filter(image, size=9, mode="reflect") - 1
        own = 1.4826 * float(np.median(np.abs(deviation)))
        classes["nonuniform"] = np.abs(deviation) > max(NONUNIFORM, 6 * own)
    if lag_frame is not None:
        image = np.asarray(lag_frame, dtype=np.float64)
        level = scipy.ndimage.median_filter(image, size=9, mode="reflect")
        noise = 1.4826 * float(np.median(np.abs(image - level)))
        classes["lag"] = image > np.maximum(LAG_FACTOR * level, level + 6 * noise)
    return classified(classes)


def classified(classes: Mapping[str, Mask]) -> BadPixels:
    """Join class masks, add pixels whose eight neighbours are all bad, and count clusters and lines."""
    mask = np.logical_or.reduce(list(classes.values()))
    neighbours = _bad_neighbours(mask)
    surrounded = (neighbours == 8) & ~mask
    mask = mask | surrounded
    labels, count = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
    size = np.bincount(labels.ravel(), minlength=count + 1)
    hard = np.zeros(count + 1, dtype=bool)
    hard[labels[mask & (_bad_neighbours(mask) > 8 - GOOD_NEIGHBOURS)]] = True
    lines = 0
    for label, place in enumerate(scipy.ndimage.find_objects(labels), start=1):
        height, width = (s.stop - s.start for s in place)
        lines += max(height, width) >= LINE_LENGTH and size[label] >= 0.9 * height * width and min(height, width) == 1
    cluster = size >= 2
    cluster[0] = False
    return BadPixels(
        mask,
        {**classes, "neighbourhood": surrounded},
        clusters=int(cluster.sum()),
        relevant_clusters=int((cluster & hard).sum()),
        lines=int(lines),
    )


def replace_bad_pixels(image: NDArray[np.number], mask: Mask) -> NDArray[np.float32]:
    """Fill bad pixels with the inverse-distance mean of good neighbours.

    Parameters
    ----------
    image : ndarray, shape (rows, cols) or (frames, rows, cols)
    mask : ndarray of bool, shape (rows, cols)
        True where bad.

    Returns
    -------
    ndarray of float32, shape of `image`
        Good pixels are unchanged.

    Raises
    ------
    ImageError
        If shapes differ or no pixel is good.

    Notes
    -----
    A pixel is filled from the smallest odd window, 3 x 3 upwards, that holds five good pixels. Mask
    replaced pixels in noise measurements: their noise is borrowed and lowers high frequencies.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.images.bad_pixels import replace_bad_pixels
    >>> image = np.full((9, 9), 5.0); image[4, 4] = 900
    >>> float(replace_bad_pixels(image, image > 100)[4, 4])
    5.0
    """
    if mask.shape != image.shape[-2:]:
        raise ImageError(f"the bad-pixel map has shape {mask.shape}, the image {image.shape[-2:]}")
    if mask.all():
        raise ImageError("every pixel is marked bad; nothing can be replaced")
    out = np.array(image, dtype=np.float32)
    fewest = int(np.count_nonzero(~mask))
    rows, cols = np.nonzero(mask)
    for y, x in zip(rows.tolist(), cols.tolist(), strict=True):
        for radius in range(1, max(mask.shape) + 1):
            top, left = max(y - radius, 0), max(x - radius, 0)
            good = ~mask[top : y + radius + 1, left : x + radius + 1]
            if np.count_nonzero(good) >= min(GOOD_NEIGHBOURS, fewest):
                break
        dy, dx = np.arange(top, top + good.shape[0]) - y, np.arange(left, left + good.shape[1]) - x
        weight = np.where(good, 1 / np.maximum(np.hypot(dy[:, None], dx[None, :]), 1) ** 2, 0.0)
        values = np.where(good, image[..., top : y + radius + 1, left : x + radius + 1], 0)
        out[..., y, x] = (values * weight).sum(axis=(-2, -1)) / weight.sum()
    return out


def _stack(frames: NDArray[np.number]) -> Float:
    """Frames as (n, rows, cols) float64."""
    array = np.asarray(frames, dtype=np.float64)
    return array[None] if array.ndim == 2 else array


def _bad_neighbours(mask: Mask) -> NDArray[np.int64]:
    """Number of bad pixels among the eight around each; the outside of the image counts as good."""
    kernel = np.ones((3, 3), dtype=np.int64)
    kernel[1, 1] = 0
    return np.asarray(scipy.ndimage.convolve(mask.astype(np.int64), kernel, mode="constant"))


def _block_median(image: Float) -> Float:
    """Median of 21 x 21 blocks, interpolated to every pixel."""
    rows, cols = image.shape
    ny, nx = max(1, rows // MEDIAN_BLOCK), max(1, cols // MEDIAN_BLOCK)
    edges_y, edges_x = np.linspace(0, rows, ny + 1).astype(int), np.linspace(0, cols, nx + 1).astype(int)
    median = np.array([[np.median(image[a:b, c:d]) for c, d in pairwise(edges_x)] for a, b in pairwise(edges_y)])
    y = np.interp(np.arange(rows), (edges_y[:-1] + edges_y[1:] - 1) / 2, np.arange(ny))
    x = np.interp(np.arange(cols), (edges_x[:-1] + edges_x[1:] - 1) / 2, np.arange(nx))
    along = scipy.ndimage.map_coordinates(median, np.meshgrid(y, np.arange(nx), indexing="ij"), order=1)
    return np.asarray(scipy.ndimage.map_coordinates(along, np.meshgrid(np.arange(rows), x, indexing="ij"), order=1))
