"""Simulated radiographs and boards of the front door."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray.api.inputs import AnyDetector, detector_of, number_of, text_of
from coldray.api.results import Result
from coldray.document import Json
from coldray.errors import ImageReadError, SettingsError
from coldray.radiograph import Acquisition, Radiograph, Step
from coldray.simulation.paper import OVERSAMPLING, PITCH_MM, SHARP_FRAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from coldray.objects.gerber.board import RasterBoard
    from coldray.physics.tables import Column
    from coldray.simulation.detector import ScreenDetector

LARGEST_PX = 4096


@dataclass(frozen=True, eq=False, repr=False)
class Simulated(Result):
    """One simulated object, seen by both detectors, with its truth; registered pixel by pixel.

    Parameters
    ----------
    blurred, sharp : Radiograph
        Frames, float32 fractions of the open beam; of several frames their mean.
    blurred_truth, sharp_truth : ndarray, float32, shape (rows, cols)
        Noise-free images, each with its own energy weighting.
    target : ndarray, float32, shape (rows, cols)
        Noise-free sharp image in the blurred detector's energy response: what a restoration can reach.
    name : str
        What was drawn.
    """

    blurred: Radiograph
    sharp: Radiograph
    blurred_truth: NDArray[np.float32]
    sharp_truth: NDArray[np.float32]
    target: NDArray[np.float32]
    name: str
    warnings: tuple[str, ...] = field(default=())

    @property
    def _title(self) -> str:  # type: ignore[override]
        return f"Simulated {self.name}, {self.blurred.shape[0]} x {self.blurred.shape[1]} pixels"

    def facts(self) -> list[tuple[str, str]]:
        """Detectors, exposure and pitch."""
        known = self.blurred.acquisition
        return [
            ("detectors", f"{known.detector} (blurred), {self.sharp.acquisition.detector} (sharp)"),
            ("exposure", f"{known.exposure_s:g} s, {known.frames} frame(s)"),
            ("pixel pitch", f"{known.pixel_pitch_mm} mm"),
        ]

    def columns(self) -> Mapping[str, Column]:
        """Profile of both frames and the truth along the middle row."""
        row = self.target.shape[0] // 2
        pitch = self.blurred.acquisition.pixel_pitch_mm or 1.0
        return {
            "x_mm": (np.arange(self.target.shape[1]) + 0.5) * pitch,
            "blurred": self.blurred.pixels[row],
            "sharp": self.sharp.pixels[row],
            "target": self.target[row],
        }

    def to_dict(self) -> dict[str, Json]:
        """JSON-able description; the images are attributes."""
        return dict(self.blurred.history[-1].details) | {"name": self.name, "warnings": list(self.warnings)}

    def _draw(self, ax: Axes) -> None:
        half = self.target.shape[1] // 2
        both = np.concatenate([self.blurred.pixels[:, :half], self.sharp.pixels[:, half:]], axis=1)
        ax.imshow(both, cmap="gray", vmin=0, vmax=1)
        ax.set(title=f"simulated {self.name}: blurred | sharp", xticks=[], yticks=[])


def simulate(
    kind: str = "board",
    *,
    family: str | None = None,
    gerber: str | os.PathLike[str] | None = None,
    board: str | None = None,
    size_px: int = 512,
    blurred: AnyDetector = "gos135",
    sharp: AnyDetector = "gos34",
    pixel_pitch_mm: float = PITCH_MM,
    exposure_s: float = 0.25,
    sharp_exposure_s: float = 1.0,
    sharp_frames: int = SHARP_FRAMES,
    random_state: int = 0,
) -> Simulated:
    """Radiograph a simulated object with both detectors; the truth is known.

    Parameters
    ----------
    kind : {"board", "battery", "plate", "casting", "weld", "wire", "texture", "edge", "bars", "flat", "duplex", "wedge"}
    family : str, optional
        Family of procedural boards, form of cell, or variant of another kind; drawn if not given.
    gerber : path, optional
        Fabrication data of a real board.
    board : str, optional
        Which board of the fabrication data.
    size_px : int
        Rows, and columns where a target does not set them, 64 to 4096 [pixels].
    blurred, sharp : str, path or Detector
        Screens; they must state their phosphor loading.
    pixel_pitch_mm : float
    exposure_s, sharp_exposure_s : float
        Exposure of one frame [s].
    sharp_frames : int
        How many sharp frames are averaged.
    random_state : int
        Of object and noise.

    Returns
    -------
    Simulated

    Raises
    ------
    SettingsError
        If the kind is unknown, or a setting does not belong to it or is out of range.
    MetadataError, DetectorError, PhysicsError
        If a number is not positive, or a detector is no screen.

    Examples
    --------
    >>> import coldray
    >>> seen = coldray.simulate("edge", size_px=64, sharp_frames=1)
    >>> seen.blurred.shape == seen.target.shape
    True
    """
    from coldray.objects.canvas import RANDOM_STATE_VERSION
    from coldray.objects.request import ObjectRequest, draw_object
    from coldray.simulation.acquire import acquire_pair

    pitch = number_of(pixel_pitch_mm, "pixel_pitch_mm", "mm")
    exposures = [number_of(v, n, "s") for n, v in (("exposure_s", exposure_s), ("sharp_exposure_s", sharp_exposure_s))]
    for name, value, low, high in (("size_px", size_px, 64, LARGEST_PX), ("sharp_frames", sharp_frames, 1, 10000)):
        if not isinstance(value, (int, np.integer)) or not low <= value <= high:
            raise SettingsError(f"{name} is {value!r}; a whole number from {low} to {high} is needed")
    if not isinstance(random_state, (int, np.integer)) or random_state < 0:
        raise SettingsError(f"random_state is {random_state!r}; a whole number of at least 0 is needed")
    asked = ObjectRequest(
        text_of(kind, "kind"), int(size_px), OVERSAMPLING, pitch, gerber=None if gerber is None else Path(gerber), family=family,
        board=board,
    )  # fmt: skip
    screens = {name: _screen(source, name, pitch) for name, source in (("sharp", sharp), ("blurred", blurred))}
    # object and noise have streams of their own, as those of the command line
    maps = draw_object(asked, np.random.default_rng([random_state, 1]))
    seen = acquire_pair(
        maps, screens["sharp"][1], screens["blurred"][1], OVERSAMPLING, np.random.default_rng([random_state, 2]),
        exposure_s=exposures[0], sharp_exposure_s=exposures[1], sharp_frames=int(sharp_frames),
    )  # fmt: skip

    def radiograph(role: str, pixels: NDArray[np.float32], exposure: float, frames: int) -> Radiograph:
        known = Acquisition(
            pixel_pitch_mm=pitch, exposure_s=exposure, frames=frames, open_beam=1.0, linear=True,
            detector=screens[role][0],
        )  # fmt: skip
        details: dict[str, Json] = {
            "kind": "simulated", "object": maps.name, "random_state": int(random_state),
            "random_state_version": RANDOM_STATE_VERSION, "exposure_s": exposure,
        }  # fmt: skip
        return Radiograph(pixels, known, (Step("simulate", details),))

    return Simulated(
        radiograph("blurred", seen.blurred, exposures[0], 1),
        radiograph("sharp", seen.sharp, exposures[1], int(sharp_frames)),
        seen.blurred_truth,
        seen.sharp_truth,
        seen.target,
        maps.name,
    )


def _screen(source: AnyDetector, parameter: str, pitch_mm: float) -> tuple[str, ScreenDetector]:
    """Name and simulator's screen of a detector."""
    from coldray.physics.detector import PITCH_TOLERANCE
    from coldray.simulation.detector import ScreenDetector

    found = detector_of(source, parameter, pitch_mm)
    if abs(found.pixel_pitch_mm / pitch_mm - 1) > PITCH_TOLERANCE:
        raise SettingsError(
            f"{parameter}: {found.name} has pixels of {found.pixel_pitch_mm:.4g} mm, pixel_pitch_mm is {pitch_mm:.4g}"
        )
    return found.name, ScreenDetector.of(found)


def read_board(path: str | os.PathLike[str], grid_pitch_mm: float = 0.012, *, board: str | None = None) -> RasterBoard:
    """Rasterise the fabrication data of a board: Gerber and Excellon files in a zip or a folder.

    Parameters
    ----------
    path : path
        Zip archive or folder.
    grid_pitch_mm : float
        Side of a cell [mm], 0.002 to 1.
    board : str, optional
        Which board to draw, where the files hold several; several are refused otherwise.

    Returns
    -------
    RasterBoard
        ``copper`` (masks, top to bottom), ``holes``, ``outline``; ``account()`` says which file became what.

    Raises
    ------
    ImageReadError
        If files are missing, damaged or not Gerber, or hold statements that are not carried out.
    MissingExtraError
        If the extra `gerber` is not installed.
    PhysicsError
        If the pitch is out of range.
    """
    from coldray.objects.gerber.board import read_board as draw

    if not isinstance(path, (str, os.PathLike)):
        raise ImageReadError(f"path is of type {type(path).__name__}; a zip archive or a folder is needed")
    return draw(Path(path), number_of(grid_pitch_mm, "grid_pitch_mm", "mm"), board=board)
