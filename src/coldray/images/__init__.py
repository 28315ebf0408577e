"""Corrections of images: dark, gain, bad pixels, averaging, and the scale of the open beam."""
