"""Pixels in rows along an edge: as they are, or along a diagonal of the image, without interpolation.

Along a diagonal the pixels lie on lines 1/sqrt(2) px apart, sqrt(2) px from each other, and every second line is
shifted by half that distance. An edge near the diagonal crosses these lines as a near-upright one crosses rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.arrays import Scalar

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """How an array of pixels lies in the image.

    Parameters
    ----------
    column_px, row_px : float
        Distance of neighbours in a row, and of rows [px].
    shift : float
        Columns by which every second row lies further right.
    first_shifted : int
        0 if the first row is shifted, else 1.
    mirrored : bool
        True if the columns of the image were reversed before.
    """

    column_px: float = 1.0
    row_px: float = 1.0
    shift: float = 0.0
    first_shifted: int = 1
    mirrored: bool = False

    @property
    def diagonal(self) -> bool:
        """True along a diagonal."""
        return self.shift > 0

    def shifts(self, row: Float) -> Float:
        """Columns by which rows lie further right."""
        return np.asarray(self.shift * (np.rint(row).astype(np.int64) % 2 == self.first_shifted), dtype=np.float64)

    def cut(self, first_row: int) -> Lattice:
        """The lattice of the rows from `first_row` on."""
        return Lattice(self.column_px, self.row_px, self.shift, (self.first_shifted + first_row) % 2, self.mirrored)


UPRIGHT = Lattice()


def along_diagonal(image: NDArray[Scalar], mirrored: bool) -> tuple[NDArray[Scalar], Lattice]:
    """The middle of an image in rows along its main diagonal, or along the other one if `mirrored`.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    mirrored : bool
        Take the diagonal from the upper right to the lower left.

    Returns
    -------
    pixels : ndarray, shape (n, n // 2)
        The square turned by 45 degrees inside the largest middle square of the image; a column step leads right
        and up (in the mirrored image, if `mirrored`).
    lattice : Lattice
    """
    rows, cols = image.shape
    side = min(rows, cols)
    top, left = (rows - side) // 2, (cols - side) // 2
    square = image[top : top + side, left : left + side]
    if mirrored:
        square = square[:, ::-1]
    half = (side - 1) // 2
    along = np.arange(side - 1 - half, side + half)[:, None]
    odd = (along + half) % 2
    across = -half + odd + 2 * np.arange(half)
    lattice = Lattice(np.sqrt(2), np.sqrt(0.5), 0.5, 0 if odd[0, 0] else 1, mirrored)
    return square[(along - across) // 2, (along + across) // 2], lattice
