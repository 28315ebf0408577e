"""FrequencyCurve: a radial curve over spatial frequency (MTF, NNPS, CTF, DQE)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.document import Json
from coldray.errors import PhysicsError


@dataclass(frozen=True, eq=False)
class FrequencyCurve:
    """A tabulated curve of radial frequency, linear between its points.

    Parameters
    ----------
    frequency_lp_mm : array_like, shape (n,), n >= 2
        Strictly increasing, non-negative [cycles/mm].
    value : array_like, shape (n,)
        Curve value; finite.
    low, high : array_like, shape (n,), optional
        Lower and upper end of the k = 2 band.

    Raises
    ------
    PhysicsError
        If lengths differ, frequencies do not increase, or a value is not finite.

    Notes
    -----
    Below the first point the curve holds its first value; beyond the last point it holds its last
    value. `over` and `Detector` state where that matters.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray import FrequencyCurve
    >>> f = np.linspace(0, 10, 201)
    >>> mtf = FrequencyCurve(f, np.exp(-f / 4))
    >>> round(float(mtf(4.0)), 4), round(mtf.frequency_at(0.5), 2)
    (0.3679, 2.77)
    """

    frequency_lp_mm: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        frequency = np.asarray(self.frequency_lp_mm, dtype=np.float64)
        value = np.asarray(self.value, dtype=np.float64)
        object.__setattr__(self, "frequency_lp_mm", frequency)
        object.__setattr__(self, "value", value)
        if frequency.ndim != 1 or frequency.size < 2 or frequency.shape != value.shape:
            raise PhysicsError(
                f"a curve needs two equally long lists of at least 2 points; found {frequency.shape} and {value.shape}"
            )
        if not (np.all(np.isfinite(frequency)) and np.all(np.isfinite(value))):
            raise PhysicsError("a curve holds NaN or infinite points; remove them")
        if frequency[0] < 0 or np.any(np.diff(frequency) <= 0):
            raise PhysicsError("curve frequencies must increase strictly from >= 0 lp/mm")
        for name in ("low", "high"):
            band = getattr(self, name)
            if band is not None:
                band = np.asarray(band, dtype=np.float64)
                if band.shape != frequency.shape:
                    raise PhysicsError(f"the {name} band has {band.size} points, the curve {frequency.size}")
                if not np.all(np.isfinite(band)):
                    raise PhysicsError(f"the {name} band holds NaN or infinite points; remove them")
                object.__setattr__(self, name, band)

    def __call__(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Evaluate at any frequency [cycles/mm]; same shape as the argument."""
        return np.interp(np.asarray(frequency_lp_mm, dtype=np.float64), self.frequency_lp_mm, self.value)

    def width(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Width of the k = 2 band at any frequency [cycles/mm]; 0 without a band."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        if self.low is None or self.high is None:
            return np.zeros(frequency.shape)
        return np.interp(frequency, self.frequency_lp_mm, np.maximum(self.high - self.low, 0.0))

    @property
    def last_frequency_lp_mm(self) -> float:
        """Largest tabulated frequency [cycles/mm]."""
        return float(self.frequency_lp_mm[-1])

    def frequency_at(self, level: float) -> float | None:
        """First frequency [cycles/mm] where the curve falls below `level`; None if it never does."""
        below = np.flatnonzero(self.value < level)
        if below.size == 0 or below[0] == 0:
            return None
        i = int(below[0])
        f0, f1 = self.frequency_lp_mm[i - 1 : i + 1]
        v0, v1 = self.value[i - 1 : i + 1]
        return float(f0 + (v0 - level) / (v0 - v1) * (f1 - f0))

    def scaled(self, factor: float) -> FrequencyCurve:
        """Curve with its values (and band) multiplied by `factor`."""
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return FrequencyCurve(self.frequency_lp_mm, self.value * factor, low, high)

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form."""
        out: dict[str, Json] = {"frequency_lp_mm": self.frequency_lp_mm.tolist(), "value": self.value.tolist()}
        if self.low is not None and self.high is not None:
            out |= {"low": self.low.tolist(), "high": self.high.tolist()}
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FrequencyCurve:
        """Inverse of `to_dict`."""
        try:
            return cls(data["frequency_lp_mm"], data["value"], data.get("low"), data.get("high"))
        except KeyError as missing:
            raise PhysicsError(f"a curve needs the key {missing}; it holds {sorted(data)}") from None
