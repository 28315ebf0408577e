"""DQE at the frequencies of a detector's sheet, for both directions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.dqe import DqeMeasurement
from coldray.metrology.leakage import HANN
from coldray.metrology.noise import NoiseMeasurement
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import nyquist_lp_mm

STEP_LP_MM = 0.5
HALF_BIN = 0.01
"""Half-width of a bin [cycles/pixel]."""

SLOPE_BINS = 2.0
"""Half-widths of a bin over which the slope of the NNPS is taken."""

Float = NDArray[np.float64]


@dataclass(frozen=True)
class DqeRow:
    """MTF, NNPS [mm2], NEQ [1/mm2] and DQE with its k = 2 band in one direction at one frequency [lp/mm]."""

    direction: str
    frequency_lp_mm: float
    mtf: float
    nnps_mm2: float
    neq_per_mm2: float
    dqe: float | None
    dqe_low: float | None
    dqe_high: float | None

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return asdict(self)


def dqe_table(mtfs: dict[str, FrequencyCurve], flat: NoiseMeasurement, measured: DqeMeasurement) -> tuple[DqeRow, ...]:
    """NEQ and DQE at 0.5, 1.0, 1.5 ... lp/mm up to Nyquist.

    Parameters
    ----------
    mtfs : dict of str to FrequencyCurve
        MTF along the rows ("u") and along the columns ("v"), one or both.
    flat : NoiseMeasurement
        Its NNPS beside the same axes.
    measured : DqeMeasurement
        For beam and air kerma; without them the DQE is None.

    Returns
    -------
    tuple of DqeRow
        By direction, then by frequency.

    Raises
    ------
    MeasurementError
        If a direction is neither "u" nor "v".

    Notes
    -----
    The NNPS is the mean of its lines within 0.01 cycles/pixel of the frequency, carried to it by their slope, and the
    MTF is read there. The band holds that of the MTF and, falling with the root of their number, that of the samples of
    the NNPS. Where low frequencies leak into high ones, the NNPS is that under a Hann window, whose samples are fewer.

    References
    ----------
    IEC 62220-1-1:2015, table of the DQE.
    """
    pitch = flat.pixel_pitch_mm
    quanta = None
    if measured.dqe is not None and measured.beam is not None and measured.air_kerma_ugy is not None:
        quanta = measured.beam.snr_in2_per_ugy_mm2 * measured.air_kerma_ugy
    rows = []
    for direction, mtf in mtfs.items():
        if direction not in ("u", "v"):
            raise MeasurementError(
                f"direction {direction!r} is neither 'u' (along the rows) nor 'v' (along the columns)"
            )
        noise = flat.unleaked if direction == "u" else flat.unleaked_vertical
        for place in np.arange(1, int(nyquist_lp_mm(pitch) / STEP_LP_MM + 1e-6) + 1) * STEP_LP_MM:
            near = np.abs(noise.frequency_lp_mm - place) <= HALF_BIN / pitch
            if place > mtf.last_frequency_lp_mm * (1 + 1e-9) or not near.any():
                continue
            rows.append(_row(direction, float(place), mtf, noise, near, flat, quanta))
    return tuple(rows)


def _at(noise: FrequencyCurve, place: float, near: NDArray[np.bool_], half_bin: float) -> float:
    """Mean of the samples near a frequency, carried there by their own slope: noise may fall by a third within a bin."""
    offset = noise.frequency_lp_mm - place
    around = np.abs(offset) <= SLOPE_BINS * half_bin
    slope = np.polyfit(offset[around], np.log(noise.value[around]), 1)[0] if np.count_nonzero(around) > 2 else 0.0
    return float(noise.value[near].mean() / np.exp(slope * offset[near]).mean())


def _row(
    direction: str,
    place: float,
    mtf: FrequencyCurve,
    noise: FrequencyCurve,
    near: NDArray[np.bool_],
    flat: NoiseMeasurement,
    quanta: float | None,
) -> DqeRow:
    response, power = float(mtf(place)) / float(mtf(0.0)), _at(noise, place, near, HALF_BIN / flat.pixel_pitch_mm)
    neq = response**2 / power
    samples = np.count_nonzero(near) / (1.0 if flat.leaks_above_lp_mm is None else HANN)
    relative = noise.width(noise.frequency_lp_mm[near]) / noise.value[near] / 4
    spread = float(np.mean(relative)) / np.sqrt(max(samples, 1.0))
    width = float(mtf.width(np.array([place]))[0]) / 4 if mtf.low is not None else 0.0
    both = 2 * float(np.hypot(2 * width / max(response, 1e-12), spread))
    dqe = None if quanta is None else neq / quanta
    return DqeRow(
        direction, place, response, power, neq, dqe,
        None if dqe is None else max(dqe * (1 - both), 0.0),
        None if dqe is None else dqe * (1 + both),
    )  # fmt: skip
