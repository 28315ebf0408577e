"""The paper's kind of network: a four-level ConvNeXt U-Net told the time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from coldray.networks._convnext import ConditionEmbedding, ConvNextBlock

WIDENING = (1, 2, 4, 8)
"""Width of the four levels over the first one's."""
CONTRAST = 4.0
"""Images after the first are shown as their difference from it, times this: details are small beside signal."""
RESIDUAL_SCALE = 0.1


class Network(nn.Module):
    """Four levels of ConvNeXt blocks with skip connections.

    Parameters
    ----------
    channels : int
        Number of images the method shows.
    conditions : int
        Length of the condition vector; the first entry is the time, 0 to 1.
    width : int
        Channels of the first level; the others have 2, 4 and 8 times as many.
    blocks : int
        Blocks per level on each of the two ways, and in the middle.
    kernel : int
        Side of the depthwise convolutions [cells], odd.
    expansion : int
        Width inside a block over the width of its result.
    unshuffle : int
        Factor by which pixels are folded into channels before the first level; 1 keeps full resolution.
    embedding : int
        Length of the condition embedding.
    shown : sequence of int, optional
        Images the network uses; all by default, ``[0]`` for the paper's, which sees the state alone.
    told : sequence of int, optional
        Conditions the network uses; all by default, ``[0]`` for the paper's, which is told t alone.
    residual : int, optional
        Image to which the answer is added; the answer stands alone by default.

    Notes
    -----
    The paper names a "U-Net variant" and shows a drawing; learning rate and data suggest the network of
    Bansal et al. It does not state: the widths, the number and kind of blocks, the kernel sizes, the way of
    going down and up, the normalisation, attention, the time embedding, whether the answer is a residual,
    the scale of the images. Chosen here: the blocks, the four levels and the widening of that network's code,
    two blocks per level, 2x2 strided convolutions down and up, the time by scale and shift after each norm.
    Left out on purpose: linear attention at every level, whose softmax runs over all pixels. Norms run over
    the channels of one pixel, so the reach is finite (`radius`): a tile with a margin of `radius` pixels whose
    origin lies on the `stride` grid gives exactly the pixels of the whole.

    References
    ----------
    Bansal et al., Cold Diffusion, arXiv:2208.09392.
    """

    def __init__(
        self,
        channels: int = 3,
        conditions: int = 11,
        width: int = 32,
        blocks: int = 2,
        kernel: int = 7,
        expansion: int = 2,
        unshuffle: int = 1,
        embedding: int = 64,
        shown: Sequence[int] | None = None,
        told: Sequence[int] | None = None,
        residual: int | None = None,
    ) -> None:
        super().__init__()
        self.settings = {
            "channels": channels,
            "conditions": conditions,
            "width": width,
            "blocks": blocks,
            "kernel": kernel,
            "expansion": expansion,
            "unshuffle": unshuffle,
            "embedding": embedding,
            "shown": None if shown is None else list(shown),
            "told": None if told is None else list(told),
            "residual": residual,
        }
        self._shown = list(range(channels)) if shown is None else list(shown)
        self._told = list(range(conditions)) if told is None else list(told)
        self._residual = residual
        self.unshuffle = unshuffle
        widths = [width * factor for factor in WIDENING]

        def stage(channels_in: int, channels_out: int) -> nn.ModuleList:
            firsts = [channels_in] + [channels_out] * (blocks - 1)
            return nn.ModuleList(ConvNextBlock(n, channels_out, embedding, kernel, expansion) for n in firsts)

        self.embed = ConditionEmbedding(len(self._told), embedding)
        self.head = nn.Conv2d(len(self._shown) * unshuffle**2, width, 3, padding=1)
        self.down = nn.ModuleList(stage(n, n) for n in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = stage(widths[-1], widths[-1])
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(stage(2 * n, n) for n in widths[:-1])
        self.tail = nn.Conv2d(width, unshuffle**2, 1)
        if residual is not None:
            nn.init.zeros_(self.tail.weight)
            assert self.tail.bias is not None
            nn.init.zeros_(self.tail.bias)

    @property
    def stride(self) -> int:
        """Grid of tiles: two cells of the coarsest grid, whose even numbers matrix products treat alike to the last bit [pixels]."""
        return 2 * self.unshuffle * 2 ** len(self.down)

    @property
    def radius(self) -> int:
        """Reach [pixels]: an output pixel depends on inputs at most this far away.

        Notes
        -----
        The interval of cells that one pixel needs is followed back through all layers, for every place a
        pixel may have on the stride grid; nothing is rounded up.
        """
        found = 0
        for pixel in range(self.stride):
            low, high = self._needs(pixel)
            found = max(found, pixel - low, high - pixel)
        return found

    def _needs(self, pixel: int) -> tuple[int, int]:
        """First and last input pixel, along one axis, that an output pixel depends on."""

        def reach(stage: nn.Module) -> int:
            return sum(block.radius for block in stage.children() if isinstance(block, ConvNextBlock))

        low = high = pixel // self.unshuffle
        skips = []
        for stage in self.up:
            low, high = low - reach(stage), high + reach(stage)
            skips.append((low, high))
            low, high = low // 2, high // 2
        low, high = low - reach(self.middle), high + reach(self.middle)
        for stage, skip in zip(reversed(self.down), reversed(skips), strict=True):
            low, high = min(2 * low, skip[0]), max(2 * high + 1, skip[1])
            low, high = low - reach(stage), high + reach(stage)
        return (low - 1) * self.unshuffle, (high + 2) * self.unshuffle - 1

    def forward(self, channels: Tensor, conditions: Tensor) -> Tensor:
        """Answer what the method asks for: the sharp image, or the noise.

        Parameters
        ----------
        channels : Tensor, shape (batch, channels, rows, cols)
            Rows and cols are multiples of `stride`.
        conditions : Tensor, shape (batch, conditions)

        Returns
        -------
        Tensor, shape (batch, 1, rows, cols)
        """
        first = channels[:, self._shown[0] : self._shown[0] + 1]
        others = [(channels[:, i : i + 1] - first) * CONTRAST for i in self._shown[1:]]
        embedding = self.embed(torch.cat([conditions[:, i : i + 1] for i in self._told], dim=1))
        features = self.head(functional.pixel_unshuffle(torch.cat([first, *others], dim=1), self.unshuffle))
        kept = []
        for stage, shrink in zip(self.down, self.shrink, strict=True):
            features = _through(stage, features, embedding)
            kept.append(features)
            features = shrink(features)
        features = _through(self.middle, features, embedding)
        for stage, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(kept), strict=True):
            features = _through(stage, torch.cat([grow(features), skip], dim=1), embedding)
        answer = functional.pixel_shuffle(self.tail(features), self.unshuffle)
        if self._residual is None:
            return answer
        return channels[:, self._residual : self._residual + 1] + RESIDUAL_SCALE * answer


def _through(stage: nn.Module, features: Tensor, embedding: Tensor) -> Tensor:
    """Run the blocks of one level."""
    for block in stage.children():
        features = block(features, embedding)
    return features
