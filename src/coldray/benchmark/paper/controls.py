"""Restorers that are wrong on purpose: the trust tests must catch them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import Contestant, Output
from coldray.frame import Frame
from coldray.methods import tv, wiener
from coldray.plugins import Degradation

MEMORY_SHARE = 0.8
WINDOW_PX = 9


@dataclass(frozen=True, eq=False)
class Control(Contestant, ABC):
    """A restorer without a method of its own: it says what it makes of a frame."""

    method: str | None = None

    @abstractmethod
    def answer(self, frame: Frame, degradation: Degradation) -> NDArray[np.floating]:
        """What it makes of a frame, shape (rows, cols)."""

    def restore(
        self,
        frame: Frame,
        degradation: Degradation,
        *,
        exposure_s: float | None = None,
        random_state: Sequence[int] = (0,),
    ) -> Output:
        """Restore one frame; nothing is timed."""
        return Output(np.asarray(self.answer(frame, degradation), dtype=np.float32), 0.0, 0.0, 0)


@dataclass(frozen=True, eq=False)
class Memoriser(Control):
    """Over-fitted on purpose: it knows the sound board and draws it, whatever the image shows.

    Notes
    -----
    Where it has seen a board of this shape (`remember`), the result is a share of 0.8 of that board's sharp image,
    fitted locally in mean, plus 0.2 of a Wiener filter; elsewhere the Wiener filter. A network that has learnt its
    training boards by heart behaves like this on their golden design.
    """

    key: str = "control_memoriser"
    label: str = "control: knows the sound board by heart"
    _golden: list[NDArray[np.float32]] = field(default_factory=list, init=False, repr=False)

    def remember(self, golden: NDArray[np.float32]) -> None:
        """Take a sound board to heart."""
        self._golden[:] = [golden]

    def answer(self, frame: Frame, degradation: Degradation) -> NDArray[np.floating]:
        """Return mostly the board it remembers."""
        linear = np.asarray(wiener.restore(frame, degradation), dtype=np.float32)
        if not self._golden or self._golden[0].shape != linear.shape:
            return linear
        golden = self._golden[0]
        recalled = golden + scipy.ndimage.uniform_filter(linear - golden, 8 * WINDOW_PX + 1, mode="reflect")
        return np.asarray(MEMORY_SHARE * recalled + (1 - MEMORY_SHARE) * linear)


@dataclass(frozen=True, eq=False)
class Inventor(Control):
    """Draws on purpose: a Wiener filter with a faint lattice all over it, far below the noise of one frame."""

    key: str = "control_inventor"
    label: str = "control: draws a faint lattice"
    AMPLITUDE: ClassVar[float] = 0.001
    PERIOD_PX: ClassVar[int] = 4

    def answer(self, frame: Frame, degradation: Degradation) -> NDArray[np.floating]:
        """Return the linear result and what nothing has measured."""
        linear = np.asarray(wiener.restore(frame, degradation), dtype=np.float32)
        down, across = (np.cos(2 * np.pi * np.arange(n) / self.PERIOD_PX) for n in linear.shape)
        return np.asarray(linear + np.float32(self.AMPLITUDE) * np.outer(down, across).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Smoother(Control):
    """Flattens on purpose: a Wiener filter and far too much total variation."""

    key: str = "control_smoother"
    label: str = "control: flattens everything faint"
    WEIGHT: ClassVar[float] = 12.0

    def answer(self, frame: Frame, degradation: Degradation) -> NDArray[np.floating]:
        """Return a flattened image."""
        return tv.restore(frame, degradation, weight=self.WEIGHT, regularisation=1.0)
