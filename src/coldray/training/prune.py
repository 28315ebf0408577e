"""A smaller network from a trained one: whole blocks and hidden channels that carry least are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coldray.errors import SettingsError
from coldray.networks._blocks import ConditionedBlock

PRUNED_NETWORK = "compact"
"""The network whose blocks and channels are told apart here."""
LEVELS = ("before", "deep", "after")
"""Parts of the network `compact` that hold residual blocks."""


def pruned(
    network: Any,
    blocks: Sequence[int],
    hidden: int,
    conditions: int,
    shown: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> Any:
    """Prune a network `compact`.

    Parameters
    ----------
    network : Module
        Trained.
    blocks : sequence of int
        Blocks that stay before, on and after the coarse level. Before it the first ones stay, after it the last ones.
    hidden : int
        Channels that stay within every block: those whose output carries the most energy.
    conditions : int
        Length of the condition vector of the result, at least that of `network`; weights of new conditions are zero.
    shown : sequence of (channels, conditions)
        Training images, shapes (1, channels, rows, cols) and (1, conditions), on which energy is measured.

    Returns
    -------
    Module
        Answers as `network` would without what was left out; meant to be trained on.

    Raises
    ------
    SettingsError
        If there are not as many blocks, channels or conditions.

    References
    ----------
    Li et al., Pruning filters for efficient convnets, arXiv:1608.08710; here by the variance of activations.
    """
    settings = network.settings
    if any(not 0 <= few <= many for few, many in zip(blocks, settings["blocks"], strict=True)):
        raise SettingsError(f"blocks {list(blocks)} cannot be kept of {settings['blocks']}")
    least = min(block.first.out_channels for level in LEVELS for block in getattr(network, level))
    if not 1 <= hidden <= least:
        raise SettingsError(f"{hidden} hidden channels cannot be kept of {least}")
    if conditions < settings["conditions"]:
        raise SettingsError(f"the network is told {settings['conditions']} conditions; {conditions} are fewer")
    kept = dict(
        zip(
            LEVELS,
            (slice(0, blocks[0]), slice(0, blocks[1]), slice(settings["blocks"][2] - blocks[2], None)),
            strict=True,
        )
    )
    for level in LEVELS:
        setattr(network, level, nn.ModuleList(list(getattr(network, level))[kept[level]]))
    slim = type(network)(**settings | {"blocks": list(blocks), "hidden": hidden, "conditions": conditions})
    energies = _energies(network, shown)
    for level in LEVELS:
        for block, smaller in zip(getattr(network, level), getattr(slim, level), strict=True):
            _copy_block(block, smaller, energies[block], hidden)
    with torch.no_grad():
        own = slim.state_dict()
        for name, value in network.state_dict().items():
            if name.split(".")[0] in LEVELS:
                continue
            if name == "embed.0.weight":
                own[name].zero_()
                own[name][:, : value.shape[1]].copy_(value)
            else:
                own[name].copy_(value)
    return slim


def _energies(
    network: Any, shown: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]
) -> dict[ConditionedBlock, Tensor]:
    """Energy that every hidden channel of every block adds to its output."""
    found: dict[ConditionedBlock, Tensor] = {}

    def watch(block: ConditionedBlock) -> Any:
        weight = block.second.weight.detach().square().sum(dim=(0, 2, 3))

        def add(_: nn.Module, given: tuple[Tensor]) -> None:
            energy = given[0].detach().var(dim=(0, 2, 3)) * weight
            found[block] = found[block] + energy if block in found else energy

        return block.second.register_forward_pre_hook(add)

    hooks = [watch(part) for part in network.modules() if isinstance(part, ConditionedBlock)]
    try:
        with torch.no_grad():
            for channels, conditions in shown:
                told = torch.from_numpy(conditions[:, : network.settings["conditions"]])
                network(torch.from_numpy(channels), told)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _copy_block(block: ConditionedBlock, smaller: ConditionedBlock, energy: Tensor, hidden: int) -> None:
    keep = torch.argsort(energy, descending=True, stable=True)[:hidden].sort()[0]
    both = torch.cat([keep, keep + block.first.out_channels])
    with torch.no_grad():
        smaller.first.weight.copy_(block.first.weight[keep])
        smaller.second.weight.copy_(block.second.weight[:, keep])
        smaller.modulation.weight.copy_(block.modulation.weight[both])
        for part, chosen in (("first", keep), ("modulation", both)):
            bias = getattr(block, part).bias
            getattr(smaller, part).bias.copy_(bias[chosen])
        assert smaller.second.bias is not None and block.second.bias is not None
        smaller.second.bias.copy_(block.second.bias)
