"""DQE at the frequencies of a detector's sheet, for both directions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.dqe import DqeMeasurement
from coldray.metrology.noise import NoiseMeasurement
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import nyquist_lp_mm

STEP_LP_MM = 0.5
HALF_BIN = 0.01
"""Half-width of a bin [cycles/pixel]."""

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
    The NNPS is the mean of its lines within 0.01 cycles/pixel of the frequency, and the MTF is read there. The band
    holds that of the MTF and, falling with the root of their number, that of the samples of the NNPS. Where low
    frequencies leak into high ones, the NNPS of both directions is corrected alike.

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
        noise = flat.unleaked if direction == "u" else _unleaked_vertical(flat)
        for place in np.arange(1, int(nyquist_lp_mm(pitch) / STEP_LP_MM + 1e-6) + 1) * STEP_LP_MM:
            near = np.abs(noise.frequency_lp_mm - place) <= HALF_BIN / pitch
            if place > mtf.last_frequency_lp_mm * (1 + 1e-9) or not near.any():
                continue
            rows.append(_row(direction, float(place), mtf, noise, near, flat, quanta))
    return tuple(rows)


def _unleaked_vertical(flat: NoiseMeasurement) -> FrequencyCurve:
    """NNPS beside the v axis, freed of what leaks by as much as that beside the u axis."""
    curve = flat.nnps_vertical
    ratio = flat.unleaked(curve.frequency_lp_mm) / flat.nnps(curve.frequency_lp_mm)
    return FrequencyCurve(curve.frequency_lp_mm, curve.value * ratio)


def _row(
    direction: str,
    place: float,
    mtf: FrequencyCurve,
    noise: FrequencyCurve,
    near: NDArray[np.bool_],
    flat: NoiseMeasurement,
    quanta: float | None,
) -> DqeRow:
    response, power = float(mtf(place)) / float(mtf(0.0)), float(noise.value[near].mean())
    neq = response**2 / power
    spread = float(np.median(flat.relative_sd)) / np.sqrt(np.count_nonzero(near))
    width = float(mtf.width(np.array([place]))[0]) / 4 if mtf.low is not None else 0.0
    relative = 2 * float(np.hypot(2 * width / max(response, 1e-12), spread))
    dqe = None if quanta is None else neq / quanta
    return DqeRow(
        direction, place, response, power, neq, dqe,
        None if dqe is None else max(dqe * (1 - relative), 0.0),
        None if dqe is None else dqe * (1 + relative),
    )  # fmt: skip
