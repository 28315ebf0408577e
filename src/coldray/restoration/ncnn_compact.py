"""The network `compact` as ncnn reads it: plain convolutions, by Winograd's transform."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.restoration.ncnn_layers import BLOCK, Design, Layers, convolved, reach_of

Float = NDArray[np.float32]

UNSHUFFLE = 4


def design(tensors: Mapping[str, NDArray[np.number]], settings: Mapping[str, Json]) -> Design | None:
    """How a network of these weights and settings is written; None if it does not see three images."""
    if settings.get("channels") != 3:
        return None
    shown = ((0, None), (1, 0), (2, 1))
    return Design(UNSHUFFLE, shown, 1, bit_reach(tensors), 2 * UNSHUFFLE, BLOCK, partial(_files, tensors))


def _files(tensors: Mapping[str, NDArray[np.number]], conditions: Float) -> tuple[str, bytes]:
    """Write the network, with its conditions multiplied into the weights.

    Parameters
    ----------
    tensors : dict of str to ndarray
        State of the network.
    conditions : ndarray, shape (conditions,)

    Returns
    -------
    param : str
    weights : bytes
        From the unshuffled channels ``in0`` to the sixteen channels ``out0`` of the residual.

    Notes
    -----
    A block's scale and shift depend on the conditions alone: relu(conv(x) (1 + s) + t) is one convolution of weights
    w (1 + s) and bias b (1 + s) + t.
    """
    t = {name: np.asarray(value, dtype=np.float32) for name, value in tensors.items()}
    told = np.maximum(t["embed.0.weight"] @ conditions + t["embed.0.bias"], 0)
    told = np.maximum(t["embed.2.weight"] @ told + t["embed.2.bias"], 0)
    net = Layers()

    def block(name: str, source: str) -> str:
        scale, shift = np.split(t[f"{name}.modulation.weight"] @ told + t[f"{name}.modulation.bias"], 2)
        weight = t[f"{name}.first.weight"] * (1 + scale)[:, None, None, None]
        bias = t[f"{name}.first.bias"] * (1 + scale) + shift
        net.add("Split", [source], [f"{name}.kept", f"{name}.in"])
        net.convolution(f"{name}.in", f"{name}.hidden", weight, bias, relu=True)
        net.convolution(f"{name}.hidden", f"{name}.change", t[f"{name}.second.weight"], t[f"{name}.second.bias"])
        net.add("BinaryOp", [f"{name}.kept", f"{name}.change"], [f"{name}.out"], "0=0")
        return f"{name}.out"

    def blocks(level: str, source: str) -> str:
        for i in range(sum(name.startswith(f"{level}.") and name.endswith(".first.bias") for name in t)):
            source = block(f"{level}.{i}", source)
        return source

    net.convolution("in0", "head", t["head.weight"], t["head.bias"])
    net.add("Split", [blocks("before", "head")], ["fine.kept", "fine.down"])
    net.convolution("fine.down", "coarse", t["down.weight"], t["down.bias"], stride=2)
    net.convolution(blocks("deep", "coarse"), "up", t["up.weight"], t["up.bias"])
    net.add("PixelShuffle", ["up"], ["shuffled"], "0=2")
    net.add("BinaryOp", ["fine.kept", "shuffled"], ["joined"], "0=0")
    net.convolution(blocks("after", "joined"), "out0", t["tail.weight"], t["tail.bias"])
    return net.files()


def bit_reach(tensors: Mapping[str, NDArray[np.number]]) -> int:
    """How far from a tile's edge the last bits may depend on what lies beyond it [pixels].

    Parameters
    ----------
    tensors : dict of str to ndarray
        State of the network.

    Notes
    -----
    Follows what is touched along one axis, layer by layer (`convolved`), for every phase in which a tile may end.
    """
    names = [name for name in tensors if name.endswith(".first.bias")]
    before, deep, after = (
        2 * sum(name.startswith(f"{level}.") for name in names) for level in ("before", "deep", "after")
    )
    length = 2 * BLOCK * (2 + before + 2 * deep + after)

    def repeated(touched: NDArray[np.bool_], layers: int) -> NDArray[np.bool_]:
        for _ in range(layers):
            touched = convolved(touched)
        return touched

    reach = 0
    for cells in range(length, length + 2 * BLOCK, 2):
        fine = repeated(np.zeros(cells, dtype=bool), 1 + before)
        coarse = repeated(np.asarray(fine.reshape(-1, 2).any(axis=1)), deep)
        reach = max(reach, reach_of(repeated(fine | np.repeat(coarse, 2), after + 1)))
    return UNSHUFFLE * reach
