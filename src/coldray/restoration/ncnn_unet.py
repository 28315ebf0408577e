"""The network `unet` as ncnn reads it: ConvNeXt blocks on four grids, norms over the channels of one pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json, as_number, as_numbers
from coldray.restoration.ncnn_layers import Design, Layers

Float = NDArray[np.float32]

FASTEST = 100.0
NORM_EPSILON = 1e-5
"""As in `coldray.networks._convnext`."""
SQUARE, INVERSE_ROOT, TIMES, PLUS = "0=4", "0=6", "0=2", "0=0"
"""Operations on one blob and on two."""


def design(tensors: Mapping[str, NDArray[np.number]], settings: Mapping[str, Json], radius: int) -> Design | None:
    """How a network of these weights and settings is written; None if its answer is added to no image.

    Notes
    -----
    No transforms: 16 to 256 channels gain nothing by Winograd's (0.25 core-seconds per million pixels with and without), and
    the last bits then reach no farther than the network looks. Products of matrices take the cells of a tile in fours, and
    what is left over otherwise, to the last bit; so the network's stride is two of its coarsest cells.
    """
    if settings.get("residual") is None:
        return None
    seen = _chosen(settings.get("shown"), settings["channels"])
    told = _chosen(settings.get("told"), settings["conditions"])
    shown = ((seen[0], None), *((i, seen[0]) for i in seen[1:]))
    base, unshuffle = (int(as_number(settings[name])) for name in ("residual", "unshuffle"))
    return Design(unshuffle, shown, base, radius, 1, False, partial(_files, tensors, told))


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
        net.add("GELU", [f"{name}.wide"], [f"{name}.bent"], "0=0")
        net.convolution(f"{name}.bent", f"{name}.change", t[f"{name}.second.weight"], t[f"{name}.second.bias"])
        kept = f"{name}.kept"
        if f"{name}.carry.weight" in t:
            net.convolution(kept, f"{name}.carried", t[f"{name}.carry.weight"], t[f"{name}.carry.bias"])
            kept = f"{name}.carried"
        net.add("BinaryOp", [kept, f"{name}.change"], [f"{name}.out"], PLUS)
        return f"{name}.out"

    def stage(name: str, source: str) -> str:
        for number in range(sum(key.startswith(f"{name}.") and key.endswith(".spread.bias") for key in t)):
            source = block(f"{name}.{number}", source)
        return source

    levels = range(sum(name.startswith("shrink.") and name.endswith(".bias") for name in t))
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
    from scipy.special import erf

    def gelu(value: Float) -> Float:
        return np.asarray(0.5 * value * (1 + erf(value / math.sqrt(2))), dtype=np.float32)

    waves = (t["embed.layers.0.weight"].shape[1] - conditions.size) // 2
    rates = np.float32(FASTEST) * np.exp(-math.log(1e3) * np.arange(waves) / max(waves - 1, 1)).astype(np.float32)
    phase = conditions[0] * rates
    found = np.concatenate([np.sin(phase), np.cos(phase), conditions])
    for layer in (0, 2):
        found = gelu(t[f"embed.layers.{layer}.weight"] @ found + t[f"embed.layers.{layer}.bias"])
    return found
