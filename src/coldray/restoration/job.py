"""What to do to every image of a restoration, and whether its parts fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from coldray.errors import SettingsError
from coldray.gain import GAINS
from coldray.physics.detector import Detector
from coldray.plugins import check_options, plugin, plugin_names, settings_of
from coldray.restoration.even import EVEN_LINEAR, EVENS
from coldray.restoration.evidence import EvenConstants
from coldray.restoration.guard import CONTRADICTIONS
from coldray.restoration.model import Model

DEFAULT_METHOD = "cold"
LEAST_CONTRAST = 0.1
"""Least contrast that faint details may be left with; below it they are kept for arithmetic, not for eyes."""


@dataclass(frozen=True, eq=False)
class Job:
    """What to do to every image of a restoration.

    Parameters
    ----------
    method : str
        Name of the method.
    model : Model, optional
        Needed by methods that learn.
    steps : int, optional
        Steps of methods that go step by step; the method's own number by default.
    blurred, sharp : str or Detector
        Detectors: name, model, file, or the object itself.
    degradation : str
        Name of the degradation.
    gain : {"calibrated", "detail", "paper", "network"}
        How the measurement corrects the prediction of the cold sampler.
    exposure_s : float, optional
        Exposure of one frame [s].
    flats : ndarray, optional
        Flat fields of the same exposure.
    open_beam : float, optional
        Stored value of the open beam.
    pixel_pitch_mm : float, optional
        Pitch [mm], overriding the file.
    provenance : bool
        Whether to compute the three layers.
    keep_certificate : bool
        Whether to keep the certificate's images, for its map and for a report.
    options : dict
        Further options of the method by name, see `plugins.settings_of`.
    random_state : int
        Of methods that draw; every frame of a stack has its own stream.
    on_contradiction : {"linear", "keep", "refuse"}
        What becomes of the places where the certificate contradicts the network: the linear filter's result, the
        network's as it is, or no result at all.
    even : {"linear", "network"}
        What ground without structure beyond noise gets from methods that learn: one fixed linear filter of the
        measurement, or whatever the network makes of it, as version 0.1 did.
    even_contrast : float, optional
        Contrast that faint details keep there, 0.1 to 1; the model's own constant by default.
    safeguards : bool
        False repeats restorations recorded by version 0.1, which had none of `coldray.restoration.guard` and judged the
        result before it was clipped and rounded.
    progress : callable, optional
        Told after every tile how many evaluations of the network are done in the present frame, fractions included; may
        raise to stop.
    """

    method: str = DEFAULT_METHOD
    model: Model | None = None
    steps: int | None = None
    blurred: str | Detector = "gos135"
    sharp: str | Detector = "gos34"
    degradation: str = "mtf_blend"
    gain: str = "calibrated"
    exposure_s: float | None = None
    flats: NDArray[Any] | None = None
    open_beam: float | None = None
    pixel_pitch_mm: float | None = None
    provenance: bool = False
    keep_certificate: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    random_state: int = 0
    on_contradiction: str = "linear"
    even: str = EVEN_LINEAR
    even_contrast: float | None = None
    safeguards: bool = True
    progress: Callable[[float], None] | None = None


def even_constants(job: Job) -> EvenConstants | None:
    """Constants of the gate for a job; None where a method without a network, or the network everywhere, is asked for."""
    if job.even != EVEN_LINEAR or job.model is None or not plugin("method", job.method).LEARNS:
        return None
    own = job.model.even
    return own if job.even_contrast is None else replace(own, contrast=job.even_contrast / own.most_gain)


def is_stochastic(method: Any) -> bool:
    """Whether a method draws random numbers."""
    return bool(getattr(method, "STOCHASTIC", False))


def check_job(job: Job) -> dict[str, Any]:
    """Check that method, model and options fit; nothing is read or computed.

    Returns
    -------
    dict
        Options for the method, without the data-consistency gain.

    Raises
    ------
    SettingsError
        If the method needs a model and there is none, or has no such option, or there is no such gain, or
        answer to a contradiction or to even ground.
    CheckpointError
        If the model was trained for another method.
    """
    if job.on_contradiction not in CONTRADICTIONS:
        raise SettingsError(f"on_contradiction={job.on_contradiction!r}: choose one of {', '.join(CONTRADICTIONS)}")
    if job.gain not in GAINS:
        raise SettingsError(f"gain={job.gain!r}: choose one of {', '.join(GAINS)}")
    if job.even not in EVENS:
        raise SettingsError(f"even={job.even!r}: choose one of {', '.join(EVENS)}")
    if job.even_contrast is not None and not LEAST_CONTRAST <= job.even_contrast <= 1:
        raise SettingsError(f"even_contrast={job.even_contrast}: must lie between {LEAST_CONTRAST:g} and 1")
    plugin("degradation", job.degradation)
    method = plugin("method", job.method)
    if method.LEARNS:
        if job.model is None:
            raise SettingsError(f"the method {job.method!r} needs a model; give -m MODEL")
        job.model.check_fits(method, job.method)
    known = settings_of(method)
    check_options(known, job.options, f"the method {job.method!r}")
    options = dict(job.options)
    if "steps" in known:
        if job.steps is not None:
            options["steps"] = job.steps
    elif job.steps not in (None, 1):
        stepping = [n for n in plugin_names("method") if "steps" in settings_of(plugin("method", n))]
        raise SettingsError(f"the method {job.method!r} takes one step; --steps belongs to {', '.join(stepping)}")
    return options
