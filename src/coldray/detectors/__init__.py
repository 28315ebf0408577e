"""Detectors: JSON files from `characterise`, and parametric models."""
