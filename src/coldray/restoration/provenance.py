"""What of a result was measured, what a linear filter makes of it, and what the prior added."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.frame import Frame

PROVENANCE_LAYERS = ("measured y", "linear part (W - I) y", "prior part out - W y")


def provenance_layers(frame: Frame, degradation: Any, restored: NDArray[np.float32]) -> NDArray[np.float32]:
    """Split a result into measured, linear and prior parts.

    Returns
    -------
    ndarray, float32, shape (3, rows, cols)
        y, (W - I) y and out - W y, W the Wiener filter at the mean signal; they sum to `restored`.
    """
    linear = frame.wiener_operator(degradation)(frame.blurred)
    return np.stack([frame.blurred, linear - frame.blurred, restored - linear]).astype(np.float32)


def wiener_record(frame: Frame, degradation: Any) -> dict[str, list[float]]:
    """Radial gain of the filter W behind the provenance layers, to be stored with them."""
    pitch = frame.pair.pixel_pitch_mm
    # the diagonal of the DCT grid runs evenly from 0 to sqrt(2) Nyquist
    size = 256
    probe = replace(frame, blurred=np.full((size, size), frame.mean_signal, dtype=np.float32))
    gain = np.diagonal(probe.wiener_operator(degradation).transfer)
    return {
        "frequency_lp_mm": (np.arange(size) * np.sqrt(0.5) / (size * pitch)).round(6).tolist(),
        "gain": gain.round(6).tolist(),
    }
