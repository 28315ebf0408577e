"""Constants of the gate between network and linear reading; a model's header may carry its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import CheckpointError
from coldray.physics.curves import FrequencyCurve

Float = NDArray[np.float64]

EARLIER_BASE_PX = 36.0
"""Width of the one base of models whose headers state none."""
MOST_SHARE = 2.0
"""Largest share of the data-consistency gain: beyond it the correction of a prediction could outgrow its error."""


@dataclass(frozen=True)
class Band:
    """One band in which structure is sought.

    Parameters
    ----------
    low, high : float
        Corners, falling with the fourth power inside an exponential [cycles/pixel].
    sigma_px : float
        Width of the neighbourhood whose energy counts [pixels].
    """

    low: float
    high: float
    sigma_px: float

    def passes(self, u: Float) -> Float:
        """Gain at radial frequency u [cycles/pixel]."""
        return np.asarray(-np.expm1(-((u / self.low) ** 4)) * np.exp(-((u / self.high) ** 4)))


@dataclass(frozen=True)
class Base:
    """One width over which the mean of even ground is taken.

    Parameters
    ----------
    sigma_px : float
        Of a Gaussian [pixels].
    share : float
        What it counts for in the mean.
    """

    sigma_px: float
    share: float = 1.0


@dataclass(frozen=True)
class OpenShare:
    """One point of the least share of the data-consistency gain where the gate is open.

    Parameters
    ----------
    share : float
    cycles_px : float
        Frequency [cycles/pixel]; the share is linear between points and held beyond the first and the last.
    """

    share: float
    cycles_px: float = 0.0


@dataclass(frozen=True)
class EvenConstants:
    """Constants of the gate and of the linear filter; a model's header may carry its own.

    Parameters
    ----------
    bands : tuple of Band
    clip : float
        Largest whitened energy of one pixel, so that a strong edge does not open the gate far away.
    closed_below, open_above : float
        Evidence in standard deviations of noise up to which the gate is shut, and from which it is open.
    contrast : float
        The user's dial: contrast that faint details keep is 1.6 times this.
    most_gain : float
        Largest inverse of the blur.
    roll_off : float
        Where the linear filter falls off [cycles/pixel].
    largest : float
        Largest gain of the linear filter.
    bases : tuple of Base
        Widths of the mean over even ground, whose shares sum to 1: what is wider counts as shading and is kept whole. Of several
        widths the contrast that is kept grows slowly with the size of what is seen.
    open_share : tuple of OpenShare
        Least share of the data-consistency gain where the gate is open, by rising frequency. A header may have one number.
    """

    bands: tuple[Band, ...] = (Band(0.025, 1.0, 5.0), Band(0.025, 0.09, 8.0), Band(0.02, 0.05, 14.0))
    clip: float = 25.0
    closed_below: float = 7.0
    open_above: float = 14.0
    contrast: float = 0.3
    most_gain: float = 1.6
    roll_off: float = 0.35
    largest: float = 1.2
    bases: tuple[Base, ...] = (Base(10.0, 0.3), Base(36.0, 0.5), Base(72.0, 0.2))
    open_share: tuple[OpenShare, ...] = (OpenShare(0.3),)

    @classmethod
    def of_header(cls, found: Mapping[str, Any]) -> EvenConstants:
        """Constants from the entry ``even`` of a model's header; where it is silent, the defaults, and one base as there was then.

        Raises
        ------
        CheckpointError
            If there is a constant of another name, or one is not positive.
        """
        found = {"bases": [{"sigma_px": found.get("base_sigma_px", EARLIER_BASE_PX)}]} | dict(found)
        found.pop("base_sigma_px", None)
        if "open_share" in found and not isinstance(found["open_share"], list):
            found["open_share"] = [{"share": found["open_share"]}]
        unknown = set(found) - {f.name for f in fields(cls)}
        if unknown:
            raise CheckpointError(
                f"even: the model's header has unknown constants {', '.join(sorted(unknown))}; "
                "it was written by another version of coldray"
            )
        try:
            values: dict[str, Any] = {name: float(v) for name, v in found.items() if name not in SEVERAL}
            for name, kind in SEVERAL.items():
                if name in found:
                    values[name] = tuple(kind(**{k: float(v) for k, v in part.items()}) for part in found[name])
            made = cls(**values)
        except (TypeError, ValueError, AttributeError) as problem:
            raise CheckpointError(f"even: the model's header cannot be read ({problem})") from None
        numbers = [getattr(made, f.name) for f in fields(made) if f.name not in SEVERAL]
        numbers += [v for base in made.bases for v in (base.sigma_px, base.share)]
        if not made.bands or not min(numbers) > 0 or not made.open_above > made.closed_below:
            raise CheckpointError("even: constants must be positive, with open_above over closed_below and some band")
        if not is_curve(made.open_share):
            raise CheckpointError(f"even: open_share must be {CURVE}")
        if not math.isclose(sum(base.share for base in made.bases), 1.0, abs_tol=1e-6):
            raise CheckpointError("even: the shares of the bases must sum to 1, so that a constant stays constant")
        return made

    def to_header(self) -> dict[str, Json]:
        """JSON-able form, as `of_header` takes it."""
        several: dict[str, Json] = {name: [asdict(part) for part in getattr(self, name)] for name in SEVERAL}
        if len(self.open_share) == 1:
            several["open_share"] = self.open_share[0].share
        return asdict(self) | several

    def least_share(self) -> FrequencyCurve:
        """Least share of the data-consistency gain over cycles/pixel."""
        points = self.open_share
        u = [*(p.cycles_px for p in points), points[-1].cycles_px + 1.0]
        return FrequencyCurve(np.array(u), np.array([*(p.share for p in points), points[-1].share]))


CURVE = f"shares of 0 to {MOST_SHARE:g} at rising frequencies >= 0"


def is_curve(points: Sequence[OpenShare]) -> bool:
    """Whether points are what `CURVE` says: there are some, and every frequency is finite and above the one before."""
    frequencies = [*(point.cycles_px for point in points), math.inf]
    within = all(0 <= point.share <= MOST_SHARE and point.cycles_px >= 0 for point in points)
    return bool(points) and within and all(after > before for before, after in itertools.pairwise(frequencies))


SEVERAL: Mapping[str, type[Band] | type[Base] | type[OpenShare]] = {
    "bands": Band, "bases": Base, "open_share": OpenShare,
}  # fmt: skip
"""Constants of which there are several, and what each of them is."""
