"""Reader: files as coldray reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_coldray._layers import Layer, image_layer, part_layers

BESIDE = ".provenance.tif"
"""Ending of the file with the layers of a result, beside it."""


def reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[Layer]] | None:
    """Function that reads a file, or several; None for what coldray does not read.

    napari then asks its other readers.
    """
    import coldray
    from coldray.errors import ColdrayError

    for each in _paths(path):
        try:
            coldray.read(each)
        except ColdrayError:
            return None
    return read


def read(path: str | Sequence[str]) -> list[Layer]:
    """Layers of a file, or of several.

    Raises
    ------
    ImageReadError
        If one cannot be read as it claims.
    """
    import coldray

    layers: list[Layer] = []
    for each in _paths(path):
        image = coldray.read(each)
        layers.append(image_layer(each.stem, image))
        parts = each.with_name(each.stem + BESIDE)
        if parts.is_file():
            layers += part_layers(each.stem, coldray.read(parts).pixels, image.acquisition.pixel_pitch_mm)
    return layers


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(each) for each in path]
