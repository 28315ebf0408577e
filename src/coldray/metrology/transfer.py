"""Task transfer and noise of restorers that are not linear: what an edge of a given contrast and dose becomes.

A network, a total-variation filter or an iterative sampler has no MTF: its edge response depends on contrast,
dose and surroundings, and its noise in a flat field says little about its noise beside an edge. What can be
measured is the mean response to a stated edge over repeated noise (task transfer function, TTF), and the
spread of the repeats about their mean. Nothing here is called MTF, DQE or NEQ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import ImageError, MeasurementError
from coldray.metrology.edge.mtf import EdgeMeasurement, Roi, edge_mtf
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import dft_axes, nyquist_lp_mm, radial_average

Float = NDArray[np.float64]

FEW_REPEATS = 20
HALF = 0.5


@dataclass(frozen=True, eq=False)
class TaskTransfer:
    """TTF of one edge: apparent transfer at one contrast and one dose.

    Parameters
    ----------
    contrast : float
        (bright - dark) / bright of the edge before the detector.
    repeats : int
        Images averaged.
    edge : EdgeMeasurement
        Of the mean image; its curve is the TTF, with its k = 2 band. It is 1 at zero for whatever step is left.
    air_kerma_ugy : float or None
        Dose of one image [uGy], if measured.
    quanta_px : float or None
        Open-beam quanta per pixel and image, if simulated.
    warnings : tuple of str
        Why this result may be wrong.
    """

    contrast: float
    repeats: int
    edge: EdgeMeasurement
    air_kerma_ugy: float | None = None
    quanta_px: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def ttf(self) -> FrequencyCurve:
        """Task transfer function with its band."""
        return self.edge.mtf

    @property
    def contrast_kept(self) -> float:
        """Contrast of the mean image over that of the edge: 1 for a restorer that keeps the step."""
        return (self.edge.bright - self.edge.dark) / self.edge.bright / self.contrast

    @property
    def response(self) -> FrequencyCurve:
        """TTF times the contrast kept: what becomes of the object, at zero frequency too."""
        return self.ttf.scaled(self.contrast_kept)

    @property
    def ttf50_lp_mm(self) -> float | None:
        """First frequency where the TTF falls below 0.5 [lp/mm]; None if not before Nyquist."""
        return self.edge.mtf50_lp_mm

    @property
    def name(self) -> str:
        """The only name this curve should be shown under."""
        dose = "unknown dose"
        if self.air_kerma_ugy is not None:
            dose = f"{self.air_kerma_ugy:g} uGy"
        elif self.quanta_px is not None:
            dose = f"{self.quanta_px:g} quanta/px"
        return f"TTF at contrast {100 * self.contrast:g} %, {dose}"

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        out = self.edge.to_json()
        renamed = {key.replace("mtf", "ttf"): value for key, value in out.items()}
        return renamed | {
            "name": self.name,
            "contrast": self.contrast,
            "contrast_kept": self.contrast_kept,
            "repeats": self.repeats,
            "air_kerma_ugy": self.air_kerma_ugy,
            "quanta_px": self.quanta_px,
            "warnings": list(self.warnings),
        }


def _stack(repeats: Sequence[NDArray[np.number]] | NDArray[np.number]) -> Float:
    """Repeats as (n, rows, cols) in double precision."""
    stack = np.asarray(repeats, dtype=np.float64)
    if stack.ndim != 3 or stack.shape[0] < 2:
        raise ImageError(f"repeats have shape (n, rows, cols) with n >= 2; found {stack.shape}")
    if not np.all(np.isfinite(stack)):
        raise ImageError("the repeats hold NaN or infinite pixels")
    return stack


def task_transfer(
    repeats: Sequence[NDArray[np.number]] | NDArray[np.number],
    pixel_pitch_mm: float,
    *,
    contrast: float,
    air_kerma_ugy: float | None = None,
    quanta_px: float | None = None,
    roi: Roi | None = None,
) -> TaskTransfer:
    """TTF from repeated images of one edge that differ in their noise only.

    Parameters
    ----------
    repeats : sequence of ndarray, or ndarray of shape (n, rows, cols)
        Output of the restorer for n >= 2 independent acquisitions of the same edge at the same place.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    contrast : float
        (bright - dark) / bright of the edge before the detector, in (0, 1].
    air_kerma_ugy, quanta_px : float, optional
        Dose of one image: air kerma [uGy], or open-beam quanta per pixel.
    roi : (x, y, width, height), optional
        Region [px]; the whole image if not given.

    Returns
    -------
    TaskTransfer

    Raises
    ------
    MeasurementError
        If the contrast is out of range, or the mean image shows no edge or no positive signal.
    ImageError
        If the repeats are not a stack of finite images.

    Notes
    -----
    The images are averaged before the edge is found: for equal geometry that is the mean of the edge responses,
    and it finds edges that single images bury in noise. The band is that of the mean. It covers the spread of this
    restorer on this scene, not what it does elsewhere.

    References
    ----------
    AAPM Report 233 (2019), task transfer function.
    """
    if not 0 < contrast <= 1:
        raise MeasurementError(f"contrast is {contrast}; it must be in (0, 1]")
    stack = _stack(repeats)
    edge = edge_mtf(stack.mean(axis=0), pixel_pitch_mm, roi)
    if not edge.bright > 0:
        raise MeasurementError(f"the bright side is {edge.bright:.4g}; a contrast needs signals from zero upwards")
    warnings = list(edge.warnings)
    if stack.shape[0] < FEW_REPEATS:
        warnings.append(f"only {stack.shape[0]} repeats were averaged; {FEW_REPEATS} or more are recommended")
    return TaskTransfer(contrast, stack.shape[0], edge, air_kerma_ugy, quanta_px, tuple(warnings))


def contrast_dependence(transfers: Sequence[TaskTransfer], low: float = 0.05, high: float = 0.80) -> float:
    """Half-response frequency at a low contrast over that at a high one: 1 if linear, below 1 if faint detail is lost.

    Parameters
    ----------
    transfers : sequence of TaskTransfer
        At least one at each contrast, all at one dose.
    low, high : float
        The two contrasts.

    Returns
    -------
    float

    Raises
    ------
    MeasurementError
        If a contrast is missing or the doses differ, or a response does not fall below 0.5 before Nyquist.

    Notes
    -----
    The frequencies are those at which the TTF *times the contrast kept* falls below 0.5. A faint edge that is left at a
    part of its step has an unchanged TTF, but a lower index; it is 0 where less than half of the step is left.
    """
    chosen = []
    for contrast in (low, high):
        match = [t for t in transfers if np.isclose(t.contrast, contrast, rtol=1e-6)]
        if len(match) != 1:
            raise MeasurementError(
                f"the contrast-dependence index needs exactly one TTF at contrast {contrast:g}; found {len(match)}"
            )
        chosen.append(match[0])
    faint, strong = chosen
    if (faint.air_kerma_ugy, faint.quanta_px) != (strong.air_kerma_ugy, strong.quanta_px):
        raise MeasurementError("the two TTFs were taken at different doses; compare equal doses")
    if strong.contrast_kept < HALF:
        raise MeasurementError(
            f"only {strong.contrast_kept:.2f} of the step is left at contrast {high:g}; the index is not defined"
        )
    if faint.contrast_kept < HALF:
        return 0.0
    of_faint, of_strong = (t.response.frequency_at(HALF) for t in (faint, strong))
    if of_faint is None or of_strong is None:
        raise MeasurementError("a response stays above 0.5 up to Nyquist; the contrast-dependence index is not defined")
    return of_faint / of_strong


@dataclass(frozen=True, eq=False)
class RegionNoise:
    """Noise of the repeats within one box.

    Parameters
    ----------
    sd : float
        Root of the mean variance over repeats [signal].
    bias : float or None
        RMS of (mean - truth) [signal]; None without truth.
    nps : FrequencyCurve
        Radial power spectrum of (image - mean of the repeats) [signal^2 mm^2].
    """

    sd: float
    bias: float | None
    nps: FrequencyCurve


@dataclass(frozen=True, eq=False)
class RepeatNoise:
    """What repeats of one scene say about noise and bias, pixel by pixel.

    Parameters
    ----------
    repeats : int
    mean, sd : ndarray, shape (rows, cols)
        Mean and standard deviation over the repeats [signal].
    bias : ndarray or None
        Mean minus truth [signal]; None without truth.
    regions : mapping of str to RegionNoise
    warnings : tuple of str
    """

    repeats: int
    mean: Float
    sd: Float
    bias: Float | None
    regions: Mapping[str, RegionNoise]
    warnings: tuple[str, ...]

    def ratio(self, numerator: str, denominator: str) -> float:
        """SD of one region over that of another, e.g. near an edge over flat: 1 for a linear shift-invariant filter."""
        return self.regions[numerator].sd / self.regions[denominator].sd


def noise_by_repeats(
    repeats: Sequence[NDArray[np.number]] | NDArray[np.number],
    pixel_pitch_mm: float,
    regions: Mapping[str, Roi],
    *,
    truth: NDArray[np.number] | None = None,
) -> RepeatNoise:
    """Noise, bias and noise power spectra from repeats of one scene.

    Parameters
    ----------
    repeats : sequence of ndarray, or ndarray of shape (n, rows, cols)
        Restored images of n >= 2 independent acquisitions of the same scene.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    regions : mapping of str to (x, y, width, height)
        Boxes [px], at least 8 x 8, for instance ``{"flat": ..., "edge": ...}``.
    truth : ndarray, shape (rows, cols), optional
        What a perfect restorer would return, for the bias map.

    Returns
    -------
    RepeatNoise

    Raises
    ------
    ImageError
        If shapes do not fit.
    MeasurementError
        If a region leaves the image or is too small.

    Notes
    -----
    NPS = pitch^2 / (rows cols) * mean over repeats of |DFT(image - mean)|^2 * n / (n - 1); the last factor makes
    up for the mean that was taken from the same repeats. Its integral over the frequency plane is the variance.
    """
    stack = _stack(repeats)
    n = stack.shape[0]
    mean = stack.mean(axis=0)
    residual = stack - mean
    sd = np.sqrt((residual**2).sum(axis=0) / (n - 1))
    bias = None
    if truth is not None:
        if np.shape(truth) != mean.shape:
            raise ImageError(f"the truth has shape {np.shape(truth)}, the repeats {mean.shape}")
        bias = mean - np.asarray(truth, dtype=np.float64)
    found = {}
    for name, (x, y, width, height) in regions.items():
        if x < 0 or y < 0 or width < 8 or height < 8 or x + width > mean.shape[1] or y + height > mean.shape[0]:
            raise MeasurementError(
                f"region {name!r} = {x},{y},{width},{height} must lie in the image of "
                f"{mean.shape[1]} x {mean.shape[0]} pixels and be at least 8 x 8"
            )
        box = (slice(y, y + height), slice(x, x + width))
        power = (np.abs(np.fft.fft2(residual[:, *box])) ** 2).sum(axis=0) / (n - 1)
        power *= pixel_pitch_mm**2 / (width * height)
        v, u = dft_axes((height, width), pixel_pitch_mm)
        nyquist = nyquist_lp_mm(pixel_pitch_mm)
        step = 1 / (min(width, height) * pixel_pitch_mm)
        frequency, value, _ = radial_average(power, np.hypot(v, u), step, nyquist)
        found[name] = RegionNoise(
            float(np.sqrt((sd[box] ** 2).mean())),
            None if bias is None else float(np.sqrt((bias[box] ** 2).mean())),
            FrequencyCurve(frequency, value),
        )
    warnings = () if n >= FEW_REPEATS else (f"only {n} repeats; {FEW_REPEATS} or more are recommended",)
    return RepeatNoise(n, mean, sd, bias, found, warnings)
