"""The plug-in contracts and look-up by file name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coldray.errors import PluginError, SettingsError


@runtime_checkable
class Degradation(Protocol):
    """States physics: what contrast survives a blur of a given strength; made of a pair of detectors, and keeps it.

    Notes
    -----
    Where the MTFs differ between rows and columns, one is made for each direction's pair.
    """

    def __init__(self, pair: Any) -> None: ...

    @property
    def pair(self) -> Any:
        """Return the DetectorPair."""
        ...

    def transfer(self, frequency_lp_mm: NDArray[np.floating], strength: float) -> NDArray[np.float64]:
        """Return the transfer function in [0, 1]; 1 at zero frequency."""
        ...


@runtime_checkable
class Predictor(Protocol):
    """A network for whole frames; it tiles inside."""

    def __call__(self, channels: tuple[Any, ...], conditions: NDArray[np.float32]) -> Any:
        """Return an estimate of the sharp image, shape of each channel."""
        ...


@runtime_checkable
class Method(Protocol):
    """A restoration method: a module with `restore`, and `example` if it learns."""

    LEARNS: bool

    def restore(self, frame: Any, degradation: Degradation, predictor: Predictor | None, rng: Any) -> Any:
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

    def example(self, pair: Any, degradation: Degradation, rng: Any) -> Any:
        """Return one Example: channels, conditions and target."""
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

    def gain(self, frame: Any, degradation: Degradation, share: Any) -> Any:
        """Return K as a TransferOperator; None for K = 1."""
        ...

    def left(self, frame: Any, degradation: Degradation, share: Any) -> Any:
        """Return 1 - H K as a function of radial frequency [cycles/mm]."""
        ...


@runtime_checkable
class DetectorModel(Protocol):
    """A parametric detector: a module with `detector`."""

    def detector(self, argument: str, pixel_pitch_mm: float) -> Any:
        """Return the Detector that the argument names."""
        ...


@runtime_checkable
class ImageFormat(Protocol):
    """A file format: a module with `suffixes`, `read` and `write`."""

    suffixes: tuple[str, ...]

    def read(self, path: Any) -> Any:
        """Return the Radiograph in a file."""
        ...

    def write(self, path: Any, radiograph: Any) -> None:
        """Write a Radiograph; whole or not at all."""
        ...


FOLDERS = {
    "degradation": "coldray.degradations",
    "network": "coldray.networks",
    "method": "coldray.methods",
    "detector model": "coldray.detectors",
}


def plugin_names(kind: str) -> tuple[str, ...]:
    """Names of all plug-ins of a kind, sorted; a leading underscore marks a helper."""
    package = import_module(FOLDERS[kind])
    return tuple(sorted(m.name for m in iter_modules(package.__path__) if not m.name.startswith("_")))


def plugin(kind: str, name: str) -> Any:
    """Import a plug-in by its file name.

    Raises
    ------
    PluginError
        If there is none of that name; the message suggests the nearest one.
    """
    names = plugin_names(kind)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PluginError(f"no {kind} {name!r}{hint} (there are {', '.join(names)})")
    return import_module(f"{FOLDERS[kind]}.{name}")


def shown_by(method: Any) -> tuple[list[str], list[str]]:
    """Names of the images and of the conditions that a method shows its network; empty if it has none."""
    return list(getattr(method, "CHANNELS", ())), list(getattr(method, "CONDITIONS", ()))


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only parameters of a function with their defaults."""
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY}


def settings_of(method: Method) -> dict[str, Any]:
    """Options of a method's `restore` with their defaults; what its own `gain` provides is none."""
    found = options_of(method.restore)
    if isinstance(method, CorrectingMethod):
        del found["consistency"]
    return found


def check_options(known: Mapping[str, Any], names: Iterable[str], owner: str) -> None:
    """Refuse options that are not known.

    Raises
    ------
    SettingsError
        If one is unknown; the message suggests the nearest one.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"{owner} has no option {name!r}{hint} (it has {', '.join(sorted(known)) or 'none'})")
