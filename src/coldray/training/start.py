"""What a run starts from: the weights of a model, of the same design, of a smaller or of a larger one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from coldray.checkpoint import file_sha256, read_tensors
from coldray.document import Json, as_number, as_numbers, as_table, entries_of
from coldray.errors import CheckpointError, SettingsError
from coldray.networks._blocks import ConditionedBlock
from coldray.restoration.build import build_network
from coldray.restoration.model import shipped_models
from coldray.training.prune import PRUNED_NETWORK, pruned

PRUNING_BATCHES = 4
"""Batches on which the energy of channels is measured."""


def weights_file(model: str) -> Path:
    """Safetensors of a shipped model by its name; else the file itself."""
    shipped = shipped_models().get(model)
    return Path(model) if shipped is None else shipped.with_suffix(".safetensors")


def described(model: str | None) -> dict[str, Json] | None:
    """A model that a run learnt from, for its card; the file may have been replaced since, then only its name is left to say."""
    if model is None:
        return None
    path = weights_file(model)
    found: dict[str, Json] = {"file": path.name}
    try:
        header = read_tensors(path)[1]
    except (CheckpointError, OSError):
        return found
    with entries_of(path.name, CheckpointError):
        trained = as_table(header.get("training", {}))
    return (
        found
        | {"name": header.get("name"), "sha256": file_sha256(path)}
        | {key: trained.get(key) for key in ("steps", "started_from")}
    )


def load_weights(network: nn.Module, path: Path, batch: Callable[[int], Any]) -> None:
    """Load the weights of a model file into a network of the same design, a deeper or a smaller one.

    Parameters
    ----------
    network : Module
        Fresh: blocks that the file lacks are the identity, so a deeper network starts as the shallower one.
    path : Path
        Safetensors, as `coldray model export` leaves it.
    batch : callable
        ``batch(number)`` gives training images, conditions and targets; called if a larger network is to be pruned.

    Raises
    ------
    CheckpointError
        If the file is broken or a pickle.
    SettingsError
        If its weights are those of another design.
    """
    tensors, header = read_tensors(path)
    with entries_of(path.name, CheckpointError):
        named = as_table(header.get("network", {}))
        theirs = as_table(named.get("settings", {}))
    weights = {name: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()}
    wanted: Mapping[str, Json] = getattr(network, "settings", {})
    if named.get("name") == PRUNED_NETWORK and wanted.get("hidden") != theirs.get("hidden") and "hidden" in wanted:
        larger = build_network(PRUNED_NETWORK, theirs, SettingsError, {k: v.shape for k, v in tensors.items()})
        larger.load_state_dict(weights)
        kept_blocks = [int(number) for number in as_numbers(wanted["blocks"])]
        shown = [batch(number)[:2] for number in range(PRUNING_BATCHES)]
        kept = pruned(
            larger, kept_blocks, int(as_number(wanted["hidden"])), int(as_number(wanted["conditions"])), shown
        )
        if kept.settings != wanted:
            raise SettingsError(f"network.start: {path.name} holds a network of other widths; give its settings")
        network.load_state_dict(kept.state_dict())
        return
    blocks = (f"{name}." for name, part in network.named_modules() if isinstance(part, ConditionedBlock))
    added = tuple(block for block in blocks if not any(name.startswith(block) for name in tensors))
    shapes = {k: tuple(weight.shape) for k, weight in network.state_dict().items() if not k.startswith(added)}
    if {name: tuple(value.shape) for name, value in tensors.items()} != shapes:
        raise SettingsError(f"network.start: {path.name} holds another network; give its settings, or start without it")
    network.load_state_dict(weights, strict=not added)
