"""Blind trials: people read images raw, after a linear filter and restored, without knowing which is which."""
