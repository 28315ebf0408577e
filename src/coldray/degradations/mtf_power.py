"""A physical alternative to the blend: the MTF ratio raised to the strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.degradations._strength import check_strength
from coldray.physics.pair import DetectorPair


@dataclass(frozen=True, eq=False)
class Degradation:
    """Family of blurs that compose: strengths add up like the thickness of a diffusing layer.

    Parameters
    ----------
    pair : DetectorPair
        The two detectors whose MTF ratio is the full blur.
    """

    pair: DetectorPair

    def transfer(self, frequency_lp_mm: NDArray[np.floating], strength: float) -> NDArray[np.float64]:
        """Contrast that survives a partial blur, ratio**strength.

        Parameters
        ----------
        frequency_lp_mm : ndarray, any shape
            Spatial frequency [cycles/mm].
        strength : float
            0 leaves the sharp image, 1 gives the blurred one.

        Returns
        -------
        ndarray, same shape
            1 at zero frequency.

        Raises
        ------
        StrengthError
            If `strength` is outside [0, 1].
        """
        check_strength(strength)
        return np.asarray(self.pair.ratio(frequency_lp_mm) ** strength)
