"""The network of `compact-0.1`: a two-level residual net on the quarter-resolution grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from coldray.networks._blocks import ConditionedBlock

UNSHUFFLE = 4
RESIDUAL_SCALE = 0.1


class Network(nn.Module):
    """Predict the sharp image from the state and two linear estimates.

    Parameters
    ----------
    channels : int
        Number of input images; the second one is what the network corrects.
    conditions : int
        Length of the condition vector.
    width : int
        Channels on the 1/4-resolution grid.
    deep_width : int
        Channels on the 1/8-resolution grid.
    blocks : (int, int, int)
        Residual blocks before, on and after the 1/8-resolution level.
    embedding : int
        Length of the condition embedding.
    hidden : int, optional
        Channels within every residual block; those around it by default. Pruned networks have fewer.

    Notes
    -----
    All heavy work runs at >= 128 channels on the 1/4 grid, the fast path of CPU convolutions. No
    normalisation, pooling or attention: the reach is finite (`radius`), so a tile with a margin of
    `radius` pixels whose origin lies on the `stride` grid gives exactly the pixels of the whole.
    """

    def __init__(
        self,
        channels: int = 3,
        conditions: int = 11,
        width: int = 128,
        deep_width: int = 192,
        blocks: tuple[int, int, int] = (2, 3, 2),
        embedding: int = 128,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.settings = {
            "channels": channels,
            "conditions": conditions,
            "width": width,
            "deep_width": deep_width,
            "blocks": list(blocks),
            "embedding": embedding,
        } | ({} if hidden is None else {"hidden": hidden})
        self.embed = nn.Sequential(
            nn.Linear(conditions, embedding), nn.ReLU(), nn.Linear(embedding, embedding), nn.ReLU()
        )
        self.head = nn.Conv2d(channels * UNSHUFFLE**2, width, 3, padding=1)
        self.before = nn.ModuleList(ConditionedBlock(width, embedding, hidden) for _ in range(blocks[0]))
        self.down = nn.Conv2d(width, deep_width, 2, stride=2)
        self.deep = nn.ModuleList(ConditionedBlock(deep_width, embedding, hidden) for _ in range(blocks[1]))
        self.up = nn.Conv2d(deep_width, 4 * width, 1)
        self.after = nn.ModuleList(ConditionedBlock(width, embedding, hidden) for _ in range(blocks[2]))
        self.tail = nn.Conv2d(width, UNSHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        assert self.tail.bias is not None
        nn.init.zeros_(self.tail.bias)

    @property
    def stride(self) -> int:
        """Pixel grid on which the network is shift-equivariant."""
        return 2 * UNSHUFFLE

    @property
    def radius(self) -> int:
        """Reach [pixels]: an output pixel depends on inputs at most this far away."""
        fine = 1 + ConditionedBlock.radius * (len(self.before) + len(self.after)) + 1
        coarse = ConditionedBlock.radius * len(self.deep)
        # one extra cell of each grid: a pixel may sit at the far end of its cell
        return UNSHUFFLE * (fine + 1) + 2 * UNSHUFFLE * (coarse + 1)

    def forward(self, channels: Tensor, conditions: Tensor) -> Tensor:
        """Estimate the sharp image.

        Parameters
        ----------
        channels : Tensor, shape (batch, channels, rows, cols)
            State, linear estimate, sharper linear estimate; rows and cols are multiples of `stride`.
        conditions : Tensor, shape (batch, conditions)

        Returns
        -------
        Tensor, shape (batch, 1, rows, cols)
        """
        base = channels[:, 1:2]
        detail = torch.cat(
            [channels[:, :1], (channels[:, 1:2] - channels[:, :1]) * 4, (channels[:, 2:] - base) * 4], dim=1
        )
        embedding = self.embed(conditions)
        fine = self.head(functional.pixel_unshuffle(detail, UNSHUFFLE))
        for block in self.before:
            fine = block(fine, embedding)
        coarse = self.down(fine)
        for block in self.deep:
            coarse = block(coarse, embedding)
        fine = fine + functional.pixel_shuffle(self.up(coarse), 2)
        for block in self.after:
            fine = block(fine, embedding)
        return base + RESIDUAL_SCALE * functional.pixel_shuffle(self.tail(fine), UNSHUFFLE)
