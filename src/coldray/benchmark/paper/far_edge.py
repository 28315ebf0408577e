"""Transfer across an edge of known place and any tilt, where the search for near-upright edges does not apply."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.objects.target_geometry import normal_distance
from coldray.physics.curves import FrequencyCurve
from coldray.physics.grids import nyquist_lp_mm

BINS_PER_PX = 8
REACH_PX = 48.0
GROUPS = 8
"""Groups of repeats whose scatter gives the band."""


def known_edge_transfer(stack: NDArray[np.floating], pixel_pitch_mm: float, angle_deg: float) -> FrequencyCurve:
    """Transfer across an edge through the centre of the image.

    Parameters
    ----------
    stack : ndarray, shape (repeats, rows, cols)
        Restored repeats of one edge.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    angle_deg : float
        Tilt of the edge from the columns.

    Returns
    -------
    FrequencyCurve
        0 to Nyquist, 1 at zero; with a k = 2 band from groups of repeats if there are 2 or more.

    Notes
    -----
    Pixels are put in bins of 1/8 pixel by their distance from the edge; the derivative of the bin means is
    transformed, divided by sinc^2 for the bin and the finite difference. As in IEC 62220-1-1, with the edge known.
    """
    distance = normal_distance((stack.shape[1], stack.shape[2]), angle_deg, None)
    place = np.floor((distance + REACH_PX) * BINS_PER_PX).astype(int)
    count = int(2 * REACH_PX * BINS_PER_PX)
    inside = (place >= 0) & (place < count)
    weights = np.maximum(np.bincount(place[inside], minlength=count), 1)
    f = np.linspace(0, 0.5, 257)

    def curve(image: NDArray[np.floating]) -> NDArray[np.float64]:
        spread = np.bincount(place[inside], np.asarray(image, dtype=np.float64)[inside], count) / weights
        line = np.diff(spread)
        line = line * np.hanning(line.size + 2)[1:-1] ** 0.1
        at = (np.arange(line.size) - line.size / 2) / BINS_PER_PX
        transfer = np.abs(np.exp(-2j * np.pi * f[:, None] * at) @ line)
        return transfer / transfer[0] / np.sinc(f / BINS_PER_PX) ** 2

    value = curve(stack.mean(axis=0))
    groups = min(GROUPS, len(stack))
    frequency = f / 0.5 * nyquist_lp_mm(pixel_pitch_mm)
    if groups < 2:
        return FrequencyCurve(frequency, value)
    parts = np.stack([curve(stack[g::groups].mean(axis=0)) for g in range(groups)])
    half = 2 * parts.std(axis=0, ddof=1) / np.sqrt(groups)
    return FrequencyCurve(frequency, value, value - half, value + half)
