"""Electronics of a panel: gain, offsets, lag, read noise and digitisation as numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldray.errors import PhysicsError
from coldray.simulation.detector import ScreenDetector

THIN_RESIDUAL, THICK_RESIDUAL = 0.005, 0.002
"""Gain pattern left after flat-field correction [relative rms] of a thin and a thick screen: 0.28 times the noise of a
1 s frame or more, so that averaging frames stops paying near 20 of them."""

HIT_ELECTRONS = 70e3 / 3.65
"""What a 70 keV quantum frees in silicon at 3.65 eV for each pair [e-]; lesser ones, and those that escape, less."""


@dataclass(frozen=True)
class Electronics:
    """Read-out of a CMOS panel; the defaults are typical, not those of one product.

    Parameters
    ----------
    gain_spread : float
        Relative standard deviation of the pixel gain before flat-field correction, 0.01-0.03 being usual.
    residual_spread : float, optional
        Relative standard deviation of the gain that flat fields do not see (drift, another beam quality).
        By default 0.005 up to 80 mg/cm2 of phosphor and 0.002 above.
    correlated_share : float
        Share of either variance that comes from the screen's structure and is blurred as light is.
    shading : float
        Fall of the beam across the field, mostly along the rows (heel effect), relative.
    offset_electrons, offset_spread_electrons, column_offset_electrons : float
        Mean offset, and standard deviations from pixel to pixel and from column to column [e-].
    dark_current_electrons_s : float
        Mean dark current of a good pixel [e-/s].
    bad_fraction, cluster_fraction : float
        Share of single bad pixels (half dead, half hot) and of cluster centres.
    direct_hits_s : float
        Quanta per pixel and second of the open beam that pass the screen and are absorbed in the sensor itself: each leaves
        up to `HIT_ELECTRONS` in one pixel. 0.02 and more are seen without a fibre plate.
    stitch_step : float
        Relative step of the gain that flats do not see, where two sensor tiles meet in the middle columns.
    lag : float
        Share of the signal that is read one frame later.
    full_well_electrons : float
        Signal at which a pixel saturates [e-].
    adc_bits : int
        Depth of the digitiser; its range is the full well.
    random_state : int
        Decides every pattern and every frame.

    Raises
    ------
    PhysicsError
        If a value is out of range.
    """

    gain_spread: float = 0.02
    residual_spread: float | None = None
    correlated_share: float = 1 / 3
    shading: float = 0.10
    offset_electrons: float = 20000.0
    offset_spread_electrons: float = 1000.0
    column_offset_electrons: float = 10.0
    dark_current_electrons_s: float = 500.0
    bad_fraction: float = 1e-4
    cluster_fraction: float = 1e-5
    direct_hits_s: float = 0.0
    stitch_step: float = 0.0
    lag: float = 0.004
    full_well_electrons: float = 2.0e6
    adc_bits: int = 14
    random_state: int = 0

    def __post_init__(self) -> None:
        shares = ("correlated_share", "stitch_step", "shading", "bad_fraction", "cluster_fraction", "lag")
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None and f.name == "residual_spread":
                continue
            if not (np.isfinite(value) and value >= 0) or (f.name in shares and value > 1):
                raise PhysicsError(
                    f"{f.name} is {value}; it must be finite and {'0 to 1' if f.name in shares else '>= 0'}"
                )
        if not 4 <= self.adc_bits <= 16 or int(self.adc_bits) != self.adc_bits:
            raise PhysicsError(f"adc_bits is {self.adc_bits}; raw frames have 4 to 16 bits")
        if not self.full_well_electrons > self.offset_electrons:
            raise PhysicsError(
                f"full well {self.full_well_electrons} e- must be above the offset {self.offset_electrons} e-"
            )

    @property
    def electrons_per_dn(self) -> float:
        """Digitiser step [e-]."""
        return self.full_well_electrons / (2**self.adc_bits - 1)

    def residual_of(self, detector: ScreenDetector) -> float:
        """Relative gain pattern left after flat-field correction."""
        if self.residual_spread is not None:
            return self.residual_spread
        return THIN_RESIDUAL if detector.screen.loading_mg_cm2 <= 80 else THICK_RESIDUAL

    def fixed_pattern_nnps(
        self, detector: ScreenDetector, u_lp_mm: ArrayLike, v_lp_mm: ArrayLike
    ) -> NDArray[np.float64]:
        """Expected NNPS [mm2] of the residual gain pattern; it does not fall with exposure or frames.

        Notes
        -----
        The uncorrelated part is white, the rest follows MTF^2; the integral over the Nyquist square is
        the squared relative rms. A stitched step has no place in a power spectrum and is left out.
        """
        p = detector.pixel_pitch_mm
        u, v = np.broadcast_arrays(np.asarray(u_lp_mm, dtype=np.float64), np.asarray(v_lp_mm, dtype=np.float64))
        axis = (np.arange(64) + 0.5) / 128 / p
        mean = float((detector.screen.mtf(np.hypot(axis[:, None], axis) / detector.frequency_stretch) ** 2).mean())
        blurred = detector.screen.mtf(np.hypot(u, v) / detector.frequency_stretch) ** 2 / mean
        power = (p * self.residual_of(detector)) ** 2
        return np.asarray(power * (1 - self.correlated_share + self.correlated_share * blurred))
