"""Second-order background trends of square regions, as standards for noise ask to remove."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


class Detrend:
    """Least-squares removal of a second-order 2-D polynomial from square regions.

    Parameters
    ----------
    size : int
        Side of the regions [pixels].

    Notes
    -----
    The polynomials 1, x, y, xy, x^2, y^2 are products of one-dimensional orthonormal ones, so a fit is
    two small matrix products.
    """

    def __init__(self, size: int) -> None:
        x = np.linspace(-1, 1, size)
        self.basis, _ = np.linalg.qr(np.stack([np.ones(size), x, x**2], axis=1))
        self.keep = np.add.outer(np.arange(3), np.arange(3)) <= 2

    def __call__(self, regions: Float) -> Float:
        """Residual of regions, shape (..., n, n)."""
        coefficients = (self.basis.T @ regions @ self.basis) * self.keep
        return np.asarray(regions - self.basis @ coefficients @ self.basis.T)

    def masked(self, region: Float, mask: NDArray[np.bool_]) -> Float:
        """Residual of one region (n, n) fitted on unmasked pixels only; zero where masked."""
        good = ~mask
        i, j = np.nonzero(self.keep)
        design = self.basis[:, i][:, None, :] * self.basis[:, j][None, :, :]
        columns = design[good]
        coefficients = np.linalg.solve(columns.T @ columns, columns.T @ region[good])
        return np.asarray(np.where(good, region - design @ coefficients, 0.0))
