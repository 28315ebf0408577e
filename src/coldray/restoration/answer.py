"""What is written where the measurement contradicts the network (decisions 0017 and 0020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.frame import Frame, Gain, wiener_gain
from coldray.gain import consistency_curve, unshared_gain
from coldray.physics.curves import FrequencyCurve
from coldray.plugins import Degradation, plugin
from coldray.restoration.certificate.certify import Certificate
from coldray.restoration.certificate.residual import band_mean, tile_frequency
from coldray.restoration.certificate.words import MUCH_OF_THE_IMAGE, NOT_JUDGED, verdict_of
from coldray.restoration.estimate import Estimate, gain_left, share_of_gain
from coldray.restoration.guard import RAMP_PX, linear_filter, ramp, refuse
from coldray.restoration.job import Job
from coldray.restoration.judge import Judge, Verdict
from coldray.scratch import nearby, zeros
from coldray.words import percent

NETWORK_CONTRADICTED = "the measurement contradicts the network in much of the image, and the linear filter's result stands in for all of it"
NETWORK_CORRECTED = (
    "the measurement contradicts the network in much of the image, and the linear filter still more: what is written there is the "
    "network's result as far as the measurement corrects it"
)
LEAST_LEFT = 1e-6
"""Share of a wrong prediction below which nothing is left to correct."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What is written of one frame, and why.

    Parameters
    ----------
    found : Estimate
    verdict : Verdict
        Of what is written.
    replaced : ndarray, float32, shape (rows, cols)
        Weight of the linear filter in place of the network.
    corrected : ndarray, float32, shape (rows, cols)
        Weight of the measurement's correction of the network.
    network : dict, optional
        What was said of the network's own result; None if there is none.
    leading, warnings : list of str
    """

    found: Estimate
    verdict: Verdict
    replaced: NDArray[np.float32] = field(repr=False)
    corrected: NDArray[np.float32] = field(repr=False)
    network: dict[str, Json] | None
    leading: list[str]
    warnings: list[str]


def answer(frame: Frame, degradation: Degradation, job: Job, found: Estimate, judge: Judge) -> Answer:
    """Judge a result, and answer where the measurement contradicts the network.

    Parameters
    ----------
    frame : Frame
    degradation : object
        Offers ``transfer(frequency, strength)``.
    job : Job
        Says how to answer.
    found : Estimate
        The network's result.
    judge : Judge

    Raises
    ------
    RefusalError
        If the network is contradicted and the job says to refuse it.

    Notes
    -----
    "correct": two answers are at hand where the network's result x is contradicted, the linear filter W y, and
    x + K0 (y - H x), which is x as far as the measurement corrects it. Of both, the one with the smaller risk as its residual
    tells it is written, tile by tile; where much of the image is contradicted and the linear filter is better as a whole,
    that everywhere. A correction is made of the residual itself, so its marks stay: the same measurement cannot clear them.
    "linear": the linear filter in all marked places, and everywhere where much of the image is contradicted.
    """
    left = gain_left(judge.frame, judge.degradation, job)
    verdict = judge(found.image, left)
    none = zeros(frame.shape, np.float32)
    if not job.safeguards or job.model is None or not plugin("method", job.method).LEARNS:
        return Answer(found, verdict, none, none, None, [], [])
    certificate = verdict.certificate
    network = {"share": round(found.share, 4), **_said_of(certificate)}
    marked = 0.0 if certificate is None else certificate.marked_share
    if marked > 0 and job.on_contradiction == "refuse":
        raise refuse(f"the measurement contradicts the network in {percent(marked)} of the image")
    out = Answer(found, verdict, none, none, network, [], [])
    case = _Case(frame, degradation, judge, left, share_of_gain(job))
    if found.share > 0:
        if marked > 0 and job.on_contradiction in ("correct", "linear"):
            out = _answered(case, out, job.on_contradiction)
        fault = verdict.written.fault or out.verdict.written.fault
        if fault is not None and out.replaced.min() < 1:
            reason = f"the network's result is not written, the linear filter's is: {fault}"
            out = replace(_linear_everywhere(case, out), leading=[], warnings=[reason])
    network["replaced_share"] = round(float(np.mean(out.replaced > 0)), 4)
    if job.on_contradiction == "correct":
        network["corrected_share"] = round(float(np.mean(out.corrected > 0)), 4)
    return out


@dataclass(frozen=True, eq=False)
class _Case:
    """What every answer is made with."""

    frame: Frame
    degradation: Degradation
    judge: Judge
    left: Gain | None
    """What the method's own data-consistency step leaves of a wrong prediction, for `certify`."""
    share: FrequencyCurve | None

    @cached_property
    def linear(self) -> NDArray[np.float32]:
        """Result of the linear filter; a candidate, and what is written of it, are one."""
        return linear_filter(self.frame, self.degradation)


def _answered(case: _Case, said: Answer, how: str) -> Answer:
    """Answer a contradiction as the job says."""
    certificate = said.verdict.certificate
    assert certificate is not None
    much = certificate.marked_share >= MUCH_OF_THE_IMAGE
    places = ramp(certificate.marked)
    if how == "linear":
        if much:
            return _linear_everywhere(case, said)
        found = said.found.with_linear(places, case.linear)
        return replace(said, found=found, verdict=case.judge(found.image, case.left), replaced=places)
    whole = np.ones_like(places)
    correction = _correction(case, said.found.image)
    answers = (
        said.found.with_linear(whole, case.linear, even=False),
        said.found.with_correction(whole, correction),
    )
    linear, corrected = (
        _risk(case, each.image, gain) for each, gain in zip(answers, (_linear_gain, unshared_gain), strict=True)
    )
    if much and linear[certificate.marked].sum() <= corrected[certificate.marked].sum():
        return _linear_everywhere(case, said)
    better = _smooth((linear < corrected).astype(np.float32))
    replaced = places * better
    found = said.found.with_correction(places, correction).with_linear(replaced, case.linear)
    verdict = case.judge(found.image, case.left)
    assert verdict.certificate is not None
    stays = np.where(better < 1, certificate.evidence, np.float32(0.0)) * certificate.marked
    verdict = replace(verdict, certificate=replace(verdict.certificate, standing=stays))
    leading = [NETWORK_CORRECTED] if much else []
    return replace(
        said, found=found, verdict=verdict, replaced=replaced, corrected=places * (1 - replaced), leading=leading
    )


def _linear_everywhere(case: _Case, said: Answer) -> Answer:
    """The linear filter's result in all of the image."""
    whole = zeros(case.frame.shape, np.float32) + np.float32(1.0)
    found = said.found.with_linear(whole, case.linear)
    verdict = case.judge(found.image, None)
    return replace(
        said, found=found, verdict=verdict, replaced=whole, corrected=0 * whole, leading=[NETWORK_CONTRADICTED]
    )


def _correction(case: _Case, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """K (y - H x) with y and H as results are judged; with what the method has corrected already the gain is K0 in all."""
    frame, degradation, share = case.judge.frame, case.judge.degradation, case.share

    def more(part: Frame, blur: Degradation) -> Gain:
        given: Gain = np.ones_like if share is None else consistency_curve(part, blur, share)

        def gain(f: NDArray[np.float64]) -> NDArray[np.float64]:
            left = np.maximum(1.0 - blur.transfer(f, 1.0) * given(f), LEAST_LEFT)
            return np.maximum(unshared_gain(part, blur, f) - given(f), 0.0) / left

        return gain

    correction = frame.directional_operator(more, degradation)
    blur = frame.operator(degradation)
    return np.asanyarray(frame.corrected(image, blur, correction) - image, dtype=np.float32)


def _linear_gain(frame: Frame, degradation: Degradation, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain W of the linear filter."""
    return wiener_gain(frame, degradation, frame.mean_signal)(frequency_lp_mm)


def _risk(case: _Case, image: NDArray[np.float32], gain: Callable[..., NDArray[np.float64]]) -> NDArray[np.float32]:
    """Squared error of a result blurred again, as its residual tells it, in units of the noise; per pixel's tile.

    Parameters
    ----------
    case : _Case
    image : ndarray, float32, shape (rows, cols)
        The result.
    gain : callable
        Gain G with which the measurement enters the result.

    Notes
    -----
    Stein's unbiased estimate for a result of which the share H G of the noise comes back: |r|^2 - n (1 - 2 H G), with n degrees of
    freedom. The network's own dependence on the noise is left out: it is smaller than the gain where the network is sure.

    References
    ----------
    Stein, Annals of Statistics 9, 1135 (1981).
    """
    degradation = case.judge.degradation
    frame, found = case.judge.energy(image)
    frequency, place = tile_frequency(frame)
    back = degradation.transfer(frequency, 1.0) * gain(frame, degradation, frequency)
    share = 1.0 - 2.0 * band_mean(back, place)
    risk = found.energy - found.degrees * share[:, None, None]
    return found.grid.spread(risk.sum(axis=0), frame.shape, 0.0)


def _smooth(choice: NDArray[np.float32]) -> NDArray[np.float32]:
    """A choice between tiles without a step at their borders."""
    from scipy.ndimage import uniform_filter

    def mean(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(uniform_filter(image, RAMP_PX, mode="nearest"), dtype=np.float32)

    return nearby(mean, RAMP_PX, choice)


def _said_of(certificate: Certificate | None) -> dict[str, Json]:
    """What the certificate said of the network's own result."""
    if certificate is None:
        return {"verdict": NOT_JUDGED}
    return {"verdict": verdict_of(certificate), "marked_share": float(f"{certificate.marked_share:.4g}")}
