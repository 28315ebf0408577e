"""Boards never trained on, seen by both detectors: what the comparison restores, and its truths."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.degradations.mtf_blend import Degradation
from coldray.errors import ImageError, ImageReadError, SettingsError
from coldray.frame import Frame
from coldray.objects.boards import ROLES, procedural_board
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.simulation.acquire import project, project_pair
from coldray.simulation.detector import ScreenDetector
from coldray.simulation.paper import BLURRED_MG_CM2, OVERSAMPLING, PITCH_MM, SHARP_FRAMES, SHARP_MG_CM2
from coldray.simulation.thickness import ThicknessMaps

Image = NDArray[np.float32]

DETECTORS = ("gos34", "gos135")
EXPOSURES_S = (1.0, 0.25, 0.05)
SYNTHETIC, NOISE_FREE, ACQUIRED, JUDGE, OWN = "synthetic", "noise_free", "acquired", "judge", "own"
KINDS = (SYNTHETIC, NOISE_FREE, ACQUIRED)
"""Kinds of pair that are drawn from boards."""
NO_NOISE = 1e-12
"""Share of the stated noise power that a linear method is told of a frame without noise: none at all cannot be divided by."""
TEST_FAMILIES = tuple(sorted(name for name, role in ROLES.items() if role == "test"))
VALIDATION_FAMILIES = tuple(sorted(name for name, role in ROLES.items() if role == "validation"))
THICK, THIN = "thick", "thin"
"""Which screen a method is given a frame of."""
JUDGE_KEYS = {1.0: "lr_1s", 0.25: "lr_025s", 0.05: "lr_005s"}


@dataclass(frozen=True, eq=False)
class Scene:
    """One blurred frame and everything it is judged by; all are fractions of the open beam.

    Parameters
    ----------
    board : str
    kind : {"synthetic", "noise_free", "acquired", "judge", "own"}
        Eq. 1 with drawn noise; Eq. 1 alone; both detectors simulated from quanta on; the frozen pairs; a user's frames.
    exposure_s : float
        Exposure of the blurred frame [s]; of a pair without noise the one that networks are told.
    blurred : ndarray, shape (rows, cols)
    truths : dict of str to ndarray
        "truth": noise-free sharp image, own energy response; "same_response": the same in the blurred detector's
        response, where known; "mean20": mean of 20 frames of the sharp detector.
    halves : tuple of ndarray, or None
        Two independent halves of the 20 frames, for the ceiling.
    thin : ndarray, shape (rows, cols), or None
        One frame of the sharp detector at the same exposure, with noise of its own; None where there is none.
    pair : DetectorPair, optional
        Of another blurred screen than the paper's.
    """

    board: str
    kind: str
    exposure_s: float
    blurred: Image
    truths: dict[str, Image]
    halves: tuple[Image, Image] | None = None
    thin: Image | None = None
    pair: DetectorPair | None = None

    def detectors(self, screen: str = THICK) -> DetectorPair:
        """Detector that took the frame of a screen, and the sharp one."""
        return self.pair if self.pair is not None and screen == THICK else pair_of(screen)

    def degradation(self, screen: str = THICK) -> Degradation:
        """Eqs. 1 and 2 for `detectors`."""
        return Degradation(self.pair) if self.pair is not None and screen == THICK else blend_of(screen)

    def frame(self, prior: ObjectPrior | None = None, screen: str = THICK, *, learns: bool = True) -> Frame:
        """What a method is given: the blurred frame, or the sharp detector's of the same exposure.

        Parameters
        ----------
        prior : ObjectPrior, optional
        screen : {"thick", "thin"}
        learns : bool
            Of a pair without noise: a network is told the least noise that it knows, that of `exposure_s`, a linear
            method that there is none.

        Raises
        ------
        ImageError
            If the scene has no frame of that screen.
        """
        image = self.blurred if screen == THICK else self.thin
        if image is None:
            raise ImageError(f"{self.board} has no frame of the {screen} screen")
        pair = self.detectors(screen)
        noise = NoiseModel.of_detector(pair.blurred, self.exposure_s)
        if self.kind == NOISE_FREE and not learns:
            noise = noise.scaled(NO_NOISE)
        return Frame(image, pair, noise, prior or ObjectPrior())


@cache
def paper_pair() -> DetectorPair:
    """Both detectors of the paper at 48 um: 134.55 mg/cm2 restored towards 33.91 mg/cm2."""
    sharp, blurred = (load_detector(name) for name in DETECTORS)
    return DetectorPair(blurred, sharp)


@cache
def paper_blend() -> Degradation:
    """Eqs. 1 and 2 for the paper's pair."""
    return Degradation(paper_pair())


@cache
def pair_of(screen: str) -> DetectorPair:
    """Detector that took a frame of a screen, and the sharp one; of the thin screen both are the same and H is 1."""
    pair = paper_pair()
    return pair if screen == THICK else DetectorPair(pair.sharp, pair.sharp)


@cache
def blend_of(screen: str) -> Degradation:
    """Eqs. 1 and 2 for `pair_of`."""
    return paper_blend() if screen == THICK else Degradation(pair_of(screen))


@cache
def screens() -> tuple[ScreenDetector, ScreenDetector]:
    """Sharp and blurred screen as the simulator sees them."""
    thin, thick = (ScreenDetector.gos(loading, PITCH_MM) for loading in (SHARP_MG_CM2, BLURRED_MG_CM2))
    return thin, thick


@dataclass(frozen=True)
class BoardSet:
    """Which boards are drawn; equal sets give equal bytes.

    Parameters
    ----------
    families : tuple of str
        Taken in turn.
    count : int
        Boards.
    size_px : int
        Rows and columns.
    random_state : int
    """

    families: tuple[str, ...] = TEST_FAMILIES
    count: int = 6
    size_px: int = 320
    random_state: int = 31

    def __post_init__(self) -> None:
        if self.count < 1 or not self.families:
            raise SettingsError(f"{self.count} boards of {len(self.families)} families; at least one of each is needed")
        if self.size_px < 128:
            raise SettingsError(f"boards of {self.size_px} px; at least 128 are needed")

    def names(self) -> list[tuple[str, int]]:
        """Family and index of every board."""
        return [(self.families[i % len(self.families)], i // len(self.families)) for i in range(self.count)]

    def rng(self, family: str, index: int, stream: int) -> np.random.Generator:
        """Random numbers of one board; each purpose has its stream."""
        return np.random.default_rng([self.random_state, 29, stream, zlib.crc32(family.encode()), index])

    def maps(self, family: str, index: int) -> ThicknessMaps:
        """Thickness maps of one board."""
        cells = self.size_px * OVERSAMPLING
        return procedural_board(family, (cells, cells), PITCH_MM / OVERSAMPLING, self.rng(family, index, 0))

    def sharp_truths(self) -> Iterator[tuple[str, Image]]:
        """Noise-free sharp image of every board."""
        thin, _ = screens()
        for family, index in self.names():
            yield f"{family}-{index}", project(self.maps(family, index), thin, OVERSAMPLING).truth


def board_scenes(
    boards: BoardSet, exposures_s: Sequence[float] = EXPOSURES_S, kinds: Sequence[str] = (SYNTHETIC, ACQUIRED)
) -> Iterator[list[Scene]]:
    """Acquire every board of a set; yields the scenes of one board at a time.

    Parameters
    ----------
    boards : BoardSet
    exposures_s : sequence of float
        Exposures of the blurred frame [s].
    kinds : sequence of str
        Some of `KINDS`; a pair without noise comes once, whatever the exposures.
    """
    thin, thick = screens()
    pair, blend = paper_pair(), paper_blend()
    for family, index in boards.names():
        rng, rng_of_thin = (boards.rng(family, index, stream) for stream in (1, 2))
        seen = project_pair(boards.maps(family, index), thin, thick, OVERSAMPLING)
        truth = seen.sharp.truth
        halves = tuple(seen.sharp.frame(1.0, rng, SHARP_FRAMES // 2) for _ in range(2))
        mean = (halves[0] + halves[1]) / np.float32(2)
        scenes = []
        for exposure in exposures_s:
            if ACQUIRED in kinds:
                taken = seen.blurred.frame(exposure, rng)
                truths = {"truth": truth, "same_response": seen.target, "mean20": mean}
                single = seen.sharp.frame(exposure, rng_of_thin)
                scenes.append(
                    Scene(f"{family}-{index}", ACQUIRED, exposure, taken, truths, (halves[0], halves[1]), single)
                )
            if SYNTHETIC in kinds:
                probe = Frame(truth, pair, NoiseModel.of_detector(pair.blurred, exposure))
                made = probe.operator(blend)(truth) + probe.noise.draw(truth, rng)
                single = truth + NoiseModel.of_detector(pair.sharp, exposure).draw(truth, rng_of_thin)
                truths = {"truth": truth, "mean20": mean}
                scenes.append(
                    Scene(f"{family}-{index}", SYNTHETIC, exposure, made, truths, (halves[0], halves[1]), single)
                )
        if NOISE_FREE in kinds:
            longest = max(exposures_s)
            probe = Frame(truth, pair, NoiseModel.of_detector(pair.blurred, longest))
            scenes.append(
                Scene(f"{family}-{index}", NOISE_FREE, longest, probe.operator(blend)(truth), {"truth": truth})
            )
        yield scenes


def judge_scenes(path: Path, exposures_s: Sequence[float] = EXPOSURES_S) -> Iterator[list[Scene]]:
    """Read the frozen judge pairs; exposures that they lack are left out.

    Raises
    ------
    ImageReadError
        If the file is missing or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            level = float(stored["open_beam"])
            arrays = {name: stored[name] for name in ("truth", "hr_20", *JUDGE_KEYS.values())}
    except (OSError, ValueError, KeyError) as problem:
        raise ImageReadError(f"{path.name}: not a file of judge pairs ({problem})") from None
    for field in range(len(arrays["truth"])):
        truths = {
            k: (arrays[a][field] / level).astype(np.float32) for k, a in (("truth", "truth"), ("mean20", "hr_20"))
        }
        yield [
            Scene(f"field-{field}", JUDGE, e, (arrays[JUDGE_KEYS[e]][field] / level).astype(np.float32), truths)
            for e in exposures_s
            if e in JUDGE_KEYS
        ]
