"""What lies at the ends of an edge response: tails that are cut off, or a field that is not even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.metrology.edge.projection import Projection

Float = NDArray[np.float64]

PLATEAU = 0.2  # outer part of the half-length whose mean is the plateau
SIGNIFICANT = 5.0
FALLS_OFF = 0.75
LEAST_CHANGE = 1.4e-3  # of the step, over two fifths of the half-length
LONGEST_RATIO = 0.95  # a tail that falls more slowly, over a fifth of the half-length, is no longer told from a slope
LOPSIDED = 3.0  # glare on one side of the edge over that on the other, at most; a field may lie on one side alone
READINGS = 1.15  # the band reaches a little beyond the other reading, which is extrapolated


@dataclass(frozen=True)
class Ends:
    """What was found, as changes of the signal in the units of the response.

    Parameters
    ----------
    trend : ndarray, shape (2, 2)
        Slope [1/px] and curvature [1/px^2] taken off the dark and the bright side, outwards.
    change : float
        Largest signal change it stands for.
    noise : float
        Error it brings to the step, and what a slope too faint to be taken off would.
    tail, decay : float
        Mass and length [px] of an exponential that goes on beyond the ends.
    tail_noise : float
        Standard error of that mass.
    if_tail : float
        What the step would have more if that which was taken off as a slope were a tail; 0 if it cannot be.
    if_slope : float
        What the step would have less if that which was taken as a tail were a slope; 0 if it cannot be.
    """

    trend: Float
    change: float
    noise: float
    tail: float
    decay: float
    tail_noise: float
    if_tail: float
    if_slope: float

    def levelled(self, distance_px: Float, esf: Float) -> Float:
        """The response without what was taken off."""
        far = np.abs(distance_px)
        side = (distance_px > 0).astype(np.intp)
        return np.asarray(esf - np.sign(distance_px) * (self.trend[side, 0] * far + self.trend[side, 1] * far * far))


def read_ends(projection: Projection, half_px: float) -> Ends:
    """Tell tails from uneven fields by means over three outer zones on either side.

    A tail falls off: its change between the outer zones is smaller than between the inner ones, and its mass beyond
    the ends follows from their ratio as for an exponential. A change that does not fall off clearly, or goes the
    wrong way, is taken for an uneven field: a line from the edge outwards is taken off that side, with a curvature if
    that stands out of the noise. Glare longer than the half-length looks the same, and a slope in the noise may look
    like a tail; `if_tail` and `if_slope` say what the other reading would change.
    """
    zone = PLATEAU * half_px
    distance = np.abs(projection.distance_px)
    mean, group = np.zeros((2, 3)), np.zeros((projection.deviation.shape[0], 2, 3))
    for side, sign in enumerate((-1, 1)):
        for k in range(3):
            low = half_px - (3 - k) * zone
            inside = (distance >= low) & (distance <= low + zone) & (sign * projection.distance_px > 0)
            mean[side, k] = sign * projection.esf[inside].mean()
            group[:, side, k] = sign * projection.deviation[:, inside].mean(axis=1)

    def noise(change: Float) -> Float:
        return np.asarray(np.sqrt((change**2).sum(axis=0)))

    inner, outer = mean[:, 1] - mean[:, 0], mean[:, 2] - mean[:, 1]
    change, spread = inner + outer, noise(group[..., 2] - group[..., 1])
    blur = noise(group[..., 2] - group[..., 0])
    seen = (np.abs(change) > SIGNIFICANT * blur) & (np.abs(change) > LEAST_CHANGE)
    grows = seen & (change > 0)  # glare lies on both sides alike, so they are read together
    sloped = (seen & (change < 0)) | (grows & (outer[grows].sum() > FALLS_OFF * inner[grows].sum()))
    bent = sloped & (np.abs(outer - inner) > SIGNIFICANT * noise(group @ np.array([1.0, -2.0, 1.0])))
    # A parabola through the means at 0.5, 0.7 and 0.9 of the half-length, or the line through the outer two of them.
    shape = np.array([[-1.0, 0.0, 1.0], [1.0, -2.0, 1.0]]) / np.array([[2 * zone], [2 * zone * zone]])
    shape_bent = shape - np.array([[2 * 3.5 * zone], [0.0]]) * shape[1]
    weights = np.where(bent[:, None, None], shape_bent, shape * np.array([[1.0], [0.0]])) * sloped[:, None, None]
    trend = np.einsum("sjk,sk->sj", weights, mean)
    far = np.array([half_px, half_px**2])
    taken = trend @ (far * np.array([1 - PLATEAU / 2, (1 - PLATEAU / 2) ** 2]))
    of_groups = np.einsum("sjk,gsk,j->gs", weights, group, far)
    ratio = np.clip(outer / np.where(inner > 0, inner, np.inf), 0, LONGEST_RATIO)
    glare = sloped & (change > 0) & (outer - SIGNIFICANT / 2 * spread < inner)
    as_tail = glare * (taken + outer * ratio / (1 - ratio))
    smaller = float(np.maximum(change, 0).min() / max(change.max(), 1e-12))
    if_tail = min(float(as_tail.sum()), (1 + LOPSIDED) * smaller * float(as_tail.max()))
    tail, decay, tail_noise, if_slope = 0.0, zone, 0.0, 0.0
    inner_sum, outer_sum = float(inner[~sloped].sum()), float(outer[~sloped].sum())
    inner_group = (group[..., 1] - group[..., 0])[:, ~sloped].sum(axis=1)
    outer_group = (group[..., 2] - group[..., 1])[:, ~sloped].sum(axis=1)
    inner_noise, outer_noise = float(noise(inner_group)), float(noise(outer_group))
    if inner_sum > 4 * inner_noise and 0 < outer_sum < 0.8 * inner_sum:
        q = outer_sum / inner_sum
        tail, decay = outer_sum * q / (1 - q), float(zone / -np.log(q))
        tail_noise = float(noise((q * (2 - q) * outer_group - q * q * inner_group) / (1 - q) ** 2))
        if outer_sum + 2 * outer_noise > FALLS_OFF * inner_sum:
            if_slope = tail + (inner_sum + outer_sum) / (2 * zone) * half_px * (1 - PLATEAU / 2)
    # A slope too faint to be taken off still moves the plateaus.
    faint = ~seen & (np.abs(change) > blur) & ((change < 0) | (outer > FALLS_OFF * inner)) & (tail == 0)
    unseen = np.where(faint, np.abs(change), 0) * (1 - PLATEAU / 2) * half_px / (2 * zone)
    return Ends(
        trend,
        float(np.abs(trend @ far).max()),
        float(np.hypot(noise(of_groups).sum(), unseen.sum())),
        tail,
        decay,
        tail_noise,
        READINGS * if_tail,
        READINGS * if_slope,
    )


def tail_shape(frequency_px: Float, half_px: float, ends: Ends) -> Float:
    """Transform of what the plateau ramp and the ends cut off an exponential tail, 1 at zero frequency."""
    s = 1 / ends.decay + 2j * np.pi * frequency_px
    zone = PLATEAU * half_px
    start = half_px - zone
    value = np.exp(-2j * np.pi * frequency_px * start) * (1 - np.exp(-s * zone)) / s**2
    return np.asarray((value / value[0]).real)
