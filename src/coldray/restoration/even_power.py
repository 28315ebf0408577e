"""How strong the noise of a frame is, by its own even ground: the check of the power that the gate counts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.compiled import special
from coldray.errors import DetectorError, MeasurementError
from coldray.frame import Frame
from coldray.restoration.noise import power_found

TOLERANCE = 1.25
"""Ratio of shown to stated noise power up to which the stated one is used."""
LOW_QUANTILE = 0.1
"""Of the evidence's own scale: where structure is rare, the lowest decile is noise."""
EVEN_SPREAD = 2.5
"""How many standard deviations around their scale neighbourhoods count as alike."""
LEAST_EVEN, NEARLY_ALL = 0.3, 0.85
"""Shares of a frame alike as noise is, from which its lowest decile may lower the power, and raise it."""
MOST_REDDENED = 4.0
"""How much more power than the high band shows even ground may show; beyond, it is structure that is alike all over."""
BLANK = 1e-3
"""Share of the stated power below which a neighbourhood holds no noise: blank, clipped or padded."""

EVEN_GROUND, HIGH_BAND, NO_NOISE, NOTHING = "even ground", "high band", "no noise", "nothing"


@dataclass(frozen=True)
class Power:
    """Noise power the gate counts with, against the one stated, band by band.

    Parameters
    ----------
    shown : tuple of float
        What the frame shows over what is stated; NaN where nothing shows it.
    used : tuple of float
        Factor on the stated power.
    witness : str
        Where the frame shows its noise: "even ground", "high band", "no noise" or "nothing".
    """

    shown: tuple[float, ...]
    used: tuple[float, ...]
    witness: str

    @property
    def known(self) -> bool:
        """Whether anything confirms or corrects the stated power; without it nothing can be told from noise."""
        return self.witness != NOTHING

    def warnings(self) -> list[str]:
        """What the user must know: both powers where they differ, or that none could be had."""
        if not self.known:
            return [
                "neither even ground nor a high band shows how strong the noise of this frame is; the linear filter "
                "is used everywhere; give `exposure_s` or `flats`, and frames of at least 64x64 pixels"
            ]
        off = [s for s, u in zip(self.shown, self.used, strict=True) if u != 1.0 and s == u]
        if not off:
            return []
        low, high = f"{min(off):.2g}", f"{max(off):.2g}"
        return [
            f"the frame's own {self.witness} shows {low if low == high else f'{low} to {high}'} times the stated noise "
            "power (1); structure is told from noise by what the frame shows"
        ]


@lru_cache(maxsize=64)
def _lowest_decile(sd: float) -> float:
    """Lowest decile over the mean of a gamma law of the given relative standard deviation."""
    return float(special("gammaincinv")(1.0 / sd**2, LOW_QUANTILE) * sd**2)


def even_scale(energy: NDArray[np.floating], sd: float) -> tuple[float, float]:
    """Scale of the evidence on even ground, and how much of the frame is as alike as noise is.

    Parameters
    ----------
    energy : ndarray
        Mean whitened energy of every neighbourhood, in units of the stated noise.
    sd : float
        Its relative standard deviation under noise alone.

    Returns
    -------
    scale, share : float
        Lowest decile over that of the statistic's law, and the share of neighbourhoods within `EVEN_SPREAD` standard
        deviations of it.
    """
    scale = max(float(np.quantile(energy, LOW_QUANTILE)), BLANK) / _lowest_decile(round(sd, 6))
    return scale, float(np.mean(np.abs(energy / scale - 1.0) < EVEN_SPREAD * sd))


def judge_power(frame: Frame, bands: Sequence[tuple[NDArray[np.floating], float]]) -> Power:
    """Compare the stated noise power with what the frame shows.

    Parameters
    ----------
    frame : Frame
    bands : sequence of (energy, sd)
        Of every band: mean whitened energy of every neighbourhood, unclipped, and its relative standard deviation
        under noise alone.

    Returns
    -------
    Power
        What the frame shows is used where it is off by more than `TOLERANCE`.

    Notes
    -----
    Structure only adds energy, so the lowest decile bounds the noise from above: it lowers the power where a fair share
    of the frame agrees, and raises it only where nearly all of the frame is as alike as noise is, band by band,
    whatever its colour. A frame that is structure all over has no such ground; its witness is the band just below
    Nyquist, where a thick screen passes next to nothing but noise, and that may only raise the power: too high a power
    keeps the gate shut, too low a one opens it on noise. A mesh or a texture is as alike all over as noise is, with many times
    its power, and shows none of it in the high band: it is structure.
    """
    finest, sd = bands[0]
    alive = finest[finest > BLANK]
    if not alive.size:
        # a blank frame: nothing is structure, whatever the power
        return Power((0.0,) * len(bands), (1.0,) * len(bands), NO_NOISE)
    scale, share = even_scale(alive, sd)
    even = share >= NEARLY_ALL or (scale < TOLERANCE and share * alive.size >= LEAST_EVEN * finest.size)
    high = None if even and scale <= TOLERANCE else _high_band(frame)
    if even and high is not None and scale > MOST_REDDENED * max(high, 1.0):
        even = False
    if even:
        witness = EVEN_GROUND
    elif high is not None:
        scale, witness = high, HIGH_BAND
    else:
        return Power((float("nan"),) * len(bands), (1.0,) * len(bands), NOTHING)
    shown = [scale]
    for energy, sd in bands[1:]:
        wide, share = even_scale(energy, sd)
        # only noise of another colour: a wide band alone is too coarse a measure to be taken at its word
        shown.append(wide if even and share >= NEARLY_ALL and wide > TOLERANCE * scale else scale)
    return Power(tuple(shown), tuple(_used(s, lower=even) for s in shown), witness)


def _high_band(frame: Frame) -> float | None:
    """Power over the stated one just below Nyquist; None where a frame is too small to show it."""
    try:
        return float(frame.once(power_found))
    except (MeasurementError, DetectorError):
        return None


def _used(shown: float, lower: bool) -> float:
    """Factor on the stated power: what is shown, unless it is near, or below and not to be lowered."""
    if shown > TOLERANCE:
        return shown
    return max(shown, BLANK) if lower and shown < 1 / TOLERANCE else 1.0
