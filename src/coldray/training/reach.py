"""How far content really acts on a network's answer, within its formal reach: the margin that tiles need."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from coldray.errors import ImageError
from coldray.restoration.tiles import Engine

TOLERANCE = 0.5 / 65535
"""Change of a pixel that does not count: half a step of 16 bits [fraction of open beam]."""
BLOCK_PX = 8
DRAWS = 3
"""Draws of random and saturated content."""

Float = NDArray[np.float32]


def acting_reach(engine: Engine, image: Float, conditions: Float) -> int:
    """Distance beyond which replaced content changes no pixel by more than `TOLERANCE`.

    Parameters
    ----------
    engine : Engine
        Its `radius` is the formal reach, its `stride` the grid.
    image : ndarray, float32, shape (1, channels, rows, cols)
        What a method shows the network, of at least twice the formal reach and five strides per side.
    conditions : ndarray, float32, shape (1, conditions)

    Returns
    -------
    int
        The largest of `DRAWS` draws, a multiple of the stride, at most the formal reach rounded up to it [pixels].

    Raises
    ------
    ImageError
        If the image is too small.

    Notes
    -----
    Both the content that stays and the content that takes its place are in turn the image (shifted), uniform random
    numbers, and saturated blocks of 0 and 1 that differ from channel to channel: more than any measurement can do.
    """
    return max(_acting_reach(engine, image, conditions, np.random.default_rng(seed)) for seed in range(DRAWS))


def _acting_reach(engine: Engine, image: Float, conditions: Float, rng: np.random.Generator) -> int:
    stride = engine.stride
    reach = -(-engine.radius // stride) * stride
    first = reach + stride
    place = (..., *(slice(first, first + stride),) * 2)
    if min(image.shape[-2:]) < 2 * reach + 3 * stride:
        raise ImageError(f"image has {image.shape[-2:]} pixels; {2 * reach + 3 * stride} per side are needed")
    contents = list(_contents(image, rng))
    cases = [(kept, far, engine.run(kept, conditions)[place]) for kept, far in product(contents, contents)]
    while reach > stride:
        inner = (..., *(slice(first - reach + stride, first + stride + reach - stride),) * 2)
        for kept, far, answer in cases:
            changed = np.roll(far, (5 * stride, 3 * stride), axis=(-2, -1))
            changed[inner] = kept[inner]
            if np.abs(engine.run(changed, conditions)[place] - answer).max() > TOLERANCE:
                return reach
        reach -= stride
    return reach


def _contents(image: Float, rng: np.random.Generator) -> Iterator[Float]:
    """The image, random numbers, and saturated blocks."""
    yield image
    yield rng.uniform(0, 1, image.shape).astype(np.float32)
    rows, cols = (-(-n // BLOCK_PX) for n in image.shape[-2:])
    blocks = rng.integers(0, 2, (*image.shape[:2], rows, cols)).astype(np.float32)
    full = np.repeat(np.repeat(blocks, BLOCK_PX, axis=-2), BLOCK_PX, axis=-1)
    yield full[..., : image.shape[-2], : image.shape[-1]]
