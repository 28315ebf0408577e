"""ConvNeXt blocks with per-pixel normalisation, told a condition by scale and shift."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel alone: no statistics over space."""

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape (batch, channels, rows, cols)."""
        values = features.float()
        centred = values - values.mean(dim=1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + self.epsilon)
        normed = centred * scale * self.gain[:, None, None] + self.offset[:, None, None]
        return normed.to(features.dtype)


class ConvNextBlock(nn.Module):
    """Depthwise convolution, norm, two 3x3 convolutions around a GELU, and a residual path.

    Parameters
    ----------
    channels_in, channels_out : int
        Width before and after.
    embedding : int
        Length of the condition embedding.
    kernel : int
        Side of the depthwise convolution [cells], odd.
    expansion : int
        Width between the 3x3 convolutions over `channels_out`.

    References
    ----------
    Liu et al., A ConvNet for the 2020s, arXiv:2201.03545, in the form of Bansal et al., arXiv:2208.09392.
    """

    def __init__(self, channels_in: int, channels_out: int, embedding: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.radius = kernel // 2 + 2
        self.spread = nn.Conv2d(channels_in, channels_in, kernel, padding=kernel // 2, groups=channels_in)
        self.norm = ChannelNorm(channels_in)
        self.modulation = nn.Linear(embedding, 2 * channels_in)
        self.first = nn.Conv2d(channels_in, expansion * channels_out, 3, padding=1)
        self.second = nn.Conv2d(expansion * channels_out, channels_out, 3, padding=1)
        same = channels_in == channels_out
        self.carry = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """Return features (batch, channels_out, rows, cols)."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.norm(self.spread(features)) * (1 + scale) + shift
        return self.carry(features) + self.second(functional.gelu(self.first(hidden)))


class ConditionEmbedding(nn.Module):
    """Sines and cosines of the first condition (the time) beside all conditions, through a small MLP.

    Parameters
    ----------
    conditions : int
        Length of the condition vector; its first entry lies within 0 and 1.
    embedding : int
        Length of the result, even.
    """

    FASTEST = 100.0
    """Fastest wave over the first condition [rad]; strengths 0.01 apart stay distinct."""
    rates: Tensor

    def __init__(self, conditions: int, embedding: int) -> None:
        super().__init__()
        waves = embedding // 2
        rates = self.FASTEST * torch.exp(-math.log(1e3) * torch.arange(waves) / max(waves - 1, 1))
        self.register_buffer("rates", rates, persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(2 * waves + conditions, 2 * embedding), nn.GELU(), nn.Linear(2 * embedding, embedding), nn.GELU()
        )

    def forward(self, conditions: Tensor) -> Tensor:
        """Return the embedding (batch, embedding) of conditions (batch, conditions)."""
        phase = conditions[:, :1] * self.rates
        return self.layers(torch.cat([phase.sin(), phase.cos(), conditions], dim=1))
