"""Whether a restoration that is repeated says what its record says, and gives the pixels of its file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.radiograph import Radiograph
from coldray.scratch import strips

UNDETERMINED = (
    ("input",),
    ("output",),
    ("name",),
    ("profile",),
    ("seconds",),
    ("sha256_out",),
    ("side_files",),
    ("provenance",),
    ("interval",),
    ("report",),
    ("certificate_map",),
    ("recipe", "input"),
    ("recipe", "inputs"),
    ("recipe", "sources"),
    ("recipe", "environment"),
    ("signature",),
    ("signed_by",),
)
"""Parts of a record that say where things are, how long it took, on what machine, or who signed; hashes are checked against
the files, and a signature against the user's key."""
NEVER_NUMBERED = ("recipe", "format")
"""What the first records of a format did not hold."""
ANOTHER_MACHINE = 0.02
"""How far numbers may be off where the same build ran on another machine: pixels may differ by one step there."""
LISTED = 5
LONGEST = 60

LSB = 1 / 65535
"""One step of 16 bits, as a share of the open beam: what another machine may differ by."""

Place = tuple[str | int, ...]


def leaves(found: Json, place: Place = ()) -> Iterator[tuple[Place, Json]]:
    """Every value of a JSON document with its place; an empty list or object is a value too."""
    if isinstance(found, Mapping) and found:
        for name, part in found.items():
            yield from leaves(part, (*place, name))
    elif isinstance(found, list) and found:
        for number, part in enumerate(found):
            yield from leaves(part, (*place, number))
    else:
        yield place, found


def determined(place: Place) -> bool:
    """Whether a restoration determines what stands at a place of its record."""
    if place[:1] == ("inputs",) and place[2:] == ("input",):
        return False
    return not any(place[: len(part)] == part for part in UNDETERMINED)


def differences(recorded: Json, repeated: Json, tolerance: float = 0.0) -> list[str]:
    """What a record says otherwise than the repeated restoration.

    Parameters
    ----------
    recorded, repeated : JSON objects
    tolerance : float
        How far numbers may be off, relative; those in words too. With any, places of marks are not compared one by one:
        the faintest come and go.

    Returns
    -------
    list of str
        One sentence each; at most `LISTED`, the last of which counts the rest.
    """
    before, now = (dict(leaf for leaf in leaves(found) if determined(leaf[0])) for found in (recorded, repeated))
    found = []
    for place in [*before, *(place for place in now if place not in before)]:
        if (tolerance and "places" in place) or (place == NEVER_NUMBERED and place not in before):
            continue
        there = place in before and place in now
        if there and _alike(before[place], now[place], tolerance):
            continue
        said, wanted = (_shown(values, place) for values in (before, now))
        found.append(f"the record says {said} for {'.'.join(map(str, place))}, the repeated restoration {wanted}")
    more = len(found) - LISTED
    return found if more <= 0 else [*found[:LISTED], f"and {more} more of what the record says"]


def _shown(values: Mapping[Place, Json], place: Place) -> str:
    if place not in values:
        return "nothing"
    text = repr(values[place])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def _alike(one: Json, other: Json, tolerance: float) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or not tolerance:
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= tolerance * max(abs(one), abs(other)) + 1e-6
    if isinstance(one, str) and isinstance(other, str):
        numbers = [[float(n) for n in _NUMBER.findall(text)] for text in (one, other)]
        same = _NUMBER.sub("#", one) == _NUMBER.sub("#", other) and len(numbers[0]) == len(numbers[1])
        # words round to two digits
        return same and all(_alike(a, b, max(tolerance, 0.1)) for a, b in zip(*numbers, strict=True))
    return bool(one == other)


def steps_apart(written: Radiograph, again: Radiograph) -> float | None:
    """Largest difference of two images in steps of 16 bits; None if they cannot be compared."""
    if written.shape != again.shape or written.dtype != again.dtype:
        return None
    most = 0.0
    for rows in strips(written.shape):
        a, b = (np.asarray(image.pixels[..., rows, :], dtype=np.float64) for image in (written, again))
        most = max(most, float(np.max(np.abs(a - b))))
    if written.dtype.kind == "f":
        return most / ((written.acquisition.open_beam or 1.0) * LSB)
    return most / _step(written.pixels)


def _step(pixels: NDArray[np.number]) -> float:
    """What one step of 16 bits is in stored values: 1, or more for wider integers."""
    return max(1.0, float(2 ** (8 * pixels.dtype.itemsize - 16)))
