"""Agreement of a result with its truth, frequency by frequency: the Fourier metrics of one image pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldray.document import Json
from coldray.metrology.metrics import Convention, inner_pair
from coldray.physics.grids import dct_radial_frequency, nyquist_lp_mm

BANDS = 8


@dataclass(frozen=True, eq=False)
class Agreement:
    """Transfer and error over radial frequency.

    Parameters
    ----------
    frequency_lp_mm : ndarray, shape (bands,)
        Middle of each band, from zero to Nyquist.
    transfer : ndarray, shape (bands,)
        Share of the truth's spectrum that the result holds, sum(R X) / sum(X^2): 1 is right, less is blur.
    error : ndarray, shape (bands,)
        Power of the error over that of the truth.
    """

    frequency_lp_mm: NDArray[np.float64]
    transfer: NDArray[np.float64]
    error: NDArray[np.float64]

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            "frequency_lp_mm": self.frequency_lp_mm.round(4).tolist(),
            "transfer": self.transfer.round(4).tolist(),
            "error_over_truth": self.error.round(5).tolist(),
        }


def agreement(
    result: NDArray[np.number], truth: NDArray[np.number], pixel_pitch_mm: float, convention: Convention | None = None
) -> Agreement:
    """Compare the spectra of a result and its truth.

    Parameters
    ----------
    result, truth : ndarray, shape (rows, cols)
    pixel_pitch_mm : float
        Pixel pitch [mm].
    convention : Convention, optional
        Border and gain, as for PSNR.

    Returns
    -------
    Agreement

    Notes
    -----
    DCT-II of both images without their means. Signal and noise of one board, not a property of the method: a
    task transfer function over contrasts and doses is what `coldray benchmark paper` measures.
    """
    x, t = inner_pair(result, truth, convention or Convention())
    found, wanted = (scipy.fft.dctn(image - image.mean(), norm="ortho") for image in (x, t))
    nyquist = nyquist_lp_mm(pixel_pitch_mm)
    rows, cols = t.shape
    place = np.floor(dct_radial_frequency((rows, cols), pixel_pitch_mm) / nyquist * BANDS).astype(int).ravel()
    keep = place < BANDS

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(place[keep], values.ravel()[keep], BANDS), dtype=np.float64)

    power = np.maximum(total(wanted**2), 1e-30)
    middle = (np.arange(BANDS) + 0.5) * nyquist / BANDS
    return Agreement(middle, total(found * wanted) / power, total((found - wanted) ** 2) / power)
