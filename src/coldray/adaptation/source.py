"""Measured boards → training pairs: any window of any frame, with the noise it was measured with or more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.adaptation.checks import seen_of
from coldray.dataset.frames import BoardImages
from coldray.errors import SettingsError
from coldray.frame import Frame, TrainingPair
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.ratio_blur import ratio_blur
from coldray.plugins import Degradation
from coldray.restoration.noise import choose_noise
from coldray.training.features import add_change, draw_features
from coldray.training.pairs import PairSource, drawn_window
from coldray.training.recipe import Recipe

TARGET, JUDGE = 0, 1
"""Which half of the sharp frames is learnt, and which one calibrates: no noise is in both."""
FAINTEST = 4.0
"""Most noise power that an example has, in units of what was measured."""
WINDOWS = 6
"""Windows of one board that are looked at for scores and calibration."""

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Board:
    frames: Image
    sharp: Image
    blurred: Image
    pair: DetectorPair
    noises: tuple[NoiseModel, ...]
    degradation: Degradation


class MeasuredSource(PairSource):
    """Windows of measured boards, as `PairSource` offers those of fields.

    Parameters
    ----------
    boards : sequence of BoardImages
        Registered and in one response.
    recipe : Recipe
    half : int
        Which half of the sharp frames is the answer.

    Raises
    ------
    SettingsError
        If a board is smaller than the recipe's window.

    Notes
    -----
    The input is a measured frame; the answer is one half of the sharp frames, whose noise is in no input. Half of the examples
    have noise of the blurred detector added, up to `FAINTEST` times the measured power, and the recipe's share of them small
    features put into frame and answer. Example `number` depends on the recipe's random state and `number` alone.
    """

    def __init__(self, boards: Sequence[BoardImages], recipe: Recipe, half: int = TARGET) -> None:
        self._choose(recipe)
        self._boards = [self._of(images, half) for images in boards]
        small = min(min(board.frames.shape[1:]) for board in self._boards)
        if small < recipe.data.window:
            raise SettingsError(
                f"{small} pixels of a board were seen by both detectors; windows of {recipe.data.window} are learnt from: give "
                "larger frames"
            )

    def _of(self, images: BoardImages, half: int) -> _Board:
        assert images.frames is not None and images.halves is not None
        rows, cols = seen_of(images)
        sharp = images.halves[half]
        return _Board(
            images.frames[:, rows, cols],
            sharp[rows, cols],
            ratio_blur(sharp, images.pair)[rows, cols],
            images.pair,
            noises_of(images),
            self._build(images.pair),
        )

    def __len__(self) -> int:
        return WINDOWS * len(self._boards)

    @property
    def has_noise(self) -> bool:
        """Measured frames have noise."""
        return True

    def looks(self) -> dict[str, float | None]:
        """Once, at the exposure that every frame was taken with."""
        return {"own_exposure": None}

    def told(self, rng: np.random.Generator) -> tuple[DetectorPair, NoiseModel]:
        """Draw detectors and noise as examples have them."""
        board = self._boards[int(rng.integers(len(self._boards)))]
        return board.pair, board.noises[int(rng.integers(len(board.noises)))].scaled(_noisier(rng))

    def _number(self, rng: np.random.Generator) -> int:
        return int(rng.integers(len(self)))

    def _draw(
        self,
        number: int,
        rng: np.random.Generator,
        exposure_s: float | None = None,
        window: int | None = None,
        extras: np.random.Generator | None = None,
    ) -> tuple[TrainingPair, Degradation]:
        """Draw a window of a board; `extras` adds noise and features."""
        board = self._boards[number // WINDOWS]
        side = window or self._recipe.data.window
        shown = int(rng.integers(len(board.frames)))
        frame, noise = board.frames[shown], board.noises[shown]
        cut = drawn_window(frame.shape, side, board.pair, rng)
        measured, sharp, blurred = map(cut, (frame, board.sharp, board.blurred))
        if extras is not None:
            factor = _noisier(extras)
            if factor > 1:
                measured = measured + noise.scaled(factor - 1).draw(np.maximum(blurred, 0), extras)
                noise = noise.scaled(factor)
            if extras.random() < self._recipe.data.feature_share:
                change = draw_features(sharp, noise, extras)
                clean = Frame(blurred, board.pair, noise)
                sharp, changed = add_change(sharp, blurred, change, clean, board.degradation)
                measured, blurred = measured + (changed - blurred), changed
        return TrainingPair(Frame(measured, board.pair, noise), sharp, blurred), board.degradation


def noises_of(images: BoardImages) -> tuple[NoiseModel, ...]:
    """Noise of every blurred frame, see `noise_of`."""
    assert images.frames is not None
    return tuple(noise_of(images, number) for number in range(len(images.frames)))


def noise_of(images: BoardImages, number: int) -> NoiseModel:
    """Noise of one blurred frame as a restoration is told it: stated, or found in the frame where that disagrees."""
    assert images.frames is not None
    return choose_noise(images.frames[number], images.pair.blurred, images.exposure_s)[0]


def _noisier(rng: np.random.Generator) -> float:
    """Noise power in units of the measured one: 1 in half of the draws."""
    return 1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(0.0, np.log(FAINTEST))))
