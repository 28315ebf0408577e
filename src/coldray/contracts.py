"""What a method and a detector model of a plug-in offer, in the types they are given; and what they say of themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.frame import Example, Frame, TrainingPair
from coldray.physics.detector import Detector
from coldray.plugins import Degradation, Predictor

Image = NDArray[np.floating]


@runtime_checkable
class Method(Protocol):
    """A restoration method: a module with `restore`, and `example` if it learns."""

    LEARNS: bool

    def restore(
        self, frame: Frame, degradation: Degradation, predictor: Predictor | None, rng: np.random.Generator
    ) -> Image:
        """Return the restored frame, shape (rows, cols)."""
        ...


@runtime_checkable
class LearningMethod(Method, Protocol):
    """A method with a network: it says what the network is shown and what it should answer.

    Notes
    -----
    The training loop builds a network of `len(CHANNELS)` images and `len(CONDITIONS)` numbers, the names
    travel in the model's header, and a model is used by every method that shows its network the same.
    Keyword-only parameters of `example` and `restore` are the method's options: recipes and the command
    line offer them by name.
    """

    CHANNELS: tuple[str, ...]
    CONDITIONS: tuple[str, ...]

    def example(self, pair: TrainingPair, degradation: Degradation, rng: np.random.Generator) -> Example:
        """Return what the network is shown and what it should answer."""
        ...


@runtime_checkable
class CorrectingMethod(Method, Protocol):
    """A method that ends with a data-consistency step: out = xbar + K (y - H xbar) of its prediction xbar.

    Notes
    -----
    `share` is the part of its full gain that was calibrated with the model, over cycles/pixel, or what the user chose
    instead; None stands for K = 1. What `gain` returns is given to `restore` as the keyword `consistency`, which is
    therefore no option of the method; `left` tells the certificate what the step hides of a wrong prediction.
    """

    def gain(self, frame: Frame, degradation: Degradation, share: Any) -> Any:
        """Return K; None for K = 1."""
        ...

    def left(self, frame: Frame, degradation: Degradation, share: Any) -> Any:
        """Return 1 - H K as a function of radial frequency [cycles/mm]."""
        ...


@runtime_checkable
class DetectorModel(Protocol):
    """A parametric detector: a module with `detector`."""

    def detector(self, argument: str, pixel_pitch_mm: float) -> Detector:
        """Return the detector that the argument names."""
        ...


def shown_by(method: Method) -> tuple[list[str], list[str]]:
    """Names of the images and of the conditions that a method shows its network; empty if it has none."""
    return list(getattr(method, "CHANNELS", ())), list(getattr(method, "CONDITIONS", ()))


def options_of(function: Callable[..., Any]) -> dict[str, Json]:
    """Keyword-only parameters of a function with their defaults."""
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY}


def settings_of(method: Method) -> dict[str, Json]:
    """Options of a method's `restore` with their defaults; what its own `gain` provides is none.

    Examples
    --------
    >>> from coldray.contracts import settings_of
    >>> from coldray.plugins import plugin
    >>> settings_of(plugin("method", "cold"))
    {'steps': 1}
    """
    found = options_of(method.restore)
    if isinstance(method, CorrectingMethod):
        del found["consistency"]
    return found
