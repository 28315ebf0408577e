"""Sheets and tubes that battery cells are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.objects.canvas import Canvas, Frame, Map, Window


@dataclass(frozen=True)
class Sheet:
    """A rectangle with rounded corners: centre, size and turn on the grid's plane [mm, deg]."""

    y_mm: float
    x_mm: float
    height_mm: float
    width_mm: float
    turn_deg: float = 0.0
    corner_mm: float = 0.5

    def moved(self, dy_mm: float, dx_mm: float) -> Sheet:
        """The same sheet elsewhere."""
        return replace(self, y_mm=self.y_mm + dy_mm, x_mm=self.x_mm + dx_mm)

    def cover(self, canvas: Canvas) -> tuple[Window, Map] | None:
        """Cells near the sheet and the share of each that it covers; None if it lies outside."""
        frame = Frame(self.x_mm, self.y_mm, self.turn_deg)
        return canvas.plate_cover(frame, self.width_mm, self.height_mm, self.corner_mm)

    def add_to(self, canvas: Canvas, material: str, thickness_mm: float = 1.0) -> None:
        """Add the sheet to a thickness map."""
        target, found = canvas.map(material), self.cover(canvas)
        if found is not None:
            target[found[0]] += np.float32(thickness_mm) * found[1]


def texture(shape: tuple[int, int], pitch_mm: float, grain_mm: float, relative: float, rng: np.random.Generator) -> Map:
    """Smooth random field of mean 1, given grain and relative standard deviation."""
    step = max(1, round(grain_mm / pitch_mm))
    coarse = rng.standard_normal(tuple(-(-n // step) + 3 for n in shape), dtype=np.float32)
    # linear interpolation takes 1/3 to 5/9 of the variance; measured afterwards instead
    field = coarse if step == 1 else scipy.ndimage.zoom(coarse, step, order=1, grid_mode=True, mode="grid-constant")
    field = field[step : step + shape[0], step : step + shape[1]]
    spread = float(field.std()) or 1.0
    return np.asarray(1 + relative / spread * (field - field.mean()), dtype=np.float32)


def disc_chord(x_mm: Map, radius_mm: NDArray[np.floating]) -> NDArray[np.float64]:
    """Chord through a circle at a distance from its centre [mm], broadcast."""
    return 2 * np.sqrt(
        np.maximum(np.asarray(radius_mm, dtype=np.float64) ** 2 - np.asarray(x_mm, dtype=np.float64) ** 2, 0)
    )


def span(
    z_mm: NDArray[np.floating],
    start_mm: NDArray[np.floating] | float,
    end_mm: NDArray[np.floating] | float,
    step_mm: float,
) -> NDArray[np.float64]:
    """Share of a cell at `z_mm` between two heights, broadcast."""
    return np.asarray(np.clip((z_mm - start_mm) / step_mm + 0.5, 0, 1) * np.clip((end_mm - z_mm) / step_mm + 0.5, 0, 1))
