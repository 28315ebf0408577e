"""Swank's diffusion model of a granular phosphor screen, in parallel layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError
from coldray.physics.curves import FrequencyCurve
from coldray.physics.source import Spectrum, attenuation, spectrum_70kv

SIGMA_CM2_G = 3.0
BETA = 0.0065
BACK_FACE_R0 = 0.062
EXIT_FACE_R1 = 0.97
PACKING_DENSITY_G_CM3 = 4.0
ELECTRONS_PER_KEV = 25.0
"""About 60 light quanta per keV of escaped light times 0.42 sensor efficiency."""
SWANK_FACTOR = 0.90
"""Energy-deposition (Swank) noise without the depth dependence, which the layers carry."""


@dataclass(frozen=True, eq=False)
class Screen:
    """A phosphor screen as parallel absorbing layers.

    Parameters
    ----------
    loading_mg_cm2 : float
        Phosphor mass thickness [mg/cm2].
    quanta_mm2_ugy : ndarray, shape (layers,)
        Absorbed quanta per mm2 and uGy, from the entrance to the sensor side.
    gain_kev : ndarray, shape (layers,)
        Mean absorbed energy times light escape [keV per absorbed quantum].
    frequency_lp_mm : ndarray, shape (n,)
        Frequencies of `transfer` [cycles/mm].
    transfer : ndarray, shape (layers, n)
        Optical transfer of the light born in each layer; 1 at zero.
    response : ndarray, shape of the spectrum
        Mean signal per incident photon at each energy [keV of escaped light].

    Notes
    -----
    R.K. Swank, Appl. Opt. 12 (1973) 1865; layered cascade after Nishikawa and Yaffe, Med. Phys. 17
    (1990) 894. Constants fitted to anchor curves of Min-R and Lanex Fast type screens, +-10 to 20 %.
    """

    loading_mg_cm2: float
    quanta_mm2_ugy: NDArray[np.float64]
    gain_kev: NDArray[np.float64]
    frequency_lp_mm: NDArray[np.float64]
    transfer: NDArray[np.float64]
    response: NDArray[np.float64]

    @property
    def mtf(self) -> FrequencyCurve:
        """MTF of the screen alone (no pixel aperture)."""
        signal = self.quanta_mm2_ugy * self.gain_kev
        return FrequencyCurve(self.frequency_lp_mm, signal @ self.transfer / signal.sum())

    def layer_transfer(self, layer: int, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Transfer of one layer at any frequency [cycles/mm]."""
        return np.interp(np.asarray(frequency_lp_mm, dtype=np.float64), self.frequency_lp_mm, self.transfer[layer])

    @property
    def signal_electrons_mm2_ugy(self) -> float:
        """Mean electrons per mm2 and uGy in the open beam."""
        return float(ELECTRONS_PER_KEV * (self.quanta_mm2_ugy * self.gain_kev).sum())


def _escape(frequency_per_cm: NDArray[np.float64], depth: NDArray[np.float64], loading: float) -> NDArray[np.float64]:
    """Light escape H(f, z) at the exit face, shape (depths, frequencies); masses in g/cm2."""
    q = np.sqrt(SIGMA_CM2_G**2 + (2 * np.pi * frequency_per_cm / PACKING_DENSITY_G_CM3) ** 2)[None, :]
    tau = SIGMA_CM2_G / BETA
    z = depth[:, None]
    a0, a1 = tau * BACK_FACE_R0, tau * EXIT_FACE_R1
    # both exponentials carry e^{-q w}, so nothing overflows at high frequency
    numerator = a1 * ((q + a0) * np.exp(q * (z - loading)) + (q - a0) * np.exp(-q * (z + loading)))
    denominator = (q + a0) * (q + a1) - (q - a0) * (q - a1) * np.exp(-2 * q * loading)
    return np.asarray(numerator / denominator)


@lru_cache(maxsize=256)
def gos_screen(loading_mg_cm2: float, layers: int = 5, spectrum: Spectrum | None = None) -> Screen:
    """Swank model of a Gd2O2S:Tb screen of any loading.

    Parameters
    ----------
    loading_mg_cm2 : float
        Phosphor mass thickness [mg/cm2], 5 to 500.
    layers : int
        Number of parallel layers of equal thickness.
    spectrum : Spectrum, optional
        Incident spectrum; the 70 kV beam by default.

    Returns
    -------
    Screen

    Raises
    ------
    PhysicsError
        If the loading is outside the range of the model.

    Examples
    --------
    >>> from coldray.physics.screen import gos_screen
    >>> thin, thick = gos_screen(34), gos_screen(135)
    >>> bool(thick.mtf(3.0) < thin.mtf(3.0))
    True
    """
    if not 5 <= loading_mg_cm2 <= 500:
        raise PhysicsError(f"phosphor loading is {loading_mg_cm2} mg/cm2; the model holds from 5 to 500")
    beam = spectrum_70kv() if spectrum is None else spectrum
    table = attenuation()
    mu = np.interp(beam.energy_kev, table.energy_kev, table.mass_cm2_g["Gd2O2S"])
    frequency = np.concatenate([np.arange(0, 5, 0.1), np.arange(5, 20, 0.25), np.arange(20, 75.1, 1.0)])
    loading = loading_mg_cm2 / 1000.0
    slabs = 16
    edges = np.linspace(0, loading, layers * slabs + 1)
    absorbed = np.exp(-mu[:, None] * edges[:-1]) - np.exp(-mu[:, None] * edges[1:])
    # mean depth of absorption within a thin slab is its middle to second order
    escape = _escape(frequency * 10.0, 0.5 * (edges[1:] + edges[:-1]), loading)
    quanta = (beam.photons_mm2_ugy @ absorbed).reshape(layers, slabs)
    energy = ((beam.photons_mm2_ugy * beam.energy_kev) @ absorbed).reshape(layers, slabs)
    light = np.einsum("ks,ksf->kf", energy, escape.reshape(layers, slabs, -1))
    per_layer = quanta.sum(axis=1)
    return Screen(
        loading_mg_cm2,
        per_layer,
        light[:, 0] / per_layer,
        frequency,
        light / light[:, :1],
        beam.energy_kev * (absorbed @ escape[:, 0]),
    )


def open_beam_nnps(
    screen: Screen,
    pixel_pitch_mm: float,
    air_kerma_ugy: float,
    u_lp_mm: ArrayLike,
    v_lp_mm: ArrayLike,
    *,
    read_noise_electrons: float = 200.0,
    swank_factor: float = SWANK_FACTOR,
    aliases: int = 6,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Closed-form NNPS of a flat field, split by its dependence on signal.

    Parameters
    ----------
    screen : Screen
        The phosphor.
    pixel_pitch_mm : float
        Pitch of the square pixels (fill factor 1) [mm].
    air_kerma_ugy : float
        Air kerma of the frame [uGy].
    u_lp_mm, v_lp_mm : array_like
        Frequencies along columns and rows [cycles/mm], broadcast against each other.
    read_noise_electrons : float
        Electronic noise per pixel and frame [e- rms].
    swank_factor : float
        Energy-deposition noise factor A.
    aliases : int
        Number of spectral replicas summed on each side.

    Returns
    -------
    quantum, electronic : ndarray
        NNPS [mm2]; the quantum part (X-ray and light quanta) falls as 1/kerma and, at a local
        transmission s, scales as s; the electronic part does not depend on s.

    Notes
    -----
    NNPS = [p^4 sum_ij sinc^2 sinc^2 sum_k q_k K (G_k^2/A) h_k^2 + p^2 (d + sigma^2)] / d^2 with
    d = p^2 K sum_k q_k G_k; parallel cascade after Siewerdsen et al., Med. Phys. 24 (1997) 71.
    """
    if not air_kerma_ugy > 0:
        raise PhysicsError(f"air kerma is {air_kerma_ugy} uGy; it must be positive")
    u, v = np.broadcast_arrays(np.asarray(u_lp_mm, dtype=np.float64), np.asarray(v_lp_mm, dtype=np.float64))
    gain = ELECTRONS_PER_KEV * screen.gain_kev
    quanta = screen.quanta_mm2_ugy * air_kerma_ugy
    signal = pixel_pitch_mm**2 * float(quanta @ gain)
    power = (quanta * gain**2 / swank_factor) @ screen.transfer**2
    total = np.zeros(u.shape)
    for i in range(-aliases, aliases + 1):
        for j in range(-aliases, aliases + 1):
            ui, vj = u + i / pixel_pitch_mm, v + j / pixel_pitch_mm
            aperture = (np.sinc(pixel_pitch_mm * ui) * np.sinc(pixel_pitch_mm * vj)) ** 2
            total += aperture * np.interp(np.hypot(ui, vj), screen.frequency_lp_mm, power)
    quantum = (pixel_pitch_mm**4 * total + pixel_pitch_mm**2 * signal) / signal**2
    electronic = np.full(u.shape, pixel_pitch_mm**2 * read_noise_electrons**2 / signal**2)
    return quantum, electronic
