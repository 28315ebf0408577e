"""MTF without a target: what the correlation of the noise in repeated flats says of the blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.inputs import Images, as_frames, check_pitch, joined_mask, require_signal
from coldray.metrology.noise import NoiseMeasurement, flat_nnps
from coldray.physics.curves import FrequencyCurve

ROI_PX = 128
LINE_OFFSET = 4.0 / ROI_PX
"""Mean distance of the 14 lines from the axis [cycles/pixel]."""
ALIASES = 2
POINTS = 101
FEWEST_POINTS = 8
LOWEST = 0.02
"""Frequencies from here on count [cycles/pixel]; the trend takes part of the lower ones."""
LONGEST_TAIL_PX = 3.0
"""Longer tails fall off below the lowest frequency that counts: noise does not tell them from fewer quanta."""
INFLATED = 1.5
"""Factor on the band for a shape that is assumed."""
LUBBERTS = 0.05
"""By how much the transfer of noise may lie above the MTF of signals, which a comparison forgives."""
SLACK = 0.03

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseMtf:
    """Blur of a detector from its noise.

    Parameters
    ----------
    mtf : FrequencyCurve
        Presampled noise transfer, 0 to Nyquist [cycles/mm], with its k = 2 band. It is the MTF where every absorbed
        quantum is blurred alike, and lies above it where the depth of absorption matters (thick screens).
    white_share : float
        Part of the noise power at the highest exposure that is not blurred: read-out noise.
    levels : int
        Exposures that told both apart; 1 means that the shape did.
    warnings : tuple of str
    """

    mtf: FrequencyCurve
    white_share: float
    levels: int
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able result with the keys of `coldray measure blur`."""
        assert self.mtf.low is not None and self.mtf.high is not None
        return {
            "frequency_lp_mm": self.mtf.frequency_lp_mm.tolist(),
            "noise_mtf": self.mtf.value.tolist(),
            "noise_mtf_low": self.mtf.low.tolist(),
            "noise_mtf_high": self.mtf.high.tolist(),
            "mtf50_lp_mm": self.mtf.frequency_at(0.5),
            "white_share": self.white_share,
            "levels": self.levels,
            "warnings": list(self.warnings),
        }


def shape(frequency_px: Float, sigma_px: float, tail_share: float, tail_px: float) -> Float:
    """Blur without the pixel: a Gaussian core, and a part of it with exponential tails [cycles/pixel]."""
    core = np.exp(-2 * (np.pi * sigma_px * frequency_px) ** 2)
    return np.asarray((1 - tail_share) * core + tail_share / (1 + (2 * np.pi * tail_px * frequency_px) ** 2))


def noise_mtf(
    levels: Sequence[Images],
    pixel_pitch_mm: float,
    *,
    stated: FrequencyCurve | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> NoiseMtf:
    """Blur of a detector from the noise of repeated flats.

    Parameters
    ----------
    levels : sequence of (ndarray (frames, rows, cols), Radiograph, or a sequence of them)
        Two or more flats of each exposure, corrected but not filtered. Two exposures or more tell read-out noise, which
        is not blurred, from quanta; of one, the shape of the spectrum must.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    stated : FrequencyCurve, optional
        MTF that a table states, to be compared.
    mask : ndarray of bool, shape (rows, cols), optional
        True where a pixel does not count; joined with the masks of the radiographs.

    Returns
    -------
    NoiseMtf
        With a warning where table and flats disagree.

    Raises
    ------
    MeasurementError
        If an exposure has a single frame, or the noise is not that of a blurred beam.

    Notes
    -----
    N(f) = S q A(f) + e, with A the squared transfer of blur and pixel summed over its aliases. A Gaussian core with
    exponential tails is fitted to the temporal spectra of all exposures together. The band is that of the fit, widened
    for the shape that is assumed.

    References
    ----------
    Kuhls-Gilcrist et al., Med. Phys. 37 (2010) 724 (noise response); Lubberts, J. Opt. Soc. Am. 58 (1968) 1475.
    """
    pitch = check_pitch(pixel_pitch_mm)
    if not levels:
        raise MeasurementError("no flats were given; two or more frames of one exposure are the least")
    measured = [_level(one, pitch, mask) for one in levels]
    warnings = list[str]()
    signal = np.array([one.mean_signal for one in measured])
    frequency = measured[0].nnps.frequency_lp_mm * pitch
    leak = min((one.leaks_above_lp_mm for one in measured if one.leaks_above_lp_mm is not None), default=np.inf)
    counts = (frequency >= LOWEST) & (frequency <= 0.5) & (frequency < leak * pitch)
    if np.count_nonzero(counts) < FEWEST_POINTS:
        raise MeasurementError(
            "low frequencies leak into nearly all others: the blur is too wide for regions of 128 px"
        )
    power = np.stack([_temporal(one).value[counts] * s**2 / pitch**2 for one, s in zip(measured, signal, strict=True)])
    relative = np.stack([one.relative_sd[counts] for one in measured])
    f = frequency[counts]
    if not np.all(power > 0):
        raise MeasurementError("the temporal noise is not positive everywhere: frames are copies, or were filtered")
    fit, covariance = _fit(f, power, relative, signal)
    place = np.linspace(0.0, 0.5, POINTS)
    value = np.sinc(place) * shape(place, fit[2], fit[3], fit[4])
    gradient = np.stack(
        [(np.sinc(place) * shape(place, *(fit[2:] + step)) - value) / 1e-4 for step in 1e-4 * np.eye(3)], axis=1
    )
    sd = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", gradient, covariance[2:, 2:], gradient), 0.0))
    half = 2 * INFLATED * sd
    curve = FrequencyCurve(place / pitch, value, np.maximum(value - half, 0.0), value + half)
    white = float(fit[1] / power[int(np.argmax(signal))].mean())
    if len(levels) == 1:
        warnings.append("one exposure: read-out noise is told from quanta by the shape of the spectrum alone")
    if stated is not None:
        warnings += disagreement(curve, stated, pitch)
    return NoiseMtf(curve, min(white, 1.0), len(levels), tuple(warnings))


def disagreement(found: FrequencyCurve, stated: FrequencyCurve, pixel_pitch_mm: float) -> list[str]:
    """One sentence if a stated MTF cannot be that of the flats; the noise may be somewhat sharper than signals are."""
    f = np.linspace(0.1, 0.4, 31) / pixel_pitch_mm
    f = f[f <= stated.last_frequency_lp_mm]
    if f.size == 0:
        return []
    off = np.asarray(found(f)) - np.asarray(stated(f)) / float(stated(0.0))
    room = (found.width(f) + stated.width(f)) / 2 + SLACK
    beyond = np.where(off > 0, off - room - LUBBERTS, -off - room)
    worst = int(np.argmax(beyond))
    if beyond[worst] <= 0:
        return []
    words = "sharper" if off[worst] < 0 else "more blurred"
    return [
        f"your table and your flats disagree: at {f[worst]:.3g} lp/mm the table says {float(stated(f[worst])):.2f}, the noise "
        f"{float(found(f[worst])):.2f}; the table is {words} than the detector, or the flats were filtered"
    ]


def _level(images: Images, pitch: float, mask: NDArray[np.bool_] | None) -> NoiseMeasurement:
    """Noise of one exposure."""
    require_signal(images)
    frames, _ = as_frames(images, joined_mask(images, mask))
    if len(frames) < 2:
        raise MeasurementError("an exposure has one frame; two or more tell noise from the fixed pattern")
    return flat_nnps(images, pitch, ROI_PX, mask)


def _temporal(measured: NoiseMeasurement) -> FrequencyCurve:
    assert measured.temporal is not None
    return measured.temporal


def _aliased(f: Float, parameters: Float) -> Float:
    """Squared transfer of blur and pixel near the u axis, summed over the aliases."""
    total = np.zeros(f.size)
    across = np.sqrt(np.maximum(f**2 - LINE_OFFSET**2, 0.0))
    for k in range(-ALIASES, ALIASES + 1):
        for m in range(-ALIASES, ALIASES + 1):
            u, v = across + k, LINE_OFFSET + m
            total += (np.sinc(u) * np.sinc(v) * shape(np.hypot(u, v), *parameters)) ** 2
    return total


def _fit(f: Float, power: Float, relative: Float, signal: Float) -> tuple[Float, Float]:
    """Quanta per signal, white noise, and the three parameters of the blur, with their covariance."""
    scale = float(power.mean())

    def rest(p: Float) -> Float:
        model = p[0] * np.outer(signal / signal.max(), _aliased(f, p[2:])) + p[1]
        return np.asarray(((power / scale / np.maximum(model, 1e-12) - 1) / relative).ravel())

    best = None
    for sigma, tail in ((0.4, 1.0), (0.9, 2.0)):
        found = least_squares(
            rest,
            [2.0, 0.1, sigma, 0.2, tail],
            bounds=([1e-6, 0.0, 0.02, 0.0, 0.3], [1e3, 1e3, 12.0, 1.0, LONGEST_TAIL_PX]),
            x_scale=[1.0, 0.1, 0.3, 0.2, 1.0],
        )
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    freedom = max(best.fun.size - best.x.size, 1)
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * max(2 * best.cost / freedom, 1.0)
    fit = best.x.copy()
    fit[1] *= scale
    return fit, np.asarray(covariance)
