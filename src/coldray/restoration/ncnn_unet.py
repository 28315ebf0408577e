"""The network `unet` as ncnn reads it: ConvNeXt blocks on four grids, norms over the channels of one pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from coldray.compiled import special
from coldray.document import Json, as_number, as_numbers
from coldray.restoration.ladder import GRID_ROWS, Ladder, Stage
from coldray.restoration.ncnn_layers import BLOCK, Design, Layers, convolved, reach_of

Float = NDArray[np.float32]

FASTEST = 100.0
NORM_EPSILON = 1e-5
"""As in `coldray.networks._convnext`."""
SQUARE, INVERSE_ROOT, TIMES, PLUS = "0=4", "0=6", "0=2", "0=0"
"""Operations on one blob and on two."""
EXACT = "0=0 31=16"
"""The error function itself, and never on a graphics processor, where ncnn has an approximation for it."""


def design(tensors: Mapping[str, NDArray[np.number]], settings: Mapping[str, Json]) -> Design | None:
    """How a network of these weights and settings is written; None if its answer is added to no image.

    Notes
    -----
    Winograd's transforms make it nearly twice as fast, and carry last bits farther than the network looks (`bit_reach`); strips
    of rows cost less than tiles with such margins. Products of matrices take the cells of a tile in fours, and what is left
    over otherwise, to the last bit; so the network's stride is two of its coarsest cells.
    """
    if settings.get("residual") is None:
        return None
    seen = _chosen(settings.get("shown"), settings["channels"])
    told = _chosen(settings.get("told"), settings["conditions"])
    shown = ((seen[0], None), *((i, seen[0]) for i in seen[1:]))
    base, unshuffle = (int(as_number(settings[name])) for name in ("residual", "unshuffle"))
    stride = 2 * unshuffle * 2 ** _levels(tensors)
    reach, files = unshuffle * bit_reach(tensors), partial(_files, tensors, told)
    return Design(unshuffle, shown, base, reach, stride, BLOCK // 2, files, ladder(tensors))


def _chosen(given: Json, count: Json) -> list[int]:
    """Places that are used; all by default."""
    return list(range(int(as_number(count)))) if given is None else [int(place) for place in as_numbers(given)]


def _files(tensors: Mapping[str, NDArray[np.number]], told: Sequence[int], conditions: Float) -> tuple[str, bytes]:
    """Write the network, with its conditions multiplied into the norms."""
    t = {name: np.asarray(value, dtype=np.float32) for name, value in tensors.items()}
    embedding = _embedded(t, np.asarray(conditions, dtype=np.float32)[list(told)])
    net = Layers()

    def block(name: str, source: str) -> str:
        scale, shift = np.split(t[f"{name}.modulation.weight"] @ embedding + t[f"{name}.modulation.bias"], 2)
        net.add("Split", [source], [f"{name}.kept", f"{name}.in"])
        net.depthwise(f"{name}.in", f"{name}.spread", t[f"{name}.spread.weight"], t[f"{name}.spread.bias"])
        normed = _norm(net, name, f"{name}.spread", scale.size)
        gain, offset = t[f"{name}.norm.gain"] * (1 + scale), t[f"{name}.norm.offset"] * (1 + scale) + shift
        net.scale(normed, f"{name}.told", gain, offset)
        net.convolution(f"{name}.told", f"{name}.wide", t[f"{name}.first.weight"], t[f"{name}.first.bias"])
        net.add("GELU", [f"{name}.wide"], [f"{name}.bent"], EXACT)
        net.convolution(f"{name}.bent", f"{name}.change", t[f"{name}.second.weight"], t[f"{name}.second.bias"])
        kept = f"{name}.kept"
        if f"{name}.carry.weight" in t:
            net.convolution(kept, f"{name}.carried", t[f"{name}.carry.weight"], t[f"{name}.carry.bias"])
            kept = f"{name}.carried"
        net.add("BinaryOp", [kept, f"{name}.change"], [f"{name}.out"], PLUS)
        return f"{name}.out"

    def stage(name: str, source: str) -> str:
        for number in range(_blocks(t, name)):
            source = block(f"{name}.{number}", source)
        return source

    levels = range(_levels(t))
    net.convolution("in0", "head", t["head.weight"], t["head.bias"])
    features = "head"
    for level in levels:
        net.add("Split", [stage(f"down.{level}", features)], [f"skip.{level}", f"fine.{level}"])
        features = f"coarse.{level}"
        net.convolution(f"fine.{level}", features, t[f"shrink.{level}.weight"], t[f"shrink.{level}.bias"], stride=2)
    features = stage("middle", features)
    for level in reversed(levels):
        # a transposed convolution of 2 x 2 in steps of 2 is one of 1 x 1 whose answers are unfolded
        weight = t[f"grow.{level}.weight"]
        inside, outside = weight.shape[:2]
        unfolded = weight.transpose(1, 2, 3, 0).reshape(4 * outside, inside, 1, 1)
        net.convolution(features, f"grow.{level}", unfolded, np.repeat(t[f"grow.{level}.bias"], 4))
        net.add("PixelShuffle", [f"grow.{level}"], [f"grown.{level}"], "0=2")
        net.add("Concat", [f"grown.{level}", f"skip.{level}"], [f"joined.{level}"], "0=0")
        features = stage(f"up.{level}", f"joined.{level}")
    net.convolution(features, "out0", t["tail.weight"], t["tail.bias"])
    return net.files()


def _levels(tensors: Mapping[str, NDArray[np.number]]) -> int:
    """How often the network goes down to a coarser grid."""
    return sum(name.startswith("shrink.") and name.endswith(".bias") for name in tensors)


def _blocks(tensors: Mapping[str, NDArray[np.number]], stage: str) -> int:
    """Number of blocks of a stage."""
    return sum(name.startswith(f"{stage}.") and name.endswith(".spread.bias") for name in tensors)


def _through(tensors: Mapping[str, NDArray[np.number]], stage: str, touched: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells along one axis that are touched behind the blocks of a stage (see `convolved`)."""
    for number in range(_blocks(tensors, stage)):
        beyond = tensors[f"{stage}.{number}.spread.weight"].shape[-1] // 2
        wide = np.pad(touched, beyond, constant_values=True)
        spread = np.asarray(sliding_window_view(wide, 2 * beyond + 1).any(axis=-1))
        touched = convolved(convolved(spread))
    return touched


def bit_reach(tensors: Mapping[str, NDArray[np.number]]) -> int:
    """How far from a tile's edge the last bits may depend on what lies beyond it [cells of the finest level].

    Parameters
    ----------
    tensors : dict of str to ndarray
        State of the network.
    """
    levels = _levels(tensors)

    def below(touched: NDArray[np.bool_], level: int) -> NDArray[np.bool_]:
        if level == levels:
            return _through(tensors, "middle", touched)
        fine = _through(tensors, f"down.{level}", touched)
        coarse = below(np.asarray(fine.reshape(-1, 2).any(axis=1)), level + 1)
        return _through(tensors, f"up.{level}", fine | np.repeat(coarse, 2))

    coarsest = 2**levels
    length = 4 * BLOCK * coarsest * (2 + sum(name.endswith(".spread.bias") for name in tensors))
    ends = range(length, length + BLOCK * coarsest, 2 * coarsest)
    return max(reach_of(below(convolved(np.zeros(cells, dtype=bool)), 0)) for cells in ends)


def ladder(tensors: Mapping[str, NDArray[np.number]]) -> Ladder:
    """Stages of the network, each with the margin that its last bits need."""
    levels = range(_levels(tensors))

    def made(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Stage:
        touched = np.zeros(8 * BLOCK * (2 + _blocks(tensors, name)), dtype=bool)
        # the first stage has the head before its blocks
        touched = _through(tensors, name, convolved(touched) if "in0" in inputs else touched)
        return Stage(inputs, outputs, -(-reach_of(touched) // GRID_ROWS) * GRID_ROWS)

    def answer(name: str) -> str:
        return f"{name}.{_blocks(tensors, name) - 1}.out"

    coarse = ["in0", *(f"coarse.{level}" for level in levels)]
    answered = [*(answer(f"up.{level}") for level in levels), answer("middle")]
    down = (made(f"down.{n}", (coarse[n],), (f"skip.{n}", coarse[n + 1])) for n in levels)
    up = (made(f"up.{n}", (answered[n + 1], f"skip.{n}"), (answered[n] if n else "out0",)) for n in levels)
    return Ladder(tuple(down), made("middle", (coarse[-1],), (answered[-1],)), tuple(up))


def _norm(net: Layers, name: str, source: str, channels: int) -> str:
    """Append the norm over channels; means are convolutions of 1 x 1, which ncnn does fast."""
    share = np.float32(1 / channels)
    centring = (np.eye(channels, dtype=np.float32) - share)[:, :, None, None]
    net.convolution(source, f"{name}.centred", centring, np.zeros(channels, dtype=np.float32))
    net.add("Split", [f"{name}.centred"], [f"{name}.rest", f"{name}.apart"])
    net.add("UnaryOp", [f"{name}.apart"], [f"{name}.square"], SQUARE)
    mean = np.full((1, channels, 1, 1), share, dtype=np.float32)
    net.convolution(f"{name}.square", f"{name}.variance", mean, np.array([NORM_EPSILON], dtype=np.float32))
    net.add("UnaryOp", [f"{name}.variance"], [f"{name}.factor"], INVERSE_ROOT)
    net.add("BinaryOp", [f"{name}.rest", f"{name}.factor"], [f"{name}.normed"], TIMES)
    return f"{name}.normed"


def _embedded(t: Mapping[str, Float], conditions: Float) -> Float:
    """Embedding of the conditions, as `ConditionEmbedding` makes it."""
    erf = special("erf")

    def gelu(value: Float) -> Float:
        return np.asarray(0.5 * value * (1 + erf(value / math.sqrt(2))), dtype=np.float32)

    waves = (t["embed.layers.0.weight"].shape[1] - conditions.size) // 2
    rates = np.float32(FASTEST) * np.exp(-math.log(1e3) * np.arange(waves) / max(waves - 1, 1)).astype(np.float32)
    phase = conditions[0] * rates
    found = np.concatenate([np.sin(phase), np.cos(phase), conditions])
    for layer in (0, 2):
        found = gelu(t[f"embed.layers.{layer}.weight"] @ found + t[f"embed.layers.{layer}.bias"])
    return found
