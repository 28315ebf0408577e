"""What of a result was measured, what a linear filter makes of it, and what only the network claims."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.frame import Frame
from coldray.plugins import Degradation
from coldray.restoration.even import GatedResult
from coldray.restoration.even_gain import fixed_gain
from coldray.restoration.gate_constants import EvenConstants

WIENER_NAMES = ("measured y", "linear part (W - I) y", "prior part out - W y")
GATED_NAMES = ("measured y", "linear part of y", "network's claim", "share of the network g")


@dataclass(frozen=True, eq=False)
class Provenance:
    """A result as a sum of layers.

    Parameters
    ----------
    layers : ndarray, float32, shape (3 or 4, rows, cols)
        Measured, linear, prior: they sum to the result in float32, in this order. Under the gate the third is exactly 0
        where no network enters, and the share of the network g, 0 to 1, is the fourth.
    names : tuple of str
    filter : dict
        The one linear filter behind the second layer: its name, and its radial gain over frequency [lp/mm].
    """

    layers: NDArray[np.float32]
    names: tuple[str, ...]
    filter: dict[str, Json] = field(repr=False)

    def to_history(self) -> dict[str, Json]:
        """What the history of the file with the layers says of them."""
        return {"layers": list(self.names), "linear_filter": self.filter}


def provenance_of(
    frame: Frame,
    degradation: Degradation,
    restored: NDArray[np.float32],
    gated: GatedResult | None,
    constants: EvenConstants | None,
) -> Provenance:
    """Split a result into measured, linear and prior parts.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    restored : ndarray, float32, shape (rows, cols)
        The result as it is written, for results without a gate.
    gated : GatedResult, optional
        The result under the gate; its own layers, before they are rounded to stored values.
    constants : EvenConstants, optional
        Of the gate.

    Returns
    -------
    Provenance
        Without a gate y, (W - I) y and out - W y, W the Wiener filter at the mean signal.
    """
    if gated is None or constants is None:
        linear = frame.wiener_operator(degradation)(frame.blurred)
        layers = np.stack([frame.blurred, linear - frame.blurred, restored - linear]).astype(np.float32, copy=False)
        return Provenance(layers, WIENER_NAMES, {"name": "wiener", **_sampled(frame, _wiener_gain(frame, degradation))})
    layers = np.stack([gated.measured, gated.linear, gated.claim, gated.gate])
    gain, name = fixed_gain(degradation, constants, frame.pair.pixel_pitch_mm, _frequencies(frame)), "even ground"
    if gated.stood_in > 0:
        gain = gain + gated.stood_in * (_wiener_gain(frame, degradation) - gain)
        name = "wiener" if gated.stood_in == 1 else "even ground and wiener"
    return Provenance(layers, GATED_NAMES, {"name": name, **_sampled(frame, gain)})


SAMPLES = 256


def _frequencies(frame: Frame) -> NDArray[np.float64]:
    """Evenly from 0 to sqrt(2) Nyquist [lp/mm], as the diagonal of the DCT grid runs."""
    return np.arange(SAMPLES) * np.sqrt(0.5) / (SAMPLES * frame.pair.pixel_pitch_mm)


def _wiener_gain(frame: Frame, degradation: Degradation) -> NDArray[np.float64]:
    probe = replace(frame, blurred=np.full((SAMPLES, SAMPLES), frame.mean_signal, dtype=np.float32))
    return np.asarray(np.diagonal(probe.wiener_operator(degradation).transfer), dtype=np.float64)


def _sampled(frame: Frame, gain: NDArray[np.float64]) -> dict[str, list[float]]:
    return {"frequency_lp_mm": _frequencies(frame).round(6).tolist(), "gain": np.asarray(gain).round(6).tolist()}
