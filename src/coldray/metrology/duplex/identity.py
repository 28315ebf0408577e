"""Which wire belongs to which pair: numbers of the elements, and whether there is one indicator at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray.errors import MeasurementError
from coldray.metrology.duplex.profile import tilt_of_lines
from coldray.metrology.duplex.wires import Profile

Float = NDArray[np.float64]

NEAR = 0.3
"""Relative error of the distance of two wires that still make a pair."""
ALIKE = 0.85
"""Area of a wire over that of the other of its pair, at least; the next pair has 0.6 to 0.8 of it."""
FEWEST_RESOLVED = 3
"""Wires that outnumber the elements are refused unless so many pairs have their distance."""
WIDTHS = 4
"""Stretches whose widths tell the number of the first one."""
CHORD = 1 / 16
"""Variance of a round wire's chord over its squared diameter; that of a strip is 1/12."""
BETTER = 0.6
"""Misfit of the best number over that of the next one, at most."""
GROWS = 1.6
"""Area of a stretch over that of one three places before, at most: areas fall from pair to pair."""
STRONG = 0.1
"""Of the strongest stretch: fainter ones may be noise."""
TURNED_DEG = 1.0
"""Largest difference of the tilt of two halves."""
FEWEST_ROWS = 24


def one_straight_set(middle: Float, angle_deg: float) -> None:
    """Refuse wires whose upper and lower halves are tilted unlike the whole: two indicators, one above the other."""
    rows = middle.shape[0]
    if rows < 2 * FEWEST_ROWS:
        return
    halves = [tilt_of_lines(part) for part in (middle[: rows // 2], middle[rows // 2 :])]
    if min(abs(half - angle_deg) for half in halves) > TURNED_DEG and abs(halves[0] - halves[1]) < TURNED_DEG:
        raise MeasurementError(
            f"the halves of the wires are tilted by {halves[0]:.1f} and {halves[1]:.1f} deg, the whole by "
            f"{angle_deg:.1f}: there is more than one indicator in the region; give `roi` around one"
        )


def numbered(
    profile: Profile, wires: list[slice], spacings: Float, first_element: int | None, warnings: list[str]
) -> list[tuple[int, float]]:
    """Index and middle [mm] of the pairs, read from the coarse end: two stretches two spacings apart, or one stretch.

    Parameters
    ----------
    profile : Profile
    wires : list of slice
        Stretches that stand out, coarse to fine.
    spacings : ndarray, shape (elements,)
    first_element : int, optional
        Number of the first pair.
    warnings : list of str
        Receives how many stretches are left over.

    Returns
    -------
    list of (int, float)

    Raises
    ------
    MeasurementError
        If the number of the first pair cannot be told, or the wires are those of two indicators.
    """
    centres = np.array([profile.centre(w) for w in wires])
    areas = np.array([profile.area(w) for w in wires])
    apart = np.abs(np.diff(centres))
    if np.any((areas[3:] > GROWS * areas[:-3]) & (areas[3:] > STRONG * areas.max())):
        raise MeasurementError(
            "wires grow stronger again along the indicator: there is more than one in the region, or other structure; "
            "give `roi` around one"
        )
    if first_element is not None:
        number = first_element - 1
    elif areas[:2].min() > ALIKE * areas[:2].max():
        number = int(np.argmin(np.abs(np.log(2 * spacings / apart[0]))))
    else:
        number = _by_widths(profile, wires, spacings)
        warnings.append(
            f"the wires of the coarsest pair are not told apart; by its width it is taken for {number + 1}D: give the "
            "number of the first element"
        )
    if not 0 <= number < spacings.size:
        raise MeasurementError(f"first_element is {first_element}; elements run from 1 to {spacings.size}")
    places: list[tuple[int, float]] = []
    i = resolved = 0
    while i < len(wires) and number < spacings.size:
        two = i + 1 < len(wires) and _pair(areas[i : i + 2], apart[i] / (2 * spacings[number]))
        places.append((number, float(centres[i : i + 2].mean() if two else centres[i])))
        resolved += two
        i += 2 if two else 1
        number += 1
    if first_element is None and i + 2 < len(wires) and resolved < FEWEST_RESOLVED:
        raise MeasurementError(
            f"{len(wires)} wires were found whose distances are not those of elements {places[0][0] + 1}D on; "
            "give `first_element` or an ROI around the indicator alone, or average more rows or frames"
        )
    if i < len(wires):
        warnings.append(f"{len(wires) - i} more wires follow the finest known pair")
    return places


def _pair(areas: Float, apart: float) -> bool:
    """True for two stretches of one pair: as strong as each other, and two spacings apart."""
    return bool(abs(apart - 1) < NEAR and areas.min() > ALIKE * areas.max())


def _by_widths(profile: Profile, wires: list[slice], spacings: Float) -> int:
    """Index of a first pair whose wires are not told apart.

    The variance of a stretch is that of the blur plus (1 + 1/16) d^2 of two round wires of diameter d; along the
    series its differences tell d itself, whatever the blur.
    """
    used = wires[:WIDTHS]
    variance = np.array([profile.variance(w) for w in used])
    misfit = np.full(spacings.size, np.inf)
    for first in range(spacings.size - len(used) + 1):
        expected = (1 + CHORD) * spacings[first : first + len(used)] ** 2
        rest = (variance - expected) - (variance - expected).mean()
        misfit[first] = float(np.sqrt(np.mean(rest**2)) / np.ptp(expected))
    order = np.argsort(misfit)
    if len(used) < 3 or misfit[order[0]] > BETTER * misfit[order[1]]:
        raise MeasurementError(
            "no pair is resolved and its widths do not tell its number; give first_element, or a region that begins "
            "with a resolved pair"
        )
    return int(order[0])
