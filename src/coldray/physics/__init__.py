"""Formulas: numpy in, numpy out; no torch, no plots, no image files."""
