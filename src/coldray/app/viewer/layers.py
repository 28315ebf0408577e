"""Layers: what the viewer draws, and how their pixels travel to the page without losing a bit."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json

if TYPE_CHECKING:
    from coldray.radiograph import Radiograph

IMAGES = ("original", "restored", "compared", "reference")
"""In drawing order; `compared` is the restored image before."""
OVERLAYS = ("linear", "prior", "gate", "residual", "certificate", "replaced", "corrected")
BOUNDS = ("lower", "upper")
"""Ends of the interval around the restored image, for profiles; never drawn as pictures."""
CHUNK_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Layer:
    """Pixels with what is needed to draw and to read them.

    Parameters
    ----------
    role : str
        One of `IMAGES`, `OVERLAYS` or `BOUNDS`.
    title : str
    unit : str
        Of the stored values: "DN", "open beam", "noise SD", "share" or "-log10 p".
    pixels : ndarray, shape (rows, cols) or (frames, rows, cols)
    open_beam : float
        Stored value of the open beam; 1 where the unit is no intensity.
    pixel_pitch_mm : float, optional
        At the detector [mm].
    id : str
        Random; the only handle that a page has on pixels.
    """

    role: str
    title: str
    unit: str
    pixels: NDArray[np.number]
    open_beam: float = 1.0
    pixel_pitch_mm: float | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.pixels.shape[0] if self.pixels.ndim == 3 else 1

    @property
    def wire(self) -> str:
        """Type on the wire: "u2" for unsigned integers of up to 16 bits, "f4" for everything else."""
        return "u2" if self.pixels.dtype.kind == "u" and self.pixels.dtype.itemsize <= 2 else "f4"

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value of all frames."""
        return float(self.pixels.min()), float(self.pixels.max())

    def frame(self, number: int) -> NDArray[np.number]:
        """One frame, shape (rows, cols); IndexError if there is none of that number."""
        if not 0 <= number < self.frames:
            raise IndexError(number)
        return self.pixels[number] if self.pixels.ndim == 3 else self.pixels

    def chunks(self, number: int) -> Iterator[bytes]:
        """Pixels of one frame, row by row, little-endian, in pieces of about 1 MiB."""
        frame = self.frame(number)
        rows = max(1, CHUNK_BYTES // max(1, frame.shape[1] * int(self.wire[1])))
        for first in range(0, frame.shape[0], rows):
            yield np.ascontiguousarray(frame[first : first + rows], dtype="<" + self.wire).tobytes()

    def to_json(self) -> dict[str, Json]:
        """What the page is told of the layer."""
        rows, cols = self.pixels.shape[-2:]
        return {
            "id": self.id,
            "role": self.role,
            "title": self.title,
            "unit": self.unit,
            "rows": rows,
            "cols": cols,
            "frames": self.frames,
            "wire": self.wire,
            "dtype": str(self.pixels.dtype),
            "minimum": self.limits[0],
            "maximum": self.limits[1],
            "type_maximum": float(np.iinfo(self.pixels.dtype.str).max) if self.pixels.dtype.kind in "ui" else None,
            "open_beam": self.open_beam,
            "pixel_pitch_mm": self.pixel_pitch_mm,
        }


def image_layer(role: str, title: str, image: Radiograph, open_beam: float) -> Layer:
    """Layer of a radiograph in its stored values."""
    unit = "DN" if image.dtype.kind in "ui" else "open beam"
    return Layer(role, title, unit, image.pixels, open_beam, image.acquisition.pixel_pitch_mm)
