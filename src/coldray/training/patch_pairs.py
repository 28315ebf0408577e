"""Prepared patches → training pairs: measured or Eq. 1, with input and target noise kept apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.dataset.store import PatchSet
from coldray.errors import SettingsError
from coldray.frame import Example, Frame, TrainingPair
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import Degradation
from coldray.training.pairs import PairSource
from coldray.training.recipe import Recipe

PUT_INTO_FIELDS = (
    "feature_share",
    "break_share",
    "flat_share",
    "edge_share",
    "nuisance_share",
    "wide_share",
    "white_share",
)
"""Settings that change fields at every draw; prepared patches stay as they were measured."""


@dataclass(frozen=True)
class Reference:
    """Which layers of a dataset play which part.

    Parameters
    ----------
    state : str
        Sharp image the states shown to the network are blended from; its blur is "STATE_blurred".
    target : str
        What the network should answer.
    """

    state: str
    target: str


def choose_reference(layers: tuple[str, ...], target: str, name: str = "the dataset") -> Reference:
    """Find the layers for a kind of target.

    Parameters
    ----------
    layers : tuple of str
        Layers of the dataset.
    target : {"independent", "truth", "mean"}
        "independent": noise-free truth, else halves of the sharp frames, so that no noise is in both the input and
        the target; "mean": the paper's way, the mean of all sharp frames for both.
    name : str
        For messages.

    Raises
    ------
    SettingsError
        If the dataset cannot serve it.
    """
    if target == "mean":
        return Reference("mean", "mean")
    if "truth" in layers:
        return Reference("truth", "truth")
    if target == "independent" and "half_b" in layers:
        return Reference("half_a", "half_b")
    raise SettingsError(
        f"data.target={target!r}: {name} has no noise-free truth{'' if target == 'truth' else ' and single sharp frames'}; "
        'set data.target="mean" for the paper\'s way'
    )


class PatchSource(PairSource):
    """All patches of one split, as `PairSource` offers fields.

    Parameters
    ----------
    patches : PatchSet
    recipe : Recipe

    Raises
    ------
    SettingsError
        If the split is empty or cannot serve the recipe's target or margin, the recipe adds features, or it wants no noise
        and the frames were measured.

    Notes
    -----
    Acquired pairs keep the noise they were measured with; pairs by Eq. 1 get fresh noise at every draw. The blur
    of the reference was made on whole images, so no patch mirrors what lies beside it. Example `number` depends on
    the recipe's random state and `number` alone.
    """

    def __init__(self, patches: PatchSet, recipe: Recipe) -> None:
        self._choose(recipe)
        self._patches = patches
        name = patches.folder.name
        if not len(patches):
            raise SettingsError(f"{name}: has no {patches.split} patches; prepare it with more boards")
        added = [key for key in PUT_INTO_FIELDS if getattr(recipe.data, key)]
        if added:
            raise SettingsError(f"{name}: nothing is put into prepared patches; leave out data.{added[0]}")
        if recipe.optimiser.defect_pixels:
            raise SettingsError(
                f"{name}: where prepared patches have defects is not known; leave out optimiser.defect_pixels"
            )
        if recipe.data.margin > patches.context_px:
            raise SettingsError(
                f"data.margin is {recipe.data.margin} px, but {name} keeps {patches.context_px} px around its patches; "
                "set data.margin to that or less"
            )
        self._reference = choose_reference(patches.layers, recipe.data.target, name)
        self._is_measured = "measured" in patches.layers
        if self._is_measured and not super().has_noise:
            raise SettingsError(
                f'data.noise="none": {name} holds measured frames, and their noise with them; prepare it anew with --kind synthetic'
            )
        self._degradations: dict[int, Degradation] = {}

    def __len__(self) -> int:
        return len(self._patches)

    @property
    def has_noise(self) -> bool:
        """Whether the frames hold the noise that they are told; measured ones always do."""
        return self._is_measured or super().has_noise

    def looks(self) -> dict[str, float | None]:
        """Once for measured patches, each at the exposure that it was taken with."""
        return {"own_exposure": None} if self._is_measured else super().looks()

    def pair(
        self, number: int, rng: np.random.Generator, exposure_s: float | None = None, window: int | None = None
    ) -> tuple[TrainingPair, Degradation]:
        """Return pair `number`.

        Parameters
        ----------
        number : int
            Patch.
        rng : numpy.random.Generator
            Draws the noise of Eq. 1 pairs.
        exposure_s : float, optional
            Exposure of an Eq. 1 pair [s]; log-uniform over the recipe's range by default. A measured patch has its own.
        window : ignored
            A patch is shown whole, with the recipe's margin around it.

        Returns
        -------
        pair : TrainingPair
        degradation : object
        """
        margin = self._recipe.data.margin
        detectors = self._patches.pair(number)
        sharp = self._patches.patch(number, self._reference.state, margin)
        blurred = self._patches.patch(number, f"{self._reference.state}_blurred", margin)
        if self._is_measured:
            taken_s = self._patches.board(number).exposure_s
            assert taken_s is not None, "a measured frame has an exposure"
            noise = NoiseModel.of_detector(detectors.blurred, taken_s)
            measured = self._patches.patch(number, "measured", margin)
        else:
            if exposure_s is None:
                exposure_s = float(np.exp(rng.uniform(*np.log(self._recipe.data.exposure_s))))
            noise = NoiseModel.of_detector(detectors.blurred, exposure_s)
            drawn = noise.draw(sharp, rng) if self._recipe.data.noise == "measured" else np.float32(0)
            measured = np.asarray(blurred + drawn, dtype=np.float32)
        return TrainingPair(Frame(measured, detectors, noise), sharp, blurred), self._degradation(detectors)

    def _number(self, rng: np.random.Generator) -> int:
        return int(rng.integers(len(self)))

    def _pair_of_example(self, drawn: int, rng: np.random.Generator, number: int) -> tuple[TrainingPair, Degradation]:
        return self.pair(drawn, rng)

    def _answer(self, number: int, pair: TrainingPair, shown: Example) -> NDArray[np.float32]:
        """Target with noise of its own, where the state's reference has noise."""
        if self._reference.target == self._reference.state:
            return shown.target
        if not np.array_equal(shown.target, pair.sharp):
            raise SettingsError(
                f'method {self._recipe.method!r} does not answer with the sharp image; it needs data.target="truth" or "mean"'
            )
        return self._patches.patch(number, self._reference.target, self._recipe.data.margin)

    def _degradation(self, detectors: DetectorPair) -> Degradation:
        """One degradation per detector pair."""
        key = id(detectors)
        if key not in self._degradations:
            self._degradations[key] = self._build(detectors)
        return self._degradations[key]
