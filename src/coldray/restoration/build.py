"""Torch networks from names and settings that others wrote: compared and counted before they take memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coldray.document import Json
from coldray.files import told
from coldray.plugins import plugin

MOST_WEIGHTS = 2**30
"""Largest network built: 4 GiB in single precision. The default one has 3 million weights."""
MOST_TENSORS = 10_000
"""Most tensors of a network for which no file says how many there are."""


def build_network(name: str, settings: Mapping[str, Json], error: type[Exception], shapes: Any = None) -> Any:
    """Build a network; what cannot be built is refused before memory is taken.

    Parameters
    ----------
    name : str
        Plug-in.
    settings : mapping
        Parameters of its ``Network``.
    error : type
        Exception that is raised.
    shapes : mapping of str to tuple of int, optional
        Tensors that it must have, by name.

    Returns
    -------
    torch.nn.Module
        With random weights.

    Raises
    ------
    error
        If a setting is unknown or does not make a network, if the network is too large, or has other tensors.

    Notes
    -----
    The network is first built on torch's ``meta`` device, which knows shapes and holds no values; building stops when
    there are more tensors than there may be.
    """
    import torch
    from torch.nn.modules.module import register_module_parameter_registration_hook

    maker = plugin("network", name).Network
    most = MOST_TENSORS if shapes is None else len(shapes)
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1
        if count > 2 * most + 16:  # a parameter may be registered again under the same name
            raise error(f"the network {name!r} with these settings has more than {most} tensors, {_needed(shapes)}")

    hook = register_module_parameter_registration_hook(counted)
    try:
        with torch.device("meta"):
            wanted = maker(**settings).state_dict()
    except error:
        raise
    except Exception as problem:
        raise error(f"the network {name!r} cannot be built with its settings ({told(problem)})") from None
    finally:
        hook.remove()
    if shapes is not None:
        _compare(name, {k: tuple(v.shape) for k, v in wanted.items()}, shapes, error)
    weights = sum(v.numel() for v in wanted.values())
    if weights > MOST_WEIGHTS:
        raise error(f"the network {name!r} would have {weights:.3g} weights; {MOST_WEIGHTS:.3g} are the most")
    return maker(**settings)


def _needed(shapes: Any) -> str:
    return "the most that is built" if shapes is None else "as many as the file holds"


def _compare(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any], error: type[Exception]) -> None:
    if set(wanted) != set(found):
        odd = sorted(set(wanted) ^ set(found))[:3]
        raise error(f"tensors do not match the network {name!r} ({', '.join(odd)} …)")
    for key, shape in found.items():
        if tuple(shape) != wanted[key]:
            raise error(f"{key} has shape {tuple(shape)}, the network {name!r} needs {wanted[key]}")
