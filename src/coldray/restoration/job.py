"""What to do to every image of a restoration, and whether its parts fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.contracts import settings_of
from coldray.document import Json
from coldray.errors import SettingsError
from coldray.physics.detector import Detector
from coldray.physics.transfer import SHARED, Operators
from coldray.plugins import degradation_of, plugin, plugin_names
from coldray.restoration.device import chosen
from coldray.restoration.gate_constants import EvenConstants
from coldray.restoration.interval import interval_scale_of
from coldray.restoration.model import Model
from coldray.settings import EVEN_LINEAR, Settings, check_options, check_settings, defaults, documented

DEFAULT_METHOD = defaults()["method"]
DECIDES_ERRORS = ("method", "steps", "gain", "degradation", "filter_signal", "options", "even_contrast")
"""Settings on which a restoration's errors depend beside detectors and noise."""


@documented
@dataclass(frozen=True, eq=False)
class Job(Settings[str | Detector, Model, NDArray[np.number]]):
    """What to do to every image of a restoration: its settings, with model and flat fields loaded.

    Parameters
    ----------
    {settings}
    operators : Operators
        Where filters are kept for the next frame.
    keep_certificate : bool
        Whether to keep the certificate's images, for its map and for a report.
    progress : callable, optional
        Told after every tile how many evaluations of the network are done in the present frame, fractions included; may
        raise to stop.
    """

    operators: Operators = SHARED
    keep_certificate: bool = False
    progress: Callable[[float], None] | None = None


def even_constants(job: Job) -> EvenConstants | None:
    """Constants of the gate for a job; None where a method without a network, or the network everywhere, is asked for."""
    if job.even != EVEN_LINEAR or job.model is None or not plugin("method", job.method).LEARNS:
        return None
    own = job.model.even
    return own if job.even_contrast is None else replace(own, contrast=job.even_contrast / own.most_gain)


def changed_settings(job: Job) -> list[str]:
    """Those of `DECIDES_ERRORS` that are not the defaults, with which intervals are calibrated."""
    usual = defaults()
    return [name for name in DECIDES_ERRORS if getattr(job, name) != usual[name]]


def is_stochastic(method: Any) -> bool:
    """Whether a method draws random numbers."""
    return bool(getattr(method, "STOCHASTIC", False))


def check_job(job: Job) -> dict[str, Json]:
    """Check that method, model and options fit; no image is read and nothing computed.

    Returns
    -------
    dict
        Options for the method, without the data-consistency gain.

    Raises
    ------
    SettingsError
        If a setting is outside its range, the method needs a model and there is none, or has no such option.
    CheckpointError
        If the model was trained for another method, or an interval is asked for and the model was not calibrated for it.
    """
    check_settings(job)
    chosen(job.device)
    if not job.judged and (job.on_contradiction == "refuse" or job.keep_certificate):
        raise SettingsError("a contradiction is refused, or shown, by the certificate; let every result be judged")
    degradation_of(job.degradation)
    method = plugin("method", job.method)
    if job.interval:
        if even_constants(job) is None:
            raise SettingsError(
                "an `interval` is that of a network under the gate: give such a method, and `even` = linear"
            )
        assert job.model is not None
        interval_scale_of(job.model)
    if method.LEARNS:
        if job.model is None:
            raise SettingsError(f"the method {job.method!r} needs a `model`")
        job.model.check_fits(method, job.method)
    known = settings_of(method)
    check_options(known, job.options, f"the method {job.method!r}")
    options = dict(job.options)
    if "steps" in known:
        if job.steps is not None:
            options["steps"] = job.steps
    elif job.steps not in (None, 1):
        stepping = [n for n in plugin_names("method") if "steps" in settings_of(plugin("method", n))]
        raise SettingsError(f"the method {job.method!r} takes one step; `steps` belongs to {', '.join(stepping)}")
    return options
