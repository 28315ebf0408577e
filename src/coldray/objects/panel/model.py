"""A simulated panel and the truth of its sheet.

What every figure must be follows from the parameters alone, in closed form or by a root of a closed form. Nothing here
knows how the figures are read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.objects.phantoms import BlurSum, GaussianBlur, with_glare

REFERENCE_UM = 88.6
LATER_S = 60.0
SATURATION_SHARE, SNR_2_PERCENT, SNR_1_PERCENT, CLASS_A, CLASS_B = 0.8, 130.0, 250.0, 70.0, 100.0
STEP_MARGIN_PX = 24

Float = NDArray[np.float64]


def through_dips(spacing_mm: tuple[float, ...], dip_percent: tuple[float, ...]) -> float:
    """The iSRb as the standard defines it: where a parabola through two pairs above 20 % and two below crosses it [mm].

    A parabola that misses the crossing gives way to the straight line between the two next pairs.
    """
    last = max(k for k, dip in enumerate(dip_percent) if dip >= 20.0)
    near = [k for k in range(last - 1, last + 3) if k < len(dip_percent) and (k <= last or dip_percent[k] > 0)]
    parabola = np.poly1d(np.polyfit([spacing_mm[k] for k in near], [dip_percent[k] for k in near], 2))
    fine, coarse = spacing_mm[last + 1], spacing_mm[last]
    if not parabola(fine) < 20.0 < parabola(coarse):
        parabola = np.poly1d(np.polyfit([fine, coarse], [dip_percent[last + 1], dip_percent[last]], 1))
    return float(scipy.optimize.brentq(lambda d: float(parabola(d)) - 20.0, fine, coarse))


@dataclass(frozen=True)
class Beam:
    """Gray values per mGy above the offset, and the variance of a gray value per gray value of signal."""

    name: str
    gray_per_mgy: float
    variance_per_gray: float


@dataclass(frozen=True)
class Material:
    """A step wedge: attenuation [1/mm], thicknesses [mm], and the beam it is seen with."""

    name: str
    attenuation_per_mm: float
    thickness_mm: tuple[float, ...]
    beam: int


@dataclass(frozen=True)
class Panel:
    """Parameters of a simulated panel; signals in gray values above the offset.

    Parameters
    ----------
    name : str
    shape : (rows, cols)
    pixel_pitch_mm : float
    sigma_px : float
        Gaussian core of the blur.
    scatter_share, scatter_reach_px : float
        Internal scatter: part of the signal, and the distance over which its line spread falls to 1/e.
    offset, offset_sd, dark_noise, gain_sd : float
        Mean and fixed spread of the offset, noise of a dark frame, fixed spread of the gain.
    noise_sigma_px : float
        Gaussian over which the noise is correlated.
    frame_kerma_mgy, frame_time_s : float
        Of one frame of the open beam.
    saturation : float
        Signal at which a frame saturates.
    wedge_open : float
        Signal of the open beam beside a wedge (the beam is stronger there).
    beams, materials
    groove_percent : float
    lag : tuple of (share, decay [s])
    burn_in, burn_in_decay_min : float
        Share and decay of the burn-in.
    dark_frames, flat_frames : int
    """

    name: str
    shape: tuple[int, int] = (384, 512)
    pixel_pitch_mm: float = 0.1
    sigma_px: float = 0.7
    scatter_share: float = 0.04
    scatter_reach_px: float = 25.0
    offset: float = 320.0
    offset_sd: float = 15.0
    dark_noise: float = 9.0
    gain_sd: float = 0.02
    noise_sigma_px: float = 0.5
    frame_kerma_mgy: float = 0.02
    frame_time_s: float = 2.0
    saturation: float = 60_000.0
    wedge_open: float = 75_000.0
    beams: tuple[Beam, ...] = (Beam("90 kV", 1.4e6, 1.4), Beam("160 kV", 1.1e6, 2.3))
    materials: tuple[Material, ...] = (
        Material("Al", 0.055, (5.0, 20.0, 35.0, 50.0, 65.0), 0),
        Material("Fe", 0.32, (1.0, 3.5, 6.0, 8.5, 11.0), 1),
    )
    groove_percent: float = 5.0
    lag: tuple[tuple[float, float], ...] = ((0.012, 3.0), (0.003, 60.0))
    burn_in: float = 0.008
    burn_in_decay_min: float = 90.0
    dark_frames: int = 30
    flat_frames: int = 40

    @property
    def blur(self) -> BlurSum:
        """Core and internal scatter."""
        return with_glare(GaussianBlur(self.sigma_px), self.scatter_share, self.scatter_reach_px)

    @property
    def flat_signal(self) -> float:
        """Signal of a frame of the open beam."""
        return self.beams[0].gray_per_mgy * self.frame_kerma_mgy

    def variance(self, signal: Float | float, beam: Beam, frames: int) -> Float:
        """Noise variance of a corrected mean of frames: its own, that of the flats and that of the darks."""
        s = np.asarray(signal, dtype=np.float64)
        flat, dark = self.flat_signal, self.dark_noise**2
        own = (beam.variance_per_gray * s + dark) / frames
        of_flats = (s / flat) ** 2 * (self.beams[0].variance_per_gray * flat + dark) / self.flat_frames
        return np.asarray(own + of_flats + dark / self.dark_frames * (1 - s / flat) ** 2)

    def left_after(self, time_s: Float | float) -> Float:
        """Lag averaged over a frame whose middle is `time_s` after the beam, as a share of the signal in it."""
        t, width = np.asarray(time_s, dtype=np.float64), self.frame_time_s
        return np.asarray(
            sum(share * np.exp(-t / tau) * np.sinh(width / 2 / tau) / (width / 2 / tau) for share, tau in self.lag)
        )

    def step_signal(self, material: Material, thickness_mm: Float | float) -> Float:
        """Signal of an endless plate."""
        return np.asarray(self.wedge_open * np.exp(-material.attenuation_per_mm * np.asarray(thickness_mm)))

    @property
    def groove_rows(self) -> tuple[int, int]:
        """First row of the groove and the first after it."""
        rows = self.shape[0]
        return rows // 2 - rows // 8, rows // 2 + rows // 8

    def wedge_image(self, material: Material) -> Float:
        """Noise-free signal of a wedge whose steps lie side by side, with a groove along all of them.

        The profile across the steps and that across the groove are each blurred in closed form.
        """
        rows, cols = self.shape
        borders = self.step_borders(len(material.thickness_mm))
        x, y = np.arange(cols, dtype=np.float64), np.arange(rows, dtype=np.float64)
        plain = self.step_signal(material, np.array(material.thickness_mm))
        cut = self.step_signal(material, np.array(material.thickness_mm) * (1 - self.groove_percent / 100)) - plain
        first, last = self.groove_rows
        band = self.blur.edge(y - (first - 0.5), 0.0) - self.blur.edge(y - (last - 0.5), 0.0)

        def profile(levels: Float) -> Float:
            out = np.full(cols, levels[0])
            for border, change in zip(borders[1:-1], np.diff(levels), strict=True):
                out += change * self.blur.edge(x - (border - 0.5), 0.0)
            return out

        return np.asarray(profile(plain)[None, :] + band[:, None] * profile(cut)[None, :])

    def step_borders(self, count: int) -> list[int]:
        """First column of every step, and the end."""
        return [round(k * self.shape[1] / count) for k in range(count + 1)]

    def step_levels(self, material: Material) -> tuple[Float, Float]:
        """Mean signal of every step and of the groove in it, well inside their borders."""
        image = self.wedge_image(material)
        borders, (first, last) = self.step_borders(len(material.thickness_mm)), self.groove_rows
        m = STEP_MARGIN_PX
        inside = [slice(a + m, b - m) for a, b in itertools.pairwise(borders)]
        plain = [image[m : first - m, columns].mean() for columns in inside]
        groove = [image[first + m : last - m, columns].mean() for columns in inside]
        return np.array(plain), np.array(groove)

    def truth(self, isrb_mm: float, times_s: tuple[float, ...], burn_minutes: tuple[float, ...]) -> dict[str, float]:
        """Every figure that follows from the parameters, by the key of the sheet.

        Parameters
        ----------
        isrb_mm : float
            Of the duplex wires, from their dips without noise.
        times_s : tuple of float
            Integration times of the wedges.
        burn_minutes : tuple of float
            Times after the long exposure.
        """
        found: dict[str, float] = {"isrb": 1e3 * isrb_mm, "isr": 100 * self.scatter_share}
        normal = REFERENCE_UM / (1e3 * isrb_mm)
        for beam in self.beams:
            signal = beam.gray_per_mgy * self.frame_kerma_mgy
            per_frame = signal**2 / (beam.variance_per_gray * signal + self.dark_noise**2)
            found[f"efficiency.{beam.name}"] = float(np.sqrt(per_frame / self.frame_kerma_mgy)) * normal
        for material in self.materials:
            for time in times_s:
                found |= self._wedge_truth(material, time, normal)
        found["lag.first"] = 100 * float(self.left_after(self.frame_time_s / 2))
        found["lag.60s"] = 100 * float(self.left_after(LATER_S))
        for minutes in burn_minutes:
            found[f"burn_in.{minutes:g}min"] = 100 * self.burn_in * float(np.exp(-minutes / self.burn_in_decay_min))
        return found | {"offset": self.offset, "dark_noise": self.dark_noise}

    def _wedge_truth(self, material: Material, time_s: float, normal: float) -> dict[str, float]:
        beam, frames = self.beams[material.beam], round(time_s / self.frame_time_s)
        where, found = f"{material.name}.{time_s:g}s", {}
        plain, groove = self.step_levels(material)
        noise = np.sqrt((self.variance(plain, beam, frames) + self.variance(groove, beam, frames)) / 2)
        for t, cnr in zip(material.thickness_mm, (groove - plain) / noise, strict=True):
            found[f"csa.{where}.{t:g}mm"] = float(self.groove_percent / cnr)
        thickness = np.array(material.thickness_mm)

        def snr(t: float) -> float:
            signal = self.step_signal(material, t)
            return float(signal / np.sqrt(self.variance(signal, beam, frames)))

        def where_falls(level: float) -> float | None:
            low, high = float(thickness[0]), float(thickness[-1])
            return (
                float(scipy.optimize.brentq(lambda t: snr(t) - level, low, high))
                if snr(low) > level > snr(high)
                else None
            )

        full = SATURATION_SHARE * self.saturation
        thin = max(float(np.log(self.wedge_open / full) / material.attenuation_per_mm), float(thickness[0]))
        for percent, level in ((2, SNR_2_PERCENT), (1, SNR_1_PERCENT)):
            end = where_falls(level)
            if end is not None and end > thin:
                found[f"smtr{percent}.{where}"] = end - thin
        for name, level in (("a", CLASS_A), ("b", CLASS_B)):
            end = where_falls(level / normal)
            if end is not None:
                found[f"iso_mtl_{name}.{where}"] = end
        return found
