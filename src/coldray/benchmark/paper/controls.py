"""Restorers that are wrong on purpose: the trust tests must catch them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import Contestant, Output
from coldray.frame import Frame
from coldray.methods import tv, wiener
from coldray.plugins import Degradation

MEMORY_SHARE = 0.8
WINDOW_PX = 9


class Memoriser(Contestant):
    """Over-fitted on purpose: it knows the sound board and draws it, whatever the image shows.

    Notes
    -----
    Where it has seen a board of this shape (`remember`), the result is a share of 0.8 of that board's sharp image,
    fitted locally in mean, plus 0.2 of a Wiener filter; elsewhere the Wiener filter. A network that has learnt its
    training boards by heart behaves like this on their golden design.
    """

    def __init__(self) -> None:
        super().__init__("control_memoriser", "control: knows the sound board by heart", None)
        object.__setattr__(self, "_golden", None)

    def remember(self, golden: NDArray[np.float32] | None) -> None:
        """Take a sound board to heart, or forget it."""
        object.__setattr__(self, "_golden", golden)

    def restore(
        self,
        frame: Frame,
        degradation: Degradation,
        *,
        exposure_s: float | None = None,
        random_state: Sequence[int] = (0,),
    ) -> Output:
        """Return mostly the board it remembers."""
        linear = np.asarray(wiener.restore(frame, degradation), dtype=np.float32)
        golden = getattr(self, "_golden", None)
        if golden is None or golden.shape != linear.shape:
            return Output(linear, 0.0, 0.0, 0)
        recalled = golden + scipy.ndimage.uniform_filter(linear - golden, 8 * WINDOW_PX + 1, mode="reflect")
        return Output(np.asarray(MEMORY_SHARE * recalled + (1 - MEMORY_SHARE) * linear, dtype=np.float32), 0.0, 0.0, 0)


class Inventor(Contestant):
    """Draws on purpose: a Wiener filter with a faint lattice all over it, far below the noise of one frame."""

    AMPLITUDE = 0.001
    PERIOD_PX = 4

    def __init__(self) -> None:
        super().__init__("control_inventor", "control: draws a faint lattice", None)

    def restore(
        self,
        frame: Frame,
        degradation: Degradation,
        *,
        exposure_s: float | None = None,
        random_state: Sequence[int] = (0,),
    ) -> Output:
        """Return the linear result and what nothing has measured."""
        linear = np.asarray(wiener.restore(frame, degradation), dtype=np.float32)
        down, across = (np.cos(2 * np.pi * np.arange(n) / self.PERIOD_PX) for n in linear.shape)
        return Output(linear + np.float32(self.AMPLITUDE) * np.outer(down, across).astype(np.float32), 0.0, 0.0, 0)


class Smoother(Contestant):
    """Flattens on purpose: a Wiener filter and far too much total variation."""

    WEIGHT = 12.0

    def __init__(self) -> None:
        super().__init__("control_smoother", "control: flattens everything faint", None)

    def restore(
        self,
        frame: Frame,
        degradation: Degradation,
        *,
        exposure_s: float | None = None,
        random_state: Sequence[int] = (0,),
    ) -> Output:
        """Return a flattened image."""
        image = tv.restore(frame, degradation, weight=self.WEIGHT, regularisation=1.0)
        return Output(np.asarray(image, dtype=np.float32), 0.0, 0.0, 0)
