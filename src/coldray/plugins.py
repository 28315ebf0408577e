"""The plug-in contracts, and one look-up for all kinds: our folders, installed packages, files that the user names."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from coldray.checkpoint import file_sha256
from coldray.errors import PluginError
from coldray.radiograph import Radiograph

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Image = NDArray[np.floating]


@runtime_checkable
class Degradation(Protocol):
    """States physics: what contrast survives a blur of a given strength; made of a pair of detectors, and keeps it.

    Notes
    -----
    Where the MTFs differ between rows and columns, one is made for each direction's pair: by ``of_pair(pair)`` of one that
    holds more than its pair. It may offer ``told()``, what the history says of it.
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

    def __call__(self, channels: tuple[Image, ...], conditions: NDArray[np.float32], /) -> Image:
        """Return an estimate of the sharp image, shape of each channel."""
        ...


@runtime_checkable
class ImageFormat(Protocol):
    """A file format: a module with `suffixes`, `read` and `write`.

    It may also offer `read_only`, the suffixes among `suffixes` that it does not write, `carries`, what a written file gives
    back when read (of "pitch", "acquisition", "history", "mask"), and `needs_geometry`, true for files that do not say their
    own size.
    """

    suffixes: tuple[str, ...]

    def read(self, path: str | os.PathLike[str]) -> Radiograph:
        """Return the Radiograph in a file."""
        ...

    def write(self, path: str | os.PathLike[str], radiograph: Radiograph) -> None:
        """Write a Radiograph; whole or not at all."""
        ...


@dataclass(frozen=True)
class Kind:
    """Where the plug-ins of a kind are, and what each offers.

    Parameters
    ----------
    package : str
        Folder of ours; also the group of entry points under which an installed package offers its own.
    offers : tuple of str
        Names that a plug-in has at least.
    data : str
        Ending of data files in the folder that are plug-ins too; "" if none are.
    reader : str
        Module whose ``plugin_of(name, content)`` makes a plug-in of such a file.
    """

    package: str
    offers: tuple[str, ...]
    data: str = ""
    reader: str = ""


KINDS: Mapping[str, Kind] = {
    "degradation": Kind("coldray.degradations", ("Degradation",)),
    "network": Kind("coldray.networks", ("Network",)),
    "method": Kind("coldray.methods", ("LEARNS", "restore")),
    "detector": Kind("coldray.detectors", ("detector",), ".json", "coldray.physics.detector"),
    "format": Kind("coldray.formats", ("suffixes", "read", "write")),
}
_LOADED: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
"""Plug-ins of files that the user named, by kind and name."""
_FILES: dict[str, str] = {}
"""Those files, absolute, with the hash of what was run."""
_PACKAGES: dict[str, str] = {}
"""Installed packages of which a plug-in was imported, with their versions."""


def plugin_names(kind: str) -> tuple[str, ...]:
    """Names of all plug-ins of a kind, sorted; a leading underscore marks a helper.

    Ours (modules and data files of the kind's folder), those of installed packages, and those of files that
    `load_plugin_file` was given.

    Examples
    --------
    >>> from coldray.plugins import plugin_names
    >>> "mtf_blend" in plugin_names("degradation")
    True
    """
    ours, data = _of_folder(kind)
    return tuple(sorted({*ours, *data, *_LOADED[kind], *_installed(kind)}))


def is_plugin(kind: str, name: str) -> bool:
    """Whether there is a plug-in of that name; installed packages are only asked if it is none of ours.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str

    Returns
    -------
    bool
    """
    ours, data = _of_folder(kind)
    return name in ours or name in data or name in _LOADED[kind] or name in _installed(kind)


def data_names(kind: str) -> tuple[str, ...]:
    """Names of the plug-ins of a kind that are data files of ours, sorted."""
    return tuple(sorted(_of_folder(kind)[1]))


def plugin(kind: str, name: str) -> Any:
    """Import a plug-in by its name; a name of ours cannot be taken by another.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str

    Returns
    -------
    module or object
        Offers what its kind must.

    Raises
    ------
    PluginError
        If there is none of that name; the message suggests the nearest one. If one from outside cannot be imported, or
        does not offer what its kind must.

    Examples
    --------
    >>> from coldray.plugins import plugin
    >>> plugin("method", "wiener").LEARNS
    False
    """
    where = KINDS[kind]
    ours, data = _of_folder(kind)
    if name in ours:
        return import_module(f"{where.package}.{name}")
    if name in data:
        return import_module(where.reader).plugin_of(name, data[name].read_bytes())
    if name in _LOADED[kind]:
        return _LOADED[kind][name]
    if name in _installed(kind):
        return _imported(kind, name)
    names = plugin_names(kind)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise PluginError(f"no {kind} {name!r}{hint} (there are {', '.join(names)})")


def degradation_of(stated: str) -> Callable[[Any], Degradation]:
    """What makes a degradation of a pair of detectors: ``NAME``, or ``NAME:ARGUMENT`` where a plug-in offers ``with_argument``.

    Raises
    ------
    PluginError
        If there is none of that name, or its argument is missing or not wanted.
    SettingsError
        If the argument cannot be read.
    """
    name, given, argument = stated.partition(":")
    module = plugin("degradation", name)
    if not hasattr(module, "with_argument"):
        if given:
            raise PluginError(f"the degradation {name!r} takes no argument; found {argument!r}")
        return module.Degradation
    if not argument:
        raise PluginError(f"the degradation {name!r} needs its argument: {name}:{module.ARGUMENT}")
    return module.with_argument(argument)


def load_plugin_file(path: str | os.PathLike[str]) -> tuple[tuple[str, str], ...]:
    """Run a Python file and know what it offers under its name, in this process.

    Nothing else runs a file: no record, recipe, profile, model or request can name one.

    Parameters
    ----------
    path : path-like
        ``NAME.py``.

    Returns
    -------
    tuple of (kind, name)
        What it is.

    Raises
    ------
    PluginError
        If it is not there, cannot be run, offers nothing that a kind of plug-in must, or has the name of another.
    """
    file = Path(path)
    name, place = file.stem, str(file.absolute())
    if file.suffix != ".py" or not name.isidentifier() or name.startswith("_"):
        raise PluginError(f"{file.name}: a plug-in is a file NAME.py, and NAME its name")
    if not file.is_file():
        raise PluginError(f"{file.name}: no such file")
    digest = file_sha256(file)
    if place in _FILES:
        if _FILES[place] != digest:
            raise PluginError(f"{file.name}: changed since it was loaded; start anew")
        return tuple((kind, name) for kind in KINDS if name in _LOADED[kind])
    specification = spec_from_file_location(f"coldray_plugin_{name}", file)
    assert specification is not None and specification.loader is not None
    module = module_from_spec(specification)
    sys.modules[specification.name] = module
    try:
        specification.loader.exec_module(module)
        kinds = [kind for kind, where in KINDS.items() if all(hasattr(module, offered) for offered in where.offers)]
        if not kinds:
            wanted = "; ".join(f"a {kind} {' and '.join(where.offers)}" for kind, where in KINDS.items())
            raise PluginError(f"{file.name}: offers no plug-in ({wanted})")
        if taken := [kind for kind in kinds if name in plugin_names(kind)]:
            raise PluginError(f"{file.name}: there is a {taken[0]} {name!r} already; choose another name for the file")
    except PluginError:
        del sys.modules[specification.name]
        raise
    except Exception as problem:
        del sys.modules[specification.name]
        raise PluginError(f"{file.name}: cannot be loaded: {type(problem).__name__}: {problem}") from problem
    _FILES[place] = digest
    for kind in kinds:
        _LOADED[kind][name] = module
    return tuple((kind, name) for kind in kinds)


def load_plugin_files(paths: Iterable[str]) -> None:
    """Load several files, as another process has loaded them."""
    for path in paths:
        load_plugin_file(path)


def loaded_files() -> tuple[str, ...]:
    """Files that were loaded, absolute: a process that works for this one loads them too."""
    return tuple(_FILES)


def from_outside() -> dict[str, str]:
    """Plug-ins from outside in use: files with their hash, installed packages with their version."""
    return {Path(file).name: digest for file, digest in _FILES.items()} | _PACKAGES


def _of_folder(kind: str) -> tuple[frozenset[str], dict[str, Path]]:
    """Modules and data files of the folder of a kind."""
    package = import_module(KINDS[kind].package)
    return _listed(KINDS[kind].package, KINDS[kind].data, tuple(package.__path__))


@cache
def _listed(package: str, data: str, path: tuple[str, ...]) -> tuple[frozenset[str], dict[str, Path]]:
    modules = frozenset(m.name for m in iter_modules(path) if not m.name.startswith("_"))
    if not data:
        return modules, {}
    known = (file for folder in path for file in Path(folder).iterdir())
    return modules, {file.name.removesuffix(data): file for file in known if file.name.endswith(data)}


@cache
def _entry_points() -> Any:
    """Entry points of all installed packages, by group; every package's list is a file, read once."""
    from importlib.metadata import entry_points

    return entry_points()


@cache
def _installed(kind: str) -> dict[str, EntryPoint]:
    """Entry points of installed packages, by name; none of them is imported."""
    ours = _entry_points().select(group=KINDS[kind].package)
    found = sorted(ours, key=lambda entry: (entry.name, entry.value), reverse=True)
    return {entry.name: entry for entry in found if entry.name.isidentifier() and not entry.name.startswith("_")}


@cache
def _imported(kind: str, name: str) -> Any:
    """Plug-in of an installed package."""
    entry = _installed(kind)[name]
    package = "an installed package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
    try:
        found = entry.load()
    except Exception as problem:
        raise PluginError(
            f"the {kind} {name!r} of {package} cannot be loaded: {type(problem).__name__}: {problem}"
        ) from problem
    if missing := [offered for offered in KINDS[kind].offers if not hasattr(found, offered)]:
        raise PluginError(f"the {kind} {name!r} of {package} does not offer {' and '.join(missing)}")
    if entry.dist is not None:
        _PACKAGES[entry.dist.name] = entry.dist.version
    return found
