"""Reader: files as coldray reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_coldray._layers import Layer, image_layer, part_layers

BESIDE = ".provenance.tif"
"""Ending of the file with the layers of a result, beside it."""


def reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[Layer]] | None:
    """Function that reads a file, or several; None for what coldray does not read.

    napari then asks its other readers.
    """
    import coldray
    from coldray.errors import ColdrayError

    try:
        images = [(each, coldray.read(each)) for each in _paths(path)]
    except ColdrayError:
        return None
    # napari calls it with the same path: nothing is read twice
    return lambda _path: [layer for each, image in images for layer in _layers(each, image)]


def read(path: str | Sequence[str]) -> list[Layer]:
    """Layers of a file, or of several.

    Raises
    ------
    ImageReadError
        If one cannot be read as it claims.
    """
    import coldray

    return [layer for each in _paths(path) for layer in _layers(each, coldray.read(each))]


def _layers(path: Path, image: Any) -> list[Layer]:
    """Layer of an image, and those of its parts if they lie beside it."""
    import coldray

    layers = [image_layer(path.stem, image)]
    parts = path.with_name(path.stem + BESIDE)
    if parts.is_file():
        layers += part_layers(path.stem, coldray.read(parts).pixels, image.acquisition.pixel_pitch_mm)
    return layers


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(each) for each in path]
