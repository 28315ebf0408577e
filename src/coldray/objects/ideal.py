"""Ideal targets: closed-form images with white noise, and the curve that a measurement of them must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import SettingsError
from coldray.objects.phantoms import Blur, CurveBlur, GaussianBlur, bars, duplex_wires, flat_field, slanted_edge
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import detector_of_pitch

BAR_FREQUENCIES = (0.04, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Groups of the bar target [cycles/pixel]; the first is wide enough to be its own plateau."""
BAR_MARGIN_PX = 48
"""Half-width of the solid bar and clear space beside groups: the tails of a thick screen end within it."""
BEYOND_TABLE = 8.0
"""A tabulated MTF goes on as 1 / f^2 up to here [cycles/pixel]."""
FLAT_NOISE = 0.01
"""Noise of a flat for which none is stated."""
Made = tuple[NDArray[np.floating], dict[str, Json]]


@dataclass(frozen=True)
class IdealTarget:
    """What is drawn, and how it is blurred.

    Parameters
    ----------
    kind : {"edge", "bars", "flat", "duplex"}
    detector : str, optional
        Whose blur it has, without the pixel aperture; a Gaussian by default.
    sigma_px : float
        Of the Gaussian [pixels].
    angle_deg : float
        Tilt of edge, bars or wires [deg].
    noise : float, optional
        Relative standard deviation of a pixel at the open beam; its square falls with the signal. White; 0.01 for flats and
        none for others by default.
    pitch_um : float
        Pixel pitch [um].
    size_px : int
        Rows, and columns where the target does not set them.
    frames : int
    random_state : int

    Raises
    ------
    SettingsError
        If the target is unknown, or a number is out of range.
    """

    kind: str
    detector: str | None = None
    sigma_px: float = 0.6
    angle_deg: float = 3.0
    noise: float | None = None
    pitch_um: float = 48.0
    size_px: int = 512
    frames: int = 1
    random_state: int = 0

    def __post_init__(self) -> None:
        noise = self.relative_noise
        in_range = 5 <= self.pitch_um <= 1000 and 0 <= self.sigma_px <= 50 and 0 <= noise < 1
        if not in_range or not 0 <= abs(self.angle_deg) <= 45:
            raise SettingsError(
                f"pitch {self.pitch_um} um, blur {self.sigma_px} px, noise {noise} and angle {self.angle_deg} deg must lie "
                "within 5 to 1000, 0 to 50, 0 to 1 and -45 to 45"
            )
        if self.kind not in (*_DRAWN, "flat"):
            raise SettingsError(f"{self.kind!r} has no ideal form; choose edge, bars, flat, duplex")
        if self.kind == "flat" and not noise > 0:
            raise SettingsError("an ideal flat is its noise; `noise` must be above 0")

    @property
    def relative_noise(self) -> float:
        """What is stated as `noise`, or stands for it."""
        return (FLAT_NOISE if self.kind == "flat" else 0.0) if self.noise is None else self.noise

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch [mm]."""
        return self.pitch_um * 1e-3


def ideal_target(asked: IdealTarget) -> tuple[list[NDArray[np.floating]], dict[str, Json]]:
    """Draw the frames of a target, and say what a measurement of them must give.

    Parameters
    ----------
    asked : IdealTarget

    Returns
    -------
    frames : list of ndarray, shape (rows, cols)
        Fractions of the open beam.
    truth : dict
        Curve or dips, and what was asked.

    Raises
    ------
    SettingsError
        If the detector has another pixel pitch.
    """
    noise = asked.relative_noise
    about: dict[str, Json] = {
        "target": asked.kind, "pixel_pitch_mm": asked.pitch_mm, "noise": noise, "random_state": asked.random_state
    }  # fmt: skip
    blur, note = ideal_blur(asked.detector, asked.sigma_px, asked.pitch_mm)
    if asked.kind == "flat":
        power = (noise * asked.pitch_mm) ** 2
        shape = asked.size_px, asked.size_px
        image, curve = flat_field(shape, asked.pitch_mm, power, asked.random_state, frames=asked.frames)
        return list(image.reshape(asked.frames, *shape)), about | {
            "frequency_lp_mm": curve.frequency_lp_mm.tolist(), "nnps_mm2": curve.value.tolist(), "mean_signal": 1.0,
            "pixel_relative_sd": noise,
        }  # fmt: skip
    image, truth = _DRAWN[asked.kind](blur, asked.pitch_mm, asked.size_px, asked.angle_deg)
    stack = []
    for number in range(asked.frames):
        # one stream per frame: their number changes none of them
        rng = np.random.default_rng([asked.random_state, number])
        drawn = rng.standard_normal(image.shape, dtype=np.float32) * np.sqrt(np.maximum(image, 0))
        stack.append(image + np.float32(noise) * drawn if noise else image)
    return stack, about | truth | note | {"angle_deg": asked.angle_deg}


def ideal_blur(detector: str | None, sigma_px: float, pitch_mm: float) -> tuple[Blur, dict[str, Json]]:
    """Blur without the pixel aperture, and how the truth describes it.

    Parameters
    ----------
    detector : str, optional
        Whose screen blurs; a Gaussian by default.
    sigma_px : float
        Of the Gaussian [pixels].
    pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    blur : Blur
    note : dict

    Raises
    ------
    SettingsError
        If the detector has another pixel pitch.
    """
    if detector is None:
        return GaussianBlur(sigma_px), {"blur": "gaussian", "sigma_px": sigma_px}
    known = detector_of_pitch(detector, pitch_mm)
    # sinc reaches zero at 1 cycle/px, so the pixel is divided out only where tables are meant to be read
    last = min(known.mtf.last_frequency_lp_mm * pitch_mm, np.sqrt(0.5))
    f = np.linspace(0, last, 400)
    inside = known.mtf(f / pitch_mm) / np.sinc(f)
    tail = np.geomspace(last, BEYOND_TABLE, 200)[1:]
    table = FrequencyCurve(np.concatenate([f, tail]), np.concatenate([inside, inside[-1] * (last / tail) ** 2]))
    return CurveBlur(table), {"blur": "detector", "detector": known.name}


def _edge(blur: Blur, pitch: float, size: int, angle: float) -> Made:
    image, mtf = slanted_edge((size, size), blur, pitch, angle_deg=angle)
    return image, {
        "frequency_lp_mm": mtf.frequency_lp_mm.tolist(),
        "mtf": mtf.value.tolist(),
        "mtf50_lp_mm": mtf.frequency_at(0.5),
        "mtf10_lp_mm": mtf.frequency_at(0.1),
    }


def _bars(blur: Blur, pitch: float, size: int, angle: float) -> Made:
    frequencies = [f / pitch for f in BAR_FREQUENCIES]
    image, groups = bars(frequencies, blur, pitch, rows=size, tilt_deg=angle, margin_mm=BAR_MARGIN_PX * pitch)
    return image, {
        "groups": [
            {"frequency_lp_mm": g.frequency_lp_mm, "ctf": g.ctf, "mtf": g.mtf, "roi": list(g.box)} for g in groups
        ]
    }


def _duplex(blur: Blur, pitch: float, size: int, angle: float) -> Made:
    image, known = duplex_wires(blur, pitch, rows=size, tilt_deg=angle)
    pairs = zip(known.spacing_mm, known.dip_percent, strict=True)
    return image, {
        "pairs": [
            {"element": f"{number}D", "spacing_mm": spacing, "dip_percent": dip}
            for number, (spacing, dip) in enumerate(pairs, start=1)
        ],
        "isrb_mm": known.isrb_mm,
    }


_DRAWN: dict[str, Callable[[Blur, float, int, float], Made]] = {"edge": _edge, "bars": _bars, "duplex": _duplex}
