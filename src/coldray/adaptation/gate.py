"""The gate on the user's own noise: no network where two frames of one scene differ by noise alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.adaptation.checks import seen_of
from coldray.adaptation.source import noise_of
from coldray.dataset.frames import BoardImages
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.plugins import degradation_of
from coldray.restoration.evidence import LEAST_SIGNAL, evidence
from coldray.restoration.gate_constants import EvenConstants

LOCAL_SIGMA_PX = 4.0
"""Width of the mean that says how strong the noise of a place is [pixels]."""
OPEN_SHARE = 1e-3
"""Share of noise alone for which the gate may begin to open."""


class GateFit(NamedTuple):
    """Constants of the gate, evidence that noise alone reaches, and from how many differences of frames."""

    constants: EvenConstants
    noise_z: float
    differences: int


def fit_gate(boards: Sequence[BoardImages], constants: EvenConstants, degradation: str) -> GateFit:
    """Raise the gate above what the frames' own noise shows.

    Parameters
    ----------
    boards : sequence of BoardImages
        Registered, with two blurred frames or more each.
    constants : EvenConstants
        Of the model that is adapted: they are raised, never lowered, as a gate lowered for least error would let the network
        smooth what is faint.
    degradation : str
        Physics of the blur.

    Returns
    -------
    GateFit

    Notes
    -----
    (y1 - y2) / sqrt 2 is one frame's noise without the scene, weaker where little light came: it is scaled to the noise at the
    mean signal. Its evidence z is that of even ground as this detector shows it, whatever its file states. `closed_below` is
    raised to what all but `OPEN_SHARE` of it stays under, `open_above` by as much.
    """
    found = []
    for images in boards:
        assert images.frames is not None
        rows, cols = seen_of(images)
        frames = images.frames[:, rows, cols]
        noise = noise_of(images, 0)
        for one, other in zip(frames[0::2], frames[1::2], strict=False):
            probe = Frame(noise_alone(one, other, noise), images.pair, noise)
            found.append(evidence(probe, degradation_of(degradation)(images.pair), constants).z.ravel())
    reached = float(np.quantile(np.concatenate(found), 1 - OPEN_SHARE))
    raised = max(0.0, reached - constants.closed_below)
    moved = replace(constants, closed_below=constants.closed_below + raised, open_above=constants.open_above + raised)
    return GateFit(moved, reached, len(found))


def noise_alone(one: NDArray[np.float32], other: NDArray[np.float32], noise: NoiseModel) -> NDArray[np.float32]:
    """Noise of one frame on even ground of the mean signal, from two frames of one scene."""
    mean = 0.5 * (one + other)
    level = float(mean.mean())
    local = np.maximum(scipy.ndimage.gaussian_filter(mean, LOCAL_SIGMA_PX), LEAST_SIGNAL)
    dark, bright = noise.relative_sd(0.0) ** 2, noise.relative_sd(1.0) ** 2
    power = dark + (bright - dark) * local
    at_level = dark + (bright - dark) * level
    even = (one - other) / np.sqrt(2.0) * np.sqrt(at_level / power)
    return np.asarray(level + even - even.mean(), dtype=np.float32)
