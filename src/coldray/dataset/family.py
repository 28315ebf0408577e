"""The detector family a model is trained over: pairs of screens on one pixel grid, and the noise of their frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.detectors.phosphor import detector as phosphor_detector
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.screen import gos_screen
from coldray.simulation.cascade import apply_aperture, apply_radial, forward, sampled
from coldray.simulation.paper import BLURRED_MG_CM2, PITCH_MM, SHARP_MG_CM2

Float = NDArray[np.float64]

PITCH_RANGE_MM = (0.025, 0.2)
"""From high-resolution panels and cameras to large flat panels."""
SHARP_LOADING_MG_CM2, LOADING_RATIO, BLURRED_LOADING_MG_CM2 = (20.0, 60.0), (2.0, 6.0), (60.0, 250.0)
STRETCH = (0.7, 1.3)
"""Frequency stretch of screens of one loading: assumed, as wide as published MTFs of one loading differ."""

CORNER_CYCLES_PX = (0.12, 0.7)
"""Corner of a screen's own MTF [cycles/pixel]: at the upper end hardly more than the pixel blurs (direct conversion)."""
CORNER_RATIO = (1.2, 4.0)
"""Corner of the sharp screen's MTF over the blurred one's."""
CORE_EXPONENT = (1.2, 3.0)
"""MTF 1 / (1 + (f / corner)^exponent): 1.5 is like columnar CsI, 2 like powder screens, 3 close to a Gaussian."""
GLARE_SHARE, GLARE_MM = (0.0, 0.12), (0.3, 5.0)
"""Share of the light in a long tail exp(-2 pi f r) and its range r: optical glare, backing, off-focus radiation."""
NOISE_COLOUR = (0.0, 2.0)
"""Noise power goes with MTF^colour: 0 is white (counting, direct conversion), 2 fully coloured by the screen."""
RELATIVE_SD_AT_1_S = (0.001, 0.03)
"""Standard deviation of one pixel of a blurred frame of 1 s in the open beam, for screens that state no quanta."""
ELECTRONIC_SHARE = (0.0, 0.3)
WHITE_RELATIVE_SD = (0.001, 0.2)
ANISOTROPY = 0.12
"""Largest relative difference of the blurred detector's MTFs along rows and columns; real edges differ by 8 %."""


@dataclass(frozen=True)
class ScreenShape:
    """Closed-form MTF of a screen that is no layer model, without the pixel aperture.

    Parameters
    ----------
    corner_lp_mm : float
        Where the core falls to a half [cycles/mm].
    exponent : float
        Of its fall.
    glare_share : float
        Share of the light in the tail, 0 to 1.
    glare_mm : float
        Range of the tail [mm].
    """

    corner_lp_mm: float
    exponent: float
    glare_share: float = 0.0
    glare_mm: float = 1.0

    def __call__(self, frequency_lp_mm: ArrayLike) -> Float:
        """MTF at radial frequency [cycles/mm]."""
        frequency = np.asarray(frequency_lp_mm, dtype=np.float64)
        core = 1.0 / (1.0 + (frequency / self.corner_lp_mm) ** self.exponent)
        tail = np.exp(-2 * np.pi * frequency * self.glare_mm)
        return np.asarray((1 - self.glare_share) * core + self.glare_share * tail)


@dataclass(frozen=True)
class PairDraw:
    """A member of the family.

    Parameters
    ----------
    pixel_pitch_mm : float
        Common pitch [mm].
    sharp_loading_mg_cm2, blurred_loading_mg_cm2 : float
        Phosphor loadings [mg/cm2]; they also set the energy response of fields.
    sharp_stretch, blurred_stretch : float
        Frequency stretch of each screen's transfer functions, 0.7 to 1.3.
    sharp_shape, blurred_shape : ScreenShape, optional
        Screens of other physics in place of the phosphors'.
    noise_colour : float
        Of such screens, see `NOISE_COLOUR`.
    relative_sd_at_1_s : float
        Of such screens, see `RELATIVE_SD_AT_1_S`.
    electronic_share : float
        Of such screens: share of the noise power of 1 s that does not depend on the signal.
    anisotropy : float
        The blurred detector's MTF is stretched by 1 + a/2 along rows and 1 - a/2 along columns.
    """

    pixel_pitch_mm: float = PITCH_MM
    sharp_loading_mg_cm2: float = SHARP_MG_CM2
    blurred_loading_mg_cm2: float = BLURRED_MG_CM2
    sharp_stretch: float = 1.0
    blurred_stretch: float = 1.0
    sharp_shape: ScreenShape | None = None
    blurred_shape: ScreenShape | None = None
    noise_colour: float = 2.0
    relative_sd_at_1_s: float = 0.01
    electronic_share: float = 0.0
    anisotropy: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator, pixel_pitch_mm: float, other_share: float = 0.0) -> PairDraw:
        """Draw a pair.

        Parameters
        ----------
        rng : numpy.random.Generator
        pixel_pitch_mm : float
            Pixel pitch [mm].
        other_share : float
            Share of pairs whose screens are no phosphors of the layer model; a quarter of those are anisotropic.
        """
        sharp = float(rng.uniform(*SHARP_LOADING_MG_CM2))
        blurred = float(np.clip(sharp * rng.uniform(*LOADING_RATIO), *BLURRED_LOADING_MG_CM2))
        stretch = np.exp(rng.uniform(np.log(STRETCH[0]), np.log(STRETCH[1]), 2))
        # the thick screen stays clearly the blurrier one
        plain = cls(pixel_pitch_mm, sharp, blurred, float(max(stretch)), float(min(stretch)))
        return plain if rng.random() >= other_share else plain._of_other_physics(rng)

    def _of_other_physics(self, rng: np.random.Generator) -> PairDraw:
        corner = float(np.exp(rng.uniform(*np.log(CORNER_CYCLES_PX)))) / self.pixel_pitch_mm
        exponents = (
            np.sort(rng.uniform(*CORE_EXPONENT, 2)) if rng.random() < 0.5 else np.full(2, rng.uniform(*CORE_EXPONENT))
        )
        glare, reach = rng.uniform(*GLARE_SHARE) * (rng.random() < 0.5), float(np.exp(rng.uniform(*np.log(GLARE_MM))))
        ratio = float(rng.uniform(*CORNER_RATIO))
        return PairDraw(
            self.pixel_pitch_mm, self.sharp_loading_mg_cm2, self.blurred_loading_mg_cm2,
            sharp_shape=ScreenShape(corner * ratio, float(exponents[1]), 0.5 * glare, reach),
            blurred_shape=ScreenShape(corner, float(exponents[0]), glare, reach),
            noise_colour=float(rng.choice(NOISE_COLOUR)) if rng.random() < 0.5 else float(rng.uniform(*NOISE_COLOUR)),
            relative_sd_at_1_s=float(np.exp(rng.uniform(*np.log(RELATIVE_SD_AT_1_S)))),
            electronic_share=float(rng.uniform(*ELECTRONIC_SHARE)),
            anisotropy=float(rng.uniform(-ANISOTROPY, ANISOTROPY)) if rng.random() < 0.25 else 0.0,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PairDraw:
        """Read what ``asdict`` wrote."""
        shapes = {
            key: ScreenShape(**data[key]) for key in ("sharp_shape", "blurred_shape") if data.get(key) is not None
        }
        return cls(**{**data, **shapes})

    def pair(self) -> DetectorPair:
        """Return the two detectors."""
        blurred = self._detector(self.blurred_loading_mg_cm2, self.blurred_stretch, self.blurred_shape, self.anisotropy)
        return DetectorPair(blurred, self._detector(self.sharp_loading_mg_cm2, self.sharp_stretch, self.sharp_shape))

    def _detector(
        self, loading_mg_cm2: float, stretch: float, shape: ScreenShape | None, anisotropy: float = 0.0
    ) -> Detector:
        if shape is None:
            return _stretched(phosphor_detector(str(loading_mg_cm2), self.pixel_pitch_mm), stretch)
        pitch = self.pixel_pitch_mm
        frequency = np.linspace(0, np.sqrt(0.5) / pitch, 181)
        aperture = np.sinc(pitch * frequency)
        colour = shape(frequency) ** self.noise_colour
        inside = frequency <= 0.5 / pitch
        # mean over the square band, radially weighted, is what one pixel sees
        colour /= (colour * frequency)[inside].sum() / frequency[inside].sum()
        share = self.electronic_share
        power = (self.relative_sd_at_1_s * pitch) ** 2 * ((1 - share) * colour + share)
        sides = [
            FrequencyCurve(frequency, shape(frequency / s) * aperture) for s in (1 + anisotropy / 2, 1 - anisotropy / 2)
        ]
        return Detector(
            f"shape {shape.corner_lp_mm:.2f} lp/mm", pitch, FrequencyCurve(frequency, shape(frequency) * aperture),
            FrequencyCurve(frequency, power), 1.0, share, None, "closed form; simulated, not measured",
            (sides[0], sides[1]) if anisotropy else None,
        )  # fmt: skip

    def sharp_image(self, fine: NDArray[np.floating], oversampling: int, soft_mm: float = 0.0) -> NDArray[np.float32]:
        """Noise-free image of the sharp detector.

        Parameters
        ----------
        fine : ndarray, shape (rows * oversampling, cols * oversampling)
            Transmission on a grid of pitch / oversampling.
        oversampling : int
            Grid cells per pixel and direction.
        soft_mm : float
            Standard deviation of a Gaussian blur before the screen [mm]: focal spot, or an object far from it.

        Returns
        -------
        ndarray, float32, shape (rows, cols)
        """
        step = self.pixel_pitch_mm / oversampling
        spectrum = forward(fine, 1)
        if self.sharp_shape is None:
            apply_radial(spectrum, gos_screen(self.sharp_loading_mg_cm2).mtf, step, self.sharp_stretch)
        else:
            apply_radial(spectrum, self.sharp_shape, step, 1.0)
        if soft_mm > 0:
            apply_radial(spectrum, lambda f: np.exp(-2 * (np.pi * soft_mm * f) ** 2), step, 1.0)
        return sampled(apply_aperture(spectrum, self.pixel_pitch_mm, step), oversampling)


def _stretched(detector: Detector, stretch: float) -> Detector:
    """Stretch the screen, not the pixel aperture, along frequency."""
    frequency = detector.mtf.frequency_lp_mm
    aperture = np.sinc(detector.pixel_pitch_mm * frequency)
    screen = FrequencyCurve(frequency, detector.mtf.value / aperture)
    assert detector.nnps is not None
    return Detector(
        detector.name,
        detector.pixel_pitch_mm,
        FrequencyCurve(frequency, screen(frequency / stretch) * aperture),
        FrequencyCurve(frequency, detector.nnps(frequency / stretch)),
        detector.nnps_exposure_s,
        detector.electronic_fraction,
        detector.loading_mg_cm2,
        detector.description,
    )


def draw_pitch(rng: np.random.Generator) -> float:
    """Draw a pixel pitch [mm], log-uniform over `PITCH_RANGE_MM`."""
    return float(np.exp(rng.uniform(*np.log(PITCH_RANGE_MM))))


def draw_noise(
    pair: DetectorPair,
    rng: np.random.Generator,
    exposure_s: tuple[float, float],
    wide_exposure_s: tuple[float, float] | None = None,
    wide_share: float = 0.0,
    white_share: float = 0.0,
) -> NoiseModel:
    """Draw the noise of one frame.

    Parameters
    ----------
    pair : DetectorPair
    rng : numpy.random.Generator
    exposure_s : (float, float)
        Shortest and longest exposure [s]; log-uniform between.
    wide_exposure_s : (float, float), optional
        The same for a share of the frames.
    wide_share, white_share : float
        Shares of frames with exposures of the wide range, and with white noise of `WHITE_RELATIVE_SD` whatever the screen.
    """
    if rng.random() < white_share:
        pitch = pair.pixel_pitch_mm
        sd = float(np.exp(rng.uniform(*np.log(WHITE_RELATIVE_SD))))
        still = float(rng.uniform(0, 1)) if rng.random() < 0.5 else 0.0
        level = (sd * pitch) ** 2
        flat = FrequencyCurve(np.array([0.0, np.sqrt(0.5) / pitch]), np.full(2, (1 - still) * level))
        return NoiseModel(flat, still * level, pitch)
    limits = wide_exposure_s if wide_exposure_s is not None and rng.random() < wide_share else exposure_s
    return NoiseModel.of_detector(pair.blurred, float(np.exp(rng.uniform(*np.log(limits)))))
