"""How a model observer reads defects and defect-free places of one class, at one false-call rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.pod.places import half_of
from coldray.errors import MeasurementError
from coldray.metrology.observer import hotelling_template

Float = NDArray[np.float64]

FALSE_CALLS = 0.01
"""Share of defect-sized sites without a defect that are called."""
BOOTSTRAPS = 100
FEWEST = 4
"""Defects of one class in each half of the frame, from which a template is learnt."""
LEAST_PLACES = 200
"""Places without a defect from which a sort of ground has false calls of its own: two of them at the false-call rate."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """Channel outputs of one class of defects in one kind of image.

    Parameters
    ----------
    ground : ndarray, shape (places, channels)
        Of the frame without defects.
    ground_cell : ndarray of int, shape (places, 2)
        Row and column of the cell in which each lies.
    present, absent : ndarray, shape (defects, channels)
        With the defect, and of the same places without it.
    cell : ndarray of int, shape (defects, 2)
        Row and column of the cell of each defect.
    ground_structured, structured : ndarray of bool, shapes (places,) and (defects,), optional
        Which places, and which defects, lie where the measurement shows structure; all ground is of one sort without them.
    """

    ground: Float
    ground_cell: NDArray[np.int64]
    present: Float
    absent: Float
    cell: NDArray[np.int64]
    ground_structured: NDArray[np.bool_] | None = None
    structured: NDArray[np.bool_] | None = None

    def sorts(self) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Places and defects of each sort of ground; all as one where a sort has too few of either."""
        if self.ground_structured is not None and self.structured is not None:
            ground_half, half = half_of(self.ground_cell), half_of(self.cell)
            found = [(self.ground_structured == sort, self.structured == sort) for sort in (False, True)]
            least = self.ground.shape[1] + 2
            if all(
                places.sum() >= LEAST_PLACES
                and min(np.count_nonzero(places & (ground_half == h)) for h in (0, 1)) >= least
                and min(np.count_nonzero(defects & (half == h)) for h in (0, 1)) >= FEWEST
                for places, defects in found
            ):
                return found
        return [(np.ones(len(self.ground), dtype=bool), np.ones(len(self.present), dtype=bool))]


@dataclass(frozen=True, eq=False)
class Reading:
    """Readings of one class: 0 is the median of the defect-free frame, 1 the threshold at the false-call rate, in each sort of ground.

    Parameters
    ----------
    value, response : ndarray, shape (defects,)
        Reading of each defect, and what the defect itself adds to it.
    ground : ndarray, shape (places,)
        Readings of the frame without defects.
    threshold_sd : float
        Standard uncertainty of the threshold, from the scatter between cells; of several, that of their mean over the defects.
    """

    value: Float
    response: Float
    ground: Float
    threshold_sd: float


def patches(image: NDArray[np.floating], places: NDArray[np.int64], channels: NDArray[np.float32]) -> Float:
    """Channel outputs at places, shape (places, channels).

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    places : ndarray of int, shape (places, 2)
        Middles of the patches, row and column [pixels].
    channels : ndarray, shape (channels, side * side)
        What the observer looks through.

    Returns
    -------
    ndarray, shape (places, channels)
    """
    side = int(round(channels.shape[1] ** 0.5))
    views = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    out = np.empty((len(places), len(channels)))
    for first in range(0, len(places), 512):
        part = places[first : first + 512] - side // 2
        out[first : first + 512] = views[part[:, 0], part[:, 1]].reshape(len(part), -1) @ channels.T
    return out


def read(outputs: Outputs, rng: np.random.Generator) -> Reading:
    """Read a class of defects.

    Parameters
    ----------
    outputs : Outputs
    rng : numpy.random.Generator
        Of the bootstrap.

    Returns
    -------
    Reading

    Raises
    ------
    MeasurementError
        If a half of the frame holds too few defects or places, or the frame does not vary.

    Notes
    -----
    The template of each half is learnt on the other: K is the covariance of the defect-free frame, and what a defect adds is
    the mean over pairs with and without it, so that the background cancels. The reader knows what sort of ground a place is,
    even or with structure, by the measurement alone and so alike in all arms: each sort has its template and its threshold at
    the one false-call rate. A restoration filters both unlike; one threshold for both would ask how alike, not what is found.
    """
    value, response = np.empty(len(outputs.present)), np.empty(len(outputs.present))
    ground = np.empty(len(outputs.ground))
    variance = 0.0
    for places, defects in outputs.sorts():
        part = _read_sort(outputs, places, defects)
        zero, threshold = float(np.median(part.ground)), float(np.quantile(part.ground, 1 - FALSE_CALLS))
        one = threshold - zero
        if not one > 0:
            raise MeasurementError(
                "the image does not vary at all: there is no noise in which a defect could be missed"
            )
        value[defects], response[defects] = (part.value - zero) / one, part.response / one
        ground[places] = (part.ground - zero) / one
        spread = float(_bootstrapped(part.ground, outputs.ground_cell[places], rng).std()) / one
        variance += (float(np.mean(defects)) * spread) ** 2
    return Reading(value, response, ground, float(np.sqrt(variance)))


def _read_sort(outputs: Outputs, places: NDArray[np.bool_], defects: NDArray[np.bool_]) -> Reading:
    """Readings of one sort of ground in the template's own units: the template of each half is learnt on the other."""
    found, present, absent = outputs.ground[places], outputs.present[defects], outputs.absent[defects]
    value, response, ground = np.empty(len(present)), np.empty(len(present)), np.empty(len(found))
    ground_half, defect_half = half_of(outputs.ground_cell[places]), half_of(outputs.cell[defects])
    for half in (0, 1):
        learn, of = ground_half == half, defect_half == half
        if np.count_nonzero(of) < FEWEST or np.count_nonzero(learn) < found.shape[1] + 2:
            raise MeasurementError(
                f"a half of the image holds {np.count_nonzero(of)} defects of a class and {np.count_nonzero(learn)} places to "
                f"learn false calls from; {FEWEST} and {found.shape[1] + 2} are needed: choose a larger region"
            )
        known, added = found[learn], present - absent
        template = hotelling_template(known, known, added[of].mean(axis=0))
        middle = known.mean(axis=0)
        value[~of] = (present[~of] - middle) @ template
        response[~of] = added[~of] @ template
        ground[~learn] = (found[~learn] - middle) @ template
    return Reading(value, response, ground, 0.0)


def _bootstrapped(values: Float, cell: NDArray[np.int64], rng: np.random.Generator) -> Float:
    """The quantile of the false-call rate when whole cells are drawn again."""
    names, number = np.unique(cell, axis=0, return_inverse=True)
    order = np.argsort(values)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAPS)
    reached = np.cumsum(drawn[:, number.ravel()[order]], axis=1)
    at = np.argmax(reached >= (1 - FALSE_CALLS) * reached[:, -1:], axis=1)
    return np.asarray(values[order][at])
