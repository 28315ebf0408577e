"""One group of bars, measured."""

from __future__ import annotations

from dataclasses import dataclass

Roi = tuple[int, int, int, int]


@dataclass(frozen=True)
class BarGroup:
    """One group of bars.

    Parameters
    ----------
    frequency_lp_mm : float
        Bar frequency, measured [cycles/mm].
    ctf : float
        Square-wave response: difference of bar and space middles over that of the plateaus.
    ctf_sd : float
        Standard uncertainty from the noise in the group.
    ctf_low, ctf_high : float
        k = 2 band: noise in the group, plateaus, and the reading.
    mtf : float
        (pi/4) times the amplitude of the fundamental over that of the plateaus.
    angle_deg : float
        Tilt of the bars from the nearest pixel axis: positive where the column of upright bars grows
        with the row, or the row of lying ones with the column.
    periods : float
        Line pairs in the group; the outer ones are left out of the fit.
    roi : tuple of int
        X, Y, W, H of the group [pixels].
    """

    frequency_lp_mm: float
    ctf: float
    ctf_sd: float
    ctf_low: float
    ctf_high: float
    mtf: float
    angle_deg: float
    periods: float
    roi: Roi
