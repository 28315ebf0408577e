"""Text and numbers of a network as ncnn reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.restoration.ladder import Ladder

Float = NDArray[np.float32]

RESIDUAL_SCALE = 0.1
CONTRAST = 4
"""As in the networks: images after the first are shown as differences, times this; the answer is added to one, scaled."""
BLOCK = 4
"""Answers that one Winograd transform gives at once along each axis."""


@dataclass(frozen=True)
class Design:
    """How one of our networks is written for ncnn.

    Parameters
    ----------
    unshuffle : int
        Factor by which pixels are folded into channels before the network and unfolded behind it.
    shown : tuple of (int, int or None)
        What the network sees: an image, or its difference from another one.
    base : int
        Image to which the answer is added.
    radius : int
        Reach within which the last bits of an answer may depend on what lies there [pixels].
    stride : int
        Grid of the network [pixels].
    blocks : int
        Strides to which transforms are bound; tiles begin on multiples of it.
    files : callable
        ``files(conditions)``: text of the .param file and bytes of the .bin file, from ``in0`` to ``out0``.
    ladder : Ladder, optional
        Stages of which the network consists, if it can be run strip by strip.
    """

    unshuffle: int
    shown: tuple[tuple[int, int | None], ...]
    base: int
    radius: int
    stride: int
    blocks: int
    files: Callable[[Float], tuple[str, bytes]]
    ladder: Ladder | None = None


class Layers:
    """A network, layer by layer."""

    def __init__(self) -> None:
        self.lines = ["Input in0 0 1 in0"]
        self.blobs = 1
        self.numbers: list[bytes] = []

    def add(self, kind: str, inputs: list[str], outputs: list[str], settings: str = "") -> None:
        """Append one layer."""
        names = " ".join([*inputs, *outputs])
        self.lines.append(f"{kind} l{len(self.lines)} {len(inputs)} {len(outputs)} {names} {settings}".rstrip())
        self.blobs += len(outputs)

    def convolution(
        self, source: str, target: str, weight: Float, bias: Float, *, stride: int = 1, relu: bool = False
    ) -> None:
        """Append a convolution that keeps the size, or divides it by its stride."""
        out, _, size, _ = weight.shape
        pad = (size - stride) // 2
        text = f"0={out} 1={size} 3={stride} 4={pad} 5=1 6={weight.size}" + (" 9=1" if relu else "")
        self.add("Convolution", [source], [target], text)
        # a flag of zero says: plain single precision
        self.numbers += [bytes(4), weight.astype("<f4").tobytes(), bias.astype("<f4").tobytes()]

    def depthwise(self, source: str, target: str, weight: Float, bias: Float) -> None:
        """Append a convolution of every channel by itself that keeps the size."""
        channels, _, size, _ = weight.shape
        text = f"0={channels} 1={size} 4={size // 2} 5=1 6={weight.size} 7={channels}"
        self.add("ConvolutionDepthWise", [source], [target], text)
        self.numbers += [bytes(4), weight.astype("<f4").tobytes(), bias.astype("<f4").tobytes()]

    def scale(self, source: str, target: str, factor: Float, offset: Float) -> None:
        """Append a factor and an offset for every channel."""
        self.add("Scale", [source], [target], f"0={factor.size} 1=1")
        self.numbers += [factor.astype("<f4").tobytes(), offset.astype("<f4").tobytes()]

    def files(self) -> tuple[str, bytes]:
        """Text of the .param file and bytes of the .bin file."""
        text = f"7767517\n{len(self.lines)} {self.blobs}\n" + "\n".join(self.lines) + "\n"
        return text, b"".join(self.numbers)


def convolved(touched: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells of a row whose last bits depend on something after a convolution of 3 x 3, from those where they did before.

    Parameters
    ----------
    touched : ndarray of bool, shape (cells,)
        What lies beyond both ends is taken as touched.

    Notes
    -----
    A Winograd transform F(4, 3) makes four answers of six inputs d0 to d5. Of d0 only the first answer knows, of d5 only
    the last; a change of d1 to d4 comes back in all four, if only as rounding. Rounding therefore goes farther than the
    network looks: four cells in two layers instead of two.
    """
    filled = -(-touched.size // BLOCK) * BLOCK
    padded = np.pad(touched, (1, filled - touched.size + 1), constant_values=True)
    inside = padded[1:-1].reshape(-1, BLOCK).any(axis=1)
    out = np.repeat(inside, BLOCK)
    out[::BLOCK] |= padded[:filled:BLOCK]
    out[BLOCK - 1 :: BLOCK] |= padded[BLOCK + 1 :: BLOCK]
    return out[: touched.size]


def reach_of(touched: NDArray[np.bool_]) -> int:
    """How far the touched cells reach into a row from its ends, the farther of both [cells]."""
    exact = np.flatnonzero(~touched)
    return max(int(exact[0]), touched.size - 1 - int(exact[-1]))
