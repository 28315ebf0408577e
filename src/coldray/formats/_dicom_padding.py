"""Padding that a DICOM object states: pixels around the field that no detector saw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PREFIXES = ("Pixel", "FloatPixel", "DoubleFloatPixel")


def padded(dataset: Dataset, pixels: NDArray[np.number], notes: list[str]) -> NDArray[np.bool_] | None:
    """Map of the padding: areas of the stated value, or range of values, that touch the border.

    Parameters
    ----------
    dataset : pydicom Dataset
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
        Stored values.
    notes : list of str
        Is told how much was found.

    Returns
    -------
    ndarray of bool, shape (rows, cols), or None
        True where every frame is padded; None if nothing is.

    Notes
    -----
    Pixel Padding Value fills up a field that is not rectangular, so a pixel of that value inside the field is
    signal. A value written with the other sign than the pixels (65535 for -1) is the same bits.

    References
    ----------
    DICOM PS3.3 C.7.5.1.1.2.
    """
    for prefix in _PREFIXES:
        low = _stated(dataset, f"{prefix}PaddingValue", pixels.dtype)
        if low is None:
            continue
        limit = _stated(dataset, f"{prefix}PaddingRangeLimit", pixels.dtype)
        ends = sorted((low, low if limit is None else limit))
        inside: NDArray[np.bool_] = (pixels >= ends[0]) & (pixels <= ends[1])
        mask = _touching_border(inside if inside.ndim == 2 else np.all(inside, axis=0))
        words = f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g} to {ends[1]:g}"
        if not mask.any() or mask.all():
            notes.append(f"padding of value {words} is stated but there is none around the image")
            return None
        notes.append(f"{100 * mask.mean():.3g} % of the image is padding (value {words}), not signal: it is masked")
        return mask
    return None


def _stated(dataset: Dataset, name: str, dtype: np.dtype[np.number]) -> float | None:
    """A padding value as the pixels would hold it; None if there is none, or none that they could hold."""
    try:
        value = float(dataset[name].value)
    except Exception:  # absent, empty, or malformed
        return None
    if not math.isfinite(value):
        return None
    if dtype.kind in "ui":
        limits = np.iinfo(dtype.str)
        turn = 2.0 ** (8 * dtype.itemsize)
        value += turn if value < limits.min else -turn if value > limits.max else 0
        return value if limits.min <= value <= limits.max else None
    return value


def _touching_border(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected areas that reach the border of the image."""
    from scipy import ndimage

    label, count = ndimage.label(inside, structure=np.ones((3, 3)))
    outer = np.zeros(count + 1, dtype=bool)
    for border in (label[0], label[-1], label[:, 0], label[:, -1]):
        outer[border] = True
    outer[0] = False
    return outer[label]
