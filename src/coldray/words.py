"""Numbers as a sentence says them."""

from __future__ import annotations

from decimal import Decimal


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
