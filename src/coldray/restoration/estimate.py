"""What a method gives for one frame: the network where there is structure and within its domain, linear filters elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldray.channels import CHANNELS, CORRECTED, conditions
from coldray.contracts import CorrectingMethod
from coldray.frame import Frame, Gain
from coldray.gain import share_of
from coldray.physics.curves import FrequencyCurve
from coldray.plugins import Degradation, degradation_of, plugin
from coldray.restoration.domain import KeptInside, asked_for
from coldray.restoration.even import GatedResult, read
from coldray.restoration.guard import linear_filter, mixed
from coldray.restoration.job import Job, check_job, even_constants, is_stochastic
from coldray.restoration.tiles import TiledPredictor


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method gives for one frame.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, cols)
    evaluations : int
        Of the network.
    share : float
        How much the network counts in it, 0 to 1; 0 for methods without one.
    warnings : list of str
    gated : GatedResult, optional
        The same image as what was measured, what a linear filter adds and what only the network claims; None where the
        network is not gated.
    """

    image: NDArray[np.float32]
    evaluations: int
    share: float
    warnings: list[str]
    gated: GatedResult | None = None

    def with_linear(self, weight: NDArray[np.float32], linear: NDArray[np.float32], even: bool = True) -> Estimate:
        """The same with the linear filter in place of the network where `weight` is 1.

        Parameters
        ----------
        weight, linear : ndarray, float32, shape (rows, cols)
            Where, and the filter's result.
        even : bool
            Whether a weight of 1 everywhere puts it in place of even ground too.
        """
        if self.gated is not None:
            everywhere = even and weight.min() == 1
            gated = self.gated.faded(0.0, linear) if everywhere else self.gated.replaced(weight, linear)
            return replace(self, image=gated.out, gated=gated)
        return replace(self, image=mixed(self.image, linear, weight))

    def with_correction(self, weight: NDArray[np.float32], correction: NDArray[np.float32]) -> Estimate:
        """The same with a correction of the network where `weight` is 1; even ground, and the mean, stay.

        Parameters
        ----------
        weight, correction : ndarray, float32, shape (rows, cols)
        """
        if self.gated is not None:
            gated = self.gated.corrected(weight * correction)
            return replace(self, image=gated.out, gated=gated)
        added = weight * correction
        return replace(self, image=self.image + (added - np.float32(added.mean(dtype=np.float64))))


def estimate(frame: Frame, degradation: Degradation, job: Job, *numbers: int) -> Estimate:
    """Run the job's method on one frame.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    job : Job
    *numbers : int
        Of the frame, in its stack for instance; part of the random state.

    Returns
    -------
    Estimate
        Where the measurement shows no structure beyond noise the network does not enter at all
        (`coldray.restoration.even`); outside the model's domain the whole result fades into that of the method "wiener".
    """
    options = check_job(job)
    method = plugin("method", job.method)
    rng = np.random.default_rng([job.random_state, *numbers]) if is_stochastic(method) else None
    if not method.LEARNS:
        image = frame.towards_aim(method.restore(frame, degradation, None, rng, **options))
        image = np.asanyarray(image, dtype=np.float32)
        return Estimate(image, 0, 0.0, [])
    model = job.model
    assert model is not None
    told = conditions(frame, degradation)
    domain = model.domain if job.safeguards else None
    share = asked_for(told) if job.safeguards else 1.0
    if domain is not None:
        share *= domain.share(domain.distance(told))
    warnings = model.warnings_for(told)
    constants = even_constants(job)
    reading = None if constants is None else read(*_as_restored(frame, degradation, job), constants)
    if reading is not None and (share == 0 or not reading.asks_network):
        gated = reading.alone()
        if share < 1:
            gated = gated.faded(share, linear_filter(frame, degradation))
        return Estimate(gated.out, 0, share, warnings + list(gated.warnings), gated)
    if share == 0:
        return Estimate(linear_filter(frame, degradation), 0, share, warnings)
    predictor = model.predictor(job.progress, job.device)
    if reading is not None and tuple(method.CHANNELS) == CHANNELS and isinstance(predictor, TiledPredictor):
        predictor.needed, predictor.base = reading.needed(predictor.stride), CHANNELS.index(CORRECTED)
    if isinstance(predictor, TiledPredictor) and predictor.note:
        warnings = [*warnings, predictor.note]
    kept = predictor if domain is None else KeptInside(predictor, domain)
    shown = model.familiar(frame, degradation)
    if isinstance(method, CorrectingMethod):
        options["consistency"] = method.gain(shown, degradation, share_of_gain(job))
    image = frame.towards_aim(method.restore(shown, degradation, kept, rng, **options))
    image = np.asanyarray(image, dtype=np.float32)
    if reading is not None:
        gated = reading.join(image)
        if share < 1:
            gated = gated.faded(share, linear_filter(frame, degradation))
        return Estimate(gated.out, predictor.evaluations, share, warnings + list(gated.warnings), gated)
    if share < 1:
        image += np.float32(1 - share) * (linear_filter(frame, degradation) - image)
    return Estimate(image, predictor.evaluations, share, warnings)


def run_method(frame: Frame, degradation: Degradation, job: Job, *numbers: int) -> tuple[NDArray[np.float32], int]:
    """Result of `estimate` and the evaluations of the network, for comparisons on frames in memory."""
    found = estimate(frame, degradation, job, *numbers)
    return found.image, found.evaluations


def _as_restored(frame: Frame, degradation: Degradation, job: Job) -> tuple[Frame, Degradation]:
    """Frame and blur of what a result aims at; the same ones where the detectors' tables are trusted throughout."""
    judged = frame.as_restored()
    same = judged is frame
    return judged, degradation if same else degradation_of(job.degradation)(judged.pair)


def share_of_gain(job: Job) -> FrequencyCurve | None:
    """Share of the data-consistency gain; under the gate the network is corrected where it rules."""
    constants = even_constants(job)
    calibrated = None if job.model is None else job.model.consistency_share
    return share_of(job.gain, calibrated, None if constants is None else constants.least_share())


def gain_left(frame: Frame, degradation: Degradation, job: Job) -> Gain | None:
    """What the method leaves of a wrong prediction, for the certificate; None for methods that correct nothing."""
    method = plugin("method", job.method)
    if not isinstance(method, CorrectingMethod):
        return None
    shown = frame if job.model is None else job.model.familiar(frame, degradation)
    found: Gain = method.left(shown, degradation, share_of_gain(job))
    return found
