"""Sheets, plates and tubes that battery cells are made of, as coverage and chord maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Map = NDArray[np.float32]
Window = tuple[slice, slice]


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

    def window(self, shape: tuple[int, int], pitch_mm: float) -> Window:
        """Cells that the sheet can touch; empty if it lies outside."""
        a = abs(np.radians(self.turn_deg))
        spans = []
        for n, middle, own, other in (
            (shape[0], self.y_mm, self.height_mm, self.width_mm),
            (shape[1], self.x_mm, self.width_mm, self.height_mm),
        ):
            reach = 0.5 * (own * np.cos(a) + other * np.sin(a)) + 2 * pitch_mm
            low = int(np.clip(np.floor((middle - reach) / pitch_mm), 0, n))
            high = int(np.clip(np.ceil((middle + reach) / pitch_mm), low, n))
            spans.append(slice(low, high))
        return spans[0], spans[1]

    def cover(self, window: Window, pitch_mm: float) -> Map:
        """Covered share of every cell of a window, 0 to 1."""
        y = ((np.arange(window[0].start, window[0].stop, dtype=np.float32) + 0.5) * pitch_mm - self.y_mm)[:, None]
        x = ((np.arange(window[1].start, window[1].stop, dtype=np.float32) + 0.5) * pitch_mm - self.x_mm)[None, :]
        a = np.radians(self.turn_deg)
        across, along = x, y
        if a:
            across, along = (
                x * np.float32(np.cos(a)) + y * np.float32(np.sin(a)),
                y * np.float32(np.cos(a)) - x * np.float32(np.sin(a)),
            )
        r = min(self.corner_mm, 0.5 * min(self.height_mm, self.width_mm))
        dx = np.abs(across) - np.float32(self.width_mm / 2 - r)
        dy = np.abs(along) - np.float32(self.height_mm / 2 - r)
        # distance to a rounded rectangle
        outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
        outside += np.minimum(np.maximum(dx, dy), 0) - np.float32(r)
        return np.asarray(np.clip(np.float32(0.5) - outside / np.float32(pitch_mm), 0, 1), dtype=np.float32)

    def add_to(self, target: Map, pitch_mm: float, thickness_mm: float = 1.0) -> None:
        """Add the sheet to a thickness map."""
        window = self.window((target.shape[0], target.shape[1]), pitch_mm)
        if window[0].stop > window[0].start and window[1].stop > window[1].start:
            target[window] += np.float32(thickness_mm) * self.cover(window, pitch_mm)


def texture(shape: tuple[int, int], pitch_mm: float, grain_mm: float, relative: float, rng: np.random.Generator) -> Map:
    """Smooth random field of mean 1, given grain and relative standard deviation."""
    step = max(1, round(grain_mm / pitch_mm))
    coarse = rng.standard_normal(tuple(-(-n // step) + 3 for n in shape), dtype=np.float32)
    # linear interpolation takes 1/3 to 5/9 of the variance; measured afterwards instead
    field = coarse if step == 1 else ndimage.zoom(coarse, step, order=1, grid_mode=True, mode="grid-constant")
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
