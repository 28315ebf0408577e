"""Detectability index of model observers from a transfer function, a noise spectrum and a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.inputs import check_pitch
from coldray.metrology.noise import NoiseMeasurement
from coldray.metrology.tasks import Task
from coldray.metrology.transfer import TaskTransfer
from coldray.physics.curves import FrequencyCurve

Observer: TypeAlias = Literal["npw", "npwe", "pw"]
FEWEST_SAMPLES, MOST_SAMPLES = 256, 4096
SAMPLES_PER_LOBE = 6

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Eye:
    """Visual response over angular frequency, and how large the image is shown.

    Parameters
    ----------
    distance_mm : float
        Viewing distance [mm].
    magnification : float
        Size on the display over size at the detector.

    References
    ----------
    Saunders and Samei, Med. Phys. 33 (2006) 308: rho^1.5 exp(-0.98 rho^0.68), rho in cycles/degree.
    """

    distance_mm: float = 400.0
    magnification: float = 4.0

    def response(self, frequency_lp_mm: Float) -> Float:
        """Response, 1 at its peak."""
        rho = np.asarray(frequency_lp_mm) / self.magnification * self.distance_mm * np.pi / 180
        peak = (1.5 / (0.98 * 0.68)) ** (1 / 0.68)
        return np.asarray((rho / peak) ** 1.5 * np.exp(-0.98 * (rho**0.68 - peak**0.68)))


@dataclass(frozen=True)
class Detectability:
    """Detectability index d' of one task and the area under the ROC curve, Phi(d'/sqrt 2)."""

    observer: str
    task: str
    d_prime: float
    warnings: tuple[str, ...] = ()

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""
        return float(ndtr(self.d_prime / np.sqrt(2)))

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            "observer": self.observer,
            "task": self.task,
            "d_prime": self.d_prime,
            "auc": self.auc,
            "warnings": list(self.warnings),
        }


def detectability(
    ttf: FrequencyCurve | TaskTransfer,
    nnps: FrequencyCurve | NoiseMeasurement,
    task: Task,
    pixel_pitch_mm: float,
    *,
    observer: Observer = "npw",
    eye: Eye | None = None,
) -> Detectability:
    """Detectability index d' of a task for a linear observer.

    Parameters
    ----------
    ttf : FrequencyCurve or TaskTransfer
        MTF of a detector, divided by its value at zero; or what a restorer made of an edge of the contrast and dose of the
        task, which counts with the contrast that it kept.
    nnps : FrequencyCurve [mm2] or NoiseMeasurement
        Noise at the same dose; of a measurement the radial average is used.
    task : Task
    pixel_pitch_mm : float
        Pixel pitch [mm]; frequencies up to Nyquist along both axes count.
    observer : {"npw", "npwe", "pw"}
        Non-prewhitening matched filter, the same with the eye's response, or the ideal prewhitening one.
    eye : Eye, optional
        For "npwe".

    Returns
    -------
    Detectability

    Raises
    ------
    MeasurementError
        If the observer is unknown, or the noise is not positive.

    Notes
    -----
    NPW: d'^2 = [int |W|^2 T^2 E^2]^2 / int |W|^2 T^2 E^4 N, E = 1; PW: d'^2 = int |W|^2 T^2 / N. Curves
    hold their end values outside their tables. For a non-linear restorer, d' from curves is only a
    guide: measure it on images with `hotelling_observer`.

    References
    ----------
    AAPM Report 233 (2019); Burgess, J. Opt. Soc. Am. A 16 (1999) 633.
    """
    pitch = check_pitch(pixel_pitch_mm)
    if observer not in get_args(Observer):
        raise MeasurementError(f"observer {observer!r} is unknown; choose one of {', '.join(get_args(Observer))}")
    noise = nnps.radial if isinstance(nnps, NoiseMeasurement) else nnps
    if not np.all(noise.value > 0):
        raise MeasurementError("the NNPS must be positive; subtracting parts may have made it negative")
    curve, kept = (ttf.ttf, ttf.contrast_kept) if isinstance(ttf, TaskTransfer) else (ttf, 1.0)
    zero = float(curve(0.0))
    if not zero > 0:
        raise MeasurementError("the transfer function must be positive at zero frequency")
    nyquist = 0.5 / pitch
    samples = int(np.clip(SAMPLES_PER_LOBE * task.extent_mm * 2 * nyquist, FEWEST_SAMPLES, MOST_SAMPLES))
    samples += samples % 2
    step = 2 * nyquist / samples
    axis: Float = np.linspace(-nyquist + step / 2, nyquist - step / 2, samples)
    u, numerator, denominator = axis[None, :], 0.0, 0.0
    for v in axis[axis < 0].reshape(-1, 1):  # the other half is the same by symmetry
        frequency = np.hypot(v, u)
        signal = np.abs(task.spectrum(v, u)) ** 2 * (kept * curve(frequency) / zero) ** 2
        power = noise(frequency)
        if observer == "pw":
            numerator += 2 * float(np.sum(signal / power)) * step**2
            continue
        weight = (eye or Eye()).response(frequency) ** 2 if observer == "npwe" else 1.0
        numerator += 2 * float(np.sum(signal * weight)) * step**2
        denominator += 2 * float(np.sum(signal * weight**2 * power)) * step**2
    squared = numerator if observer == "pw" else numerator**2 / denominator if denominator > 0 else 0.0
    warnings = []
    if task.extent_mm < 2 * pitch:
        warnings.append("the task is smaller than two pixels: d' depends on where it falls on the grid")
    if curve.last_frequency_lp_mm < 0.8 * nyquist:
        warnings.append(f"the transfer function ends at {curve.last_frequency_lp_mm:.3g} lp/mm and is held from there")
    return Detectability(observer, task.name, float(np.sqrt(squared)), tuple(warnings))
