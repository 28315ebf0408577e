"""Is the line spread symmetric? The part of the transform out of phase with the edge, held against its own noise.

Two views, since causes differ. In bands of frequency the out-of-phase part is compared with the error of the MTF: a
faint second edge or a ghost far from the edge shows at low frequencies, a slow read-out at all. And it is projected on
smooth odd shapes, M(f) times f^3 and f^5 freed of a shift of the edge, whose noise follows from the groups of rows: a
bent characteristic curve, a knee or a clipped side moves the phase a little at all frequencies alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Float = NDArray[np.float64]
Blocks = Sequence[tuple[slice, slice, NDArray[np.complex128]]]

BANDS = (0.004, 0.05, 0.2, 0.5)
"""Bands of frequency [cycles/px]."""
BAND_RATIO = 2.4
"""Rms over that of the error in a band that stands out: correlated noise reaches 1.7 on analytic edges."""
SHAPE_CHANCE = 5e-5
"""Chance that noise alone moves a projection so far; the limit in standard errors is Student's, 4.9 for 20 groups."""
NOISE_FLOOR = 0.5
"""Of the largest error: where correlated noise leaves little at high frequencies, the noise of the shift remains."""
LEAST = 0.004
"""Rms, as a share of the rms MTF in the band, that is worth a word: it comes with errors of the MTF of 0.01 and more."""


def out_of_phase(
    frequency_px: Float,
    odd: Float,
    mtf: Float,
    error: Float,
    blocks: Blocks,
    factor: NDArray[np.complex128],
    deviation: Float,
) -> float:
    """Largest significant asymmetry: rms of the odd part over that of the MTF; 0 where noise explains it.

    Parameters
    ----------
    frequency_px : ndarray, shape (n,)
    odd, mtf, error : ndarray, shape (n,)
        Part of the normalised transform in quadrature, after the shift of the edge was taken out; the MTF; and its
        standard error, which that of `odd` resembles.
    blocks, factor
        Waves of the transform and what they are multiplied by, normalised, the shift of the edge taken out.
    deviation : ndarray, shape (groups, bins)
    """
    error = np.maximum(error, NOISE_FLOOR * error.max())
    found = [_in_band(odd, mtf, error, (frequency_px > a) & (frequency_px <= b)) for a, b in itertools.pairwise(BANDS)]
    weights, shape = _odd_shapes(frequency_px, mtf)
    amount = weights @ odd
    response = np.zeros((weights.shape[0], deviation.shape[1]))
    for rows, bins, wave in blocks:
        basis = weights[:, rows] @ (wave * factor[rows, None]).imag
        response[:, bins.start + 1 : bins.stop + 1] += basis
        response[:, bins.start : bins.stop] -= basis
    spread = np.sqrt(((deviation @ response.T) ** 2).sum(axis=0)) + 1e-12
    scale = np.sqrt((shape**2).mean(axis=1) / (mtf**2).mean())
    limit = float(stdtrit(max(deviation.shape[0] - 1, 1), 1 - SHAPE_CHANCE))
    smooth = np.where(np.abs(amount) > limit * spread, np.abs(amount) * scale, 0.0)
    largest = max(*found, *smooth.tolist())
    return float(largest) if largest > LEAST else 0.0


def _in_band(odd: Float, mtf: Float, error: Float, band: NDArray[np.bool_]) -> float:
    """Relative rms in a band if it stands out of the noise."""
    power, noise = float((odd[band] ** 2).mean()), float((error[band] ** 2).mean())
    if power < BAND_RATIO**2 * noise:
        return 0.0
    return float(np.sqrt((power - noise) / (mtf[band] ** 2).mean()))


def _odd_shapes(frequency_px: Float, mtf: Float) -> tuple[Float, Float]:
    """Weights that give the amounts of M f^3 and M f^5 whatever the shift of the edge, and those shapes."""
    x = frequency_px / frequency_px[-1]
    shapes = np.stack([mtf * x, mtf * x**3, mtf * x**5])
    q, r = np.linalg.qr(shapes.T)
    # Orthonormal shapes, each free of those before it: amounts are those of the part that is new.
    rest = q[:, 1:] * np.diag(r)[1:]
    return np.asarray(q[:, 1:].T / np.diag(r)[1:, None]), np.asarray(rest.T)
