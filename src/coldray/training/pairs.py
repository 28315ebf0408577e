"""Fields → noisy training pairs: windows, flips, exposures and independent noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.dataset.fields import FieldSet, PairDraw
from coldray.errors import SettingsError
from coldray.frame import Example, Frame, TrainingPair
from coldray.physics.detector import DetectorPair
from coldray.physics.noise import NoiseModel
from coldray.physics.transfer import radial_operator
from coldray.plugins import Degradation, check_options, options_of, plugin
from coldray.training.features import FLAT_SIGNAL, add_features
from coldray.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class _Field:
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]
    pair: DetectorPair
    degradation: Degradation
    note: dict[str, Any]


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
        self._fields = []
        for sharp, note in fields:
            pair = PairDraw(**note["pair"]).pair()
            degradation = self._build(pair)
            blur = radial_operator(lambda f, d=degradation: d.transfer(f, 1.0), sharp.shape, pair.pixel_pitch_mm)
            self._fields.append(_Field(sharp, blur(sharp), pair, degradation, note))

    def _choose(self, recipe: Recipe) -> None:
        """Look up what the recipe names."""
        self._recipe = recipe
        self._method = plugin("method", recipe.method)
        if not self._method.LEARNS:
            raise SettingsError(f"the method {recipe.method!r} has nothing to train; choose one with a network")
        check_options(options_of(self._method.example), recipe.example, f"the example of {recipe.method!r}")
        self._build = plugin("degradation", recipe.degradation).Degradation

    def __len__(self) -> int:
        return len(self._fields)

    def pair(
        self, number: int, rng: np.random.Generator, exposure_s: float | None = None, window: int | None = None
    ) -> tuple[TrainingPair, Any]:
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
    ) -> tuple[TrainingPair, Any]:
        """Draw a pair; `extras` puts flat backgrounds and features in, in the recipe's shares."""
        data = self._recipe.data
        item = self._fields[number]
        side = min(window or data.window, *item.sharp.shape)
        row, col = (int(rng.integers(0, n - side + 1)) for n in item.sharp.shape)
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))

        def cut(image: NDArray[np.float32]) -> NDArray[np.float32]:
            part = np.rot90(image[row : row + side, col : col + side], turns)
            return np.ascontiguousarray(part[:, ::-1] if flip else part)

        if exposure_s is None:
            low, high = np.log(data.exposure_s)
            exposure_s = float(np.exp(rng.uniform(low, high)))
        sharp, blurred = cut(item.sharp), cut(item.blurred)
        noise = NoiseModel.of_detector(item.pair.blurred, exposure_s)
        if extras is not None:
            if extras.random() < data.flat_share:
                sharp = blurred = np.full_like(sharp, extras.uniform(*FLAT_SIGNAL))
            if extras.random() < data.feature_share:
                sharp, blurred = add_features(sharp, blurred, item.pair, item.degradation, noise, extras)
        measured = blurred + noise.draw(sharp, rng) if data.noise == "measured" else blurred
        return TrainingPair(Frame(measured, item.pair, noise), sharp, blurred), item.degradation

    def example(self, number: int) -> Example:
        """Return example `number` of the endless, reproducible stream."""
        rng = np.random.default_rng([self._recipe.random_state, 7, number])
        drawn = int(rng.integers(len(self)))
        pair, degradation = self._pair_of_example(drawn, rng, number)
        shown = self._method.example(pair, degradation, rng, **self._recipe.example)
        m = self._recipe.data.margin
        inner = slice(m, -m if m else None)
        target = self._answer(drawn, pair, shown)
        return Example(shown.channels[:, inner, inner], shown.conditions, target[inner, inner])

    def _pair_of_example(self, drawn: int, rng: np.random.Generator, number: int) -> tuple[TrainingPair, Any]:
        """Pair of example `number`: here with what the recipe adds to boards, from a stream of its own."""
        return self._draw(drawn, rng, extras=np.random.default_rng([self._recipe.random_state, 7, number, 1]))

    def _answer(self, number: int, pair: TrainingPair, shown: Example) -> NDArray[np.float32]:
        """What the network should answer: here what the method says."""
        return shown.target

    def batch(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return channels, conditions and targets of optimiser step `step`."""
        size = self._recipe.optimiser.batch
        examples = [self.example(step * size + i) for i in range(size)]
        return (
            np.stack([e.channels for e in examples]),
            np.stack([e.conditions for e in examples]),
            np.stack([e.target for e in examples])[:, None],
        )
