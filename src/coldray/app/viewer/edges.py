"""MTF of an edge in a region that a page names, as `coldray measure edge` gives it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from coldray.app.viewer.layers import IMAGES
from coldray.app.viewer.shelf import Study
from coldray.document import Json
from coldray.errors import SettingsError
from coldray.radiograph import Radiograph

FARTHEST_PX = 10**6

Pixels = Annotated[int, Field(ge=0, le=FARTHEST_PX)]


class EdgeRequest(BaseModel):
    """Where to look for an edge.

    Parameters
    ----------
    role : str
        Image of the study, one of `IMAGES`.
    region : list of int
        x, y, width, height [px of that image].
    frame : int
        Of a stack.
    """

    model_config = ConfigDict(extra="forbid")

    role: Annotated[str, Field(max_length=16)]
    region: Annotated[list[Pixels], Field(min_length=4, max_length=4)]
    frame: Pixels = 0


def measured_edge(study: Study, asked: EdgeRequest) -> dict[str, Json]:
    """Presampled MTF with its k = 2 band.

    Parameters
    ----------
    study : Study
    asked : EdgeRequest

    Returns
    -------
    dict
        The JSON of `coldray measure edge`, with ``csv``, the text of its table.

    Raises
    ------
    MeasurementError
        If there is no edge in the region.
    MetadataError
        If the pixel pitch is not known.
    SettingsError
        If the image is not open, or has no such frame.
    """
    from coldray.api.measure import edge_mtf
    from coldray.physics.tables import write_table

    layer = study.layers.get(asked.role) if asked.role in IMAGES else None
    if layer is None or asked.frame >= layer.frames:
        raise SettingsError(f"{study.name}: no such image or frame is open")
    pixels = layer.frame(asked.frame)
    # nothing but its pitch is known of a reference
    image = pixels if asked.role == "reference" else Radiograph(pixels, study.image.acquisition)
    x, y, width, height = asked.region
    measured = edge_mtf(image, layer.pixel_pitch_mm, (x, y, width, height))
    found: dict[str, Json] = measured.found.to_json()
    pitch = measured.pixel_pitch_mm
    notes = [
        f"measured from {study.name}: {layer.title.lower()}",
        f"region {x},{y},{width},{height}",
        *(f"warning: {text}" for text in measured.found.warnings),
    ]
    nyquist = None if pitch is None else 0.5 / pitch
    csv = write_table(measured.columns(), pitch, notes)
    return found | {"pixel_pitch_mm": pitch, "nyquist_lp_mm": nyquist, "csv": csv}
