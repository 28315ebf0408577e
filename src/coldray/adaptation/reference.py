"""A measured reference and its own error: what of it no noise-free blurred frame gives, and how near results are to what it shows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldray.adaptation.checks import seen_of
from coldray.adaptation.spectra import Float, Spectra
from coldray.dataset.frames import BoardImages
from coldray.metrology.metrics import gain_to

STEP = 0.01
"""Width of the bins of radial frequency [cycles/pixel]: the blur hardly changes within one."""


class Reference:
    """Two halves A, B of a board's sharp frames beside its blurred frames Y.

    Parameters
    ----------
    images : BoardImages
        Registered, halves in the blurred detector's response, with two blurred frames or more.

    Notes
    -----
    Every power is the cross power of two images with independent noise, so that noise biases none. What a sharp image t of the
    scene shows at some frequency is a factor away from a blurred frame without noise. What of the reference is not,

    e = A - Y P_YA / P_YY,

    is its own error: registration, interpolation, aliasing, fixed pattern, a response that differs between materials. A factor
    in common (level, response of all materials alike) is not seen.
    """

    def __init__(self, images: BoardImages) -> None:
        assert images.frames is not None and images.halves is not None and len(images.frames) > 1
        self.window = seen_of(images)
        self._halves = [half[self.window] for half in images.halves]
        rows, cols = self._halves[0].shape
        self._spectra = Spectra((rows, cols), STEP)
        self._sharp = [self._spectra.of(half) for half in self._halves]
        self._frames = [self._spectra.of(frame[self.window]) for frame in images.frames]

    @cached_property
    def error(self) -> float:
        """Mean squared error that the halves share, sum of P_AB - P_YA^2 / P_YY [fraction of the open beam, squared]; 0 at least."""
        return max(float(np.sum(self._own)), 0.0)

    def error_of(self, result: NDArray[np.floating], number: int) -> float:
        """Mean squared error of a result against the sharp image that the reference means.

        Parameters
        ----------
        result : ndarray, shape (rows, cols)
            Of blurred frame `number`, without a border; multiplied here by the factor that fits the halves' mean best.
        number : int

        Returns
        -------
        float
            [fraction of the open beam, squared]; an estimate, which can be negative.

        Notes
        -----
        mean (x - t)^2 = mean (x - A)(x - B) + 2 mean x e - mean e^2: the error against the reference, in which the noise of the halves
        cancels; plus what the result shares of the reference's own error, by which a model that learnt it looks better than it
        is; less that error. For x e the frames that x was not made of stand for Y.
        """
        seen = np.asarray(result[self.window], dtype=np.float64)
        x = self._spectra.of(seen * gain_to(seen, 0.5 * (self._halves[0] + self._halves[1])))
        one, other = self._sharp
        rest = np.mean([frame for i, frame in enumerate(self._frames) if i != number], axis=0)
        to_halves = 0.5 * (self._spectra.cross(x, one) + self._spectra.cross(x, other))
        seen_error = self._spectra.cross(x, x) - 2 * to_halves + self._power
        shared = to_halves - self._spectra.cross(x, rest) * self._factor
        return float(np.sum(seen_error + 2 * shared - self._own))

    @cached_property
    def _power(self) -> Float:
        """P_AB."""
        return self._spectra.cross(*self._sharp)

    @cached_property
    def _own(self) -> Float:
        """Power of the reference's own error, P_AB - P_YA^2 / P_YY."""
        return np.asarray(self._power - self._between * self._factor)

    @cached_property
    def _between(self) -> Float:
        """P_YA."""
        blurred = np.mean(self._frames, axis=0)
        return np.asarray(
            0.5 * (self._spectra.cross(blurred, self._sharp[0]) + self._spectra.cross(blurred, self._sharp[1]))
        )

    @cached_property
    def _factor(self) -> Float:
        """P_YA / P_YY; 0 where the blurred frames show nothing, so that nothing speaks for the reference."""
        power = self._spectra.cross(*(np.mean(self._frames[first::2], axis=0) for first in range(2)))
        return np.where(power > 0, self._between / np.maximum(power, 1e-30), 0.0)
