"""How much contrast objects hold at each spatial frequency: the prior a linear filter needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError


@dataclass(frozen=True)
class ObjectPrior:
    """Mean power spectrum of transmission images, A / (1 + (f/f0)^beta).

    Parameters
    ----------
    amplitude_mm2 : float
        Power towards zero frequency [fraction of open beam squared, mm2].
    corner_lp_mm : float
        Frequency f0 where the power has halved [cycles/mm].
    exponent : float
        Fall-off beta.

    Notes
    -----
    Defaults are the fit to the training boards, see ``benchmarks/object_prior.py``.
    """

    amplitude_mm2: float = 0.13
    corner_lp_mm: float = 0.19
    exponent: float = 2.7

    def __post_init__(self) -> None:
        if min(self.amplitude_mm2, self.corner_lp_mm, self.exponent) <= 0:
            raise PhysicsError("amplitude, corner frequency and exponent of the object prior must be positive")

    def __call__(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Power [fraction squared, mm2] at radial frequency [cycles/mm]."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        return self.amplitude_mm2 / (1.0 + (frequency / self.corner_lp_mm) ** self.exponent)
