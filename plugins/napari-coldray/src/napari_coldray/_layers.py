"""Layers as napari takes them: pixels, what belongs to them, and their kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Layer = tuple[NDArray[Any], dict[str, Any], str]
PARTS = {
    "linear": ("linear part", "twilight_shifted"),
    "claim": ("network's claim", "twilight_shifted"),
    "share": ("share of the network", "viridis"),
}
"""Names and colours of the layers after the measurement, in the order of a provenance file."""


def image_layer(name: str, image: Any, **more: Any) -> Layer:
    """Layer of a `coldray.Radiograph`: stored values, and the pitch [um] as scale where it is known.

    Parameters
    ----------
    name : str
    image : Radiograph
    **more
        Further keywords of the layer; ``metadata`` is added to what the file says.
    """
    known = image.acquisition
    said = {key: value for key, value in vars(known).items() if value is not None}
    metadata = {"coldray": {"acquisition": said, "history": [step.verb for step in image.history]}}
    about = {"name": name, "colormap": "gray", **more, "metadata": metadata | more.get("metadata", {})}
    return image.pixels, about | _scale(image.pixels.ndim, known.pixel_pitch_mm), "image"


def part_layers(name: str, layers: NDArray[np.float32], pitch_mm: float | None) -> list[Layer]:
    """Hidden layers of the parts of a result, the measurement itself left out.

    Parameters
    ----------
    name : str
        Of the result.
    layers : ndarray, shape (3 or 4, rows, cols)
        Measurement, linear part, claim of the network and its share, as fractions of the open beam.
    pitch_mm : float, optional
        Pixel pitch [mm].
    """
    out: list[Layer] = []
    for (words, colours), pixels in zip(PARTS.values(), layers[1:], strict=False):
        about: dict[str, Any] = {"name": f"{name}: {words}", "colormap": colours, "visible": False}
        if colours == "viridis":
            about["contrast_limits"] = (0.0, 1.0)
        else:  # the same colour for the same amount above and below nothing
            most = max(float(np.abs(pixels).max()), 1e-6)
            about["contrast_limits"] = (-most, most)
        out.append((pixels, about | _scale(2, pitch_mm), "image"))
    return out


def _scale(dimensions: int, pitch_mm: float | None) -> dict[str, Any]:
    if pitch_mm is None:
        return {}
    side = (1000 * pitch_mm, 1000 * pitch_mm)
    frames = (1.0,) * (dimensions - 2)
    return {"scale": frames + side, "units": ("pixel",) * len(frames) + ("um", "um")}
