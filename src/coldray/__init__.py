"""Restore what a thick phosphor blurred, and prove what was measured and what was inferred."""

from __future__ import annotations

__version__ = "0.1.0"
