"""Sources made on the fly: procedural boards seen by both detectors, one random state each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from coldray.dataset.frames import BoardImages
from coldray.document import Json
from coldray.errors import SettingsError
from coldray.images.registration import Registration
from coldray.objects.boards import FAMILIES, ROLES, procedural_board
from coldray.objects.canvas import RANDOM_STATE_VERSION
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.simulation.acquire import project_pair
from coldray.simulation.camera import Camera
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.electronics import Electronics
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_FRAMES, SHARP_MG_CM2

PREFIX = "simulated:"
CALIBRATION_FAMILIES = ("mixed_signal", "dense_bga", "power")
"""Boards the response is fitted on if nothing else is given; their random states are used for nothing else."""
CALIBRATION_SIZE = 256


@dataclass(frozen=True)
class BoardRecipe:
    """Everything that decides one simulated board; equal recipes give equal bytes.

    Parameters
    ----------
    family : str
    index : int
        Which board of the family.
    random_state : int
    size_px : int
        Rows and columns.
    pitch_mm : float
        Pixel pitch [mm].
    sharp_mg_cm2, blurred_mg_cm2 : float
        Loadings of the two screens [mg/cm2].
    exposure_s : (float, float)
        Range of the blurred frame's exposure [s]; drawn log-uniformly.
    sharp_frames : int
        One-second frames in the sharp mean.
    random_state_version : int
        How boards are drawn; another version is another recipe.
    """

    family: str
    index: int
    random_state: int = 0
    size_px: int = 512
    pitch_mm: float = PITCH_MM
    sharp_mg_cm2: float = SHARP_MG_CM2
    blurred_mg_cm2: float = BLURRED_MG_CM2
    exposure_s: tuple[float, float] = (0.05, 1.0)
    sharp_frames: int = SHARP_FRAMES
    random_state_version: int = RANDOM_STATE_VERSION

    @property
    def board(self) -> str:
        """Name of the board."""
        return f"{self.family}-{self.random_state}-{self.index}"

    def pair(self) -> DetectorPair:
        """Return the two detectors."""
        return DetectorPair(
            load_detector(f"phosphor:{self.blurred_mg_cm2:g}", pixel_pitch_mm=self.pitch_mm),
            load_detector(f"phosphor:{self.sharp_mg_cm2:g}", pixel_pitch_mm=self.pitch_mm),
        )


def parse_source(text: str) -> list[tuple[str, int]]:
    """Boards of ``simulated:FAMILY:COUNT`` as (family, index).

    Parameters
    ----------
    text : str
        FAMILY is a family, or a role ("train", "validation", "test"): its families in turn.

    Raises
    ------
    SettingsError
        If it cannot be understood.
    """
    _, _, rest = text.partition(":")
    family, _, number = rest.partition(":")
    families = [family] if family in FAMILIES else sorted(n for n, role in ROLES.items() if role == family)
    if not families:
        raise SettingsError(f"{text}: no board family {family!r}; there are {', '.join(sorted(FAMILIES))}, or a role")
    if not (number.isdigit() and int(number) >= 1):
        raise SettingsError(f"{text}: write {PREFIX}FAMILY:COUNT, for example {PREFIX}{family}:4")
    return [(families[i % len(families)], i // len(families)) for i in range(int(number))]


def simulate_board(recipe: BoardRecipe, *, acquired: bool = True, stream: int = 0) -> BoardImages:
    """Simulate one board.

    Parameters
    ----------
    recipe : BoardRecipe
    acquired : bool
        False leaves out the blurred detector's frame.
    stream : int
        Another stream gives other boards: 0 is the data, 1 calibration.

    Returns
    -------
    BoardImages
        With noise-free truth in the blurred detector's response, registered by construction. Frames hold what flat
        fields leave of the gain pattern, so that more than 20 sharp frames would not pay.
    """
    family = zlib.crc32(recipe.family.encode())
    rng = np.random.default_rng([recipe.random_state, 17, stream, family, recipe.index])
    cells = recipe.size_px * OVERSAMPLING
    maps = procedural_board(recipe.family, (cells, cells), recipe.pitch_mm / OVERSAMPLING, rng)
    sharp, blurred = (ScreenDetector.gos(x, recipe.pitch_mm) for x in (recipe.sharp_mg_cm2, recipe.blurred_mg_cm2))
    seen = project_pair(maps, sharp, blurred, OVERSAMPLING, workers=1)
    exposure = float(np.exp(rng.uniform(*np.log(recipe.exposure_s))))
    # panels and their gain patterns differ from board to board: none is to be learnt
    panels = [Camera(d, (recipe.size_px,) * 2, _panel(rng)) for d in (sharp, blurred)]
    mean = panels[0].corrected(seen.sharp.fine, OVERSAMPLING, 1.0, frames=recipe.sharp_frames, workers=1)
    frames = panels[1].corrected(seen.blurred.fine, OVERSAMPLING, exposure, workers=1)[None] if acquired else None
    # Eq. 1 stays in the sharp detector's response; an acquired pair is judged in the blurred one's
    truth = seen.target if acquired else seen.sharp.truth
    details: dict[str, Json] = {"sharp": {"frames_used": recipe.sharp_frames}, "source": "simulated"}
    return BoardImages(
        recipe.board, recipe.family, recipe.pair(), mean, None, truth, True, frames, exposure if acquired else None,
        Registration(), details,
    )  # fmt: skip


def _panel(rng: np.random.Generator) -> Electronics:
    return Electronics(random_state=int(rng.integers(2**31)))
