"""Clusters of pixels in a mask of which little is true."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

Cluster = tuple[tuple[slice, slice], NDArray[np.bool_], int]
"""Box of pixels that adjoin each other, which of it they are, and its larger side."""


def clusters(of: NDArray[np.bool_]) -> list[Cluster]:
    """Pixels that adjoin each other along rows, columns or diagonals.

    Parameters
    ----------
    of : ndarray of bool, shape (rows, cols)

    Returns
    -------
    list of Cluster
        In the order in which rows, from the first, meet them.
    """
    rows, found = np.flatnonzero(of.any(axis=1)), []
    # what empty rows part does not adjoin: nothing as large as the image is made
    for group in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if rows.size else ():
        top = int(group[0])
        labels, _ = scipy.ndimage.label(np.asarray(of[top : group[-1] + 1]), np.ones((3, 3), dtype=bool))
        for number, (down, across) in enumerate(scipy.ndimage.find_objects(labels), 1):
            box = slice(down.start + top, down.stop + top), across
            found.append((box, labels[down, across] == number, max(s.stop - s.start for s in box)))
    return found
