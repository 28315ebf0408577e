"""Numbers as a sentence says them, and sentences that differ in their numbers alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
"""A number in a sentence; what is part of a word stays."""


def without_numbers(sentence: str) -> str:
    """What kind of sentence it is: numbers left out.

    Examples
    --------
    >>> from coldray.words import without_numbers
    >>> without_numbers("it is 12 % of 8 frames")
    'it is … % of … frames'
    """
    return NUMBER.sub("…", sentence)


def told_once(remarks: Iterable[tuple[str, str]]) -> list[str]:
    """Remarks on many things, each kind once with the names of all that have it.

    Parameters
    ----------
    remarks : iterable of (str, str)
        Name and remark.

    Returns
    -------
    list of str
        In the order of the first of each kind; numbers that differ are left out.

    Examples
    --------
    >>> from coldray.words import told_once
    >>> told_once([("a", "noise of 3 %"), ("b", "dark"), ("c", "noise of 4 %")])
    ['a, c: noise of … %', 'b: dark']
    """
    kinds: dict[str, dict[str, list[str]]] = {}
    for name, remark in remarks:
        names = kinds.setdefault(without_numbers(remark), {}).setdefault(remark, [])
        names += [] if name in names else [name]
    found = []
    for kind, told in kinds.items():
        names = list(dict.fromkeys(name for some in told.values() for name in some))
        found.append(f"{', '.join(names)}: {next(iter(told)) if len(told) == 1 else kind}")
    return found


def percent(share: float) -> str:
    """Share in percent with two digits, never with an exponent.

    Parameters
    ----------
    share : float
        1 is the whole.

    Returns
    -------
    str

    Examples
    --------
    >>> from coldray.words import percent
    >>> percent(1.0), percent(0.1234), percent(2.5e-7)
    ('100 %', '12 %', '0.000025 %')
    """
    return f"{Decimal(f'{100 * share:.2g}'):f} %"
