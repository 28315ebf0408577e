"""NEQ and DQE from MTF, NNPS and the quanta in the beam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.noise import NoiseMeasurement
from coldray.physics.curves import FrequencyCurve
from coldray.radiograph import Radiograph, Step

SNR_IN2: Mapping[str, Mapping[str, float]] = {
    "2003": {"RQA3": 21759.0, "RQA5": 30174.0, "RQA7": 32362.0, "RQA9": 31077.0},
    "2015": {"RQA3": 20673.0, "RQA5": 29653.0, "RQA7": 32490.0, "RQA9": 31007.0},
}
"""Squared input signal-to-noise ratio per air kerma [1/(mm2 uGy)] by edition of IEC 62220-1.

2003: as found in open code. 2015: recalled, not checked against a licensed copy.
"""
EDITION_SOURCE = {"2003": "IEC 62220-1:2003, as found in open code", "2015": "IEC 62220-1-1:2015, recalled, unverified"}
W70 = "W70kV"
SPECTRUM_TABLE = "spectrum_w70kv_12deg_2.5mmal.csv"
RESTORED = "restore"

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Beam:
    """Quanta of a beam: q = SNR_in^2 per air kerma [1/(mm2 uGy)], its name and where q comes from."""

    name: str
    snr_in2_per_ugy_mm2: float
    source: str

    def __post_init__(self) -> None:
        if not (np.isfinite(self.snr_in2_per_ugy_mm2) and self.snr_in2_per_ugy_mm2 > 0):
            raise MeasurementError(f"SNR_in^2 is {self.snr_in2_per_ugy_mm2} per mm2 and uGy; it must be positive")


@dataclass(frozen=True, eq=False)
class DqeMeasurement:
    """NEQ and, with a beam and an air kerma, DQE.

    Parameters
    ----------
    neq : FrequencyCurve
        MTF^2 / NNPS [1/mm2].
    dqe : FrequencyCurve or None
        NEQ / (q K); None without beam and air kerma.
    beam : Beam or None
    air_kerma_ugy : float or None
    label : str
        "DQE", "NEQ", or "apparent NEQ" for a restored image.
    warnings : tuple of str
    """

    neq: FrequencyCurve
    dqe: FrequencyCurve | None
    beam: Beam | None
    air_kerma_ugy: float | None
    label: str
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""

        def values(value: Float | None) -> list[float] | None:
            return None if value is None else value.tolist()

        dqe = self.dqe
        return {
            "label": self.label,
            "frequency_lp_mm": self.neq.frequency_lp_mm.tolist(),
            "neq_per_mm2": self.neq.value.tolist(),
            "neq_low_per_mm2": values(self.neq.low),
            "neq_high_per_mm2": values(self.neq.high),
            "dqe": None if dqe is None else values(dqe.value),
            "dqe_low": None if dqe is None else values(dqe.low),
            "dqe_high": None if dqe is None else values(dqe.high),
            "beam": None if self.beam is None else self.beam.name,
            "snr_in2_per_ugy_mm2": None if self.beam is None else self.beam.snr_in2_per_ugy_mm2,
            "snr_in2_source": None if self.beam is None else self.beam.source,
            "air_kerma_ugy": self.air_kerma_ugy,
            "warnings": list(self.warnings),
        }


def beam(name: str, edition: str = "2015", *, snr_in2_per_ugy_mm2: float | None = None) -> Beam:
    """Look up a beam quality.

    Parameters
    ----------
    name : str
        RQA3, RQA5, RQA7, RQA9, or W70kV: tungsten at 70 kV, 12 deg, 2.5 mm Al, by the tabulated spectrum.
    edition : str
        "2003" or "2015" for the RQA values, which differ by up to 5 %.
    snr_in2_per_ugy_mm2 : float, optional
        One's own value [1/(mm2 uGy)], for any name.

    Returns
    -------
    Beam

    Raises
    ------
    MeasurementError
        If the name or edition is unknown.

    Examples
    --------
    >>> from coldray.metrology.dqe import beam
    >>> beam("RQA5").snr_in2_per_ugy_mm2
    29653.0
    """
    if snr_in2_per_ugy_mm2 is not None:
        return Beam(name, float(snr_in2_per_ugy_mm2), "given by the user")
    plain = name.upper().replace("-", "").replace(" ", "").replace("_", "")
    if plain in (W70.upper(), "W70", "70KV"):
        return Beam(W70, _spectrum_snr_in2(), "photons of the tabulated spectrum (spekpy 2.5.4)")
    if edition not in SNR_IN2:
        raise MeasurementError(f"edition {edition!r} is unknown; choose one of {', '.join(SNR_IN2)}")
    if plain not in SNR_IN2[edition]:
        known = ", ".join([*SNR_IN2[edition], W70])
        raise MeasurementError(f"beam {name!r} is unknown; choose one of {known}, or give its SNR_in^2")
    return Beam(plain, SNR_IN2[edition][plain], EDITION_SOURCE[edition])


def spectrum_snr_in2(energy_kev: Float, photons_per_ugy_mm2: Float, *, integrating: bool = False) -> float:
    """SNR_in^2 per air kerma [1/(mm2 uGy)] of a spectrum before an ideal detector.

    Parameters
    ----------
    energy_kev, photons_per_ugy_mm2 : ndarray, shape (bins,)
        Photon energy and fluence per bin and air kerma.
    integrating : bool
        False counts photons, sum phi: the convention of the RQA values (RQA5: 30,000 photons per mm2
        and uGy). True weights by energy, (sum phi E)^2 / sum phi E^2, what the best phosphor could do.

    Returns
    -------
    float

    Raises
    ------
    MeasurementError
        If the spectrum is empty or negative.
    """
    energy, phi = np.asarray(energy_kev, dtype=np.float64), np.asarray(photons_per_ugy_mm2, dtype=np.float64)
    if energy.shape != phi.shape or np.any(phi < 0) or not np.any(phi * energy > 0):
        raise MeasurementError("a spectrum needs equally many energies and non-negative fluences, not all zero")
    return float((phi @ energy) ** 2 / (phi @ energy**2) if integrating else phi.sum())


def neq_dqe(
    mtf: FrequencyCurve,
    nnps: FrequencyCurve | NoiseMeasurement,
    *,
    air_kerma_ugy: float | None = None,
    beam_quality: Beam | str | None = None,
    history: Iterable[Step] | Radiograph = (),
    relative_sd: Float | None = None,
) -> DqeMeasurement:
    """NEQ, and DQE where the beam is known.

    Parameters
    ----------
    mtf : FrequencyCurve
        Presampled MTF.
    nnps : FrequencyCurve [mm2] or NoiseMeasurement
        Noise at the same exposure, in the same linear units; of a measurement the 14 lines, or those under a Hann window
        if low frequencies leak into high ones.
    air_kerma_ugy : float, optional
        Air kerma at the detector [uGy].
    beam_quality : Beam or str, optional
        A beam, or its name for `beam` (edition 2015).
    history : Radiograph or iterable of Step
        What was done to the image that was measured.
    relative_sd : ndarray, optional
        Relative standard uncertainty of `nnps` per point; taken from its band otherwise.

    Returns
    -------
    DqeMeasurement
        At the frequencies of `nnps` within the range of `mtf`, with a k = 2 band.

    Raises
    ------
    MeasurementError
        If a DQE is asked for a restored image, only one of beam and air kerma is given, curves do
        not overlap, or the NNPS is not positive.

    Notes
    -----
    A linear invertible filter cannot change the DQE; a gain from a network is prior information, so
    it has an apparent NEQ and no DQE.

    References
    ----------
    IEC 62220-1-1:2015; Ranger et al., Radiology 243 (2007) 785.
    """
    steps = history.history if isinstance(history, Radiograph) else tuple(history)
    restored = any(step.verb == RESTORED for step in steps)
    if (air_kerma_ugy is None) != (beam_quality is None):
        raise MeasurementError("DQE needs both the air kerma [uGy] and the beam quality; give both or neither")
    if restored and air_kerma_ugy is not None:
        raise MeasurementError(
            "DQE belongs to a detector, and this image was restored; leave out air kerma and beam for an apparent NEQ"
        )
    if air_kerma_ugy is not None and not (np.isfinite(air_kerma_ugy) and air_kerma_ugy > 0):
        raise MeasurementError(f"air kerma is {air_kerma_ugy} uGy; it must be positive")
    noise = nnps.unleaked if isinstance(nnps, NoiseMeasurement) else nnps
    spread = None if isinstance(nnps, NoiseMeasurement) else relative_sd
    inside = (noise.frequency_lp_mm <= mtf.last_frequency_lp_mm) & (noise.frequency_lp_mm >= 0)
    if np.count_nonzero(inside) < 2:
        raise MeasurementError(
            f"MTF (to {mtf.last_frequency_lp_mm:.3g} lp/mm) and NNPS (from {noise.frequency_lp_mm[0]:.3g} lp/mm) "
            "do not overlap"
        )
    frequency, power = noise.frequency_lp_mm[inside], noise.value[inside]
    if not np.all(power > 0):
        raise MeasurementError("the NNPS is not positive everywhere; NEQ cannot be computed")
    zero = float(mtf(0.0))
    if not zero > 0:
        raise MeasurementError("the MTF is not positive at zero frequency")
    response = mtf(frequency) / zero
    value = response**2 / power
    sd = _neq_sd(mtf, noise, frequency, inside, response, None if spread is None else np.asarray(spread)[inside])
    neq = (
        FrequencyCurve(frequency, value, np.maximum(value * (1 - 2 * sd), 0.0), value * (1 + 2 * sd))
        if sd is not None
        else (FrequencyCurve(frequency, value))
    )
    warnings: list[str] = []
    if restored:
        warnings.append("restored image: the apparent NEQ includes prior information, it is not the detector's")
    if isinstance(nnps, NoiseMeasurement):
        warnings.extend(nnps.warnings)
    quality = beam(beam_quality) if isinstance(beam_quality, str) else beam_quality
    dqe = None
    if quality is not None and air_kerma_ugy is not None:
        dqe = neq.scaled(1 / (quality.snr_in2_per_ugy_mm2 * air_kerma_ugy))
        if float(np.max(dqe.value)) > 1:
            warnings.append("DQE above 1: check air kerma, linearity and that the noise was not filtered")
    label = "apparent NEQ" if restored else "NEQ" if dqe is None else "DQE"
    return DqeMeasurement(neq, dqe, quality, air_kerma_ugy, label, tuple(warnings))


def _neq_sd(
    mtf: FrequencyCurve,
    noise: FrequencyCurve,
    frequency: Float,
    inside: NDArray[np.bool_],
    response: Float,
    spread: Float | None,
) -> Float | None:
    """Relative standard uncertainty of the NEQ from both bands, None where neither is known."""
    if spread is None and noise.low is not None and noise.high is not None:
        spread = (noise.high - noise.low)[inside] / (4 * noise.value[inside])
    if mtf.low is not None and mtf.high is not None:
        width = np.interp(frequency, mtf.frequency_lp_mm, mtf.high - mtf.low) / 4
        of_mtf = 2 * width / np.maximum(response * float(mtf(0.0)), 1e-12)
        return np.asarray(of_mtf if spread is None else np.hypot(of_mtf, spread))
    return spread


@lru_cache(maxsize=1)
def _spectrum_snr_in2() -> float:
    """SNR_in^2 of the tabulated 70 kV spectrum."""
    text = files("coldray.physics").joinpath("tables", SPECTRUM_TABLE).read_text()
    rows = [line.split(",") for line in text.splitlines() if line and line[0].isdigit()]
    table = np.array(rows, dtype=np.float64)
    return spectrum_snr_in2(table[:, 0], table[:, 1])
