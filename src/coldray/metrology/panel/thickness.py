"""What a step wedge shows: contrast sensitivity per step, and the range of thickness that one image serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from scipy.signal import savgol_filter

from coldray.errors import MeasurementError
from coldray.metrology.contrast import REFERENCE_UM, contrast
from coldray.metrology.inputs import filled
from coldray.metrology.panel.figure import Figure, missing, with_sd
from coldray.metrology.panel.wedge import Step, find_steps
from coldray.metrology.strays import without_strays

SENSITIVITY, RANGE, LIMIT = (
    "achievable contrast sensitivity",
    "specific material thickness range",
    "ISO material thickness limit",
)
NEIGHBOURS = 4
"""Steps through which a quadratic is laid where a level is crossed."""
LEAST_CNR = 1.0
SMOOTHED_PX = 25
"""Window of the parabola that smooths a profile [px]."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Levels that bound the range of thickness; recalled, not read in a licensed copy.

    Parameters
    ----------
    snr_2_percent, snr_1_percent : float
        SNR that a step must reach for 2 % and 1 % contrast sensitivity.
    snr_n_class_a, snr_n_class_b : float
        SNR_N that ISO 17636-2 asks of its testing classes.
    saturation_share : float
        Largest signal, as a share of saturation, that the thinnest part may have.
    """

    snr_2_percent: float = 130.0
    snr_1_percent: float = 250.0
    snr_n_class_a: float = 70.0
    snr_n_class_b: float = 100.0
    saturation_share: float = 0.8


@dataclass(frozen=True)
class StepReading:
    """Signal, SNR with its relative standard uncertainty, and CNR of the groove with its own, of one step."""

    thickness_mm: float
    mean: float
    snr: float
    snr_relative_sd: float
    cnr: float
    cnr_sd: float


@dataclass(frozen=True)
class WedgeReading:
    """All steps of one wedge in one image, and the figures they give.

    Parameters
    ----------
    material : str
    time_s : float
        Integration time of the image.
    steps : tuple of StepReading
        Thinnest first.
    figures : tuple of Figure
    warnings : tuple of str
    """

    material: str
    time_s: float
    steps: tuple[StepReading, ...]
    figures: tuple[Figure, ...]
    warnings: tuple[str, ...] = ()


def read_wedge(
    image: NDArray[np.number],
    material: str,
    time_s: float,
    thickness_mm: Sequence[float],
    *,
    groove_percent: float,
    isrb_mm: float,
    isrb_sd_mm: float,
    saturation: float,
    limits: Limits | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> WedgeReading:
    """Read every step of a wedge with a groove.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Corrected mean of the frames of one integration time, filled by the wedge.
    material : str
    time_s : float
        Integration time [s].
    thickness_mm : sequence of float
        Of the steps [mm].
    groove_percent : float
        Depth of the groove in percent of the thickness.
    isrb_mm, isrb_sd_mm : float
        Interpolated basic spatial resolution and its standard uncertainty [mm].
    saturation : float
        Signal at which a frame saturates, above the offset.
    limits : Limits, optional
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count.

    Returns
    -------
    WedgeReading
        Contrast sensitivity of every step, the thickness range at 2 % and 1 %, and the thickness limit of both
        classes.

    Raises
    ------
    MeasurementError
        If the thicknesses do not differ, or steps and groove are not found.

    Notes
    -----
    Contrast sensitivity is the depth of the groove in percent over its CNR. The range runs from the thickness at which
    the signal is 80 % of saturation to that at which the SNR of a step falls to 130 (2 %) or 250 (1 %), by the law of
    `where_snr_falls`.

    References
    ----------
    ASTM E2597/E2597M-22, as its public preview and literature describe it; ISO 17636-2 for the limits of SNR_N (recalled).
    """
    levels = Limits() if limits is None else limits
    thickness = np.sort(np.asarray(thickness_mm, dtype=np.float64))
    if thickness.size < 3 or not np.all(np.diff(thickness) > 0) or not thickness[0] > 0:
        raise MeasurementError(f"a wedge needs three or more different thicknesses; found {thickness.tolist()} mm")
    notes: list[str] = []
    image, mask = without_strays(filled(np.asarray(image, dtype=np.float64), mask), mask, notes)
    steps = []
    for t, place in zip(thickness, find_steps(image, thickness.size, mask), strict=True):
        found = contrast(_levelled(image, place, mask), place.groove, place.beside, mask=mask)
        side = found.background
        assert side is not None and found.cnr is not None and found.cnr_sd is not None
        steps.append(
            StepReading(float(t), side.mean, side.mean / side.sd_noise, side.sd_noise_relative, found.cnr, found.cnr_sd)
        )
    where = f"{material}.{time_s:g}s"
    words = f"{material}, {time_s:g} s"
    figures = [_sensitivity(step, where, words, groove_percent) for step in steps]
    snr = np.array([step.snr for step in steps])
    relative = np.array([step.snr_relative_sd for step in steps])
    mean = np.array([step.mean for step in steps])
    thin = crossing(
        thickness, np.log(mean), np.full(mean.size, 1e-3), float(np.log(levels.saturation_share * saturation))
    )
    for percent, level in ((2, levels.snr_2_percent), (1, levels.snr_1_percent)):
        thick = where_snr_falls(thickness, mean, snr, relative, level)
        figures.append(_range(f"smtr{percent}.{where}", f"SMTR at {percent} %, {words}", thin, thick, thickness))
    normal = REFERENCE_UM / (1e3 * isrb_mm)
    for name, level in (("a", levels.snr_n_class_a), ("b", levels.snr_n_class_b)):
        thick = where_snr_falls(thickness, mean, snr, relative, level / normal, isrb_sd_mm / isrb_mm)
        key, title = f"iso_mtl_{name}.{where}", f"ISO-MTL, class {name.upper()}, {words}"
        if thick is None:
            figures.append(missing(key, title, "mm", LIMIT, _beyond(snr * normal, level, thickness)))
        else:
            figures.append(with_sd(key, title, *thick, "mm", LIMIT))
    return WedgeReading(material, time_s, tuple(steps), tuple(figures), tuple(notes))


def _levelled(image: NDArray[np.number], step: Step, mask: NDArray[np.bool_] | None) -> Float:
    """The image with both regions of a step free of what changes slowly along or across it, at their own means.

    Internal scatter lets the bright neighbours of a step and its groove reach into it; that is structure, not noise.
    Profiles are smoothed by a local parabola before they are taken off: taken off as they are, they would take along the
    noise of a row or column, which correlated noise has most of.
    """
    out = np.array(image, dtype=np.float64)
    for x, y, width, height in (step.groove, step.beside):
        cut = np.s_[y : y + height, x : x + width]
        values = np.ma.masked_array(out[cut], False if mask is None else mask[cut])
        mean = float(values.mean())
        for axis in (0, 1):
            profile = np.ma.filled(values.mean(axis=axis), mean)
            window = min(SMOOTHED_PX, (profile.size - 1) // 2 * 2 + 1)
            slow = savgol_filter(profile, window, 2) - mean
            out[cut] -= slow[None, :] if axis == 0 else slow[:, None]
    return out


def crossing(
    thickness_mm: Float, value: Float, value_sd: Float, level: float, common_sd: float = 0.0
) -> tuple[float, float] | None:
    """Where a falling curve through steps crosses a level, and its standard uncertainty [mm]; None outside the steps.

    A quadratic is laid through the steps around the crossing. Its uncertainty holds the noise of the steps, what is
    common to all of them, and half of what a straight line between the two next steps would read differently.
    """
    over = np.flatnonzero(value >= level)
    if over.size == 0 or over[-1] == value.size - 1:
        return None
    last = int(over[-1])
    first = int(np.clip(last - NEIGHBOURS // 2 + 1, 0, max(value.size - NEIGHBOURS, 0)))
    near = slice(first, first + NEIGHBOURS)
    t, y, sd = thickness_mm[near], value[near], np.maximum(value_sd[near], 1e-6)
    left, right = thickness_mm[last], thickness_mm[last + 1]
    share = (value[last] - level) / (value[last] - value[last + 1])
    straight = float(left + share * (right - left))
    fit, covariance = np.polyfit(t - straight, y, 2, w=1 / sd, cov="unscaled") if t.size > 2 else (None, None)
    if fit is None:
        return None
    roots = np.roots([fit[0], fit[1], fit[2] - level])
    real = roots[np.abs(roots.imag) < 1e-9].real + straight
    inside = real[(real >= left - 1e-9) & (real <= right + 1e-9)]
    place = float(inside[0]) if inside.size else straight
    row = np.array([(place - straight) ** 2, place - straight, 1.0])
    slope = abs(2 * fit[0] * (place - straight) + fit[1])
    noise = float(np.sqrt(row @ covariance @ row + common_sd**2)) / slope
    return place, float(np.hypot(noise, (place - straight) / 4))


def where_snr_falls(
    thickness_mm: Float, mean: Float, snr: Float, snr_relative_sd: Float, level: float, common_relative_sd: float = 0.0
) -> tuple[float, float] | None:
    """Thickness at which the SNR falls to a level, and its standard uncertainty [mm]; None outside the steps.

    The variance of a signal s is that of quanta (as s), of the flats and what else scales with the signal (as s squared)
    and of the electronics (constant), so 1/SNR^2 = a + b/s + c/s^2 with nothing negative. This is laid through all steps;
    the signal at which it meets the level then stands for a thickness by the steps next to it. Where the steps scatter
    about the law beyond their noise, the uncertainty grows by as much.

    Parameters
    ----------
    thickness_mm, mean, snr, snr_relative_sd : ndarray, shape (steps,)
        Thinnest first; relative standard uncertainty of the SNR.
    level : float
        SNR.
    common_relative_sd : float
        Relative standard uncertainty that all SNR share.
    """
    inverse = mean.min() / mean
    design = np.vander(inverse, 3, increasing=True)
    wanted = 1 / snr**2
    weight = 1 / (2 * np.maximum(snr_relative_sd, 1e-6) * wanted)
    parts, _ = nnls(design * weight[:, None], wanted * weight)
    law = np.polynomial.Polynomial(parts)
    if not law(inverse[0]) <= 1 / level**2 < law(inverse[-1]):
        return None
    at = float(brentq(lambda one: float(law(one)) - 1 / level**2, inverse[0], inverse[-1]))
    found = crossing(thickness_mm, np.log(mean), np.full(mean.size, 1e-3), float(np.log(mean.min() / at)))
    if found is None:
        return None
    free = np.flatnonzero(parts)
    used = design[:, free] * weight[:, None]
    spread = float(np.sum(((design @ parts - wanted) * weight) ** 2)) / max(mean.size - free.size, 1)
    row = at ** free.astype(np.float64)
    sd = float(np.sqrt(row @ np.linalg.inv(used.T @ used) @ row * max(spread, 1.0)))
    # d ln(1/SNR^2) / dt: by the law in the signal, and by the signal in the thickness
    per_mm = float(np.interp(found[0], thickness_mm, np.gradient(np.log(mean), thickness_mm)))
    steep = at * float(law.deriv()(at)) * level**2 * abs(per_mm)
    return found[0], float(np.hypot(found[1], np.hypot(sd * level**2, 2 * common_relative_sd) / steep))


def _sensitivity(step: StepReading, where: str, words: str, groove_percent: float) -> Figure:
    key = f"csa.{where}.{step.thickness_mm:g}mm"
    name = f"CSa, {words}, {step.thickness_mm:g} mm"
    if step.cnr - 2 * step.cnr_sd < LEAST_CNR / 2:
        return missing(key, name, "%", SENSITIVITY, f"the groove has a CNR of {step.cnr:.2g} only")
    value = groove_percent / step.cnr
    return Figure(
        key, name, value, groove_percent / (step.cnr + 2 * step.cnr_sd), groove_percent / (step.cnr - 2 * step.cnr_sd), "%",
        SENSITIVITY,
    )  # fmt: skip


def _range(
    key: str,
    name: str,
    thin: tuple[float, float] | None,
    thick: tuple[float, float] | None,
    thickness: Float,
) -> Figure:
    note = ""
    if thin is None:
        thin, note = (float(thickness[0]), 0.0), "from the thinnest step, which is below 80 % of saturation"
    if thick is None:
        return missing(key, name, "mm", RANGE, "the SNR is not reached, or not left, within the wedge")
    if thick[0] <= thin[0]:
        return missing(key, name, "mm", RANGE, "the SNR is not reached where the signal is below 80 % of saturation")
    return with_sd(key, name, thick[0] - thin[0], float(np.hypot(thin[1], thick[1])), "mm", RANGE, note)


def _beyond(value: Float, level: float, thickness: Float) -> str:
    if value[-1] >= level:
        return f"more than the thickest step, {thickness[-1]:g} mm"
    return f"less than the thinnest step, {thickness[0]:g} mm"
