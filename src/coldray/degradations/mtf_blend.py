"""The paper's degradation: a linear blend of the sharp and the blurred image (eqs 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.degradations._strength import check_strength
from coldray.physics.pair import DetectorPair


@dataclass(frozen=True, eq=False)
class Degradation:
    """Blend of the sharp image and its fully blurred form.

    Parameters
    ----------
    pair : DetectorPair
        The two detectors whose MTF ratio is the blur.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray import load_detector
    >>> from coldray.degradations.mtf_blend import Degradation
    >>> from coldray.physics.pair import DetectorPair
    >>> blend = Degradation(DetectorPair(load_detector("gos135"), load_detector("gos34")))
    >>> f = np.array([0.0, 2.0, 6.0])
    >>> bool(np.allclose(blend.transfer(f, 0.5), 0.5 * (1 + blend.transfer(f, 1.0))))
    True
    """

    pair: DetectorPair

    def transfer(self, frequency_lp_mm: NDArray[np.floating], strength: float) -> NDArray[np.float64]:
        """Contrast that survives a partial blur from thin to thick phosphor.

        Parameters
        ----------
        frequency_lp_mm : ndarray, any shape
            Spatial frequency [cycles/mm].
        strength : float
            The paper's t/T: 0 leaves the sharp image, 1 gives the blurred one.

        Returns
        -------
        ndarray, same shape
            1 - strength (1 - MTF_blurred / MTF_sharp); 1 at zero, so the mean signal is kept.

        Raises
        ------
        StrengthError
            If `strength` is outside [0, 1].

        References
        ----------
        Oh et al., diffusion-inspired deblur model for X-ray detectors, eqs 1-2.
        """
        check_strength(strength)
        return 1.0 - strength * (1.0 - self.pair.ratio(frequency_lp_mm))
