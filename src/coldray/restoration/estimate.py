"""What a method gives for one frame: the network within its domain, the linear filter beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.channels import conditions
from coldray.frame import Frame
from coldray.plugins import options_of, plugin
from coldray.restoration.domain import KeptInside
from coldray.restoration.gain import Gain, consistency_gain, residual_gain, share_of
from coldray.restoration.guard import linear_filter
from coldray.restoration.job import Job, check_job, is_stochastic


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
    """

    image: NDArray[np.float32]
    evaluations: int
    share: float
    warnings: list[str]


def estimate(frame: Frame, degradation: Any, job: Job, number: int = 0) -> Estimate:
    """Run the job's method on one frame.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    job : Job
    number : int
        Of the frame in its stack; part of the random state.

    Returns
    -------
    Estimate
        Outside the model's domain the network's result fades into the linear filter's.
    """
    options = check_job(job)
    method = plugin("method", job.method)
    rng = np.random.default_rng([job.random_state, number]) if is_stochastic(method) else None
    if not method.LEARNS:
        image = frame.towards_aim(method.restore(frame, degradation, None, rng, **options))
        image = np.asarray(image, dtype=np.float32)
        return Estimate(image, 0, 0.0, [])
    model = job.model
    assert model is not None
    told = conditions(frame, degradation)
    domain = model.domain if job.safeguards else None
    share = 1.0 if domain is None else domain.share(domain.distance(told))
    warnings = model.warnings_for(told)
    if share == 0:
        return Estimate(linear_filter(frame, degradation), 0, share, warnings)
    predictor = model.predictor() if domain is None else KeptInside(model.predictor(), domain)
    shown = model.familiar(frame, degradation)
    if _has_consistency_step(job) and "consistency" not in options:
        options["consistency"] = consistency_gain(shown, degradation, share_of(job.gain, model.consistency_share))
    image = frame.towards_aim(method.restore(shown, degradation, predictor, rng, **options))
    image = np.asarray(image, dtype=np.float32)
    if share < 1:
        image += np.float32(1 - share) * (linear_filter(frame, degradation) - image)
    return Estimate(image, predictor.evaluations, share, warnings)


def run_method(frame: Frame, degradation: Any, job: Job, number: int = 0) -> tuple[NDArray[np.float32], int]:
    """Result of `estimate` and the evaluations of the network, for comparisons on frames in memory."""
    found = estimate(frame, degradation, job, number)
    return found.image, found.evaluations


def _has_consistency_step(job: Job) -> bool:
    """Whether the method ends with a data-consistency step; the naive sampler of `cold` forgets the measurement."""
    step = "consistency" in options_of(plugin("method", job.method).restore)
    return step and not job.options.get("naive", False)


def gain_left(frame: Frame, degradation: Any, job: Job) -> Gain | None:
    """What the method's own data-consistency step leaves of a wrong prediction; None for methods without one."""
    if not _has_consistency_step(job):
        return None
    if job.model is None:
        return residual_gain(frame, degradation, None)
    share = share_of(job.gain, job.model.consistency_share)
    return residual_gain(job.model.familiar(frame, degradation), degradation, share)
