"""Numbers as they are kept."""

from __future__ import annotations

from typing import Any

DIGITS = 6


def short(value: Any) -> Any:
    """Numbers with six digits, at any depth."""
    if isinstance(value, dict):
        return {k: short(v) for k, v in value.items()}
    if isinstance(value, list):
        return [short(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
