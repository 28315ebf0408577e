"""A trained model as a teacher: its answers stand in for the truth where they are nearer to it than the network's own."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldray.document import as_table
from coldray.errors import SettingsError
from coldray.restoration.model import load_model, network_of


class Teacher:
    """A model whose answers lessen the noise of the gradient.

    Parameters
    ----------
    source : str
        Shipped model or model file.
    channels : int
        Images that the learning network is shown.
    device : torch.device

    Raises
    ------
    CheckpointError
        If there is no such model.
    SettingsError
        If it is shown other images.

    Notes
    -----
    The error of an estimate s against the truth x is |s - x|^2 = |s - m|^2 + |m - x|^2 + 2 (s - m)(m - x). If m is the mean of
    the truth given the measurement, the last term is 0 on average and noise in every example. A teacher close to m
    gives the first two terms without it. It is asked only within its domain, and counts in an example only where its error
    is the smaller one (`coldray.training.loop.loss_of`).

    References
    ----------
    Hinton et al., Distilling the knowledge in a neural network, arXiv:1503.02531.
    """

    def __init__(self, source: str, channels: int, device: torch.device) -> None:
        model = load_model(source)
        if as_table(as_table(model.header["network"])["settings"]).get("channels") != channels:
            raise SettingsError(f"network.teacher: {source} is not shown the {channels} images of this method")
        self._network = network_of(model.path.with_suffix(".safetensors")).to(device)
        self._places, self._domain = model.places, model.domain

    def answers(self, channels: Tensor, conditions: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Answers to a batch, shape (batch, 1, rows, cols), and which of them lie in its domain, shape (batch,)."""
        inside = [self._domain is None or self._domain.share(self._domain.distance(told)) == 1 for told in conditions]
        known = torch.tensor(inside, device=channels.device)
        out = torch.zeros_like(channels[:, :1])
        if known.any():
            told = torch.from_numpy(conditions[:, self._places]).to(channels.device)
            with torch.no_grad():
                out[known] = self._network(channels[known], told[known]).to(out.dtype)
        return out, known
