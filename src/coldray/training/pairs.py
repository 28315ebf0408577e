"""Fields → noisy training pairs: windows, flips, exposures and independent noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.contracts import options_of
from coldray.dataset.family import PairDraw, draw_noise
from coldray.dataset.fields import FieldSet
from coldray.dataset.patches import Scalar, turned
from coldray.document import as_number, as_table, entries_of
from coldray.errors import SettingsError
from coldray.frame import Example, Frame, TrainingPair
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import Degradation, degradation_of, plugin
from coldray.settings import check_options
from coldray.training.features import FLAT_SIGNAL, add_change, disturb, draw_breaks, draw_features, faint_edges, slope
from coldray.training.recipe import Recipe

Image = NDArray[np.float32]
EXPOSURES_S = (1.0, 0.25, 0.05)
"""Exposures at which a run is scored."""
LEAST_PX = 25
"""Smallest defect, with what counts as its own around it [pixels]."""


@dataclass(frozen=True, eq=False)
class _Field:
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]
    pair: DetectorPair
    degradation: Degradation
    defects: NDArray[np.uint16] | None


class Window(Protocol):
    """Cuts the same window out of any image of one shape."""

    def __call__(self, image: NDArray[Scalar], /) -> NDArray[Scalar]:
        """Cut it out."""


def drawn_window(shape: tuple[int, ...], side: int, pair: DetectorPair, rng: np.random.Generator) -> Window:
    """Draw a square window with one of the flips and rotations that the detectors allow.

    Parameters
    ----------
    shape : tuple of int
        Of the images to cut from.
    side : int
        Of the window [pixels].
    pair : DetectorPair
        Directional ones keep rows as rows.
    rng : numpy.random.Generator

    Returns
    -------
    Window
    """
    row, col = (int(rng.integers(0, n - side + 1)) for n in shape)
    turns, flip = int(rng.integers(4)), int(rng.integers(2))
    if pair.directional:
        turns = 2 * (turns // 2)

    def cut(image: NDArray[Scalar], /) -> NDArray[Scalar]:
        return np.ascontiguousarray(turned(image[row : row + side, col : col + side], turns + 4 * flip))

    return cut


def defect_weight(defects: NDArray[np.integer], pixels: float) -> NDArray[np.float32]:
    """Weight of every pixel in the loss: 1, and where there is a defect `pixels` besides, shared out over all of its own.

    What the border of the window leaves of a defect counts as if it were of `LEAST_PX` pixels at least.
    """
    added = pixels / np.maximum(np.bincount(defects.ravel()), LEAST_PX)
    added[0] = 0.0
    return (1 + added[defects]).astype(np.float32)


class PairSource:
    """All fields of a set in memory, degraded anew at every draw.

    Parameters
    ----------
    fields : FieldSet
    recipe : Recipe

    Notes
    -----
    D_T(x_0) is built on the whole field and only then cut, so no window wraps or mirrors what lies
    beside it. Example `number` depends on the recipe's random state and `number` alone: neither
    restarts nor batch order change it.
    """

    def __init__(self, fields: FieldSet, recipe: Recipe) -> None:
        self._choose(recipe)
        self._fields, weights = [], []
        for number, (sharp, note) in enumerate(fields):
            with entries_of(f"the description of field {number}", SettingsError):
                told = as_table(note["pair"])
                draw = PairDraw.from_dict({k: v if k.endswith("_shape") else as_number(v) for k, v in told.items()})
                pair = draw.pair()
            degradation = self._build(pair)
            noise = NoiseModel.of_detector(pair.blurred, 1.0)
            blurred = Frame(sharp, pair, noise).operator(degradation)(sharp)
            defects = fields.defects(note) if recipe.optimiser.defect_pixels else None
            self._fields.append(_Field(sharp, np.asarray(blurred, dtype=np.float32), pair, degradation, defects))
            is_usual = note.get("object", "board") == "board" and draw == PairDraw()
            weights.append(recipe.data.board_weight if is_usual else 1.0)
        self._shares = np.cumsum(weights) / np.sum(weights)

    def _choose(self, recipe: Recipe) -> None:
        """Look up what the recipe names."""
        self._recipe = recipe
        self._method = plugin("method", recipe.method)
        if not self._method.LEARNS:
            raise SettingsError(f"the method {recipe.method!r} has nothing to train; choose one with a network")
        check_options(options_of(self._method.example), recipe.example, f"the example of {recipe.method!r}")
        self._build = degradation_of(recipe.degradation)

    def __len__(self) -> int:
        return len(self._fields)

    @property
    def has_noise(self) -> bool:
        """Whether the frames hold the noise that they are told."""
        return self._recipe.data.noise == "measured"

    def looks(self) -> dict[str, float | None]:
        """How often the fields are looked at for scores: name, and exposure [s]; once where noise does not change them."""
        return {f"{e:g}s": e for e in EXPOSURES_S} if self.has_noise else {"noise_free": EXPOSURES_S[0]}

    def pair(
        self, number: int, rng: np.random.Generator, exposure_s: float | None = None, window: int | None = None
    ) -> tuple[TrainingPair, Degradation]:
        """Draw one noisy pair from field `number`.

        Parameters
        ----------
        number : int
            Field.
        rng : numpy.random.Generator
        exposure_s : float, optional
            Exposure [s]; log-uniform over the recipe's range by default.
        window : int, optional
            Side of the square window [pixels]; the recipe's by default.

        Returns
        -------
        pair : TrainingPair
        degradation : object
        """
        return self._draw(number, rng, exposure_s, window)

    def _draw(
        self,
        number: int,
        rng: np.random.Generator,
        exposure_s: float | None = None,
        window: int | None = None,
        extras: np.random.Generator | None = None,
    ) -> tuple[TrainingPair, Degradation]:
        """Draw a pair; `extras` puts flat backgrounds and features in, in the recipe's shares."""
        data = self._recipe.data
        item = self._fields[number]
        side = min(window or data.window, *item.sharp.shape)
        cut = drawn_window(item.sharp.shape, side, item.pair, rng)
        if exposure_s is None:
            wide = data.wide_exposure_s, data.wide_share
            noise = draw_noise(item.pair, rng, data.exposure_s, *wide, data.white_share)
        else:
            noise = NoiseModel.of_detector(item.pair.blurred, exposure_s)
        sharp, blurred = cut(item.sharp), cut(item.blurred)
        defects: NDArray[np.integer] | None = None if item.defects is None else cut(item.defects)
        if extras is not None:
            clean = TrainingPair(Frame(blurred, item.pair, noise), sharp, blurred, defects)
            sharp, blurred, defects = self._changed(clean, item.degradation, extras)
        measured = blurred + noise.draw(sharp, rng) if data.noise == "measured" else blurred
        if extras is not None and extras.random() < data.nuisance_share:
            measured = disturb(measured, extras)
        return TrainingPair(Frame(measured, item.pair, noise), sharp, blurred, defects), item.degradation

    def _changed(
        self, pair: TrainingPair, degradation: Degradation, rng: np.random.Generator
    ) -> tuple[Image, Image, NDArray[np.integer] | None]:
        """Noise-free window with what the recipe adds to boards, each in its share, and its defects."""
        data, frame = self._recipe.data, pair.frame
        sharp, blurred, defects = pair.sharp, pair.blurred, pair.defects
        if rng.random() < data.nuisance_share:
            factor = slope(sharp.shape, rng)
            sharp, blurred = sharp * factor, blurred * factor
        is_edges = rng.random() < data.edge_share
        if is_edges or rng.random() < data.flat_share:
            sharp = blurred = np.full_like(sharp, rng.uniform(*FLAT_SIGNAL))
            defects = None
        if is_edges:
            change = faint_edges(sharp.shape[0], float(sharp[0, 0]), frame.noise, rng)
            return *add_change(sharp, blurred, change, frame, degradation), None
        has_features = rng.random() < data.feature_share
        has_breaks = data.break_share > 0 and rng.random() < data.break_share
        if has_features or has_breaks:
            change = draw_features(sharp, frame.noise, rng) if has_features else np.zeros_like(sharp)
            if has_breaks:
                change = change + draw_breaks(sharp, rng)
            sharp, blurred = add_change(sharp, blurred, change, frame, degradation)
            more = scipy.ndimage.label(change)[0]
            defects = more if defects is None else np.where(more > 0, more + int(defects.max()), defects)
        return sharp, blurred, defects

    def example(self, number: int) -> Example:
        """Return example `number` of the endless, reproducible stream."""
        rng = np.random.default_rng([self._recipe.random_state, 7, number])
        drawn = self._number(rng)
        pair, degradation = self._pair_of_example(drawn, rng, number)
        shown = self._method.example(pair, degradation, rng, **self._recipe.example)
        m = self._recipe.data.margin
        inner = slice(m, -m if m else None)
        answer = self._answer(drawn, pair, shown)[inner, inner]
        return Example(shown.channels[:, inner, inner], shown.conditions, self._weighed(answer, pair.defects, inner))

    def _weighed(
        self, answer: NDArray[np.float32], defects: NDArray[np.integer] | None, inner: slice
    ) -> NDArray[np.float32]:
        """Answer, and the weight of its pixels in the loss where the recipe gives defects one."""
        pixels = self._recipe.optimiser.defect_pixels
        if not pixels:
            return answer
        weight = np.ones_like(answer) if defects is None else defect_weight(defects[inner, inner], pixels)
        return np.stack([answer, weight])

    def _number(self, rng: np.random.Generator) -> int:
        """Draw a field, each in its share."""
        return min(int(np.searchsorted(self._shares, rng.random(), side="right")), len(self) - 1)

    def _pair_of_example(self, drawn: int, rng: np.random.Generator, number: int) -> tuple[TrainingPair, Degradation]:
        """Pair of example `number`: here with what the recipe adds to boards, from a stream of its own."""
        return self._draw(drawn, rng, extras=np.random.default_rng([self._recipe.random_state, 7, number, 1]))

    def _answer(self, number: int, pair: TrainingPair, shown: Example) -> NDArray[np.float32]:
        """What the network should answer: here what the method says."""
        return shown.target

    def batch(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return channels, conditions and targets of optimiser step `step`; targets with weights as a second plane if any."""
        size = self._recipe.optimiser.batch
        examples = [self.example(step * size + i) for i in range(size)]
        return (
            np.stack([e.channels for e in examples]),
            np.stack([e.conditions for e in examples]),
            np.stack([e.target.reshape(-1, *e.target.shape[-2:]) for e in examples]),
        )
