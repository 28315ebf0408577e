"""Building blocks: convolutions without any statistics over space."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConditionedBlock(nn.Module):
    """Two 3x3 convolutions with a residual path and a per-channel scale and shift from the conditions.

    Parameters
    ----------
    channels : int
        Width.
    embedding : int
        Length of the condition embedding.
    hidden : int, optional
        Channels between its two convolutions; `channels` by default.

    Notes
    -----
    No normalisation: statistics over space would make the result of a tile depend on the tile. The
    last convolution starts at zero, so a fresh block is the identity.
    """

    radius = 2
    """Reach in pixels of its own grid."""

    def __init__(self, channels: int, embedding: int, hidden: int | None = None) -> None:
        super().__init__()
        inner = channels if hidden is None else hidden
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * inner)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """Return features of the same shape (batch, channels, rows, cols)."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.relu(self.first(features) * (1 + scale) + shift)
        return features + self.second(hidden)
