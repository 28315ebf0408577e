"""What makes single bar groups doubtful."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coldray.errors import MeasurementError
from coldray.metrology.bars.grating import Grating
from coldray.metrology.bars.group import BarGroup, Roi

RESOLVED = 4.0
"""Amplitude over its standard uncertainty from which on bars stand out of the noise."""
IMPOSSIBLE = 1.02
"""A CTF that is told to be impossible."""
ALONG_PIXELS = 0.05
"""Tilt of a group over its width [periods] below which bars count as along the pixels."""
UNEVEN_DUTY = 0.08
SEPARATED = 1.0
"""Harmonics up to here [cycles/pixel] matter for the square-wave response."""
FREQUENCY_TOLERANCE, SAME_BARS = 0.1, 0.03
ODD_ANGLE_DEG = 1.5
TAPER_LOSS = 0.005
"""Part of the CTF lost to bars that are not parallel that is told."""


def flag(found: list[tuple[Grating, Roi]], groups: tuple[BarGroup, ...], warnings: list[str]) -> None:
    """Warn of what makes single groups doubtful."""
    for (grating, _), group in zip(found, groups, strict=True):
        name = f"group at {group.frequency_lp_mm:.3g} lp/mm"
        if grating.amplitude[0] < RESOLVED * grating.amplitude_sd:
            warnings.append(f"{name}: bars do not stand out from the noise")
        if group.ctf - 2 * group.ctf_sd > IMPOSSIBLE:
            warnings.append(
                f"{name}: a CTF of {group.ctf:.2f} is impossible, so the plateaus are wrong; give their levels"
            )
        if grating.frequency > 0.5:
            warnings.append(f"{name}: beyond Nyquist and aliased; told from coarser bars by its tilt alone")
        elif _could_be_an_alias(grating, group):
            warnings.append(
                f"{name}: may be aliased bars at {group.frequency_lp_mm / grating.frequency * (1 - grating.frequency):.3g} "
                "lp/mm, beyond Nyquist, for bars along the pixels give the same samples; tilt by 1-3 deg"
            )
        if grating.tapered > TAPER_LOSS:
            warnings.append(
                f"{name}: the bars are not parallel, their period changes by {100 * abs(grating.taper):.1f} % from end to "
                f"end: the CTF is too low by about {100 * grating.tapered:.0f} %"
            )
        second = np.flatnonzero(grating.order == 2)
        if second.size and grating.amplitude[second[0]] > UNEVEN_DUTY * grating.amplitude[0] + 4 * grating.amplitude_sd:
            warnings.append(f"{name}: bars and spaces differ in width, the series assumes 50 % duty")
        if grating.span < 3.4:
            warnings.append(f"{name}: only {grating.span:.1f} line pairs, taken as an endless grating")
        if (grating.order[-1] + 2) * grating.frequency < SEPARATED:
            warnings.append(
                f"{name}: bars run along the pixels, harmonics cannot be told from aliases; tilt by 1-3 deg"
            )
    angles = np.array([g.angle_deg for g in groups])
    apart = np.abs(angles - np.median(angles))
    odd = np.minimum(apart, np.abs(90 - apart)) > ODD_ANGLE_DEG
    for group in (g for g, o in zip(groups, odd, strict=True) if o and len(groups) > 2):
        warnings.append(
            f"group at {group.frequency_lp_mm:.3g} lp/mm is tilted by {group.angle_deg:.1f} deg, the others by "
            f"{np.median(angles):.1f}: another direction, or an alias of finer bars"
        )


def compare(found: list[tuple[Grating, Roi]], nominal: Sequence[float], pitch: float, warnings: list[str]) -> None:
    """Check measured against nominal frequencies, in the order of the regions."""
    if len(nominal) != len(found):
        raise MeasurementError(f"{len(nominal)} nominal frequencies were given for {len(found)} groups")
    for (grating, _), expected in zip(found, nominal, strict=True):
        measured = grating.frequency / pitch
        if (
            grating.frequency < 0.5 < expected * pitch
            and abs(grating.alias.frequency / pitch / expected - 1) < SAME_BARS
        ):
            warnings.append(f"nominal {expected:.3g} lp/mm is beyond Nyquist: it is aliased to {measured:.3g}")
        elif abs(measured / expected - 1) > FREQUENCY_TOLERANCE:
            warnings.append(f"nominal {expected:.3g} lp/mm measures as {measured:.3g}: magnified, or aliased")


def _could_be_an_alias(grating: Grating, group: BarGroup) -> bool:
    """Whether bars along the pixels may as well be finer than Nyquist: a pixel passes no more than sinc of those."""
    v, u = (abs(part) for part in grating.wave)
    cycles = grating.span * min(v, u) / max(v, u)
    return bool(cycles < ALONG_PIXELS and 0.25 < grating.frequency < 0.5 and group.mtf < np.sinc(1 - grating.frequency))
