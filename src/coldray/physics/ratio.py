"""The ratio of two MTFs, how far it can be trusted, and what is restored where it cannot."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve

Float = NDArray[np.float64]

SURE = 0.5
"""Relative half-width (k = 2) of the ratio up to which it is trusted fully; at 1 it is not trusted at all."""
SAMPLES = 2**12
"""Points of the grid on which trust is found and the ratio continued."""
FALLS_ON = 4.0
"""Trust that was partly lost where the tables end falls on beyond, by this times the part lost per such frequency."""
NOTHING = 1e-9
"""MTF that no table tells from zero."""
ROUGH_BELOW = 0.5
"""MTF below which the rises of a table without a band are taken for its noise."""


class TransferRatio:
    """MTF_blurred / MTF_sharp by written-down rules, and the trust it deserves.

    Parameters
    ----------
    blurred, sharp : FrequencyCurve
        MTFs of the thick and the thin screen on equal pixels, with their k = 2 bands if they were measured.
    floor : float
        Smallest trustworthy sharp MTF; also the smallest ratio returned.

    Raises
    ------
    PhysicsError
        If a curve is not positive at zero frequency, or the sharp one lies below the floor everywhere.

    Notes
    -----
    Rules, both curves normalised to 1 at zero:

    1. The ratio r has the relative half-width e = hypot(e_blurred / MTF_blurred, e_sharp / MTF_sharp), e_x half the
       k = 2 band. A curve without a band is taken as exact while it falls, as an MTF of physics does; twice the rms of what
       it rises by, below an MTF of 0.5, counts as its half-width.
    2. Trust is 1 for e <= 0.5, falls smoothly to 0 at e = 1 (a curve no longer stands above its band), and with r below
       the floor; once lost it does not come back, for noise beyond is no measurement. What is partly lost where the tables
       end falls on to 0 beyond, the sooner the more was lost: a half is gone a quarter farther.
    3. The ratio is continued by log r = integral of trust d(log r): where trust is 1 it is the quotient, where trust is 0 it
       holds. It holds too where the sharp MTF is below the floor and beyond the shorter table, so the diagonal up to
       sqrt(2) Nyquist is defined.
    4. The result is clipped to [floor, 1]: a thick screen is never taken for sharper.

    Equal curves have the ratio 1 at every frequency, whatever their bands.

    References
    ----------
    Oh et al., diffusion-inspired deblur model for X-ray detectors, eq. 1.
    """

    def __init__(self, blurred: FrequencyCurve, sharp: FrequencyCurve, floor: float = 0.02) -> None:
        self.blurred, self.sharp, self.floor = blurred, sharp, floor
        self._zero = float(blurred(0.0)), float(sharp(0.0))
        if min(self._zero) <= 0:
            raise PhysicsError("an MTF must be positive at zero frequency")
        self._last = self._last_divisible()

    def _last_divisible(self) -> float:
        """Last frequency [cycles/mm] up to which both curves are tabulated and the sharp MTF is at least the floor."""
        last = min(self.blurred.last_frequency_lp_mm, self.sharp.last_frequency_lp_mm)
        common = np.union1d(self.blurred.frequency_lp_mm, self.sharp.frequency_lp_mm)
        common = common[common <= last]
        weak = np.flatnonzero(self.sharp(common) / self._zero[1] < self.floor)
        if weak.size == 0:
            return last
        if weak[0] == 0:
            raise PhysicsError("the sharp MTF is below the floor everywhere; nothing can be divided by it")
        return float(common[weak[0] - 1])

    def _quotient(self, frequency: Float) -> Float:
        return np.asarray((self.blurred(frequency) / self._zero[0]) / (self.sharp(frequency) / self._zero[1]))

    @cached_property
    def _grid(self) -> tuple[Float, Float, Float]:
        """Frequencies [cycles/mm], trust and continued log ratio at them."""
        frequency = np.linspace(0.0, self._last, SAMPLES)
        quotient = self._quotient(frequency)
        uncertain = np.hypot(relative_half_width(self.blurred, frequency), relative_half_width(self.sharp, frequency))
        trust = _smooth((1.0 - uncertain) / (1.0 - SURE)) * _smooth(quotient / self.floor)
        trust = np.minimum.accumulate(trust)
        lost = 1.0 - trust[-1]
        log_ratio = np.log(np.maximum(quotient, np.finfo(float).tiny))
        steps = np.diff(log_ratio) * 0.5 * (trust[1:] + trust[:-1])
        continued = np.concatenate([[0.0], np.cumsum(np.where(trust[1:] > 0, steps, 0.0))])
        if 0 < lost < 1:
            gone = self._last * (1.0 + trust[-1] / (FALLS_ON * lost))
            frequency, trust = np.append(frequency, gone), np.append(trust, 0.0)
            continued = np.append(continued, continued[-1])
        return frequency, trust, continued

    @cached_property
    def full_trust_lp_mm(self) -> float:
        """Frequency [cycles/mm] up to which the quotient of the tables is taken as it is; infinite if at all frequencies."""
        frequency, trust, _ = self._grid
        lost = np.flatnonzero(trust < 1)
        return float("inf") if lost.size == 0 else float(frequency[max(int(lost[0]) - 1, 0)])

    @cached_property
    def half_trust_lp_mm(self) -> float:
        """Frequency [cycles/mm] at which trust has fallen to a half; infinite if it nowhere does."""
        frequency, trust, _ = self._grid
        lost = np.flatnonzero(trust < 0.5)
        if lost.size == 0:
            return float("inf")
        i = int(lost[0])
        return float(np.interp(-0.5, -trust[i - 1 : i + 1], frequency[i - 1 : i + 1])) if i else 0.0

    def __call__(self, frequency_lp_mm: ArrayLike) -> Float:
        """Ratio within [floor, 1] at any frequency [cycles/mm], exactly 1 at zero; same shape as the argument."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        held = np.minimum(frequency, self._last)
        ratio = self._quotient(np.minimum(held, self.full_trust_lp_mm))
        if np.isfinite(self.full_trust_lp_mm):
            grid, _, log_ratio = self._grid
            ratio = np.where(held <= self.full_trust_lp_mm, ratio, np.exp(np.interp(held, grid, log_ratio)))
        return np.asarray(np.where(frequency == 0, 1.0, np.clip(ratio, self.floor, 1.0)))

    def trust(self, frequency_lp_mm: ArrayLike) -> Float:
        """Trust in the ratio, 0 to 1, at any frequency [cycles/mm]; it never rises with frequency."""
        frequency, trust, _ = self._grid
        return np.interp(np.asarray(frequency_lp_mm, dtype=np.float64), frequency, trust)

    def target(self, frequency_lp_mm: ArrayLike) -> Float:
        """What a restoration may aim at: the sharp image where the ratio is trusted, the blurred one where it is not.

        Returns
        -------
        ndarray, shape of `frequency_lp_mm`
            trust + (1 - trust) ratio, the transfer from the sharp image to the aim.

        Notes
        -----
        A result x through this transfer R has the gain R / ratio over the measurement: 1 / ratio where trust is 1, and 1
        (nothing amplified) where it is 0. What a prior invents there is kept to the share that the measurement passes.
        """
        trust = self.trust(frequency_lp_mm)
        return np.asarray(trust + (1.0 - trust) * self(frequency_lp_mm))


def relative_half_width(curve: FrequencyCurve, frequency_lp_mm: Float) -> Float:
    """Half the k = 2 band of a curve over its value; infinite where the value is not positive and uncertain."""
    value = curve(frequency_lp_mm)
    if curve.low is not None and curve.high is not None:
        half = 0.5 * curve.width(frequency_lp_mm)
    else:
        half = np.full(value.shape, rise_noise(curve))
    lost = np.where(half > 0, np.inf, 0.0)
    positive = value > NOTHING
    return np.asarray(np.where(positive, half / np.where(positive, value, 1.0), lost))


def rise_noise(curve: FrequencyCurve) -> float:
    """Half-width (k = 2) that a table without a band shows by rising where an MTF falls, in its own units.

    Notes
    -----
    Distance to the nearest curve that never rises (isotonic regression, weighted by the spacing of the points so that a
    table says the same on a finer grid), over the frequencies beyond the first fall below half.
    """
    normalised = curve.value / float(curve(0.0))
    start = int(np.argmax(normalised < ROUGH_BELOW))
    if normalised[start] >= ROUGH_BELOW or normalised.size - start < 3:
        return 0.0
    value, frequency = curve.value[start:], curve.frequency_lp_mm[start:]
    if np.all(np.diff(value) <= 0):
        return 0.0
    from scipy.optimize import isotonic_regression

    weight = np.gradient(frequency)
    fitted = isotonic_regression(value, weights=weight, increasing=False).x
    return 2.0 * float(np.sqrt(np.average((value - fitted) ** 2, weights=weight)))


def _smooth(x: Float) -> Float:
    """Smooth step from 0 at x <= 0 to 1 at x >= 1."""
    inside = np.clip(x, 0.0, 1.0)
    return np.asarray(inside * inside * (3.0 - 2.0 * inside))
