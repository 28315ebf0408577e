"""The design of a study: what is asked, which defect goes where in which frame, and what is kept of the readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.pod.defects import KINDS, Stamp
from coldray.benchmark.pod.places import FEWEST_CELLS, READ_PX, SPACING_PX, Roi, allowed_places, cells, sites
from coldray.benchmark.pod.reading import Outputs, patches
from coldray.errors import MeasurementError

Float = NDArray[np.float64]
Image = NDArray[np.float32]

DEFECTS = 60
"""Defects of each kind and size, at least."""
MOST_FRAMES = 400


@dataclass(frozen=True)
class Question:
    """What is asked of the frame.

    Parameters
    ----------
    kinds : tuple of str
    sizes_mm : tuple of float
        Of every kind; chosen to lie around the threshold of the raw frame if there are none.
    contrast : float
        Relative change of the signal, before any blur.
    contrast_per_mm : float, optional
        Contrast per size [1/mm] instead: for defects as deep as they are wide.
    regions : tuple of (x, y, width, height)
        Where defects are put [pixels]; anywhere if there is none.
    count : int
        Defects of each kind and size, at least.
    random_state : int
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    sizes_mm: tuple[float, ...] = ()
    contrast: float = 0.1
    contrast_per_mm: float | None = None
    regions: tuple[Roi, ...] = ()
    count: int = DEFECTS
    random_state: int = 0

    def contrast_of(self, size_mm: float) -> float:
        """Contrast of a defect of this size."""
        return self.contrast if self.contrast_per_mm is None else self.contrast_per_mm * size_mm


@dataclass(frozen=True, eq=False)
class Design:
    """Which defect goes where in which frame, and where the frame without defects is read.

    Parameters
    ----------
    placed : list of list of (class, row, col)
        By frame.
    read_at : ndarray of int, shape (places, 2)
    spacing : int
        Side of a cell [pixels].
    cell_shape : (rows, cols)
        Cells of the frame.
    disjoint : int
        Cells in which something is read.
    warnings : tuple of str
    """

    placed: list[list[tuple[int, int, int]]]
    read_at: NDArray[np.int64]
    spacing: int
    cell_shape: tuple[int, int]
    disjoint: int
    warnings: tuple[str, ...]

    @property
    def frames(self) -> int:
        """Frames that defects are put into."""
        return len(self.placed)

    @classmethod
    def of(
        cls, shape: tuple[int, int], every: Sequence[Stamp], question: Question, excluded: NDArray[np.bool_] | None
    ) -> Design:
        """Classes in turn over the sites of as many frames as are needed, in a random order."""
        side = max(one.side for one in every)
        spacing = max(SPACING_PX, side)
        allowed = allowed_places(shape, side // 2, question.regions, excluded)
        read_at = sites(allowed, READ_PX)
        disjoint = len(np.unique(cells(read_at, spacing), axis=0))
        if disjoint < FEWEST_CELLS:
            raise MeasurementError(
                f"there is room for {disjoint} defects {spacing} pixels apart and {side // 2} from the border; {FEWEST_CELLS} are "
                "the least: choose a larger image or region, or smaller defects"
            )
        rng = np.random.default_rng([question.random_state, 79])
        wanted = question.count * len(every)
        deck = np.concatenate([rng.permutation(len(every)) for _ in range(question.count)])
        placed: list[list[tuple[int, int, int]]] = []
        done = 0
        while done < wanted:
            if len(placed) == MOST_FRAMES:
                raise MeasurementError(
                    f"{wanted} defects do not fit into {MOST_FRAMES} frames of this image; choose a larger region, fewer kinds or "
                    "fewer sizes"
                )
            at = sites(allowed, spacing, len(placed))
            at = at[rng.permutation(len(at))][: wanted - done]
            placed.append([(int(k), int(r), int(c)) for k, (r, c) in zip(deck[done : done + len(at)], at, strict=True)])
            done += len(at)
        rows, cols = (n // spacing + 1 for n in shape)
        warnings = []
        if question.count > disjoint:
            warnings.append(
                f"the image has {disjoint} disjoint places for {question.count} defects of a class: some share a ground, and the "
                "bounds are tighter than they should be"
            )
        return cls(placed, read_at, spacing, (rows, cols), disjoint, tuple(warnings))

    def places_of(self, k: int) -> NDArray[np.int64]:
        """Row and column of all defects of a class, in the order of the frames."""
        found = [(row, col) for frame in self.placed for which, row, col in frame if which == k]
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    def cells_of(self, k: int) -> NDArray[np.int64]:
        """Cells of all defects of a class, in the order of the frames."""
        return cells(self.places_of(k), self.spacing)


@dataclass(frozen=True, eq=False)
class Gathered:
    """Channel outputs of all arms and classes.

    Parameters
    ----------
    ground : dict of (class, arm) to ndarray, shape (places, channels)
        Of the frame without defects.
    present, absent : dict of (class, arm) to list of ndarray, shape (defects, channels)
        Of each frame with defects, and of the same places without them.
    """

    ground: dict[tuple[int, str], Float]
    present: dict[tuple[int, str], list[Float]]
    absent: dict[tuple[int, str], list[Float]]

    @classmethod
    def of(cls, design: Design, every: Sequence[Stamp], without: Mapping[str, Image]) -> Gathered:
        """Outputs of the frame without defects."""
        ground = {
            (k, arm): patches(image, design.read_at, one.channels)
            for k, one in enumerate(every)
            for arm, image in without.items()
        }
        return cls(ground, {key: [] for key in ground}, {key: [] for key in ground})

    def take(
        self, design: Design, every: Sequence[Stamp], number: int, without: Mapping[str, Image], found: Mapping[str, Image]
    ) -> None:  # fmt: skip
        """Take the outputs of one frame with defects, and of the same places without them."""
        which = np.array([k for k, _, _ in design.placed[number]])
        at = np.array([(row, col) for _, row, col in design.placed[number]])
        for k, one in enumerate(every):
            if np.any(which == k):
                for arm in found:
                    self.present[k, arm].append(patches(found[arm], at[which == k], one.channels))
                    self.absent[k, arm].append(patches(without[arm], at[which == k], one.channels))

    def of_class(self, design: Design, k: int, arm: str, structured: NDArray[np.bool_] | None = None) -> Outputs:
        """Outputs of one class in one arm; `structured` says of every pixel whether the measurement shows structure there."""
        cell = cells(design.read_at, design.spacing)
        present, absent = (np.concatenate(part[k, arm]) for part in (self.present, self.absent))
        sorts = (
            (None, None)
            if structured is None
            else (structured[tuple(at.T)] for at in (design.read_at, design.places_of(k)))
        )
        return Outputs(self.ground[k, arm], cell, present, absent, design.cells_of(k), *sorts)
