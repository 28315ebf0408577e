"""Detection tasks: what is to be seen, as a spectrum in cycles/mm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

from coldray.errors import MeasurementError

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """Something to be detected on an even background.

    Parameters
    ----------
    name : str
    spectrum : callable
        Fourier transform W(v, u) [mm2] of the relative contrast over the plane; arguments broadcast.
    extent_mm : float
        Largest length of the object [mm]; sets the frequency step.
    """

    name: str
    spectrum: Callable[[Float, Float], NDArray[np.inexact]]
    extent_mm: float

    def blurred(self, sigma_mm: float) -> Task:
        """The same with its edges blurred by a Gaussian of that standard deviation [mm]."""

        def spectrum(v: Float, u: Float) -> NDArray[np.inexact]:
            return self.spectrum(v, u) * np.exp(-2 * (np.pi * sigma_mm) ** 2 * (u**2 + v**2))

        return Task(self.name, spectrum, self.extent_mm + 4 * _positive("blur", sigma_mm))


def disc(diameter_mm: float, contrast: float) -> Task:
    """Disc of relative contrast, such as a void seen along its axis or a drilled hole.

    Parameters
    ----------
    diameter_mm : float
        Diameter [mm].
    contrast : float
        Relative change of the signal.

    Returns
    -------
    Task
    """
    radius = _positive("diameter", diameter_mm) / 2

    def spectrum(v: Float, u: Float) -> NDArray[np.inexact]:
        x = 2 * np.pi * radius * np.hypot(v, u)
        safe = np.where(x == 0, 1.0, x)
        return contrast * np.pi * radius**2 * np.where(x == 0, 1.0, 2 * j1(safe) / safe)

    return Task(f"disc of {diameter_mm:g} mm", spectrum, diameter_mm)


def gaussian(sigma_mm: float, contrast: float) -> Task:
    """Gaussian spot of peak contrast.

    Parameters
    ----------
    sigma_mm : float
        Standard deviation [mm].
    contrast : float
        Relative change of the signal at the peak.

    Returns
    -------
    Task
    """
    _positive("sigma", sigma_mm)

    def spectrum(v: Float, u: Float) -> NDArray[np.inexact]:
        return contrast * 2 * np.pi * sigma_mm**2 * np.exp(-2 * (np.pi * sigma_mm) ** 2 * (u**2 + v**2))

    return Task(f"Gaussian of {sigma_mm:g} mm", spectrum, 6 * sigma_mm)


def line(width_mm: float, length_mm: float, contrast: float, angle_deg: float = 0.0) -> Task:
    """Straight crack or gap; at 0 degrees it runs along the columns (its width along x).

    Parameters
    ----------
    width_mm, length_mm : float
        Width and length [mm].
    contrast : float
        Relative change of the signal.
    angle_deg : float
        Turn of the line [deg].

    Returns
    -------
    Task
    """
    _positive("width", width_mm), _positive("length", length_mm)
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))

    def spectrum(v: Float, u: Float) -> NDArray[np.inexact]:
        across, along = u * c + v * s, v * c - u * s
        return contrast * width_mm * length_mm * np.sinc(across * width_mm) * np.sinc(along * length_mm)

    return Task(f"line of {width_mm:g} x {length_mm:g} mm", spectrum, float(np.hypot(width_mm, length_mm)))


def together(parts: Sequence[tuple[Task, float, float]]) -> Task:
    """Several tasks in one object.

    Parameters
    ----------
    parts : sequence of (Task, down_mm, across_mm)
        Each with its place against the centre [mm].
    """
    if not parts:
        raise MeasurementError("no task is given; an object needs one part or more")

    def spectrum(v: Float, u: Float) -> NDArray[np.inexact]:
        moved = [t.spectrum(v, u) * np.exp(-2j * np.pi * (v * down + u * across)) for t, down, across in parts]
        return np.asarray(np.sum(moved, axis=0))

    reach = max(t.extent_mm + 2 * float(np.hypot(down, across)) for t, down, across in parts)
    return Task(" and ".join(t.name for t, _, _ in parts), spectrum, reach)


def _positive(name: str, value: float) -> float:
    if not (np.isfinite(value) and value > 0):
        raise MeasurementError(f"the {name} of a task is {value} mm; it must be positive")
    return value
