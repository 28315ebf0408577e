"""The range check that all degradations share."""

from __future__ import annotations

from coldray.errors import StrengthError


def check_strength(strength: float) -> None:
    """Raise StrengthError unless 0 <= strength <= 1."""
    if not 0.0 <= strength <= 1.0:
        raise StrengthError(f"blend strength is {strength!r}; it must lie in [0, 1] (the paper's t/T)")
