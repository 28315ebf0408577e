"""Frames of a simulated object with one or two detectors, written as a data folder with its truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coldray.document import Json
from coldray.errors import SettingsError
from coldray.files import write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from coldray.physics.detector import Detector
    from coldray.simulation.acquire import Projection
    from coldray.simulation.detector import ScreenDetector
    from coldray.simulation.geometry import Geometry
    from coldray.simulation.thickness import ThicknessMaps

OPEN_BEAM_DN = 50000.0
_DARKS, _FLATS = "dark", "flat"


@dataclass(frozen=True)
class Exposure:
    """How frames are taken.

    Parameters
    ----------
    frames : int
        Of every detector.
    exposure_s : float
        Of one frame [s].
    random_state : int
        Decides the noise; every frame has a stream of its own.
    raw : bool
        Raw frames with gain pattern, offset, bad pixels and lag, in 14-bit numbers, darks and flats beside
        them; else corrected frames with the open beam at 50000.
    calibration_frames : int
        Darks and flats of every detector, if raw.
    direct_hits_s, stitch_step : float
        Of a raw panel, see `coldray.simulation.electronics.Electronics`.
    """

    frames: int
    exposure_s: float
    random_state: int
    raw: bool = False
    calibration_frames: int = 20
    direct_hits_s: float = 0.0
    stitch_step: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.exposure_s < float("inf"):
            raise SettingsError(f"exposure is {self.exposure_s} s; it must be positive and finite")
        if (self.direct_hits_s or self.stitch_step) and not self.raw:
            raise SettingsError("direct hits and stitched tiles belong to raw frames; give --raw too")


@dataclass(frozen=True, eq=False)
class Scene:
    """What every detector sees of one object, noise-free and on the fine grid.

    Parameters
    ----------
    maps : ThicknessMaps
    geometry : Geometry
    oversampling : int
    common : dict
        Entries of `Acquisition` that all files share.
    details : dict
        Of the history step of every file.
    """

    maps: ThicknessMaps
    geometry: Geometry
    oversampling: int
    common: dict[str, Any]
    details: dict[str, Json] = field(default_factory=dict)


def screen_of(name: str, pitch_mm: float) -> tuple[Detector, ScreenDetector]:
    """Detector by name and its screen for the simulator.

    Raises
    ------
    SettingsError
        If its pixels have another pitch.
    """
    from coldray.physics.detector import detector_of_pitch
    from coldray.simulation.detector import ScreenDetector

    known = detector_of_pitch(name, pitch_mm)
    return known, ScreenDetector.of(known)


def acquire(
    folder: Path,
    scene: Scene,
    screens: dict[str, tuple[str, ScreenDetector]],
    how: Exposure,
    advance: Callable[[int], None],
) -> tuple[list[str], dict[str, str]]:
    """Write frames, darks, flats and noise-free truth.

    Parameters
    ----------
    folder : Path
        What is there of an earlier run under the same names is removed.
    scene : Scene
    screens : dict
        Name and screen of each detector, by role ("hr" and "lr", or "frames" alone).
    how : Exposure
    advance : callable
        Called with the number of frames done.

    Returns
    -------
    files : list of str
        Frames of the object.
    truth : dict of str
        Noise-free images by role; "target" is the sharp MTF in the blurred detector's energy response.
    """
    from coldray.simulation.acquire import project

    for name in (*screens, "hr", "lr", "frames", _DARKS, _FLATS, "truth"):
        shutil.rmtree(folder / name, ignore_errors=True)
    files: list[str] = []
    truth: dict[str, str] = {}
    # one transmission at a time: a fine grid is large
    for number, (role, (name, screen)) in enumerate(screens.items()):
        seen = project(scene.maps, screen, scene.oversampling, geometry=scene.geometry)
        known = scene.common | {"exposure_s": how.exposure_s, "detector": name}
        first = len(files)
        if how.raw:
            files += _raw_frames(folder, role, seen, scene, how, known, number)
            advance(len(files))
        else:
            for frame, path in enumerate(_paths(folder / role, how.frames)):
                rng = _stream(how.random_state, number, frame)
                _write(
                    path, _stored(seen.frame(how.exposure_s, rng)), known | {"open_beam": OPEN_BEAM_DN}, scene.details
                )
                files.append(str(path))
                advance(first + frame + 1)
        clean = {role: seen.truth}
        if role == "lr":
            clean["target"] = seen.through(screens["hr"][1])
        for what, image in clean.items():
            path = folder / "truth" / f"{what}.tif"
            _write(path, image, scene.common | {"open_beam": 1.0}, scene.details)
            truth[what] = str(path)
    return files, truth


def write_truth(folder: Path, name: str, data: Mapping[str, Json]) -> str:
    """Write a JSON file beside the noise-free images."""
    path = folder / "truth" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(data, indent=1))
    return str(path)


def _raw_frames(
    folder: Path,
    role: str,
    seen: Projection,
    scene: Scene,
    how: Exposure,
    known: Mapping[str, Any],
    number: int,
) -> list[str]:
    """Raw frames of the object, darks and flats of one panel; the paths of the first."""
    from coldray.simulation.camera import Camera
    from coldray.simulation.electronics import Electronics

    rows, cols = (n // seen.oversampling for n in seen.fine.shape)
    # a panel of its own for each detector
    panel = Electronics(
        random_state=2 * how.random_state + number, direct_hits_s=how.direct_hits_s, stitch_step=how.stitch_step
    )
    camera = Camera(seen.detector, (rows, cols), panel)
    stacks = (
        (folder / role, camera.expose(seen.fine, seen.oversampling, how.exposure_s, frames=how.frames)),
        (folder / _DARKS / role, camera.darks(how.exposure_s, how.calibration_frames)),
        (folder / _FLATS / role, camera.flats(how.exposure_s, how.calibration_frames)),
    )
    for place, stack in stacks:
        for frame, path in zip(stack, _paths(place, len(stack)), strict=True):
            _write(path, frame, known, scene.details)
    return [str(path) for path in _paths(folder / role, how.frames)]


def _paths(folder: Path, count: int) -> list[Path]:
    return [folder / f"{number:03d}.tif" for number in range(count)]


def _stream(random_state: int, detector: int, frame: int) -> np.random.Generator:
    """One stream per detector and frame: neither number changes another frame."""
    import numpy as np

    return np.random.default_rng([random_state, 2 + detector, frame])


def _stored(image: NDArray[np.float32]) -> NDArray[np.uint16]:
    import numpy as np

    return np.clip(np.rint(image * OPEN_BEAM_DN), 0, 65535).astype(np.uint16)


def _write(path: Path, pixels: NDArray[np.number], known: Mapping[str, Any], details: Mapping[str, Json]) -> None:
    from coldray.formats import write_image
    from coldray.radiograph import Acquisition, Radiograph, Step

    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, Radiograph(pixels, Acquisition(**known), (Step("simulate", details),)))
