"""Where the measurement shows no structure beyond noise, the result is one linear filter of it (decision 0016)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.frame import Frame
from coldray.physics.transfer import image_of, spectrum_of
from coldray.plugins import Degradation
from coldray.restoration.coarse import (
    LEAST_WEIGHT,
    STEP_PX,
    least_nearby,
    mean_of_blocks,
    mean_within,
    padded,
    smoothed,
    spread,
)
from coldray.restoration.domain import smooth_step
from coldray.restoration.even_gain import even_gain
from coldray.restoration.evidence import Evidence, evidence
from coldray.restoration.gate_constants import EvenConstants
from coldray.restoration.guard import linear_filter
from coldray.scratch import CACHED_PIXELS, empty, strips, zeros

Float = NDArray[np.float64]
Image = NDArray[np.float32]

NETWORK_REACH_PX = 64
"""How far from an open gate the network is still run: the data-consistency step carries its answer no farther."""
BETWEEN_PX = 6.0
"""Width of the Gaussian whose mean counts between even ground and the inside of open ground [pixels]."""
DROWNED = 0.08, 0.16
"""Noise of one pixel, as a share of the open beam, from which even ground goes over to the Wiener filter, and at which it is that.

A void of five times such noise would take half of the beam away: nothing faint is left to keep, and the noise that would be kept for it
makes the picture up to 2.5 dB worse than the Wiener filter's (frames of 2 ms, `benchmarks/domain.py`).
"""


@dataclass(frozen=True, eq=False)
class GatedResult:
    """A result and what it is made of; all parts are float32 and of the frame's shape.

    Parameters
    ----------
    out : ndarray
        ``(measured + linear) + claim``, summed in float32 in this order.
    measured : ndarray
        The measurement y.
    linear : ndarray
        What a linear filter of the measurement adds to it. Farther from structure than the filter reaches it is one
        fixed filter, G + L (1 - H G) - 1; near structure the same with the mean taken over the even ground on its own side.
    claim : ndarray
        What only the network says: exactly 0 where the gate is shut.
    gate : ndarray
        Share of the network g, 0 to 1.
    evidence : Evidence
    warnings : tuple of str
    stood_in : float
        Share of even ground that the filter that stands in for the network makes up, 0 to 1, see `faded`.
    """

    out: Image
    measured: Image
    linear: Image
    claim: Image
    gate: Image = field(repr=False)
    evidence: Evidence = field(repr=False)
    warnings: tuple[str, ...] = ()
    stood_in: float = 0.0

    @property
    def linear_part(self) -> Image:
        """Linear reading of the measurement alone: the result with the gate shut everywhere."""
        return self.measured + self.linear

    @property
    def linear_share(self) -> float:
        """Share of the picture that is a linear filter of the measurement, 0 to 1."""
        return 1.0 - float(self.gate.mean(dtype=np.float64))

    def faded(self, share: float, stand_in: NDArray[np.floating]) -> GatedResult:
        """The whole result faded into a linear filter's, even ground included: `share` 1 changes nothing, 0 leaves that alone.

        Parameters
        ----------
        share : float
        stand_in : ndarray, shape (rows, cols)
            Result of a linear filter of the measurement.
        """
        kept = np.float32(share)
        linear = kept * self.linear + (1 - kept) * (np.asarray(stand_in, dtype=np.float32) - self.measured)
        stood_in = 1.0 - share * (1.0 - self.stood_in)
        changed = replace(self, stood_in=stood_in)
        return changed._of(linear, kept * self.claim, kept * self.gate)

    def replaced(self, weight: NDArray[np.floating], stand_in: NDArray[np.floating]) -> GatedResult:
        """The same with a linear filter's result in place of the network's where `weight` is 1; no other ground changes.

        Parameters
        ----------
        weight : ndarray, shape (rows, cols)
            0 to 1.
        stand_in : ndarray, shape (rows, cols)
            Result of a linear filter of the measurement.

        Notes
        -----
        A network whose result has the mean of the measurement takes from everywhere what it invents in one place. What is
        left of its claim is therefore shifted, where it counts, to a mean of 0.
        """
        lost = np.asarray(weight, dtype=np.float32)
        linear = self.linear + lost * self.gate * (np.asarray(stand_in, dtype=np.float32) - self.linear_part)
        gate = (1 - lost) * self.gate
        return self._of(linear, _without_mean((1 - lost) * self.claim, gate), gate)

    def corrected(self, correction: NDArray[np.float32]) -> GatedResult:
        """The same with a correction of what the network claims, as far as the gate is open; the mean stays.

        Parameters
        ----------
        correction : ndarray, float32, shape (rows, cols)
        """
        added = _without_mean(self.gate * correction, self.gate)
        return self._of(self.linear, self.claim + added, self.gate)

    def _of(self, linear: Image, claim: Image, gate: Image) -> GatedResult:
        return replace(self, out=_summed(self.measured, linear, claim), linear=linear, claim=claim, gate=gate)


def _without_mean(claim: Image, gate: Image) -> Image:
    """What is claimed, shifted where it counts to a mean of 0, in place."""
    if not gate.any():
        return claim
    shift = np.float32(claim.mean(dtype=np.float64) / gate.mean(dtype=np.float64))
    for rows in strips(claim.shape, pixels=CACHED_PIXELS):
        claim[rows] -= shift * gate[rows]
    return claim


def _summed(measured: Image, linear: Image, claim: Image) -> Image:
    """The result that its parts make."""
    out = empty(measured.shape, measured.dtype)
    for rows in strips(out.shape, pixels=CACHED_PIXELS):
        np.add(measured[rows], linear[rows], out=out[rows])
        out[rows] += claim[rows]
    return out


def even_filter(frame: Frame, degradation: Degradation, constants: EvenConstants) -> Image:
    """The one fixed linear filter that even ground gets.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    constants : EvenConstants

    Returns
    -------
    ndarray, float32, shape (rows, cols)
        [G + L (1 - H G)] y: the local mean, and what deviates from it at the gain L. A constant stays constant to the
        last bit.
    """
    shut = np.zeros(tuple(-(-n // STEP_PX) for n in frame.shape), dtype=np.float32)
    return _linear_reading(frame, degradation, constants, shut)


@dataclass(frozen=True, eq=False)
class Reading:
    """What can be said of a frame before any network is asked.

    Parameters
    ----------
    measured, linear, gate : ndarray, float32, shape (rows, cols)
        As in `GatedResult`.
    evidence : Evidence
    stood_in : float
        As in `GatedResult`.
    """

    measured: Image
    linear: Image
    gate: Image
    evidence: Evidence = field(repr=False)
    stood_in: float = 0.0

    @property
    def asks_network(self) -> bool:
        """Whether the gate is open anywhere; if not, the linear reading is the whole result."""
        return bool(self.gate.any())

    def needed(self, cell_px: int) -> NDArray[np.bool_]:
        """Where a network's answer can reach the result, on a grid of `cell_px` pixels.

        Parameters
        ----------
        cell_px : int
            Side of a cell [pixels].

        Returns
        -------
        ndarray of bool, shape (ceil(rows / cell_px), ceil(cols / cell_px))
            True within `NETWORK_REACH_PX` of a pixel with an open gate.
        """
        down, across = (np.arange(0, n, cell_px) for n in self.gate.shape)
        open_cells = np.logical_or.reduceat(np.logical_or.reduceat(self.gate > 0, down, axis=0), across, axis=1)
        reach = -(-NETWORK_REACH_PX // cell_px)
        return _grown(_grown(open_cells, reach).T, reach).T

    def join(self, prediction: NDArray[np.floating] | None = None) -> GatedResult:
        """(1 - g) a + g (prediction - c), with the linear reading a; the number c keeps the mean of the frame.

        Parameters
        ----------
        prediction : ndarray, shape (rows, cols), optional
            The method's result, its data-consistency step included; needed where `asks_network`.

        Raises
        ------
        ImageError
            If the prediction is needed and missing, of another shape than the frame, or not finite.
        """
        if not self.asks_network:
            return self.alone()
        if prediction is None or tuple(prediction.shape) != self.measured.shape:
            found = "none" if prediction is None else f"{tuple(prediction.shape)} pixels"
            raise ImageError(f"prediction: found {found}, the frame has {self.measured.shape}; they must be equal")
        if not np.all(np.isfinite(prediction)):
            raise ImageError("prediction holds values that are not finite; restore with another method or model")
        claim = empty(self.measured.shape, self.measured.dtype)
        for rows in strips(claim.shape, pixels=CACHED_PIXELS):
            without = self.measured[rows] + self.linear[rows]
            np.subtract(prediction[rows], without, out=claim[rows])
            claim[rows] *= self.gate[rows]
        # what the network claims moves quanta and adds none
        return self._result(_without_mean(claim, self.gate), self.gate)

    def alone(self) -> GatedResult:
        """Linear reading without any network."""
        nothing = zeros(self.measured.shape, self.measured.dtype)
        return self._result(nothing, nothing)

    def _result(self, claim: Image, gate: Image) -> GatedResult:
        warnings = tuple(self.evidence.power.warnings())
        out = _summed(self.measured, self.linear, claim)
        return GatedResult(out, self.measured, self.linear, claim, gate, self.evidence, warnings, self.stood_in)


def _grown(cells: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Whether any cell as near as `reach` along the first axis is true."""
    length = len(cells)
    counts = np.concatenate([np.zeros((1, cells.shape[1]), dtype=np.intp), cells.cumsum(axis=0)])
    place = np.arange(length)
    return np.asarray(counts[np.minimum(place + reach + 1, length)] > counts[np.maximum(place - reach, 0)])


def read(frame: Frame, degradation: Degradation, constants: EvenConstants) -> Reading:
    """Linear reading of a frame, and where there is evidence that a network may add to it.

    Parameters
    ----------
    frame : Frame
        The measurement with its own noise, not the one shown to the network.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    constants : EvenConstants

    Returns
    -------
    Reading
        a = b + L (y - H b) and the gate g.

    Notes
    -----
    b is the mean of the even ground nearby that is reached without crossing structure, and a Wiener estimate inside open
    ground, so that edges leave no halo in the ground beside them, and no side takes the level of the other. Both are
    linear in y for a given gate: no network enters where g = 0. The estimate is noisier than the frame; it takes over one
    sample of the coarse grid farther in than the network, which covers it, so that its noise is not seen on the way from
    one ground to the other. On that way b is a local mean, which follows slopes. Least squared error under a limit on
    distortion noise is such a gate, see ``docs/theory/faint_details.md``.
    """
    found = evidence(frame, degradation, constants)
    coarse_gate = found.coarse_gate(constants) if found.power.known else np.zeros_like(found.z)
    gate = spread(coarse_gate, frame.shape)
    reading = _linear_reading(frame, degradation, constants, coarse_gate)
    measured = np.asanyarray(frame.blurred, dtype=np.float32)
    drowned = smooth_step(frame.noise.relative_sd(), *DROWNED)
    if drowned > 0:
        reading += np.float32(drowned) * (linear_filter(frame, degradation) - reading)
    reading -= measured
    return Reading(measured, reading, gate, found, drowned)


def apply(
    frame: Frame, degradation: Degradation, prediction: NDArray[np.floating], constants: EvenConstants
) -> GatedResult:
    """Join a network's result with the linear filter by the evidence of structure: `read`, then `Reading.join`.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    prediction : ndarray, shape (rows, cols)
        The network's result.
    constants : EvenConstants

    Returns
    -------
    GatedResult
    """
    return read(frame, degradation, constants).join(prediction)


def _linear_reading(frame: Frame, degradation: Degradation, constants: EvenConstants, coarse_gate: Image) -> Image:
    """Linear reading b + L (y - H b), with all images less the frame's level: a constant is kept to the last bit."""
    pitch, level = frame.pair.pixel_pitch_mm, np.float32(frame.level)
    y = padded(np.asanyarray(frame.blurred, dtype=np.float32))
    shut = np.float32(1.0) - coarse_gate
    # the mean of even pixels: block means weighted by how shut the gate is there
    blocks, inside = mean_of_blocks(y.shape, lambda rows: y[rows] - level), least_nearby(coarse_gate)
    weighted, mean = shut * blocks, np.zeros_like(shut)
    for part in constants.bases:
        mean += np.float32(part.share) * mean_within(weighted, shut, part.sigma_px)
    if coarse_gate.any():
        between = (coarse_gate - inside) / np.maximum(1 - inside, LEAST_WEIGHT)
        mean += between * (smoothed(blocks, BETWEEN_PX) - mean)
    base = spread(mean, frame.shape)
    if inside.any():
        estimate, share = frame.wiener_estimate(degradation), spread(inside, frame.shape)
        for rows in strips(base.shape, pixels=CACHED_PIXELS):
            open_ground = np.asarray(estimate[rows] - level, dtype=np.float32)
            open_ground -= base[rows]
            open_ground *= share[rows]
            base[rows] += open_ground
    left = spectrum_of(base)
    left *= frame.operator(degradation).gain(left.dtype)
    np.subtract(frame.spectrum, left, out=left)
    # 1 at zero: wherever the even ground lies whose mean b is, the mean of the frame is kept
    kept = frame.radial_operator(lambda f: np.where(f == 0, 1.0, even_gain(degradation, constants, pitch, f)))
    base += image_of(left, kept.gain(left.dtype))
    base += level
    return base
